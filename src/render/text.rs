//! The report for a terminal: what is broken, why, and what to type on one screen; the rest counted,
//! or listed with `-v`.

pub(super) mod fixes;

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use unicode_width::UnicodeWidthStr;

use super::words::{self, flow};
pub(super) use super::words::{sentence, wrap};
use super::{Detail, Screen, chain};
use crate::docs;
use crate::evidence::docker::short_volume;
use crate::report::{Certainty, Fact, Finding, Level, Report, Verdict};
use crate::secret::{ascii, sanitize as strict, sanitize_lines as sanitize};
use fixes::{Numbered, title};

/// A report that was not asked to be long shows so many findings.
const SHOWN: usize = 3;
/// So much of what happened is told on the first screen.
const STORY_LINES: usize = 5;
/// Stands for a space at which no line is broken.
const HARD: &str = "\u{a0}";

/// The report for a terminal.
pub fn render(report: &Report, screen: Screen) -> String {
    let mut page = ScreenPage { out: String::new(), screen };
    let shown = shown(report, screen.detail);
    page.verdict(report, &shown);
    match screen.detail {
        Detail::Quiet => return page.out,
        Detail::Normal => page.first_screen(report, &shown),
        Detail::Verbose => page.everything(report, &shown),
    }
    page.footer(report, &shown);
    page.out
}

/// The findings with a block of their own: the causes; where there is none, what is worst; with
/// `-v`, all.
pub(super) fn shown(report: &Report, detail: Detail) -> Vec<&Finding> {
    if detail == Detail::Verbose {
        return report.findings.iter().collect();
    }
    let mut shown: Vec<&Finding> = report.causes.iter().take(SHOWN).collect();
    if shown.is_empty() {
        let rest = report.findings.iter().filter(|finding| finding.level >= Level::Warning);
        shown.extend(rest.take(2));
    }
    if shown.is_empty() && report.verdict == Verdict::Unknown {
        // What was not checked is said once already.
        let says_what = |finding: &&Finding| !finding.not_checked;
        shown.extend(report.findings.iter().find(says_what).or(report.findings.first()));
    }
    shown
}

/// How much of a finding is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// With the command that fixes it.
    First,
    /// What fixes it in a line.
    Other,
    /// All there is.
    Whole,
}

struct ScreenPage {
    out: String,
    screen: Screen,
}

