//! What is between the CLI and the backend: the proxy in the environment, a proxy that cannot reach
//! the backend, one that asks for a login.

use crate::checks::Check;
use crate::deployment::answers::{is_gateway_error, is_login_wall, needed, seen};
use crate::deployment::endpoint::{convex_answers, selected_endpoint, url_location};
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::endpoint::{Answer, Body, InvalidProxy, Reach};
use crate::evidence::{Evidence, Unseen};
use crate::names::API_PORT;
use crate::remedies::command::compose;
use crate::report::{
    Certainty, CliFailure, ComposeVerb, Finding, Location, Remedy, Rule, Waiting, shell_word,
};

static HTTP_PROXY_INTERCEPTS: Rule =
    rule!("http-proxy-intercepts", Error, "the proxy in HTTP_PROXY cannot reach the backend")
        .cause(&[
            "url-refused",
            "url-no-answer",
            "url-timeout",
            "proxy-error",
            "url-dns-failure",
            "url-tls-failure",
            "url-is-not-convex",
            "url-redirects",
            "proxy-login-wall",
        ])
        .explains(&[CliFailure::ProxyInvalid]);

static PROXY_ERROR: Rule = rule!("proxy-error", Error, "a proxy cannot reach the backend")
    .cause(&[])
    .waiting(Waiting::Passes);

static PROXY_LOGIN_WALL: Rule =
    rule!("proxy-login-wall", Error, "a login page blocks access to the backend").cause(&[]);

pub(super) static INTERCEPTS: Check = Check { rules: &[&HTTP_PROXY_INTERCEPTS], run: intercepts };
pub(super) static GATEWAY: Check = Check { rules: &[&PROXY_ERROR], run: gateway };
pub(super) static LOGIN: Check = Check { rules: &[&PROXY_LOGIN_WALL], run: login };

fn intercepts(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if let Some(proxy) = &endpoint.route.proxy_invalid {
        return Ok(vec![invalid(proxy)]);
    }
    let Some(proxy) = &endpoint.route.proxy else { return Ok(vec![]) };
    if convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    match &endpoint.route.direct {
        Some(Reach::Answered) => {}
        None | Some(Reach::NotTried) => {
            return Err(Unseen::new("a connection without the proxy was not tried"));
        }
        Some(_) => return Ok(vec![]),
    }
    // Two answers that both do not come from a backend may come from the same wrong server.
    let backend = endpoint.route.direct_answer.as_ref().and_then(Answer::instance_name);
    let certainty = match (backend, &endpoint.route.reach) {
        (Some(_), _) => Certainty::Proven,
        (None, Reach::Answered) => Certainty::Likely,
        (None, _) => Certainty::Proven,
    };
    let direct = match backend {
        Some(name) => format!("the backend `{name}` answers"),
        None => "a server answers".to_owned(),
    };
    let host = &endpoint.target.host;
    // Where the lower-case one is set, the other does not count.
    let exceptions = endpoint.route.exceptions.as_deref().unwrap_or("NO_PROXY");
    let variable = endpoint.route.proxy_variable.as_deref().unwrap_or("HTTP_PROXY or HTTPS_PROXY");
    let detail = format!(
        "The CLI sends its requests for {host} to the proxy {proxy}. Without the proxy, {direct}."
    );
    Ok(vec![
        HTTP_PROXY_INTERCEPTS
            .finding(certainty, detail)
            .because(
                format!("Set in {variable}; {exceptions} does not exclude the host"),
                proxy.clone(),
            )
            .at(url_location(evidence))
            .remedy(Remedy::safe(format!("Bypass the proxy for {host} in this shell")).run(
                format!(
                    "export {exceptions}=\"${{{exceptions}:+${exceptions},}}\"{}",
                    shell_word(host)
                ),
            )),
    ])
}

