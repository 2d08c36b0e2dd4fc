//! What `convex-doctor fix` does so that data in a volume of no lasting place comes into the
//! project: a nameless volume is copied into one of the project's own, a named one is adopted as it
//! is. The old volume stays in both cases.

use super::{Elsewhere, declared, declared_over, keeps};
use crate::checks::compose;
use crate::evidence::Evidence;
use crate::evidence::compose::{BackendService, ComposeFacts, EnvironmentEntry};
use crate::evidence::docker::{Container, DockerFacts, MountKind, short_volume};
use crate::report::{Action, MountAt, Remedy};
use crate::secret::Fingerprint;

/// The variable that keeps keys alive whatever becomes of volumes.
pub(crate) const INSTANCE_SECRET: &str = "INSTANCE_SECRET";

/// Brings the data that the container has now, in a nameless volume, into a volume of the project.
/// `None` where it lies elsewhere.
pub(crate) fn keep_own(evidence: &Evidence, container: &Container, id: &str) -> Option<Remedy> {
    let (compose, service) = declared(evidence).ok()??;
    let attached = container.mount_over(&container.data_dir)?;
    // Only a mount of the data directory itself: what lies above it holds other things too.
    let at_data = attached.target.trim_end_matches('/') == container.data_dir.trim_end_matches('/');
    if attached.kind != MountKind::Anonymous || !at_data || container.data_dir != service.data_dir {
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
        &format!(
            "Bring the data into volume {}: it is copied while {} is stopped, the lines are added, and the container is \
         made anew with it (the old volume stays)",
            name_of(compose, &key),
            container.name
        ),
    ))
}

/// Gives this project's backend the volume `volume`, which no running container has. `None` where
/// its secret would be overwritten at the start, or nobody knows what is attached to it.
pub(crate) fn take_over(evidence: &Evidence, volume: &str, id: &str) -> Option<Remedy> {
    let (compose, service) = declared(evidence).ok()??;
    let docker = evidence.docker.seen().ok()?;
    let container = docker.expected()?;
    if Elsewhere::of(service, Some(container)).secret || container.data_dir != service.data_dir {
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
            &format!(
                "Get it back: copy {} into volume {}, add the lines, and make {} anew with it ({})",
                short_volume(volume),
                name_of(compose, &key),
                container.name,
                stays(container)
            ),
        ));
    }
    let over = declared_over(service, &service.data_dir);
    let named = over.filter(|line| keeps(line) && line.is_volume());
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
        &format!(
            "Get it back: write {volume} into the compose file, and make {} anew with it ({})",
            container.name,
            stays(container)
        ),
    ))
}

/// Attaches the volume `to` that the compose file declares under `key`, with what the container has
/// now. It must not exist yet; or be what an earlier fix copied from the very volume that the
/// container has, and then was cut short: that copy is left as it is, for the container may have
/// written to its own since, and another takes its place in the file.
pub(crate) fn into_declared(
    evidence: &Evidence,
    container: &Container,
    (key, to): (&str, &str),
    id: &str,
) -> Option<Remedy> {
    let (compose, service) = declared(evidence).ok()??;
    let attached = container.mount_over(&container.data_dir)?;
    let at_data = attached.target.trim_end_matches('/') == container.data_dir.trim_end_matches('/');
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
        &format!(
            "Bring the data into {to}, which the file declares: it is copied while {} is stopped, and the container is made \
         anew with it (the old volume stays)",
            container.name
        ),
    ))
}

/// Copies what the container has once more, into a volume that the compose file gets under the same
/// key.
fn copied_again(
    evidence: &Evidence,
    container: &Container,
    (key, stale): (&str, &str),
    id: &str,
) -> Option<Remedy> {
    let (compose, service) = declared(evidence).ok()??;
    let free = free_key(compose, evidence.docker.seen().ok()?)?;
    let to = name_of(compose, &free);
    let from = container.mount_over(&container.data_dir)?.source.clone()?;
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
        &format!(
            "Bring the data into {to}, and write that into the file: {stale} is a copy of an earlier fix that was cut short, and {} \
             may have written to its own volume since (both stay as they are)",
            container.name
        ),
    ))
}

