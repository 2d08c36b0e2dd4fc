//! Compose's own grammar of `.env` and `env_file`. It is neither the shell's nor Node's.
//!
//! `KEY=value` and `KEY: value`, `export` before it, blanks around it; ` #` begins a comment
//! outside quotes; single quotes are literal, double quotes know `\n` and friends; both go over
//! several lines; `$NAME` is filled in everywhere but in single quotes. A bare `KEY` takes its
//! value from the environment.

use std::collections::BTreeMap;

use super::interpolate::{self, InterpolationRefusal, Variables};
use super::source::Pos;
use crate::budget::{Exceeded, Spending};

/// A variable set by a file, and where its value begins.
#[derive(Clone)]
pub(super) struct Set {
    pub(super) value: String,
    pub(super) pos: Pos,
}

/// What files set, by name.
pub(super) type Sets = BTreeMap<String, Set>;

/// What a variable takes in memory, with what is noted of it.
const VARIABLE: usize = 160;

impl Variables for Sets {
    fn lookup(&self, name: &str) -> Option<(&str, Option<Pos>)> {
        self.get(name).map(|set| (set.value.as_str(), Some(set.pos)))
    }
}

/// What the templates of files asked for and no one sets.
#[derive(Default)]
pub(super) struct Unset {
    /// The variables that became nothing, and the values they were used in.
    pub(super) names: Vec<(String, Pos)>,
    /// The values with a variable that is set nowhere, also one with a default.
    pub(super) undecided: Vec<Pos>,
}

/// Why a file is not a `.env` file. The sentence never quotes a value.
pub(super) struct DotenvFault {
    /// What Compose says of the file.
    pub(super) verb: &'static str,
    pub(super) message: String,
    pub(super) line: u32,
    pub(super) column: u32,
    /// The required variable that is missing, when that is the fault.
    pub(super) required: Option<String>,
    /// The limit of this reader that was met, when that is the fault.
    pub(super) exceeded: Option<Exceeded>,
}

const READ: &str = "failed to read";

/// Looks into the surroundings first, then into what the files set so far.
struct Layered<'a> {
    outer: &'a dyn Variables,
    inner: &'a Sets,
}

impl Variables for Layered<'_> {
    fn lookup(&self, name: &str) -> Option<(&str, Option<Pos>)> {
        self.outer.lookup(name).or_else(|| self.inner.lookup(name))
    }
}

/// Reads a file into `sets`; what it sets again wins. Returns what its templates used
/// and is set nowhere.
pub(super) fn parse(
    text: &str,
    file: u32,
    outer: &dyn Variables,
    sets: &mut Sets,
    budget: &Spending,
) -> Result<Unset, DotenvFault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = DotenvReader { text, at: 0, line: 1, column: 1, file, budget };
    let mut unset = Unset::default();
    while reader.next_statement() {
        reader.statement(outer, sets, &mut unset)?;
    }
    Ok(unset)
}

/// `format: raw`: each line is `KEY=value`, the value unchanged.
pub(super) fn parse_raw(
    text: &str,
    file: u32,
    outer: &dyn Variables,
    sets: &mut Sets,
    budget: &Spending,
) -> Result<(), DotenvFault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let (key, value) = match trimmed.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (trimmed, None),
        };
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let column = column_of(line, line.len() - value.map_or(trimmed.len(), str::len));
        if key.is_empty() || key.contains(char::is_whitespace) {
            let message = match key {
                "" => "no variable name on line",
                _ => "variable contains whitespaces",
            };
            let (verb, message) = ("failed to parse env_file", message.to_owned());
            let (required, exceeded) = (None, None);
            return Err(DotenvFault { verb, message, line: number, column, required, exceeded });
        }
        let pos = Pos { file, line: number, column };
        let spent = match value {
            Some(value) => {
                sets.insert(key.to_owned(), Set { value: value.to_owned(), pos });
                budget.bytes(VARIABLE + key.len() + value.len())
            }
            None => inherit(key, pos, outer, sets, budget),
        };
        spent.map_err(|what| too_much(what, pos))?;
    }
    Ok(())
}

/// A bare name takes its value from the surroundings.
fn inherit(
    key: &str,
    pos: Pos,
    outer: &dyn Variables,
    sets: &mut Sets,
    budget: &Spending,
) -> Result<(), Exceeded> {
    let Some((value, origin)) = outer.lookup(key) else { return budget.check() };
    budget.bytes(VARIABLE + key.len() + value.len())?;
    let set = Set { value: value.to_owned(), pos: origin.unwrap_or(pos) };
    sets.insert(key.to_owned(), set);
    Ok(())
}

fn too_much(what: Exceeded, pos: Pos) -> DotenvFault {
    let (line, column) = (pos.line, pos.column);
    let (message, exceeded) = (what.to_string(), Some(what));
    DotenvFault { verb: READ, message, line, column, required: None, exceeded }
}

fn column_of(line: &str, byte: usize) -> u32 {
    let chars = line.get(..byte).map_or(0, |before| before.chars().count());
    u32::try_from(chars + 1).unwrap_or(u32::MAX)
}

