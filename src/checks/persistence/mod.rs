//! Whether keys and data outlive the next `docker compose down`: the data directory, what is
//! mounted over it, and which volumes are unused.
//!
//! About the container that Compose would run here (`expected`) and the compose file. "No volume"
//! is not "lost when recreated": Compose carries mounts over from the old container, and drops them
//! at the next `down` (docs/facts.md, docker-carry-over).

pub mod bind_mount;
pub mod data_not_writable;
pub mod data_volume;
pub mod detached;
pub mod not_attached;
pub mod project_renamed;
mod run_by_hand;
pub mod shared;
pub mod sql_secret;

use super::Check;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &data_volume::CHECK,
    &data_not_writable::CHECK,
    &not_attached::CHECK,
    &not_attached::EXTERNAL_CHECK,
    &project_renamed::CHECK,
    &detached::CHECK,
    &shared::CHECK,
    &sql_secret::CHECK,
    &bind_mount::CHECK,
];
