//! A line that does not do what it seems to: a name that nobody reads, a value that is read otherwise.

use super::{KEY, URL, pair_is_complete, place};
use crate::checks::Check;
use crate::evidence::selection::{MisreadingFacts, MisreadingKind, ValueSource};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static MISNAMED_VARIABLE: Rule = Rule {
    id: "misnamed-variable",
    level: Level::Error,
    title: "a variable has a name that the CLI does not read",
    explain: include_str!("misnamed-variable.md"),
    is_cause: true,
    causes: &["selection-incomplete", "selection-missing"],
    since: "0.1.0",
};

static LINE_MISREAD: Rule = Rule {
    id: "line-misread",
    level: Level::Error,
    title: "a line of the env file is read otherwise than it looks",
    explain: include_str!("line-misread.md"),
    is_cause: true,
    causes: &[
        "selection-incomplete",
        "selection-missing",
        "key-mangled",
        "key-not-minted",
        "key-placeholder",
        "url-invalid",
    ],
    since: "0.1.0",
};

/// Names that nobody reads.
pub(super) static MISNAMED: Check = Check { rules: &[&MISNAMED_VARIABLE], run: misnamed };
/// Values that are read otherwise.
pub(super) static MISREAD: Check = Check { rules: &[&LINE_MISREAD], run: misread };

fn misnamed(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let level = if pair_is_complete(evidence) { Level::Warning } else { Level::Error };
    Ok(evidence
        .selection
        .near_misses
        .iter()
        .filter(|miss| !miss.empty)
        .map(|miss| {
            // One whose right name is set as well does no harm by being misspelt.
            let level = if evidence.selection.is_set(&miss.meant) { Level::Warning } else { level };
            MISNAMED_VARIABLE
                .finding(
                    Certainty::Proven,
                    format!(
                        "{} is not read by the CLI; {} was probably meant.",
                        miss.written, miss.meant
                    ),
                )
                .level(level)
                .at(place(&miss.source))
                .remedy(match &miss.source {
                    ValueSource::Env { env } => {
                        Remedy::safe(format!("Export {} instead of {env}", miss.meant))
                    }
                    other => Remedy::safe(format!(
                        "At {other}, write {} in place of {}",
                        miss.meant, miss.written
                    )),
                })
        })
        .collect())
}

fn misread(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    let found = selection.misreadings.iter().filter(|one| {
        let is_misnamed = selection.near_misses.iter().any(|miss| {
            matches!(&miss.source, ValueSource::File { file, line } if *file == one.file && *line == one.line)
        });
        !is_misnamed && matters(evidence, one)
    });
    Ok(found
        .map(|one| {
            let concerns = [URL, KEY].contains(&one.name.as_str());
            let works = crate::checks::endpoint::key_accepted(evidence);
            let level = if concerns && !works { Level::Error } else { Level::Warning };
            // Where only the readers differ, Node's reading may well be the one that was meant.
            let certainty = match one.kind {
                MisreadingKind::ReadersDiffer => Certainty::Likely,
                _ => Certainty::Proven,
            };
            let level =
                if certainty == Certainty::Likely { level.min(Level::Warning) } else { level };
            LINE_MISREAD
                .finding(
                    certainty,
                    format!("{}:{} sets {}: {}", one.file, one.line, one.name, words(one.kind)),
                )
                .level(level)
                .at(Location::line(&one.file, one.line))
                .remedy(Remedy::safe(format!("Write the line as: {}", one.corrected)))
        })
        .collect())
}

/// Whether the line decides anything: one that assigns nothing only where the variable is not set otherwise, any other only where it
/// is the line that counts.
fn matters(evidence: &Evidence, one: &MisreadingFacts) -> bool {
    let selection = &evidence.selection;
    match one.kind {
        MisreadingKind::NotAssigned | MisreadingKind::Swallowed => !selection.is_set(&one.name),
        _ => selection.definitions(&one.name).iter().any(|definition| {
            definition.wins
                && matches!(&definition.source, ValueSource::File { file, line } if *file == one.file && *line == one.line)
        }),
    }
}

fn words(kind: MisreadingKind) -> &'static str {
    match kind {
        MisreadingKind::UnclosedQuote => "a quote that nothing closes stays in the value.",
        MisreadingKind::TextAfterQuote => {
            "text behind the closing quote keeps both quotes in the value."
        }
        MisreadingKind::HashCuts => {
            "everything from the # on is cut off, also without a blank before it."
        }
        MisreadingKind::NestedQuotes => "the inner quotes stay in the value.",
        MisreadingKind::DollarNotExpanded => "$ is not expanded; it stays as it is.",
        MisreadingKind::EscapedQuote => "the backslash before the quote stays in the value.",
        MisreadingKind::SpansLines => "the value goes on over several lines.",
        MisreadingKind::Swallowed => {
            "it lies inside the quotes of another variable, so it assigns nothing."
        }
        MisreadingKind::NotAssigned => "it assigns nothing in this form.",
        MisreadingKind::DoubledEquals => "the second = is part of the value.",
        MisreadingKind::ReadersDiffer => "stricter readers of such files read another value.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::selection::build::{selected, told};

    #[test]
    fn a_misspelt_name_is_an_error_only_while_the_pair_is_incomplete() {
        let url = "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\n";
        let key = "CONVEX_SELF_HOSTED_ADMIN_KEY=a|01aa\n";
        for (case, text, expected) in [
            (
                "old name",
                format!("{url}CONVEX_ADMIN_KEY=a|01aa\n"),
                vec!["misnamed-variable error proven .env.local:2"],
            ),
            (
                "dot slash",
                format!("{url}./CONVEX_SELF_HOSTED_ADMIN_KEY=a|01aa\n"),
                vec!["misnamed-variable error proven .env.local:2"],
            ),
            (
                "beside the right one",
                format!("{url}{key}CONVEX_ADMIN_KEY=a|01aa\n"),
                vec!["misnamed-variable warning proven .env.local:3"],
            ),
            ("the right names", format!("{url}{key}"), vec![]),
        ] {
            assert_eq!(told(misnamed(&selected(&text, None, &[]))), expected, "{case}");
        }
    }

    #[test]
    fn lines_that_read_otherwise_are_told_and_plain_ones_are_not() {
        let url = "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\n";
        for (case, line, found) in [
            ("unclosed", "CONVEX_SELF_HOSTED_ADMIN_KEY=\"a|01aa\n", true),
            ("nested", "CONVEX_SELF_HOSTED_ADMIN_KEY=\"'a|01aa'\"\n", true),
            ("plain", "CONVEX_SELF_HOSTED_ADMIN_KEY=a|01aa\n", false),
            ("quoted", "CONVEX_SELF_HOSTED_ADMIN_KEY=\"a|01aa\"\n", false),
            ("comment", "CONVEX_SELF_HOSTED_ADMIN_KEY=a|01aa # mine\n", false),
        ] {
            let mut evidence = selected(&format!("{url}{line}"), None, &[]);
            evidence.endpoint = crate::checks::key::build::refused(&[]).endpoint;
            let expected =
                if found { vec!["line-misread error proven .env.local:2"] } else { vec![] };
            assert_eq!(told(misread(&evidence)), expected, "{case}");
        }
    }
}
