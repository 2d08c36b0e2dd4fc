//! The URL is correct somewhere else: inside the compose network, or on the host of this container.

use crate::checks::Check;
use crate::deployment::container::claims_port;
use crate::deployment::endpoint::{
    convex_answers, is_loopback, published_url, selected_endpoint, url_location,
};
use crate::evidence::endpoint::Reach;
use crate::evidence::{Evidence, Unseen};
use crate::names::{API_PORT, URL};
use crate::remedies::env_file::set_url;
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

static URL_IN_NETWORK_NAME: Rule =
    rule!("url-in-network-name", Error, "the URL's host name only works inside Docker")
        .cause(&["url-dns-failure"]);

static URL_LOOPBACK_IN_CONTAINER: Rule =
    rule!("url-loopback-in-container", Error, "`localhost` is this container, not the host")
        .cause(&["url-refused"]);

pub(super) static NETWORK_NAME: Check = Check { rules: &[&URL_IN_NETWORK_NAME], run: network_name };
pub(super) static LOOPBACK: Check = Check { rules: &[&URL_LOOPBACK_IN_CONTAINER], run: loopback };

fn network_name(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    match endpoint.route.reach {
        Reach::NoSuchHost { .. } => {}
        Reach::NotTried => return convex_answers(endpoint).map(|_| vec![]),
        _ => return Ok(vec![]),
    }
    let host = endpoint.target.host.as_str();
    let service = evidence.compose.seen().ok().and_then(Option::as_ref).and_then(|compose| {
        let file = compose.files.first().cloned().unwrap_or_default();
        compose.services.iter().any(|name| name == host).then_some(file)
    });
    let container = evidence.docker.seen().ok().and_then(|docker| {
        let backends = docker.backends.iter().map(|it| (&it.name, &it.labels.service));
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
    let remedy = match published_url(evidence) {
        Some(url) => set_url(&evidence.selection, &url, ", the published port"),
        None => Remedy::safe(format!("Set {URL} to the published address of the backend")),
    };
    let detail = format!(
        "The CLI cannot resolve `{host}`: only containers in the same compose network can. Use \
         the published port instead."
    );
    Ok(vec![
        URL_IN_NETWORK_NAME
            .finding(Certainty::Proven, detail)
            .because(format!("`{host}` is a service or a container"), source)
            .at(url_location(evidence))
            .remedy(remedy),
    ])
}

fn loopback(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if !evidence.surroundings.in_container || !is_loopback(&endpoint.target.host) {
        return Ok(vec![]);
    }
    match endpoint.route.reach {
        Reach::Refused => {}
        Reach::NotTried => return convex_answers(endpoint).map(|_| vec![]),
        _ => return Ok(vec![]),
    }
    // The backend could be a bare process in this very container that is down.
    let publisher = evidence.docker.seen().ok().and_then(|docker| {
        let running = docker.backends.iter().filter(|container| container.is_running());
        running.into_iter().find(|container| claims_port(container, endpoint.target.port))
    });
    let (certainty, is) = match publisher {
        Some(_) => (Certainty::Proven, "is"),
        None => (Certainty::Likely, "is probably"),
    };
    let detail = format!(
        "This shell runs in a container, where `{}` is the container itself. The backend {is} \
         outside of it.",
        endpoint.target.host
    );
    let mut finding =
        URL_LOOPBACK_IN_CONTAINER.finding(certainty, detail).at(url_location(evidence));
    if let Some(container) = publisher {
        let text = format!("Publishes port {} of the host", endpoint.target.port);
        finding = finding
            .because(text, container.name.clone())
            .at(Location::container(container.name.clone()));
    }
    let service = publisher.and_then(|it| it.labels.service.as_deref()).unwrap_or("backend");
    Ok(vec![
        finding
            .remedy(Remedy::safe(format!(
                "Set {URL} to {}://host.docker.internal:{}",
                endpoint.target.scheme, endpoint.target.port
            )))
            .remedy(Remedy::safe(format!(
                "Join the backend's network, and set the URL to http://{service}:{API_PORT}"
            ))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    fn found(evidence: &Evidence) -> Vec<String> {
        let checks = [&NETWORK_NAME, &LOOPBACK];
        checks.iter().flat_map(|check| build::told((check.run)(evidence))).collect()
    }

    fn unresolved(host: &str) -> Evidence {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::NoSuchHost { error: "x".to_owned() });
        build::endpoint(&mut evidence).target.host = host.to_owned();
        evidence
    }

    #[test]
    fn a_service_name_does_not_resolve_outside() {
        assert!(found(&build::healthy()).is_empty());
        let place = "url-in-network-name error proven http://127.0.0.1:3210";
        assert_eq!(found(&unresolved("backend")), [place]);
        assert!(found(&unresolved("api.example.com")).is_empty());
        let mut unseen = unresolved("convex");
        build::no_docker(&mut unseen);
        assert_eq!(found(&unseen), ["unknown"]);
    }

    #[test]
    fn loopback_in_a_container_is_proven_by_the_publisher() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        assert!(found(&evidence).is_empty());
        evidence.surroundings.in_container = true;
        assert!(found(&evidence)[0].starts_with("url-loopback-in-container error proven"));
        build::no_docker(&mut evidence);
        assert!(found(&evidence)[0].starts_with("url-loopback-in-container error likely"));
    }
}
