//! The evidence as one file that travels: written where the deployment is, and judged anywhere, by
//! this version or another. Reading one trusts nothing in it: it is bounded, and passes the gate again
//! as if it had just been collected.

mod anonymous;
mod difference;

use serde_json::{Map, Value, json};

use crate::budget::{BUNDLE_BYTES, BUNDLE_VALUES};
use crate::evidence::Evidence;
use crate::foreign::{Admitted, words};

pub use anonymous::{Names, anonymize};
pub use difference::{Change, difference};

/// The version of the form: a newer one is one that this reader may misunderstand. Within a version,
/// fields are only added.
pub const VERSION: u64 = 1;

const ABOUT: &str = "What convex-doctor saw of a self-hosted Convex deployment: enough to diagnose \
                     it elsewhere with `convex-doctor replay`. It holds no secret: keys and secrets \
                     are 8-digit fingerprints.";
const ANONYMOUS: &str =
    " Names of hosts, directories, projects, containers and volumes are replaced.";

/// How many places of a text are tried as the beginning of a bundle.
const PLACES: usize = 16;

/// What became of a bundle.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// What can be judged.
    pub evidence: Admitted<Evidence>,
    /// The same as it was read, with what this version does not know.
    pub whole: Admitted<Value>,
    /// The version of convex-doctor that wrote it.
    pub written_by: Option<String>,
    /// Whether its form is newer than this version.
    pub is_newer: bool,
}

/// Why a text cannot be read as a bundle.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Larger than any deployment makes it.
    #[error("it is larger than a bundle can be ({} MiB)", BUNDLE_BYTES / 1024 / 1024)]
    Bytes,
    /// More values than any deployment makes.
    #[error("it holds more than {BUNDLE_VALUES} values: no deployment makes so many")]
    Values,
    /// There is none in it.
    #[error(
        "it does not contain a bundle\nUse the output of `convex-doctor bundle` or a report with \
         --format json."
    )]
    Missing,
    /// There is one, and it does not hold what is needed.
    #[error("the bundle cannot be used: {0}")]
    Broken(String),
}

/// The evidence as a file.
pub fn write(evidence: &Admitted<Evidence>, is_anonymous: bool) -> String {
    let collected_at = jiff::Timestamp::from_second(evidence.collected_at).unwrap_or_default();
    let mut bundle = json!({
        "about": format!("{ABOUT}{}", if is_anonymous { ANONYMOUS } else { "" }),
        "anonymized": is_anonymous,
        "bundle_version": VERSION,
        "collected_at": collected_at.to_string(),
        "evidence": serde_json::to_value(&**evidence).unwrap_or_default(),
        "tool": {"name": "convex-doctor", "version": env!("CARGO_PKG_VERSION")},
    });
    bundle.sort_all_objects();
    serde_json::to_string_pretty(&bundle).unwrap_or_default() + "\n"
}

/// The bundle in a text: the text itself, a JSON report, or either of them in a text that was copied
/// from a thread.
///
/// # Errors
/// If there is none, or it cannot be used.
pub fn read(text: &str) -> Result<Bundle, Refused> {
    if text.len() as u64 > BUNDLE_BYTES {
        return Err(Refused::Bytes);
    }
    // No fewer than there are values.
    let values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > BUNDLE_VALUES {
        return Err(Refused::Values);
    }
    let document = find(text).ok_or(Refused::Missing)?;
    let version = document.get("bundle_version").and_then(Value::as_u64).unwrap_or(VERSION);
    let written_by = document.pointer("/tool/version").and_then(Value::as_str).map(words);
    let mut document = document;
    let evidence = document.get_mut("evidence").map(Value::take).unwrap_or_default();
    let Value::Object(evidence) = evidence else {
        return Err(Refused::Broken("`evidence` is not an object".to_owned()));
    };
    let whole = Admitted::of(&Value::Object(migrated(evidence)));
    // Of a copy: to read it where it lies would compile every reader a second time.
    let known = serde_json::from_value::<Evidence>((*whole).clone()).map_err(|error| {
        let by = written_by.as_ref().map_or_else(String::new, |by| format!(" (written by {by})"));
        Refused::Broken(format!("{}{by}", words(&error.to_string())))
    })?;
    Ok(Bundle { evidence: Admitted::of(&known), whole, written_by, is_newer: version > VERSION })
}

impl Bundle {
    /// The evidence as a report shows it, with what this version does not know of it.
    pub fn with_unknown(&self, mut known: Value) -> Value {
        keep(&mut known, &self.whole);
        known
    }
}

/// Adds what is in `whole` alone.
fn keep(known: &mut Value, whole: &Value) {
    match (known, whole) {
        (Value::Object(known), Value::Object(whole)) => {
            for (key, value) in whole {
                match known.get_mut(key) {
                    Some(known) => keep(known, value),
                    None => drop(known.insert(key.clone(), value.clone())),
                }
            }
        }
        (Value::Array(known), Value::Array(whole)) if known.len() == whole.len() => {
            known.iter_mut().zip(whole).for_each(|(known, whole)| keep(known, whole));
        }
        _ => {}
    }
}

