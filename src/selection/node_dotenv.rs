//! Node's dotenv 16.6.1, as bundled in the Convex CLI (1.48.0): one regular expression over the
//! whole text, re-read by hand.
//!
//! The expression is
//!
//! ``/(?:^|^)\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?(?:$|$)/mg``
//! with the flags of JavaScript. A backtracking engine needs quadratic time for a file of quotes;
//! the expression has few enough ways to go that each can be decided in one pass over the text:
//!
//! - Whatever follows `=` matches somehow: the unquoted alternative ends at `#`, a line feed or the
//!   end, where the tail always fits. So the lazy `\s*?` never grows, and a name with its separator
//!   is always an assignment.
//! - A quoted value ends at the first quote without a backslash before it, if the tail fits there,
//!   else at the last quote *with* one before it where the tail fits, else it is not a quoted
//!   value.
//!
//! This does not read Compose's `.env` files, which follow other rules.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::budget::VARIABLES;

/// A value read from a file. It may be a secret, so it has no `Debug`, `Display`, `Serialize` or
/// `Clone`; it is not known to the scrubber either, because most values are none: callers turn
/// those that are into a [`crate::secret::Secret`].
pub struct DotenvValue(Zeroizing<String>);

impl DotenvValue {
    /// The value's text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// How a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// Without quotes, or with quotes that Node does not take for such.
    None,
    /// `'…'`.
    Single,
    /// `"…"`, in which `\n` and `\r` become control characters.
    Double,
    /// `` `…` ``.
    Backtick,
}

/// What a `#` behind a value did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comment {
    /// There is none on the value's last line.
    None,
    /// A space or a closing quote is before it: a comment for every reader.
    Apart,
    /// It follows an unquoted value directly (`a#b`): Node drops the rest, others keep it.
    Glued,
}

/// One assignment, in the order of the text.
pub struct Assignment {
    /// The name, as typed.
    pub name: String,
    /// The value as the CLI gets it: trimmed, unquoted, `\n` and `\r` expanded if it began with
    /// `"`.
    pub value: DotenvValue,
    /// The line of the name, from 1; `\n`, `\r\n` and a lone `\r` end a line.
    pub line: usize,
    /// The line on which the value ends.
    pub end_line: usize,
    /// The bytes from `export` or the name to the value's last one, in the text as given.
    pub span: Range<usize>,
    /// How the value was written.
    pub quote: Quote,
    /// Whether a comment follows.
    pub comment: Comment,
}

/// Whether a text has more assignments than [`parse`] gives.
pub fn is_too_long(text: &str) -> bool {
    // Each has a line of its own.
    if text.chars().filter(|c| ends_line(*c)).nth(VARIABLES - 1).is_none() {
        return false;
    }
    let lines = normalized(text);
    let mut reader = DotenvReader { text: &lines, quotes: Default::default() };
    let mut from = 0;
    for _ in 0..=VARIABLES {
        match reader.next(from) {
            Some(matched) => from = matched.end,
            None => return false,
        }
    }
    true
}

/// Every assignment of `text`, in order; of several for one name the last one counts. No more than
/// [`VARIABLES`] of them: ask [`is_too_long`] before.
pub fn parse(text: &str) -> Vec<Assignment> {
    let lines = normalized(text);
    let mut reader = DotenvReader { text: &lines, quotes: Default::default() };
    let mut walk = Walk { text: text.as_bytes(), original: 0, normalized: 0, line: 1 };
    let mut found = Vec::new();
    let mut from = 0;
    while found.len() < VARIABLES
        && let Some(matched) = reader.next(from)
    {
        from = matched.end;
        walk.to(matched.start);
        let start = walk.original;
        // `export` may be on a line of its own above the name.
        walk.to(matched.name.start);
        let name_line = walk.line;
        walk.to(matched.value.end.max(matched.name.end));
        found.push(Assignment {
            name: lines[matched.name.clone()].to_owned(),
            value: DotenvValue(read_value(&lines[matched.value.clone()])),
            line: name_line,
            end_line: walk.line,
            span: start..walk.original,
            quote: matched.quote,
            comment: matched.comment,
        });
    }
    found
}

/// The text with `\r\n` and `\r` as `\n`.
fn normalized(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some(at) = rest.find('\r') {
        out.push_str(&rest[..at]);
        out.push('\n');
        rest = &rest[at + 1..];
        rest = rest.strip_prefix('\n').unwrap_or(rest);
    }
    out.push_str(rest);
    out
}

