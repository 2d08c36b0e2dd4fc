//! The key gives other rights than the CLI needs: it is read-only, or a system key.

use crate::admin_key::{Claims, KeyKind};
use crate::checks::Check;
use crate::deployment::container::{key_subject, running_secret};
use crate::deployment::key::{KeyAnswer, key_answer, key_in_words, selected_key, trial_of};
use crate::deployment::selection::{source_in_words, source_location};
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::remedies::mint::new_key;
use crate::report::{Certainty, CliFailure, Finding, Rule, capitalized};

/// The key is read-only.
pub static KEY_IS_READ_ONLY: Rule =
    rule!("key-is-read-only", Error, "the key is read-only: `dev` and `deploy` are rejected")
        .cause(&[])
        .explains(&[CliFailure::KeyReadOnly]);

/// The key is a system key.
pub static KEY_IS_SYSTEM_KEY: Rule =
    rule!("key-is-system-key", Warning, "the key is a system key, which the dashboard rejects")
        .explains(&[CliFailure::KeyLost]);

/// Whether the key is read-only.
pub static READ_ONLY_CHECK: Check = Check { rules: &[&KEY_IS_READ_ONLY], run: run_read_only };

/// Whether the key is a system key.
pub static SYSTEM_CHECK: Check = Check { rules: &[&KEY_IS_SYSTEM_KEY], run: run_system };

/// What the key contains, decrypted with the secret of the instance it is for, else with any secret
/// that it matches.
fn claims<'a>(evidence: &Evidence, key: &'a KeyFacts) -> Option<(&'a Claims, Certainty)> {
    let own = key_subject(evidence).and_then(|subject| {
        let (secret, how) = running_secret(subject.container)?;
        Some((trial_of(key, secret)?.opened.as_ref()?, how))
    });
    // The claims are the same with any secret that it matches; whether this instance accepts them
    // is another question.
    own.or_else(|| {
        let any = key.trials.iter().find_map(|trial| trial.opened.as_ref())?;
        Some((any, Certainty::Likely))
    })
}

fn run_read_only(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(key) = selected_key(evidence) else { return Ok(vec![]) };
    let answered = match key_answer(evidence) {
        KeyAnswer::Accepted { read_only: Some(true) } | KeyAnswer::ReadOnly => Some(true),
        KeyAnswer::Accepted { read_only: Some(false) } => Some(false),
        _ => None,
    };
    let claimed =
        claims(evidence, key).map(|(claims, how)| (claims.kind == Some(KeyKind::ReadOnly), how));
    let (certainty, how) = match (answered, claimed) {
        (Some(true), _) => (Certainty::Proven, "The backend answers that the key is read-only"),
        (Some(false), _) | (None, Some((false, _))) => return Ok(vec![]),
        (None, Some((true, how))) => (how, "Its decrypted content is read-only"),
        (None, None) => return Err(not_known(evidence)),
    };
    let mut finding = KEY_IS_READ_ONLY
        .finding(
            certainty,
            format!(
                "{} can only read data and logs. A push fails with 403, although `npx convex dev \
                 --once` exits with 0.",
                capitalized(&key_in_words(key))
            ),
        )
        .because(how, source_in_words(&key.source));
    if let Some(at) = source_location(&key.source) {
        finding = finding.at(at);
    }
    Ok(vec![finding.remedy(new_key(evidence, "a new key with full access"))])
}

fn run_system(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(key) = selected_key(evidence) else { return Ok(vec![]) };
    let (certainty, how) = match (claims(evidence, key), key_answer(evidence)) {
        (Some((claims, how)), _) if claims.kind == Some(KeyKind::System) => {
            (how, "Its decrypted content is that of a system key")
        }
        (Some(_), _) | (None, KeyAnswer::Accepted { .. } | KeyAnswer::ReadOnly) => {
            return Ok(vec![]);
        }
        // Convex gives this answer to no other key (docs/facts.md, convex-check-admin-key); a proxy
        // may have removed it.
        (None, KeyAnswer::NotAdmin) => {
            let certainty =
                if through_a_proxy(evidence) { Certainty::Possible } else { Certainty::Likely };
            (certainty, "check_admin_key answers 403 to it")
        }
        (None, KeyAnswer::Rejected | KeyAnswer::Untested { reason: _, .. }) => {
            return Err(not_known(evidence));
        }
    };
    let mut finding = KEY_IS_SYSTEM_KEY
        .finding(
            certainty,
            format!(
                "The dashboard rejects {} with 403, although the CLI works with it. A system key can \
                 do more than an admin key.",
                key_in_words(key)
            ),
        )
        .because(how, source_in_words(&key.source));
    if let Some(at) = source_location(&key.source) {
        finding = finding.at(at);
    }
    Ok(vec![finding.remedy(new_key(evidence, "an admin key"))])
}

fn through_a_proxy(evidence: &Evidence) -> bool {
    evidence.endpoint.seen().ok().and_then(Option::as_ref).is_some_and(|endpoint| {
        endpoint.route.proxy.is_some()
            || endpoint.key.check_admin_key.seen().is_ok_and(|answer| answer.server.is_some())
    })
}

fn not_known(evidence: &Evidence) -> Unseen {
    match key_answer(evidence) {
        KeyAnswer::Untested { reason, .. } => Unseen::new(reason),
        _ => Unseen::new("the key matches no secret that was found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{answer, opened, process, refusal};
    use crate::evidence::endpoint::Body;

    fn of_kind(kind: KeyKind) -> Evidence {
        let mut trial = opened("ours", vec![process("app-backend-1")]);
        let claims = trial.opened.as_mut().unwrap();
        (claims.kind, claims.read_only) = (Some(kind), kind == KeyKind::ReadOnly);
        let mut evidence = build::healthy();
        evidence.keys[0].trials = vec![trial];
        evidence
    }

    #[test]
    fn read_only_by_its_answer_or_its_content() {
        let mut evidence = build::healthy();
        assert_eq!(run_read_only(&evidence), Ok(vec![]));
        build::endpoint(&mut evidence).key.check_admin_key =
            answer(200, Body::KeyAccepted { read_only: Some(true) });
        assert_eq!(run_read_only(&evidence).unwrap()[0].certainty, Certainty::Proven);
        build::endpoint(&mut evidence).key.check_admin_key = refusal(403, "ReadOnlyAdminKey");
        assert_eq!(run_read_only(&evidence).unwrap().len(), 1);
        let mut evidence = of_kind(KeyKind::ReadOnly);
        build::endpoint(&mut evidence).key.check_admin_key = build::unseen();
        assert_eq!(run_read_only(&evidence).unwrap().len(), 1);
        evidence.keys[0].trials.clear();
        assert!(run_read_only(&evidence).is_err());
    }

    #[test]
    fn system_by_its_content_or_by_403() {
        assert_eq!(run_system(&build::healthy()), Ok(vec![]));
        assert_eq!(run_system(&of_kind(KeyKind::System)).unwrap()[0].certainty, Certainty::Proven);
        let mut evidence = build::healthy();
        evidence.keys[0].trials.clear();
        build::endpoint(&mut evidence).key.check_admin_key = refusal(403, "BadDeployKey");
        assert_eq!(run_system(&evidence).unwrap()[0].certainty, Certainty::Likely);
        build::endpoint(&mut evidence).key.check_admin_key = build::bad_admin_key();
        assert!(run_system(&evidence).is_err());
    }
}
