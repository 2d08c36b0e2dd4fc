//! The Docker engine and the state of the backend's container.

mod backend_crash_explained;
mod backend_killed;
mod backend_not_created;
mod backend_state;
mod cli_version;
mod container_differs;
mod dashboard_version;
mod disk_full;
mod docker_other_context;
mod engine_failure;
mod image_unpinned;
mod several_backends_on_port;

use super::Check;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &engine_failure::CHECK,
    &docker_other_context::CHECK,
    &backend_not_created::CHECK,
    &backend_state::CHECK,
    &backend_killed::CHECK,
    &backend_crash_explained::CHECK,
    &disk_full::CHECK,
    &image_unpinned::CHECK,
    &container_differs::CHECK,
    &dashboard_version::CHECK,
    &cli_version::TOO_OLD,
    &cli_version::TOO_NEW,
    &several_backends_on_port::CHECK,
];
