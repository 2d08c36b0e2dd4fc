//! The key straight at a container, past whatever is between it and the URL: only for a key
//! that opened offline with that container's secret, only over a loopback or bridge address of this
//! machine's own engine, and only when the URL answered as if the key had been lost on the way.
#![allow(
    clippy::disallowed_methods,
    reason = "asks the kernel by which of its addresses it would go"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use reqwest::header::HeaderMap;
use url::Url;

use super::probe::{ProbePlan, ProbeRoute};
use super::tls::Recorder;
use super::{CHECK, NEIGHBOUR, authorization, observed};
use crate::evidence::KeyFacts;
use crate::evidence::docker::{Container, DockerFacts};
use crate::evidence::endpoint::{Answer, EndpointFacts, Straight};
use crate::evidence::key::SecretPlace;
use crate::secret::Secret;

/// The port of the API inside the container.
const API_PORT: u16 = 3210;
/// More addresses than this are not tried.
const MOST: usize = 4;

/// What is to be asked.
pub struct StraightRequest<'a> {
    /// The selected key.
    pub key: &'a Secret,
    /// What the secrets found say of it.
    pub facts: &'a KeyFacts,
    /// For each probe, one second at most.
    pub timeout: Duration,
    /// Goes into the User-Agent. None that a log is searched for: this way says nothing of where
    /// the URL leads.
    pub nonce: &'a str,
    /// Whether the doctor runs in a container: loopback is then its own.
    pub in_container: bool,
}

/// Whether the URL answered as a Convex backend does to a key that did not arrive.
pub fn is_called_for(endpoint: &EndpointFacts) -> bool {
    endpoint.key.check_admin_key.seen().is_ok_and(Answer::lost_key)
}

/// Asks the first container that the key was minted for; `None` where there is none that may be
/// asked, or none answers.
pub async fn look(docker: &DockerFacts, request: &StraightRequest<'_>) -> Option<Straight> {
    if !docker.local {
        return None;
    }
    let headers = authorization(request.key).ok()?;
    for container in docker.backends.iter().filter(|it| minted_by(it, request.facts)) {
        let tries = addresses(container, request.in_container).into_iter().take(MOST);
        let tries = tries.map(|address| one(container, address, &headers, request));
        let answers = futures_util::future::join_all(tries).await;
        if let Some(found) = answers.into_iter().flatten().next() {
            return Some(found);
        }
    }
    None
}

/// Whether the secret that the container's process runs with opened the key.
fn minted_by(container: &Container, key: &KeyFacts) -> bool {
    let process = |place: &SecretPlace| matches!(place, SecretPlace::Process { container: name } if *name == container.name);
    container.is_running()
        && key.trials.iter().any(|trial| trial.opened.is_some() && trial.places.iter().any(process))
}

/// Where the container's API is met from here without a proxy: its published port on loopback, its
/// own address on a bridge of this machine.
fn addresses(container: &Container, in_container: bool) -> Vec<SocketAddr> {
    let published = container.net.ports.iter().filter(|port| port.container == API_PORT);
    let loopback = published.filter_map(|port| {
        let address: IpAddr = match port.host_ip.as_str() {
            "" | "0.0.0.0" | "::" => Ipv4Addr::LOCALHOST.into(),
            own => own.parse().ok()?,
        };
        Some(SocketAddr::new(address, port.host.filter(|_| address.is_loopback())?))
    });
    let bridge = container.net.addresses.iter().filter_map(|text| text.parse::<IpAddr>().ok());
    let bridge = bridge.filter(|address| is_on_own_bridge(*address));
    loopback
        .filter(|_| !in_container)
        .chain(bridge.map(|address| SocketAddr::new(address, API_PORT)))
        .collect()
}

/// Whether this machine itself is on the network of `address`. Where the engine runs in a
/// virtual machine, its bridges are not this machine's, and the same address may be a stranger's.
fn is_on_own_bridge(address: IpAddr) -> bool {
    let IpAddr::V4(theirs) = address else { return false };
    // Connecting a datagram socket sends nothing: the kernel only chooses the way.
    let own = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((address, API_PORT)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    match own() {
        Some(IpAddr::V4(ours)) => theirs.is_private() && ours.octets()[..3] == theirs.octets()[..3],
        _ => false,
    }
}

/// The key goes out only once what listens there has said the name that the container's process was
/// given.
async fn one(
    container: &Container,
    address: SocketAddr,
    headers: &HeaderMap,
    request: &StraightRequest<'_>,
) -> Option<Straight> {
    let name = container.instance_name.process.seen().ok()?.as_deref()?;
    let agent = super::agent(request.nonce);
    let plan = ProbePlan {
        proxy: None,
        host: None,
        connects: false,
        timeout: request.timeout.min(NEIGHBOUR),
        agent: &agent,
    };
    let route = ProbeRoute::new(&Recorder::refusing(), &plan).ok()?;
    let origin = format!("http://{address}");
    let at = |path: &str| Url::parse(&format!("{origin}{path}")).ok();
    let path = "/instance_name";
    let said = route.get(at(path)?, path, HeaderMap::new()).await.ok()?.answer;
    if said.instance_name() != Some(name) {
        return None;
    }
    let got = route.get(at(CHECK)?, CHECK, headers.clone()).await;
    Some(Straight {
        container: container.name.clone(),
        url: origin,
        check_admin_key: observed(got).0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::docker::{ContainerNetwork, Port};

    #[test]
    fn only_loopback_and_own_bridges_are_met() {
        let port = |host: Option<u16>, host_ip: &str| Port {
            container: API_PORT,
            host,
            host_ip: host_ip.to_owned(),
        };
        for (ports, in_container, expected) in [
            (vec![port(Some(9000), "")], false, vec!["127.0.0.1:9000"]),
            (vec![port(Some(9000), "0.0.0.0")], false, vec!["127.0.0.1:9000"]),
            (vec![port(Some(9000), "127.0.0.2")], false, vec!["127.0.0.2:9000"]),
            (vec![port(Some(9000), "192.168.1.5")], false, vec![]),
            (vec![port(None, "")], false, vec![]),
            (vec![port(Some(9000), "")], true, vec![]),
        ] {
            let container = Container {
                net: ContainerNetwork {
                    ports, // Of a documentation network, and a public one: no machine has them.
                    addresses: vec!["192.0.2.7".to_owned(), "9.9.9.9".to_owned()],
                    ..ContainerNetwork::default()
                },
                ..Container::default()
            };
            let met: Vec<_> =
                addresses(&container, in_container).iter().map(ToString::to_string).collect();
            assert_eq!(met, expected);
        }
    }
}
