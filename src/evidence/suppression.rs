//! What the user chose to hide, in `convex-doctor.toml` or next to a line: plain data, so
//! that a replay judges alike.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::report::{Finding, Location};

/// One id that is not to be shown, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Suppression {
    /// The id as written; a retired one counts as its successor.
    pub id: String,
    /// Why.
    pub reason: String,
    /// The last day on which it counts, `2027-01-31`, in UTC; `None` = for ever.
    pub until: Option<String>,
    /// Where it counts: a file, `file:line`, a container, a volume, a URL or a variable, in every
    /// spelling that it may have; everywhere when empty.
    pub places: Vec<String>,
    /// The file in which it is written, relative to the project's directory where it is inside.
    pub file: String,
    /// Its line there, from 1.
    pub line: usize,
    /// Whether it is a comment next to the line that it is about.
    pub in_source: bool,
    /// What is wrong with a comment, which then suppresses nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Suppression {
    /// Where it is written.
    pub fn source(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// Whether its last day was over at `now`, in seconds since 1970.
    pub fn is_expired(&self, now: i64) -> bool {
        let until = self.until.as_deref().and_then(|until| until.parse::<Date>().ok());
        let today = Timestamp::from_second(now).map(|now| Offset::UTC.to_datetime(now).date());
        matches!((until, today), (Some(until), Ok(today)) if today > until)
    }

    /// Whether it counts at one of the places that a finding points to.
    pub fn is_about_place_of(&self, finding: &Finding) -> bool {
        self.places.is_empty() || finding.locations.iter().any(|location| self.is_about(location))
    }

    fn is_about(&self, location: &Location) -> bool {
        let is_named = |name: &str| self.places.iter().any(|place| place == name);
        match location {
            Location::File { file, line: 0, .. } => {
                // The finding is about the whole file: a comment on any of its lines speaks of it.
                is_named(file) || (self.in_source && self.file == *file)
            }
            Location::File { file, line, .. } => {
                is_named(file) || is_named(&format!("{file}:{line}"))
            }
            Location::Container { container } => is_named(container),
            Location::Volume { volume } => is_named(volume),
            Location::Url { url } => is_named(url),
            Location::Environment { env } => is_named(env) || is_named(&format!("${env}")),
        }
    }
}

/// Whether `text` is a day as it is to be written.
pub fn is_day(text: &str) -> bool {
    text.len() == 10 && text.parse::<Date>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_counts_to_its_end() {
        let until = |day: Option<&str>| Suppression {
            until: day.map(str::to_owned),
            ..Suppression::default()
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        for (day, now, expired) in [
            (Some("2027-01-31"), "2027-01-31T23:59:59Z", false),
            (Some("2027-01-31"), "2027-02-01T00:00:00Z", true),
            (None, "9000-01-01T00:00:00Z", false),
        ] {
            assert_eq!(until(day).is_expired(at(now)), expired, "{day:?} {now}");
        }
        assert!(is_day("2027-01-31") && !is_day("2027-02-31") && !is_day("20270131"));
    }

    #[test]
    fn a_place_is_a_file_a_line_or_a_name() {
        for (place, location, expected) in [
            (".env.local", Location::line(".env.local", 3), true),
            (".env.local:3", Location::line(".env.local", 3), true),
            (".env.local:4", Location::line(".env.local", 3), false),
            (".env", Location::line(".env.local", 3), false),
            ("app_data", Location::volume("app_data"), true),
            ("app-backend-1", Location::container("app-backend-1"), true),
            ("$CONVEX_URL", Location::Environment { env: "CONVEX_URL".to_owned() }, true),
            ("http://h:1", Location::url("http://h:2"), false),
        ] {
            let suppression =
                Suppression { places: vec![place.to_owned()], ..Suppression::default() };
            assert_eq!(suppression.is_about(&location), expected, "{place} {location}");
        }
    }
}
