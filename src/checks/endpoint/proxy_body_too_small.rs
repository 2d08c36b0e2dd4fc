//! A proxy takes only small bodies: small pushes get through, bigger ones are answered 413.

use crate::checks::Check;
use crate::deployment::answers::seen;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::endpoint::url_location;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

static PROXY_BODY_TOO_SMALL: Rule = Rule {
    id: "proxy-body-too-small",
    level: Level::Warning,
    title: "a proxy refuses bodies of the size of a push",
    explain: include_str!("proxy-body-too-small.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&PROXY_BODY_TOO_SMALL], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if !convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    let Some(big) = &endpoint.big_body else {
        // The backend itself takes bodies of any size; nginx takes 1 MiB unless told otherwise.
        return match limiting(endpoint) {
            Some(server) => Err(Unseen {
                reason: format!("{server} may refuse big pushes, which is tried with --deep only"),
            }),
            None => Ok(vec![]),
        };
    };
    let answer = big.seen()?;
    match answer.status {
        413 => {}
        200 => return Ok(vec![]),
        status => {
            return Err(Unseen { reason: format!("/echo answered {status} to 4 MiB") });
        }
    }
    let by = answer.server.as_deref().unwrap_or("A proxy");
    let finding = PROXY_BODY_TOO_SMALL
        .finding(
            Certainty::Proven,
            format!("{by} refuses a body of 4 MiB. Small pushes get through, bigger ones and imports do not."),
        )
        .level(Level::Error)
        .because("413 to 4 MiB without a key", format!("{}/echo", endpoint.url.trim_end_matches('/')))
        .at(url_location(evidence))
        .remedy(Remedy::careful(
            "raise the proxy's limit for the API's host; nginx: client_max_body_size 200m; (0 is none); Traefik: \
             maxRequestBodyBytes of the buffering middleware; ingress-nginx: the annotation proxy-body-size",
        ));
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

/// The server before the backend, where it is one with a small limit of its own.
fn limiting(endpoint: &EndpointFacts) -> Option<&str> {
    seen(endpoint).into_iter().find_map(|(_, answer)| {
        let server = answer.server.as_deref()?;
        let name = server.to_ascii_lowercase();
        ["nginx", "openresty", "tengine"].iter().any(|it| name.contains(it)).then_some(server)
    })
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
        if let Observation::Seen(answer) = &mut endpoint.instance_name {
            answer.server = server.map(str::to_owned);
        }
        endpoint.big_body = big;
        evidence
    }

    #[test]
    fn only_what_was_tried_is_said() {
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
        build::endpoint(&mut refused).check_admin_key = build::refusal(401, "BadAdminKey");
        assert_eq!(run(&refused).unwrap()[0].level, Level::Error);
    }
}
