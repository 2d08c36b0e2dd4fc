//! What is suppressed is taken out, and kept with the reason.

use super::{Choices, is_among};
use crate::checks::suppression::fits;
use crate::evidence::Evidence;
use crate::report::{Finding, Suppressed};

/// The findings that are shown, and those that are suppressed: by an option, by a comment next to
/// the line, by `convex-doctor.toml`. Nothing else of a suppressed finding is gone: what follows
/// from it is still found.
pub(super) fn sift(
    findings: Vec<Finding>,
    evidence: &Evidence,
    choices: &Choices,
) -> (Vec<Finding>, Vec<Suppressed>) {
    let (mut kept, mut suppressed) = (Vec::new(), Vec::new());
    for finding in findings {
        match suppress(&finding, evidence, choices) {
            None => kept.push(finding),
            Some(one) => suppressed.push(one),
        }
    }
    (kept, suppressed)
}

fn suppress(finding: &Finding, evidence: &Evidence, choices: &Choices) -> Option<Suppressed> {
    let by_option = Suppressed {
        id: finding.id.clone(),
        reason: None,
        until: None,
        source: format!("--ignore {}", finding.id),
        in_source: false,
        finding: finding.clone(),
    };
    if is_among(&finding.id, &choices.ignore) {
        return Some(by_option);
    }
    let mut fitting: Vec<_> = evidence
        .asked
        .suppressions
        .iter()
        .filter(|one| !one.is_expired(evidence.collected_at) && fits(one, finding))
        .collect();
    // A comment at the line says more than a list.
    fitting.sort_by_key(|one| !one.in_source);
    let one = fitting.first()?;
    Some(Suppressed {
        reason: Some(one.reason.clone()),
        until: one.until.clone(),
        source: one.source(),
        in_source: one.in_source,
        ..by_option
    })
}
