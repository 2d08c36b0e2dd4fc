//! Plain requests get through, WebSockets do not: the app hangs at "Loading…", and so do several
//! commands of the CLI.

use crate::checks::Check;
use crate::deployment::endpoint::{convex_answers, selected_endpoint, url_location};
use crate::evidence::endpoint::Answer;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, CliFailure, Finding, Remedy, Rule};

static PROXY_NO_WEBSOCKET: Rule =
    rule!("proxy-no-websocket", Warning, "WebSocket connections to the backend fail")
        .explains(&[CliFailure::WebSocketUpgrade]);

pub(super) static CHECK: Check = Check { rules: &[&PROXY_NO_WEBSOCKET], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if !convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    let answer = endpoint.server.websocket.seen()?;
    let Some(certainty) = is_blocked(answer) else { return Ok(vec![]) };
    if endpoint.route.proxy.is_some() {
        let reason = "tested through the proxy in HTTP_PROXY, which WebSockets bypass";
        return Err(Unseen::new(reason));
    }
    let server = answer.server.as_deref();
    let code = answer.code().map_or_else(String::new, |code| format!(" {code}"));
    let blocks = if certainty == Certainty::Proven { "blocks" } else { "probably blocks" };
    let detail = format!(
        "{} {blocks} WebSocket upgrades. Apps hang at \"Loading…\"; `npx convex data` keeps \
         reconnecting.",
        server.unwrap_or("A proxy")
    );
    let finding = PROXY_NO_WEBSOCKET
        .finding(certainty, detail)
        .because(
            format!("Answers {}{code} to an upgrade, not 101", answer.status),
            format!("{}/api/…/sync", endpoint.target.url.trim_end_matches('/')),
        )
        .at(url_location(evidence));
    let steps = steps(server.unwrap_or_default());
    Ok(vec![steps.iter().fold(finding, |it, step| it.remedy(Remedy::careful(*step).step()))])
}

/// Whether the upgrade was rejected, and how surely by something in front of the backend.
fn is_blocked(answer: &Answer) -> Option<Certainty> {
    match (answer.status, answer.code()) {
        (101, _) => None,
        (_, Some("InvalidConnectionHeader" | "InvalidUpgradeHeader")) => Some(Certainty::Proven),
        // The backend complains about something else, such as the version in the path: the upgrade
        // reached it.
        (_, Some(_)) => None,
        _ => Some(Certainty::Likely),
    }
}

fn steps(server: &str) -> &'static [&'static str] {
    let server = server.to_ascii_lowercase();
    if server.contains("cloudflare") {
        &[
            "Turn on WebSockets in Cloudflare, under Network",
            "Check that the proxy behind Cloudflare passes WebSocket upgrades, too",
        ]
    } else if server.contains("caddy") {
        &["Remove the `header_up` rules for Connection and Upgrade from the Caddyfile"]
    } else if server.contains("nginx") || server.contains("openresty") {
        &["Pass the Upgrade and Connection headers in nginx, with HTTP/1.1"]
    } else {
        &["Let the proxy pass WebSocket upgrades for the API's host"]
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
            build::endpoint(&mut evidence).server.websocket = answer.clone();
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
        build::endpoint(&mut evidence).server.websocket = Observation::unavailable("timeout");
        assert_eq!(told(run(&evidence)), ["unknown"]);
        build::endpoint(&mut evidence).server.websocket = build::page(501, "Squid");
        build::endpoint(&mut evidence).route.proxy = Some("http://proxy".to_owned());
        assert_eq!(told(run(&evidence)), ["unknown"]);
        build::endpoint(&mut evidence).server.websocket = build::answer(101, Body::Empty);
        assert_eq!(run(&evidence), Ok(vec![]));
        build::unreachable(&mut evidence, Reach::Refused);
        assert_eq!(run(&evidence), Ok(vec![]));
    }
}
