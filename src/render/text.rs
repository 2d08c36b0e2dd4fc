//! The report for a terminal: the verdict, the cause with its proof and its fix on one screen; the
//! rest counted, or listed with `-v`.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use unicode_width::UnicodeWidthStr;

use super::{Detail, chain};
use crate::evidence::docker::short_volume;
use crate::report::{Certainty, Finding, Level, Remedy, Report, Safety, Verdict};
use crate::secret::{sanitize as strict, sanitize_lines as sanitize};

/// The report for a terminal of `width` columns.
pub fn render(report: &Report, width: usize, detail: Detail) -> String {
    let mut page = Page { out: String::new(), width };
    page.verdict(report);
    if detail == Detail::Quiet {
        for cause in &report.causes {
            page.line(&format!("[{}] {}", cause.id, sanitize(&cause.title)));
        }
        return page.out;
    }
    if matches!(report.verdict, Verdict::Healthy | Verdict::AtRisk) {
        page.facts(report);
    }
    let shown = shown(report, detail);
    for (index, finding) in shown.iter().enumerate() {
        page.finding(index + 1, finding, index == 0 || detail == Detail::Verbose);
    }
    page.chain(report, detail);
    page.not_seen(report);
    if detail == Detail::Verbose {
        page.verbose(report);
    }
    page.footer(report, &shown, detail);
    page.out
}

/// The findings with a block of their own: the causes; where there is none, what is worst; with
/// `-v`, all.
fn shown(report: &Report, detail: Detail) -> Vec<&Finding> {
    if detail == Detail::Verbose {
        return report.findings.iter().collect();
    }
    let mut shown: Vec<&Finding> = report.causes.iter().take(3).collect();
    if shown.is_empty() {
        let rest = report.findings.iter().filter(|finding| finding.level >= Level::Warning);
        shown.extend(rest.take(2));
    }
    if shown.is_empty() && report.verdict == Verdict::Unknown {
        // That Docker was not seen stands under NOT SEEN already.
        let says_what = |finding: &&Finding| !finding.id.starts_with("docker-");
        shown.extend(report.findings.iter().find(says_what).or(report.findings.first()));
    }
    shown
}

struct Page {
    out: String,
    width: usize,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn verdict(&mut self, report: &Report) {
        let (word, styled) = match report.verdict {
            Verdict::Healthy => ("HEALTHY", "HEALTHY".green().bold().to_string()),
            Verdict::Broken => ("BROKEN", "BROKEN".red().bold().to_string()),
            Verdict::AtRisk => ("AT RISK", "AT RISK".yellow().bold().to_string()),
            Verdict::Unknown => ("UNKNOWN", "UNKNOWN".cyan().bold().to_string()),
        };
        let indent = word.len() + 2;
        let headline = sanitize(&report.summary.headline);
        let lines = wrap(&headline, self.width.saturating_sub(indent));
        for (index, text) in lines.iter().enumerate() {
            let start = if index == 0 { format!("{styled}  ") } else { " ".repeat(indent) };
            self.line(&format!("{start}{text}"));
        }
    }

    fn facts(&mut self, report: &Report) {
        for (label, text, source) in &report.summary.facts {
            let left = format!("  {label:<9}{}", strict(text));
            let source = strict(source);
            let gap = self.width.saturating_sub(left.width() + source.width());
            if gap >= 2 && !source.is_empty() {
                self.line(&format!("{left}{}{}", " ".repeat(gap), source.dimmed()));
            } else {
                self.line(&left);
            }
        }
    }

