//! The lines of a diff as a terminal shows them, from where they may be pasted anywhere: without
//! values that could be secret.

use crate::admin_key;
use crate::foreign;
use crate::secret::{Secret, sanitize};
use crate::selection::names::{SELECTING, holds_key};
use crate::selection::node_dotenv::parse;

pub use super::lines::Diff;

use super::lines::unified;

/// The change, with every value masked that could be secret.
pub fn diff(file: &str, old: &str, new: &str) -> Diff {
    let env = is_env_file(file);
    let is_ignore_file = file.rsplit('/').next() == Some(".gitignore");
    let masked = |is_new: bool, line: usize, text: &str| {
        let shown = if env {
            env_line(text)
        } else if is_ignore_file {
            foreign::mask(text)
        } else {
            let whole = if is_new { new } else { old };
            foreign::of_known_file(whole, line).unwrap_or_else(|| "***".to_owned())
        };
        sanitize(&shown)
    };
    unified(file, old, new, &masked)
}

fn is_env_file(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.starts_with(".env") || name.rsplit_once('.').is_some_and(|(_, end)| end == "env")
}

/// A line of an env file: a key as its name and its fingerprint, a URL as it is but for a password,
/// any other value not at all.
fn env_line(line: &str) -> String {
    if let Some((before, commented)) = line.split_once('#')
        && before.trim().is_empty()
    {
        return format!("{before}#{}", commented_out(commented));
    }
    let Some((name, value)) = line.split_once('=') else {
        // The rest of a value over several lines, or nothing at all.
        return if line.trim().is_empty() { String::new() } else { "***".to_owned() };
    };
    let read = parse(line);
    let Some(one) = read.first() else { return format!("{name}=***") };
    let value_read = one.value.expose();
    if value_read.is_empty() {
        return format!("{name}=");
    }
    let quote = value.trim_start().chars().next().filter(|c| matches!(c, '\'' | '"' | '`'));
    let quote = quote.map(String::from).unwrap_or_default();
    if holds_key(&one.name) {
        let key = Secret::new(value_read);
        let repaired = admin_key::repaired(&key);
        let shown = match (admin_key::fingerprint(&key), repaired) {
            (Some(print), _) => as_key(&key, print.as_str(), ""),
            (None, Some(repaired)) => match admin_key::fingerprint(&repaired) {
                Some(print) => as_key(&repaired, print.as_str(), ", with extra text"),
                None => "***".to_owned(),
            },
            (None, None) => "***".to_owned(),
        };
        return format!("{name}={quote}{shown}{quote}");
    }
    if SELECTING.contains(&one.name.as_str()) {
        return format!("{name}={quote}{}{quote}", crate::selection::facts::masked(value_read));
    }
    format!("{name}={quote}***{quote}")
}

fn as_key(key: &Secret, print: &str, note: &str) -> String {
    match key.expose().split_once('|') {
        Some((name, _)) => format!("{name}|… (key {print}{note})"),
        None => format!("… (key {print}{note})"),
    }
}

/// A comment may be a line that was put out of use.
fn commented_out(text: &str) -> String {
    let is_assignment = text.trim_start().split_once('=').is_some_and(|(name, _)| {
        name.trim_end().chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ' ')
    });
    if is_assignment {
        let blanks = text.len() - text.trim_start().len();
        return format!("{}{}", &text[..blanks], env_line(text.trim_start()));
    }
    foreign::mask(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_that_could_be_secret_is_shown() {
        let key = format!("app|01{}", "ab".repeat(36));
        let print = crate::secret::Fingerprint::of_text(&key);
        let name = "CONVEX_SELF_HOSTED_ADMIN_KEY";
        for (line, expected) in [
            (format!("{name}='{key}'"), format!("{name}='app|… (key {print})'")),
            (format!("# {name}={key}"), format!("# {name}=app|… (key {print})")),
            (
                format!("{name}=\"Admin key: {key}\""),
                format!("{name}=\"app|… (key {print}, with extra text)\""),
            ),
            (format!("{name}=hunter2"), format!("{name}=***")),
            (
                "CONVEX_SELF_HOSTED_URL=http://u:p@h".to_owned(),
                "CONVEX_SELF_HOSTED_URL=http://u:***@h".to_owned(),
            ),
            ("POSTGRES_PASSWORD=hunter2".to_owned(), "POSTGRES_PASSWORD=***".to_owned()),
            ("#PASSWORD=hunter2".to_owned(), "#PASSWORD=***".to_owned()),
            ("# a word = two".to_owned(), "# a word =***".to_owned()),
            ("hunter2\"".to_owned(), "***".to_owned()),
            (String::new(), String::new()),
            ("A=".to_owned(), "A=".to_owned()),
        ] {
            assert_eq!(env_line(&line), expected, "{line}");
        }
        let diff = diff(
            "docker-compose.yml",
            "services:\n  b:\n    environment:\n      X: hunter2\n",
            "services:\n  b:\n    environment:\n      X: hunter2\n    volumes:\n      - data:/convex/data\n",
        )
        .to_string();
        let ignored = super::diff("app/.gitignore", "", ".env*.local\n").to_string();
        assert!(ignored.ends_with("\n+.env*.local\n"), "{ignored}");
        assert!(!diff.contains("hunter2") && diff.contains("+      - data:/convex/data"), "{diff}");
    }
}
