//! `key inspect --format json`: all that may be shown of one key.

use jiff::SignedDuration;
use jiff::civil::date;
use serde::{Deserialize, Serialize};

use super::{Claims, Form, InstanceSecret, KeyKind, KeyPath, KeyVerdict, Shape, ShapeFault};
use crate::secret::{Fingerprint, Secret};

/// The verdict in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VerdictWord {
    /// The backend lets it in.
    Accepted,
    /// It has the form of a key and does not open.
    WrongSecret,
    /// It opens; the name differs.
    WrongInstance,
    /// It is not a key, or not a complete one.
    Malformed,
}

/// What an opened key says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Opened {
    /// Seconds since 1970.
    pub issued_s: u64,
    /// The same as RFC 3339 in UTC; null past the year 9999.
    pub issued_at: Option<String>,
    /// Null where the key names no member.
    pub kind: Option<KeyKind>,
    /// The member; null for a system key.
    pub member_id: Option<u64>,
    /// Whether it may only look.
    pub read_only: bool,
    /// Sealed in the form used before 2025-06.
    pub legacy: bool,
    /// The instance name inside.
    pub inner_name: Option<String>,
}

/// All that may be shown of one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Inspection {
    /// Null unless it has the shape of a key.
    pub fingerprint: Option<Fingerprint>,
    /// In characters.
    pub length: usize,
    /// What its text shows.
    pub shape: Shape,
    /// What the backend says to the Authorization header; absent without a secret and name to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictWord>,
    /// Why it is malformed, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it says, where it opens.
    #[serde(flatten)]
    pub opened: Option<Opened>,
}

impl From<Claims> for Opened {
    fn from(claims: Claims) -> Self {
        let Claims { issued_s, kind, member_id, read_only, legacy, inner_name } = claims;
        let issued_at = rfc3339(issued_s);
        Self { issued_s, issued_at, kind, member_id, read_only, legacy, inner_name }
    }
}

/// A civil time instead of a timestamp, which jiff ends a day before the year 9999 does.
fn rfc3339(seconds: u64) -> Option<String> {
    let elapsed = SignedDuration::from_secs(i64::try_from(seconds).ok()?);
    let time = date(1970, 1, 1).at(0, 0, 0, 0).checked_add(elapsed).ok()?;
    Some(format!("{time}Z"))
}

/// Says all that may be said of `key`; with a secret and an instance name also what that backend
/// makes of it.
pub fn inspect(key: &Secret, backend: Option<(&InstanceSecret, &str)>) -> Inspection {
    let mut inspection = Inspection {
        fingerprint: super::fingerprint(key),
        length: key.chars(),
        shape: super::shape(key),
        verdict: None,
        reason: None,
        opened: None,
    };
    let Some((secret, name)) = backend else { return inspection };
    let (word, claims) = match super::judge(key, secret, name, KeyPath::Header) {
        KeyVerdict::Accepted(claims) => (VerdictWord::Accepted, Some(claims)),
        KeyVerdict::WrongInstance { claims, .. } => (VerdictWord::WrongInstance, Some(claims)),
        KeyVerdict::WrongSecret => (VerdictWord::WrongSecret, None),
        KeyVerdict::Malformed(fault) => {
            inspection.reason = Some(fault.to_string());
            (VerdictWord::Malformed, None)
        }
    };
    inspection.verdict = Some(word);
    inspection.opened = claims.or_else(|| super::open(key, secret)).map(Opened::from);
    inspection
}

/// [`inspect`] as JSON.
pub fn inspect_json(key: &Secret, backend: Option<(&InstanceSecret, &str)>) -> serde_json::Value {
    serde_json::to_value(inspect(key, backend)).expect("plain data with text keys becomes JSON")
}

/// Whether the key is or would be refused: what the exit code says. Without a secret, only what the
/// shape proves.
pub fn refused(inspection: &Inspection) -> bool {
    if let Some(verdict) = inspection.verdict {
        return verdict != VerdictWord::Accepted;
    }
    let shape = &inspection.shape;
    shape.form != Form::WellShaped
        || shape.prefix_refused
        || !(shape.has_pipe || shape.room_for_name)
        || shape.faults.iter().any(|fault| *fault != ShapeFault::UnusualLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_to_the_end_of_the_year_9999() {
        assert_eq!(rfc3339(1_750_000_000).as_deref(), Some("2025-06-15T15:06:40Z"));
        assert_eq!(rfc3339(253_402_300_799).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(rfc3339(253_402_300_800), None);
        assert_eq!(rfc3339(u64::MAX), None);
    }

    #[test]
    fn what_does_not_open_has_no_claims() {
        let secret = InstanceSecret::generate_from([1; 32]);
        let key = super::super::mint(&secret, "app", 1_750_000_000, [2; 12], false);
        let json = inspect_json(&key, Some((&secret, "app")));
        assert_eq!(json["verdict"], "accepted");
        assert_eq!(json["issued_at"], "2025-06-15T15:06:40Z");
        let other = InstanceSecret::generate_from([2; 32]);
        let json = inspect_json(&key, Some((&other, "app")));
        assert_eq!(json["verdict"], "wrong_secret");
        assert!(json.get("issued_s").is_none() && json.get("kind").is_none());
        assert!(inspect_json(&key, None).get("verdict").is_none());
        assert!(!refused(&inspect(&key, None)));
        let back: Inspection = serde_json::from_value(json).unwrap();
        assert!(refused(&back));
    }
}
