//! The CLI appends its own path to the URL as typed: a slash or a path at its end leads to
//! addresses that do not exist.

use crate::checks::Check;
use crate::deployment::endpoint::cli_at_least;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::endpoint::url_location;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::endpoint::Body;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::env_file::set_url;
use crate::report::{Certainty, Finding, Level, Rule};

static URL_HAS_PATH: Rule = Rule {
    id: "url-has-path",
    level: Level::Error,
    title: "the URL ends in a slash or a path",
    explain: include_str!("url-has-path.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&URL_HAS_PATH], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if endpoint.path.is_empty() || endpoint.invalid.is_some() {
        return Ok(vec![]);
    }
    let first_call = endpoint.first_call.seen().ok();
    let status = first_call.map(|answer| answer.status);
    // The key's own answers (200, 401, 403) came back through the path: some proxy takes it away
    // again.
    let (level, certainty) = match first_call.map(|answer| (answer.status, &answer.body)) {
        Some((404, _)) if endpoint.is_convex_api() => (Level::Error, Certainty::Proven),
        Some((200, Body::CanonicalUrls { .. }) | (401 | 403, Body::ConvexError { .. })) => {
            (Level::Info, Certainty::Likely)
        }
        _ => (Level::Error, Certainty::Likely),
    };
    let level = match (level, cli_at_least(evidence, 35)) {
        (Level::Error, Some(false)) => Level::Warning, // older CLIs drop the path
        (level, _) => level,
    };
    let without = endpoint.url.strip_suffix(endpoint.path.as_str()).unwrap_or(&endpoint.url);
    let detail = format!(
        "The CLI asks for `{}/api/v1/get_canonical_urls`: a Convex backend has nothing there. {}",
        endpoint.url,
        if endpoint.path == "/" {
            "Only `dev` breaks; `deploy` survives a slash."
        } else {
            "Convex serves no path prefix."
        }
    );
    let mut finding = URL_HAS_PATH.finding(certainty, detail).level(level);
    if let Some(status) = status {
        finding = finding.because(
            format!("answers {status}"),
            format!("{}/api/v1/get_canonical_urls", endpoint.url),
        );
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
            endpoint.path = path.to_owned();
            endpoint.url = format!("http://127.0.0.1:3210{path}");
            endpoint.first_call = first_call.clone();
            let told = build::told(run(&evidence));
            let expected: Vec<String> =
                expected.iter().map(|it| format!("{it} http://127.0.0.1:3210{path}")).collect();
            assert_eq!(told, expected, "{path} {cli}");
        }
    }
}