struct DotenvReader<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    /// Kept as the reader goes: counting from the line's start each time would be quadratic.
    column: u32,
    file: u32,
    budget: &'t Spending,
}

/// A blank that ends no line.
fn is_blank(char: char) -> bool {
    matches!(char, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

impl<'t> DotenvReader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn advance(&mut self, bytes: usize) {
        let from = self.at;
        self.at += bytes;
        for char in self.text[from..self.at].chars() {
            if char == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
    }

    fn pos(&self) -> Pos {
        Pos { file: self.file, line: self.line, column: self.column }
    }

    fn fault(&self, what: &str) -> DotenvFault {
        let pos = self.pos();
        let message = format!("line {}: {what}", pos.line);
        DotenvFault {
            verb: READ,
            message,
            line: pos.line,
            column: pos.column,
            required: None,
            exceeded: None,
        }
    }

    /// Goes to the next thing that is neither blank nor comment; `false` at the end.
    fn next_statement(&mut self) -> bool {
        loop {
            let rest = self.rest();
            self.advance(rest.len() - rest.trim_start().len());
            let rest = self.rest();
            if rest.is_empty() {
                return false;
            }
            if !rest.starts_with('#') {
                return true;
            }
            self.advance(rest.find('\n').unwrap_or(rest.len()));
        }
    }

    fn statement(
        &mut self,
        outer: &dyn Variables,
        sets: &mut Sets,
        unset: &mut Unset,
    ) -> Result<(), DotenvFault> {
        if let Some(after) = self.rest().strip_prefix("export")
            && after.starts_with(char::is_whitespace)
        {
            self.advance("export".len() + after.len() - after.trim_start_matches(is_blank).len());
        }
        let key_pos = self.pos();
        let (key, inherited) = self.key()?;
        if key.contains(' ') {
            return Err(self.fault("key cannot contain a space"));
        }
        if inherited {
            let inherited = inherit(key, key_pos, outer, sets, self.budget);
            return inherited.map_err(|what| too_much(what, key_pos));
        }
        let pos = self.pos();
        let raw = self.value()?;
        let value = match raw {
            Raw::Literal(value) => {
                self.budget.bytes(value.len()).map_err(|what| too_much(what, pos))?;
                value
            }
            Raw::Template(template) => {
                match interpolate::fill(&template, &Layered { outer, inner: sets }, self.budget) {
                    Ok(filled) => {
                        unset.names.extend(filled.unset.into_iter().map(|name| (name, pos)));
                        unset.undecided.extend(filled.undecided.then_some(pos));
                        filled.text
                    }
                    Err(refusal) => {
                        let (message, required) = match refusal {
                            InterpolationRefusal::Malformed => {
                                ("Invalid template".to_owned(), None)
                            }
                            InterpolationRefusal::TooLong => ("value is too long".to_owned(), None),
                            InterpolationRefusal::Exceeded(what) => {
                                return Err(too_much(what, pos));
                            }
                            InterpolationRefusal::Missing { name, sentence } => {
                                (sentence, Some(name))
                            }
                        };
                        return Err(DotenvFault {
                            verb: READ,
                            message,
                            line: pos.line,
                            column: pos.column,
                            required,
                            exceeded: None,
                        });
                    }
                }
            }
        };
        self.budget.bytes(VARIABLE + key.len()).map_err(|what| too_much(what, pos))?;
        sets.insert(key.to_owned(), Set { value, pos });
        Ok(())
    }

    /// The name, and whether it is alone on its line.
    fn key(&mut self) -> Result<(&'t str, bool), DotenvFault> {
        let rest = self.rest();
        for (index, char) in rest.char_indices() {
            match char {
                '=' | ':' | '\n' => {
                    let key = rest[..index].trim_end();
                    // A bare name's line end stays: it is skipped as a blank.
                    let inherited = char == '\n';
                    let after = if inherited { index } else { index + 1 };
                    self.advance(after);
                    if !inherited {
                        let value = self.rest();
                        self.advance(value.len() - value.trim_start_matches(is_blank).len());
                    }
                    return Ok((key, inherited));
                }
                '_' | '.' | '-' | '[' | ']' => {}
                char if char.is_alphanumeric() || is_blank(char) => {}
                char => {
                    let name = rest[..index].trim_end();
                    self.advance(index);
                    let what =
                        format!("unexpected character {:?} in variable name", char.to_string());
                    // The name is shown only as far as it is one: what follows may be a secret.
                    return Err(self.fault(&format!("{what} {name:?}")));
                }
            }
        }
        // A bare name at the very end of a file without a last line end: Compose takes it for the
        // value of a variable without a name.
        Ok(("", false))
    }

    fn value(&mut self) -> Result<Raw, DotenvFault> {
        let rest = self.rest();
        let Some(quote) = rest.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else {
            let end = rest.find('\n').unwrap_or(rest.len());
            let line = &rest[..end];
            let value = line.split(" #").next().unwrap_or("").trim_end();
            self.advance(end);
            return Ok(Raw::Template(value.to_owned()));
        };
        // An escaped quote ends nothing; other escapes are kept for `expand_escapes`.
        let mut inside = String::new();
        let mut escaped = false;
        for (index, char) in rest.char_indices().skip(1) {
            if char == quote && !escaped {
                self.advance(index + 1);
                return Ok(if quote == '"' {
                    Raw::Template(expand_escapes(&inside))
                } else {
                    Raw::Literal(inside)
                });
            }
            if char == '\\' && !escaped {
                escaped = true;
                continue;
            }
            if escaped && char != quote {
                inside.push('\\');
            }
            escaped = false;
            inside.push(char);
        }
        Err(self.fault("unterminated quoted value"))
    }
}

enum Raw {
    Literal(String),
    Template(String),
}

/// The escapes of double quotes: Go's, octals as `\0101`, and `\$`, which becomes `$$` for the
/// filling in.
fn expand_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(next) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        let mut length = next.len_utf8();
        match next {
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            '"' | '\\' => out.push(next),
            '$' => out.push_str("$$"),
            '0' => {
                let digits: String =
                    rest[1..].chars().take(3).take_while(char::is_ascii_digit).collect();
                length += digits.len();
                match u8::from_str_radix(&digits, 8) {
                    Ok(byte) if digits.len() == 3 => out.push(char::from(byte)),
                    _ => {
                        out.push_str("\\0");
                        out.push_str(&digits);
                    }
                }
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shell;

    impl Variables for Shell {
        fn lookup(&self, name: &str) -> Option<(&str, Option<Pos>)> {
            (name == "SHELL").then_some(("sh", None))
        }
    }

    fn read(text: &str) -> Result<Sets, DotenvFault> {
        let mut sets = Sets::new();
        parse(text, 0, &Shell, &mut sets, &Spending::default())?;
        Ok(sets)
    }

    #[test]
    fn values_are_read_as_compose_reads_them() {
        for (text, expected) in [
            ("A=plain # c", "plain"),
            ("A=a#b", "a#b"),
            ("A= #c", "#c"),
            ("  A = spaced  ", "spaced"),
            ("export A=1", "1"),
            ("A:colon", "colon"),
            ("A: yaml", "yaml"),
            ("A='$x # y'", "$x # y"),
            (r"A='it\'s'", "it's"),
            ("A=\"m\nl\" # c\nB=2", "m\nl"),
            (r#"A="a\tb\"q\101\0101\c""#, "a\tb\"q\\101A\\c"),
            ("A=x'y'", "x'y'"),
            ("A=${SHELL}-x", "sh-x"),
            ("A=$$x", "$x"),
            ("A='$$x'", "$$x"),
            (r#"A="\$TAG""#, "$TAG"),
            (r"A=\$TAG", "\\"),
            ("B=1\nA=${B}2", "12"),
            ("A=1\r\nB=2\r\n", "1"),
            ("\u{feff}A=1", "1"),
            ("B=\"x\" A=y", "y"),
            (r#"A="a\\""#, "a\\"),
            (r"A='a\\'", r"a\\"),
            ("A=", ""),
            ("SHELL\nA=1", "1"),
        ] {
            let sets = read(text).ok().unwrap();
            assert_eq!(sets.get("A").map(|set| set.value.as_str()), Some(expected), "{text}");
        }
        assert_eq!(read("SHELL\n").ok().unwrap()["SHELL"].value, "sh");
        assert!(read("H\n").ok().unwrap().is_empty());
        assert!(!read("H").ok().unwrap().contains_key("H"));
    }

    #[test]
    fn places_are_those_of_the_values() {
        let sets = read("# c\n\nA = 1\nB=\"x\ny\"\nexport C=2\n").ok().unwrap();
        let place = |name: &str| (sets[name].pos.line, sets[name].pos.column);
        assert_eq!((place("A"), place("B"), place("C")), ((3, 5), (4, 3), (6, 10)));
    }

    #[test]
    fn faults_name_the_line_and_no_value() {
        for (text, message, line) in [
            ("A=1\nB=\"secret\n", "line 2: unterminated quoted value", 2),
            ("A B=secret\n", "line 1: key cannot contain a space", 1),
            ("A=1\nA@secret", "line 2: unexpected character \"@\" in variable name \"A\"", 2),
            ("\nA=${Z:?zz}", "required variable Z is missing a value: zz", 2),
            ("A=${x", "Invalid template", 1),
        ] {
            let fault = read(text).err().unwrap();
            assert_eq!((fault.message.as_str(), fault.line), (message, line));
        }
    }

    #[test]
    fn raw_keeps_quotes_and_dollars() {
        let mut sets = Sets::new();
        let budget = Spending::default();
        parse_raw("A='x' $y # z\nSHELL\n# c\n", 0, &Shell, &mut sets, &budget).ok().unwrap();
        assert_eq!(sets["A"].value, "'x' $y # z");
        assert_eq!(sets["SHELL"].value, "sh");
    }
}
