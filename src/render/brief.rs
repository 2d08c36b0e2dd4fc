//! The report as one message of a chat: Discord takes 2,000 characters. The cause, its fix, the path and
//! the versions; no HTML, which a chat shows as it stands.

use super::chain;
use super::machine::clean_lines as clean;
use super::words::{self, sentence};
use crate::report::{Finding, Report};

/// What Discord takes, without a rest for what is pasted around it; in units of UTF-16, of which some
/// characters are two.
const MOST: usize = 1_900;

/// The most of each part, in the same units; a text that is longer ends with `…`.
const HEADLINE: usize = 300;
const TITLE: usize = 160;
const DETAIL: usize = 420;
const PRICE: usize = 240;
const COMMANDS: usize = 480;
const PATH: usize = 220;
const VERSIONS: usize = 200;

/// The report in at most 1,900 units of UTF-16, whatever is in it.
pub fn render(report: &Report) -> String {
    let word = words::verdict(report.verdict);
    let headline = cut(&prose(&report.summary.headline), HEADLINE);
    let mut message = Message::default();
    message.add(&format!("**{word}** {headline}\n"));
    if let Some(cause) = report.causes.first() {
        first(&mut message, cause);
    }
    if let Some(short) = &report.summary.chain {
        let path = chain::lines(short, usize::MAX, false, false).join(" ");
        message.add(&format!("{}\n", cut(&code(&path), PATH)));
    }
    let others: Vec<String> =
        report.causes.iter().skip(1).map(|cause| format!("`{}`", cause.id)).collect();
    if !others.is_empty() {
        message.add(&format!("Other causes: {}\n", cut(&others.join(", "), TITLE)));
    }
    message.add(&format!("{}\n", cut(&versions(report), VERSIONS)));
    message.text
}

fn first(message: &mut Message, cause: &Finding) {
    let title = cut(&prose(&sentence(&cause.title)), TITLE);
    let certainty = words::certainty(cause.certainty);
    message.add(&format!("**{title}** (`{}`, {certainty})\n", cause.id));
    message.add(&format!("{}\n", cut(&prose(&cause.detail), DETAIL)));
    let Some(remedy) = cause.remedies.first() else { return };
    message.add(&format!("Fix: {}\n", cut(&prose(&remedy.title), TITLE)));
    if let Some(price) = &remedy.price {
        message.add(&format!("{}\n", cut(&prose(&price.sentence()), PRICE)));
    }
    let mut commands = String::new();
    for command in &remedy.commands {
        let command = clean(&command.to_string());
        // A part of a command does something else than the whole.
        let has_room = units(&commands) + units(&command) < COMMANDS;
        if command.contains("```") || unmentioned(&command) != command || !has_room {
            commands.push_str("# more: convex-doctor explain\n");
            break;
        }
        commands.push_str(&command);
        commands.push('\n');
    }
    if !commands.is_empty() {
        message.add(&format!("```sh\n{commands}```\n"));
    }
}

/// What is installed, as far as it was seen.
fn versions(report: &Report) -> String {
    let seen = |path: &str| report.evidence.pointer(path).and_then(serde_json::Value::as_str);
    let parts = [
        ("CLI", seen("/surroundings/cli_version")),
        ("Node", seen("/surroundings/node_version")),
        ("engine", seen("/docker/seen/engine/seen/version")),
        ("image", seen("/docker/seen/backends/0/image")),
    ];
    let mut all = vec![format!("convex-doctor {}", env!("CARGO_PKG_VERSION"))];
    all.extend(parts.iter().filter_map(|(name, version)| version.map(|it| format!("{name} {it}"))));
    code(&all.join(" · "))
}

/// What fits.
#[derive(Default)]
struct Message {
    text: String,
}

impl Message {
    /// Adds a part as a whole, or not at all.
    fn add(&mut self, part: &str) {
        if units(&self.text) + units(part) <= MOST {
            self.text.push_str(part);
        }
    }
}

