//! What git says about the files that were read. Only `rev-parse`, `ls-files`, `check-ignore` and
//! `cat-file` are called, for the history also `rev-list`, with the repository's own
//! `core.fsmonitor` program switched off: a look must not run foreign code (docs/facts.md,
//! git-fsmonitor). `git log` is not used: `log.showSignature` makes it start `gpg.program`.
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
#[derive(Clone)]
pub(super) struct CheckedFile {
    /// Relative to the directory, or absolute.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Whether it is an env file that git should ignore.
    pub is_env: bool,
}

/// Env files that convex-doctor itself may be asked to make.
const MADE: [&str; 2] = [".env", ".env.local"];

/// The names that git is asked about: those of the files, and of what convex-doctor may be asked to
/// make.
pub(super) fn asked_about(files: &[CheckedFile]) -> Vec<String> {
    let names = files.iter().map(|file| file.name.as_str());
    let absent = MADE.into_iter().filter(|made| files.iter().all(|file| file.name != *made));
    names.chain(absent).map(str::to_owned).collect()
}

/// What git knows of `files`; `None` outside of a work tree, or where git is not installed.
/// `standing` is its answer to [`asked_about`].
pub(super) async fn look(
    directory: &Path,
    files: &[CheckedFile],
    standing: Result<Option<GitStatus>, String>,
    secrets: &[(&Secret, &str)],
    history: bool,
    timeout: Duration,
) -> Observation<Option<Git>> {
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let absent = MADE.into_iter().filter(|name| !names.contains(name));
    let GitStatus { tracked, ignored } = match standing {
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
        .filter(|name| !ignored.iter().any(|ignored| ignored == name))
        .map(str::to_owned)
        .collect();
    Observation::Seen(Some(Git {
        tracked,
        not_ignored,
        would_not_ignore,
        secrets: found,
        key_committed_at: None,
    }))
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
fn find(file: &CheckedFile, secrets: &[(&Secret, &str)]) -> Vec<TrackedSecret> {
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
    let list = ["rev-list", "--all", "--full-history", "-n", &count, "--"];
    let list = git(directory, &[&list, names].concat(), timeout).await?;
    let commits = fields(&list.stdout, b'\n');
    let versions: Vec<(&str, &str)> = commits
        .iter()
        .flat_map(|commit| names.iter().map(|name| (commit.as_str(), *name)))
        .collect();
    if versions.is_empty() {
        return Ok(vec![]);
    }
    let wanted: String =
        versions.iter().map(|(commit, name)| format!("{commit}:./{name}\n")).collect();
    let texts = objects(directory, &wanted, timeout).await?;
    let mut found: Vec<TrackedSecret> = vec![];
    let mut rest = texts.as_slice();
    for (commit, name) in versions {
        let Some((object, after)) = next_object(rest) else { break };
        rest = after;
        let Some(text) = object.filter(|object| object.kind == "blob").map(|object| object.text)
        else {
            continue;
        };
        for one in find_in(name, &String::from_utf8_lossy(text), secrets) {
            if found.iter().all(|known| (&known.file, &known.what) != (&one.file, &one.what)) {
                found.push(TrackedSecret { commit: commit.get(..10).map(str::to_owned), ..one });
            }
        }
    }
    Ok(found)
}

/// When the newest commits of this branch brought `key` into the file, seconds since 1970; `None`
/// where the version that is checked out has another one, and where the walk ends before the key's
/// line does.
pub(super) async fn key_committed_at(
    directory: &Path,
    file: &str,
    key: &Secret,
    timeout: Duration,
) -> Option<i64> {
    let wanted: String =
        (0..COMMITS_BACK).map(|back| format!("HEAD~{back}\nHEAD~{back}:./{file}\n")).collect();
    let texts = objects(directory, &wanted, timeout).await.ok()?;
    brought_at(&texts, key.expose().trim())
}

/// The time of the oldest commit of those, the newest first, from which on every version of the
/// file has the key. The answers are in pairs: the commit, and the file in it.
fn brought_at(answers: &[u8], key: &str) -> Option<i64> {
    let mut rest = answers;
    let mut brought = None;
    while let Some((commit, after)) = next_object(rest) {
        let (version, after) = next_object(after)?;
        rest = after;
        // Before the first commit there is no commit.
        let Some(commit) = commit else { return brought };
        let has_it = |object: Object<'_>| String::from_utf8_lossy(object.text).contains(key);
        if !version.is_some_and(has_it) {
            return brought;
        }
        brought = Some(committed_at(commit.text)?);
    }
    None
}

/// The time of a commit, from its text (<https://git-scm.com/docs/git-commit-tree>).
fn committed_at(commit: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(commit);
    let committer = text.lines().find_map(|line| line.strip_prefix("committer "))?;
    committer.rsplit(' ').nth(1)?.parse().ok()
}

/// What git has under those names, one a line, as `cat-file --batch` prints it. They are on its
/// standard input, for a name may be anything; and no secret is on a command line.
async fn objects(directory: &Path, wanted: &str, timeout: Duration) -> Result<Vec<u8>, GitError> {
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
        Err(_) => Err(GitError::Failed("git did not answer in time".to_owned())),
        Ok(Err(error)) => Err(GitError::Failed(format!("git cannot be read: {error}"))),
        Ok(Ok(_)) => Ok(texts),
    }
}

/// One object of git's.
struct Object<'a> {
    /// `blob`, `commit`, `tree` or `tag`.
    kind: String,
    text: &'a [u8],
}

