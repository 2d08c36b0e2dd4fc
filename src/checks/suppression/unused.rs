//! A suppression that fits no finding: the fault is mended, or the place is misspelt.

use super::fits;
use crate::checks::{self, Outcome, Pass};
use crate::evidence::suppression::Suppression;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static SUPPRESSION_UNUSED: Rule = Rule::new(
    "suppression-unused",
    Level::Info,
    "a suppression matches no finding",
    include_str!("suppression-unused.md"),
);

pub(super) static PASS: Pass = Pass { rules: &[&SUPPRESSION_UNUSED], run };

fn run(evidence: &Evidence, outcome: &Outcome) -> Result<Vec<Finding>, Unseen> {
    let entries: Vec<&Suppression> = evidence
        .asked
        .suppressions
        .iter()
        .filter(|one| one.problem.is_none() && !one.is_expired(evidence.collected_at))
        .collect();
    if entries.is_empty() {
        return Ok(vec![]);
    }
    let (about_us, others): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|one| one.id == SUPPRESSION_UNUSED.id);
    let mut found = Vec::new();
    let mut unseen = None;
    for entry in others {
        if outcome.findings.iter().any(|finding| fits(entry, finding)) {
            continue;
        }
        match outcome.unknown.iter().find(|unknown| names(entry, &unknown.id)) {
            Some(unknown) => unseen = Some(Unseen { reason: unknown.reason.clone() }),
            None => {
                let elsewhere = outcome.findings.iter().find(|finding| names(entry, &finding.id));
                found.push(unused(entry, elsewhere));
            }
        }
    }
    for entry in about_us {
        if !found.iter().any(|finding| fits(entry, finding)) {
            found.push(unused(entry, None));
        }
    }
    match unseen {
        Some(unseen) if found.is_empty() => Err(unseen),
        _ => Ok(found),
    }
}

/// Whether the entry is about this id, wherever.
fn names(entry: &Suppression, id: &str) -> bool {
    checks::rule(&entry.id).is_some_and(|rule| rule.id == id)
}

fn unused(entry: &Suppression, elsewhere: Option<&Finding>) -> Finding {
    let place = elsewhere.and_then(|finding| finding.locations.first());
    let detail = match (elsewhere, place) {
        (Some(finding), Some(place)) => {
            format!("{} is found, but not there: at {place}.", finding.id)
        }
        (Some(finding), None) => format!("{} is found, but at no place at all.", finding.id),
        (None, _) => format!("{} is not found here.", entry.id),
    };
    SUPPRESSION_UNUSED
        .finding(Certainty::Proven, detail)
        .at(Location::line(&entry.file, entry.line))
        .remedy(Remedy::safe(match elsewhere {
            Some(_) => "correct the place",
            None => "take the entry out: it would hide the fault if it came back",
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evidence in which nothing is configured: `selection-missing` or its like is found, the
    /// Docker checks are unknown.
    fn outcome(entries: &[(&str, Option<&str>)]) -> Result<Vec<String>, Unseen> {
        let mut evidence = Evidence::default();
        evidence.asked.suppressions = entries
            .iter()
            .map(|(id, place)| Suppression {
                id: (*id).to_owned(),
                places: place.iter().map(|place| (*place).to_owned()).collect(),
                file: "convex-doctor.toml".to_owned(),
                line: 1,
                ..Suppression::default()
            })
            .collect();
        let outcome = checks::run_all(&Evidence::default());
        run(&evidence, &outcome)
            .map(|found| found.into_iter().map(|one| one.detail.to_string()).collect())
    }

    #[test]
    fn an_entry_is_unused_only_if_its_check_could_see() {
        let seen = checks::run_all(&Evidence::default());
        let passed = seen.passed.first().expect("some check passes without evidence").as_str();
        let unknown = seen.unknown.first().expect("and some cannot see").id.as_str();
        assert_eq!(outcome(&[]), Ok(vec![]));
        assert_eq!(outcome(&[(passed, None)]), Ok(vec![format!("{passed} is not found here.")]));
        assert!(outcome(&[(unknown, None)]).is_err(), "nobody knows");
        assert_eq!(outcome(&[(unknown, None), (passed, None)]).unwrap().len(), 1);
        assert_eq!(
            outcome(&[(passed, None), ("suppression-unused", None)]).unwrap().len(),
            1,
            "one about ourselves is used"
        );
        assert_eq!(outcome(&[("suppression-unused", None)]).unwrap().len(), 1);
    }
}
