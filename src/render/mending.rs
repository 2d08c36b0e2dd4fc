//! What `convex-doctor fix` would do or did: for a terminal as it goes, or as one JSON object at
//! the end.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::text::{sentence, wrap};
use crate::report::{Errand, Finding, Price, Report, Verdict};
use crate::secret::sanitize;

/// A run of `fix`.
#[derive(Debug, Serialize)]
pub struct Story {
    /// Whether it was to be done, and not only shown.
    pub applied: bool,
    /// The state that was found.
    pub before: State,
    /// The state that it was left in; `None` where nothing was to be done.
    pub after: Option<State>,
    /// One after the other.
    pub fixes: Vec<Told>,
    /// What is left to a person.
    pub by_hand: Vec<ByHand>,
    /// Ids that were asked for and not found.
    pub not_found: Vec<String>,
    /// What does what is planned.
    pub command: String,
}

/// The deployment in one line.
#[derive(Clone, Debug, Serialize)]
pub struct State {
    /// In one word.
    pub verdict: Verdict,
    /// In one sentence.
    pub headline: String,
    /// Whether a finding of level error stands.
    pub has_errors: bool,
}

impl State {
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
pub struct Told {
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
    pub steps: Vec<Step>,
    /// What is left to a person behind it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errands: Vec<Errand>,
    /// What came of it.
    pub outcome: Outcome,
}

/// One thing that is done.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// A file is changed.
    File {
        /// Which.
        file: String,
        /// How, without secrets, as `diff -u` shows it.
        diff: String,
        /// What a person should know who sees only the diff.
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
pub enum Outcome {
    /// Nothing was done yet.
    Planned,
    /// The person did not want it.
    Skipped,
    /// Done, looked at again, and kept.
    Applied {
        /// What should be known.
        notes: Vec<String>,
        /// What was seen of it beyond the finding that is gone.
        #[serde(skip_serializing_if = "Option::is_none")]
        verified: Option<String>,
    },
    /// Done, and taken back: it did not help.
    TakenBack {
        /// Why.
        why: String,
        /// What should be known.
        notes: Vec<String>,
    },
    /// It could not be done; everything is as before, but for what the notes say.
    Failed {
        /// Why.
        why: String,
        /// What could not be put back.
        notes: Vec<String>,
    },
}

/// A finding that is left to a person.
#[derive(Debug, Serialize)]
pub struct ByHand {
    /// The finding's id.
    pub id: String,
    /// Its title.
    pub finding: String,
    /// Why nothing is done for it.
    pub why: Option<String>,
    /// What to do: words, and commands.
    pub remedies: Vec<(String, Vec<String>)>,
    /// What is left to do behind that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errands: Vec<Errand>,
}

impl ByHand {
    /// Of a finding.
    pub fn of(finding: &Finding, why: Option<String>) -> Self {
        let remedy =
            |remedy: &crate::report::Remedy| (remedy.title.clone(), remedy.commands.clone());
        Self {
            id: finding.id.clone(),
            finding: finding.title.clone(),
            why,
            remedies: finding.remedies.iter().map(remedy).collect(),
            errands: finding.remedies.iter().flat_map(|remedy| remedy.errands.clone()).collect(),
        }
    }
}

impl Story {
    /// Whether nothing was to be mended, or all of it is, and no error is left.
    pub fn is_well(&self) -> bool {
        let done = |fix: &Told| matches!(fix.outcome, Outcome::Applied { .. });
        let left = self.after.as_ref().unwrap_or(&self.before).has_errors;
        self.fixes.iter().all(done) && self.by_hand.is_empty() && !left
    }
}

/// The whole story as one JSON object.
pub fn json(story: &Story) -> String {
    super::json::to_text(story)
}

/// A plan, for a terminal.
pub fn plan(story: &Story, width: usize) -> String {
    let mut out = opening(story);
    for (index, told) in story.fixes.iter().enumerate() {
        out.push_str(&fix(index + 1, told, width));
        out.push_str(&errands(&told.errands, width));
        out.push('\n');
    }
    out.push_str(&closing(story, width));
    out
}

/// How it stands at the beginning.
pub fn opening(story: &Story) -> String {
    let mut out = format!("{}\n\n", state(&story.before));
    for id in &story.not_found {
        let _ = writeln!(out, "{id} is not found here.\n");
    }
    out
}

/// One fix: the finding, what is done, and each step.
pub fn fix(number: usize, told: &Told, width: usize) -> String {
    let mut out = format!("{number} {} [{}]\n", sentence(&sanitize(&told.finding)).bold(), told.id);
    for line in wrap(&sentence(&sanitize(&told.title)), width.saturating_sub(2)) {
        let _ = writeln!(out, "  {line}");
    }
    if let Some(price) = &told.price {
        for (word, text) in [("dies ", &price.dies), ("stays", &price.stays)] {
            for (at, line) in wrap(&sanitize(text), width.saturating_sub(9)).iter().enumerate() {
                let word = if at == 0 { word } else { "     " };
                let _ = writeln!(out, "  {}  {line}", word.bold());
            }
        }
    }
    for step in &told.steps {
        match step {
            Step::File { diff, note, .. } => {
                for line in diff.lines() {
                    let _ = writeln!(out, "    {}", coloured(line));
                }
                if let Some(note) = note {
                    let _ = writeln!(out, "    {}", format!("({note})").dimmed());
                }
            }
            Step::Engine { text } => {
                for (at, line) in wrap(&sanitize(text), width.saturating_sub(6)).iter().enumerate()
                {
                    let _ = writeln!(out, "    {} {line}", if at == 0 { "*" } else { " " });
                }
            }
        }
    }
    out
}

/// What is left to a person once a fix is done.
pub fn errands(errands: &[Errand], width: usize) -> String {
    let mut out = String::new();
    for errand in errands {
        for line in wrap(&format!("{}:", sanitize(&errand.title)), width.saturating_sub(2)) {
            let _ = writeln!(out, "  {line}");
        }
        for place in &errand.places {
            for (at, line) in wrap(&sanitize(place), width.saturating_sub(6)).iter().enumerate() {
                let _ = writeln!(out, "    {} {line}", if at == 0 { "-" } else { " " });
            }
        }
        for command in &errand.commands {
            let _ = writeln!(out, "      {}", sanitize(command).cyan());
        }
    }
    out
}

fn coloured(line: &str) -> String {
    match line.as_bytes().first() {
        Some(b'+') if !line.starts_with("+++") => line.green().to_string(),
        Some(b'-') if !line.starts_with("---") => line.red().to_string(),
        Some(b'@') => line.cyan().to_string(),
        _ => line.to_owned(),
    }
}

/// What came of a fix, and, where it was done, what is left to a person behind it.
pub fn outcome(outcome: &Outcome, behind: &[Errand], width: usize) -> String {
    let (word, why, notes) = match outcome {
        Outcome::Planned => return String::new(),
        Outcome::Skipped => ("skipped", None, &[][..]),
        Outcome::Applied { notes, verified: None } => {
            ("done: the finding is gone", None, notes.as_slice())
        }
        Outcome::Applied { notes, verified } => {
            ("done: the finding is gone", verified.as_ref(), notes.as_slice())
        }
        Outcome::TakenBack { why, notes } => ("taken back", Some(why), notes.as_slice()),
        Outcome::Failed { why, notes } if notes.is_empty() => {
            ("nothing was changed", Some(why), notes.as_slice())
        }
        Outcome::Failed { why, notes } => ("not done", Some(why), notes.as_slice()),
    };
    let text = match why {
        Some(why) if matches!(outcome, Outcome::Applied { .. }) => {
            format!("{word}, and {}", sanitize(why))
        }
        Some(why) => format!("{word}: {}", sanitize(why)),
        None => word.to_owned(),
    };
    let mut out = String::new();
    for (at, line) in wrap(&text, width.saturating_sub(4)).iter().enumerate() {
        let _ = writeln!(out, "{}{line}", if at == 0 { "  → " } else { "    " });
    }
    for note in notes {
        for line in wrap(&sanitize(note), width.saturating_sub(4)) {
            let _ = writeln!(out, "    {line}");
        }
    }
    if matches!(outcome, Outcome::Applied { .. }) {
        out.push_str(&errands(behind, width));
    }
    out.push('\n');
    out
}

/// What is left, and how it stands at the end.
pub fn closing(story: &Story, width: usize) -> String {
    let mut out = String::new();
    if !story.by_hand.is_empty() {
        let _ = writeln!(out, "By hand:");
    }
    for left in &story.by_hand {
        let _ = writeln!(out, "- {} [{}]", sentence(&sanitize(&left.finding)).bold(), left.id);
        if let Some(why) = &left.why {
            for line in wrap(&sentence(&sanitize(why)), width.saturating_sub(2)) {
                let _ = writeln!(out, "  {line}");
            }
        }
        for (title, commands) in &left.remedies {
            for line in wrap(&sentence(&sanitize(title)), width.saturating_sub(2)) {
                let _ = writeln!(out, "  {line}");
            }
            for command in commands {
                let _ = writeln!(out, "      {}", sanitize(command));
            }
        }
        out.push_str(&errands(&left.errands, width));
    }
    if !story.by_hand.is_empty() {
        out.push('\n');
    }
    match &story.after {
        Some(after) => {
            let _ = writeln!(out, "before  {}\nafter   {}", state(&story.before), state(after));
        }
        None if story.fixes.is_empty() && story.by_hand.is_empty() => {
            let _ = writeln!(out, "Nothing to mend.");
        }
        None if story.fixes.is_empty() => {
            let _ = writeln!(out, "Nothing that could be done without a person.");
        }
        None => {
            let _ = writeln!(out, "Nothing was changed. Do it:  {}", story.command.cyan());
        }
    }
    out
}

fn state(state: &State) -> String {
    let word = match state.verdict {
        Verdict::Healthy => "HEALTHY".green().bold().to_string(),
        Verdict::Broken => "BROKEN".red().bold().to_string(),
        Verdict::AtRisk => "AT RISK".yellow().bold().to_string(),
        Verdict::Unknown => "UNKNOWN".yellow().bold().to_string(),
    };
    format!("{word}  {}", sanitize(&state.headline))
}
