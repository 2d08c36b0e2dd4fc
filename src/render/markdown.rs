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
    line(&mut out, &format!("**{word}** {}", prose(&report.summary.headline)));
    line(&mut out, "");
    let facts = || report.summary.facts.iter().chain(&report.summary.fates);
    for Fact { label, text, source } in facts() {
        line(&mut out, &format!("- {}: {} {}", prose(label), code(text), prose(source)));
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
        let not_checked = prose(&report.summary.not_checked.join("; "));
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
            line(&mut out, &format!("- `{}`: {}", unknown.id, prose(&unknown.reason)));
        }
        line(&mut out, "\n</details>\n");
    }
    if !report.suppressed.is_empty() {
        line(&mut out, "<details><summary>Suppressed</summary>\n");
        for one in &report.suppressed {
            let title = prose(&one.finding.title);
            line(&mut out, &format!("- `{}`, {title}: {}", one.id, prose(&machine::excuse(one))));
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
        let why = prose(&link.why);
        line(out, &format!("- {} {}: {why}", chain::sign(link.state), code(&ends)));
    }
    line(out, "\n</details>\n");
}

fn finding(out: &mut String, number: usize, finding: &Finding) {
    line(
        out,
        &format!(
            "### {number}. {} (`{}`, {}, {})\n",
            prose(&sentence(&finding.title)),
            finding.id,
            finding.level,
            words::certainty(finding.certainty)
        ),
    );
    line(out, &format!("{}\n", prose(&finding.detail)));
    for proof in &finding.evidence {
        line(out, &format!("- {} ({})", prose(&proof.text), code(&proof.source)));
    }
    for location in &finding.locations {
        line(out, &format!("- at {}", code(&location.to_string())));
    }
    line(out, "");
    let steps = finding.remedies.iter().filter(|one| one.order == Order::Step).count();
    let mut number = 0;
    for (index, remedy) in finding.remedies.iter().enumerate() {
        let mark = match remedy.order {
            Order::Step if steps > 1 => {
                if number == 0 {
                    let word = if index == 0 { "Fix" } else { "Or" };
                    line(out, &format!("{word}, in this order:\n"));
                }
                number += 1;
                format!("Step {number}")
            }
            Order::Alternative if index > 0 => "Or".to_owned(),
            Order::Step | Order::Alternative => "Fix".to_owned(),
        };
        line(out, &format!("{mark}: {}\n", prose(&remedy.title)));
        if let Some(price) = &remedy.price {
            line(out, &format!("{}\n", prose(&price.sentence())));
        }
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
        if !remedy.edits.is_empty() {
            // What follows would become a part of the last item.
            line(out, "");
        }
        for errand in &remedy.errands {
            line(out, &format!("{}:\n", prose(&errand.title)));
            for place in &errand.places {
                line(out, &format!("- {}", prose(place)));
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
    let text = one_line(text);
    if text.is_empty() {
        // Two backticks would begin a span that ends elsewhere.
        return "` `".to_owned();
    }
    let fence = fence(&text, 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// [`code`] in a cell of a table, where a bar ends the cell in code, too, and a backslash before it
/// would mean itself.
pub(super) fn code_cell(text: &str) -> String {
    let span = code(text);
    if span.contains('|') { format!("<code>{}</code>", escape(&one_line(text))) } else { span }
}

/// At least `least` backticks, and more than stand in a row anywhere in `text`.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(least.max(longest + 1))
}

/// A text of this program, in which backticks enclose code; everything else in it means itself.
pub(super) fn prose(text: &str) -> String {
    prose_with(text, code)
}

/// [`prose`] in a cell of a table.
pub(super) fn prose_cell(text: &str) -> String {
    prose_with(text, code_cell)
}

fn prose_with(text: &str, code: impl Fn(&str) -> String) -> String {
    let text = one_line(text);
    let parts = words::code_parts(text.trim());
    parts.map(|(is_code, part)| if is_code { code(part) } else { escape(part) }).collect()
}

/// On one line: a line end would end a list, a heading or a row.
fn one_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

/// Text in which the signs of Markdown and HTML mean themselves. A backslash or a character reference
/// is not enough where GitHub looks at what became of the Markdown: at a mention, the number of an
/// issue, the name of an emoji, a formula, a bare URL. There the sign gets an element of its own.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = "";
    for (at, c) in text.char_indices() {
        let after = &text[at + c.len_utf8()..];
        let ends = |word: &str| {
            before
                .len()
                .checked_sub(word.len())
                .and_then(|from| before.get(from..))
                .is_some_and(|end| end.eq_ignore_ascii_case(word))
        };
        let is_alone = match c {
            '@' | '$' => true,
            '#' => after.starts_with(|c: char| c.is_ascii_digit()),
            ':' => after.starts_with("//") || is_emoji(after),
            '.' => ends("www"),
            '-' => ends("gh") && after.starts_with(|c: char| c.is_ascii_digit()),
            _ => false,
        };
        match c {
            _ if is_alone => out.push_str(&format!("<span>{c}</span>")),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => out.extend(['\\', c]),
            // What would begin a list or make a heading of the line above.
            '-' | '+' | '=' if before.is_empty() => out.extend(['\\', c]),
            '.' | ')' if is_number(before) && (after.is_empty() || after.starts_with(' ')) => {
                out.extend(['\\', c]);
            }
            c => out.push(c),
        }
        before = &text[..at + c.len_utf8()];
    }
    out
}

/// Whether what follows a colon ends as the name of an emoji.
fn is_emoji(after: &str) -> bool {
    let name = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_+-".contains(c));
    name.len() < after.len() && name.starts_with(':')
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_makes_no_markup() {
        for (text, expected) in [
            ("a_b <img> [x](y)", "a\\_b &lt;img&gt; \\[x\\](y)"),
            ("use `a_b`, not a_b", "use `a_b`, not a\\_b"),
            ("a`b", "a\\`b"),
            (
                "@here #1 #x $x$",
                "<span>@</span>here <span>#</span>1 \\#x <span>$</span>x<span>$</span>",
            ),
            ("http://h:80/x :tada:", "http<span>:</span>//h:80/x <span>:</span>tada:"),
            ("WWW.h GH-1 gh-x", "WWW<span>.</span>h GH<span>-</span>1 gh-x"),
            ("- x", "\\- x"),
            ("1. x", "1\\. x"),
            ("1.5 x - y", "1.5 x - y"),
            ("  x\n    y", "x     y"),
        ] {
            assert_eq!(prose(text), expected);
        }
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code(""), "` `");
        assert_eq!(code_cell("a|b"), "<code>a\\|b</code>");
    }
}
