//! `fix --apply` that is killed, and two of them at once: every file is the old or the new one,
//! whole, the next one brings it to the same end and tells what was left, and no secret is shown.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "these tests run the binary, kill it and read files"
)]

mod support;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use convex_doctor::demo::Stage;
use support::{Fixture, Run, snapshot};
use tokio::process::Command;

/// The end of the name of a new text that never came into force.
const UNUSED: &str = ".new";

/// Old versions of files that a killed change leaves.
const LEFT: &str = ".before-convex-doctor";

type Files = BTreeMap<String, Vec<u8>>;

/// A project that two fixes mend, one after the other, in one file.
struct Project {
    stage: Stage,
    broken: Files,
    mended: Files,
    /// Every text that a file may have on the way.
    between: Vec<Files>,
    /// How long it takes when nobody kills it.
    took: Duration,
}

impl Project {
    async fn raise() -> Self {
        let stage =
            Fixture::variant("several-name-mismatch-and-slash", "killed", &[]).raise().await;
        let broken = snapshot(&stage.project);
        let mut project =
            Self { stage, broken, mended: Files::new(), between: vec![], took: Duration::ZERO };
        // After the first of the two fixes alone.
        project.ends_well(&["fix", "key-name-mismatch", "--apply"]).await;
        let half = snapshot(&project.stage.project);
        project.breaks();
        let whole = project.ends_well(&["fix", "--apply"]).await;
        project.took = whole.took;
        project.mended = snapshot(&project.stage.project);
        project.between = vec![project.broken.clone(), half, project.mended.clone()];
        assert!(project.between.windows(2).all(|pair| pair[0] != pair[1]));
        project
    }

    async fn ends_well(&self, arguments: &[&str]) -> Run {
        let run = support::run(&self.stage, "fix", arguments).await;
        self.shows_no_secret(&run.stdout, &run.stderr);
        let known = [Some(0), Some(1)].contains(&run.code);
        assert!(known, "{:?} {}{}", run.code, run.stdout, run.stderr);
        run
    }

    fn shows_no_secret(&self, stdout: &str, stderr: &str) {
        for secret in &self.stage.secrets {
            assert!(!stdout.contains(secret) && !stderr.contains(secret), "{stdout}{stderr}");
        }
    }

