//! Files, engines and servers that mean no good: each gives a finding or a clear sentence, in time,
//! and nothing of theirs reaches the terminal as a command.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test starts the program and plays its opponents"
)]

use std::io::{Read as _, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::held_port;
use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str =
    "convex-self-hosted|01ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa";
/// Far above every deadline in the program (see [`Place::timeout`]), far below a test that hangs:
/// a run is killed then, and fails. An opponent goes on for longer.
const PATIENCE: Duration = Duration::from_mins(1);

struct Place {
    project: TempDir,
    home: TempDir,
    /// What a probe may take: long for opponents that answer, as the machine may be busy, and short
    /// for those that never come to an end.
    timeout: &'static str,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    fn app() -> Self {
        let place = Self {
            project: tempfile::tempdir().unwrap(),
            home: tempfile::tempdir().unwrap(),
            timeout: "20s",
        };
        place.with("package.json", r#"{"dependencies": {"convex": "1.32.0"}}"#)
    }

    fn with(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    /// The pair as a healthy project has it.
    fn with_pair(self, url: &str) -> Self {
        let pair = format!("CONVEX_SELF_HOSTED_URL={url}\nCONVEX_SELF_HOSTED_ADMIN_KEY={KEY}\n");
        self.with(".env.local", pair)
    }

    fn impatient(self) -> Self {
        Self { timeout: "1s", ..self }
    }

    fn path(&self) -> &Path {
        self.project.path()
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("docker.sock")
    }

    /// Runs the doctor; whatever it meets, it ends by itself with one of its own codes, in time,
    /// without a panic.
    fn run(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .current_dir(self.path())
            .args(["--timeout", self.timeout])
            .args(arguments)
            .timeout(PATIENCE)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what it writes is text");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let code = output.status.code().unwrap_or_else(|| panic!("hangs: {arguments:?}"));
        assert!((0..=3).contains(&code), "{code}: {stderr}");
        for text in [&stdout, &stderr] {
            assert!(
                !text.contains("panicked")
                    && !text.contains("failed inside")
                    && !text.contains("internal error"),
                "{text}"
            );
            assert!(!text.contains("ac4b324c21e8226a"), "the key: {text}");
        }
        Ran { code, stdout, stderr }
    }

    fn report(&self) -> Value {
        self.report_with(&[])
    }

    fn report_with(&self, arguments: &[&str]) -> Value {
        let run = self.run(&[&["--format", "json"][..], arguments].concat());
        serde_json::from_str(&run.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr))
    }
}

fn ids(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

/// The checks that could not see, as `id: reason` lines.
fn unknown(report: &Value) -> String {
    let lines = report["unknown"].as_array().unwrap().iter();
    lines.map(|one| format!("{}: {}\n", one["id"], one["reason"])).collect()
}

// Files
// ---------------------------------------------------------------------------------------------------------------

#[test]
fn an_env_file_that_is_no_text_is_said_and_read_no_further() {
    let too_large = vec![b'#'; 8 * 1024 * 1024 + 1];
    let binary: Vec<u8> = (0..4096_u32).flat_map(u32::to_le_bytes).collect();
    for (case, bytes) in [
        ("a byte too large", too_large),
        ("binary", binary),
        ("UTF-16", "C\0O\0N\0V\0E\0X\0=\0".as_bytes().to_vec()),
    ] {
        let place = Place::app().with(".env.local", bytes);
        let report = place.report();
        assert_ne!(report["verdict"], "healthy", "{case}");
        assert_unreadable_is_said(case, &report);
        place.run(&["inspect", "selection"]);
    }
}

/// As Node reads it: what is not UTF-8 becomes another character, and the rest counts.
#[test]
fn an_env_file_with_bytes_of_another_encoding_is_read() {
    let pair = "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:9\n\
                CONVEX_SELF_HOSTED_ADMIN_KEY='convex-self-hosted|01ab'\n";
    for (case, start) in [("Latin-1", &b"# cl\xe9\n"[..]), ("a zero byte", b"# a\0b\n")] {
        let bytes = [start, pair.as_bytes()].concat();
        let report = Place::app().with(".env.local", bytes).report();
        assert_eq!(report["evidence"]["selection"]["kind"], "self-hosted", "{case}");
        assert!(!ids(&report).contains(&"env-file-unreadable"), "{case}");
        assert!(!ids(&report).contains(&"selection-missing"), "{case}");
    }
}

/// By the finding, or at least in the evidence.
fn assert_unreadable_is_said(case: &str, report: &Value) {
    if convex_doctor::checks::rule("env-file-unreadable").is_some() {
        assert!(ids(report).contains(&"env-file-unreadable"), "{case}: {:?}", ids(report));
    }
    let unreadable = &report["evidence"]["surroundings"]["unreadable"];
    assert_eq!(unreadable[0]["file"], ".env.local", "{case}: {unreadable}");
}

#[test]
fn an_env_file_that_is_no_file_does_not_hold_the_run_up() {
    let directory = Place::app();
    std::fs::create_dir(directory.path().join(".env.local")).unwrap();
    assert_unreadable_is_said("a directory", &directory.report());

    let pipe = Place::app();
    for name in [".env.local", "docker-compose.yml"] {
        let made = std::process::Command::new("mkfifo").arg(pipe.path().join(name)).status();
        assert!(made.unwrap().success());
    }
    let report = pipe.report();
    assert_unreadable_is_said("a named pipe", &report);
    pipe.run(&["inspect", "compose"]);
    let run =
        pipe.run(&["key", "inspect", "-", "--secret-file", ".env.local", "--instance-name", "x"]);
    assert_ne!(run.code, 0);
}

#[test]
fn env_lines_without_end_or_sense_are_read_in_time() {
    for (case, text) in [
        ("one long line", format!("CONVEX_SELF_HOSTED_URL={}", "a".repeat(1 << 20))),
        ("open quotes", "A=\"\n".repeat(50_000)),
        ("many lines", "CONVEX_SELF_HOSTED_URL=http://h\n".repeat(50_000)),
        ("blanks", " \t".repeat(1 << 20)),
        ("near misses", "CONVEX_SELF_HOSTED_KEY=x\n".repeat(20_000)),
    ] {
        let place = Place::app().with(".env.local", text);
        let run = place.run(&["--no-network"]);
        assert!(run.stdout.lines().count() < 200, "{case}: {} lines", run.stdout.lines().count());
    }
}

#[test]
fn a_compose_file_that_cannot_be_read_is_said() {
    let mut bomb = String::from("a0: &a0 [x, x]\n");
    for level in 1..40 {
        let below = level - 1;
        bomb.push_str(&format!("a{level}: &a{level} [*a{below}, *a{below}]\n"));
    }
    bomb.push_str("services: {backend: {image: x, command: *a39}}\n");
    for (case, text) in [
        ("alias bomb", bomb.into_bytes()),
        ("tabs", b"services:\n\tbackend:\n\t\timage: x\n".to_vec()),
        ("open brackets", vec![b'['; 100_000]),
        ("open braces", "{a: ".repeat(100_000).into_bytes()),
        (
            "deep lines",
            (0..20_000).map(|n| " ".repeat(n % 400) + "- \n").collect::<String>().into_bytes(),
        ),
        ("no UTF-8", b"services:\n  backend:\n    image: \xff\n".to_vec()),
        ("zeroes", vec![0; 4096]),
        ("a cycle", b"x: &x\n  y: *x\nservices: {b: {image: i}}\n".to_vec()),
        ("too large", vec![b'#'; 8 * 1024 * 1024 + 1]),
        ("extends itself", b"services:\n  b: {extends: {service: b}}\n".to_vec()),
        ("includes itself", b"include: [docker-compose.yml]\nservices: {}\n".to_vec()),
        (
            "endless default",
            format!("services: {{b: {{image: \"{}\"}}}}\n", "${A:-".repeat(5000)).into_bytes(),
        ),
    ] {
        let place = Place::app().with("docker-compose.yml", text);
        let run = place.run(&["inspect", "compose", "--format", "json"]);
        assert_eq!(run.code, 1, "{case}: {}", run.stdout.chars().take(400).collect::<String>());
        let answer: Value = serde_json::from_str(&run.stdout).unwrap();
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty() && message.len() < 1000, "{case}: {answer}");
        let found = place.report();
        // What is too large for convex-doctor may be a file that Compose reads.
        let is_unknown = found["unknown"].as_array().unwrap().iter().any(|unknown| {
            unknown["id"] == "compose-invalid"
                && unknown["reason"].as_str().unwrap().contains("too large")
        });
        assert!(
            is_unknown || ids(&found).contains(&"compose-invalid"),
            "{case}: {:?}",
            ids(&found)
        );
    }
}

#[test]
fn a_compose_file_without_permission_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::app().with("docker-compose.yml", "services: {}\n");
    let file = place.path().join("docker-compose.yml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o0)).unwrap();
    if std::fs::read(&file).is_ok() {
        return; // root reads everything
    }
    let run = place.run(&["inspect", "compose"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("permission denied"), "{}", run.stdout);
}

/// Whatever else reads a file by its name would wait for a pipe, or read a device to its end.
#[test]
fn every_file_is_opened_in_one_place() {
    fn look(directory: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                look(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let code = code.split("#[cfg(all(test").next().unwrap();
            let opens = ["fs::read(", "fs::read_to_string(", "File::open(", "fs::File::open"];
            if opens.iter().any(|one| code.contains(one)) {
                found.push(path.display().to_string());
            }
        }
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    look(&source, &mut found);
    let allowed = ["files.rs", "output.rs", "act/edit.rs", "act/edit/lock.rs"];
    found.retain(|path| {
        !path.ends_with("tests.rs") && !allowed.iter().any(|file| path.ends_with(file))
    });
    assert_eq!(found, Vec::<String>::new());
}

// Docker engines
// ------------------------------------------------------------------------------------------------------

/// An engine that does `each` with every connection.
fn engine(place: &Place, each: impl Fn(std::os::unix::net::UnixStream) + Send + Copy + 'static) {
    let listener = UnixListener::bind(place.socket()).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || each(stream));
        }
    });
}

