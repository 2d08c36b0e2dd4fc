//! How `convex-doctor fix` gets data into a volume of the project: an anonymous volume is copied, a
//! named one is adopted as it is. The old volume is kept in both cases.

use crate::deployment::compose::declared_backend;
use crate::deployment::data::{StoredElsewhere, declared_mount_over, is_kept_by_file};
use crate::evidence::Evidence;
use crate::evidence::compose::{BackendService, ComposeFacts};
use crate::evidence::docker::{Container, DockerFacts, MountKind};
use crate::remedies::command::doctor;
use crate::report::{Action, MountAt, Remedy, Text};

/// Copies the data that the container has now, in an anonymous volume, into a volume of the
/// project. `None` if it is elsewhere.
pub(crate) fn keep_own(evidence: &Evidence, container: &Container, id: &str) -> Option<Remedy> {
    let (compose, service) = declared_backend(evidence).ok()??;
    let attached = container.mount_over(&container.storage.data_dir)?;
    // Only a mount of the data directory itself: one above it contains other files, too.
    let at_data =
        attached.target.trim_end_matches('/') == container.storage.data_dir.trim_end_matches('/');
    if attached.kind != MountKind::Anonymous
        || !at_data
        || container.storage.data_dir != service.data_dir
    {
        return None;
    }
    let from = attached.source.as_deref()?;
    let key = free_key(compose, evidence.docker.seen().ok()?)?;
    let mut actions = vec![Action::Stop { container: container.name.clone() }];
    actions.extend(copied(compose, service, &container.name, from, &key));
    Some(with(
        evidence,
        id,
        actions,
        format!(
            "Copy the data into volume {} and recreate {}",
            name_of(compose, &key),
            container.name
        ),
    ))
}

/// Has this project's backend use the volume `volume`, which no running container uses. `None` if
/// its secret would be overwritten at the start, or if it is not known which containers use it.
pub(crate) fn take_over(evidence: &Evidence, volume: &str, id: &str) -> Option<Remedy> {
    let (compose, service) = declared_backend(evidence).ok()??;
    let docker = evidence.docker.seen().ok()?;
    let container = docker.expected()?;
    if StoredElsewhere::of(service, Some(container)).secret
        || container.storage.data_dir != service.data_dir
    {
        return None;
    }
    let seen = docker.volumes.seen().ok()?.iter().find(|seen| seen.name == volume)?;
    let in_use =
        seen.attached_to.iter().any(|name| docker.backend(name).is_none_or(Container::is_running));
    if in_use {
        return None;
    }
    if seen.anonymous {
        let key = free_key(compose, docker)?;
        let actions = copied(compose, service, &container.name, volume, &key);
        return Some(with(
            evidence,
            id,
            actions,
            stays(
                container,
                &format!(
                    "Copy {volume} into volume {} and recreate {} with it",
                    name_of(compose, &key),
                    container.name
                ),
            )
            .volume(volume),
        ));
    }
    let over = declared_mount_over(service, &service.data_dir);
    let named = over.filter(|line| is_kept_by_file(line) && line.is_volume());
    let key = match named.and_then(|line| line.source.clone()) {
        Some(key) => key,
        None => free_key(compose, docker)?,
    };
    let mut actions = vec![Action::DeclareVolume {
        file: declared_in(compose, service, &key),
        key: key.clone(),
        adopt: Some(volume.to_owned()),
    }];
    if named.is_none() {
        actions.push(mount(service, &key));
    }
    actions.push(replace(&container.name, volume, service));
    Some(with(
        evidence,
        id,
        actions,
        stays(container, &format!("Recreate {} with the old volume {volume}", container.name)),
    ))
}

/// Copies what the container has now into the volume `to`, which the compose file declares under
/// `key`, and mounts it. It must not exist yet, or be the copy that an interrupted fix made of the
/// very volume that the container has. That copy is left as it is, because the container may have
/// written to its own volume since, and the compose file gets a new one instead.
pub(crate) fn into_declared(
    evidence: &Evidence,
    container: &Container,
    (key, to): (&str, &str),
    id: &str,
) -> Option<Remedy> {
    let (compose, service) = declared_backend(evidence).ok()??;
    let attached = container.mount_over(&container.storage.data_dir)?;
    let at_data =
        attached.target.trim_end_matches('/') == container.storage.data_dir.trim_end_matches('/');
    let known = evidence.docker.seen().ok()?.volumes.seen().ok()?;
    if attached.kind != MountKind::Anonymous || !at_data {
        return None;
    }
    if let Some(there) = known.iter().find(|it| it.name == to) {
        let is_stale_copy = there.copy_of.is_some() && there.copy_of == attached.source;
        if !is_stale_copy || !there.attached_to.is_empty() {
            return None;
        }
        return copied_again(evidence, container, (key, to), id);
    }
    let actions = vec![
        Action::Stop { container: container.name.clone() },
        Action::CopyVolume {
            from: attached.source.clone()?,
            to: to.to_owned(),
            project: compose.project.clone(),
            key: key.to_owned(),
        },
        replace(&container.name, to, service),
    ];
    Some(with(
        evidence,
        id,
        actions,
        format!(
            "Copy the data into volume {to} and recreate {} (the old volume is kept)",
            container.name
        ),
    ))
}

