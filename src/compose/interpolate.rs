//! `$NAME`, `${NAME}` and its operators, as Compose reads them.
//!
//! Only texts are looked into, never keys. The rule of each operator: `:-` and `-` give a default,
//! `:+` and `+` a replacement, `:?` and `?` demand; with the colon an empty value counts as
//! missing. The part after the operator may hold variables itself, and is looked at even when it is
//! not used: an unset variable in it is warned about. `$$` is a dollar sign.

use super::source::Pos;
use super::tree::Used;
use crate::budget::{self, Exceeded, Spending};

/// What a variable in a text takes in memory, with what is noted of it.
const REFERENCE: usize = 160;

/// The variables a text may use: shell first, then `.env`.
pub(super) trait Variables {
    /// The value, and where it is written when a file set it.
    fn lookup(&self, name: &str) -> Option<(&str, Option<Pos>)>;
}

/// Why a text cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InterpolationRefusal {
    /// A `${` that begins nothing.
    Malformed,
    /// The text grew past [`budget::FILLED_BYTES`]: variables made of variables double with each
    /// line.
    TooLong,
    /// The project as a whole met a limit.
    Exceeded(Exceeded),
    /// A required variable is missing: its name, and Compose's sentence about it.
    Missing { name: String, sentence: String },
}

/// What filling in a text came to.
#[derive(Default)]
pub(super) struct Filled {
    pub(super) text: String,
    /// The variables whose value went into it.
    pub(super) used: Vec<Used>,
    /// The names of all variables in it, used or not.
    pub(super) names: Vec<String>,
    /// The variables that are set nowhere and became nothing.
    pub(super) unset: Vec<String>,
    /// Whether any variable of the text is set nowhere, also one with a default.
    pub(super) undecided: bool,
}

/// A text that is one variable and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// The variable of the text. Where it is not set, setting it replaces a default.
    pub(super) variable: String,
    /// The variable whose value the text is: this one, or the one that its default is; `None` where
    /// the text is a default in words, or nothing.
    pub(super) value_of: Option<String>,
}

/// The variable that a text which can be filled in consists of: `$NAME`, `${NAME}`, `${NAME:-…}`.
/// `None` for any other text, which no one place sets.
pub(super) fn whole(text: &str, variables: &dyn Variables) -> Option<Whole> {
    let rest = text.strip_prefix('$')?;
    let (name, operation) = match rest.strip_prefix('{') {
        Some(body) => {
            let end = closing(body).filter(|end| end + 1 == body.len())?;
            split_name(&body[..end])
        }
        None => Some(split_name(rest)).filter(|(_, after)| after.is_empty())?,
    };
    if name.is_empty() {
        return None;
    }
    let (empty_is_missing, operation) = match operation.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, operation),
    };
    let value = variables.lookup(name).map(|(value, _)| value);
    let is_set = value.is_some_and(|value| !(empty_is_missing && value.is_empty()));
    let value_of = match (operation.chars().next(), is_set) {
        (None | Some('-' | '?'), true) => Some(name.to_owned()),
        (Some('-'), false) => {
            whole(&operation[1..], variables).and_then(|default| default.value_of)
        }
        (None, false) => None,
        _ => return None,
    };
    Some(Whole { variable: name.to_owned(), value_of })
}

impl From<Exceeded> for InterpolationRefusal {
    fn from(what: Exceeded) -> Self {
        Self::Exceeded(what)
    }
}

impl Filled {
    fn push(&mut self, text: &str, budget: &Spending) -> Result<(), InterpolationRefusal> {
        if self.text.len() + text.len() > budget::FILLED_BYTES {
            return Err(InterpolationRefusal::TooLong);
        }
        budget.bytes(text.len())?;
        self.text.push_str(text);
        Ok(())
    }
}

/// Fills in a text. All that it writes is spent, also what is looked at and not used.
pub(super) fn fill(
    text: &str,
    variables: &dyn Variables,
    budget: &Spending,
) -> Result<Filled, InterpolationRefusal> {
    let mut filled = Filled::default();
    walk(text, &Filling { variables, budget }, &mut filled, 0)?;
    Ok(filled)
}

/// What a text is filled in with.
struct Filling<'a> {
    variables: &'a dyn Variables,
    budget: &'a Spending,
}