impl ScreenPage {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// A blank line, unless there is one already.
    fn gap(&mut self) {
        if !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// Foreign text of several lines, in the characters that this screen shows.
    fn clean(&self, text: &str) -> String {
        let text = sanitize(text);
        if self.screen.ascii { ascii(&text) } else { text }
    }

    /// The same on one line.
    fn strict(&self, text: &str) -> String {
        let text = strict(text);
        if self.screen.ascii { ascii(&text) } else { text }
    }

    fn width(&self) -> usize {
        self.screen.width
    }

    fn verdict(&mut self, report: &Report, shown: &[&Finding]) {
        let word = words::verdict(report.verdict);
        let styled = match report.verdict {
            Verdict::Healthy => word.green().bold().to_string(),
            Verdict::Broken => word.red().bold().to_string(),
            Verdict::AtRisk => word.yellow().bold().to_string(),
            Verdict::Unknown => word.cyan().bold().to_string(),
        };
        let mut headline = self.clean(&report.summary.headline);
        let warnings = report.findings.iter().filter(|one| one.level == Level::Warning).count();
        if report.verdict == Verdict::Healthy && warnings > 0 {
            let count = words::count(warnings, Level::Warning).replace(' ', HARD);
            let _infallible = write!(headline, " {count}.");
        } else if self.screen.detail == Detail::Normal && is_list(report, shown) {
            let _infallible = write!(headline, " {}{HARD}problems:", shown.len());
        }
        let indent = word.len() + 2;
        let lines = wrap(&headline, self.width().saturating_sub(indent));
        for (index, text) in lines.iter().enumerate() {
            let start = if index == 0 { format!("{styled}  ") } else { " ".repeat(indent) };
            self.line(&format!("{start}{}", text.replace(HARD, " ")));
        }
    }

    fn first_screen(&mut self, report: &Report, shown: &[&Finding]) {
        self.facts(report);
        if let Some(step) = &report.summary.retry {
            self.line("");
            self.fix(&step.title, step.command.as_ref());
        }
        if is_list(report, shown) {
            self.line("");
            self.list(report, shown);
        } else {
            for (index, finding) in shown.iter().enumerate() {
                let extent = if index == 0 { Extent::First } else { Extent::Other };
                self.finding(index + 1, finding, extent, report);
            }
        }
        if report.summary.tells_story {
            self.story(report, STORY_LINES);
        }
        self.gap();
        if let Some(path) = &report.summary.chain {
            for line in chain::lines(path, self.width(), true, self.screen.ascii) {
                self.line(&line);
            }
        }
        self.not_checked(report);
        let is_shown = |finding: &&Finding| shown.iter().any(|one| one.id == finding.id);
        let mut unseen = report.findings.iter().filter(|finding| finding.not_checked);
        if let Some(finding) = unseen.find(|finding| !is_shown(finding)) {
            self.way_to_check(finding);
        }
    }

    fn everything(&mut self, report: &Report, shown: &[&Finding]) {
        self.facts(report);
        for (index, finding) in shown.iter().enumerate() {
            self.finding(index + 1, finding, Extent::Whole, report);
        }
        self.story(report, usize::MAX);
        self.path(report);
        self.gap();
        self.not_checked(report);
        self.rest(report);
    }

    fn facts(&mut self, report: &Report) {
        let (facts, fates) = (&report.summary.facts, &report.summary.fates);
        for fact in facts {
            self.fact(fact);
        }
        if let Some(line) = self.on_one_line(fates) {
            self.line(&line);
        } else {
            for fact in fates {
                self.fact(fact);
            }
        }
    }

    fn fact(&mut self, fact: &Fact) {
        let left = format!("  {}{}", label(&fact.label), self.strict(&fact.text));
        let source = self.strict(&fact.source);
        let gap = self.width().saturating_sub(left.width() + source.width());
        if gap >= 2 && !source.is_empty() {
            self.line(&format!("{left}{}{}", " ".repeat(gap), source.dimmed()));
        } else {
            self.line(&left);
        }
    }

    /// More than two groups take one line where they fit.
    fn on_one_line(&self, facts: &[Fact]) -> Option<String> {
        let (first, others) = facts.split_first().filter(|(_, others)| others.len() > 1)?;
        let mut parts = vec![format!("  {}{}", label(&first.label), first.text)];
        parts.extend(others.iter().map(|fact| format!("{}  {}", fact.label, fact.text)));
        let gap = (3..=7).rev().find(|gap| {
            let whole: usize = parts.iter().map(|part| part.width()).sum();
            whole + gap * (parts.len() - 1) <= self.width()
        })?;
        Some(self.strict(&parts.join(&" ".repeat(gap))))
    }

    fn heading(&mut self, number: usize, finding: &Finding) {
        let start = format!("{number} {}: ", finding.level);
        let title = self.clean(&sentence(&finding.title));
        let certainty = words::certainty(finding.certainty);
        let room = self.width().saturating_sub(start.width() + certainty.len() + 2);
        for (index, text) in wrap(title.trim_end_matches('.'), room).iter().enumerate() {
            if index > 0 {
                self.line(&format!("{}{}", " ".repeat(start.width()), text.bold()));
                continue;
            }
            let used = start.width() + text.width() + certainty.len();
            let gap = self.width().saturating_sub(used).max(2);
            let start = match finding.level {
                Level::Error => start.red().bold().to_string(),
                Level::Warning => start.yellow().bold().to_string(),
                Level::Info => start.cyan().bold().to_string(),
            };
            let certainty = match finding.certainty {
                Certainty::Proven => certainty.bold().to_string(),
                _ => certainty.dimmed().to_string(),
            };
            self.line(&format!("{start}{}{}{certainty}", text.bold(), " ".repeat(gap)));
        }
    }

    fn finding(&mut self, number: usize, finding: &Finding, extent: Extent, report: &Report) {
        self.gap();
        self.heading(number, finding);
        self.paragraph("  ", &finding.detail.with_volumes(short_volume));
        let whole = extent == Extent::Whole;
        for location in finding.locations.iter().filter(|_| whole) {
            let excerpt = super::excerpt::of_location(location, self.width().saturating_sub(2));
            for line in excerpt.unwrap_or_default().lines() {
                self.line(&format!("  {line}"));
            }
        }
        for proof in finding.evidence.iter().filter(|proof| whole || proof.essential) {
            let source = sanitize(&proof.source);
            let source = if source.is_empty() { source } else { format!(" ({source})") };
            self.hanging("  - ", &format!("{}{source}", proof.text.with_volumes(short_volume)));
        }
        match extent {
            Extent::First => {
                let before = report.summary.before.as_ref().filter(|_| number == 1);
                self.first_fix(finding, before, report.summary.caution.as_deref());
            }
            Extent::Other => {
                if let Some(remedy) = finding.remedies.first() {
                    self.way("Fix", &words::lower(&title(remedy)));
                }
            }
            Extent::Whole => {
                self.all_fixes(finding);
                if let Some(caution) = report.summary.caution.as_ref().filter(|_| number == 1) {
                    self.paragraph("  ", caution);
                }
            }
        }
        self.more(finding, whole);
    }

    /// How to read more about a finding. In a terminal that can, the command leads to its page, too.
    fn more(&mut self, finding: &Finding, whole: bool) {
        let command = format!("convex-doctor explain {}", finding.id);
        let mut more = format!("More: {command}");
        if whole && !finding.explains.is_empty() {
            let _infallible = write!(more, " (also explains {})", finding.explains.join(", "));
        }
        for text in wrap(&more, self.width().saturating_sub(2)) {
            let text = text.dimmed().to_string();
            let text = if self.screen.links {
                text.replacen(&command, &docs::linked(&command, &finding.id), 1)
            } else {
                text
            };
            self.line(&format!("  {text}"));
        }
    }

    /// Several causes: each with its fix in a line, and then the way through all of them.
    fn list(&mut self, report: &Report, shown: &[&Finding]) {
        for (index, finding) in shown.iter().enumerate() {
            self.heading(index + 1, finding);
            match finding.remedies.first() {
                Some(remedy) => {
                    let text = format!("{} ({})", words::lower(&title(remedy)), finding.id);
                    self.way("Fix", &text);
                }
                None => self.more(finding, false),
            }
            for proof in finding.evidence.iter().filter(|proof| proof.essential) {
                let text = proof.text.with_volumes(short_volume);
                self.hanging("  - ", &format!("{text} ({})", proof.source));
            }
        }
        let steps: Vec<Numbered> = report
            .summary
            .before
            .iter()
            .chain(&report.summary.steps)
            .map(|step| Numbered {
                title: step.title.clone(),
                commands: step.command.iter().cloned().collect(),
            })
            .collect();
        if !steps.is_empty() {
            self.line("");
            self.numbered(&steps);
        }
    }

    /// Every link of the path with its state as a word, from the URL to the key.
    fn path(&mut self, report: &Report) {
        if report.chain.is_empty() {
            return;
        }
        self.gap();
        self.line("path, from the URL to the key");
        for (index, link) in report.chain.iter().enumerate().rev() {
            let state = words::state(link.state);
            let (mut from, mut to) = (self.strict(&link.from), self.strict(&link.to));
            if index == 0 {
                // Here the path runs against the link, which leads from the key to the secret.
                std::mem::swap(&mut from, &mut to);
            }
            let text = self.clean(&format!("{from} → {to}: {}", link.why));
            let indent = " ".repeat(state.len() + 4);
            let room = self.width().saturating_sub(indent.len());
            for (index, line) in wrap(&text, room).iter().enumerate() {
                if index == 0 {
                    let state = chain::paint(link.state, state);
                    self.line(&format!("  {state}: {line}"));
                } else {
                    self.line(&format!("{indent}{line}"));
                }
            }
        }
    }

    /// What happened, the newest `most` things, each with its time before the report's.
    fn story(&mut self, report: &Report, most: usize) {
        if report.story.is_empty() {
            return;
        }
        self.gap();
        self.line("What happened:");
        let left = report.story.len().saturating_sub(most);
        for entry in report.story.iter().skip(left) {
            let ago = words::ago(&entry.at, &report.generated_at);
            self.after(&format!("  {ago:<16}"), &format!("{} ({})", entry.what, entry.source));
        }
    }

    fn not_checked(&mut self, report: &Report) {
        if !report.summary.not_checked.is_empty() {
            let text = format!("Not checked: {}.", report.summary.not_checked.join("; "));
            self.paragraph("", &text);
        }
    }

    /// What could not run, what passed, what was suppressed, and how long each probe took.
    fn rest(&mut self, report: &Report) {
        if !report.unknown.is_empty() {
            self.gap();
            self.line(&format!("could not run ({})", report.unknown.len()));
            for (reason, ids) in words::by_reason(&report.unknown) {
                self.hanging("  ", &format!("{reason}: {}", ids.join(", ")));
            }
        }
        if !report.passed.is_empty() {
            self.gap();
            self.line(&format!("passed ({})", report.passed.len()));
            for (family, count) in &report.summary.passed {
                self.line(&format!("  {count:>3}  {family}"));
            }
        }
        if !report.suppressed.is_empty() {
            self.gap();
            for suppressed in &report.suppressed {
                let excuse = super::machine::excuse(suppressed);
                self.hanging("suppressed: ", &format!("{}: {excuse}", suppressed.id));
            }
        }
        if let Some(timings) = report.evidence.get("timings").and_then(|value| value.as_array()) {
            self.waterfall(timings);
        }
    }

    /// What was done when: what stands side by side ran at the same time.
    fn waterfall(&mut self, timings: &[serde_json::Value]) {
        const COLUMNS: u64 = 24;
        let number = |timing: &serde_json::Value, name: &str| {
            timing.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0)
        };
        let mut timings: Vec<_> = timings
            .iter()
            .map(|timing| {
                let probe = timing.get("probe").and_then(|value| value.as_str()).unwrap_or("");
                (number(timing, "start_ms"), number(timing, "ms"), probe)
            })
            .collect();
        timings.sort_by_key(|(start, ms, _)| (*start, std::cmp::Reverse(*ms)));
        let end = timings.iter().map(|(start, ms, _)| start.saturating_add(*ms)).max();
        let column = |at: u64| {
            let column = at.min(end.unwrap_or(0)).saturating_mul(COLUMNS) / end.unwrap_or(0).max(1);
            usize::try_from(column).unwrap_or(0)
        };
        self.gap();
        self.line("timings (when it began, how long it took)");
        for (start, ms, probe) in timings {
            let (from, to) = (column(start), column(start.saturating_add(ms)));
            let bar = format!("{}{}", " ".repeat(from), "=".repeat(to.saturating_sub(from).max(1)));
            let probe = self.strict(probe);
            let width = usize::try_from(COLUMNS).unwrap_or(0) + 1;
            self.line(&format!("{start:>6} {ms:>6} ms  {bar:<width$}  {probe}"));
        }
    }