    fn finding(&mut self, number: usize, finding: &Finding, whole: bool) {
        self.line("");
        let title = format!("{}.", sanitize(&sentence(&finding.title)).trim_end_matches('.'));
        let certainty = finding.certainty.to_string();
        let room = self.width.saturating_sub(2 + certainty.len() + 1);
        let lines = wrap(&title, room);
        for (index, text) in lines.iter().enumerate() {
            if index == 0 {
                let gap = self.width.saturating_sub(2 + text.width() + certainty.len()).max(1);
                let number = number.to_string();
                let number = match finding.level {
                    Level::Error => number.red().bold().to_string(),
                    Level::Warning => number.yellow().bold().to_string(),
                    Level::Info => number.cyan().bold().to_string(),
                };
                let certainty = match finding.certainty {
                    Certainty::Proven => certainty.bold().to_string(),
                    _ => certainty.dimmed().to_string(),
                };
                self.line(&format!("{number} {}{}{certainty}", text.bold(), " ".repeat(gap)));
            } else {
                self.line(&format!("  {}", text.bold()));
            }
        }
        self.paragraph("  ", &short_volumes(&finding.detail));
        for location in finding.locations.iter().take(3) {
            let excerpt = super::excerpt::of_location(location, self.width.saturating_sub(2));
            for line in excerpt.unwrap_or_default().lines() {
                self.line(&format!("  {line}"));
            }
        }
        if whole {
            for proof in finding.evidence.iter().take(6) {
                let source = sanitize(&proof.source);
                let source = if source.is_empty() { source } else { format!(" ({source})") };
                self.hanging("  - ", &short_volumes(&format!("{}{source}", proof.text)));
            }
            for remedy in finding.remedies.iter().take(3) {
                self.remedy(remedy, usize::MAX);
            }
        } else if let Some(remedy) = finding.remedies.first() {
            self.remedy(remedy, 3);
        }
        let mut tail = format!("[{}] convex-doctor explain {}", finding.id, finding.id);
        if !finding.explains.is_empty() {
            let _infallible = write!(tail, " · explains {}", finding.explains.join(", "));
        }
        for text in wrap(&tail, self.width.saturating_sub(2)) {
            self.line(&format!("  {}", text.dimmed()));
        }
    }

    /// A remedy, and so many places of each thing that is left to do behind it.
    fn remedy(&mut self, remedy: &Remedy, most: usize) {
        let warning = match remedy.safety {
            Safety::Destructive => " (gives something up)",
            Safety::Safe | Safety::Unsafe => "",
        };
        // The command of a remedy for the doctor is the doctor's own, if it has one at all.
        let offered = remedy.is_for_the_doctor() && remedy.commands.is_empty();
        let colon = if remedy.commands.is_empty() && !offered { "" } else { ":" };
        let title = remedy.title.trim_end_matches([':', '.']);
        let mark = if remedy.title.starts_with('!') { "  " } else { "  → " };
        self.hanging(mark, &format!("{title}{warning}{colon}"));
        for command in &remedy.commands {
            // Never wrapped: it is there to be copied.
            self.line(&format!("      {}", sanitize(command).cyan()));
        }
        if offered {
            let command = "convex-doctor fix --apply".cyan();
            self.line(&format!("      {command}   {}", "# shows the change, and asks".dimmed()));
        }
        for errand in &remedy.errands {
            let colon = if errand.places.len() + errand.commands.len() > 0 { ":" } else { "" };
            self.hanging("    ", &format!("{}{colon}", errand.title));
            for place in errand.places.iter().take(most) {
                self.hanging("      - ", place);
            }
            if errand.places.len() > most {
                self.line(&format!("      - and {} more", errand.places.len() - most));
            }
            for command in &errand.commands {
                self.line(&format!("      {}", sanitize(command).cyan()));
            }
        }
    }

    /// One line where something is amiss; every link and why with `-v`.
    fn chain(&mut self, report: &Report, detail: Detail) {
        let verbose = detail == Detail::Verbose;
        let Some(short) = &report.summary.chain else { return };
        if report.verdict == Verdict::Healthy && !verbose {
            return;
        }
        self.line("");
        for line in chain::lines(short, self.width, true) {
            self.line(&line);
        }
        for link in report.chain.iter().filter(|_| verbose) {
            let (from, to) = (strict(&link.from), strict(&link.to));
            let text = format!("{from} ─ {} → {to}: {}", link.relation, link.why);
            for (index, text) in wrap(&sanitize(&text), self.width - 4).iter().enumerate() {
                let sign = chain::coloured_sign(link.state);
                let start = if index == 0 { format!("  {sign} ") } else { " ".repeat(4) };
                self.line(&format!("{start}{text}"));
            }
        }
    }

    fn not_seen(&mut self, report: &Report) {
        if !report.summary.not_seen.is_empty() && report.verdict != Verdict::Healthy {
            self.line("");
            self.hanging("NOT SEEN: ", &report.summary.not_seen.join("; "));
        }
    }

    fn verbose(&mut self, report: &Report) {
        if !report.persistence.is_empty() {
            self.line("");
            self.out.push_str(&super::persistence::table(&report.persistence, self.width));
        }
        if !report.passed.is_empty() {
            self.line("");
            self.hanging("passed: ", &report.passed.join(", "));
        }
        if !report.unknown.is_empty() {
            self.line("");
            for unknown in &report.unknown {
                self.hanging("unknown: ", &format!("{} ({})", unknown.id, unknown.reason));
            }
        }
        for suppressed in &report.suppressed {
            let excuse = super::machine::excuse(suppressed);
            self.hanging("suppressed: ", &format!("{}: {excuse}", suppressed.id));
        }
        if let Some(timings) = report.evidence.get("timings").and_then(|value| value.as_array()) {
            self.line("");
            for timing in timings {
                let probe = timing.get("probe").and_then(|value| value.as_str()).unwrap_or("");
                let ms = timing.get("ms").and_then(serde_json::Value::as_u64).unwrap_or(0);
                self.line(&format!("{ms:>6} ms  {}", sanitize(probe)));
            }
        }
    }

