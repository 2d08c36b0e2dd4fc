//! From the merged tree to the model: names, profiles, environments, and what only holds of the whole project.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::discover::{self, Found, Reader};
use super::dotenv::{self, Sets};
use super::environment::{Environment, Overlay};
use super::error::{Error, ErrorKind, Errors, WarningKind};
use super::interpolate::{self, Variables};
use super::layers::{self, Level, Parsed};
use super::merge;
use super::model::{
    Dependency, Healthcheck, Mount, MountKind, NameSource, Port, Project, Service, Variable,
    VariableSource, Volume,
};
use super::source::{Files, Pos, Sources, Spanned};
use super::tree::{Map, Node, Value};
use super::{Request, duration, words};

/// Reads the project that `docker compose` would run.
///
/// # Errors
/// What Compose would stop at; several faults at once where they do not follow from each other.
pub fn load(request: &Request, files: &dyn Files) -> Result<Project, Errors> {
    let mut reader = Reader { files, sources: Sources::default(), warnings: Vec::new() };
    let mut found = discover::find(request, &mut reader)?;
    let mut parsed = Vec::new();
    for path in &found.files {
        parsed.push(layers::parse(path, &mut reader)?);
    }
    let (name, name_source) = project_name(request, &found, &parsed, &reader)?;
    found.environment.set("COMPOSE_PROJECT_NAME", name.value.clone());
    let mut level = Level {
        environment: &found.environment,
        directory: &found.directory,
        home: request.home.as_deref(),
        stack: Vec::new(),
        extended: BTreeMap::new(),
    };
    let tree = layers::model(parsed, &mut level, &mut reader)?;
    let decoder = Decoder { environment: &found.environment, project: &name.value };
    decoder.project(&tree, name.clone(), name_source, &found, &mut reader)
}

/// `-p`, then COMPOSE_PROJECT_NAME, then the last file's `name:`, then the directory.
fn project_name(
    request: &Request,
    found: &Found,
    parsed: &[Parsed],
    reader: &Reader<'_>,
) -> Result<(Spanned<String>, NameSource), Errors> {
    let checked = |name: &str, at: Option<Pos>| {
        let at = at.map(|pos| reader.sources.at(pos));
        if name.is_empty() || discover::normalize(name) != name {
            return Err(Errors::one(ErrorKind::Invalid, at, discover::bad_name(name)));
        }
        Ok(Spanned { value: name.to_owned(), at })
    };
    if let Some(name) = request.project_name.as_deref().filter(|name| !name.is_empty()) {
        return Ok((checked(name, None)?, NameSource::Flag));
    }
    let variable = found.environment.lookup("COMPOSE_PROJECT_NAME");
    if let Some((name, at)) = variable.filter(|(name, _)| !name.is_empty()) {
        return Ok((checked(name, at)?, NameSource::Variable));
    }
    let written = parsed
        .iter()
        .flat_map(|file| &file.documents)
        .filter_map(|document| document.root.get("name"))
        .rfind(|node| node.as_text().is_some_and(|text| !text.is_empty()));
    if let Some(node) = written {
        let text = node.as_text().unwrap_or_default();
        let filled = interpolate::fill(text, &found.environment).map(|filled| filled.text);
        let name = filled.unwrap_or_else(|_| text.to_owned());
        if !name.is_empty() {
            return Ok((checked(&name, Some(node.pos))?, NameSource::File));
        }
    }
    let name = discover::normalize(&discover::base(&found.directory));
    Ok((checked(&name, None)?, NameSource::Directory))
}

struct Decoder<'a> {
    environment: &'a Environment,
    project: &'a str,
}

