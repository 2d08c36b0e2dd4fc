//! The second opinion: where Node's reading of a line parts from what the line seems to say.
//!
//! `dotenvy` is the other reader, asked about single lines only, and only where nothing in them is
//! expanded from the environment. Its errors contain the line, so no error of it is looked at. This
//! never decides what the CLI selects.

use zeroize::Zeroizing;

use super::meant;
use super::node_dotenv::{Assignment, Comment, Quote, is_space};
pub use crate::evidence::selection::MisreadingKind;
use crate::evidence::selection::Written;

/// Longer assignments are not shown to the second reader.
const LONGEST_ASKED: usize = 64 * 1024;
/// More misreadings of one file than this do not help.
const MOST_REPORTED: usize = 100;

/// A line that does not say what it seems to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misreading {
    /// The line, from 1.
    pub line: usize,
    /// The variable that the line is about.
    pub name: String,
    /// In which way.
    pub kind: MisreadingKind,
    /// The line as it should be, without its value.
    pub corrected: String,
    /// The line, where it is sure what was meant by it.
    pub lines: Option<Written>,
}

impl Misreading {
    fn new(line: usize, name: &str, kind: MisreadingKind) -> Self {
        Self { line, name: name.to_owned(), kind, corrected: corrected(name, kind), lines: None }
    }
}

/// The misread lines of `text` among those about `names`; `read` is what
/// [`super::node_dotenv::parse`] made of it.
pub fn misreadings(text: &str, read: &[Assignment], names: &[&str]) -> Vec<Misreading> {
    let mut found: Vec<Misreading> = read
        .iter()
        .filter(|assignment| names.contains(&assignment.name.as_str()))
        .filter_map(|assignment| {
            let kind = judge(text, assignment)?;
            Some(Misreading::new(assignment.line, &assignment.name, kind))
        })
        .take(MOST_REPORTED)
        .collect();
    found.extend(unassigned(text, read, names).take(MOST_REPORTED));
    found.sort_by_key(|misreading| misreading.line);
    for misreading in found.iter_mut().filter(|misreading| can_be_sure(misreading.kind)) {
        misreading.lines = meant::written(text, misreading.line);
    }
    found
}

/// Whether what was meant can be told from the line by itself.
fn can_be_sure(kind: MisreadingKind) -> bool {
    use MisreadingKind as Kind;
    match kind {
        Kind::UnclosedQuote
        | Kind::TextAfterQuote
        | Kind::HashCuts
        | Kind::NestedQuotes
        | Kind::EscapedQuote
        | Kind::NotAssigned
        | Kind::DoubledEquals => true,
        Kind::DollarNotExpanded | Kind::SpansLines | Kind::Swallowed | Kind::ReadersDiffer => false,
    }
}

fn judge(text: &str, assignment: &Assignment) -> Option<MisreadingKind> {
    let value = assignment.value.expose();
    let raw = &text[assignment.span.clone()];
    let first = value.chars().next();
    let quoted = assignment.quote != Quote::None;
    let opens = first.filter(|c| matches!(c, '\'' | '"' | '`'));
    if assignment.end_line > assignment.line && !raw_is_one_line(raw) {
        return Some(MisreadingKind::SpansLines);
    }
    if !quoted && opens.is_some_and(|quote| value.matches(quote).count() == 1) {
        return Some(MisreadingKind::UnclosedQuote);
    }
    if !quoted && opens.is_some() {
        return Some(MisreadingKind::TextAfterQuote);
    }
    if assignment.comment == Comment::Glued {
        return Some(MisreadingKind::HashCuts);
    }
    if !quoted && first == Some('=') {
        return Some(MisreadingKind::DoubledEquals);
    }
    if value.contains("\\\"") || value.contains("\\'") || value.contains("\\`") {
        return Some(MisreadingKind::EscapedQuote);
    }
    if quoted && opens.is_some_and(|quote| value.len() > 1 && value.ends_with(quote)) {
        return Some(MisreadingKind::NestedQuotes);
    }
    if assignment.quote != Quote::Single && has_reference(value) {
        return Some(MisreadingKind::DollarNotExpanded);
    }
    // dotenvy knows no backticks, and would put the doctor's own environment in for a `$`.
    if assignment.quote == Quote::Backtick || value.contains('$') || raw.len() > LONGEST_ASKED {
        return None;
    }
    let other = second_reading(raw, &assignment.name)?;
    (*other != value).then_some(MisreadingKind::ReadersDiffer)
}

