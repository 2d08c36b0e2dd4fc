//! The compose project that a container of this directory names in its labels, where the one that
//! Compose would run here has no container, or was made from other files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::docker::{Listing, MadeFrom};
use super::super::texts::FileTexts;
use super::super::{ProjectRequest, files};
use super::{ComposeRead, read_as};
use crate::compose::NameSource;
use crate::evidence::compose::ComposeFound;

/// Reads the project of the backend's container that was made in this directory from other files,
/// or under another name; `None` where Compose's own choice has that container, or `-f`, `-p` or
/// `--project-directory` name a project.
pub(in crate::collect) fn named_by_a_container(
    first: &ComposeRead,
    asked: &ProjectRequest,
    listing: &Listing,
    directory: &Path,
    environment: &BTreeMap<String, String>,
    texts: &FileTexts,
) -> Option<ComposeRead> {
    let is_named = !asked.compose_files.is_empty()
        || asked.project_name.is_some()
        || asked.project_directory.is_some();
    if is_named || !listing.is_local() {
        return None;
    }
    let wanted = first.wanted();
    let made = listing.backends_made_from(&wanted);
    let of_project = |one: &&MadeFrom| wanted.project == Some(one.project.as_str());
    let here = files::real(directory);
    let read: Vec<PathBuf> =
        first.files_read().iter().map(|file| files::real(Path::new(file))).collect();
    let is_here = |one: &&MadeFrom| {
        let in_directory = |file: &String| {
            let path = Path::new(file);
            files::exists(path) && files::real(path).starts_with(&here)
        };
        !one.files.is_empty() && one.files.iter().all(in_directory)
    };
    let same_files =
        |one: &&MadeFrom| one.files.iter().all(|file| read.contains(&files::real(Path::new(file))));
    // Where nothing names the project, its name is the directory's; a container of these files
    // under another name was made with `-p`, or with COMPOSE_PROJECT_NAME in another shell.
    let by_directory =
        first.project.as_ref().is_ok_and(|it| it.name_source == NameSource::Directory);
    let latest = |fits: &dyn Fn(&&MadeFrom) -> bool| {
        let fitting = made.iter().filter(|one| is_here(one) && fits(one));
        fitting.max_by_key(|one| (one.is_running, one.created_at))
    };
    let container = if made.iter().any(|one| of_project(&one)) {
        // Of the containers that Compose adopts, the one that runs says which files made it.
        latest(&|one| of_project(one)).filter(|one| !same_files(one))
    } else {
        latest(&|one| !same_files(one)).or_else(|| latest(&|one| by_directory && same_files(one)))
    }?;
    let mut as_made = ProjectRequest {
        compose_files: if same_files(&container) {
            Vec::new()
        } else {
            container.files.iter().map(PathBuf::from).collect()
        },
        compose_env_files: match asked.compose_env_files.as_slice() {
            [] => container.env_files.iter().map(PathBuf::from).collect(),
            typed => typed.to_vec(),
        },
        ..asked.clone()
    };
    let read = |asked: &ProjectRequest| read_as(asked, directory, environment, texts);
    let mut found = read(&as_made);
    let name = found.project.as_ref().ok().map(|project| project.name.value.clone());
    if name.is_some_and(|name| name != container.project) {
        as_made.project_name = Some(container.project.clone());
        found = read(&as_made);
    }
    let mut found = match super::search::behind_profile(&found, &as_made, &read) {
        Some(found) => found,
        None => found,
    };
    if !found.has_backend() {
        return None;
    }
    let how = if same_files(&container) {
        let (container, project) = (container.container.clone(), container.project.clone());
        ComposeFound::ProjectName { container, project }
    } else {
        let (container, instead) = (container.container.clone(), first.files_read());
        ComposeFound::Label { container, instead }
    };
    found.found_instead(how, first);
    Some(found)
}
