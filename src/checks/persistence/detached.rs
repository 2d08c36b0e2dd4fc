//! Volumes that lie about, attached to nothing, and hold (or may hold) an instance of Convex.

use crate::checks::Check;
use crate::deployment::candidates::look_for_candidates;
use crate::deployment::data::content_in_words;
use crate::deployment::key::fits_untested;
use crate::deployment::key::key_is_accepted;
use crate::deployment::key::selected_key;
use crate::evidence::docker::Volume;
use crate::evidence::key::SecretPlace;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::way_back::attach;
use crate::remedies::way_back::bring_back;
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

/// An unattached volume holds Convex data.
pub static DETACHED_VOLUME_HAS_DATA: Rule = Rule {
    id: "detached-volume-has-data",
    level: Level::Info,
    title: "an unattached volume holds, or may hold, Convex data",
    explain: include_str!("detached-volume-has-data.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

/// Which volumes lie about.
pub static CHECK: Check = Check { rules: &[&DETACHED_VOLUME_HAS_DATA], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let detached: Vec<&Volume> = evidence
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
    let mut found = Vec::new();
    for volume in &detached {
        if has_credentials(volume) {
            let level = if volume.anonymous { Level::Warning } else { Level::Info };
            let what = match volume.content.seen() {
                Ok(content) => content_in_words(content),
                Err(_) => "holds the credentials of a Convex instance".to_owned(),
            };
            found.push(say(evidence, volume, Certainty::Proven, &what).level(level));
        }
    }
    // By its name alone: worth a word only where something is amiss (every upstream project has a
    // volume called `data`).
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
            let what = "is named like the data volume of this project";
            say(evidence, volume, Certainty::Possible, what)
        }));
    }
    Ok(found)
}

fn say(evidence: &Evidence, volume: &Volume, certainty: Certainty, what: &str) -> Finding {
    let kept = if volume.anonymous {
        "Nobody gave it a name, so that `docker volume prune` may take it."
    } else {
        "`docker compose down` keeps it; `docker volume prune` of an engine before 23 does not."
    };
    let name = &volume.name;
    let of = volume.project.as_ref().map(|it| format!(" of project {it}")).unwrap_or_default();
    let mut finding = DETACHED_VOLUME_HAS_DATA
        .finding(certainty, format!("Volume {name}{of} {what}, and no container has it. {kept}"))
        .because(
            volume.changed_at.map_or_else(
                || "attached to nothing".to_owned(),
                |at| {
                    format!(
                        "attached to nothing, last changed {}",
                        crate::deployment::key::utc_day(at)
                    )
                },
            ),
            format!("volume {name}"),
        )
        .at(Location::volume(name));
    if volume.content.seen().is_err() {
        let look = Remedy::safe("Look into it without changing it").run("convex-doctor --deep");
        finding = finding.remedy(look);
    }
    finding.remedies.extend(bring_back(evidence, name, volume.project.as_deref()));
    finding.remedies.extend(attach(evidence, name));
    if finding.remedies.is_empty() {
        finding = finding.remedy(Remedy::safe(format!(
            "Keep it: mount it at /convex/data with `external: true` and `name: {name}`"
        )));
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::closed;
    use crate::evidence::build::key::file;
    use crate::evidence::build::key::unseen;
    use crate::evidence::build::key::volume;
    use crate::evidence::docker::VolumeContent;

    fn with(volume: Volume, mut evidence: Evidence) -> Evidence {
        build::volumes(&mut evidence).push(volume);
        evidence
    }

    #[test]
    fn by_its_content_or_by_its_name() {
        let seen_into = || closed("old", vec![file("helper", Some("old_data"))]);
        let nameless = Volume { anonymous: true, ..volume("old_data", "old", &[]) };
        for (case, volume, trials, expected) in [
            (
                "named alike",
                volume("old_data", "old", &[]),
                vec![],
                Some((Certainty::Possible, Level::Info)),
            ),
            ("attached", volume("old_data", "old", &["x"]), vec![], None),
            (
                "credentials seen",
                volume("old_data", "old", &[]),
                vec![seen_into()],
                Some((Certainty::Proven, Level::Info)),
            ),
            (
                "nameless, credentials seen",
                nameless.clone(),
                vec![seen_into()],
                Some((Certainty::Proven, Level::Warning)),
            ),
            ("nameless, not looked into", nameless, vec![], None),
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
    fn a_name_alone_is_no_news_where_the_key_is_accepted() {
        let evidence = with(volume("old_data", "old", &[]), build::healthy());
        assert_eq!(run(&evidence), Ok(vec![]));
        let mut evidence = build::healthy();
        build::docker(&mut evidence).volumes = unseen();
        assert!(run(&evidence).is_err());
    }
}
