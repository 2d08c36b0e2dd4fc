//! The report for a support thread: what a helper needs first on top, the rest folded away. Foreign
//! text stands in code spans, so that it can make no heading, link, mention or picture.

use std::fmt::Write as _;

use super::chain;
use super::machine::{self, clean_lines as clean};
use super::words::{self, sentence};
use crate::report::{Fact, Finding, Order, Report};

/// The report as GitHub-flavoured Markdown.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    let word = words::verdict(report.verdict);
    line(&mut out, &format!("**{word}** {}", escape(&report.summary.headline)));
    line(&mut out, "");
    let facts = || report.summary.facts.iter().chain(&report.summary.fates);
    for Fact { label, text, source } in facts() {
        line(&mut out, &format!("- {label}: {} {}", code(text), escape(source)));
    }
    if facts().next().is_some() {
        line(&mut out, "");
    }
    let folded: Vec<&String> = report.causes.iter().flat_map(|cause| &cause.explains).collect();
    for (index, cause) in report.causes.iter().enumerate() {
        finding(&mut out, index + 1, cause);
    }
    let rest: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| !report.causes.contains(finding) && !folded.contains(&&finding.id))
        .collect();
    if !rest.is_empty() {
        line(&mut out, "<details><summary>Other findings</summary>\n");
        for (index, other) in rest.iter().enumerate() {
            finding(&mut out, index + 1, other);
        }
        line(&mut out, "</details>\n");
    }
    custody(&mut out, report);
    if !report.summary.not_checked.is_empty() {
        let not_checked = escape(&report.summary.not_checked.join("; "));
        line(&mut out, &format!("Not checked: {not_checked}.\n"));
    }
    if !report.persistence.is_empty() {
        line(&mut out, "<details><summary>What keeps the keys and the data</summary>\n");
        line(&mut out, &super::persistence::markdown(&report.persistence));
        line(&mut out, "</details>\n");
    }
    if !report.unknown.is_empty() {
        line(&mut out, "<details><summary>Checks that could not run</summary>\n");
        for unknown in &report.unknown {
            line(&mut out, &format!("- `{}`: {}", unknown.id, escape(&unknown.reason)));
        }
        line(&mut out, "\n</details>\n");
    }
    if !report.suppressed.is_empty() {
        line(&mut out, "<details><summary>Suppressed</summary>\n");
        for one in &report.suppressed {
            let title = escape(&one.finding.title);
            line(&mut out, &format!("- `{}`, {title}: {}", one.id, escape(&machine::excuse(one))));
        }
        line(&mut out, "\n</details>\n");
    }
    let _infallible = writeln!(
        out,
        "<sub>convex-doctor {} · {} · {} passed, {} unknown, {} suppressed · no secrets inside</sub>",
        env!("CARGO_PKG_VERSION"),
        report.generated_at,
        report.passed.len(),
        report.unknown.len(),
        report.suppressed.len()
    );
    out
}

/// The chain of custody: one line, a graph, and the state of each link with its reason.
fn custody(out: &mut String, report: &Report) {
    if report.chain.is_empty() {
        return;
    }
    if let Some(short) = &report.summary.chain {
        let whole = chain::lines(short, usize::MAX, false, false).join(" ");
        line(out, &format!("{}\n", code(&whole)));
    }
    line(out, "<details><summary>Chain of custody</summary>\n");
    line(out, &format!("```mermaid\n{}```\n", chain::mermaid(&report.chain)));
    for link in &report.chain {
        let ends = format!("{} → {}", link.from, link.to);
        let why = escape(&link.why);
        line(out, &format!("- {} {}: {why}", chain::sign(link.state), code(&ends)));
    }
    line(out, "\n</details>\n");
}

fn finding(out: &mut String, number: usize, finding: &Finding) {
    line(
        out,
        &format!(
            "### {number}. {} (`{}`, {}, {})\n",
            escape(&sentence(&finding.title)),
            finding.id,
            finding.level,
            words::certainty(finding.certainty)
        ),
    );
    line(out, &format!("{}\n", escape(&finding.detail)));
    for proof in &finding.evidence {
        line(out, &format!("- {} ({})", escape(&proof.text), code(&proof.source)));
    }
    for location in &finding.locations {
        line(out, &format!("- at {}", code(&location.to_string())));
    }
    line(out, "");
    let steps = finding.remedies.iter().filter(|one| one.order == Order::Step).count();
    for (index, remedy) in finding.remedies.iter().enumerate() {
        let mark = match remedy.order {
            Order::Step if steps > 1 => format!("Step {}", index + 1),
            Order::Alternative if index > 0 => "Or".to_owned(),
            Order::Step | Order::Alternative => "Fix".to_owned(),
        };
        line(out, &format!("{mark}: {}\n", escape(&remedy.title)));
        if !remedy.commands.is_empty() {
            let commands: Vec<String> =
                remedy.commands.iter().map(|command| clean(&command.to_string())).collect();
            let commands = commands.join("\n");
            let fence = fence(&commands, 3);
            line(out, &format!("{fence}sh\n{commands}\n{fence}\n"));
        }
        for edit in &remedy.edits {
            let new = edit.new.as_deref().unwrap_or("(delete the line)");
            line(
                out,
                &format!("- {}: {}", code(&format!("{}:{}", edit.file, edit.line)), code(new)),
            );
        }
        for errand in &remedy.errands {
            line(out, &format!("{}:\n", escape(&errand.title)));
            for place in &errand.places {
                line(out, &format!("- {}", escape(place)));
            }
            for command in &errand.commands {
                line(out, &format!("- {}", code(command)));
            }
            line(out, "");
        }
    }
    if !finding.explains.is_empty() {
        line(out, &format!("Explains: {}\n", finding.explains.join(", ")));
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Foreign text in a code span whose fence is longer than any run of backticks in it.
pub(super) fn code(text: &str) -> String {
    let text = clean(text).replace('\n', " ");
    let fence = fence(&text, 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// At least `least` backticks, and more than stand in a row anywhere in `text`.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(least.max(longest + 1))
}

/// Text in which Markdown's and HTML's own characters, and mentions, mean themselves.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).replace('\n', " ").chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_makes_no_markup() {
        assert_eq!(escape("a_b <img> @here [x](y)"), "a\\_b &lt;img&gt; &#64;here \\[x\\](y)");
        assert_eq!(code("a`b"), "``a`b``");
    }
}
