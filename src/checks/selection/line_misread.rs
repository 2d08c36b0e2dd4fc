//! A line that is not parsed as it looks: quotes that stay, `#` that cuts, `$NAME` that is not
//! expanded.
//!
//! `misnamed-variable` reports `./CONVEX_…=`.

use crate::admin_key::Form;
use crate::checks::Check;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::key::{cli_works, key_goes_through, key_is_accepted, selected_key};
use crate::deployment::selection::{is_server_only, names_cloud_deployment, winner};
use crate::evidence::selection::{MisreadingFacts, MisreadingKind, ValueSource};
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::names::{ADMIN_KEY, URL};
use crate::remedies::env_file::{rewrite, set_open_url};
use crate::remedies::mint::for_selection;
use crate::report::{Certainty, CliFailure, Finding, Level, Location, Remedy, Rule};

/// A line in the env file is not parsed as expected.
pub static LINE_MISREAD: Rule =
    rule!("line-misread", Error, "a line in the env file is not parsed as you expect")
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
    let is_self_hosted = matches!(misread.name.as_str(), URL | ADMIN_KEY);
    let assigns = !matches!(misread.kind, MisreadingKind::NotAssigned | MisreadingKind::Swallowed);
    let missing = !selection.is_set(&misread.name);
    let matters = if assigns {
        winner(selection, &misread.name) == Some(&source)
    } else {
        missing && is_self_hosted
    };
    if !matters {
        return None;
    }
    if assigns && misread.kind != MisreadingKind::ReadersDiffer && was_read_right(evidence, misread)
        || is_damage_of_the_key(evidence, misread)
    {
        return None;
    }
    // A comment glued to a key that is whole, or a backslash that belongs to it, is harmless.
    let whole = misread.name == ADMIN_KEY
        && assigns
        && evidence.keys.iter().any(|key| {
            key.selected && key.shape.form == Form::WellShaped && key.shape.faults.is_empty()
        });
    let elsewhere = is_server_only(evidence) || names_cloud_deployment(selection);
    let level = match misread.kind {
        MisreadingKind::ReadersDiffer => Level::Info,
        _ if !is_self_hosted || whole || elsewhere || cli_works(evidence) => Level::Warning,
        _ => Level::Error,
    };
    let certainty = match misread.kind {
        MisreadingKind::ReadersDiffer => Certainty::Possible,
        // A comment may have been meant.
        MisreadingKind::HashCuts => Certainty::Likely,
        _ => Certainty::Proven,
    };
    let detail = effect(misread.kind, &misread.name);
    let remedy = value_for(evidence, misread).unwrap_or_else(|| {
        let value = if misread.name == URL { "{value}" } else { "'{value}'" };
        let title = format!("Write {}:{} as {}", misread.file, misread.line, misread.corrected);
        Remedy::safe(title).edit(rewrite(&source, misread.lines.as_ref(), &misread.name, value))
    });
    let finding = LINE_MISREAD.finding(certainty, detail).level(level);
    Some(finding.at(Location::line(&misread.file, misread.line)).remedy(remedy))
}

/// The value in place of a variable that is not expanded: the URL of this project's backend, or
/// a new key.
fn value_for(evidence: &Evidence, misread: &MisreadingFacts) -> Option<Remedy> {
    if misread.kind != MisreadingKind::DollarNotExpanded {
        return None;
    }
    match misread.name.as_str() {
        URL => {
            let definitions = evidence.selection.definitions(URL);
            let winner = definitions.iter().find(|definition| definition.wins)?;
            set_open_url(evidence, winner.text.as_deref()?)
        }
        // Only where it can be generated from here: else the value has to be written by hand.
        ADMIN_KEY => Some(for_selection(evidence, ".env.local")).filter(Remedy::is_for_the_doctor),
        _ => None,
    }
}

/// Whether the answer shows that the value is what was meant: the backend accepts the key, or a
/// Convex backend answers at the URL.
fn was_read_right(evidence: &Evidence, misread: &MisreadingFacts) -> bool {
    match misread.name.as_str() {
        ADMIN_KEY => key_is_accepted(evidence) || key_goes_through(evidence),
        URL => {
            selected_endpoint(evidence).is_ok_and(|it| it.is_some_and(EndpointFacts::is_convex_api))
        }
        _ => false,
    }
}

/// Whether `key-mangled` reports the lines that came along with the key, and takes them out.
fn is_damage_of_the_key(evidence: &Evidence, misread: &MisreadingFacts) -> bool {
    misread.name == ADMIN_KEY
        && misread.kind == MisreadingKind::SpansLines
        && selected_key(evidence).is_some_and(|key| key.repaired.is_some())
}

