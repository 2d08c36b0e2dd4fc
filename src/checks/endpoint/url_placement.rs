//! The URL is right somewhere else: inside the compose network, on the host of this container, on another port.

use crate::checks::endpoint::{
    API_PORT, convex_answers, heed_200, is_engine_host, is_loopback, published_url, selected,
    url_location,
};
use crate::checks::{Check, engine};
use crate::evidence::endpoint::Reach;
use crate::evidence::{Evidence, Unseen};
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

static URL_PORT_NOT_PUBLISHED: Rule = Rule {
    id: "url-port-not-published",
    level: Level::Error,
    title: "the backend does not publish the URL's port",
    explain: include_str!("url-port-not-published.md"),
    is_cause: true,
    causes: &["url-refused", "url-is-not-convex", "url-no-answer"],
    since: "0.1.0",
};

pub(super) static NETWORK_NAME: Check = Check { rules: &[&URL_IN_NETWORK_NAME], run: network_name };
pub(super) static LOOPBACK: Check = Check { rules: &[&URL_LOOPBACK_IN_CONTAINER], run: loopback };
pub(super) static NOT_PUBLISHED: Check =
    Check { rules: &[&URL_PORT_NOT_PUBLISHED], run: not_published };

fn network_name(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected(evidence)? else { return Ok(vec![]) };
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
    let container = engine::asked(evidence).ok().and_then(|docker| {
        let backends = docker.backends.iter().map(|it| (&it.name, &it.service));
        let others = docker.companions.iter().map(|it| (&it.name, &it.service));
        let mut all = backends.chain(others);
        all.find(|(name, service)| *name == host || service.as_deref() == Some(host))
            .map(|(name, _)| name.clone())
    });
    let Some(source) = service.or(container) else {
        evidence.compose.seen()?;
        if !host.contains('.') {
            engine::asked(evidence)?;
        }
        return Ok(vec![]);
    };
    let url = published_url(evidence);
    let remedy = Remedy::safe(match url {
        Some(url) => {
            format!("set CONVEX_SELF_HOSTED_URL to {url}, where the backend's port is published")
        }
        None => {
            "set CONVEX_SELF_HOSTED_URL to the address at which the backend's port is published"
                .into()
        }
    });
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
    let Some(endpoint) = selected(evidence)? else { return Ok(vec![]) };
    if !evidence.surroundings.in_container || !is_loopback(&endpoint.host) {
        return Ok(vec![]);
    }
    match endpoint.reach {
        Reach::Refused => {}
        Reach::NotTried => return convex_answers(endpoint).map(|_| vec![]),
        _ => return Ok(vec![]),
    }
    // The backend could be a bare process of this very container that is down.
    let publisher = engine::asked(evidence).ok().and_then(|docker| {
        let running = docker.backends.iter().filter(|container| container.is_running());
        running.into_iter().find(|container| engine::claims(container, endpoint.port))
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

fn not_published(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected(evidence)? else { return Ok(vec![]) };
    if endpoint.invalid.is_some()
        || !is_loopback(&endpoint.host)
        || convex_answers(endpoint)?
        || !is_engine_host(evidence, endpoint)?
    {
        return Ok(vec![]);
    }
    let docker = engine::asked(evidence)?;
    let Some(container) = docker.expected().filter(|container| container.is_running()) else {
        return Ok(vec![]);
    };
    let reachable = |ip: &str| ip.is_empty() || is_loopback(ip);
    let published = container.ports.iter().filter(|port| port.host.is_some());
    let mut here = published.clone().filter(|port| reachable(&port.host_ip));
    if container.network_mode.as_deref() == Some("host")
        || here.any(|port| port.host == Some(endpoint.port))
    {
        return Ok(vec![]);
    }
    let list: Vec<String> = published
        .map(|port| {
            let ip = if port.host_ip.is_empty() { "*" } else { &port.host_ip };
            format!("{ip}:{} -> {}", port.host.unwrap_or_default(), port.container)
        })
        .collect();
    let shown = if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    // Something else answered: the URL may be meant for it.
    let certainty = match endpoint.reach {
        Reach::Refused => Certainty::Proven,
        _ => Certainty::Likely,
    };
    let usable = container
        .ports
        .iter()
        .any(|port| port.container == API_PORT && port.host.is_some() && reachable(&port.host_ip));
    let remedy = match published_url(evidence).filter(|_| usable) {
        Some(url) => Remedy::safe(format!("set CONVEX_SELF_HOSTED_URL to {url}")),
        None => Remedy::careful(format!(
            "add `\"{}:{API_PORT}\"` under `ports:` of the backend service, then recreate it",
            endpoint.port
        ))
        .run("docker compose up -d"),
    };
    let finding = URL_PORT_NOT_PUBLISHED
        .finding(
            certainty,
            format!("{} runs, but not behind port {} of this host.", container.name, endpoint.port),
        )
        .because(format!("publishes {shown}"), container.name.clone())
        .at(url_location(evidence))
        .at(Location::container(container.name.clone()))
        .remedy(remedy);
    Ok(vec![heed_200(evidence, finding)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::endpoint::build;

    fn told(evidence: &Evidence) -> Vec<String> {
        let checks = [&NETWORK_NAME, &LOOPBACK, &NOT_PUBLISHED];
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

    #[test]
    fn another_port_is_published() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        build::expected(&mut evidence).ports[0].host = Some(3220);
        assert!(told(&evidence)[0].starts_with("url-port-not-published error proven"));
        build::no_docker(&mut evidence);
        assert_eq!(told(&evidence), ["unknown"]);
    }
}