/// The CLI does not start with this proxy.
fn invalid(proxy: &InvalidProxy) -> Finding {
    let InvalidProxy { variable, value, certain } = proxy;
    let (certainty, stops) =
        if *certain { (Certainty::Proven, "stops") } else { (Certainty::Likely, "probably stops") };
    let text = value.as_deref().map_or_else(String::new, |value| format!(" (`{value}`)"));
    let detail = format!(
        "{variable}{text} is not a URL with http:// or https://. The CLI {stops} at it, before it \
         sends anything: `Invalid URL`."
    );
    let finding = HTTP_PROXY_INTERCEPTS
        .finding(certainty, detail)
        .because(
            format!("{variable} is not the URL of a proxy"),
            format!("${variable} of the shell"),
        )
        .at(Location::Environment { env: variable.clone() });
    let is_host =
        |value: &&String| !value.contains("//") && value.contains(|c: char| c.is_alphanumeric());
    match value.as_ref().filter(is_host) {
        Some(value) => finding.remedy(
            Remedy::safe("Set it with the scheme of the proxy, usually http")
                .run(format!("export {variable}={}", shell_word(&format!("http://{value}")))),
        ),
        None => finding.remedy(Remedy::safe(format!("Set {variable} to http://HOST:PORT"))),
    }
    .remedy(Remedy::safe("Unset it if you do not need the proxy").run(format!("unset {variable}")))
}

