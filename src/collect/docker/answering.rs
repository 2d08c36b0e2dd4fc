//! Which container stands behind the selected URL (catalogue §0.2). Equal ports prove nothing: a tunnel, Docker Desktop or a
//! listener on 127.0.0.1 may beat the engine's own. Only our own nonce in a container's access log proves it.

use crate::evidence::docker::{Answering, Container, DockerFacts};
use crate::evidence::{EndpointFacts, Observation};
use crate::report::Certainty;

/// The container behind the URL, and how surely that is known.
pub fn answering(docker: &DockerFacts, endpoint: &EndpointFacts) -> Option<Answering> {
    let running = || docker.backends.iter().filter(|container| container.is_running());
    if let Some(container) =
        running().find(|one| one.log.seen().is_ok_and(|log| log.nonce_seen))
    {
        return Some(Answering {
            container: container.name.clone(),
            certainty: Certainty::Proven,
            how: "its access log holds the mark of our own request".to_owned(),
        });
    }
    if !docker.local {
        return None;
    }
    let loopback = is_loopback(&endpoint.host) || endpoint.host == "localhost";
    let name = endpoint.answering_name();
    let mut fitting = running().filter(|container| {
        let inside = container.addresses.contains(&endpoint.host)
            && (endpoint.port == 3210 || container.ports.iter().any(|port| port.container == endpoint.port));
        let published = loopback
            && container.ports.iter().any(|port| {
                port.host == Some(endpoint.port) && reaches(&port.host_ip, &endpoint.host)
            });
        let host_network = loopback && container.network_mode.as_deref() == Some("host");
        (inside || published || host_network) && names_agree(container, name)
    });
    let container = fitting.next()?;
    if fitting.next().is_some() {
        return None;
    }
    Some(Answering {
        container: container.name.clone(),
        certainty: Certainty::Likely,
        how: format!("it publishes port {}, and nothing speaks against it", endpoint.port),
    })
}

fn is_loopback(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a port bound to `host_ip` takes a connection to `host`.
fn reaches(host_ip: &str, host: &str) -> bool {
    matches!(host_ip, "" | "0.0.0.0" | "::") || host_ip == host || host == "localhost"
}

/// A name in force that differs from the one that answers rules the container out.
fn names_agree(container: &Container, answers: Option<&str>) -> bool {
    match (&container.instance_name.process, answers) {
        (Observation::Seen(Some(own)), Some(other)) => own == other,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::docker::{LogFacts, Port};

    fn container(name: &str, port: u16, instance: &str) -> Container {
        let mut container = Container { name: name.to_owned(), ..Container::default() };
        container.state = "running".to_owned();
        container.ports = vec![Port { container: 3210, host: Some(port), host_ip: "0.0.0.0".into() }];
        container.instance_name.process = Observation::Seen(Some(instance.to_owned()));
        container
    }

    #[test]
    fn the_nonce_proves_and_the_port_only_suggests() {
        let endpoint =
            EndpointFacts { host: "127.0.0.1".into(), port: 3210, ..EndpointFacts::default() };
        let one = container("one", 3210, "app");
        let mut logged = container("logged", 9999, "app");
        logged.log = Observation::Seen(LogFacts { nonce_seen: true, ..LogFacts::default() });
        let mut stopped = one.clone();
        stopped.state = "exited".to_owned();
        for (case, local, backends, expected) in [
            ("its port", true, vec![one.clone()], Some(("one", Certainty::Likely))),
            ("the log beats the port", true, vec![one.clone(), logged], Some(("logged", Certainty::Proven))),
            ("a remote engine's ports are not ours", false, vec![one.clone()], None),
            ("another port", true, vec![container("two", 3220, "app")], None),
            ("a stopped one does not answer", true, vec![stopped], None),
            ("two fit", true, vec![one.clone(), container("two", 3210, "app")], None),
        ] {
            let docker = DockerFacts { local, backends, ..DockerFacts::default() };
            let found = answering(&docker, &endpoint);
            let found = found.as_ref().map(|one| (one.container.as_str(), one.certainty));
            assert_eq!(found, expected, "{case}");
        }
    }
}
