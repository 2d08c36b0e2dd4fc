//! The secret is publicly known: anyone who can reach the backend can generate admin keys for it.

use crate::checks::Check;
use crate::deployment::container::{identity_subject, running_secret};
use crate::deployment::variable::{declared_secret, value_location, value_source};
use crate::deployment::weight::for_temporary_instance;
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::rotation::rotations;
use crate::report::{Certainty, Finding, Level, Location, Rule};
use crate::secret::Fingerprint;

/// The secret is in a public repository.
pub static SECRET_PUBLIC: Rule =
    rule!("secret-public", Error, "the instance secret is publicly known");

/// Whether the secret is publicly known.
pub static CHECK: Check = Check { rules: &[&SECRET_PUBLIC], run };

/// The development secret in Convex's repository, until 2026-05 the default of a backend without a
/// secret.
fn published() -> Fingerprint {
    Fingerprint::of_text(&hex::encode(b"Carnitas, literally meaning \"lit"))
}

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let published = published();
    let subject = identity_subject(evidence);
    let container = subject.as_ref().ok().and_then(Option::as_ref);
    let declared = declared_secret(evidence);
    let entry =
        declared.as_ref().ok().and_then(|found| found.filter(|(_, own)| **own == published));
    let rotations = || rotations(evidence, SECRET_PUBLIC.id, None);
    if let Some(subject) = container
        && let Some((secret, how)) = running_secret(subject.container)
        && *secret == published
    {
        let level = if is_local_only(subject.container) { Level::Warning } else { Level::Error };
        let name = &subject.container.name;
        let reached = match level {
            Level::Error => format!("Anyone who can reach {name}"),
            _ => "Any program on this machine".to_owned(),
        };
        let mut finding = SECRET_PUBLIC
            .finding(
                how,
                format!(
                    "{reached} can generate admin keys: {name} is running with the development \
                     secret from Convex's public repository."
                ),
            )
            .level(level)
            .because(format!("Secret {secret}"), subject.container.name.clone())
            .at(Location::container(&subject.container.name));
        if let Some((entry, _)) = entry {
            finding = finding.at(value_location(entry));
        }
        let finding = for_temporary_instance(evidence, Some(subject.container), finding);
        let mut finding = finding;
        finding.remedies.extend(rotations());
        return Ok(vec![finding]);
    }
    if let Some((entry, secret)) = entry {
        let finding = SECRET_PUBLIC
            .finding(
                Certainty::Likely,
                "After the next `docker compose up -d`, the backend probably uses the development \
                 secret from Convex's public repository.",
            )
            .because(format!("Secret {secret}"), value_source(entry))
            .at(value_location(entry));
        let mut finding = for_temporary_instance(evidence, None, finding);
        finding.remedies.extend(rotations());
        return Ok(vec![finding]);
    }
    let subject = subject?;
    declared?;
    if let Some(subject) = subject
        && running_secret(subject.container).is_none()
    {
        let places = &subject.container.secret;
        for place in [&places.process, &places.environment, &places.file] {
            place.seen()?;
        }
    }
    Ok(vec![])
}

/// Whether only this machine can reach its ports.
fn is_local_only(container: &Container) -> bool {
    container.net.network_mode.as_deref() != Some("host")
        && container
            .net
            .ports
            .iter()
            .filter(|port| port.host.is_some())
            .all(|port| port.host_ip.starts_with("127.") || port.host_ip == "::1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{Seen, unseen};
    use crate::evidence::docker::SecretState;

    #[test]
    fn a_published_secret_is_an_error_if_others_can_reach_it() {
        let carnitas = || Seen(Some(SecretState::Valid(published())));
        let mut evidence = build::healthy();
        assert_eq!(run(&evidence), Ok(vec![]));
        build::backend(&mut evidence).secret.process = carnitas();
        assert_eq!(run(&evidence).unwrap()[0].level, Level::Error);
        build::backend(&mut evidence).net.ports[0].host_ip = "127.0.0.1".to_owned();
        assert_eq!(run(&evidence).unwrap()[0].level, Level::Warning);
        evidence.asked.ephemeral = true;
        assert_eq!(run(&evidence).unwrap()[0].level, Level::Info);
        evidence.docker = unseen();
        assert!(run(&evidence).is_err());
    }
}
