//! A line that is read otherwise than it looks: quotes that stay, `#` that cuts, `$NAME` that
//! nobody expands.
//!
//! `./CONVEX_…=` is told by `misnamed-variable`.

use crate::admin_key::Form;
use crate::checks::Check;
use crate::deployment::key::cli_works;
use crate::deployment::selection::{is_server_only, names_cloud_deployment, winner};
use crate::evidence::selection::{MisreadingFacts, MisreadingKind as Kind, ValueSource};
use crate::evidence::{Evidence, Unseen};
use crate::names::{ADMIN_KEY, URL};
use crate::remedies::env_file::rewrite;
use crate::report::{Certainty, CliFailure, Finding, Level, Location, Remedy, Rule};

/// A line of the env file is read otherwise than it looks.
pub static LINE_MISREAD: Rule = Rule::new(
    "line-misread",
    Level::Error,
    "a line in the env file is not parsed as you expect",
    include_str!("line-misread.md"),
)
.cause(&[
    "key-mangled",
    "key-placeholder",
    "key-not-minted",
    "selection-incomplete",
    "selection-missing",
    "url-invalid",
])
.explains(&[CliFailure::KeyUnsendable, CliFailure::UrlInvalid, CliFailure::NotSelected]);

/// Judges `line-misread`.
pub static CHECK: Check = Check { rules: &[&LINE_MISREAD], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let misreadings = &evidence.selection.misreadings;
    Ok(misreadings.iter().filter_map(|misread| judge(evidence, misread)).collect())
}

fn judge(evidence: &Evidence, misread: &MisreadingFacts) -> Option<Finding> {
    let selection = &evidence.selection;
    let source = ValueSource::File { file: misread.file.clone(), line: misread.line };
    if selection.near_misses.iter().any(|miss| miss.source == source) {
        return None;
    }
    let of_the_pair = matches!(misread.name.as_str(), URL | ADMIN_KEY);
    let assigns = !matches!(misread.kind, Kind::NotAssigned | Kind::Swallowed);
    let missing = !selection.is_set(&misread.name);
    let matters = if assigns {
        winner(selection, &misread.name) == Some(&source)
    } else {
        missing && of_the_pair
    };
    if !matters {
        return None;
    }
    // A comment glued to a key that is whole, or a backslash that belongs to it, does no harm.
    let whole = misread.name == ADMIN_KEY
        && assigns
        && evidence.keys.iter().any(|key| {
            key.selected && key.shape.form == Form::WellShaped && key.shape.faults.is_empty()
        });
    let elsewhere = is_server_only(evidence) || names_cloud_deployment(selection);
    let level = match misread.kind {
        Kind::ReadersDiffer => Level::Info,
        _ if !of_the_pair || whole || elsewhere || cli_works(evidence) => Level::Warning,
        _ => Level::Error,
    };
    let certainty = match misread.kind {
        Kind::ReadersDiffer => Certainty::Possible,
        // Somebody may have meant a comment.
        Kind::HashCuts => Certainty::Likely,
        _ => Certainty::Proven,
    };
    let detail = format!("{}: {}.", misread.name, said(misread.kind));
    let value = if misread.name == URL { "{value}" } else { "'{value}'" };
    let remedy = Remedy::safe(format!(
        "write line {} of {} in this form: {}",
        misread.line, misread.file, misread.corrected
    ))
    .edit(rewrite(&source, misread.lines.as_ref(), &misread.name, value));
    let finding = LINE_MISREAD.finding(certainty, detail).level(level);
    Some(finding.at(Location::line(&misread.file, misread.line)).remedy(remedy))
}