#[test]
fn an_engine_that_never_answers_is_given_up_on() {
    let place = Place::app().impatient();
    engine(&place, |stream| {
        thread::sleep(PATIENCE * 2);
        drop(stream);
    });
    place.run(&["--no-network"]);
    let report = place.report_with(&["--no-network"]);
    assert!(ids(&report).contains(&"docker-unresponsive"), "{:?}", ids(&report));
    assert_eq!(place.run(&["--require-docker", "--no-network"]).code, 3);
}

#[test]
fn an_engine_that_answers_nonsense_is_no_engine() {
    for (case, answer) in [
        ("no HTTP", "SSH-2.0-OpenSSH_9.6\r\n"),
        ("no JSON", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
        ("other JSON", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\": []}"),
        (
            "an error page",
            "HTTP/1.1 500 No\r\ncontent-length: 24\r\n\r\n{\"message\":\"\\u001b[2Jx\"}",
        ),
        ("half an answer", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n["),
        ("closes", ""),
    ] {
        let place = Place::app();
        let answer: &'static str = answer;
        engine(&place, move |mut stream| {
            let mut request = [0; 4096];
            let _asked = stream.read(&mut request);
            let _gone = stream.write_all(answer.as_bytes());
        });
        let report = place.report_with(&["--no-network"]);
        let found = ids(&report);
        let said =
            ["docker-unreachable", "docker-unresponsive"].iter().any(|id| found.contains(id));
        assert!(said, "{case}: {found:?}\n{}", unknown(&report));
        let text = place.run(&["--no-network", "-v"]);
        assert!(!text.stdout.contains('\u{1b}'), "{case}");
    }
}

#[test]
fn an_engine_that_never_ends_is_given_up_on() {
    for (case, head, rest) in [
        ("header", "HTTP/1.1 200 OK\r\nx: ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("headers", "HTTP/1.1 200 OK\r\n", "x-one: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
        ("body", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[", "         "),
        (
            "list",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[{}",
            ",{},{},{},{},{},{},{},{}",
        ),
    ] {
        let place = Place::app().impatient();
        let (head, rest): (&'static str, &'static str) = (head, rest);
        engine(&place, move |mut stream| {
            let mut request = [0; 4096];
            let _asked = stream.read(&mut request);
            let end = Instant::now() + PATIENCE * 2;
            let mut gone = stream.write_all(head.as_bytes());
            while gone.is_ok() && Instant::now() < end {
                gone = stream.write_all(rest.repeat(200).as_bytes());
            }
        });
        let report = place.report_with(&["--no-network"]);
        let found = ids(&report);
        let said =
            ["docker-unreachable", "docker-unresponsive"].iter().any(|id| found.contains(id));
        assert!(said, "{case}: {found:?}");
    }
}

/// What an engine shows of a container whose owner writes names, labels and paths as he likes.
const EVIL: &str =
    "evil\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}txt.exe\u{200b}\r\nHEALTHY @everyone <img src=x> `|`";

fn evil_engine(path: &str) -> Value {
    let id = "e".repeat(64);
    let labels = json!({
        "com.docker.compose.project": EVIL,
        "com.docker.compose.service": EVIL,
        "com.docker.compose.project.working_dir": format!("/{EVIL}"),
        "com.docker.compose.project.config_files": format!("/{EVIL}/docker-compose.yml"),
        "com.docker.compose.oneoff": "False",
    });
    let mounts = json!([{
        "Type": "volume", "Name": EVIL, "Source": format!("/{EVIL}"), "Destination": "/convex/data", "Driver": "local",
        "Mode": "rw", "RW": true, "Propagation": "",
    }]);
    let image = "ghcr.io/get-convex/convex-backend:latest";
    let what = path.split('?').next().unwrap_or_default();
    match what.rsplit('/').next().unwrap_or_default() {
        "volumes" => json!({"Volumes": [{
            "Name": EVIL, "Driver": EVIL, "Mountpoint": EVIL, "CreatedAt": EVIL, "Labels": labels, "Options": null,
            "Scope": "local",
        }], "Warnings": null}),
        "json" if what.contains(&id) => json!({
            "Id": id, "Created": "2026-03-01T09:00:00Z", "Path": EVIL, "Args": [EVIL],
            "State": {"Status": "running", "Running": true, "Pid": 1, "ExitCode": 0, "Error": EVIL,
                      "StartedAt": "2026-03-01T09:00:00Z", "FinishedAt": EVIL,
                      "Health": {"Status": "unhealthy", "FailingStreak": 9, "Log": [{"Output": EVIL, "ExitCode": 1}]}},
            "Image": format!("sha256:{id}"), "Name": format!("/{EVIL}"), "RestartCount": 3,
            "HostConfig": {"NetworkMode": EVIL, "PortBindings": {"3210/tcp": [{"HostIp": EVIL, "HostPort": "9"}]}},
            "Mounts": mounts,
            "Config": {"Image": image, "Env": [format!("INSTANCE_NAME={EVIL}"), format!("X={EVIL}")],
                       "Entrypoint": ["./run_backend.sh"], "Cmd": [EVIL], "WorkingDir": "/convex", "Labels": labels},
            "NetworkSettings": {"Ports": {"3210/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9"}]}, "Networks": {}},
        }),
        "json" => json!([{
            "Id": id, "Names": [format!("/{EVIL}")], "Image": image, "ImageID": EVIL, "Command": EVIL,
            "Created": 1_772_355_600, "Labels": labels, "State": "running", "Status": EVIL, "Mounts": mounts,
            "Ports": [{"IP": "0.0.0.0", "PrivatePort": 3210, "PublicPort": 9, "Type": "tcp"}],
        }]),
        "top" => json!({"Titles": ["PID", "CMD"], "Processes": [["1", format!(
            "./convex-local-backend --instance-name {EVIL} --instance-secret {EVIL}")]]}),
        _ => json!({"message": EVIL}),
    }
}

/// One request a connection.
fn serve_evil(mut stream: std::os::unix::net::UnixStream) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&chunk[..length]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let body = evil_engine(path).to_string();
    let _gone = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// No character of a text that could move the cursor, hide or turn what stands beside it; colours
/// are the program's own.
fn assert_harmless(case: &str, text: &str) {
    let text = anstream::adapter::strip_str(text).to_string();
    let bad = text.chars().find(|c| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    assert_eq!(bad, None, "{case}: {text:?}");
}

#[test]
fn names_on_the_engine_command_no_terminal() {
    let place = Place::app().with_pair("http://127.0.0.1:9").with(
        "docker-compose.yml",
        "services:\n  backend:\n    image: ghcr.io/get-convex/convex-backend\n    ports: [\"9:3210\"]\n",
    );
    engine(&place, serve_evil);
    for arguments in [
        &["-v"][..],
        &["-v", "--color", "always"],
        &["--format", "markdown"],
        &["--format", "json"],
        &["inspect", "instances"],
        &["inspect", "instances", "--color", "always"],
        &["inspect", "instances", "--format", "json"],
    ] {
        let run = place.run(arguments);
        let case = format!("{arguments:?}");
        let raw = run.stdout.replace("\u{1b}[", "");
        assert!(!raw.contains('\u{1b}'), "{case}: an escape that is no colour");
        assert!(!run.stdout.contains("\u{1b}[2J"), "{case}");
        assert_harmless(&case, &run.stdout);
        assert_harmless(&case, &run.stderr);
        assert!(
            !run.stdout.lines().any(|line| line.starts_with("HEALTHY")),
            "{case}: a forged verdict"
        );
        if arguments.contains(&"markdown") {
            assert!(!run.stdout.contains("<img"), "{}", run.stdout);
        }
        if arguments.starts_with(&["inspect"]) {
            assert!(run.stdout.contains("evil"), "{case}: the container is seen: {}", run.stdout);
        }
    }
}

// Servers
// -------------------------------------------------------------------------------------------------------------

/// A server that does `each` with every connection; its URL.
fn server(each: impl Fn(std::net::TcpStream) + Send + Copy + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || each(stream));
        }
    });
    url
}

#[test]
fn a_server_that_never_ends_is_given_up_on() {
    for (case, head, rest) in [
        ("silence", "", ""),
        ("status", "HTTP/1.1 200 ", "O"),
        ("header", "HTTP/1.1 200 OK\r\nx: ", "a"),
        ("body", "HTTP/1.1 200 OK\r\n\r\n", "convex "),
        ("chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\na\r\n"),
        ("interim", "", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("drops", "HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n", ""),
    ] {
        let (head, rest): (&'static str, &'static str) = (head, rest);
        let url = server(move |mut stream| {
            let end = Instant::now() + PATIENCE * 2;
            let mut gone = stream.write_all(head.as_bytes());
            while gone.is_ok() && Instant::now() < end {
                // Slower than a reader: what is tried is the end of patience, not of the processor.
                thread::sleep(Duration::from_millis(if rest.is_empty() { 200 } else { 10 }));
                gone = stream.write_all(rest.repeat(100).as_bytes());
            }
        });
        let place = Place::app().with_pair(&url).impatient();
        let report = place.report_with(&["--no-docker"]);
        assert_ne!(report["verdict"], "healthy", "{case}");
        let told = !ids(&report).is_empty() || !unknown(&report).is_empty();
        assert!(told, "{case}: {report}");
    }
}

#[test]
fn what_a_server_says_commands_no_terminal_and_forges_nothing() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 29\r\n\r\n\u{1b}[2J\u{202e}evil\r\nHEALTHY <img>\n",
        "HTTP/1.1 401 \u{1b}[2J\r\nserver: \u{1b}]0;x\u{7}\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 302 Found\r\nlocation: http://\u{1b}[2Jevil.example/\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: javascript:alert(1)\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n",
    ] {
        let url = server(move |mut stream| {
            let mut request = [0; 4096];
            let _asked = stream.read(&mut request);
            let _gone = stream.write_all(answer.as_bytes());
        });
        let place = Place::app().with_pair(&url);
        for format in ["text", "json", "markdown"] {
            let run = place.run(&["-v", "--no-docker", "--format", format]);
            assert_harmless(answer, &run.stdout);
            assert_harmless(answer, &run.stderr);
            assert!(!run.stdout.contains('\u{1b}'), "{answer}");
        }
    }
}

#[test]
fn a_server_that_echoes_the_key_does_not_get_it_printed() {
    let url = server(|mut stream| {
        let mut request = [0; 8192];
        let length = stream.read(&mut request).unwrap_or(0);
        let body = String::from_utf8_lossy(&request[..length]).into_owned();
        let json = json!({"code": "BadAdminKey", "message": body}).to_string();
        let _gone = write!(
            stream,
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{json}",
            json.len()
        );
    });
    let place = Place::app().with_pair(&url);
    for format in ["text", "json", "markdown"] {
        place.run(&["-v", "--no-docker", "--format", format]); // `run` looks for the key
    }
}

#[test]
fn a_password_in_the_url_is_masked_everywhere() {
    let (_held, refused) = held_port();
    let place = Place::app()
        .with_pair(&format!("http://user:hunter2-hunter2@127.0.0.1:{refused}"))
        .with(".env", "CONVEX_URL=http://user:hunter2-hunter2@example.invalid\n");
    for arguments in [
        &["-v", "--no-docker"][..],
        &["--no-docker", "--format", "json"],
        &["--no-docker", "--format", "markdown"],
        &["inspect", "selection"],
        &["inspect", "selection", "--format", "json"],
        &["--no-docker", "-H", "tcp://user:hunter2-hunter2@127.0.0.1:9"],
        &["-v", "--no-network", "-H", "tcp://user:hunter2-hunter2@127.0.0.1:9"],
        &["--no-network", "--format", "json", "-H", "ssh://user:hunter2-hunter2@127.0.0.1"],
    ] {
        let run = place.run(arguments);
        assert!(!run.stdout.contains("hunter2"), "{arguments:?}: {}", run.stdout);
        assert!(!run.stderr.contains("hunter2"), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn an_answer_of_the_engine_has_a_limit_and_so_have_its_parts() {
    // More than 16 MiB, and less in too many parts: each list, without an end of its own.
    for (item, words) in [
        (format!("{{\"Id\":\"{}\"}},", "a".repeat(60_000)), "larger than 16 MiB"),
        ("{},".to_owned(), "too many things"),
    ] {
        let place = Place::app().with_pair("http://127.0.0.1:9");
        let many = if words.contains("many") { 200_000 } else { 400 };
        let body = format!("[{}{{}}]", item.repeat(many)).into_bytes();
        let body: &'static [u8] = body.leak();
        engine(&place, move |mut stream| {
            let mut head = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut head) {
                let is_list = head[..read].windows(16).any(|part| part == b"/containers/json");
                let body = if is_list { body } else { b"{}" };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).is_err()
                {
                    return;
                }
            }
        });
        let report = place.report_with(&["--no-network"]);
        assert!(unknown(&report).contains(words), "{report}");
    }
}

#[test]
fn a_url_that_cannot_be_used_shows_without_the_network() {
    let place = Place::app().with_pair("localhost:3210");
    let report = place.report_with(&["--no-network", "--no-docker"]);
    assert!(ids(&report).contains(&"url-invalid"), "{report}");
    assert_eq!(place.run(&["--no-network", "--require-network", "--no-docker"]).code, 3);
    let place = Place::app().with_pair("http://localhost:3210");
    let report = place.report_with(&["--no-network", "--no-docker"]);
    assert!(unknown(&report).contains("--no-network"), "{report}");
}
