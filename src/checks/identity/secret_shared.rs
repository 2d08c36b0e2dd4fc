//! Two instances run with one secret: a key of one works on the other.

use crate::checks::Check;
use crate::deployment::container::identity_subject;
use crate::evidence::docker::{Container, SecretState};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

/// Two instances run with one secret.
pub static SECRET_SHARED: Rule =
    rule!("secret-shared", Warning, "two backends share one instance secret");

/// Whether another instance has it too.
pub static CHECK: Check = Check { rules: &[&SECRET_SHARED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(subject) = identity_subject(evidence)? else { return Ok(vec![]) };
    let own = &subject.container.secret.process;
    let Some(secret) = own.seen()?.as_ref().and_then(SecretState::fingerprint) else {
        return Ok(vec![]);
    };
    let data = |container: &Container| {
        container.mount_over(&container.storage.data_dir).and_then(|mount| mount.source.clone())
    };
    let mut unseen = None;
    let mut found = Vec::new();
    for other in &evidence.docker.seen()?.backends {
        // One volume under two backends is one instance, and `data-volume-shared`.
        let same_instance = other.name == subject.container.name
            || (data(other).is_some() && data(other) == data(subject.container));
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
                                "{} and {} both run with secret {secret}. A key for one also works \
                                 on the other, with that instance name before the |.",
                                subject.container.name, other.name
                            ),
                        )
                        .because(format!("Secret {secret}"), subject.container.name.clone())
                        .because(format!("Secret {secret}"), other.name.clone())
                        .at(Location::container(&subject.container.name))
                        .at(Location::container(&other.name))
                        .remedy(
                            Remedy::careful("Generate a new secret for one; its keys stop working")
                                .run("openssl rand -hex 32")
                                .step(),
                        )
                        .remedy(
                            Remedy::careful("Set that as its INSTANCE_SECRET, and recreate it")
                                .step(),
                        )
                        .remedy(Remedy::careful("Generate new keys for it").step()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::container;

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
            other.storage.mounts[0].source = Some(volume.to_owned());
            other.life.state = state.into();
            build::docker(&mut evidence).backends.push(other);
            assert_eq!(run(&evidence).unwrap().len(), expected, "{case}");
        }
    }
}
