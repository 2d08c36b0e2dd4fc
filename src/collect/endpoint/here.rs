//! Where the host's own addresses are, seen from here. The image of convex-doctor sets
//! CONVEX_DOCTOR_HOST: then loopback in a URL is the host's, where `npx` runs, and not the container's.
#![allow(clippy::disallowed_methods, reason = "resolves the host's name")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, ToSocketAddrs as _};
use std::sync::OnceLock;

use reqwest::header::HeaderValue;
use url::{Host, Url};

use crate::collect::{files, surroundings};

/// The variable: the host's name inside a container, as Docker has it.
pub(crate) const VARIABLE: &str = "CONVEX_DOCTOR_HOST";

/// The host as it is reached from here; `None` where its loopback is the process's own. The process
/// stays where it is.
static HOST: OnceLock<Option<String>> = OnceLock::new();

/// Finds out where the process is. With the host's own network, nothing is elsewhere.
pub(crate) fn settle(environment: &BTreeMap<String, String>) {
    HOST.get_or_init(|| {
        let name = environment.get(VARIABLE).filter(|name| !name.is_empty())?;
        if !surroundings::is_apart(environment) {
            return None;
        }
        if (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut found| found.next().is_some()) {
            return Some(name.clone());
        }
        // On Linux the name is there only with `--add-host`; the gateway is the host all the same.
        Some(gateway(&files::of_the_kernel("/proc/net/route"))?.to_string())
    });
}

/// Whether the host's loopback is elsewhere.
pub(crate) fn is_elsewhere() -> bool {
    host().is_some()
}

fn host() -> Option<&'static str> {
    HOST.get()?.as_deref()
}

/// The host to connect to in place of one that is the host's loopback.
pub(super) fn in_place_of(is_loopback: bool) -> Option<&'static str> {
    host().filter(|_| is_loopback)
}

/// The URL as it is asked from here, and what its `Host` header says, where that is another.
pub(super) fn asked(url: Url) -> (Url, Option<HeaderValue>) {
    moved(&url, host()).unwrap_or((url, None))
}

fn moved(url: &Url, host: Option<&str>) -> Option<(Url, Option<HeaderValue>)> {
    let is_loopback = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let host = host.filter(|_| is_loopback)?;
    let name = url.host_str()?;
    let authority = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    let mut moved = url.clone();
    moved.set_host(Some(host)).ok()?;
    Some((moved, HeaderValue::from_str(&authority).ok()))
}

/// The default gateway in the kernel's table of routes: the destination and the gateway as hex digits
/// of little-endian numbers (proc(5), `/proc/net/route`).
fn gateway(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (destination, gateway) = (fields.next()?, fields.next()?);
        let address = u32::from_str_radix(gateway, 16).ok()?;
        (destination == "00000000" && address != 0).then(|| Ipv4Addr::from(address.swap_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_the_hosts_and_nothing_else_moves() {
        let host = Some("host.docker.internal");
        for (url, asked, authority) in [
            ("http://127.0.0.1:3210/a", "http://host.docker.internal:3210/a", "127.0.0.1:3210"),
            ("http://localhost/a?b", "http://host.docker.internal/a?b", "localhost"),
            ("http://[::1]:3210/", "http://host.docker.internal:3210/", "[::1]:3210"),
        ] {
            let (moved, header) = moved(&Url::parse(url).unwrap(), host).unwrap();
            assert_eq!((moved.as_str(), header.unwrap().to_str().unwrap()), (asked, authority));
        }
        for url in ["https://convex.example.com/", "http://10.0.0.1:3210/", "http://backend:3210/"]
        {
            assert_eq!(moved(&Url::parse(url).unwrap(), host), None, "{url}");
        }
        assert_eq!(moved(&Url::parse("http://127.0.0.1:3210/").unwrap(), None), None);
    }

    #[test]
    fn the_gateway_is_the_one_of_the_default_route() {
        let routes = "Iface\tDestination\tGateway \tFlags\nlo\t0000007F\t00000000\t0001\n\
                      eth0\t00000000\t010011AC\t0003\neth0\t000011AC\t00000000\t0001\n";
        assert_eq!(gateway(routes), Some(Ipv4Addr::new(172, 17, 0, 1)));
        assert_eq!(gateway("Iface\tDestination\tGateway\n"), None);
    }
}
