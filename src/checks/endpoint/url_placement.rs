//! The URL is right somewhere else: inside the compose network, or on the host of this container.

use crate::checks::Check;
use crate::deployment::container::claims_port;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::is_loopback;
use crate::deployment::endpoint::published_url;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::endpoint::url_location;
use crate::evidence::endpoint::Reach;
use crate::evidence::{Evidence, Unseen};
use crate::names::API_PORT;
use crate::remedies::env_file::set_url;
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static URL_IN_NETWORK_NAME: Rule = Rule {
    id: "url-in-network-name",
    level: Level::Error,
    title: "the URL's host is a name of the compose network only",
    explain: include_str!("url-in-network-name.md"),
    is_cause: true,
    causes: &["url-dns-failure"],
    since: "0.1.0",
};

static URL_LOOPBACK_IN_CONTAINER: Rule = Rule {
    id: "url-loopback-in-container",
    level: Level::Error,
    title: "localhost means this container, where nothing listens",
    explain: include_str!("url-loopback-in-container.md"),
    is_cause: true,
    causes: &["url-refused"],
    since: "0.1.0",
};

pub(super) static NETWORK_NAME: Check = Check { rules: &[&URL_IN_NETWORK_NAME], run: network_name };
pub(super) static LOOPBACK: Check = Check { rules: &[&URL_LOOPBACK_IN_CONTAINER], run: loopback };
fn network_name(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    match endpoint.reach {
        Reach::NoSuchHost { .. } => {}
        Reach::NotTried => return convex_answers(endpoint).map(|_| vec![]),
        _ => return Ok(vec![]),
    }
    let host = endpoint.host.as_str();
    let service = evidence.compose.seen().ok().and_then(Option::as_ref).and_then(|compose| {
        let file = compose.files.first().cloned().unwrap_or_default();
        compose.services.iter().any(|name| name == host).then_some(file)
    });
    let container = evidence.docker.seen().ok().and_then(|docker| {
        let backends = docker.backends.iter().map(|it| (&it.name, &it.service));
        let others = docker.companions.iter().map(|it| (&it.name, &it.service));
        let mut all = backends.chain(others);
        all.find(|(name, service)| *name == host || service.as_deref() == Some(host))
            .map(|(name, _)| name.clone())
    });
    let Some(source) = service.or(container) else {
        evidence.compose.seen()?;
        if !host.contains('.') {
            evidence.docker.seen()?;
        }
        return Ok(vec![]);
    };
    let url = published_url(evidence);
    let remedy = match url {
        Some(url) => set_url(&evidence.selection, &url, ", where the backend's port is published"),
        None => Remedy::safe(
            "set CONVEX_SELF_HOSTED_URL to the address at which the backend's port is published",
        ),
    };
    Ok(vec![
        URL_IN_NETWORK_NAME
            .finding(
                Certainty::Proven,
                format!("Only containers of the same compose network can resolve `{host}`; this shell cannot."),
            )
            .because(format!("`{host}` is a service or a container"), source)
            .at(url_location(evidence))
            .remedy(remedy),
    ])
}

fn loopback(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if !evidence.surroundings.in_container || !is_loopback(&endpoint.host) {
        return Ok(vec![]);
    }
    match endpoint.reach {
        Reach::Refused => {}
        Reach::NotTried => return convex_answers(endpoint).map(|_| vec![]),
        _ => return Ok(vec![]),
    }
    // The backend could be a bare process of this very container that is down.
    let publisher = evidence.docker.seen().ok().and_then(|docker| {
        let running = docker.backends.iter().filter(|container| container.is_running());
        running.into_iter().find(|container| claims_port(container, endpoint.port))
    });
    let certainty = if publisher.is_some() { Certainty::Proven } else { Certainty::Likely };
    let mut finding = URL_LOOPBACK_IN_CONTAINER
        .finding(
            certainty,
            format!(
                "This shell runs in a container; `{}` is that container itself, not the host and not the backend.",
                endpoint.host
            ),
        )
        .at(url_location(evidence));
    if let Some(container) = publisher {
        let text = format!("publishes port {} of the host", endpoint.port);
        finding = finding
            .because(text, container.name.clone())
            .at(Location::container(container.name.clone()));
    }
    Ok(vec![
        finding
            .remedy(Remedy::safe(format!(
                "set CONVEX_SELF_HOSTED_URL to {}://host.docker.internal:{}",
                endpoint.scheme, endpoint.port
            )))
            .remedy(Remedy::safe(format!(
                "or join the backend's network and use its service name: http://backend:{API_PORT}"
            ))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    fn told(evidence: &Evidence) -> Vec<String> {
        let checks = [&NETWORK_NAME, &LOOPBACK];
        checks.iter().flat_map(|check| build::told((check.run)(evidence))).collect()
    }

    fn unresolved(host: &str) -> Evidence {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::NoSuchHost { error: "x".to_owned() });
        build::endpoint(&mut evidence).host = host.to_owned();
        evidence
    }

    #[test]
    fn a_service_name_does_not_resolve_outside() {
        assert!(told(&build::healthy()).is_empty());
        let place = "url-in-network-name error proven http://127.0.0.1:3210";
        assert_eq!(told(&unresolved("backend")), [place]);
        assert!(told(&unresolved("api.example.com")).is_empty());
        let mut unseen = unresolved("convex");
        build::no_docker(&mut unseen);
        assert_eq!(told(&unseen), ["unknown"]);
    }

    #[test]
    fn loopback_in_a_container_is_proven_by_the_publisher() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        assert!(told(&evidence).is_empty());
        evidence.surroundings.in_container = true;
        assert!(told(&evidence)[0].starts_with("url-loopback-in-container error proven"));
        build::no_docker(&mut evidence);
        assert!(told(&evidence)[0].starts_with("url-loopback-in-container error likely"));
    }
}
