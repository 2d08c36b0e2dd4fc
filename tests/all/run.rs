//! `convex-doctor run`: the command as if nothing stood before it. On pipes, and on a real
//! pseudo-terminal whose other end this test holds.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "this test runs the binary on terminals"
)]

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use convex_doctor::transcript::{Stream, Transcript};
use serde_json::Value;

const DOCTOR: &str = env!("CARGO_BIN_EXE_convex-doctor");

/// Far longer than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_mins(1);

/// A directory of an app that only half-selects a backend: its diagnosis is quick and always the
/// same.
fn app() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("package.json"), "{\"dependencies\":{\"convex\":\"1\"}}")
        .unwrap();
    let local = "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:9\n";
    std::fs::write(directory.path().join(".env.local"), local).unwrap();
    directory
}

fn run(directory: &Path, flags: &[&str], script: &str) -> Output {
    Command::new(DOCTOR)
        .args(["run", "--no-docker", "--no-network"])
        .args(flags)
        .args(["--", "sh", "-c", script])
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .output()
        .unwrap()
}

#[test]
fn bytes_and_exit_code_pass_unchanged() {
    let app = app();
    let script =
        "printf 'a\\0\\377\\r\\n'; head -c 300000 /dev/zero; printf 'e\\033[1m' >&2; exit 0";
    let direct = Command::new("sh").args(["-c", script]).output().unwrap();
    let ours = run(app.path(), &[], script);
    assert_eq!((ours.stdout, ours.stderr), (direct.stdout, direct.stderr));
    assert_eq!(ours.status.code(), Some(0));
    for (script, code) in [("exit 3", 3), ("kill -TERM $$", 143), ("exit 0", 0), ("nonesuch", 127)]
    {
        assert_eq!(run(app.path(), &[], script).status.code(), Some(code), "{script}");
    }
}

#[test]
fn a_failure_is_diagnosed_on_the_standard_error_alone() {
    let app = app();
    let line = "✖ No CONVEX_DEPLOYMENT set, run `npx convex dev` to configure a Convex project";
    let script = format!("echo result; echo '{line}' >&2; exit 1");
    let ran = run(app.path(), &[], &script);
    assert_eq!(ran.stdout, b"result\n");
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(said.starts_with(&format!("{line}\n\nconvex-doctor: ")), "{said}");
    assert!(said.contains("convex-doctor explain selection-incomplete"), "{said}");
    assert!(said.contains(&format!("\n  error    {line}\n  meaning  ")), "{said}");
    let (_, diagnosis) = said.split_once("  meaning  ").unwrap();
    assert!(!diagnosis.contains("No CONVEX_DEPLOYMENT set"), "it is quoted once: {said}");
    // In a report of its own the line is evidence of the cause.
    let json = app.path().join("report.json");
    run(app.path(), &["--format", "json", "-o", json.to_str().unwrap()], &script);
    let report: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    let evidence = report["causes"][0]["evidence"].as_array().unwrap();
    assert_eq!(evidence.iter().filter(|proof| proof["text"] == line).count(), 1, "{evidence:?}");
    assert_eq!(ran.status.code(), Some(1));
    // The CLI's own line is evidence of the cause, and quoted above the report already.
    let report = said.split_once("BROKEN").unwrap().1.replace("\n    ", " ");
    assert!(!report.contains(line), "{said}");
    let verbose = String::from_utf8(run(app.path(), &["-v"], &script).stderr).unwrap();
    let report = verbose.split_once("BROKEN").unwrap().1.replace("\n    ", " ");
    assert!(report.contains(&format!("- {line}")), "{verbose}");
}

#[test]
fn a_hidden_failure_is_one_unless_the_exit_code_is_trusted() {
    let app = app();
    let script =
        "echo '✖ Error fetching POST  http://x 401 Unauthorized: BadAdminKey: no' >&2; exit 0";
    let ran = run(app.path(), &[], script);
    assert_eq!(ran.status.code(), Some(1));
    assert!(
        String::from_utf8(ran.stderr)
            .unwrap()
            .contains("exited with 0, but its output shows a failure")
    );
    let ran = run(app.path(), &["--trust-exit-code"], script);
    assert_eq!(ran.status.code(), Some(0));
    // A failure with an exit code of its own keeps it.
    assert_eq!(run(app.path(), &[], &script.replace("exit 0", "exit 7")).status.code(), Some(7));
}

