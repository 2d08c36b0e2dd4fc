//! The values of the shell and of the file differ, and the shell's counts: an old export, direnv, a
//! secret of CI.

use crate::checks::Check;
use crate::deployment::key::cli_works;
use crate::deployment::selection::at_source;
use crate::evidence::key::SecretPlace;
use crate::evidence::selection::{DefinitionFacts, ValueSource};
use crate::evidence::{Evidence, Unseen};
use crate::names::{ADMIN_KEY, URL};
use crate::report::{Certainty, CliFailure, Finding, Level, Remedy, Rule};

/// A shell variable overrides another value in the env file.
pub static SHELL_SHADOWS_FILE: Rule =
    rule!("shell-shadows-file", Warning, "a shell variable overrides the value in the env file")
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
    let file_key_matches =
        shadows.iter().any(|(_, _, file)| matches_backend(evidence, &file.source));
    let level = match (cli_works(evidence), file_key_matches) {
        (true, _) => Level::Info,
        (false, true) => Level::Error,
        (false, false) => Level::Warning,
    };
    let names = shadows.iter().map(|(name, ..)| *name).collect::<Vec<_>>();
    let outcome = match level {
        Level::Info => " The backend accepts the settings in use.",
        Level::Error => " The backend would accept the key in the file.",
        Level::Warning => "",
    };
    let values = if names.len() == 1 { "value" } else { "values" };
    let detail = format!(
        "npx convex uses {} from this shell, not the different {values} in the file.{outcome}",
        names.join(" and ")
    );
    let mut finding = SHELL_SHADOWS_FILE.finding(Certainty::Proven, detail).level(level);
    for (name, shell, file) in &shadows {
        finding = finding.because(
            format!("{name} differs from the value in {}", file.source),
            shell.source.to_string(),
        );
        finding = at_source(at_source(finding, &shell.source), &file.source);
    }
    if level == Level::Info {
        return Ok(vec![finding]); // usual in CI
    }
    let unset = Remedy::safe("Use the file in this shell: unset what the shell exports")
        .run(format!("unset {}", names.join(" ")));
    let for_good = Remedy::safe("Remove the export from the shell's rc file, direnv or CI");
    Ok(vec![finding.remedy(unset.step()).remedy(for_good.step())])
}

/// The shell's definition, and that of the file that would count without it, if they differ.
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

/// Whether the key in that place matches the secret that the answering backend is running with.
fn matches_backend(evidence: &Evidence, source: &ValueSource) -> bool {
    let Ok(docker) = evidence.docker.seen() else { return false };
    let Some((answering, _)) = docker.answering() else { return false };
    let is_running_secret = |place: &SecretPlace| matches!(place, SecretPlace::Process { container } if *container == answering.name);
    let keys = evidence.keys.iter().filter(|key| !key.selected && key.source == *source);
    keys.flat_map(|key| &key.trials)
        .any(|trial| trial.opened.is_some() && trial.places.iter().any(is_running_secret))
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
    fn only_values_that_differ_are_reported() {
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
    fn the_level_depends_on_which_key_is_accepted() {
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
