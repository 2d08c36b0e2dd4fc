//! A proxy accepts only small requests: small pushes get through, larger ones get a 413.

use crate::checks::Check;
use crate::deployment::answers::seen;
use crate::deployment::endpoint::{convex_answers, selected_endpoint, url_location};
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::report::{Certainty, CliFailure, Finding, Level, Remedy, Rule};

static PROXY_BODY_TOO_SMALL: Rule =
    rule!("proxy-body-too-small", Warning, "a proxy rejects requests as large as a push")
        .explains(&[CliFailure::BodyTooLarge]);

pub(super) static CHECK: Check = Check { rules: &[&PROXY_BODY_TOO_SMALL], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if !convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    let Some(big) = &endpoint.server.big_body else {
        // The backend itself accepts bodies of any size; nginx accepts 1 MiB unless configured.
        return match limiting(endpoint) {
            Some(server) => Err(Unseen::new(format!(
                "{server} may reject large requests, which is tested only with --deep"
            ))),
            None => Ok(vec![]),
        };
    };
    let answer = big.seen()?;
    match answer.status {
        413 => {}
        200 => return Ok(vec![]),
        status => {
            return Err(Unseen::new(format!("/echo answered {status} to a request of 4 MiB")));
        }
    }
    let by = answer.server.as_deref().unwrap_or("A proxy");
    let detail =
        format!("{by} rejects a request of 4 MiB. Small pushes work, large ones and imports fail.");
    let url = format!("{}/echo", endpoint.target.url.trim_end_matches('/'));
    let finding = PROXY_BODY_TOO_SMALL
        .finding(Certainty::Proven, detail)
        .level(Level::Error)
        .because("Answers 413 to 4 MiB, sent without a key", url)
        .at(url_location(evidence))
        .remedy(Remedy::careful(if is_nginx(by) {
            "Set `client_max_body_size 200m;` in nginx for the API's host"
        } else {
            "Raise the proxy's limit for request bodies for the API's host"
        }));
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

/// The server in front of the backend, if it is one that has a small limit by default.
fn limiting(endpoint: &EndpointFacts) -> Option<&str> {
    seen(endpoint).into_iter().find_map(|(_, answer)| {
        let server = answer.server.as_deref()?;
        is_nginx(server).then_some(server)
    })
}

fn is_nginx(server: &str) -> bool {
    let name = server.to_ascii_lowercase();
    ["nginx", "openresty", "tengine"].iter().any(|it| name.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::build::endpoint::told;
    use crate::evidence::endpoint::{Answer, Body};

    fn behind(server: Option<&str>, big: Option<Observation<Answer>>) -> Evidence {
        let mut evidence = build::healthy();
        let endpoint = build::endpoint(&mut evidence);
        if let Observation::Seen(answer) = &mut endpoint.server.instance_name {
            answer.server = server.map(str::to_owned);
        }
        endpoint.server.big_body = big;
        evidence
    }

    #[test]
    fn only_what_was_tested_is_reported() {
        let nginx = Some("nginx/1.27.0");
        let page = |status| Some(build::page(status, "x"));
        let found = "proxy-body-too-small warning proven http://127.0.0.1:3210";
        for (server, big, expected) in [
            (None, None, vec![]),
            (Some("Caddy"), None, vec![]),
            (nginx, None, vec!["unknown"]),
            (nginx, page(413), vec![found]),
            (None, page(413), vec![found]),
            (nginx, Some(build::answer(200, Body::Empty)), vec![]),
            (nginx, page(404), vec!["unknown"]),
            (nginx, Some(Observation::unavailable("closed")), vec!["unknown"]),
        ] {
            assert_eq!(told(run(&behind(server, big.clone()))), expected, "{server:?} {big:?}");
        }
        let mut refused = behind(None, page(413));
        build::endpoint(&mut refused).key.check_admin_key = build::refusal(401, "BadAdminKey");
        assert_eq!(run(&refused).unwrap()[0].level, Level::Error);
    }
}
