//! From evidence to report: every check runs, the findings are ranked, the verdict follows.

mod rank;
mod summary;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::checks;
use crate::checks::endpoint::key_accepted;
use crate::evidence::Evidence;
use crate::report::{Finding, Level, Report, Suppressed, Verdict};

/// What the caller wants to see and not to see.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// Ids that are not shown, and counted.
    pub ignore: Vec<String>,
    /// Ids or families to which the report is confined; all when empty.
    pub only: Vec<String>,
}

/// Judges the evidence.
pub fn diagnose(evidence: &Evidence, choices: &Choices) -> Report {
    let outcome = checks::run_all(evidence);
    let (kept, suppressed) = sift(outcome.findings, choices);
    let (mut causes, mut findings) = rank::rank(kept);
    let verdict = verdict(evidence, &findings);
    let summary = summary::summarise(evidence, verdict, &causes, &findings);
    // What is listed may be confined; the verdict is about the deployment.
    let wanted = |id: &str| choices.only.is_empty() || is_among(id, &choices.only);
    causes.retain(|finding| wanted(&finding.id));
    findings.retain(|finding| wanted(&finding.id));
    let ids: BTreeSet<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    let rules = checks::rules().filter(|rule| ids.contains(rule.id)).collect();
    let mut unknown = outcome.unknown;
    unknown.retain(|unknown| wanted(&unknown.id));
    Report {
        generated_at: Timestamp::from_second(evidence.collected_at)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_string(),
        verdict,
        summary,
        causes,
        passed: outcome.passed.into_iter().filter(|id| wanted(id)).collect(),
        unknown,
        suppressed,
        rules,
        chain: Vec::new(),
        evidence: serde_json::to_value(evidence).unwrap_or(serde_json::Value::Null),
        findings,
    }
}

fn verdict(evidence: &Evidence, findings: &[Finding]) -> Verdict {
    let errors = || findings.iter().filter(|finding| finding.level == Level::Error);
    // Accepted, the CLI works, unless the fault is one that the first calls do not meet (a blank that only the push sends).
    match (key_accepted(evidence), errors().next().is_some(), errors().any(breaks_the_cli)) {
        (_, _, true) => Verdict::Broken,
        (true, true, false) => Verdict::AtRisk,
        (true, false, false) => Verdict::Healthy,
        // Refused is broken, also when somebody chose not to see why.
        (false, _, false) if is_refused(evidence) => Verdict::Broken,
        (false, _, false) => Verdict::Unknown,
    }
}

fn is_refused(evidence: &Evidence) -> bool {
    let endpoint = evidence.endpoint.seen().ok().and_then(Option::as_ref);
    endpoint
        .and_then(|endpoint| endpoint.check_admin_key.seen().ok())
        .is_some_and(|answer| answer.status == 401)
}

/// Whether the finding is about the way of the key to the backend, and not about what may be lost some day.
fn breaks_the_cli(finding: &Finding) -> bool {
    let is_cause = checks::rule(&finding.id).is_some_and(|rule| rule.is_cause);
    let is_risk =
        matches!(checks::family(&finding.id), Some("persistence")) && finding.explains.is_empty();
    is_cause && !is_risk
}

fn sift(findings: Vec<Finding>, choices: &Choices) -> (Vec<Finding>, Vec<Suppressed>) {
    let mut suppressed = Vec::new();
    let kept = findings
        .into_iter()
        .filter(|finding| {
            let ignored = is_among(&finding.id, &choices.ignore);
            if ignored {
                suppressed.push(Suppressed {
                    id: finding.id.clone(),
                    reason: None,
                    source: format!("--ignore {}", finding.id),
                });
            }
            !ignored
        })
        .collect();
    (kept, suppressed)
}

/// Whether `id`, its retired name or its family is one of `names`.
fn is_among(id: &str, names: &[String]) -> bool {
    names.iter().any(|name| {
        checks::rule(name).is_some_and(|rule| rule.id == id)
            || checks::family(id) == Some(name.as_str())
    })
}
