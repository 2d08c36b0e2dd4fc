//! Laying one file over another: which keys replace, which grow, and what counts as the same element of a list.
//!
//! Source: compose-go `override/merge.go` and `override/uncity.go` as Compose v2.40 carries them.

use super::source::{Pos, clean};
use super::tree::{Entry, Map, Node, Removal, Value};
use super::{mount, port};

/// Something that cannot be laid over something else.
pub(super) struct Conflict {
    pub(super) message: String,
    pub(super) pos: Pos,
}

/// How the value at a path is laid over another.
enum Rule {
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
}

fn rule(path: &[String]) -> Rule {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["networks" | "volumes", _, "labels"] => Rule::Sequence,
        ["services", _, rest @ ..] => match rest {
            ["build"] => Rule::Build,
            ["command" | "entrypoint"] | ["healthcheck", "test"] | ["ulimits", _] => Rule::Replace,
            ["depends_on"] => Rule::DependsOn,
            ["logging"] => Rule::Logging,
            ["networks" | "models"] => Rule::Networks,
            [
                "annotations" | "dns" | "dns_opt" | "dns_search" | "env_file" | "label_file"
                | "environment" | "extra_hosts" | "labels" | "sysctls" | "tmpfs",
            ]
            | ["build", "args" | "additional_contexts" | "extra_hosts" | "labels"]
            | ["deploy", "labels"] => Rule::Sequence,
            _ => Rule::Plain,
        },
        _ => Rule::Plain,
    }
}

/// Lays `over` over `base`.
pub(super) fn merge(base: Node, over: Node, path: &mut Vec<String>) -> Result<Node, Conflict> {
    let pos = over.pos;
    match rule(path) {
        Rule::Replace => return Ok(over),
        Rule::Sequence => {
            let mut list = sequence(base);
            list.extend(sequence(over));
            return Ok(Node::new(pos, Value::List(list)));
        }
        Rule::Build => return plain(context(base), context(over), path),
        Rule::DependsOn => return plain(dependencies(base), dependencies(over), path),
        Rule::Networks => return plain(named(base), named(over), path),
        Rule::Logging => {
            let driver = |node: &Node| node.get("driver").and_then(Node::scalar);
            let (old, new) = (driver(&base), driver(&over));
            if old.is_some() && new.is_some() && old != new {
                return Ok(over);
            }
        }
        Rule::Plain => {}
    }
    plain(base, over, path)
}

fn plain(base: Node, over: Node, path: &mut Vec<String>) -> Result<Node, Conflict> {
    let pos = over.pos;
    match (base.value, over.value) {
        (base_value @ (Value::Map(_) | Value::List(_)), Value::Null) => {
            Ok(Node::new(base.pos, base_value))
        }
        (Value::Map(map), Value::Map(other)) => {
            Ok(Node::new(pos, Value::Map(merge_maps(map, other, path)?)))
        }
        (Value::List(mut list), Value::List(other)) => {
            list.extend(other);
            Ok(Node::new(pos, Value::List(list)))
        }
        (Value::Map(_) | Value::List(_), _) => {
            Err(Conflict { message: format!("cannot override {}", path.join(".")), pos })
        }
        (_, value) => Ok(Node { pos, value, used: over.used, relative: over.relative }),
    }
}

fn merge_maps(mut map: Map, other: Map, path: &mut Vec<String>) -> Result<Map, Conflict> {
    for (key, entry) in other {
        match map.remove(&key) {
            Some(old) if !key.starts_with("x-") => {
                path.push(key);
                let node = merge(old.node, entry.node, path)?;
                let key = path.pop().unwrap_or_default();
                map.insert(key, Entry { key: entry.key, node });
            }
            _ => {
                map.insert(key, entry);
            }
        }
    }
    Ok(map)
}

/// A map as a list of `KEY=value` (a null value as `KEY`), a text as a list of one.
pub(super) fn sequence(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(list) => list,
        Value::Map(map) => map
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
            .collect(),
        Value::Null => Vec::new(),
        value => vec![Node { pos: node.pos, value, used: node.used, relative: node.relative }],
    }
}

/// `build: DIR` as `build: {context: DIR}`.
pub(super) fn context(node: Node) -> Node {
    if node.as_text().is_none() {
        return node;
    }
    let pos = node.pos;
    let map = Map::from([("context".to_owned(), Entry { key: pos, node })]);
    Node::new(pos, Value::Map(map))
}

