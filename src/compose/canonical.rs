//! One spelling for what a service may spell in several ways.
//!
//! This happens in the tree, after each file: the next file is laid over the long forms.

use super::error::MOST_ERRORS;
use super::merge::{MergeConflict, context, dependencies, go_type, named, section};
use super::mount;
use super::port;
use super::source::{Pos, clean};
use super::tree::{Map, MapEntry, NODE, Node, Value};
use crate::budget::Spending;

fn entry(pos: Pos, value: Value) -> MapEntry {
    MapEntry { key: pos, node: Node::new(pos, value) }
}

fn text(pos: Pos, text: impl Into<String>) -> MapEntry {
    entry(pos, Value::Text(text.into()))
}

/// Brings a tree into the long forms; gives what Compose warns about, with its place, and all that
/// has no long form.
pub(super) fn canonical(
    root: &mut Node,
    budget: &Spending,
) -> (Vec<(Pos, String)>, Vec<MergeConflict>) {
    let (mut warnings, mut found) = (Vec::new(), Vec::new());
    for (name, service) in section(root, "services").into_iter().flatten() {
        for (key, entry) in service.node.as_map_mut().into_iter().flatten() {
            let place = format!("services.{name}.{key}");
            found.extend(field(key, &mut entry.node, &place, budget).err());
        }
    }
    found.truncate(MOST_ERRORS);
    for key in ["volumes", "networks", "secrets", "configs"] {
        for (name, entry) in section(root, key).into_iter().flatten() {
            found.extend(external(&mut entry.node, &format!("{key}.{name}"), &mut warnings).err());
        }
    }
    (warnings, found)
}

/// What a port takes in memory, with what is made of it.
const PORT: usize = 10 * NODE;

/// A field of a service.
fn field(key: &str, node: &mut Node, place: &str, budget: &Spending) -> Result<(), MergeConflict> {
    let is_list = matches!(node.value, Value::List(_));
    let is_map = matches!(node.value, Value::Map(_));
    let is_text = matches!(node.value, Value::Text(_));
    match key {
        "build" => build(node, place)?,
        "depends_on" if is_list || is_map => replace(node, dependencies),
        "depends_on" => return wrong_type(node, place, "depend_on"),
        "env_file" if is_list || is_text => replace(node, env_files),
        "gpus" if is_list || is_text => replace(node, gpus),
        "ports" if is_list => each(node, |item| ports(item, place, budget))?,
        "env_file" | "gpus" => return wrong_type(node, place, key),
        "extends" if !is_map && !is_text => return wrong_type(node, place, key),
        "ports" => return wrong_type(node, place, "port"),
        "networks" => replace(node, named),
        "dns" | "label_file" => replace(node, list),
        "volumes" => each(node, |item| volume(item, place).map(|one| vec![one]))?,
        "devices" => each(node, |item| device(item, place).map(|one| vec![one]))?,
        "secrets" | "configs" => each(node, |item| reference(item, place).map(|one| vec![one]))?,
        "ulimits" => ulimits(node, place)?,
        "scale" => {
            if let Value::Int(..0) = node.value {
                let message = format!("{place}: must be greater than or equal to 0");
                return Err(MergeConflict { message, pos: node.pos });
            }
        }
        _ => {}
    }
    Ok(())
}

/// `external: {name: X}` is the old way to say `name: X` and `external: true`.
fn external(
    node: &mut Node,
    place: &str,
    warnings: &mut Vec<(Pos, String)>,
) -> Result<(), MergeConflict> {
    let name = node.get("name").cloned();
    let Some(map) = node.as_map_mut() else { return Ok(()) };
    let Some(external) = map.get_mut("external").filter(|it| it.node.as_map().is_some()) else {
        return Ok(());
    };
    let old = external.node.as_map_mut().and_then(|external| external.remove("name"));
    external.node.value = Value::Bool(true);
    let Some(old) = old else { return Ok(()) };
    let pos = old.node.pos;
    let message =
        format!("{place}: external.name is deprecated. Please set name and external: true");
    warnings.push((pos, message));
    match name {
        Some(name) if name != old.node => {
            let message = format!("{place}: name and external.name conflict; only use name");
            return Err(MergeConflict { message, pos });
        }
        Some(_) => {}
        None => {
            map.insert("name".to_owned(), old);
        }
    }
    Ok(())
}

fn wrong_type<T>(node: &Node, place: &str, what: &str) -> Result<T, MergeConflict> {
    let message = format!("{place}: invalid type {} for {what}", go_type(&node.value));
    Err(MergeConflict { message, pos: node.pos })
}

