//! The secret is written into the compose file: anyone who gets the file can generate admin keys.

use crate::checks::Check;
use crate::deployment::variable::{declared_secret, value_location};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::rotation::by_hand;
use crate::remedies::secret::move_out;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

/// The secret is written into the compose file.
pub static SECRET_IN_COMPOSE: Rule =
    rule!("secret-in-compose", Warning, "the instance secret is written into the compose file");

/// Whether it is written into the compose file.
pub static CHECK: Check = Check { rules: &[&SECRET_IN_COMPOSE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some((entry, secret)) = declared_secret(evidence)? else { return Ok(vec![]) };
    // A value without a place comes from the shell; else it may be in `.env` or another file of
    // variables.
    let Some(at) = entry.value_at.as_ref().filter(|at| at.file == entry.at.file) else {
        return Ok(vec![]);
    };
    let git = evidence.surroundings.git.seen().ok().and_then(Option::as_ref);
    let tracked = git.is_some_and(|git| git.tracked.contains(&at.file));
    let detail = if tracked {
        format!(
            "Anyone with the repository can generate admin keys: git tracks {} (line {}), and its \
             history keeps the secret.",
            at.file, at.line
        )
    } else {
        format!("Anyone who gets {} (line {}) can generate admin keys.", at.file, at.line)
    };
    let remedy = Remedy::safe("Move the value to .env, and write ${INSTANCE_SECRET} in its place")
        .in_variables();
    let remedy = match move_out(evidence, entry, secret) {
        Some(actions) if !tracked => actions.into_iter().fold(remedy, Remedy::act),
        _ => remedy,
    };
    let mut finding = SECRET_IN_COMPOSE
        .finding(Certainty::Proven, detail)
        .level(if tracked { Level::Error } else { Level::Warning })
        .because(format!("INSTANCE_SECRET is set to secret {secret}"), at.to_string())
        .at(value_location(entry));
    if tracked {
        let rotate = by_hand(evidence, vec![]);
        let steps = std::iter::once(remedy).chain(rotate).map(Remedy::step);
        finding.remedies.extend(steps);
    } else {
        finding = finding.remedy(remedy);
    }
    Ok(vec![finding])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{Seen, at, entry, valid};
    use crate::evidence::compose::{At, EntryValue};
    use crate::evidence::surroundings::Git;
    use crate::report::Action;
    use Certainty::Proven;

    #[test]
    fn it_moves_if_the_running_container_has_it_and_git_tracks_neither_file() {
        let git = |tracked: &[&str]| {
            let tracked = tracked.iter().map(|file| (*file).to_owned()).collect();
            Seen(Some(Git { tracked, ..Git::default() }))
        };
        let pin_and_pass = ["pin .env", "pass docker-compose.yml"];
        let with_ignore = ["ignore .env", "pin .env", "pass docker-compose.yml"];
        for (case, secret, git, running, expected) in [
            ("no git", "ours", Seen(None), true, &pin_and_pass[..]),
            ("git", "ours", git(&[]), true, &with_ignore),
            ("git unseen", "ours", build::unseen(), true, &[]),
            ("the compose file is tracked", "ours", git(&["docker-compose.yml"]), true, &[]),
            ("its .env is tracked", "ours", git(&[".env"]), true, &[]),
            ("the container has another", "other", Seen(None), true, &[]),
            ("stopped", "ours", Seen(None), false, &[]),
            ("other files of variables", "elsewhere", Seen(None), true, &[]),
        ] {
            let mut evidence = build::healthy();
            build::DIRECTORY.clone_into(&mut evidence.surroundings.directory);
            let mut own = entry("INSTANCE_SECRET", EntryValue::Secret(valid(secret)));
            own.value_at = Some(at(9));
            build::service(&mut evidence).environment = vec![own];
            evidence.surroundings.git = git;
            build::compose(&mut evidence).other_env_files = secret == "elsewhere";
            if secret == "elsewhere" {
                build::backend(&mut evidence).secret.process = Seen(Some(valid(secret)));
            }
            if !running {
                build::backend(&mut evidence).life.state = "exited".into();
            }
            let found = run(&evidence).unwrap();
            let actions = found[0].remedies.iter().flat_map(|remedy| &remedy.actions);
            let names = actions.map(|action| match action {
                Action::Ignore { file } => format!("ignore {file}"),
                Action::PinSecret { file, .. } => format!("pin {file}"),
                Action::PassVariable { file, .. } => format!("pass {file}"),
                other => format!("{other:?}"),
            });
            assert_eq!(names.collect::<Vec<_>>(), expected, "{case}");
        }
    }

    #[test]
    fn a_secret_in_the_compose_file() {
        let other = At { file: ".env".to_owned(), line: 1, column: 1 };
        for (case, value_at, tracked, expected) in [
            ("in .env", Some(other), true, None),
            ("literal", Some(at(9)), false, Some((Proven, Level::Warning))),
            ("the shell's", None, false, None),
            ("tracked", Some(at(9)), true, Some((Proven, Level::Error))),
        ] {
            let mut evidence = build::healthy();
            let mut own = entry("INSTANCE_SECRET", EntryValue::Secret(valid("ours")));
            own.value_at = value_at;
            build::service(&mut evidence).environment = vec![own];
            let files = if tracked { vec!["docker-compose.yml".to_owned()] } else { vec![] };
            evidence.surroundings.git = Seen(Some(Git { tracked: files, ..Git::default() }));
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|f| (f.certainty, f.level)), expected, "{case}");
        }
        assert_eq!(run(&build::healthy()), Ok(vec![]));
    }
}