/// Follows positions of the normalized text in the one given, forwards only.
struct Walk<'a> {
    text: &'a [u8],
    original: usize,
    normalized: usize,
    line: usize,
}

impl Walk<'_> {
    fn to(&mut self, position: usize) {
        while self.normalized < position {
            match self.text.get(self.original) {
                Some(b'\r') => {
                    self.line += 1;
                    if self.text.get(self.original + 1) == Some(&b'\n') {
                        self.original += 1;
                    }
                }
                Some(b'\n') => self.line += 1,
                _ => {}
            }
            self.original += 1;
            self.normalized += 1;
        }
    }
}

/// JavaScript's `\s`, which is also what `trim` removes.
pub(super) fn is_space(c: char) -> bool {
    matches!(
        c,
        '\t'..='\r'
            | ' '
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
            | '\u{feff}'
    )
}

/// JavaScript's line terminators: `^` matches behind one, `$` before one, `.` none.
fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

/// `[\w.-]`.
fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// One match of the expression, in bytes of the normalized text.
struct Match {
    start: usize,
    name: Range<usize>,
    value: Range<usize>,
    end: usize,
    quote: Quote,
    comment: Comment,
}

struct DotenvReader<'a> {
    text: &'a str,
    quotes: [Cursor; 3],
}

/// What is known about one kind of quote behind `from`: asked for at growing positions only, so
/// that the text is read once.
#[derive(Clone, Copy, Default)]
struct Cursor {
    /// The stretch that this knowledge is about: openings from here up to the closing quote.
    from: usize,
    known: bool,
    /// The first quote without a backslash before it, and whether the tail fits behind it.
    plain: Option<(usize, bool)>,
    /// The last quote before that one with a backslash before it where the tail fits.
    escaped: Option<usize>,
}

