//! A service of the model, from its long forms.
//!
//! Source: compose-go `types/types.go` and `loader/normalize.go` as Compose v2.40 carries them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map as JsonMap, Value as Json, json};

use super::discover::PROJECT;
use super::interpolate::{Variables, Whole};
use super::merge::sequence;
use super::model::{
    Dependency, Healthcheck, Mount, MountKind, Port, Service, Variable, VariableSource,
};
use super::mount;
use super::read::{entries, field, flag, items, list, pairs};
use super::resolve::Resolver;
use super::source::{At, Pos, Spanned, clean};
use super::tree::{Map, Node, Used, Value};

/// What a variable of a service takes in memory.
pub(super) const VARIABLE: usize = 256;

/// A build section without its arguments.
type Build = Spanned<JsonMap<String, Json>>;

impl Resolver<'_, '_> {
    pub(super) fn service(&mut self, key: Pos, node: &Node) -> Service {
        let (build, build_args) = self.build(node);
        let environment = self.variables(node.get("environment"));
        let labels = pairs(node.get("labels"))
            .into_iter()
            .map(|(key, value, pos)| (key, Spanned { value, at: Some(self.at(pos)) }))
            .collect();
        let tmpfs = node.get("tmpfs").map(|node| sequence(node.clone())).unwrap_or_default();
        let tmpfs = tmpfs
            .iter()
            .filter_map(|item| Some(Spanned { value: item.scalar()?, at: Some(self.at(item.pos)) }))
            .collect();
        Service {
            at: self.at(key),
            image: self.filled(node, "image"),
            build,
            build_args,
            entrypoint: self.command(node, "entrypoint"),
            command: self.command(node, "command"),
            environment,
            volumes: items(node, "volumes").iter().map(|item| self.mount(item)).collect(),
            ports: self.ports(node),
            network_mode: self.filled(node, "network_mode"),
            tmpfs,
            profiles: list(node.get("profiles")),
            labels,
            depends_on: dependencies(node),
            healthcheck: self.healthcheck(node),
            container_name: self.filled(node, "container_name"),
            restart: self.filled(node, "restart"),
            working_dir: field(node, "working_dir").filter(|path| !path.is_empty()),
            unset: self.unset_in(node),
            environment_block: self.block(node, "environment"),
            volumes_block: self.block(node, "volumes"),
        }
    }

    /// The places in a service in which a variable that is set nowhere became nothing.
    fn unset_in(&self, node: &Node) -> BTreeSet<At> {
        let mut places = BTreeSet::new();
        node.places(&mut places);
        let is_unset = |pos: &&Pos| self.reader.unset.contains_key(pos);
        places.iter().filter(is_unset).map(|pos| self.at(*pos)).collect()
    }

    fn command(&self, node: &Node, key: &str) -> Option<Spanned<Vec<String>>> {
        let node = node.get(key).filter(|node| !node.is_null())?;
        Some(Spanned { value: list(Some(node)), at: Some(self.at(node.pos)) })
    }

    fn build(&self, service: &Node) -> (Option<Build>, BTreeMap<String, Variable>) {
        let Some(node) = service.get("build").filter(|node| !node.is_null()) else {
            return (None, BTreeMap::new());
        };
        let mut args = self.variables(node.get("args"));
        // Unlike an environment's, an argument that is set nowhere is not passed at all.
        args.retain(|_, variable| variable.value.is_some());
        let mut build = JsonMap::new();
        for (key, _, value) in entries(Some(node)) {
            let json = match key.as_str() {
                "args" => continue,
                "labels" | "additional_contexts" => {
                    let pairs = pairs(Some(value)).into_iter();
                    pairs.map(|(key, value, _)| (key, Json::from(value))).collect()
                }
                "no_cache" | "pull" | "privileged" if !flag(Some(value)) => Json::Null,
                "context" if value.as_text() == Some("") => Json::Null,
                "shm_size" | "provenance" | "sbom" => Json::from(value.scalar()),
                "extra_hosts" => hosts(value).into(),
                "ssh" => list(Some(value)).into(),
                _ => to_json(value),
            };
            let empty = json.as_array().is_some_and(Vec::is_empty)
                || json.as_object().is_some_and(JsonMap::is_empty)
                || json.as_str() == Some("");
            build.insert(key.clone(), if empty { Json::Null } else { json });
        }
        if !build.contains_key("dockerfile_inline") {
            build.entry("dockerfile").or_insert_with(|| Json::from("Dockerfile"));
        }
        (Some(Spanned { value: build, at: Some(self.at(node.pos)) }), args)
    }

