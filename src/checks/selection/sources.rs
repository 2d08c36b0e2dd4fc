//! Where the two values are set: in different places, or twice in one.

use crate::checks::Check;
use crate::deployment::selection::{at_source, counts, source_in_words};
use crate::evidence::selection::ValueSource;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::env_file::{comment_out, delete};
use crate::report::{Certainty, CliFailure, Finding, Level, Location, Remedy, Rule};

/// The self-hosted URL and the admin key come from different places.
pub static SPLIT_SOURCES: Rule =
    rule!("split-sources", Warning, "the URL and the admin key come from different places")
        .explains(&[CliFailure::KeyRejected]);

/// A variable is set twice in one file, and the last line counts.
pub static DUPLICATE_VARIABLE: Rule =
    rule!("duplicate-variable", Warning, "a variable is set twice in one file; the last line wins");

/// Judges `split-sources`.
pub static SPLIT_CHECK: Check = Check { rules: &[&SPLIT_SOURCES], run: split };
/// Judges `duplicate-variable`.
pub static DUPLICATE_CHECK: Check = Check { rules: &[&DUPLICATE_VARIABLE], run: duplicate };

fn split(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    let (Some(url), Some(key)) = (&selection.url, &selection.admin_key_source) else {
        return Ok(vec![]);
    };
    if !selection.split_sources {
        return Ok(vec![]);
    }
    let detail = format!(
        "The URL comes from {}, the key from {}. A change in one place leaves the other as it is.",
        source_in_words(&url.source),
        source_in_words(key)
    );
    let finding = SPLIT_SOURCES
        .finding(Certainty::Proven, detail)
        .remedy(Remedy::safe("Set both in one file or both in the shell, and delete the others"));
    Ok(vec![at_source(at_source(finding, key), &url.source)])
}

fn duplicate(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    let mut findings = Vec::new();
    for duplicate in &selection.duplicates {
        let Some((last, earlier)) = duplicate.lines.split_last() else { continue };
        let source = ValueSource::File { file: duplicate.file.clone(), line: *last };
        if !counts(selection, &source) {
            continue;
        }

        let (name, file) = (&duplicate.name, &duplicate.file);
        let places: Vec<String> = earlier.iter().map(|line| format!("{file}:{line}")).collect();
        let values = if duplicate.equal { "the same value" } else { "different values" };
        let detail = format!(
            "{name} is set {} times in {file}, to {values}. The CLI uses line {last}.",
            duplicate.lines.len()
        );
        let mut finding = DUPLICATE_VARIABLE
            .finding(Certainty::Proven, detail)
            .level(if duplicate.equal { Level::Info } else { Level::Warning })
            .remedy(
                Remedy::safe(if duplicate.equal {
                    format!("Delete {}", places.join(" and "))
                } else {
                    format!("Comment out {}, if line {last} is right", places.join(" and "))
                })
                .edit(evidence.selection.definitions(name).iter().flat_map(|definition| {
                    let earlier = matches!(&definition.source, ValueSource::File { file: of, line }
                        if of == file && earlier.contains(line));
                    match (earlier, duplicate.equal) {
                        (false, _) => vec![],
                        (true, true) => delete(definition),
                        // It may be the only copy.
                        (true, false) => comment_out(definition),
                    }
                })),
            );
        for line in earlier.iter().chain([last]) {
            finding = finding.at(Location::line(file, *line));
        }
        findings.push(finding);
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{PAIR, told};
    use crate::selection::choose::FileText;

    #[test]
    fn split_over_two_places() {
        let (url, key) = PAIR.split_once('\n').unwrap();
        for (case, env, local, dotenv, expected) in [
            ("one file", vec![], PAIR, "", None),
            ("two files", vec![], key, url, Some(".env.local:1")),
            (
                "shell and file",
                vec![("CONVEX_SELF_HOSTED_URL", "http://h")],
                key,
                "",
                Some(".env.local:1"),
            ),
            ("no URL", vec![], key, "", None),
        ] {
            let expected: Vec<_> = expected
                .map(|at| format!("split-sources warning proven {at}"))
                .into_iter()
                .collect();
            assert_eq!(told(split(&build::evidence(&env, local, dotenv))), expected, "{case}");
        }
    }

    #[test]
    fn another_value_is_not_lost() {
        for (second, expected) in [("http://a", None), ("http://b", Some("# {line}"))] {
            let local =
                format!("CONVEX_SELF_HOSTED_URL=http://a\nCONVEX_SELF_HOSTED_URL={second}\n");
            let found = duplicate(&build::evidence(&[], &local, "")).unwrap();
            let edits = &found[0].remedies[0].edits;
            let new: Vec<_> = edits.iter().map(|edit| (edit.line, edit.new.as_deref())).collect();
            assert_eq!(new, [(1, expected)], "{second}");
        }
    }

    #[test]
    fn twice_in_one_file() {
        let twice = "CONVEX_SELF_HOSTED_URL=http://a\nCONVEX_SELF_HOSTED_URL=http://b\n";
        let equal = "CONVEX_SELF_HOSTED_URL=http://a\nCONVEX_SELF_HOSTED_URL=http://a\n";
        for (local, dotenv, expected) in
            [(PAIR, PAIR, None), (twice, "", Some("warning")), (equal, "", Some("info"))]
        {
            let mut sources = build::sources(&[], local, dotenv);
            let line = |level| format!("duplicate-variable {level} proven .env.local:1");
            let expected: Vec<_> = expected.map(line).into_iter().collect();
            assert_eq!(told(duplicate(&build::of(&sources))), expected, "{local}");
            let only = FileText::new("other", PAIR);
            sources.env_file = Some(("other".to_owned(), Some(only)));
            assert!(told(duplicate(&build::of(&sources))).is_empty(), "does not count: {local}");
        }
    }
}
