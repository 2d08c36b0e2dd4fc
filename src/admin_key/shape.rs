//! What a reader can tell from a key's text without any secret.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::parse::hex_candidates;
use super::text::{TypePrefix, is_blank, is_quote};
use crate::secret::{Fingerprint, Secret};

/// The shortest whole key: a one-digit issue time and a member.
const SHORTEST_KEY: usize = 33;
/// The shortest key with an issue time of this century and a name inside.
const SHORTEST_WITH_NAME: usize = 40;

/// What a text is, as far as it can be told without a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `[type:][name|]01…`, nothing before or after it.
    WellShaped,
    /// A place where a key was to be put.
    Placeholder,
    /// Exactly 64 hex digits, `0x` before them allowed.
    LooksLikeInstanceSecret,
    /// A deploy key of Convex Cloud: a base64 body.
    CloudKey,
    /// Something that no `generate_key` makes: chosen, or another product's.
    NotMinted,
    /// Only what is before an unquoted `|`.
    NameOnly,
    /// A key, or something meant to be one, that was damaged on its way; see the faults.
    Mangled,
    /// Nothing, or only spaces.
    Empty,
}

/// One thing that is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShapeFault {
    /// `Admin key:` was captured along with the key.
    LabelCaptured,
    /// An error message of `generate_key` or of a shell was captured.
    ErrorCaptured,
    /// `Convex ` or `Bearer ` is before it.
    SchemeCaptured,
    /// `CONVEX_SELF_HOSTED_ADMIN_KEY=` is before it.
    AssignmentCaptured,
    /// Quotes belong to the value.
    QuotesInside,
    /// A line break within.
    LineBreakInside,
    /// A space, a tab or an invisible character within.
    BlankInside,
    /// A space or line feed after it.
    TrailingBlank,
    /// A carriage return after it: a file with CRLF.
    TrailingCarriageReturn,
    /// A character after it that a header cannot carry, such as a zero byte: nothing is sent.
    TrailingUnsendable,
    /// A space before it.
    LeadingBlank,
    /// `%7C` instead of `|`.
    UrlEncodedPipe,
    /// More than one `|`.
    SeveralPipes,
    /// Nothing before the `|`.
    EmptyName,
    /// A `:` in the name, which the header takes for the end of the key.
    ColonInName,
    /// A digit is missing or one too many.
    OddDigits,
    /// Something else than hex digits where those belong.
    NotHexDigit,
    /// `0x` before the digits, which backends before 2026-07 refuse.
    HexPrefix,
    /// Less than 33 bytes.
    TooShort,
    /// Not a length that `generate_key` makes for member 0: cut or altered, or another member.
    UnusualLength,
    /// Does not begin with 01.
    WrongVersionByte,
}

/// All that a key's text shows without a secret, and nothing that is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shape {
    /// What it is.
    pub form: Form,
    /// What is wrong with it, in a fixed order.
    pub faults: Vec<ShapeFault>,
    /// What is before the first `:` of the name.
    pub type_prefix: Option<TypePrefix>,
    /// Whether the Authorization header drops the whole name for that prefix. JSON bodies do not.
    pub prefix_refused: bool,
    /// The instance name before the `|`, if it is surely one.
    pub name: Option<String>,
    /// Whether there is a `|`.
    pub has_pipe: bool,
    /// The length in characters.
    pub characters: usize,
    /// The length of the binary key, where the digits are whole.
    pub hex_bytes: Option<usize>,
    /// 49, 51 or 59 bytes: most likely the form used before 2025-06.
    pub legacy_length: bool,
    /// Whether it is long enough to carry a name inside. Without that and without `|` there is no
    /// name.
    pub room_for_name: bool,
}

/// Whether this may be shown as a name; a long text of hex digits may be a secret in the wrong
/// place.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && !(text.len() >= 20 && text.bytes().all(|b| b.is_ascii_hexdigit()))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The fingerprint of a well-shaped key, trailing spaces not counted; `None` for anything else.
pub fn fingerprint(key: &Secret) -> Option<Fingerprint> {
    let text = key.expose().trim_end_matches(is_blank);
    (shape_of(text).form == Form::WellShaped).then(|| Fingerprint::of_text(text))
}

/// Says what can be said of a key's text without a secret.
pub fn shape(key: &Secret) -> Shape {
    shape_of(key.expose())
}