#[test]
fn what_cannot_be_run_is_said_as_a_shell_would() {
    let app = app();
    for (program, code) in [("/nonesuch/program", 127), ("/etc/passwd", 126)] {
        let ran = Command::new(DOCTOR)
            .args(["run", "--", program])
            .current_dir(app.path())
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(code), "{program}");
        assert!(String::from_utf8(ran.stderr).unwrap().contains(program));
    }
}

#[test]
fn the_commands_own_flags_and_environment_count() {
    let app = app();
    let key = format!("app|01{}", "ab".repeat(40));
    let fake = app.path().join("convex");
    std::fs::write(&fake, "#!/bin/sh\necho '✖ TypeError: fetch failed' >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let json = app.path().join("report.json");
    let ran = Command::new(DOCTOR)
        .args(["run", "--no-docker", "--no-network", "--format", "json", "-o"])
        .arg(&json)
        .args(["--", "env", "A=b"])
        .arg(&fake)
        .args(["dev", "--url", "http://127.0.0.1:7", "--admin-key", &key])
        .current_dir(app.path())
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(!said.contains(&key[5..]), "{said}");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    let selection = &report["evidence"]["selection"];
    assert_eq!(selection["url"]["text"], "http://127.0.0.1:7", "{selection}");
    assert_eq!(report["evidence"]["command"]["exit_code"], 1);
    let said = &report["evidence"]["command"]["said"][0]["text"];
    assert_eq!(said, "✖ TypeError: fetch failed");
    assert!(!report.to_string().contains(&key[5..]));
}

#[test]
fn a_command_that_fails_and_goes_on_is_diagnosed_once() {
    let app = app();
    // It goes on once the diagnosis is there, which a file shows it; a minute later in any case.
    let script = "echo '✖ TypeError: fetch failed' >&2; i=0; \
                  until grep -q BROKEN said || [ $i -ge 600 ]; do sleep 0.1; i=$((i+1)); done; \
                  echo on >&2; exit 0";
    let file = app.path().join("said");
    let status = Command::new(DOCTOR)
        .args(["run", "--no-docker", "--no-network", "--", "sh", "-c", script])
        .current_dir(app.path())
        .stderr(std::fs::File::create(&file).unwrap())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    let said = std::fs::read_to_string(file).unwrap();
    assert_eq!(said.matches("BROKEN").count(), 1, "{said}");
    assert!(said.ends_with("\non\n"), "told while the command ran: {said}");
}

#[test]
fn a_process_left_behind_holds_nobody_up() {
    let app = app();
    let ran = run(app.path(), &[], "sleep 600 & echo $!");
    let left: u32 = String::from_utf8(ran.stdout).unwrap().trim().parse().unwrap();
    assert_eq!(state(left), 'S', "it still sleeps when the doctor has ended");
    kill(left, "KILL");
}

/// A command on a terminal of this test's own.
struct OnTerminal {
    child: Child,
    screen: Arc<pty_process::blocking::Pty>,
    seen: Arc<Mutex<Vec<u8>>>,
    /// Disconnected once nothing holds the other end of the terminal any more.
    whole: std::sync::mpsc::Receiver<()>,
}

/// Waits until it is so; far longer than it should take.
fn wait_until(mut is_so: impl FnMut() -> bool, otherwise: impl Fn() -> String) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{}", otherwise());
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl OnTerminal {
    fn start(directory: &Path, words: &[&str]) -> Self {
        let (screen, pts) = pty_process::blocking::open().unwrap();
        screen.resize(pty_process::Size::new(33, 111)).unwrap();
        let child = pty_process::blocking::Command::new(words[0])
            .args(&words[1..])
            .current_dir(directory)
            .env("TERM", "xterm-256color")
            .spawn(pts)
            .unwrap();
        let (screen, seen) = (Arc::new(screen), Arc::new(Mutex::new(Vec::new())));
        let (from, into) = (Arc::clone(&screen), Arc::clone(&seen));
        let (reads, whole) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            let _reads = reads;
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = (&*from).read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Self { child, screen, seen, whole }
    }

    fn doctor(directory: &Path, script: &str) -> Self {
        Self::start(
            directory,
            &[DOCTOR, "run", "--no-docker", "--no-network", "--", "sh", "-c", script],
        )
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, text: &str) {
        wait_until(|| self.text().contains(text), || format!("no {text:?} in {:?}", self.text()));
    }

    fn press(&self, keys: &str) {
        (&*self.screen).write_all(keys.as_bytes()).unwrap();
    }

    /// The exit code and all that was seen.
    fn end(mut self) -> (Option<i32>, String) {
        let mut status = None;
        let seen = Arc::clone(&self.seen);
        wait_until(
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
            || format!("still runs: {:?}", String::from_utf8_lossy(&seen.lock().unwrap())),
        );
        let status = status.unwrap();
        // What was written last comes before the end of the terminal.
        let end = self.whole.recv_timeout(PATIENCE);
        assert_eq!(end, Err(RecvTimeoutError::Disconnected), "something holds the terminal");
        (status.code().or(status.signal().map(|signal| 128 + signal)), self.text())
    }
}

#[test]
fn a_terminal_stays_a_terminal() {
    let app = app();
    let script = "test -t 0 && test -t 1 && test -t 2 && echo all; stty size; stty -a | grep -c icanon; \
                  printf '\\033[31mred\\033[0m\\r\\n|/-\\r'; echo end >&2; exit 0";
    let direct = OnTerminal::start(app.path(), &["sh", "-c", script]).end();
    let ours = OnTerminal::doctor(app.path(), script).end();
    assert_eq!(ours, direct);
    assert!(ours.1.contains("all") && ours.1.contains("33 111"), "{}", ours.1);
}

#[test]
fn a_prompt_is_answered_and_a_hidden_one_stays_hidden() {
    let app = app();
    let script = "printf 'name? '; read name; stty -echo; printf 'pass? '; read pass; stty echo; \
                  echo; echo \"hello $name ${#pass}\"";
    let on = OnTerminal::doctor(app.path(), script);
    on.wait_for("name? ");
    on.press("anna\r");
    on.wait_for("pass? ");
    on.press("hunter2\r");
    let (code, text) = on.end();
    assert_eq!(code, Some(0));
    assert!(text.contains("hello anna 7"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn ctrl_c_ends_both_and_nobody_is_left() {
    let app = app();
    let marker = format!("{}", 777_000 + std::process::id());
    // In a group of commands, for the reason that `waits` has.
    let script = format!("(echo ready; exec sleep {marker}); exit 3");
    let on = OnTerminal::doctor(app.path(), &script);
    on.wait_for("ready");
    on.press("\u{3}");
    let (code, text) = on.end();
    assert_eq!(code, Some(130), "{text}");
    // Somebody who stops a command asks for no diagnosis.
    assert!(!text.contains("BROKEN"), "{text}");
    let left = || {
        let found = Command::new("sh")
            .args(["-c", &format!("grep -lsa 'sleep[^.]{marker}' /proc/[0-9]*/cmdline")])
            .output();
        String::from_utf8(found.unwrap().stdout).unwrap()
    };
    wait_until(|| left().is_empty(), || format!("left behind: {}", left()));
}

#[test]
fn a_command_that_takes_ctrl_c_itself_goes_on() {
    let app = app();
    let on = OnTerminal::doctor(
        app.path(),
        &(waits("kill $!; echo caught", "INT") + "; echo over; exit 5"),
    );
    on.wait_for("ready");
    on.press("\u{3}");
    let (code, text) = on.end();
    assert!(text.contains("caught") && text.contains("over"), "{text}");
    assert_eq!(code, Some(5));
}

#[test]
fn a_signal_to_the_doctor_reaches_the_command() {
    let app = app();
    for on_terminal in [true, false] {
        let script = &waits("kill $!; exit 9", "TERM");
        if on_terminal {
            let on = OnTerminal::doctor(app.path(), script);
            on.wait_for("ready");
            kill(on.child.id(), "TERM");
            assert_eq!(on.end().0, Some(9));
        } else {
            let mut child = Command::new(DOCTOR)
                .args(["run", "--no-docker", "--no-network", "--", "sh", "-c", script])
                .current_dir(app.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut first = [0; 6];
            child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
            kill(child.id(), "TERM");
            assert_eq!(child.wait().unwrap().code(), Some(9));
        }
    }
}

/// A script that says that it is ready, waits for a minute, and does this at a signal. It starts
/// nothing while it waits: Debian's `sh` loses a signal that comes while it starts a program
/// (`vfork`), with and without the doctor.
fn waits(at_signal: &str, signal: &str) -> String {
    format!("trap '{at_signal}' {signal}; sleep 60 & echo ready; wait $!")
}

fn kill(pid: u32, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(status.unwrap().success());
}

fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('?')
}

#[test]
fn ctrl_z_stops_both_and_waking_goes_on() {
    let app = app();
    let script = "echo ready $$; until [ \"$(stty size)\" = '44 99' ]; do sleep 0.1; done; stty size; exit 4";
    // A shell in between, as a person has one: an orphan is never stopped.
    let on = OnTerminal::start(
        app.path(),
        &[
            "sh",
            "-c",
            "\"$@\"; echo code $?",
            "sh",
            DOCTOR,
            "run",
            "--no-docker",
            "--no-network",
            "--only",
            "key",
            "--",
            "sh",
            "-c",
            script,
        ],
    );
    on.wait_for("\n");
    let text = on.text();
    let inner: u32 =
        text.split("ready ").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    on.press("\u{1a}");
    wait_until(|| state(inner) == 'T', || format!("not stopped: {}", state(inner)));
    let children =
        std::fs::read_to_string(format!("/proc/{}/task/{}/children", on.child.id(), on.child.id()))
            .unwrap();
    let doctor: u32 = children.split_whitespace().next().unwrap().parse().unwrap();
    wait_until(|| state(doctor) == 'T', || format!("not stopped: {}", state(doctor)));
    on.screen.resize(pty_process::Size::new(44, 99)).unwrap();
    // As a shell's `fg` does: the shell in between is in the doctor's group, and stopped with it.
    wait_until(|| state(on.child.id()) == 'T', || format!("not stopped: {}", state(on.child.id())));
    let group = format!("-{}", on.child.id());
    let woken = Command::new("kill").args(["-CONT", "--", &group]).status();
    assert!(woken.unwrap().success());
    let (_, text) = on.end();
    assert!(text.contains("44 99"), "{text}");
    assert!(text.contains("code 4"), "{text}");
}

/// A shell waits for the program that it started: with one in between that is not stopped, the
/// terminal would be dead.
#[test]
fn ctrl_z_gives_the_shell_its_prompt_whatever_started_the_doctor() {
    let app = app();
    let wrappers = [
        "\"$@\"",
        "sh -c '\"$@\"; exit $?' sh \"$@\"",
        "sh -c 'trap : TERM; \"$@\"; exit $?' sh \"$@\"",
    ];
    for wrapper in wrappers {
        let shell = format!("{wrapper}; echo stopped $?; fg >/dev/null; echo code $?");
        let script = "echo ready; read line; echo got $line; exit 4";
        let words = ["sh", "-mc", &shell, "sh", DOCTOR, "run", "--no-docker", "--no-network"];
        let on = OnTerminal::start(
            app.path(),
            &[&words[..], &["--only", "key", "--", "sh", "-c", script]].concat(),
        );
        on.wait_for("ready");
        on.press("\u{1a}");
        on.wait_for("stopped ");
        on.press("on\r");
        let (_, text) = on.end();
        assert!(text.contains("got on"), "{wrapper}: {text}");
        assert!(text.contains("code 4"), "{wrapper}: {text}");
    }
}

#[test]
fn the_windows_size_follows() {
    let app = app();
    let on = OnTerminal::doctor(app.path(), &waits("kill $!; stty size; exit 0", "WINCH"));
    on.wait_for("ready");
    on.screen.resize(pty_process::Size::new(20, 66)).unwrap();
    // The kernel tells the terminal's own foreground group, which is the doctor.
    let (code, text) = on.end();
    assert!(text.contains("20 66"), "{text}");
    assert_eq!(code, Some(0));
}

#[test]
fn a_pipe_beside_a_terminal_stays_a_pipe() {
    let app = app();
    let script = format!(
        "{DOCTOR} run --no-docker --no-network -- sh -c 'test -t 1 || echo piped; test -t 2 && echo seen >&2' | cat > out"
    );
    let (_, text) = OnTerminal::start(app.path(), &["sh", "-c", &script]).end();
    assert_eq!(std::fs::read_to_string(app.path().join("out")).unwrap(), "piped\n");
    assert!(text.contains("seen"), "{text}");
}

#[test]
fn the_terminal_is_given_back_as_it_was() {
    let app = app();
    let script = format!(
        "stty -a > before; {DOCTOR} run --no-docker --no-network -- sh -c 'stty raw; exit 1'; stty -a > after"
    );
    OnTerminal::start(app.path(), &["sh", "-c", &script]).end();
    let read = |name: &str| std::fs::read_to_string(app.path().join(name)).unwrap();
    assert_eq!(read("after"), read("before"));
}

/// What the real CLI printed, in 44 runs: each failure is known by its own text, and what went well
/// is none.
#[test]
fn the_real_clis_failures_are_known() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cli-transcripts.json");
    let runs: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut failures = 0;
    for run in runs.as_array().unwrap() {
        let mut transcript = Transcript::default();
        transcript.feed(Stream::Out, run["stdout"].as_str().unwrap().as_bytes());
        transcript.feed(Stream::Err, run["stderr"].as_str().unwrap().as_bytes());
        transcript.finish();
        let title = run["title"].as_str().unwrap();
        let text = format!("{}{}", run["stdout"], run["stderr"]);
        // The recorded backend had no V8: what it did with a good key ends in its own 500, or in a
        // socket that it closed.
        let must_fail = text.contains('✖') || text.contains("Failed to authenticate");
        failures += usize::from(must_fail);
        if transcript.failed() != must_fail {
            wrong.push(format!("{title}: {:?}", transcript.lines()));
        }
        let about_keys =
            ["bad key", "wrong name", "in double quotes", "dev --once, key with preview"];
        let refused = about_keys.iter().any(|part| title.contains(part));
        let by_key = |line: &convex_doctor::evidence::command::SaidLine| {
            line.failure == Some(convex_doctor::report::CliFailure::KeyRejected)
        };
        if refused
            && must_fail
            && !title.contains("site port")
            && !transcript.lines().iter().any(by_key)
        {
            wrong.push(format!("{title}: no line is about the key: {:?}", transcript.lines()));
        }
    }
    assert!(failures > 25, "{failures}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a reader gets that takes so many bytes at a time, waits so long after each, and begins so
/// late; and the exit code.
fn read_slowly(
    directory: &Path,
    script: &str,
    (late, block, pause): (u64, usize, u64),
) -> (Vec<u8>, Option<i32>) {
    let mut doctor = Command::new(DOCTOR)
        .args(["run", "--no-docker", "--no-network", "--", "sh", "-c", script])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = doctor.stdout.take().unwrap();
    std::thread::sleep(Duration::from_millis(late));
    let (mut all, mut buffer) = (Vec::new(), vec![0; block]);
    while let Ok(read @ 1..) = pipe.read(&mut buffer) {
        all.extend_from_slice(&buffer[..read]);
        std::thread::sleep(Duration::from_millis(pause));
    }
    (all, doctor.wait().unwrap().code())
}

#[test]
fn every_byte_arrives_whatever_the_readers_pace() {
    let app = app();
    for (lines, pace) in [
        (20_000, (1500, 1 << 16, 0)),
        (60_000, (0, 1 << 14, 10)),
        (60_000, (0, 1 << 16, 700)),
        (12_000, (3000, 1 << 16, 0)),
    ] {
        let script = format!("seq 1 {lines}; exit 3");
        let expected: String = (1..=lines).map(|number| format!("{number}\n")).collect();
        let (all, code) = read_slowly(app.path(), &script, pace);
        assert!(all == expected.as_bytes(), "{} of {} at {pace:?}", all.len(), expected.len());
        assert_eq!(code, Some(3), "{pace:?}");
    }
}

#[test]
fn a_grandchild_that_writes_late_is_still_heard() {
    let app = app();
    let script = "head -c 1000 /dev/zero; (sleep 0.25; echo end) & exit 0";
    let (all, code) = read_slowly(app.path(), script, (0, 4096, 0));
    assert_eq!((all.len(), code), (1004, Some(0)));
    // Also one that writes while the reader has not begun yet.
    let script = "head -c 150000 /dev/zero; (sleep 0.25; echo end) & exit 0";
    assert_eq!(read_slowly(app.path(), script, (1500, 4096, 0)).0.len(), 150_004);
}

#[test]
fn a_reader_that_goes_away_ends_the_command() {
    let app = app();
    let mut doctor = Command::new(DOCTOR)
        .args(["run", "--no-docker", "--no-network", "--", "sh", "-c", "exec yes"])
        .current_dir(app.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut some = [0; 1000];
    doctor.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    drop(doctor.stdout.take());
    let mut status = None;
    wait_until(
        || {
            status = doctor.try_wait().unwrap();
            status.is_some()
        },
        || "yes still writes".to_owned(),
    );
    assert_eq!(status.unwrap().code(), Some(141), "as a shell has a SIGPIPE");
}

#[test]
fn codes_and_signals_are_the_bare_commands() {
    let app = app();
    let mut scripts: Vec<String> = [0, 1, 2, 3, 7, 42, 100, 126, 127, 128, 130, 255]
        .map(|code| format!("echo out; echo err >&2; exit {code}"))
        .into();
    scripts.extend(
        ["HUP", "INT", "QUIT", "KILL", "TERM", "USR1"].map(|name| format!("kill -{name} $$")),
    );
    for script in scripts {
        let bare = Command::new("sh").args(["-c", &script]).output().unwrap();
        let ours = run(app.path(), &[], &script);
        let code = |status: std::process::ExitStatus| {
            status.code().or(status.signal().map(|signal| 128 + signal))
        };
        assert_eq!(code(ours.status), code(bare.status), "{script}");
        assert_eq!(ours.stdout, bare.stdout, "{script}");
        assert!(ours.stderr.starts_with(&bare.stderr), "{script}");
    }
}

/// A script runs what it puts into the background with INT and QUIT ignored.
#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let app = app();
    for name in ["INT", "QUIT", "TERM"] {
        let script = format!("kill -{name} $$; echo on; exit 4");
        let ours = Command::new("sh")
            .args(["-c", &format!("trap '' {name}; exec \"$@\""), "sh"])
            .args([DOCTOR, "run", "--no-docker", "--no-network", "--", "sh", "-c", &script])
            .current_dir(app.path())
            .output()
            .unwrap();
        assert_eq!((ours.status.code(), ours.stdout.as_slice()), (Some(4), &b"on\n"[..]), "{name}");
    }
}

/// The doctor in a session without a terminal, with this script under it, once the script has said
/// that it is ready.
fn without_a_terminal(directory: &Path, before: &[&str], script: &str) -> Child {
    let mut doctor = Command::new("setsid")
        .args(before)
        .args([DOCTOR, "run", "--no-docker", "--no-network", "--", "sh", "-c", script])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    doctor.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    assert_eq!(&ready, b"ready\n");
    doctor
}

#[test]
fn without_a_terminal_signals_to_the_doctor_alone_reach_the_command() {
    let app = app();
    for name in ["INT", "QUIT", "TERM", "HUP"] {
        let script = waits(&format!("kill $!; echo got {name}; exit 9"), name);
        let mut doctor = without_a_terminal(app.path(), &[], &script);
        kill(doctor.id(), name);
        let mut rest = String::new();
        doctor.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, format!("got {name}\n"));
        assert_eq!(doctor.wait().unwrap().code(), Some(9), "{name}");
    }
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let app = app();
    let script = "echo ready; sleep 0.5; echo on; exit 4";
    let mut doctor = without_a_terminal(app.path(), &["nohup"], script);
    kill(doctor.id(), "HUP");
    let mut rest = String::new();
    doctor.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), doctor.wait().unwrap().code()), ("on\n", Some(4)));
}

#[test]
fn a_signal_ends_the_wait_for_a_reader_that_does_not_read() {
    let app = app();
    // More than one pipe holds, so that the doctor must wait; less than its own two pipes hold
    // together, so that the command can end.
    let script = "echo ready; (head -c 100000 /dev/zero; echo gone > over) & wait; exit 0";
    let mut doctor = without_a_terminal(app.path(), &[], script);
    wait_until(|| app.path().join("over").exists(), || "it cannot write".to_owned());
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(doctor.try_wait().unwrap(), None, "it waits for its reader");
    kill(doctor.id(), "TERM");
    assert_eq!(doctor.wait().unwrap().code(), Some(143));
}
