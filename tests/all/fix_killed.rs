//! `fix --apply` that is killed, and two of them at once: every file is the old or the new one,
//! whole, the next one brings it to the same end and tells what was left, and no secret is shown.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "these tests run the binary, kill it and read files"
)]

use std::collections::BTreeMap;
use std::process::Stdio;

use crate::support::gate::Gate;
use crate::support::{self, Fixture, Run, snapshot};
use convex_doctor::demo::Stage;
use tokio::process::Command;

/// The end of the name of a new text that never came into force.
const UNUSED: &str = ".new";

/// Old versions of files that a killed change leaves.
const LEFT: &str = ".before-convex-doctor";

type Files = BTreeMap<String, Vec<u8>>;

/// A project that two fixes fix, one after the other, in one file.
struct Project {
    stage: Stage,
    broken: Files,
    fixed: Files,
    /// Every text that a file may have on the way.
    between: Vec<Files>,
}

impl Project {
    async fn raise() -> Self {
        let stage =
            Fixture::variant("several-name-mismatch-and-slash", "killed", &[]).raise().await;
        let broken = snapshot(&stage.project);
        let mut project = Self { stage, broken, fixed: Files::new(), between: vec![] };
        // After the first of the two fixes alone.
        project.ends_well(&["fix", "key-name-mismatch", "--apply"]).await;
        let half = snapshot(&project.stage.project);
        project.breaks();
        project.ends_well(&["fix", "--apply"]).await;
        project.fixed = snapshot(&project.stage.project);
        project.between = vec![project.broken.clone(), half, project.fixed.clone()];
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

    /// A gate before the engine, and a fix that asks through it. It has the patience to stand there.
    fn fix_held(
        &self,
        holds: impl FnMut(usize) -> bool + Send + 'static,
    ) -> (Gate, tokio::process::Child) {
        let gate = Gate::before(&self.stage.environment["DOCKER_HOST"], holds);
        let mut fix = self.fix();
        fix.args(["--timeout", "10m"])
            .env("DOCKER_HOST", format!("unix://{}", gate.socket().display()));
        let child = fix.spawn().unwrap();
        (gate, child)
    }

    /// Whether a file of the project is another than at first.
    fn is_changed(&self) -> impl FnMut(usize) -> bool + Send + 'static {
        let (project, broken) = (self.stage.project.clone(), self.broken.clone());
        move |_| snapshot(&project) != broken
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
        assert_eq!(now, self.fixed, "{case}");
        left
    }
}

/// At each request to the engine: while it looks at first, and, after each change, while it looks
/// whether that helped.
#[tokio::test]
async fn a_kill_at_each_request_leaves_files_whole_and_the_next_fix_ends_it() {
    let project = Project::raise().await;
    let (mut unchanged, mut left_something) = (0, 0);
    for number in 1.. {
        project.breaks();
        let (gate, mut child) = project.fix_held(move |at| at == number);
        tokio::select! {
            () = gate.reached() => {}
            ended = child.wait() => {
                // There is no such request any more.
                assert!(ended.unwrap().success());
                break;
            }
        }
        child.start_kill().unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), None, "it was killed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        project.shows_no_secret(&text(&output.stdout), &text(&output.stderr));
        unchanged += usize::from(!project.is_changed()(0));
        let left = project.is_mended_after(&format!("at request {number}")).await;
        left_something += usize::from(!left.is_empty());
    }
    // Before the first change, and between each of the two changes and its end.
    assert!(unchanged > 0 && left_something > 1, "{unchanged} {left_something}");
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

impl Project {
    /// While the first one is held nothing is done by a second, which says so; once it is let go it
    /// comes to its end. What the files were meanwhile comes back.
    async fn is_busy_until_open(&self, gate: &Gate, first: tokio::process::Child) -> Files {
        gate.reached().await;
        let half = snapshot(&self.stage.project);
        let second = self.end(&self.fix().output().await.unwrap());
        assert_eq!(second.0, Some(1), "{}", second.1);
        assert!(second.1.contains("another convex-doctor is at work"), "{}", second.1);
        // Who only looks is not told that something was cut short.
        let mut plan = self.command(env!("CARGO_BIN_EXE_convex-doctor"));
        self.end(&plan.arg("fix").output().await.unwrap());
        assert_eq!(snapshot(&self.stage.project), half);
        gate.open();
        let first = self.end(&first.wait_with_output().await.unwrap());
        assert_eq!(first.0, Some(0), "{}", first.1);
        assert_eq!(snapshot(&self.stage.project), self.fixed);
        half
    }
}

#[tokio::test]
async fn of_two_at_once_one_mends_and_the_other_says_so() {
    let project = Project::raise().await;
    // Together.
    project.breaks();
    let [first, second] = [0; 2].map(|_| project.fix().spawn().unwrap());
    let (first, second) = tokio::join!(first.wait_with_output(), second.wait_with_output());
    let ends = [first.unwrap(), second.unwrap()].map(|output| project.end(&output));
    assert_eq!(snapshot(&project.stage.project), project.fixed, "{ends:#?}");
    assert!(ends.iter().any(|(code, ..)| *code == Some(0)), "{ends:#?}");
    for (code, said) in ends {
        let was_busy = said.contains("another convex-doctor is at work");
        assert_eq!(code, Some(i32::from(was_busy)), "{said}");
    }
    // One that stands still: before it has changed anything, and in the middle of it.
    project.breaks();
    let (gate, first) = project.fix_held(|at| at == 1);
    project.is_busy_until_open(&gate, first).await;
    project.breaks();
    let (gate, first) = project.fix_held(project.is_changed());
    let half = project.is_busy_until_open(&gate, first).await;
    assert!(half != project.broken && half != project.fixed, "it was in the middle");
}
