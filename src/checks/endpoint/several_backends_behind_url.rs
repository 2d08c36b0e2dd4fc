//! Requests to one URL reach several backends with different secrets: the key is accepted and
//! rejected in turn.

use crate::checks::Check;
use crate::deployment::endpoint::{convex_answers, selected_endpoint, url_location};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, CliFailure, Finding, Remedy, Rule};

static SEVERAL_BACKENDS_BEHIND_URL: Rule =
    rule!("several-backends-behind-url", Error, "the URL alternates between several backends")
        .cause(&["key-rejected", "key-foreign", "key-from-another-instance"])
        .explains(&[CliFailure::KeyRejected]);

pub(super) static CHECK: Check = Check { rules: &[&SEVERAL_BACKENDS_BEHIND_URL], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if endpoint.key.check_admin_key.seen().is_err() && !convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    endpoint.key.check_admin_key.seen()?;
    let answers = endpoint.verdicts();
    if answers.first() == Some(&Some(false)) {
        // Rejected once: the second answer is part of the judgement.
        endpoint.key.check_again.seen()?;
    }
    // One change can also be one backend that was recreated meanwhile. Two cannot, unless it is
    // recreated all the time.
    if endpoint.changes() < 2 {
        for answer in &endpoint.key.more_tries {
            answer.seen()?;
        }
        return Ok(vec![]);
    }
    let (certainty, go) = if restarts(evidence) {
        (Certainty::Likely, "probably go")
    } else {
        (Certainty::Proven, "go")
    };
    let statuses: Vec<&str> =
        answers.iter().flatten().map(|accepted| if *accepted { "200" } else { "401" }).collect();
    let detail = format!(
        "The same key is accepted and rejected in turn: requests {go} to backends with different \
         secrets and databases."
    );
    Ok(vec![
        SEVERAL_BACKENDS_BEHIND_URL
            .finding(certainty, detail)
            .because(
                format!("Answers {}, one request after the other", statuses.join(", ")),
                format!("{}/api/check_admin_key", endpoint.target.url),
            )
            .at(url_location(evidence))
            .remedy(
                Remedy::safe("Find out which backend has your data, and keep its volume").step(),
            )
            .remedy(
                Remedy::careful("Run only this backend behind the URL: one machine, one replica")
                    .step(),
            ),
    ])
}

/// Whether a backend in this Docker came up while this run was asking.
fn restarts(evidence: &Evidence) -> bool {
    let Ok(docker) = evidence.docker.seen() else { return false };
    docker.backends.iter().any(|container| {
        container.is_restarting()
            || container.life.started_at.is_some_and(|at| at >= evidence.collected_at)
                && evidence.collected_at > 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::build::endpoint::told;
    use crate::evidence::endpoint::{Answer, Body};

    fn answer(status: u16) -> Observation<Answer> {
        match status {
            200 => build::answer(200, Body::KeyAccepted { read_only: Some(false) }),
            401 => build::refusal(401, "BadAdminKey"),
            status => build::page(status, "x"),
        }
    }

    fn world(statuses: &[u16]) -> Evidence {
        let mut evidence = build::healthy();
        let endpoint = build::endpoint(&mut evidence);
        let mut answers = statuses.iter().copied().map(answer);
        endpoint.key.check_admin_key = answers.next().unwrap();
        if let Some(again) = answers.next() {
            endpoint.key.check_again = again;
        }
        endpoint.key.more_tries = answers.collect();
        evidence
    }

    #[test]
    fn two_changes_are_several_backends() {
        let proven = ["several-backends-behind-url error proven http://127.0.0.1:3210"];
        for (statuses, expected) in [
            (&[401, 200, 401][..], &proven[..]),
            (&[200, 401, 200], &proven),
            (&[401, 401, 200, 200, 401], &proven),
            // Recreated meanwhile.
            (&[401, 200, 200, 200, 200], &[]),
            (&[200, 401, 401], &[]),
            (&[401, 401, 401], &[]),
            // A proxy that fails now and then.
            (&[401, 502, 401], &[]),
            (&[200], &[]),
            (&[401], &["unknown"]),
        ] {
            assert_eq!(told(run(&world(statuses))), expected, "{statuses:?}");
        }
    }

    #[test]
    fn a_backend_that_comes_up_just_now_may_be_one() {
        let mut evidence = world(&[401, 200, 401]);
        evidence.collected_at = 1000;
        build::expected(&mut evidence).life.started_at = Some(1001);
        assert_eq!(run(&evidence).unwrap()[0].certainty, Certainty::Likely);
    }
}
