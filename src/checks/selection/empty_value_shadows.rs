//! An empty value overrides a real one: for the CLI it is not set, and still no other source is
//! read.

use crate::checks::Check;
use crate::deployment::selection::{at_source, counts, source_in_words};
use crate::evidence::selection::{SelectionKind, ValueSource};
use crate::evidence::{Evidence, Unseen};
use crate::names::{ADMIN_KEY, URL};
use crate::remedies::env_file::without;
use crate::remedies::script::unless_by_script;
use crate::report::{Certainty, CliFailure, Finding, Level, Rule};

/// An empty variable overrides the real value.
pub static EMPTY_VALUE_SHADOWS: Rule =
    rule!("empty-value-shadows", Error, "an empty variable overrides the real value")
        .cause(&["selection-incomplete", "selection-missing"])
        .explains(&[CliFailure::NotSelected]);

/// Judges `empty-value-shadows`.
pub static CHECK: Check = Check { rules: &[&EMPTY_VALUE_SHADOWS], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    // Emptied on purpose, to go to the cloud for once?
    let elsewhere = !matches!(selection.kind, SelectionKind::None | SelectionKind::Error);
    let mut findings = Vec::new();
    for name in [URL, ADMIN_KEY] {
        let definitions = selection.definitions(name);
        let Some(empty) = definitions.iter().find(|one| one.wins && one.empty) else { continue };
        if matches!(empty.source, ValueSource::Flag { .. }) {
            continue;
        }
        let hidden = definitions
            .iter()
            .find(|one| !one.wins && !one.empty && counts(selection, &one.source));
        let Some(hidden) = hidden else { continue };
        let detail = format!(
            "{name} is empty in {}, so the CLI does not read the value in {}. It treats an empty \
             value as not set.",
            source_in_words(&empty.source),
            source_in_words(&hidden.source)
        );
        let finding = EMPTY_VALUE_SHADOWS
            .finding(Certainty::Proven, detail)
            .level(if elsewhere { Level::Warning } else { Level::Error })
            .because(format!("{name} is empty"), empty.source.to_string())
            .because(format!("{name} has a value"), hidden.source.to_string())
            .remedy(without(empty));
        let finding = at_source(at_source(finding, &empty.source), &hidden.source);
        findings.push(if elsewhere { finding } else { unless_by_script(evidence, finding) });
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{PAIR, told};

    #[test]
    fn the_line_becomes_a_comment_and_the_shell_has_a_command() {
        for name in [URL, ADMIN_KEY] {
            let local = format!("A=1\n{name}=\n");
            let found = run(&build::evidence(&[], &local, PAIR)).unwrap();
            let edit = &found[0].remedies[0].edits[0];
            assert_eq!((edit.line, edit.new.as_deref()), (2, Some("# {line}")), "{name}");
            let found = run(&build::evidence(&[(name, "")], "", PAIR)).unwrap();
            assert_eq!(found[0].remedies[0].commands, [format!("unset {name}").as_str()]);
            assert!(!found[0].remedies[0].is_for_the_doctor(), "{name}");
        }
    }

    #[test]
    fn empty_value_shadows_full_one() {
        let url = "CONVEX_SELF_HOSTED_URL=http://h\n";
        let error = |at: &str| vec![format!("empty-value-shadows error proven {at}")];
        let in_shell = "$CONVEX_SELF_HOSTED_ADMIN_KEY of the shell";
        for (case, env, local, dotenv, expected) in [
            ("nothing empty", None, PAIR, "", vec![]),
            ("exported empty", Some(""), PAIR, "", error(in_shell)),
            ("exported full", Some("app|01"), PAIR, "", vec![]),
            (
                "empty line above",
                None,
                "CONVEX_SELF_HOSTED_ADMIN_KEY=",
                PAIR,
                error(".env.local:1"),
            ),
            ("empty line below", None, PAIR, "CONVEX_SELF_HOSTED_ADMIN_KEY=", vec![]),
            ("nothing to hide", Some(""), url, "", vec![]),
        ] {
            let env: Vec<_> = env.map(|value| (ADMIN_KEY, value)).into_iter().collect();
            let evidence = build::evidence(&env, local, dotenv);
            assert_eq!(told(run(&evidence)), expected, "{case}");
        }
    }

    #[test]
    fn a_file_that_does_not_count_hides_nothing_and_is_not_hidden() {
        let mut sources = build::sources(&[], PAIR, "");
        let text = "CONVEX_SELF_HOSTED_URL=http://h\nCONVEX_SELF_HOSTED_ADMIN_KEY=";
        let file = crate::selection::choose::FileText::new(".env.prod", text);
        sources.env_file = Some((".env.prod".to_owned(), Some(file)));
        assert!(told(run(&build::of(&sources))).is_empty());
    }

    #[test]
    fn emptied_on_purpose_for_the_cloud() {
        let env = [(URL, ""), (ADMIN_KEY, ""), ("CONVEX_DEPLOYMENT", "dev:a-b-1")];
        let told = told(run(&build::evidence(&env, PAIR, "")));
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|line| line.starts_with("empty-value-shadows warning proven")));
    }
}
