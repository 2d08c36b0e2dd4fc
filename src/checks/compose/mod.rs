//! The compose file: whether it can be read, which service is the backend, and what its environment really says.

mod backend_services;
mod beacon_variable_empty;
mod compose_file;
mod environment;

use super::Check;
use crate::evidence::compose::{At, BackendService};
use crate::evidence::{ComposeFacts, Evidence, Unseen};
use crate::report::{Certainty, Location};

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &compose_file::CHECK,
    &compose_file::VARIABLES,
    &backend_services::CHECK,
    &environment::FALSE,
    &environment::NEVER_READ_CHECK,
    &beacon_variable_empty::CHECK,
];

/// The compose project; `None` where there is no compose file, `Err` where it could not be read, by us or by Compose.
pub fn project(evidence: &Evidence) -> Result<Option<&ComposeFacts>, Unseen> {
    let Some(project) = evidence.compose.seen()? else { return Ok(None) };
    match project.errors.first() {
        Some(error) => {
            Err(Unseen { reason: format!("the compose file is invalid: {}", error.message) })
        }
        None => Ok(Some(project)),
    }
}

/// A place in a compose file.
pub fn location(at: &At) -> Location {
    Location::File { file: at.file.clone(), line: at.line, column: at.column, text: None }
}

/// Whether the service publishes that port of the host, once it runs.
pub fn publishes(service: &BackendService, port: u16) -> bool {
    service.network_mode.as_deref() == Some("host")
        || service.ports.iter().any(|it| it.published.as_deref() == Some(port.to_string().as_str()))
}

/// How surely `run_backend.sh` reads the environment of this service: an image of somebody else may do as it likes.
fn runs_upstream(service: &BackendService) -> Option<Certainty> {
    match &service.image {
        _ if service.entrypoint_overridden => None,
        Some(image) if image.contains("get-convex/convex-backend") => Some(Certainty::Proven),
        _ => Some(Certainty::Likely),
    }
}
