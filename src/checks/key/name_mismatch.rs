//! The secret is right, but the name before the `|` is another instance's.

use crate::checks::Check;
use crate::deployment::container::{key_subject, running_secret};
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::key::{key_in_words, trial_of};
use crate::deployment::key_judgement::{KeyFault, key_fault, superseded};
use crate::deployment::selection::{source_in_words, source_location};
use crate::evidence::selection::ValueSource;
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::names::ADMIN_KEY;
use crate::remedies::env_file::set;
use crate::report::{Certainty, Finding, Remedy, Rule, capitalized, shell_word};

/// The name of another instance before the `|`.
pub static KEY_NAME_MISMATCH: Rule =
    rule!("key-name-mismatch", Error, "the key has the wrong instance name before the |")
        .cause(&[]);

/// Compares the names.
pub static CHECK: Check = Check { rules: &[&KEY_NAME_MISMATCH], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let (key, name, certainty) = match key_fault(evidence)? {
        Some(KeyFault::NameMismatch { key, name, certainty }) => (key, name, certainty),
        Some(other) => return superseded(&other),
        None => return Ok(vec![]),
    };
    let own = key.shape.name.as_deref().unwrap_or("another name");
    let matches = key_subject(evidence)
        .and_then(|subject| trial_of(key, running_secret(subject.container)?.0))
        .is_some_and(|trial| trial.opened.is_some());
    let rest = match (matches, certainty) {
        (true, _) => "The part after the | matches the secret.",
        (false, Certainty::Proven) => "The backend's log only rejects the name.",
        (false, _) => "Whether the part after the | matches was not checked.",
    };
    let running = match &name {
        Some(name) => format!("the backend's instance name is {name}"),
        None => "the backend has another instance name".to_owned(),
    };
    let mut finding = KEY_NAME_MISMATCH
        .finding(
            certainty,
            format!("{} starts with {own}, but {running}. {rest}", capitalized(&key_in_words(key))),
        )
        .because(format!("Has {own} before the |"), source_in_words(&key.source));
    if let Some(name) = &name {
        finding = finding.because(format!("Its instance name is {name}"), "the backend");
    }
    if let Some(at) = source_location(&key.source) {
        finding = finding.at(at);
    }
    let sure = matches || certainty == Certainty::Proven;
    Ok(vec![finding.remedy(write_name(evidence, key, name.as_deref(), sure))])
}

/// Writes the backend's name before the digits. If the digits may be wrong as well, the doctor only
/// does it when it is asked to.
fn write_name(evidence: &Evidence, key: &KeyFacts, name: Option<&str>, sure: bool) -> Remedy {
    let place = source_in_words(&key.source);
    let remedy = |title: String| if sure { Remedy::safe(title) } else { Remedy::careful(title) };
    let Some(name) = name else {
        let write = "Write the backend's instance name before the |; this prints it";
        return match selected_endpoint(evidence) {
            Ok(Some(endpoint)) => {
                let url = endpoint.target.url.trim_end_matches('/');
                remedy(write.to_owned())
                    .run(format!("curl {}", shell_word(&format!("{url}/instance_name"))))
            }
            _ => remedy(
                "Write the instance name before the | (the backend has it at /instance_name)"
                    .into(),
            ),
        };
    };
    let write = remedy(match &key.shape.name {
        Some(own) => format!("Change {own}| to {name}| in {place}"),
        None => format!("Write {name}| before the digits in {place}"),
    });
    match (&key.source, &key.fingerprint) {
        _ if !key.selected || !is_plain(name) => write,
        (ValueSource::Env { env }, _) if key.shape.has_pipe => {
            write.run(format!("export {env}=\"{name}|${{{env}#*|}}\""))
        }
        (_, Some(print)) => {
            let value = format!("'{name}|{{hex {print}}}'");
            write.edit(set(&evidence.selection, ADMIN_KEY, &value))
        }
        _ => write,
    }
}

/// Whether every reader of env files reads it unchanged in single quotes.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{logged, opened, process, unseen};
    use crate::evidence::docker::LoggedRefusal;
    use crate::report::Certainty::{Likely, Proven};

    #[test]
    fn a_wrong_name_is_not_a_wrong_secret() {
        type Change = fn(&mut Evidence);
        let log: Change = |e| {
            build::hide_secrets(e);
            e.keys[0].trials.clear();
            build::backend(e).log = logged(LoggedRefusal::WrongName("renamed".to_owned()));
        };
        let cases: [(&str, Change, Option<Certainty>); 6] = [
            ("matches the running secret", |_| {}, Some(Proven)),
            ("the log says so", log, Some(Proven)),
            ("only the names are seen", |e| e.docker = unseen(), Some(Likely)),
            ("it matches, and the URL was not asked", |e| e.endpoint = unseen(), Some(Likely)),
            (
                "the names agree",
                |e| e.keys[0].shape.name = Some("convex-self-hosted".to_owned()),
                None,
            ),
            ("the secret is wrong too", |e| e.keys[0].trials[0].opened = None, None),
        ];
        for (case, change, expected) in cases {
            let mut evidence = build::refused(&[opened("ours", vec![process("app-backend-1")])]);
            evidence.keys[0].trials.remove(0);
            evidence.keys[0].shape.name = Some("renamed".to_owned());
            change(&mut evidence);
            let found = run(&evidence).unwrap_or_default();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
    }

    #[test]
    fn there_is_always_something_to_do_it_with() {
        use crate::evidence::build::selection;
        use crate::report::Safety;
        let shell = ValueSource::Env { env: ADMIN_KEY.to_owned() };
        let export = "export CONVEX_SELF_HOSTED_ADMIN_KEY=\"convex-self-hosted|${CONVEX_SELF_HOSTED_ADMIN_KEY#*|}\"";
        for (source, docker, edits, commands, safety) in [
            (None, true, 1, vec![], Safety::Safe),
            // The digits may be another backend's: it is done only when it is asked for.
            (None, false, 1, vec![], Safety::Unsafe),
            (Some(shell), false, 0, vec![export], Safety::Unsafe),
        ] {
            let mut evidence = build::refused(&[opened("ours", vec![process("app-backend-1")])]);
            evidence.keys[0].trials.remove(0);
            evidence.keys[0].shape.name = Some("renamed".to_owned());
            evidence.selection = selection::evidence(&[], selection::PAIR, "").selection;
            if !docker {
                evidence.docker = unseen();
            }
            if let Some(source) = source {
                evidence.keys[0].source = source;
            }
            let found = run(&evidence).unwrap();
            let remedy = &found[0].remedies[0];
            assert_eq!((remedy.edits.len(), remedy.safety), (edits, safety));
            assert_eq!(remedy.commands, commands);
        }
    }
}
