//! Absolute paths for relative ones.
//!
//! Source: compose-go `paths/` as Compose v2.40 carries it.

use std::path::Path;

use super::merge::{Conflict, go_type, section};
use super::read::items;
use super::source::{clean, join};
use super::tree::{Map, Node, Value};

/// Makes the relative paths of a tree absolute; gives what is wrong with those of services.
pub(super) fn resolve(root: &mut Node, directory: &Path, home: Option<&Path>) -> Vec<Conflict> {
    let place = Place { directory, home };
    let mut found = Vec::new();
    for service in section(root, "services").into_iter().flat_map(Map::values_mut) {
        found.extend(place.service(&mut service.node).err());
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
    found
}

/// Whether what is to become absolute is a text, or texts: files that others extend from are seen
/// by no schema before.
fn only_texts(node: &Node) -> Result<(), Conflict> {
    match &node.value {
        Value::Text(_) => Ok(()),
        Value::List(list) => list.iter().try_for_each(only_texts),
        value => {
            let message = format!("unexpected type {}", go_type(value));
            Err(Conflict { message, pos: node.pos })
        }
    }
}

struct Place<'a> {
    directory: &'a Path,
    home: Option<&'a Path>,
}

impl Place<'_> {
    fn service(&self, service: &mut Node) -> Result<(), Conflict> {
        let Some(map) = service.as_map_mut() else { return Ok(()) };
        for (key, entry) in map.iter_mut() {
            match key.as_str() {
                "build" => self.field(&mut entry.node, "context", Place::build),
                "env_file" => {
                    if let Value::List(list) = &mut entry.node.value {
                        for item in list {
                            self.field(item, "path", Place::named);
                        }
                    }
                }
                "label_file" => {
                    if let Value::List(list) = &mut entry.node.value {
                        for item in list {
                            only_texts(item)?;
                            if let Value::Text(path) = &mut item.value {
                                *path = self.named(path);
                            }
                        }
                    }
                }
                "develop" => {
                    for watch in items(&entry.node, "watch") {
                        watch.get("path").map_or(Ok(()), only_texts)?;
                    }
                }
                "volumes" => {
                    if let Value::List(list) = &mut entry.node.value {
                        let binds = list.iter_mut().filter(|item| {
                            item.get("type").and_then(Node::as_text) == Some("bind")
                        });
                        for item in binds {
                            if item.get("source").and_then(Node::as_text).is_none() {
                                let message = "invalid mount config for type \"bind\": field Source must not be empty";
                                return Err(Conflict {
                                    message: message.to_owned(),
                                    pos: item.pos,
                                });
                            }
                            self.field(item, "source", Place::host);
                        }
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
        Ok(())
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

    fn is_relative(&self, path: &str) -> bool {
        self.expand(path).is_none() && self.host(path) != path
    }

    fn expand(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix('~')?;
        let home = self.home?;
        Some(clean(&format!("{}/{rest}", home.display())))
    }

    /// A path of the host: `~` is the home directory, what is absolute stays as written.
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

    /// A file by its name; without one there is none.
    fn named(&self, path: &str) -> String {
        if path.is_empty() { String::new() } else { self.file(path) }
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
        let remote = path.is_empty()
            || path.contains("://")
            || path.starts_with("git@")
            || path.starts_with("github.com/")
            || path.starts_with("service:");
        if remote { path.to_owned() } else { self.host(path) }
    }
}
