//! Files that the CLI needs or reads: no package.json, or an env file that cannot be read.

use crate::checks::Check;
use crate::deployment::key::cli_works;
use crate::deployment::selection::{compose_has_backend, has_pair, names_cloud_deployment};
use crate::evidence::surroundings::{PackageJson, UnreadableFile};
use crate::evidence::{Evidence, Unseen};
use crate::report::{
    Certainty, ChainLink, CliFailure, Finding, Level, Location, Remedy, Rule, shell_word,
};

/// There is no package.json in this directory.
pub static PACKAGE_JSON_MISSING: Rule =
    rule!("package-json-missing", Error, "there is no package.json in this directory")
        .cause(&[])
        .breaks(ChainLink::Source)
        .explains(&[CliFailure::NoPackageJson]);

/// An env file cannot be read.
pub static ENV_FILE_UNREADABLE: Rule =
    rule!("env-file-unreadable", Error, "an env file cannot be read")
        .explains(&[CliFailure::NotSelected]);

/// Judges `package-json-missing`.
pub static PACKAGE_JSON_CHECK: Check = Check { rules: &[&PACKAGE_JSON_MISSING], run: package_json };
/// Judges `env-file-unreadable`.
pub static UNREADABLE_CHECK: Check = Check { rules: &[&ENV_FILE_UNREADABLE], run: unreadable };

fn package_json(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let PackageJson::Missing { nearest } = evidence.surroundings.package_json.seen()? else {
        return Ok(vec![]);
    };
    let selection = &evidence.selection;
    // The server's own directory: the CLI is not used there.
    let is_server = compose_has_backend(evidence)
        .or_else(|unseen| if has_pair(selection) { Ok(false) } else { Err(unseen) })?;
    if is_server && !has_pair(selection) {
        return Ok(vec![]);
    }
    let certainty = if is_server { Certainty::Likely } else { Certainty::Proven };
    let is_cloud = names_cloud_deployment(selection);
    let detail = "npx convex stops with `Unable to read your package.json`, before it reads any \
         key. It only runs in the directory of the app's package.json.";
    let finding = PACKAGE_JSON_MISSING
        .finding(certainty, detail)
        .level(if is_cloud { Level::Info } else { Level::Error })
        .at(Location::line("package.json", 0));
    let finding = match nearest {
        Some(directory) => finding.remedy(
            Remedy::safe(format!("Run the CLI in {directory}, which has the nearest package.json"))
                .run(format!("cd {}", shell_word(directory))),
        ),
        None => finding.remedy(Remedy::safe("Run the CLI in the app's directory")),
    };
    Ok(vec![finding])
}

fn unreadable(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let level = if cli_works(evidence) { Level::Warning } else { Level::Error };
    let files = &evidence.surroundings.unreadable;
    let finding = |file: &UnreadableFile| {
        let detail = format!(
            "The CLI ignores {} without a message, so its settings are missing. Reading it fails: {}.",
            file.file, file.reason
        );
        ENV_FILE_UNREADABLE
            .finding(Certainty::Proven, detail)
            .level(level)
            .because(file.reason.clone(), file.file.clone())
            .at(Location::line(&file.file, 0))
            .remedy(if file.utf16 { convert(&file.file) } else { look_at(&file.file) })
    };
    Ok(files.iter().map(finding).collect())
}

fn look_at(file: &str) -> Remedy {
    Remedy::safe("Check its owner and mode: it must be UTF-8 text that you can read")
        .run(format!("ls -l {}", shell_word(file)))
}

/// Converts the file. The copy gets a name that git ignores where it ignores the file: `*.local`.
fn convert(file: &str) -> Remedy {
    let copy = match file.strip_suffix(".local") {
        Some(stem) => format!("{stem}.utf16.local"),
        None => format!("{file}.utf16"),
    };
    let (from, copy) = (shell_word(file), shell_word(&copy));
    Remedy::safe("Convert it to UTF-8; a copy is kept until you delete it")
        .run(format!("cp -p {from} {copy}"))
        .run(format!("iconv -f UTF-16 -t UTF-8 {copy} > {from}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{PAIR, told};
    use crate::evidence::selection::PackageJsonState::{Missing, WithConvex, WithoutConvex};
    use crate::evidence::{ComposeFacts, Observation};

    #[test]
    fn package_json_is_missing_where_the_cli_is_used() {
        let error = "package-json-missing error proven package.json";
        let likely = "package-json-missing error likely package.json";
        let info = "package-json-missing info proven package.json";
        let cloud = "CONVEX_DEPLOYMENT=dev:a-b-1";
        for (case, local, package, backend, expected) in [
            ("there", "", WithConvex, false, None),
            ("there, without convex", PAIR, WithoutConvex, false, None),
            ("subdirectory", "", Missing, false, Some(error)),
            ("pair, no app", PAIR, Missing, false, Some(error)),
            ("pair and server", PAIR, Missing, true, Some(likely)),
            ("server directory", "", Missing, true, None),
            ("server directory, its URL", "CONVEX_SELF_HOSTED_URL=http://h", Missing, true, None),
            ("cloud project", cloud, Missing, false, Some(info)),
        ] {
            let mut sources = build::sources(&[], local, "");
            sources.package_json = package;
            let mut evidence = build::of(&sources);
            if backend {
                build::add_backend(&mut evidence);
            }
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(told(package_json(&evidence)), expected, "{case}");
        }
    }

    /// A file that Compose cannot read still shows whose directory it is.
    #[test]
    fn a_refused_compose_file_that_names_a_backend_is_a_server_s() {
        for (names_backend, expected) in [(true, 0), (false, 1)] {
            let mut sources = build::sources(&[], "", "");
            sources.package_json = Missing;
            let mut evidence = build::of(&sources);
            let refused = ComposeFacts { names_backend, ..ComposeFacts::default() };
            evidence.compose = Observation::Seen(Some(refused));
            assert_eq!(package_json(&evidence).unwrap().len(), expected, "{names_backend}");
        }
    }

    #[test]
    fn what_could_not_be_read_is_unknown() {
        let mut evidence = build::evidence(&[], "", "");
        evidence.surroundings.package_json = Observation::unavailable("not readable");
        assert_eq!(told(package_json(&evidence)), ["unknown"]);
    }

    #[test]
    fn an_unreadable_env_file() {
        let mut evidence = build::evidence(&[], PAIR, "");
        assert!(told(unreadable(&evidence)).is_empty());
        let (file, reason) = (".env".to_owned(), "permission denied".to_owned());
        let utf16 = false;
        evidence.surroundings.unreadable = vec![UnreadableFile { file, reason, utf16 }];
        let command = |evidence: &Evidence| {
            unreadable(evidence).unwrap()[0].remedies[0].commands.last().unwrap().to_string()
        };
        assert_eq!(command(&evidence), "ls -l .env");
        evidence.surroundings.unreadable[0].utf16 = true;
        assert_eq!(command(&evidence), "iconv -f UTF-16 -t UTF-8 .env.utf16 > .env");
        assert_eq!(told(unreadable(&evidence)), ["env-file-unreadable error proven .env"]);
        build::accept(&mut evidence);
        assert_eq!(told(unreadable(&evidence)), ["env-file-unreadable warning proven .env"]);
    }
}
