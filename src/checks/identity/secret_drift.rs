//! The running secret is not the one that the next start will use: then the current keys stop
//! working, or those generated now do not work yet.

use crate::checks::Check;
use crate::deployment::compose::backend_service;
use crate::deployment::container::{
    CredentialsFile, IdentitySubject, credentials_file, identity_subject,
};
use crate::deployment::key::{key_in_words, selected_key, trial_of};
use crate::deployment::variable::{entry_if_set, value_location, value_source};
use crate::evidence::compose::{EntryValue, EnvironmentEntry};
use crate::evidence::docker::{Container, SecretState};
use crate::evidence::{Evidence, Observation, Unseen};
use crate::remedies::command::{recreate, restart};
use crate::remedies::mint::after_new_secret;
use crate::remedies::secret::{is_in_env_file, write_back};
use crate::report::{
    Action, CliFailure, Finding, FixPolicy, Location, Price, Remedy, Rule, capitalized,
};
use crate::secret::Fingerprint;

/// Two places have two secrets.
pub static SECRET_DRIFT: Rule =
    rule!("secret-drift", Error, "the instance secret changes at the next start")
        .cause(&["key-foreign"])
        .fix(FixPolicy::Drift)
        .risk()
        .explains(&[CliFailure::KeyRejected]);

/// Compares the places of the secret.
pub static CHECK: Check = Check { rules: &[&SECRET_DRIFT], run };

/// A place, and the secret in it.
struct Holder<'a> {
    what: &'static str,
    source: String,
    secret: &'a Fingerprint,
    at: Location,
    /// The entry of the compose project, if it is that.
    entry: Option<&'a EnvironmentEntry>,
}

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(subject) = identity_subject(evidence)? else { return Ok(vec![]) };
    let container = subject.container;
    let process = in_container("the process", &container.name, &container.secret.process);
    let environment = in_container(
        "the environment of the container",
        &container.name,
        &container.secret.environment,
    );
    let file = in_container("the credentials file", &container.name, &container.secret.file);
    let compose = of_compose(evidence, &subject);

    // What the next start uses: the environment, else the file (docs/facts.md, convex-credentials).
    // In use now: the process.
    let now = process.as_ref().ok().and_then(Option::as_ref);
    let set = environment.as_ref().ok().and_then(Option::as_ref);
    let stored = file.as_ref().ok().and_then(Option::as_ref);
    let declared = compose.as_ref().ok().and_then(Option::as_ref);
    let before = now.or(set).or_else(|| stored.filter(|_| environment.is_ok()));
    let at_start = set.or_else(|| stored.filter(|_| environment.is_ok()));
    let differs = |one: Option<&Holder<'_>>, other: Option<&Holder<'_>>| {
        one.zip(other).is_some_and(|(one, other)| one.secret != other.secret)
    };
    let (old, new, command) = if differs(before, declared) {
        (before, declared, recreate(evidence, container))
    } else if differs(now, at_start) {
        (now, at_start, restart(container))
    } else if let Some(now) = now.filter(|_| credentials_file(container) == CredentialsFile::Gone) {
        return Ok(vec![file_is_gone(evidence, &subject, now)]);
    } else {
        // Nothing that was seen differs. The file does not count if the environment overrides it.
        process?;
        environment.as_ref().map_err(Clone::clone)?;
        compose?;
        if set.is_none() {
            file?;
        }
        return Ok(vec![]);
    };
    let (Some(old), Some(new)) = (old, new) else { return Ok(vec![]) };
    let matches = |place: &Holder<'_>| {
        selected_key(evidence)
            .and_then(|key| trial_of(key, place.secret))
            .map(|trial| trial.opened.is_some())
    };
    let key = selected_key(evidence).map_or_else(|| "the key".to_owned(), key_in_words);
    let effect = match (matches(old), matches(new)) {
        (Some(true), _) => format!("{key} stops working"),
        (_, Some(true)) => format!("{key} starts to work"),
        _ => format!("keys made with secret {} stop working", old.secret),
    };
    let mut finding = SECRET_DRIFT
        .finding(
            subject.certainty,
            format!(
                "After `{command}`, {effect}: {} has secret {}, but {} has secret {}.",
                old.what, old.secret, new.what, new.secret
            ),
        )
        .because(format!("{} has secret {}", capitalized(old.what), old.secret), old.source.clone())
        .because(format!("{} has secret {}", capitalized(new.what), new.secret), new.source.clone())
        .at(new.at.clone())
        .at(Location::container(&container.name));
    if (matches(old), matches(new)) == (Some(false), Some(false)) {
        finding =
            finding.showing("A new key is needed in any case", format!("neither matches {key}"));
    }
    let use_new = [
        Remedy::careful(format!(
            "Use secret {}: keys made with secret {} stop working",
            new.secret, old.secret
        ))
        .run(command),
        after_new_secret(evidence).step(),
    ];
    let place = new.entry.map_or_else(|| new.what.to_owned(), file_of);
    let by_hand =
        || Remedy::safe(format!("Keep the current keys: restore secret {} in {place}", old.secret));
    // The process still has it.
    let is_running = now.is_some_and(|now| now.secret == old.secret);
    let in_file = is_running && set.is_none() && new.entry.is_none();
    let keep_old = write_back(container).filter(|_| in_file).unwrap_or_else(by_hand);
    // Only the key of the CLI shows which one is meant.
    let in_env_file = new.entry.filter(|entry| is_in_env_file(evidence, entry));
    let pinned = in_env_file.and_then(|entry| now.map(|now| (entry, now)));
    let runs = container.is_running() && crate::deployment::platform::is_run_by_compose(container);
    let (back, on) = match (matches(old), matches(new), pinned.filter(|_| runs)) {
        (Some(true), Some(false), Some((entry, now))) if now.secret == old.secret => {
            (Some(pin(container, entry)), None)
        }
        (Some(false), Some(true), Some((entry, _))) => (None, Some(use_declared(container, entry))),
        _ => (None, None),
    };
    if matches(old) == Some(true) {
        finding = finding.remedy(back.unwrap_or(keep_old));
        finding.remedies.extend(use_new);
    } else {
        match on {
            Some(on) => finding.remedies.push(on),
            None => finding.remedies.extend(use_new),
        }
        finding = finding.remedy(keep_old);
    }
    Ok(vec![finding])
}