impl Decoder<'_> {
    fn project(
        &self,
        tree: &Node,
        name: Spanned<String>,
        name_source: NameSource,
        found: &Found,
        reader: &mut Reader<'_>,
    ) -> Result<Project, Errors> {
        let nothing = Map::new();
        let services = tree.get("services").and_then(Node::as_map).unwrap_or(&nothing);
        let declared = tree.get("volumes").and_then(Node::as_map).unwrap_or(&nothing);
        Errors::check(consistency(services, declared, &reader.sources))?;

        let mut enabled = BTreeMap::new();
        let mut disabled = BTreeSet::new();
        for (key, entry) in services {
            let profiles = texts(entry.node.get("profiles"));
            let on = profiles.is_empty()
                || profiles
                    .iter()
                    .any(|one| found.profiles.iter().any(|it| it == one || it == "*"));
            if on {
                enabled.insert(key.clone(), self.service(entry.key, &entry.node, reader)?);
            } else {
                disabled.insert(key.clone());
            }
        }
        let mut volumes = BTreeMap::new();
        let mut unused_volumes = BTreeMap::new();
        for (key, entry) in declared {
            let volume = self.volume(key, entry.key, &entry.node, reader);
            let used = enabled.values().any(|service| {
                let mut mounts = service.volumes.iter();
                mounts.any(|mount| {
                    mount.kind == MountKind::Volume && mount.source.as_deref() == Some(key)
                })
            });
            if used {
                volumes.insert(key.clone(), volume);
            } else {
                unused_volumes.insert(key.clone(), volume);
            }
        }
        let block = tree.as_map().and_then(|map| map.get("volumes"));
        let own: BTreeSet<&PathBuf> = found.files.iter().chain(&found.env_files).collect();
        Ok(Project {
            name,
            name_source,
            directory: found.directory.clone(),
            files: found.files.clone(),
            included_files: reader
                .sources
                .all()
                .filter(|path| !own.contains(path) && is_yaml(path))
                .collect(),
            env_files: found.env_files.clone(),
            services: enabled,
            disabled,
            volumes,
            unused_volumes,
            volumes_block: block.map(|entry| reader.sources.at(entry.key)),
            warnings: std::mem::take(&mut reader.warnings),
        })
    }

    fn service(&self, key: Pos, node: &Node, reader: &mut Reader<'_>) -> Result<Service, Errors> {
        let environment = self.service_environment(node, reader)?;
        let sources = &reader.sources;
        let block = |name: &str| node.as_map()?.get(name).map(|entry| sources.at(entry.key));
        let spanned = |name: &str| {
            let node = node.get(name)?;
            Some(Spanned { value: node.scalar()?, at: Some(sources.at(node.pos)) })
        };
        let mut tmpfs = Vec::new();
        if let Some(node) = node.get("tmpfs") {
            let items = node.as_list().map_or_else(|| vec![node], |list| list.iter().collect());
            tmpfs.extend(items.into_iter().filter_map(|item| {
                Some(Spanned { value: item.scalar()?, at: Some(sources.at(item.pos)) })
            }));
        }
        let build = node.get("build").and_then(|node| {
            let map = node.as_map()?;
            Some((node, map))
        });
        Ok(Service {
            at: sources.at(key),
            image: spanned("image"),
            build_args: match build {
                Some((_, map)) => match map.get("args") {
                    Some(entry) => self.variables(&entry.node, sources),
                    None => BTreeMap::new(),
                },
                None => BTreeMap::new(),
            },
            build: build.map(|(node, map)| Spanned {
                value: build_of(map),
                at: Some(sources.at(node.pos)),
            }),
            entrypoint: command(node.get("entrypoint"), sources)?,
            command: command(node.get("command"), sources)?,
            environment,
            volumes: list(node.get("volumes")).iter().map(|item| mount(item, sources)).collect(),
            ports: list(node.get("ports")).iter().map(|item| port(item, sources)).collect(),
            network_mode: spanned("network_mode"),
            tmpfs,
            profiles: texts(node.get("profiles")),
            labels: labels(node.get("labels"), sources),
            depends_on: dependencies(node.get("depends_on")),
            healthcheck: healthcheck(node, sources)?,
            container_name: spanned("container_name"),
            restart: spanned("restart"),
            environment_block: block("environment"),
            volumes_block: block("volumes"),
        })
    }

    /// `env_file` in order, and `environment` over it, a bare name that is set nowhere included (`facts/docker.md` finding 6).
    fn service_environment(
        &self,
        node: &Node,
        reader: &mut Reader<'_>,
    ) -> Result<BTreeMap<String, Variable>, Errors> {
        let own = match node.get("environment") {
            Some(node) => self.variables(node, &reader.sources),
            None => BTreeMap::new(),
        };
        let set: BTreeMap<String, String> = own
            .iter()
            .filter_map(|(name, variable)| Some((name.clone(), variable.value.clone()?)))
            .collect();
        let mut all = BTreeMap::new();
        for item in list(node.get("env_file")) {
            let Some(path) = item.get("path").and_then(Node::scalar) else { continue };
            let path = PathBuf::from(path);
            let required =
                !matches!(item.get("required").map(|node| &node.value), Some(Value::Bool(false)));
            let there = reader.files.exists(&path);
            if !there && !required {
                continue;
            }
            let at = Some(reader.sources.at(item.pos));
            let text = reader.files.read(&path).map_err(|error| {
                let message = if there {
                    format!("failed to read {}: {error}", path.display())
                } else {
                    let path = path.display();
                    format!("env file {path} not found: stat {path}: {error}")
                };
                Errors::one(ErrorKind::Unreadable, at, message)
            })?;
            let file = reader.sources.number(&path);
            let mut sets = Sets::new();
            let overlay = Overlay { first: self.environment, second: &set };
            let raw = item.get("format").and_then(Node::as_text) == Some("raw");
            let unset = if raw {
                dotenv::parse_raw(&text, file, &overlay, &mut sets).map(|()| Vec::new())
            } else {
                dotenv::parse(&text, file, &overlay, &mut sets)
            };
            let unset = unset.map_err(|fault| reader.env_fault(&path, file, &fault))?;
            reader.warn_unset(unset);
            for (name, set) in sets {
                let variable = Variable {
                    value: Some(set.value),
                    at: reader.sources.at(set.pos),
                    origin: None,
                    source: VariableSource::EnvFile,
                };
                all.insert(name, variable);
            }
        }
        all.extend(own);
        Ok(all)
    }

    /// The variables of an `environment:` or of build arguments, a bare name looked up.
    fn variables(&self, node: &Node, sources: &Sources) -> BTreeMap<String, Variable> {
        let mut variables = BTreeMap::new();
        for item in merge::sequence(node.clone()) {
            let Some(text) = item.scalar() else { continue };
            let at = sources.at(item.pos);
            let used = item.used.as_deref().unwrap_or_default();
            let Some((name, value)) = text.split_once('=') else {
                let (value, origin) = match self.environment.lookup(&text) {
                    Some((value, origin)) => (Some(value.to_owned()), origin),
                    None => (None, None),
                };
                let origin = origin.map(|pos| sources.at(pos));
                let source = VariableSource::Passthrough;
                variables.insert(text, Variable { value, at, origin, source });
                continue;
            };
            let origin = match used {
                [only] => only.origin.map(|pos| sources.at(pos)),
                _ => None,
            };
            let source = if used.is_empty() {
                VariableSource::Literal
            } else {
                VariableSource::Interpolated {
                    from: used
                        .iter()
                        .map(|one| (one.name.clone(), one.origin.map(|pos| sources.at(pos))))
                        .collect(),
                }
            };
            let value = Some(value.to_owned());
            variables.insert(name.to_owned(), Variable { value, at, origin, source });
        }
        variables
    }

    fn volume(&self, key: &str, pos: Pos, node: &Node, reader: &mut Reader<'_>) -> Volume {
        let text = |name: &str| node.get(name).and_then(Node::scalar);
        let external = node.get("external");
        let legacy = external.and_then(|node| node.get("name"));
        if let Some(legacy) = legacy {
            let message = format!(
                "volumes.{key}: external.name is deprecated. Please set name and external: true"
            );
            reader.warn(WarningKind::Deprecated, Some(legacy.pos), message);
        }
        let is_external = legacy.is_some()
            || matches!(external.map(|node| &node.value), Some(Value::Bool(true) | Value::Map(_)))
            || external.and_then(Node::as_text) == Some("true");
        let named = node.get("name").or(legacy);
        let name = named.and_then(Node::scalar).unwrap_or_else(|| {
            if is_external { key.to_owned() } else { format!("{}_{key}", self.project) }
        });
        Volume {
            at: reader.sources.at(pos),
            name: Spanned { value: name, at: named.map(|node| reader.sources.at(node.pos)) },
            external: is_external,
            driver: text("driver"),
            driver_opts: pairs(node.get("driver_opts")),
            labels: pairs(node.get("labels")),
        }
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn list(node: Option<&Node>) -> &[Node] {
    node.and_then(Node::as_list).unwrap_or_default()
}

fn texts(node: Option<&Node>) -> Vec<String> {
    list(node).iter().filter_map(Node::scalar).collect()
}

/// A map of scalars, or a list of `KEY=value`; null is nothing.
fn pairs(node: Option<&Node>) -> BTreeMap<String, String> {
    let items = node.map(|node| merge::sequence(node.clone())).unwrap_or_default();
    items
        .iter()
        .filter_map(Node::scalar)
        .map(|text| match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (text, String::new()),
        })
        .collect()
}

