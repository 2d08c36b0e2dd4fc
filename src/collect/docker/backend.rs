//! One backend: what it is, its processes, its credentials. Nothing is read where the reading
//! itself would change something.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::path::Path;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerSummary};

use super::answer::segment;
use super::engine::ReadEngine;
use super::summary::{config_files, label, name_of, state};
use super::{archive, container, failure};
use crate::evidence::Observation;
use crate::evidence::docker::{
    BackendImage, Container, ContainerLabels, ContainerLife, ContainerState, MountKind,
};
use crate::evidence::key::SecretPlace;
use crate::names::{PROJECT_LABEL, SERVICE_LABEL, WORKING_DIR_LABEL};
use crate::secret::sanitize;

impl ReadEngine {
    /// Everything about one backend: what it is, then at the same time its processes and its
    /// credentials.
    pub(super) async fn backend(
        &self,
        summary: &ContainerSummary,
        recognised_by: &str,
    ) -> (Container, container::Secrets, Option<String>) {
        let id = summary.id.clone().unwrap_or_default();
        let mut secrets = container::Secrets::new();
        let path = format!("/containers/{}/json", segment(&id));
        let inspected = match self.get::<ContainerInspectResponse>(&path).await {
            Ok(inspected) => inspected,
            Err(error) => {
                let name = name_of(summary);
                let note = format!("{name} could not be inspected: {}", failure::words(&error));
                return (from_summary(summary, recognised_by, &note), secrets, Some(note));
            }
        };
        let mut found = container::reduce(&inspected, recognised_by, &mut secrets);
        let obstacle = self.obstacle(&found, &inspected).await;
        let (top, (secret, name, written_at)) = tokio::join!(
            self.top(&id, &found),
            self.credentials(&id, &found.storage.credentials_dir, obstacle.as_deref()),
        );

        found.storage.credentials_written_at = written_at;
        let container = found.name.clone();
        match top {
            Ok(in_force) => {
                found.secret.process = Observation::Seen(in_force.secret.map(|text| {
                    let place = SecretPlace::Process { container: container.clone() };
                    container::judge(&text, place, &mut secrets)
                }));
                found.instance_name.process =
                    Observation::Seen(in_force.name.map(|name| sanitize(&name)));
            }
            Err(reason) => {
                found.secret.process = Observation::unavailable(reason.clone());
                found.instance_name.process = Observation::unavailable(reason);
            }
        }
        let volume =
            found.mount_over(&found.storage.credentials_dir).and_then(|mount| mount.source.clone());
        found.secret.file = match secret {
            Ok(text) => Observation::Seen(text.map(|text| {
                let place = SecretPlace::File { container, volume };
                container::judge(&text, place, &mut secrets)
            })),
            Err(reason) => Observation::unavailable(reason),
        };
        found.instance_name.file = match name {
            Ok(name) => Observation::Seen(name.map(|name| sanitize(&name))),
            Err(reason) => Observation::unavailable(reason),
        };
        (found, secrets, None)
    }

    /// Why the container's files must not be read: the call mounts what is mounted into it, and
    /// would create a host directory that does not exist any more.
    async fn obstacle(
        &self,
        container: &Container,
        inspected: &bollard::models::ContainerInspectResponse,
    ) -> Option<String> {
        if let Some(mount) = container.mount_over(&container.storage.credentials_dir)
            && mount.kind == MountKind::Tmpfs
        {
            return Some(
                "its credentials are in memory (tmpfs), which the engine does not show".to_owned(),
            );
        }
        let binds =
            || container.storage.mounts.iter().filter(|mount| mount.kind == MountKind::Bind);
        if matches!(container.life.state, ContainerState::Running | ContainerState::Paused) {
            for source in binds().filter_map(|mount| mount.source.as_deref()) {
                if self.vanished(Path::new(source)).await {
                    return Some(format!(
                        "{source}, which is mounted into it, does not exist; reading through the engine would create it"
                    ));
                }
            }
            return None;
        }
        if binds().next().is_some() {
            return Some(
                "it is stopped and mounts a host directory: reading through the engine could create that directory"
                    .to_owned(),
            );
        }
        let foreign = inspected.mounts.iter().flatten().find(|mount| {
            mount.typ.as_deref() == Some("volume")
                && mount.driver.as_deref().is_some_and(|d| !d.is_empty() && d != "local")
        });
        foreign.map(|mount| {
            let driver = sanitize(mount.driver.as_deref().unwrap_or_default());
            format!("it is stopped and its volume belongs to the driver {driver}")
        })
    }

