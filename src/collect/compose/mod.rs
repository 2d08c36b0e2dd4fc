//! The compose project: read through [`crate::compose`], reduced to what checks ask, and what the
//! engine is asked for because of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::repository::CheckedFile;
use super::texts::FileTexts;
use super::{ProjectRequest, Request, docker, shown};
use crate::budget::{BACKEND_PARTS, EXCERPTS};
use crate::compose::{self, ErrorKind, Errors, Project};
use crate::deployment::compose::publishes;
use crate::deployment::endpoint::is_loopback;
use crate::evidence::Observation;
use crate::evidence::compose::{
    BackendService, ComposeFacts, ComposeFound, ComposeIssue, SourceLine,
};
use crate::evidence::key::SecretPlace;
use crate::names;
use crate::report::Columns;
use crate::secret::Secret;

mod flags;
mod labels;
mod network_mounts;
mod place;
mod reduce;
mod search;
mod services;
mod unresolved;

#[cfg(test)]
mod tests;

pub(super) use labels::named_by_a_container;

use place::place;

/// A compose project as it was read.
pub(super) struct ComposeRead {
    pub project: Result<Project, Errors>,
    pub facts: Observation<Option<ComposeFacts>>,
    /// The instance secrets that it holds.
    pub secrets: Vec<(Secret, SecretPlace)>,
}

/// Reads the project that has this directory's backend: the one that `docker compose` would run
/// here, else the one that a search finds, of several the one that `url` leads to.
pub(super) fn read(
    request: &Request,
    directory: &Path,
    environment: &BTreeMap<String, String>,
    texts: &FileTexts,
    url: Option<&str>,
) -> ComposeRead {
    let read = |asked: &ProjectRequest| read_as(asked, directory, environment, texts);
    let first = read(&request.project);
    if first.has_backend() || request.project.service.is_some() {
        return first;
    }
    let port = url.and_then(|url| url::Url::parse(url).ok()).and_then(|url| {
        url.host_str().is_some_and(is_loopback).then(|| url.port_or_known_default()).flatten()
    });
    search::elsewhere(&first, &request.project, directory, &read, texts, port).unwrap_or(first)
}

/// Reads the project that `docker compose` would run in `directory` with these flags.
pub(super) fn read_as(
    asked: &ProjectRequest,
    directory: &Path,
    environment: &BTreeMap<String, String>,
    texts: &FileTexts,
) -> ComposeRead {
    let project = load(asked, directory, environment, texts);
    let mut secrets = Vec::new();
    let facts = match &project {
        // That convex-doctor does not read all of it says nothing of what Compose does.
        Err(errors) if errors.is_limit() => {
            let first = errors.first();
            let at = first.at.as_ref().map(|at| place(at, directory));
            let at = at.map(|at| format!("{}:{}: ", at.file, at.line)).unwrap_or_default();
            let reason = crate::secret::sanitize(&format!("{at}{}", first.message));
            return ComposeRead { project, facts: Observation::unavailable(reason), secrets };
        }
        Ok(found) if reduce::parts_of_backends(found) > BACKEND_PARTS => {
            let reason = format!(
                "too large: its backends have more than {BACKEND_PARTS} variables, ports and mounts"
            );
            return ComposeRead { facts: Observation::unavailable(reason), project, secrets };
        }
        Ok(project) => {
            let service = asked.service.as_deref();
            let facts = reduce::reduce(project, directory, service, &mut secrets);
            let facts = in_values(facts, directory, texts);
            let own_name = asked.project_name.as_ref().and_then(|typed| {
                let unnamed = ProjectRequest { project_name: None, ..asked.clone() };
                let own = load(&unnamed, directory, environment, texts).ok()?.name.value;
                (own != *typed).then_some(own)
            });
            // A service may be behind a profile that is not asked for.
            let names_backend =
                facts.backends.is_empty() && unresolved::are_named(&project.files, texts);
            let flags = flags::of(asked, &facts.files, directory);
            Some(ComposeFacts { own_name, names_backend, flags, ..facts })
        }
        Err(errors) if errors.is_not_found() => None,
        Err(errors) => Some(ComposeFacts {
            directory: directory.display().to_string(),
            errors: issues(errors, directory, texts),
            flags: flags::of(asked, &[], directory),
            names_backend: unresolved::names_backend(asked, errors, directory, texts),
            ..ComposeFacts::default()
        }),
    };
    ComposeRead { project, facts: Observation::Seen(facts), secrets }
}

/// The project, with all that Compose makes of it.
pub(super) fn load(
    asked: &ProjectRequest,
    directory: &Path,
    environment: &BTreeMap<String, String>,
    texts: &FileTexts,
) -> Result<Project, Errors> {
    let request = compose::Request {
        directory: directory.to_owned(),
        files: asked.compose_files.clone(),
        project_name: asked.project_name.clone(),
        project_directory: asked.project_directory.clone(),
        env_files: asked.compose_env_files.clone(),
        profiles: asked.profiles.clone(),
        environment: environment.clone(),
        home: environment.get(names::HOME).map(PathBuf::from),
        deadline: texts.deadline(),
    };
    compose::load(&request, texts)
}

