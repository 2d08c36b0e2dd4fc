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
pub(crate) mod log_lines;
mod several_backends_on_port;

use super::endpoint::{self, is_loopback};
use super::{Check, compose};
use crate::evidence::docker::Container;
use crate::evidence::{DockerFacts, Evidence, Unseen};
use crate::report::{Certainty, Level, Location};

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

/// What the engine showed.
pub fn asked(evidence: &Evidence) -> Result<&DockerFacts, Unseen> {
    evidence.docker.seen()
}

/// The container that this run is about, and how surely: the one that Compose would run here, else
/// the one that answers, else, where there is no compose file, the only one that claims the URL's
/// port on this machine.
pub fn subject<'a>(
    evidence: &Evidence,
    docker: &'a DockerFacts,
) -> Result<Option<(&'a Container, Certainty)>, Unseen> {
    if let Some(container) = docker.expected() {
        return Ok(Some((container, Certainty::Proven)));
    }
    if let Some(answering) = docker.answering() {
        return Ok(Some(answering));
    }
    let Some(endpoint) = endpoint::selected(evidence)? else { return Ok(None) };
    if evidence.compose.seen()?.is_some() || !endpoint::is_engine_host(evidence, endpoint)? {
        return Ok(None);
    }
    let mut claiming = docker.backends.iter().filter(|container| claims(container, endpoint.port));
    match (claiming.next(), claiming.next()) {
        (Some(container), None) => Ok(Some((container, Certainty::Likely))),
        _ => Ok(None),
    }
}

/// `docker VERB NAME`, as it is to be typed.
pub fn command(verb: &str, container: &str) -> String {
    format!("docker {verb} {}", compose::shell_word(container))
}

/// The place of a container.
pub fn place(container: &Container) -> Location {
    Location::container(container.name.clone())
}

/// Whether the container publishes that port of the host, or would when started.
pub fn claims(container: &Container, host_port: u16) -> bool {
    container.ports.iter().any(|port| port.host == Some(host_port))
}

/// What follows when the backend dies or never comes up: the states in which its container is seen
/// then. What its URL comes to follows from them.
pub(crate) const DEATH: &[&str] = &["backend-stopped", "backend-restarting", "backend-starting"];

/// How much a fault of the [`subject`] weighs: an error where nothing answers that it could be
/// blamed for, a warning where a Convex answers all the same, worth knowing where even the key is
/// accepted. Certain only where the URL means this machine: a laptop with a stopped backend and a
/// URL of a server that is down has two stories, not one.
pub fn weight(evidence: &Evidence) -> (Level, Certainty) {
    match endpoint::selected(evidence) {
        Err(_) => (Level::Error, Certainty::Likely),
        Ok(None) => (Level::Error, Certainty::Proven),
        Ok(Some(_)) if endpoint::key_accepted(evidence) => (Level::Info, Certainty::Proven),
        Ok(Some(found)) if found.is_convex_api() => (Level::Warning, Certainty::Proven),
        Ok(Some(found)) if is_loopback(&found.host) => (Level::Error, Certainty::Proven),
        Ok(Some(_)) => (Level::Error, Certainty::Likely),
    }
}

/// The host port that an error of the engine calls taken.
pub fn port_taken(error: &str) -> Option<u16> {
    let lower = error.to_ascii_lowercase();
    if !(lower.contains("already allocated") || lower.contains("address already in use")) {
        return None;
    }
    // `Bind for 0.0.0.0:3210 failed: port is already allocated`, `listen tcp4 127.0.0.1:3210: bind:
    // address already in use`
    lower.split([' ', ',']).find_map(|word| {
        let (host, port) = word.trim_end_matches([':', '.', ')']).rsplit_once(':')?;
        (host.contains('.') || host.contains(':')).then(|| port.parse().ok())?
    })
}