/// The long form of a build and of what is in it.
fn build(node: &mut Node, place: &str) -> Result<(), MergeConflict> {
    if !matches!(node.value, Value::Map(_) | Value::Text(_)) {
        return wrong_type(node, place, "build");
    }
    replace(node, context);
    for (key, entry) in node.as_map_mut().into_iter().flatten() {
        match key.as_str() {
            "additional_contexts" => key_values(&mut entry.node, &format!("{place}.{key}"))?,
            "secrets" => {
                let place = format!("{place}.{key}");
                each(&mut entry.node, |item| reference(item, &place).map(|one| vec![one]))?;
            }
            "ulimits" => ulimits(&entry.node, &format!("{place}.{key}"))?,
            "ssh" => ssh(&mut entry.node, &format!("{place}.{key}"))?,
            _ => {}
        }
    }
    Ok(())
}

/// Each limit is a number or a mapping; a text only where it was cast.
fn ulimits(node: &Node, place: &str) -> Result<(), MergeConflict> {
    for (name, entry) in node.as_map().into_iter().flatten() {
        if !matches!(entry.node.value, Value::Int(_) | Value::Map(_)) {
            return wrong_type(&entry.node, &format!("{place}.{name}"), "external");
        }
    }
    Ok(())
}

/// A list of `KEY=value` as the equivalent mapping.
fn key_values(node: &mut Node, place: &str) -> Result<(), MergeConflict> {
    let Value::List(list) = &node.value else { return Ok(()) };
    let mut map = Map::new();
    for item in list {
        let Some((key, value)) = item.as_text().and_then(|text| text.split_once('=')) else {
            let shown = item.scalar().unwrap_or_default();
            let message = format!("{place}: invalid value {shown}, expected key=value");
            return Err(MergeConflict { message, pos: item.pos });
        };
        map.insert(key.to_owned(), text(item.pos, value));
    }
    node.value = Value::Map(map);
    Ok(())
}

fn ssh(node: &mut Node, place: &str) -> Result<(), MergeConflict> {
    match &node.value {
        Value::Map(_) => Ok(()),
        Value::List(list) => {
            let mut map = Map::new();
            for item in list {
                let Some(pair) = item.as_text() else {
                    return wrong_type(item, place, "ssh key");
                };
                let (id, path) = pair.split_once('=').unwrap_or((pair, ""));
                let value = if path.is_empty() {
                    entry(item.pos, Value::Null)
                } else {
                    text(item.pos, path)
                };
                map.insert(id.to_owned(), value);
            }
            node.value = Value::Map(map);
            Ok(())
        }
        _ => wrong_type(node, place, "ssh"),
    }
}

/// A secret or config that a service uses, by its name alone or with a target.
fn reference(node: Node, place: &str) -> Result<Node, MergeConflict> {
    match &node.value {
        Value::Map(_) => Ok(node),
        Value::Text(_) => {
            let pos = node.pos;
            let map = Map::from([("source".to_owned(), MapEntry { key: pos, node })]);
            Ok(Node::new(pos, Value::Map(map)))
        }
        _ => wrong_type(&node, place, "service secret or config"),
    }
}

/// A text as a list of one.
fn list(node: Node) -> Node {
    let pos = node.pos;
    match node.value {
        Value::Text(_) => Node::new(pos, Value::List(vec![node])),
        _ => node,
    }
}

fn gpus(node: Node) -> Node {
    let pos = node.pos;
    match node.as_text() {
        // Whatever the text: only the schema, which not all files pass, knows that it has to be
        // `all`.
        Some(_) => {
            let map = Map::from([("count".to_owned(), text(pos, "all"))]);
            Node::new(pos, Value::List(vec![Node::new(pos, Value::Map(map))]))
        }
        None => node,
    }
}

/// `SOURCE[:TARGET[:PERMISSIONS]]`.
fn device(node: Node, place: &str) -> Result<Node, MergeConflict> {
    let pos = node.pos;
    let spec = match &node.value {
        Value::Text(spec) => spec,
        Value::Map(_) => return Ok(node),
        _ => return wrong_type(&node, &format!("{place}.[]"), "service volume mount"),
    };
    let parts: Vec<&str> = spec.split(':').collect();
    let (source, target, permissions) = match parts.as_slice() {
        [source] => (*source, *source, "rwm"),
        [source, target] => (*source, *target, "rwm"),
        [source, target, permissions] => (*source, *target, *permissions),
        _ => {
            let message = format!("confusing device mapping, please use long syntax: {spec}");
            return Err(MergeConflict { message, pos });
        }
    };
    let target = if target.is_empty() { source } else { target };
    let map = [("source", source), ("target", target), ("permissions", permissions)];
    let map = map.map(|(key, value)| (key.to_owned(), text(pos, value)));
    Ok(Node::new(pos, Value::Map(Map::from(map))))
}

