//! What the list of containers alone tells: which look like backends, which belong to the project,
//! who publishes what. Pure.

use bollard::models::ContainerSummary;

use super::{MadeFrom, WantedObjects, container, expected, recognise};
use crate::evidence::docker::{Companion, Container, ContainerState, Published};
use crate::names::{CONFIG_FILES_LABEL, ENVIRONMENT_FILE_LABEL, PROJECT_LABEL, SERVICE_LABEL};
use crate::secret::scrub;

/// More companions and ports than this are not listed.
const MOST_LISTED: usize = 500;

/// The containers to look into: this project's first, then those that run, then the newest.
pub(super) fn candidates<'a>(
    containers: &'a [ContainerSummary],
    wanted: &WantedObjects<'_>,
) -> Vec<(&'a ContainerSummary, String)> {
    let mut found: Vec<_> = containers
        .iter()
        .filter(|summary| !one_off(summary))
        .filter_map(|summary| {
            let by = recognise::backend(sight(summary)).or_else(|| {
                let service = wanted.service?;
                (label(summary, SERVICE_LABEL) == Some(service) && in_project(summary, wanted))
                    .then(|| format!("it is the service {service} of the compose file"))
            })?;
            Some((summary, by))
        })
        .collect();
    found.sort_by_key(|(summary, _)| {
        let running = is_running(summary);
        (!in_project(summary, wanted), !running, std::cmp::Reverse(summary.created))
    });
    found
}

/// The project's other containers, and any dashboard.
pub(super) fn companions(
    containers: &[ContainerSummary],
    backends: &[Container],
    wanted: &WantedObjects<'_>,
) -> Vec<Companion> {
    containers
        .iter()
        .filter(|summary| !one_off(summary))
        .filter(|summary| {
            let project = label(summary, PROJECT_LABEL);
            project.is_some() && project == wanted.project
                || recognise::is_dashboard(sight(summary))
        })
        .filter(|summary| !backends.iter().any(|backend| backend.name == name_of(summary)))
        .take(MOST_LISTED)
        .map(|summary| Companion {
            name: name_of(summary),
            service: label(summary, SERVICE_LABEL).map(str::to_owned),
            image: summary.image.clone().unwrap_or_default(),
            state: state(summary),
            revision: label(summary, "org.opencontainers.image.revision").map(str::to_owned),
            dashboard: recognise::is_dashboard(sight(summary)),
        })
        .collect()
}

/// Every TCP port of the host that a container publishes now.
pub(super) fn published(containers: &[ContainerSummary]) -> Vec<Published> {
    let mut published: Vec<_> = containers
        .iter()
        .flat_map(|summary| {
            summary.ports.iter().flatten().filter_map(|port| {
                let tcp =
                    port.typ.is_none_or(|kind| matches!(kind.to_string().as_str(), "" | "tcp"));
                Some(Published {
                    host_port: port.public_port.filter(|port| tcp && *port != 0)?,
                    host_ip: container::host_ip(port.ip.as_deref()),
                    container_port: port.private_port,
                    container: name_of(summary),
                })
            })
        })
        .collect();
    published.sort_by(|a, b| {
        (a.host_port, &a.container, &a.host_ip).cmp(&(b.host_port, &b.container, &b.host_ip))
    });
    published.dedup();
    published.truncate(MOST_LISTED);
    published
}

pub(super) fn sight(summary: &ContainerSummary) -> recognise::Sight<'_> {
    recognise::Sight {
        image: summary.image.as_deref().unwrap_or_default(),
        command: summary.command.as_deref().unwrap_or_default(),
        labels: summary.labels.as_ref(),
    }
}

pub(super) fn label<'a>(summary: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    summary.labels.as_ref()?.get(name).map(String::as_str)
}

pub(super) fn config_files(summary: &ContainerSummary) -> Vec<String> {
    label(summary, CONFIG_FILES_LABEL)
        .map(|files| files.split(',').map(|file| file.trim().to_owned()).collect())
        .unwrap_or_default()
}

/// What its labels say that it was made from; `None` if Compose did not make it.
pub(super) fn made_from(summary: &ContainerSummary) -> Option<MadeFrom> {
    let env_files = label(summary, ENVIRONMENT_FILE_LABEL).unwrap_or_default();
    Some(MadeFrom {
        container: name_of(summary),
        project: label(summary, PROJECT_LABEL)?.to_owned(),
        files: config_files(summary),
        env_files: env_files.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
        is_running: is_running(summary),
        created_at: summary.created,
    })
}

pub(super) fn in_project(summary: &ContainerSummary, wanted: &WantedObjects<'_>) -> bool {
    expected::belongs(label(summary, PROJECT_LABEL), wanted)
}

/// A container of `docker compose run`: a helper, not the service.
pub(super) fn one_off(summary: &ContainerSummary) -> bool {
    label(summary, "com.docker.compose.oneoff").is_some_and(|v| v.eq_ignore_ascii_case("true"))
}

pub(super) fn is_running(summary: &ContainerSummary) -> bool {
    state(summary) == ContainerState::Running
}

pub(super) fn state(summary: &ContainerSummary) -> ContainerState {
    summary.state.map(|state| state.to_string().into()).unwrap_or_default()
}

/// The container's own name: not the one that a legacy link gives it, which holds a second slash.
pub(super) fn name_of(summary: &ContainerSummary) -> String {
    let names = summary.names.as_deref().unwrap_or_default();
    let own = names.iter().find(|name| !name.trim_start_matches('/').contains('/'));
    own.or(names.first()).map(|name| scrub(name.trim_start_matches('/'))).unwrap_or_default()
}
