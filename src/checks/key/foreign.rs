//! The key matches neither the secret that the backend is running with nor any other that was
//! found.

use crate::checks::Check;
use crate::deployment::candidates::candidates;
use crate::deployment::container::{key_subject, running_secret};
use crate::deployment::data::removed_volume;
use crate::deployment::key::{key_in_words, utc_minute};
use crate::deployment::key_judgement::{KeyFault, key_fault, superseded};
use crate::deployment::selection::source_location;
use crate::evidence::key::SecretPlace;
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::remedies::mint::{keep_new_database, new_key};
use crate::remedies::way_back::bring_back;
use crate::report::{Finding, FixPolicy, Location, Rule, Text, capitalized};

/// The key of an instance that was not found.
pub static KEY_FOREIGN: Rule =
    rule!("key-foreign", Error, "the key does not match the backend's instance secret")
        .cause(&[])
        .caution(
            "Is data missing too? Do not generate a key yet: look for the old volume with \
     `convex-doctor inspect instances`.",
        );

/// Whether the key matches the running secret.
pub static CHECK: Check = Check { rules: &[&KEY_FOREIGN], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let (key, certainty) = match key_fault(evidence)? {
        Some(KeyFault::Foreign { key, certainty }) => (key, certainty),
        Some(other) => return superseded(&other),
        None => return Ok(vec![]),
    };
    let subject = key_subject(evidence);
    let secret = subject.as_ref().and_then(|subject| running_secret(subject.container));
    let backend = subject.as_ref().map_or("the backend", |it| it.container.name.as_str());
    let secret = secret.map(|(secret, _)| format!("secret {secret}"));
    let detail = format!(
        "{} does not match {} of {backend}. {}",
        capitalized(&key_in_words(key)),
        secret.as_deref().unwrap_or("the secret"),
        next_start(key).unwrap_or_else(|| "It was made with a different secret (of another \
             backend, or of this one before), or it is damaged."
            .to_owned())
    );
    let proof = match &secret {
        Some(secret) => format!("Does not match {secret}"),
        None => "Its log rejects the key as not decodable".to_owned(),
    };
    let mut finding = KEY_FOREIGN.finding(certainty, detail).because(proof, backend.to_owned());
    if let Some(removed) = subject.as_ref().and_then(|it| removed_volume(evidence, it.container)) {
        let (name, ago) = (&removed.name, utc_minute(removed.at));
        let text = format!("Volume {name} was removed at {ago} and created again");
        finding = finding.showing(Text::from(text).volume(name), "the engine's events");
    }
    if let Some(at) = source_location(&key.source) {
        finding = finding.at(at);
    }
    if let Some(subject) = &subject {
        finding = finding.at(Location::container(&subject.container.name));
    }
    let candidates = candidates(evidence);
    for candidate in &candidates {
        finding = finding
            .showing(
                "Do not generate a key yet if data is missing: it may be in this volume",
                format!("volume {}, project {}", candidate.volume.name, candidate.project),
            )
            .at(Location::volume(&candidate.volume.name));
    }
    if !candidates.is_empty() {
        finding.fix = FixPolicy::Named("older data may be in another volume");
    }
    if let [only] = candidates.as_slice()
        && let Some(back) = bring_back(evidence, &only.volume.name, Some(only.project))
    {
        finding = finding.remedy(back);
    }
    Ok(vec![finding.remedy(match candidates.first() {
        Some(first) => keep_new_database(evidence, &first.volume.name),
        None => new_key(evidence, "a new key"),
    })])
}

/// The secret that the key matches is not used yet, but will be: the next start explains more than
/// the key.
fn next_start(key: &KeyFacts) -> Option<String> {
    let trial = key.trials.iter().find(|trial| trial.opened.is_some())?;
    Some(match trial.places.first()? {
        SecretPlace::Compose { file, line } => {
            format!(
                "It matches the secret in {file}:{line}, which the container does not have yet."
            )
        }
        SecretPlace::File { container, .. } | SecretPlace::Environment { container } => {
            format!("It matches the secret that {container} will use at its next start.")
        }
        _ => "It matches a secret that is not in use here.".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{file, logged, opened, process, unseen, volume};
    use crate::evidence::docker::LoggedRefusal;
    use crate::report::Certainty::{self, Likely, Proven};

    type Change = fn(&mut Evidence);

    #[test]
    fn it_does_not_match_the_running_secret() {
        let cases: [(&str, Change, Option<Certainty>); 9] = [
            (
                "of a length that no key has",
                |e| e.keys[0].shape.faults.push(crate::admin_key::ShapeFault::UnusualLength),
                Some(Likely),
            ),
            ("rejected, and no secret matches", |_| {}, Some(Proven)),
            ("the URL was not asked", |e| e.endpoint = unseen(), Some(Likely)),
            ("who answers is not known", |e| build::docker(e).answering = None, Some(Likely)),
            ("who answers is likely", |e| build::answering(e).certainty = Likely, Some(Likely)),
            (
                "another one answers than Compose would run",
                |e| {
                    let other = build::container("other", "ours");
                    build::docker(e).backends.push(other);
                    build::answering(e).container = "other-backend-1".to_owned();
                },
                Some(Likely),
            ),
            (
                "no secret, but the log says so",
                |e| {
                    build::hide_secrets(e);
                    build::backend(e).log = logged(LoggedRefusal::Undecodable);
                },
                Some(Proven),
            ),
            (
                "only the file could be read",
                |e| build::backend(e).secret.process = unseen(),
                Some(Likely),
            ),
            (
                "it matches what the next start will use",
                |e| {
                    let file = vec![file("app-backend-1", Some("app_data"))];
                    e.keys[0].trials.push(opened("next", file));
                },
                Some(Proven),
            ),
        ];
        for (case, change, expected) in cases {
            let mut evidence = build::refused(&[]);
            change(&mut evidence);
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
    }

    #[test]
    fn what_it_is_not() {
        assert_eq!(run(&build::healthy()), Ok(vec![]), "accepted");
        let theirs = build::refused(&[opened("theirs", vec![process("other-backend-1")])]);
        assert_eq!(run(&theirs), Ok(vec![]), "another instance's");
        let mut evidence = build::refused(&[]);
        build::hide_secrets(&mut evidence);
        assert!(run(&evidence).is_err(), "neither secret nor log");
        evidence.docker = unseen();
        assert!(run(&evidence).is_err(), "no engine");
    }

    #[test]
    fn warns_of_the_old_volume_and_generates_only_if_the_backend_is_known() {
        let mut evidence = build::refused(&[]);
        let old = volume("old_data", "old", &[]);
        build::volumes(&mut evidence).push(old);
        let found = &run(&evidence).unwrap()[0];
        assert!(found.locations.contains(&Location::volume("old_data")));
        assert_eq!(found.remedies.len(), 2);
        assert_eq!(found.remedies[1].commands, ["convex-doctor key mint --write"]);
        build::docker(&mut evidence).answering = None;
        let found = &run(&evidence).unwrap()[0];
        assert!(found.remedies.last().unwrap().commands.is_empty());
    }
}
