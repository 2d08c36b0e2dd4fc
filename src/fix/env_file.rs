//! One variable of an env file, set so that Node's dotenv, a shell and Compose read it alike, and nothing else touched.

use crate::selection::node_dotenv::{Comment, parse};

/// The value in quotes that all three readers take away and look into for nothing; `None` where there are none: a quote or a line end
/// in it.
pub fn quoted(value: &str) -> Option<String> {
    let plain = !value.contains(['\'', '\n', '\r', '\0']);
    plain.then(|| format!("'{value}'"))
}

/// The text with `name` set to `quoted` where its assignment that counts stands, else on a line of its own at the end. Other lines,
/// comments and the kind of line ends stay.
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
    fn what_cannot_be_quoted_is_not() {
        assert_eq!(quoted("a|01$b #\"`\\"), Some("'a|01$b #\"`\\'".to_owned()));
        assert_eq!(quoted("it's"), None);
        assert_eq!(quoted("a\r"), None);
    }

    proptest! {
        #[test]
        fn the_value_is_read_back_and_the_others_stay(
            text in "([A-C ]{0,3}[=:]?[a-z'\"`# ]{0,6}[\r\n]{0,2}){0,6}",
            key in "[a-z|$# \"`\\\\]{1,12}",
        ) {
            let key = key.trim();
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
