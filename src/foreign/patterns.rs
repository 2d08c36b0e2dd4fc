//! What a secret looks like in a text that was not taken apart: by the name before it, by the place
//! where it stands, by its own form.

use std::borrow::Cow;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use regex::bytes::{Captures, Regex, RegexBuilder};

use super::secret_names::{ENDS, WHOLE, names_a_secret};
use crate::secret::Secret;

/// Whether a whole text is an admin key or an instance secret.
pub fn is_key_or_secret(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = text.strip_prefix("0x").unwrap_or(text);
    (digits.len() == 64 && is_hex(digits))
        || text.split_once("|01").is_some_and(|(_, rest)| rest.len() >= 40 && is_hex(rest))
}

/// Of bytes: what a letter is beyond ASCII is not asked, and to compile Unicode's classes takes longer
/// than a whole run may take. What is found begins and ends with whole letters all the same: every
/// pattern's ends are signs of ASCII.
fn pattern(text: &str) -> Regex {
    RegexBuilder::new(text).unicode(false).build().expect("a pattern of this file is valid")
}

/// A private key, as a whole where it is on one line.
static PEM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*-----|$)")
});

/// The forms that are secret wherever they stand.
static FORMS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        // An admin key after its name.
        r"(?P<bar>\||%7[cC]|\\u007[cC]|&#124;|&#x7[cC];)(?P<key> ?01[0-9a-fA-F]{14,})",
        // A JSON web token, and tokens of well-known services.
        r"|(?P<token>eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}(?:\.[0-9A-Za-z_-]*)?",
        r"|(?:AKIA|ASIA)[0-9A-Z]{12,}|gh[pousr]_[0-9A-Za-z]{16,}|github_pat_[0-9A-Za-z_]{16,}",
        r"|(?-u:\b|_)glpat-[0-9A-Za-z_-]{12,}|(?-u:\b|_)npm_[0-9A-Za-z]{16,}",
        r"|xox[a-z]-[0-9A-Za-z-]{10,}|AIza[0-9A-Za-z_-]{20,}",
        r"|(?-u:\b|_)(?:sk|pk|rk)[-_](?:[a-z]+[-_])*[0-9A-Za-z]{12,}",
        r"|dop_v1_[0-9A-Za-z]{16,}|(?-u:\b|_)hf_[0-9A-Za-z]{16,})",
        // Hex digits that are no digest and no commit.
        r"|(?P<digest>(?:sha256|sha512|sha1|md5):[0-9a-fA-F]{32,})",
        r"|(?P<hex>0[xX][0-9a-fA-F]{32,}|(?-u:\b)01[0-9a-fA-F]{38,}|[0-9a-fA-F]{41,})",
    ))
});

/// A password or a token before the host of a URL: up to the last `@` of the word, for a password
/// may hold `/` and `@`.
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"((?i-u:https?|wss?|postgres(?:ql)?|mysql|redis|mongodb(?:\+srv)?|amqps?|smtps?|ftp|s3):[/\\]{1,3}|://)([^ \t\r\n"'<>`]*)@"#,
    )
});

/// A value after `?name=` or `&name=`.
static QUERY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"([?&][0-9A-Za-z_.\[\]~-]{1,64}=)([^& \t\r\n"'<>`#]+)"#));

/// `name = value`, `"name": "value"`. A bracket ends a value, unless the value goes on after it. A name in other letters than ASCII's ends with a word of one.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"((?:[A-Za-z_]|ñ|Ñ)(?:[0-9A-Za-z_.-]|ñ|Ñ){1,63})(\\?["']?[ \t]{0,4}(?:=>|:=|[=:])[ \t]{0,4}(?:\\?["'])?)("?)([^ \t\r\n,;&)}\]"'\\`]+(?:[)}\]]+[0-9A-Za-z][^ \t\r\n,;&)}\]"'\\`]*)*)"#,
    )
});

