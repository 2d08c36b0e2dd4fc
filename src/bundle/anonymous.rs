//! An evidence without the names of its owner: hosts, directories, users, projects, containers,
//! volumes and instances become tokens. Equal names become equal tokens, and a name inside another
//! stays inside it (`acme` in `acme-backend-1`), so that what is judged by them is judged the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Serialize;
use serde_json::Value;

use crate::evidence::Evidence;
use crate::foreign::Admitted;

/// What stands for each name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Names(BTreeMap<String, String>);

/// Parts of paths and names that are the same everywhere, and that the judgement may go by.
const COMMON: &[&str] = &[
    "app",
    "backend",
    "bin",
    "compose",
    "containers",
    "convex",
    "convex-backend",
    "credentials",
    "dashboard",
    "data",
    "database",
    "default",
    "dev",
    "docker",
    "etc",
    "exports",
    "files",
    "get-convex",
    "home",
    "lib",
    "library",
    "local",
    "localhost",
    "mnt",
    "modules",
    "node",
    "node_modules",
    "opt",
    "package.json",
    "private",
    "proc",
    "root",
    "run",
    "sbin",
    "search",
    "self-hosted",
    "share",
    "snap",
    "srv",
    "storage",
    "system",
    "tmp",
    "usr",
    "users",
    "var",
    "volumes",
    "volume",
    "web",
    "www",
    "convex-self-hosted",
    "bridge",
    "host",
    "none",
    "docker.sock",
    "_data",
    "db.sqlite3",
    "snapshot_imports",
    "instance_secret",
    "instance_name",
    "read_credentials.sh",
    "generate_admin_key.sh",
    "run_backend.sh",
    ".docker",
    ".nvm",
    "versions",
    "desktop",
];

/// Domains by which a host is judged: a platform's.
const KNOWN_DOMAINS: &[&str] = &["convex.cloud", "convex.site", "fly.dev", "localhost", "ts.net"];

/// The kinds of names, in the order in which one that is several things is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Project,
    Host,
    Address,
    User,
    Directory,
    Instance,
    Volume,
    Container,
    Network,
    Context,
}

impl Kind {
    fn token(self, number: usize, name: &str) -> String {
        match self {
            Self::Project => format!("project-{number}"),
            Self::Host => {
                let known = KNOWN_DOMAINS.iter().find(|domain| {
                    name.strip_suffix(**domain).is_some_and(|rest| rest.ends_with('.'))
                });
                format!("host-{number}.{}", known.unwrap_or(&"example"))
            }
            // Of the block that is kept for documentation.
            Self::Address => format!("203.0.113.{number}"),
            Self::User => format!("user-{number}"),
            Self::Directory => format!("dir-{number}"),
            Self::Instance => format!("instance-{number}"),
            Self::Volume => format!("volume-{number}"),
            Self::Container => format!("container-{number}"),
            Self::Network => format!("network-{number}"),
            Self::Context => format!("context-{number}"),
        }
    }
}

/// The evidence with tokens in the place of names, and which token is which name.
pub fn anonymize(evidence: &Admitted<Evidence>) -> (Admitted<Evidence>, Names) {
    let value = serde_json::to_value(&**evidence).unwrap_or_default();
    let mut found = BTreeSet::new();
    collect(&value, &mut Vec::new(), &mut found);
    let names = name_all(found);
    let mut value = value;
    replace(&mut value, &mut Vec::new(), &names);
    let replaced = serde_json::from_value(value).unwrap_or_default();
    (Admitted::of(&replaced), names)
}

