//! An origin that is not a URL: if it does not begin with `http://` or `https://`, the backend does
//! not start; it does not check anything else.

use super::origins::{self, Which};
use crate::checks::{BACKEND_DOWN, Check};
use crate::deployment::compose::project;
use crate::deployment::container::run_subject;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::log_lines::log_match;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::compose::EntryValue;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, ChainLink, Finding, Level, Rule};

static ORIGIN_INVALID: Rule =
    rule!("origin-invalid", Warning, "one of the backend's origins is not a valid URL")
        .cause(BACKEND_DOWN)
        .breaks(ChainLink::Port);

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
    let with_remedies = |finding: Finding| {
        cap_if_cli_works(evidence, origins::with_remedies(evidence, finding, which))
    };
    let finding = |level, certainty, detail: String, proof: (String, String)| {
        let finding = ORIGIN_INVALID
            .finding(certainty, detail)
            .level(level)
            .because(proof.0, proof.1)
            .at(origins::location(evidence, which));
        with_remedies(finding)
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
            // The fix is there.
            finding.locations.insert(0, origins::location(evidence, which));
        }
        return Ok(Some(with_remedies(finding)));
    }
    let stopped = origins::container(evidence).ok().flatten().filter(|it| !it.is_running());
    if let Some((container, text)) =
        stopped.and_then(|it| Some((it, which.of_container(it).filter(|text| stops(text))?)))
    {
        let detail = format!(
            "The backend probably does not start, because {variable} is `{text}`. It must begin \
             with http:// or https://."
        );
        let proof = (format!("{variable} is `{text}`"), container.name.clone());
        return Ok(Some(finding(Level::Error, Certainty::Likely, detail, proof)));
    }
    if let Some(entry) = which.line(evidence)
        && let EntryValue::Plain(text) = &entry.value
        && stops(text)
    {
        let at = entry.value_at.as_ref().unwrap_or(&entry.at);
        let detail = format!(
            "The backend will probably not start after its container is recreated: {variable} is \
             `{text}`. It must begin with http:// or https://."
        );
        let proof = (format!("{variable} is `{text}`"), format!("{}:{}", at.file, at.line));
        return Ok(Some(finding(Level::Warning, Certainty::Likely, detail, proof)));
    }
    if let Ok(docker) = evidence.docker.seen()
        && run_subject(evidence, docker)?.is_some_and(|(container, _)| !container.is_running())
    {
        log_match(evidence, ORIGIN_INVALID.id)?;
    }
    if selected_endpoint(evidence)?.is_none() {
        // A server directory: the file and the container are all there is.
        project(evidence)?;
        return Ok(None);
    }
    let Some(origin) = origins::current(evidence, which)? else { return Ok(None) };
    let Some((certainty, fault)) = fault(origin.text, origin.url().is_some()) else {
        return Ok(None);
    };
    let certainty = certainty.min(origin.certainty);
    let get = if certainty == Certainty::Proven { "get" } else { "probably get" };
    let detail = match origin.text {
        "" => format!("Clients {get} broken URLs, because {variable} is empty."),
        text => format!("Clients {get} broken URLs: {variable} is `{text}`. {fault}."),
    };
    Ok(Some(finding(Level::Warning, certainty, detail, origin.proof)))
}

/// Whether the backend does not start with it (<https://github.com/get-convex/convex-backend>,
/// `crates/local_backend`: `Origin url should start with https:// or http://`).
fn stops(text: &str) -> bool {
    !text.is_empty() && !text.starts_with("http://") && !text.starts_with("https://")
}

/// How the backend's error message begins.
fn complaint(which: Which) -> &'static str {
    match which {
        Which::Cloud => "Origin url should start",
        Which::Site => "Site url should start",
    }
}

/// What is wrong with an origin that the backend accepts, as a sentence without its full stop.
/// Control characters were escaped when it was read.
fn fault(text: &str, parses: bool) -> Option<(Certainty, &'static str)> {
    if text.is_empty() {
        return Some((Certainty::Proven, "The value is empty"));
    }
    if text.contains("\\u00") || text.contains(char::is_whitespace) {
        return Some((Certainty::Proven, "It contains a space or a line end"));
    }
    if !parses || stops(text) {
        return Some((Certainty::Proven, "It does not name a host"));
    }
    let slash = "With the slash at its end, paths begin with `//`, which the backend answers with \
                 404";
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
    fn what_the_backend_accepts_may_not_be_a_url() {
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
            build::endpoint(&mut evidence).key.first_call = build::answer(200, urls);
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
    fn a_value_without_a_scheme_stops_the_backend() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        let container = build::expected(&mut evidence);
        container.life.state = "restarting".into();
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
    fn a_line_that_will_stop_it_is_found_before_it_does() {
        let mut evidence = build::healthy();
        let value = EntryValue::Plain("api.example.com".to_owned());
        build::compose(&mut evidence).backends[0].environment =
            vec![build::variable("CONVEX_CLOUD_ORIGIN", value)];
        assert_eq!(told(run(&evidence)), ["origin-invalid warning likely docker-compose.yml:9"]);
    }
}