/// `--name value`. A `-` in a word begins none.
static FLAG: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"((?-u:\B)--?([A-Za-z][0-9A-Za-z_-]{1,63})(?:[ \t]{1,4}|=))["']?([^ \t\r\n"',;)}\]]+(?:[)}\]]+[0-9A-Za-z][^ \t\r\n"',;)}\]]*)*)"#,
    )
});

/// `Bearer value`. Looked for by itself: it may be the value of a flag.
static SCHEME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"((?i-u:\b(?:bearer|basic))(?:[ \t]{1,4}|=))["']?([^ \t\r\n"',;)}\]]+)"#)
});

/// `Convex KEY`, as the header has it; by itself, for a `Bearer` may follow.
static CONVEX: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"((?i-u:\bconvex)(?:[ \t]{1,4}|=))["']?([^ \t\r\n"',;)}\]]+)"#));

/// What stands for it.
pub(super) const HIDDEN: &str = "***";

/// Masks what a text holds of secrets: passwords in URLs, admin keys, values after a name that says
/// that they are secret, tokens, and long runs of hex digits that are no digest. A `||` of a shell or
/// a router rule, and a commit's 40 digits, stay as they are. What is masked becomes known to the
/// scrubber.
pub fn mask(text: &str) -> String {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let is_much = SEEN.fetch_add(text.len(), Ordering::Relaxed) > MUCH;
    let mut out = text.to_owned();
    if out.contains('@') {
        out = replaced(out, &USER_INFO, user_info);
    }
    if out.contains(BEGIN) {
        out = replaced(out, &PEM, pem);
    }
    if is_much || may_have_form(&out) {
        out = replaced(out, &FORMS, form);
    }
    // After the forms: base64 and paths have the same characters, and a path can contain a form.
    if may_have_base64(&out) {
        out = without_base64(&out);
    }
    if out.contains(['?', '&']) {
        out = replaced(out, &QUERY, query);
    }
    if is_much || has_word(&out, &["bearer", "basic"]) {
        out = replaced(out, &SCHEME, after_scheme);
    }
    if is_much || has_word(&out, &["convex"]) {
        out = replaced(out, &CONVEX, after_scheme);
    }
    if is_much || may_have_flag(&out) {
        out = replaced(out, &FLAG, after_flag);
    }
    if is_much || may_have_named(&out) {
        out = replaced(out, &NAMED, named);
    }
    out
}

/// After so many bytes of all texts together, to compile the patterns is worth it, and to look before
/// they are tried is not any more. What is found is the same.
const MUCH: usize = 64 * 1024;

/// How a private key begins.
const BEGIN: &str = "-----BEGIN";

/// What a text with one of [`FORMS`] has. To look for it costs far less than the pattern: most texts
/// are short, and hold none.
fn may_have_form(text: &str) -> bool {
    const SHORTEST: usize = 16;
    /// The fewest hex digits of a form that nothing announces: those after `sha1:` and the like.
    const DIGITS: usize = 32;
    const STARTS: [&str; 17] = [
        "eyJ",
        "AKIA",
        "ASIA",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "npm_",
        "xox",
        "AIza",
        "dop_v1_",
        "hf_",
        "|",
        "%7",
    ];
    const ESCAPES: [&str; 3] = ["\\u007", "&#124;", "&#x7"];
    /// Before the `-` or `_` of a service's own key.
    const KINDS: [&[u8]; 3] = [b"sk", b"pk", b"rk"];
    if text.len() < SHORTEST {
        return false;
    }
    let is_key = |pair: &[u8]| KINDS.contains(&&pair[..2]) && matches!(pair[2], b'-' | b'_');
    longest_run(text, |byte| byte.is_ascii_hexdigit()) >= DIGITS
        || STARTS.iter().chain(&ESCAPES).any(|start| text.contains(start))
        || text.as_bytes().windows(3).any(is_key)
}

/// Whether a flag may begin in it: a `-` that is not in a word, before a letter or another one.
fn may_have_flag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    let begins = |at: usize| {
        bytes[at] == b'-'
            && !at.checked_sub(1).is_some_and(|before| is_word(bytes[before]))
            && bytes.get(at + 1).is_some_and(|next| *next == b'-' || next.is_ascii_alphabetic())
    };
    (0..bytes.len()).any(begins)
}

