//! The one gate for foreign text: what others wrote becomes text of ours only through it, and what it
//! lets through is what it knows to be harmless. [`mask`] hides what looks like a secret in a name or
//! a value that is shown; [`words`] shows of free text only the plain words; [`excerpt`] shows a line
//! of a file. What is hidden becomes known to the scrubber.

mod gate;
mod patterns;
mod plain;
mod redact;
mod secret_names;

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::secret::{Secret, sanitize};

use patterns::HIDDEN;

pub use gate::{Admitted, name, variable};
pub use patterns::{is_key_or_secret, mask};
pub use plain::{is_plain, learn, learn_file, url, value, words};
pub use redact::{Hidden, Redacted, redact};
pub use secret_names::names_a_secret;

/// Longer lines are cut: an excerpt needs no more of them.
const LONGEST_LINE: usize = 160;

/// How far from the beginning of a line a column may be, in characters, and how long a line that is
/// looked at as a whole, in bytes.
const WINDOW: usize = 16 * 1024;

/// One line of a file as a report may show it, and the columns to mark in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line without what may be secret, and without control characters.
    pub text: String,
    /// What is at fault: character columns in `text`, from 0, never empty.
    pub mark: Range<usize>,
}

/// The line of `text` with that number, marked at `column` (both from 1); `None` where there is no
/// such line or column.
///
/// What is shown is chosen by the keys above: Compose's own words (`image`, `ports`, a volume) are
/// shown but for a password or a key in them; of an environment, a command, a `.env` file and of
/// lines without a key only the names are shown, because any value in them may be secret.
pub fn excerpt(text: &str, line: usize, column: usize) -> Option<Excerpt> {
    shown(text, line, column, true, None)
}

/// The same for an error about a file that cannot be read: what its `message` names is a file.
pub fn excerpt_naming_file(
    text: &str,
    line: usize,
    column: usize,
    message: &str,
) -> Option<Excerpt> {
    shown(text, line, column, true, Some(message))
}

/// The line as [`excerpt`] has it, of a file that was read and understood: its secrets are known,
/// and what else is hidden (an origin, a port) may be shown in other places.
pub fn of_known_file(text: &str, line: usize) -> Option<String> {
    shown(text, line, 1, false, None).map(|excerpt| excerpt.text)
}

fn shown(
    text: &str,
    line: usize,
    column: usize,
    remember: bool,
    message: Option<&str>,
) -> Option<Excerpt> {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let whole = *lines.get(line.checked_sub(1)?)?;
    let whole = whole.strip_prefix('\u{feff}').unwrap_or(whole);
    let whole = match window(whole, column) {
        Window::Line(part) => part,
        Window::Far => return Some(Excerpt { text: HIDDEN.to_owned(), mark: 0..HIDDEN.len() }),
    };
    let guarded = is_guarded(&lines);
    let pieces = pieces(whole, guarded);
    let mut out = String::new();
    let mut mark = None;
    let mut columns = 0;
    // How many characters `out` has: counted again for each piece, a line would cost its square.
    let mut start = 0;
    for (piece, hidden) in pieces {
        let width = piece.chars().count();
        let wanted = column.checked_sub(columns + 1).filter(|offset| *offset < width);
        if hidden && !is_file_name(piece, message) {
            if remember {
                drop(Secret::new(piece));
            }
            out.push_str(HIDDEN);
            if wanted.is_some() {
                mark = Some(start);
            }
            start += HIDDEN.len();
        } else {
            let clean = plain::visible(piece, guarded);
            let moved = clean != piece;
            if let Some(offset) = wanted {
                mark = Some(if moved { start } else { start + offset });
            }
            out.push_str(&clean);
            start += clean.chars().count();
        }
        columns += width;
    }
    let width = start;
    let mark = mark.map_or(width..width + 1, |start| start..start + token(&out, start));
    let (text, mark) = cut(&out, mark);
    Some(Excerpt { text, mark })
}

/// What is looked at of a line.
#[derive(Debug, PartialEq, Eq)]
enum Window<'t> {
    /// It from its beginning: what is a key, and what is in quotes, is known from there alone.
    Line(&'t str),
    /// Nothing: the column is too far from the beginning.
    Far,
}

/// The part of a line that is looked at for this column.
fn window(line: &str, column: usize) -> Window<'_> {
    if line.len() <= WINDOW {
        return Window::Line(line);
    }
    let end = |count: usize| line.char_indices().nth(count).map_or(line.len(), |(at, _)| at);
    let at = end(column.min(WINDOW));
    if column > WINDOW && at < line.len() {
        return Window::Far;
    }
    let rest = &line[at..];
    let more = rest.char_indices().nth(4 * LONGEST_LINE).map_or(rest.len(), |(at, _)| at);
    Window::Line(&line[..at + more])
}

