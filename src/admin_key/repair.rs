//! A key freed of what was captured along with it: no digit is added, taken away or guessed.

use zeroize::Zeroizing;

use super::shape::{Form, ShapeFault, shape};
use super::text::{is_blank, is_quote};
use crate::secret::Secret;

/// What may come along before the key, in lower case; of several the last one counts.
const LABELS: &[&str] = &["admin key:", "adminkey:", "admin_key=", "convex ", "bearer "];

/// The key in a mangled text: without a label, a scheme, quotes, spaces and line breaks, `%7C` and
/// `0x` undone. `None` where that does not make a key without a fault, with a name before its `|`;
/// also where nothing was to be done.
pub fn repaired(key: &Secret) -> Option<Secret> {
    let text = key.expose();
    if let Some(line) = only_key_line(text) {
        return Some(line);
    }
    // Lower case of ASCII alone keeps every position.
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    let start = LABELS.iter().filter_map(|label| Some(lower.rfind(label)? + label.len())).max();
    let kept = text.get(start.unwrap_or(0)..)?;
    let kept = Zeroizing::new(kept.replace("\\n", "").replace("\\r", ""));
    let bare: Zeroizing<String> =
        Zeroizing::new(kept.chars().filter(|c| !is_blank(*c) && !is_quote(*c)).collect());
    let bar = Zeroizing::new(bare.replace("%7C", "|").replace("%7c", "|"));
    let whole = bar.replacen("|0x", "|", 1);
    if whole == text {
        return None;
    }
    let repaired = Secret::new(whole);
    is_good(&repaired).then_some(repaired)
}

/// The one line of several that is a key; `None` where a line around it may be a part of the key,
/// which a terminal wrapped.
fn only_key_line(text: &str) -> Option<Secret> {
    let text = Zeroizing::new(text.replace("\\n", "\n").replace("\\r", "\n"));
    let lines =
        text.split(['\n', '\r']).map(|line| line.trim_matches(|c| is_blank(c) || is_quote(c)));
    let mut lines = lines.filter(|line| !line.is_empty());
    let is_digits = |line: &str| line.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut found = None;
    let mut others = 0;
    for line in &mut lines {
        // Any other text is not a secret, and has to stay readable.
        let key = (line.contains('|') && line.len() > 66).then(|| Secret::new(line));
        if let Some(key) = key.filter(is_good) {
            if found.replace(key).is_some() {
                return None;
            }
        } else if is_digits(line) {
            return None;
        } else {
            others += 1;
        }
    }
    found.filter(|_| others > 0)
}

/// Whether it is a whole key with its name.
fn is_good(key: &Secret) -> bool {
    let shape = shape(key);
    // Another length than usual may be what a break swallowed; of a legacy key it is usual.
    shape.form == Form::WellShaped
        && shape.name.is_some()
        && !shape.faults.contains(&ShapeFault::UnusualLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_along_goes_and_no_digit_with_it() {
        let hex = format!("01{}", "ab".repeat(36));
        let key = format!("app|{hex}");
        let (front, back) = key.split_at(30);
        for text in [
            format!("Admin key: {key}"),
            format!("Admin key:\n{key}\n"),
            format!("Admin key:\\n{key}"),
            format!("\"{key}\""),
            format!("Convex {key}"),
            format!("Bearer {key}\r"),
            format!("CONVEX_SELF_HOSTED_ADMIN_KEY={key}"),
            format!("CONVEX_SELF_HOSTED_ADMIN_KEY='{key}'"),
            format!("{front}\n{back}"),
            format!("{front} {back}"),
            format!("app%7C{hex}"),
            format!("app|0x{hex}"),
            format!("\u{200b}{key} "),
            format!("WARN[0000] the attribute is obsolete\nAdmin key:\n{key}\n"),
            format!("{key}\nAdmin key:"),
            format!("$ ./generate_admin_key.sh\\n{key}"),
        ] {
            let found = repaired(&Secret::new(&text));
            assert_eq!(found.as_ref().map(Secret::expose), Some(key.as_str()), "{text:?}");
        }
        for text in [
            key.clone(),
            key[..key.len() - 1].to_owned(),
            format!("{front}{}", &back[2..]),
            format!("app|{hex}|x"),
            hex.clone(),
            format!("{front}\n"),
            "app|".to_owned(),
            "Admin key: sk_live_51H8xQ2eZvKYlo2C".to_owned(),
            format!("{key}\n{key}"),
            String::new(),
        ] {
            assert!(repaired(&Secret::new(&text)).is_none(), "{text:?}");
        }
    }
}
