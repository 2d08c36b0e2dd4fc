//! GitLab's Code Quality report
//! (<https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format>): one JSON array.
//!
//! GitLab takes no entry without a file of the repository and a line. A finding about a container, a
//! volume, a URL or a file outside is put on the compose file, without one on the file that selects the
//! deployment, and as the last resort on `.env.local`; at line 1. What is suppressed and what was not
//! checked have no form of their own there: both are `info`, and their text begins by saying so.

use serde_json::{Value, json};

use super::json::to_text;
use super::machine::{self, Fingerprints, MachinePlace};
use crate::report::{Level, Report};

/// The report for GitLab's merge request widget.
pub fn render(report: &Report) -> String {
    let mut prints = Fingerprints::default();
    let mut entries = Vec::new();
    for finding in &report.findings {
        let severity = match finding.level {
            Level::Error => "critical",
            Level::Warning => "minor",
            Level::Info => "info",
        };
        let place = machine::file_inside(report, Some(finding));
        let print = prints.of(report, finding);
        entries.push(entry(
            &finding.id,
            &format!("{} [{}]", machine::message(finding), finding.certainty),
            &print,
            severity,
            place,
        ));
    }
    for one in &report.suppressed {
        let print = prints.of(report, &one.finding);
        let text =
            format!("Suppressed, {}: {}", machine::excuse(one), machine::message(&one.finding));
        let place = machine::file_inside(report, Some(&one.finding));
        entries.push(entry(&one.id, &text, &print, "info", place));
    }
    if let Some(text) = unseen(report) {
        // One entry, named alike in every run: forty of them would hide the findings.
        let print = "0".repeat(32);
        let place = machine::file_inside(report, None);
        entries.push(entry("not-seen", &text, &print, "info", place));
    }
    to_text(&entries)
}

/// How many checks could not see, and why, each reason once.
fn unseen(report: &Report) -> Option<String> {
    let mut reasons: Vec<&str> =
        report.unknown.iter().map(|unknown| unknown.reason.as_str()).collect();
    let count = reasons.len();
    reasons.sort_unstable();
    reasons.dedup();
    let checks = if count == 1 { "check" } else { "checks" };
    (count > 0)
        .then(|| format!("Not checked: {count} {checks} could not run ({})", reasons.join("; ")))
}

fn entry(id: &str, text: &str, print: &str, severity: &str, place: MachinePlace) -> Value {
    let MachinePlace { path, line } = place;
    json!({
        "description": machine::clean(text),
        "check_name": id,
        "fingerprint": print,
        "severity": severity,
        "location": { "path": path, "lines": { "begin": line.map_or(1, |(line, _)| line) } },
    })
}