    /// Whether a host directory is surely gone: its parent is here, it is not. (Paths inside the
    /// machine of Docker Desktop have no parent here.)
    async fn vanished(&self, source: &Path) -> bool {
        if !self.target.local {
            return false;
        }
        let look = async {
            let gone = matches!(
                tokio::fs::symlink_metadata(source).await,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound
            );
            let parent = source.parent().unwrap_or(Path::new("/"));
            gone && parent != Path::new("/") && tokio::fs::metadata(parent).await.is_ok()
        };
        tokio::time::timeout(Duration::from_secs(1), look).await.unwrap_or(false)
    }

    /// The secret and name in use, from the process list.
    async fn top(&self, id: &str, found: &Container) -> Result<container::InForce, String> {
        if !found.is_running() {
            return Err(format!("the container is not running ({})", found.life.state));
        }
        match self.get(&format!("/containers/{}/top", segment(id))).await {
            Ok(top) => container::in_force(&top),
            Err(error) => Err(format!("its processes: {}", failure::words(&error))),
        }
    }

    /// The two credentials files. The directory in one piece where it is a plain one: the engine
    /// takes some 60 ms for each archive, however small.
    async fn credentials(
        &self,
        id: &str,
        directory: &str,
        obstacle: Option<&str>,
    ) -> (archive::Credential, archive::Credential, Option<i64>) {
        if let Some(obstacle) = obstacle {
            return (Err(obstacle.to_owned()), Err(obstacle.to_owned()), None);
        }
        match self.archive(id, directory).await {
            Ok(None) => (Ok(None), Ok(None), None),
            Ok(Some(bytes)) => match archive::both(&bytes) {
                Some((secret, name)) => (secret, name, archive::written_at(&bytes)),
                None => {
                    let directory = directory.trim_end_matches('/');
                    let (secret, name) = (
                        format!("{directory}/instance_secret"),
                        format!("{directory}/instance_name"),
                    );
                    let asked = (self.credential(id, &secret), self.credential(id, &name));
                    let (secret, name) = tokio::join!(asked.0, asked.1);
                    (secret, name, None)
                }
            },
            Err(reason) => (Err(reason.clone()), Err(reason), None),
        }
    }

    /// One credentials file on its own.
    async fn credential(&self, id: &str, path: &str) -> archive::Credential {
        match self.archive(id, path).await? {
            Some(bytes) => archive::one(&bytes).map(Some),
            None => Ok(None),
        }
    }
}

/// What the list alone tells of a backend that could not be inspected; the rest is unavailable, not
/// empty.
pub(super) fn from_summary(
    summary: &ContainerSummary,
    recognised_by: &str,
    reason: &str,
) -> Container {
    let owned = |name: &str| label(summary, name).map(str::to_owned);
    let mut container = Container {
        name: name_of(summary),
        id: summary.id.as_deref().unwrap_or_default().chars().take(12).collect(),
        labels: ContainerLabels {
            project: owned(PROJECT_LABEL),
            service: owned(SERVICE_LABEL),
            working_dir: owned(WORKING_DIR_LABEL),
            config_files: config_files(summary),
            ..ContainerLabels::default()
        },
        software: BackendImage {
            image: summary.image.clone().unwrap_or_default(),
            recognised_by: recognised_by.to_owned(),
            ..BackendImage::default()
        },
        life: ContainerLife {
            state: state(summary),
            created_at: summary.created,
            ..ContainerLife::default()
        },
        ..Container::default()
    };
    let places = &mut container.secret;
    for place in [&mut places.process, &mut places.environment, &mut places.file] {
        *place = Observation::unavailable(reason);
    }
    let names = &mut container.instance_name;
    for place in [&mut names.process, &mut names.environment, &mut names.file] {
        *place = Observation::unavailable(reason);
    }
    container
}