impl DotenvReader<'_> {
    /// The first match that starts at or behind `from`.
    fn next(&mut self, from: usize) -> Option<Match> {
        let mut start = self.line_start(from)?;
        loop {
            // Whatever start of a line is in this run of spaces, the name comes behind it.
            let token = self.skip(start, is_space);
            if token == self.text.len() {
                return None;
            }
            if let Some(matched) = self.at(token) {
                return Some(matched);
            }
            start = self.next_line(token)?;
        }
    }

    fn line_start(&self, from: usize) -> Option<usize> {
        let at_start = self.text[..from].chars().next_back().is_none_or(ends_line);
        if at_start { Some(from) } else { self.next_line(from) }
    }

    fn next_line(&self, from: usize) -> Option<usize> {
        let (at, c) = self.text[from..].char_indices().find(|(_, c)| ends_line(*c))?;
        Some(from + at + c.len_utf8())
    }

    fn skip(&self, from: usize, class: fn(char) -> bool) -> usize {
        self.text[from..].find(|c| !class(c)).map_or(self.text.len(), |at| from + at)
    }

    fn at(&mut self, token: usize) -> Option<Match> {
        if self.text[token..].starts_with("export") {
            let exported = token + "export".len();
            let name = self.skip(exported, is_space);
            if name > exported
                && let Some(matched) = self.assignment(token, name)
            {
                return Some(matched);
            }
        }
        self.assignment(token, token)
    }

    fn assignment(&mut self, start: usize, name: usize) -> Option<Match> {
        let name_end = self.skip(name, in_name);
        if name_end == name {
            return None;
        }
        let equals = self.skip(name_end, is_space);
        let from = if self.text[equals..].starts_with('=') {
            equals + 1
        } else {
            let blank = self.text[name_end..].strip_prefix(':')?.chars().next()?;
            if !is_space(blank) {
                return None;
            }
            name_end + 1 + blank.len_utf8()
        };
        let (value, end, quote) = self.value(from);
        let trimmed = from_to_trimmed(self.text, value.clone());
        let comment = self.comment(&value, &trimmed, quote);
        Some(Match {
            start,
            name: name..name_end,
            value: if trimmed.is_empty() { from..from } else { trimmed },
            end,
            quote,
            comment,
        })
    }

    /// The value's group, the end of the whole match, and how it is quoted.
    fn value(&mut self, from: usize) -> (Range<usize>, usize, Quote) {
        let token = self.skip(from, is_space);
        let kind = match self.text.as_bytes().get(token) {
            Some(b'\'') => Some((Quote::Single, 0, b'\'')),
            Some(b'"') => Some((Quote::Double, 1, b'"')),
            Some(b'`') => Some((Quote::Backtick, 2, b'`')),
            _ => None,
        };
        if let Some((quote, index, byte)) = kind
            && let Some((close, end)) = self.closing(token, index, byte)
        {
            return (from..close + 1, end, quote);
        }
        let unquoted = self.skip(from, |c| !matches!(c, '#' | '\r' | '\n'));
        let end = self.tail(unquoted).unwrap_or(unquoted);
        (from..unquoted, end, Quote::None)
    }

    /// Where a value opened by the quote at `open` closes, and where the match then ends.
    fn closing(&mut self, open: usize, index: usize, quote: u8) -> Option<(usize, usize)> {
        let known = self.quotes[index];
        let covers =
            known.known && known.from <= open && known.plain.is_none_or(|(plain, _)| open < plain);
        let cursor = if covers { known } else { self.look_ahead(open, quote) };
        self.quotes[index] = cursor;
        let close = match cursor.plain {
            Some((plain, true)) => plain,
            _ => cursor.escaped.filter(|at| *at > open)?,
        };
        Some((close, self.tail(close + 1)?))
    }

    fn look_ahead(&self, open: usize, quote: u8) -> Cursor {
        let bytes = self.text.as_bytes();
        let mut cursor = Cursor { from: open, known: true, plain: None, escaped: None };
        for at in open + 1..bytes.len() {
            if bytes[at] != quote {
                continue;
            }
            let fits = self.tail_fits(at + 1);
            if bytes[at - 1] != b'\\' {
                cursor.plain = Some((at, fits));
                break;
            }
            if fits {
                cursor.escaped = Some(at);
            }
        }
        cursor
    }

    /// Whether [`Self::tail`] matches, without reading a comment to its end.
    fn tail_fits(&self, from: usize) -> bool {
        let token = self.skip(from, is_space);
        self.text[token..].chars().next().is_none_or(|c| c == '#')
            || self.text[from..token].contains(ends_line)
    }

    /// `\s*(?:#.*)?$` from `from`: where it ends, if it matches.
    fn tail(&self, from: usize) -> Option<usize> {
        let token = self.skip(from, is_space);
        if token == self.text.len() {
            return Some(token);
        }
        if self.text[token..].starts_with('#') {
            return Some(self.skip(token, |c| !ends_line(c)));
        }
        // `\s*` gives back spaces until it is before a line terminator.
        self.text[from..token].rfind(ends_line).map(|at| from + at)
    }

    fn comment(&self, value: &Range<usize>, trimmed: &Range<usize>, quote: Quote) -> Comment {
        let rest = &self.text[value.end..];
        let blank = rest.find(|c| !is_space(c) || ends_line(c)).unwrap_or(rest.len());
        if !rest[blank..].starts_with('#') {
            Comment::None
        } else if quote == Quote::None
            && blank == 0
            && !trimmed.is_empty()
            && trimmed.end == value.end
        {
            Comment::Glued
        } else {
            Comment::Apart
        }
    }
}

fn from_to_trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let group = &text[range.clone()];
    let start = range.start + (group.len() - group.trim_start_matches(is_space).len());
    let end = range.end - (group.len() - group.trim_end_matches(is_space).len());
    start.min(end)..end
}

/// What dotenv makes of a trimmed group: quotes off, and `\n`, `\r` expanded if it began with `"`.
fn read_value(trimmed: &str) -> Zeroizing<String> {
    let mut value = without_quotes(trimmed);
    if trimmed.starts_with('"') {
        value = Zeroizing::new(value.replace("\\n", "\n"));
        value = Zeroizing::new(value.replace("\\r", "\r"));
    }
    value
}