    fn footer(&mut self, report: &Report, shown: &[&Finding], detail: Detail) {
        let mut counts = Vec::new();
        for (level, one, many) in [
            (Level::Error, "more error", "more errors"),
            (Level::Warning, "more warning", "more warnings"),
            (Level::Info, "info", "infos"),
        ] {
            let folded = |finding: &Finding| {
                report.causes.iter().any(|cause| cause.explains.contains(&finding.id))
            };
            let count = report
                .findings
                .iter()
                .filter(|finding| finding.level == level && !folded(finding))
                .filter(|finding| !shown.iter().any(|other| other == finding))
                .count();
            if count > 0 {
                counts.push(format!("{count} {}", if count == 1 { one } else { many }));
            }
        }
        if !report.unknown.is_empty() {
            let count = report.unknown.len();
            let checks = if count == 1 { "check" } else { "checks" };
            counts.push(format!("{count} {checks} without a verdict"));
        }
        if !report.suppressed.is_empty() {
            counts.push(format!("{} suppressed", report.suppressed.len()));
        }
        let mut line = if counts.is_empty() {
            "nothing unknown".to_owned()
        } else {
            format!("{}{}", counts.join(", "), if detail == Detail::Verbose { "" } else { ": -v" })
        };
        // Exit code 0 says that nothing was found, not that all was seen: the last line says what
        // was not.
        if !report.summary.only.is_empty() {
            line = format!("only {} asked for: {line}", report.summary.only.join(", "));
        }
        let not_seen = report.summary.not_seen.iter();
        let sources: Vec<&str> =
            not_seen.map(|source| source.split(" (").next().unwrap_or_default()).collect();
        if !sources.is_empty() {
            let _infallible = write!(line, "; not looked at: {}", sources.join(", "));
        }
        let _infallible = write!(
            line,
            " ({}.{:02} s)",
            report.summary.elapsed_ms / 1000,
            report.summary.elapsed_ms % 1000 / 10
        );
        self.line("");
        for text in wrap(&line, self.width) {
            self.line(&text.dimmed().to_string());
        }
    }

    fn paragraph(&mut self, indent: &str, text: &str) {
        let text = sanitize(text);
        for line in wrap(&text, self.width.saturating_sub(indent.width())) {
            self.line(&format!("{indent}{line}"));
        }
    }

    /// A paragraph whose first line starts with `mark` and whose other lines hang under it.
    fn hanging(&mut self, mark: &str, text: &str) {
        let text = sanitize(text);
        let indent = " ".repeat(mark.width());
        for (index, line) in wrap(&text, self.width.saturating_sub(mark.width())).iter().enumerate()
        {
            let start = if index == 0 { mark } else { &indent };
            self.line(&format!("{start}{line}"));
        }
    }
}

/// Names of 64 digits that the engine made up, as Docker itself shortens them; what is to be typed
/// has them whole.
fn short_volumes(text: &str) -> String {
    let shortened = |word: &str| {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let short = short_volume(digits);
        if short == digits { word.to_owned() } else { format!("{short}{}", &word[digits.len()..]) }
    };
    text.split(' ').map(shortened).collect::<Vec<_>>().join(" ")
}

/// With a capital first letter, unless the first word is a name in code's spelling (`npx`,
/// `CONVEX_…`, a host).
pub(super) fn sentence(title: &str) -> String {
    let word = title.split(' ').next().unwrap_or_default();
    if word.chars().all(|c| c.is_ascii_lowercase()) && word != "npx" {
        let mut chars = title.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
    } else {
        title.to_owned()
    }
}

/// Breaks `text` at blanks into lines of at most `width` columns; a longer word stands alone. Line
/// ends in it stay.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    while lines.last().is_some_and(String::is_empty) && lines.len() > 1 {
        lines.pop();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_long_words_stay_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a verylongwordindeed b", 6), ["a", "verylongwordindeed", "b"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn titles_become_sentences_but_code_keeps_its_spelling() {
        assert_eq!(sentence("the key is cut"), "The key is cut");
        assert_eq!(sentence("CONVEX_DEPLOYMENT is set"), "CONVEX_DEPLOYMENT is set");
        assert_eq!(sentence("npx convex leaves"), "npx convex leaves");
    }
}
