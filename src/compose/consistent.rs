//! Whether what services say fits together, and all that they refer to exists.
//!
//! Source: compose-go `loader/validate.go` and `graph/` as Compose v2.40 carries them.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Error, ErrorKind, MOST_ERRORS};
use super::model::{MountKind, Service};
use super::read::{entries, field, flag, items, list};
use super::source::{At, Pos, SourceFiles};
use super::tree::Node;

/// Checks the enabled services of a tree.
pub(super) fn check(
    tree: &Node,
    services: &BTreeMap<String, Service>,
    sources: &SourceFiles,
) -> Vec<Error> {
    let mut check = ConsistencyCheck { tree, services, sources, found: Vec::new() };
    let all = tree.get("services").and_then(Node::as_map);
    for (name, service) in services {
        if let Some(entry) = all.and_then(|all| all.get(name)) {
            check.service(name, service, &entry.node);
        }
    }
    check.secrets();
    check.cycles();
    check.found
}

/// Container names are unique.
pub(super) fn container_names(services: &BTreeMap<String, Service>) -> Vec<Error> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for (name, service) in services {
        let Some(own) = &service.container_name else { continue };
        if let Some(other) = seen.insert(&own.value, name)
            && found.len() < MOST_ERRORS
        {
            let message = format!(
                "services.{name}: container name {:?} is already in use by service {other}",
                own.value
            );
            found.push(Error { message, at: own.at.clone(), kind: ErrorKind::Invalid });
        }
    }
    found
}

struct ConsistencyCheck<'a> {
    tree: &'a Node,
    services: &'a BTreeMap<String, Service>,
    sources: &'a SourceFiles,
    found: Vec<Error>,
}

