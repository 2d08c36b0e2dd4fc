//! What counts as the same element of a list: the last one stays, at the place of the first.
//!
//! Source: compose-go `override/uncity.go` as Compose v2.40 carries it.

use super::merge::{MergeConflict, go_type, section};
use super::tree::{Node, Value};
use super::{mount, port};

/// Leaves one of each element; gives all that has no element to compare.
pub(super) fn unify(root: &mut Node) -> Vec<MergeConflict> {
    let mut found = Vec::new();
    for (name, entry) in section(root, "services").into_iter().flatten() {
        for (key, entry) in entry.node.as_map_mut().into_iter().flatten() {
            let place = format!("services.{name}.{key}");
            found.extend(field(key, &mut entry.node, &place).err());
        }
    }
    for (name, entry) in section(root, "networks").into_iter().flatten() {
        let place = format!("networks.{name}");
        found.extend(inside(&mut entry.node, &["labels"], &place).err());
        if let Some(ipam) = entry.node.as_map_mut().and_then(|map| map.get_mut("ipam")) {
            found.extend(inside(&mut ipam.node, &["options"], &format!("{place}.ipam")).err());
        }
    }
    found
}

/// Whether the list at a path is one of those.
pub(super) fn is_unified(path: &[&str]) -> bool {
    match path {
        ["networks", _, "labels"] | ["networks", _, "ipam", "options"] => true,
        ["services", _, key] => index(key).is_some(),
        ["services", _, "build", key] => BUILD.contains(key),
        ["services", _, "deploy", key] => *key == "labels",
        ["services", _, "networks", _, key] => NETWORK.contains(key),
        _ => false,
    }
}

/// The lists of a build, and of a service's network.
const BUILD: [&str; 4] = ["args", "additional_contexts", "labels", "tags"];
const NETWORK: [&str; 2] = ["aliases", "link_local_ips"];

/// What makes two elements of a service's list the same.
fn index(key: &str) -> Option<Index> {
    Some(match key {
        "annotations" | "cap_add" | "cap_drop" | "dns" | "dns_opt" | "dns_search"
        | "environment" | "labels" | "links" | "profiles" | "sysctls" | "tmpfs" => pair,
        "env_file" => env_file,
        "devices" => device,
        "expose" => exposed,
        "ports" => port_index,
        "volumes" => volume_index,
        "secrets" => secret_index,
        "configs" => config_index,
        _ => return None,
    })
}

type Index = fn(&Node, &str) -> Result<String, String>;

/// A field of a service.
fn field(key: &str, node: &mut Node, place: &str) -> Result<(), MergeConflict> {
    match key {
        "build" => inside(node, &BUILD, place),
        "deploy" => inside(node, &["labels"], place),
        "networks" => {
            for (network, entry) in node.as_map_mut().into_iter().flatten() {
                inside(&mut entry.node, &NETWORK, &format!("{place}.{network}"))?;
            }
            Ok(())
        }
        _ => index(key).map_or(Ok(()), |index| list(node, place, index)),
    }
}

fn inside(node: &mut Node, keys: &[&str], place: &str) -> Result<(), MergeConflict> {
    for key in keys {
        if let Some(entry) = node.as_map_mut().and_then(|map| map.get_mut(key)) {
            list(&mut entry.node, &format!("{place}.{key}"), pair)?;
        }
    }
    Ok(())
}

fn list(node: &mut Node, place: &str, index: Index) -> Result<(), MergeConflict> {
    let Value::List(list) = &mut node.value else { return Ok(()) };
    let mut seen = std::collections::BTreeMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(list.len());
    for (number, item) in std::mem::take(list).into_iter().enumerate() {
        let key = index(&item, &format!("{place}.[{number}]"))
            .map_err(|message| MergeConflict { message, pos: item.pos })?;
        match seen.get(&key) {
            Some(&at) => kept[at] = item,
            None => {
                seen.insert(key, kept.len());
                kept.push(item);
            }
        }
    }
    *list = kept;
    Ok(())
}

fn pair_key(text: &str) -> &str {
    text.split('=').next().unwrap_or(text)
}

fn pair(node: &Node, place: &str) -> Result<String, String> {
    match node.as_text() {
        Some(text) => Ok(pair_key(text).to_owned()),
        None => Err(format!("{place}: unexpected type {}", go_type(&node.value))),
    }
}

fn env_file(node: &Node, place: &str) -> Result<String, String> {
    match &node.value {
        Value::Map(map) if !map.contains_key("path") => {
            Err(format!("environment path attribute {place} is missing"))
        }
        _ => Ok(node.get("path").unwrap_or(node).scalar().unwrap_or_default()),
    }
}

fn device(node: &Node, place: &str) -> Result<String, String> {
    match &node.value {
        Value::Text(text) => {
            let mut parts = text.split(':');
            let source = parts.next().unwrap_or_default();
            Ok(parts.next().unwrap_or(source).to_owned())
        }
        Value::Map(_) => match node.get("target").and_then(Node::as_text) {
            Some(target) => Ok(target.to_owned()),
            None => Err(format!("service device {place} is missing a mount target")),
        },
        _ => Ok(String::new()),
    }
}

fn exposed(node: &Node, place: &str) -> Result<String, String> {
    match &node.value {
        Value::Int(_) | Value::Text(_) => Ok(node.scalar().unwrap_or_default()),
        _ => Err(format!("{place}: unsupported expose value")),
    }
}

fn volume_index(node: &Node, place: &str) -> Result<String, String> {
    match &node.value {
        Value::Text(text) => mount::parse_short(text).map(|mount| mount.target),
        Value::Map(_) => match node.get("target").and_then(Node::as_text) {
            Some(target) => Ok(target.to_owned()),
            None => Err(format!("service volume {place} is missing a mount target")),
        },
        _ => Ok(String::new()),
    }
}

fn port_index(node: &Node, place: &str) -> Result<String, String> {
    match &node.value {
        Value::Map(_) => {
            let field = |key: &str, default: &str| {
                node.get(key).and_then(Node::scalar).unwrap_or_else(|| default.to_owned())
            };
            if node.get("target").is_none() {
                return Err(format!("service ports {place} is missing a target port"));
            }
            // Compose does not see that `published: 80` and `published: "80"` are the same port,
            // and that one that is not published is the same as one that is at the empty text.
            let published = match node.get("published").map(|node| &node.value) {
                Some(Value::Int(number)) => format!("#{number}"),
                Some(_) => field("published", ""),
                None => "#".to_owned(),
            };
            Ok(port::index(
                &field("host_ip", "0.0.0.0"),
                &published,
                &field("target", ""),
                &field("protocol", "tcp"),
            ))
        }
        _ => Ok(node.scalar().unwrap_or_default()),
    }
}

fn secret_index(node: &Node, place: &str) -> Result<String, String> {
    mounted(node, "/run/secrets", place)
}

fn config_index(node: &Node, place: &str) -> Result<String, String> {
    mounted(node, "", place)
}

fn mounted(node: &Node, base: &str, place: &str) -> Result<String, String> {
    if !matches!(node.value, Value::Text(_) | Value::Map(_)) {
        return Err(format!("{place}: unsupported expose value"));
    }
    let field = |key: &str| node.get(key).and_then(Node::scalar);
    Ok(field("target").unwrap_or_else(|| {
        let source = field("source").or_else(|| node.scalar()).unwrap_or_default();
        format!("{base}/{source}")
    }))
}
