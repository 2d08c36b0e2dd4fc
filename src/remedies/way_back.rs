//! How to use an unused volume again: its project under the old name, or the lines that add the
//! volume to this project.

use crate::deployment::compose::declared_backend;
use crate::deployment::data::{
    StoredElsewhere, declared_mount_over, is_kept_by_file, is_persistent,
};
use crate::evidence::Evidence;
use crate::remedies::command::{compose_of, up};
use crate::report::{ComposeVerb, Errand, Remedy, Text};

/// Runs the project that has the volume; `None` if the volume belongs to no other project. Nothing
/// is lost: `down` keeps named volumes, and a new instance without one is only stopped.
pub(crate) fn bring_back(
    evidence: &Evidence,
    volume: &str,
    project: Option<&str>,
) -> Option<Remedy> {
    let (compose, _) = declared_backend(evidence).ok()??;
    let project = project.filter(|project| *project != compose.project)?;
    let expected = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let keeps =
        expected.is_none_or(|now| now.mount_over(&now.storage.data_dir).is_some_and(is_persistent));
    let leave = if keeps { ComposeVerb::Down } else { ComposeVerb::Stop };
    let title = format!("Run the project as {project} again, with the data in {volume}");
    let commands = [
        compose_of(evidence, &compose.project, leave),
        compose_of(evidence, project, ComposeVerb::Up(None)),
    ];
    let keep_name = Errand {
        title: format!("To keep that name, set COMPOSE_PROJECT_NAME={project} in .env"),
        places: vec![],
        commands: vec![],
    };
    Some(if has_pinned_secret(evidence) {
        let run = Errand {
            title,
            places: vec![],
            commands: commands.into_iter().map(String::from).collect(),
        };
        unpin(volume).then([run, keep_name])
    } else {
        let mut remedy = Remedy::careful(Text::from(title).volume(volume)).then([keep_name]);
        remedy.commands.extend(commands);
        remedy
    })
}

/// The steps that add the volume to this project's compose file, line by line; none if there is no
/// such file, or if it has the volume.
pub(crate) fn attach(evidence: &Evidence, volume: &str) -> Vec<Remedy> {
    let Ok(Some((compose, service))) = declared_backend(evidence) else { return vec![] };
    if compose.volumes.iter().any(|declared| declared.name == volume) {
        return vec![];
    }
    let data = &service.data_dir;
    let over = declared_mount_over(service, data);
    let named = over.filter(|line| is_kept_by_file(line) && line.is_volume());
    let key = named.and_then(|line| line.source.as_deref()).unwrap_or("data");
    let mut steps = Vec::new();
    if has_pinned_secret(evidence) {
        steps.push(unpin(volume));
    }
    match (named, over) {
        (Some(_), _) => {}
        (None, Some(line)) => {
            steps.push(Remedy::careful(format!("Replace {} with `- {key}:{data}`", line.at)));
        }
        (None, None) => steps.push(Remedy::careful(format!(
            "Add `- {key}:{data}` to the volumes of service {}",
            service.name
        ))),
    }
    // The name is quoted, because 64 hex digits can be read as a number, and it is not marked as
    // that of a volume, because it is to be typed.
    let entry = format!("`{key}: {{ external: true, name: \"{volume}\" }}`");
    let declared = compose.volumes.iter().find(|declared| declared.key == key);
    let edit = match declared {
        Some(declared) => format!("Replace {} with {entry}", declared.at),
        None => format!("Add {entry} to the top-level `volumes:`"),
    };
    steps.push(Remedy::careful(edit));
    let title = format!("Recreate the container with {volume} (its current data is kept)");
    let recreate = Remedy::careful(Text::from(title).volume(volume));
    steps.push(recreate.run(up(evidence)).in_volumes());
    steps.into_iter().map(Remedy::step).collect()
}

/// The first step if INSTANCE_SECRET is set.
fn unpin(volume: &str) -> Remedy {
    let title = format!("Remove INSTANCE_SECRET, which would overwrite the secret in {volume}");
    Remedy::careful(Text::from(title).volume(volume))
}

/// Whether INSTANCE_SECRET is set: the next start would overwrite the secret in the volume, and
/// nothing could restore it.
fn has_pinned_secret(evidence: &Evidence) -> bool {
    let declared = declared_backend(evidence).ok().flatten();
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    declared.is_some_and(|(_, service)| StoredElsewhere::of(service, container).secret)
}
