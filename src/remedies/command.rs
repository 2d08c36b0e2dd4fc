//! The commands of remedies.

use crate::evidence::Evidence;
use crate::evidence::docker::Container;
use crate::report::{Command, ComposeCommand, ComposeFlags, ComposeVerb};

/// `docker compose VERB` for this project, with the flags that it needs.
pub(crate) fn compose(evidence: &Evidence, verb: ComposeVerb) -> Command {
    Command::Compose(ComposeCommand { flags: flags(evidence), project: None, verb })
}

/// The same for the project of that name.
pub(crate) fn compose_of(evidence: &Evidence, project: &str, verb: ComposeVerb) -> Command {
    let project = Some(project.to_owned());
    Command::Compose(ComposeCommand { flags: flags(evidence), project, verb })
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

/// What Compose has to be told to run this project.
pub(crate) fn flags(evidence: &Evidence) -> ComposeFlags {
    let Ok(Some(project)) = evidence.compose.seen() else { return ComposeFlags::default() };
    project.flags.clone()
}

/// `convex-doctor WORDS` for the same compose project.
pub(crate) fn doctor<'a>(evidence: &Evidence, words: impl IntoIterator<Item = &'a str>) -> Command {
    let words = words.into_iter().map(str::to_owned);
    Command::Doctor(words.chain(flags(evidence).doctor_words()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn every_command_carries_the_flags_of_the_project() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let mut evidence = build::healthy();
        assert_eq!(up(&evidence), "docker compose up -d");
        build::compose(&mut evidence).flags = ComposeFlags {
            files: words(&["self host.yml"]),
            project: Some("app".to_owned()),
            directory: Some("/srv".to_owned()),
            env_files: words(&["prod.env"]),
            profiles: words(&["convex", "db"]),
        };
        assert_eq!(
            up(&evidence),
            "docker compose -f 'self host.yml' -p app --project-directory /srv --env-file prod.env \
             --profile convex --profile db up -d"
        );
        assert_eq!(
            doctor(&evidence, ["fix", "key-foreign", "--apply"]),
            "convex-doctor fix key-foreign --apply -f 'self host.yml' -p app --project-directory \
             /srv --compose-env-file prod.env --profile convex --profile db"
        );
        let other = compose_of(&evidence, "old", ComposeVerb::Down).to_string();
        assert!(other.contains(" -p old ") && !other.contains("-p app"), "{other}");
    }
}
