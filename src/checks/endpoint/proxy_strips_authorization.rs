//! The key does not arrive: something between the CLI and the backend removes the `Authorization`
//! header, or replaces it with its own.

use crate::admin_key::KeyKind;
use crate::checks::Check;
use crate::deployment::endpoint::{convex_answers, selected_endpoint, url_location};
use crate::deployment::key::selected_key;
use crate::evidence::endpoint::{Answer, Body};
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

static PROXY_STRIPS_AUTHORIZATION: Rule =
    rule!("proxy-strips-authorization", Error, "a proxy removes the key from the request")
        .cause(&[]);

pub(super) static CHECK: Check = Check { rules: &[&PROXY_STRIPS_AUTHORIZATION], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let answer = match endpoint.key.check_admin_key.seen() {
        Ok(answer) => answer,
        // Without a Convex backend at the URL, the key cannot be lost on the way to it.
        Err(_) if !convex_answers(endpoint)? => return Ok(vec![]),
        Err(unseen) => return Err(unseen),
    };
    if !answer.lost_key() || arrived(endpoint) {
        return Ok(vec![]);
    }
    let opened = selected_key(evidence)
        .and_then(|key| key.trials.iter().find_map(|trial| trial.opened.as_ref()));
    // check_admin_key answers a system key as if no key was sent.
    if !answer.replaced_key() && opened.is_some_and(|claims| claims.kind == Some(KeyKind::System)) {
        return Ok(vec![]);
    }
    let direct = endpoint.key.straight.as_ref().filter(|direct| {
        direct.check_admin_key.seen().is_ok_and(|answer| {
            answer.status == 200 && matches!(answer.body, Body::KeyAccepted { .. })
        })
    });
    let certainty = match direct {
        Some(_) => Certainty::Proven,
        None if answer.replaced_key() || opened.is_some() || answer.server.is_some() => {
            Certainty::Likely
        }
        None => Certainty::Possible,
    };
    let by = answer.server.as_deref().unwrap_or("A proxy");
    let mut finding = PROXY_STRIPS_AUTHORIZATION
        .finding(certainty, detail(by, answer.replaced_key(), certainty))
        .because(what_came(answer), format!("{}/api/check_admin_key", endpoint.target.url))
        .at(url_location(evidence));
    if let Some(direct) = direct {
        finding = finding
            .because("Answers 200 to the same key, without the proxy", direct.url.clone())
            .at(Location::container(&direct.container));
    }
    let no_login = "Turn off the proxy's login (forwardAuth, basic auth) for the API's host";
    if answer.replaced_key() {
        return Ok(vec![finding.remedy(Remedy::careful(no_login))]);
    }
    if by.to_ascii_lowercase().contains("nginx") {
        let line = "Add `proxy_set_header Authorization $http_authorization;` in nginx";
        return Ok(vec![finding.remedy(Remedy::careful(line))]);
    }
    let pass = "Let the proxy pass the Authorization header to the backend";
    Ok(vec![finding.remedy(Remedy::careful(pass)).remedy(Remedy::careful(no_login))])
}

fn detail(by: &str, replaced: bool, certainty: Certainty) -> String {
    let (how, ending) = match certainty {
        Certainty::Proven => ("", "s"),
        Certainty::Likely => ("probably ", "s"),
        Certainty::Possible => ("may ", ""),
    };
    if replaced {
        format!(
            "{by} {how}replace{ending} the CLI's Authorization header, so the key does not arrive."
        )
    } else {
        format!(
            "{by} {how}remove{ending} the Authorization header: the backend answers as if no key \
             was sent."
        )
    }
}

/// Whether the key arrived with the CLI's own first call, whatever check_admin_key answered.
fn arrived(endpoint: &EndpointFacts) -> bool {
    endpoint.key.first_call.seen().is_ok_and(|answer| answer.status == 200)
}

fn what_came(answer: &Answer) -> String {
    let code = answer.code().map_or_else(String::new, |code| format!(" {code}"));
    format!("Answers {}{code}, although the key was sent", answer.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::build::endpoint::told;
    use crate::evidence::build::key as keys;
    use crate::evidence::endpoint::Straight;

    const PLACE: &str = "http://127.0.0.1:3210";

    fn world(status: u16, code: &str) -> Evidence {
        let mut evidence = build::healthy();
        let endpoint = build::endpoint(&mut evidence);
        endpoint.key.check_admin_key = build::refusal(status, code);
        endpoint.key.first_call = build::refusal(status, code);
        evidence.keys = keys::healthy().keys;
        evidence
    }

    #[test]
    fn a_key_that_did_not_arrive() {
        for (status, code, opened, server, expected) in [
            (403, "BadDeployKey", true, true, Some("likely")),
            (403, "BadDeployKey", false, true, Some("likely")),
            (403, "BadDeployKey", false, false, Some("possible")),
            (400, "InvalidAdminKey", false, false, Some("likely")),
            (401, "InvalidAuthHeader", false, false, Some("likely")),
            (401, "BadAdminKey", true, true, None),
            (403, "ReadOnlyAdminKey", true, true, None),
        ] {
            let mut evidence = world(status, code);
            if !opened {
                evidence.keys[0].trials.clear();
            }
            if let Observation::Seen(answer) =
                &mut build::endpoint(&mut evidence).key.check_admin_key
            {
                answer.server = server.then(|| "nginx".to_owned());
            }
            let expected: Vec<_> = expected
                .iter()
                .map(|sure| format!("proxy-strips-authorization error {sure} {PLACE}"))
                .collect();
            assert_eq!(told(run(&evidence)), expected, "{status} {code}");
        }
        assert_eq!(run(&build::healthy()), Ok(vec![]));
    }

    #[test]
    fn straight_at_the_container_proves_it_and_a_system_key_explains_it() {
        let mut evidence = world(403, "BadDeployKey");
        let mut straight = Straight {
            container: "app-backend-1".to_owned(),
            url: "http://127.0.0.1:9".to_owned(),
            check_admin_key: build::answer(200, Body::KeyAccepted { read_only: Some(false) }),
        };
        build::endpoint(&mut evidence).key.straight = Some(straight.clone());
        assert_eq!(run(&evidence).unwrap()[0].certainty, Certainty::Proven);
        straight.check_admin_key = build::refusal(401, "BadAdminKey");
        build::endpoint(&mut evidence).key.straight = Some(straight);
        assert_eq!(run(&evidence).unwrap()[0].certainty, Certainty::Likely);

        let mut system = world(403, "BadDeployKey");
        for trial in &mut system.keys[0].trials {
            if let Some(claims) = &mut trial.opened {
                claims.kind = Some(KeyKind::System);
            }
        }
        assert_eq!(run(&system), Ok(vec![]));
        build::endpoint(&mut system).key.check_admin_key = Observation::unavailable("x");
        assert_eq!(told(run(&system)), ["unknown"]);
    }
}
