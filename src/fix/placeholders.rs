//! The values for the placeholders of an edit ([`Edit::new`]): taken from the old line itself, so
//! that no report had to hold it.

use crate::admin_key;
use crate::report::Edit;
use crate::secret::Secret;
use crate::selection::meant::meant;
use crate::selection::node_dotenv::{Assignment, Comment, parse};

/// The env file that edits are made in.
pub struct EnvText<'t> {
    text: &'t str,
    assignments: Vec<Assignment>,
}

impl<'t> EnvText<'t> {
    /// Reads the text as Node's dotenv does.
    pub fn read(text: &'t str) -> Self {
        Self { text, assignments: parse(text) }
    }

    /// The value of `placeholder` on the line of `edit`, if there is one.
    pub fn fill(&self, edit: &Edit, placeholder: &str) -> Option<String> {
        let line = self.text.lines().nth(edit.line.checked_sub(1)?)?;
        if placeholder == "line" {
            return Some(line.to_owned());
        }
        let meant = || meant(line);
        if placeholder == "value" {
            return meant().map(|meant| meant.value.to_owned());
        }
        let assignment = self.assignments.iter().find(|one| one.line == edit.line);
        if placeholder == "comment" {
            let read = assignment.and_then(|assignment| self.comment(assignment));
            return read.or_else(|| meant()?.comment).map(str::to_owned);
        }
        let assignment = assignment?;
        match placeholder {
            "rest" => {
                let written = self.text.get(assignment.span.clone())?;
                let rest = written.split_once(['=', ':'])?.1.trim_start();
                (!rest.contains(['\n', '\r'])).then(|| rest.to_owned())
            }
            _ => {
                let (what, print) = placeholder.split_once(' ')?;
                let key = key(assignment.value.expose(), print)?;
                match what {
                    "hex" => key.expose().split_once('|').map(|(_, hex)| hex.to_owned()),
                    _ => Some(key.expose().to_owned()),
                }
            }
        }
    }

    fn comment(&self, assignment: &Assignment) -> Option<&'t str> {
        let after = self.text.get(assignment.span.end..)?;
        let line = after.lines().next().unwrap_or_default();
        (assignment.comment == Comment::Apart).then_some(())?;
        Some(line[line.find('#')?..].trim_end())
    }
}

/// The key with that fingerprint in a value: the value itself, or what is left of it without what
/// was captured along.
fn key(value: &str, print: &str) -> Option<Secret> {
    let whole = Secret::new(value);
    let is_it = |key: &Secret| {
        admin_key::fingerprint(key).is_some_and(|fingerprint| fingerprint.as_str() == print)
    };
    if is_it(&whole) {
        return Some(whole);
    }
    admin_key::repaired(&whole).filter(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Fingerprint;

    #[test]
    fn each_placeholder_is_filled_from_its_line() {
        let key = format!("app|01{}", "ab".repeat(36));
        let print = Fingerprint::of_text(&key);
        let text = format!(
            "# x\nexport A = 'Admin key: {key}'   # why \nK=\"{key}\"\nCONVEX_URL=http://a # b\nM=\"a\nb\"\nset CONVEX_SELF_HOSTED_ADMIN_KEY='{key} # c\n"
        );
        let env = EnvText::read(&text);
        let fill = |line: usize, placeholder: &str| {
            let edit = Edit { file: String::new(), line, line_hash: None, new: None };
            env.fill(&edit, placeholder)
        };
        for (line, placeholder, expected) in [
            (2, format!("key {print}"), Some(key.as_str())),
            (3, format!("key {print}"), Some(key.as_str())),
            (3, format!("hex {print}"), Some(&key[4..])),
            (3, "key 00000000".to_owned(), None),
            (4, format!("key {print}"), None),
            (2, "comment".to_owned(), Some("# why")),
            (3, "comment".to_owned(), None),
            (4, "rest".to_owned(), Some("http://a")),
            (5, "rest".to_owned(), None),
            (1, "line".to_owned(), Some("# x")),
            (9, "line".to_owned(), None),
            (7, "value".to_owned(), Some(key.as_str())),
            (7, "comment".to_owned(), Some("# c")),
            (7, "rest".to_owned(), None),
            (2, "value".to_owned(), None),
            (1, "rest".to_owned(), None),
        ] {
            assert_eq!(fill(line, &placeholder).as_deref(), expected, "{line} {placeholder}");
        }
    }
}
