//! What git says about the files that were read. Only `rev-parse`, `ls-files` and `check-ignore` are called, with the repository's own
//! `core.fsmonitor` program switched off: a look must not run foreign code (`crates.md` §7).
#![allow(clippy::disallowed_methods, reason = "the collector calls git")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::evidence::Observation;
use crate::evidence::surroundings::{Git, TrackedSecret};
use crate::secret::Secret;

/// A text file that was read, to be searched for secrets if git tracks it.
pub(super) struct ReadFile {
    /// Relative to the directory, or absolute.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Whether it is an env file that git should ignore.
    pub is_env: bool,
}

/// Env files that the doctor itself may be asked to make.
const MADE: [&str; 2] = [".env", ".env.local"];

/// What git knows of `files`; `None` outside of a work tree, or where git is not installed.
pub(super) async fn look(
    directory: &Path,
    files: &[ReadFile],
    secrets: &[(&Secret, &str)],
    timeout: Duration,
) -> Observation<Option<Git>> {
    match git(directory, &["rev-parse", "--is-inside-work-tree"], timeout).await {
        Ok(output) if output.code == Some(0) => {}
        Ok(output) if output.stderr.contains("dubious ownership") => {
            return Observation::unavailable("git refuses: the repository belongs to another user");
        }
        // Not a work tree, or no git: there is nothing to say about it.
        Ok(_) => return Observation::Seen(None),
        Err(GitError::Missing) => return Observation::Seen(None),
        Err(GitError::Failed(reason)) => return Observation::unavailable(reason),
    }
    let mut names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let absent: Vec<&str> = MADE.into_iter().filter(|name| !names.contains(name)).collect();
    names.extend(&absent);
    let with = |first: &[&'static str]| {
        let mut arguments: Vec<&str> = first.to_vec();
        arguments.push("--");
        arguments.extend(&names);
        arguments.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let listing = with(&["ls-files", "-z"]);
    // `-z` is for --stdin only. Without an answer to each name, exit code 1 means that nothing is ignored.
    let ignoring = with(&["check-ignore", "--no-index"]);
    let (tracked, ignored) = tokio::join!(
        git_owned(directory, &listing, timeout),
        git_owned(directory, &ignoring, timeout)
    );
    let (tracked, ignored) = match (tracked, ignored) {
        (Ok(tracked), Ok(ignored)) if matches!(ignored.code, Some(0 | 1)) => {
            (fields(&tracked.stdout, 0), fields(&ignored.stdout, b'\n'))
        }
        (Ok(_), Ok(_)) => return Observation::unavailable("git could not say what it ignores"),
        (Err(error), _) | (_, Err(error)) => return Observation::unavailable(error.reason()),
    };
    let secrets = files
        .iter()
        .filter(|file| tracked.contains(&file.name))
        .flat_map(|file| find(file, secrets))
        .collect();
    let not_ignored = files
        .iter()
        .filter(|file| file.is_env && !ignored.contains(&file.name))
        .map(|file| file.name.clone())
        .collect();
    let would_not_ignore = absent
        .into_iter()
        .filter(|name| !ignored.iter().any(|ignored| ignored == name))
        .map(str::to_owned)
        .collect();
    Observation::Seen(Some(Git { tracked, not_ignored, would_not_ignore, secrets }))
}

/// The lines of a file that literally hold one of the secrets.
fn find(file: &ReadFile, secrets: &[(&Secret, &str)]) -> Vec<TrackedSecret> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for (secret, what) in secrets {
            let text = secret.expose().trim();
            if text.len() >= 16 && line.contains(text) {
                found.push(TrackedSecret {
                    file: file.name.clone(),
                    line: index + 1,
                    what: (*what).to_owned(),
                });
            }
        }
    }
    found.dedup();
    found
}

struct Output {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

enum GitError {
    Missing,
    Failed(String),
}

impl GitError {
    fn reason(self) -> String {
        match self {
            Self::Missing => "git is not installed".to_owned(),
            Self::Failed(reason) => reason,
        }
    }
}

async fn git(directory: &Path, arguments: &[&str], timeout: Duration) -> Result<Output, GitError> {
    let owned: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    git_owned(directory, &owned, timeout).await
}

async fn git_owned(
    directory: &Path,
    arguments: &[String],
    timeout: Duration,
) -> Result<Output, GitError> {
    let child = Command::new("git")
        .args(["-c", "core.fsmonitor=false", "-c", "core.quotePath=false"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(timeout, child).await {
        Err(_) => Err(GitError::Failed("git did not answer in time".to_owned())),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err(GitError::Missing),
        Ok(Err(error)) => Err(GitError::Failed(format!("git cannot be called: {error}"))),
        Ok(Ok(output)) => Ok(Output {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
    }
}

fn fields(bytes: &[u8], end: u8) -> Vec<String> {
    bytes
        .split(|byte| *byte == end)
        .filter(|field| !field.is_empty())
        .map(|field| String::from_utf8_lossy(field).into_owned())
        .collect()
}
