//! The compose project whose files a container of this directory names in its labels, where the
//! files that Compose would read here have no container.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::docker::{Listing, MadeFrom};
use super::super::texts::FileTexts;
use super::super::{ProjectRequest, files};
use super::{ComposeRead, read_as};
use crate::evidence::compose::ComposeFound;

/// Reads the project of the backend's container that was made in this directory from other files;
/// `None` where Compose's own choice has a container, or `-f`, `-p` or `--project-directory` name
/// a project.
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
    if made.iter().any(|one| wanted.project == Some(one.project.as_str())) {
        return None;
    }
    let here = files::real(directory);
    let read = first.files_read();
    let is_read = |file: &String| {
        read.iter().any(|other| files::real(Path::new(other)) == files::real(Path::new(file)))
    };
    let fits = |one: &&MadeFrom| {
        let files_here = |file: &String| {
            let path = Path::new(file);
            files::exists(path) && files::real(path).starts_with(&here)
        };
        !one.files.is_empty() && one.files.iter().all(files_here) && !one.files.iter().all(is_read)
    };
    let container = made.iter().filter(fits).max_by_key(|one| (one.is_running, one.created_at))?;
    let mut as_made = ProjectRequest {
        compose_files: container.files.iter().map(PathBuf::from).collect(),
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
    let (container, instead) = (container.container.clone(), first.files_read());
    found.found_instead(ComposeFound::Label { container, instead }, first);
    Some(found)
}
