//! Texts as scalars, and what the short forms in them say.

use super::tree::Style;

/// Where a scalar is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WordForm {
    /// Behind a key or a dash.
    Block,
    /// Within brackets or braces.
    Flow,
}

/// A text as a scalar of this style, and the style that it got: without quotes only where it
/// cannot be read as anything but this text. `None` when it would need escapes.
pub(super) fn written(text: &str, style: Style, form: WordForm) -> Option<(String, Style)> {
    let strange = |char: char| char.is_control() || char == '\u{feff}';
    if text.contains(strange) {
        return None;
    }
    let double = || (!text.contains(['"', '\\'])).then(|| (format!("\"{text}\""), Style::Double));
    match style {
        Style::Plain if is_plain(text, form) => Some((text.to_owned(), Style::Plain)),
        Style::Single if !text.contains('\'') => Some((format!("'{text}'"), Style::Single)),
        _ => double(),
    }
}

fn is_plain(text: &str, form: WordForm) -> bool {
    const WORDS: [&str; 8] = ["true", "false", "null", "yes", "no", "on", "off", "y"];
    let begins = text.starts_with(|char: char| char.is_ascii_alphabetic() || "/_$".contains(char));
    let usual = |char: char| {
        char.is_ascii_alphanumeric()
            || "/_$.-:=".contains(char)
            || (form == WordForm::Block && "{}?+,".contains(char))
    };
    let word = text.to_ascii_lowercase();
    begins
        && text.chars().all(usual)
        && !text.ends_with(':')
        && !WORDS.contains(&word.as_str())
        && word != "n"
}

/// The parts of a mount's short form between its colons; those in `${…}` do not count, nor that of
/// a drive's letter.
pub(super) fn parts(spec: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut open) = (0, 0_usize);
    let bytes = spec.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let after = bytes.get(at + 1);
        match byte {
            b'$' if after == Some(&b'{') => open += 1,
            b'}' => open = open.saturating_sub(1),
            b':' if open == 0 => {
                let letter =
                    at == start + 1 && bytes.get(start).is_some_and(u8::is_ascii_alphabetic);
                if !(letter && matches!(after, Some(b'\\' | b'/')) && parts.is_empty()) {
                    parts.push(spec.get(start..at).unwrap_or_default());
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    parts.push(spec.get(start..).unwrap_or_default());
    parts
}

/// How a variable's value comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WordOrigin {
    /// Nothing is written: `- NAME`, `NAME:`; it is passed through.
    Passed,
    /// It is taken from the variable of the same name (`${NAME}`, `${NAME:-default}`).
    Same,
    /// An empty text.
    Empty,
    /// A text of its own.
    Literal,
    /// It is made of variables in another way.
    Made,
}

/// Where the value of `name` comes from; `None` if it has none.
pub(super) fn origin(value: Option<&str>, name: &str) -> WordOrigin {
    let Some(value) = value else { return WordOrigin::Passed };
    if value.is_empty() {
        WordOrigin::Empty
    } else if value.strip_prefix('$').is_some_and(|rest| is_same(rest, name)) {
        WordOrigin::Same
    } else if value.replace("$$", "").contains('$') {
        WordOrigin::Made
    } else {
        WordOrigin::Literal
    }
}

/// `NAME`, `{NAME}`, `{NAME:-…}` and the like, and nothing behind it.
fn is_same(rest: &str, name: &str) -> bool {
    let Some(body) = rest.strip_prefix('{') else { return rest == name };
    let Some(rest) = body.strip_prefix(name) else { return false };
    let Some(argument) = rest.strip_suffix('}') else { return false };
    let mut open = 0_usize;
    for char in argument.chars() {
        match char {
            '{' => open += 1,
            // Another brace ends it: something follows.
            '}' if open == 0 => return false,
            '}' => open -= 1,
            _ => {}
        }
    }
    let operators = ["-", ":-", "?", ":?"];
    open == 0 && (argument.is_empty() || operators.iter().any(|it| argument.starts_with(it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_there_where_they_must_be() {
        for (text, style, form, expected) in [
            ("data:/a", Style::Plain, WordForm::Block, Some("data:/a")),
            ("data:/a", Style::Single, WordForm::Block, Some("'data:/a'")),
            ("A=${A}", Style::Plain, WordForm::Block, Some("A=${A}")),
            ("A=${A}", Style::Plain, WordForm::Flow, Some("\"A=${A}\"")),
            ("1e3", Style::Plain, WordForm::Block, Some("\"1e3\"")),
            ("True", Style::Plain, WordForm::Block, Some("\"True\"")),
            ("n", Style::Plain, WordForm::Block, Some("\"n\"")),
            ("a: b", Style::Plain, WordForm::Block, Some("\"a: b\"")),
            ("a #b", Style::Plain, WordForm::Block, Some("\"a #b\"")),
            ("it's", Style::Single, WordForm::Block, Some("\"it's\"")),
            ("a\"b", Style::Plain, WordForm::Block, None),
            ("a\nb", Style::Plain, WordForm::Block, None),
            ("", Style::Plain, WordForm::Block, Some("\"\"")),
        ] {
            let shown = written(text, style, form).map(|(shown, _)| shown);
            assert_eq!(shown.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn mounts_are_taken_apart() {
        for (spec, expected) in [
            ("/a", &["/a"][..]),
            ("data:/a:ro", &["data", "/a", "ro"]),
            ("${V:-data}:/a", &["${V:-data}", "/a"]),
            ("${V:-${W:-x}}:/a", &["${V:-${W:-x}}", "/a"]),
            ("C:\\data:/a", &["C:\\data", "/a"]),
            ("d:/a", &["d:/a"]),
            ("é:/a", &["é", "/a"]),
        ] {
            assert_eq!(parts(spec), expected, "{spec}");
        }
    }

    #[test]
    fn a_value_is_known_by_its_form() {
        for (value, expected) in [
            (None, WordOrigin::Passed),
            (Some(""), WordOrigin::Empty),
            (Some("x"), WordOrigin::Literal),
            (Some("a$$b"), WordOrigin::Literal),
            (Some("$A"), WordOrigin::Same),
            (Some("${A}"), WordOrigin::Same),
            (Some("${A:-x}"), WordOrigin::Same),
            (Some("${A-${B:-c}}"), WordOrigin::Same),
            (Some("${A:?set it}"), WordOrigin::Same),
            (Some("${A:+x}"), WordOrigin::Made),
            (Some("${AB}"), WordOrigin::Made),
            (Some("${A}${B}"), WordOrigin::Made),
            (Some("${A}x"), WordOrigin::Made),
            (Some("$AB"), WordOrigin::Made),
            (Some("$B"), WordOrigin::Made),
        ] {
            assert_eq!(origin(value, "A"), expected, "{value:?}");
        }
    }
}
