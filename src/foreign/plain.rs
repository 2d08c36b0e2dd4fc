//! Free text of another program: a sentence of a parser, a line of a log, an error of an engine. Of
//! it only what is known to be harmless is shown: words, numbers, names and paths made of them.

use std::sync::LazyLock;

use regex::Regex;

use super::patterns::{HIDDEN, mask};
use super::secret_names::names_a_secret;
use crate::secret::{Secret, is_name, sanitize, suspect};

/// The text as far as plain words go, on one line. What is hidden becomes known to the scrubber.
pub fn words(text: &str) -> String {
    let text = masked(text);
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(' ') {
        let (word, blank) = word.strip_suffix(' ').map_or((word, ""), |word| (word, " "));
        out.push_str(&shown(word));
        out.push_str(blank);
    }
    out
}

/// Without what looks like a secret, and without control characters.
pub(super) fn masked(text: &str) -> String {
    let masked = mask(text);
    let clean = sanitize(&masked);
    // A line end is an end for the mask, and is not one once it is written out: what is admitted again,
    // from a bundle, would lose more.
    if clean == masked { clean } else { mask(&clean) }
}

/// A URL as it was typed, without what may be secret: the user and the password, and of the path, the
/// query and the fragment what is not plain. A host is shown: it is what the report is about.
pub fn url(typed: &str) -> String {
    static HOST: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"^(?i-u:https?)://(?:\*\*\*@)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?",
        )
        .expect("a pattern of this file is valid")
    });
    // Without a scheme it is no URL yet, and what is before the `@` no less secret.
    let masked = match typed.rsplit_once('@') {
        Some((info, host)) if !typed.contains(":/") && !typed.contains(":\\") => {
            let (user, password) = info.split_once(':').unwrap_or(("", info));
            drop(Secret::new(password));
            let colon = if user.is_empty() { "" } else { ":" };
            sanitize(&format!("{user}{colon}{HIDDEN}@{}", mask(host)))
        }
        _ => sanitize(&mask(typed)),
    };
    let host = HOST.find(&masked).map_or(0, |found| found.end());
    let rest = &masked[host..];
    let ends = rest.is_empty() || rest.starts_with(['/', '?', '#', ' ', '\\']);
    let (before, rest) = if ends { (&masked[..host], rest) } else { ("", masked.as_str()) };
    format!("{before}{}", parts(rest))
}

/// A value that is shown because its name says nothing of a secret: what looks like one, and runs of
/// letters and digits that are no words, are hidden; so are short ones where one word has several.
pub fn value(text: &str) -> String {
    const SHORTEST: usize = 10;
    let masked = mask(text);
    let words = masked.split_inclusive(char::is_whitespace).map(|word| {
        let is_sign = |c: char| !c.is_alphanumeric();
        let has_several = word.split(is_sign).filter(|run| is_odd(run)).nth(1).is_some();
        runs(word, |run| {
            (run.len() >= SHORTEST && !is_plain_part(run)) || (has_several && is_odd(run))
        })
    });
    words.collect()
}

/// What is shown of a line of a file, beside the values that are hidden anyway; where any value may
/// be secret, plain parts alone. What a variable says to be its default, or of its being needed, is
/// free text.
pub(super) fn visible(piece: &str, guarded: bool) -> String {
    static SAID: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(\$\{[A-Za-z_][A-Za-z0-9_]*:?[?+-])([^{}]+)")
            .expect("a pattern of this file is valid")
    });
    if guarded {
        return parts(&mask(piece));
    }
    let piece = SAID.replace_all(piece, |found: &regex::Captures<'_>| {
        format!("{}{}", &found[1], words(&found[2]))
    });
    value(&piece)
}

/// Every part that is not plain is hidden.
fn parts(text: &str) -> String {
    let has_several = text.split(|c: char| !c.is_alphanumeric()).filter(|run| is_odd(run)).nth(1);
    runs(text, |run| !is_plain_part(run) || (has_several.is_some() && is_odd(run)))
}

/// The text with `***` for the runs of letters and digits that are to be hidden.
fn runs(text: &str, is_hidden: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        // An escape that `sanitize` wrote.
        let is_escape = out.ends_with('\\') && run.len() == 5 && run.starts_with('u');
        if !run.is_empty() && !is_escape && is_hidden(run) {
            suspect(run);
            out.push_str(HIDDEN);
        } else {
            out.push_str(run);
        }
        let sign = after.chars().next().map_or(0, char::len_utf8);
        out.push_str(&after[..sign]);
        rest = &after[sign..];
    }
    out
}

