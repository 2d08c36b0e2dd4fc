//! What `convex-doctor fix` would do or did: for a terminal while it runs, or as one JSON object at
//! the end.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::text::{sentence, wrap};
use crate::report::{Errand, Finding, Price, Remedy, Report, Verdict};
use crate::secret::sanitize;

/// A run of `fix`.
#[derive(Debug, Serialize)]
pub struct FixReport {
    /// Whether the fixes were to be applied, and not only shown.
    pub applied: bool,
    /// The state before.
    pub before: DeploymentState,
    /// The state afterwards; `None` where nothing was to be applied.
    pub after: Option<DeploymentState>,
    /// The fixes, in order.
    pub fixes: Vec<FixEntry>,
    /// What is left to the user.
    pub by_hand: Vec<ManualEntry>,
    /// Ids that were asked for and not found.
    pub not_found: Vec<String>,
    /// The command that applies this plan.
    pub command: String,
}

/// The deployment in one line.
#[derive(Clone, Debug, Serialize)]
pub struct DeploymentState {
    /// In one word.
    pub verdict: Verdict,
    /// In one sentence.
    pub headline: String,
    /// Whether there is a finding of level error.
    pub has_errors: bool,
}

impl DeploymentState {
    /// Of a report.
    pub fn of(report: &Report) -> Self {
        Self {
            verdict: report.verdict,
            headline: report.summary.headline.clone(),
            has_errors: report.reaches(crate::report::Level::Error),
        }
    }
}

/// One fix.
#[derive(Debug, Serialize)]
pub struct FixEntry {
    /// The finding's id.
    pub id: String,
    /// The finding's title.
    pub finding: String,
    /// What is done.
    pub title: String,
    /// What it ends and what it leaves, where both have to be known before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// In order.
    pub steps: Vec<FixStep>,
    /// What is left to the user afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errands: Vec<Errand>,
    /// What came of it.
    pub outcome: FixOutcome,
}

/// One thing that is done.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FixStep {
    /// A file is changed.
    File {
        /// Which.
        file: String,
        /// How, without secrets, as `diff -u` shows it.
        diff: String,
        /// The same for a terminal: each changed part with its first line.
        #[serde(skip)]
        parts: Vec<(usize, String)>,
        /// What the diff does not show.
        note: Option<String>,
    },
    /// Something is done on the engine.
    Engine {
        /// What, in words.
        text: String,
    },
}

/// What came of a fix.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FixOutcome {
    /// Nothing was done yet.
    Planned,
    /// It was not wanted.
    Skipped,
    /// It was done, and it helped.
    Applied {
        /// What the user should know.
        notes: Vec<String>,
        /// What was checked besides the finding.
        #[serde(skip_serializing_if = "Option::is_none")]
        verified: Option<String>,
        /// The finding that it makes milder and that is still there.
        #[serde(skip_serializing_if = "Option::is_none")]
        remains: Option<String>,
    },
    /// It was done and rolled back: it did not help.
    #[serde(rename = "taken_back")]
    RolledBack {
        /// Why.
        why: String,
        /// What the user should know.
        notes: Vec<String>,
    },
    /// It could not be done; everything is as before, except for what the notes say.
    Failed {
        /// Why.
        why: String,
        /// What could not be restored.
        notes: Vec<String>,
    },
}

/// A finding that is left to the user.
#[derive(Debug, Serialize)]
pub struct ManualEntry {
    /// The finding's id.
    pub id: String,
    /// Its title.
    pub finding: String,
    /// Why nothing is done for it.
    pub why: Option<String>,
    /// What to do: words, and commands.
    pub remedies: Vec<(String, Vec<String>)>,
    /// What is left to do afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errands: Vec<Errand>,
}

impl ManualEntry {
    /// Of a finding.
    pub fn of(finding: &Finding, why: Option<String>) -> Self {
        let remedy = |remedy: &Remedy| {
            let commands = remedy.commands.iter().map(ToString::to_string).collect();
            (remedy.title.to_string(), commands)
        };
        Self {
            id: finding.id.clone(),
            finding: finding.title.clone(),
            why,
            remedies: finding.remedies.iter().map(remedy).collect(),
            errands: finding.remedies.iter().flat_map(|remedy| remedy.errands.clone()).collect(),
        }
    }
}

impl FixReport {
    /// Whether there was nothing to fix, or all of it is fixed, and no error is left.
    pub fn is_well(&self) -> bool {
        let done = |fix: &FixEntry| matches!(fix.outcome, FixOutcome::Applied { .. });
        let left = self.after.as_ref().unwrap_or(&self.before).has_errors;
        self.fixes.iter().all(done) && self.by_hand.is_empty() && !left
    }
}

/// The whole run as one JSON object.
pub fn json(report: &FixReport) -> String {
    super::json::to_text(report)
}

/// A plan, for a terminal.
pub fn plan(report: &FixReport, width: usize) -> String {
    let mut out = opening(report);
    for (index, entry) in report.fixes.iter().enumerate() {
        out.push_str(&fix(index + 1, entry, width));
        out.push_str(&errands(&entry.errands, width));
        out.push('\n');
    }
    out.push_str(&closing(report, width));
    out
}

/// The state before.
pub fn opening(report: &FixReport) -> String {
    let mut out = format!("{}\n\n", state(&report.before));
    for id in &report.not_found {
        let _ = writeln!(out, "{id} is not found here.\n");
    }
    out
}

