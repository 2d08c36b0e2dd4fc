//! A rejected key that is older than the container: when the key, the container and the volume were
//! created.

use crate::checks::Check;
use crate::deployment::container::key_subject;
use crate::deployment::key::{
    KeyAnswer, created_day, key_answer, key_in_words, selected_key, utc_day,
};
use crate::deployment::selection::{source_in_words, source_location};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Location, Rule, capitalized};

/// The key was created before the container.
pub static KEY_ISSUED_BEFORE_RESTART: Rule =
    rule!("key-issued-before-restart", Info, "the key is older than the backend's container");

/// Compares the times.
pub static CHECK: Check = Check { rules: &[&KEY_ISSUED_BEFORE_RESTART], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(key) = selected_key(evidence) else { return Ok(vec![]) };
    match key_answer(evidence) {
        KeyAnswer::Rejected => {}
        // An accepted key may be older than the container.
        KeyAnswer::Accepted { .. } | KeyAnswer::ReadOnly | KeyAnswer::NotAdmin => {
            return Ok(vec![]);
        }
        KeyAnswer::Untested { reason, .. } => return Err(Unseen::new(reason)),
    }
    evidence.docker.seen()?;
    let Some(subject) = key_subject(evidence) else { return Ok(vec![]) };
    let Some(created) = subject.container.life.created_at else { return Ok(vec![]) };
    // Only a key whose secret is known shows when it was created.
    let Some(claims) = key.trials.iter().find_map(|trial| trial.opened.as_ref()) else {
        return match key.trials.as_slice() {
            [] => Err(Unseen::new("no secret was found to test the key with")),
            _ => Ok(vec![]),
        };
    };
    let issued_at = i64::try_from(claims.issued_s).unwrap_or(i64::MAX);
    if issued_at >= created {
        return Ok(vec![]);
    }
    let container = subject.container;
    let mut finding = KEY_ISSUED_BEFORE_RESTART
        .finding(
            Certainty::Proven,
            format!(
                "{} was created on {}, {} on {}. A key keeps working in a new container, if the \
                 secret stays the same.",
                capitalized(&key_in_words(key)),
                created_day(claims),
                container.name,
                utc_day(created)
            ),
        )
        .because(format!("Created on {}", created_day(claims)), source_in_words(&key.source))
        .because(format!("Created on {}", utc_day(created)), container.name.clone());
    let volume =
        container.mount_over(&container.storage.credentials_dir).and_then(|it| it.source.as_ref());
    let volumes = evidence.docker.seen()?.volumes.seen();
    if let (Some(name), Ok(volumes)) = (volume, volumes)
        && let Some(changed) =
            volumes.iter().find(|it| it.name == *name).and_then(|it| it.changed_at)
    {
        finding = finding
            .because(format!("Last changed on {}", utc_day(changed)), format!("volume {name}"));
    }
    if let Some(at) = source_location(&key.source) {
        finding = finding.at(at);
    }
    Ok(vec![finding.at(Location::container(&container.name))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::report::Level;

    #[test]
    fn an_old_key_is_dated_if_it_is_rejected() {
        let old = || build::refused(&[build::opened("old", vec![build::process("old-backend-1")])]);
        assert_eq!(run(&build::healthy()), Ok(vec![]), "accepted");
        let found = run(&old()).unwrap();
        assert_eq!((found[0].level, found[0].evidence.len()), (Level::Info, 3));

        let mut younger = old();
        build::backend(&mut younger).life.created_at = Some(1_760_000_000);
        assert_eq!(run(&younger), Ok(vec![]));
        assert_eq!(run(&build::refused(&[])), Ok(vec![]), "it matches no secret");
        let mut unseen = old();
        unseen.docker = build::unseen();
        assert!(run(&unseen).is_err());
    }
}
