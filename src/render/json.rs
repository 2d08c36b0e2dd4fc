//! The report as one JSON object, schema version 1: it only grows. The JSON Schema comes from these
//! types, when the tests are built: nothing of that is in the program.
use serde::Serialize;

use crate::docs;
use crate::report::{
    Finding, Level, Link, Operation, Report, StoryEntry, Suppressed, UnknownCheck, Verdict,
};

/// The whole document.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "convex-doctor report"))]
pub struct JsonDocument<'a> {
    /// 1. Within a version, fields are only added.
    schema_version: u32,
    /// What made it.
    tool: Tool,
    /// RFC 3339, UTC.
    generated_at: &'a str,
    /// The deployment in one word.
    verdict: Verdict,
    /// The verdict in one sentence.
    headline: &'a str,
    /// Root causes, best first; each also in `findings`.
    causes: &'a [Finding],
    /// All findings.
    findings: &'a [Finding],
    /// Ids that were judged and found in order.
    passed: &'a [String],
    /// Ids that could not be judged, and why.
    unknown: &'a [UnknownCheck],
    /// What was suppressed.
    suppressed: &'a [Suppressed],
    /// The rules of the ids met.
    rules: Vec<RuleText>,
    /// The chain of custody from the key to the backend.
    chain: &'a [Link],
    /// What survives which operation.
    persistence: Persistence<'a>,
    /// What happened, in order; only when something is wrong.
    #[serde(default, skip_serializing_if = "<[StoryEntry]>::is_empty")]
    story: &'a [StoryEntry],
    /// What was seen; secret-free.
    #[cfg_attr(test, schemars(with = "crate::evidence::Evidence"))]
    evidence: &'a serde_json::Value,
}

/// What made the report.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Tool {
    /// `convex-doctor`.
    name: &'static str,
    /// Its version.
    version: &'static str,
}

/// A rule as a reader needs it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RuleText {
    /// The id.
    id: &'static str,
    /// One line.
    title: &'static str,
    /// The usual level.
    level: Level,
    /// Markdown.
    explanation: &'static str,
    /// The address of its page.
    docs: String,
}

/// What survives which operation; empty where no backend was seen.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Persistence<'a> {
    /// One entry an operation.
    operations: &'a [Operation],
}

impl<'a> From<&'a [Operation]> for Persistence<'a> {
    fn from(operations: &'a [Operation]) -> Self {
        Self { operations }
    }
}

impl<'a> From<&'a Report> for JsonDocument<'a> {
    fn from(report: &'a Report) -> Self {
        Self {
            schema_version: 1,
            tool: Tool { name: "convex-doctor", version: env!("CARGO_PKG_VERSION") },
            generated_at: &report.generated_at,
            verdict: report.verdict,
            headline: &report.summary.headline,
            causes: &report.causes,
            findings: &report.findings,
            passed: &report.passed,
            unknown: &report.unknown,
            suppressed: &report.suppressed,
            rules: report
                .rules
                .iter()
                .map(|rule| RuleText {
                    id: rule.id,
                    title: rule.title,
                    level: rule.level,
                    explanation: rule.explain,
                    docs: docs::page(rule.id),
                })
                .collect(),
            chain: &report.chain,
            persistence: report.persistence.as_slice().into(),
            story: &report.story,
            evidence: &report.evidence,
        }
    }
}

/// The report, indented, with a line end.
pub fn render(report: &Report) -> String {
    to_text(&JsonDocument::from(report))
}

/// The JSON Schema (draft 2020-12) of [`render`]'s output, as the test below makes it of the types.
pub fn schema() -> &'static str {
    include_str!("../../docs/report.schema.json")
}

/// Any of the doctor's JSON answers, indented, with a line end.
pub fn to_text(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".to_owned());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1 cargo test generated` rewrites it.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "it writes a file of the repository")]
    fn the_generated_schema_is_that_of_the_types() {
        let made = to_text(&schemars::schema_for!(JsonDocument<'static>));
        if std::env::var_os("UPDATE").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
            std::fs::write(path, made).unwrap();
            return;
        }
        let line = made.lines().zip(schema().lines()).position(|(one, other)| one != other);
        assert!(
            made == schema(),
            "docs/report.schema.json differs (first at line {:?}); UPDATE=1 cargo test generated",
            line.map(|line| line + 1)
        );
    }
}
