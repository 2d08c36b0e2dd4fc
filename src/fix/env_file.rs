//! One variable of an env file, set so that Node's dotenv, a shell and Compose read it alike, and
//! nothing else touched; or as a line that a shell evaluates.

use zeroize::Zeroizing;

use crate::selection::node_dotenv::{Comment, parse};

/// The value in quotes that all three readers take away and look into for nothing; `None` where
/// there are none.
///
/// Within `'…'` nothing means anything to any of them, but that Node's dotenv and Compose take `\'`
/// for a quote inside; within `"…"` the four signs mean something to one of them at least. A
/// carriage return becomes a line feed in Node's, whatever is around it.
pub fn quoted(value: &str) -> Option<String> {
    if value.contains(['\r', '\0']) {
        None
    } else if !value.contains('\'') && !value.ends_with('\\') {
        Some(format!("'{value}'"))
    } else if !value.contains(['"', '$', '`', '\\']) {
        Some(format!("\"{value}\""))
    } else {
        None
    }
}

/// A value that is not secret as [`set`] takes it: without quotes where every reader reads it so.
///
/// # Errors
/// No quotes hold it; in words.
pub fn written(value: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%".contains(c);
    if value.chars().all(plain) {
        return Ok(value.to_owned());
    }
    quoted(value).ok_or_else(|| "the value cannot be quoted in an env file".to_owned())
}

/// A variable as a line for a shell's `eval`.
pub struct Exported {
    /// `export NAME='…'` with its line end. It may hold a secret.
    pub line: Zeroizing<String>,
    /// Whether an env file may hold the line as well: Node's dotenv and Compose read the same value
    /// from it.
    pub fits_a_file: bool,
}

/// The line that gives `name` this value and does nothing else, whatever the value is; `None` for a
/// value that no variable can have.
///
/// With `export`, for without it the value would stay in the shell and never reach `npx convex`.
/// Both readers of files skip the word:
/// <https://github.com/motdotla/dotenv/blob/v16.6.1/lib/main.js> (`LINE`),
/// <https://github.com/compose-spec/compose-go/blob/main/dotenv/parser.go> (`exportPrefix`).
pub fn exported(name: &str, value: &str) -> Option<Exported> {
    if value.contains('\0') {
        return None;
    }
    let in_quotes = quoted(value).map(Zeroizing::new);
    let fits_a_file = in_quotes.is_some();
    // A shell alone takes a quote from between two quoted texts.
    let in_quotes =
        in_quotes.unwrap_or_else(|| Zeroizing::new(format!("'{}'", value.replace('\'', r"'\''"))));
    let line = Zeroizing::new(format!("export {name}={}\n", in_quotes.as_str()));
    Some(Exported { line, fits_a_file })
}

/// The text with `name` set to `quoted` where its effective assignment is, else on a line of
/// its own at the end. Other lines, comments and the kind of line ends stay.
pub fn set(text: &str, name: &str, quoted: &str) -> String {
    let assignments = parse(text);
    let Some(last) = assignments.iter().rfind(|one| one.name == name) else {
        return append(text, name, quoted);
    };
    let (before, rest) = text.split_at(last.span.start);
    let old = &rest[..last.span.len()];
    let after = &rest[last.span.len()..];
    let end = after.find(['\n', '\r']).unwrap_or(after.len());
    // What follows on the line is a comment, or a part of the value that the reader cut off.
    let comment = if last.comment == Comment::Apart {
        let line = &after[..end];
        line.find('#').map_or("", |at| &line[line[..at].trim_end().len()..])
    } else {
        ""
    };
    let export = if old.starts_with("export") { "export " } else { "" };
    format!("{before}{export}{name}={quoted}{comment}{}", &after[end..])
}