    /// The entries of an `environment` (or `args`), each with its value and where it comes from.
    fn variables(&self, node: Option<&Node>) -> BTreeMap<String, Variable> {
        let mut variables = BTreeMap::new();
        match node.map(|node| &node.value) {
            Some(Value::Map(map)) => {
                for (name, entry) in map {
                    let pos = if entry.node.is_null() { entry.key } else { entry.node.pos };
                    let whole = self.reader.templates.get(&pos).and_then(|it| it.whole.as_ref());
                    let used = entry.node.used.as_deref().map(|used| (used, whole));
                    let variable = self.variable(name, entry.node.scalar(), pos, used);
                    variables.insert(name.clone(), variable);
                }
            }
            Some(Value::List(list)) => {
                for item in list {
                    let Some(text) = item.scalar() else { continue };
                    let (name, value) = match text.split_once('=') {
                        Some((name, value)) => (name, Some(value.to_owned())),
                        None => (text.as_str(), None),
                    };
                    // A mapping that was merged is a list, with the places of its values.
                    let template = self.reader.templates.get(&item.pos);
                    let whole =
                        template.and_then(|it| it.whole_entry.as_ref().or(it.whole.as_ref()));
                    let used = item.used.as_deref().map(|used| (used, whole));
                    let variable = self.variable(name, value, item.pos, used);
                    variables.insert(name.to_owned(), variable);
                }
            }
            _ => {}
        }
        variables
    }

    fn variable(
        &self,
        name: &str,
        value: Option<String>,
        pos: Pos,
        used: Option<(&[Used], Option<&Whole>)>,
    ) -> Variable {
        let at = self.at(pos);
        let value = value.map(|value| {
            let spent = self.reader.budget.bytes(VARIABLE + value.len());
            spent.map_or_else(|_| String::new(), |()| value)
        });
        let Some(value) = value else {
            let found = self.environment.lookup(name);
            let origin = found.and_then(|(_, pos)| pos).map(|pos| self.at(pos));
            let value = found.map(|(value, _)| value.to_owned());
            let spent = VARIABLE + value.as_ref().map_or(0, String::len);
            let value = value.filter(|_| self.reader.budget.bytes(spent).is_ok());
            let (variable, source) = (Some(name.to_owned()), VariableSource::Passthrough);
            return Variable { value, at, origin, variable, composed: false, source };
        };
        let Some((used, whole)) = used else {
            // A default in words is put in without any variable.
            let template = self.reader.templates.get(&pos);
            let whole = template.and_then(|it| it.whole.as_ref().or(it.whole_entry.as_ref()));
            let variable = whole.map(|whole| whole.variable.clone());
            let source = VariableSource::Literal;
            let (origin, composed) = (None, false);
            return Variable { value: Some(value), at, origin, variable, composed, source };
        };
        let from: Vec<(String, Option<At>)> = used
            .iter()
            .map(|used| (used.name.clone(), used.origin.map(|pos| self.at(pos))))
            .collect();
        let value_of = whole.and_then(|whole| whole.value_of.as_deref());
        let origin =
            from.iter().find(|(name, _)| value_of == Some(name)).and_then(|it| it.1.clone());
        let variable = value_of.or(whole.map(|whole| whole.variable.as_str())).map(str::to_owned);
        let source = VariableSource::Interpolated { from };
        let composed = value_of.is_none() && !value.is_empty();
        Variable { value: Some(value), at, origin, variable, composed, source }
    }

    fn mount(&self, node: &Node) -> Mount {
        let kind = match field(node, "type").as_deref() {
            Some("bind") => MountKind::Bind,
            Some("tmpfs") => MountKind::Tmpfs,
            Some("volume") | None => MountKind::Volume,
            Some(other) => MountKind::Other(other.to_owned()),
        };
        let mut options = JsonMap::new();
        for (key, _, value) in entries(Some(node)) {
            let fields = |change: fn(&str, &Node) -> Option<Json>| {
                let fields = entries(Some(value));
                fields
                    .filter(|(_, _, node)| node.as_text() != Some(""))
                    .filter_map(|(key, _, node)| Some((key.clone(), change(key, node)?)))
                    .collect()
            };
            let shown = match key.as_str() {
                "bind" => fields(|key, node| match key {
                    // Go leaves a false out.
                    "create_host_path" => flag(Some(node)).then_some(Json::Bool(true)),
                    _ => Some(to_json(node)),
                }),
                "volume" => fields(|key, node| match key {
                    "nocopy" => flag(Some(node)).then_some(Json::Bool(true)),
                    "labels" => {
                        let pairs = pairs(Some(node)).into_iter();
                        let shown = pairs.map(|(key, value, _)| (key, Json::from(value)));
                        Some(Json::Object(shown.collect())).filter(|it| *it != json!({}))
                    }
                    _ => Some(to_json(node)),
                }),
                "tmpfs" => fields(|key, node| match key {
                    "size" => node.scalar().map(Json::from),
                    _ => Some(to_json(node)),
                }),
                "consistency" if value.as_text() == Some("") => continue,
                "image" => fields(|_, node| Some(to_json(node))),
                "consistency" => to_json(value),
                _ => continue,
            };
            options.insert(key.clone(), shown);
        }
        let inside = |section: &str, key: &str| node.get(section).and_then(|node| node.get(key));
        Mount {
            at: self.at(node.pos),
            kind,
            source: field(node, "source").filter(|source| !source.is_empty()),
            target: field(node, "target").map(|path| clean(&path)).unwrap_or_default(),
            read_only: flag(node.get("read_only")),
            no_copy: flag(inside("volume", "nocopy")),
            subpath: inside("volume", "subpath").and_then(Node::scalar),
            relative: node.get("source").is_some_and(|path| path.relative),
            by_project: self.source_by_project(node),
            create_host_path: flag(inside("bind", "create_host_path")),
            options,
        }
    }

