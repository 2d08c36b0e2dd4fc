//! What `npx convex` would use here, and whether its user means that: the variables, the files that
//! set them, and the files that only look as if they did.
//!
//! Another kind of project is not a broken one (docs/facts.md, rule-other-worlds): for a cloud
//! project only that is reported, and a directory with only the server's compose file needs no URL
//! and key. Nothing here asks which secret the key matches, except for a key that a shell variable
//! overrides.
#![allow(
    clippy::unnecessary_wraps,
    reason = "every check has one signature, also one that sees all it needs"
)]

pub mod app_url_differs;
pub mod cloud;
pub mod empty_value_shadows;
pub mod env_file_elsewhere;
pub mod line_misread;
pub mod misnamed_variable;
pub mod node_too_old;
pub mod pair;
pub mod project_files;
pub mod repository;
pub mod shell_shadows_file;
pub mod sources;

use super::Check;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &app_url_differs::CHECK,
    &cloud::DEPLOYMENT_CHECK,
    &cloud::DEPLOY_KEY_CHECK,
    &cloud::NOT_SELF_HOSTED_CHECK,
    &empty_value_shadows::CHECK,
    &env_file_elsewhere::CHECK,
    &line_misread::CHECK,
    &misnamed_variable::CHECK,
    &node_too_old::CHECK,
    &pair::INCOMPLETE_CHECK,
    &pair::MISSING_CHECK,
    &project_files::PACKAGE_JSON_CHECK,
    &project_files::UNREADABLE_CHECK,
    &repository::NOT_IGNORED_CHECK,
    &repository::SECRET_CHECK,
    &shell_shadows_file::CHECK,
    &sources::DUPLICATE_CHECK,
    &sources::SPLIT_CHECK,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::selection as build;
    use crate::evidence::{Evidence, Observation};

    /// The result of both families: the ids found with their certainty, and the ids that passed.
    fn outcome(evidence: &Evidence) -> crate::checks::Outcome {
        let ours = |id: &str| {
            let families = [CHECKS, crate::checks::key_shape::CHECKS].concat();
            families.iter().any(|check| check.rules.iter().any(|rule| rule.id == id))
        };
        let mut outcome = crate::checks::run_all(evidence);
        outcome.findings.retain(|finding| ours(&finding.id));
        outcome.passed.retain(|id| ours(id));
        outcome
    }

    #[test]
    fn what_is_not_seen_is_never_a_pass_and_never_surer() {
        let unseen = || "not checked in this test".to_owned();
        let cloud = "CONVEX_DEPLOYMENT=dev:a-b-1\n";
        let deploy = "CONVEX_DEPLOY_KEY=prod:a-b-1|eyJ2MiI6IjAxMjM0NTY3ODkifQ==\n";
        let cut = &build::PAIR[..build::PAIR.len() - 3];
        for (local, backend) in [
            ("", false),
            ("", true),
            (cloud, false),
            (cloud, true),
            (deploy, false),
            (deploy, true),
            (build::PAIR, false),
            (cut, true),
            ("CONVEX_ADMIN_KEY=x|01", true),
        ] {
            let mut whole = build::evidence(&[], local, "");
            if backend {
                build::add_backend(&mut whole);
            }
            if local == cut {
                build::refuse(&mut whole);
            }
            let before = outcome(&whole);
            for source in ["compose", "docker", "endpoint", "package.json", "git"] {
                let mut less = whole.clone();
                let reason = unseen();
                match source {
                    "compose" => less.compose = Observation::Unavailable { reason },
                    "docker" => less.docker = Observation::Unavailable { reason },
                    "endpoint" => less.endpoint = Observation::Unavailable { reason },
                    "git" => less.surroundings.git = Observation::Unavailable { reason },
                    _ => less.surroundings.package_json = Observation::Unavailable { reason },
                }
                let after = outcome(&less);
                for finding in &before.findings {
                    assert!(
                        !after.passed.contains(&finding.id),
                        "{local}: {source}: {}",
                        finding.id
                    );
                }
                for finding in &after.findings {
                    let was = before.findings.iter().find(|one| one.id == finding.id);
                    let surer = was.is_none_or(|was| was.certainty < finding.certainty);
                    assert!(!surer, "{local}: without {source}: {}", finding.id);
                }
            }
        }
    }
}