    fn footer(&mut self, report: &Report, shown: &[&Finding]) {
        let summary = &report.summary;
        let verbose = self.screen.detail == Detail::Verbose;
        let has_print = summary.fingerprints.iter().any(|print| {
            let facts = summary.facts.iter().any(|fact| fact.text.contains(print.as_str()));
            let times = self.out.matches(print.as_str()).count();
            // A fact names what its number is.
            times > usize::from(facts)
        });
        let mut parts = Vec::new();
        let also = also_found(report, shown);
        let all_ran = summary.ran == summary.total;
        if !also.is_empty() {
            let hint = if all_ran && !verbose { " (-v)" } else { "" };
            parts.push(format!("Also found: {}{hint}", also.join(", ")));
        }
        if !report.suppressed.is_empty() {
            parts.push(format!("{} suppressed", report.suppressed.len()));
        }
        if !summary.only.is_empty() {
            parts.push(format!("Only {}", summary.only.join(", ")));
        }
        parts.push(match (all_ran, summary.total) {
            (true, 1) => "The 1 check ran".to_owned(),
            (true, total) => format!("All {total} checks ran"),
            (false, total) => {
                let hint = if verbose { "" } else { " (-v shows all)" };
                format!("{} of {total} checks ran{hint}", summary.ran)
            }
        });
        if has_print {
            parts.push("8-digit codes are fingerprints".to_owned());
        }
        if verbose {
            self.gap();
        }
        let between = if self.screen.ascii { " | " } else { " · " };
        let (seconds, rest) = (summary.elapsed_ms / 1000, summary.elapsed_ms % 1000 / 10);
        // The time does not get a line of its own.
        if let Some(last) = parts.last_mut() {
            let _infallible = write!(last, "{between}{seconds}.{rest:02} s");
        }
        for line in flow(&parts, between, self.width()) {
            self.line(&line.dimmed().to_string());
        }
        if report.verdict == Verdict::Healthy && shown.is_empty() {
            self.line(words::STILL_FAILS);
        }
    }

