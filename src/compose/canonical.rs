//! One spelling for what a service may spell in several ways, and absolute paths for relative ones.
//!
//! This happens in the tree, after each file: the next file is laid over the long forms.

use std::path::Path;

use super::merge::{Conflict, context, dependencies, section};
use super::mount;
use super::port;
use super::source::{Pos, clean, join};
use super::tree::{Entry, Map, Node, Value};

fn entry(pos: Pos, value: Value) -> Entry {
    Entry { key: pos, node: Node::new(pos, value) }
}

fn text(pos: Pos, text: impl Into<String>) -> Entry {
    entry(pos, Value::Text(text.into()))
}

/// Brings all services into the long forms.
pub(super) fn canonical(root: &mut Node) -> Result<(), Conflict> {
    let Some(services) = section(root, "services") else { return Ok(()) };
    for (name, service) in services.iter_mut() {
        let Some(map) = service.node.as_map_mut() else { continue };
        for (key, entry) in map.iter_mut() {
            match key.as_str() {
                "build" => replace(&mut entry.node, context),
                "depends_on" => replace(&mut entry.node, dependencies),
                "env_file" => replace(&mut entry.node, env_files),
                "volumes" => each(&mut entry.node, |item| volume(item).map(|one| vec![one]))?,
                "ports" => {
                    let place = format!("services.{name}.ports");
                    each(&mut entry.node, |item| ports(item, &place))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn replace(node: &mut Node, change: impl FnOnce(Node) -> Node) {
    let pos = node.pos;
    let old = std::mem::replace(node, Node::new(pos, Value::Null));
    *node = change(old);
}

fn each(
    node: &mut Node,
    mut change: impl FnMut(Node) -> Result<Vec<Node>, Conflict>,
) -> Result<(), Conflict> {
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
        Value::Map(_) => item,
        _ => {
            let pos = item.pos;
            let map = Map::from([("path".to_owned(), Entry { key: pos, node: item })]);
            Node::new(pos, Value::Map(map))
        }
    });
    Node::new(pos, Value::List(items.collect()))
}

fn volume(node: Node) -> Result<Node, Conflict> {
    let pos = node.pos;
    let spec = match node.value {
        Value::Text(spec) => spec,
        Value::Map(mut map) => {
            if let Some(target) = map.get_mut("target")
                && let Value::Text(path) = &mut target.node.value
            {
                *path = clean(path);
            }
            return Ok(Node::new(pos, Value::Map(map)));
        }
        value => return Ok(Node::new(pos, value)),
    };
    let short = mount::parse_short(&spec).map_err(|message| Conflict { message, pos })?;
    let bind = short.is_bind();
    let mut map = Map::new();
    let kind = if bind { "bind" } else { "volume" };
    map.insert("type".to_owned(), text(pos, kind));
    map.insert("target".to_owned(), text(pos, clean(&short.target)));
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

fn ports(node: Node, place: &str) -> Result<Vec<Node>, Conflict> {
    let pos = node.pos;
    if let Value::Map(_) = node.value {
        if node.get("target").is_none() {
            let message = format!("service ports {place} is missing a target port");
            return Err(Conflict { message, pos });
        }
        return Ok(vec![node]);
    }
    let Some(spec) = node.scalar() else { return Ok(Vec::new()) };
    let ports = port::parse_short(&spec).map_err(|message| Conflict { message, pos })?;
    let long = |port: port::Short| {
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
                build.entry("context".to_owned()).or_insert_with(|| text(pos, "."));
            }
        }
    }
}

/// Makes the relative paths of a tree absolute.
pub(super) fn resolve_paths(root: &mut Node, directory: &Path, home: Option<&Path>) {
    let place = Place { directory, home };
    if let Some(services) = section(root, "services") {
        for service in services.values_mut() {
            place.service(&mut service.node);
        }
    }
    for key in ["secrets", "configs"] {
        for item in section(root, key).into_iter().flat_map(Map::values_mut) {
            place.field(&mut item.node, "file", Place::host);
        }
    }
    for volume in section(root, "volumes").into_iter().flat_map(Map::values_mut) {
        let field = |key: &str| volume.node.get(key).and_then(Node::scalar);
        let local = field("driver").as_deref() == Some("local");
        let Some(options) = volume.node.as_map_mut().and_then(|map| map.get_mut("driver_opts"))
        else {
            continue;
        };
        let bind = options.node.get("o").and_then(Node::scalar).as_deref() == Some("bind");
        if local && bind {
            place.field(&mut options.node, "device", Place::host);
        }
    }
}

struct Place<'a> {
    directory: &'a Path,
    home: Option<&'a Path>,
}

impl Place<'_> {
    fn service(&self, service: &mut Node) {
        let Some(map) = service.as_map_mut() else { return };
        for (key, entry) in map.iter_mut() {
            match key.as_str() {
                "build" => self.field(&mut entry.node, "context", Place::build),
                "env_file" => {
                    if let Value::List(list) = &mut entry.node.value {
                        for item in list {
                            self.field(item, "path", Place::file);
                        }
                    }
                }
                "volumes" => {
                    if let Value::List(list) = &mut entry.node.value {
                        let binds = list.iter_mut().filter(|item| {
                            item.get("type").and_then(Node::as_text) == Some("bind")
                        });
                        binds.for_each(|item| self.field(item, "source", Place::host));
                    }
                }
                _ => {}
            }
        }
        if let Some(contexts) = map
            .get_mut("build")
            .and_then(|entry| entry.node.as_map_mut())
            .and_then(|build| build.get_mut("additional_contexts"))
        {
            self.contexts(&mut contexts.node);
        }
    }

    fn contexts(&self, node: &mut Node) {
        match &mut node.value {
            Value::Map(map) => {
                for entry in map.values_mut() {
                    if let Value::Text(path) = &mut entry.node.value {
                        *path = self.build(path);
                    }
                }
            }
            Value::List(list) => {
                for item in list {
                    if let Value::Text(pair) = &mut item.value
                        && let Some((key, path)) = pair.split_once('=')
                    {
                        *pair = format!("{key}={}", self.build(path));
                    }
                }
            }
            _ => {}
        }
    }

    fn field(&self, node: &mut Node, key: &str, change: fn(&Self, &str) -> String) {
        if let Some(entry) = node.as_map_mut().and_then(|map| map.get_mut(key))
            && let Value::Text(path) = &mut entry.node.value
        {
            entry.node.relative |= self.is_relative(path);
            *path = change(self, path);
        }
    }

    fn expand(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix('~')?;
        let home = self.home?;
        Some(clean(&format!("{}/{rest}", home.display())))
    }

    /// A path of the host: `~` is the home directory, what is absolute stays as written.
    fn is_relative(&self, path: &str) -> bool {
        self.expand(path).is_none() && self.host(path) != path
    }

    fn host(&self, path: &str) -> String {
        if let Some(expanded) = self.expand(path) {
            return expanded;
        }
        let mut chars = path.chars();
        let drive = chars.next().is_some_and(char::is_alphabetic) && {
            let rest = chars.as_str();
            rest.starts_with(":/") || rest.starts_with(":\\")
        };
        if path.starts_with('/') || path.starts_with("\\\\") || drive {
            return path.to_owned();
        }
        self.file(path)
    }

    fn file(&self, path: &str) -> String {
        if let Some(expanded) = self.expand(path) {
            return expanded;
        }
        if path.starts_with('/') {
            return path.to_owned();
        }
        join(self.directory, path).display().to_string()
    }

    /// A build context: a path, unless it is a URL, a repository or another service's image.
    fn build(&self, path: &str) -> String {
        let remote = path.contains("://")
            || path.starts_with("git@")
            || path.starts_with("github.com/")
            || path.starts_with("service:");
        if remote { path.to_owned() } else { self.host(path) }
    }
}
