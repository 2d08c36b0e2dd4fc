//! Whether a changed file describes the same project, except for the intended change.
//!
//! The text is all that is known: variables are unset, or all have one value with which the file
//! makes sense. A file that needs other files is judged by its tree alone, and not at all if a
//! service in it extends another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value as Json, json};

use super::{Refusal, tree};
use crate::compose::{
    self, ErrorKind, Errors, FileError, Files, Mount, MountKind, Project, Request, Variable,
    VariableSource, Volume,
};

/// The intended change.
pub(super) enum IntendedChange<'c> {
    /// The service mounts the volume `key` at `target`, and not what was there, nor that volume
    /// elsewhere unless it did before.
    Mount { service: &'c str, key: &'c str, target: &'c str },
    /// The volume is declared.
    Declare { key: &'c str, adopt: Option<&'c str> },
    /// The service gets the variable from outside.
    Passed { service: &'c str, name: &'c str },
    /// The service has no such variable.
    Gone { service: &'c str, name: &'c str },
}

/// Compares the projects of two texts.
pub(super) fn check(old: &str, new: &str, change: &IntendedChange<'_>) -> Result<(), Refusal> {
    let names = variables(old);
    let guessed = |text: &str| {
        let mut guesses = [None, Some("1"), Some("a"), Some("/a"), Some("1s")].into_iter();
        guesses.find_map(|value| {
            let environment: BTreeMap<String, String> = match value {
                None => BTreeMap::new(),
                Some(value) => names.iter().map(|name| (name.clone(), value.to_owned())).collect(),
            };
            Some((load(text, &environment, change).ok()?, environment))
        })
    };
    let without_effect = || Refusal::at(1, "the change would not have the intended effect");
    let Some((before, environment)) = guessed(old) else {
        // An empty `volumes:` is refused by Compose: the edit may be what makes the file one of
        // Compose's.
        return match guessed(new) {
            Some((after, _)) if !holds(None, &after, change) => Err(without_effect()),
            _ => without_project(new),
        };
    };
    let after = load(new, &environment, change).map_err(|errors| {
        let first = errors.first();
        let line = first.at.as_ref().map_or(1, |at| at.line);
        Refusal::at(line, format!("Compose would reject the changed file: {}", first.message))
    })?;
    if shown(&before, change) != shown(&after, change) {
        return Err(Refusal::at(1, "the change would change other parts of the project, too"));
    }
    if holds(Some(&before), &after, change) { Ok(()) } else { Err(without_effect()) }
}

/// What Compose says to a text that is not YAML: it locates a tab better than the parser.
pub(super) fn syntax(text: &str) -> Option<Refusal> {
    let errors =
        load(text, &BTreeMap::new(), &IntendedChange::Gone { service: "", name: "" }).err()?;
    let first = errors.first();
    let at = first.at.as_ref().filter(|_| first.kind == ErrorKind::Syntax)?;
    Some(Refusal::at(at.line, format!("the file is not valid YAML: {}", first.message)))
}

/// The tree was compared already: it says everything, unless a service takes over what another
/// says.
fn without_project(new: &str) -> Result<(), Refusal> {
    let tree = tree::parse(new)?;
    let extends = tree.root.find(&mut |node| node.get("extends").map(|_| ()));
    match extends {
        None => Ok(()),
        Some(()) => Err(Refusal::at(1, "a service extends one that is not in this file")),
    }
}

/// The names that the text's variables have.
fn variables(text: &str) -> BTreeSet<String> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)").expect("a pattern of this file is valid")
    });
    NAME.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str().to_owned())).collect()
}

const FILE: &str = "/project/compose.yaml";
const DECLARATION: &str = "/project/declaration.yaml";

/// The file, a second one that declares the volume, and env files with nothing in them.
struct Texts<'t> {
    file: &'t str,
    declaration: String,
}

impl Files for Texts<'_> {
    fn read(&self, path: &Path) -> Result<String, FileError> {
        if path == Path::new(FILE) {
            Ok(self.file.to_owned())
        } else if path == Path::new(DECLARATION) {
            Ok(self.declaration.clone())
        } else {
            Ok(String::new())
        }
    }

    fn exists(&self, path: &Path) -> bool {
        path == Path::new(FILE) || path == Path::new(DECLARATION)
    }

    fn is_dir(&self, _: &Path) -> bool {
        false
    }
}

