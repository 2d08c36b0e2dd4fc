//! The compose project as Compose would run it, and its backend service.

use std::path::Path;

use crate::evidence::compose::{At, BackendService};
use crate::evidence::{ComposeFacts, Evidence, Unseen};
use crate::report::Certainty;

/// The compose project; `None` without a compose file, `Err` if Compose cannot read it.
pub(crate) fn project(evidence: &Evidence) -> Result<Option<&ComposeFacts>, Unseen> {
    let Some(project) = evidence.compose.seen()? else { return Ok(None) };
    match project.errors.first() {
        Some(error) => Err(Unseen::new(format!(
            "Docker Compose cannot read the compose file: {}",
            error.message
        ))),
        None => Ok(Some(project)),
    }
}

/// The project with its backend service; `None` if there is no such service.
pub(crate) fn declared_backend(
    evidence: &Evidence,
) -> Result<Option<(&ComposeFacts, &BackendService)>, Unseen> {
    Ok(project(evidence)?.and_then(|project| Some((project, project.backend()?))))
}

/// The backend service.
pub(crate) fn backend_service(evidence: &Evidence) -> Result<Option<&BackendService>, Unseen> {
    Ok(declared_backend(evidence)?.map(|(_, service)| service))
}

/// Whether the place is in one of the project's compose files, and not in a file of variables.
pub(crate) fn is_in_a_file_of(project: &ComposeFacts, at: &At) -> bool {
    project.files.iter().any(|file| Path::new(file).ends_with(&at.file))
}

/// Whether the service publishes that port of the host, once it runs.
pub(crate) fn publishes(service: &BackendService, port: u16) -> bool {
    service.network_mode.as_deref() == Some("host")
        || service.ports.iter().any(|it| it.published.as_deref() == Some(port.to_string().as_str()))
}

/// How certain it is that `run_backend.sh` reads the environment of this service; another image may
/// do anything.
pub(crate) fn runs_official_image(service: &BackendService) -> Option<Certainty> {
    match &service.image {
        _ if service.entrypoint_overridden => None,
        Some(image) if image.contains("get-convex/convex-backend") => Some(Certainty::Proven),
        _ => Some(Certainty::Likely),
    }
}