/// Writes the secret in force into Compose's `.env`: keys then outlive every volume. `None` where
/// it is set already, or not seen.
pub(crate) fn pin(evidence: &Evidence, container: &Container) -> Option<Remedy> {
    let (compose, service) = declared(evidence).ok()??;
    let elsewhere = Elsewhere::of(service, Some(container)).secret || compose.other_env_files;
    if elsewhere || !container.is_running() {
        return None;
    }
    container.secret.process.seen().ok()?.as_ref()?.fingerprint()?;
    let remedy = Remedy::safe(
        "Keep the keys: write the secret in force into Compose's .env as INSTANCE_SECRET",
    );
    let file = env_file(evidence, compose);
    // Git would take the secret along with the next commit.
    let git = evidence.surroundings.git.seen().ok().and_then(Option::as_ref);
    if git.is_some_and(|git| git.tracked.contains(&file)) {
        return None;
    }
    let mut remedy = remedy;
    remedy.actions = ignored(evidence, &[&file]);
    Some(
        remedy
            .act(pass(service))
            .act(Action::PinSecret { container: container.name.clone(), file }),
    )
}

/// Moves a secret that stands in the compose file into Compose's `.env`. `None` where the running
/// container does not have the same one, which is then the only place that it could be read from,
/// or git keeps the `.env` as well.
pub(crate) fn move_out(
    evidence: &Evidence,
    entry: &EnvironmentEntry,
    secret: &Fingerprint,
) -> Option<Vec<Action>> {
    let (compose, service) = declared(evidence).ok()??;
    let file = env_file(evidence, compose);
    let container = runs_with(evidence, secret)?;
    let git = evidence.surroundings.git.seen().ok()?.as_ref();
    let kept = git.is_some_and(|git| git.tracked.contains(&file));
    if kept || compose.other_env_files || !compose::is_in_a_file_of(compose, &entry.at) {
        return None;
    }
    // Of a `.env` that is not there yet nobody has asked git.
    let ignore = git.map(|_| Action::Ignore { file: file.clone() });
    let pin = Action::PinSecret { container: container.name.clone(), file };
    let pass = Action::PassVariable {
        file: entry.at.file.clone(),
        service: service.name.clone(),
        name: INSTANCE_SECRET.to_owned(),
    };
    Some(ignore.into_iter().chain([pin, pass]).collect())
}

/// Whether that value stands in Compose's own `.env`, outside of git, from which the compose file
/// takes it.
pub(crate) fn is_in_env_file(evidence: &Evidence, entry: &EnvironmentEntry) -> bool {
    let Ok(Some((compose, _))) = declared(evidence) else { return false };
    let file = env_file(evidence, compose);
    let git = evidence.surroundings.git.seen().ok().and_then(Option::as_ref);
    entry.value_at.as_ref().is_some_and(|at| at.file == file)
        && compose::is_in_a_file_of(compose, &entry.at)
        && !git.is_some_and(|git| git.tracked.contains(&file))
}

/// This project's container, where it runs with that secret.
fn runs_with<'a>(evidence: &'a Evidence, secret: &Fingerprint) -> Option<&'a Container> {
    let container = evidence.docker.seen().ok()?.expected()?;
    let process = container.secret.process.seen().ok()?.as_ref()?;
    (container.is_running() && process.fingerprint() == Some(secret)).then_some(container)
}

/// What has git ignore those of the files that it would take: a secret in them is public at the
/// next commit.
pub(super) fn ignored(evidence: &Evidence, files: &[&String]) -> Vec<Action> {
    let git = evidence.surroundings.git.seen().ok().and_then(Option::as_ref);
    let open = |file: &&&String| {
        git.is_some_and(|git| git.not_ignored.contains(file) || git.would_not_ignore.contains(file))
    };
    let ignore = |file: &&String| Action::Ignore { file: (*file).clone() };
    files.iter().filter(open).map(ignore).collect()
}

/// The service passes INSTANCE_SECRET on.
pub(crate) fn pass(service: &BackendService) -> Action {
    Action::PassVariable {
        file: service.at.file.clone(),
        service: service.name.clone(),
        name: INSTANCE_SECRET.to_owned(),
    }
}

/// Compose's own `.env`, as seen from the project's directory.
pub(crate) fn env_file(evidence: &Evidence, compose: &ComposeFacts) -> String {
    if compose.directory.is_empty() || compose.directory == evidence.surroundings.directory {
        ".env".to_owned()
    } else {
        format!("{}/.env", compose.directory)
    }
}

pub(super) fn with(evidence: &Evidence, id: &str, actions: Vec<Action>, title: &str) -> Remedy {
    let flags = compose::file_flags(evidence);
    let mut remedy = Remedy::careful(title).run(format!("convex-doctor fix {id} --apply{flags}"));
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

/// A key that the compose file does not know, of a volume that the engine does not have: nothing is
/// ever written over.
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

fn stays(container: &Container) -> String {
    let now = container.mount_over(&container.data_dir).and_then(|mount| mount.source.as_deref());
    match now {
        Some(now) => format!("{}, which it has now, stays as it is", short_volume(now)),
        None => "what it has now lies in the container itself, which is kept under another name"
            .to_owned(),
    }
}
