//! The self-hosted settings are not set here, but in a file that the CLI does not read from here.

use crate::checks::Check;
use crate::deployment::selection::{
    command_had_pair, has_backend, is_server_only, names_cloud_deployment,
};
use crate::evidence::surroundings::EnvFileElsewhere;
use crate::evidence::{Evidence, Unseen};
use crate::names::{ADMIN_KEY, URL};
use crate::remedies::script::unless_by_script;
use crate::report::{Certainty, CliFailure, Finding, Level, Location, Remedy, Rule, shell_word};

/// The self-hosted settings are in a file that the CLI does not read from here.
pub static ENV_FILE_ELSEWHERE: Rule =
    rule!("env-file-elsewhere", Error, "the self-hosted settings are in a file the CLI ignores")
        .cause(&["selection-incomplete", "selection-missing"])
        .explains(&[CliFailure::NotSelected]);

/// Judges `env-file-elsewhere`.
pub static CHECK: Check = Check { rules: &[&ENV_FILE_ELSEWHERE], run };

/// More places do not help.
const SHOWN: usize = 5;

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    let (no_url, no_key) = (!selection.is_set(URL), !selection.is_set(ADMIN_KEY));
    let mut files: Vec<&EnvFileElsewhere> = evidence
        .surroundings
        .env_files_elsewhere
        .iter()
        .filter(|file| no_url && file.has_url || no_key && file.has_key)
        .collect();
    if files.is_empty() || command_had_pair(evidence) {
        return Ok(vec![]);
    }
    files.sort_by_key(|file| !(file.has_url && file.has_key));
    files.truncate(SHOWN);
    let best = files[0];
    let whole = (!no_url || best.has_url) && (!no_key || best.has_key);
    // A cloud project may keep self-hosted settings in a file for occasional use.
    let optional = is_server_only(evidence)
        || names_cloud_deployment(selection) && has_backend(evidence) != Ok(true);
    let what = match (best.has_url, best.has_key) {
        (true, true) => "the URL and the admin key",
        (true, false) => URL,
        _ => ADMIN_KEY,
    };
    let detail = format!(
        "{} sets {what}, but the CLI does not read it. Without --env-file it only reads .env.local \
         and .env in its directory.",
        best.file
    );
    let mut finding = ENV_FILE_ELSEWHERE
        .finding(if whole { Certainty::Proven } else { Certainty::Likely }, detail)
        .level(if optional { Level::Info } else { Level::Error });
    for file in &files {
        finding = finding.at(Location::line(&file.file, file.line));
        finding.remedies.extend(remedies(file));
    }
    Ok(vec![unless_by_script(evidence, finding)])
}

fn remedies(file: &EnvFileElsewhere) -> Vec<Remedy> {
    let word = shell_word(&file.file);
    let (directory, name) = file.file.rsplit_once('/').unwrap_or(("", &file.file));
    let what = match (file.has_url, file.has_key) {
        (true, true) => "both settings",
        (true, false) => URL,
        _ => ADMIN_KEY,
    };
    let append =
        Remedy::safe(format!("Copy {what} from {} into .env.local", file.file)).run(format!(
            "(echo; grep -E '^(export )?CONVEX_SELF_HOSTED_(URL|ADMIN_KEY)=' {word}) >> .env.local"
        ));
    if matches!(name, ".env.local" | ".env") && !directory.is_empty() {
        let there = Remedy::safe(format!("Run the CLI in {directory}, if the app is there"))
            .run(format!("cd {}", shell_word(directory)));
        return vec![there, append];
    }
    if !(file.has_url && file.has_key) {
        // With --env-file the CLI reads the other setting from nowhere.
        return vec![append];
    }
    let by_option =
        Remedy::safe(format!("Run the CLI with {}; it reads no other file then", file.file))
            .run(format!("npx convex dev --env-file {word}"));
    vec![by_option, append]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{PAIR, told};
    use crate::evidence::surroundings::PackageJson;

    fn elsewhere(file: &str, has_url: bool, has_key: bool) -> EnvFileElsewhere {
        EnvFileElsewhere { file: file.to_owned(), line: 3, has_url, has_key }
    }

    #[test]
    fn a_file_elsewhere_matters_only_for_what_is_missing_here() {
        let half = PAIR.split_inclusive('\n').next().unwrap();
        for (case, local, file, expected) in [
            ("whole here", PAIR, elsewhere("../.env.local", true, true), None),
            (
                "whole there",
                "",
                elsewhere("../.env.local", true, true),
                Some("error proven ../.env.local:3"),
            ),
            (
                "half there",
                "",
                elsewhere(".env.prod", true, false),
                Some("error likely .env.prod:3"),
            ),
            (
                "the other half",
                half,
                elsewhere(".env.prod", false, true),
                Some("error proven .env.prod:3"),
            ),
            ("the same half", half, elsewhere(".env.prod", true, false), None),
            (
                "a cloud project",
                "CONVEX_DEPLOYMENT=dev:a-b-1",
                elsewhere(".env.prod", true, true),
                Some("info proven .env.prod:3"),
            ),
        ] {
            let mut evidence = build::evidence(&[], local, "");
            evidence.surroundings.env_files_elsewhere = vec![file];
            let line = |rest| format!("env-file-elsewhere {rest}");
            let expected: Vec<_> = expected.map(line).into_iter().collect();
            assert_eq!(told(run(&evidence)), expected, "{case}");
        }
    }

    #[test]
    fn the_top_of_a_monorepo_with_the_server_in_it_is_not_a_fault() {
        let mut evidence = build::evidence(&[], "", "");
        evidence.surroundings.env_files_elsewhere =
            vec![elsewhere("apps/web/.env.local", true, true)];
        evidence.surroundings.package_json =
            Observation::Seen(PackageJson::Here { depends_on_convex: false });
        build::add_backend(&mut evidence);
        let expected = ["env-file-elsewhere info proven apps/web/.env.local:3"];
        assert_eq!(told(run(&evidence)), expected);
    }
}
