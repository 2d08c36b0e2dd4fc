//! The key is rejected, and nothing that could be read shows why.

use crate::checks::Check;
use crate::deployment::candidates::candidates;
use crate::deployment::key::key_in_words;
use crate::deployment::key_judgement::{KeyFault, key_fault};
use crate::deployment::selection::source_location;
use crate::evidence::docker::EngineFailure;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::mint::new_key;
use crate::report::{Certainty, Finding, Location, Remedy, Rule, capitalized};

/// Rejected for an unknown reason.
pub static KEY_REJECTED: Rule =
    rule!("key-rejected", Error, "the backend rejects the key").cause(&[]);

/// Whether the key is rejected for an unknown reason.
pub static CHECK: Check = Check { rules: &[&KEY_REJECTED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(KeyFault::Rejected { key, certainty, contradiction }) = key_fault(evidence)? else {
        return Ok(vec![]);
    };
    let endpoint = evidence.endpoint.seen()?.as_ref();
    let url = endpoint.map_or("the backend", |endpoint| endpoint.target.url.as_str());
    let name_agrees = endpoint
        .and_then(|endpoint| endpoint.answering_name())
        .is_some_and(|name| key.shape.name.as_deref() == Some(name));
    let why = match (contradiction, name_agrees, certainty) {
        (Some(text), ..) => format!("{}.", capitalized(text)),
        (None, true, Certainty::Proven) => "Format and instance name are right, so the key does \
             not match the backend's secret."
            .to_owned(),
        (None, true, _) => "Format and instance name are right, so the key probably does not \
             match the backend's secret."
            .to_owned(),
        (None, false, _) => {
            "The key does not match the backend's secret or instance name, or it was damaged."
                .to_owned()
        }
    };
    let docker = evidence.docker.seen();
    let only_docker = if docker.is_err() { " Only Docker can show that." } else { "" };
    let mut finding = KEY_REJECTED
        .finding(certainty, format!("It answers 401 BadAdminKey. {why}{only_docker}"))
        .because(format!("Answers 401 BadAdminKey to {}", key_in_words(key)), url);
    if contradiction.is_none() {
        let reason = docker.as_ref().err().map(|unseen| format!(" (Docker: {})", unseen.reason));
        let reason = reason.unwrap_or_default();
        finding = finding
            .because(format!("Not checked: the backend's secret and log{reason}"), "convex-doctor");
    }
    if let Some(at) = source_location(&key.source) {
        finding = finding.at(at);
    }
    if docker.is_err() {
        finding = finding.remedy(with_docker(evidence));
    }
    for candidate in candidates(evidence) {
        finding = finding
            .showing(
                "Do not generate a key yet if data is missing: it may be in this volume",
                format!("volume {}", candidate.volume.name),
            )
            .at(Location::volume(&candidate.volume.name));
    }
    Ok(vec![finding.remedy(new_key(evidence, "a new key"))])
}

/// Looks again, with Docker.
fn with_docker(evidence: &Evidence) -> Remedy {
    let failure = evidence.engine_failure.as_ref().map(|engine| &engine.kind);
    match failure {
        Some(EngineFailure::PermissionDenied) => {
            Remedy::safe("Run convex-doctor once with access to Docker")
                .run("sudo -E env \"PATH=$PATH\" convex-doctor")
        }
        Some(EngineFailure::Unreachable | EngineFailure::Unresponsive) => {
            Remedy::safe("Run convex-doctor on the backend's host, while Docker is running there")
        }
        Some(EngineFailure::NotAsked) | None => {
            Remedy::safe("Run convex-doctor once with access to the backend's Docker")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{opened, process, unseen};
    use Certainty::{Likely, Proven};

    #[test]
    fn only_when_neither_secret_nor_log_was_read() {
        type Change = fn(&mut Evidence);
        let cases: [(&str, Change, Option<Certainty>); 5] = [
            ("no secret, no log", build::hide_secrets, Some(Proven)),
            ("no engine", |e| e.docker = unseen(), Some(Likely)),
            ("the secret is known", |_| {}, None),
            (
                "it matches the running secret, and is rejected",
                |e| e.keys[0].trials = vec![opened("ours", vec![process("app-backend-1")])],
                Some(Proven),
            ),
            ("no key at all", |e| e.keys[0].shape.form = crate::admin_key::Form::NotMinted, None),
        ];
        for (case, change, expected) in cases {
            let mut evidence = build::refused(&[]);
            change(&mut evidence);
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
        assert_eq!(run(&build::healthy()), Ok(vec![]));
    }
}
