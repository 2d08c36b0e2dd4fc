//! One line of a `.gitignore`.

/// The text with `pattern` as its last line; unchanged where that line exists and no later
/// one takes it back (`!pattern`). Other lines, the kind of line ends and a missing last one stay.
/// A pattern that begins with `#` or `!` comes with its backslash.
pub fn ignore(gitignore: Option<&str>, pattern: &str) -> String {
    let text = gitignore.unwrap_or("");
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Git takes spaces at the end for nothing.
    let counts = |line: &&str| [pattern, &format!("!{pattern}")].contains(&line.trim_end());
    let last = bare.lines().rfind(counts);
    if last.is_some_and(|line| line.trim_end() == pattern) {
        return text.to_owned();
    }
    let ending = match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    };
    if bare.is_empty() || text.ends_with('\n') {
        format!("{text}{pattern}{ending}")
    } else {
        format!("{text}{ending}{pattern}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_line_is_added() {
        for (text, expected) in [
            (None, ".env\n"),
            (Some(""), ".env\n"),
            (Some("a\n"), "a\n.env\n"),
            (Some("a"), "a\n.env"),
            (Some("a\r\nb"), "a\r\nb\r\n.env"),
            (Some("a\r\n"), "a\r\n.env\r\n"),
            (Some(".env\na\n"), ".env\na\n"),
            (Some(".env  \r\na\r\n"), ".env  \r\na\r\n"),
            (Some("\u{feff}.env\n"), "\u{feff}.env\n"),
            (Some("# .env\n"), "# .env\n.env\n"),
            (Some(".env\n!.env\n"), ".env\n!.env\n.env\n"),
            (Some("!.env\n.env\n"), "!.env\n.env\n"),
            (Some(" .env\n"), " .env\n.env\n"),
            (Some("/.env\n"), "/.env\n.env\n"),
        ] {
            assert_eq!(ignore(text, ".env"), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_else_changes(text in "([a# !.env]{0,5}\r?\n?){0,6}") {
            let new = ignore(Some(&text), ".env");
            prop_assert!(new.starts_with(&text));
            prop_assert_eq!(ignore(Some(&new), ".env"), new);
        }
    }
}
