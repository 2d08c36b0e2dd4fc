//! What stands between the CLI and the backend: the proxy of the environment, a proxy that cannot
//! reach it, one that asks for a login.

use crate::checks::Check;
use crate::deployment::answers::is_gateway_error;
use crate::deployment::answers::is_login_wall;
use crate::deployment::answers::needed;
use crate::deployment::answers::seen;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::endpoint::url_location;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::endpoint::{Answer, Body, Reach};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::compose_command;
use crate::report::shell_word;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

static HTTP_PROXY_INTERCEPTS: Rule = Rule {
    id: "http-proxy-intercepts",
    level: Level::Error,
    title: "HTTP_PROXY sends the CLI through a proxy that does not reach it",
    explain: include_str!("http-proxy-intercepts.md"),
    is_cause: true,
    causes: &[
        "url-refused",
        "url-no-answer",
        "url-timeout",
        "proxy-error",
        "url-dns-failure",
        "url-tls-failure",
        "url-is-not-convex",
        "url-redirects",
        "proxy-login-wall",
    ],
    since: "0.1.0",
};

static PROXY_ERROR: Rule = Rule {
    id: "proxy-error",
    level: Level::Error,
    title: "a proxy answers that it cannot reach the backend",
    explain: include_str!("proxy-error.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

static PROXY_LOGIN_WALL: Rule = Rule {
    id: "proxy-login-wall",
    level: Level::Error,
    title: "a login stands in front of the backend",
    explain: include_str!("proxy-login-wall.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

pub(super) static INTERCEPTS: Check = Check { rules: &[&HTTP_PROXY_INTERCEPTS], run: intercepts };
pub(super) static GATEWAY: Check = Check { rules: &[&PROXY_ERROR], run: gateway };
pub(super) static LOGIN: Check = Check { rules: &[&PROXY_LOGIN_WALL], run: login };

fn intercepts(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let Some(proxy) = &endpoint.proxy else { return Ok(vec![]) };
    if convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    match &endpoint.direct {
        Some(Reach::Answered) => {}
        None | Some(Reach::NotTried) => {
            return Err(Unseen { reason: "going round the proxy was not tried".to_owned() });
        }
        Some(_) => return Ok(vec![]),
    }
    // Two answers that are both no backend's may come from the same wrong server.
    let straight = endpoint.direct_answer.as_ref().and_then(Answer::instance_name);
    let certainty = match (straight, &endpoint.reach) {
        (Some(_), _) => Certainty::Proven,
        (None, Reach::Answered) => Certainty::Likely,
        (None, _) => Certainty::Proven,
    };
    let there = match straight {
        Some(name) => format!("the backend `{name}` answers"),
        None => "there is an answer".to_owned(),
    };
    let host = &endpoint.host;
    Ok(vec![
        HTTP_PROXY_INTERCEPTS
            .finding(
                certainty,
                format!(
                    "The CLI asks {proxy} for {host}, loopback or not; straight at {host} {there}."
                ),
            )
            .because(
                "stands in HTTP_PROXY or HTTPS_PROXY, and NO_PROXY does not except the host",
                proxy.clone(),
            )
            .at(url_location(evidence))
            .remedy(
                Remedy::safe("except the host from the proxy").run(format!(
                    "export NO_PROXY=\"${{NO_PROXY:+$NO_PROXY,}}\"{}",
                    shell_word(host)
                )),
            ),
    ])
}

fn gateway(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let Some((path, answer)) =
        seen(endpoint).into_iter().find(|(_, answer)| is_gateway_error(answer))
    else {
        match endpoint.reach {
            Reach::Answered => drop(needed(endpoint)?),
            _ => drop(convex_answers(endpoint)?),
        }
        return Ok(vec![]);
    };
    // 503 alone could be anything that is overloaded.
    let sure = answer.status != 503
        || answer.server.is_some()
        || matches!(answer.body, Body::Text { .. } | Body::Html { .. });
    let proxy = answer.server.as_deref().unwrap_or("A proxy");
    let finding = PROXY_ERROR
        .finding(
            if sure { Certainty::Proven } else { Certainty::Likely },
            format!("{proxy} answers {} in place of the backend.", answer.status),
        )
        .because(format!("answers {}", answer.status), format!("{}{path}", endpoint.url))
        .at(url_location(evidence))
        .remedy(
            Remedy::safe("on the backend's host: see whether it runs, and to which address and port the proxy sends")
                .run(compose_command(evidence, "ps")),
        );
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

fn login(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let walls = seen(endpoint).into_iter().filter_map(|(path, answer)| {
        // A page for people at `/` says nothing of the API.
        let counts = path != "/" && path != "/version";
        Some((is_login_wall(path, answer).filter(|_| counts)?, path, answer))
    });
    let Some((sure, path, answer)) = walls.max_by_key(|(sure, ..)| *sure) else {
        match endpoint.reach {
            Reach::Answered => drop(needed(endpoint)?),
            _ => drop(convex_answers(endpoint)?),
        }
        return Ok(vec![]);
    };
    let what = match &answer.location {
        Some(location) => format!("answers {} to {location}", answer.status),
        None => format!("answers {}, not in Convex's words", answer.status),
    };
    let finding = PROXY_LOGIN_WALL
        .finding(
            if sure { Certainty::Proven } else { Certainty::Likely },
            "A proxy asks for a login before the request reaches Convex; the CLI cannot log in there.",
        )
        .because(what, format!("{}{path}", endpoint.url))
        .at(url_location(evidence))
        .remedy(Remedy::careful(
            "except the API's host from the login at the proxy: the backend checks the admin key itself",
        ));
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    const PLACE: &str = "http://127.0.0.1:3210";

    fn told(evidence: &Evidence) -> Vec<String> {
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
            endpoint.proxy = Some("http://proxy:8080".to_owned());
            endpoint.direct = direct;
            endpoint.direct_answer =
                straight.map(|body| build::answer(200, body).seen().cloned().unwrap());
            let told = told(&evidence);
            assert_eq!(told.first().map(|it| it.trim_end_matches(PLACE).trim()), expected);
        }
    }

    #[test]
    fn proxies_speak_for_themselves() {
        assert!(told(&build::healthy()).is_empty());
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
            assert_eq!(told(&evidence), [format!("{expected} {PLACE}")]);
        }
        let mut refused = build::healthy();
        build::everywhere(&mut refused, &build::refusal(401, "BadAdminKey"));
        assert!(told(&refused).is_empty());
    }
}
