//! The compose file declares a volume over the data directory, and the container does not have it;
//! or the volume that it expects is nowhere.

use crate::checks::Check;
use crate::deployment::compose::declared_backend;
use crate::deployment::data::declared_mount_over;
use crate::deployment::data::{MissingVolume, missing_volume};
use crate::deployment::weight::for_temporary_instance;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::up;
use crate::remedies::mint::also_new_key;
use crate::remedies::rescue::copy_out;
use crate::remedies::rescue::move_in;
use crate::remedies::volumes::into_declared;
use crate::report::ChainLink;
use crate::report::Command;
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

/// The container lacks the volume that the compose file declares.
pub static DATA_VOLUME_NOT_ATTACHED: Rule = Rule::new(
    "data-volume-not-attached",
    Level::Error,
    "the container lacks the volume from the compose file",
    include_str!("data-volume-not-attached.md"),
)
.cause(&["key-foreign", "key-rejected"])
.breaks(ChainLink::Mount);

/// An external volume does not exist.
pub static DATA_VOLUME_MISSING_EXTERNAL: Rule = Rule::new(
    "data-volume-missing-external",
    Level::Error,
    "the external data volume does not exist",
    include_str!("data-volume-missing-external.md"),
)
.cause(&["backend-not-created", "url-refused"]);

/// Compares the line with what is attached.
pub static CHECK: Check = Check { rules: &[&DATA_VOLUME_NOT_ATTACHED], run };

/// Looks for the external volume.
pub static EXTERNAL_CHECK: Check =
    Check { rules: &[&DATA_VOLUME_MISSING_EXTERNAL], run: run_external };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(MissingVolume { service, line, container, wanted, attached }) =
        missing_volume(evidence)?
    else {
        return Ok(vec![]);
    };
    let source = line.source.as_deref().unwrap_or_default();
    let has = attached
        .and_then(|mount| mount.source.as_deref())
        .map_or_else(|| "nothing".to_owned(), |source| format!("volume {source}"));
    let by_the_doctor = line
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
                "Container {} was made before the line was written: `docker compose up -d` will \
                 attach {wanted}, and what the instance has now stays behind.",
                container.name
            ),
        )
        .because(format!("mounts {wanted} at {}", line.target), line.at.to_string())
        .because(format!("has {has} at {}", container.data_dir), container.name.clone())
        .at(line.at.location())
        .at(Location::container(&container.name));
    finding.remedies.extend(by_the_doctor);
    let finding = finding
        .remedy(copy_out(container))
        .remedy(move_in(
            evidence,
            format!("Then let Compose attach {wanted}, and move the data in (unless {wanted} holds the newer data)"),
            &service.name,
            Some(container),
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
    // The engine's list was searched for this very name.
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
    let mut finding = DATA_VOLUME_MISSING_EXTERNAL
        .finding(
            certainty,
            format!(
                "Volume {} is `external`, so Compose does not make it, and `up` stops with \
                 `external volume \"{}\" not found`.",
                volume.name, volume.name
            ),
        )
        .because(format!("expects volume {} to exist", volume.name), volume.at.to_string())
        .because("is not among this engine's volumes", docker.address.clone())
        .at(volume.at.location())
        .at(Location::volume(&volume.name));
    if !near.is_empty() {
        finding = finding.remedy(Remedy::safe(format!(
            "If the data is in another volume, write its name there: attached to nothing are {}",
            near.join(", ")
        )));
    }
    Ok(vec![
        finding.remedy(
            Remedy::safe("For a new, empty instance, make it")
                .run(Command::docker(["volume", "create", &volume.name]))
                .run(up(evidence)),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::mount;
    use crate::evidence::build::key::unseen;
    use crate::evidence::docker::Mount;
    use crate::evidence::docker::MountKind;
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
            ("a nameless one", Some(mount(MountKind::Anonymous, Some(&hex), "/convex/data")), 1),
            ("a directory", Some(mount(MountKind::Bind, Some("/srv"), "/convex/data")), 1),
            ("nothing", None::<Mount>, 1),
        ] {
            let mut evidence = build::healthy();
            build::backend(&mut evidence).mounts = attached.into_iter().collect();
            let found = run(&evidence).unwrap();
            assert_eq!(found.len(), expected, "{case}");
            assert!(found.iter().all(|finding| finding.certainty == Certainty::Proven));
        }
    }

    /// The volume that the file declares is there already: only a copy that a fix made of this
    /// container's own may be passed over.
    #[test]
    fn a_copy_of_a_fix_that_was_cut_short_is_made_again() {
        let hex = "b".repeat(64);
        for (case, copy_of, attached_to, expected) in [
            ("a copy of its own volume", Some(hex.as_str()), None, true),
            ("a copy of another one", Some("other"), None, false),
            ("somebody's own", None, None, false),
            ("a copy that a container has", Some(hex.as_str()), Some("other"), false),
        ] {
            let mut evidence = build::healthy();
            let own = mount(MountKind::Anonymous, Some(&hex), "/convex/data");
            build::backend(&mut evidence).mounts = vec![own];
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
        assert_eq!(run_external(&evidence), Ok(vec![]), "it is there");
        build::compose(&mut evidence).volumes[0].name = "precious".to_owned();
        assert_eq!(run_external(&evidence).unwrap()[0].certainty, Certainty::Likely);
        build::docker(&mut evidence).absent_volumes = vec!["precious".to_owned()];
        assert_eq!(run_external(&evidence).unwrap()[0].certainty, Certainty::Proven);
        build::docker(&mut evidence).volumes = unseen();
        assert!(run_external(&evidence).is_err());
    }
}
