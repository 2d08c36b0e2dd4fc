//! A variable with nearly the name of a self-hosted setting: the CLI does not read it.

use crate::checks::Check;
use crate::deployment::selection::{
    at_source, has_backend, is_server_only, names_cloud_deployment,
};
use crate::evidence::selection::NearMissFacts;
use crate::evidence::{Evidence, Unseen};
use crate::names::URL;
use crate::remedies::env_file::rewrite;
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
        !miss.empty && (!of_the_app || !selection.is_set(&miss.meant))
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
            // After a path nothing is assigned.
            let value = match (written.starts_with("./"), meant.as_str()) {
                (false, _) => "{rest}",
                (true, URL) => "{value}",
                (true, _) => "'{value}'",
            };
            Remedy::safe(format!("Rename {written} to {meant} in {source}")).edit(rewrite(
                source,
                miss.lines.as_ref(),
                meant,
                value,
            ))
        } else {
            Remedy::safe(format!("Delete {written} in {source}, unless another program reads it"))
        });
    let finding = at_source(finding, source);
    if missing { unless_by_script(evidence, finding) } else { finding }
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
    use crate::evidence::surroundings::PackageJson;

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

    #[test]
    fn on_the_server_the_cli_is_not_used() {
        let mut evidence = build::evidence(&[], "", "CONVEX_ADMIN_KEY=app|01");
        evidence.surroundings.package_json =
            Observation::Seen(PackageJson::Missing { nearest: None });
        build::add_backend(&mut evidence);
        assert_eq!(told(run(&evidence)), ["misnamed-variable warning proven .env:1"]);
    }
}