fn replace(node: &mut Node, change: impl FnOnce(Node) -> Node) {
    let pos = node.pos;
    let old = std::mem::replace(node, Node::new(pos, Value::Null));
    *node = change(old);
}

fn each(
    node: &mut Node,
    mut change: impl FnMut(Node) -> Result<Vec<Node>, MergeConflict>,
) -> Result<(), MergeConflict> {
    let Value::List(list) = &mut node.value else { return Ok(()) };
    let mut changed = Vec::with_capacity(list.len());
    for item in std::mem::take(list) {
        changed.extend(change(item)?);
    }
    *list = changed;
    Ok(())
}

fn env_files(node: Node) -> Node {
    let pos = node.pos;
    let items = match node.value {
        Value::List(list) => list,
        _ => vec![node],
    };
    let items = items.into_iter().map(|item| match item.value {
        Value::Text(_) => {
            let pos = item.pos;
            let map = Map::from([("path".to_owned(), MapEntry { key: pos, node: item })]);
            Node::new(pos, Value::Map(map))
        }
        _ => item,
    });
    Node::new(pos, Value::List(items.collect()))
}

fn volume(node: Node, place: &str) -> Result<Node, MergeConflict> {
    let pos = node.pos;
    let spec = match node.value {
        Value::Text(spec) => spec,
        Value::Map(_) => return Ok(node),
        _ => return wrong_type(&node, &format!("{place}.[]"), "service volume mount"),
    };
    let short = mount::parse_short(&spec).map_err(|message| MergeConflict { message, pos })?;
    let bind = short.is_bind();
    let mut map = Map::new();
    let kind = if bind { "bind" } else { "volume" };
    map.insert("type".to_owned(), text(pos, kind));
    if !short.target.is_empty() {
        map.insert("target".to_owned(), text(pos, clean(&short.target)));
    }
    if short.read_only {
        map.insert("read_only".to_owned(), entry(pos, Value::Bool(true)));
    }
    let mut options = Map::new();
    if let Some(propagation) = short.propagation {
        options.insert("propagation".to_owned(), text(pos, propagation));
    }
    if let Some(selinux) = short.selinux {
        options.insert("selinux".to_owned(), text(pos, selinux));
    }
    if bind {
        options.insert("create_host_path".to_owned(), entry(pos, Value::Bool(true)));
    }
    if bind || !options.is_empty() {
        map.insert("bind".to_owned(), entry(pos, Value::Map(options)));
    }
    let mut options = Map::new();
    if short.no_copy {
        options.insert("nocopy".to_owned(), entry(pos, Value::Bool(true)));
    }
    if (!bind && !short.bare) || !options.is_empty() {
        map.insert("volume".to_owned(), entry(pos, Value::Map(options)));
    }
    if let Some(source) = short.source {
        map.insert("source".to_owned(), text(pos, source));
    }
    Ok(Node::new(pos, Value::Map(map)))
}

fn ports(node: Node, place: &str, budget: &Spending) -> Result<Vec<Node>, MergeConflict> {
    let pos = node.pos;
    if let Value::Map(_) = node.value {
        if node.get("target").is_none() {
            let message = format!("service ports {place} is missing a target port");
            return Err(MergeConflict { message, pos });
        }
        return Ok(vec![node]);
    }
    let spec = match &node.value {
        Value::Int(number) => number.to_string(),
        Value::Text(spec) => spec.clone(),
        _ => return wrong_type(&node, place, "port"),
    };
    let ports = port::parse_short(&spec).map_err(|message| MergeConflict { message, pos })?;
    // A range is as many as it has.
    let spent = budget.bytes(ports.len() * PORT);
    spent.map_err(|what| MergeConflict { message: what.to_string(), pos })?;
    let long = |port: port::ShortPort| {
        let mut map = Map::new();
        map.insert("mode".to_owned(), text(pos, "ingress"));
        map.insert("target".to_owned(), entry(pos, Value::Int(port.target.into())));
        map.insert("protocol".to_owned(), text(pos, port.protocol));
        if let Some(published) = port.published {
            map.insert("published".to_owned(), text(pos, published));
        }
        if let Some(ip) = port.host_ip {
            map.insert("host_ip".to_owned(), text(pos, ip));
        }
        Node::new(pos, Value::Map(map))
    };
    Ok(ports.into_iter().map(long).collect())
}

/// A build without a context is one of the project directory.
pub(super) fn defaults(root: &mut Node) {
    for service in section(root, "services").into_iter().flat_map(Map::values_mut) {
        let build = service.node.as_map_mut().and_then(|map| map.get_mut("build"));
        if let Some(entry) = build {
            let pos = entry.node.pos;
            if let Some(build) = entry.node.as_map_mut() {
                build.get_or_insert_with("context", || text(pos, "."));
            }
        }
    }
}
