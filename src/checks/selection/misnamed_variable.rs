//! A variable with nearly the name of a self-hosted setting: the CLI does not read it.

use crate::checks::Check;
use crate::deployment::selection::{
    at_source, has_backend, is_server_only, names_cloud_deployment,
};
use crate::evidence::selection::NearMissFacts;
use crate::evidence::{Evidence, Unseen};
use crate::names::URL;
use crate::remedies::env_file::{add_under_name, rewrite};
use crate::remedies::mint::for_selection;
use crate::remedies::script::unless_by_script;
use crate::report::{Certainty, CliFailure, Finding, Level, Remedy, Rule};

/// The CLI does not read a variable with this name.
pub static MISNAMED_VARIABLE: Rule =
    rule!("misnamed-variable", Error, "the CLI does not read a variable with this name")
        .cause(&["selection-incomplete", "selection-missing"])
        .explains(&[CliFailure::NotSelected]);

/// Judges `misnamed-variable`.
pub static CHECK: Check = Check { rules: &[&MISNAMED_VARIABLE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    let matters = |miss: &&NearMissFacts| {
        // Bundlers need their prefix: next to the right variable it may be the app's own.
        let of_the_app = miss.written.len() > miss.meant.len()
            && miss.written.ends_with(&format!("_{}", miss.meant));
        let of_others = of_the_app || compose_file_that_reads(evidence, &miss.written).is_some();
        !miss.empty && (!of_others || !selection.is_set(&miss.meant))
    };
    let misses = selection.near_misses.iter().filter(matters);
    Ok(misses.map(|miss| finding(evidence, miss)).collect())
}

fn finding(evidence: &Evidence, miss: &NearMissFacts) -> Finding {
    let NearMissFacts { written, meant, source, .. } = miss;
    let missing = !evidence.selection.is_set(meant);
    let elsewhere = is_server_only(evidence)
        || names_cloud_deployment(&evidence.selection) && has_backend(evidence) != Ok(true);
    let state = if missing { "is not set" } else { "is set, too" };
    let detail = format!("The CLI does not read {written}. It reads {meant}, which {state}.");
    let finding = MISNAMED_VARIABLE
        .finding(certainty(written, meant, missing), detail)
        .level(if missing && !elsewhere { Level::Error } else { Level::Warning })
        .because(format!("{written} is set"), source.to_string())
        .remedy(if missing {
            remedy(evidence, miss)
        } else {
            Remedy::safe(format!("Delete {written} in {source}, unless another program reads it"))
        });
    let finding = match (miss.fits, meant.as_str()) {
        (true, _) => finding,
        (false, URL) => finding.because("Its value is not a URL", source.to_string()),
        (false, _) => finding.because("Its value is not an admin key", source.to_string()),
    };
    let finding = at_source(finding, source);
    if missing { unless_by_script(evidence, finding) } else { finding }
}

/// Gives the right name to the value, if the value can be what belongs under it.
fn remedy(evidence: &Evidence, miss: &NearMissFacts) -> Remedy {
    let NearMissFacts { written, meant, source, lines, .. } = miss;
    if !miss.fits {
        return if meant == URL {
            Remedy::safe(format!("Set {URL}: the value of {written} is not a URL"))
        } else {
            for_selection(evidence, ".env.local")
        };
    }
    if let Some(file) = compose_file_that_reads(evidence, written) {
        return Remedy::safe(format!("Also set {meant} next to {source} ({file} reads {written})"))
            .edit(add_under_name(source, lines.as_ref(), meant));
    }
    // After a path nothing is assigned.
    let value = match (written.starts_with("./"), meant.as_str()) {
        (false, _) => "{rest}",
        (true, URL) => "{value}",
        (true, _) => "'{value}'",
    };
    Remedy::safe(format!("Rename {written} to {meant} in {source}")).edit(rewrite(
        source,
        lines.as_ref(),
        meant,
        value,
    ))
}

/// The compose file in which the variable is used; also one that could not be read, which may use
/// it.
fn compose_file_that_reads(evidence: &Evidence, name: &str) -> Option<String> {
    let near_by = &evidence.surroundings.names_in_compose_files;
    if let Some(named) = near_by.iter().find(|named| named.name == name) {
        return Some(named.file.clone());
    }
    let compose = evidence.compose.seen().ok()?.as_ref()?;
    let reads = !compose.errors.is_empty() || compose.reads.iter().any(|read| read == name);
    let place = compose.errors.iter().find_map(|issue| Some(issue.at.as_ref()?.file.clone()));
    let file = compose.files.first().map(|file| {
        let inside = format!("{}/", evidence.surroundings.directory.trim_end_matches('/'));
        file.strip_prefix(&inside).unwrap_or(file).to_owned()
    });
    let file = file.or(place).unwrap_or_else(|| "the compose file".to_owned());
    reads.then_some(file)
}

/// Another spelling of the same name leaves no doubt; nor does a value under a wrong name while the
/// right one is missing.
fn certainty(written: &str, meant: &str, missing: bool) -> Certainty {
    let letters = |name: &str| -> String {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|c| c.to_ascii_uppercase()).collect()
    };
    if missing || letters(written) == letters(meant) {
        Certainty::Proven
    } else {
        Certainty::Likely
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{KEY, PAIR, told};
    use crate::evidence::surroundings::{NameInFile, PackageJson};

    #[test]
    fn near_misses_of_both_names() {
        let url = "CONVEX_SELF_HOSTED_URL=http://h\n";
        let with = |name: &str| format!("{url}{name}={KEY}\n");
        for (local, expected) in [
            (PAIR.to_owned(), None),
            (with("CONVEX_ADMIN_KEY"), Some("error proven .env.local:2")),
            (with("./CONVEX_SELF_HOSTED_ADMIN_KEY"), Some("error proven .env.local:2")),
            (with("convex_self_hosted_admin_key"), Some("error proven .env.local:2")),
            (format!("{PAIR}CONVEX_ADMIN_KEY={KEY}"), Some("warning likely .env.local:3")),
            (format!("{PAIR}CONVEX_ADMIN_KEY="), None),
            (format!("{PAIR}NEXT_PUBLIC_CONVEX_SELF_HOSTED_URL=http://h"), None),
            (format!("{PAIR}CONVEX_URL=http://h"), None),
        ] {
            let evidence = build::evidence(&[], &local, "");
            let line = |rest| format!("misnamed-variable {rest}");
            let expected: Vec<_> = expected.map(line).into_iter().collect();
            assert_eq!(told(run(&evidence)), expected, "{local}");
        }
    }

    type Change = fn(&mut Evidence);

    #[test]
    fn a_name_that_a_compose_file_reads_stays() {
        let url = "CONVEX_SELF_HOSTED_URL=http://h\n";
        let key = format!("{url}CONVEX_ADMIN_KEY={KEY}\n");
        let secret = format!("{url}CONVEX_ADMIN_KEY={}\n", "5".repeat(64));
        let renamed = vec![(2, true, "CONVEX_SELF_HOSTED_ADMIN_KEY={rest}")];
        let added = vec![(2, false, "CONVEX_SELF_HOSTED_ADMIN_KEY={rest}"), (2, true, "{line}")];
        let compose: Change = build::add_backend;
        let reads: Change = |evidence| {
            build::add_backend(evidence);
            let Observation::Seen(Some(compose)) = &mut evidence.compose else { unreachable!() };
            compose.reads = vec!["CONVEX_ADMIN_KEY".to_owned()];
        };
        let broken: Change = |evidence| {
            build::add_backend(evidence);
            let Observation::Seen(Some(compose)) = &mut evidence.compose else { unreachable!() };
            compose.errors = vec![crate::evidence::compose::ComposeIssue {
                message: "x".to_owned(),
                at: None,
                variable: None,
                of_backend: false,
                in_value: false,
                line: None,
            }];
        };
        let near_by: Change = |evidence| {
            evidence.surroundings.names_in_compose_files = vec![NameInFile {
                name: "CONVEX_ADMIN_KEY".to_owned(),
                file: "docker/compose.prod.yml".to_owned(),
            }];
        };
        for (dotenv, change, expected) in [
            (&key, (|_| {}) as Change, &renamed),
            (&key, compose, &renamed),
            (&key, reads, &added),
            (&key, broken, &added),
            (&key, near_by, &added),
            (&secret, compose, &vec![]),
            (&secret, reads, &vec![]),
        ] {
            let mut evidence = build::evidence(&[], "", dotenv);
            change(&mut evidence);
            let found = run(&evidence).unwrap();
            let edits = &found[0].remedies[0].edits;
            let edits: Vec<_> = edits
                .iter()
                .map(|it| (it.line, it.line_hash.is_some(), it.new.as_deref().unwrap()))
                .collect();
            assert_eq!(edits, *expected, "{dotenv}");
        }
    }

    #[test]
    fn on_the_server_the_cli_is_not_used() {
        let mut evidence = build::evidence(&[], "", "CONVEX_ADMIN_KEY=app|01");
        evidence.surroundings.package_json =
            Observation::Seen(PackageJson::Missing { nearest: None });
        build::add_backend(&mut evidence);
        assert_eq!(told(run(&evidence)), ["misnamed-variable warning proven .env:1"]);
    }
}