/// Whether a name that says that its value is secret may stand before a `=` or `:`: one of its words
/// is in what is before the sign.
fn may_have_named(text: &str) -> bool {
    /// As many signs and blanks as [`NAMED`] takes between them, and the longest name.
    const BETWEEN: usize = 8;
    const NAME: usize = 64;
    let is_name = |c: &char| c.is_ascii_alphanumeric() || "_.-ñÑ".contains(*c);
    let says = |(at, _): (usize, &str)| {
        let mut back = text[..at].chars().rev().peekable();
        for _ in 0..BETWEEN {
            let _between = back.next_if(|c| !is_name(c));
        }
        let mut name: Vec<char> = back.take_while(is_name).take(NAME).collect();
        name.reverse();
        let name = String::from_iter(name).to_uppercase();
        let words = ENDS.iter().chain(WHOLE).chain(&["PWD", "PASS", "KEY"]);
        words.into_iter().any(|word| name.contains(word))
    };
    text.match_indices(['=', ':']).any(says)
}

/// Whether it has one of these words, in whatever case.
fn has_word(text: &str, words: &[&str]) -> bool {
    let bytes = text.as_bytes();
    let is_at = |word: &str| {
        bytes.windows(word.len()).any(|there| there.eq_ignore_ascii_case(word.as_bytes()))
    };
    words.iter().any(|word| is_at(word))
}

fn longest_run(text: &str, is_in: fn(u8) -> bool) -> usize {
    let runs = text.as_bytes().split(|byte| !is_in(*byte));
    runs.map(<[u8]>::len).max().unwrap_or_default()
}

/// A key's length in base64, or more.
const BASE64: usize = 40;

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/_-".contains(&byte)
}

fn may_have_base64(text: &str) -> bool {
    longest_run(text, is_base64) >= BASE64
}

/// The text without base64 of a key or more.
fn without_base64(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii() && is_base64(c as u8)) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let end = from.find(|c: char| !(c.is_ascii() && is_base64(c as u8))).unwrap_or(from.len());
        let run = &from[..end];
        // With what fills it up.
        let filled = &from[end..];
        let padding = if run.len() < BASE64 {
            0
        } else {
            filled.len() - filled.trim_start_matches('=').len()
        };
        let whole = &from[..end + padding.min(2)];
        if run.len() >= BASE64 && is_encoded(whole) {
            hide(whole);
            out.push_str(HIDDEN);
        } else {
            out.push_str(whole);
        }
        rest = &from[whole.len()..];
    }
    out.push_str(rest);
    out
}

/// A user's name before the host of a URL is shorter than what is a token there.
const SHORTEST_TOKEN: usize = 8;

/// So many times what is after a name is looked at again for another name in it.
const NESTED: usize = 16;

/// The text with what `by` makes of each place; where it makes nothing, the search goes on after the
/// place's first group, for what follows a harmless name may be another (`https: DB_PASSWORD=…`).
fn replaced(text: String, pattern: &Regex, by: fn(&Found<'_>) -> Option<String>) -> String {
    let mut out = String::new();
    let (mut done, mut at) = (0, 0);
    let (mut last_end, mut again) = (0, 0);
    while let Some(found) = pattern.captures_at(text.as_bytes(), at).map(Found) {
        let Some(whole) = found.0.get(0) else { break };
        if let Some(new) = by(&found) {
            out.push_str(&text[done..whole.start()]);
            out.push_str(&new);
            (done, at) = (whole.end(), whole.end());
            continue;
        }
        again = if whole.end() == last_end { again + 1 } else { 0 };
        last_end = whole.end();
        at = match found.0.get(1) {
            Some(first) if again < NESTED => first.end(),
            _ => whole.end(),
        };
    }
    if done == 0 {
        return text;
    }
    out.push_str(&text[done..]);
    out
}

/// What a pattern found.
struct Found<'t>(Captures<'t>);

