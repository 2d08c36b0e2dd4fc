//! The compose project: read through [`crate::compose`], reduced to what checks ask, and what the
//! engine is asked for because of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::repository::CheckedFile;
use super::texts::FileTexts;
use super::{Request, docker, shown};
use crate::compose::{self, ErrorKind, Errors, Project};
use crate::evidence::Observation;
use crate::evidence::compose::{BackendService, ComposeFacts, ComposeIssue, SourceLine};
use crate::evidence::key::SecretPlace;
use crate::report::Columns;
use crate::secret::Secret;

mod network_mounts;
mod place;
mod reduce;
mod services;
mod unresolved;

use place::place;

/// A compose project as it was read.
pub(super) struct ComposeRead {
    pub project: Result<Project, Errors>,
    pub facts: Observation<Option<ComposeFacts>>,
    /// The instance secrets that it holds.
    pub secrets: Vec<(Secret, SecretPlace)>,
}

/// Reads the project that `docker compose` would run in `directory`.
pub(super) fn read(
    request: &Request,
    directory: &Path,
    environment: &BTreeMap<String, String>,
    texts: &FileTexts,
) -> ComposeRead {
    let project = load(request, directory, environment, texts);
    let mut secrets = Vec::new();
    let facts = match &project {
        Ok(project) => Some(reduce::reduce(
            project,
            directory,
            request.project.service.as_deref(),
            &mut secrets,
        )),
        Err(errors) if errors.is_not_found() => None,
        Err(errors) => Some(ComposeFacts {
            directory: directory.display().to_string(),
            errors: issues(errors, directory, texts),
            names_backend: unresolved::names_backend(request, errors, directory, texts),
            ..ComposeFacts::default()
        }),
    };
    ComposeRead { project, facts: Observation::Seen(facts), secrets }
}

/// The project, with all that Compose makes of it.
pub(super) fn load(
    request: &Request,
    directory: &Path,
    environment: &BTreeMap<String, String>,
    texts: &FileTexts,
) -> Result<Project, Errors> {
    let asked = compose::Request {
        directory: directory.to_owned(),
        files: request.project.compose_files.clone(),
        project_name: request.project.project_name.clone(),
        project_directory: request.project.project_directory.clone(),
        env_files: request.project.compose_env_files.clone(),
        profiles: request.project.profiles.clone(),
        environment: environment.clone(),
        home: environment.get("HOME").map(PathBuf::from),
    };
    compose::load(&asked, texts)
}

/// The errors, each with its line.
pub(super) fn issues(errors: &Errors, directory: &Path, texts: &FileTexts) -> Vec<ComposeIssue> {
    let line = |at: &compose::At| {
        let text = texts.read(&at.file);
        crate::mask::excerpt(text.text()?, at.line, at.column)
    };
    errors
        .iter()
        .map(|error| ComposeIssue {
            // Some of Compose's sentences go over several lines.
            message: crate::secret::sanitize(
                &error.message.lines().map(str::trim).collect::<Vec<_>>().join(" "),
            ),
            at: error.at.as_ref().map(|at| place(at, directory)),
            variable: match &error.kind {
                ErrorKind::RequiredVariable { name } => Some(name.clone()),
                _ => None,
            },
            line: error.at.as_ref().and_then(line).map(|excerpt| SourceLine {
                text: excerpt.text,
                mark: Columns { start: excerpt.mark.start + 1, end: excerpt.mark.end + 1 },
            }),
        })
        .collect()
}

impl ComposeRead {
    fn seen(&self) -> Option<&ComposeFacts> {
        self.facts.seen().ok().and_then(Option::as_ref)
    }

    /// What the engine is asked for.
    pub(super) fn wanted(&self) -> docker::WantedObjects<'_> {
        let facts = self.seen();
        let project = self.project.as_ref().ok();
        let volumes = facts.map(|facts| facts.volumes.as_slice()).unwrap_or_default();
        let backends = facts.map(|facts| facts.backends.as_slice()).unwrap_or_default();
        docker::WantedObjects {
            project: project.map(|project| project.name.value.as_str()),
            config_files: facts.map(|facts| facts.files.as_slice()).unwrap_or_default(),
            working_dir: facts.map(|facts| facts.directory.as_str()).filter(|_| project.is_some()),
            service: facts.and_then(|facts| facts.chosen.as_deref()),
            data_volume_keys: data_volume_keys(backends),
            declared_volumes: volumes.iter().map(|volume| volume.name.clone()).collect(),
        }
    }

    /// The compose files and the `.env` files that were read; of a project in error, the files at
    /// fault.
    pub(super) fn files(&self, directory: &Path, texts: &FileTexts) -> Vec<CheckedFile> {
        let paths: Vec<(&Path, bool)> = match &self.project {
            Ok(project) => {
                let yaml = project.files.iter().chain(&project.included_files);
                let env = project.env_files.iter().map(|path| (path.as_path(), true));
                yaml.map(|path| (path.as_path(), false)).chain(env).collect()
            }
            Err(errors) => {
                let places = errors.iter().filter_map(|error| error.at.as_ref());
                let mut paths: Vec<_> = places.map(|at| (at.file.as_ref(), false)).collect();
                paths.dedup();
                paths
            }
        };
        let read = |(path, is_env): (&Path, bool)| {
            let text = texts.read(path).text()?.to_owned();
            Some(CheckedFile { name: shown(path, directory), text, is_env })
        };
        paths.into_iter().filter_map(read).collect()
    }
}

/// The keys of the volumes that the backends mount over their data or their credentials.
fn data_volume_keys(backends: &[BackendService]) -> Vec<String> {
    let over = |service: &BackendService| {
        [&service.data_dir, &service.credentials_dir]
            .into_iter()
            .filter_map(|path| service.mount_over(path))
            .filter(|mount| mount.is_volume())
            .filter_map(|mount| mount.source.clone())
            .collect::<Vec<String>>()
    };
    let mut keys: Vec<String> = backends.iter().flat_map(over).collect();
    keys.dedup();
    keys
}
