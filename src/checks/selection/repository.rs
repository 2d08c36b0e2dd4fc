//! What git contains, or may contain soon: an env file that is not ignored, a secret in a tracked
//! file.

use crate::checks::Check;
use crate::evidence::compose::EntryValue;
use crate::evidence::selection::ValueSource;
use crate::evidence::surroundings::TrackedSecret;
use crate::evidence::{Evidence, Unseen};
use crate::names::{ADMIN_KEY, DEPLOY_KEYS};
use crate::remedies::rotation::{rotations, untrack};
use crate::report::{Action, Certainty, Command, Finding, Location, Remedy, Rule, shell_word};

/// Git does not ignore the env file with the admin key.
pub static ENV_NOT_IGNORED: Rule =
    rule!("env-not-ignored", Warning, "git does not ignore the env file with the admin key");

/// A file tracked by git contains a secret in use.
pub static SECRET_IN_GIT: Rule =
    rule!("secret-in-git", Error, "a file tracked by git contains a secret in use");

/// Judges `env-not-ignored`.
pub static NOT_IGNORED_CHECK: Check = Check { rules: &[&ENV_NOT_IGNORED], run: not_ignored };
/// Judges `secret-in-git`.
pub static SECRET_CHECK: Check = Check { rules: &[&SECRET_IN_GIT], run: secret };

fn not_ignored(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(git) = evidence.surroundings.git.seen()? else { return Ok(vec![]) };
    // A `.env` without a key is often committed on purpose.
    let matters = |file: &&String| *file == ".env.local" || holds_key(evidence, file);
    let finding = |file: &String| {
        let tracked = git.tracked.contains(file);
        let state = if tracked {
            format!("Git tracks {file}.")
        } else {
            format!("The next `git add .` adds {file} to git.")
        };
        let ignore = format!("echo {} >> .gitignore", shell_word(file));
        let remedy = if tracked {
            Remedy::careful(format!("Let git ignore {file} and stop tracking it (it is kept)"))
                .run(ignore)
                .run(format!("git rm --cached {}", shell_word(file)))
        } else {
            Remedy::safe(format!("Let git ignore {file}"))
                .run(ignore)
                .act(Action::Ignore { file: file.clone() })
        };
        let detail = format!("{state} Anyone with the admin key has full access to the backend.");
        ENV_NOT_IGNORED
            .finding(Certainty::Proven, detail)
            .at(Location::line(file, 0))
            .remedy(remedy)
    };
    Ok(git.not_ignored.iter().filter(matters).map(finding).collect())
}

/// Whether a line of that file sets a key.
fn holds_key(evidence: &Evidence, name: &str) -> bool {
    [ADMIN_KEY].into_iter().chain(DEPLOY_KEYS).any(|variable| {
        evidence.selection.definitions(variable).iter().any(|definition| {
            let here = matches!(&definition.source, ValueSource::File { file, .. } if file == name);
            here && !definition.empty
        })
    })
}

