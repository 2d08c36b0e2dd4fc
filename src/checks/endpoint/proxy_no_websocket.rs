//! Plain requests get through, WebSockets do not: the app hangs at "Loading…", and so do several
//! commands of the CLI.

use crate::checks::Check;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::endpoint::url_location;
use crate::evidence::endpoint::Answer;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

static PROXY_NO_WEBSOCKET: Rule = Rule {
    id: "proxy-no-websocket",
    level: Level::Warning,
    title: "WebSockets do not get through to the backend",
    explain: include_str!("proxy-no-websocket.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&PROXY_NO_WEBSOCKET], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if !convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    let answer = endpoint.websocket.seen()?;
    let Some(certainty) = refused(answer) else { return Ok(vec![]) };
    if endpoint.proxy.is_some() {
        let reason = "asked through the proxy of the environment, round which WebSockets go";
        return Err(Unseen { reason: reason.to_owned() });
    }
    let by = answer.server.as_deref();
    let said = match answer.code() {
        Some(code) => format!("{} {code} to an upgrade, not 101", answer.status),
        None => format!("{} to an upgrade, not 101", answer.status),
    };
    Ok(vec![
        PROXY_NO_WEBSOCKET
            .finding(
                certainty,
                format!(
                    "{} does not let the upgrade through. Apps stay at \"Loading…\", and `npx convex data` \
                     and `env list` try to reconnect for ever.",
                    by.unwrap_or("Something before the backend")
                ),
            )
            .because(said, format!("{}/api/…/sync", endpoint.url.trim_end_matches('/')))
            .at(url_location(evidence))
            .remedy(Remedy::careful(remedy(by.unwrap_or_default()))),
    ])
}

/// Whether the upgrade was refused, and how surely by something before the backend.
fn refused(answer: &Answer) -> Option<Certainty> {
    match (answer.status, answer.code()) {
        (101, _) => None,
        (_, Some("InvalidConnectionHeader" | "InvalidUpgradeHeader")) => Some(Certainty::Proven),
        // The backend's own word on something else, such as the version in the path: the upgrade
        // reached it.
        (_, Some(_)) => None,
        _ => Some(Certainty::Likely),
    }
}

fn remedy(server: &str) -> &'static str {
    let server = server.to_ascii_lowercase();
    if server.contains("cloudflare") {
        "switch WebSockets on for the zone (Cloudflare: Network), and see that the proxy behind it upgrades"
    } else if server.contains("caddy") {
        "let Caddy's reverse_proxy serve the host as it is (it upgrades by itself): no header_up for Connection or Upgrade"
    } else if server.contains("nginx") || server.contains("openresty") {
        "in nginx's location: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";"
    } else {
        "let the proxy upgrade; nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header \
         Connection \"upgrade\"; Caddy and Traefik do it unless a header rule or a middleware takes it away"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::build::endpoint::told;
    use crate::evidence::endpoint::{Body, Reach};

    #[test]
    fn no_101_where_the_api_answers() {
        for (answer, expected) in [
            (build::answer(101, Body::Empty), None),
            (build::refusal(400, "InvalidConnectionHeader"), Some("proven")),
            (build::refusal(400, "InvalidUpgradeHeader"), Some("proven")),
            (build::refusal(400, "InvalidClientVersion"), None),
            (build::page(502, "Bad Gateway"), Some("likely")),
            (build::answer(404, Body::Empty), Some("likely")),
            (build::redirect("https://example.com/"), Some("likely")),
        ] {
            let mut evidence = build::healthy();
            build::endpoint(&mut evidence).websocket = answer.clone();
            let expected: Vec<_> = expected
                .iter()
                .map(|sure| format!("proxy-no-websocket warning {sure} http://127.0.0.1:3210"))
                .collect();
            assert_eq!(told(run(&evidence)), expected, "{answer:?}");
        }
    }

    #[test]
    fn silence_and_a_forward_proxy_say_nothing() {
        let mut evidence = build::healthy();
        build::endpoint(&mut evidence).websocket = Observation::unavailable("timeout");
        assert_eq!(told(run(&evidence)), ["unknown"]);
        build::endpoint(&mut evidence).websocket = build::page(501, "Squid");
        build::endpoint(&mut evidence).proxy = Some("http://proxy".to_owned());
        assert_eq!(told(run(&evidence)), ["unknown"]);
        build::endpoint(&mut evidence).websocket = build::answer(101, Body::Empty);
        assert_eq!(run(&evidence), Ok(vec![]));
        build::unreachable(&mut evidence, Reach::Refused);
        assert_eq!(run(&evidence), Ok(vec![]));
    }
}