/// ``replace(/^(['"`])([\s\S]*)\1$/mg, "$2")``: `^` and `$` also match at line ends inside, such as
/// U+2028.
fn without_quotes(text: &str) -> Zeroizing<String> {
    let bytes = text.as_bytes();
    let last = |quote: u8| {
        let closes =
            |at: &usize| bytes[*at] == quote && text[at + 1..].chars().next().is_none_or(ends_line);
        (0..bytes.len()).rev().find(closes)
    };
    let lasts = [(b'\'', last(b'\'')), (b'"', last(b'"')), (b'`', last(b'`'))];
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut copied = 0;
    let mut start = 0;
    while start < text.len() {
        let close = lasts
            .iter()
            .find(|(quote, _)| *quote == bytes[start])
            .and_then(|(_, close)| close.filter(|close| *close > start));
        let from = if let Some(close) = close {
            out.push_str(&text[copied..start]);
            out.push_str(&text[start + 1..close]);
            copied = close + 1;
            copied
        } else {
            start
        };
        let Some((at, c)) = text[from..].char_indices().find(|(_, c)| ends_line(*c)) else { break };
        start = from + at + c.len_utf8();
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text).into_iter().map(|a| (a.name, a.value.expose().to_owned())).collect()
    }

    #[test]
    fn the_forms_of_a_line() {
        for (text, name, value) in [
            ("K=v", "K", "v"),
            ("K = v", "K", "v"),
            ("K: v", "K", "v"),
            ("export K=v", "K", "v"),
            ("export\nK=v", "K", "v"),
            ("export =v", "export", "v"),
            ("\u{feff}K=v\r\n", "K", "v"),
            ("K=\"a\\nb\"", "K", "a\nb"),
            ("K='a\\nb'", "K", "a\\nb"),
            ("K=`a`", "K", "a"),
            ("K=v#c", "K", "v"),
            ("K=\"v#c\" # d", "K", "v#c"),
            ("K=\"v", "K", "\"v"),
            ("K=\"a\nb\"", "K", "a\nb"),
            ("K=\"a\\\"", "K", "a\\"),
            ("K=\n'v'", "K", "v"),
            ("K\n=v", "K", "v"),
            ("# c\u{2028}K=v", "K", "v"),
            ("K=a\u{2028}\"b\"", "K", "a\u{2028}b"),
            ("K=\u{a0}v\u{3000}", "K", "v"),
        ] {
            assert_eq!(read(text), [(name.to_owned(), value.to_owned())], "{text:?}");
        }
        for text in ["", "K", "K v", "set K=v", "./K=v", "K:v", "# K=v", "=v"] {
            assert!(read(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn lines_and_spans_are_those_of_the_text_as_given() {
        let text = "\u{feff}# c\r\n\r\nA = 1 # x\rexport B='p\r\nq'\nC=x#y\n";
        let read = parse(text);
        let places: Vec<_> = read
            .iter()
            .map(|a| (a.line, a.end_line, &text[a.span.clone()], a.quote, a.comment))
            .collect();
        assert_eq!(
            places,
            [
                (3, 3, "A = 1", Quote::None, Comment::Apart),
                (4, 5, "export B='p\r\nq'", Quote::Single, Comment::None),
                (6, 6, "C=x", Quote::None, Comment::Glued),
            ]
        );
    }

    #[test]
    fn an_empty_value_ends_on_its_own_line() {
        let text = "K=\n\n\nL=1";
        let read = parse(text);
        assert_eq!((read[0].line, read[0].end_line, &text[read[0].span.clone()]), (1, 1, "K="));
        assert_eq!(read[1].line, 4);
    }

    #[test]
    fn so_many_assignments_are_read() {
        let text = "K=v\n".repeat(VARIABLES);
        assert!(!is_too_long(&text) && parse(&text).len() == VARIABLES);
        let text = text + "L=w";
        assert!(is_too_long(&text) && parse(&text).len() == VARIABLES);
        assert!(!is_too_long(&format!("K=v{}", "\n".repeat(2 * VARIABLES))));
        assert!(!is_too_long(""));
    }

    /// A backtracking engine needs minutes for some of these.
    #[test]
    fn hostile_texts_are_read_in_linear_time() {
        for unit in [
            "\"",
            "K=\"",
            "K=\"\n",
            "K='\\'x",
            "K=\"\\\"\n",
            "K=`x\nL='y\nM=\"z\n",
            "export\n",
            "K\n",
            "K=\n",
            "\r",
            "K=\"\\\"x\n",
            "a:\u{2028}",
            "K=\"\\\"#",
        ] {
            let read = parse(&unit.repeat((1 << 20) / unit.len()));
            assert!(read.len() <= 1 << 20);
        }
    }
}
