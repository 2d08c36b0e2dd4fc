//! The value of a scalar, with a tag or without.

use granit_parser::{ScalarStyle, Tag};

use super::number;
use super::tree::Value;

/// The namespace of YAML's own tags.
const YAML: &str = "tag:yaml.org,2002:";

/// A tag as it is written.
pub(super) fn short(tag: &Tag) -> String {
    match tag.suffix_in_namespace(YAML) {
        Some(name) => format!("!!{name}"),
        None => format!("{}{}", tag.handle(), tag.suffix()),
    }
}

/// The value of a scalar; what Compose says of one that is not what its tag says, without the text.
pub(super) fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let name = tag.and_then(|tag| tag.suffix_in_namespace(YAML));
    match name.as_deref() {
        Some("binary") => binary(text),
        Some(wanted @ ("bool" | "int" | "float" | "null" | "timestamp")) => {
            let found = if wanted == "timestamp" {
                number::resolve(text)
            } else {
                number::resolve_no_time(text)
            };
            match found {
                #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
                Value::Int(number) if wanted == "float" => Ok(Value::Float(number as f64)),
                found if found.yaml_type() == wanted => Ok(found),
                found => Err(format!("cannot decode !!{} as a !!{wanted}", found.yaml_type())),
            }
        }
        // A tag that makes no other type, `!override` among them, makes a text of everything.
        None if tag.is_none() && style == ScalarStyle::Plain => Ok(number::resolve(text)),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// The text behind a `!!binary`, in base64 with any line ends.
fn binary(text: &str) -> Result<Value, String> {
    let invalid = || "!!binary value contains invalid base64 data".to_owned();
    let digits: Vec<u8> = text.bytes().filter(|byte| !b"\r\n".contains(byte)).collect();
    let padding = digits.iter().rev().take_while(|byte| **byte == b'=').count();
    if !digits.len().is_multiple_of(4) || padding > 2 {
        return Err(invalid());
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in digits.iter().take(digits.len() - padding) {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(invalid()),
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap_or_default());
        }
    }
    Ok(Value::Text(String::from_utf8_lossy(&bytes).into_owned()))
}