/// Whether a value is the name of a file: of one that the error message names, or by its ending.
/// A file's name is not a secret, and the error says nothing without it.
fn is_file_name(piece: &str, message: Option<&str>) -> bool {
    let name = piece.trim().trim_matches(['"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/ ~".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return false;
    }
    let file = name.rsplit('/').next().unwrap_or(name);
    let ends = [".yml", ".yaml", ".env"].iter().any(|end| file.to_ascii_lowercase().ends_with(end));
    let path = name.trim_start_matches("./");
    let named = message.is_some_and(|message| {
        message.match_indices(path).any(|(at, _)| {
            let (before, after) = (&message[..at], &message[at + path.len()..]);
            let whole = before.ends_with('/') || (path.starts_with('/') && before.ends_with(' '));
            whole && (after.is_empty() || after.starts_with([':', ' ']))
        })
    });
    ends || file.starts_with(".env") || (!path.is_empty() && named)
}

/// Service keys whose values are Compose's own words, names and paths.
const OPEN: &[&str] = &[
    "build",
    "cap_add",
    "cap_drop",
    "condition",
    "container_name",
    "context",
    "depends_on",
    "dockerfile",
    "driver",
    "env_file",
    "expose",
    "extends",
    "external",
    "file",
    "hostname",
    "image",
    "include",
    "interval",
    "mode",
    "name",
    "network_mode",
    "networks",
    "path",
    "platform",
    "ports",
    "profiles",
    "project_directory",
    "protocol",
    "published",
    "pull_policy",
    "read_only",
    "required",
    "restart",
    "retries",
    "service",
    "services",
    "source",
    "start_period",
    "stop_grace_period",
    "target",
    "timeout",
    "tmpfs",
    "type",
    "version",
    "volumes",
    "working_dir",
];
/// Keys below which any value may be secret.
const GUARDED: &[&str] = &[
    "environment",
    "args",
    "command",
    "entrypoint",
    "labels",
    "healthcheck",
    "content",
    "driver_opts",
    "options",
    "annotations",
];

fn key_pattern() -> &'static Regex {
    static KEY: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^[\s-]*(?:export\s+)?["']?([A-Za-z_][\w.-]*)["']?\s*(?::(?:\s|$)|=)"#)
            .expect("a pattern of this file is valid")
    });
    &KEY
}

/// Whether the last of these lines is where any value may be secret: by its own key, else by
/// those of the lines it is indented under.
fn is_guarded(lines: &[&str]) -> bool {
    static INSIDE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(&format!(r"\b(?:{})\s*:", GUARDED.join("|")))
            .expect("a pattern of this file is valid")
    });
    let indent = |line: &str| line.chars().take_while(|c| c.is_whitespace()).count();
    let Some(last) = lines.last() else { return true };
    // YAML indents with blanks alone: under what a line with a tab stands is not known.
    let margin = last.len() - last.trim_start().len();
    if last[..margin].bytes().any(|byte| byte != b' ') {
        return true;
    }
    let own = key_pattern().captures(last).map(|found| found[1].to_owned());
    let mut depth = indent(last);
    let mut parents = Vec::new();
    for line in lines.iter().rev().skip(1) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        // A list may have its key's own indent.
        let is_parent = indent(line) < depth
            || (parents.is_empty()
                && indent(line) == depth
                && last.trim_start().starts_with('-')
                && !line.trim_start().starts_with('-'));
        if is_parent {
            depth = indent(line);
            if let Some(found) = key_pattern().captures(line) {
                parents.push(found[1].to_owned());
            }
        }
        if depth == 0 {
            break;
        }
    }
    let own_is = |list: &[&str]| own.as_deref().is_some_and(|own| list.contains(&own));
    if parents.iter().any(|parent| GUARDED.contains(&parent.as_str()))
        || own_is(GUARDED)
        || INSIDE.is_match(last)
    {
        return true;
    }
    let known = parents.first().is_some_and(|parent| OPEN.contains(&parent.as_str()));
    !(own_is(OPEN) || known)
}

