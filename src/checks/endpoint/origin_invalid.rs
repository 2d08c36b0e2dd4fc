//! An origin that is no URL: with another beginning than `http://` or `https://` the backend does
//! not start; whatever else it is, nobody checks.

use super::origins::{self, Which};
use crate::checks::BACKEND_DOWN;
use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::log_lines::log_match;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::compose::EntryValue;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Rule};

static ORIGIN_INVALID: Rule = Rule {
    id: "origin-invalid",
    level: Level::Warning,
    title: "an origin of the backend is no URL",
    explain: include_str!("origin-invalid.md"),
    is_cause: true,
    causes: BACKEND_DOWN,
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&ORIGIN_INVALID], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let mut findings = Vec::new();
    let mut unseen = None;
    for which in [Which::Cloud, Which::Site] {
        match one(evidence, which) {
            Ok(finding) => findings.extend(finding),
            Err(reason) => unseen = Some(reason),
        }
    }
    match unseen {
        Some(unseen) if findings.is_empty() => Err(unseen),
        _ => Ok(findings),
    }
}

fn one(evidence: &Evidence, which: Which) -> Result<Option<Finding>, Unseen> {
    let variable = which.variable();
    let mended = |finding: Finding| {
        let better = format!("the URL at which browsers reach port {}", which.port());
        cap_if_cli_works(evidence, origins::mend(evidence, finding, which, &better))
    };
    let told = |level, certainty, what: String, proof: (String, String)| {
        let finding = ORIGIN_INVALID
            .finding(certainty, what)
            .level(level)
            .because(proof.0, proof.1)
            .at(origins::place(evidence, which));
        mended(finding)
    };
    if let Ok(Some(logged)) = log_match(evidence, ORIGIN_INVALID.id)
        && logged.line.contains(complaint(which))
    {
        let mut finding = logged.finding(&ORIGIN_INVALID);
        if let Some(text) = which.of_container(logged.container) {
            let name = logged.container.name.clone();
            finding = finding.because(format!("{variable} is `{text}`"), name);
        }
        if which.line(evidence).is_some() {
            // It is mended there.
            finding.locations.insert(0, origins::place(evidence, which));
        }
        return Ok(Some(mended(finding)));
    }
    let stopped = origins::container(evidence).ok().flatten().filter(|it| !it.is_running());
    if let Some((container, text)) =
        stopped.and_then(|it| Some((it, which.of_container(it).filter(|text| stops(text))?)))
    {
        let what = format!(
            "{variable} is `{text}`. The backend takes nothing that does not begin with http:// or https://, and does not start."
        );
        let proof = (format!("{variable} is `{text}`"), container.name.clone());
        return Ok(Some(told(Level::Error, Certainty::Likely, what, proof)));
    }
    if let Some(entry) = which.line(evidence)
        && let EntryValue::Plain(text) = &entry.value
        && stops(text)
    {
        let at = entry.value_at.as_ref().unwrap_or(&entry.at);
        let what = format!(
            "{variable} is `{text}`. The backend takes nothing that does not begin with http:// or https://: it will not start the next time it is made."
        );
        let proof = (format!("{variable} is `{text}`"), format!("{}:{}", at.file, at.line));
        return Ok(Some(told(Level::Warning, Certainty::Likely, what, proof)));
    }
    if selected_endpoint(evidence)?.is_none() {
        // A server directory: the file and the container are all there is.
        project(evidence)?;
        return Ok(None);
    }
    let Some(origin) = origins::in_force(evidence, which)? else { return Ok(None) };
    let Some((certainty, fault)) = fault(origin.text, origin.url().is_some()) else {
        return Ok(None);
    };
    let what = format!(
        "{variable} is `{}`: {fault}. The backend starts with it, and hands it on as it is.",
        origin.text
    );
    let certainty = certainty.min(origin.certainty);
    Ok(Some(told(Level::Warning, certainty, what, origin.proof)))
}

/// Whether the backend refuses to start with it (<https://github.com/get-convex/convex-backend>,
/// `crates/local_backend`: `Origin url should start with https:// or http://`).
fn stops(text: &str) -> bool {
    !text.is_empty() && !text.starts_with("http://") && !text.starts_with("https://")
}

/// By this the backend's complaint begins.
fn complaint(which: Which) -> &'static str {
    match which {
        Which::Cloud => "Origin url should start",
        Which::Site => "Site url should start",
    }
}

/// What is wrong with an origin that the backend takes. Control characters were escaped when it was
/// read.
fn fault(text: &str, parses: bool) -> Option<(Certainty, &'static str)> {
    if text.is_empty() {
        return Some((Certainty::Proven, "nothing that is built on it is a URL"));
    }
    if text.contains("\\u00") || text.contains(char::is_whitespace) {
        return Some((Certainty::Proven, "a blank or a line end is part of it"));
    }
    if !parses || stops(text) {
        return Some((Certainty::Proven, "it names no host"));
    }
    let slash = "with the slash at its end, paths that are put behind it begin with two, which the backend answers 404";
    text.ends_with('/').then_some((Certainty::Likely, slash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::build::endpoint::told;
    use crate::evidence::docker::LogFacts;
    use crate::evidence::endpoint::{Body, Reach};

    #[test]
    fn what_the_backend_takes_may_still_be_no_url() {
        for (cloud, expected) in [
            ("http://127.0.0.1:3210", None),
            ("https://api.example.com", None),
            ("", Some("proven")),
            ("http://", Some("proven")),
            ("http://h.example:3210\\u000d", Some("proven")),
            ("https://api.example.com/", Some("likely")),
        ] {
            let mut evidence = build::healthy();
            let site = "http://127.0.0.1:3211".to_owned();
            let urls = Body::CanonicalUrls { cloud: cloud.to_owned(), site };
            build::endpoint(&mut evidence).first_call = build::answer(200, urls);
            let place = "http://127.0.0.1:3210";
            let place = if expected.is_some() { "app-backend-1" } else { place };
            let expected: Vec<_> = expected
                .iter()
                .map(|certainty| format!("origin-invalid warning {certainty} {place}"))
                .collect();
            assert_eq!(told(run(&evidence)), expected, "{cloud}");
        }
    }

    #[test]
    fn another_beginning_stops_the_backend() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        let container = build::expected(&mut evidence);
        container.state = "restarting".into();
        container.site_origin = Some("\"https://x.io\"".to_owned());
        assert_eq!(told(run(&evidence)), ["origin-invalid error likely app-backend-1"]);
        let line =
            "Error: Site url should start with https:// or http:// but got '\"https://x.io\"'";
        build::expected(&mut evidence).log =
            Observation::Seen(LogFacts { tail: vec![line.to_owned()], ..LogFacts::default() });
        assert_eq!(told(run(&evidence)), ["origin-invalid error proven app-backend-1"]);
        build::no_docker(&mut evidence);
        assert_eq!(told(run(&evidence)), ["unknown"]);
    }

    #[test]
    fn a_line_that_will_stop_it_is_told_before() {
        let mut evidence = build::healthy();
        let value = EntryValue::Plain("api.example.com".to_owned());
        build::compose(&mut evidence).backends[0].environment =
            vec![build::variable("CONVEX_CLOUD_ORIGIN", value)];
        assert_eq!(told(run(&evidence)), ["origin-invalid warning likely docker-compose.yml:9"]);
    }
}
