//! Which container answers at the selected URL: proven by our nonce in its log, likely by the
//! port it publishes. Equal ports alone prove nothing (an ssh tunnel, another engine, a listener on
//! 127.0.0.1 that beats the proxy of Docker).

use crate::evidence::docker::{Answering, Container, DockerFacts};
use crate::evidence::endpoint::{EndpointFacts, Reach};
use crate::names::API_PORT;
use crate::report::Certainty;

/// The container behind the URL, where that can be said.
pub fn answering(facts: &DockerFacts, endpoint: &EndpointFacts) -> Option<Answering> {
    let mut seen = facts.backends.iter().filter(|c| c.log.seen().is_ok_and(|log| log.nonce_seen));
    if let Some(container) = seen.next() {
        // Two logs with our nonces: requests are spread over both, and neither is the one.
        return seen.next().is_none().then(|| Answering {
            container: container.name.clone(),
            certainty: Certainty::Proven,
            how: "its access log contains the request of this run".to_owned(),
        });
    }
    if matches!(
        endpoint.route.reach,
        Reach::Refused | Reach::NoSuchHost { .. } | Reach::ConnectTimeout
    ) {
        return None;
    }
    if !facts.local {
        return None;
    }
    likely(facts, endpoint).map(|(container, how)| Answering {
        container: container.name.clone(),
        certainty: Certainty::Likely,
        how,
    })
}

/// The one running backend that fits, if there is exactly one, and its name does not speak against
/// it.
fn likely<'a>(facts: &'a DockerFacts, endpoint: &EndpointFacts) -> Option<(&'a Container, String)> {
    let name = endpoint.answering_name();
    let running = || facts.backends.iter().filter(|container| container.is_running());
    let addresses = endpoint_addresses(endpoint);
    let loopback = !addresses.is_empty() && addresses.iter().all(|a| is_loopback(a));

    let inside = |c: &&Container| {
        c.net.addresses.iter().any(|own| addresses.contains(own))
            && (endpoint.target.port == API_PORT
                || c.net.ports.iter().any(|p| p.container == endpoint.target.port))
    };
    let publishes = |c: &&Container| {
        c.net.ports.iter().any(|p| {
            p.host == Some(endpoint.target.port) && reaches(&p.host_ip, &addresses, loopback)
        })
    };
    let on_host = |c: &&Container| {
        loopback
            && c.net.network_mode.as_deref() == Some("host")
            && endpoint.target.port == API_PORT
            && name.is_some()
            && name_in_force(c) == name
    };
    let foreign = facts.published.iter().any(|p| {
        p.host_port == endpoint.target.port
            && reaches(&p.host_ip, &addresses, loopback)
            && facts.backend(&p.container).is_none()
    });

    let (container, how) = if let Some(container) = only(running().filter(inside)) {
        (container, format!("{} is its own address", endpoint.target.host))
    } else if let Some(container) = only(running().filter(publishes)).filter(|_| !foreign) {
        (container, format!("it alone publishes port {} on this machine", endpoint.target.port))
    } else if let Some(container) = only(running().filter(on_host)).filter(|_| !foreign) {
        (container, "it uses the host's network, and the names agree".to_owned())
    } else {
        return None;
    };
    match (name, name_in_force(container)) {
        (Some(answers), Some(own)) if answers != own => None,
        (Some(_), Some(_)) => Some((container, format!("{how}, and the instance names agree"))),
        _ => Some((container, how)),
    }
}

/// The host's addresses; of `localhost` also when it was not resolved.
fn endpoint_addresses(endpoint: &EndpointFacts) -> Vec<String> {
    let mut addresses = endpoint.route.addresses.seen().cloned().unwrap_or_default();
    if addresses.is_empty() {
        if endpoint.target.host.eq_ignore_ascii_case("localhost") {
            addresses.push("127.0.0.1".to_owned());
        } else if endpoint.target.host.parse::<std::net::IpAddr>().is_ok() {
            addresses.push(endpoint.target.host.clone());
        }
    }
    addresses
}

fn is_loopback(address: &str) -> bool {
    address.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback() || a.is_unspecified())
}

/// Whether a port published on `host_ip` is met at these addresses. "All addresses" is only matched
/// for loopback: any other address may be another machine's.
fn reaches(host_ip: &str, addresses: &[String], loopback: bool) -> bool {
    match host_ip {
        "" | "0.0.0.0" | "::" => loopback,
        own => addresses.iter().any(|address| address == own),
    }
}