fn said(kind: Kind) -> &'static str {
    match kind {
        Kind::UnclosedQuote => "nothing closes the quote, so it becomes part of the value",
        Kind::TextAfterQuote => {
            "text follows the closing quote, so the quotes become part of the value"
        }
        Kind::HashCuts => {
            "the value is not quoted and holds a `#`, which cuts it there even without a blank before it"
        }
        Kind::NestedQuotes => {
            "only the outer quotes are taken off; the inner ones stay in the value"
        }
        Kind::DollarNotExpanded => {
            "the CLI expands no variables, so `$` and the name stay in the value"
        }
        Kind::EscapedQuote => "an escaped quote stays as it is, with its backslash",
        Kind::SpansLines => "the value goes on over several lines",
        Kind::Swallowed => {
            "the line lies inside the quotes of a value that begins above it, so it assigns nothing"
        }
        Kind::NotAssigned => "the line is no assignment to the CLI, so the variable stays unset",
        Kind::DoubledEquals => "the second `=` becomes part of the value",
        Kind::ReadersDiffer => {
            "stricter readers of env files (Compose, Docker, other tools) make another value of this line than \
             the CLI does"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{KEY, PAIR, told};

    #[test]
    fn lines_that_count_and_lines_that_do_not() {
        let url = "CONVEX_SELF_HOSTED_URL=http://h:3210\n";
        let key = |value: &str| format!("{url}CONVEX_SELF_HOSTED_ADMIN_KEY={value}\n");
        for (local, expected) in [
            (PAIR.to_owned(), None),
            (key(&format!("'{KEY}'")), None),
            (key(&format!("\"{KEY}")), Some("error proven .env.local:2")),
            (key(&format!("\"'{KEY}'\"")), Some("error proven .env.local:2")),
            (key("${ADMIN_KEY}"), Some("error proven .env.local:2")),
            (key("app|01ac#4b32"), Some("error likely .env.local:2")),
            (key(&format!("{KEY}#mine")), Some("warning likely .env.local:2")),
            (format!("{}{PAIR}", key(&format!("\"{KEY}"))), None),
            (
                format!("{url}set CONVEX_SELF_HOSTED_ADMIN_KEY={KEY}"),
                Some("error proven .env.local:2"),
            ),
            (format!("{PAIR}set CONVEX_SELF_HOSTED_ADMIN_KEY={KEY}"), None),
            (format!("{url}./CONVEX_SELF_HOSTED_ADMIN_KEY={KEY}"), None),
        ] {
            let evidence = build::evidence(&[], &local, "");
            let line = |rest| format!("line-misread {rest}");
            let expected: Vec<_> = expected.map(line).into_iter().collect();
            assert_eq!(told(run(&evidence)), expected, "{local}");
        }
    }

    #[test]
    fn a_line_that_can_mean_one_thing_only_has_its_edit() {
        let url = "CONVEX_SELF_HOSTED_URL=http://h:3210\n";
        let key =
            |line: &str| format!("{url}{}", line.replace("KEY!", KEY).replace('@', ADMIN_KEY));
        let plain = Some("CONVEX_SELF_HOSTED_ADMIN_KEY='{value}'");
        for (local, expected) in [
            (key("@=\"KEY!"), plain),
            (key("@='\"KEY!\"'"), plain),
            (key("@=\\\"KEY!\\\""), plain),
            (key("@==KEY!"), plain),
            (key("set @=KEY!"), plain),
            (
                key("export @=\"KEY! # mine"),
                Some("export CONVEX_SELF_HOSTED_ADMIN_KEY='{value}' {comment}"),
            ),
            (key("@=my#KEY!"), plain),
            // The rest may be a comment, or belong to the key; or the value stands elsewhere.
            (key("@=KEY!#mine"), None),
            (key("@=app|01ac#4b32"), None),
            (key("@=${ADMIN_KEY}"), None),
            (key("@=\"KEY!\" or so"), None),
            (
                format!(
                    "CONVEX_SELF_HOSTED_ADMIN_KEY={KEY}\nset CONVEX_SELF_HOSTED_URL=http://h:1"
                ),
                Some("CONVEX_SELF_HOSTED_URL={value}"),
            ),
            (
                format!(
                    "CONVEX_SELF_HOSTED_ADMIN_KEY={KEY}\nset CONVEX_SELF_HOSTED_URL=http://u:p@h"
                ),
                None,
            ),
        ] {
            let found = run(&build::evidence(&[], &local, "")).unwrap();
            assert_eq!(found.len(), 1, "{local}");
            let edits = &found[0].remedies[0].edits;
            let new = edits.first().and_then(|edit| edit.new.as_deref());
            assert_eq!(new, expected, "{local}");
            let hash = local.lines().nth(1).map(crate::report::line_hash);
            assert!(edits.iter().all(|edit| edit.line == 2 && edit.line_hash == hash), "{local}");
        }
    }

    #[test]
    fn what_is_accepted_is_no_error() {
        let local = PAIR.replace(":3210", ":3210#local");
        let mut evidence = build::evidence(&[], &local, "");
        assert_eq!(told(run(&evidence)), ["line-misread error likely .env.local:1"]);
        build::accept(&mut evidence);
        assert_eq!(told(run(&evidence)), ["line-misread warning likely .env.local:1"]);
    }
}
