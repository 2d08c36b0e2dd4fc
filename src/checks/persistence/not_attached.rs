//! The compose file mounts a volume at the data directory, and the container does not have it; or
//! the external volume does not exist.

use crate::checks::Check;
use crate::deployment::compose::declared_backend;
use crate::deployment::data::{MissingVolume, declared_mount_over, missing_volume};
use crate::deployment::weight::for_temporary_instance;
use crate::evidence::docker::{Mount, MountKind};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::up;
use crate::remedies::mint::also_new_key;
use crate::remedies::rescue::{copy_out, move_in};
use crate::remedies::volumes::into_declared;
use crate::report::{Certainty, ChainLink, Command, Finding, Location, Remedy, Rule, Text};

/// The container does not have the volume that the compose file mounts.
pub static DATA_VOLUME_NOT_ATTACHED: Rule = rule!(
    "data-volume-not-attached",
    Error,
    "the container lacks the volume from the compose file"
)
.cause(&["key-foreign", "key-rejected"])
.breaks(ChainLink::Mount);

/// An external volume does not exist.
pub static DATA_VOLUME_MISSING_EXTERNAL: Rule =
    rule!("data-volume-missing-external", Error, "the external data volume does not exist")
        .cause(&["backend-not-created", "url-refused"]);

/// Compares the line with the container's mount.
pub static CHECK: Check = Check { rules: &[&DATA_VOLUME_NOT_ATTACHED], run };

/// Whether the external volume exists.
pub static EXTERNAL_CHECK: Check =
    Check { rules: &[&DATA_VOLUME_MISSING_EXTERNAL], run: run_external };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(MissingVolume { service, line, container, wanted, attached }) =
        missing_volume(evidence)?
    else {
        return Ok(vec![]);
    };
    let source = line.source.as_deref().unwrap_or_default();
    let has = match attached.map(|Mount { kind, source, .. }| (kind, source.as_deref())) {
        None | Some((_, None)) => {
            Text::from(format!("Has no volume at {}", container.storage.data_dir))
        }
        Some((kind, Some(source))) => {
            let what = match kind {
                MountKind::Bind => "directory",
                MountKind::Anonymous => "anonymous volume",
                MountKind::Named | MountKind::Tmpfs => "volume",
            };
            Text::from(format!("Has {what} {source} at {}", container.storage.data_dir))
                .volume(source)
        }
    };
    let by_own_command = line
        .is_volume()
        .then(|| {
            let declared = (source, wanted);
            into_declared(evidence, container, declared, DATA_VOLUME_NOT_ATTACHED.id)
        })
        .flatten();
    let mut finding = DATA_VOLUME_NOT_ATTACHED
        .finding(
            Certainty::Proven,
            format!(
                "The next `docker compose up -d` switches to {wanted} and leaves the current data \
                 behind. {} was created before {} was written.",
                container.name, line.at
            ),
        )
        .because(format!("Mounts {wanted} at {}", line.target), line.at.to_string())
        .because(has, container.name.clone())
        .at(line.at.location())
        .at(Location::container(&container.name));
    finding.remedies.extend(by_own_command);
    let finding = finding.remedy(copy_out(container)).remedy(move_in(
        evidence,
        format!("Recreate {} and copy the data in, unless {wanted} has newer data", container.name),
        &service.name,
        container,
    ));
    let finding = for_temporary_instance(evidence, Some(container), finding);
    Ok(vec![also_new_key(evidence, finding)])
}

