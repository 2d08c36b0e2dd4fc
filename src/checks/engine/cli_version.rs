//! The installed Convex CLI against what it meets: too old to know of self-hosting, or newer than
//! the backend.

use crate::checks::Check;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::selected_endpoint;
use crate::evidence::endpoint::Body;
use crate::evidence::selection::{SelectionKind, ValueSource};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static CLI_TOO_OLD: Rule = Rule {
    id: "cli-too-old",
    level: Level::Error,
    title: "the installed CLI does not know the self-hosted variables",
    explain: include_str!("cli-too-old.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

static CLI_NEWER_THAN_BACKEND: Rule = Rule {
    id: "cli-newer-than-backend",
    level: Level::Error,
    title: "the installed CLI asks for more than this backend has",
    explain: include_str!("cli-newer-than-backend.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

pub(super) static TOO_OLD: Check = Check { rules: &[&CLI_TOO_OLD], run: too_old };
pub(super) static TOO_NEW: Check = Check { rules: &[&CLI_NEWER_THAN_BACKEND], run: too_new };

/// The first release that reads CONVEX_SELF_HOSTED_URL and its key (changelog of `convex`).
const SELF_HOSTED: Version = Version(1, 19, 2);

/// `deploy` posts to `/api/deploy2/evaluate_push` (get-convex/convex-js#105).
const EVALUATES: Version = Version(1, 29, 2);

/// `dev` asks for `/api/v1/get_canonical_urls` first: from here on it is `backend-too-old` that
/// says so.
const ASKS_FOR_URLS: Version = Version(1, 35, 0);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    /// `1.29.2`, and of `1.29.2-alpha.1` the numbers.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(['-', '+']).next()?.split('.');
        let mut number = || parts.next()?.parse().ok();
        Some(Self(number()?, number()?, number()?))
    }
}

/// The CLI that would run here: its version, and where it was found. `None` where none is
/// installed: then `npx` fetches the newest.
fn installed(evidence: &Evidence) -> Result<Option<(&str, Version, &str)>, Unseen> {
    let Some(place) = evidence.surroundings.cli_found.seen()?.as_deref() else { return Ok(None) };
    let text = evidence.surroundings.cli_version.as_deref().unwrap_or_default();
    let unknown = || Unseen { reason: format!("{place}: the version of the CLI is not known") };
    Ok(Some((text, Version::read(text).ok_or_else(unknown)?, place)))
}

fn too_old(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let by_flag = |source: &ValueSource| matches!(source, ValueSource::Flag { .. });
    let url = evidence.selection.url.as_ref();
    // Both options were taken long before.
    if evidence.selection.kind != SelectionKind::SelfHosted
        || url.is_none_or(|url| by_flag(&url.source))
    {
        return Ok(vec![]);
    }
    let Some((text, version, place)) = installed(evidence)? else { return Ok(vec![]) };
    if version >= SELF_HOSTED {
        return Ok(vec![]);
    }
    Ok(vec![
        CLI_TOO_OLD
            .finding(
                Certainty::Proven,
                format!("convex {text} is installed; CONVEX_SELF_HOSTED_URL and its key are read since 1.19.2, and are passed over here."),
            )
            .because(format!("version {text}"), place)
            .at(Location::line("package.json", 0))
            .remedy(Remedy::safe("take a newer CLI").run("npm install convex@latest"))
            .remedy(Remedy::safe("or give it --url and --admin-key, which it does know")),
    ])
}

fn too_new(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let cli = installed(evidence);
    // What is newer still meets `backend-too-old` with its first call.
    let between = |version: &Version| (EVALUATES..ASKS_FOR_URLS).contains(version);
    let is_other = |cli: &Option<(_, Version, _)>| cli.is_none_or(|(_, it, _)| !between(&it));
    if cli.as_ref().is_ok_and(is_other) {
        return Ok(vec![]);
    }
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if !endpoint.path.is_empty() || !convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    let (first_call, key) = (endpoint.first_call.seen()?, endpoint.check_admin_key.seen()?);
    let convex = matches!(
        (key.status, &key.body),
        (200, Body::KeyAccepted { .. }) | (401 | 403, Body::ConvexError { .. })
    );
    if first_call.status != 404 || !convex {
        return Ok(vec![]);
    }
    let Some((text, _, place)) = cli? else { return Ok(vec![]) };
    let own = first_call.body == Body::Empty && first_call.server.is_none();
    // Not asked: it would have to be posted to. Images of that time do not have it.
    let certainty = if own { Certainty::Likely } else { Certainty::Possible };
    Ok(vec![
        CLI_NEWER_THAN_BACKEND
            .finding(
                certainty,
                format!("convex {text} is installed: `npx convex deploy` posts to /api/deploy2/evaluate_push, which a backend from before 2025-10-10 does not have."),
            )
            .level(if key.status == 200 { Level::Warning } else { Level::Error })
            .because(format!("version {text}"), place)
            .because("answers 404", format!("{}/api/v1/get_canonical_urls", endpoint.url))
            .at(Location::line("package.json", 0))
            .remedy(
                Remedy::safe("until the backend is upgraded, stay with a CLI of its time")
                    .run("npm install convex@1.29.1"),
            ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::selection::UrlFacts;

    #[test]
    fn versions() {
        assert_eq!(Version::read("1.19.2"), Some(SELF_HOSTED));
        assert_eq!(Version::read("1.29.2-alpha.0"), Some(EVALUATES));
        assert!(Version::read("1.9.0").unwrap() < SELF_HOSTED);
        assert_eq!(Version::read("latest"), None);
    }

    #[test]
    fn too_old_for_the_variables_and_not_for_the_options() {
        for (version, source, expected) in [
            ("1.18.2", ".env.local", vec!["cli-too-old error proven package.json"]),
            ("1.19.2", ".env.local", vec![]),
            ("1.48.0", ".env.local", vec![]),
            ("1.18.2", "--url", vec![]),
        ] {
            let mut evidence = build::healthy();
            evidence.surroundings.cli_version = Some(version.to_owned());
            evidence.selection.kind = SelectionKind::SelfHosted;
            let source = if source.starts_with('-') {
                ValueSource::Flag { flag: source.to_owned() }
            } else {
                ValueSource::File { file: source.to_owned(), line: 1 }
            };
            evidence.selection.url =
                Some(UrlFacts { text: "http://127.0.0.1:3210".to_owned(), source });
            assert_eq!(build::told(too_old(&evidence)), expected, "{version}");
        }
        assert_eq!(too_old(&build::healthy()), Ok(vec![]));
    }

    #[test]
    fn an_unknown_version_is_no_pass_and_no_cli_is() {
        let mut evidence = build::healthy();
        evidence.selection.kind = SelectionKind::SelfHosted;
        let source = ValueSource::File { file: ".env.local".to_owned(), line: 1 };
        evidence.selection.url =
            Some(UrlFacts { text: "http://127.0.0.1:3210".to_owned(), source });
        build::endpoint(&mut evidence).first_call = build::answer(404, Body::Empty);
        evidence.surroundings.cli_version = None;
        evidence.surroundings.cli_found = Observation::Seen(Some(".pnp.cjs".to_owned()));
        for check in [too_old, too_new] {
            let unseen = check(&evidence).unwrap_err();
            assert!(unseen.reason.contains(".pnp.cjs"), "{}", unseen.reason);
        }
        evidence.surroundings.cli_found = Observation::unavailable("permission denied");
        assert!(too_old(&evidence).is_err() && too_new(&evidence).is_err());
        evidence.surroundings.cli_found = Observation::Seen(None);
        assert_eq!((too_old(&evidence), too_new(&evidence)), (Ok(vec![]), Ok(vec![])));
    }

    #[test]
    fn newer_than_the_backend() {
        let id = "cli-newer-than-backend";
        for (version, status, key, expected) in [
            ("1.48.0", 404, 200, vec![]),
            ("1.31.6", 404, 200, vec![format!("{id} warning likely package.json")]),
            ("1.31.6", 404, 401, vec![format!("{id} error likely package.json")]),
            ("1.24.0", 404, 200, vec![]),
            ("1.48.0", 200, 200, vec![]),
        ] {
            let mut evidence = build::healthy();
            evidence.surroundings.cli_version = Some(version.to_owned());
            build::endpoint(&mut evidence).first_call = build::answer(status, Body::Empty);
            if key == 401 {
                build::endpoint(&mut evidence).check_admin_key = build::refusal(401, "BadAdminKey");
            }
            assert_eq!(build::told(too_new(&evidence)), expected, "{version} {status} {key}");
        }
    }
}
