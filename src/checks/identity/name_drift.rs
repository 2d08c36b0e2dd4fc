//! The instance has one name now, and its next start will use another: every key has the old one.

use crate::checks::Check;
use crate::deployment::compose::backend_service;
use crate::deployment::container::{IdentitySubject, identity_subject};
use crate::deployment::key::selected_key;
use crate::deployment::platform::is_run_by_compose;
use crate::deployment::variable::{entry_if_set, value_location, value_source};
use crate::evidence::compose::{EntryValue, EnvironmentEntry};
use crate::evidence::{Evidence, Unseen};
use crate::names::DEFAULT_INSTANCE_NAME;
use crate::remedies::command::{recreate, restart};
use crate::remedies::secret::is_in_env_file;
use crate::report::{Action, CliFailure, Finding, FixPolicy, Location, Remedy, Rule};

/// Two places have two names.
pub static NAME_DRIFT: Rule =
    rule!("name-drift", Error, "the instance name changes at the next start")
        .cause(&["key-name-mismatch"])
        .fix(FixPolicy::Drift)
        .risk()
        .explains(&[CliFailure::KeyRejected]);

/// Compares the places of the name.
pub static CHECK: Check = Check { rules: &[&NAME_DRIFT], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(subject) = identity_subject(evidence)? else { return Ok(vec![]) };
    let container = subject.container;
    let places = &container.instance_name;
    let text = |place: Result<&'_ Option<String>, Unseen>| {
        place.map(|name| name.clone().filter(|name| !name.is_empty()))
    };
    let (process, environment, file) =
        (text(places.process.seen()), text(places.environment.seen()), text(places.file.seen()));
    let declared = if subject.of_compose {
        backend_service(evidence).map(|service| {
            entry_if_set(service, "INSTANCE_NAME").and_then(|entry| match &entry.value {
                EntryValue::Plain(name) => Some((name.clone(), entry)),
                _ => None,
            })
        })
    } else {
        Ok(None)
    };
    let now = process.as_ref().ok().cloned().flatten();
    let set = environment.as_ref().ok().cloned().flatten();
    // Only `run_backend.sh` reads the file.
    let gone = matches!((places.environment.seen(), places.file.seen()), (Ok(None), Ok(None)))
        && container.software.upstream_entrypoint
        && !container.is_created();
    let stored = file.as_ref().ok().cloned().flatten().or_else(|| gone.then(default_name));
    let stored = stored.filter(|_| environment.is_ok());
    let before = now.clone().or_else(|| set.clone()).or_else(|| stored.clone());
    let at_start = set.clone().or(stored);

    let (old, new, entry, command) = match (&before, &declared, &now, &at_start) {
        (Some(before), Ok(Some((name, entry))), _, _) if name != before => {
            (before.clone(), name.clone(), Some(*entry), recreate(evidence, container))
        }
        (_, _, Some(now), Some(next)) if now != next => {
            (now.clone(), next.clone(), None, restart(container))
        }
        _ => {
            process?;
            environment?;
            declared?;
            if set.is_none() {
                file?;
            }
            return Ok(vec![]);
        }
    };
    let database = if container.storage.uses_sql {
        format!(
            " The backend then looks for database {} instead of {}.",
            new.replace('-', "_"),
            old.replace('-', "_")
        )
    } else {
        String::new()
    };
    let mut finding = NAME_DRIFT
        .finding(
            subject.certainty,
            format!(
                "After `{command}`, every key that starts with {old}| is rejected: the instance \
                 name is then {new}.{database}"
            ),
        )
        .because(format!("Instance name now: {old}"), container.name.clone())
        .because(
            format!("Instance name after the next start: {new}"),
            entry.map_or_else(|| container.name.clone(), value_source),
        );
    if let Some(entry) = entry {
        finding = finding.at(value_location(entry));
    }
    Ok(vec![
        finding
            .at(Location::container(&container.name))
            .remedy(back(evidence, &subject, entry, &old))
            .remedy(
                Remedy::careful(format!("Use {new}, and write it before the | of every key"))
                    .run(command),
            ),
    ])
}