fn secret(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(git) = evidence.surroundings.git.seen()? else { return Ok(vec![]) };
    let mut findings: Vec<Finding> = Vec::new();
    for found in &git.secrets {
        let is_key = found.what == "key";
        let (what, access) = if is_key {
            ("the admin key in use", "has full access to the backend")
        } else {
            ("an instance secret in use", "can generate admin keys")
        };
        let (place, proof) = match &found.commit {
            None => (
                format!("{} contains {what}, and git tracks it.", found.file),
                format!("The {} is written in this line", found.what),
            ),
            Some(commit) => (
                format!("Commit {commit} contains {what}, in {}.", found.file),
                format!("The {} is in line {} of commit {commit}", found.what, found.line),
            ),
        };
        let detail = format!("{place} Anyone who can read the repository {access}.");
        let line = if found.commit.is_some() { 0 } else { found.line };
        let mut finding = SECRET_IN_GIT
            .finding(Certainty::Proven, detail)
            .because(proof, found.file.clone())
            .at(Location::line(&found.file, line));
        let first = found.commit.is_none().then(|| take_out(evidence, found));
        finding.remedies.extend(rotations(evidence, SECRET_IN_GIT.id, first));
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    if findings.is_empty() && declares_secret_in(evidence, &git.tracked) {
        // Only a container shows whether that secret is in use.
        evidence.docker.seen()?;
    }
    Ok(findings)
}

/// Whether Compose reads a backend's secret from one of the files.
fn declares_secret_in(evidence: &Evidence, files: &[String]) -> bool {
    let compose = evidence.compose.seen().ok().and_then(Option::as_ref);
    let services = compose.into_iter().flat_map(|compose| &compose.backends);
    services.flat_map(|service| &service.environment).any(|entry| {
        let here = entry.value_at.as_ref().is_some_and(|at| files.contains(&at.file));
        here && matches!(&entry.value, EntryValue::Secret(state) if state.fingerprint().is_some())
    })
}

/// Removes the text from what git tracks. The history keeps it in any case: only a new secret ends
/// the old keys.
fn take_out(evidence: &Evidence, found: &TrackedSecret) -> Remedy {
    let name = found.file.rsplit('/').next().unwrap_or(&found.file);
    let untrack = untrack(evidence, &found.file);
    // Env files are for secrets and do not belong in git; in any other file only the line is wrong.
    if name.starts_with(".env") && !untrack.is_empty() {
        let title = format!("Stop tracking {} and commit (the file is kept)", found.file);
        let mut remedy = Remedy::careful(title);
        remedy.commands = untrack.into_iter().map(Command::from).collect();
        return remedy.run("git commit -m 'Keep secrets out of the repository'");
    }
    Remedy::safe(format!(
        "Move the value in {}:{} to a file that git ignores, and commit",
        found.file, found.line
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{PAIR, told};
    use crate::evidence::surroundings::{Git, TrackedSecret};

    fn in_git(dotenv: &str, git: Git) -> Evidence {
        let mut evidence = build::evidence(&[], PAIR, dotenv);
        evidence.surroundings.git = Observation::Seen(Some(git));
        evidence
    }

    #[test]
    fn env_files_that_git_does_not_ignore() {
        let files = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        for (case, dotenv, names, expected) in [
            ("all ignored", "", &[][..], vec![]),
            ("not ignored", "", &[".env.local"][..], vec![".env.local"]),
            (".env without a key", "A=b", &[".env"][..], vec![]),
            (".env with a key", PAIR, &[".env"][..], vec![".env"]),
        ] {
            let git = Git { not_ignored: files(names), ..Git::default() };
            let expected: Vec<_> =
                expected.iter().map(|at| format!("env-not-ignored warning proven {at}")).collect();
            assert_eq!(told(not_ignored(&in_git(dotenv, git))), expected, "{case}");
        }
    }

    #[test]
    fn a_tracked_file_is_taken_out_of_the_index() {
        let name = || vec![".env.local".to_owned()];
        let git = Git { not_ignored: name(), tracked: name(), ..Git::default() };
        let found = not_ignored(&in_git("", git)).unwrap();
        assert_eq!(found[0].remedies[0].commands.len(), 2);
    }

    #[test]
    fn secrets_in_tracked_files() {
        let secret_at = |line| TrackedSecret {
            file: "docker-compose.yml".to_owned(),
            line,
            what: "instance secret".to_owned(),
            commit: None,
        };
        let earlier = TrackedSecret { commit: Some("0123456789".to_owned()), ..secret_at(3) };
        let git = Git { secrets: vec![secret_at(9), secret_at(9), earlier], ..Git::default() };
        let expected = [
            "secret-in-git error proven docker-compose.yml:9",
            "secret-in-git error proven docker-compose.yml",
        ];
        assert_eq!(told(secret(&in_git("", git))), expected);
        assert!(told(secret(&in_git("", Git::default()))).is_empty());
    }

    #[test]
    fn outside_of_git_nothing_applies_and_without_an_answer_nothing_is_known() {
        let mut evidence = build::evidence(&[], PAIR, "");
        for run in [not_ignored, secret] {
            evidence.surroundings.git = Observation::Seen(None);
            assert!(told(run(&evidence)).is_empty());
            evidence.surroundings.git = Observation::unavailable("git did not answer in time");
            assert_eq!(told(run(&evidence)), ["unknown"]);
        }
    }
}
