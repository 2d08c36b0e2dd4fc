//! The key is refused, and nothing that could be seen says why: the candidates, and what tells them
//! apart.

use crate::checks::Check;
use crate::deployment::candidates::candidates;
use crate::deployment::key::key_in_words;
use crate::deployment::key_judgement::{KeyFault, key_fault};
use crate::deployment::selection::source_location;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::mint::for_answering;
use crate::report::{Finding, Level, Location, Remedy, Rule};

/// Refused, nobody knows why.
pub static KEY_REJECTED: Rule = Rule::new(
    "key-rejected",
    Level::Error,
    "the backend rejects the key",
    include_str!("key-rejected.md"),
)
.cause(&[]);

/// Whether the key is refused without a reason seen.
pub static CHECK: Check = Check { rules: &[&KEY_REJECTED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(KeyFault::Rejected { key, certainty, reason }) = key_fault(evidence)? else {
        return Ok(vec![]);
    };
    let endpoint = evidence.endpoint.seen()?.as_ref();
    let url = endpoint.map_or("the backend", |endpoint| endpoint.url.as_str());
    let name_agrees = endpoint
        .and_then(|endpoint| endpoint.answering_name())
        .is_some_and(|name| key.shape.name.as_deref() == Some(name));
    let candidates_in_order = if name_agrees {
        "The name is right, so the secret differs: the instance got a new one after the key was \
         minted, or the key is another instance's."
    } else {
        "Either the instance got a new secret after the key was minted, or the key is another \
         instance's, or it was damaged."
    };
    let mut finding = KEY_REJECTED
        .finding(
            certainty,
            format!(
                "{url} answers 401 BadAdminKey to {}. {candidates_in_order}",
                key_in_words(key)
            ),
        )
        .because("401 BadAdminKey", url)
        .because(format!("why could not be seen: {reason}"), "convex-doctor");
    if let Some(at) = source_location(&key.source) {
        finding = finding.at(at);
    }
    if let Err(unseen) = evidence.docker.seen() {
        finding = finding.remedy(Remedy::safe(format!(
            "To see which, let the doctor ask the Docker engine that runs the backend ({})",
            unseen.reason
        )));
    }
    for candidate in candidates(evidence) {
        finding = finding
            .showing(
                "Do not mint yet if you miss data: it is attached to no running backend",
                format!("volume {}", candidate.volume.name),
            )
            .at(Location::volume(&candidate.volume.name));
    }
    Ok(vec![finding.remedy(for_answering(evidence, "Mint a key for the instance that answers"))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{opened, process, unseen};
    use crate::report::Certainty::{self, Likely, Proven};

    #[test]
    fn only_when_neither_secret_nor_log_was_read() {
        type Change = fn(&mut Evidence);
        let cases: [(&str, Change, Option<Certainty>); 5] = [
            ("no secret, no log", build::hide_secrets, Some(Proven)),
            ("no engine", |e| e.docker = unseen(), Some(Likely)),
            ("the secret is known", |_| {}, None),
            (
                "it opens with the secret in force, and is refused",
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