/// The name that the backend takes if no file and no variable has one.
fn default_name() -> String {
    DEFAULT_INSTANCE_NAME.to_owned()
}

/// Sets the name back. The doctor does it only if the key of the CLI still has the old one, and the
/// new one is in Compose's `.env`.
fn back(
    evidence: &Evidence,
    subject: &IdentitySubject<'_>,
    entry: Option<&EnvironmentEntry>,
    old: &str,
) -> Remedy {
    let remedy = Remedy::safe(format!("Set INSTANCE_NAME back to {old}"));
    let key = selected_key(evidence).and_then(|key| key.shape.name.as_deref());
    let sure = key == Some(old) && is_run_by_compose(subject.container);
    match entry.filter(|entry| sure && is_in_env_file(evidence, entry)) {
        Some(EnvironmentEntry { value_at: Some(at), .. }) => remedy.act(Action::SetVariable {
            file: at.file.clone(),
            name: "INSTANCE_NAME".to_owned(),
            value: old.to_owned(),
        }),
        _ => remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{Seen, entry, unseen};
    use crate::evidence::compose::At;
    use crate::report::Certainty::{self, Proven};

    #[test]
    fn the_name_goes_back_if_the_key_has_it() {
        for (case, name, file, expected) in [
            ("the key has the old one", "convex-self-hosted", ".env", true),
            ("the key was rewritten", "renamed", ".env", false),
            ("in the compose file itself", "convex-self-hosted", "docker-compose.yml", false),
        ] {
            let mut evidence = build::healthy();
            build::DIRECTORY.clone_into(&mut evidence.surroundings.directory);
            let mut key = build::key(vec![]);
            key.shape.name = Some(name.to_owned());
            evidence.keys = vec![key];
            let mut declared = entry("INSTANCE_NAME", EntryValue::Plain("renamed".to_owned()));
            declared.value_at = Some(At { file: file.to_owned(), line: 1, column: 1 });
            build::service(&mut evidence).environment = vec![declared];
            let found = run(&evidence).unwrap();
            let set = Action::SetVariable {
                file: ".env".to_owned(),
                name: "INSTANCE_NAME".to_owned(),
                value: "convex-self-hosted".to_owned(),
            };
            let expected: Vec<_> = expected.then_some(set).into_iter().collect();
            assert_eq!(found[0].remedies[0].actions, expected, "{case}");
        }
    }

    #[test]
    fn what_differs_from_the_running_name() {
        let plain = |name: &str| EntryValue::Plain(name.to_owned());
        let cases: [(&str, EntryValue, Option<&str>, Option<Certainty>); 5] = [
            ("not set", EntryValue::Unset, None, None),
            ("the same", plain("convex-self-hosted"), None, None),
            ("renamed in the file", plain("renamed"), None, Some(Proven)),
            ("renamed in the environment", EntryValue::Unset, Some("renamed"), Some(Proven)),
            ("a secret-like value is not shown", EntryValue::Hidden, None, None),
        ];
        for (case, value, environment, expected) in cases {
            let mut evidence = build::healthy();
            build::service(&mut evidence).environment = vec![entry("INSTANCE_NAME", value)];
            build::backend(&mut evidence).instance_name.environment =
                Seen(environment.map(str::to_owned));
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
        for (name, expected) in [("convex-self-hosted", None), ("mine", Some(Proven))] {
            let mut evidence = build::healthy();
            let names = &mut build::backend(&mut evidence).instance_name;
            (names.process, names.file) = (Seen(Some(name.to_owned())), Seen(None));
            let found = run(&evidence).unwrap();
            let certainty = found.first().map(|finding| finding.certainty);
            assert_eq!(certainty, expected, "the file is gone, {name}");
        }
        let mut evidence = build::healthy();
        build::backend(&mut evidence).instance_name.process = unseen();
        assert!(run(&evidence).is_err());
    }
}