fn run_external(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some((compose, service)) = declared_backend(evidence)? else { return Ok(vec![]) };
    let key =
        declared_mount_over(service, &service.data_dir).and_then(|line| line.source.as_deref());
    let Some(volume) =
        compose.volumes.iter().find(|volume| volume.external && Some(volume.key.as_str()) == key)
    else {
        return Ok(vec![]);
    };
    let docker = evidence.docker.seen()?;
    let known = docker.volumes.seen()?;
    if known.iter().any(|seen| seen.name == volume.name) {
        return Ok(vec![]);
    }
    // Docker was asked for this very name.
    let certainty = if docker.absent_volumes.contains(&volume.name) {
        Certainty::Proven
    } else {
        Certainty::Likely
    };
    let near: Vec<&str> = known
        .iter()
        .filter(|seen| !seen.anonymous && seen.attached_to.is_empty())
        .map(|seen| seen.name.as_str())
        .take(3)
        .collect();
    let probably = if certainty == Certainty::Proven { "" } else { "probably " };
    let mut finding = DATA_VOLUME_MISSING_EXTERNAL
        .finding(
            certainty,
            Text::from(format!(
                "`docker compose up` {probably}fails: `external volume \"{}\" not found`. Compose \
                 does not create external volumes.",
                volume.name
            ))
            .volume(&volume.name),
        )
        .because(
            Text::from(format!("Expects volume {} to exist", volume.name)).volume(&volume.name),
            volume.at.to_string(),
        )
        .because("Has no volume with this name", docker.address.clone())
        .at(volume.at.location())
        .at(Location::volume(&volume.name));
    if !near.is_empty() {
        finding = finding.remedy(Remedy::safe(format!(
            "Write the name of the volume with your data in {} (unused: {})",
            volume.at,
            near.join(", ")
        )));
    }
    Ok(vec![
        finding.remedy(
            Remedy::safe("Create the volume, for a new and empty database")
                .run(Command::docker(["volume", "create", &volume.name]))
                .run(up(evidence)),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key::{self as build, mount, unseen};
    use crate::report::Action;

    #[test]
    fn compares_the_line_with_the_container() {
        let named = |name| Some(mount(MountKind::Named, Some(name), "/convex/data"));
        let hex = "b".repeat(64);
        let named_by_engine = Some(mount(MountKind::Anonymous, Some("app_data"), "/convex/data"));
        for (case, attached, expected) in [
            ("the declared one", named("app_data"), 0),
            ("another one", named("old_data"), 1),
            ("one that the engine named", named_by_engine, 0),
            ("an anonymous one", Some(mount(MountKind::Anonymous, Some(&hex), "/convex/data")), 1),
            ("a directory", Some(mount(MountKind::Bind, Some("/srv"), "/convex/data")), 1),
            ("nothing", None::<Mount>, 1),
        ] {
            let mut evidence = build::healthy();
            build::backend(&mut evidence).storage.mounts = attached.into_iter().collect();
            let found = run(&evidence).unwrap();
            assert_eq!(found.len(), expected, "{case}");
            assert!(found.iter().all(|finding| finding.certainty == Certainty::Proven));
        }
    }

    /// The volume that the file declares exists: only a copy that a fix made of this container's
    /// own volume may be passed over.
    #[test]
    fn the_copy_of_an_interrupted_fix_is_made_again() {
        let hex = "b".repeat(64);
        for (case, copy_of, attached_to, expected) in [
            ("a copy of its own volume", Some(hex.as_str()), None, true),
            ("a copy of another one", Some("other"), None, false),
            ("not a copy", None, None, false),
            ("a copy that a container has", Some(hex.as_str()), Some("other"), false),
        ] {
            let mut evidence = build::healthy();
            let own = mount(MountKind::Anonymous, Some(&hex), "/convex/data");
            build::backend(&mut evidence).storage.mounts = vec![own];
            let mut there = build::volume("app_data", "app", &[]);
            there.copy_of = copy_of.map(str::to_owned);
            there.attached_to = attached_to.into_iter().map(str::to_owned).collect();
            build::docker(&mut evidence).volumes = build::Seen(vec![there]);
            let found = run(&evidence).unwrap().remove(0);
            let remedy = found.remedies.iter().find(|remedy| remedy.is_for_the_doctor());
            assert_eq!(remedy.is_some(), expected, "{case}");
            let adopts = |action: &Action| {
                matches!(action, Action::DeclareVolume { key, adopt: Some(adopt), .. }
                    if key == "data" && adopt == "app_convex-data")
            };
            assert!(remedy.is_none_or(|remedy| remedy.actions.iter().any(adopts)), "{case}");
        }
    }

    #[test]
    fn needs_the_engine_and_a_container() {
        let mut evidence = build::healthy();
        build::docker(&mut evidence).expected = None;
        assert_eq!(run(&evidence), Ok(vec![]), "not created yet");
        evidence.docker = unseen();
        assert!(run(&evidence).is_err());
    }

    #[test]
    fn looks_for_the_external_volume() {
        let mut evidence = build::healthy();
        assert_eq!(run_external(&evidence), Ok(vec![]));
        build::compose(&mut evidence).volumes[0].external = true;
        assert_eq!(run_external(&evidence), Ok(vec![]), "it exists");
        build::compose(&mut evidence).volumes[0].name = "precious".to_owned();
        assert_eq!(run_external(&evidence).unwrap()[0].certainty, Certainty::Likely);
        build::docker(&mut evidence).absent_volumes = vec!["precious".to_owned()];
        assert_eq!(run_external(&evidence).unwrap()[0].certainty, Certainty::Proven);
        build::docker(&mut evidence).volumes = unseen();
        assert!(run_external(&evidence).is_err());
    }
}
