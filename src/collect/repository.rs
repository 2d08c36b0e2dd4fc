//! What git says about the files that were read. Only `rev-parse`, `ls-files` and `check-ignore`
//! are called, for the history also `log` and `cat-file`, with the repository's own
//! `core.fsmonitor` program switched off: a look must not run foreign code (docs/facts.md,
//! git-fsmonitor).
#![allow(clippy::disallowed_methods, reason = "the collector calls git")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::evidence::Observation;
use crate::evidence::places::InGit;
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

/// Env files that convex-doctor itself may be asked to make.
const MADE: [&str; 2] = [".env", ".env.local"];

/// What git knows of `files`; `None` outside of a work tree, or where git is not installed.
pub(super) async fn look(
    directory: &Path,
    files: &[ReadFile],
    secrets: &[(&Secret, &str)],
    history: bool,
    timeout: Duration,
) -> Observation<Option<Git>> {
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let absent: Vec<&str> = MADE.into_iter().filter(|name| !names.contains(name)).collect();
    let all = [&names[..], &absent].concat();
    let GitStatus { tracked, ignored } = match standing(directory, &all, timeout).await {
        Ok(Some(standing)) => standing,
        Ok(None) => return Observation::Seen(None),
        Err(reason) => return Observation::unavailable(reason),
    };
    let mut found: Vec<TrackedSecret> = files
        .iter()
        .filter(|file| tracked.contains(&file.name))
        .flat_map(|file| find(file, secrets))
        .collect();
    if history {
        let open = |name: &&str| found.iter().all(|known| known.file != **name);
        let others: Vec<&str> = names.iter().copied().filter(open).take(FILES_BACK).collect();
        match earlier(directory, &others, secrets, timeout).await {
            Ok(earlier) => found.extend(earlier),
            Err(error) => return Observation::unavailable(error.reason()),
        }
    }
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
    Observation::Seen(Some(Git { tracked, not_ignored, would_not_ignore, secrets: found }))
}

/// What git does with files: those in its index, and those that it ignores.
#[derive(Default)]
pub(super) struct GitStatus {
    tracked: Vec<String>,
    ignored: Vec<String>,
}

impl GitStatus {
    /// Of one of the files that were asked for.
    pub(super) fn of(&self, file: &str) -> InGit {
        if self.tracked.iter().any(|tracked| tracked == file) {
            InGit::Tracked
        } else if self.ignored.iter().any(|ignored| ignored == file) {
            InGit::Ignored
        } else {
            InGit::Neither
        }
    }
}

/// What git does with the files of those names, relative to the directory; `None` outside of a work
/// tree, or where git is not installed. Why it does not say, where it should.
pub(super) async fn standing(
    directory: &Path,
    names: &[&str],
    timeout: Duration,
) -> Result<Option<GitStatus>, String> {
    match git(directory, &["rev-parse", "--is-inside-work-tree"], timeout).await {
        Ok(output) if output.code == Some(0) => {}
        Ok(output) if output.stderr.contains("dubious ownership") => {
            return Err("git does not answer: the repository belongs to another user".to_owned());
        }
        // Not a work tree, or no git: there is nothing to say about it.
        Ok(_) | Err(GitError::Missing) => return Ok(None),
        Err(GitError::Failed(reason)) => return Err(reason),
    }
    if names.is_empty() {
        return Ok(Some(GitStatus::default()));
    }
    let with = |first: &[&'static str]| {
        let mut arguments: Vec<&str> = first.to_vec();
        arguments.push("--");
        arguments.extend(names);
        arguments.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let listing = with(&["ls-files", "-z"]);
    // `-z` is for --stdin only. Without an answer to each name, exit code 1 means that nothing is
    // ignored.
    let ignoring = with(&["check-ignore", "--no-index"]);
    let (tracked, ignored) = tokio::join!(
        git_owned(directory, &listing, timeout),
        git_owned(directory, &ignoring, timeout)
    );
    match (tracked, ignored) {
        (Ok(tracked), Ok(ignored)) if matches!(ignored.code, Some(0 | 1)) => Ok(Some(GitStatus {
            tracked: fields(&tracked.stdout, 0),
            ignored: fields(&ignored.stdout, b'\n'),
        })),
        (Ok(_), Ok(_)) => Err("git could not say what it ignores".to_owned()),
        (Err(error), _) | (_, Err(error)) => Err(error.reason()),
    }
}

/// The lines of a file that literally hold one of the secrets.
fn find(file: &ReadFile, secrets: &[(&Secret, &str)]) -> Vec<TrackedSecret> {
    find_in(&file.name, &file.text, secrets)
}

fn find_in(name: &str, text: &str, secrets: &[(&Secret, &str)]) -> Vec<TrackedSecret> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (secret, what) in secrets {
            let text = secret.expose().trim();
            if text.len() >= 16 && line.contains(text) {
                found.push(TrackedSecret {
                    file: name.to_owned(),
                    line: index + 1,
                    what: (*what).to_owned(),
                    commit: None,
                });
            }
        }
    }
    found.dedup();
    found
}