fn labels(node: Option<&Node>, sources: &Sources) -> BTreeMap<String, Spanned<String>> {
    let items = node.map(|node| merge::sequence(node.clone())).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| {
            let text = item.scalar()?;
            let (key, value) = text.split_once('=').unwrap_or((&text, ""));
            let at = Some(sources.at(item.pos));
            Some((key.to_owned(), Spanned { value: value.to_owned(), at }))
        })
        .collect()
}

/// A command as words; an empty list is one of its own, null is the image's.
fn command(node: Option<&Node>, sources: &Sources) -> Result<Option<Spanned<Vec<String>>>, Errors> {
    let Some(node) = node.filter(|node| !node.is_null()) else { return Ok(None) };
    let at = sources.at(node.pos);
    let value = match &node.value {
        Value::List(list) => list.iter().filter_map(Node::scalar).collect(),
        _ => {
            let text = node.scalar().unwrap_or_default();
            words::split(&text)
                .ok_or_else(|| Errors::one(ErrorKind::Invalid, Some(at.clone()), words::INVALID))?
        }
    };
    Ok(Some(Spanned { value, at: Some(at) }))
}

fn flag(node: Option<&Node>) -> bool {
    match node.map(|node| &node.value) {
        Some(Value::Bool(value)) => *value,
        Some(Value::Text(text)) => text == "true",
        _ => false,
    }
}

