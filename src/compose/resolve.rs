//! From the tree to the model: names, defaults, environments, and whether everything that is
//! referred to exists.
//!
//! Source: compose-go `loader/normalize.go`, `loader/validate.go` and `types/project.go` as Compose
//! v2.40 carries them.

use std::collections::{BTreeMap, BTreeSet};

use super::consistent;
use super::discover::ProjectReader;
use super::environment::ServiceEnvironment;
use super::error::{Error, ErrorKind, Errors, MOST_ERRORS};
use super::model::{MountKind, Service, Volume};
use super::read::{entries, field, flag, list, pairs};
use super::source::{At, Pos, Spanned};
use super::tree::Node;

/// The services and volumes of a project.
#[derive(Default)]
pub(super) struct Resolved {
    pub(super) services: BTreeMap<String, Service>,
    pub(super) disabled: BTreeSet<String>,
    pub(super) volumes: BTreeMap<String, Volume>,
    pub(super) unused_volumes: BTreeMap<String, Volume>,
    pub(super) volumes_block: Option<At>,
}

/// Resolves a tree.
pub(super) fn resolve(
    tree: &Node,
    project: &str,
    profiles: &[String],
    environment: &ServiceEnvironment,
    reader: &mut ProjectReader<'_>,
) -> Result<Resolved, Errors> {
    let mut resolver = Resolver { environment, reader, found: Vec::new() };
    let volumes = resolver.volumes(tree, project);
    resolver.stop()?;
    let mut resolved = Resolved::default();
    let mut env_files = Vec::new();
    let profiles: BTreeSet<&str> = profiles.iter().map(String::as_str).collect();
    for (name, key, node) in entries(tree.get("services")) {
        let wanted = list(node.get("profiles"));
        let enabled = wanted.is_empty()
            || profiles.contains("*")
            || wanted.iter().any(|one| profiles.contains(one.as_str()));
        if !enabled {
            resolved.disabled.insert(name.clone());
            continue;
        }
        let service = resolver.service(key, node);
        resolver.within(key)?;
        env_files.push((name.clone(), node));
        resolved.services.insert(name.clone(), service);
    }
    resolver.stop()?;
    Errors::check(consistent::check(tree, &resolved.services, &resolver.reader.sources))?;
    for (name, node) in &env_files {
        if let Some(service) = resolved.services.get_mut(name) {
            resolver.env_files(node, service);
            resolver.within(node.pos)?;
        }
    }
    resolver.stop()?;
    for (name, node) in &env_files {
        if let Some(service) = resolved.services.get_mut(name) {
            resolver.label_files(node, service);
            resolver.within(node.pos)?;
        }
    }
    resolver.stop()?;
    Errors::check(consistent::container_names(&resolved.services))?;
    let used: BTreeSet<&str> = resolved
        .services
        .values()
        .flat_map(|service| &service.volumes)
        .filter(|mount| mount.kind == MountKind::Volume)
        .filter_map(|mount| mount.source.as_deref())
        .collect();
    let (volumes, unused) = volumes.into_iter().partition(|(key, _)| used.contains(key.as_str()));
    resolved.volumes = volumes;
    resolved.unused_volumes = unused;
    let block = tree.as_map().and_then(|map| map.get("volumes"));
    resolved.volumes_block = block.map(|entry| resolver.reader.sources.at(entry.key));
    Ok(resolved)
}

pub(super) struct Resolver<'a, 'f> {
    pub(super) environment: &'a ServiceEnvironment,
    pub(super) reader: &'a mut ProjectReader<'f>,
    pub(super) found: Vec<Error>,
}

impl Resolver<'_, '_> {
    fn stop(&mut self) -> Result<(), Errors> {
        Errors::check(std::mem::take(&mut self.found))
    }

    /// Whether no limit of this reader is met. What a service took is spent as it is made.
    fn within(&self, pos: Pos) -> Result<(), Errors> {
        self.reader.budget.check().map_err(|what| self.reader.exceeded(what, Some(pos)))
    }

    pub(super) fn at(&self, pos: Pos) -> At {
        self.reader.sources.at(pos)
    }

    pub(super) fn say(&mut self, at: At, message: String) {
        if self.found.len() >= MOST_ERRORS {
            return;
        }
        self.found.push(Error { message, at: Some(at), kind: ErrorKind::Invalid });
    }

    pub(super) fn spanned(&self, node: &Node, key: &str) -> Option<Spanned<String>> {
        let node = node.get(key)?;
        Some(Spanned { value: node.scalar()?, at: Some(self.at(node.pos)) })
    }

    /// A text that is not empty.
    pub(super) fn filled(&self, node: &Node, key: &str) -> Option<Spanned<String>> {
        self.spanned(node, key).filter(|text| !text.value.is_empty())
    }

    pub(super) fn block(&self, node: &Node, key: &str) -> Option<At> {
        node.as_map()?.get(key).map(|entry| self.at(entry.key))
    }

    fn volumes(&mut self, tree: &Node, project: &str) -> BTreeMap<String, Volume> {
        let mut volumes = BTreeMap::new();
        for (key, pos, node) in entries(tree.get("volumes")) {
            let at = self.at(pos);
            let external = flag(node.get("external"));
            let name = self.spanned(node, "name");
            let name = name.unwrap_or_else(|| Spanned {
                value: if external { key.clone() } else { format!("{project}_{key}") },
                at: None,
            });
            let options = entries(node.get("driver_opts"));
            let driver_opts = options
                .map(|(name, _, node)| (name.clone(), node.scalar().unwrap_or_default()))
                .collect();
            let labels = pairs(node.get("labels")).into_iter().map(|(key, value, _)| (key, value));
            let driver = field(node, "driver").filter(|driver| !driver.is_empty());
            let labels = labels.collect();
            let by_project = node.get("name").and_then(|name| self.reader.templates.get(&name.pos));
            let volume = Volume {
                by_project: by_project.and_then(|template| template.by_project.clone()),
                at,
                name,
                external,
                driver,
                driver_opts,
                device_is_relative: node
                    .get("driver_opts")
                    .and_then(|options| options.get("device"))
                    .is_some_and(|path| path.relative),
                labels,
            };
            volumes.insert(key.clone(), volume);
        }
        volumes
    }
}
