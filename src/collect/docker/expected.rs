//! Which backend Compose would run for this project: the one whose labels name the project, these
//! files and this directory. A project of the same name from elsewhere is another project.

use std::path::{Component, Path, PathBuf};

use super::WantedObjects;
use crate::evidence::docker::Container;

/// The name of the expected container: the right service, running before stopped, the newest of
/// several.
pub(super) fn expected(backends: &[Container], wanted: &WantedObjects<'_>) -> Option<String> {
    backends
        .iter()
        .filter(|backend| {
            belongs(
                backend.labels.project.as_deref(),
                &backend.labels.config_files,
                backend.labels.working_dir.as_deref(),
                wanted,
            )
        })
        .filter(|backend| {
            wanted.service.is_none_or(|service| backend.labels.service.as_deref() == Some(service))
        })
        .max_by_key(|backend| (backend.is_running(), backend.life.created_at))
        .map(|backend| backend.name.clone())
}

/// Whether labels speak of the wanted project.
pub(super) fn belongs(
    project: Option<&str>,
    config_files: &[String],
    working_dir: Option<&str>,
    wanted: &WantedObjects<'_>,
) -> bool {
    if wanted.project.is_none() || project != wanted.project {
        return false;
    }
    let files_agree = config_files.is_empty()
        || wanted.config_files.is_empty()
        // An override file that came or went leaves it the same project.
        || config_files.iter().any(|file| {
            wanted.config_files.iter().any(|other| normal(file) == normal(other))
        });
    let directories_agree = match (working_dir, wanted.working_dir) {
        (Some(label), Some(wanted)) => normal(label) == normal(wanted),
        _ => true,
    };
    // Labels that name no file and no directory name no project of this machine.
    files_agree && directories_agree && !(config_files.is_empty() && working_dir.is_none())
}

/// The path without `.`, `..` and doubled slashes, by its text alone.
fn normal(path: &str) -> PathBuf {
    let mut out = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::docker::{ContainerLabels, ContainerLife};

    #[test]
    fn labels_must_agree() {
        let files = ["/app/compose.yaml".to_owned()];
        let wanted = WantedObjects {
            project: Some("app"),
            config_files: &files,
            working_dir: Some("/app"),
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
            ("written otherwise", "app", "/app/./compose.yaml", "/app/", "backend", true),
            ("another file", "app", "/old/compose.yaml", "/app", "backend", false),
            ("another directory", "app", "/app/compose.yaml", "/old", "backend", false),
            ("another project", "old", "/app/compose.yaml", "/app", "backend", false),
            ("another service", "app", "/app/compose.yaml", "/app", "other", false),
            ("no labels but the project", "app", "", "", "backend", false),
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
