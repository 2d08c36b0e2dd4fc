//! Volumes that no container uses, and that contain, or may contain, a Convex instance.

use crate::checks::Check;
use crate::deployment::candidates::look_for_candidates;
use crate::deployment::data::content_in_words;
use crate::deployment::key::{fits_untested, key_is_accepted, selected_key, utc_day};
use crate::evidence::docker::Volume;
use crate::evidence::key::SecretPlace;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::way_back::{attach, bring_back};
use crate::report::{Certainty, Command, Finding, Level, Location, Remedy, Rule, Text};

/// An unused volume contains Convex data.
pub static DETACHED_VOLUME_HAS_DATA: Rule =
    rule!("detached-volume-has-data", Info, "an unused volume may contain Convex data");

/// Which volumes are unused.
pub static CHECK: Check = Check { rules: &[&DETACHED_VOLUME_HAS_DATA], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let unused: Vec<&Volume> = evidence
        .docker
        .seen()?
        .volumes
        .seen()?
        .iter()
        .filter(|volume| volume.attached_to.is_empty())
        .collect();
    let trials = selected_key(evidence).map(|key| key.trials.as_slice()).unwrap_or_default();
    let has_credentials = |volume: &Volume| {
        volume.is_convex()
            || trials.iter().flat_map(|trial| &trial.places).any(|place| {
                matches!(place, SecretPlace::File { volume: Some(name), .. } if *name == volume.name)
            })
    };
    // Where the key is known to belong to another secret, a volume with a secret of its own is of
    // another instance; such volumes are left over by every test run.
    let is_placed = trials.iter().any(|trial| trial.opened.is_some());
    let is_of_another = |volume: &Volume| {
        is_placed
            && volume.anonymous
            && trials.iter().any(|trial| {
                trial.opened.is_none()
                    && trial.places.iter().any(|it| it.volume() == Some(volume.name.as_str()))
            })
    };
    let mut found = Vec::new();
    for volume in unused.iter().filter(|volume| !is_of_another(volume)) {
        if has_credentials(volume) {
            let level = if volume.anonymous { Level::Warning } else { Level::Info };
            let what = match volume.content.seen() {
                Ok(content) => format!("{}.", content_in_words(content)),
                Err(_) => "It contains the credentials of a Convex backend.".to_owned(),
            };
            found.push(finding(evidence, volume, Certainty::Proven, &what).level(level));
        }
    }
    // By its name only: reported only if something is wrong, because every project with the
    // official compose file has a volume `data`.
    if !key_is_accepted(evidence) {
        let named = look_for_candidates(evidence).and_then(|named| match fits_untested(evidence) {
            Some(unasked) if !named.is_empty() => Err(unasked),
            _ => Ok(named),
        });
        let named = match named {
            Ok(named) => named,
            Err(unseen) if found.is_empty() => return Err(unseen),
            Err(_) => vec![],
        };
        let by_name = named
            .iter()
            .map(|candidate| candidate.volume)
            .filter(|volume| volume.attached_to.is_empty() && !has_credentials(volume));
        found.extend(by_name.map(|volume| {
            let what = "It may contain this project's data: the name is similar.";
            finding(evidence, volume, Certainty::Possible, what)
        }));
    }
    Ok(found)
}

fn finding(evidence: &Evidence, volume: &Volume, certainty: Certainty, what: &str) -> Finding {
    let pruned = if volume.anonymous {
        "`docker volume prune` deletes it, because it is anonymous."
    } else {
        "`docker volume prune` deletes it before Docker 23."
    };
    let name = &volume.name;
    let of = volume.project.as_ref().map(|it| format!(" of project {it}")).unwrap_or_default();
    let detail = format!("No container uses volume {name}{of}. {what} {pruned}");
    let changed = volume.changed_at.map(|at| format!(", last changed {}", utc_day(at)));
    let mut finding = DETACHED_VOLUME_HAS_DATA
        .finding(certainty, Text::from(detail).volume(name))
        .because(
            format!("Is not used by any container{}", changed.unwrap_or_default()),
            format!("volume {name}"),
        )
        .at(Location::volume(name));
    if volume.content.seen().is_err() {
        let look =
            Remedy::safe("Look inside the volume; this creates a container that never starts");
        finding = finding.remedy(look.run(Command::doctor(["--deep"])));
    }
    finding.remedies.extend(bring_back(evidence, name, volume.project.as_deref()));
    finding.remedies.extend(attach(evidence, name));
    if finding.remedies.is_empty() {
        finding = finding.remedy(Remedy::safe(format!(
            "Mount it at /convex/data, with `external: true` and `name: {name}`"
        )));
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key::{self as build, closed, file, opened, unseen, volume};
    use crate::evidence::docker::VolumeContent;

    fn with(volume: Volume, mut evidence: Evidence) -> Evidence {
        build::volumes(&mut evidence).push(volume);
        evidence
    }

    #[test]
    fn by_its_content_or_by_its_name() {
        let seen_into = || closed("old", vec![file("helper", Some("old_data"))]);
        let anonymous = Volume { anonymous: true, ..volume("old_data", "old", &[]) };
        for (case, volume, trials, expected) in [
            (
                "named alike",
                volume("old_data", "old", &[]),
                vec![],
                Some((Certainty::Possible, Level::Info)),
            ),
            ("in use", volume("old_data", "old", &["x"]), vec![], None),
            (
                "credentials seen",
                volume("old_data", "old", &[]),
                vec![seen_into()],
                Some((Certainty::Proven, Level::Info)),
            ),
            (
                "anonymous, credentials seen",
                anonymous.clone(),
                vec![seen_into()],
                Some((Certainty::Proven, Level::Warning)),
            ),
            (
                "anonymous, of another instance",
                anonymous.clone(),
                vec![seen_into(), opened("own", vec![file("app-backend-1", Some("app_data"))])],
                None,
            ),
            ("anonymous, not looked into", anonymous, vec![], None),
        ] {
            let evidence = with(volume, build::refused(&trials));
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|f| (f.certainty, f.level)), expected, "{case}");
        }
    }

    #[test]
    fn what_was_seen_inside_counts_more_than_the_name() {
        let inside = |secret: Option<&str>, database_bytes| {
            let secret = secret.map(build::valid);
            let content = VolumeContent { secret, database_bytes, ..VolumeContent::default() };
            Volume { content: build::Seen(content), ..volume("old_data", "old", &[]) }
        };
        for (case, volume, expected) in [
            ("credentials", inside(Some("old"), None), Some(Certainty::Proven)),
            ("a database on its own", inside(None, Some(4096)), Some(Certainty::Proven)),
            ("neither", inside(None, None), None),
        ] {
            let found = run(&with(volume, build::refused(&[]))).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
    }

    #[test]
    fn a_name_alone_is_not_reported_if_the_key_is_accepted() {
        let evidence = with(volume("old_data", "old", &[]), build::healthy());
        assert_eq!(run(&evidence), Ok(vec![]));
        let mut evidence = build::healthy();
        build::docker(&mut evidence).volumes = unseen();
        assert!(run(&evidence).is_err());
    }
}
