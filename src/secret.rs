//! Secrets, their fingerprints, and the scrubber that every output passes.
//!
//! A [`Secret`] has no `Debug`, `Display`, `Serialize` or `Clone`, so that it cannot reach a report
//! by accident. Making one also makes it known to the scrubber ([`scrub`]), so that no caller can
//! forget to: a secret that other code copies into a text (an error message of a library,
//! a log line, a server that echoes) is cut out at the door.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// Shorter texts are not searched for: they would blacken half of a report and protect nothing.
const SHORTEST_SCRUBBED: usize = 6;

/// A text of letters alone that is shorter than this is a word, which a report may need for other
/// things.
const SHORTEST_WORD: usize = 12;

/// A secret with more lines than this is not a key; as a whole it is still known.
const MOST_LINES: usize = 64;

/// Public words that people put where a secret belongs; cutting them out would only make the report
/// unreadable.
const PUBLIC_WORDS: &[&str] = &[
    "convex-self-hosted",
    "self-hosted-convex",
    "carnitas",
    "anonymous",
    "undefined",
    "localhost",
    // The script's label, which may come along in a key of several lines.
    "Admin key:",
];

/// Every secret met in this run, in each form in which it may turn up in a text; longest first.
static KNOWN: Mutex<Vec<Zeroizing<String>>> = Mutex::new(Vec::new());

/// A text that must never be shown: an admin key, an instance secret, a password.
///
/// It is wiped when dropped, and known to [`scrub`] from the moment it is made.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` into custody and makes it, its lines, its hex part and its usual encodings
    /// known to the scrubber.
    pub fn new(text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        remember(&text);
        Self(text)
    }

    /// The text itself. Callers use it for the cipher and for the one request it is meant for, and
    /// nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The length in characters (Unicode scalar values), which may be shown.
    pub fn chars(&self) -> usize {
        self.0.chars().count()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A short, comparable name of a secret: the first 8 hex digits of HMAC-SHA256(key = the secret's
/// text, message = `convex-doctor fingerprint v1`). Useless to an attacker for 256-bit secrets, and
/// never made for anything weaker.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of an instance secret: 64 hex digits in either case, `0x` before them
    /// allowed (as the backend takes them since 2026-07). `None` for anything else, which might be
    /// a guessable password.
    pub fn of_instance_secret(secret: &Secret) -> Option<Self> {
        let digits = secret.expose();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        (digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| Self::of_text(&Zeroizing::new(digits.to_ascii_lowercase())))
    }

    /// The fingerprint of any text. Callers have made sure that the text is a well-shaped key or
    /// secret.
    pub fn of_text(text: &str) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(text.as_bytes())
            .expect("HMAC takes keys of every length");
        mac.update(b"convex-doctor fingerprint v1");
        Self(hex::encode(&mac.finalize().into_bytes()[..4]))
    }

    /// The eight hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts every form of `text` that may turn up elsewhere on the list of the scrubber.
fn remember(text: &str) {
    let mut forms = Vec::new();
    let trimmed = text.trim();
    collect_forms(trimmed, &mut forms);
    for line in trimmed.lines().take(MOST_LINES).map(str::trim) {
        collect_forms(line, &mut forms);
        // The part after the name is the secret one; it also turns up alone.
        if let Some((_, rest)) = line.split_once('|') {
            collect_forms(rest, &mut forms);
        }
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    for form in forms {
        let form = Zeroizing::new(form);
        if !known.contains(&form) {
            known.push(form);
        }
    }
    known.sort_by_key(|form| std::cmp::Reverse(form.len()));
}

/// The text as it is, JSON-escaped, URL-encoded and in base64.
fn collect_forms(text: &str, forms: &mut Vec<String>) {
    // `postgres` as the password of postgres: cutting the word out everywhere would protect nothing
    // and take the names of services, volumes and variables with it. Where it is a password
    // it is masked where it is read.
    let is_word = text.len() < SHORTEST_WORD && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if text.chars().count() < SHORTEST_SCRUBBED || is_word || PUBLIC_WORDS.contains(&text) {
        return;
    }
    let json = serde_json::to_string(text).unwrap_or_default();
    forms.push(json.trim_matches('"').to_owned());
    let url: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    forms.push(url.replace('+', "%20"));
    forms.push(url);
    forms.push(base64(text.as_bytes()));
    forms.push(text.to_owned());
}

/// Standard base64 without padding, so that both padded and unpadded texts are found.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            let index = (word >> (18 - 6 * digit)) & 63;
            out.push(char::from(DIGITS[index as usize]));
        }
    }
    out
}

/// `text` without any secret met in this run (in whatever of the usual encodings, in either case)
/// and with control characters escaped, except for line ends, tabs and the colour sequences that
/// the renderers write.
pub fn scrub(text: &str) -> String {
    let mut text = without_known(text);
    let cleaned = escape_controls(&text, true);
    text.zeroize();
    cleaned
}

/// `text` with every control, bidirectional and invisible formatting character written as `\u001b`:
/// for foreign text on its way into a report, where even a colour sequence has no place.
pub fn sanitize(text: &str) -> String {
    // A line end in a container's name could begin a line of its own and forge a verdict.
    sanitize_lines(text).replace('\n', "\\u000a").replace('\t', "\\u0009")
}