/// Makes a variable's value known to the scrubber where its name says that it is secret, and what
/// looks like a secret in any other. A path is not secret.
pub fn learn(name: &str, value: &str) {
    let is_path = value.starts_with(['/', '~', '.']);
    if names_a_secret(name) && !is_path {
        drop(Secret::new(value));
    } else {
        drop(mask(value));
    }
}

/// Makes known what the lines of a file say of secrets: before anything of it is shown, and also
/// where it cannot be understood.
pub fn learn_file(text: &str) {
    for line in text.lines() {
        // A line without a sign between a name and a value holds none that can be told.
        if line.contains([':', '=', '|']) {
            drop(mask(line));
        }
    }
}

/// One word with the signs around it.
fn shown(word: &str) -> String {
    let is_frame = |c: char| "\"'`()[]{}<>,.;:!?…*".contains(c);
    let core = word.trim_matches(is_frame);
    if !core.contains(char::is_alphanumeric) || is_plain(core) || is_name(core) {
        return word.to_owned();
    }
    let start = word.len() - word.trim_start_matches(is_frame).len();
    suspect(core);
    format!("{}{HIDDEN}{}", &word[..start], &word[start + core.len()..])
}

/// Whether a word is known to be harmless.
pub fn is_plain(word: &str) -> bool {
    static TIME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T_ ][0-9]{2}:?[0-9]{2}:?[0-9]{2}(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?$",
        )
        .expect("a pattern of this file is valid")
    });
    // A variable as a shell or Compose writes it: its name alone is plain.
    static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*)$)")
            .expect("a pattern of this file is valid")
    });
    // An escape that `sanitize` wrote is not one of the text's own words.
    static ESCAPE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\\u[0-9a-f]{4}").expect("a pattern of this file is valid"));
    // A path is public by nature; a secret in it was masked by its form.
    static PATH: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"^(?:unix://|npipe://|file://)?(?:~|\.{1,2})?/[0-9A-Za-z_./@+~=-]*(?::[0-9]+)*$",
        )
        .expect("a pattern of this file is valid")
    });
    // Most words are neither: to look costs less than to compile what would look closer.
    let starts_with_digit = word.starts_with(|c: char| c.is_ascii_digit());
    if (starts_with_digit && TIME.is_match(word)) || (word.contains('/') && PATH.is_match(word)) {
        return true;
    }
    let word = if word.contains("\\u") { ESCAPE.replace_all(word, " ") } else { word.into() };
    // A bare `$name` that is glued to other text is part of a value.
    let variables = |found: &regex::Captures<'_>| {
        let whole = found.get(0).map_or(0, |part| part.start()) == 0;
        match (found.get(1), found.get(2)) {
            (Some(name), _) => name.as_str().to_owned(),
            (_, Some(name)) if whole => name.as_str().to_owned(),
            _ => "$".to_owned(),
        }
    };
    let word = if word.contains('$') { VARIABLE.replace_all(&word, variables) } else { word };
    let is_between = |c: char| "/:.-_=,+()[]{}\"'`<>|;&@ →←✖✓*…".contains(c);
    let is_plain = word.split(is_between).all(|part| part == "$" || is_plain_part(part));
    is_plain && word.split(is_between).filter(|part| is_odd(part)).nth(1).is_none()
}

