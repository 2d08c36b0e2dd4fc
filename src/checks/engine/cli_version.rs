//! The installed Convex CLI: too old for self-hosted backends, or newer than the backend.

use crate::checks::Check;
use crate::deployment::endpoint::{convex_answers, selected_endpoint};
use crate::evidence::endpoint::Body;
use crate::evidence::selection::{SelectionKind, ValueSource};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, CliFailure, Finding, Level, Location, Remedy, Rule, RuleLink};

static CLI_TOO_OLD: Rule =
    rule!("cli-too-old", Error, "the CLI is too old for self-hosted backends")
        .cause(&[])
        .link(RuleLink::None)
        .explains(&[CliFailure::NotSelected, CliFailure::WrongServer]);

static CLI_NEWER_THAN_BACKEND: Rule =
    rule!("cli-newer-than-backend", Error, "the CLI is too new for this backend")
        .cause(&[])
        .link(RuleLink::None)
        .explains(&[CliFailure::Versions, CliFailure::WrongServer]);

pub(super) static TOO_OLD: Check = Check { rules: &[&CLI_TOO_OLD], run: too_old };
pub(super) static TOO_NEW: Check = Check { rules: &[&CLI_NEWER_THAN_BACKEND], run: too_new };

/// The first release that reads CONVEX_SELF_HOSTED_URL and its key (changelog of `convex`).
const SELF_HOSTED: Version = Version(1, 19, 2);

/// `deploy` posts to `/api/deploy2/evaluate_push` (get-convex/convex-js#105).
const EVALUATES: Version = Version(1, 29, 2);

/// `dev` requests `/api/v1/get_canonical_urls` first: from here on, `backend-too-old` reports it.
const ASKS_FOR_URLS: Version = Version(1, 35, 0);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    /// Reads `1.29.2`, and the numbers of `1.29.2-alpha.1`.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(['-', '+']).next()?.split('.');
        let mut number = || parts.next()?.parse().ok();
        Some(Self(number()?, number()?, number()?))
    }
}

/// The CLI that would run here: its version, and where it was found. `None` if none is installed:
/// `npx` downloads the newest.
fn installed(evidence: &Evidence) -> Result<Option<(&str, Version, &str)>, Unseen> {
    let Some(place) = evidence.surroundings.cli_found.seen()?.as_deref() else { return Ok(None) };
    let text = evidence.surroundings.cli_version.as_deref().unwrap_or_default();
    let unknown = || Unseen::new(format!("the version of the CLI in {place} is not known"));
    Ok(Some((text, Version::read(text).ok_or_else(unknown)?, place)))
}

fn too_old(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let by_flag = |source: &ValueSource| matches!(source, ValueSource::Flag { .. });
    let url = evidence.selection.url.as_ref();
    // Older releases read both options, too.
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
                format!(
                    "convex {text} ignores CONVEX_SELF_HOSTED_URL and \
                     CONVEX_SELF_HOSTED_ADMIN_KEY. The CLI reads them since 1.19.2."
                ),
            )
            .because(format!("Version {text}"), place)
            .at(Location::line("package.json", 0))
            .remedy(Remedy::safe("Install a newer CLI").run("npm install convex@latest"))
            .remedy(Remedy::safe("Pass the URL and the key with --url and --admin-key instead")),
    ])
}

fn too_new(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let cli = installed(evidence);
    // A newer one fails with its first call already, which `backend-too-old` reports.
    let between = |version: &Version| (EVALUATES..ASKS_FOR_URLS).contains(version);
    let is_other = |cli: &Option<(_, Version, _)>| cli.is_none_or(|(_, it, _)| !between(&it));
    if cli.as_ref().is_ok_and(is_other) {
        return Ok(vec![]);
    }
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if !endpoint.target.path.is_empty() || !convex_answers(endpoint)? {
        return Ok(vec![]);
    }
    let (first_call, key) = (endpoint.key.first_call.seen()?, endpoint.key.check_admin_key.seen()?);
    let convex = matches!(
        (key.status, &key.body),
        (200, Body::KeyAccepted { .. }) | (401 | 403, Body::ConvexError { .. })
    );
    if first_call.status != 404 || !convex {
        return Ok(vec![]);
    }
    let Some((text, _, place)) = cli? else { return Ok(vec![]) };
    let own = first_call.body == Body::Empty && first_call.server.is_none();
    // Not requested: that would need a POST. Images from that time do not have it.
    let (certainty, fails) =
        if own { (Certainty::Likely, "probably fails") } else { (Certainty::Possible, "may fail") };
    Ok(vec![
        CLI_NEWER_THAN_BACKEND
            .finding(
                certainty,
                format!(
                    "`npx convex deploy` {fails}: convex {text} posts to \
                     /api/deploy2/evaluate_push, which a backend from before 2025-10-10 does not \
                     have."
                ),
            )
            .level(if key.status == 200 { Level::Warning } else { Level::Error })
            .because(format!("Version {text}"), place)
            .because("Answers 404", format!("{}/api/v1/get_canonical_urls", endpoint.target.url))
            .at(Location::line("package.json", 0))
            .remedy(
                Remedy::safe("Install a CLI from the time of the backend, until you upgrade it")
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
    fn too_old_for_the_variables_but_not_for_the_options() {
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
    fn an_unknown_version_is_not_a_pass_but_no_cli_is() {
        let mut evidence = build::healthy();
        evidence.selection.kind = SelectionKind::SelfHosted;
        let source = ValueSource::File { file: ".env.local".to_owned(), line: 1 };
        evidence.selection.url =
            Some(UrlFacts { text: "http://127.0.0.1:3210".to_owned(), source });
        build::endpoint(&mut evidence).key.first_call = build::answer(404, Body::Empty);
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
            build::endpoint(&mut evidence).key.first_call = build::answer(status, Body::Empty);
            if key == 401 {
                build::endpoint(&mut evidence).key.check_admin_key =
                    build::refusal(401, "BadAdminKey");
            }
            assert_eq!(build::told(too_new(&evidence)), expected, "{version} {status} {key}");
        }
    }
}