fn shape_of(text: &str) -> Shape {
    let mut faults = Vec::new();
    let mut note = |present: bool, fault| {
        if present {
            faults.push(fault);
        }
    };
    let core = text.trim_matches(is_blank);
    let tail = &text[text.trim_end_matches(is_blank).len()..];
    let bare = core.trim_matches(|c| is_quote(c) || is_blank(c));
    let lower = Zeroizing::new(bare.to_ascii_lowercase());

    note(lower.contains("admin key:") || lower.contains("adminkey:"), ShapeFault::LabelCaptured);
    note(ERRORS.iter().any(|words| lower.contains(words)), ShapeFault::ErrorCaptured);
    note(lower.starts_with("convex ") || lower.starts_with("bearer "), ShapeFault::SchemeCaptured);
    note(lower.contains("admin_key="), ShapeFault::AssignmentCaptured);
    note(core.contains(is_quote), ShapeFault::QuotesInside);
    let broken = core.contains(['\n', '\r']) || core.contains("\\n") || core.contains("\\r");
    note(broken, ShapeFault::LineBreakInside);
    note(core.contains(|c| is_blank(c) && c != '\n' && c != '\r'), ShapeFault::BlankInside);
    // What `fetch` cuts behind the value, what it takes in a header, and what it refuses.
    let is_cut = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let is_refused = |c: char| !is_cut(c) && !matches!(c, '\u{80}'..='\u{ff}');
    let is_kept = |c: char| !is_cut(c) && !is_refused(c);
    note(!core.is_empty() && tail.contains(is_kept), ShapeFault::BlankInside);
    note(!core.is_empty() && tail.contains(is_refused), ShapeFault::TrailingUnsendable);
    let cut = tail.trim_start_matches(|c| !is_cut(c));
    note(!core.is_empty() && cut.contains(|c| c != '\r'), ShapeFault::TrailingBlank);
    note(!core.is_empty() && tail.contains('\r'), ShapeFault::TrailingCarriageReturn);
    note(!core.is_empty() && text.starts_with(is_blank), ShapeFault::LeadingBlank);
    note(lower.contains("%7c"), ShapeFault::UrlEncodedPipe);
    note(bare.matches('|').count() > 1, ShapeFault::SeveralPipes);

    let (before, body) = match bare.split_once('|') {
        Some((before, body)) => (Some(before), body),
        None => (None, bare),
    };
    let body = body.trim_matches(|c| is_quote(c) || is_blank(c));
    // Of a captured label only the last line or word before the `|` can be the name.
    let last = before.map(|before| {
        before.rsplit(|c| is_blank(c) || is_quote(c) || c == '=').next().unwrap_or("")
    });
    let (prefix, name) = match last.and_then(|last| last.split_once(':')) {
        Some((prefix, name)) => (Some(TypePrefix::of(prefix)), Some(name)),
        None => (None, last),
    };
    note(name == Some(""), ShapeFault::EmptyName);
    let prefix_refused = prefix.is_some_and(TypePrefix::drops_the_name);
    note(!prefix_refused && name.is_some_and(|name| name.contains(':')), ShapeFault::ColonInName);

    let digits = body.strip_prefix("0x").unwrap_or(body);
    let all_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let bytes = (all_hex && digits.len() % 2 == 0).then_some(digits.len() / 2);
    let holds_key = hex_candidates(bare).iter().any(|run| run.len() >= 2 * SHORTEST_KEY);
    let keyish = holds_key || before.is_some() && is_damaged_body(digits);
    let has_pipe = before.is_some();
    if keyish || all_hex {
        note(digits.len() != body.len(), ShapeFault::HexPrefix);
        note(all_hex && digits.len() % 2 == 1, ShapeFault::OddDigits);
        note(!all_hex && !digits.is_empty(), ShapeFault::NotHexDigit);
        note(digits.len() < 2 * SHORTEST_KEY, ShapeFault::TooShort);
        let usual = |bytes| match bytes {
            37 | 39 | 49 | 51 | 57 | 59 => true,
            bytes => !has_pipe && bytes >= SHORTEST_WITH_NAME,
        };
        let unusual = bytes.is_some_and(|bytes| bytes >= SHORTEST_KEY && !usual(bytes));
        note(unusual, ShapeFault::UnusualLength);
        note(!digits.is_empty() && !digits.starts_with("01"), ShapeFault::WrongVersionByte);
    }
    let captured = faults.iter().any(|fault| *fault <= ShapeFault::AssignmentCaptured)
        || faults.contains(&ShapeFault::UrlEncodedPipe);

    // No name, and cut.
    let cut = !has_pipe && all_hex && digits.starts_with("01") && digits.len() >= 16;
    let form = if bare.is_empty() && core.is_empty() {
        Form::Empty
    } else if holds_key {
        let whole = faults.iter().all(|fault| *fault == ShapeFault::UnusualLength);
        if whole && bytes.is_some() { Form::WellShaped } else { Form::Mangled }
    } else if is_placeholder(&lower) {
        Form::Placeholder
    } else if is_cloud(bare, has_pipe) {
        Form::CloudKey
    } else if !has_pipe && all_hex && digits.len() == 64 {
        Form::LooksLikeInstanceSecret
    } else if keyish || captured || cut || bare.is_empty() {
        Form::Mangled
    } else if !has_pipe && name_only(bare) {
        Form::NameOnly
    } else {
        Form::NotMinted
    };
    let name = match form {
        Form::WellShaped | Form::Mangled => name.filter(|name| is_name(name)),
        Form::NameOnly => Some(bare).filter(|name| is_known_name(name)),
        _ => None,
    };
    if !matches!(form, Form::WellShaped | Form::Mangled | Form::NotMinted) {
        faults.retain(|fault| *fault < ShapeFault::OddDigits);
    }
    let type_prefix = match form {
        Form::CloudKey => bare.split_once(':').map(|(prefix, _)| TypePrefix::of(prefix)),
        Form::WellShaped | Form::Mangled => prefix,
        _ => None,
    };
    faults.sort_unstable();
    Shape {
        form,
        faults,
        type_prefix,
        prefix_refused: prefix_refused && matches!(form, Form::WellShaped | Form::Mangled),
        name: name.map(str::to_owned),
        has_pipe,
        characters: text.chars().count(),
        hex_bytes: bytes,
        legacy_length: holds_key && matches!(bytes, Some(49 | 51 | 59)),
        room_for_name: bytes.is_some_and(|bytes| bytes >= SHORTEST_WITH_NAME),
    }
}

