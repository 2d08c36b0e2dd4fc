//! The key against the instance: which secret opens it, and whose that is.

use super::Check;

#[cfg(test)]
pub(crate) mod build;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[];
