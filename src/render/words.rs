//! Words and lines that all renderers share.

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use crate::report::{Certainty, Level, LinkState, UnknownCheck, Verdict};

/// The verdict as a reader sees it.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "HEALTHY",
        Verdict::Broken => "BROKEN",
        Verdict::AtRisk => "AT RISK",
        Verdict::Unknown => "UNKNOWN",
    }
}

/// How surely a finding is the answer.
pub(super) fn certainty(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Proven => "proven",
        Certainty::Likely => "likely cause",
        Certainty::Possible => "possible cause",
    }
}

/// The state of a link of the path.
pub(super) fn state(state: LinkState) -> &'static str {
    match state {
        LinkState::Holds => "holds",
        LinkState::Broken => "broken",
        LinkState::Unknown => "not checked",
    }
}

/// So many findings of a level: `1 error`, `3 warnings`, `2 info`.
pub(super) fn count(number: usize, level: Level) -> String {
    match (level, number) {
        // Not countable.
        (Level::Info, _) | (_, 1) => format!("{number} {level}"),
        _ => format!("{number} {level}s"),
    }
}

/// The checks that could not run, by their reason.
pub(super) fn by_reason(unknown: &[UnknownCheck]) -> Vec<(&str, Vec<&str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in unknown {
        match reasons.iter_mut().find(|(reason, _)| *reason == one.reason) {
            Some((_, ids)) => ids.push(&one.id),
            None => reasons.push((&one.reason, vec![&one.id])),
        }
    }
    reasons
}

/// What is left to try where everything is in order.
pub(super) const STILL_FAILS: &str =
    "npx convex still fails? Run: convex-doctor run -- npx convex dev";

/// Commands as they are typed.
pub(super) fn written(commands: &[impl ToString]) -> Vec<String> {
    commands.iter().map(ToString::to_string).collect()
}

/// The parts of a text in which backticks enclose code, and whether each is code. Where a backtick
/// has no pair, none encloses anything.
pub(super) fn code_parts(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let is_paired = text.matches('`').count().is_multiple_of(2);
    let parts = text.splitn(if is_paired { usize::MAX } else { 1 }, '`');
    parts.enumerate().map(|(index, part)| (!index.is_multiple_of(2), part))
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

/// A title as it reads inside of a sentence; names and acronyms keep their capitals.
pub(super) fn lower(title: &str) -> String {
    let mut chars = title.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            let rest: String = title.chars().skip(1).collect();
            format!("{}{rest}", first.to_lowercase())
        }
        _ => title.to_owned(),
    }
}

/// Breaks `text` at spaces into lines of at most `width` columns; a longer word stays whole. Line
/// ends in it stay.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    wrap_after(text, width, width)
}

/// The same for a text whose first line has `first` columns.
pub(super) fn wrap_after(text: &str, first: usize, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let room = if lines.is_empty() { first } else { width };
            if !line.is_empty() && line.width() + 1 + word.width() > room {
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

/// Joins parts by `between` into lines of at most `width` columns; no part is broken.
pub(super) fn flow(parts: &[String], between: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.width() + between.width() + part.width() <= width => {
                line.push_str(between);
                line.push_str(part);
            }
            _ => lines.push(part.clone()),
        }
    }
    lines
}

/// How long before `now` a time is; both RFC 3339.
pub(super) fn ago(at: &str, now: &str) -> String {
    let parsed = |text: &str| text.parse::<Timestamp>().ok().map(Timestamp::as_second);
    let (Some(then), Some(now)) = (parsed(at), parsed(now)) else { return at.to_owned() };
    match now - then {
        ..=119 => "just now".to_owned(),
        seconds @ 120..=7199 => format!("{} minutes ago", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} hours ago", seconds / 3600),
        _ => at.get(..10).unwrap_or(at).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_long_words_stay_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a verylongwordindeed b", 6), ["a", "verylongwordindeed", "b"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap_after("one two three four", 4, 10), ["one", "two three", "four"]);
    }

    #[test]
    fn parts_are_not_broken() {
        let parts = ["one two", "three", "four"].map(str::to_owned);
        assert_eq!(flow(&parts, " | ", 15), ["one two | three", "four"]);
        assert_eq!(flow(&parts, " | ", 14), ["one two", "three | four"]);
        assert!(flow(&[], " | ", 14).is_empty());
    }

    #[test]
    fn titles_become_sentences_but_code_keeps_its_spelling() {
        assert_eq!(sentence("the key is cut"), "The key is cut");
        assert_eq!(sentence("CONVEX_DEPLOYMENT is set"), "CONVEX_DEPLOYMENT is set");
        assert_eq!(sentence("npx convex leaves"), "npx convex leaves");
        assert_eq!(lower("Generate a key"), "generate a key");
        assert_eq!(lower("INSTANCE_SECRET is set"), "INSTANCE_SECRET is set");
    }
}
