//! What changed between two reports: for a terminal, and for a thread.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::markdown::{code, prose};
use super::words::{verdict, wrap};
use crate::bundle::Change;
use crate::report::{Finding, Report, Verdict};
use crate::secret::sanitize;

/// What changed.
#[derive(Debug, Serialize)]
pub struct Differences {
    /// When the first was looked at, RFC 3339.
    old: String,
    /// When the second was.
    new: String,
    /// The verdicts.
    verdicts: [Verdict; 2],
    /// What is not as it was, in the order in which one thing explains the next.
    changes: Vec<Change>,
    /// The findings that are new.
    come: Vec<Said>,
    /// The findings that are gone.
    gone: Vec<Said>,
}

/// A finding in one line.
#[derive(Debug, Serialize)]
struct Said {
    id: String,
    title: String,
}

impl Differences {
    /// What changed between two reports, beside what changed in the deployment.
    pub fn between(old: &Report, new: &Report, changes: Vec<Change>) -> Self {
        Self {
            old: old.generated_at.clone(),
            new: new.generated_at.clone(),
            verdicts: [old.verdict, new.verdict],
            changes,
            come: only_in(&new.findings, &old.findings),
            gone: only_in(&old.findings, &new.findings),
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.come.is_empty() && self.gone.is_empty()
    }
}

fn only_in(these: &[Finding], those: &[Finding]) -> Vec<Said> {
    these
        .iter()
        .filter(|finding| !those.iter().any(|other| other.id == finding.id))
        .map(|finding| Said { id: finding.id.clone(), title: finding.title.clone() })
        .collect()
}

/// For a terminal of `width` columns.
pub fn text(all: &Differences, width: usize) -> String {
    let mut out = String::new();
    if all.is_empty() {
        return format!("Nothing changed between {} and {}.\n", all.old, all.new);
    }
    for change in &all.changes {
        let was = change.before.as_deref().map_or_else(|| "none".to_owned(), sanitize);
        let is = change.after.as_deref().map_or_else(|| "none".to_owned(), sanitize);
        let what = sanitize(&change.what);
        let line = format!("{what}: {was} → {is}");
        if line.chars().count() <= width {
            let _infallible = writeln!(out, "{}: {was} → {is}", what.bold());
        } else {
            let _infallible = writeln!(out, "{}:\n  was  {was}\n  is   {is}", what.bold());
        }
    }
    for (title, findings) in [("New findings", &all.come), ("Findings that are gone", &all.gone)] {
        if findings.is_empty() {
            continue;
        }
        let _infallible = writeln!(out, "{}{title}:", if out.is_empty() { "" } else { "\n" });
        for said in findings {
            for (index, line) in wrap(&said.title, width.saturating_sub(4)).iter().enumerate() {
                let start = if index == 0 { "  - " } else { "    " };
                let _infallible = writeln!(out, "{start}{line}");
            }
            let _infallible = writeln!(out, "    {}", said.id.dimmed());
        }
    }
    let [was, is] = all.verdicts.map(verdict);
    let _infallible = if all.verdicts[0] == all.verdicts[1] {
        writeln!(out, "\n{} → {}: {is} both times", all.old, all.new)
    } else {
        writeln!(out, "\n{} → {}: {was}, now {is}", all.old, all.new)
    };
    out
}

/// For a thread.
pub fn markdown(all: &Differences) -> String {
    let [was, is] = all.verdicts.map(verdict);
    let mut out = format!("**{was} → {is}** ({} → {})\n", all.old, all.new);
    if all.is_empty() {
        out.push_str("\nNothing changed.\n");
        return out;
    }
    if !all.changes.is_empty() {
        out.push('\n');
    }
    for change in &all.changes {
        let say = |side: Option<&str>| side.map_or_else(|| "none".to_owned(), code);
        let (was, is) = (say(change.before.as_deref()), say(change.after.as_deref()));
        let _infallible = writeln!(out, "- {}: {was} → {is}", prose(&change.what));
    }
    for (title, findings) in [("New", &all.come), ("Gone", &all.gone)] {
        for said in findings {
            let _infallible =
                writeln!(out, "- {title}: {} ({})", prose(&said.title), code(&said.id));
        }
    }
    out
}
