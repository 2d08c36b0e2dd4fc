//! A secret that others know: published by upstream, shared with another instance, or written into a file that is shared.
//!
//! Whoever has the instance secret can mint admin keys.

use super::{opinion, service, value_place, value_spot, whose};
use crate::checks::Check;
use crate::checks::key::secret_in_force;
use crate::checks::persistence::{engine, for_a_throw_away, spot};
use crate::evidence::compose::{EntryValue, EnvironmentEntry};
use crate::evidence::docker::{Container, SecretState};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};
use crate::secret::Fingerprint;

/// The secret stands in a public repository.
pub static SECRET_PUBLIC: Rule = Rule {
    id: "secret-public",
    level: Level::Error,
    title: "the instance secret is a published one: anybody can mint keys",
    explain: include_str!("secret-public.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

/// Two instances run with one secret.
pub static SECRET_SHARED: Rule = Rule {
    id: "secret-shared",
    level: Level::Warning,
    title: "two instances run with the same secret",
    explain: include_str!("secret-shared.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

/// The secret stands in the compose file.
pub static SECRET_IN_COMPOSE: Rule = Rule {
    id: "secret-in-compose",
    level: Level::Warning,
    title: "the instance secret is written into the compose file",
    explain: include_str!("secret-in-compose.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

/// Whether everybody knows the secret.
pub static PUBLIC_CHECK: Check = Check { rules: &[&SECRET_PUBLIC], run: run_public };

/// Whether another instance has it too.
pub static SHARED_CHECK: Check = Check { rules: &[&SECRET_SHARED], run: run_shared };

/// Whether it stands in the compose file.
pub static COMPOSE_CHECK: Check = Check { rules: &[&SECRET_IN_COMPOSE], run: run_compose };

/// The development secret in upstream's repository, until 2026-05 the default of a backend that was given none.
fn published() -> Fingerprint {
    Fingerprint::of_text(&hex::encode(b"Carnitas, literally meaning \"lit"))
}

fn declared_secret(
    evidence: &Evidence,
) -> Result<Option<(&EnvironmentEntry, &Fingerprint)>, Unseen> {
    Ok(opinion(service(evidence)?, "INSTANCE_SECRET").and_then(|entry| match &entry.value {
        EntryValue::Secret(state) => Some((entry, state.fingerprint()?)),
        _ => None,
    }))
}

fn run_public(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let published = published();
    let whose = whose(evidence);
    let container = whose.as_ref().ok().and_then(Option::as_ref);
    let declared = declared_secret(evidence);
    let entry =
        declared.as_ref().ok().and_then(|found| found.filter(|(_, own)| **own == published));
    let rotate = || {
        Remedy::careful(
            "Put a new secret into `.env` as INSTANCE_SECRET, recreate the container, and mint a key: \
             every old key stops working, the data stays",
        )
        .run("openssl rand -hex 32")
    };
    if let Some(whose) = container
        && let Some((secret, how)) = secret_in_force(whose.container)
        && *secret == published
    {
        let level = if is_local_only(whose.container) { Level::Warning } else { Level::Error };
        let mut finding = SECRET_PUBLIC
            .finding(
                how,
                format!(
                    "{} runs with the development secret of upstream's repository{}.",
                    whose.container.name,
                    if level == Level::Warning { "; only this machine can reach it" } else { "" }
                ),
            )
            .level(level)
            .because(format!("secret {secret}"), whose.container.name.clone())
            .at(Location::container(&whose.container.name));
        if let Some((entry, _)) = entry {
            finding = finding.at(value_place(entry));
        }
        let finding = for_a_throw_away(evidence, Some(whose.container), finding);
        return Ok(vec![finding.remedy(rotate())]);
    }
    if let Some((entry, secret)) = entry {
        let finding = SECRET_PUBLIC
            .finding(
                Certainty::Likely,
                "The development secret of upstream's repository is in force after the next \
                 `docker compose up -d`.",
            )
            .because(format!("secret {secret}"), value_spot(entry))
            .at(value_place(entry));
        return Ok(vec![for_a_throw_away(evidence, None, finding).remedy(rotate())]);
    }
    let whose = whose?;
    declared?;
    if let Some(whose) = whose
        && secret_in_force(whose.container).is_none()
    {
        let places = &whose.container.secret;
        for place in [&places.process, &places.environment, &places.file] {
            place.seen()?;
        }
    }
    Ok(vec![])
}

/// Whether nothing but this machine reaches what it publishes.
fn is_local_only(container: &Container) -> bool {
    container.network_mode.as_deref() != Some("host")
        && container
            .ports
            .iter()
            .filter(|port| port.host.is_some())
            .all(|port| port.host_ip.starts_with("127.") || port.host_ip == "::1")
}

fn run_shared(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(whose) = whose(evidence)? else { return Ok(vec![]) };
    let own = &whose.container.secret.process;
    let Some(secret) = own.seen()?.as_ref().and_then(SecretState::fingerprint) else {
        return Ok(vec![]);
    };
    let data = |container: &Container| {
        container.mount_over(&container.data_dir).and_then(|mount| mount.source.clone())
    };
    let mut unseen = None;
    let mut found = Vec::new();
    for other in &engine(evidence)?.backends {
        // One volume under two backends is one instance, and `data-volume-shared`.
        let same_instance = other.name == whose.container.name
            || (data(other).is_some() && data(other) == data(whose.container));
        if same_instance || !other.is_running() {
            continue;
        }
        match other.secret.process.seen() {
            Ok(state) if state.as_ref().and_then(SecretState::fingerprint) == Some(secret) => {
                found.push(
                    SECRET_SHARED
                        .finding(
                            Certainty::Proven,
                            format!(
                                "{} and {} both run with secret {secret}: a key of one opens the \
                                 other, once the name before the | fits.",
                                whose.container.name, other.name
                            ),
                        )
                        .because(format!("secret {secret}"), whose.container.name.clone())
                        .because(format!("secret {secret}"), other.name.clone())
                        .at(Location::container(&whose.container.name))
                        .at(Location::container(&other.name))
                        .remedy(
                            Remedy::careful(
                                "Give one of them a new secret, recreate it, and mint its keys anew",
                            )
                            .run("openssl rand -hex 32"),
                        ),
                );
            }
            Ok(_) => {}
            Err(reason) => unseen = Some(reason),
        }
    }
    match unseen {
        Some(reason) if found.is_empty() => Err(reason),
        _ => Ok(found),
    }
}

fn run_compose(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some((entry, secret)) = declared_secret(evidence)? else { return Ok(vec![]) };
    let at = entry.value_at.as_ref().unwrap_or(&entry.at);
    if at.file != entry.at.file {
        return Ok(vec![]); // it stands in `.env` or another file of variables
    }
    let git = evidence.surroundings.git.seen().ok().and_then(Option::as_ref);
    let tracked = git.is_some_and(|git| git.tracked.contains(&at.file));
    let literal = entry.value_at.is_some()
        || git.is_some_and(|git| {
            git.secrets.iter().any(|seen| seen.file == at.file && seen.line == at.line)
        });
    // Without a place of its own the value may also come from the shell.
    let certainty = if literal { Certainty::Proven } else { Certainty::Likely };
    let detail = if tracked {
        "Git keeps it: everybody with the repository can mint admin keys, and later commits do not \
         take it back."
    } else {
        "Whoever gets the file can mint admin keys."
    };
    let move_out = Remedy::safe(
        "Move the value to `.env` (which git must ignore), and write `INSTANCE_SECRET: \
         ${INSTANCE_SECRET}` here",
    );
    let finding = SECRET_IN_COMPOSE
        .finding(certainty, detail)
        .level(if tracked { Level::Error } else { Level::Warning })
        .because(format!("INSTANCE_SECRET is set to secret {secret}"), spot(at))
        .at(value_place(entry))
        .remedy(move_out);
    Ok(vec![if tracked {
        finding.remedy(
            Remedy::careful(
                "Then rotate it: put a new one into `.env`, recreate the container, mint the keys anew",
            )
            .run("openssl rand -hex 32"),
        )
    } else {
        finding
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::key::build::{self, Seen, at, container, entry, unseen, valid};
    use crate::evidence::compose::At;
    use crate::evidence::surroundings::Git;
    use Certainty::{Likely, Proven};

    #[test]
    fn a_published_secret_is_public_where_others_reach_it() {
        let carnitas = || Seen(Some(SecretState::Valid(published())));
        let mut evidence = build::healthy();
        assert_eq!(run_public(&evidence), Ok(vec![]));
        build::backend(&mut evidence).secret.process = carnitas();
        assert_eq!(run_public(&evidence).unwrap()[0].level, Level::Error);
        build::backend(&mut evidence).ports[0].host_ip = "127.0.0.1".to_owned();
        assert_eq!(run_public(&evidence).unwrap()[0].level, Level::Warning);
        evidence.asked.ephemeral = true;
        assert_eq!(run_public(&evidence).unwrap()[0].level, Level::Info);
        evidence.docker = unseen();
        assert!(run_public(&evidence).is_err());
    }

    #[test]
    fn two_instances_with_one_secret() {
        for (case, secret, volume, state, expected) in [
            ("their own", "theirs", "other_data", "running", 0),
            ("shared", "ours", "other_data", "running", 1),
            ("stopped", "ours", "other_data", "exited", 0),
            ("one instance on one volume", "ours", "app_data", "running", 0),
        ] {
            let mut evidence = build::healthy();
            let mut other = container("other", secret);
            other.mounts[0].source = Some(volume.to_owned());
            state.clone_into(&mut other.state);
            build::docker(&mut evidence).backends.push(other);
            assert_eq!(run_shared(&evidence).unwrap().len(), expected, "{case}");
        }
    }

    #[test]
    fn a_secret_in_the_compose_file() {
        let other = At { file: ".env".to_owned(), line: 1, column: 1 };
        for (case, value_at, tracked, expected) in [
            ("in .env", Some(other), true, None),
            ("literal", Some(at(9)), false, Some((Proven, Level::Warning))),
            ("literal, or the shell's", None, false, Some((Likely, Level::Warning))),
            ("tracked", Some(at(9)), true, Some((Proven, Level::Error))),
        ] {
            let mut evidence = build::healthy();
            let mut own = entry("INSTANCE_SECRET", EntryValue::Secret(valid("ours")));
            own.value_at = value_at;
            build::service(&mut evidence).environment = vec![own];
            let files = if tracked { vec!["docker-compose.yml".to_owned()] } else { vec![] };
            evidence.surroundings.git = Seen(Some(Git { tracked: files, ..Git::default() }));
            let found = run_compose(&evidence).unwrap();
            assert_eq!(found.first().map(|f| (f.certainty, f.level)), expected, "{case}");
        }
        assert_eq!(run_compose(&build::healthy()), Ok(vec![]));
    }
}
