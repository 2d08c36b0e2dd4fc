//! The key matches a secret in a volume that no running backend uses: the old data is still there.

use crate::checks::Check;
use crate::deployment::candidates::is_of_another_directory;
use crate::deployment::data::content_in_words;
use crate::deployment::key::{created_day, key_in_words, utc_day};
use crate::deployment::key_judgement::{KeyFault, key_fault, superseded};
use crate::deployment::selection::{source_in_words, source_location};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::up;
use crate::remedies::mint::keep_new_database;
use crate::remedies::volumes::take_over;
use crate::remedies::way_back::{attach, bring_back};
use crate::report::{Certainty, Finding, Location, Remedy, Rule, Text, capitalized};

/// The key of a volume that the backend does not use.
pub static KEY_FROM_DETACHED_VOLUME: Rule = rule!(
    "key-from-detached-volume",
    Error,
    "the key belongs to a volume this backend does not use"
)
.cause(&[]);

/// Whether the old volume is still there.
pub static CHECK: Check = Check { rules: &[&KEY_FROM_DETACHED_VOLUME], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let (key, volume, user, claims, certainty) = match key_fault(evidence)? {
        Some(KeyFault::UnusedVolume { key, volume, user, claims, certainty }) => {
            (key, volume, user, claims, certainty)
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
        .or_else(|| docker?.backend(user?)?.labels.project.as_deref());
    let of_project = project.map(|project| format!(" of project {project}")).unwrap_or_default();
    let does_not_use = match certainty {
        Certainty::Proven => "does not use",
        Certainty::Likely => "probably does not use",
        Certainty::Possible => "may not use",
    };
    let detail = format!(
        "{} was generated on {} with the secret in volume {volume}{of_project}. The backend \
         {does_not_use} that volume; its data is still there.",
        capitalized(&key_in_words(key)),
        created_day(claims)
    );
    let matches = Text::from(format!("Matches the secret in volume {volume}")).volume(volume);
    let mut finding = KEY_FROM_DETACHED_VOLUME
        .finding(certainty, Text::from(detail).volume(volume))
        .because(matches, source_in_words(&key.source))
        .at(Location::volume(volume));
    if let Some(at) = seen.and_then(|seen| seen.changed_at) {
        finding =
            finding.because(format!("Last changed on {}", utc_day(at)), format!("volume {volume}"));
    }
    finding = match (user, seen.and_then(|seen| seen.content.seen().ok())) {
        (Some(user), _) => finding.because("Uses that volume", user.to_owned()),
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
        user.is_some_and(|user| docker.and_then(|d| d.expected.as_deref()) == Some(user));
    if is_of_another_directory(evidence, volume) {
        // Started from here, that container would be recreated from this project's files.
        return Ok(vec![finding.remedy(keep_new_database(evidence, volume))]);
    }
    if back.is_none() && of_stopped {
        let title = "Start this project's backend, if you want that one (its port must be free)";
        finding = finding.remedy(Remedy::careful(title).run(up(evidence)));
    } else {
        finding.remedies.extend(take_over(evidence, volume, KEY_FROM_DETACHED_VOLUME.id));
        finding.remedies.extend(back);
        finding.remedies.extend(attach(evidence, volume));
    }
    Ok(vec![finding.remedy(keep_new_database(evidence, volume))])
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
    fn a_stopped_container_still_uses_the_volume() {
        for (case, state, answering, expected) in [
            ("stopped", "exited", true, Some(Proven)),
            ("who answers is not known", "exited", false, Some(Likely)),
            ("running: that is another instance", "running", true, None),
        ] {
            let mut evidence =
                build::refused(&[opened("old", vec![file("old-backend-1", Some("old_data"))])]);
            let mut old = container("old", "old");
            old.life.state = state.into();
            build::docker(&mut evidence).backends.push(old);
            if !answering {
                build::docker(&mut evidence).answering = None;
            }
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
    }

    #[test]
    fn the_volume_alone_shows_it_and_the_way_back_is_exact() {
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
            ["docker compose -p app down", "docker compose -p old up -d"]
        );
        let entry =
            r#"Replace docker-compose.yml:20 with `data: { external: true, name: "old_data" }`"#;
        assert_eq!(found.remedies[2].title, entry);
        assert_eq!(found.remedies[3].commands, ["docker compose up -d"]);

        let found = &run(&evidence("unlabelled")).unwrap()[0];
        assert!(found.remedies[0].title.contains("unlabelled"), "no project to go back to");
        assert_eq!(run(&evidence("app_data")), Ok(vec![]), "its own");

        // Its start would overwrite the old secret: that is prevented before anything is run.
        build::service(&mut of_project).environment =
            vec![build::entry("INSTANCE_SECRET", EntryValue::Secret(build::valid("ours")))];
        let found = &run(&of_project).unwrap()[0];
        for remedy in &found.remedies[..2] {
            assert!(remedy.commands.is_empty() && remedy.title.contains("INSTANCE_SECRET"));
        }
    }

    #[test]
    fn its_own_volume_is_not_unused() {
        let trials = [opened("old", vec![file("helper", Some("app_data"))])];
        assert_eq!(run(&build::refused(&trials)), Ok(vec![]));
    }
}
