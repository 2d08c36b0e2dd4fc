//! A fix in the words of the report of `fix`.

use crate::evidence::docker::short_volume;
use crate::fix::plan::{Fix, PlanStep, SecretSource};
use crate::fix::show::Diff;
use crate::render::fix::{FixEntry, FixOutcome, FixStep};
use crate::report::Action;

/// What is done, and what came of it.
pub(super) fn entry(fix: &Fix, outcome: FixOutcome) -> FixEntry {
    FixEntry {
        id: fix.finding.id.clone(),
        finding: fix.finding.title.clone(),
        title: fix.remedy.title.to_string(),
        price: fix.remedy.price.clone(),
        steps: fix.steps.iter().map(step).collect(),
        errands: fix.remedy.errands.clone(),
        outcome,
    }
}

fn step(step: &PlanStep) -> FixStep {
    match step {
        PlanStep::Write(change) => file(&change.file, &change.diff, None),
        PlanStep::Secret(secret) => file(&secret.file, &secret.diff, Some(note(&secret.source))),
        PlanStep::Engine(action) => FixStep::Engine { text: on_engine(action) },
    }
}

fn file(file: &str, diff: &Diff, note: Option<String>) -> FixStep {
    let parts = diff.hunks.iter().map(|hunk| (hunk.line, hunk.text.clone())).collect();
    FixStep::File { file: file.to_owned(), diff: diff.to_string(), parts, note }
}

/// What the diff does not show of a secret.
fn note(source: &SecretSource) -> String {
    match source {
        SecretSource::Key { keep_old: false } => {
            "a new key for this instance; it is tested on the backend".to_owned()
        }
        SecretSource::Key { keep_old: true } => {
            "a new key for this instance; the old key is kept as a comment, because only that key shows which volume holds the \
             older data (project-renamed)"
                .to_owned()
        }
        SecretSource::KeyOf(from) => format!("the same key as in {from}"),
        SecretSource::SecretOf(container) => {
            format!("the secret that {container} is running with; it is never shown")
        }
        SecretSource::NewSecret => "a new secret; it is never shown".to_owned(),
    }
}

fn on_engine(action: &Action) -> String {
    match action {
        Action::Stop { container } => format!("stop {container}, so that its files do not change"),
        Action::Start { container } => format!("start {container}"),
        Action::CopyVolume { from, to, .. } => format!(
            "copy volume {} into the new volume {to}; the old volume is kept",
            short_volume(from)
        ),
        Action::Replace { container, mount, secret_from, without } => {
            let mut with: Vec<String> = vec![];
            with.extend(
                mount.as_ref().map(|it| format!("{} at {}", short_volume(&it.volume), it.target)),
            );
            with.extend(secret_from.as_ref().map(|file| format!("INSTANCE_SECRET from {file}")));
            let mut changes = vec![];
            if !with.is_empty() {
                changes.push(format!("with {}", with.join(" and ")));
            }
            if !without.is_empty() {
                changes.push(format!("without {}", without.join(" and ")));
            }
            format!(
                "recreate {container} {}; the old container is kept, stopped, until the new one works",
                changes.join(" and ")
            )
        }
        // The others change files, and are shown as diffs.
        _ => String::new(),
    }
}
