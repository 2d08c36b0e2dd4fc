//! Admin keys: what a key's text shows without a secret ([`shape()`]), what the backend says to it
//! ([`judge`]), what it holds ([`open`]), and how one is made ([`mint`]).
//!
//! Pure: no clock, no randomness, no I/O. It knows neither containers nor files, and shows nothing
//! of a key but the name before the `|`, which is public.

mod cipher;
mod claims;
mod inspect;
mod parse;
mod repair;
mod shape;
mod text;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use claims::{Claims, KeyKind};
pub use inspect::{Inspection, Opened, VerdictWord, inspect, inspect_json, refused};
pub use parse::strip_one_line_end;
pub use repair::repaired;
pub use shape::{Form, Shape, ShapeFault, fingerprint, shape};
pub use text::TypePrefix;

use crate::secret::{Fingerprint, Secret};

/// The 32 bytes that all keys of an instance are sealed with. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct InstanceSecret([u8; 32]);

/// Why a text is not an instance secret, in the words with which the backend refuses to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// A digit is missing or one too many.
    #[error("Couldn't hexdecode key: odd number of digits")]
    OddDigits,
    /// Something that is not a hex digit: quotes, spaces, a carriage return, a chosen password.
    #[error("Couldn't hexdecode key: invalid character {character:?} at position {position}")]
    NotHex {
        /// The first such character.
        character: char,
        /// Its place in bytes, from 0.
        position: usize,
    },
    /// Hex, but not of 32 bytes; 0 for an empty text.
    #[error("Hex-decoded key was {0} bytes, not 32")]
    Length(usize),
}

impl InstanceSecret {
    /// Reads 64 hex digits in either case, `0x` before them allowed (by the backend since 2026-07).
    /// Nothing is trimmed.
    pub fn parse(secret: &Secret) -> Result<Self, SecretFault> {
        let text = secret.expose();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut bytes = Zeroizing::new([0u8; 32]);
        if digits.len() % 2 == 1 {
            return Err(SecretFault::OddDigits);
        }
        if let Some((position, character)) =
            digits.char_indices().find(|(_, c)| !c.is_ascii_hexdigit())
        {
            return Err(SecretFault::NotHex { character, position });
        }
        hex::decode_to_slice(digits, &mut *bytes)
            .map_err(|_| SecretFault::Length(digits.len() / 2))?;
        Ok(Self(*bytes))
    }

    /// Makes a secret of 32 random bytes that the caller drew.
    pub fn generate_from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 64 lower-case hex digits.
    pub fn to_text(&self) -> Secret {
        Secret::new(hex::encode(self.0))
    }

    /// Its comparable name.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_text(&Zeroizing::new(hex::encode(self.0)))
    }
}

/// The way a key takes to the backend, which reads it differently on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPath {
    /// `Authorization: Convex KEY`: `preview:` and `project:` drop the whole name, a further `:`
    /// begins an identity to act as.
    Header,
    /// `adminKey` in a JSON body, the query or the WebSocket: only the text up to the first `:` of
    /// the name is dropped.
    Body,
}

/// Why a text is not a key, in the order in which the backend finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// What follows a further `:` is no identity to act as: 400 instead of 401.
    #[error("the text after another `:` is not an identity to act as")]
    ActingUser,
    /// There are no hex digits at all.
    #[error("there are no hex digits")]
    Empty,
    /// A digit is missing or one too many.
    #[error("the number of hex digits is odd")]
    OddDigits,
    /// Something that is not a hex digit is among them.
    #[error("it contains characters that are not hex digits")]
    NotHexDigit,
    /// The first byte is not 01.
    #[error("it does not begin with the version byte 01")]
    WrongVersionByte,
    /// Too short for nonce and tag.
    #[error("it is too short to be a whole key")]
    TooShort,
    /// It opens, but what is inside is no `AdminKey`.
    #[error("it decrypts, but is not an admin key")]
    NotAnAdminKey,
    /// It opens, but neither before a `|` nor inside is there an instance name.
    #[error("it decrypts, but names no instance")]
    NoName,
    /// It opens, but its issue time is 0 or absent.
    #[error("it decrypts, but has no creation time")]
    NoIssueTime,
    /// It opens, but names neither a member nor the system.
    #[error("it decrypts, but names no member")]
    NoIdentity,
}