fn load(
    text: &str,
    environment: &BTreeMap<String, String>,
    change: &IntendedChange<'_>,
) -> Result<Project, Errors> {
    let mut files = vec![PathBuf::from(FILE)];
    let mut declaration = String::new();
    if let IntendedChange::Mount { key, .. } | IntendedChange::Declare { key, .. } = change {
        // The mount and the declaration are two edits: each is judged as if the other were made.
        let tree = tree::parse(text).ok();
        let is_declared = tree.is_some_and(|tree| {
            tree.root.get("volumes").is_some_and(|volumes| volumes.index(key).is_some())
        });
        if !is_declared {
            files.push(PathBuf::from(DECLARATION));
            declaration = format!("volumes: {{\"{key}\": {{}}}}\n");
        }
    }
    let request = Request {
        directory: PathBuf::from("/project"),
        files,
        project_name: Some("project".to_owned()),
        profiles: vec!["*".to_owned()],
        environment: environment.clone(),
        ..Request::default()
    };
    compose::load(&request, &Texts { file: text, declaration })
}

/// The project without what is meant to change.
fn shown(project: &Project, change: &IntendedChange<'_>) -> Json {
    let mut project = project.clone();
    match change {
        IntendedChange::Mount { service, key, target } => {
            if let Some(service) = project.services.get_mut(*service) {
                service.volumes.retain(|mount| {
                    mount.target != *target && mount.source.as_deref() != Some(key)
                });
            }
            // Whether it is used is not the same before and after.
        }
        IntendedChange::Declare { key, .. } => {
            project.volumes.remove(*key);
            project.unused_volumes.remove(*key);
        }
        IntendedChange::Passed { service, name } | IntendedChange::Gone { service, name } => {
            if let Some(service) = project.services.get_mut(*service) {
                service.environment.remove(*name);
            }
        }
    }
    let mut shown = compose::to_json(&project, &|_, value| value.into());
    for (name, service) in &project.services {
        let variables: Map<String, Json> =
            service.environment.iter().map(|(name, it)| (name.clone(), source(it))).collect();
        let tmpfs: Vec<&String> = service.tmpfs.iter().map(|path| &path.value).collect();
        shown["more"][name] = json!({
            "sources": variables,
            "tmpfs": tmpfs,
            "container_name": service.container_name.as_ref().map(|name| &name.value),
            "restart": service.restart.as_ref().map(|restart| &restart.value),
        });
    }
    let volumes = project.volumes.iter().chain(&project.unused_volumes);
    let volumes: Map<String, Json> =
        volumes.map(|(key, volume)| (key.clone(), declared(volume))).collect();
    shown["volumes"] = Json::Object(volumes);
    shown
}

fn source(variable: &Variable) -> Json {
    match &variable.source {
        VariableSource::Literal => json!("literal"),
        VariableSource::Interpolated { from } => {
            from.iter().map(|(name, _)| Json::from(name.as_str())).collect()
        }
        VariableSource::EnvFile => json!("env_file"),
        VariableSource::Passthrough => json!("passed"),
    }
}

fn declared(volume: &Volume) -> Json {
    json!({
        "name": volume.name.value,
        "external": volume.external,
        "driver": volume.driver,
        "driver_opts": volume.driver_opts,
        "labels": volume.labels,
    })
}

/// Whether the new project has what is meant.
fn holds(before: Option<&Project>, after: &Project, change: &IntendedChange<'_>) -> bool {
    let variable = |service: &str, name: &str| {
        after.services.get(service).map(|service| service.environment.get(name))
    };
    match change {
        IntendedChange::Mount { service, key, target } => {
            let Some(is) = after.services.get(*service) else { return false };
            let was = before.and_then(|before| before.services.get(*service));
            let over: Vec<&Mount> =
                is.volumes.iter().filter(|mount| mount.target == *target).collect();
            let [mount] = over.as_slice() else { return false };
            let elsewhere =
                |mount: &&Mount| mount.target != *target && mount.source.as_deref() == Some(key);
            // A mount elsewhere is an old one.
            let is_old = |mount: &Mount| {
                was.is_none_or(|was| {
                    was.volumes.iter().filter(elsewhere).any(|old| old.target == mount.target)
                })
            };
            mount.kind == MountKind::Volume
                && mount.source.as_deref() == Some(key)
                && is.volumes.iter().filter(elsewhere).all(is_old)
        }
        IntendedChange::Declare { key, adopt } => {
            let volumes = [&after.volumes, &after.unused_volumes];
            let volume = volumes.iter().find_map(|volumes| volumes.get(*key));
            volume.is_some_and(|volume| match adopt {
                None => true,
                Some(name) => volume.external && volume.name.value == *name,
            })
        }
        IntendedChange::Passed { service, name } => match variable(service, name) {
            Some(Some(Variable { source: VariableSource::Passthrough, .. })) => true,
            Some(Some(Variable { source: VariableSource::Interpolated { from }, .. })) => {
                matches!(from.as_slice(), [(one, _)] if one == name)
            }
            _ => false,
        },
        // An env file that is not seen may set it.
        IntendedChange::Gone { service, name } => {
            variable(service, name).is_some_and(|it| it.is_none())
        }
    }
}
