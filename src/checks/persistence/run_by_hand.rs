//! Where a container keeps its data that `docker run` started: no compose file says it, its mounts
//! do.

use super::data_volume::{
    DATA_MOUNT_WRONG_PATH, DATA_ON_TMPFS, DATA_VOLUME_ANONYMOUS, DATA_VOLUME_MISSING,
};
use crate::deployment::container::{container_location, run_subject};
use crate::deployment::data::{StoredElsewhere, is_persistent};
use crate::deployment::weight::for_temporary_instance;
use crate::evidence::docker::{Container, MountKind};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::rescue::{RESCUE, copy_out};
use crate::report::{Certainty, Command, Finding, Remedy, Rule, Text, shell_word};

/// The volume that the remedy creates.
const VOLUME: &str = "convex-data";

/// The finding about the container that this run is about; none where a panel or Compose made it,
/// which may do something else at the next start.
pub(super) fn judge(evidence: &Evidence) -> Result<Option<Finding>, Unseen> {
    let docker = evidence.docker.seen()?;
    let Some((container, certainty)) = run_subject(evidence, docker)? else { return Ok(None) };
    if container.labels.project.is_some() || !container.labels.managed_by.is_empty() {
        return Ok(None);
    }
    Ok(of_container(evidence, container, certainty))
}

fn of_container(
    evidence: &Evidence,
    container: &Container,
    certainty: Certainty,
) -> Option<Finding> {
    let over = container.mount_over(&container.storage.data_dir);
    let elsewhere = StoredElsewhere::of_container(container);
    if over.is_some_and(is_persistent) || elsewhere.everything() {
        return None;
    }
    let wrong = container.storage.mounts.iter().find(|mount| is_persistent(mount));
    let rule: &'static Rule = match (over.map(|mount| mount.kind), wrong) {
        (Some(MountKind::Tmpfs), _) => &DATA_ON_TMPFS,
        (_, Some(_)) => &DATA_MOUNT_WRONG_PATH,
        (Some(_), None) => &DATA_VOLUME_ANONYMOUS,
        (None, None) => &DATA_VOLUME_MISSING,
    };
    let finding = rule
        .finding(certainty, detail(container, elsewhere))
        .because(mounted(container), container.name.clone())
        .at(container_location(container));
    let finding = match wrong {
        Some(mount) => {
            let source = mount.source.as_deref().unwrap_or("a mount");
            let text = format!("Mounts {source} at {}", mount.target);
            finding.because(Text::from(text).volume(source), container.name.clone())
        }
        None => finding,
    };
    let finding = finding.remedy(copy_out(container)).remedy(fill_volume(container));
    let finding = finding.remedy(run_again(container));
    Some(for_temporary_instance(evidence, Some(container), finding))
}

fn detail(container: &Container, elsewhere: StoredElsewhere) -> String {
    let (does, follows) = elsewhere.next_start();
    let (name, data) = (&container.name, &container.storage.data_dir);
    if container.life.auto_remove {
        return format!(
            "{name} was started with --rm: its next stop deletes it and what it has at {data}. \
             {follows}"
        );
    }
    format!(
        "{name} has no persistent volume at {data}. The next `docker rm` and `docker run` {does}. \
         {follows}"
    )
}

/// What it has at its data directory.
fn mounted(container: &Container) -> Text {
    match container.mount_over(&container.storage.data_dir) {
        None => "Has no mount there: the data is in the container itself".into(),
        Some(mount) if mount.kind == MountKind::Tmpfs => "Has memory (tmpfs) there".into(),
        Some(mount) => {
            let source = mount.source.as_deref().unwrap_or_default();
            Text::from(format!("Has anonymous volume {source} there")).volume(source)
        }
    }
}

/// Creates a volume with the rescued data.
fn fill_volume(container: &Container) -> Remedy {
    let fill = format!(
        "docker run --rm --entrypoint cp -v \"$PWD/{}:/from:ro\" -v {VOLUME}:/to {} -a /from/. /to",
        RESCUE.trim_start_matches("./"),
        shell_word(&container.software.image)
    );
    Remedy::careful(format!("Copy the data into the new volume {VOLUME}"))
        .run(Command::docker(["volume", "create", VOLUME]))
        .run(fill)
        .step()
}

fn run_again(container: &Container) -> Remedy {
    let data = &container.storage.data_dir;
    let without = if container.life.auto_remove { " and without `--rm`" } else { "" };
    Remedy::careful(format!(
        "Start the backend with its old `docker run` command, with `-v {VOLUME}:{data}`{without}"
    ))
    .step()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::key as build;

    fn world(change: impl Fn(&mut Container)) -> Option<Finding> {
        let mut evidence = build::healthy();
        evidence.compose = Observation::Seen(None);
        let container = build::backend(&mut evidence);
        container.labels.project = None;
        container.labels.service = None;
        change(container);
        judge(&evidence).unwrap()
    }

    #[test]
    fn its_mounts_are_judged_without_a_compose_file() {
        let mount = |kind, source, target: &str| vec![build::mount(kind, source, target)];
        let id = |found: Option<Finding>| found.map(|it| (it.id, it.certainty));
        let proven = |id: &str| Some((id.to_owned(), Certainty::Proven));
        let at = |kind, source, target: &'static str| {
            id(world(|it| it.storage.mounts = mount(kind, source, target)))
        };
        assert_eq!(at(MountKind::Named, Some("x"), "/convex/data"), None);
        assert_eq!(at(MountKind::Bind, Some("/srv/x"), "/convex"), None);
        let wrong = proven("data-mount-wrong-path");
        assert_eq!(at(MountKind::Named, Some("x"), "/data"), wrong);
        let anonymous = proven("data-volume-anonymous");
        assert_eq!(at(MountKind::Anonymous, Some("0f"), "/convex/data"), anonymous);
        assert_eq!(at(MountKind::Tmpfs, None, "/convex/data"), proven("data-on-tmpfs"));
        let missing = proven("data-volume-missing");
        assert_eq!(id(world(|it| it.storage.mounts.clear())), missing);
        // Compose or a panel made it: what they do at its next start is not known here.
        assert_eq!(
            id(world(|it| {
                it.storage.mounts.clear();
                it.labels.project = Some("other".to_owned());
            })),
            None
        );
    }

    #[test]
    fn a_container_that_a_stop_deletes_is_not_stopped_first() {
        let found = world(|it| {
            it.storage.mounts.clear();
            it.life.auto_remove = true;
        })
        .unwrap();
        assert!(found.detail.to_string().contains("started with --rm"), "{}", found.detail);
        let commands = found.remedies.iter().flat_map(|it| &it.commands).map(ToString::to_string);
        assert!(!commands.collect::<Vec<_>>().join("\n").contains("docker stop"));
    }
}