/// [`sanitize`] for texts of our own, whose line ends and tabs stay.
pub fn sanitize_lines(text: &str) -> String {
    escape_controls(text, false)
}

fn without_known(text: &str) -> String {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = text.to_owned();
    for form in known.iter() {
        // Hex digits are shown in either case by other tools; ASCII folding keeps byte offsets.
        let folded = text.to_ascii_lowercase();
        let wanted = form.to_ascii_lowercase();
        let mut clean = String::new();
        let mut rest = 0;
        for (at, found) in folded.match_indices(&wanted) {
            clean.push_str(&text[rest..at]);
            clean.push_str("***");
            rest = at + found.len();
        }
        if rest > 0 {
            clean.push_str(&text[rest..]);
            text.zeroize();
            text = clean;
        }
    }
    text
}

fn escape_controls(text: &str, keep_colour: bool) -> String {
    let is_odd = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || is_invisible(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_odd) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if keep_colour && let Some(length) = colour_sequence(rest) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        let c = rest.chars().next().unwrap_or_default();
        let mut units = [0u16; 2];
        for unit in c.encode_utf16(&mut units) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
        rest = &rest[c.len_utf8()..];
    }
    out.push_str(rest);
    out
}

/// The length of an SGR sequence (`ESC [ digits ; m`) at the start of `text`.
fn colour_sequence(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\u{1b}[")?;
    let end = body.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    body[end..].starts_with('m').then_some(2 + end + 1)
}

/// Characters that turn a line's direction or hide in it: a container name could rewrite what the
/// reader sees.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `text` for a terminal that does not show UTF-8: the doctor's own signs in ASCII. Letters of
/// foreign names stay as they are.
pub fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '→' => out.push_str("->"),
            '←' => out.push_str("<-"),
            '✓' => out.push_str("ok"),
            '✗' | '✖' | '×' => out.push('x'),
            '·' | '│' => out.push('|'),
            '…' => out.push_str("..."),
            '—' => out.push_str("--"),
            '–' | '─' => out.push('-'),
            '“' | '”' => out.push('"'),
            '‘' | '’' => out.push('\''),
            '≥' => out.push_str(">="),
            '≤' => out.push_str("<="),
            '●' => out.push('*'),
            '\u{a0}' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "test-instance|01aaaabbbbccccddddeeeeffff000011112222333344445555666677778888999900001a";

    #[test]
    fn every_usual_form_of_a_secret_is_cut_out() {
        let secret = Secret::new(format!("{KEY}\n"));
        let hex = KEY.split_once('|').unwrap().1;
        let forms = [
            KEY.to_owned(),
            KEY.to_uppercase(),
            hex.to_owned(),
            KEY.replace('|', "%7C"),
            serde_json::to_string(KEY).unwrap(),
            base64(KEY.as_bytes()),
        ];
        for form in forms {
            let out = scrub(&format!("before {form} after"));
            assert!(out.contains("***"), "{form}");
            assert!(!out.to_lowercase().contains(&hex[10..]), "{out}");
            assert!(out.starts_with("before ") && out.trim_end().ends_with("after"));
        }
        assert_eq!(secret.chars(), KEY.len() + 1);
    }

    #[test]
    fn base64_is_the_standard_one() {
        for (text, expected) in
            [("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob?>", "Zm9vYj8+")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn a_fingerprint_is_made_of_64_digits_only() {
        let digits = "0F1E2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0";
        let upper = Fingerprint::of_instance_secret(&Secret::new(digits));
        let lower = Fingerprint::of_instance_secret(&Secret::new(digits.to_lowercase()));
        assert!(upper.is_some());
        assert_eq!(upper, lower);
        assert_eq!(upper, Fingerprint::of_instance_secret(&Secret::new(format!("0x{digits}"))));
        assert_eq!(Fingerprint::of_instance_secret(&Secret::new("hunter2")), None);
    }

    #[test]
    fn escapes_of_foreign_text_do_not_reach_the_terminal() {
        assert_eq!(sanitize("a\u{1b}[2Jb\r"), "a\\u001b[2Jb\\u000d");
        assert_eq!(sanitize("x\u{202e}y"), "x\\u202ey");
        assert_eq!(sanitize("x\nHEALTHY"), "x\\u000aHEALTHY");
        assert_eq!(sanitize_lines("x\n\u{7}y"), "x\n\\u0007y");
        assert_eq!(scrub("\u{1b}[31mred\u{1b}[0m\u{1b}[2J"), "\u{1b}[31mred\u{1b}[0m\\u001b[2J");
    }

    #[test]
    fn public_words_stay_readable() {
        let _password = Secret::new("synapse");
        assert_eq!(scrub("volume synapse_data"), "volume synapse_data");
        let _better = Secret::new("syn4pse");
        assert_eq!(scrub("syn4pse"), "***");
        let _taken = Secret::new("convex-self-hosted");
        assert_eq!(scrub("instance convex-self-hosted"), "instance convex-self-hosted");
    }
}
