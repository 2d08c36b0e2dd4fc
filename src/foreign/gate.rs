//! The gate itself: what was collected becomes evidence only by passing it, a bundle as well as a
//! live run.

use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::patterns::{HIDDEN, mask};
use super::plain::{is_plain, masked, words};
use crate::budget::STACK_BYTES;
use crate::secret::{Secret, add_name, sanitize};

/// The fields that hold free text of another program: sentences, lines of a log, titles of pages.
/// All others hold names, paths, addresses and words of ours.
const FREE_TEXT: &[&str] = &[
    "alert",
    "code",
    "content_type",
    "error",
    "extra_fault",
    "health_output",
    "line",
    "message",
    "notes",
    "other",
    "problem",
    "reason",
    "server",
    "start_error",
    "tail",
    "title",
    "unanswered",
    "unavailable",
    "unparsable",
    "unverified",
];

/// The fields that hold the name of something that the report is about: of a container, a volume, a
/// project, a service.
const NAMES: &[&str] = &["container", "name", "project", "service", "volume"];

/// The fields that hold an id, or the name of a volume in other words: Docker names a nameless volume
/// with 64 hex digits, as many as an instance secret has.
const IDS: &[&str] = &[
    "absent_volumes",
    "attached_to",
    "copy_of",
    "id",
    "key",
    "source",
    "volumes",
    "volumes_by_name",
];

/// The fields that hold variables: their names, or entries with a `name`.
const VARIABLES: &[&str] = &["environment", "storage_variables", "variables"];

/// What has passed the gate: no control character, nothing that looks like a secret, and of free text
/// only plain words. Made in no other way, so that what takes it needs no gate of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted<T>(T);

impl<T: Default + Serialize + DeserializeOwned + Send + Sync> Admitted<T> {
    /// Lets `collected` through. What cannot be read back is not let through at all.
    pub fn of(collected: &T) -> Self {
        let pass = || {
            let mut value = serde_json::to_value(collected).unwrap_or_default();
            learn_names(&value, "");
            admit(&mut value, "");
            Self(serde_json::from_value(value).unwrap_or_default())
        };
        // Large structures take a large stack to be read, which the caller's thread may not have.
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let passed = thread.spawn_scoped(scope, pass);
            passed.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(|| Self(T::default()))
        })
    }

    /// The same with a change, which passes the gate as well.
    pub fn with(&self, change: impl FnOnce(&mut T)) -> Self
    where
        T: Clone,
    {
        let mut changed = self.0.clone();
        change(&mut changed);
        Self::of(&changed)
    }
}

impl<T> Deref for Admitted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Makes the names known, so that free text may say them too.
fn learn_names(value: &Value, field: &str) {
    match value {
        Value::String(text) if NAMES.contains(&field) && mask(text) == *text => add_name(text),
        Value::Array(list) => list.iter().for_each(|one| learn_names(one, field)),
        Value::Object(map) => map.iter().for_each(|(key, value)| learn_names(value, key)),
        _ => {}
    }
}

fn admit(value: &mut Value, field: &str) {
    match value {
        Value::String(text) if FREE_TEXT.contains(&field) => *text = words(text),
        Value::String(text) if VARIABLES.contains(&field) => *text = variable(text),
        Value::String(text) if NAMES.contains(&field) || IDS.contains(&field) => *text = name(text),
        Value::String(text) => *text = masked(text),
        Value::Array(list) => {
            for one in list {
                admit(one, field);
                if VARIABLES.contains(&field)
                    && let Some(Value::String(name)) = one.get_mut("name")
                {
                    *name = variable(name);
                }
            }
        }
        Value::Object(map) => {
            let entries = std::mem::take(map).into_iter().map(|(key, mut value)| {
                admit(&mut value, &key);
                (name(&key), value)
            });
            *map = entries.collect::<Map<String, Value>>();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A name, a path, an address: shown as it is but for what looks like a secret in it. Docker itself
/// names a volume with 64 hex digits; one that is a secret is known to the scrubber.
pub fn name(text: &str) -> String {
    let is_id = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { text.to_owned() } else { masked(text) }
}

/// The name of a variable, or `***` where a value was put in its place.
pub fn variable(name: &str) -> String {
    let is_usual =
        name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if mask(name) == name && (is_usual || is_plain(name)) {
        return sanitize(name);
    }
    drop(Secret::new(name));
    HIDDEN.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Facts {
        name: String,
        message: Option<String>,
        tail: Vec<String>,
        labels: std::collections::BTreeMap<String, String>,
        port: Option<u16>,
    }

    #[test]
    fn a_value_in_the_place_of_a_name_is_hidden() {
        let secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff1";
        for (name, shown) in [
            ("INSTANCE_SECRET", "INSTANCE_SECRET"),
            ("X509CERT", "X509CERT"),
            ("com.example.Label", "com.example.Label"),
            ("zq7HunterVeryLong42", "***"),
            (secret, "***"),
        ] {
            assert_eq!(variable(name), shown);
            let mut entries = serde_json::json!({"environment": [{"name": name, "line": 3}]});
            admit(&mut entries, "");
            assert_eq!(entries["environment"][0]["name"], shown);
        }
    }

    #[test]
    fn free_text_may_say_a_name_of_the_deployment() {
        let collected = Facts {
            name: "s3cond4shop_data".to_owned(),
            message: Some("volume s3cond4shop_data: not s3cond5shop_data".to_owned()),
            ..Facts::default()
        };
        let admitted = Admitted::of(&collected);
        let message = "volume s3cond4shop_data: not ***";
        assert_eq!(admitted.message.as_deref(), Some(message));
        assert_eq!(crate::secret::scrub(message), message);
    }

    #[test]
    fn a_name_of_several_lines_is_admitted_twice_as_once() {
        for text in
            ["a\nhttps://h/x?token=zq7HunterVeryLong42&a=b\n/compose/12", "K=\tx?pin=123456\ty"]
        {
            let once = name(text);
            assert!(!once.contains("Hunter") && !once.contains("123456"), "{once}");
            assert_eq!(name(&once), once);
        }
    }

    #[test]
    fn every_field_passes_by_its_kind() {
        const PASSWORD: &str = "zq7HunterVeryLong42";
        let collected = Facts {
            name: "app\u{202e}-backend".to_owned(),
            message: Some(format!("no such thing: {PASSWORD}")),
            tail: vec![format!("INFO x {PASSWORD}"), "INFO up".to_owned()],
            labels: [("a\u{7}".to_owned(), format!("postgres://u:{PASSWORD}@db"))].into(),
            port: Some(3210),
        };
        let admitted = Admitted::of(&collected);
        assert_eq!(admitted.name, "app\\u202e-backend");
        assert_eq!(admitted.message.as_deref(), Some("no such thing: ***"));
        assert_eq!(admitted.tail, ["INFO x ***", "INFO up"]);
        assert_eq!(admitted.labels["a\\u0007"], "postgres://u:***@db");
        assert_eq!(admitted.port, Some(3210));
        assert_eq!(Admitted::of(&*admitted), admitted, "twice is as once");
    }
}
