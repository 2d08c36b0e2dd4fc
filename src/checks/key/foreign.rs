//! The key opens neither with the secret in force nor with any other that was found.

use crate::checks::Check;
use crate::deployment::candidates::candidates;
use crate::deployment::container::{key_subject, running_secret};
use crate::deployment::key::key_in_words;
use crate::deployment::key_judgement::{KeyFault, key_fault, superseded};
use crate::deployment::selection::source_location;
use crate::evidence::key::SecretPlace;
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::remedies::mint::for_answering;
use crate::remedies::way_back::bring_back;
use crate::report::{Finding, Level, Location, Rule, capitalized};

/// The key of an instance that is nowhere to be seen.
pub static KEY_FOREIGN: Rule = Rule::new(
    "key-foreign",
    Level::Error,
    "the key was made with a different instance secret",
    include_str!("key-foreign.md"),
)
.cause(&[]);

/// Whether the secret in force opens the key.
pub static CHECK: Check = Check { rules: &[&KEY_FOREIGN], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let (key, certainty) = match key_fault(evidence)? {
        Some(KeyFault::Foreign { key, certainty }) => (key, certainty),
        Some(other) => return superseded(&other),
        None => return Ok(vec![]),
    };
    let subject = key_subject(evidence);
    let secret = subject.as_ref().and_then(|subject| running_secret(subject.container));
    let (who, with) = match (&subject, secret) {
        (Some(subject), Some((secret, _))) => {
            (subject.container.name.as_str(), format!("secret {secret}"))
        }
        (Some(subject), None) => (subject.container.name.as_str(), "the secret".to_owned()),
        (None, _) => ("the backend that answers", "the secret".to_owned()),
    };
    let mut finding = KEY_FOREIGN
        .finding(
            certainty,
            format!(
                "{} was not made with {with} of {who}: it was minted for another instance, or \
                 before the instance got a new secret, or a digit of it was altered.{}",
                capitalized(&key_in_words(key)),
                next_start(key).unwrap_or_default()
            ),
        )
        .because(
            match secret {
                Some(_) => format!("does not open with {with}"),
                None => "its log refuses the key as one that does not open".to_owned(),
            },
            who.to_owned(),
        );
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
                format!(
                    "Do not mint yet if you miss data: it is attached to no running backend, and \
                     belongs to project {}",
                    candidate.project
                ),
                format!("volume {}", candidate.volume.name),
            )
            .at(Location::volume(&candidate.volume.name));
    }
    if let [only] = candidates.as_slice()
        && let Some(back) = bring_back(evidence, &only.volume.name, Some(only.project))
    {
        finding = finding.remedy(back);
    }
    let afresh = match candidates.first() {
        Some(first) => format!("To start afresh ({} is kept), mint a key", first.volume.name),
        None => "Mint a key for the instance that answers".to_owned(),
    };
    Ok(vec![finding.remedy(for_answering(evidence, &afresh))])
}

/// What opens the key is not in force, but will be: the start to come explains more than the key.
fn next_start(key: &KeyFacts) -> Option<String> {
    let trial = key.trials.iter().find(|trial| trial.opened.is_some())?;
    Some(match trial.places.first()? {
        SecretPlace::Compose { file, line } => format!(
            " It opens with the secret at {file}:{line}, which the container has not got yet."
        ),
        SecretPlace::File { container, .. } | SecretPlace::Environment { container } => format!(
            " It opens with the secret that {container} will use at its next start, not with the one in force."
        ),
        _ => " It opens with a secret that is not in force here.".to_owned(),
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
    fn the_secret_in_force_does_not_open_it() {
        let cases: [(&str, Change, Option<Certainty>); 8] = [
            ("refused and closed", |_| {}, Some(Proven)),
            ("the URL was not asked", |e| e.endpoint = unseen(), Some(Likely)),
            ("nobody knows who answers", |e| build::docker(e).answering = None, Some(Likely)),
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
                "it opens with what the next start will use",
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
    fn warns_of_the_old_volume_and_mints_only_where_it_is_known_who_answers() {
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