impl ConsistencyCheck<'_> {
    fn say(&mut self, at: At, message: String) {
        if self.found.len() >= MOST_ERRORS {
            return;
        }
        self.found.push(Error { message, at: Some(at), kind: ErrorKind::Invalid });
    }

    fn invalid(&mut self, pos: Pos, what: &str) {
        let message = format!("{what}: invalid compose project");
        self.say(self.sources.at(pos), message);
    }

    fn declared(&self, section: &str, key: &str) -> bool {
        self.tree.get(section).is_some_and(|map| map.get(key).is_some())
    }

    fn service(&mut self, name: &str, service: &Service, node: &Node) {
        let quoted = format!("service {name:?}");
        let image = service.image.as_ref().is_some_and(|image| !image.value.is_empty());
        let build = node.get("build").filter(|build| !build.is_null());
        if !image && build.is_none() && node.get("provider").is_none() {
            let message = format!(
                "{quoted} has neither an image nor a build context specified: invalid compose project"
            );
            self.say(service.at.clone(), message);
        }
        if let Some(build) = build {
            self.build(name, node, build);
        }
        self.networks(&quoted, name, node);
        if let Some(test) = service.healthcheck.as_ref().and_then(|check| check.test.as_ref())
            && test.first().is_some_and(|first| !["CMD", "CMD-SHELL", "NONE"].contains(&&**first))
        {
            let at = service.healthcheck.as_ref().and_then(|check| check.at.clone());
            let message =
                "healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"";
            self.say(at.unwrap_or_else(|| service.at.clone()), message.to_owned());
        }
        let all = self.tree.get("services").and_then(Node::as_map);
        for (other, dependency) in &service.depends_on {
            let exists = all.is_some_and(|all| all.contains_key(other));
            if self.services.contains_key(other) || (exists && !dependency.required) {
                continue;
            }
            let what = format!("{quoted} depends on undefined service {other:?}");
            let entry = node.as_map().and_then(|map| map.get("depends_on"));
            match entry {
                Some(entry) => self.invalid(entry.key, &what),
                None => self.say(service.at.clone(), format!("{what}: invalid compose project")),
            }
        }
        for mount in &service.volumes {
            if mount.kind == MountKind::Volume
                && let Some(source) = &mount.source
                && !self.declared("volumes", source)
            {
                let message = format!(
                    "{quoted} refers to undefined volume {source}: invalid compose project"
                );
                self.say(mount.at.clone(), message);
            }
        }
        self.references(&quoted, node);
        self.scale(name, node);
        self.mounts(name, service);
    }

    fn build(&mut self, name: &str, service: &Node, build: &Node) {
        let text = |key: &str| field(build, key).filter(|text| !text.is_empty());
        if text("dockerfile").is_some() && text("dockerfile_inline").is_some() {
            let what = format!(
                "service {name:?} declares mutualy exclusive dockerfile and dockerfile_inline"
            );
            self.invalid(build.pos, &what);
        }
        for (context, _, target) in entries(build.get("additional_contexts")) {
            let text = target.scalar().unwrap_or_default();
            let Some(other) = text.strip_prefix("service:") else { continue };
            let fault = match self.services.get(other) {
                Some(known) if known.build.is_some() => continue,
                Some(_) => "non-buildable",
                None => "unknown",
            };
            let message = format!(
                "service {name:?} declares {fault} service {other:?} as additional contexts {context}"
            );
            self.say(self.sources.at(target.pos), message);
        }
        let platforms = list(build.get("platforms"));
        if let Some(platform) = field(service, "platform").filter(|platform| !platform.is_empty())
            && !platforms.is_empty()
            && !platforms.contains(&platform)
        {
            let what =
                format!("service.build.platforms MUST include service.platform {platform:?}");
            self.invalid(build.pos, &what);
        }
        for secret in items(build, "secrets") {
            let source = secret.scalar().or_else(|| field(secret, "source")).unwrap_or_default();
            if !self.declared("secrets", &source) {
                let what = format!("service {name:?} refers to undefined build secret {source}");
                self.invalid(secret.pos, &what);
            }
        }
    }

    fn networks(&mut self, quoted: &str, name: &str, node: &Node) {
        let Some(networks) = node.get("networks") else { return };
        let used: Vec<String> = match networks.as_map() {
            Some(map) => map.keys().cloned().collect(),
            None => list(Some(networks)),
        };
        let mode = field(node, "network_mode").is_some_and(|mode| !mode.is_empty());
        if mode && !used.is_empty() {
            let what =
                format!("service {name} declares mutually exclusive `network_mode` and `networks`");
            self.invalid(networks.pos, &what);
        }
        for network in used {
            if network != "default" && !self.declared("networks", &network) {
                let what = format!("{quoted} refers to undefined network {network}");
                self.invalid(networks.pos, &what);
            }
        }
    }

    /// Secrets, configs and models.
    fn references(&mut self, quoted: &str, node: &Node) {
        for (section, word) in [("configs", "config"), ("secrets", "secret")] {
            for item in items(node, section) {
                let source = item.scalar().or_else(|| field(item, "source")).unwrap_or_default();
                if !self.declared(section, &source) {
                    let what = format!("{quoted} refers to undefined {word} {source}");
                    self.invalid(item.pos, &what);
                }
            }
        }
        let Some(models) = node.get("models") else { return };
        let used: Vec<String> = match models.as_map() {
            Some(map) => map.keys().cloned().collect(),
            None => list(Some(models)),
        };
        for model in used {
            if !self.declared("models", &model) {
                let what = format!("{quoted} refers to undefined model {model}");
                self.invalid(models.pos, &what);
            }
        }
    }

    /// How many there are of a service, and how much they may take.
    fn scale(&mut self, name: &str, node: &Node) {
        let pos = node.pos;
        let number = |path: &[&str]| -> Option<f64> {
            let found = path.iter().try_fold(node, |node, key| node.get(key))?;
            found.scalar()?.parse().ok()
        };
        let limits = |key: &'static str| ["deploy", "resources", "limits", key];
        let deploy = node.get("deploy").is_some_and(|deploy| !deploy.is_null());
        let replicas = number(&["deploy", "replicas"]);
        if let (Some(scale), Some(replicas)) = (number(&["scale"]), replicas)
            && (scale - replicas).abs() > f64::EPSILON
        {
            let what = format!(
                "services.{name}: can't set distinct values on 'scale' and 'deploy.replicas'"
            );
            self.invalid(pos, &what);
        }
        for (key, below, other) in [
            ("cpus", limits("cpus"), "deploy.resources.limits.cpus"),
            ("mem_limit", limits("memory"), "deploy.resources.limits.memory"),
            (
                "mem_reservation",
                ["deploy", "resources", "reservations", "memory"],
                "deploy.resources.reservations.memory",
            ),
            ("pids_limit", limits("pids"), "deploy.resources.limits.pids"),
        ] {
            let section = node.get("deploy").and_then(|it| it.get("resources"));
            let section = section.and_then(|resources| resources.get(below[2]));
            let own = number(&[key]).filter(|own| own.abs() > 0.0);
            if let Some(own) = own
                && deploy
                && section.is_some()
                && (own - number(&below).unwrap_or(0.0)).abs() > 1e-6
            {
                let what =
                    format!("services.{name}: can't set distinct values on '{key}' and '{other}'");
                self.invalid(pos, &what);
            }
        }
        let (attribute, count) = match number(&["scale"]) {
            Some(scale) => ("scale", Some(scale)),
            None => ("deploy.replicas", replicas),
        };
        if count.is_some_and(|count| count > 1.0)
            && field(node, "container_name").is_some_and(|name| !name.is_empty())
        {
            let what = format!(
                "services.{attribute}: can't set container_name and {name} as container name must be unique"
            );
            self.invalid(pos, &what);
        }
        for watch in node.get("develop").map(|develop| items(develop, "watch")).unwrap_or_default()
        {
            let action = field(watch, "action").unwrap_or_default();
            let target = field(watch, "target").unwrap_or_default();
            if target.is_empty() && !["rebuild", "restart"].contains(&action.as_str()) {
                let what = format!(
                    "services.{name}.develop.watch: target is required for non-rebuild actions"
                );
                self.invalid(watch.pos, &what);
            }
        }
    }

    /// One path is mounted once.
    fn mounts(&mut self, name: &str, service: &Service) {
        let mut seen: BTreeMap<&str, String> = BTreeMap::new();
        let tmpfs = service.tmpfs.iter().enumerate().map(|(index, path)| {
            let target = path.value.split(':').next().unwrap_or_default();
            (target, format!("services.{name}.tmpfs[{index}]"), path.at.clone())
        });
        let volumes = service.volumes.iter().enumerate().map(|(index, mount)| {
            let place = format!("services.{name}.volumes[{index}]");
            (mount.target.as_str(), place, Some(mount.at.clone()))
        });
        for (target, place, at) in tmpfs.chain(volumes) {
            if let Some(first) = seen.get(target) {
                let message = format!("{place}: target {target} already mounted as {first}");
                self.say(at.unwrap_or_else(|| service.at.clone()), message);
            }
            seen.insert(target, place);
        }
    }

    fn secrets(&mut self) {
        for (name, key, node) in entries(self.tree.get("secrets")) {
            let external = flag(node.get("external"));
            let text = |way: &str| field(node, way).is_some_and(|text| !text.is_empty());
            if !external && !text("file") && !text("environment") {
                let what = format!("secret {name:?} must declare either `file` or `environment`");
                self.invalid(key, &what);
            }
        }
    }

    /// Whether services wait for each other in a circle. Each service is walked once.
    fn cycles(&mut self) {
        let services = self.services;
        let mut done: BTreeSet<&str> = BTreeSet::new();
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for start in services.keys() {
            // A stack of services and of the dependencies of each that are still to be walked.
            let mut path: Vec<(&str, Vec<&str>)> = Vec::new();
            let waits = |name: &str| -> Vec<&str> {
                let service = services.get(name);
                service
                    .map(|it| it.depends_on.keys().map(String::as_str).rev().collect())
                    .unwrap_or_default()
            };
            if !done.contains(start.as_str()) {
                path.push((start, waits(start)));
                open.insert(start);
            }
            while let Some((name, rest)) = path.last_mut() {
                let Some(next) = rest.pop() else {
                    done.insert(name);
                    open.remove(name);
                    path.pop();
                    continue;
                };
                if open.contains(next)
                    && let Some(from) = path.iter().position(|(name, _)| *name == next)
                {
                    let mut round: Vec<&str> =
                        path.iter().skip(from).map(|(name, _)| *name).collect();
                    round.push(next);
                    let message = format!("dependency cycle detected: {}", round.join(" -> "));
                    if let Some(service) = services.get(next) {
                        self.say(service.at.clone(), message);
                    }
                    return;
                }
                if !done.contains(next) {
                    open.insert(next);
                    path.push((next, waits(next)));
                }
            }
        }
    }
}
