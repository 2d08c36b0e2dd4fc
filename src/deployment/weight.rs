//! How much a fault weighs here: less if the CLI works anyway, or if the instance is temporary.

use crate::deployment::endpoint::{is_loopback, selected_endpoint};
use crate::deployment::key::cli_works;
use crate::evidence::Evidence;
use crate::evidence::docker::Container;
use crate::report::{Certainty, Finding, Level};

/// Caps a finding at a warning if the CLI works ([`cli_works`]).
pub(crate) fn cap_if_cli_works(evidence: &Evidence, finding: Finding) -> Finding {
    if finding.level == Level::Error && cli_works(evidence) {
        return finding.level(Level::Warning);
    }
    finding
}

/// How much a fault of the backend's container weighs: an error if no Convex backend answers, a
/// warning if one answers anyway, for information if even the key is accepted. It is certain only
/// if the URL is of this machine: a laptop with a stopped backend and the URL of a server that is
/// down has two problems, not one.
pub(crate) fn of_backend_fault(evidence: &Evidence) -> (Level, Certainty) {
    match selected_endpoint(evidence) {
        Err(_) => (Level::Error, Certainty::Likely),
        Ok(None) => (Level::Error, Certainty::Proven),
        Ok(Some(_)) if cli_works(evidence) => (Level::Info, Certainty::Proven),
        Ok(Some(found)) if found.is_convex_api() => (Level::Warning, Certainty::Proven),
        Ok(Some(found)) if is_loopback(&found.target.host) => (Level::Error, Certainty::Proven),
        Ok(Some(_)) => (Level::Error, Certainty::Likely),
    }
}

/// With `--ephemeral` an instance is temporary; in CI a young one probably is.
pub(crate) fn for_temporary_instance(
    evidence: &Evidence,
    container: Option<&Container>,
    finding: Finding,
) -> Finding {
    let young = container
        .and_then(|container| container.life.created_at)
        .is_some_and(|created| evidence.collected_at - created < 3600);
    if evidence.asked.ephemeral {
        finding.level(Level::Info)
    } else if evidence.asked.ci && young && finding.level == Level::Error {
        finding.level(Level::Warning).because(
            "CI is set, and the container is less than an hour old (see --ephemeral)",
            "environment",
        )
    } else {
        finding
    }
}