/// `new`, which [`set`] made of `text`, with the line of `name` that it replaced above it as a
/// comment. A value over several lines, or none at all, is not kept.
pub fn with_old_line(text: &str, new: &str, name: &str) -> String {
    let kept = || {
        let assignments = parse(text);
        let last = assignments.iter().rfind(|one| one.name == name)?;
        let (old, value) = (text.get(last.span.clone())?, last.value.expose());
        let start = text[..last.span.start].rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let before = new.get(..start)?;
        let plain = !value.is_empty() && !old.contains(['\n', '\r']);
        let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
        plain.then(|| format!("{before}# {old}{ending}{}", &new[start..]))
    };
    kept().unwrap_or_else(|| new.to_owned())
}

fn append(text: &str, name: &str, quoted: &str) -> String {
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if text.is_empty() || text.ends_with(['\n', '\r']) { "" } else { ending };
    format!("{text}{gap}{name}={quoted}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "CONVEX_SELF_HOSTED_ADMIN_KEY";

    #[test]
    fn only_the_line_of_the_variable_changes() {
        for (text, expected) in [
            ("", "K='v'\n"),
            ("A=1\n", "A=1\nK='v'\n"),
            ("A=1", "A=1\nK='v'\n"),
            ("A=1\r\n", "A=1\r\nK='v'\r\n"),
            ("K=old\nA=1\n", "K='v'\nA=1\n"),
            ("# K=x\nK=old # why\nA=1", "# K=x\nK='v' # why\nA=1"),
            ("K=one\nK=two\n", "K=one\nK='v'\n"),
            ("export K = \"old\"\r\nA=1\r\n", "export K='v'\r\nA=1\r\n"),
            ("K=a#b\n", "K='v'\n"),
            ("K=\n", "K='v'\n"),
            ("K='a\nb'\nA=1\n", "K='v'\nA=1\n"),
            ("\u{feff}K=1\n", "\u{feff}K='v'\n"),
        ] {
            assert_eq!(set(text, "K", "'v'"), expected, "{text:?}");
        }
    }

    #[test]
    fn the_old_line_stays_as_a_comment() {
        for (text, expected) in [
            ("A=1\nK=old # why\nB=2\n", "A=1\n# K=old\nK='v' # why\nB=2\n"),
            ("A=1\r\nexport K='old'", "A=1\r\n# export K='old'\r\nexport K='v'"),
            ("K=\n", "K='v'\n"),
            ("A=1\n", "A=1\nK='v'\n"),
            ("K='a\nb'\n", "K='v'\n"),
        ] {
            assert_eq!(with_old_line(text, &set(text, "K", "'v'"), "K"), expected, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_quoted_is_not() {
        for (value, expected) in [
            ("a|01$b #\"`\\n", Some("'a|01$b #\"`\\n'")),
            ("two\nlines", Some("'two\nlines'")),
            ("it's", Some("\"it's\"")),
            ("it's $5", None),
            // Both readers would take the quote behind it for one inside.
            ("a$\\", None),
            ("a\r", None),
        ] {
            assert_eq!(quoted(value).as_deref(), expected, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn the_value_is_read_back_and_the_others_stay(
            text in "([A-C ]{0,3}[=:]?[a-z'\"`# ]{0,6}[\r\n]{0,2}){0,6}",
            key in "[a-z|$# \"`\\\\]{0,11}[a-z|$# \"`]",
        ) {
            let key = key.trim();
            prop_assume!(!key.ends_with('\\'));
            let new = set(&text, KEY, &quoted(key).unwrap());
            let value_of = |text: &str, name: &str| {
                let all = parse(text);
                all.iter().rfind(|one| one.name == name).map(|one| one.value.expose().to_owned())
            };
            // An open quote above swallows what is appended: Node reads it so as well.
            prop_assume!(value_of(&new, KEY).is_some());
            prop_assert_eq!(value_of(&new, KEY), Some(key.to_owned()));
            for name in ["A", "B", "C"] {
                prop_assert_eq!(value_of(&new, name), value_of(&text, name));
            }
            let again = set(&new, KEY, &quoted(key).unwrap());
            prop_assert_eq!(again, new);
        }
    }
}
