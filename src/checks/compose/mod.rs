//! The compose file: whether it can be read, which service is the backend, and what its environment
//! really means.

mod backend_services;
mod beacon_variable_empty;
mod compose_file;
mod environment;
mod file_elsewhere;

use super::Check;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &compose_file::CHECK,
    &compose_file::VARIABLES,
    &backend_services::CHECK,
    &file_elsewhere::CHECK,
    &environment::FALSE,
    &environment::NEVER_READ_CHECK,
    &beacon_variable_empty::CHECK,
];