fn mount(node: &Node, sources: &Sources) -> Mount {
    let text = |name: &str| node.get(name).and_then(Node::scalar);
    let kind = match text("type").as_deref() {
        Some("volume") | None => MountKind::Volume,
        Some("bind") => MountKind::Bind,
        Some("tmpfs") => MountKind::Tmpfs,
        Some(other) => MountKind::Other(other.to_owned()),
    };
    let mut options = serde_json::Map::new();
    for name in ["bind", "volume", "tmpfs", "consistency"] {
        if let Some(node) = node.get(name) {
            options.insert(name.to_owned(), option_json(name, node));
        }
    }
    let under = |section: &str, name: &str| node.get(section).and_then(|node| node.get(name));
    Mount {
        at: sources.at(node.pos),
        kind,
        source: text("source").filter(|source| !source.is_empty()),
        target: text("target").unwrap_or_default(),
        read_only: flag(node.get("read_only")),
        no_copy: flag(under("volume", "nocopy")),
        subpath: under("volume", "subpath").and_then(Node::scalar),
        create_host_path: flag(under("bind", "create_host_path")),
        options,
    }
}

/// The options of a mount as `config` prints them: sizes as texts of bytes, what is false left out.
fn option_json(name: &str, node: &Node) -> serde_json::Value {
    let Some(map) = node.as_map() else { return plain(node) };
    let mut out = serde_json::Map::new();
    for (key, entry) in map {
        let value = match (name, key.as_str()) {
            ("tmpfs", "size") => entry
                .node
                .scalar()
                .map_or(serde_json::Value::Null, |text| bytes(&text).unwrap_or(text).into()),
            _ => plain(&entry.node),
        };
        if value != serde_json::Value::Bool(false) && !key.starts_with("x-") {
            out.insert(key.clone(), value);
        }
    }
    out.into()
}

/// `1m` as a number of bytes, in units of 1024 as Docker counts them.
fn bytes(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let shift = match unit.trim().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<i128>() {
        return Some((whole << shift).to_string());
    }
    let number: f64 = number.parse().ok()?;
    let factor = 2f64.powi(shift);
    Some(format!("{:.0}", (number * factor).trunc()))
}

fn port(node: &Node, sources: &Sources) -> Port {
    let text = |name: &str| node.get(name).and_then(Node::scalar).filter(|text| !text.is_empty());
    Port {
        at: sources.at(node.pos),
        host_ip: text("host_ip"),
        published: text("published"),
        target: text("target").and_then(|target| target.parse().ok()).unwrap_or(0),
        protocol: text("protocol").unwrap_or_else(|| "tcp".to_owned()),
        mode: text("mode").unwrap_or_else(|| "ingress".to_owned()),
        name: text("name"),
        app_protocol: text("app_protocol"),
    }
}

fn dependencies(node: Option<&Node>) -> BTreeMap<String, Dependency> {
    let nothing = Map::new();
    let map = node.and_then(Node::as_map).unwrap_or(&nothing);
    map.iter()
        .map(|(name, entry)| {
            let node = &entry.node;
            let condition = node.get("condition").and_then(Node::scalar);
            let required = node.get("required");
            let dependency = Dependency {
                condition: condition.unwrap_or_else(|| "service_started".to_owned()),
                restart: flag(node.get("restart")),
                required: required.is_none_or(|node| flag(Some(node))),
            };
            (name.clone(), dependency)
        })
        .collect()
}

