//! (family)

use super::Check;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[];
