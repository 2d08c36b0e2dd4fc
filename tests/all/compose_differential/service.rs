//! A service: which fields it has.

use super::forms::{styled, value};
use super::rng::Rng;
use super::words::{any, name};
use super::yaml::{Y, map, raw};

/// The services that files talk about. Each waits only for later ones.
pub(crate) const SERVICES: [&str; 4] = ["a", "b", "web", "db.1"];
/// The service that is always there and needs no other.
pub(crate) const STUB: &str = "z";

/// Where a service stands.
pub(crate) struct Spot<'a> {
    pub(crate) name: &'a str,
    /// Whether the file is the first one of the service's, not an override.
    pub(crate) whole: bool,
    /// 0: a file of the project, 1: a file that others extend from, 2 and 3: one that is included.
    pub(crate) level: usize,
    /// The fields that the service has in earlier files.
    pub(crate) known: &'a [String],
}

impl Spot<'_> {
    /// Whether a field goes together with what the services have elsewhere.
    fn takes(&self, key: &str) -> bool {
        match key {
            // What is merged into several services.
            "profiles" | "network_mode" | "networks" | "depends_on" | "container_name" | "links"
                if self.name.is_empty() => false,
            // Compose does not take the same twice.
            "volumes_from" | "group_add" => self.whole,
            // Nobody waits for the first one, which may be off.
            "profiles" => ["a", "inc1"].contains(&self.name),
            "network_mode" => ["db.1", "inc2"].contains(&self.name),
            "networks" => !["db.1", "inc2"].contains(&self.name),
            "secrets" => self.level < 2,
            _ => true,
        }
    }
}

/// Keys with the odds of each.
const FIELDS: [(&str, usize); 70] = [
    ("image", 30), ("build", 12), ("command", 10), ("entrypoint", 8), ("environment", 40), ("env_file", 20),
    ("volumes", 30), ("ports", 25), ("profiles", 8), ("depends_on", 14), ("healthcheck", 14), ("labels", 12),
    ("networks", 8), ("deploy", 6), ("secrets", 5), ("configs", 5), ("network_mode", 5), ("tmpfs", 5),
    ("restart", 5), ("container_name", 5), ("logging", 2), ("ulimits", 1), ("dns", 2), ("extra_hosts", 2),
    ("sysctls", 1), ("cap_add", 1), ("expose", 2), ("links", 2), ("volumes_from", 2), ("init", 1),
    ("privileged", 1), ("read_only", 1), ("tty", 1), ("stdin_open", 1), ("oom_kill_disable", 1), ("user", 2),
    ("stop_grace_period", 1), ("mem_limit", 1), ("memswap_limit", 1), ("mem_swappiness", 1), ("cpus", 1),
    ("cpu_shares", 1), ("shm_size", 1), ("pids_limit", 1), ("devices", 1), ("gpus", 2), ("blkio_config", 2),
    ("develop", 2), ("models", 2), ("provider", 2), ("label_file", 4), ("annotations", 2), ("hostname", 1),
    ("platform", 1), ("pull_policy", 1), ("ipc", 1), ("pid", 1), ("uts", 1), ("cgroup", 1), ("scale", 1),
    ("attach", 1), ("working_dir", 1), ("post_start", 1), ("security_opt", 1), ("credential_spec", 1),
    ("storage_opt", 1), ("userns_mode", 1), ("group_add", 1), ("use_api_socket", 1), ("mac_address", 1),
];

fn field(r: &mut Rng) -> &'static str {
    let all: usize = FIELDS.iter().map(|(_, odds)| odds).sum();
    let mut at = r.below(all);
    for (key, odds) in FIELDS {
        if at < odds {
            return key;
        }
        at -= odds;
    }
    "image"
}

/// Whether a field is a list, when its value may be an empty collection.
fn empty(key: &str) -> Option<&'static str> {
    match key {
        "ports" | "volumes" | "profiles" | "expose" | "cap_add" | "devices" | "links" | "secrets" => Some("[]"),
        "environment" | "labels" | "depends_on" | "healthcheck" | "build" | "deploy" | "networks" => Some("{}"),
        "command" | "entrypoint" => Some("null"),
        _ => None,
    }
}

/// A service of a file: of the first one whole, of an override only what it changes.
pub(crate) fn service(r: &mut Rng, spot: &Spot<'_>) -> Y {
    let mut entries: Vec<(String, Y)> = Vec::new();
    if spot.whole && !r.fault(1) {
        entries.push(("image".to_owned(), value(r, "image", spot)));
    }
    for _ in 0..r.below(7) {
        let again = !spot.known.is_empty() && r.chance(50);
        let key = if again { &*spot.known[r.below(spot.known.len())] } else { field(r) };
        if entries.iter().any(|(known, _)| known == key) || !(spot.takes(key) || r.fault(10)) {
            continue;
        }
        let mut node = value(r, key, spot);
        if !spot.whole && r.chance(14) {
            node = tagged(r, key, node);
        } else if r.chance(3) {
            node = match empty(key) {
                Some(empty) if !r.fault(30) => raw(empty),
                _ if r.fault(50) => raw(r.pick(&["null", "", "[]", "{}", "''"])),
                _ => node,
            };
        }
        entries.push((key.to_owned(), node));
    }
    if r.chance(2) {
        entries.push(("x-note".to_owned(), any(r)));
    }
    let node = Y::Map(entries);
    if r.chance(10) { Y::Flow(Box::new(node)) } else { node }
}

/// What an override wants gone, or alone: the field or something in it.
fn tagged(r: &mut Rng, key: &str, node: Y) -> Y {
    let tag = r.pick(&["!reset", "!override"]);
    let inner = ["environment", "labels", "healthcheck", "deploy", "build", "networks"].contains(&key);
    if let Y::Map(mut entries) = node.clone()
        && inner
        && !entries.is_empty()
        && r.chance(40)
    {
        let at = r.below(entries.len());
        let old = std::mem::replace(&mut entries[at].1, raw("null"));
        entries[at].1 = Y::Tagged(tag.to_owned(), Box::new(old));
        return Y::Map(entries);
    }
    let tag = if key == "image" && !r.fault(20) { "!override" } else { tag };
    let node = if tag == "!reset" && r.chance(60) {
        raw(r.pick(&["null", "[]", "{}", "''"]))
    } else {
        node
    };
    Y::Tagged(tag.to_owned(), Box::new(node))
}

/// `extends`, of a service of this file or of another.
pub(crate) fn extends(r: &mut Rng, own: &str, here: &[&str], files: &[&str]) -> Option<Y> {
    if files.is_empty() || (!here.is_empty() && r.chance(40)) {
        let service = if r.fault(3) { "nope" } else { r.pick(here.get(..).filter(|it| !it.is_empty())?) };
        let short = r.chance(50);
        let service = name(r, service);
        return Some(if short { service } else { map([("service", service)]) });
    }
    let file = if r.fault(3) { "missing.yaml" } else { r.pick(files) };
    let service = if r.fault(3) { "nope" } else { r.pick(&[own, own, STUB]) };
    let service = if file.contains("inc/") { "inc1" } else { service };
    let node = map([("file", name(r, file)), ("service", name(r, service))]);
    Some(styled(r, node))
}