/// What the backend says to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyVerdict {
    /// It lets the bearer in. (For a system key `check_admin_key` answers 403 all the same.)
    Accepted(Claims),
    /// It opens; the name differs.
    WrongInstance {
        /// What it says.
        claims: Claims,
        /// The name that the backend compared.
        key_name: String,
    },
    /// It has the form of a key and does not open: another secret, or altered.
    WrongSecret,
    /// It is not a key, or what it holds is not complete.
    Malformed(KeyFault),
}

/// What a payload turned out to be.
enum Sealed {
    Claims(Claims),
    Foreign,
    Closed,
}

/// Tries both seals, the newer first. As in the backend, a payload that does not parse counts as
/// not opened.
fn unseal(secret: &InstanceSecret, wire: &[u8]) -> Sealed {
    let mut sealed = Sealed::Closed;
    for legacy in [false, true] {
        let open = if legacy { cipher::open_legacy } else { cipher::open_siv };
        let Some(plain) = open(&secret.0, wire) else { continue };
        match Claims::decode(&plain, legacy) {
            Some(claims) => return Sealed::Claims(claims),
            None => sealed = Sealed::Foreign,
        }
    }
    sealed
}

/// What a backend with this secret and name says to the text as it is. The HTTP layer in front
/// of it is not asked: see [`accepted_in_header`].
pub fn judge(
    key: &Secret,
    secret: &InstanceSecret,
    instance_name: &str,
    path: KeyPath,
) -> KeyVerdict {
    judge_text(key.expose(), secret, instance_name, path)
}

fn judge_text(
    text: &str,
    secret: &InstanceSecret,
    instance_name: &str,
    path: KeyPath,
) -> KeyVerdict {
    let parts = match parse::take_apart(text, path) {
        Ok(parts) => parts,
        Err(fault) => return KeyVerdict::Malformed(fault),
    };
    let wire = match parse::wire(parts.hex) {
        Ok(wire) => wire,
        Err(fault) => return KeyVerdict::Malformed(fault),
    };
    let claims = match unseal(secret, &wire) {
        Sealed::Claims(claims) => claims,
        Sealed::Foreign => return KeyVerdict::Malformed(KeyFault::NotAnAdminKey),
        Sealed::Closed => return KeyVerdict::WrongSecret,
    };
    let Some(key_name) = parts.name.or(claims.inner_name.as_deref()) else {
        return KeyVerdict::Malformed(KeyFault::NoName);
    };
    if key_name != instance_name {
        let key_name = key_name.to_owned();
        return KeyVerdict::WrongInstance { claims, key_name };
    }
    if claims.issued_s == 0 {
        return KeyVerdict::Malformed(KeyFault::NoIssueTime);
    }
    if claims.kind.is_none() {
        return KeyVerdict::Malformed(KeyFault::NoIdentity);
    }
    KeyVerdict::Accepted(claims)
}

/// Whether `Authorization: Convex KEY` gets in. HTTP trims spaces and tabs at the end and lets
/// through visible ASCII only.
pub fn accepted_in_header(key: &Secret, secret: &InstanceSecret, instance_name: &str) -> bool {
    let text = key.expose().trim_end_matches([' ', '\t']);
    text.chars().all(|c| c == '\t' || c == ' ' || c.is_ascii_graphic())
        && matches!(
            judge_text(text, secret, instance_name, KeyPath::Header),
            KeyVerdict::Accepted(_)
        )
}

