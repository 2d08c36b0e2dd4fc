//! Splitting a command line as Compose does (mattn/go-shellwords): quotes and backslashes, no
//! expansion.

/// What Compose says of a line it cannot split.
pub(super) const INVALID: &str = "invalid command line string";

/// The words of a line. It ends at an unquoted `;`, `&`, `|`, `<` or `>`: the rest is dropped, as
/// Compose drops it.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut begun = false;
    let (mut escaped, mut double, mut single, mut back, mut dollar) =
        (false, false, false, false, false);
    for char in line.chars() {
        if escaped {
            word.push(char);
            escaped = false;
            begun = true;
            continue;
        }
        if char == '\\' {
            if single {
                word.push(char);
            } else {
                escaped = true;
            }
            continue;
        }
        if matches!(char, ' ' | '\t' | '\r' | '\n') {
            if single || double || back || dollar {
                word.push(char);
            } else if begun {
                words.push(std::mem::take(&mut word));
                begun = false;
            }
            continue;
        }
        match char {
            '`' if !single && !double && !dollar => back = !back,
            ')' if !single && !double && !back => dollar = !dollar,
            '(' if !single && !double && !back => {
                if dollar || !word.ends_with('$') {
                    return None;
                }
                dollar = true;
            }
            '"' if !single && !dollar => {
                begun |= double;
                double = !double;
                continue;
            }
            '\'' if !double && !dollar => {
                begun |= single;
                single = !single;
                continue;
            }
            ';' | '&' | '|' | '<' | '>' if !(single || double || back || dollar) => {
                // `2>file`: the number belongs to the redirection.
                if char == '>' && word.starts_with(|first: char| first.is_ascii_digit()) {
                    begun = false;
                }
                break;
            }
            _ => {}
        }
        begun = true;
        word.push(char);
    }
    if begun {
        words.push(word);
    }
    (!(escaped || single || double || back || dollar)).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_compose_splits_them() {
        for (line, expected) in [
            ("a 'b c' \"d $e\" f\\\\ g h#i", &["a", "b c", "d $e", "f\\", "g", "h#i"][..]),
            ("sh -c \"a && b; c | d\"", &["sh", "-c", "a && b; c | d"]),
            ("sh -c 'echo (a)' && x", &["sh", "-c", "echo (a)"]),
            ("echo a ; b", &["echo", "a"]),
            ("echo `a` $(b)", &["echo", "`a`", "$(b)"]),
            ("a \"\" b", &["a", "", "b"]),
            ("", &[]),
            ("x 2>y", &["x"]),
        ] {
            let words = split(line);
            assert_eq!(words.as_deref().unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn open_quotes_are_refused() {
        for line in ["a \"b", "a 'b", "a \\", "(a)", "a $(b"] {
            assert_eq!(split(line), None, "{line}");
        }
    }
}
