//! What the formats for other programs share: a finding as plain text, its place in a file, a
//! fingerprint that outlives an edit.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::words::sentence;
use crate::report::{Finding, Location, Report, Suppressed};
use crate::secret::{sanitize, sanitize_lines, scrub};

/// Foreign text on its way into a format that escapes it: secrets are cut out first, because the
/// scrubber at the door knows neither `&amp;` nor `%25`. On one line, without control characters.
pub(super) fn clean(text: &str) -> String {
    sanitize(&scrub(text))
}

/// [`clean`] for texts of several lines.
pub(super) fn clean_lines(text: &str) -> String {
    sanitize_lines(&scrub(text))
}

/// One sentence after the other: what is wrong, and what is the case here. Without control
/// characters but line ends.
pub(super) fn message(finding: &Finding) -> String {
    let title = sentence(&finding.title);
    clean_lines(&format!("{}. {}", title.trim_end_matches('.'), finding.detail))
        .trim_end()
        .to_owned()
}

/// The proofs, the places that are no file, and what fixes it; a line each.
pub(super) fn particulars(finding: &Finding) -> String {
    let mut lines = Vec::new();
    for proof in &finding.evidence {
        lines.push(format!("- {} ({})", clean(&proof.text), clean(&proof.source)));
    }
    for location in &finding.locations {
        lines.push(format!("- at {}", clean(&location.to_string())));
    }
    for remedy in &finding.remedies {
        lines.push(format!("Fix: {}", clean(remedy.title.trim_end_matches([':', '.']))));
        lines.extend(
            remedy.commands.iter().map(|command| format!("  {}", clean(&command.to_string()))),
        );
        for edit in &remedy.edits {
            let new = edit.new.as_deref().unwrap_or("(delete the line)");
            let file = clean(&edit.file);
            lines.push(format!("  {file}:{}  {}", edit.line, clean(new)));
        }
        for errand in &remedy.errands {
            lines.push(format!("  {}:", clean(&errand.title)));
            let of = errand.places.iter().chain(&errand.commands);
            lines.extend(of.map(|text| format!("    {}", clean(text))));
        }
    }
    lines.join("\n")
}

/// Why it is suppressed, where that is said, and how long it counts.
pub(super) fn excuse(suppressed: &Suppressed) -> String {
    let mut source = clean(&suppressed.source);
    if let Some(until) = &suppressed.until {
        source.push_str(&format!(", until {until}"));
    }
    match &suppressed.reason {
        Some(reason) => format!("{} ({source})", clean(reason)),
        None => source,
    }
}

/// A file from the repository's root, with line and column (both from 1) where they are known.
pub(super) struct MachinePlace {
    pub(super) path: String,
    pub(super) line: Option<(usize, usize)>,
}

/// The place of a location that is a file; the root of the repository is none, and has no path from
/// there.
pub(super) fn place(report: &Report, location: &Location) -> Option<MachinePlace> {
    let Location::File { file, line, column, .. } = location else { return None };
    let path = report.tree.path(file);
    let line = (*line > 0).then_some((*line, (*column).max(1)));
    (!path.is_empty()).then_some(MachinePlace { path, line })
}

/// The first file that a finding points to.
pub(super) fn first_file(report: &Report, finding: &Finding) -> Option<MachinePlace> {
    finding.locations.iter().find_map(|location| place(report, location))
}

/// The file that stands for a finding which points to none: a container's fault lies where the
/// container is described.
pub(super) fn main_file(report: &Report) -> MachinePlace {
    MachinePlace { path: report.tree.path(&report.tree.main_file), line: None }
}

/// The first file of the repository that a finding points to; the file that stands for one that
/// points to none there, for formats that refuse every other path.
pub(super) fn file_inside(report: &Report, finding: Option<&Finding>) -> MachinePlace {
    let tree = &report.tree;
    let is_inside = |location: &&Location| matches!(location, Location::File { file, .. } if tree.path_inside(file).is_some());
    let mut locations = finding.into_iter().flat_map(|finding| &finding.locations);
    let own = locations.find(is_inside).and_then(|location| place(report, location));
    own.unwrap_or_else(|| {
        let names = [tree.main_file.as_str(), ".env.local"];
        let path = names.into_iter().find_map(|name| tree.path_inside(name));
        MachinePlace { path: path.unwrap_or_default(), line: None }
    })
}

/// Names findings so that the same one has the same name in the next run, wherever its line has
/// moved: 32 hex digits of SHA-256 over the id and the places without their lines. The second of
/// two that would be named alike gets another name.
#[derive(Default)]
pub(super) struct Fingerprints(BTreeMap<String, usize>);

impl Fingerprints {
    pub(super) fn of(&mut self, report: &Report, finding: &Finding) -> String {
        let mut text = finding.id.clone();
        for location in &finding.locations {
            let place = match location {
                // Outside of the repository, the absolute path is another on each machine.
                Location::File { file, .. } => {
                    report.tree.path_inside(file).unwrap_or_else(|| file.clone())
                }
                other => other.to_string(),
            };
            // No path and no name holds a zero byte: nothing runs together.
            text.push('\0');
            text.push_str(&place);
        }
        let nth = self.0.entry(text.clone()).or_default();
        if *nth > 0 {
            text.push_str(&format!("\0{nth}"));
        }
        *nth += 1;
        hex::encode(&Sha256::digest(text.as_bytes())[..16])
    }
}
