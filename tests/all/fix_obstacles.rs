//! What stands in the way of a change: a link out of the project, a directory or a pipe in a file's
//! place, a full disk, a file that changes meanwhile. Each is said, ends in 1, and changes nothing;
//! for `fix --apply` and for `key mint --write`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "these tests run the binary and write files"
)]

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::Fixture;
use crate::support::gate::Gate;
use convex_doctor::demo::Stage;

const ENV: &str = ".env.local";

/// Makes `.env.local` of the project's into something else. It gets the project and a directory
/// outside of it.
type Setup = fn(&Path, &Path);

/// The obstacle, what makes it, what is said of it.
const OBSTACLES: &[(&str, Setup, &str)] = &[
    (
        "a link out of the project",
        |project, outside| {
            std::fs::rename(project.join(ENV), outside.join("theirs")).unwrap();
            symlink(outside.join("theirs"), project.join(ENV)).unwrap();
        },
        "outside the project",
    ),
    (
        "a link to nothing",
        |project, outside| {
            std::fs::remove_file(project.join(ENV)).unwrap();
            symlink(outside.join("none"), project.join(ENV)).unwrap();
        },
        "which does not exist",
    ),
    (
        "a directory",
        |project, _| {
            std::fs::remove_file(project.join(ENV)).unwrap();
            std::fs::create_dir(project.join(ENV)).unwrap();
        },
        "it is a directory",
    ),
    (
        "a pipe",
        |project, _| {
            std::fs::remove_file(project.join(ENV)).unwrap();
            let made = std::process::Command::new("mkfifo").arg(project.join(ENV)).status();
            assert!(made.unwrap().success());
        },
        "it is not a regular file",
    ),
    (
        "write-protected",
        |project, _| {
            let mode = PermissionsExt::from_mode(0o444);
            std::fs::set_permissions(project.join(ENV), mode).unwrap();
        },
        "it is write-protected",
    ),
    (
        "larger than 8 MiB",
        |project, _| {
            let mut text = std::fs::read(project.join(ENV)).unwrap();
            text.extend(b"# long\n".repeat(1_300_000));
            std::fs::write(project.join(ENV), text).unwrap();
        },
        "larger than 8 MiB",
    ),
];

/// The ways in which a file comes to be written. The first needs what the file says, the others do
/// not.
const COMMANDS: [&[&str]; 2] = [&["fix", "--apply"], &["key", "mint", "--write"]];

/// Runs it to its end, in no more than a minute, and looks for secrets in what it says.
async fn run(stage: &Stage, program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .args(&stage.arguments)
        .env_clear()
        .envs(&stage.environment)
        .current_dir(&stage.directory)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output: Output =
        tokio::time::timeout(Duration::from_mins(1), child).await.expect("it hangs").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let said = text(output.stdout) + &text(output.stderr);
    for secret in &stage.secrets {
        assert!(!said.contains(secret), "{said}");
    }
    (output.status.code(), said)
}

/// Everything in a directory: names, kinds, modes, where links lead, what files hold.
fn all(directory: &Path) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let about = std::fs::symlink_metadata(&path).unwrap();
            let what = if about.is_file() {
                format!("{:?}", std::fs::read(&path).unwrap())
            } else {
                format!("{:?}", std::fs::read_link(&path).ok())
            };
            format!("{} {:o} {what}", path.display(), about.permissions().mode())
        })
        .collect();
    found.sort();
    found
}

fn doctor() -> &'static str {
    env!("CARGO_BIN_EXE_convex-doctor")
}

#[tokio::test]
async fn what_is_no_plain_file_of_the_project_is_left_alone() {
    for arguments in COMMANDS {
        for (case, setup, words) in OBSTACLES {
            let stage = Fixture::variant("key-name-mismatch", case, &[]).raise().await;
            let outside = tempfile::tempdir().unwrap();
            setup(&stage.project, outside.path());
            let before = (all(&stage.project), all(outside.path()));
            let (code, said) = run(&stage, doctor(), arguments).await;
            let case = format!("{case}, {arguments:?}: {said}");
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!((all(&stage.project), all(outside.path())) == before, "{case}");
            assert!(said.contains(words), "{case}");
            assert_eq!(code, Some(1), "{case}");
        }
    }
}

#[tokio::test]
async fn a_link_inside_of_the_project_is_followed() {
    for arguments in COMMANDS {
        let stage = Fixture::variant("key-name-mismatch", "linked", &[]).raise().await;
        let real = stage.project.join("settings.env");
        std::fs::rename(stage.project.join(ENV), &real).unwrap();
        symlink("settings.env", stage.project.join(ENV)).unwrap();
        let before = std::fs::read(&real).unwrap();
        let (code, said) = run(&stage, doctor(), arguments).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(stage.project.join(ENV).is_symlink());
        assert_ne!(std::fs::read(&real).unwrap(), before);
    }
}

