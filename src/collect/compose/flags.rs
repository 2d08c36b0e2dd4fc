//! What Compose has to be told to run a project from a directory.

use std::path::{Path, PathBuf};

use super::super::{ProjectRequest, shown};
use crate::report::ComposeFlags;

/// The names that Compose looks for, without their ending.
const FOUND: [&str; 4] =
    ["compose", "docker-compose", "compose.override", "docker-compose.override"];

/// The flags as they were typed; without `-f`, the files that were read if Compose does not find
/// them by itself (COMPOSE_FILE).
pub(super) fn of(asked: &ProjectRequest, read: &[String], directory: &Path) -> ComposeFlags {
    let typed = |paths: &[PathBuf]| -> Vec<String> {
        paths.iter().map(|path| shown(path, directory)).collect()
    };
    let files = match asked.compose_files.as_slice() {
        [] if read.iter().all(|file| is_found(file)) => Vec::new(),
        [] => read.iter().map(|file| shown(Path::new(file), directory)).collect(),
        files => typed(files),
    };
    ComposeFlags {
        files,
        project: asked.project_name.clone(),
        directory: asked.project_directory.as_deref().map(|path| shown(path, directory)),
        env_files: typed(&asked.compose_env_files),
        profiles: asked.profiles.clone(),
    }
}

/// Whether Compose looks for a file of that name.
fn is_found(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let stem = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml"));
    stem.is_some_and(|stem| FOUND.contains(&stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_that_compose_does_not_look_for() {
        let flags = |typed: &[&str], read: &[&str]| {
            let asked = ProjectRequest {
                compose_files: typed.iter().map(PathBuf::from).collect(),
                ..ProjectRequest::default()
            };
            let read: Vec<String> = read.iter().map(|file| (*file).to_owned()).collect();
            of(&asked, &read, Path::new("/srv/app")).files
        };
        let none: [&str; 0] = [];
        assert_eq!(flags(&[], &["/srv/app/docker-compose.yml"]), none);
        assert_eq!(flags(&[], &["/srv/compose.yaml", "/srv/compose.override.yml"]), none);
        assert_eq!(flags(&[], &["/srv/app/self.yml", "/srv/b.yml"]), ["self.yml", "/srv/b.yml"]);
        assert_eq!(flags(&["compose.yaml"], &["/srv/app/compose.yaml"]), ["compose.yaml"]);
        assert_eq!(flags(&["/srv/app/infra/c.yml"], &["/srv/app/infra/c.yml"]), ["infra/c.yml"]);
    }
}