/// Whether `{"adminKey": KEY}` gets in, as the push of the CLI sends it. Nothing is trimmed.
pub fn accepted_in_body(key: &Secret, secret: &InstanceSecret, instance_name: &str) -> bool {
    matches!(judge(key, secret, instance_name, KeyPath::Body), KeyVerdict::Accepted(_))
}

/// What the key says, whatever name is before it and whatever a careless copy put around it
/// (label, quotes, spaces, line breaks): so that a key that no backend takes can still be traced to
/// its instance.
pub fn open(key: &Secret, secret: &InstanceSecret) -> Option<Claims> {
    BinaryKey::of(key).open(secret)
}

/// What is sealed in a key's text, taken out once, to be tried on many secrets.
pub struct BinaryKey(Vec<Zeroizing<Vec<u8>>>);

impl BinaryKey {
    /// Of a text with a key in it, as for [`open`].
    pub fn of(key: &Secret) -> Self {
        let found = parse::hex_candidates(key.expose());
        Self(found.iter().filter_map(|digits| parse::wire(digits).ok()).collect())
    }

    /// What the key says; `None` where this secret does not open it.
    pub fn open(&self, secret: &InstanceSecret) -> Option<Claims> {
        self.0.iter().find_map(|wire| match unseal(secret, wire) {
            Sealed::Claims(claims) => Some(claims),
            Sealed::Foreign | Sealed::Closed => None,
        })
    }
}

/// A key as `generate_admin_key.sh` makes it. The caller draws the nonce at random, once per key.
pub fn mint(
    secret: &InstanceSecret,
    name: &str,
    issued_s: u64,
    nonce: [u8; 12],
    read_only: bool,
) -> Secret {
    mint_claims(secret, Some(name), &Claims::of_member_zero(issued_s, read_only), nonce)
}

/// A key with these claims in the present form, without `name|` if there is no name.
/// `claims.legacy` is not asked.
pub fn mint_claims(
    secret: &InstanceSecret,
    name: Option<&str>,
    claims: &Claims,
    nonce: [u8; 12],
) -> Secret {
    let plain = Zeroizing::new(claims.encode());
    text(name, &cipher::seal_siv(&secret.0, nonce, &plain))
}

/// The same in the form used before 2025-06.
pub fn mint_legacy(
    secret: &InstanceSecret,
    name: Option<&str>,
    claims: &Claims,
    nonce: [u8; 24],
) -> Secret {
    let plain = Zeroizing::new(claims.encode());
    text(name, &cipher::seal_legacy(&secret.0, nonce, &plain))
}