/// A limit on the size of files fails each write as a full disk does. The lab has a disk that is
/// full.
#[tokio::test]
async fn a_disk_that_takes_nothing_more_is_said() {
    for arguments in COMMANDS {
        let stage = Fixture::variant("key-name-mismatch", "full", &[]).raise().await;
        let before = all(&stage.project);
        let limited = ["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"", doctor()];
        let (code, said) = run(&stage, "/bin/sh", &[&limited[..], arguments].concat()).await;
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("nothing has changed: cannot write"), "{said}");
        assert_eq!(code, Some(1), "{said}");
        assert_eq!(all(&stage.project), before, "{said}");
    }
}

/// All that the file and its old versions hold; each of those is told of.
fn held(stage: &Stage, said: &str) -> String {
    let mut held = String::new();
    for entry in std::fs::read_dir(&stage.project).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with(ENV) {
            held += &std::fs::read_to_string(entry.path()).unwrap();
            let told = name == ENV || said.contains(&name);
            assert!(told, "{name} is left, and nobody said so: {said}");
        }
    }
    held
}

/// Somebody appends to the file all the time: whatever comes of the change, no line of theirs is
/// lost.
#[tokio::test]
async fn what_is_written_meanwhile_is_never_lost() {
    for arguments in COMMANDS {
        for number in 0..4 {
            let stage = Fixture::variant("key-name-mismatch", "changing", &[]).raise().await;
            let path = stage.project.join(ENV);
            let over = Arc::new(AtomicBool::new(false));
            let writer = std::thread::spawn({
                let (path, over) = (path.clone(), Arc::clone(&over));
                move || {
                    let mut lines = 0;
                    while !over.load(Ordering::SeqCst) {
                        let mut file =
                            std::fs::OpenOptions::new().append(true).open(&path).unwrap();
                        writeln!(file, "# theirs {lines}").unwrap();
                        lines += 1;
                        // From all the time to now and then.
                        std::thread::sleep(Duration::from_micros(200 + number * number * 5000));
                    }
                    lines
                }
            });
            tokio::time::sleep(Duration::from_millis(10)).await;
            let (code, said) = run(&stage, doctor(), arguments).await;
            over.store(true, Ordering::SeqCst);
            let lines = writer.join().unwrap();
            let held = held(&stage, &said);
            for line in 0..lines {
                let line = format!("# theirs {line}\n");
                assert!(held.contains(&line), "{line}is lost: {code:?} {said}");
            }
        }
    }
}

/// Somebody appends a line while the program waits for the engine, at each of its requests in turn.
#[tokio::test]
async fn what_is_written_while_it_looks_is_never_lost() {
    for arguments in COMMANDS {
        for number in 1.. {
            let mut stage = Fixture::variant("key-name-mismatch", "appended", &[]).raise().await;
            let path = stage.project.join(ENV);
            let gate = Gate::before(&stage.environment["DOCKER_HOST"], move |at| at == number);
            let host = format!("unix://{}", gate.socket().display());
            stage.environment.insert("DOCKER_HOST".to_owned(), host);
            stage.arguments.extend(["--timeout".to_owned(), "10m".to_owned()]);
            let is_appended = AtomicBool::new(false);
            let append = async {
                gate.reached().await;
                is_appended.store(true, Ordering::SeqCst);
                let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
                writeln!(file, "# theirs").unwrap();
                gate.open();
                std::future::pending::<()>().await;
            };
            let (code, said) = tokio::select! {
                ended = run(&stage, doctor(), arguments) => ended,
                () = append => unreachable!("it waits for ever"),
            };
            if !is_appended.load(Ordering::SeqCst) {
                // There is no such request any more.
                assert!(number > 1, "{said}");
                break;
            }
            let held = held(&stage, &said);
            assert!(held.contains("# theirs\n"), "request {number}: {code:?} {said}");
        }
    }
}

/// Two keys at once: one of them stands in the file, whole.
#[tokio::test]
async fn of_two_keys_at_once_one_is_written() {
    let stage = Fixture::variant("key-name-mismatch", "two keys", &[]).raise().await;
    let path = stage.project.join(ENV);
    let before = std::fs::read_to_string(&path).unwrap();
    for _ in 0..3 {
        std::fs::write(&path, &before).unwrap();
        let mint = COMMANDS[1];
        let ends = tokio::join!(run(&stage, doctor(), mint), run(&stage, doctor(), mint));
        let ends = [ends.0, ends.1];
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), before.lines().count());
        assert!(ends.iter().any(|(code, _)| *code == Some(0)), "{ends:?}");
        for (code, said) in &ends {
            let why = ["another convex-doctor", "by another program"];
            let refused = why.iter().any(|why| said.contains(why));
            assert_eq!(*code, Some(i32::from(refused)), "{said}");
        }
        let (code, said) = run(&stage, doctor(), &["--format", "json"]).await;
        assert_eq!(code, Some(0), "the key that stands there is accepted: {said}");
        // The package of the CLI is one of them.
        assert_eq!(all(&stage.project).len(), 4, "nothing is left beside it");
    }
}
