//! Suppressions that do nothing any more: one that is over, and one that fits nothing.

mod expired;
mod unused;

use super::{Check, Pass};
use crate::evidence::suppression::Suppression;
use crate::report::Finding;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[&expired::CHECK];

/// What is judged once the checks have run.
pub static PASSES: &[&Pass] = &[&unused::PASS];

/// Whether a suppression is written for this finding: its id, or the retired name of it, and one of
/// its places. Its last day is not looked at.
pub fn fits(suppression: &Suppression, finding: &Finding) -> bool {
    suppression.problem.is_none()
        && super::rule(&suppression.id).is_some_and(|rule| rule.id == finding.id)
        && suppression.is_about_place_of(finding)
}
