//! A fix in the words of its report.

use crate::evidence::docker::short_volume;
use crate::fix::plan::{Do, Fix, Step, Value};
use crate::render::mending::{self, Outcome, Told};

/// What is done, and what came of it.
pub(super) fn told(fix: &Fix, outcome: Outcome) -> Told {
    Told {
        id: fix.finding.id.clone(),
        finding: fix.finding.title.clone(),
        title: fix.title.clone(),
        price: fix.price.clone(),
        steps: fix.steps.iter().map(step).collect(),
        errands: fix.errands.clone(),
        outcome,
    }
}

fn step(step: &Step) -> mending::Step {
    match step {
        Step::Write(change) => {
            mending::Step::File { file: change.file.clone(), diff: change.diff.clone(), note: None }
        }
        Step::Set(set) => mending::Step::File {
            file: set.file.clone(),
            diff: set.diff.clone(),
            note: Some(match &set.value {
                Value::Key { keep_old: false } => {
                    "a new key of this deployment's instance; it is tried on the backend".to_owned()
                }
                Value::Key { keep_old: true } => {
                    "a new key of this deployment's instance; the old one stays as a comment, by which older data in another \
                     volume can still be found (project-renamed)"
                        .to_owned()
                }
                Value::KeyOf(from) => format!("the same key as in {from}"),
                Value::SecretOf(container) => {
                    format!("the secret that {container} runs with; it is shown nowhere")
                }
                Value::NewSecret => "a fresh secret; it is shown nowhere".to_owned(),
            }),
        },
        Step::Engine(what) => mending::Step::Engine { text: words(what) },
    }
}

fn words(what: &Do) -> String {
    match what {
        Do::Stop(container) => format!("stop {container}, so that its files are at rest"),
        Do::Start(container) => format!("start {container}"),
        Do::Copy { from, to, .. } => {
            format!(
                "copy volume {} into the new volume {to}; the old one stays as it is",
                short_volume(from)
            )
        }
        Do::Replace { container, mount, secret_from, without } => {
            let mut with: Vec<String> = vec![];
            with.extend(
                mount.as_ref().map(|it| format!("{} at {}", short_volume(&it.volume), it.target)),
            );
            with.extend(secret_from.as_ref().map(|file| format!("INSTANCE_SECRET of {file}")));
            let mut changes = vec![];
            if !with.is_empty() {
                changes.push(format!("with {}", with.join(" and ")));
            }
            if !without.is_empty() {
                changes.push(format!("without {}", without.join(" and ")));
            }
            format!(
                "make {container} anew {}; the old one is kept, stopped, until the new one works",
                changes.join(" and ")
            )
        }
    }
}