/// Every name in it, with its kind.
fn collect<'v>(value: &'v Value, path: &mut Vec<&'v str>, found: &mut BTreeSet<(Kind, String)>) {
    match value {
        Value::String(text) => {
            if let Some(kind) = kind(path) {
                add(found, kind, text);
            }
            hosts(text, found);
            if text.starts_with(['/', '~']) {
                directories(text, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|one| collect(one, path, found)),
        Value::Object(map) => {
            for (key, value) in map {
                path.push(key);
                collect(value, path, found);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a field's text is the name of.
fn kind(path: &[&str]) -> Option<Kind> {
    let (field, above) = path.split_last()?;
    let is_in = |name: &str| above.contains(&name);
    let in_docker = path.first() == Some(&"docker");
    match *field {
        "project" => Some(Kind::Project),
        "container" | "expected" | "attached_to" | "containers" => Some(Kind::Container),
        "volume" | "copy_of" | "absent_volumes" => Some(Kind::Volume),
        "networks" | "network_mode" => Some(Kind::Network),
        "host" | "addresses" => Some(Kind::Host),
        "name" if is_in("other_contexts") => Some(Kind::Context),
        "name" if is_in("volumes") => Some(Kind::Volume),
        "name" if is_in("shape") || is_in("body") => Some(Kind::Instance),
        "name" if in_docker => Some(Kind::Container),
        "source" if in_docker => Some(Kind::Volume),
        "seen" if is_in("instance_name") => Some(Kind::Instance),
        _ => None,
    }
}

fn add(found: &mut BTreeSet<(Kind, String)>, kind: Kind, name: &str) {
    let is_common = COMMON.iter().any(|common| common.eq_ignore_ascii_case(name));
    let is_name = !name.is_empty()
        && name.len() <= 255
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    // Docker names anonymous volumes itself.
    let is_id = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    // A host without a dot is a service.
    let is_name = is_name && (kind != Kind::Host || name.contains('.'));
    if is_name && !is_common && !is_id && !is_address {
        found.insert((kind, name.to_owned()));
    } else if is_address && !is_private(name) {
        found.insert((Kind::Address, name.to_owned()));
    }
}

/// An address that tells nothing of its owner.
fn is_private(address: &str) -> bool {
    match address.parse() {
        Ok(std::net::IpAddr::V4(address)) => {
            address.is_private()
                || address.is_loopback()
                || address.is_unspecified()
                || address.is_link_local()
        }
        Ok(std::net::IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unspecified() || address.is_unique_local()
        }
        Err(_) => false,
    }
}

/// The hosts of the URLs in a text.
fn hosts(text: &str, found: &mut BTreeSet<(Kind, String)>) {
    for (at, sign) in text.match_indices("://") {
        let rest = &text[at + sign.len()..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._-@".contains(c)));
        let host = &rest[..end.unwrap_or(rest.len())];
        let (user, host) = host.split_once('@').unwrap_or(("", host));
        add(found, Kind::User, user);
        // `unix:///var/run`, `http://$HOST`
        if !is_public_host(host) {
            add(found, Kind::Host, host);
        }
    }
}

/// Hosts that everybody uses.
fn is_public_host(host: &str) -> bool {
    const PUBLIC: &[&str] =
        &["localhost", "convex.dev", "docker.internal", "github.com", "ghcr.io"];
    PUBLIC.iter().any(|public| {
        host.strip_suffix(public)
            .is_some_and(|rest| rest.is_empty() || rest == "host." || rest == "api.")
    })
}

/// The directories of a path, and the user of a home.
fn directories(path: &str, found: &mut BTreeSet<(Kind, String)>) {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for (at, part) in parts.iter().enumerate() {
        let above = at.checked_sub(1).and_then(|above| parts.get(above));
        let is_home = above.is_some_and(|above| matches!(*above, "home" | "Users"));
        if is_home {
            add(found, Kind::User, part);
        } else if !is_usual_file(part) {
            add(found, Kind::Directory, part);
        }
    }
}

/// A file whose name the judgement goes by, or a version.
fn is_usual_file(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    lower.starts_with(".env")
        || [".yml", ".yaml", ".json", ".toml", ".sock", ".sqlite3", ".sh"]
            .iter()
            .any(|end| lower.ends_with(end))
        || part.starts_with(['v', '@']) && part[1..].starts_with(|c: char| c.is_ascii_digit())
        || part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Gives each name its token. A name that Compose makes of a directory's is that directory's.
fn name_all(found: BTreeSet<(Kind, String)>) -> Names {
    let mut names = BTreeMap::new();
    let mut numbers: BTreeMap<Kind, usize> = BTreeMap::new();
    // `acme_data` is the volume of `acme`: its own name is no other.
    let is_of_a_project = |projects: &[String], name: &str| {
        projects.iter().any(|project| {
            name.strip_prefix(project.as_str()).is_some_and(|rest| rest.starts_with(['_', '-']))
        })
    };
    let mut projects: Vec<String> = Vec::new();
    for (kind, name) in found {
        if names.contains_key(&name) || is_of_a_project(&projects, &name) {
            continue;
        }
        if kind == Kind::Project {
            projects.push(name.clone());
        }
        let folded: String = name
            .to_ascii_lowercase()
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c))
            .collect();
        let token = match names.get(&folded) {
            Some(token) if kind == Kind::Directory => String::clone(token),
            _ => {
                let number = numbers.entry(kind).or_default();
                *number += 1;
                kind.token(*number, &name)
            }
        };
        names.insert(name, token);
    }
    Names(names)
}

/// The words that the engine and Compose use in fields of their own: the state and the health of a
/// container, the type of a mount.
const STATES: &[&str] = &[
    "running",
    "created",
    "restarting",
    "paused",
    "exited",
    "dead",
    "removing",
    "starting",
    "healthy",
    "unhealthy",
    "npipe",
    "cluster",
    "image",
    "tcp",
    "udp",
];

/// Whether an evidence holds this word of its own: a project may be called `running`, and a
/// container that runs still does.
fn is_own_word(text: &str) -> bool {
    static WORDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let schema = serde_json::from_str(include_str!("../../docs/report.schema.json"));
        let mut words = STATES.iter().map(|word| (*word).to_owned()).collect();
        own_words(&schema.unwrap_or_default(), &mut words);
        words
    });
    WORDS.contains(text)
}

/// The words that the schema names.
fn own_words(schema: &Value, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            let lists = map.get("enum").and_then(Value::as_array).into_iter().flatten();
            let named = lists.chain(map.get("const")).filter_map(Value::as_str);
            words.extend(named.map(str::to_owned));
            map.values().for_each(|value| own_words(value, words));
        }
        Value::Array(list) => list.iter().for_each(|one| own_words(one, words)),
        _ => {}
    }
}

fn replace<'v>(value: &'v mut Value, path: &mut Vec<&'v str>, names: &Names) {
    match value {
        Value::String(text) if kind(path).is_none() && is_own_word(text) => {}
        Value::String(text) => *text = names.in_text(text),
        Value::Array(list) => list.iter_mut().for_each(|one| replace(one, path, names)),
        Value::Object(map) => {
            for (key, value) in map {
                path.push(key);
                replace(value, path, names);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Names {
    /// The text with tokens for the names in it: each as a word, as the part of one before a `_` or a
    /// `-`, or between two dots.
    fn in_text(&self, text: &str) -> String {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c| !is_inside(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            out.push_str(&self.in_word(word));
            let sign = after.chars().next().map_or(0, char::len_utf8);
            out.push_str(&after[..sign]);
            rest = &after[sign..];
        }
        out
    }

    fn in_word(&self, word: &str) -> String {
        if let Some(token) = self.0.get(word) {
            return token.clone();
        }
        // `acme-backend-1`, `acme_data`, and a sentence's end.
        let cuts = word.char_indices().rev().filter(|(_, c)| "_-.".contains(*c));
        for (at, _) in cuts {
            if let Some(token) = self.0.get(&word[..at]) {
                return format!("{token}{}", self.in_tail(&word[at..]));
            }
        }
        // `docker-compose.acme.yml`
        match word.split_once('.') {
            Some((first, rest)) => format!("{first}.{}", self.in_word(rest)),
            None => word.to_owned(),
        }
    }

    /// What follows a name: a name again, or what Compose adds.
    fn in_tail(&self, tail: &str) -> String {
        let Some(sign) = tail.chars().next() else { return String::new() };
        let rest = &tail[sign.len_utf8()..];
        self.0.get(rest).map_or_else(|| tail.to_owned(), |token| format!("{sign}{token}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn replaced(value: &Value) -> (Value, Names) {
        let mut found = BTreeSet::new();
        collect(value, &mut Vec::new(), &mut found);
        let names = name_all(found);
        let mut value = value.clone();
        replace(&mut value, &mut Vec::new(), &names);
        (value, names)
    }

    #[test]
    fn names_become_tokens_and_stay_together() {
        let (value, _) = replaced(&json!({
            "compose": {"project": "acme", "directory": "/home/alice/Projects/acme", "files": [
                "/home/alice/Projects/acme/docker-compose.acme.yml"]},
            "docker": {
                "address": "ssh://alice@build.acme.example",
                "backends": [{"name": "acme-backend-1", "project": "acme", "image": "ghcr.io/get-convex/convex-backend:latest",
                    "mounts": [{"source": "acme_data", "target": "/convex/data"}], "networks": ["acme_default"],
                    "start_error": "driver failed on acme-backend-1: port is taken"}],
                "volumes": [{"name": "acme_data"}, {"name": "shop-files", "attached_to": ["acme-db-1"]}],
            },
            "endpoint": {"url": "https://api.acme.example:8443/x", "host": "api.acme.example", "addresses": ["203.1.2.3", "10.0.0.3"]},
            "selection": {"url": {"text": "http://127.0.0.1:3210"}},
        }));
        let expected = json!({
            "compose": {"project": "project-1", "directory": "/home/user-1/dir-1/project-1", "files": [
                "/home/user-1/dir-1/project-1/docker-compose.project-1.yml"]},
            "docker": {
                "address": "ssh://user-1@host-2.example",
                "backends": [{"name": "project-1-backend-1", "project": "project-1", "image": "ghcr.io/get-convex/convex-backend:latest",
                    "mounts": [{"source": "project-1_data", "target": "/convex/data"}], "networks": ["project-1_default"],
                    "start_error": "driver failed on project-1-backend-1: port is taken"}],
                "volumes": [{"name": "project-1_data"}, {"name": "volume-1", "attached_to": ["project-1-db-1"]}],
            },
            "endpoint": {"url": "https://host-1.example:8443/x", "host": "host-1.example", "addresses": ["203.0.113.1", "10.0.0.3"]},
            "selection": {"url": {"text": "http://127.0.0.1:3210"}},
        });
        assert_eq!(value, expected);
    }

    /// A name can be a word of the evidence: the word stays, the name does not.
    #[test]
    fn a_project_may_be_called_like_a_state() {
        let (value, _) = replaced(&json!({
            "compose": {"project": "running", "source": {"kind": "file"}},
            "docker": {"backends": [{"name": "running-backend-1", "project": "running",
                "state": "running", "volumes": [{"kind": "volume"}]}]},
        }));
        assert_eq!(value["docker"]["backends"][0]["state"], "running");
        assert_eq!(value["docker"]["backends"][0]["name"], "project-1-backend-1");
        assert_eq!(value["compose"]["project"], "project-1");
    }
}