/// `depends_on: [a]` as the map it stands for.
pub(super) fn dependencies(node: Node) -> Node {
    let pos = node.pos;
    let Value::List(list) = node.value else { return node };
    let map = list.into_iter().filter_map(|item| {
        let at = item.pos;
        let entry = |value| Entry { key: at, node: Node::new(at, value) };
        let fields = Map::from([
            ("condition".to_owned(), entry(Value::Text("service_started".to_owned()))),
            ("required".to_owned(), entry(Value::Bool(true))),
        ]);
        Some((item.as_text()?.to_owned(), entry(Value::Map(fields))))
    });
    Node::new(pos, Value::Map(map.collect()))
}

fn named(node: Node) -> Node {
    let pos = node.pos;
    let Value::List(list) = node.value else { return node };
    let map = list.into_iter().filter_map(|item| {
        let at = item.pos;
        let entry = Entry { key: at, node: Node::new(at, Value::Null) };
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

/// Keeps the last of each element that means the same, at the place of the first.
pub(super) fn unify(root: &mut Node) -> Result<(), Conflict> {
    let Some(services) = section(root, "services") else { return Ok(()) };
    for (name, entry) in services.iter_mut() {
        let Some(service) = entry.node.as_map_mut() else { continue };
        for (key, entry) in service.iter_mut() {
            let index: fn(&Node, &str) -> Result<String, String> = match key.as_str() {
                "annotations" | "cap_add" | "cap_drop" | "dns" | "dns_opt" | "dns_search"
                | "environment" | "labels" | "links" | "profiles" | "sysctls" | "tmpfs" => pair,
                "env_file" => env_file,
                "expose" => exposed,
                "ports" => port_index,
                "volumes" => volume_index,
                "secrets" => secret_index,
                "configs" => config_index,
                "build" => {
                    for key in ["args", "additional_contexts", "labels", "tags"] {
                        if let Some(entry) =
                            entry.node.as_map_mut().and_then(|build| build.get_mut(key))
                        {
                            let place = format!("services.{name}.build.{key}");
                            unify_list(&mut entry.node, &place, pair)?;
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            unify_list(&mut entry.node, &format!("services.{name}.{key}"), index)?;
        }
    }
    Ok(())
}

/// A top-level section, when it is a map.
pub(super) fn section<'n>(root: &'n mut Node, key: &str) -> Option<&'n mut Map> {
    root.as_map_mut()?.get_mut(key)?.node.as_map_mut()
}

fn unify_list(
    node: &mut Node,
    place: &str,
    index: fn(&Node, &str) -> Result<String, String>,
) -> Result<(), Conflict> {
    let Value::List(list) = &mut node.value else { return Ok(()) };
    let mut seen = std::collections::BTreeMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(list.len());
    for (number, item) in std::mem::take(list).into_iter().enumerate() {
        let key = index(&item, &format!("{place}.[{number}]"))
            .map_err(|message| Conflict { message, pos: item.pos })?;
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
        None => Err(format!("{place}: unexpected type")),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of the indexers")]
fn env_file(node: &Node, _: &str) -> Result<String, String> {
    let path = node.get("path").unwrap_or(node);
    Ok(path.scalar().unwrap_or_default())
}

fn exposed(node: &Node, place: &str) -> Result<String, String> {
    node.scalar().ok_or_else(|| format!("{place}: unsupported expose value"))
}

fn volume_index(node: &Node, place: &str) -> Result<String, String> {
    match &node.value {
        Value::Text(text) => mount::parse_short(text).map(|mount| clean(&mount.target)),
        Value::Map(_) => match node.get("target").and_then(Node::as_text) {
            Some(target) => Ok(clean(target)),
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
            // Compose does not see that `published: 80` and `published: "80"` are the same port.
            let published = match node.get("published").map(|node| &node.value) {
                Some(Value::Int(number)) => format!("#{number}"),
                _ => field("published", ""),
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

#[expect(clippy::unnecessary_wraps, reason = "one of the indexers")]
fn secret_index(node: &Node, _: &str) -> Result<String, String> {
    Ok(mounted(node, "/run/secrets"))
}

#[expect(clippy::unnecessary_wraps, reason = "one of the indexers")]
fn config_index(node: &Node, _: &str) -> Result<String, String> {
    Ok(mounted(node, ""))
}

fn mounted(node: &Node, base: &str) -> String {
    let field = |key: &str| node.get(key).and_then(Node::scalar);
    field("target").unwrap_or_else(|| {
        let source = field("source").or_else(|| node.scalar()).unwrap_or_default();
        format!("{base}/{source}")
    })
}