/// No variable sets the secret, and the file that the next start would read is not there.
fn file_is_gone(evidence: &Evidence, subject: &IdentitySubject<'_>, now: &Holder<'_>) -> Finding {
    let container = subject.container;
    let directory = container.storage.credentials_dir.trim_end_matches('/');
    let file = format!("{directory}/instance_secret");
    let command = restart(container);
    let key = selected_key(evidence);
    let made_with = key.and_then(|key| trial_of(key, now.secret));
    let effect = match key.filter(|_| made_with.is_some_and(|trial| trial.opened.is_some())) {
        Some(key) => format!("{} stops working", key_in_words(key)),
        None => format!("keys made with secret {} stop working", now.secret),
    };
    let detail = format!(
        "After `{command}`, {effect}: the credentials file is gone, so the backend generates a new \
         secret."
    );
    let mut finding = SECRET_DRIFT
        .finding(subject.certainty, detail)
        .because(format!("The process has secret {}", now.secret), container.name.clone())
        .because(format!("{file} is not there"), container.name.clone())
        .at(Location::container(&container.name));
    finding.remedies.extend(write_back(container));
    finding
        .remedy(
            Remedy::careful(format!(
                "Use a new secret: keys made with secret {} stop working",
                now.secret
            ))
            .run(command),
        )
        .remedy(after_new_secret(evidence).step())
}

/// Writes the running secret where the next start reads it.
fn pin(container: &Container, entry: &EnvironmentEntry) -> Remedy {
    let file = file_of(entry);
    Remedy::safe(format!("Keep the current keys: restore the running secret in {file}"))
        .act(Action::PinSecret { container: container.name.clone(), file })
}

/// Recreates the container with the declared secret, which the key matches.
fn use_declared(container: &Container, entry: &EnvironmentEntry) -> Remedy {
    let file = file_of(entry);
    let title = format!("Use the secret in {file}, which the key matches: recreate the backend");
    let remedy = Remedy::careful(title).act(Action::Replace {
        container: container.name.clone(),
        mount: None,
        secret_from: Some(file),
        without: vec![],
    });
    let price = Price {
        dies: "keys made with the old secret".to_owned(),
        stays: "the data, and the key in use".to_owned(),
    };
    Remedy { price: Some(price), ..remedy }
}

