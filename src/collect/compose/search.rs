//! The compose project with the backend, where Compose, called in this directory without flags,
//! would run none: behind a profile, or in a file that Compose does not look for here.

use std::path::{Path, PathBuf};

use super::super::texts::FileTexts;
use super::super::{ProjectRequest, files, shown};
use super::{ComposeRead, reduce};
use crate::compose::Errors;
use crate::evidence::compose::ComposeFound;

/// How many levels of directories are searched.
const LEVELS: usize = 3;
/// So many directories at most, and so many names in each.
const DIRECTORIES: usize = 200;
const NAMES: usize = 400;
/// So many files at most are read as compose files.
const FILES: usize = 16;

/// What a compose file that Compose does not look for is called.
const WORDS: [&str; 6] = ["compose", "convex", "dokploy", "self-host", "selfhost", "stack"];
/// The names that Compose looks for, each with those laid over it.
const FOUND: [&str; 2] = ["compose", "docker-compose"];
/// Directories that hold another program's files, or none that run.
const SKIPPED: [&str; 14] = [
    "node_modules",
    "vendor",
    "target",
    "dist",
    "build",
    "out",
    "test",
    "tests",
    "__tests__",
    "fixtures",
    "example",
    "examples",
    "template",
    "templates",
];

/// Reads the project again as it has a backend; `None` if no such project is found. `port` is the
/// one of the selected URL, where that leads to this machine.
pub(super) fn elsewhere(
    first: &ComposeRead,
    asked: &ProjectRequest,
    directory: &Path,
    read: &dyn Fn(&ProjectRequest) -> ComposeRead,
    texts: &FileTexts,
    port: Option<u16>,
) -> Option<ComposeRead> {
    if let Some(found) = behind_profile(first, asked, read) {
        return Some(found);
    }
    // What is wrong with the file that Compose reads is said first.
    let is_readable = first.project.as_ref().map_or_else(Errors::is_not_found, |_| true);
    if !asked.compose_files.is_empty() || asked.project_directory.is_some() || !is_readable {
        return None;
    }
    let is_meant = |read: &ComposeRead| port.is_some_and(|port| read.publishes(port));
    // The one that the URL leads to, else the nearest; of the others only their names are kept.
    let mut nearest: Option<(String, ComposeRead)> = None;
    let mut others = Vec::new();
    for file in candidates(directory, texts) {
        let files = with_overrides(directory, &file);
        let as_file = ProjectRequest { compose_files: files, ..asked.clone() };
        let mut read_so = read(&as_file);
        if !read_so.has_backend() {
            let Some(behind) = behind_profile(&read_so, &as_file, read) else { continue };
            read_so = behind;
        }
        match &nearest {
            Some((_, known)) if is_meant(known) || !is_meant(&read_so) => {
                others.push((is_meant(&read_so), file));
            }
            _ => {
                let before = nearest.replace((file, read_so));
                others.splice(0..0, before.map(|(file, _)| (false, file)));
            }
        }
    }
    others.sort_by_key(|(is_meant, _)| !is_meant);
    let others = others.into_iter().map(|(_, file)| file).collect();
    let (_, mut nearest) = nearest?;
    nearest.found_instead(ComposeFound::Search { others, instead: first.files_read() }, first);
    Some(nearest)
}

/// The same files with the profile of a backend that is not enabled.
pub(super) fn behind_profile(
    first: &ComposeRead,
    asked: &ProjectRequest,
    read: &dyn Fn(&ProjectRequest) -> ComposeRead,
) -> Option<ComposeRead> {
    let disabled = first.project.as_ref().ok().map(|project| &project.disabled)?;
    if disabled.is_empty() {
        return None;
    }
    let all = read(&ProjectRequest { profiles: vec!["*".to_owned()], ..asked.clone() });
    let services = &all.project.as_ref().ok()?.services;
    let mut services = disabled.iter().filter_map(|name| services.get(name));
    let backend = services.find(|service| reduce::recognise(service).is_some())?;
    let profile = backend.profiles.first()?.clone();
    let profiles = asked.profiles.iter().cloned().chain([profile.clone()]).collect();
    let mut found = read(&ProjectRequest { profiles, ..asked.clone() });
    found.has_backend().then(|| {
        found.found(ComposeFound::Profile { profile });
        found
    })
}

/// The files that may be compose files with a backend, the nearest first, relative to `directory`.
fn candidates(directory: &Path, texts: &FileTexts) -> Vec<String> {
    let mut found = Vec::new();
    let mut level = vec![directory.to_owned()];
    let mut seen = 0;
    for _ in 0..=LEVELS {
        let mut next = Vec::new();
        for place in level {
            seen += 1;
            if seen > DIRECTORIES {
                return found;
            }
            for name in files::names(&place, NAMES) {
                let path = place.join(&name);
                if is_candidate(&name) && found.len() < FILES && names_convex(&path, texts) {
                    found.push(shown(&path, directory));
                } else if !name.starts_with('.')
                    && !SKIPPED.contains(&name.to_ascii_lowercase().as_str())
                    && files::is_own_dir(&path)
                {
                    next.push(path);
                }
            }
        }
        level = next;
    }
    found
}

fn is_candidate(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let stem = lower.strip_suffix(".yml").or_else(|| lower.strip_suffix(".yaml"));
    stem.is_some_and(|stem| {
        WORDS.iter().any(|word| stem.contains(word)) && !stem.ends_with(".override")
    })
}

/// Whether the file speaks of Convex at all: only then is it read as a compose file.
fn names_convex(path: &Path, texts: &FileTexts) -> bool {
    let text = texts.read(path);
    text.text().is_some_and(|text| text.to_ascii_lowercase().contains("convex"))
}

/// The file as typed, and those that Compose would lay over it in its directory.
fn with_overrides(directory: &Path, file: &str) -> Vec<PathBuf> {
    let path = Path::new(file);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let mut all = vec![path.to_owned()];
    if FOUND.contains(&stem) {
        let over = ["yml", "yaml"].map(|end| path.with_file_name(format!("{stem}.override.{end}")));
        all.extend(over.into_iter().find(|path| files::exists(&directory.join(path))));
    }
    all
}