fn gateway(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let Some((path, answer)) =
        seen(endpoint).into_iter().find(|(_, answer)| is_gateway_error(answer))
    else {
        match endpoint.route.reach {
            Reach::Answered => drop(needed(endpoint)?),
            _ => drop(convex_answers(endpoint)?),
        }
        return Ok(vec![]);
    };
    // 503 alone could be anything that is overloaded.
    let sure = answer.status != 503
        || answer.server.is_some()
        || matches!(answer.body, Body::Text { .. } | Body::Html { .. });
    let proxy = answer.server.as_deref().unwrap_or("a proxy");
    let (certainty, do_not) =
        if sure { (Certainty::Proven, "do not") } else { (Certainty::Likely, "probably do not") };
    let detail = format!(
        "Requests {do_not} reach the backend: {proxy} answers {} instead. The key was not tested.",
        answer.status
    );
    let finding = PROXY_ERROR
        .finding(certainty, detail)
        .because(format!("Answers {}", answer.status), format!("{}{path}", endpoint.target.url))
        .at(url_location(evidence))
        .remedy(
            Remedy::safe("Check on the backend's host that the container is running")
                .run(compose(evidence, ComposeVerb::Ps))
                .step(),
        )
        .remedy(
            Remedy::safe(format!("Check that the proxy sends to port {API_PORT} of the container"))
                .step(),
        );
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

fn login(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let walls = seen(endpoint).into_iter().filter_map(|(path, answer)| {
        // A web page at `/` does not say anything about the API.
        let counts = path != "/" && path != "/version";
        Some((is_login_wall(path, answer).filter(|_| counts)?, path, answer))
    });
    let Some((sure, path, answer)) = walls.max_by_key(|(sure, ..)| *sure) else {
        match endpoint.route.reach {
            Reach::Answered => drop(needed(endpoint)?),
            _ => drop(convex_answers(endpoint)?),
        }
        return Ok(vec![]);
    };
    let what = match &answer.location {
        Some(location) => format!("Answers {} and redirects to {location}", answer.status),
        None => format!("Answers {}, but not like Convex", answer.status),
    };
    let (certainty, asks) =
        if sure { (Certainty::Proven, "asks") } else { (Certainty::Likely, "probably asks") };
    let detail = format!(
        "A proxy {asks} for a login before requests reach the backend. The CLI cannot log in there."
    );
    let finding = PROXY_LOGIN_WALL
        .finding(certainty, detail)
        .because(what, format!("{}{path}", endpoint.target.url))
        .at(url_location(evidence))
        .remedy(Remedy::careful("Exclude the API's host from the login at the proxy"));
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    const PLACE: &str = "http://127.0.0.1:3210";

    fn found(evidence: &Evidence) -> Vec<String> {
        let checks = [&INTERCEPTS, &GATEWAY, &LOGIN];
        checks.iter().flat_map(|check| build::told((check.run)(evidence))).collect()
    }

    #[test]
    fn a_proxy_of_the_environment_needs_both_ways_tried() {
        let proven = Some("http-proxy-intercepts error proven");
        let likely = Some("http-proxy-intercepts error likely");
        let name = || Body::InstanceName { name: "app".to_owned() };
        let page = || Body::Html { title: None };
        for (reach, direct, straight, expected) in [
            (Reach::Refused, Some(Reach::Answered), Some(name()), proven),
            (Reach::Refused, Some(Reach::Answered), Some(page()), proven),
            (Reach::Answered, Some(Reach::Answered), Some(name()), proven),
            (Reach::Answered, Some(Reach::Answered), Some(page()), likely),
            (Reach::Refused, Some(Reach::Refused), None, None),
            (Reach::Refused, None, None, Some("unknown")),
        ] {
            let mut evidence = build::healthy();
            if reach == Reach::Answered {
                build::everywhere(&mut evidence, &build::page(404, "Squid"));
            } else {
                build::unreachable(&mut evidence, reach);
            }
            let endpoint = build::endpoint(&mut evidence);
            endpoint.route.proxy = Some("http://proxy:8080".to_owned());
            endpoint.route.direct = direct;
            endpoint.route.direct_answer =
                straight.map(|body| build::answer(200, body).seen().cloned().unwrap());
            let told = found(&evidence);
            assert_eq!(told.first().map(|it| it.trim_end_matches(PLACE).trim()), expected);
            for name in ["NO_PROXY", "no_proxy"] {
                build::endpoint(&mut evidence).route.exceptions = Some(name.to_owned());
                let found = intercepts(&evidence).unwrap_or_default();
                let command = found.first().map(|it| it.remedies[0].commands[0].to_string());
                let start = format!("export {name}=\"${{{name}:+${name},}}\"");
                assert!(command.is_none_or(|command| command.starts_with(&start)), "{name}");
            }
        }
    }

    #[test]
    fn a_proxy_variable_that_is_not_a_url_needs_no_look() {
        for (certain, expected) in [(true, Certainty::Proven), (false, Certainty::Likely)] {
            let mut evidence = build::healthy();
            build::endpoint(&mut evidence).route.proxy_invalid = Some(InvalidProxy {
                variable: "http_proxy".to_owned(),
                value: Some("127.0.0.1:9".to_owned()),
                certain,
            });
            let found = intercepts(&evidence).unwrap();
            assert_eq!(found[0].certainty, expected);
            assert_eq!(found[0].remedies[0].commands, ["export http_proxy=http://127.0.0.1:9"]);
        }
    }

    #[test]
    fn a_proxy_is_known_by_its_own_answers() {
        assert!(found(&build::healthy()).is_empty());
        let text = Body::Text { line: "no available server".to_owned() };
        for (answer, expected) in [
            (build::page(502, "502 Bad Gateway"), "proxy-error error proven"),
            (build::answer(503, text), "proxy-error error proven"),
            (build::answer(503, Body::Empty), "proxy-error error likely"),
            (build::page(401, "401 Authorization Required"), "proxy-login-wall error proven"),
            (build::page(403, "Forbidden"), "proxy-login-wall error likely"),
            (build::redirect("https://t.cloudflareaccess.com/x"), "proxy-login-wall error proven"),
            (build::redirect("https://id.example.com/login"), "proxy-login-wall error likely"),
        ] {
            let mut evidence = build::healthy();
            build::everywhere(&mut evidence, &answer);
            assert_eq!(found(&evidence), [format!("{expected} {PLACE}")]);
        }
        let mut refused = build::healthy();
        build::everywhere(&mut refused, &build::refusal(401, "BadAdminKey"));
        assert!(found(&refused).is_empty());
    }
}