/// The name that the container runs with, from the surest place that shows one.
fn name_in_force(container: &Container) -> Option<&str> {
    let names = &container.instance_name;
    [&names.process, &names.environment, &names.file]
        .into_iter()
        .find_map(|place| place.seen().ok()?.as_deref())
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::docker::{ContainerLife, ContainerNetwork, ContainerState};
    use crate::evidence::docker::{LogFacts, Port, Published};
    use crate::evidence::endpoint::{Answer, Body, EndpointTarget, Route};

    fn container(name: &str, port: Option<u16>, host_ip: &str) -> Container {
        Container {
            name: name.to_owned(),
            life: ContainerLife { state: ContainerState::Running, ..ContainerLife::default() },
            net: ContainerNetwork {
                addresses: vec![format!("172.18.0.{}", name.len())],
                ports: vec![Port { container: 3210, host: port, host_ip: host_ip.to_owned() }],
                ..ContainerNetwork::default()
            },
            ..Container::default()
        }
    }

    fn endpoint(host: &str, addresses: &[&str], port: u16) -> EndpointFacts {
        EndpointFacts {
            target: EndpointTarget { host: host.to_owned(), port, ..EndpointTarget::default() },
            route: Route {
                reach: Reach::Answered,
                addresses: Observation::Seen(addresses.iter().map(|a| (*a).to_owned()).collect()),
                ..Route::default()
            },
            ..EndpointFacts::default()
        }
    }

    fn facts(backends: Vec<Container>) -> DockerFacts {
        DockerFacts { local: true, backends, ..DockerFacts::default() }
    }

    #[test]
    fn weighs_ports_and_addresses() {
        let (a, bb) = (container("a", Some(3210), ""), container("bb", Some(3220), ""));
        let both = || vec![a.clone(), bb.clone()];
        let mut stopped = a.clone();
        stopped.life.state = ContainerState::Exited;
        let loopback: &[&str] = &["127.0.0.1"];
        for (case, backends, host, addresses, port, expected) in [
            ("the port tells", both(), "127.0.0.1", loopback, 3220, Some("bb")),
            ("localhost both ways", both(), "localhost", &["::1", "127.0.0.1"], 3210, Some("a")),
            ("published by none", both(), "127.0.0.1", loopback, 4000, None),
            ("two claim it", vec![a.clone(), a.clone()], "127.0.0.1", loopback, 3210, None),
            ("stopped", vec![stopped], "127.0.0.1", loopback, 3210, None),
            ("another machine", both(), "api.example.com", &["9.9.9.9"], 3210, None),
            ("its own address", both(), "172.18.0.2", &["172.18.0.2"], 3210, Some("bb")),
            (
                "bound to one address",
                vec![container("a", Some(3210), "192.168.1.5")],
                "127.0.0.1",
                loopback,
                3210,
                None,
            ),
            (
                "that address",
                vec![container("a", Some(3210), "192.168.1.5")],
                "box",
                &["192.168.1.5"],
                3210,
                Some("a"),
            ),
        ] {
            let found = answering(&facts(backends), &endpoint(host, addresses, port));
            assert_eq!(found.as_ref().map(|f| f.container.as_str()), expected, "{case}");
            assert!(found.is_none_or(|f| f.certainty == Certainty::Likely), "{case}");
        }
    }

    #[test]
    fn a_nonce_proves_and_two_prove_nothing() {
        let noted = |name: &str| {
            let log = LogFacts { nonce_seen: true, ..LogFacts::default() };
            Container { log: Observation::Seen(log), ..container(name, None, "") }
        };
        let url = endpoint("api.example.com", &["9.9.9.9"], 443);
        let found = answering(&facts(vec![noted("a"), container("bb", None, "")]), &url).unwrap();
        assert_eq!((found.container.as_str(), found.certainty), ("a", Certainty::Proven));
        assert_eq!(answering(&facts(vec![noted("a"), noted("bb")]), &url), None);
    }

    #[test]
    fn a_name_that_differs_a_foreign_port_and_a_remote_engine_speak_against_it() {
        let mut named = container("a", Some(3210), "");
        named.instance_name.process = Observation::Seen(Some("mine".to_owned()));
        let mut url = endpoint("127.0.0.1", &["127.0.0.1"], 3210);
        assert!(answering(&facts(vec![named.clone()]), &url).is_some());
        let remote = DockerFacts { local: false, ..facts(vec![named.clone()]) };
        assert_eq!(answering(&remote, &url), None);
        let mut shared = facts(vec![named.clone()]);
        shared.published.push(Published {
            host_port: 3210,
            host_ip: "127.0.0.1".to_owned(),
            container_port: 80,
            container: "nginx".to_owned(),
        });
        assert_eq!(answering(&shared, &url), None);
        url.server.instance_name = Observation::Seen(Answer {
            status: 200,
            content_type: None,
            server: None,
            location: None,
            body: Body::InstanceName { name: "other".to_owned() },
            ms: 1,
        });
        assert_eq!(answering(&facts(vec![named]), &url), None);
    }
}
