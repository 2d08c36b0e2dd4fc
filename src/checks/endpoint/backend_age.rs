//! A backend that is too old for the CLI, and one that is slow.

use crate::checks::Check;
use crate::deployment::answers::all;
use crate::deployment::answers::seen;
use crate::deployment::endpoint::cli_at_least;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::endpoint::url_location;
use crate::evidence::endpoint::{Body, Reach};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::compose_command;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

/// An answer that takes longer is slow: a backend answers these paths from memory, in milliseconds.
const SLOW_MS: u64 = 2000;

static BACKEND_TOO_OLD: Rule = Rule {
    id: "backend-too-old",
    level: Level::Error,
    title: "the backend is older than the CLI needs",
    explain: include_str!("backend-too-old.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

static BACKEND_SLOW: Rule = Rule {
    id: "backend-slow",
    level: Level::Warning,
    title: "the backend answers slowly",
    explain: include_str!("backend-slow.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

pub(super) static TOO_OLD: Check = Check { rules: &[&BACKEND_TOO_OLD], run: too_old };
pub(super) static SLOW: Check = Check { rules: &[&BACKEND_SLOW], run: slow };

fn too_old(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    // With a path in the URL the 404 says something of the path.
    if !endpoint.path.is_empty()
        || (endpoint.reach != Reach::Answered && !convex_answers(endpoint)?)
    {
        return Ok(vec![]);
    }
    let first_call = endpoint.first_call.seen()?;
    let key = endpoint.check_admin_key.seen()?;
    let convex = matches!(
        (key.status, &key.body),
        (200, Body::KeyAccepted { .. }) | (401 | 403, Body::ConvexError { .. })
    );
    if first_call.status != 404 || !convex {
        return Ok(vec![]);
    }
    // A proxy may route some paths only; the backend's own 404 is empty and comes without a name.
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
    Ok(vec![
        BACKEND_TOO_OLD
            .finding(
                if own { Certainty::Proven } else { Certainty::Likely },
                format!("This backend is from before 2025-10-10; since 1.35 `npx convex dev` asks it for its URLs first, since 1.29.2 `deploy` posts to what it does not have. {cli}"),
            )
            .level(level)
            .because("answers 404", format!("{}/api/v1/get_canonical_urls", endpoint.url))
            .because(format!("answers {} as Convex does", key.status), format!("{}/api/check_admin_key", endpoint.url))
            .at(url_location(evidence))
            .remedy(
                Remedy::careful("back up the data first, then take a newer image (raise the tag where it is pinned)")
                    .run(compose_command(evidence, "pull"))
                    .run(compose_command(evidence, "up -d")),
            )
            .remedy(Remedy::careful("or stay with an older CLI").run("npm install convex@1.29.1")),
    ])
}

fn slow(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if !convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    // Only what is always asked: silence about the others must not pass for speed.
    let asked = ["/instance_name", "/api/check_admin_key", "/api/v1/get_canonical_urls", "/"];
    let slowest = seen(endpoint)
        .into_iter()
        .filter(|(path, _)| asked.contains(path))
        .max_by_key(|(_, answer)| answer.ms);
    let Some((path, answer)) = slowest.filter(|(_, answer)| answer.ms > SLOW_MS) else {
        all(endpoint)?;
        return Ok(vec![]);
    };
    Ok(vec![
        BACKEND_SLOW
            .finding(
                Certainty::Likely,
                format!(
                    "It took {} ms to the first byte; a backend in order needs a few.",
                    answer.ms
                ),
            )
            .because(format!("{} ms", answer.ms), format!("{}{path}", endpoint.url))
            .at(url_location(evidence))
            .remedy(
                Remedy::safe("see whether the backend's host is short of CPU, memory or disk")
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
            build::endpoint(&mut evidence).first_call = build::answer(404, body);
            let expected = format!("{expected} http://127.0.0.1:3210");
            assert_eq!(build::told(too_old(&evidence)), [expected]);
            build::endpoint(&mut evidence).path = "/".to_owned();
            assert_eq!(too_old(&evidence), Ok(vec![]));
        }
        assert_eq!(too_old(&build::healthy()), Ok(vec![]));
    }

    #[test]
    fn two_seconds_are_slow() {
        assert_eq!(slow(&build::healthy()), Ok(vec![]));
        let mut evidence = build::healthy();
        if let Observation::Seen(answer) = &mut build::endpoint(&mut evidence).instance_name {
            answer.ms = 2001;
        }
        assert_eq!(
            build::told(slow(&evidence)),
            ["backend-slow warning likely http://127.0.0.1:3210"]
        );
    }
}