/// So many files are searched for in the history.
const FILES_BACK: usize = 10;
/// In so many of the commits that changed one of them.
const COMMITS_BACK: usize = 40;
/// Through so many bytes of their versions.
const BYTES_BACK: u64 = 32 * 1024 * 1024;

/// What earlier versions of those files hold, the newest first, each file and kind once.
async fn earlier(
    directory: &Path,
    names: &[&str],
    secrets: &[(&Secret, &str)],
    timeout: Duration,
) -> Result<Vec<TrackedSecret>, GitError> {
    if names.is_empty() || secrets.is_empty() {
        return Ok(vec![]);
    }
    let count = COMMITS_BACK.to_string();
    let log = ["log", "--all", "--full-history", "--format=%H", "-n", &count, "--"];
    let log = git(directory, &[&log, names].concat(), timeout).await?;
    let commits = fields(&log.stdout, b'\n');
    let versions: Vec<(&str, &str)> = commits
        .iter()
        .flat_map(|commit| names.iter().map(|name| (commit.as_str(), *name)))
        .collect();
    if versions.is_empty() {
        return Ok(vec![]);
    }
    // On the standard input, for a name may be anything; and the secrets are on no command line at
    // all.
    let wanted: String =
        versions.iter().map(|(commit, name)| format!("{commit}:./{name}\n")).collect();
    let mut child = git_command(directory, &["cat-file".to_owned(), "--batch".to_owned()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| GitError::Failed(format!("git cannot be called: {error}")))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (Some(mut input), Some(output)) = (input, output) else {
        return Err(GitError::Failed("git cannot be called".to_owned()));
    };
    let mut texts = Vec::new();
    let mut bounded = output.take(BYTES_BACK);
    let talk = async {
        let write = async move { input.write_all(wanted.as_bytes()).await };
        // Whether all was written is seen by what comes back.
        let (_written, read) = tokio::join!(write, bounded.read_to_end(&mut texts));
        read
    };
    match tokio::time::timeout(timeout, talk).await {
        Err(_) => return Err(GitError::Failed("git did not answer in time".to_owned())),
        Ok(Err(error)) => return Err(GitError::Failed(format!("git cannot be read: {error}"))),
        Ok(Ok(_)) => {}
    }
    let mut found: Vec<TrackedSecret> = vec![];
    let mut rest = texts.as_slice();
    for (commit, name) in versions {
        let Some((text, after)) = blob(rest) else { break };
        rest = after;
        let Some(text) = text else { continue };
        for one in find_in(name, &String::from_utf8_lossy(text), secrets) {
            if found.iter().all(|known| (&known.file, &known.what) != (&one.file, &one.what)) {
                found.push(TrackedSecret { commit: commit.get(..10).map(str::to_owned), ..one });
            }
        }
    }
    Ok(found)
}

/// The next answer of `cat-file --batch`, and what follows it: the text of a file, or that there is
/// none (<https://git-scm.com/docs/git-cat-file#_batch_output>).
fn blob(output: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let end = output.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = (String::from_utf8_lossy(&output[..end]), &output[end + 1..]);
    let mut words = head.rsplitn(3, ' ');
    let (last, kind) = (words.next()?, words.next()?);
    if last == "missing" {
        return Some((None, rest));
    }
    let size: usize = last.parse().ok()?;
    let text = rest.get(..size)?;
    Some(((kind == "blob").then_some(text), rest.get(size + 1..)?))
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

fn git_command(directory: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new("git");
    command
        .args(["-c", "core.fsmonitor=false", "-c", "core.quotePath=false"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C")
        .kill_on_drop(true);
    command
}

async fn git_owned(
    directory: &Path,
    arguments: &[String],
    timeout: Duration,
) -> Result<Output, GitError> {
    let child = git_command(directory, arguments).stdin(Stdio::null()).output();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_a_batch_are_read_one_by_one() {
        let output = b"0123 blob 4\na\nb\n\nHEAD:./a b missing\n0124 tree 2\nxx\n0125 blob 9\ncut";
        let mut rest = output.as_slice();
        let mut told = vec![];
        while let Some((text, after)) = blob(rest) {
            told.push(text.map(|text| String::from_utf8_lossy(text).into_owned()));
            rest = after;
        }
        // What a bound cut off is not text.
        assert_eq!(told, [Some("a\nb\n".to_owned()), None, None]);
    }
}