fn healthcheck(service: &Node, sources: &Sources) -> Result<Option<Healthcheck>, Errors> {
    let Some(entry) = service.as_map().and_then(|map| map.get("healthcheck")) else {
        return Ok(None);
    };
    let node = &entry.node;
    if node.as_map().is_none() {
        return Ok(None);
    }
    let time = |name: &str| -> Result<Option<String>, Errors> {
        let Some(node) = node.get(name) else { return Ok(None) };
        let Some(text) = node.scalar() else { return Ok(None) };
        duration::normalize(&text)
            .map(Some)
            .map_err(|message| Errors::one(ErrorKind::Invalid, Some(sources.at(node.pos)), message))
    };
    let test = match node.get("test").map(|node| &node.value) {
        None | Some(Value::Null) => None,
        Some(Value::List(list)) => Some(list.iter().filter_map(Node::scalar).collect()),
        Some(value) => Some(vec!["CMD-SHELL".to_owned(), value.print().unwrap_or_default()]),
    };
    Ok(Some(Healthcheck {
        at: Some(sources.at(entry.key)),
        test,
        timeout: time("timeout")?,
        interval: time("interval")?,
        retries: node.get("retries").and_then(Node::scalar).and_then(|text| text.parse().ok()),
        start_period: time("start_period")?,
        start_interval: time("start_interval")?,
        disable: flag(node.get("disable")),
    }))
}

/// A build section as `config` prints it, without its arguments.
fn build_of(map: &Map) -> serde_json::Map<String, serde_json::Value> {
    let mut out = serde_json::Map::new();
    for (key, entry) in map {
        if key == "args" || key.starts_with("x-") || entry.node.is_null() {
            continue;
        }
        let value = match key.as_str() {
            "labels" | "additional_contexts" => {
                serde_json::to_value(pairs(Some(&entry.node))).unwrap_or(serde_json::Value::Null)
            }
            "secrets" => list(Some(&entry.node)).iter().map(secret_of).collect(),
            _ => plain(&entry.node),
        };
        out.insert(key.clone(), value);
    }
    if !out.contains_key("dockerfile") && !out.contains_key("dockerfile_inline") {
        out.insert("dockerfile".to_owned(), "Dockerfile".into());
    }
    out
}

fn secret_of(node: &Node) -> serde_json::Value {
    match node.as_text() {
        Some(name) => serde_json::json!({"source": name, "target": name}),
        None => plain(node),
    }
}

/// A tree as plain JSON.
fn plain(node: &Node) -> serde_json::Value {
    use serde_json::Value as Json;
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => i64::try_from(*value).map_or(Json::Null, Json::from),
        Value::Float(value) => Json::from(*value),
        Value::Text(text) | Value::Timestamp(text) => Json::String(text.clone()),
        Value::List(list) => list.iter().map(plain).collect(),
        Value::Map(map) => map
            .iter()
            .map(|(key, entry)| (key.clone(), plain(&entry.node)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// What only holds of the whole: every service can be made, every volume and every dependency is declared.
fn consistency(services: &Map, volumes: &Map, sources: &Sources) -> Vec<Error> {
    let mut found = Vec::new();
    let mut say = |pos: Pos, message: String| {
        let message = format!("{message}: invalid compose project");
        found.push(Error { message, at: Some(sources.at(pos)), kind: ErrorKind::Invalid });
    };
    for (name, entry) in services {
        let node = &entry.node;
        let empty = |key: &str| node.get(key).is_none_or(Node::is_null);
        if empty("image") && empty("build") && empty("provider") {
            say(
                entry.key,
                format!("service {name:?} has neither an image nor a build context specified"),
            );
        }
        for item in list(node.get("volumes")) {
            let of_volume = item.get("type").and_then(Node::as_text) == Some("volume");
            let source = item.get("source").and_then(Node::as_text).filter(|it| !it.is_empty());
            if let Some(source) =
                source.filter(|source| of_volume && !volumes.contains_key(*source))
            {
                say(item.pos, format!("service {name:?} refers to undefined volume {source}"));
            }
        }
        let nothing = Map::new();
        let depends = node.get("depends_on").and_then(Node::as_map).unwrap_or(&nothing);
        for (other, entry) in depends {
            let required = entry.node.get("required").is_none_or(|node| flag(Some(node)));
            if required && !services.contains_key(other) {
                say(entry.key, format!("service {name:?} depends on undefined service {other:?}"));
            }
        }
        let depends_on_itself = depends.contains_key(name);
        if depends_on_itself {
            say(entry.key, format!("dependency cycle detected: {name} -> {name}"));
        }
    }
    found
}