/// `export` may be on the line above without harm; a value may not.
fn raw_is_one_line(raw: &str) -> bool {
    !raw.contains(['\n', '\r'])
}

/// `$NAME` or `${NAME…`.
fn has_reference(value: &str) -> bool {
    value.match_indices('$').any(|(at, _)| {
        let rest = &value[at + 1..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    })
}

/// What dotenvy makes of one assignment; nothing if it refuses it, which says nothing about Node.
fn second_reading(raw: &str, name: &str) -> Option<Zeroizing<String>> {
    let (read_name, value) = dotenvy::from_read_iter(raw.as_bytes()).next()?.ok()?;
    let value = Zeroizing::new(value);
    (read_name == name).then_some(value)
}

/// Lines that name a variable at a place where Node assigns nothing.
fn unassigned<'a>(
    text: &'a str,
    read: &'a [Assignment],
    names: &'a [&str],
) -> impl Iterator<Item = Misreading> + 'a {
    let mut next = 0;
    physical_lines(text).enumerate().filter_map(move |(index, (start, content))| {
        let (at, name) = named(content, names)?;
        let position = start + at;
        while read.get(next).is_some_and(|assignment| assignment.span.end <= position) {
            next += 1;
        }
        let line = index + 1;
        if let Some(around) = read.get(next).filter(|around| around.span.start <= position) {
            // The line of the assignment itself, or one inside its quotes.
            let swallowed = around.line < line && assigns(content, at, name);
            return swallowed.then(|| Misreading::new(line, name, MisreadingKind::Swallowed));
        }
        (!is_comment(content, at) && looks_like_assignment(content, at, name))
            .then(|| Misreading::new(line, name, MisreadingKind::NotAssigned))
    })
}

/// Each line with its first byte, by `\n`, `\r\n` and lone `\r`.
fn physical_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let rest = &text[start..];
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let line = (start, &rest[..length]);
        start += length;
        if length == rest.len() {
            done = true;
        } else {
            start += if text[start..].starts_with("\r\n") { 2 } else { 1 };
        }
        Some(line)
    })
}

/// The line with this number, from 1.
pub(super) fn line(text: &str, number: usize) -> Option<&str> {
    physical_lines(text).nth(number - 1).map(|(_, content)| content)
}

/// The first of `names` that is in `line` as a word of its own.
pub(super) fn named<'n>(line: &str, names: &[&'n str]) -> Option<(usize, &'n str)> {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // All names have this in them; most lines do not.
    if !line.contains("CONVEX") {
        return None;
    }
    names
        .iter()
        .filter_map(|name| {
            let at = line.match_indices(name).map(|(at, _)| at).find(|at| {
                !line[..*at].ends_with(in_word) && !line[at + name.len()..].starts_with(in_word)
            })?;
            Some((at, *name))
        })
        .min()
}

pub(super) fn is_comment(line: &str, at: usize) -> bool {
    let before = line[..at].trim_start_matches(is_space);
    ["#", "//", ";", "--", "<!--", "/*", "*", "REM ", "rem ", "::"]
        .iter()
        .any(|mark| before.starts_with(mark))
        || before.contains('#')
}

/// `K=` at the start of a line, `export` or not.
fn assigns(line: &str, at: usize, name: &str) -> bool {
    let before = line[..at].trim_matches(is_space);
    let after = line[at + name.len()..].trim_start_matches(is_space);
    (before.is_empty() || before == "export") && after.starts_with(['=', ':'])
}

/// Something follows the name, and before it at most one word or sign such as `set`, `./`,
/// `$env:`, `- `.
fn looks_like_assignment(line: &str, at: usize, name: &str) -> bool {
    let before = line[..at].trim_matches(is_space);
    let after = line[at + name.len()..].trim_start_matches(['"', '\'', '`']);
    let after = after.trim_start_matches(is_space);
    let one_word = !before.contains(is_space) || before == "export default";
    let assigned = after.starts_with(['=', ':'])
        || (before.is_empty() && !after.is_empty() && !after.starts_with('#'));
    let command = matches!(before, "set" | "setx" | "setenv" | "export") && !after.is_empty();
    one_word && (assigned || command)
}

