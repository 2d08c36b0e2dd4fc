//! What a misread line was meant to say, where only one thing can be meant: the value that is left
//! without what is wrong about the line has the form of what belongs there, a whole key or a plain
//! URL.

use url::Url;

use super::names::{ADMIN_KEY, URL, secret_parts};
use super::node_dotenv::is_space;
use super::strict::{is_comment, line, named};
use crate::admin_key::{Form, shape};
use crate::evidence::selection::Written;
use crate::report::line_hash;
use crate::secret::Secret;

/// What may be before the name of a variable that is meant to be set: commands of shells, marks
/// of lists, a path.
const BEFORE: &[&str] =
    &["", "export", "set", "setx", "setenv", "./", "$env:", "$Env:", "$ENV:", "-"];

/// What a line was meant to say.
pub struct Meant<'t> {
    /// The value, free of quotes, spaces and `$`.
    pub value: &'t str,
    /// Whether `export` is before the name.
    pub export: bool,
    /// The comment at its end.
    pub comment: Option<&'t str>,
}

/// What `line` was meant to say of the URL or the key; `None` where that is not sure.
pub fn meant(line: &str) -> Option<Meant<'_>> {
    let (at, name) = named(line, &[URL, ADMIN_KEY])?;
    if is_comment(line, at) {
        return None;
    }
    let quotes = ['"', '\'', '`'];
    let all_before = line[..at].trim_matches(is_space);
    let before = all_before.trim_end_matches(quotes).trim_end_matches(is_space);
    if !BEFORE.contains(&before) {
        return None;
    }
    let after = &line[at + name.len()..];
    let after = if before == all_before { after } else { after.trim_start_matches(quotes) };
    let bare = after.trim_start_matches(is_space);
    let rest = bare.trim_start_matches('=');
    let rest = if rest == bare { bare.strip_prefix(':').unwrap_or(bare) } else { rest };
    // `NAME value` needs the space.
    if rest == after {
        return None;
    }
    let comment =
        rest.match_indices('#').map(|(at, _)| at).find(|at| rest[..*at].ends_with(is_space));
    let (value, comment) = match comment {
        Some(at) => (&rest[..at], Some(rest[at..].trim_end_matches(is_space))),
        None => (rest, None),
    };
    let value = peeled(value);
    fits(name, value).then_some(Meant { value, export: before == "export", comment })
}

/// The line with this number as an edit may name it, where it is sure what was meant by it.
pub(super) fn written(text: &str, number: usize) -> Option<Written> {
    let own = line(text, number)?;
    // Only this counts a lone carriage return as the end of a line.
    if text.lines().nth(number - 1) != Some(own) || own.starts_with('\u{feff}') {
        return None;
    }
    let meant = meant(own)?;
    Some(Written {
        hashes: vec![line_hash(own)],
        export: meant.export,
        comment: meant.comment.is_some(),
    })
}

/// Without the quotes around it, escaped or not, and the sign that ends a statement elsewhere.
fn peeled(value: &str) -> &str {
    let mut value = value.trim_matches(is_space).trim_end_matches([';', ',']);
    for quote in ['"', '\'', '`'].into_iter().cycle().take(9) {
        value = value.strip_prefix('\\').filter(|it| it.starts_with(quote)).unwrap_or(value);
        value = value.strip_prefix(quote).unwrap_or(value);
        if let Some(inner) = value.strip_suffix(quote) {
            value = inner.strip_suffix('\\').unwrap_or(inner);
        }
        value = value.trim_matches(is_space);
    }
    value
}

fn fits(name: &str, value: &str) -> bool {
    if name == URL {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]".contains(c);
        let http = value.starts_with("http://") || value.starts_with("https://");
        return http
            && value.chars().all(plain)
            && secret_parts(value).is_empty()
            && Url::parse(value).is_ok_and(|url| url.has_host());
    }
    let plain = |c: char| c.is_ascii_graphic() && !"'\"`\\$".contains(c);
    if !value.chars().all(plain) {
        return false;
    }
    let shape = shape(&Secret::new(value));
    shape.form == Form::WellShaped && shape.faults.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_can_be_meant_or_nothing_is_said() {
        let key = format!("n|01{}", "ab".repeat(36));
        let own = |text: &str| text.replace('@', ADMIN_KEY).replace('%', URL).replace("KEY!", &key);
        for (text, expected) in [
            ("@=\"KEY!", Some(("KEY!", false, None))),
            ("export @='KEY! # c ", Some(("KEY!", true, Some("# c")))),
            ("@=\"'KEY!'\"", Some(("KEY!", false, None))),
            ("@=\\\"KEY!\\\"", Some(("KEY!", false, None))),
            ("@=\"\\\"KEY!\\\"\"", Some(("KEY!", false, None))),
            ("@==KEY!", Some(("KEY!", false, None))),
            ("@=\"KEY!\";", Some(("KEY!", false, None))),
            ("set @=KEY!", Some(("KEY!", false, None))),
            ("set \"@=KEY!\"", Some(("KEY!", false, None))),
            ("./@=KEY!", Some(("KEY!", false, None))),
            ("$env:@ = \"KEY!\"", Some(("KEY!", false, None))),
            ("\"@\": \"KEY!\",", Some(("KEY!", false, None))),
            ("- @=KEY!", Some(("KEY!", false, None))),
            ("@ KEY!", Some(("KEY!", false, None))),
            ("@:KEY!", Some(("KEY!", false, None))),
            ("%:http://h:3210", Some(("http://h:3210", false, None))),
            ("%=\"https://h", Some(("https://h", false, None))),
            ("@=my#KEY!", Some(("my#KEY!", false, None))),
            ("@=KEY!#mine", None),
            ("@=n|01ac#4b32", None),
            ("@=\"KEY!\" KEY!", None),
            ("@=\"n|01ab", None),
            ("@=hunter2", None),
            ("@=${KEY}", None),
            ("@KEY!", None),
            ("# @=\"KEY!", None),
            ("write @=KEY!", None),
            ("%==", None),
            ("%:h:3210", None),
            ("%=\"http://u:hunter2@h", None),
            ("%=\"http://h:${PORT}", None),
            ("%=http://h#x", None),
            ("%=\"http://h|01ab", None),
            ("OTHER=\"KEY!", None),
        ] {
            let (text, expected) =
                (own(text), expected.map(|(value, export, comment)| (own(value), export, comment)));
            let found = meant(&text);
            let found = found.map(|it| (it.value.to_owned(), it.export, it.comment));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_line_that_others_count_otherwise_has_no_name() {
        let url = format!("set {URL}=http://h");
        let hash = |text: &str, number| written(text, number).map(|it| it.hashes);
        assert_eq!(hash(&format!("A=1\r\n{url}\r\n"), 2), Some(vec![line_hash(&url)]));
        assert_eq!(hash(&format!("A=1\r{url}"), 2), None);
        assert_eq!(hash(&format!("\u{feff}{url}"), 1), None);
        assert_eq!(hash(&url, 2), None);
    }
}
