//! Workflow commands for GitHub Actions: an annotation per finding
//! (<https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>).
//!
//! A line that foreign text could begin would be a command of its own, so nothing foreign stands
//! outside of an escaped message; and the plain lines know the runner's older form `##[…]`, which
//! counts anywhere in a line (actions/runner: `ActionCommand.cs`).

use super::{machine, words};
use crate::report::{Finding, Level, Report};

/// The report as lines of a workflow's log. GitHub shows the first ten errors and the first ten
/// warnings of a step, so the order of the findings counts.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    let word = words::verdict(report.verdict);
    plain(&mut out, &format!("convex-doctor: {word} {}", report.summary.headline));
    for finding in &report.findings {
        let command = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "notice",
        };
        let text = format!(
            "{} [{}]\n{}",
            machine::message(finding),
            finding.certainty,
            machine::particulars(finding)
        );
        annotation(&mut out, report, command, finding, &finding.id, &text);
    }
    for one in &report.suppressed {
        let title = format!("{} (suppressed)", one.id);
        let text =
            format!("Suppressed, {}: {}", machine::excuse(one), machine::message(&one.finding));
        annotation(&mut out, report, "notice", &one.finding, &title, &text);
    }
    if !report.unknown.is_empty() {
        out.push_str("::group::Checks that could not run\n");
        for unknown in &report.unknown {
            plain(&mut out, &format!("unknown {}: {}", unknown.id, unknown.reason));
        }
        out.push_str("::endgroup::\n");
    }
    let counts = format!(
        "convex-doctor: {} passed, {} unknown, {} suppressed",
        report.passed.len(),
        report.unknown.len(),
        report.suppressed.len()
    );
    plain(&mut out, &counts);
    out
}

fn annotation(
    out: &mut String,
    report: &Report,
    command: &str,
    finding: &Finding,
    title: &str,
    text: &str,
) {
    let mut properties = Vec::new();
    if let Some(place) = machine::first_file(report, finding) {
        properties.push(format!("file={}", property(&place.path)));
        if let Some((line, column)) = place.line {
            properties.push(format!("line={line}"));
            properties.push(format!("col={column}"));
        }
    }
    properties.push(format!("title={}", property(title)));
    out.push_str(&format!("::{command} {}::{}\n", properties.join(","), data(text.trim_end())));
}

/// A line that is no command.
fn plain(out: &mut String, text: &str) {
    out.push_str(&machine::clean(text).replace("##[", "## ["));
    out.push('\n');
}

/// A message: what ends a line, and what begins an escape.
fn data(text: &str) -> String {
    let text = machine::clean_lines(text);
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property, in which a colon and a comma have a meaning too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