    /// The path of the host with [`PROJECT`] for the project's name, where that is a part of it.
    fn source_by_project(&self, node: &Node) -> Option<String> {
        let source = node.get("source")?;
        let text = self.reader.templates.get(&source.pos)?.by_project.as_deref()?;
        // The parts of the short form have its place.
        let written = if source.pos == node.pos {
            mount::parse_short(text).ok()?.source?
        } else {
            text.to_owned()
        };
        let name = self.environment.lookup("COMPOSE_PROJECT_NAME")?.0;
        let end = written.strip_prefix("./").unwrap_or(&written);
        let start = source.scalar()?.strip_suffix(&end.replace(PROJECT, name))?.to_owned();
        Some(start + end)
    }

    fn ports(&mut self, service: &Node) -> Vec<Port> {
        let mut ports = Vec::new();
        for node in items(service, "ports") {
            let text = |key: &str| field(node, key).filter(|text| !text.is_empty());
            // The long form's values are texts of their own.
            if entries(Some(node)).any(|(_, _, part)| self.reader.undecided.contains(&part.pos)) {
                self.reader.undecided.insert(node.pos);
            }
            let at = self.at(node.pos);
            let Some(target) = text("target").and_then(|target| target.parse().ok()) else {
                self.say(at, "invalid containerPort: not a port number".to_owned());
                continue;
            };
            ports.push(Port {
                at,
                host_ip: text("host_ip"),
                published: text("published"),
                target,
                protocol: field(node, "protocol").unwrap_or_else(|| "tcp".to_owned()),
                mode: field(node, "mode").unwrap_or_else(|| "ingress".to_owned()),
                name: text("name"),
                app_protocol: text("app_protocol"),
            });
        }
        ports
    }

    fn healthcheck(&self, node: &Node) -> Option<Healthcheck> {
        let at = self.block(node, "healthcheck")?;
        let node = node.get("healthcheck")?;
        let time = |key: &str| field(node, key);
        let (timeout, interval) = (time("timeout"), time("interval"));
        let (start_period, start_interval) = (time("start_period"), time("start_interval"));
        let test = node
            .get("test")
            .filter(|test| !test.is_null() && test.as_list().is_none_or(|list| !list.is_empty()))
            .map(|test| match &test.value {
                Value::Text(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
                _ => list(Some(test)),
            });
        Some(Healthcheck {
            at: Some(at),
            test,
            timeout,
            interval,
            retries: field(node, "retries").and_then(|retries| retries.parse().ok()),
            start_period,
            start_interval,
            disable: flag(node.get("disable")),
        })
    }
}

fn dependencies(node: &Node) -> BTreeMap<String, Dependency> {
    let mut waits = BTreeMap::new();
    for (name, _, node) in entries(node.get("depends_on")) {
        let dependency = Dependency {
            condition: field(node, "condition").unwrap_or_else(|| "service_started".to_owned()),
            restart: flag(node.get("restart")),
            required: node.get("required").is_none() || flag(node.get("required")),
        };
        waits.insert(name.clone(), dependency);
    }
    let mut imply = |name: &str, restart: bool| {
        waits.entry(name.to_owned()).or_insert_with(|| Dependency {
            condition: "service_started".to_owned(),
            restart,
            required: true,
        });
    };
    for link in list(node.get("links")) {
        imply(link.split(':').next().unwrap_or(&link), true);
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        if let Some(name) = field(node, key).as_deref().and_then(|it| it.strip_prefix("service:")) {
            imply(name, true);
        }
    }
    for from in list(node.get("volumes_from")) {
        if !from.starts_with("container:") {
            imply(from.split(':').next().unwrap_or(&from), false);
        }
    }
    waits
}

/// `NAME=ADDRESS` of each host, an IPv6 address without its brackets.
fn hosts(node: &Node) -> Vec<String> {
    let pair = |host: String| match host.split_once('=').or_else(|| host.split_once(':')) {
        Some((name, address)) => {
            let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            format!("{name}={}", bare.unwrap_or(address))
        }
        None => host,
    };
    let mut hosts: Vec<String> = list(Some(node)).into_iter().map(pair).collect();
    hosts.sort();
    hosts
}

/// A node as JSON.
fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => match i64::try_from(*value) {
            Ok(value) => Json::from(value),
            Err(_) => Json::from(value.to_string()),
        },
        Value::Float(value) => Json::from(*value),
        Value::Text(text) | Value::Timestamp(text) => Json::from(text.as_str()),
        Value::List(list) => list.iter().map(to_json).collect(),
        Value::Map(map) => json_map(map),
    }
}

fn json_map(map: &Map) -> Json {
    map.iter().map(|(key, entry)| (key.clone(), to_json(&entry.node))).collect()
}