fn walk(
    text: &str,
    filling: &Filling<'_>,
    out: &mut Filled,
    depth: usize,
) -> Result<(), InterpolationRefusal> {
    // Each level needs three bytes of text, but not each a stack frame without end.
    if depth > budget::DEFAULTS {
        return Err(InterpolationRefusal::Malformed);
    }
    let budget = filling.budget;
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push(&rest[..dollar], budget)?;
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push("$", budget)?;
            rest = after;
        } else if let Some(body) = rest.strip_prefix('{') {
            let end = closing(body).ok_or(InterpolationRefusal::Malformed)?;
            braced(&body[..end], filling, out, depth)?;
            rest = &body[end + 1..];
        } else {
            let (name, after) = split_name(rest);
            if name.is_empty() {
                // `$1`, `$(…)`, a `$` at the end: Compose leaves them alone.
                out.push("$", budget)?;
            } else {
                put(name, filling, out)?;
            }
            rest = after;
        }
    }
    out.push(rest, budget)
}

/// The brace that ends a `${` whose body begins here. After a bare name it is the next; after an
/// operator every `{` opens another level, the character behind it is not looked at, and when the
/// levels do not come out it is the line's last.
fn closing(body: &str) -> Option<usize> {
    let (name, rest) = split_name(body);
    if rest.starts_with('}') {
        return Some(name.len());
    }
    last_brace(body.bytes().enumerate())
}

/// The same for the bytes behind a `${` with an operator. It looks no further than it has to: a
/// text has as many of these as it likes.
fn last_brace(bytes: impl Iterator<Item = (usize, u8)>) -> Option<usize> {
    let mut last = None;
    let mut open = 1;
    // The first byte is one of a name, or else what is in the braces is refused.
    let mut is_skipped = true;
    for (at, byte) in bytes {
        match byte {
            b'\n' => break,
            b'}' => {
                last = Some(at);
                if !is_skipped {
                    open -= 1;
                    if open == 0 {
                        return last;
                    }
                }
                is_skipped = false;
            }
            b'{' if !is_skipped => {
                open += 1;
                is_skipped = true;
            }
            _ => is_skipped = false,
        }
    }
    last
}

fn split_name(text: &str) -> (&str, &str) {
    let end = text
        .char_indices()
        .find(|&(index, char)| {
            !(char == '_' || char.is_ascii_alphabetic() || (index > 0 && char.is_ascii_digit()))
        })
        .map_or(text.len(), |(index, _)| index);
    text.split_at(end)
}

fn put(name: &str, filling: &Filling<'_>, out: &mut Filled) -> Result<(), InterpolationRefusal> {
    filling.budget.bytes(REFERENCE + 3 * name.len())?;
    out.names.push(name.to_owned());
    match filling.variables.lookup(name) {
        Some((value, origin)) => {
            out.push(value, filling.budget)?;
            out.used.push(Used { name: name.to_owned(), origin });
        }
        None => {
            out.unset.push(name.to_owned());
            out.undecided = true;
        }
    }
    Ok(())
}