/// What the line does to the value of `name`.
fn effect(kind: MisreadingKind, name: &str) -> String {
    match kind {
        MisreadingKind::UnclosedQuote => {
            format!("The quote is not closed, so it becomes part of the value of {name}.")
        }
        MisreadingKind::TextAfterQuote => format!(
            "Text follows the closing quote, so the quotes become part of the value of {name}."
        ),
        MisreadingKind::HashCuts => {
            format!("The # ends the value of {name}, even without a space before it.")
        }
        MisreadingKind::NestedQuotes => {
            format!(
                "Only the outer quotes are removed; the inner ones stay in the value of {name}."
            )
        }
        MisreadingKind::DollarNotExpanded => format!(
            "The CLI does not expand variables: the $ and the name stay in the value of {name}."
        ),
        MisreadingKind::EscapedQuote => {
            format!("The backslash and the quote stay in the value of {name}.")
        }
        MisreadingKind::SpansLines => format!("The value of {name} continues on the next lines."),
        MisreadingKind::Swallowed => format!(
            "The line is inside the quotes of a value that starts above it, so it does not set \
             {name}."
        ),
        MisreadingKind::NotAssigned => {
            format!("For the CLI the line is not an assignment, so {name} is not set.")
        }
        MisreadingKind::DoubledEquals => {
            format!("The second = becomes part of the value of {name}.")
        }
        MisreadingKind::ReadersDiffer => format!(
            "Compose, Docker and other tools may read another value of {name} than the CLI does."
        ),
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
            // The rest may be a comment, or belong to the key; or the value is set elsewhere.
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
    fn a_port_that_is_left_open_is_the_one_that_the_backend_publishes() {
        use crate::evidence::compose::DeclaredPort;
        for (published, expected) in
            [(Some("13210"), Some("CONVEX_SELF_HOSTED_URL=http://127.0.0.1:13210")), (None, None)]
        {
            let local = PAIR.replace(":3210", ":${PORT}");
            let mut evidence = build::evidence(&[], &local, "");
            build::add_backend(&mut evidence);
            let build::Seen(Some(compose)) = &mut evidence.compose else { unreachable!() };
            let at = compose.backends[0].at.clone();
            let port = |published: &str| DeclaredPort {
                container: 3210,
                published: Some(published.to_owned()),
                host_ip: None,
                at: at.clone(),
            };
            compose.backends[0].ports = published.into_iter().map(port).collect();
            let found = run(&evidence).unwrap();
            let new = found[0].remedies[0].edits.first().and_then(|edit| edit.new.as_deref());
            assert_eq!(new, expected);
        }
    }

    #[test]
    fn what_the_backend_accepts_was_read_as_it_was_meant() {
        let url = PAIR.replace(":3210", ":3210#local");
        let key = format!("{}#mine\n", PAIR.trim_end());
        for (local, at) in
            [(url, "error likely .env.local:1"), (key, "warning likely .env.local:2")]
        {
            let mut evidence = build::evidence(&[], &local, "");
            let expected = [format!("line-misread {at}")];
            assert_eq!(told(run(&evidence)), expected, "{local}");
            let rejected = |evidence: &mut Evidence| {
                build::refuse(evidence);
                told(run(evidence)).len()
            };
            // Who rejects the key is the backend: the URL was read right.
            let is_key = usize::from(at.ends_with(":2"));
            assert_eq!(rejected(&mut evidence), is_key, "{local}");
            build::accept(&mut evidence);
            assert!(told(run(&evidence)).is_empty(), "{local}");
        }
        // Other readers still differ.
        let local = PAIR.replace("app|01", "app\"|01").replace("fa\n", "\"fa\n");
        let mut evidence = build::evidence(&[], &local, "");
        build::accept(&mut evidence);
        assert_eq!(told(run(&evidence)), ["line-misread info possible .env.local:2"]);
    }

    #[test]
    fn lines_that_came_along_with_a_whole_key_are_its_damage() {
        let url = "CONVEX_SELF_HOSTED_URL=http://h:3210\n";
        for (value, own) in [
            (format!("Admin key:\n{KEY}"), false),
            (format!("\n{KEY}\n"), false),
            (format!("WARN[0000] version is obsolete\nAdmin key:\n{KEY}\n"), false),
            (format!("{}\n", &KEY[..40]), true),
            ("qq9qq\nzz9zz".to_owned(), true),
        ] {
            let local = format!("{url}CONVEX_SELF_HOSTED_ADMIN_KEY=\"{value}\"\n");
            let told = told(run(&build::evidence(&[], &local, "")));
            assert_eq!(told.len(), usize::from(own), "{local}");
        }
    }
}
