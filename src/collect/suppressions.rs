//! Comments that say which finding of a line is not to be shown: `# convex-doctor: ignore[ID]
//! reason`, at the line or on the one above, with a last day as `ignore[ID, until=2027-01-31]`. And
//! the settings file, found but not understood here.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::files::{self, FileText};
use super::repository::CheckedFile;
use crate::evidence::suppression::{Suppression, is_day};
use crate::foreign::mask;
use crate::secret::sanitize;

/// The settings file's name.
const NAME: &str = "convex-doctor.toml";
/// What a comment of ours begins with.
const MARK: &str = "convex-doctor:";

/// `convex-doctor.toml` as it was found.
pub struct SettingsFile {
    /// Its directory, absolute; the paths in it start there.
    pub directory: PathBuf,
    /// The project's directory, absolute.
    pub project: PathBuf,
    /// Its name, from the project's directory where it is inside.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The nearest `convex-doctor.toml` from the project's directory upwards to the root of the git
/// work tree; outside of one only in the project's directory, because what is above it may be
/// anybody's.
pub fn settings_file(project: Option<&Path>) -> anyhow::Result<Option<SettingsFile>> {
    let project = super::real_directory(project)?;
    let root = files::repository_root(&project).unwrap_or(&project);
    for directory in project.ancestors() {
        let path = directory.join(NAME);
        match files::read(&path) {
            FileText::Text(text) => {
                return Ok(Some(SettingsFile {
                    name: super::shown(&path, &project),
                    directory: directory.to_owned(),
                    text,
                    project,
                }));
            }
            FileText::Unreadable(reason) => {
                return Err(anyhow::anyhow!(reason))
                    .with_context(|| format!("cannot read {}", path.display()));
            }
            FileText::Missing if directory == root => break,
            FileText::Missing => {}
        }
    }
    Ok(None)
}

/// The comments in the files that were read.
pub(super) fn comments<'a>(files: impl Iterator<Item = &'a CheckedFile>) -> Vec<Suppression> {
    // No person writes more of them, and each is tried against each finding.
    const MOST: usize = 1000;
    let mut found: Vec<Suppression> = files.flat_map(in_file).take(MOST).collect();
    found.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    found.dedup();
    found
}

fn in_file(file: &CheckedFile) -> Vec<Suppression> {
    let lines: Vec<&str> = file.text.lines().collect();
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(text) = comment(line) else { continue };
        // A comment on a line of its own speaks of the next line that is not one.
        let about = if is_comment(line) {
            lines[index..].iter().position(|line| !is_comment(line)).map_or(index, |n| index + n)
        } else {
            index
        };
        found.extend(parse(text).into_iter().map(|one| Suppression {
            places: vec![format!("{}:{}", file.name, about + 1)],
            file: file.name.clone(),
            line: index + 1,
            in_source: true,
            ..one
        }));
    }
    found
}

/// What follows our mark in a comment; a `#` inside of a word begins none.
fn comment(line: &str) -> Option<&str> {
    line.match_indices('#').find_map(|(at, _)| {
        let begins = line[..at].chars().next_back().is_none_or(char::is_whitespace);
        let text = line[at + 1..].trim_start();
        begins.then(|| text.strip_prefix(MARK)).flatten()
    })
}

fn parse(text: &str) -> Vec<Suppression> {
    let broken = |problem: &str| {
        vec![Suppression { problem: Some(problem.to_owned()), ..Suppression::default() }]
    };
    let Some((names, reason)) =
        text.trim_start().strip_prefix("ignore[").and_then(|rest| rest.split_once(']'))
    else {
        return broken("not understood; write `# convex-doctor: ignore[ID] reason`");
    };
    let (mut ids, mut until) = (Vec::new(), None);
    for name in names.split(',').map(str::trim) {
        match name.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("until", day)) if is_day(day) => until = Some(day.to_owned()),
            Some(("until", _)) => return broken("`until` is a day: until=2027-01-31"),
            Some(_) => return broken("only `until` can be given"),
            None => ids.push(sanitize(&mask(name))),
        }
    }
    let reason = sanitize(&mask(reason.trim()));
    ids.into_iter()
        .map(|id| Suppression {
            problem: reason.is_empty().then(|| format!("ignore[{id}] needs a reason behind it")),
            id,
            reason: reason.clone(),
            until: until.clone(),
            ..Suppression::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(String, String, String, Option<String>)> {
        let file = CheckedFile { name: "f".to_owned(), text: text.to_owned(), is_env: false };
        let found = comments([&file].into_iter());
        found.into_iter().map(|one| (one.id, one.places.join(" "), one.reason, one.until)).collect()
    }

    #[test]
    fn a_comment_speaks_of_its_line_or_the_next() {
        let one = |id: &str, place: &str, reason: &str, until: Option<&str>| {
            (id.to_owned(), place.to_owned(), reason.to_owned(), until.map(str::to_owned))
        };
        for (text, expected) in [
            ("image: x # convex-doctor: ignore[a] why\n", vec![one("a", "f:1", "why", None)]),
            ("# convex-doctor: ignore[a] why\nimage: x\n", vec![one("a", "f:2", "why", None)]),
            (
                "#convex-doctor: ignore[a] why\n  # convex-doctor: ignore[b] too\n  image: x\n",
                vec![one("a", "f:3", "why", None), one("b", "f:3", "too", None)],
            ),
            (
                "A=1 # convex-doctor: ignore[a, b, until=2027-01-31] why\r\n",
                vec![
                    one("a", "f:1", "why", Some("2027-01-31")),
                    one("b", "f:1", "why", Some("2027-01-31")),
                ],
            ),
            ("A=x#convex-doctor: ignore[a] part of the value\n", vec![]),
            ("# nothing of ours\n", vec![]),
        ] {
            assert_eq!(all(text), expected, "{text}");
        }
    }

    #[test]
    fn a_comment_that_cannot_count_says_why() {
        for (text, problem) in [
            ("# convex-doctor: ignore[a]\n", "needs a reason"),
            ("# convex-doctor: ingore[a] why\n", "not understood"),
            ("# convex-doctor: ignore[a, until=soon] why\n", "is a day"),
            ("# convex-doctor: ignore[a, since=2027-01-31] why\n", "only `until`"),
        ] {
            let file = CheckedFile { name: "f".to_owned(), text: text.to_owned(), is_env: false };
            let found = comments([&file].into_iter());
            assert!(found[0].problem.as_ref().unwrap().contains(problem), "{text}");
            assert_eq!(found[0].line, 1);
        }
    }
}
