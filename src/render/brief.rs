//! The report as one message of a chat: Discord takes 2,000 characters. The cause, its fix, the path and
//! the versions; no HTML, which a chat shows as it stands.

use super::chain;
use super::machine::clean_lines as clean;
use super::markdown::code;
use super::words::{self, sentence};
use crate::report::{Finding, Report};

/// What Discord takes, without a rest for what is pasted around it.
const MOST: usize = 1_900;

/// The most of each part, in characters; a text that is longer ends with `…`.
const HEADLINE: usize = 300;
const TITLE: usize = 160;
const DETAIL: usize = 420;
const COMMANDS: usize = 480;
const PATH: usize = 220;
const VERSIONS: usize = 200;

/// The report in at most 1,900 characters, whatever is in it.
pub fn render(report: &Report) -> String {
    let word = words::verdict(report.verdict);
    let headline = cut(&escape(&report.summary.headline), HEADLINE);
    let mut message = Message::default();
    message.add(&format!("**{word}** {headline}\n"));
    if let Some(cause) = report.causes.first() {
        first(&mut message, cause);
    }
    if let Some(short) = &report.summary.chain {
        let path = chain::lines(short, usize::MAX, false, false).join(" ");
        message.add(&format!("{}\n", code(&cut(&path, PATH))));
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
    let title = cut(&escape(&sentence(&cause.title)), TITLE);
    let certainty = words::certainty(cause.certainty);
    message.add(&format!("**{title}** (`{}`, {certainty})\n", cause.id));
    message.add(&format!("{}\n", cut(&escape(&cause.detail), DETAIL)));
    let Some(remedy) = cause.remedies.first() else { return };
    message.add(&format!("Fix: {}\n", cut(&escape(&remedy.title), TITLE)));
    let mut commands = String::new();
    for command in &remedy.commands {
        let command = clean(&command.to_string());
        // A part of a command does something else than the whole.
        let has_room = commands.chars().count() + command.chars().count() < COMMANDS;
        if command.contains("```") || !has_room {
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
        if self.text.chars().count() + part.chars().count() <= MOST {
            self.text.push_str(part);
        }
    }
}

/// At most so many characters, on one line.
fn cut(text: &str, most: usize) -> String {
    let line = text.replace('\n', " ");
    if line.chars().count() <= most {
        return line;
    }
    let mut short: String = line.chars().take(most - 1).collect();
    // Not half of an escape.
    while short.ends_with('\\') {
        short.pop();
    }
    if short.matches('`').count() % 2 == 1 {
        return format!("{}…`", short.trim_end());
    }
    format!("{}…", short.trim_end())
}

/// Text in which the signs of a chat's Markdown, and mentions, mean themselves.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).replace('\n', " ").chars() {
        if r"<>@\`*_[]|#~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_whole() {
        assert_eq!(cut("a\nb", 9), "a b");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abc\\_def", 5), "abc…");
        assert_eq!(cut("`abcdef`", 5), "`abc…`");
        assert_eq!(escape("a_b <@1> `x`"), "a\\_b \\<\\@1\\> \\`x\\`");
    }
}
