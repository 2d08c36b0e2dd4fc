//! The shell's value and the file's differ, and the shell's counts: a stale export, direnv, a
//! secret of CI.

use crate::checks::Check;
use crate::deployment::key::cli_works;
use crate::deployment::selection::at_source;
use crate::evidence::key::SecretPlace;
use crate::evidence::selection::{DefinitionFacts, ValueSource};
use crate::evidence::{Evidence, Unseen};
use crate::names::{ADMIN_KEY, URL};
use crate::report::{Certainty, CliFailure, Finding, Level, Remedy, Rule};

/// A variable of the shell hides another value in the env file.
pub static SHELL_SHADOWS_FILE: Rule = Rule::new(
    "shell-shadows-file",
    Level::Warning,
    "a shell variable overrides the value in the env file",
    include_str!("shell-shadows-file.md"),
)
.cause(&[
    "key-foreign",
    "key-from-another-instance",
    "key-from-detached-volume",
    "key-name-mismatch",
    "key-is-read-only",
    "key-placeholder",
    "key-mangled",
    "key-not-minted",
    "key-is-instance-secret",
    "key-is-cloud-key",
    "key-prefix-refused",
    "key-without-name",
])
.explains(&[CliFailure::KeyRejected]);

/// Judges `shell-shadows-file`.
pub static CHECK: Check = Check { rules: &[&SHELL_SHADOWS_FILE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let shadows: Vec<_> = [URL, ADMIN_KEY]
        .into_iter()
        .filter_map(|name| shadow(evidence, name).map(|(shell, file)| (name, shell, file)))
        .collect();
    if shadows.is_empty() {
        return Ok(vec![]);
    }
    let file_key_opens = shadows.iter().any(|(_, _, file)| opens(evidence, &file.source));
    let level = match (cli_works(evidence), file_key_opens) {
        (true, _) => Level::Info,
        (false, true) => Level::Error,
        (false, false) => Level::Warning,
    };
    let names = shadows.iter().map(|(name, ..)| *name).collect::<Vec<_>>();
    let outcome = match level {
        Level::Info => " The pair in force is accepted.",
        Level::Error => " The backend would accept the key of the file.",
        Level::Warning => "",
    };
    let detail = format!(
        "{} {} set in this shell and, to another value, in a file. The shell's counts, and the CLI does not say \
         so.{outcome}",
        names.join(" and "),
        if names.len() == 1 { "is" } else { "are" }
    );
    let mut finding = SHELL_SHADOWS_FILE.finding(Certainty::Proven, detail).level(level);
    for (name, shell, file) in &shadows {
        finding = finding.because(
            format!("{name} differs from the value at {}", file.source),
            shell.source.to_string(),
        );
        finding = at_source(at_source(finding, &shell.source), &file.source);
    }
    if level == Level::Info {
        return Ok(vec![finding]); // CI's normal way
    }
    let remedy = Remedy::safe(
        "let the file count, in this shell; then find what exports it (a shell's \
         rc file, direnv, CI)",
    )
    .run(format!("unset {}", names.join(" ")));
    Ok(vec![finding.remedy(remedy)])
}

/// The shell's definition, and the one of a file that would count without it, where they differ.
fn shadow<'a>(
    evidence: &'a Evidence,
    name: &str,
) -> Option<(&'a DefinitionFacts, &'a DefinitionFacts)> {
    let definitions = evidence.selection.definitions(name);
    let shell = definitions.iter().find(|one| one.wins && !one.empty)?;
    let file = definitions.iter().find(|one| matches!(one.source, ValueSource::File { .. }))?;
    let is_shell = matches!(shell.source, ValueSource::Env { .. });
    (is_shell && !file.empty && !file.same_as_winner).then_some((shell, file))
}

/// Whether the key written there opens with the secret that the answering backend runs with.
fn opens(evidence: &Evidence, source: &ValueSource) -> bool {
    let Ok(docker) = evidence.docker.seen() else { return false };
    let Some((answering, _)) = docker.answering() else { return false };
    let in_force = |place: &SecretPlace| matches!(place, SecretPlace::Process { container } if *container == answering.name);
    let keys = evidence.keys.iter().filter(|key| !key.selected && key.source == *source);
    keys.flat_map(|key| &key.trials)
        .any(|trial| trial.opened.is_some() && trial.places.iter().any(in_force))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin_key::Claims;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{KEY, PAIR, told};
    use crate::evidence::docker::{Answering, Container, DockerFacts};
    use crate::evidence::key::Trial;
    use crate::secret::Fingerprint;

    const OTHER: &str =
        "app|02ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa";

    fn shadowed() -> Evidence {
        build::evidence(&[(ADMIN_KEY, OTHER)], PAIR, "")
    }

    fn levels(evidence: &Evidence) -> Vec<String> {
        let at = "$CONVEX_SELF_HOSTED_ADMIN_KEY of the shell";
        told(run(evidence))
            .into_iter()
            .map(|line| {
                line.replace("shell-shadows-file ", "").replace(&format!(" proven {at}"), "")
            })
            .collect()
    }

    #[test]
    fn only_values_that_differ_are_told() {
        assert_eq!(levels(&shadowed()), ["warning"]);
        for (case, env, local) in [
            ("file only", vec![], PAIR),
            ("shell only", vec![(ADMIN_KEY, KEY), (URL, "http://127.0.0.1:3210")], ""),
            ("equal", vec![(ADMIN_KEY, KEY)], PAIR),
            ("empty is another id", vec![(ADMIN_KEY, "")], PAIR),
            ("empty in the file", vec![(ADMIN_KEY, KEY)], "CONVEX_SELF_HOSTED_ADMIN_KEY="),
        ] {
            assert!(levels(&build::evidence(&env, local, "")).is_empty(), "{case}");
        }
    }

    #[test]
    fn the_level_depends_on_which_key_is_good() {
        let mut evidence = shadowed();
        build::accept(&mut evidence);
        assert_eq!(levels(&evidence), ["info"]);

        build::refuse(&mut evidence);
        let container = Container { name: "app-backend-1".to_owned(), ..Container::default() };
        evidence.docker = build::Seen(DockerFacts {
            backends: vec![container],
            answering: Some(Answering {
                container: "app-backend-1".to_owned(),
                certainty: Certainty::Proven,
                how: String::new(),
            }),
            ..DockerFacts::default()
        });
        for (container, expected) in [("app-backend-1", "error"), ("other", "warning")] {
            let place = SecretPlace::Process { container: container.to_owned() };
            let hidden = evidence.keys.iter_mut().find(|key| !key.selected).unwrap();
            hidden.trials = vec![Trial {
                secret: Fingerprint::of_text("secret"),
                places: vec![place],
                opened: Some(Claims::of_member_zero(1_770_000_000, false)),
            }];
            assert_eq!(levels(&evidence), [expected]);
        }
    }
}
