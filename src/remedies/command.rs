//! The commands of remedies.

use crate::evidence::Evidence;
use crate::evidence::docker::Container;
use crate::report::{Command, ComposeCommand, ComposeVerb};

/// `docker compose VERB` for this project, with `-f` only for files that Compose would not find
/// itself.
pub(crate) fn compose(evidence: &Evidence, verb: ComposeVerb) -> Command {
    Command::Compose(ComposeCommand { files: named_files(evidence), project: None, verb })
}

/// The same for the project of that name.
pub(crate) fn compose_of(evidence: &Evidence, project: &str, verb: ComposeVerb) -> Command {
    let project = Some(project.to_owned());
    Command::Compose(ComposeCommand { files: named_files(evidence), project, verb })
}

/// Creates or recreates the containers, and starts them.
pub(crate) fn up(evidence: &Evidence) -> Command {
    compose(evidence, ComposeVerb::Up(None))
}

/// The same for one service.
pub(crate) fn up_service(evidence: &Evidence, service: &str) -> Command {
    compose(evidence, ComposeVerb::Up(Some(service.to_owned())))
}

/// The end of a container's log.
pub(crate) fn logs(container: &str) -> Command {
    Command::docker(["logs", "--tail", "50", container])
}

/// How to recreate the container with what is configured, which `restart` does not do.
pub(crate) fn recreate(evidence: &Evidence, container: &Container) -> Command {
    match &container.labels.service {
        Some(service) => up_service(evidence, service),
        None => restart(container),
    }
}

/// How to start it again with its current environment.
pub(crate) fn restart(container: &Container) -> Command {
    Command::docker(["restart", &container.name])
}

/// The compose files, if Compose would not find them itself; convex-doctor accepts the same.
pub(crate) fn named_files(evidence: &Evidence) -> Vec<String> {
    const FOUND: &[&str] =
        &["compose", "docker-compose", "compose.override", "docker-compose.override"];
    let Ok(Some(project)) = evidence.compose.seen() else { return vec![] };
    let inside = format!("{}/", project.directory.trim_end_matches('/'));
    let files: Vec<&str> =
        project.files.iter().map(|file| file.strip_prefix(&inside).unwrap_or(file)).collect();
    let found = |file: &&str| {
        let stem = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml"));
        stem.is_some_and(|stem| FOUND.contains(&stem))
    };
    if files.iter().all(found) { vec![] } else { files.into_iter().map(str::to_owned).collect() }
}

/// `convex-doctor WORDS` for the same compose files.
pub(crate) fn doctor<'a>(evidence: &Evidence, words: impl IntoIterator<Item = &'a str>) -> Command {
    let files = named_files(evidence);
    let files = files.iter().flat_map(|file| ["-f", file]);
    Command::doctor(words.into_iter().collect::<Vec<_>>().into_iter().chain(files))
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
            assert_eq!(up(&evidence), expected);
        }
    }
}
