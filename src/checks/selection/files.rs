//! The wrong directory or the wrong file: env files elsewhere, files that cannot be read, no package.json.

use super::{has_app, pair_is_complete, pair_is_meant};
use crate::checks::Check;
use crate::evidence::selection::{SelectionError, SelectionKind};
use crate::evidence::surroundings::PackageJson;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static ENV_FILE_ELSEWHERE: Rule = Rule {
    id: "env-file-elsewhere",
    level: Level::Error,
    title: "the pair stands in a file that the CLI does not read from here",
    explain: include_str!("env-file-elsewhere.md"),
    is_cause: true,
    causes: &["selection-incomplete", "selection-missing"],
    since: "0.1.0",
};

static ENV_FILE_UNREADABLE: Rule = Rule {
    id: "env-file-unreadable",
    level: Level::Error,
    title: "an env file is there and cannot be read as text",
    explain: include_str!("env-file-unreadable.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static PACKAGE_JSON_MISSING: Rule = Rule {
    id: "package-json-missing",
    level: Level::Error,
    title: "there is no package.json here, so the CLI refuses to start",
    explain: include_str!("package-json-missing.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

/// The pair in another file.
pub(super) static ELSEWHERE: Check = Check { rules: &[&ENV_FILE_ELSEWHERE], run: elsewhere };
/// Files that cannot be read.
pub(super) static UNREADABLE: Check = Check { rules: &[&ENV_FILE_UNREADABLE], run: unreadable };
/// No package.json.
pub(super) static PACKAGE_JSON: Check =
    Check { rules: &[&PACKAGE_JSON_MISSING], run: package_json };

fn elsewhere(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    if pair_is_complete(evidence) || evidence.selection.env_file.is_some() {
        return Ok(vec![]);
    }
    // A cloud project may well keep the pair of another one in a sibling package.
    let cloud = matches!(
        evidence.selection.kind,
        SelectionKind::CloudDeployKey | SelectionKind::CloudDeployment | SelectionKind::Local
    );
    let Some(other) = evidence
        .surroundings
        .env_files_elsewhere
        .iter()
        .filter(|file| file.has_url || file.has_key)
        .max_by_key(|file| (file.has_url && file.has_key, std::cmp::Reverse(file.file.len())))
    else {
        return Ok(vec![]);
    };
    let needs_it = has_app(evidence) == Some(true) || pair_is_meant(evidence);
    let level = if needs_it && !cloud { Level::Error } else { Level::Info };
    let what = if other.has_url && other.has_key { "the pair" } else { "half of the pair" };
    let directory = other.file.rsplit_once('/').map(|(directory, _)| directory);
    let remedy = match directory {
        Some(directory) => Remedy::safe("Run the CLI where the file is")
            .run(format!("cd {} && npx convex dev", crate::checks::compose::shell_word(directory))),
        None => Remedy::safe("Name the file to the CLI, or rename it to .env.local").run(format!(
            "npx convex dev --env-file {}",
            crate::checks::compose::shell_word(&other.file)
        )),
    };
    Ok(vec![
        ENV_FILE_ELSEWHERE
            .finding(
                Certainty::Proven,
                format!(
                    "{} holds {what}; the CLI reads .env.local and .env of the current directory alone.",
                    other.file
                ),
            )
            .level(level)
            .at(Location::line(&other.file, other.line))
            .remedy(remedy),
    ])
}

fn unreadable(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    Ok(evidence
        .surroundings
        .unreadable
        .iter()
        .map(|file| {
            ENV_FILE_UNREADABLE
                .finding(Certainty::Proven, format!("{}: {}.", file.file, file.reason))
                .at(Location::line(&file.file, 1))
                .remedy(
                    Remedy::safe("See what it is")
                        .run(format!("ls -ld {}", crate::checks::compose::shell_word(&file.file))),
                )
        })
        .collect())
}

fn package_json(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let PackageJson::Missing { nearest } = evidence.surroundings.package_json.seen()? else {
        return Ok(vec![]);
    };
    let refuses = evidence.selection.error == Some(SelectionError::PackageJsonMissing);
    // Without a pair this is no app's directory: a server is judged on its server side (catalogue §0.5).
    if !refuses || !pair_is_meant(evidence) {
        return Ok(vec![]);
    }
    let finding = PACKAGE_JSON_MISSING.finding(
        Certainty::Proven,
        match nearest {
            Some(directory) => format!("The nearest one is in {directory}."),
            None => "None was found in the directories round it either.".to_owned(),
        },
    );
    Ok(vec![match nearest {
        Some(directory) => finding.remedy(Remedy::safe("Run the CLI there").run(format!(
            "cd {} && npx convex dev",
            crate::checks::compose::shell_word(directory)
        ))),
        None => finding.remedy(Remedy::safe("Run the CLI in the app's own directory")),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::selection::build::{selected, told};
    use crate::evidence::Observation;
    use crate::evidence::surroundings::{EnvFileElsewhere, UnreadableFile};

    const PAIR: &str =
        "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY=a|01aa\n";

    #[test]
    fn a_pair_elsewhere_counts_only_when_it_is_missing_here() {
        let other = EnvFileElsewhere {
            file: "../.env.local".into(),
            line: 2,
            has_url: true,
            has_key: true,
        };
        for (case, text, expected) in [
            ("missing here", "", vec!["env-file-elsewhere error proven ../.env.local:2"]),
            ("here as well", PAIR, vec![]),
        ] {
            let mut evidence = selected(text, None, &[]);
            evidence.surroundings.env_files_elsewhere = vec![other.clone()];
            assert_eq!(told(elsewhere(&evidence)), expected, "{case}");
        }
        assert!(told(elsewhere(&selected("", None, &[]))).is_empty());
    }

    #[test]
    fn no_package_json_is_a_fault_of_an_app_only() {
        let missing = Observation::Seen(PackageJson::Missing { nearest: Some("..".to_owned()) });
        for (case, text, expected) in
            [("a pair", PAIR, vec!["package-json-missing error proven"]), ("a server", "", vec![])]
        {
            let mut evidence = selected(text, None, &[]);
            evidence.surroundings.package_json = missing.clone();
            evidence.selection.error = Some(SelectionError::PackageJsonMissing);
            assert_eq!(told(package_json(&evidence)), expected, "{case}");
        }
        let mut evidence = selected(PAIR, None, &[]);
        evidence.surroundings.package_json = Observation::unavailable("x");
        assert_eq!(told(package_json(&evidence)), ["unknown"]);
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let mut evidence = selected(PAIR, None, &[]);
        assert!(told(unreadable(&evidence)).is_empty());
        let file = UnreadableFile { file: ".env".into(), reason: "it is a directory".into() };
        evidence.surroundings.unreadable = vec![file];
        assert_eq!(told(unreadable(&evidence)), ["env-file-unreadable error proven .env:1"]);
    }
}
