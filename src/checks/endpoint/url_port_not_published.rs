//! The backend is running, but not behind the port of the URL.

use crate::checks::Check;
use crate::deployment::container::inspected;
use crate::deployment::endpoint::{
    convex_answers, is_engine_host, is_loopback, published_url, selected_endpoint, url_location,
};
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::endpoint::Reach;
use crate::evidence::{Evidence, Unseen};
use crate::names::API_PORT;
use crate::remedies::command::up;
use crate::remedies::env_file::set_url;
use crate::report::{Certainty, ChainLink, Finding, Location, Remedy, Rule, RuleLink, Waiting};

static URL_PORT_NOT_PUBLISHED: Rule =
    rule!("url-port-not-published", Error, "the backend does not publish the URL's port")
        .cause(&["url-refused"])
        .link(RuleLink::UnlessUnpublished(ChainLink::Url, ChainLink::Port))
        .waiting(Waiting::Passes);

pub(super) static CHECK: Check = Check { rules: &[&URL_PORT_NOT_PUBLISHED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if endpoint.target.invalid.is_some()
        || !is_loopback(&endpoint.target.host)
        || convex_answers(endpoint)?
        || !is_engine_host(evidence, endpoint)?
    {
        return Ok(vec![]);
    }
    let docker = evidence.docker.seen()?;
    let Some(container) = docker.expected().filter(|container| container.is_running()) else {
        return Ok(vec![]);
    };
    inspected(container)?;
    let reachable = |ip: &str| ip.is_empty() || is_loopback(ip);
    let published = container.net.ports.iter().filter(|port| port.host.is_some());
    let mut here = published.clone().filter(|port| reachable(&port.host_ip));
    if container.net.network_mode.as_deref() == Some("host")
        || here.any(|port| port.host == Some(endpoint.target.port))
    {
        return Ok(vec![]);
    }
    let list: Vec<String> = published
        .map(|port| {
            let ip = if port.host_ip.is_empty() { "*" } else { &port.host_ip };
            format!("{ip}:{} -> {}", port.host.unwrap_or_default(), port.container)
        })
        .collect();
    let ports = if list.is_empty() { "no port".to_owned() } else { list.join(", ") };
    // Where something answers, no port is missing.
    let certainty = match endpoint.route.reach {
        Reach::Refused => Certainty::Proven,
        Reach::ConnectTimeout | Reach::Other { .. } => Certainty::Likely,
        _ => return Ok(vec![]),
    };
    let usable =
        container.net.ports.iter().any(|port| {
            port.container == API_PORT && port.host.is_some() && reachable(&port.host_ip)
        });
    let name = &container.name;
    let detail = format!(
        "{name} is running, but port {} of this host does not lead to it.",
        endpoint.target.port
    );
    let finding = URL_PORT_NOT_PUBLISHED
        .finding(certainty, detail)
        .because(format!("Publishes {ports}"), name.clone())
        .at(url_location(evidence))
        .at(Location::container(name.clone()));
    let finding = match published_url(evidence).filter(|_| usable) {
        Some(url) => finding.remedy(set_url(&evidence.selection, &url, "")),
        None => {
            let add = format!(
                "Add `\"{}:{API_PORT}\"` under `ports:` of the backend service",
                endpoint.target.port
            );
            finding
                .remedy(Remedy::careful(add).step())
                .remedy(Remedy::careful(format!("Recreate {name}")).run(up(evidence)).step())
        }
    };
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn another_port_is_published() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        build::expected(&mut evidence).net.ports[0].host = Some(3220);
        assert!(build::told(run(&evidence))[0].starts_with("url-port-not-published error proven"));
        build::no_docker(&mut evidence);
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }
}
