//! Laying one file over another: which keys replace, and which grow.
//!
//! Source: compose-go `override/merge.go` as Compose v2.40 carries it.

use std::collections::BTreeSet;

use super::error::MOST_ERRORS;
use super::schema::same;
use super::source::Pos;
use super::tree::{Map, MapEntry, Node, Removal, Value};
use crate::budget;

/// Something that cannot be laid over something else.
pub(super) struct MergeConflict {
    pub(super) message: String,
    pub(super) pos: Pos,
}

/// How the value at a path is laid over another.
enum MergeRule {
    /// Maps by key, lists appended, all else replaced.
    Plain,
    /// The later value alone.
    Replace,
    /// Both as lists of `KEY=value`, appended.
    Sequence,
    Build,
    DependsOn,
    Networks,
    Logging,
    /// As a sequence, without what is there already.
    Hosts,
    /// Mappings by their `subnet`.
    Subnets,
}

fn rule(path: &[String]) -> MergeRule {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["networks" | "volumes", _, "labels"] => MergeRule::Sequence,
        ["networks", _, "ipam", "config"] => MergeRule::Subnets,
        ["services", _, rest @ ..] => match rest {
            ["build"] => MergeRule::Build,
            ["command" | "entrypoint"] | ["healthcheck", "test"] | ["ulimits", _] => {
                MergeRule::Replace
            }
            ["depends_on"] => MergeRule::DependsOn,
            ["logging"] => MergeRule::Logging,
            ["networks" | "models"] => MergeRule::Networks,
            ["extra_hosts"] | ["build", "extra_hosts"] => MergeRule::Hosts,
            [
                "annotations" | "dns" | "dns_opt" | "dns_search" | "env_file" | "label_file"
                | "environment" | "labels" | "sysctls" | "tmpfs",
            ]
            | ["build", "args" | "additional_contexts" | "labels"]
            | ["deploy", "labels"] => MergeRule::Sequence,
            _ => MergeRule::Plain,
        },
        _ => MergeRule::Plain,
    }
}

/// Lays `over` over `base`; or all that cannot be, of which Compose reports any.
pub(super) fn merge(
    base: Node,
    over: Node,
    path: &mut Vec<String>,
) -> Result<Node, Vec<MergeConflict>> {
    let pos = over.pos;
    match rule(path) {
        MergeRule::Replace => return Ok(over),
        MergeRule::Sequence => {
            let mut list = sequence(base);
            list.extend(sequence(over));
            return Ok(Node::new(pos, Value::List(list)));
        }
        MergeRule::Hosts => {
            let mut list = sequence(base);
            let mut known: BTreeSet<String> = list.iter().map(same).collect();
            for host in sequence(over) {
                if known.insert(same(&host)) {
                    list.push(host);
                }
            }
            return Ok(Node::new(pos, Value::List(list)));
        }
        MergeRule::Subnets => return subnets(base, over, path),
        MergeRule::Build => return plain(context(base), context(over), path),
        MergeRule::DependsOn => return plain(dependencies(base), dependencies(over), path),
        MergeRule::Networks => return plain(named(base), named(over), path),
        MergeRule::Logging => {
            let driver = |node: &Node| node.get("driver").and_then(Node::scalar);
            let (old, new) = (driver(&base), driver(&over));
            if old.is_some() && new.is_some() && old != new {
                return Ok(over);
            }
        }
        MergeRule::Plain => {}
    }
    plain(base, over, path)
}

/// Compose lays each of the later over each of the earlier that has its subnet.
fn subnets(base: Node, over: Node, path: &mut Vec<String>) -> Result<Node, Vec<MergeConflict>> {
    let pos = over.pos;
    // Compose names the type of the earlier, whichever is wrong.
    let message = format!("{}: unexpected type {}", path.join("."), go_type(&base.value));
    let (Value::List(configs), Value::List(others)) = (base.value, over.value) else {
        return Err(vec![MergeConflict { message, pos }]);
    };
    if configs.len().saturating_mul(others.len()) > budget::SUBNET_PAIRS {
        let message = format!("{}: too large: too many entries to compare", path.join("."));
        return Err(vec![MergeConflict { message, pos }]);
    }
    let subnet = |node: &Node| node.get("subnet").and_then(Node::scalar);
    let mapping = |node: Node| match node.value {
        Value::Map(_) => node,
        _ => Node::new(node.pos, Value::Map(Map::new())),
    };
    let configs: Vec<Node> = configs.into_iter().map(mapping).collect();
    let others: Vec<Node> = others.into_iter().map(mapping).collect();
    let mut merged: Vec<Node> = Vec::new();
    for config in configs {
        for other in &others {
            let wanted = subnet(other);
            let known = merged.iter().position(|node| subnet(node) == wanted);
            if wanted != subnet(&config) && known.is_none() {
                merged.push(other.clone());
                continue;
            }
            let both = plain(config.clone(), other.clone(), path)?;
            match merged.iter_mut().find(|node| subnet(node) == subnet(&both)) {
                Some(known) => *known = both,
                None => merged.push(both),
            }
        }
    }
    Ok(Node::new(pos, Value::List(merged)))
}

