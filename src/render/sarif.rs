//! SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>), as GitHub code
//! scanning and editors read it.
//!
//! A check that could not see is a notification of the run, and what is suppressed is a
//! result with a suppression, so that neither looks like a pass.

use serde_json::{Value, json};

use super::json::to_text;
use super::machine::{self, Fingerprints, MachinePlace};
use crate::docs;
use crate::report::{Finding, Level, Location, Report, Rule, Suppressed};

/// What relative paths start at; the reader of the file knows where that is.
const ROOT: &str = "%SRCROOT%";

/// The report as one SARIF run.
pub fn render(report: &Report) -> String {
    let mut prints = Fingerprints::default();
    let mut results: Vec<Value> =
        report.findings.iter().map(|finding| result(report, finding, &mut prints, &[])).collect();
    for one in &report.suppressed {
        results.push(result(report, &one.finding, &mut prints, &[suppression(one)]));
    }
    to_text(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "convex-doctor",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": docs::page("index"),
                "rules": report.rules.iter().map(|rule| described(rule)).collect::<Vec<_>>(),
            }},
            "automationDetails": { "id": "convex-doctor/" },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {
                ROOT: { "description": { "text": "The root of the repository; without one, the project's directory." } },
            },
            "invocations": [{
                "executionSuccessful": true,
                "endTimeUtc": report.generated_at,
                "toolExecutionNotifications": notifications(report),
            }],
            "results": results,
            "properties": {
                "verdict": report.verdict,
                "headline": machine::clean(&report.summary.headline),
                "passed": report.passed,
            },
        }],
    }))
}

fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": first_paragraph(rule.explain) },
        "helpUri": docs::page(rule.id),
        "help": { "text": rule.explain, "markdown": rule.explain },
        "defaultConfiguration": { "level": level(rule.level) },
    })
}

/// The first text under the first heading of an explanation, on one line.
fn first_paragraph(explanation: &str) -> String {
    let lines = explanation.lines().map(str::trim);
    let body = lines.skip_while(|line| line.is_empty() || line.starts_with('#'));
    body.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "note",
    }
}

/// What could not be judged: it is neither a pass nor a result.
fn notifications(report: &Report) -> Vec<Value> {
    let unknown = report.unknown.iter();
    unknown
        .map(|unknown| {
            json!({
                "level": "warning",
                "descriptor": { "id": unknown.id },
                "associatedRule": { "id": unknown.id },
                "message": { "text": format!("could not see: {}", machine::clean(&unknown.reason)) },
            })
        })
        .collect()
}

fn result(
    report: &Report,
    finding: &Finding,
    prints: &mut Fingerprints,
    suppressions: &[Value],
) -> Value {
    let mut result = json!({
        "ruleId": finding.id,
        "level": level(finding.level),
        "kind": "fail",
        "message": { "text": text(finding) },
        "locations": locations(report, finding),
        "partialFingerprints": { "convexDoctor/v1": prints.of(report, finding) },
        "properties": { "certainty": finding.certainty, "explains": finding.explains },
    });
    let members = result.as_object_mut();
    if let Some(members) = members {
        if let Some(index) = report.rules.iter().position(|rule| rule.id == finding.id) {
            members.insert("ruleIndex".to_owned(), index.into());
        }
        // A run in which suppressions can be told has the member in every result (§3.27.23).
        members.insert("suppressions".to_owned(), suppressions.into());
    }
    result
}

/// In SARIF's messages `[text](target)` is a link, and a backslash makes a bracket mean itself
/// (§3.11.6).
fn text(finding: &Finding) -> String {
    let text = format!("{}\n{}", machine::message(finding), machine::particulars(finding));
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        if matches!(c, '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Every file as a place of its own, the containers, volumes and the like as logical places of the
/// first. A place without a file would make GitHub refuse the whole report ("expected a physical
/// location"), so the project's main file stands in.
fn locations(report: &Report, finding: &Finding) -> Vec<Value> {
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for location in &finding.locations {
        match machine::place(report, location) {
            Some(place) => files.push(json!({ "physicalLocation": physical(&place) })),
            None => others.push(logical(location)),
        }
    }
    if files.is_empty() {
        files.push(json!({ "physicalLocation": physical(&machine::main_file(report)) }));
    }
    if let (Some(first), false) = (files[0].as_object_mut(), others.is_empty()) {
        first.insert("logicalLocations".to_owned(), others.into());
    }
    files
}

fn physical(place: &MachinePlace) -> Value {
    let artifact = if place.path.starts_with('/') {
        json!({ "uri": format!("file://{}", uri(&place.path)) })
    } else {
        json!({ "uri": uri(&place.path), "uriBaseId": ROOT })
    };
    match place.line {
        Some((line, column)) => json!({
            "artifactLocation": artifact,
            "region": { "startLine": line, "startColumn": column },
        }),
        None => json!({ "artifactLocation": artifact }),
    }
}

/// A path as a URI: everything that a URI does not keep for itself and for directories is
/// percent-encoded, a colon too, which could otherwise end a scheme.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn logical(location: &Location) -> Value {
    let (kind, name) = match location {
        Location::Container { container } => ("container", container),
        Location::Volume { volume } => ("volume", volume),
        Location::Url { url } => ("url", url),
        Location::Environment { env } => ("environment variable", env),
        Location::File { file, .. } => ("directory", file),
    };
    let name = machine::clean(name);
    json!({ "kind": kind, "name": name, "fullyQualifiedName": name })
}

fn suppression(suppressed: &Suppressed) -> Value {
    let kind = if suppressed.in_source { "inSource" } else { "external" };
    json!({
        "kind": kind,
        "status": "accepted",
        "justification": machine::excuse(suppressed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri_that_means_it() {
        for (path, expected) in [
            (".env.local", ".env.local"),
            ("my app/a:b#c%.yml", "my%20app/a%3Ab%23c%25.yml"),
            ("é.yml", "%C3%A9.yml"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }

    #[test]
    fn the_first_paragraph_is_the_description() {
        let text = "## What it means\n\nOne\ntwo.\n\nThree.\n";
        assert_eq!(first_paragraph(text), "One two.");
    }
}