impl<'t> Found<'t> {
    /// A group's text; empty where it took no part.
    fn part(&self, group: usize) -> Cow<'t, str> {
        let bytes = self.0.get(group).map_or(&[][..], |part| part.as_bytes());
        String::from_utf8_lossy(bytes)
    }

    /// The same of a group with a name, where it took part.
    fn named(&self, group: &str) -> Option<Cow<'t, str>> {
        self.0.name(group).map(|part| String::from_utf8_lossy(part.as_bytes()))
    }
}

fn hide(secret: &str) {
    drop(Secret::new(secret));
}

fn pem(found: &Found<'_>) -> Option<String> {
    hide(&found.part(0));
    Some(HIDDEN.to_owned())
}

fn user_info(found: &Found<'_>) -> Option<String> {
    let (before, info) = (&*found.part(1), &*found.part(2));
    let (user, secret) = match info.split_once(':') {
        Some((user, password)) if is_word(user) && !password.is_empty() => (user, password),
        _ if info.is_empty() => return None,
        // The name of a user alone, as ssh has it; a token is longer, or no word.
        None if is_word(info) && info.len() < SHORTEST_TOKEN => return None,
        _ => ("", info),
    };
    hide(secret);
    let colon = if user.is_empty() && !info.starts_with(':') { "" } else { ":" };
    Some(format!("{before}{user}{colon}{HIDDEN}@"))
}

fn form(found: &Found<'_>) -> Option<String> {
    let part = |name: &str| found.named(name);
    if part("digest").is_some() {
        return None;
    }
    if let (Some(bar), Some(key)) = (part("bar"), part("key")) {
        hide(key.trim());
        return Some(format!("{bar}{HIDDEN}"));
    }
    // What is before a token is no part of it: alone, it is the same.
    let whole = found.part(0);
    let (before, secret) = match whole.strip_prefix('_') {
        Some(secret) => ("_", secret),
        None => ("", &*whole),
    };
    // Docker names a nameless volume with as many digits: hidden here, it stays readable elsewhere.
    if part("hex").is_none_or(|digits| digits.len() != 64) {
        hide(secret);
    }
    Some(format!("{before}{HIDDEN}"))
}

fn query(found: &Found<'_>) -> Option<String> {
    let (before, value) = (&*found.part(1), &*found.part(2));
    if is_harmless(value) {
        return None;
    }
    hide(value);
    Some(format!("{before}{HIDDEN}"))
}

fn after_flag(found: &Found<'_>) -> Option<String> {
    let (before, name, value) = (&*found.part(1), &*found.part(2), &*found.part(3));
    // `--password is required`
    let is_prose = is_word(value) && value.len() <= 3;
    if !names_a_secret(name) || is_prose || is_open(value) {
        return None;
    }
    hide(value);
    Some(format!("{before}{HIDDEN}"))
}

fn after_scheme(found: &Found<'_>) -> Option<String> {
    let (before, value) = (&*found.part(1), &*found.part(2));
    // `Convex KEY`, and not `npx convex dev`.
    let is_command = before.to_ascii_lowercase().starts_with("convex");
    if is_command && !value.contains(['|', '%']) {
        return None;
    }
    // `basic authentication`
    if is_word(value) || is_open(value) {
        return None;
    }
    hide(value);
    Some(format!("{before}{HIDDEN}"))
}

/// Another flag, a place for a value, a variable, or what was hidden already.
fn is_open(value: &str) -> bool {
    value.starts_with(['-', '<', '$']) || value.starts_with(HIDDEN)
}

fn named(found: &Found<'_>) -> Option<String> {
    let (name, between, value) = (&*found.part(1), &*found.part(2), &*found.part(4));
    // `secret: Permission denied`
    let says = value.len() < 12
        && value.bytes().all(|byte| byte.is_ascii_alphabetic())
        && value.bytes().skip(1).all(|byte| byte.is_ascii_lowercase());
    let is_prose = between.trim() == ":" && between.len() > 1 && (says || is_word(value));
    let is_open = value.starts_with(['<', '$', '/']) || value.starts_with(HIDDEN);
    if !names_a_secret(name) || is_prose || is_open {
        return None;
    }
    hide(value);
    Some(format!("{name}{between}{}{HIDDEN}", found.part(3)))
}

