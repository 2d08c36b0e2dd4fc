//! The CLI appends its own path to the URL as typed: with a slash or a path at its end, the result
//! is an address that does not exist.

use crate::checks::Check;
use crate::deployment::endpoint::{cli_at_least, selected_endpoint, url_location};
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::endpoint::Body;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::env_file::set_url;
use crate::report::{Certainty, Finding, Level, Rule};

static URL_HAS_PATH: Rule =
    rule!("url-has-path", Error, "the URL must not end with a slash or a path").cause(&[]);

pub(super) static CHECK: Check = Check { rules: &[&URL_HAS_PATH], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if endpoint.target.path.is_empty() || endpoint.target.invalid.is_some() {
        return Ok(vec![]);
    }
    let first_call = endpoint.key.first_call.seen().ok();
    let status = first_call.map(|answer| answer.status);
    // If the backend itself answered (200, 401, 403), a proxy removes the path on the way.
    let (level, certainty) = match first_call.map(|answer| (answer.status, &answer.body)) {
        Some((404, _)) if endpoint.is_convex_api() => (Level::Error, Certainty::Proven),
        Some((200, Body::CanonicalUrls { .. }) | (401 | 403, Body::ConvexError { .. })) => {
            (Level::Info, Certainty::Likely)
        }
        _ => (Level::Error, Certainty::Likely),
    };
    let works = level == Level::Info;
    let older = cli_at_least(evidence, 35) == Some(false);
    let level = match level {
        Level::Error if older => Level::Warning, // older CLIs drop the path
        level => level,
    };
    let without = endpoint
        .target
        .url
        .strip_suffix(endpoint.target.path.as_str())
        .unwrap_or(&endpoint.target.url);
    let address = format!("{}/api/v1/get_canonical_urls", endpoint.target.url);
    let detail = if works {
        format!(
            "The URL works, probably because a proxy removes `{}` from it.",
            endpoint.target.path
        )
    } else {
        let since = if older { "From CLI 1.35 on, `npx convex dev`" } else { "`npx convex dev`" };
        let fails = if certainty == Certainty::Proven { "fails" } else { "probably fails" };
        let rest = if endpoint.target.path == "/" {
            "Only `deploy` accepts a slash at the end."
        } else {
            "Convex does not serve a path prefix."
        };
        format!("{since} {fails}: it requests `{address}`, which Convex does not have. {rest}")
    };
    let mut finding = URL_HAS_PATH.finding(certainty, detail).level(level);
    if let Some(status) = status {
        finding = finding.because(format!("Answers {status}"), address);
    }
    let finding =
        finding.at(url_location(evidence)).remedy(set_url(&evidence.selection, without, ""));
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn weighs_the_clis_own_first_call() {
        let missing = build::answer(404, Body::Empty);
        let unseen = Observation::unavailable("no key");
        let urls = Body::CanonicalUrls { cloud: String::new(), site: String::new() };
        let fine = build::answer(200, urls);
        for (path, cli, first_call, expected) in [
            ("", "1.48.0", &missing, None),
            ("/", "1.48.0", &missing, Some("url-has-path error proven")),
            ("/api", "1.48.0", &missing, Some("url-has-path error proven")),
            ("/", "1.31.6", &missing, Some("url-has-path warning proven")),
            ("/", "1.48.0", &unseen, Some("url-has-path error likely")),
            ("/convex", "1.48.0", &fine, Some("url-has-path info likely")),
        ] {
            let mut evidence = build::healthy();
            evidence.surroundings.cli_version = Some(cli.to_owned());
            let endpoint = build::endpoint(&mut evidence);
            endpoint.target.path = path.to_owned();
            endpoint.target.url = format!("http://127.0.0.1:3210{path}");
            endpoint.key.first_call = first_call.clone();
            let found = build::told(run(&evidence));
            let expected: Vec<String> =
                expected.iter().map(|it| format!("{it} http://127.0.0.1:3210{path}")).collect();
            assert_eq!(found, expected, "{path} {cli}");
        }
    }
}
