//! What the schema cannot say of a tree: keys that exclude each other, addresses.
//!
//! Source: compose-go `validation/` and `transform/external.go` as Compose v2.40 carries them.

use std::net::IpAddr;

use super::merge::Conflict;
use super::read::{entries, flag, items};
use super::tree::Node;

/// All faults.
pub(super) fn check(tree: &Node) -> Vec<Conflict> {
    let mut found = Vec::new();
    for (section, ways) in [
        ("configs", &["file", "environment", "content"][..]),
        ("secrets", &["file", "environment"][..]),
    ] {
        for (name, key, node) in entries(tree.get(section)) {
            let given = ways.iter().filter(|way| node.get(way).is_some()).count();
            let elsewhere = node.get("driver").is_some() || node.get("external").is_some();
            let message = match given {
                0 if !elsewhere => {
                    format!("{section}.{name}: one of {} must be set", ways.join("|"))
                }
                0 | 1 => continue,
                _ => {
                    let ways = ways.join("|");
                    format!("{section}.{name}: {ways} attributes are mutually exclusive")
                }
            };
            found.push(Conflict { message, pos: key });
        }
    }
    for (name, _, service) in entries(tree.get("services")) {
        for port in items(service, "ports") {
            let Some(ip) = port.get("host_ip") else { continue };
            let text = ip.scalar().unwrap_or_default();
            if text.parse::<IpAddr>().is_err() {
                let message = format!("services.{name}.ports.[]: invalid ip address: {text}");
                found.push(Conflict { message, pos: ip.pos });
            }
        }
        for watch in service.get("develop").map(|it| items(it, "watch")).unwrap_or_default() {
            if let Some(path) = watch.get("path").filter(|path| path.as_text() == Some("")) {
                let message =
                    format!("services.{name}.develop.watch.[].path: value can't be blank");
                found.push(Conflict { message, pos: path.pos });
            }
        }
        let reserved = ["deploy", "resources", "reservations"];
        let reserved = reserved.iter().try_fold(service, |node, key| node.get(key));
        let reserved = reserved.map(|it| items(it, "devices")).unwrap_or_default();
        let places =
            [("deploy.resources.reservations.devices", reserved), ("gpus", items(service, "gpus"))];
        for (place, requests) in places {
            for request in requests {
                if request.get("count").is_some() && request.get("device_ids").is_some() {
                    let message = format!(
                        "services.{name}.{place}.[]: \"count\" and \"device_ids\" attributes are exclusive"
                    );
                    found.push(Conflict { message, pos: request.pos });
                }
            }
        }
    }
    for (name, _, node) in entries(tree.get("volumes")) {
        if !flag(node.get("external")) {
            continue;
        }
        for (key, _, value) in entries(Some(node)) {
            if !["name", "external"].contains(&key.as_str()) && !key.starts_with("x-") {
                let message = format!(
                    "volumes.{name}: conflicting parameters \"external\" and {key:?} specified"
                );
                found.push(Conflict { message, pos: value.pos });
            }
        }
    }
    found
}