/// The length of a text as Discord counts it at most.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// At most so many units, on one line.
fn cut(text: &str, most: usize) -> String {
    let line = text.replace('\n', " ");
    if units(&line) <= most {
        return line;
    }
    // Room for `…`, and for the end of a code span.
    let mut left = most - 2;
    let fits = |c: &char| {
        let has_room = c.len_utf16() <= left;
        left = left.saturating_sub(c.len_utf16());
        has_room
    };
    let mut short: String = line.chars().take_while(fits).collect();
    // Not half of an escape.
    while short.ends_with('\\') {
        short.pop();
    }
    format!("{}…{}", short.trim_end(), if ends_in_code(&short) { "`" } else { "" })
}

/// Whether a code span is open at the end; in one, a backslash means itself.
fn ends_in_code(text: &str) -> bool {
    let mut is_code = false;
    let mut signs = text.chars();
    while let Some(c) = signs.next() {
        match c {
            '`' => is_code = !is_code,
            '\\' if !is_code => drop(signs.next()),
            _ => {}
        }
    }
    is_code
}

/// Foreign text in a code span: a chat has no span that could hold a backtick for sure.
fn code(text: &str) -> String {
    let text = clean(text).replace('\n', " ").replace('`', "'");
    format!("`{}`", unmentioned(if text.is_empty() { " " } else { &text }))
}

/// A text of this program, in which backticks enclose code; everything else in it means itself.
fn prose(text: &str) -> String {
    let text = clean(text).replace(['\n', '\t'], " ");
    let parts = words::code_parts(text.trim());
    parts.map(|(is_code, part)| if is_code { code(part) } else { escape(part) }).collect()
}

/// Text in which the signs of a chat's Markdown mean themselves: no markup, no link and no list.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let (before, after) = (&text[..at], &text[at + c.len_utf8()..]);
        let means_something = match c {
            ':' => after.starts_with("//"),
            '-' | '+' => before.is_empty(),
            '.' | ')' => !before.is_empty() && before.bytes().all(|byte| byte.is_ascii_digit()),
            c => r"<>@\`*_[]|#~".contains(c),
        };
        if means_something {
            out.push('\\');
        }
        out.push(c);
    }
    unmentioned(&out)
}

/// Text without mentions, in code, too: a program that looks for mentions does not
/// parse the Markdown around them. The character in between takes no room.
fn unmentioned(text: &str) -> String {
    const APART: char = '\u{200b}';
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        out.push(c);
        let after = &text[at + c.len_utf8()..];
        let mentions = match c {
            '@' => after.starts_with("everyone") || after.starts_with("here"),
            '<' => after.starts_with(['@', '#']),
            _ => false,
        };
        if mentions {
            out.push(APART);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_whole() {
        assert_eq!(cut("a\nb", 9), "a b");
        assert_eq!(cut("abcdef", 5), "abc…");
        assert_eq!(cut("abc\\_def", 6), "abc…");
        assert_eq!(cut("`abcdef`", 6), "`abc…`");
        assert_eq!(cut("\\`abcdef", 7), "\\`abc…");
        assert_eq!(cut("\u{1f4a5}\u{1f4a5}\u{1f4a5}", 5), "\u{1f4a5}…");
    }

    #[test]
    fn foreign_text_makes_nothing() {
        for (text, expected) in [
            ("a_b <@1> `x`", "a\\_b \\<\\@1\\> `x`"),
            ("@here @there", "\\@\u{200b}here \\@there"),
            ("http://h:80/", "http\\://h:80/"),
            ("- x", "\\- x"),
            ("12. x", "12\\. x"),
            ("`<@1>", "\\`\\<\\@1\\>"),
            ("x `<@1>`", "x `<\u{200b}@1>`"),
        ] {
            assert_eq!(prose(text), expected);
        }
    }
}
