//! The way to the host without a proxy: its addresses, and whether TCP connects.
#![allow(clippy::disallowed_methods, reason = "resolves names and connects")]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::probe::ProbePlan;
use super::url::Typed;
use super::{classify, here};
use crate::evidence::endpoint::{Connection, Reach};

/// The way to the host without a proxy.
pub(super) struct DirectWay {
    /// Of the host, or the resolver's words.
    pub(super) addresses: Result<Vec<SocketAddr>, String>,
    /// How long that took.
    pub(super) resolve_ms: u64,
    /// How long TCP took to connect, or why it did not: it tells a silent server from a silent
    /// network.
    pub(super) connected: Result<u64, Reach>,
    /// Each address of a name for this machine that has several.
    pub(super) connections: Vec<Connection>,
}

/// How long an address of this machine may take to accept or to refuse, once another has accepted.
const LOOPBACK: Duration = Duration::from_millis(200);

impl DirectWay {
    /// Resolves with getaddrinfo, which is what Node asks, and connects.
    pub(super) async fn find(typed: &Typed, limit: Duration) -> Self {
        let start = Instant::now();
        let looked = tokio::net::lookup_host((typed.host.as_str(), typed.port));
        let addresses = match timeout(limit, looked).await {
            Err(_) => Err("the resolver did not answer in time".to_owned()),
            Ok(Err(error)) => Err(classify::line(&error.to_string())),
            Ok(Ok(addresses)) => Ok(addresses.collect::<Vec<_>>()),
        };
        let resolve_ms = super::millis(start);
        if let Some(host) = here::in_place_of(typed.is_loopback()) {
            let there = timeout(limit, tokio::net::lookup_host((host, typed.port))).await;
            let connected = match there {
                Ok(Ok(there)) => connect(&there.collect::<Vec<_>>(), limit).await,
                Ok(Err(error)) => Err(Reach::Other { error: classify::line(&error.to_string()) }),
                Err(_) => Err(Reach::ConnectTimeout),
            };
            return Self { addresses, resolve_ms, connected, connections: Vec::new() };
        }
        let (connected, connections) = match &addresses {
            Ok(addresses) if typed.is_loopback() && addresses.len() > 1 => {
                tokio::join!(connect(addresses, limit), connect_each(addresses))
            }
            Ok(addresses) => (connect(addresses, limit).await, Vec::new()),
            Err(error) => (Err(Reach::NoSuchHost { error: error.clone() }), Vec::new()),
        };
        Self { addresses, resolve_ms, connected, connections }
    }

    /// How a route takes it: straight to the addresses found here, with the host's name in the
    /// request.
    pub(super) fn plan<'a>(
        &'a self,
        typed: &'a Typed,
        timeout: Duration,
        agent: &'a str,
    ) -> ProbePlan<'a> {
        let addresses = self.addresses.as_deref().unwrap_or_default();
        let host = (!addresses.is_empty()).then_some((typed.host.as_str(), addresses));
        ProbePlan { proxy: None, host, connects: self.connected.is_ok(), timeout, agent }
    }
}

/// Connects to all addresses at once and keeps the first, as happy eyeballs nearly do: a dead one
/// must not eat the others' time.
async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<u64, Reach> {
    let start = Instant::now();
    let attempts: Vec<_> = addresses
        .iter()
        .take(8)
        .map(|address| Box::pin(tokio::net::TcpStream::connect(address)))
        .collect();
    if attempts.is_empty() {
        return Err(Reach::NoSuchHost { error: "the name has no address".to_owned() });
    }
    match timeout(limit, futures_util::future::select_ok(attempts)).await {
        Err(_) => Err(Reach::ConnectTimeout),
        Ok(Ok(_)) => Ok(super::millis(start)),
        Ok(Err(error)) => Err(match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Reach::Refused,
            std::io::ErrorKind::TimedOut => Reach::ConnectTimeout,
            _ => Reach::Other { error: classify::line(&error.to_string()) },
        }),
    }
}

/// Connects to each address by itself: which of a name's addresses something listens at.
async fn connect_each(addresses: &[SocketAddr]) -> Vec<Connection> {
    let each = addresses.iter().take(8).map(|address| async move {
        let connected = timeout(LOOPBACK, tokio::net::TcpStream::connect(address)).await;
        Connection { address: address.ip().to_string(), connected: matches!(connected, Ok(Ok(_))) }
    });
    futures_util::future::join_all(each).await
}

/// The addresses without their port, each once, in the resolver's order.
pub(super) fn texts(addresses: &[SocketAddr]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for address in addresses {
        let text = address.ip().to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}
