//! A suppression that matches no finding: the problem is fixed, or the place is misspelt.

use super::{fits, names};
use crate::checks::{Outcome, Pass};
use crate::evidence::suppression::Suppression;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

static SUPPRESSION_UNUSED: Rule =
    rule!("suppression-unused", Info, "a suppression matches no finding");

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

fn unused(entry: &Suppression, elsewhere: Option<&Finding>) -> Finding {
    let place = elsewhere.and_then(|finding| finding.locations.first());
    let detail = match (elsewhere, place) {
        (Some(finding), Some(place)) => {
            format!("{} was found at {place}, which the entry does not name.", finding.id)
        }
        (Some(finding), None) => {
            format!("{} was found, but without a place, and the entry names one.", finding.id)
        }
        (None, _) => format!("{} was not found, so the entry has no effect.", entry.id),
    };
    SUPPRESSION_UNUSED
        .finding(Certainty::Proven, detail)
        .at(Location::line(&entry.file, entry.line))
        .remedy(Remedy::safe(match elsewhere {
            Some(_) => "Correct the place in the entry",
            None => "Remove the entry: it would hide the problem if it came back",
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evidence in which nothing is configured: `selection-missing` is found, and the Docker checks
    /// could not run.
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
        let outcome = crate::checks::run_all(&Evidence::default());
        run(&evidence, &outcome)
            .map(|found| found.into_iter().map(|one| one.detail.to_string()).collect())
    }

    #[test]
    fn an_entry_is_unused_only_if_its_check_could_run() {
        let seen = crate::checks::run_all(&Evidence::default());
        let passed = seen.passed.first().expect("some check passes without evidence").as_str();
        let unknown = seen.unknown.first().expect("and some cannot run").id.as_str();
        assert_eq!(outcome(&[]), Ok(vec![]));
        let unused = format!("{passed} was not found, so the entry has no effect.");
        assert_eq!(outcome(&[(passed, None)]), Ok(vec![unused]));
        assert!(outcome(&[(unknown, None)]).is_err(), "the check could not run");
        assert_eq!(outcome(&[(unknown, None), (passed, None)]).unwrap().len(), 1);
        assert_eq!(
            outcome(&[(passed, None), ("suppression-unused", None)]).unwrap().len(),
            1,
            "an entry about this check is used"
        );
        assert_eq!(outcome(&[("suppression-unused", None)]).unwrap().len(), 1);
    }
}
