//! The selected URL: what answers there, and whether that is a Convex API.

use std::net::IpAddr;

use url::Url;

use crate::deployment::answers;
use crate::evidence::docker::{EngineFailure, FailedEngine};
use crate::evidence::endpoint::Reach;
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::names::API_PORT;
use crate::report::Location;

/// The selected URL's facts; `None` if no URL is selected.
pub(crate) fn selected_endpoint(evidence: &Evidence) -> Result<Option<&EndpointFacts>, Unseen> {
    Ok(evidence.endpoint.seen()?.as_ref())
}

/// The selected URL as a place to look at.
pub(crate) fn url_location(evidence: &Evidence) -> Location {
    Location::url(
        selected_endpoint(evidence).ok().flatten().map_or("", |endpoint| &endpoint.target.url),
    )
}

/// Whether a Convex API answers at the URL. `Err` if it was not asked: that must not count as "no".
pub(crate) fn convex_answers(endpoint: &EndpointFacts) -> Result<bool, Unseen> {
    if endpoint.is_convex_api() {
        return Ok(true);
    }
    match &endpoint.route.reach {
        Reach::NotTried => Err(Unseen::new("the URL was not contacted")),
        Reach::Answered => answers::all(endpoint).map(|_| false),
        Reach::Other { error } => Err(Unseen::new(format!("the request failed: {error}"))),
        _ => Ok(false),
    }
}

/// Whether the host is the machine (or the container) that this runs on.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

/// Whether the URL leads to a port of the machine that Docker runs on: only then do the ports of
/// its containers say anything about it.
pub(crate) fn is_engine_host(
    evidence: &Evidence,
    endpoint: &EndpointFacts,
) -> Result<bool, Unseen> {
    if !is_loopback(&endpoint.target.host) || evidence.surroundings.in_container {
        return Ok(false);
    }
    Ok(evidence.docker.seen()?.local)
}

/// The Docker of this machine, if it is not running, and the selected URL means this machine and
/// refuses the connection: then the backend is probably down because of it.
pub(crate) fn stopped_docker(evidence: &Evidence) -> Option<&FailedEngine> {
    let endpoint = selected_endpoint(evidence).ok().flatten()?;
    let engine = evidence.engine_failure.as_ref()?;
    let address = engine.address.as_str();
    let tcp = |address: &str| Url::parse(address).ok()?.host_str().map(is_loopback);
    let is_here = match address.split_once("://").map(|(scheme, _)| scheme) {
        Some("unix" | "npipe") => true,
        Some("tcp" | "http" | "https") => tcp(address).unwrap_or(false),
        _ => false,
    };
    let is_refused = endpoint.route.reach == Reach::Refused
        && is_loopback(&endpoint.target.host)
        && !evidence.surroundings.in_container;
    (is_here && is_refused && engine.kind == EngineFailure::Unreachable).then_some(engine)
}

/// The URL that the backend of this project publishes, or would once it runs.
pub(crate) fn published_url(evidence: &Evidence) -> Option<String> {
    let port = evidence
        .docker
        .seen()
        .ok()
        .and_then(|docker| docker.expected())
        .and_then(|container| {
            container.net.ports.iter().find(|port| port.container == API_PORT)?.host
        })
        .or_else(|| {
            let compose = evidence.compose.seen().ok()?.as_ref()?;
            let ports = &compose.backend()?.ports;
            let port = ports.iter().find(|port| port.container == API_PORT)?;
            port.published.as_deref()?.parse().ok()
        })?;
    let host =
        if evidence.surroundings.in_container { "host.docker.internal" } else { "127.0.0.1" };
    Some(format!("http://{host}:{port}"))
}

/// Whether the CLI in `node_modules` is at least `1.minor`; `None` if its version is not known.
pub(crate) fn cli_at_least(evidence: &Evidence, minor: u32) -> Option<bool> {
    is_at_least(evidence.surroundings.cli_version.as_deref()?, minor)
}

/// Whether this version of the CLI is at least `1.minor`; `None` if it is not a version.
pub(crate) fn is_at_least(version: &str, minor: u32) -> Option<bool> {
    let mut parts = version.split('.');
    let major: u32 = parts.next()?.parse().ok()?;
    let found: u32 = parts.next()?.parse().ok()?;
    Some((major, found) >= (1, minor))
}

/// [`published_url`], or the official default.
pub(crate) fn backend_url(evidence: &Evidence) -> String {
    published_url(evidence).unwrap_or_else(|| format!("http://127.0.0.1:{API_PORT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_in_all_its_spellings() {
        for host in
            ["localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["backend", "localhost.example.com", "10.0.0.1", "api.example.com", "::2", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
