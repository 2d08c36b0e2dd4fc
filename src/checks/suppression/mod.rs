//! Suppressions without effect: one that has expired, and one that matches no finding.

mod expired;
mod unused;

use super::{Check, Pass};
use crate::evidence::suppression::Suppression;
use crate::report::Finding;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[&expired::CHECK];

/// What is judged once the checks have run.
pub static PASSES: &[&Pass] = &[&unused::PASS];

/// Whether a suppression matches this finding: its id, or a retired name of it, and one of its
/// places. Its last day does not matter.
pub fn fits(suppression: &Suppression, finding: &Finding) -> bool {
    suppression.problem.is_none()
        && names(suppression, &finding.id)
        && suppression.is_about_place_of(finding)
}

/// Whether this suppression is about that id, at any place.
fn names(suppression: &Suppression, id: &str) -> bool {
    super::rule(&suppression.id).is_some_and(|rule| rule.id == id)
}
