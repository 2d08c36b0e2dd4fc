//! The report as one JSON object, schema version 1: it only grows. The JSON Schema comes from these
//! types.

use schemars::JsonSchema;
use serde::Serialize;

use crate::docs;
use crate::evidence::Evidence;
use crate::report::{
    Finding, Level, Link, Operation, Report, StoryEntry, Suppressed, UnknownCheck, Verdict,
};

/// The whole document.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "convex-doctor report")]
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
    #[schemars(with = "Evidence")]
    evidence: &'a serde_json::Value,
}

/// What made the report.
#[derive(Serialize, JsonSchema)]
struct Tool {
    /// `convex-doctor`.
    name: &'static str,
    /// Its version.
    version: &'static str,
}

/// A rule as a reader needs it.
#[derive(Serialize, JsonSchema)]
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
#[derive(Serialize, JsonSchema)]
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

/// The JSON Schema (draft 2020-12) of [`render`]'s output.
pub fn schema() -> String {
    to_text(&schemars::schema_for!(JsonDocument<'static>))
}

/// Any of the doctor's JSON answers, indented, with a line end.
pub fn to_text(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".to_owned());
    text.push('\n');
    text
}
