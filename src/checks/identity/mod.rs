//! The identity of the instance: its secret and its name, in every place that can contain them, and
//! how it is started.
//!
//! A value is in up to four places: the process (used now), the container's environment and the
//! credentials file (used after the next start), the compose file (after the next `up`). An empty
//! value in the compose file counts as not set (docs/facts.md, rule-empty-value).

pub mod credentials_dir;
pub mod entrypoint;
pub mod instance_name;
pub mod name_drift;
pub mod secret_drift;
pub mod secret_in_compose;
pub mod secret_invalid;
pub mod secret_public;
pub mod secret_shared;

use super::Check;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &secret_drift::CHECK,
    &name_drift::CHECK,
    &secret_invalid::CHECK,
    &instance_name::CHECK,
    &secret_public::CHECK,
    &secret_shared::CHECK,
    &secret_in_compose::CHECK,
    &credentials_dir::CHECK,
    &entrypoint::CHECK,
];
