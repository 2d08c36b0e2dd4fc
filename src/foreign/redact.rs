//! A log or a file, made safe to paste: line for line, so that numbers of lines stay what
//! they were.

use std::sync::LazyLock;

use regex::Regex;

use super::patterns::HIDDEN;
use super::plain::{learn_file, words};
use super::secret_names::names_a_secret;
use crate::secret::{Secret, sanitize, scrub};

/// A text as it may be pasted, and what was hidden of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redacted {
    /// As many lines as the text had.
    pub text: String,
    /// What was hidden, by its line.
    pub hidden: Vec<Hidden>,
}

/// Something that was hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The number of its line, from 1.
    pub line: usize,
    /// The name that it was given there.
    pub name: Option<String>,
}

/// The lines that belong to a value which began above.
enum Inside {
    /// A private key, up to its end.
    PrivateKey,
    /// A block of YAML under a name that says that it is secret: what is indented more than this.
    Block(usize),
}

/// The text with `***` for what may be secret: values after a name that says so, what has the form of
/// a key or a password, and words that are not.
pub fn redact(text: &str) -> Redacted {
    learn_file(text);
    let mut inside = None;
    let masked: Vec<_> = text
        .split_inclusive('\n')
        .map(|line| {
            let (line, end) = match line.strip_suffix('\n') {
                Some(line) => (line.strip_suffix('\r').unwrap_or(line), "\n"),
                None => (line, ""),
            };
            (one(line, &mut inside), end)
        })
        .collect();
    // Once every secret is known: what one line says by its name, another may say without.
    let mut redacted = Redacted::default();
    for (index, ((shown, names), end)) in masked.into_iter().enumerate() {
        let line = index + 1;
        let clean = scrub(&shown);
        let more = clean.matches(HIDDEN).count().saturating_sub(shown.matches(HIDDEN).count());
        redacted.text.push_str(&clean);
        redacted.text.push_str(end);
        let names = names.into_iter().chain(std::iter::repeat_n(None, more));
        redacted.hidden.extend(names.map(|name| Hidden { line, name }));
    }
    redacted
}

/// A line as it may be shown, and for each thing that is hidden its name.
fn one(line: &str, inside: &mut Option<Inside>) -> (String, Vec<Option<String>>) {
    /// A name and what is assigned to it, in a file of variables, YAML, JSON or a shell.
    static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r#"^([ \t]*(?:- +)?(?:export +)?["']?)([A-Za-z_][0-9A-Za-z_.-]*)(["']? *(?:=|: +|:$) *)(.*)$"#,
        )
        .expect("a pattern of this file is valid")
    });
    let margin = line.len() - line.trim_start().len();
    match inside {
        Some(Inside::PrivateKey) => {
            if line.contains("-----END") {
                *inside = None;
            }
            return all_hidden(line, margin);
        }
        Some(Inside::Block(above)) if margin > *above || line.trim().is_empty() => {
            return if line.trim().is_empty() {
                (String::new(), vec![])
            } else {
                all_hidden(line, margin)
            };
        }
        _ => *inside = None,
    }
    if line.contains("-----BEGIN") && line.contains("PRIVATE KEY") && !line.contains("-----END") {
        *inside = Some(Inside::PrivateKey);
        return all_hidden(line, margin);
    }
    if let Some(found) = ASSIGNED.captures(line)
        && names_a_secret(&found[2])
    {
        let value = found[4].trim_end();
        let is_block = value.is_empty() || value.starts_with(['|', '>']);
        if is_block && found[3].contains(':') {
            *inside = Some(Inside::Block(margin));
            return (sanitize(line), vec![]);
        }
        let bare = value.trim_end_matches(',');
        if !bare.is_empty() && !is_reference(bare) {
            let bare = bare.trim_matches(['"', '\'']);
            if bare == HIDDEN {
                return (sanitize(line), vec![]);
            }
            drop(Secret::new(bare));
            let (before, after) = value.split_once(bare).unwrap_or(("", ""));
            let shown = format!("{}{}{}{before}{HIDDEN}{after}", &found[1], &found[2], &found[3]);
            return (shown, vec![Some(found[2].to_owned())]);
        }
    }
    let shown = words(line).replace("\\u0009", "\t");
    let count = shown.matches(HIDDEN).count().saturating_sub(line.matches(HIDDEN).count());
    (shown, vec![None; count])
}

fn all_hidden(line: &str, margin: usize) -> (String, Vec<Option<String>>) {
    if line.trim() == HIDDEN {
        return (line.to_owned(), vec![]);
    }
    drop(Secret::new(line.trim()));
    (format!("{}{HIDDEN}", &line[..margin]), vec![None])
}

/// A variable's name where a value may stand.
fn is_reference(value: &str) -> bool {
    let inner = value.trim_matches(['"', '\'']);
    let name = inner.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.or_else(|| inner.strip_prefix('$'))
        .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "zq7HunterVeryLong42";

    #[test]
    fn each_line_stays_a_line_and_says_nothing() {
        // No other test knows it.
        let key = format!("shop|01{}", "c7".repeat(36));
        let text = format!(
            "# my file\r\nPOSTGRES_PASSWORD={PASSWORD}\n  DB_PASS: '{PASSWORD}',\nURL=postgres://u:{PASSWORD}@db/x\n\
             KEY=${{KEY}}\n\tadmin {key}\n  TLS_KEY: |\n    MIIE\n    abc\n  image: ghcr.io/a/b:latest\n\
             -----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n  \"Env\": [\"MYSQL_PWD={PASSWORD}\"]\n\
             GET /version 200 12ms"
        );
        let redacted = redact(&text);
        let expected = "# my file\nPOSTGRES_PASSWORD=***\n  DB_PASS: '***',\nURL=postgres://u:***@db/x\n\
             KEY=${KEY}\n\tadmin shop|***\n  TLS_KEY: |\n    ***\n    ***\n  image: ghcr.io/a/b:latest\n\
             ***\n***\n***\n  \"Env\": [\"MYSQL_PWD=***\"]\nGET /version 200 12ms";
        assert_eq!(redacted.text, expected);
        let lines: Vec<usize> = redacted.hidden.iter().map(|hidden| hidden.line).collect();
        assert_eq!(lines, [2, 3, 4, 6, 8, 9, 11, 12, 13, 14]);
        assert_eq!(redacted.hidden[0].name.as_deref(), Some("POSTGRES_PASSWORD"));
        let above = redact("x tr7Ub4dor&9\nDB_PASSWORD=tr7Ub4dor&9\n");
        assert_eq!(above.text, "x ***\nDB_PASSWORD=***\n");
        assert_eq!(redact(expected).text, expected, "twice is as once");
        assert_eq!(redact(expected).hidden, []);
    }
}