/// The errors, each with its line.
pub(super) fn issues(errors: &Errors, directory: &Path, texts: &FileTexts) -> Vec<ComposeIssue> {
    let line = |error: &compose::Error| {
        let at = error.at.as_ref()?;
        let text = texts.read(&at.file);
        let text = text.text()?;
        match error.kind {
            ErrorKind::Unreadable => {
                crate::foreign::excerpt_naming_file(text, at.line, at.column, &error.message)
            }
            _ => crate::foreign::excerpt(text, at.line, at.column),
        }
    };
    let issue = |(index, error): (usize, &compose::Error)| {
        // Each line is looked for from the beginning of its file.
        let line = if index < EXCERPTS { line(error) } else { None };
        ComposeIssue {
            // Some of Compose's sentences go over several lines.
            message: crate::secret::sanitize(
                &error.message.lines().map(str::trim).collect::<Vec<_>>().join(" "),
            ),
            at: error.at.as_ref().map(|at| place(at, directory)),
            variable: match &error.kind {
                ErrorKind::RequiredVariable { name } => Some(name.clone()),
                _ => None,
            },
            of_backend: false,
            in_value: false,
            line: line.map(|excerpt| SourceLine {
                text: excerpt.text,
                mark: Columns { start: excerpt.mark.start + 1, end: excerpt.mark.end + 1 },
            }),
        }
    };
    errors.iter().enumerate().map(issue).collect()
}

/// Marks the variables that are parts of values, and makes their names known to the scrubber: what
/// follows a `$` in a password is a part of the password.
fn in_values(mut facts: ComposeFacts, directory: &Path, texts: &FileTexts) -> ComposeFacts {
    for issue in &mut facts.warnings {
        let (Some(name), Some(at)) = (&issue.variable, &issue.at) else { continue };
        let text = texts.read(&directory.join(&at.file));
        let line = text.text().and_then(|text| text.lines().nth(at.line.saturating_sub(1)));
        if line.is_some_and(|line| is_part_of_value(line, name)) {
            drop(Secret::new(name.as_str()));
            issue.in_value = true;
            issue.variable = Some("***".to_owned());
            "a `$` in a value starts a variable that is not set".clone_into(&mut issue.message);
        }
    }
    facts
}

/// Whether `$name` stands in that line without braces right after a letter, a digit or a sign of a
/// password, or in the value of a variable whose name says that it is secret. A name in capitals
/// after other text is meant as a variable: `v$VERSION`.
fn is_part_of_value(line: &str, name: &str) -> bool {
    let is_capitals = !name.contains(|c: char| c.is_ascii_lowercase());
    let assigned = line.split(['=', ':']).next().unwrap_or_default();
    let assigned = assigned.trim_matches(|c: char| !(c.is_alphanumeric() || c == '_'));
    let is_secret = crate::foreign::names_a_secret(assigned);
    line.match_indices(&format!("${name}")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let is_glued = before.is_some_and(|c| c.is_alphanumeric() || "!@#%^&*.,+~?;<>".contains(c));
        is_glued && (is_secret || !is_capitals)
    })
}

impl ComposeRead {
    fn seen(&self) -> Option<&ComposeFacts> {
        self.facts.seen().ok().and_then(Option::as_ref)
    }

    /// Whether one of its backends publishes its API at that port of the host.
    fn publishes(&self, port: u16) -> bool {
        self.seen().is_some_and(|facts| facts.backends.iter().any(|it| publishes(it, port)))
    }

    fn has_backend(&self) -> bool {
        self.seen().is_some_and(|facts| !facts.backends.is_empty())
    }

    /// The files that were read, absolute.
    fn files_read(&self) -> Vec<String> {
        self.seen().map(|facts| facts.files.clone()).unwrap_or_default()
    }

    /// Notes how it was found, in place of the project of the files that Compose would read.
    fn found_instead(&mut self, found: ComposeFound, first: &Self) {
        self.found(found);
        if let (Observation::Seen(Some(facts)), Ok(plain)) = (&mut self.facts, &first.project) {
            facts.plain_project = Some(plain.name.value.clone());
        }
    }

    /// Notes how it was found.
    fn found(&mut self, found: ComposeFound) {
        if let Observation::Seen(Some(facts)) = &mut self.facts {
            facts.found.get_or_insert(found);
        }
    }

    /// What the engine is asked for.
    pub(super) fn wanted(&self) -> docker::WantedObjects<'_> {
        let facts = self.seen();
        let project = self.project.as_ref().ok();
        let volumes = facts.map(|facts| facts.volumes.as_slice()).unwrap_or_default();
        let backends = facts.map(|facts| facts.backends.as_slice()).unwrap_or_default();
        docker::WantedObjects {
            project: project.map(|project| project.name.value.as_str()),
            directory: facts.map(|facts| facts.directory.as_str()).filter(|_| project.is_some()),
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
