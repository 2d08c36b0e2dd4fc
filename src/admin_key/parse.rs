//! How the backend takes a key's text apart, and where in a mangled text the key may be.

use zeroize::Zeroizing;

use super::text::{TypePrefix, is_blank, is_quote};
use super::{KeyFault, KeyPath, cipher};

/// A key's text as the broker sees it.
pub(super) struct Parts<'a> {
    pub name: Option<&'a str>,
    pub hex: &'a str,
}

/// Takes a text apart as the backend does on this path (authentication.rs,
/// `AdminKey::remove_type_prefix`, broker.rs).
pub(super) fn take_apart(text: &str, path: KeyPath) -> Result<Parts<'_>, KeyFault> {
    let mut rest = text;
    if path == KeyPath::Header {
        if let Some((name, hex)) = rest.split_once('|')
            && let Some((kind, _)) = name.split_once(':')
        {
            let whole = TypePrefix::of(kind).drops_the_name();
            rest = if whole { hex } else { &rest[kind.len() + 1..] };
        }
        if let Some((key, acting)) = rest.split_once(':') {
            acting_user(acting).ok_or(KeyFault::ActingUser)?;
            rest = key;
        }
    }
    Ok(match rest.split_once('|') {
        None => Parts { name: None, hex: rest },
        Some((name, hex)) => {
            Parts { name: Some(name.split_once(':').map_or(name, |(_, name)| name)), hex }
        }
    })
}

/// Whether this is an identity to act as: base64 of a JSON object that names an issuer and a
/// subject or a token.
fn acting_user(base64: &str) -> Option<()> {
    let json: serde_json::Value = serde_json::from_slice(&base64_decode(base64)?).ok()?;
    let has = |name: &str| json.get(name).is_some_and(serde_json::Value::is_string);
    (has("tokenIdentifier") || has("issuer") && has("subject")).then_some(())
}

fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if digits.len() % 4 == 1 || text.len() - digits.len() > 2 {
        return None;
    }
    let (mut out, mut word, mut bits) = (Vec::new(), 0u32, 0);
    for byte in digits.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        word = word << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.extend(u8::try_from(word >> bits));
            word &= (1 << bits) - 1;
        }
    }
    (word == 0).then_some(out)
}

/// The binary key. The backend's hex reader takes `0x` since 2026-07.
pub(super) fn wire(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.is_empty() {
        return Err(KeyFault::Empty);
    }
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(KeyFault::NotHexDigit);
    }
    let wire = Zeroizing::new(hex::decode(digits).map_err(|_| KeyFault::OddDigits)?);
    if wire[0] != cipher::VERSION {
        return Err(KeyFault::WrongVersionByte);
    }
    if wire.len() < cipher::SHORTEST {
        return Err(KeyFault::TooShort);
    }
    Ok(wire)
}

/// Every stretch of hex digits that may be a whole key, whatever surrounds it; also with spaces and
/// quotes taken out.
pub(super) fn hex_candidates(text: &str) -> Vec<Zeroizing<String>> {
    let mut joined = Zeroizing::new(String::with_capacity(text.len()));
    joined.extend(text.chars().filter(|c| !is_blank(*c) && !is_quote(*c) && *c != '\\'));
    let mut found: Vec<Zeroizing<String>> = Vec::new();
    for text in [text, &joined] {
        let text = Zeroizing::new(text.replace("%7C", "|").replace("%7c", "|"));
        for run in text.split(|c: char| !c.is_ascii_hexdigit()) {
            let long = run.len() >= 2 * cipher::SHORTEST && run.len() % 2 == 0;
            if long && run.starts_with("01") && found.iter().all(|known| known.as_str() != run) {
                found.push(Zeroizing::new(run.to_owned()));
            }
        }
    }
    found.truncate(16);
    found
}

/// `text` without the one line end that a pipe or a file adds.
pub fn strip_one_line_end(text: &str) -> &str {
    let Some(line) = text.strip_suffix('\n') else { return text };
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_only() {
        for (text, left) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), ("a", "a")]
        {
            assert_eq!(strip_one_line_end(text), left);
        }
    }

    #[test]
    fn identities_to_act_as() {
        assert!(acting_user("eyJ0b2tlbklkZW50aWZpZXIiOiJhfGIifQ==").is_some());
        for text in ["", "e30=", "W10=", "eyJ0", "a", "====", "eyJpc3N1ZXIiOiJhIn0=", "01ab"] {
            assert!(acting_user(text).is_none(), "{text}");
        }
    }
}
