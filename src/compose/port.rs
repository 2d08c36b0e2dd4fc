//! The short form of a service's port: `[[IP:][PUBLISHED]:]TARGET[/PROTOCOL]`, with ranges.
//!
//! Source: docker/go-connections `nat.ParsePortSpec`, which Compose calls.

use std::net::IpAddr;

/// One port of a short form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShortPort {
    pub(super) host_ip: Option<String>,
    /// A port or a range; `None` when the engine is to choose.
    pub(super) published: Option<String>,
    pub(super) target: u16,
    pub(super) protocol: String,
}

/// What makes two ports of a service the same one.
pub(super) fn index(host_ip: &str, published: &str, target: &str, protocol: &str) -> String {
    format!("{host_ip}:{published}:{target}/{protocol}")
}

/// Takes a short form apart: one port, or as many as its range has.
pub(super) fn parse_short(spec: &str) -> Result<Vec<ShortPort>, String> {
    let (ip, host, container) = split(spec);
    let (container, protocol) = match container.split_once('/') {
        Some((container, "")) => (container, "tcp"),
        Some((container, protocol)) => (container, protocol),
        None => (container, "tcp"),
    };
    let protocol = protocol.to_lowercase();
    if container.is_empty() {
        return Err("invalid proto: ".to_owned());
    }
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("invalid proto: {protocol}"));
    }
    let host_ip = match ip {
        "" => None,
        ip => {
            let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
            if bare.parse::<IpAddr>().is_err() {
                return Err(format!("invalid IP address: {bare}"));
            }
            Some(bare.to_owned())
        }
    };
    let (start, end) =
        range(container).ok_or_else(|| format!("invalid containerPort: {container}"))?;
    let host_range = match host {
        "" => None,
        host => Some(range(host).ok_or_else(|| format!("invalid hostPort: {host}"))?),
    };
    if let Some((host_start, host_end)) = host_range
        && host_end - host_start != end - start
        && start != end
    {
        return Err(format!(
            "invalid ranges specified for container and host Ports: {container} and {host}"
        ));
    }
    let ports = (start..=end).map(|target| {
        let published = host_range.map(|(host_start, host_end)| {
            if start == end && host_start != host_end {
                format!("{host_start}-{host_end}")
            } else {
                (host_start + (target - start)).to_string()
            }
        });
        ShortPort { host_ip: host_ip.clone(), published, target, protocol: protocol.clone() }
    });
    Ok(ports.collect())
}

fn split(spec: &str) -> (&str, &str, &str) {
    let Some((rest, container)) = spec.rsplit_once(':') else { return ("", "", spec) };
    match rest.rsplit_once(':') {
        Some((ip, host)) => (ip, host, container),
        None => ("", rest, container),
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| -> Option<u16> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    match text.split_once('-') {
        Some((start, end)) => {
            let (start, end) = (number(start)?, number(end)?);
            (start <= end).then_some((start, end))
        }
        None => number(text).map(|port| (port, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_taken_apart() {
        for (spec, expected) in [
            ("80", "0.0.0.0::80/tcp"),
            ("82:83", "0.0.0.0:82:83/tcp"),
            ("127.0.0.1:84:85/udp", "127.0.0.1:84:85/udp"),
            ("90-91:92-93", "0.0.0.0:90:92/tcp 0.0.0.0:91:93/tcp"),
            ("7000-7003:3210", "0.0.0.0:7000-7003:3210/tcp"),
            ("[::1]:86:87", "::1:86:87/tcp"),
            ("::1:80:80", "::1:80:80/tcp"),
            ("127.0.0.1::88", "127.0.0.1::88/tcp"),
            ("94-95", "0.0.0.0::94/tcp 0.0.0.0::95/tcp"),
        ] {
            let ports: Vec<String> = parse_short(spec)
                .unwrap()
                .iter()
                .map(|port| {
                    let ip = port.host_ip.as_deref().unwrap_or("0.0.0.0");
                    let published = port.published.as_deref().unwrap_or("");
                    index(ip, published, &port.target.to_string(), &port.protocol)
                })
                .collect();
            assert_eq!(ports.join(" "), expected, "{spec}");
        }
    }

    #[test]
    fn what_is_no_spec_is_refused() {
        for spec in ["", "a:b", "99999:1", "80-82:80-81", "80:80-81", "22:22:22:22", "80/xyz"] {
            assert!(parse_short(spec).is_err(), "{spec}");
        }
    }
}