/// One fix: the finding, what is done, and each step.
pub fn fix(number: usize, entry: &FixEntry, width: usize) -> String {
    let mut out =
        format!("{number} {} [{}]\n", sentence(&sanitize(&entry.finding)).bold(), entry.id);
    hanging(&mut out, "  ", "  ", &sentence(&sanitize(&entry.title)), width);
    if let Some(price) = &entry.price {
        for (label, text) in [("stops working  ", &price.dies), ("is kept        ", &price.stays)] {
            for (at, line) in wrap(&sanitize(text), width.saturating_sub(17)).iter().enumerate() {
                let label = if at == 0 { label } else { "               " };
                let _ = writeln!(out, "  {}{line}", label.bold());
            }
        }
    }
    for step in &entry.steps {
        match step {
            FixStep::File { file, parts, note, .. } => {
                for (line, text) in parts {
                    let _ = writeln!(out, "    {}", format!("{}:{line}", sanitize(file)).bold());
                    for line in text.lines() {
                        let _ = writeln!(out, "    {}", coloured(line));
                    }
                }
                if let Some(note) = note {
                    for line in wrap(&format!("({})", sanitize(note)), width.saturating_sub(4)) {
                        let _ = writeln!(out, "    {}", line.dimmed());
                    }
                }
            }
            FixStep::Engine { text } => {
                hanging(&mut out, "    * ", "      ", &sanitize(text), width);
            }
        }
    }
    out
}

/// What is left to the user once a fix is done.
pub fn errands(errands: &[Errand], width: usize) -> String {
    let mut out = String::new();
    for errand in errands {
        hanging(&mut out, "  ", "  ", &format!("{}:", sanitize(&errand.title)), width);
        for place in &errand.places {
            hanging(&mut out, "    - ", "      ", &sanitize(place), width);
        }
        commands(&mut out, &errand.commands);
    }
    out
}

/// Each command alone on its line.
fn commands(out: &mut String, commands: &[String]) {
    for command in commands {
        let _ = writeln!(out, "      {}", sanitize(command).bold());
    }
}

/// A text with one indent for its first line and another for the rest.
fn hanging(out: &mut String, first: &str, rest: &str, text: &str, width: usize) {
    for (at, line) in wrap(text, width.saturating_sub(rest.len())).iter().enumerate() {
        let _ = writeln!(out, "{}{line}", if at == 0 { first } else { rest });
    }
}

fn coloured(line: &str) -> String {
    match line.as_bytes().first() {
        Some(b'+') => line.green().to_string(),
        Some(b'-') => line.red().to_string(),
        _ => line.to_owned(),
    }
}

/// What came of a fix, and, where it was applied, what is left to the user.
pub fn outcome(outcome: &FixOutcome, left: &[Errand], width: usize) -> String {
    let (text, notes) = match outcome {
        FixOutcome::Planned => return String::new(),
        FixOutcome::Skipped => ("skipped".to_owned(), &[][..]),
        FixOutcome::Applied { notes, remains: Some(id), .. } => {
            let text = format!("done, but {id} remains: do the other steps yourself");
            (text, notes.as_slice())
        }
        FixOutcome::Applied { notes, verified: None, .. } => {
            ("fixed and verified".to_owned(), notes.as_slice())
        }
        FixOutcome::Applied { notes, verified: Some(checked), .. } => {
            (format!("fixed and verified; {}", sanitize(checked)), notes.as_slice())
        }
        FixOutcome::RolledBack { why, notes } => {
            (format!("rolled back: {}", sanitize(why)), notes.as_slice())
        }
        FixOutcome::Failed { why, notes } if notes.is_empty() => {
            (format!("not applied, nothing has changed: {}", sanitize(why)), notes.as_slice())
        }
        FixOutcome::Failed { why, notes } => {
            (format!("not applied: {}", sanitize(why)), notes.as_slice())
        }
    };
    let mut out = String::new();
    hanging(&mut out, "  → ", "    ", &text, width);
    for note in notes {
        hanging(&mut out, "    ", "    ", &sanitize(note), width);
    }
    if matches!(outcome, FixOutcome::Applied { .. }) {
        out.push_str(&errands(left, width));
    }
    out.push('\n');
    out
}

/// What is left, and the state afterwards.
pub fn closing(report: &FixReport, width: usize) -> String {
    let mut out = String::new();
    if !report.by_hand.is_empty() {
        let _ = writeln!(out, "You need to do this yourself:");
    }
    for entry in &report.by_hand {
        let _ = writeln!(out, "- {} [{}]", sentence(&sanitize(&entry.finding)).bold(), entry.id);
        if let Some(why) = &entry.why {
            hanging(&mut out, "  ", "  ", &sentence(&sanitize(why)), width);
        }
        for (title, lines) in &entry.remedies {
            hanging(&mut out, "  ", "  ", &sentence(&sanitize(title)), width);
            commands(&mut out, lines);
        }
        out.push_str(&errands(&entry.errands, width));
    }
    if !report.by_hand.is_empty() && (report.after.is_some() || !report.fixes.is_empty()) {
        out.push('\n');
    }
    match &report.after {
        Some(after) => {
            let _ = writeln!(out, "before  {}\nafter   {}", state(&report.before), state(after));
        }
        None if report.fixes.is_empty() && report.by_hand.is_empty() => {
            let _ = writeln!(out, "Nothing to fix.");
        }
        None if report.fixes.is_empty() => {}
        None => {
            let _ = writeln!(
                out,
                "Nothing has changed yet. To apply:\n\n      {}",
                report.command.bold()
            );
        }
    }
    out
}

fn state(state: &DeploymentState) -> String {
    let word = match state.verdict {
        Verdict::Healthy => "HEALTHY".green().bold().to_string(),
        Verdict::Broken => "BROKEN".red().bold().to_string(),
        Verdict::AtRisk => "AT RISK".yellow().bold().to_string(),
        Verdict::Unknown => "UNKNOWN".cyan().bold().to_string(),
    };
    format!("{word}  {}", sanitize(&state.headline))
}