fn corrected(name: &str, kind: MisreadingKind) -> String {
    let advice = match kind {
        MisreadingKind::UnclosedQuote => "close the quote, or leave it out",
        MisreadingKind::TextAfterQuote => "nothing but a # comment may follow the closing quote",
        MisreadingKind::HashCuts => {
            "a value with # in it needs quotes; a comment needs a space before it"
        }
        MisreadingKind::NestedQuotes => "one pair of quotes only",
        MisreadingKind::DollarNotExpanded => "write the value itself: the CLI expands no variables",
        MisreadingKind::EscapedQuote => "no backslash before a quote: it stays in the value",
        MisreadingKind::SpansLines => "the whole value on one line",
        MisreadingKind::Swallowed => "close the quote on an earlier line, then this line counts",
        MisreadingKind::NotAssigned => "the name first, then =",
        MisreadingKind::DoubledEquals => "one = only",
        MisreadingKind::ReadersDiffer => "in single quotes every reader agrees",
    };
    let quote = if kind == MisreadingKind::ReadersDiffer { '\'' } else { '"' };
    format!("{name}={quote}…{quote} ({advice})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::node_dotenv::parse;

    const K: &str = "CONVEX_SELF_HOSTED_ADMIN_KEY";

    fn kinds(text: &str) -> Vec<(usize, MisreadingKind)> {
        let text = text.replace('@', K);
        let found = misreadings(&text, &parse(&text), &[K, "CONVEX_SELF_HOSTED_URL"]);
        assert!(found.iter().all(|m| !m.corrected.contains("01ab")), "a value got out");
        found.into_iter().map(|m| (m.line, m.kind)).collect()
    }

    #[test]
    fn a_plain_line_is_no_misreading() {
        for text in [
            "@=n|01ab",
            "@=\"n|01ab\"",
            "@='n|01ab'",
            "@=`n|01ab`",
            "@=n|01ab # comment",
            "@=\"n|01ab\"#comment",
            "@=n|01ab\r\n",
            "\u{feff}@=n|01ab",
            "export @=n|01ab",
            "@: n|01ab",
            "@ = n|01ab",
            "@=",
            "@=#none",
            "@=\"n|01ab\\n\"",
            "# @=n|01ab",
            "  # set @=n|01ab",
            "// @=n|01ab",
            "; @=x",
            "OTHER=\"see @=x\"",
            "The line with @ comes here",
            "@",
            "@ # to do",
            "MY_@=x",
            "PEM=\"a\nb==\n\"\n@=n|01ab",
        ] {
            assert_eq!(kinds(text), [], "{text:?}");
        }
    }

    #[test]
    fn what_the_line_seems_to_say_and_does_not() {
        use MisreadingKind as Kind;
        for (text, kind) in [
            ("@=\"n|01ab", Kind::UnclosedQuote),
            ("@='n|01ab # c", Kind::UnclosedQuote),
            ("@=\"n|01ab\" x", Kind::TextAfterQuote),
            ("@=n|01ab#c", Kind::HashCuts),
            ("@=\"'n|01ab'\"", Kind::NestedQuotes),
            ("@=http://h:${P}", Kind::DollarNotExpanded),
            ("@=\"$KEY\"", Kind::DollarNotExpanded),
            ("@=\\\"n|01ab\\\"", Kind::EscapedQuote),
            ("@=\"n\\\"x|01ab\"", Kind::EscapedQuote),
            ("@==n|01ab", Kind::DoubledEquals),
            ("@=\"n|01ab\nrest\"", Kind::SpansLines),
            ("@=\n'n|01ab'", Kind::SpansLines),
            ("set @=n|01ab", Kind::NotAssigned),
            ("./@=n|01ab", Kind::NotAssigned),
            ("$env:@=\"n|01ab\"", Kind::NotAssigned),
            ("- @=n|01ab", Kind::NotAssigned),
            ("\"@\"=n|01ab", Kind::NotAssigned),
            ("@ n|01ab", Kind::NotAssigned),
            ("@:n|01ab", Kind::NotAssigned),
            ("@=n\"|01a\"b", Kind::ReadersDiffer),
        ] {
            assert_eq!(kinds(text), [(1, kind)], "{text:?}");
        }
        assert_eq!(kinds("OTHER=\"x\n@=n|01ab\nZ=y\"\n"), [(2, Kind::Swallowed)]);
    }
}
