//! The key and the backend: whether it is accepted, which secret it matches, and which backend has
//! that.
//!
//! This is about the container that answers at the URL (`answering`). If that is not known, nothing
//! here is above `likely`, and no remedy generates a key (docs/facts.md, rule-containers). Of the
//! five ids about a rejected key exactly one wins: `key_judgement` decides which.

pub mod accepted;
pub mod another_instance;
pub mod detached_volume;
pub mod foreign;
pub mod issued_before;
pub mod name_mismatch;
pub mod rejected;
pub mod rights;

use super::Check;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &accepted::CHECK,
    &another_instance::CHECK,
    &detached_volume::CHECK,
    &foreign::CHECK,
    &name_mismatch::CHECK,
    &rejected::CHECK,
    &rights::READ_ONLY_CHECK,
    &rights::SYSTEM_CHECK,
    &issued_before::CHECK,
];

#[cfg(test)]
mod tests {
    use crate::checks::{Outcome, identity, persistence};
    use crate::evidence::Evidence;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{
        closed, container, file, logged, opened, process, unseen, volume,
    };
    use crate::evidence::docker::LoggedRefusal;
    use crate::evidence::endpoint::{EndpointFacts, EndpointTarget};

    type Take = fn(&mut Evidence);

    /// The result of the checks of key, identity and persistence.
    fn run_ours(evidence: &Evidence) -> Outcome {
        let ours = |id: &str| {
            [super::CHECKS, identity::CHECKS, persistence::CHECKS]
                .concat()
                .iter()
                .any(|check| check.rules.iter().any(|rule| rule.id == id))
        };
        let mut outcome = crate::checks::run_all(evidence);
        outcome.findings.retain(|finding| ours(&finding.id));
        outcome.passed.retain(|id| ours(id));
        outcome.unknown.retain(|unknown| ours(&unknown.id));
        outcome
    }

    /// Deployments with something wrong in each of the three families.
    fn broken() -> Vec<Evidence> {
        let mut renamed =
            build::refused(&[opened("old", vec![file("old-backend-1", Some("old_data"))])]);
        let mut old = container("old", "old");
        old.life.state = "exited".into();
        build::docker(&mut renamed).backends.push(old);
        build::volumes(&mut renamed).push(volume("old_data", "old", &["old-backend-1"]));

        let mut other = build::refused(&[opened("theirs", vec![process("other-backend-1")])]);
        build::docker(&mut other).backends.push(container("other", "theirs"));

        let mut named_alike = build::refused(&[closed("x", vec![])]);
        build::volumes(&mut named_alike).push(volume("old_data", "old", &[]));

        let mut by_log = build::refused(&[]);
        build::hide_secrets(&mut by_log);
        build::backend(&mut by_log).log = logged(LoggedRefusal::Undecodable);

        let mut no_volume = build::refused(&[]);
        build::service(&mut no_volume).mounts.clear();
        build::backend(&mut no_volume).storage.mounts.clear();

        let mut drifted = build::healthy();
        build::backend(&mut drifted).secret.file = build::Seen(Some(build::valid("next")));
        build::backend(&mut drifted).instance_name.environment =
            build::Seen(Some("re:named".to_owned()));
        vec![renamed, other, named_alike, by_log, no_volume, drifted]
    }

    #[test]
    fn a_healthy_deployment_is_silent() {
        let outcome = run_ours(&build::healthy());
        let found: Vec<_> = outcome.findings.iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!(found, Vec::<&str>::new());
        assert!(outcome.unknown.is_empty(), "{:?}", outcome.unknown);
    }

    #[test]
    fn one_id_about_a_rejected_key() {
        for evidence in broken().iter().take(5) {
            let about_key = run_ours(evidence)
                .findings
                .iter()
                // Two dates do not show why.
                .filter(|finding| finding.id != "key-issued-before-restart")
                .filter(|finding| finding.id.starts_with("key-"))
                .count();
            assert_eq!(about_key, 1);
        }
    }

    #[test]
    fn a_source_less_is_never_a_pass_and_never_more_certain() {
        let takes: [(&str, Take); 7] = [
            ("compose", |e| e.compose = unseen()),
            ("docker", |e| e.docker = unseen()),
            ("endpoint", |e| e.endpoint = unseen()),
            ("endpoint's answers", |e| {
                *build::endpoint(e) = EndpointFacts {
                    target: EndpointTarget {
                        host: "127.0.0.1".to_owned(),
                        ..EndpointTarget::default()
                    },
                    ..EndpointFacts::default()
                };
            }),
            ("volumes", |e| build::docker(e).volumes = unseen()),
            ("secrets", build::hide_secrets),
            ("who answers", |e| build::docker(e).answering = None),
        ];
        for (index, whole) in broken().into_iter().enumerate() {
            let before = run_ours(&whole);
            assert!(!before.findings.is_empty(), "{index}");
            for (source, take) in takes {
                let mut less = whole.clone();
                take(&mut less);
                let after = run_ours(&less);
                for finding in &before.findings {
                    assert!(
                        !after.passed.contains(&finding.id),
                        "{index} without {source}: {} passes",
                        finding.id
                    );
                    let more = after.findings.iter().find(|other| {
                        other.id == finding.id && other.certainty > finding.certainty
                    });
                    assert!(more.is_none(), "{index} without {source}: {more:?}");
                }
            }
        }
    }
}