/// Words of `generate_key`, its script and the shells around it when they fail.
const ERRORS: &[&str] = &[
    "panicked at",
    "error:",
    "caused by",
    "hexdecode",
    "hex-decoded",
    "usage:",
    "not found",
    "no such ",
    "permission denied",
    "cannot connect",
    "is not running",
    "rust_backtrace",
];

/// Whether what follows the `|` was once the hex part: nothing is left of it, or it still begins
/// like one.
fn is_damaged_body(digits: &str) -> bool {
    let hex = digits.bytes().filter(u8::is_ascii_hexdigit).count();
    digits.is_empty() || digits.starts_with("01") && hex * 5 >= digits.len() * 4
}

fn is_cloud(text: &str, has_pipe: bool) -> bool {
    let (prefix, rest) = text.split_once(':').unwrap_or(("", text));
    let typed = !prefix.is_empty() && TypePrefix::of(prefix) != TypePrefix::Other;
    let body = rest.rsplit(['|', ':']).next().unwrap_or(rest);
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=');
    let hex = body.bytes().filter(u8::is_ascii_hexdigit).count();
    (typed || has_pipe)
        && body.bytes().all(base64)
        && (body.starts_with("eyJ")
            || typed && body.len() >= 20 && hex * 10 < body.len() * 9 && !is_name_like(body))
}