/// Cuts a line into what is shown and what is hidden.
fn pieces(line: &str, guarded: bool) -> Vec<(&str, bool)> {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"([A-Za-z_][\w.-]*)["']?\s*(?::\s+|=)("[^"]*"?|'[^']*'?|[^\s,{}\[\]]+)"#)
            .expect("a pattern of this file is valid")
    });
    // In a flow collection or a plain line: everything except keys and punctuation.
    static VALUE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"("[^"]*"?|'[^']*'?|[^\s,{}\[\]"':=-][^,{}\[\]]*)"#)
            .expect("a pattern of this file is valid")
    });
    static INNER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^["']?[A-Za-z_][\w.-]*["']?\s*(?::(?:\s|$)|=)\s*"#)
            .expect("a pattern of this file is valid")
    });
    let mut hidden: Vec<Range<usize>> = Vec::new();
    if guarded {
        let mut at = key_pattern().find(line).map_or(0, |found| found.end());
        while let Some(found) = VALUE.find_at(line, at) {
            let key = INNER.find(found.as_str()).map_or(0, |key| key.end());
            if key < found.len() {
                hidden.push(found.start() + key..found.end());
            }
            at = found.end();
        }
    } else {
        let named = NAMED.captures_iter(line).filter(|found| names_a_secret(&found[1]));
        hidden.extend(named.filter_map(|found| found.get(2)).map(|value| value.range()));
    }
    let mut pieces = Vec::new();
    let mut done = 0;
    for range in hidden {
        pieces.push((&line[done..range.start], false));
        pieces.push((&line[range.clone()], true));
        done = range.end;
    }
    pieces.push((&line[done..], false));
    pieces.retain(|(piece, _)| !piece.is_empty());
    pieces
}

/// The length of the word at `offset`, at least 1.
fn token(text: &str, offset: usize) -> usize {
    let rest: Vec<char> = text.chars().skip(offset).collect();
    let length = match rest.first() {
        Some(quote @ ('"' | '\'')) => {
            rest.iter().skip(1).position(|c| c == quote).map_or(rest.len(), |end| end + 2)
        }
        Some(c) if c.is_whitespace() => rest.iter().take_while(|c| c.is_whitespace()).count(),
        _ => {
            rest.iter().position(|c| c.is_whitespace() || ",]}".contains(*c)).unwrap_or(rest.len())
        }
    };
    let colon = length > 1 && rest.get(length - 1) == Some(&':');
    length.saturating_sub(usize::from(colon)).max(1)
}