    /// The exit code of one that nobody killed, and what it said.
    fn end(&self, output: &std::process::Output) -> (Option<i32>, String) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        self.shows_no_secret(&stdout, &stderr);
        assert!(!stderr.contains("was interrupted"), "{stderr}");
        (output.status.code(), stdout + &stderr)
    }

    /// The project as it was at first.
    fn breaks(&self) {
        for file in snapshot(&self.stage.project).keys() {
            std::fs::remove_file(self.stage.project.join(file)).unwrap();
        }
        for (file, bytes) in &self.broken {
            std::fs::write(self.stage.project.join(file), bytes).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(&self.stage.arguments)
            .env_clear()
            .envs(&self.stage.environment)
            .current_dir(&self.stage.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn fix(&self) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_convex-doctor"));
        command.args(["fix", "--apply"]);
        command
    }

    /// What a kill left: the names of old versions, after everything else was looked at.
    fn is_whole(&self, case: &str) -> Vec<String> {
        let now = snapshot(&self.stage.project);
        let mut left = vec![];
        for (file, bytes) in &now {
            let is_new = file.starts_with(".convex-doctor-") && file.ends_with(UNUSED);
            let own = file.split_once(LEFT).map_or(file.as_str(), |(own, _)| own);
            if is_new {
                continue;
            }
            let known = self.between.iter().any(|files| files.get(own) == Some(bytes));
            assert!(known, "{case}: {file}: {}", String::from_utf8_lossy(bytes));
            if own != file && now.get(own) != Some(bytes) {
                left.push(file.clone());
            }
        }
        for file in self.broken.keys() {
            assert!(now.contains_key(file), "{case}: {file} is gone");
        }
        left
    }

    /// The next one brings it to the end and tells of what is left.
    async fn is_mended_after(&self, case: &str) -> Vec<String> {
        let left = self.is_whole(case);
        let next = self.ends_well(&["fix", "--apply"]).await;
        assert_eq!(next.code, Some(0), "{case}: {}{}", next.stdout, next.stderr);
        for file in &left {
            assert!(next.stderr.contains(file.as_str()), "{case}: {file}: {}", next.stderr);
        }
        assert_eq!(next.stderr.contains(LEFT), !left.is_empty(), "{case}: {}", next.stderr);
        let mut now = snapshot(&self.stage.project);
        now.retain(|file, _| !left.contains(file));
        assert_eq!(now, self.mended, "{case}");
        left
    }
}

#[tokio::test]
async fn a_kill_at_any_time_leaves_files_whole_and_the_next_fix_ends_it() {
    const RUNS: u32 = 40;
    let project = Project::raise().await;
    let mut left_something = 0;
    for number in 0..RUNS {
        project.breaks();
        let delay = project.took * number / (RUNS - 1);
        let mut child = project.fix().spawn().unwrap();
        tokio::time::sleep(delay).await;
        child.start_kill().unwrap();
        let output = child.wait_with_output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        project.shows_no_secret(&text(&output.stdout), &text(&output.stderr));
        let left = project.is_mended_after(&format!("after {delay:?}")).await;
        left_something += u32::from(!left.is_empty());
    }
    // As soon as the first change is there, which is before anybody has looked whether it helps.
    for number in 0..5 {
        project.breaks();
        let mut child = project.fix().spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        let changed = || snapshot(&project.stage.project).len() > project.broken.len();
        while !changed() && Instant::now() < end {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        let left = project.is_mended_after(&format!("at the change, {number}")).await;
        left_something += u32::from(!left.is_empty());
    }
    assert!(left_something > 2, "it was never killed between a change and its end");
}

/// At each call of the system by which a file is written, named, renamed or deleted.
#[tokio::test]
#[ignore = "needs strace"]
async fn a_kill_at_each_call_of_the_system_leaves_files_whole() {
    let project = Project::raise().await;
    let mut kills = 0;
    for call in ["fsync", "link,linkat", "rename,renameat,renameat2", "unlink,unlinkat", "flock"] {
        for number in 1.. {
            project.breaks();
            let case = format!("{call} {number}");
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let mut strace = project.command("strace");
            let output = strace
                .args([
                    "-f",
                    "-qq",
                    "-o",
                    "/dev/null",
                    "-e",
                    &format!("trace={call}"),
                    "-e",
                    &inject,
                ])
                .arg(env!("CARGO_BIN_EXE_convex-doctor"))
                .args(["fix", "--apply"])
                .env("PATH", std::env::var("PATH").unwrap())
                .output();
            let output = output.await.unwrap();
            if output.status.success() {
                assert!(number > 1, "{case}: {output:?}");
                break;
            }
            assert!(number < 50, "{case}: {output:?}");
            kills += 1;
            project.is_mended_after(&case).await;
        }
    }
    assert!(kills > 10, "{kills}");
}

#[tokio::test]
async fn of_two_at_once_one_mends_and_the_other_says_so() {
    let project = Project::raise().await;
    for number in 0..8_u32 {
        project.breaks();
        let first = project.fix().spawn().unwrap();
        // Together at first, then one later and later.
        tokio::time::sleep(project.took * number / 8).await;
        let second = project.fix().spawn().unwrap();
        let (first, second) = tokio::join!(first.wait_with_output(), second.wait_with_output());
        let ends = [first.unwrap(), second.unwrap()].map(|output| project.end(&output));
        assert_eq!(snapshot(&project.stage.project), project.mended, "{number}: {ends:#?}");
        assert!(ends.iter().any(|(code, ..)| *code == Some(0)), "{number}: {ends:#?}");
        for (code, said) in ends {
            let was_busy = said.contains("another convex-doctor is at work");
            assert_eq!(code, Some(i32::from(was_busy)), "{number}: {said}");
        }
    }
    // One that stands still in the middle of it.
    project.breaks();
    let first = project.fix().spawn().unwrap();
    let process = first.id().unwrap().to_string();
    let signal = |name: &'static str| {
        let kill = std::process::Command::new("kill").args([name, &process]).status();
        assert!(kill.unwrap().success());
    };
    let end = Instant::now() + Duration::from_secs(20);
    while snapshot(&project.stage.project).len() == project.broken.len() && Instant::now() < end {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    signal("-STOP");
    let half = snapshot(&project.stage.project);
    assert_ne!(half, project.mended, "it came to its end too soon");
    let second = project.end(&project.fix().output().await.unwrap());
    assert_eq!(second.0, Some(1), "{}", second.1);
    assert!(second.1.contains("another convex-doctor is at work"), "{}", second.1);
    // Who only looks is not told that something was cut short.
    let mut plan = project.command(env!("CARGO_BIN_EXE_convex-doctor"));
    project.end(&plan.arg("fix").output().await.unwrap());
    assert_eq!(snapshot(&project.stage.project), half);
    signal("-CONT");
    let first = project.end(&first.wait_with_output().await.unwrap());
    assert_eq!(first.0, Some(0), "{}", first.1);
    assert_eq!(snapshot(&project.stage.project), project.mended);
}