fn braced(
    body: &str,
    filling: &Filling<'_>,
    out: &mut Filled,
    depth: usize,
) -> Result<(), InterpolationRefusal> {
    let (name, operation) = split_name(body);
    if name.is_empty() {
        return Err(InterpolationRefusal::Malformed);
    }
    if operation.is_empty() {
        return put(name, filling, out);
    }
    let (empty_is_missing, operation) = match operation.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, operation),
    };
    let mut chars = operation.chars();
    let operator = chars.next();
    let word = chars.as_str();
    // Compose's pattern does not reach over a line end.
    if word.contains('\n') {
        return Err(InterpolationRefusal::Malformed);
    }
    let mut argument = Filled::default();
    walk(word, filling, &mut argument, depth + 1)?;
    filling.budget.bytes(REFERENCE + name.len())?;
    out.unset.append(&mut argument.unset);
    out.names.append(&mut argument.names);
    out.names.push(name.to_owned());
    let found = filling.variables.lookup(name);
    out.undecided |= argument.undecided || found.is_none();
    let found = found.filter(|(value, _)| !(empty_is_missing && value.is_empty()));
    match (operator, found) {
        (Some('-' | '?'), Some(_)) => put(name, filling, out)?,
        (Some('-'), None) | (Some('+'), Some(_)) => {
            out.push(&argument.text, filling.budget)?;
            out.used.append(&mut argument.used);
        }
        (Some('+'), None) => {}
        (Some('?'), None) => {
            let mut sentence = format!("required variable {name} is missing a value");
            if !argument.text.is_empty() {
                sentence.push_str(": ");
                sentence.push_str(&argument.text);
            }
            return Err(InterpolationRefusal::Missing { name: name.to_owned(), sentence });
        }
        _ => return Err(InterpolationRefusal::Malformed),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Given;

    impl Variables for Given {
        fn lookup(&self, name: &str) -> Option<(&str, Option<Pos>)> {
            match name {
                "V" => Some(("val", None)),
                "EMPTY" => Some(("", None)),
                _ => None,
            }
        }
    }

    fn filled(text: &str) -> Result<Filled, InterpolationRefusal> {
        fill(text, &Given, &Spending::default())
    }

    #[test]
    fn every_form_is_filled_in() {
        for (text, expected) in [
            ("${V}", "val"),
            ("$V", "val"),
            ("${U:-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${U-d}", "d"),
            ("${V:+x}", "x"),
            ("${U:+x}", ""),
            ("${EMPTY+x}", "x"),
            ("${EMPTY:+x}", ""),
            ("$$V and $${V}", "$V and ${V}"),
            ("${U:-${V:-deep}}", "val"),
            ("${U:-${W:-deep}}", "deep"),
            ("${U:-${V}/${V}}!", "val/val!"),
            ("${U}", ""),
            ("pre${V}post$V.", "prevalpostval."),
            ("${V?no}", "val"),
            ("${EMPTY?no}", ""),
            ("${U:-a}b}", "ab}"),
            ("${U:-{a}b}", "{a}b"),
            ("${U+{a}}", ""),
            ("${U:-{}", "{"),
            ("${U:-}", ""),
            ("a$ b$1$(c)$", "a$ b$1$(c)$"),
            ("$v1", ""),
        ] {
            let filled = filled(text).map(|filled| filled.text);
            assert_eq!(filled, Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_closing_brace_is_found_without_reading_on() {
        for (text, steps) in [("A:-x}", 5), ("A:-{}}", 7), ("A:-x}{", 5), ("A:-x\n}", 5)] {
            let mut read = 0;
            let long = format!("{text}{}", "}".repeat(1000));
            last_brace(long.bytes().enumerate().inspect(|_| read += 1));
            assert_eq!(read, steps, "{text}");
        }
    }

    #[test]
    fn what_begins_nothing_is_refused() {
        for text in ["${", "${}", "${V", "${V!x}", "${V-\n}", "${1}"] {
            assert_eq!(filled(text).err(), Some(InterpolationRefusal::Malformed), "{text}");
        }
        let deep = "${U:-".repeat(10_000) + &"}".repeat(10_000);
        assert!(filled(&deep).is_err());
    }

    #[test]
    fn a_missing_required_variable_is_named() {
        for (text, name, expected) in [
            ("${U:?need U}", "U", "required variable U is missing a value: need U"),
            ("${U?}", "U", "required variable U is missing a value"),
            ("${EMPTY:?need $V}", "EMPTY", "required variable EMPTY is missing a value: need val"),
        ] {
            let refusal = filled(text).err();
            let (name, sentence) = (name.to_owned(), expected.to_owned());
            assert_eq!(refusal, Some(InterpolationRefusal::Missing { name, sentence }), "{text}");
        }
    }

    #[test]
    fn one_variable_and_nothing_else_is_told_from_other_texts() {
        for (text, expected) in [
            ("$V", Some(("V", Some("V")))),
            ("${V}", Some(("V", Some("V")))),
            ("${V:-d}", Some(("V", Some("V")))),
            ("${V:?no}", Some(("V", Some("V")))),
            ("${EMPTY-d}", Some(("EMPTY", Some("EMPTY")))),
            ("$U", Some(("U", None))),
            ("${U:-d}", Some(("U", None))),
            ("${EMPTY:-d}", Some(("EMPTY", None))),
            ("${U:-http://h:${V}}", Some(("U", None))),
            ("${U:-${V}}", Some(("U", Some("V")))),
            ("${U:-${W:-$V}}", Some(("U", Some("V")))),
            ("http://${V}", None),
            ("${V}:1", None),
            ("${V}${V}", None),
            ("$V.", None),
            ("${U:+x}", None),
            ("${V:+$V}", None),
            ("$$V", None),
            ("plain", None),
            ("", None),
        ] {
            let found = whole(text, &Given);
            let found = found.as_ref().map(|it| (it.variable.as_str(), it.value_of.as_deref()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_text_is_undecided_when_any_of_its_variables_is_set_nowhere() {
        for (text, undecided) in [
            ("plain", false),
            ("$V ${V:-d} ${EMPTY:-d}", false),
            ("$$U", false),
            ("$U", true),
            ("${U:-d}", true),
            ("${U+x}", true),
            ("${V:-${U}}", true),
        ] {
            let filled = filled(text).ok().unwrap();
            assert_eq!(filled.undecided, undecided, "{text}");
        }
    }

    #[test]
    fn an_unused_default_is_looked_at() {
        let filled = filled("${V:-${UNSET}}${N}").ok().unwrap();
        assert_eq!(filled.unset, ["UNSET", "N"]);
        assert_eq!(filled.used.len(), 1);
    }
}
