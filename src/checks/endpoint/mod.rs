//! Does the selected URL lead to a Convex API, and what stands in the way if not.
//!
//! The predicates that several families ask of the endpoint are here; a check never repeats them.

#[cfg(test)]
mod ablation;
mod answers;
mod backend_age;
#[cfg(test)]
pub(in crate::checks) mod build;
mod dashboards;
mod origin_invalid;
mod origin_mismatch;
mod origins;
mod proxies;
mod proxy_body_too_small;
mod proxy_no_websocket;
mod proxy_strips_authorization;
mod several_backends_behind_url;
mod url_has_path;
mod url_invalid;
mod url_is_other;
mod url_localhost_ipv6;
mod url_placement;
mod url_port_not_published;
mod url_reaches_another_backend;
mod url_redirects;
mod url_tls_failure;
mod url_unreached;
mod who_answers;

use std::net::IpAddr;

use super::{Check, engine};
use crate::evidence::endpoint::{Answer, Body, Reach};
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::report::{Finding, Level, Location};

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &url_invalid::CHECK,
    &url_has_path::CHECK,
    &url_is_other::SITE_PROXY,
    &url_is_other::DASHBOARD,
    &url_is_other::NOT_CONVEX,
    &url_unreached::CHECK,
    &url_localhost_ipv6::CHECK,
    &url_placement::NETWORK_NAME,
    &url_placement::LOOPBACK,
    &url_port_not_published::CHECK,
    &url_redirects::CHECK,
    &url_reaches_another_backend::CHECK,
    &several_backends_behind_url::CHECK,
    &proxies::INTERCEPTS,
    &proxies::GATEWAY,
    &proxies::LOGIN,
    &proxy_strips_authorization::CHECK,
    &proxy_no_websocket::CHECK,
    &proxy_body_too_small::CHECK,
    &backend_age::TOO_OLD,
    &backend_age::SLOW,
    &origin_mismatch::CLOUD,
    &origin_mismatch::SITE,
    &origin_invalid::CHECK,
    &dashboards::URL,
    &dashboards::KEY,
];

/// The selected URL's facts; `None` where no URL is selected.
pub fn selected(evidence: &Evidence) -> Result<Option<&EndpointFacts>, Unseen> {
    Ok(evidence.endpoint.seen()?.as_ref())
}

/// Where the selected URL is to be looked at.
pub fn url_location(evidence: &Evidence) -> Location {
    Location::url(selected(evidence).ok().flatten().map_or("", |endpoint| &endpoint.url))
}

/// The 200 rule (docs/facts.md, rule-200): through the selected URL the key was accepted, for
/// reading and writing, and the CLI's own first call answers. Whatever else is odd, the CLI works
/// now.
pub fn key_accepted(evidence: &Evidence) -> bool {
    let Ok(Some(endpoint)) = selected(evidence) else { return false };
    let key = endpoint.check_admin_key.seen().is_ok_and(|answer| {
        answer.status == 200
            && matches!(answer.body, Body::KeyAccepted { read_only: None | Some(false) })
    });
    key && endpoint.first_call.seen().is_ok_and(|answer| answer.status == 200)
}

/// Holds a finding to a warning where [`key_accepted`].
pub fn heed_200(evidence: &Evidence, finding: Finding) -> Finding {
    if finding.level == Level::Error && key_accepted(evidence) {
        return finding.level(Level::Warning);
    }
    finding
}

/// Whether a Convex API answers at the URL. What was not asked is `Err`: it must not count as "no".
pub fn convex_answers(endpoint: &EndpointFacts) -> Result<bool, Unseen> {
    if endpoint.is_convex_api() {
        return Ok(true);
    }
    match &endpoint.reach {
        Reach::NotTried => Err(Unseen { reason: "the URL was not tried".to_owned() }),
        Reach::Answered => answers::all(endpoint).map(|_| false),
        Reach::Other { error } => Err(Unseen { reason: format!("asking failed: {error}") }),
        _ => Ok(false),
    }
}

/// Whether the host means the machine (or the container) that asks.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

/// Whether the URL means a port of the machine that the engine runs on: only then do its
/// containers' ports say anything about it.
pub fn is_engine_host(evidence: &Evidence, endpoint: &EndpointFacts) -> Result<bool, Unseen> {
    if !is_loopback(&endpoint.host) || evidence.surroundings.in_container {
        return Ok(false);
    }
    Ok(engine::asked(evidence)?.local)
}

/// The URL that the backend of this project publishes, or would once it runs.
pub fn published_url(evidence: &Evidence) -> Option<String> {
    let port = engine::asked(evidence)
        .ok()
        .and_then(|docker| docker.expected())
        .and_then(|container| container.ports.iter().find(|port| port.container == API_PORT)?.host)
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

/// The port of the Convex API inside the container, unless somebody chose another.
pub const API_PORT: u16 = 3210;

/// Whether the key was refused as a Convex backend refuses one.
pub fn key_refused(endpoint: &EndpointFacts) -> Result<bool, Unseen> {
    let answer = endpoint.check_admin_key.seen()?;
    Ok(answer.status == 401 && is_convex_error(answer))
}

fn is_convex_error(answer: &Answer) -> bool {
    matches!(answer.body, Body::ConvexError { .. })
}

/// Whether the CLI in `node_modules` is at least `1.minor`; `None` when its version is not known.
pub fn cli_at_least(evidence: &Evidence, minor: u32) -> Option<bool> {
    let mut parts = evidence.surroundings.cli_version.as_deref()?.split('.');
    let major: u32 = parts.next()?.parse().ok()?;
    let found: u32 = parts.next()?.parse().ok()?;
    Some((major, found) >= (1, minor))
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

    #[test]
    fn accepted_needs_both_answers() {
        let mut evidence = build::healthy();
        assert!(key_accepted(&evidence));
        build::endpoint(&mut evidence).first_call = build::answer(404, Body::Empty);
        assert!(!key_accepted(&evidence));
    }
}