/// Small letters alone.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 24 && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A word, a number, a truth value: what a query of a URL says openly.
fn is_harmless(text: &str) -> bool {
    is_word(text) || (text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a long run of base64's digits is an encoded text, and not a path or a long name: those
/// have words, or are numbers. Encoded letters may come without any digit.
fn is_encoded(text: &str) -> bool {
    const SHORTEST: usize = 16;
    let count = |test: fn(&u8) -> bool| text.as_bytes().iter().filter(|byte| test(byte)).count();
    let (small, capital) = (count(u8::is_ascii_lowercase), count(u8::is_ascii_uppercase));
    let digits = count(u8::is_ascii_digit);
    if small == 0 || capital == 0 {
        return false;
    }
    let longest = text.split(['/', '_', '-']).map(str::len).max().unwrap_or_default();
    // `Name` has three small letters in a row, and one more that is its own.
    let names = text.split(|c: char| !c.is_ascii_lowercase()).map(str::len);
    let in_names: usize = names.filter(|length| *length >= 3).map(|length| length + 1).sum();
    // A word in capitals has no other letters beside it.
    let words = text.split(|c: char| !c.is_ascii_alphabetic());
    let capitals = words.filter(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()));
    let in_capitals: usize = capitals.map(str::len).filter(|length| *length >= 4).sum();
    let has_no_words = (in_names + in_capitals) * 2 <= small + capital && digits * 2 < text.len();
    has_no_words || (digits > 0 && longest >= SHORTEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the patterns are about, and what is beside it.
    const PIECES: &[&str] = &[
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "|",
        "%7C",
        "\\u007c",
        "&#124;",
        "&#x7C;",
        "01",
        "0123456789abcdef",
        "0F1E2D3C4B5A6978",
        "0x",
        "eyJhbGciOiJIUzI1",
        ".",
        "AKIA",
        "IOSFODNN7EXAMPLE",
        "ghp_",
        "github_pat_",
        "glpat-",
        "npm_",
        "xoxb-",
        "AIza",
        "sk_",
        "pk-",
        "live",
        "dop_v1_",
        "hf_",
        "sha256:",
        "@",
        "://",
        "https",
        "?",
        "&",
        "=",
        ":",
        ":=",
        "=>",
        " ",
        "    ",
        "\t",
        "-",
        "--",
        "_",
        "bearer",
        "Basic",
        "CONVEX",
        "convex",
        "password",
        "adminKey",
        "contraseña",
        "Ñ",
        "KEY",
        "name",
        "zq7Hunter9",
        "\"",
        "'",
        "\\",
        "/",
        "+",
        "a",
        "7",
        "aB3",
        "cDZXcjRZeTlNazdYcjNBYzVCdzRK",
        "\n",
        ",",
        "ü",
    ];

    proptest! {
        /// Looking before a pattern is tried is faster, and finds no less.
        #[test]
        fn what_is_not_tried_would_not_have_matched(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..14)
        ) {
            let text = pieces.concat();
            let bytes = text.as_bytes();
            prop_assert!(text.contains(BEGIN) || !PEM.is_match(bytes), "{}", text);
            prop_assert!(may_have_form(&text) || text.len() < 16 || !FORMS.is_match(bytes), "{}", text);
            prop_assert!(may_have_flag(&text) || !FLAG.is_match(bytes), "{}", text);
            let base64 = regex::Regex::new(r"[0-9A-Za-z+/_-]{40,}={0,2}").unwrap();
            prop_assert!(may_have_base64(&text) || !base64.is_match(&text), "{}", text);
            let by_pattern = |found: &regex::Captures<'_>| {
                let hidden = if is_encoded(&found[0]) { HIDDEN } else { &found[0] };
                hidden.to_owned()
            };
            prop_assert_eq!(without_base64(&text), base64.replace_all(&text, by_pattern));
            for pattern in [&SCHEME, &CONVEX] {
                let is_looked_for = has_word(&text, &["bearer", "basic", "convex"]);
                prop_assert!(is_looked_for || !pattern.is_match(bytes), "{}", text);
            }
            let mut all = NAMED.captures_iter(bytes).map(Found);
            let named = all.any(|found| named(&found).is_some());
            prop_assert!(may_have_named(&text) || !named, "{}", text);
            // What is found is cut out of a text: it must not end within a letter.
            for pattern in [&PEM, &FORMS, &USER_INFO, &QUERY, &NAMED, &FLAG, &SCHEME, &CONVEX] {
                for group in pattern.captures_iter(bytes).flat_map(|found| {
                    found.iter().flatten().map(|group| group.range()).collect::<Vec<_>>()
                }) {
                    prop_assert!(text.get(group).is_some(), "{}", text);
                }
            }
        }
    }

    const SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff1";
    const PASSWORD: &str = "zq7HunterVeryLong42";

    #[test]
    fn each_form_is_looked_for() {
        for start in [
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "glpat-",
            "npm_",
            "xoxb-",
            "AIza",
            "sk_",
            "pk-",
            "rk_",
            "dop_v1_",
            "hf_",
            "AKIA",
            "ASIA",
            "|01",
            "%7C01",
            "\\u007c01",
            "&#124;01",
            "&#x7C;01",
        ] {
            let text = format!("{start}{}", "0123456789ABCDEF01234567");
            assert!(FORMS.is_match(text.as_bytes()) && may_have_form(&text), "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_as_docker_compose_has_it() {
        for text in [
            "curl -f http://localhost:3210/version || exit 1",
            "PathPrefix(`/a`) || Host(`b`)",
            "8d1b3e0aa8d1b3e0aa8d1b3e0aa8d1b3e0aa8d1b",
            "info|warn",
            &format!("image@sha256:{SECRET}"),
            "postgres://db:5432/app?sslmode=require",
            "basic authentication is not used",
            "the key: value pairs",
            "Couldn't hexdecode key: odd number of digits",
            "traefik.http.routers.convex.rule=Host(`a.example`)",
            "/convex/data/storage/modules/exports/snapshot-imports/files/x",
            "app/backup-2026-11-30T11-37-01-000Z-a1b2c3-x1.tar",
            "/Volumes/Data/CI1/550e8400-E29B-41d4-a716-446655440000",
            "CONVEX_SELF_HOSTED_ADMIN_KEY_OF_PRODUCTION_x1",
            "aNameOfManyWordsThatSomebodyGaveToAVolumeOfHisOwn",
        ] {
            assert_eq!(mask(text), text);
        }
        for name in [
            "TOKENIZERS_PARALLELISM",
            "MY_KEYBOARD",
            "COMPASS",
            "INSTANCE_NAME",
            "CONVEX_CLOUD_ORIGIN",
            "PASSENGER_COUNT",
            "MONKEYS",
            "RUST_LOG",
            "DISABLE_BEACON",
            "POSTGRES_DB",
        ] {
            assert!(!names_a_secret(name), "{name}");
        }
    }

    #[test]
    fn a_name_says_that_its_value_is_secret() {
        for name in [
            "INSTANCE_SECRET",
            "POSTGRES_PASSWORD",
            "MY_API_KEY",
            "PGPASS",
            "SECRETS",
            "DBPASS",
            "MYSQL_PWD",
            "PASSWORD1",
            "SECRET1",
            "KEY1",
            "TOKEN2",
            "SECRETKEY",
            "PRIVATEKEY",
            "ENCRYPTIONKEY",
            "ACCESSKEY",
            "secretKeyBase",
            "REDIS_AUTH",
            "BASIC_AUTH",
            "CREDS",
            "JWT",
            "OTP",
            "SALT",
            "DSN",
            "Password2",
            "PW",
            "adminKey",
            "db.password",
            "passwort",
            "requirepass",
            "AWS_SECRET_ACCESS_KEY",
        ] {
            assert!(names_a_secret(name), "{name}");
        }
        assert!(is_key_or_secret(SECRET) && is_key_or_secret(&format!("0x{SECRET}")));
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let key = format!("01{}", "ab".repeat(36));
        for (text, masked) in [
            ("postgres://u:hunter22@h/db".to_owned(), "postgres://u:***@h/db"),
            (format!("postgres://u:ab/{PASSWORD}@h"), "postgres://u:***@h"),
            (format!("postgres://u:ab@{PASSWORD}@h"), "postgres://u:***@h"),
            (format!("https://{PASSWORD}@h/x"), "https://***@h/x"),
            (format!("http:/u:{PASSWORD}@h"), "http:/u:***@h"),
            (format!("http://h/?password={PASSWORD}&a=b"), "http://h/?password=***&a=b"),
            (format!("http://h/?p={PASSWORD}"), "http://h/?p=***"),
            (format!("host=h password={PASSWORD} user=u"), "host=h password=*** user=u"),
            (format!("--instance-secret {SECRET} x"), "--instance-secret *** x"),
            (format!("--password {PASSWORD} x"), "--password *** x"),
            (format!("--admin-key={PASSWORD}"), "--admin-key=***"),
            (format!("sh -c \"DB_PASSWORD={PASSWORD} x\""), "sh -c \"DB_PASSWORD=*** x\""),
            (format!("a|{key}"), "a|***"),
            (format!("name%7C{key}"), "name%7C***"),
            (format!("{{\"adminKey\":\"name\\u007c{key}\"}}"), "{\"adminKey\":\"***\\u007c***\"}"),
            (format!("0x{SECRET}"), "***"),
            (format!("{SECRET}{SECRET}"), "***"),
            (
                format!("/srv/deep/directory/of/an/app/{SECRET}/x"),
                "/srv/deep/directory/of/an/app/***/x",
            ),
            (key.clone(), "***"),
            (format!("password: {PASSWORD}"), "password: ***"),
            (format!("\"password\":\"{PASSWORD}\""), "\"password\":\"***\""),
            (format!("Authorization: Bearer {PASSWORD}"), "Authorization: Bearer ***"),
            (format!("Basic {PASSWORD}"), "Basic ***"),
            ("AKIAIOSFODNN7EXAMPLE1".to_owned(), "***"),
            (format!("ghp_{}", "aB3".repeat(12)), "***"),
            (format!("app_glpat-{PASSWORD}"), "app_***"),
            ("cDZXcjRZeTlNazdYcjNBYzVCdzRKdTVBaDdXYjhaZzlZ".to_owned(), "***"),
            ("ajJSYTNHaTJaYTVBczhCYTNLcjNHdjNNYjdBdTRVdzdI".to_owned(), "***"),
            ("x KcN/q5JG4mNqG6Qjepa/19hkrbdXb/Ea+fEgFIMlYJ+D".to_owned(), "x ***"),
            (format!("convex-self-hosted Bearer {PASSWORD}"), "convex-self-hosted Bearer ***"),
            (format!("--auth Bearer {PASSWORD}"), "--auth *** ***"),
            (format!("https: DB_PASSWORD={PASSWORD} //x"), "https: DB_PASSWORD=*** //x"),
            (format!("Error:\t\"secret\": \"{PASSWORD}\""), "Error:\t\"secret\": \"***\""),
            (format!("--env --password {PASSWORD}"), "--env --password ***"),
            (format!("/srv/convex Bearer {PASSWORD}"), "/srv/convex Bearer ***"),
            ("kRqgaM/Xe99z88m54C74/z/IZHBIWU/pXFR6kLxhq7wt".to_owned(), "***"),
            (format!("(PGPASSWORD=ab]{PASSWORD}) x"), "(PGPASSWORD=***) x"),
            ("x -----BEGIN PRIVATE KEY-----MIIEvQ".to_owned(), "x ***"),
        ] {
            assert_eq!(mask(&text), masked, "{text}");
        }
    }
}
