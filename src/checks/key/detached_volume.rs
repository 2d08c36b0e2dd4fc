//! The key opens with a secret that lies in a volume of no running backend: the old data is still
//! there.

use crate::checks::Check;
use crate::deployment::data::content_in_words;
use crate::deployment::key::{created_day, key_in_words, utc_day};
use crate::deployment::key_judgement::{KeyFault, key_fault, superseded};
use crate::deployment::selection::{source_in_words, source_location};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::up;
use crate::remedies::mint::for_answering;
use crate::remedies::volumes::take_over;
use crate::remedies::way_back::{attach, bring_back};
use crate::report::{Finding, Level, Location, Remedy, Rule, capitalized};

/// The key of a volume that the backend does not have.
pub static KEY_FROM_DETACHED_VOLUME: Rule = Rule::new(
    "key-from-detached-volume",
    Level::Error,
    "the key belongs to a volume this backend does not use",
    include_str!("key-from-detached-volume.md"),
)
.cause(&[]);

/// Whether the old volume is still there.
pub static CHECK: Check = Check { rules: &[&KEY_FROM_DETACHED_VOLUME], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let (key, volume, holder, claims, certainty) = match key_fault(evidence)? {
        Some(KeyFault::DetachedVolume { key, volume, holder, claims, certainty }) => {
            (key, volume, holder, claims, certainty)
        }
        Some(other) => return superseded(&other),
        None => return Ok(vec![]),
    };
    let docker = evidence.docker.seen().ok();
    let seen = docker
        .and_then(|docker| docker.volumes.seen().ok())
        .and_then(|volumes| volumes.iter().find(|seen| seen.name == volume));
    let project = seen
        .and_then(|seen| seen.project.as_deref())
        .or_else(|| docker?.backend(holder?)?.project.as_deref());
    let of_project = project.map(|project| format!(" of project {project}")).unwrap_or_default();
    let changed = seen
        .and_then(|seen| seen.changed_at)
        .map(|at| format!(", last changed {}", utc_day(at)))
        .unwrap_or_default();
    let about = format!("volume {volume}{of_project}{changed}");
    let mut finding = KEY_FROM_DETACHED_VOLUME
        .finding(
            certainty,
            format!(
                "{} was issued on {} with the secret in {about}. The backend that answers does not \
                 have that volume; its data is still there.",
                capitalized(&key_in_words(key)),
                created_day(claims)
            ),
        )
        .because(format!("opens with the secret in volume {volume}"), source_in_words(&key.source))
        .at(Location::volume(volume));
    finding = match (holder, seen.and_then(|seen| seen.content.seen().ok())) {
        (Some(holder), _) => finding.because("holds that volume", holder.to_owned()),
        (None, Some(content)) => {
            finding.because(content_in_words(content), format!("volume {volume}, {}", content.how))
        }
        (None, None) => finding,
    };
    if let Some(at) = source_location(&key.source) {
        finding = finding.at(at);
    }
    let back = bring_back(evidence, volume, project);
    let of_stopped =
        holder.is_some_and(|holder| docker.and_then(|d| d.expected.as_deref()) == Some(holder));
    if back.is_none() && of_stopped {
        finding = finding.remedy(
            Remedy::careful(
                "If you mean this project's own backend, start it (its port must be free)",
            )
            .run(up(evidence)),
        );
    } else {
        finding.remedies.extend(take_over(evidence, volume, KEY_FROM_DETACHED_VOLUME.id));
        finding.remedies.extend(back);
        finding.remedies.extend(attach(evidence, volume));
    }
    Ok(vec![finding.remedy(for_answering(
        evidence,
        &format!("To go on with the instance that answers ({volume} is kept), mint a key there"),
    ))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{container, file, opened};
    use crate::evidence::compose::EntryValue;
    use crate::evidence::key::SecretPlace;
    use crate::report::Action;
    use crate::report::Certainty::{Likely, Proven};

    #[test]
    fn a_stopped_container_still_holds_the_volume() {
        for (case, state, answering, expected) in [
            ("stopped", "exited", true, Some(Proven)),
            ("nobody knows who answers", "exited", false, Some(Likely)),
            ("running: that is another instance", "running", true, None),
        ] {
            let mut evidence =
                build::refused(&[opened("old", vec![file("old-backend-1", Some("old_data"))])]);
            let mut old = container("old", "old");
            old.state = state.into();
            build::docker(&mut evidence).backends.push(old);
            if !answering {
                build::docker(&mut evidence).answering = None;
            }
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
    }

    #[test]
    fn the_volume_alone_tells_and_the_way_back_is_exact() {
        let evidence = |volume: &str| {
            let place = SecretPlace::Volume { volume: volume.to_owned() };
            build::refused(&[opened("old", vec![place])])
        };
        let mut of_project = evidence("old_data");
        build::volumes(&mut of_project).push(build::volume("old_data", "old", &[]));
        let found = &run(&of_project).unwrap()[0];
        assert_eq!(found.certainty, Proven);
        assert_eq!(
            found.remedies[0].commands,
            ["convex-doctor fix key-from-detached-volume --apply"]
        );
        let adopted = |action: &Action| {
            matches!(action, Action::DeclareVolume { key, adopt: Some(volume), .. }
                if key == "data" && volume == "old_data")
        };
        assert!(found.remedies[0].actions.iter().any(adopted), "{:?}", found.remedies[0].actions);
        assert_eq!(
            found.remedies[1].commands,
            ["docker compose -p app down && docker compose -p old up -d"]
        );
        let entry = r#"`data: { external: true, name: "old_data" }` in place of `data:`"#;
        assert!(found.remedies[2].title.contains(entry), "{}", found.remedies[2].title);

        let found = &run(&evidence("nobodys")).unwrap()[0];
        assert!(found.remedies[0].title.contains("nobodys"), "no project to go back to");
        assert_eq!(run(&evidence("app_data")), Ok(vec![]), "its own");

        // Its start would overwrite the old secret: nothing to run as it stands.
        build::service(&mut of_project).environment =
            vec![build::entry("INSTANCE_SECRET", EntryValue::Secret(build::valid("ours")))];
        let found = &run(&of_project).unwrap()[0];
        for remedy in &found.remedies[..2] {
            assert!(remedy.commands.is_empty() && remedy.title.contains("INSTANCE_SECRET"));
        }
    }

    #[test]
    fn its_own_volume_is_not_detached() {
        let trials = [opened("old", vec![file("helper", Some("app_data"))])];
        assert_eq!(run(&build::refused(&trials)), Ok(vec![]));
    }
}