    fn paragraph(&mut self, indent: &str, text: &str) {
        let text = self.clean(text);
        for line in wrap(&text, self.width().saturating_sub(indent.width())) {
            self.line(&format!("{indent}{line}"));
        }
    }

    /// A paragraph whose first line starts with `mark`; its other lines hang under the first.
    fn hanging(&mut self, mark: &str, text: &str) {
        let text = self.clean(text);
        let indent = " ".repeat(mark.width());
        let room = self.width().saturating_sub(mark.width());
        for (index, line) in wrap(&text, room).iter().enumerate() {
            let start = if index == 0 { mark } else { &indent };
            self.line(&format!("{start}{line}"));
        }
    }
}

/// Whether several causes are shown as a list.
fn is_list(report: &Report, shown: &[&Finding]) -> bool {
    report.verdict == Verdict::Broken && shown.len() > 1 && !report.summary.steps.is_empty()
}

/// What has no block of its own, by level; what is folded under a cause is not counted.
fn also_found(report: &Report, shown: &[&Finding]) -> Vec<String> {
    let folded =
        |finding: &Finding| report.causes.iter().any(|cause| cause.explains.contains(&finding.id));
    let rest: Vec<Level> = report
        .findings
        .iter()
        .filter(|finding| !folded(finding) && !shown.iter().any(|other| other == finding))
        .map(|finding| finding.level)
        .collect();
    [Level::Error, Level::Warning, Level::Info]
        .into_iter()
        .map(|level| (rest.iter().filter(|one| **one == level).count(), level))
        .filter(|(count, _)| *count > 0)
        .map(|(count, level)| words::count(count, level))
        .collect()
}

/// A label as wide as its column; one that is wider keeps its distance.
fn label(label: &str) -> String {
    format!("{:<12}", format!("{label} "))
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_label_keeps_its_distance() {
        for (text, shown) in [("data", "data        "), ("left behind by", "left behind by ")] {
            assert_eq!(label(text), shown);
        }
    }
}
