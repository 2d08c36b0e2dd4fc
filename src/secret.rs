//! Secrets, their fingerprints, and the scrubber that every output passes.
//!
//! A [`Secret`] has no `Debug`, `Display`, `Serialize` or `Clone`, so that it cannot reach a report
//! by accident. Making one also makes it known to the scrubber ([`scrub`]), so that no caller can
//! forget to: a secret that other code copies into a text (an error message of a library,
//! a log line, a server that echoes) is cut out at the door.

mod controls;
mod scrubber;

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

pub use controls::{sanitize, sanitize_lines};
pub use scrubber::scrub;

/// A text that must never be shown: an admin key, an instance secret, a password.
///
/// It is wiped when dropped, and known to [`scrub`] from the moment it is made.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` into custody and makes it, its lines, its hex part and its usual encodings
    /// known to the scrubber.
    pub fn new(text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        scrubber::remember(&text);
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

/// Makes a text that is hidden, because nothing is known of it, known to the scrubber: a name is
/// shown nevertheless where it is told ([`add_name`]).
pub fn suspect(text: &str) {
    scrubber::suspect(text);
}

/// Makes the name of a container, a volume, a project or a service known: it may be shown, whatever
/// it looks like, unless it is known to be a secret.
pub fn add_name(name: &str) {
    let is_name_of_docker = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if is_name_of_docker {
        scrubber::add_name(name);
    }
}

/// Whether a text was told to be such a name.
pub fn is_name(text: &str) -> bool {
    scrubber::is_name(text)
}

/// A short, comparable name of a secret: the first 8 hex digits of HMAC-SHA256(key = the secret's
/// text, message = `convex-doctor fingerprint v1`). Useless to an attacker for 256-bit secrets, and
/// never made for anything weaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
}
