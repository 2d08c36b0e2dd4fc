//! The key by its shape alone: what its text says before any secret is tried (catalogue §2).

mod legacy;
mod shape;

use super::Check;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[&shape::CHECK, &legacy::CHECK];