/// The next answer of `cat-file --batch`, and what follows it: an object, or that there is none
/// (<https://git-scm.com/docs/git-cat-file#_batch_output>).
fn next_object(output: &[u8]) -> Option<(Option<Object<'_>>, &[u8])> {
    let end = output.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = (String::from_utf8_lossy(&output[..end]), &output[end + 1..]);
    let mut words = head.rsplitn(3, ' ');
    let (last, kind) = (words.next()?, words.next()?);
    if last == "missing" || last == "ambiguous" {
        return Some((None, rest));
    }
    let size: usize = last.parse().ok()?;
    let text = rest.get(..size)?;
    Some((Some(Object { kind: kind.to_owned(), text }), rest.get(size + 1..)?))
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
        while let Some((object, after)) = next_object(rest) {
            told.push(object.map(|it| (it.kind, String::from_utf8_lossy(it.text).into_owned())));
            rest = after;
        }
        // What a bound cut off is not text.
        let object = |kind: &str, text: &str| Some((kind.to_owned(), text.to_owned()));
        assert_eq!(told, [object("blob", "a\nb\n"), None, object("tree", "xx")]);
    }

    #[test]
    fn a_key_was_brought_by_the_oldest_commit_from_which_on_it_stays() {
        let commit = |at: i64| {
            let text =
                format!("tree 0\nauthor a <a@b> 1 +0000\ncommitter a b <a@b> {at} +0100\n\nx");
            format!("0 commit {}\n{text}\n", text.len())
        };
        let version = |text: &str| format!("0 blob {}\n{text}\n", text.len());
        let none = "HEAD~9 missing\n".to_owned();
        let brought = |answers: &[String]| brought_at(answers.concat().as_bytes(), "app|01");
        let (with, without) = (version("K=app|01"), version("K=app|02"));
        let (third, second, first) = (commit(30), commit(20), commit(10));
        let end = [none.clone(), none.clone()].concat();
        assert_eq!(
            brought(&[
                third.clone(),
                with.clone(),
                second.clone(),
                with.clone(),
                first.clone(),
                without.clone()
            ]),
            Some(20)
        );
        assert_eq!(brought(&[third.clone(), without.clone(), second.clone(), with.clone()]), None);
        assert_eq!(brought(&[first.clone(), with.clone(), end]), Some(10));
        assert_eq!(brought(&[second, with.clone(), first, none]), Some(20));
        assert_eq!(brought(&[third, with]), None, "the walk ended first");
    }
}
