//! Volumes that may hold this deployment's data under another project's name, and the way back to them.

use super::{compose_command, declared, declared_over, is_durable, word};
use crate::evidence::docker::Volume;
use crate::evidence::{Evidence, Unseen};
use crate::report::Remedy;

/// A volume that may hold the data of this deployment under another project's name.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// The volume.
    pub(crate) volume: &'a Volume,
    /// The project it was made for.
    pub(crate) project: &'a str,
}

/// Volumes with this deployment's key, made for another project and attached to no running backend; at most three. Empty also where
/// nobody could look.
pub(crate) fn candidates(evidence: &Evidence) -> Vec<Candidate<'_>> {
    look_for_candidates(evidence).unwrap_or_default()
}

/// The same, or why nobody could look.
pub(crate) fn look_for_candidates(evidence: &Evidence) -> Result<Vec<Candidate<'_>>, Unseen> {
    let Some((compose, service)) = declared(evidence)? else { return Ok(vec![]) };
    let docker = evidence.docker.seen()?;
    let Some(key) = declared_over(service, &service.data_dir)
        .filter(|line| line.kind == "volume")
        .and_then(|line| line.source.as_deref())
    else {
        return Ok(vec![]);
    };
    let is_idle = |name: &String| docker.backend(name).is_some_and(|holder| !holder.is_running());
    let ours =
        |volume: &Volume| compose.volumes.iter().any(|declared| declared.name == volume.name);
    Ok(docker
        .volumes
        .seen()?
        .iter()
        .filter(|volume| !volume.anonymous && !ours(volume))
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

/// Goes back to the project that has the volume; `None` where the volume belongs to no other project. Nothing is lost: `down` keeps
/// named volumes, and where the new instance has none it is only stopped.
pub(crate) fn bring_back(
    evidence: &Evidence,
    volume: &str,
    project: Option<&str>,
) -> Option<Remedy> {
    let (compose, _) = declared(evidence).ok()??;
    let project = project.filter(|project| *project != compose.project)?;
    let expected = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let keeps = expected.is_none_or(|now| now.mount_over(&now.data_dir).is_some_and(is_durable));
    let leave = if keeps { "down" } else { "stop" };
    Some(
        Remedy::careful(format!(
            "To get the data in {volume} back, run the project under its old name; for good: \
             `COMPOSE_PROJECT_NAME={project}` in .env, or `name: {project}` in the compose file"
        ))
        .run(format!(
            "{} && {}",
            compose_command(evidence, &format!("-p {} {leave}", word(&compose.project))),
            compose_command(evidence, &format!("-p {} up -d", word(project))),
        )),
    )
}