/// An evidence of an older version with what that version did not look at: as if it had not been
/// seen.
fn migrated(mut evidence: Map<String, Value>) -> Map<String, Value> {
    if let Ok(Value::Object(unseen)) = serde_json::to_value(Evidence::default()) {
        for (key, value) in unseen {
            evidence.entry(key).or_insert(value);
        }
    }
    evidence
}

/// The first object with an `evidence` in a text. A line of it may be quoted (`> `).
fn find(text: &str) -> Option<Value> {
    let is_one = |value: &Value| value.get("evidence").is_some_and(Value::is_object);
    let text = text.trim_start_matches('\u{feff}');
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return Some(value).filter(is_one);
    }
    let quoted: String;
    let text = if text.lines().any(|line| line.starts_with("> {")) {
        let lines = text.lines().map(|line| line.strip_prefix('>').unwrap_or(line));
        quoted = lines.collect::<Vec<_>>().join("\n");
        &quoted
    } else {
        text
    };
    let begins = |(at, _): &(usize, char)| {
        let line = text[..*at].rsplit('\n').next().unwrap_or_default();
        line.chars().all(|c| c.is_whitespace() || c == '`')
    };
    let places = text.char_indices().filter(|(_, c)| *c == '{').filter(begins).take(PLACES);
    places
        .filter_map(|(at, _)| {
            serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>().next()?.ok()
        })
        .find(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build;

    fn a_bundle() -> (Admitted<Evidence>, String) {
        let healthy = build::key::healthy();
        let evidence = Admitted::of(&Evidence { collected_at: 1_796_000_000, ..healthy });
        let text = write(&evidence, false);
        (evidence, text)
    }

    #[test]
    fn what_is_written_is_read() {
        let (evidence, text) = a_bundle();
        let read = super::read(&text).unwrap();
        assert_eq!(read.evidence, evidence);
        assert_eq!(read.written_by.as_deref(), Some(env!("CARGO_PKG_VERSION")));
        assert!(text.starts_with("{\n  \"about\": \"What convex-doctor saw"), "{text:.80}");
        assert!(text.contains("\"collected_at\": \"2026-11-30T"));
    }

    #[test]
    fn it_is_found_in_a_text_of_a_thread() {
        let (evidence, text) = a_bundle();
        let quoted: String = text.lines().map(|line| format!("> {line}\n")).collect();
        let report = json!({"schema_version": 1, "evidence": &*evidence}).to_string();
        for text in [
            format!("it fails:\n```json\n{text}```\nany idea?"),
            format!("look: {{ not this }}\n{{\"nor\": \"this\"}}\n{text}"),
            format!("on the 3rd, he wrote:\n{quoted}"),
            format!("\u{feff}{text}"),
            report,
        ] {
            assert_eq!(super::read(&text).unwrap().evidence, evidence, "{text:.60}");
        }
    }

    #[test]
    fn what_another_version_knew_is_kept() {
        let (evidence, text) = a_bundle();
        let mut newer: Value = serde_json::from_str(&text).unwrap();
        newer["bundle_version"] = json!(7);
        newer["evidence"]["moon"] = json!({"phase": "full"});
        newer["evidence"]["asked"]["moon"] = json!(true);
        let read = super::read(&newer.to_string()).unwrap();
        assert!(read.is_newer);
        assert_eq!(read.evidence, evidence);
        let shown = read.with_unknown(serde_json::to_value(&*read.evidence).unwrap());
        assert_eq!(shown, newer["evidence"]);

        let mut older: Value = serde_json::from_str(&text).unwrap();
        for key in ["dashboards", "origins", "timings", "command"] {
            older["evidence"].as_object_mut().unwrap().remove(key).unwrap();
        }
        assert_eq!(super::read(&older.to_string()).unwrap().evidence, evidence);
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        let many = format!("[{}0]", "0,".repeat(BUNDLE_VALUES));
        let large = " ".repeat(usize::try_from(BUNDLE_BYTES).unwrap() + 1);
        for (text, refused) in [
            ("", Refused::Missing),
            ("{}", Refused::Missing),
            ("[1, 2", Refused::Missing),
            ("{\"evidence\": 3}", Refused::Missing),
            (&"[".repeat(BUNDLE_VALUES - 1), Refused::Missing),
            (&many, Refused::Values),
            (&large, Refused::Bytes),
        ] {
            assert_eq!(read(text).unwrap_err(), refused, "{text:.20}");
        }
        let wrong = json!({"evidence": {"keys": 3}}).to_string();
        let Err(Refused::Broken(why)) = read(&wrong) else { panic!("it is refused") };
        assert!(why.contains("invalid type"), "{why}");
    }

    #[test]
    fn nothing_in_it_is_trusted() {
        let (_, text) = a_bundle();
        let mut hostile: Value = serde_json::from_str(&text).unwrap();
        let name = "app\u{1b}[2J\u{202e}";
        let secret = format!("x|01{}", "ab".repeat(36));
        hostile["evidence"]["surroundings"]["directory"] = json!(format!("/{name}/{secret}"));
        hostile["evidence"]["moon"] = json!(secret);
        let read = super::read(&hostile.to_string()).unwrap();
        let shown = read.with_unknown(serde_json::to_value(&*read.evidence).unwrap()).to_string();
        assert!(!shown.contains(&secret) && !shown.contains('\u{1b}'), "{shown}");
    }
}