fn text(name: Option<&str>, wire: &[u8]) -> Secret {
    let digits = Zeroizing::new(hex::encode(wire));
    Secret::new(match name {
        Some(name) => format!("{name}|{}", *digits),
        None => String::clone(&digits),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> InstanceSecret {
        InstanceSecret::generate_from([9; 32])
    }

    fn sealed(plain_hex: &str) -> String {
        hex::encode(cipher::seal_siv(&[9; 32], [3; 12], &hex::decode(plain_hex).unwrap()))
    }

    fn say(text: &str, path: KeyPath) -> &'static str {
        match judge_text(text, &secret(), "app", path) {
            KeyVerdict::Accepted(_) => "accepted",
            KeyVerdict::WrongInstance { .. } => "wrong_instance",
            KeyVerdict::WrongSecret => "wrong_secret",
            KeyVerdict::Malformed(_) => "malformed",
        }
    }

    #[test]
    fn faults_come_in_the_backends_order() {
        let cases = [
            ("app|", "10011800", "accepted"),
            ("app|", "1800", "malformed"),        // no issue time
            ("app|", "1001", "malformed"),        // no member
            ("other|", "1800", "wrong_instance"), // the name comes first
            ("app|", "1001180000", "malformed"),  // trailing garbage in the protobuf
            ("app|", "10012200", "accepted"),
            ("app|", "0a03617070100118003007", "accepted"),
            ("other|", "0a0361707010011800", "wrong_instance"), // the outer name counts
            ("", "0a0361707010011800", "accepted"),
            ("", "0a0010011800", "wrong_instance"), // an empty name inside is a name
            ("", "10011800", "malformed"),
            ("", "", "malformed"),
            ("|", "10011800", "wrong_instance"), // an empty name before | is a name
            ("app|x|", "10011800", "malformed"),
            ("app|0y", "10011800", "malformed"),
        ];
        for (name, plain, expected) in cases {
            let text = format!("{name}{}", sealed(plain));
            for path in [KeyPath::Header, KeyPath::Body] {
                assert_eq!(say(&text, path), expected, "{name} {plain} {path:?}");
            }
        }
    }

    #[test]
    fn header_and_body_take_prefixes_apart_differently() {
        let hex = sealed("10011800");
        let named = sealed("0a0361707010011800");
        let acting = "eyJpc3N1ZXIiOiJhIiwic3ViamVjdCI6ImIifQ==";
        for (text, header, body) in [
            (format!("banana:app|{hex}"), "accepted", "accepted"),
            (format!(":app|{hex}"), "accepted", "accepted"),
            (format!("PREVIEW:app|{hex}"), "malformed", "accepted"),
            (format!("preview:team:app|{hex}"), "malformed", "wrong_instance"),
            (format!("project:team|{named}"), "accepted", "wrong_instance"),
            (format!("project:x|app|{hex}"), "accepted", "malformed"),
            (format!("a:b:app|{hex}"), "malformed", "wrong_instance"),
            (format!("app|{hex}:{acting}"), "accepted", "malformed"),
            (format!("app|{hex}:e30="), "malformed", "malformed"),
            (format!("dev:{named}"), "malformed", "malformed"),
            (format!("app|{}", hex.to_uppercase()), "accepted", "accepted"),
            (format!("app|02{}", &hex[2..]), "malformed", "malformed"),
            (format!("app|{hex}00"), "wrong_secret", "wrong_secret"),
            (format!("App|{hex}"), "wrong_instance", "wrong_instance"),
            (format!("äpp|{hex}"), "wrong_instance", "wrong_instance"),
        ] {
            assert_eq!(say(&text, KeyPath::Header), header, "header {text}");
            assert_eq!(say(&text, KeyPath::Body), body, "body {text}");
        }
    }

    #[test]
    fn secrets_are_refused_in_the_backends_words() {
        let digits = "0F".repeat(32);
        assert!(InstanceSecret::parse(&Secret::new(&*digits)).is_ok());
        assert!(InstanceSecret::parse(&Secret::new(format!("0x{digits}"))).is_ok());
        for (text, words) in [
            (String::new(), "Hex-decoded key was 0 bytes, not 32"),
            (format!("{digits}00"), "Hex-decoded key was 33 bytes, not 32"),
            ("hunter2".into(), "Couldn't hexdecode key: odd number of digits"),
            ("zz".into(), "Couldn't hexdecode key: invalid character 'z' at position 0"),
            (
                format!("{digits}\r\n"),
                "Couldn't hexdecode key: invalid character '\\r' at position 64",
            ),
        ] {
            let fault = InstanceSecret::parse(&Secret::new(&*text)).err().unwrap();
            assert_eq!(fault.to_string(), words);
        }
    }

    #[test]
    fn a_mangled_key_is_still_traced() {
        let hex = sealed("10011800");
        for text in [
            format!("Admin key:\napp|{hex}"),
            format!("\"app|{hex}\""),
            format!("app%7C{hex}\r\n"),
            format!("app|{}\n  {}", &hex[..40], &hex[40..]),
            format!("Convex app|{hex}"),
            format!("project:app|{hex} "),
            format!("0x{hex}"),
        ] {
            assert!(open(&Secret::new(&*text), &secret()).is_some(), "{text}");
        }
    }
}