/// Text in ellipses, brackets or a variable that nothing filled in, or one of the words for "put it
/// here".
fn is_placeholder(lower: &str) -> bool {
    const MARKS: &[&str] = &["...", "\u{2026}", "${", "$(", "{{", "xxxx", "****"];
    const PARTS: &[&str] = &[
        "your-",
        "replace",
        "change-me",
        "changeme",
        "insert-",
        "paste",
        "todo",
        "placeholder",
        "fixme",
        "put-",
        "-here",
        "generated-",
        "fill-",
        "<",
    ];
    const WHOLE: &[&str] = &[
        "xxx",
        "key",
        "admin-key",
        "convex-admin-key",
        "adminkey",
        "secret",
        "tbd",
        "none",
        "null",
        "undefined",
        "n/a",
        "dummy",
        "example",
        "example-key",
        "self-hosted-admin-key",
        "todo",
        "fixme",
        "-",
        "?",
        "secret-key",
        "convex-self-hosted-admin-key",
    ];
    if MARKS.iter().any(|mark| lower.contains(mark)) {
        return true;
    }
    let variable = lower
        .strip_prefix('$')
        .or_else(|| lower.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')));
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if variable.is_some_and(|name| !name.is_empty() && name.bytes().all(word)) {
        return true;
    }
    let words = lower.replace(['_', ' '], "-");
    let words = words.trim_matches(['[', ']', '(', ')', '{', '}', '<', '>']);
    let last = words.rsplit('|').next().unwrap_or(words);
    // A word in a long random text is chance.
    let random =
        words.split('-').any(|part| part.len() >= 20 && part.bytes().any(|b| b.is_ascii_digit()));
    let repeated = last.len() > 1 && last.bytes().all(|b| b == last.as_bytes()[0]);
    repeated && !last.starts_with(|c: char| c.is_ascii_hexdigit())
        || WHOLE.contains(&last)
        || !random && (lower.starts_with('<') || PARTS.iter().any(|part| words.contains(part)))
}

/// Lower-case words joined by `-` or `_`.
fn is_name_like(text: &str) -> bool {
    let part = |part: &str| {
        (1..=16).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && part.bytes().filter(u8::is_ascii_digit).count() <= 4
            && (part.len() <= 4 || !part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split(['-', '_']).all(part)
}

fn name_only(text: &str) -> bool {
    const NOT_NAMES: &[&str] =
        &["key", "secret", "token", "admin", "password", "passwd", "live", "test", "sk", "pk"];
    is_known_name(text)
        || text.contains(['-', '_'])
            && is_name_like(text)
            && !text.split(['-', '_']).any(|part| NOT_NAMES.contains(&part))
}

/// Names that Convex itself gives: only these are shown when nothing else shows that the text is a
/// name.
fn is_known_name(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    let animal = words.len() == 3
        && words[..2]
            .iter()
            .all(|word| word.len() > 2 && word.bytes().all(|b| b.is_ascii_lowercase()))
        && (1..=4).contains(&words[2].len())
        && words[2].bytes().all(|b| b.is_ascii_digit());
    animal
        || matches!(
            text,
            "convex-self-hosted" | "self-hosted-convex" | "convex_self_hosted" | "carnitas"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "01ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa";

    #[test]
    fn forms() {
        let secret = "4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974";
        for (text, form) in [
            (format!("app|{HEX}"), Form::WellShaped),
            (format!("dev:app|{}", HEX.to_uppercase()), Form::WellShaped),
            (format!("preview:team:app|{HEX}"), Form::WellShaped),
            (HEX.into(), Form::WellShaped),
            (String::new(), Form::Empty),
            (" \r\n".into(), Form::Empty),
            (secret.into(), Form::LooksLikeInstanceSecret),
            (format!("0x{}", secret.to_uppercase()), Form::LooksLikeInstanceSecret),
            (format!("\"{secret}\""), Form::LooksLikeInstanceSecret),
            ("convex-self-hosted".into(), Form::NameOnly),
            ("my-app".into(), Form::NameOnly),
            ("happy-animal-123".into(), Form::NameOnly),
            ("prod:happy-animal-123|eyJ2MiI6IjAxMjM0NTY3ODkifQ==".into(), Form::CloudKey),
            ("preview:team:proj|eyJ2MiI6IjAxMjM0NTY3ODkifQ==".into(), Form::CloudKey),
            ("project:team:proj|eyJ2MiI6IjAxMjM0NTY3ODkifQ==".into(), Form::CloudKey),
            ("dev:eyJ2MiI6IjAxMjM0NTY3ODkifQ".into(), Form::CloudKey),
            ("app|".into(), Form::Mangled),
            ("app|01ac4b324c21".into(), Form::Mangled),
            (format!("app|{}", &HEX[..73]), Form::Mangled),
            (format!("app|{}z", &HEX[..73]), Form::Mangled),
            (format!("app|{HEX}\r"), Form::Mangled),
            (format!("\u{feff}app|{HEX}"), Form::Mangled),
            (format!("Admin key:\napp|{HEX}"), Form::Mangled),
            ("Admin key:".into(), Form::Mangled),
            (format!("Bearer app|{HEX}"), Form::Mangled),
            (format!("app%7C{HEX}"), Form::Mangled),
            ("Error: Couldn't hexdecode key".into(), Form::Mangled),
            ("thread 'main' panicked at src/bin/generate_key.rs:1".into(), Form::Mangled),
            (format!("a:b:c|{HEX}"), Form::Mangled),
            (format!("|{HEX}"), Form::Mangled),
            (format!("a|b|{HEX}"), Form::Mangled),
            ("hunter2".into(), Form::NotMinted),
            ("sk_live_51H8xQ2eZvKYlo2C".into(), Form::NotMinted),
            ("convex-admin-9f8e7d6c5b4a".into(), Form::NotMinted),
            ("3f2b8c1e-9a4d-4e6f-8b7a-1c2d3e4f5a6b".into(), Form::NotMinted),
            ("q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASM=".into(), Form::NotMinted),
            ("ab".repeat(64), Form::NotMinted),
            (format!("app|{secret}"), Form::NotMinted),
        ] {
            assert_eq!(shape_of(&text).form, form, "{text}");
        }
    }

    #[test]
    fn placeholders() {
        for text in [
            "<your admin key>",
            "your-admin-key",
            "YOUR_ADMIN_KEY_HERE",
            "replace-me",
            "changeme",
            "change_me",
            "xxx",
            "xxxxxxxx",
            "\u{2026}",
            "...",
            "${ADMIN_KEY}",
            "{{ADMIN_KEY}}",
            "$ADMIN_KEY",
            "PASTE KEY HERE",
            "TODO",
            "convex-self-hosted|017...516",
            "convex-self-hosted|<key>",
            "convex-self-hosted|your-key",
            "$(./generate_admin_key.sh)",
            "\"<your admin key>\"",
            "[your key]",
        ] {
            assert_eq!(shape_of(text).form, Form::Placeholder, "{text}");
        }
    }

    #[test]
    fn facts_of_damaged_keys() {
        use ShapeFault as F;
        for (text, faults) in [
            (format!("app|{HEX} "), vec![F::TrailingBlank]),
            (format!("app|{HEX}\0"), vec![F::TrailingUnsendable]),
            (format!("app|{HEX}\u{200b}"), vec![F::TrailingUnsendable]),
            (format!("app|{HEX}\u{a0}"), vec![F::BlankInside]),
            (format!("app|{HEX}\r\n"), vec![F::TrailingBlank, F::TrailingCarriageReturn]),
            (format!(" app|{HEX}"), vec![F::LeadingBlank]),
            (format!("'app|{HEX}'"), vec![F::QuotesInside]),
            (format!("app|{}", &HEX[..73]), vec![F::OddDigits]),
            (format!("app|{}", &HEX[..72]), vec![F::UnusualLength]),
            (format!("app|{}", &HEX[..30]), vec![F::TooShort]),
            (format!("app|0x{HEX}"), vec![F::HexPrefix]),
            (format!("a:b:c|{HEX}"), vec![F::ColonInName]),
            (format!("app|02{}", &HEX[2..]), vec![F::WrongVersionByte]),
        ] {
            assert_eq!(shape_of(&text).faults, faults, "{text}");
        }
    }

    #[test]
    fn names_and_prefixes() {
        for (text, name, prefix, refused) in [
            (format!("app|{HEX}"), Some("app"), None, false),
            (format!("dev:app|{HEX}"), Some("app"), Some(TypePrefix::Dev), false),
            (format!("PROJECT:app|{HEX}"), Some("app"), Some(TypePrefix::Project), true),
            (format!("Admin key:\napp|{HEX}"), Some("app"), None, false),
            (format!("Admin key: app|{HEX}"), Some("app"), None, false),
            (format!("\"app|{HEX}\""), Some("app"), None, false),
            (HEX.into(), None, None, false),
            ("correct-horse-battery".into(), None, None, false),
            ("convex-self-hosted".into(), Some("convex-self-hosted"), None, false),
            ("hunter2|hunter2".into(), None, None, false),
            (format!("{}|{HEX}", "a1".repeat(32)), None, None, false),
        ] {
            let shape = shape_of(&text);
            assert_eq!(shape.name.as_deref(), name, "{text}");
            assert_eq!((shape.type_prefix, shape.prefix_refused), (prefix, refused), "{text}");
        }
        assert!(!shape_of(HEX).room_for_name);
    }

    #[test]
    fn only_keys_have_fingerprints() {
        let of = |text: &str| fingerprint(&Secret::new(text));
        assert!(of(&format!("app|{HEX}")).is_some());
        assert_eq!(of(&format!("app|{HEX}\r\n")), of(&format!("app|{HEX}")));
        assert_eq!(of(&format!(" app|{HEX}")), None);
        assert_eq!(of("hunter2"), None);
    }
}
