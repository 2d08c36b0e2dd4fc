//! A backend that is too old for the CLI, and one that is slow.

use crate::checks::Check;
use crate::deployment::answers::{all, seen};
use crate::deployment::endpoint::{cli_at_least, convex_answers, selected_endpoint, url_location};
use crate::evidence::endpoint::{Body, Reach};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::{compose, up};
use crate::report::{Certainty, CliFailure, ComposeVerb, Finding, Level, Remedy, Rule, Waiting};

/// An answer that takes longer is slow: a backend answers these paths from memory, in milliseconds.
const SLOW_MS: u64 = 2000;

static BACKEND_TOO_OLD: Rule =
    rule!("backend-too-old", Error, "the backend is too old for this CLI")
        .cause(&[])
        .explains(&[CliFailure::Versions]);

static BACKEND_SLOW: Rule =
    rule!("backend-slow", Warning, "the backend answers slowly").waiting(Waiting::Passes);

pub(super) static TOO_OLD: Check = Check { rules: &[&BACKEND_TOO_OLD], run: too_old };
pub(super) static SLOW: Check = Check { rules: &[&BACKEND_SLOW], run: slow };

fn too_old(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    // If the URL has a path, the 404 may be about that path.
    if !endpoint.target.path.is_empty()
        || (endpoint.route.reach != Reach::Answered && !convex_answers(endpoint)?)
    {
        return Ok(vec![]);
    }
    let first_call = endpoint.key.first_call.seen()?;
    let key = endpoint.key.check_admin_key.seen()?;
    let convex = matches!(
        (key.status, &key.body),
        (200, Body::KeyAccepted { .. }) | (401 | 403, Body::ConvexError { .. })
    );
    if first_call.status != 404 || !convex {
        return Ok(vec![]);
    }
    // A proxy may route only some paths; the backend's own 404 is empty and names no server.
    let own = first_call.body == Body::Empty && first_call.server.is_none();
    let level = match cli_at_least(evidence, 35) {
        Some(true) => Level::Error,
        None => Level::Warning,
        Some(false) => Level::Info,
    };
    let cli = match evidence.surroundings.cli_version.as_deref() {
        Some(version) => format!("The installed CLI is {version}."),
        None => "The CLI's version is not known.".to_owned(),
    };
    let (certainty, is) =
        if own { (Certainty::Proven, "is") } else { (Certainty::Likely, "is probably") };
    let detail = format!(
        "`npx convex dev` fails with CLI 1.35 and later, `deploy` with 1.29.2 and later: the \
         backend {is} from before 2025-10-10. {cli}"
    );
    Ok(vec![
        BACKEND_TOO_OLD
            .finding(certainty, detail)
            .level(level)
            .because("Answers 404", format!("{}/api/v1/get_canonical_urls", endpoint.target.url))
            .because(
                format!("Answers {}, like a Convex backend", key.status),
                format!("{}/api/check_admin_key", endpoint.target.url),
            )
            .at(url_location(evidence))
            .remedy(Remedy::safe("Export a backup of your data").step())
            .remedy(
                Remedy::careful("Select a newer image tag, the same for backend and dashboard")
                    .step(),
            )
            .remedy(
                Remedy::careful("Recreate the containers with it (they are down for a moment)")
                    .run(compose(evidence, ComposeVerb::Pull))
                    .run(up(evidence))
                    .step(),
            )
            .remedy(
                Remedy::careful("Keep the backend, and install an older CLI")
                    .run("npm install convex@1.29.1"),
            ),
    ])
}

fn slow(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if !convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    // Only what is always asked: no answer from the others must not pass for speed.
    let asked = ["/instance_name", "/api/check_admin_key", "/api/v1/get_canonical_urls", "/"];
    let slowest = seen(endpoint)
        .into_iter()
        .filter(|(path, _)| asked.contains(path))
        .max_by_key(|(_, answer)| answer.ms);
    let Some((path, answer)) = slowest.filter(|(_, answer)| answer.ms > SLOW_MS) else {
        all(endpoint)?;
        return Ok(vec![]);
    };
    let detail =
        format!("One answer took {} ms; a healthy backend needs a few milliseconds.", answer.ms);
    Ok(vec![
        BACKEND_SLOW
            .finding(Certainty::Likely, detail)
            .because(
                format!("{} ms to the first byte", answer.ms),
                format!("{}{path}", endpoint.target.url),
            )
            .at(url_location(evidence))
            .remedy(
                Remedy::safe("Check CPU, memory and disk on the backend's host")
                    .run("docker stats --no-stream"),
            ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn the_missing_endpoint_dates_the_backend() {
        for (cli, body, expected) in [
            (Some("1.48.0"), Body::Empty, "backend-too-old error proven"),
            (Some("2.0.0"), Body::Empty, "backend-too-old error proven"),
            (Some("1.31.6"), Body::Empty, "backend-too-old info proven"),
            (None, Body::Empty, "backend-too-old warning proven"),
            (Some("1.48.0"), Body::Html { title: None }, "backend-too-old error likely"),
        ] {
            let mut evidence = build::healthy();
            evidence.surroundings.cli_version = cli.map(str::to_owned);
            build::endpoint(&mut evidence).key.first_call = build::answer(404, body);
            let expected = format!("{expected} http://127.0.0.1:3210");
            assert_eq!(build::told(too_old(&evidence)), [expected]);
            build::endpoint(&mut evidence).target.path = "/".to_owned();
            assert_eq!(too_old(&evidence), Ok(vec![]));
        }
        assert_eq!(too_old(&build::healthy()), Ok(vec![]));
    }

    #[test]
    fn two_seconds_are_slow() {
        assert_eq!(slow(&build::healthy()), Ok(vec![]));
        let mut evidence = build::healthy();
        if let Observation::Seen(answer) = &mut build::endpoint(&mut evidence).server.instance_name
        {
            answer.ms = 2001;
        }
        assert_eq!(
            build::told(slow(&evidence)),
            ["backend-slow warning likely http://127.0.0.1:3210"]
        );
    }
}
