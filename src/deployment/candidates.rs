//! Volumes that may hold this deployment's data under another project's name.

use crate::deployment::compose::declared_backend;
use crate::deployment::data::declared_mount_over;
use crate::deployment::key::selected_key;
use crate::evidence::docker::{Container, Volume};
use crate::evidence::{Evidence, Unseen};

/// A volume that may hold the data of this deployment under another project's name.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// The volume.
    pub(crate) volume: &'a Volume,
    /// The project that it was created for.
    pub(crate) project: &'a str,
}

/// Volumes with this deployment's key that were created for another project, that no running
/// backend uses, and that are not known to contain something else; at most three. Empty, too, if
/// they could not be checked.
pub(crate) fn candidates(evidence: &Evidence) -> Vec<Candidate<'_>> {
    look_for_candidates(evidence).unwrap_or_default()
}

/// Whether the volume is held by a container of another project, whose directory is still there.
pub(crate) fn is_of_another_directory(evidence: &Evidence, volume: &str) -> bool {
    let Ok(docker) = evidence.docker.seen() else { return false };
    let Ok(Some((compose, _))) = declared_backend(evidence) else { return false };
    let volumes = docker.volumes.seen().map(Vec::as_slice).unwrap_or_default();
    let mounts = |container: &Container| {
        container.storage.mounts.iter().any(|mount| mount.source.as_deref() == Some(volume))
    };
    let attached = volumes.iter().find(|seen| seen.name == volume);
    docker.backends.iter().any(|container| {
        let holds = mounts(container)
            || attached.is_some_and(|seen| seen.attached_to.contains(&container.name));
        holds && is_elsewhere(container, &compose.directory)
    })
}

/// Whether a container was made from files of another directory that are still there: that project
/// is not this one under another name.
pub(crate) fn is_elsewhere(container: &Container, directory: &str) -> bool {
    let labels = &container.labels;
    labels.files_gone == Some(false)
        && labels.working_dir.as_deref().is_some_and(|working_dir| working_dir != directory)
}

/// The same, or why they could not be checked.
pub(crate) fn look_for_candidates(evidence: &Evidence) -> Result<Vec<Candidate<'_>>, Unseen> {
    let Some((compose, service)) = declared_backend(evidence)? else { return Ok(vec![]) };
    let docker = evidence.docker.seen()?;
    let Some(key) = declared_mount_over(service, &service.data_dir)
        .filter(|line| line.is_volume())
        .and_then(|line| line.source.as_deref())
    else {
        return Ok(vec![]);
    };
    let is_idle = |name: &String| docker.backend(name).is_some_and(|holder| !holder.is_running());
    // The secret in it is known, and the key does not open with it: not this deployment's data.
    let trials = selected_key(evidence).map(|key| key.trials.as_slice()).unwrap_or_default();
    let is_refuted = |volume: &Volume| {
        trials.iter().any(|trial| {
            trial.opened.is_none()
                && trial.places.iter().any(|it| it.volume() == Some(volume.name.as_str()))
        })
    };
    let is_another_project = |volume: &Volume| {
        let mut holders = volume.attached_to.iter().filter_map(|name| docker.backend(name));
        holders.any(|holder| is_elsewhere(holder, &compose.directory))
    };
    let ours =
        |volume: &Volume| compose.volumes.iter().any(|declared| declared.name == volume.name);
    Ok(docker
        .volumes
        .seen()?
        .iter()
        .filter(|volume| !volume.anonymous && !volume.is_something_else() && !ours(volume))
        .filter(|volume| !is_refuted(volume) && !is_another_project(volume))
        .filter(|volume| volume.attached_to.iter().all(is_idle))
        .filter_map(|volume| {
            let by_label = volume.project.as_deref().filter(|_| volume.key.as_deref() == Some(key));
            let by_name = || volume.name.strip_suffix(key)?.strip_suffix('_');
            let project = match (&volume.project, &volume.key) {
                (Some(_), Some(_)) => by_label,
                _ => by_name(),
            };
            project
                .filter(|project| *project != compose.project && !project.is_empty())
                .map(|project| Candidate { volume, project })
        })
        .take(3)
        .collect())
}