/// Whether so short a part may be anything: alone it tells nothing, and several of them with a sign
/// between them are a password.
fn is_odd(part: &str) -> bool {
    let inner = part.trim_matches(|c: char| c.is_ascii_alphabetic());
    let is_between = !inner.is_empty() && inner.len() < part.len();
    is_between
        && part.bytes().any(|byte| byte.is_ascii_uppercase())
        && part.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// Whether a part of a word between two signs is a word of a language, a number, or both in the way
/// of `utf8`, `v2` and `512MB`. Digits between letters are what passwords are made of.
fn is_plain_part(part: &str) -> bool {
    const LONGEST_WORD: usize = 26;
    let length = part.chars().count();
    if part.chars().all(char::is_alphabetic) {
        return length <= LONGEST_WORD;
    }
    if part.bytes().all(|byte| byte.is_ascii_digit()) {
        return length <= 19;
    }
    if !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        // `100%`, `#12`
        let bare = part.strip_suffix('%').or_else(|| part.strip_prefix('#'));
        return bare.is_some_and(|bare| bare.bytes().all(|byte| byte.is_ascii_digit()));
    }
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if length <= 12 && part.bytes().all(is_hex) {
        return true;
    }
    let digits = part.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let letters = part.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_ordinal = letters.len() < part.len()
        && letters.len() <= 4
        && letters.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_numbered = digits.len() <= 4
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && length - digits.len() <= LONGEST_WORD;
    is_ordinal || is_numbered || length <= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay() {
        for text in [
            "2026-11-30T11:37:01.727571Z  INFO common::http: backend listening on 0.0.0.0:3210",
            "error connecting to server: Connection refused (os error 111)",
            "service \"backend\" depends on undefined service \"db\": invalid compose project",
            "thread main panicked at crates/local_backend/src/main.rs:123: could not open",
            "mkdir: cannot create directory '/convex/data/tmp': Permission denied",
            "exec: \"ps\": executable file not found in $PATH: unknown",
            "Bind for 0.0.0.0:3210 failed: port is already allocated",
            "required variable API_PORT is missing a value: set it",
            "GET https://api.convex.dev/api/self_host_beacon took 12ms, 100% of 512MB",
            "✖ CONVEX_DEPLOYMENT must not be set when CONVEX_SELF_HOSTED_URL is set",
            "größer als 3 日本語",
            "image ghcr.io/get-convex/convex-backend:latest, commit 3f2a9c1d07be",
        ] {
            assert_eq!(words(text), text);
        }
    }

    #[test]
    fn of_a_url_the_host_is_shown() {
        for (typed, shown) in [
            ("http://127.0.0.1:3210", "http://127.0.0.1:3210"),
            ("https://k3s9dk2jd8skq7.example.com/api/", "https://k3s9dk2jd8skq7.example.com/api/"),
            ("http://zq7HunterVeryLong42@h", "http://***@h"),
            ("http://u:p/zq7HunterVeryLong42@h", "http://u:***@h"),
            ("http://h:3210/zq7HunterVeryLong42/x", "http://h:3210/***/x"),
            ("http://h?p=zq7HunterVeryLong42", "http://h?p=***"),
            ("http://h#zq7HunterVeryLong42", "http://h#***"),
            ("http://127.0.0.1:9/#a3Xn*a5By", "http://127.0.0.1:9/#***\u{2a}***"),
            ("http://h:zq7HunterVeryLong42", "http://h:***"),
            ("zq7HunterVeryLong42", "***"),
            ("http://[::1]:3210", "http://[::1]:3210"),
            ("me:hunter22@h:3210", "me:***@h:3210"),
            ("http://me:p@ss@h/x", "http://me:***@h/x"),
            ("http://h\u{1b}[2J", "http://h\\u001b[2J"),
            ("http://${HOST}:3210", "http://${HOST}:3210"),
        ] {
            assert_eq!(url(typed), shown, "{typed}");
        }
    }

    #[test]
    fn a_value_is_shown_as_far_as_it_is_no_secret() {
        for (text, shown) in [
            ("info,common::errors=debug", "info,common::errors=debug"),
            ("Host(`a.example`) && PathPrefix(`/x`)", "Host(`a.example`) && PathPrefix(`/x`)"),
            ("-Xmx512m -Dx=1", "-Xmx512m -Dx=1"),
            ("x zq7HunterVeryLong42 y", "x *** y"),
            ("s6Tk_u4Hq K8s x86_64", "***_*** K8s x86_64"),
            ("postgres://u:hunter22@db/x", "postgres://u:***@db/x"),
        ] {
            assert_eq!(value(text), shown, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_to_be_harmless_is_hidden() {
        for (text, shown) in [
            ("unknown anchor 'zq7HunterVeryLong42' referenced", "unknown anchor '***' referenced"),
            (
                "additional properties 'root:$6$salt$hash:1:0:9:7:::' not allowed",
                "additional properties '***:::' not allowed",
            ),
            ("value Abc$ecretPart9 is bad", "value *** is bad"),
            ("got aB3$xY9! here", "got ***! here"),
            ("Tr0ub4dor and p4ssw0rd", "*** and ***"),
            ("r4Uh+b2Si K8s", "*** K8s"),
            ("\u{1b}[31mred", "\\u001b[31mred"),
        ] {
            assert_eq!(words(text), shown, "{text}");
        }
    }
}
