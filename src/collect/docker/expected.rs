//! Which backend Compose would run for this project. Compose adopts a container by its labels
//! `project` and `service` alone (`docker compose ps -a` lists it, wherever its files were); the
//! labels with files and directory only tell which files made it (docs/facts.md, docker-adoption).

use super::WantedObjects;
use crate::evidence::docker::Container;

/// The name of the expected container: the right service, running before stopped, the newest of
/// several.
pub(super) fn expected(backends: &[Container], wanted: &WantedObjects<'_>) -> Option<String> {
    backends
        .iter()
        .filter(|backend| belongs(backend.labels.project.as_deref(), wanted))
        .filter(|backend| {
            wanted.service.is_none_or(|service| backend.labels.service.as_deref() == Some(service))
        })
        .max_by_key(|backend| (backend.is_running(), backend.life.created_at))
        .map(|backend| backend.name.clone())
}

/// Whether a container with that label is of the wanted project.
pub(super) fn belongs(project: Option<&str>, wanted: &WantedObjects<'_>) -> bool {
    wanted.project.is_some() && project == wanted.project
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::docker::{ContainerLabels, ContainerLife};

    #[test]
    fn project_and_service_decide_as_for_compose() {
        let wanted = WantedObjects {
            project: Some("app"),
            service: Some("backend"),
            ..WantedObjects::default()
        };
        let container = |project: &str, file: &str, dir: &str, service: &str, state: &str| {
            let owned = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            Container {
                name: format!("{state}-{service}"),
                labels: ContainerLabels {
                    project: owned(project),
                    config_files: owned(file).into_iter().collect(),
                    working_dir: owned(dir),
                    service: owned(service),
                    ..ContainerLabels::default()
                },
                life: ContainerLife { state: state.into(), ..ContainerLife::default() },
                ..Container::default()
            }
        };
        for (case, project, file, dir, service, expected) in [
            ("all agree", "app", "/app/compose.yaml", "/app", "backend", true),
            ("the file was renamed", "app", "/app/docker-compose.yml", "/app", "backend", true),
            ("the directory was moved", "app", "/old/compose.yaml", "/old", "backend", true),
            ("through a symbolic link", "app", "/link/compose.yaml", "/link", "backend", true),
            ("no labels of files", "app", "", "", "backend", true),
            ("another project", "old", "/app/compose.yaml", "/app", "backend", false),
            ("another service", "app", "/app/compose.yaml", "/app", "other", false),
            ("not by compose", "", "", "", "", false),
        ] {
            let found =
                super::expected(&[container(project, file, dir, service, "exited")], &wanted);
            assert_eq!(found.is_some(), expected, "{case}");
        }
        let both: Vec<_> = ["running", "exited"]
            .map(|state| container("app", "/app/compose.yaml", "/app", "backend", state))
            .into();
        assert_eq!(super::expected(&both, &wanted).as_deref(), Some("running-backend"));
    }
}