fn plain(base: Node, over: Node, path: &mut Vec<String>) -> Result<Node, Vec<MergeConflict>> {
    let pos = over.pos;
    match (base.value, over.value) {
        (value, Value::Null) => {
            Ok(Node { pos: base.pos, value, used: base.used, relative: base.relative })
        }
        (Value::Map(map), Value::Map(other)) => {
            Ok(Node::new(pos, Value::Map(merge_maps(map, other, path)?)))
        }
        (Value::List(mut list), Value::List(other)) => {
            list.extend(other);
            Ok(Node::new(pos, Value::List(list)))
        }
        (Value::Map(_) | Value::List(_), _) => {
            Err(vec![MergeConflict { message: format!("cannot override {}", path.join(".")), pos }])
        }
        (_, value) => Ok(Node { pos, value, used: over.used, relative: over.relative }),
    }
}

fn merge_maps(mut map: Map, other: Map, path: &mut Vec<String>) -> Result<Map, Vec<MergeConflict>> {
    let mut found = Vec::new();
    for (key, entry) in other {
        match map.remove(&key) {
            Some(old) => {
                path.push(key);
                let merged = merge(old.node, entry.node, path);
                let key = path.pop().unwrap_or_default();
                match merged {
                    Ok(node) => drop(map.insert(key, MapEntry { key: entry.key, node })),
                    Err(conflicts) if found.len() < MOST_ERRORS => found.extend(conflicts),
                    Err(_) => {}
                }
            }
            None => {
                map.insert(key, entry);
            }
        }
    }
    if found.is_empty() { Ok(map) } else { Err(found) }
}

/// A map as a sorted list of `KEY=value` (a null value as `KEY`), a text as a list of one; of
/// another scalar Compose makes nothing.
pub(super) fn sequence(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(list) => list,
        Value::Map(map) => {
            let mut list: Vec<Node> = map
                .into_iter()
                .flat_map(|(key, entry)| {
                    let pos = entry.node.pos;
                    let pair = |value: &Node| match value.scalar() {
                        Some(value) => format!("{key}={value}"),
                        None => key.clone(),
                    };
                    let texts = match &entry.node.value {
                        Value::List(list) => list.iter().map(pair).collect(),
                        _ => vec![pair(&entry.node)],
                    };
                    let used = entry.node.used;
                    texts.into_iter().map(move |text| Node {
                        pos,
                        value: Value::Text(text),
                        used: used.clone(),
                        relative: false,
                    })
                })
                .collect();
            list.sort_by(|one, other| one.as_text().cmp(&other.as_text()));
            list
        }
        Value::Text(_) => vec![node],
        _ => Vec::new(),
    }
}

/// `build: DIR` as `build: {context: DIR}`.
pub(super) fn context(node: Node) -> Node {
    if node.as_text().is_none() {
        return node;
    }
    let pos = node.pos;
    let map = Map::from([("context".to_owned(), MapEntry { key: pos, node })]);
    Node::new(pos, Value::Map(map))
}

/// `depends_on: [a]` as the equivalent map.
pub(super) fn dependencies(node: Node) -> Node {
    let pos = node.pos;
    let Value::List(list) = node.value else { return node };
    let map = list.into_iter().filter_map(|item| {
        let at = item.pos;
        let entry = |value| MapEntry { key: at, node: Node::new(at, value) };
        let fields = Map::from([
            ("condition".to_owned(), entry(Value::Text("service_started".to_owned()))),
            ("required".to_owned(), entry(Value::Bool(true))),
        ]);
        Some((item.as_text()?.to_owned(), entry(Value::Map(fields))))
    });
    Node::new(pos, Value::Map(map.collect()))
}

/// A list of names as a mapping of nothing.
pub(super) fn named(node: Node) -> Node {
    let pos = node.pos;
    let Value::List(list) = node.value else { return node };
    let map = list.into_iter().filter_map(|item| {
        let at = item.pos;
        let entry = MapEntry { key: at, node: Node::new(at, Value::Null) };
        Some((item.as_text()?.to_owned(), entry))
    });
    Node::new(pos, Value::Map(map.collect()))
}

/// Takes away what a later file resets.
pub(super) fn remove(node: &mut Node, removals: &[Removal]) {
    for removal in removals {
        take(node, &removal.0);
    }
}

fn take(node: &mut Node, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    match &mut node.value {
        Value::Map(map) if rest.is_empty() => {
            map.remove(first);
        }
        Value::Map(map) => {
            if let Some(entry) = map.get_mut(first) {
                take(&mut entry.node, rest);
            }
        }
        Value::List(list) => {
            let index = first.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            match index.and_then(|index| index.parse::<usize>().ok()) {
                Some(index) if index < list.len() && rest.is_empty() => {
                    list.remove(index);
                }
                Some(index) => {
                    if let Some(item) = list.get_mut(index) {
                        take(item, rest);
                    }
                }
                // `KEY: !reset null` does not reach into a list of `KEY=value`, in Compose neither.
                None => {}
            }
        }
        _ => {}
    }
}

/// A top-level section, when it is a map.
pub(super) fn section<'n>(root: &'n mut Node, key: &str) -> Option<&'n mut Map> {
    root.as_map_mut()?.get_mut(key)?.node.as_map_mut()
}

/// Go's name of a value's type.
pub(super) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float64",
        Value::Timestamp(_) => "time.Time",
        Value::Text(_) => "string",
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
    }
}