fn file_of(entry: &EnvironmentEntry) -> String {
    entry.value_at.as_ref().unwrap_or(&entry.at).file.clone()
}

fn in_container<'a>(
    what: &'static str,
    container: &str,
    value: &'a Observation<Option<SecretState>>,
) -> Result<Option<Holder<'a>>, Unseen> {
    let secret = value.seen()?.as_ref().and_then(SecretState::fingerprint);
    Ok(secret.map(|secret| Holder {
        what,
        source: container.to_owned(),
        secret,
        at: Location::container(container),
        entry: None,
    }))
}

/// The secret in the compose file, if that is for this container.
fn of_compose<'a>(
    evidence: &'a Evidence,
    subject: &IdentitySubject<'_>,
) -> Result<Option<Holder<'a>>, Unseen> {
    if !subject.of_compose {
        return Ok(None);
    }
    Ok(entry_if_set(backend_service(evidence)?, "INSTANCE_SECRET").and_then(|entry| {
        match &entry.value {
            EntryValue::Secret(state) => Some(Holder {
                what: "the compose project",
                source: value_source(entry),
                secret: state.fingerprint()?,
                at: value_location(entry),
                entry: Some(entry),
            }),
            _ => None,
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{Seen, entry, unseen, valid};
    use crate::evidence::compose::At;
    use crate::evidence::docker::SecretPlaces;
    use crate::evidence::surroundings::Git;
    use crate::report::Certainty::{self, Likely, Proven};

    type Row = (&'static str, [Observation<Option<SecretState>>; 3], EntryValue, Option<Certainty>);

    #[test]
    fn what_differs_from_the_running_secret() {
        let some = |name: &str| Seen(Some(valid(name)));
        let none = || Seen(None);
        let in_file = |name: &str| EntryValue::Secret(valid(name));
        let rows: [Row; 11] = [
            ("all agree", [some("a"), none(), some("a")], EntryValue::Unset, None),
            (
                "an empty value counts as not set",
                [some("a"), some("a"), some("a")],
                EntryValue::Blank,
                None,
            ),
            (
                "generating a key has rewritten the file",
                [some("a"), none(), some("b")],
                EntryValue::Unset,
                Some(Proven),
            ),
            (
                ".env was edited, not recreated",
                [some("a"), some("a"), some("a")],
                in_file("b"),
                Some(Proven),
            ),
            (
                "the environment overrides the file",
                [some("a"), some("a"), some("b")],
                EntryValue::Unset,
                None,
            ),
            (
                "stopped, and .env was edited",
                [none(), none(), some("a")],
                in_file("b"),
                Some(Proven),
            ),
            (
                "found wins over unseen",
                [some("a"), some("b"), unseen()],
                EntryValue::Unset,
                Some(Proven),
            ),
            ("declared and in use", [some("a"), some("a"), unseen()], in_file("a"), None),
            ("the file is gone", [some("a"), none(), none()], EntryValue::Unset, Some(Proven)),
            (
                "the file is gone, declared since",
                [some("a"), none(), none()],
                in_file("a"),
                Some(Proven),
            ),
            ("the file is gone, pinned", [some("a"), some("a"), none()], in_file("a"), None),
        ];
        for (case, [process, environment, file], value, expected) in rows {
            let mut evidence = build::healthy();
            build::backend(&mut evidence).secret = SecretPlaces { process, environment, file };
            build::service(&mut evidence).environment = vec![entry("INSTANCE_SECRET", value)];
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
    }

    /// An entrypoint of one's own may pass the secret in any way.
    #[test]
    fn another_entrypoint_needs_no_credentials_file() {
        for (official, expected) in [(true, 1), (false, 0)] {
            let mut evidence = build::healthy();
            let container = build::backend(&mut evidence);
            container.software.upstream_entrypoint = official;
            container.secret.environment = Seen(None);
            container.secret.file = Seen(None);
            assert_eq!(run(&evidence).unwrap().len(), expected, "{official}");
        }
    }

    /// Only the key of the CLI shows which secret is meant.
    #[test]
    fn the_key_shows_which_secret_is_meant() {
        let in_dotenv = At { file: ".env".to_owned(), line: 1, column: 1 };
        let in_shell = None;
        let pin = vec![Action::PinSecret {
            container: "app-backend-1".to_owned(),
            file: ".env".to_owned(),
        }];
        let replace = vec![Action::Replace {
            container: "app-backend-1".to_owned(),
            mount: None,
            secret_from: Some(".env".to_owned()),
            without: vec![],
        }];
        let (ours, new) = (build::opened, build::closed);
        for (case, trials, value_at, tracked, expected) in [
            (
                "made with the old",
                vec![ours("ours", vec![]), new("new", vec![])],
                Some(in_dotenv.clone()),
                false,
                pin,
            ),
            (
                "made with the new",
                vec![new("ours", vec![]), ours("new", vec![])],
                Some(in_dotenv.clone()),
                false,
                replace,
            ),
            (
                "made with neither",
                vec![new("ours", vec![]), new("new", vec![])],
                Some(in_dotenv.clone()),
                false,
                vec![],
            ),
            ("not tried", vec![ours("ours", vec![])], Some(in_dotenv.clone()), false, vec![]),
            (
                "in the shell",
                vec![ours("ours", vec![]), new("new", vec![])],
                in_shell,
                false,
                vec![],
            ),
            (
                "in git",
                vec![ours("ours", vec![]), new("new", vec![])],
                Some(in_dotenv),
                true,
                vec![],
            ),
        ] {
            let mut evidence = build::healthy();
            build::DIRECTORY.clone_into(&mut evidence.surroundings.directory);
            evidence.keys = vec![build::key(trials)];
            let mut declared = entry("INSTANCE_SECRET", EntryValue::Secret(valid("new")));
            declared.value_at = value_at;
            build::service(&mut evidence).environment = vec![declared];
            build::backend(&mut evidence).secret.environment = Seen(Some(valid("ours")));
            let tracked = if tracked { vec![".env".to_owned()] } else { vec![] };
            evidence.surroundings.git = Seen(Some(Git { tracked, ..Git::default() }));
            let found = run(&evidence).unwrap();
            let actions: Vec<_> =
                found[0].remedies.iter().flat_map(|remedy| remedy.actions.clone()).collect();
            assert_eq!(actions, expected, "{case}");
            build::backend(&mut evidence).life.state = "exited".into();
            let found = run(&evidence).unwrap();
            let acts = found[0].remedies.iter().any(|remedy| !remedy.actions.is_empty());
            assert!(!acts, "{case}, stopped");
        }
    }

    #[test]
    fn unseen_is_unknown_and_an_unknown_answerer_is_likely() {
        let mut evidence = build::healthy();
        build::backend(&mut evidence).secret.file = unseen();
        assert!(run(&evidence).is_err());
        let container = build::backend(&mut evidence);
        container.secret.file = Seen(Some(valid("b")));
        build::docker(&mut evidence).answering = None;
        assert_eq!(run(&evidence).unwrap()[0].certainty, Likely);
        evidence.docker = unseen();
        assert!(run(&evidence).is_err());
    }

    /// The process has the secret that the file is to have again.
    #[test]
    fn the_running_secret_is_written_back_to_the_file() {
        let writes = |evidence: &Evidence| {
            let found = run(evidence).unwrap();
            let commands = found[0].remedies.iter().flat_map(|remedy| &remedy.commands);
            commands.filter(|it| it.to_string().contains("instance_secret")).count()
        };
        let mut evidence = build::healthy();
        build::backend(&mut evidence).secret.file = Seen(None);
        assert_eq!(writes(&evidence), 1, "gone");
        build::backend(&mut evidence).secret.file = Seen(Some(valid("b")));
        assert_eq!(writes(&evidence), 1, "another");
        build::service(&mut evidence).environment =
            vec![entry("INSTANCE_SECRET", EntryValue::Secret(valid("c")))];
        assert_eq!(writes(&evidence), 0, "the compose file counts");
        build::service(&mut evidence).environment.clear();
        build::backend(&mut evidence).secret.process = Seen(None);
        build::backend(&mut evidence).secret.environment = Seen(None);
        assert_eq!(run(&evidence), Ok(vec![]), "nothing runs");
    }
}