/// Copies what the container has once more, into a new volume that the compose file gets under the
/// same key.
fn copied_again(
    evidence: &Evidence,
    container: &Container,
    (key, stale): (&str, &str),
    id: &str,
) -> Option<Remedy> {
    let (compose, service) = declared_backend(evidence).ok()??;
    let free = free_key(compose, evidence.docker.seen().ok()?)?;
    let to = name_of(compose, &free);
    let from = container.mount_over(&container.storage.data_dir)?.source.clone()?;
    let actions = vec![
        Action::Stop { container: container.name.clone() },
        Action::CopyVolume { from, to: to.clone(), project: compose.project.clone(), key: free },
        Action::DeclareVolume {
            file: declared_in(compose, service, key),
            key: key.to_owned(),
            adopt: Some(to.clone()),
        },
        replace(&container.name, &to, service),
    ];
    Some(with(
        evidence,
        id,
        actions,
        format!(
            "Copy the data into volume {to} and recreate {} (the older copy {stale} is kept)",
            container.name
        ),
    ))
}

/// The remedy that `convex-doctor fix` carries out, with its command.
pub(super) fn with(
    evidence: &Evidence,
    id: &str,
    actions: Vec<Action>,
    title: impl Into<Text>,
) -> Remedy {
    let mut remedy = Remedy::careful(title).run(doctor(evidence, ["fix", id, "--apply"]));
    remedy.actions = actions;
    remedy
}

fn copied(
    compose: &ComposeFacts,
    service: &BackendService,
    container: &str,
    from: &str,
    key: &str,
) -> Vec<Action> {
    let to = name_of(compose, key);
    vec![
        Action::CopyVolume {
            from: from.to_owned(),
            to: to.clone(),
            project: compose.project.clone(),
            key: key.to_owned(),
        },
        Action::DeclareVolume { file: service.at.file.clone(), key: key.to_owned(), adopt: None },
        mount(service, key),
        replace(container, &to, service),
    ]
}

fn mount(service: &BackendService, key: &str) -> Action {
    Action::MountVolume {
        file: service.at.file.clone(),
        service: service.name.clone(),
        key: key.to_owned(),
        target: service.data_dir.clone(),
    }
}

fn replace(container: &str, volume: &str, service: &BackendService) -> Action {
    Action::Replace {
        container: container.to_owned(),
        mount: Some(MountAt { volume: volume.to_owned(), target: service.data_dir.clone() }),
        secret_from: None,
        without: vec![],
    }
}

/// The file that declares the volume, else that of the service.
fn declared_in(compose: &ComposeFacts, service: &BackendService, key: &str) -> String {
    let declared = compose.volumes.iter().find(|volume| volume.key == key);
    declared.map_or(&service.at, |volume| &volume.at).file.clone()
}

/// A key that the compose file does not have, of a volume that Docker does not have: nothing is
/// ever overwritten.
fn free_key(compose: &ComposeFacts, docker: &DockerFacts) -> Option<String> {
    let known = docker.volumes.seen().ok()?;
    let free = |key: &String| {
        let name = name_of(compose, key);
        compose.volumes.iter().all(|volume| volume.key != *key && volume.name != name)
            && known.iter().all(|volume| volume.name != name)
    };
    let keys = ["data", "convex-data"].map(str::to_owned).into_iter();
    keys.chain((2..100).map(|number| format!("convex-data-{number}"))).find(free)
}

fn name_of(compose: &ComposeFacts, key: &str) -> String {
    format!("{}_{key}", compose.project)
}

/// The title with what is kept of the container's current data.
fn stays(container: &Container, title: &str) -> Text {
    let now =
        container.mount_over(&container.storage.data_dir).and_then(|mount| mount.source.as_deref());
    match now {
        Some(now) => Text::from(format!("{title} ({now} is kept)")).volume(now),
        None => format!("{title} (the old container is kept under another name)").into(),
    }
}
