//! The commands that remedies print.

use crate::evidence::Evidence;
use crate::evidence::docker::Container;
use crate::report::shell_word;

/// `docker VERB NAME`, as it is to be typed.
pub(crate) fn docker_command(verb: &str, container: &str) -> String {
    format!("docker {verb} {}", shell_word(container))
}

/// How to make Compose create the container anew, which `restart` does not do.
pub(crate) fn recreate(evidence: &Evidence, container: &Container) -> String {
    match &container.service {
        Some(service) => compose_command(evidence, &format!("up -d {}", shell_word(service))),
        None => restart(container),
    }
}

/// How to start it anew with the environment it has.
pub(crate) fn restart(container: &Container) -> String {
    format!("docker restart {}", shell_word(&container.name))
}

/// `docker compose …` as it is to be typed in the project's directory: with `-f` only for files
/// that Compose would not find itself.
pub(crate) fn compose_command(evidence: &Evidence, arguments: &str) -> String {
    format!("docker compose{} {arguments}", file_flags(evidence))
}

/// ` -f FILE` for each compose file, where Compose would not find them itself; the doctor takes the
/// same.
pub(crate) fn file_flags(evidence: &Evidence) -> String {
    const FOUND: &[&str] =
        &["compose", "docker-compose", "compose.override", "docker-compose.override"];
    let Ok(Some(project)) = evidence.compose.seen() else { return String::new() };
    let inside = format!("{}/", project.directory.trim_end_matches('/'));
    let files: Vec<_> =
        project.files.iter().map(|file| file.strip_prefix(&inside).unwrap_or(file)).collect();
    let found = |file: &&str| {
        let stem = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml"));
        stem.is_some_and(|stem| FOUND.contains(&stem))
    };
    if files.iter().all(found) {
        return String::new();
    }
    files.into_iter().map(|file| format!(" -f {}", shell_word(file))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn other_files_are_named_on_the_command_line() {
        for (files, expected) in [
            (vec!["/srv/app/docker-compose.yml"], "docker compose up -d"),
            (
                vec!["/srv/app/compose.yaml", "/srv/app/compose.override.yml"],
                "docker compose up -d",
            ),
            (vec!["/srv/app/self host.yml"], "docker compose -f 'self host.yml' up -d"),
            (
                vec!["/srv/app/docker-compose.yml", "/srv/prod.yml"],
                "docker compose -f docker-compose.yml -f /srv/prod.yml up -d",
            ),
        ] {
            let mut evidence = build::healthy();
            build::compose(&mut evidence).files = files.into_iter().map(str::to_owned).collect();
            assert_eq!(compose_command(&evidence, "up -d"), expected);
        }
    }

    #[test]
    fn a_name_cannot_become_a_command() {
        assert_eq!(shell_word("backend-1.x"), "backend-1.x");
        assert_eq!(shell_word("a$(id)"), "'a$(id)'");
        assert_eq!(shell_word("a'b"), r"'a'\''b'");
    }
}
