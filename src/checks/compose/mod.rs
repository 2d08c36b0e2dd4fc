//! The compose file: whether it can be read, which service is the backend, and what its environment
//! really says.

mod backend_services;
mod beacon_variable_empty;
mod compose_file;
mod environment;

use super::Check;
use crate::evidence::compose::{At, BackendService};
use crate::evidence::{ComposeFacts, Evidence, Unseen};
pub(crate) use crate::report::shell_word;
use crate::report::{Certainty, Location};

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &compose_file::CHECK,
    &compose_file::VARIABLES,
    &backend_services::CHECK,
    &environment::FALSE,
    &environment::NEVER_READ_CHECK,
    &beacon_variable_empty::CHECK,
];

/// The compose project; `None` where there is no compose file, `Err` where it could not be read, by
/// us or by Compose.
pub fn project(evidence: &Evidence) -> Result<Option<&ComposeFacts>, Unseen> {
    let Some(project) = evidence.compose.seen()? else { return Ok(None) };
    match project.errors.first() {
        Some(error) => {
            Err(Unseen { reason: format!("the compose file is invalid: {}", error.message) })
        }
        None => Ok(Some(project)),
    }
}

/// `docker compose …` as it is to be typed in the project's directory: with `-f` only for files
/// that Compose would not find itself.
pub fn command(evidence: &Evidence, arguments: &str) -> String {
    format!("docker compose{} {arguments}", file_flags(evidence))
}

/// ` -f FILE` for each compose file, where Compose would not find them itself; the doctor takes the
/// same.
pub fn file_flags(evidence: &Evidence) -> String {
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

/// Whether the place is in one of the project's compose files, and not in a file of variables.
pub(crate) fn is_in_a_file_of(project: &ComposeFacts, at: &At) -> bool {
    project.files.iter().any(|file| std::path::Path::new(file).ends_with(&at.file))
}

/// A place in a compose file.
pub fn location(at: &At) -> Location {
    Location::File {
        file: at.file.clone(),
        line: at.line,
        column: at.column,
        text: None,
        mark: None,
    }
}

/// Whether the service publishes that port of the host, once it runs.
pub fn publishes(service: &BackendService, port: u16) -> bool {
    service.network_mode.as_deref() == Some("host")
        || service.ports.iter().any(|it| it.published.as_deref() == Some(port.to_string().as_str()))
}

/// How surely `run_backend.sh` reads the environment of this service: an image of somebody else may
/// do as it likes.
fn runs_upstream(service: &BackendService) -> Option<Certainty> {
    match &service.image {
        _ if service.entrypoint_overridden => None,
        Some(image) if image.contains("get-convex/convex-backend") => Some(Certainty::Proven),
        _ => Some(Certainty::Likely),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::endpoint::build;

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
            assert_eq!(command(&evidence, "up -d"), expected);
        }
    }

    #[test]
    fn a_name_cannot_become_a_command() {
        assert_eq!(shell_word("backend-1.x"), "backend-1.x");
        assert_eq!(shell_word("a$(id)"), "'a$(id)'");
        assert_eq!(shell_word("a'b"), r"'a'\''b'");
    }
}
