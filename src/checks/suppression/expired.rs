//! The last day of a suppression has passed: the entry has no effect.

use crate::checks::Check;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

static SUPPRESSION_EXPIRED: Rule = rule!("suppression-expired", Info, "a suppression has expired");

pub(super) static CHECK: Check = Check { rules: &[&SUPPRESSION_EXPIRED], run };

pub(super) fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let suppressions = evidence.asked.suppressions.iter();
    let expired = suppressions.filter(|one| one.is_expired(evidence.collected_at));
    Ok(expired
        .map(|one| {
            let until = one.until.as_deref().unwrap_or_default();
            let reason = one.reason.trim_end_matches('.');
            let detail = format!(
                "The entry for {} expired after {until} and has no effect. Its reason: {reason}.",
                one.id
            );
            SUPPRESSION_EXPIRED
                .finding(Certainty::Proven, detail)
                .at(Location::line(&one.file, one.line))
                .remedy(Remedy::safe(format!("Fix {}, and remove the entry", one.id)))
                .remedy(Remedy::safe(format!("Set a later day in {}", one.source())))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::suppression::Suppression;

    #[test]
    fn the_time_is_that_of_the_evidence() {
        let entry = |until: Option<&str>, line| Suppression {
            id: "image-unpinned".to_owned(),
            until: until.map(str::to_owned),
            file: "convex-doctor.toml".to_owned(),
            line,
            ..Suppression::default()
        };
        let mut evidence = Evidence { collected_at: 1_800_000_000, ..Evidence::default() };
        evidence.asked.suppressions =
            vec![entry(Some("2027-01-14"), 1), entry(Some("2027-01-15"), 2), entry(None, 3)];
        let found = run(&evidence).unwrap();
        let places: Vec<_> = found.iter().flat_map(|one| one.locations.clone()).collect();
        assert_eq!(places, [Location::line("convex-doctor.toml", 1)], "it is 2027-01-15");
    }
}