/// The part of a long line round its mark, controls written out. Tabs become one blank each, so
/// that columns stay columns.
fn cut(text: &str, mark: Range<usize>) -> (String, Range<usize>) {
    let skipped =
        if text.chars().count() > LONGEST_LINE { mark.start.saturating_sub(60) } else { 0 };
    let part: String = text.chars().skip(skipped).take(LONGEST_LINE).collect();
    let dots = if skipped > 0 { "…" } else { "" };
    let clean = part.replace('\t', "→");
    let sane = sanitize(&clean);
    let start = mark.start - skipped + dots.chars().count();
    let end = start + mark.len().min(LONGEST_LINE);
    // A control character that was written out moves the columns: then the whole line is marked.
    let range = if sane == clean { start..end } else { 0..sane.chars().count().max(1) };
    (format!("{dots}{sane}"), range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_shown_and_no_other_value() {
        let line = " {include: [gone.yaml], services: {a: {env_file: '.env.prod', x: hunter2}}}";
        let known = " {include: [gone.yaml], services: {a: {env_file: '.env.prod', x: ***}}}";
        assert_eq!(excerpt(line, 1, 12).unwrap().text, known);
        let message = "env file /srv/app/secrets/prod not found: stat /srv/app/secrets/prod: no";
        for (line, shown) in [
            (
                "{services: {a: {env_file: ./secrets/prod, x: app}}}",
                "{services: {a: {env_file: ./secrets/prod, x: ***}}}",
            ),
            ("{services: {a: {env_file: ./secrets/pro}}}", "{services: {a: {env_file: ***}}}"),
            ("{services: {a: {x: hunter2}}}", "{services: {a: {x: ***}}}"),
            ("{services: {a: {x: not}}}", "{services: {a: {x: ***}}}"),
        ] {
            let excerpt = excerpt_naming_file(line, 1, 12, message).unwrap();
            assert_eq!(excerpt.text, shown, "{line}");
        }
        let other = "{services: {a: {env_file: ./secrets/prod}}}";
        assert_eq!(excerpt(other, 1, 1).unwrap().text, "{services: {a: {env_file: ***}}}");
    }

    #[test]
    fn what_a_variable_says_of_itself_is_free_text() {
        let line = "    hostname: \"${NOPE:?set v4Vn_e2Aj here}-${TAG:-latest}\"";
        let text = format!("services:\n  backend:\n{line}\n");
        let shown = "    hostname: \"${NOPE:?set *** here}-${TAG:-latest}\"";
        assert_eq!(excerpt(&text, 3, 5).unwrap().text, shown);
    }

    #[test]
    fn of_a_long_line_only_what_is_near_its_column_is_looked_at() {
        let line = format!("image: {}", "x".repeat(WINDOW));
        assert_eq!(window(&line, 8), Window::Line(&line[..8 + 4 * LONGEST_LINE]));
        assert_eq!(window(&line, WINDOW + 1), Window::Far);
        assert_eq!(window(&line[..WINDOW], WINDOW), Window::Line(&line[..WINDOW]));
        // Not a byte of a secret that begins before the window.
        let line = format!("password: '{}", "hunter2 ".repeat(WINDOW));
        let far = excerpt(&line, 1, 2 * WINDOW).unwrap();
        assert_eq!((far.text.as_str(), far.mark), ("***", 0..3));
        assert_eq!(excerpt(&line, 1, 1).unwrap().text, "password: ***");
    }

    #[test]
    fn marks_of_a_line_of_many_pieces_stay_where_they_were() {
        let line = format!("environment: [{}'b', c]", "'é', ".repeat(30));
        let at = line.chars().position(|c| c == 'b').unwrap();
        let excerpt = excerpt(&line, 1, at + 1).unwrap();
        let marked: String =
            excerpt.text.chars().skip(excerpt.mark.start).take(excerpt.mark.len()).collect();
        assert_eq!(marked, "***");
    }

    /// The line as shown, and what is marked of it.
    fn shown(text: &str, line: usize, column: usize) -> (String, String) {
        let excerpt = excerpt(text, line, column).unwrap();
        let marked = excerpt.text.chars().skip(excerpt.mark.start).take(excerpt.mark.len());
        let marked = marked.collect();
        (excerpt.text, marked)
    }

    #[test]
    fn a_line_is_shown_with_its_cause_marked() {
        let text = "services:\n  b:\n    volumez: [data:/d]\n    ports:\n    - \"99999:80\"\n\timage: x\n    image: a: b\n";
        for (line, column, expected, mark) in [
            (3, 5, "    volumez: [***]", "volumez"),
            (5, 7, "    - \"99999:80\"", "\"99999:80\""),
            (6, 1, "→image: ***", "→"),
            (7, 13, "    image: a: b", ":"),
            (2, 40, "  b:", ""),
        ] {
            let got = shown(text, line, column);
            assert_eq!(got, (expected.to_owned(), mark.to_owned()), "line {line}");
        }
        assert_eq!(excerpt(text, 9, 1), None);
        assert_eq!(excerpt(text, 0, 1), None);
    }

    #[test]
    fn no_value_of_an_environment_is_shown() {
        let text = "\
services:
  b:
    environment:
      A: hunter2
      - B=hunter2
      C:
        - hunter2 hunter2
        hunter2: \"hunter2
    environment: {A: [hunter2], B: 'hunter2'}
    command: run --password hunter2
    image: x${PASS:?hunter2
    x-foo: hunter2
    labels:
    - hunter2
    secrets: hunter2
    build: {args: {P: hunter2}}
";
        for line in 4..=16 {
            for column in [1, 5, 7, 12, 20, 80] {
                let got = excerpt(text, line, column).unwrap();
                // `image: x${PASS:?hunter2` is a name and its own message.
                let is_open = line == 11;
                assert!(
                    is_open
                        || !got.text.contains("hunter2")
                        || got.text.starts_with("        hunter2:"),
                    "{got:?}"
                );
                assert!(!got.mark.is_empty());
            }
        }
        assert_eq!(shown(text, 4, 10), ("      A: ***".to_owned(), "***".to_owned()));
        assert_eq!(shown(text, 5, 9), ("      - B=***".to_owned(), "B=***".to_owned()));
        assert_eq!(shown(text, 9, 19).0, "    environment: {A: [***], B: ***}");
        // A `.env` file has no keys above.
        assert_eq!(shown("A=hunter2\nexport B = 'hunter2\nhunter2\n", 2, 8).0, "export B = ***");
        assert_eq!(shown("A='hunter2\nhunter2\n", 2, 1).0, "***");
    }

    #[test]
    fn a_password_in_an_open_line_is_masked() {
        let text = "services:\n  b:\n    image: https://u:hunter22@host/x\n    volumes: [{password: hunter22}]\n";
        assert_eq!(shown(text, 3, 5).0, "    image: https://u:***@host/x");
        assert_eq!(shown(text, 4, 15).0, "    volumes: [{password: ***}]");
    }

    #[test]
    fn long_lines_are_cut_round_the_mark() {
        let text = format!("image: {}Xbbb {}", "a ".repeat(5000), "b ".repeat(5000));
        let (line, mark) = shown(&text, 1, 10_008);
        assert!(line.chars().count() <= LONGEST_LINE + 1, "{}", line.len());
        assert!(mark.starts_with("Xbbb"), "{mark}");
        let escaped = excerpt("image: \u{1b}[31m\n", 1, 8).unwrap();
        assert!(escaped.text.contains("\\u001b") && escaped.mark.start == 0, "{escaped:?}");
    }
}
