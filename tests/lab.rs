//! The lab: the doctor against a real Docker engine and the real `docker compose`, with images that
//! behave like upstream's (`tests/lab/`). Every scenario is made by the commands that people type,
//! in a project of its own.
//!
//! Needs an engine, so that it is ignored by default: `.ci/run` brings one up, builds the images
//! and runs `cargo test --test lab -- --ignored --test-threads=1`. `CONVEX_CLI` names a
//! `node_modules` folder with the real CLI.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test acts on the world, and fails by a panic"
)]

#[path = "lab/persistence.rs"]
mod persistence;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "lab/ci.rs"]
mod ci;
#[path = "lab/detached.rs"]
mod detached;
#[path = "lab/diff.rs"]
mod diff;
#[path = "all/support/docs.rs"]
#[allow(dead_code, reason = "not every test reads all of a page")]
mod docs;
#[path = "lab/fix.rs"]
mod fix;
#[path = "lab/fix_engine.rs"]
mod fix_engine;
#[path = "lab/fix_killed.rs"]
mod fix_killed;
#[path = "lab/run.rs"]
mod run;

/// Upstream's compose file, as far as it concerns the scenarios.
const COMPOSE: &str = include_str!("lab/docker-compose.yml");
/// The container of a project's backend, by Compose's naming.
const BACKEND: &str = "backend-1";

/// A project directory with its compose file, and everything it leaves on the engine; gone when
/// dropped.
struct Project {
    directory: PathBuf,
    name: String,
    port: u16,
    /// Directory and further project names to clean up.
    earlier: Vec<(PathBuf, String)>,
    /// Keeps the directory's parent alive.
    home: tempfile::TempDir,
}

/// What the program says of a report that is read back.
fn replayed(report: &str) -> Value {
    let mut child = Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(["replay", "-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(report.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    without_rules(&serde_json::from_slice(&output.stdout).unwrap())
}

/// The report without our own texts: what is secret in a run is cut out of them too.
fn without_rules(report: &Value) -> Value {
    let mut report = report.clone();
    report["rules"].take();
    report
}

impl Project {
    /// A running backend with a volume, and a directory that has its key.
    fn healthy(name: &str) -> Self {
        let project = Self::created(name, COMPOSE, "");
        project.up();
        project.write_key(&project.mint());
        project
    }

    /// The files, nothing started. `env` is Compose's `.env`, beside the ports.
    fn created(name: &str, compose: &str, env: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let name = format!("lab{}{name}", std::process::id());
        let directory = home.path().join(&name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("docker-compose.yml"), compose).unwrap();
        fs::write(directory.join("package.json"), r#"{"dependencies":{"convex":"^1.48.0"}}"#)
            .unwrap();
        let [port, site, dashboard] = free_ports();
        let ports = format!("PORT={port}\nSITE_PROXY_PORT={site}\nDASHBOARD_PORT={dashboard}\n");
        fs::write(directory.join(".env"), ports + env).unwrap();
        Self { directory, name, port, earlier: Vec::new(), home }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// `docker compose …` in the project's directory.
    fn compose(&self, arguments: &[&str]) -> Output {
        run(&self.directory, &[&["docker", "compose"], arguments].concat())
    }

    /// `docker compose up -d`, until the backend answers.
    fn up(&self) {
        succeed(&self.compose(&["up", "-d", "backend"]));
        wait_for(|| self.get("/version", "").contains(" 200 "));
    }

    /// A key as people make it.
    fn mint(&self) -> String {
        let output = self.compose(&["exec", "-T", "backend", "./generate_admin_key.sh"]);
        succeed(&output);
        assert!(text(&output.stderr).contains("Admin key:"));
        text(&output.stdout).trim().to_owned()
    }

    fn write_key(&self, key: &str) {
        let lines = format!(
            "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:{}\nCONVEX_SELF_HOSTED_ADMIN_KEY={key}\n",
            self.port
        );
        fs::write(self.file(".env.local"), lines).unwrap();
    }

    /// The directory under another name, and with it another project.
    fn rename(&mut self, name: &str) {
        let old = (self.directory.clone(), self.name.clone());
        self.name = format!("{}{name}", self.name);
        self.directory = self.home.path().join(&self.name);
        fs::rename(&old.0, &self.directory).unwrap();
        self.earlier.push(old);
    }

    /// The head of an answer of the backend.
    fn get(&self, path: &str, key: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return String::new();
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Convex {key}\r\nConnection: close\r\n\r\n"
        );
        let mut answer = String::new();
        drop(stream.set_read_timeout(Some(Duration::from_secs(2))));
        drop(stream.write_all(request.as_bytes()));
        drop(stream.read_to_string(&mut answer));
        answer
    }

    fn container(&self) -> String {
        format!("{}-{BACKEND}", self.name)
    }

    /// The doctor's report on the project's directory; no secret may stand in it.
    fn doctor(&self, arguments: &[&str]) -> Report {
        let program = env!("CARGO_BIN_EXE_convex-doctor");
        let json = [&[program, "--format", "json"], arguments].concat();
        let output = run(&self.directory, &json);
        let stdout = text(&output.stdout);
        let json: Value = serde_json::from_str(&stdout)
            .unwrap_or_else(|error| panic!("{error}\n{stdout}\n{}", text(&output.stderr)));
        for secret in self.secrets() {
            assert!(!stdout.contains(&secret), "a secret is in the report");
        }
        if !arguments.iter().any(|argument| ["--only", "--ignore"].contains(argument)) {
            assert_eq!(replayed(&stdout), without_rules(&json), "a replay says something else");
        }
        Report { json, code: output.status.code().unwrap() }
    }

    /// The hex part of the key in `.env.local` and the secret on the command line of each
    /// container.
    fn secrets(&self) -> Vec<String> {
        let env = fs::read_to_string(self.file(".env.local")).unwrap_or_default();
        let mut secrets: Vec<_> =
            env.lines().filter_map(|line| Some(line.split_once('|')?.1.to_owned())).collect();
        let top = run(&self.directory, &["docker", "top", &self.container()]);
        let top = text(&top.stdout);
        secrets.extend(top.split_once("--instance-secret ").map(|(_, rest)| rest[..64].to_owned()));
        secrets
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.compose(&["down", "-v", "--remove-orphans", "-t", "2"]);
        for (_, name) in &self.earlier {
            let file = self.file("docker-compose.yml");
            let down = ["down", "-v", "--remove-orphans", "-t", "2"];
            let project = ["docker", "compose", "-f", file.to_str().unwrap(), "-p", name];
            run(self.home.path(), &[&project[..], &down].concat());
        }
    }
}

/// What the doctor said.
struct Report {
    json: Value,
    code: i32,
}

impl Report {
    /// The first cause: its id and certainty.
    fn cause(&self) -> (&str, &str) {
        let cause = &self.json["causes"][0];
        (cause["id"].as_str().unwrap_or("none"), cause["certainty"].as_str().unwrap_or("none"))
    }

    fn verdict(&self) -> &str {
        self.json["verdict"].as_str().unwrap()
    }

    fn finding(&self, id: &str) -> Option<&Value> {
        self.json["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == id)
    }

    /// The commands of the first cause's remedies.
    fn commands(&self) -> Vec<String> {
        let remedies = self.json["causes"][0]["remedies"].as_array().unwrap();
        let commands = remedies.iter().flat_map(|remedy| remedy["commands"].as_array().unwrap());
        commands.map(|command| command.as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn expect(&self, id: &str, certainty: &str) {
        assert_eq!(self.cause(), (id, certainty), "{:#}", self.json);
        assert_eq!(self.code, 1);
    }
}

fn run(directory: &Path, command: &[&str]) -> Output {
    let mut child = Command::new(command[0]);
    child.args(&command[1..]).current_dir(directory).stdin(Stdio::null()).env_clear();
    for name in ["PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG"] {
        child.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    child.output().unwrap_or_else(|error| panic!("{}: {error}", command[0]))
}

#[track_caller]
fn succeed(output: &Output) {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn wait_for(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Three ports that nobody listens on.
fn free_ports() -> [u16; 3] {
    // Below what the kernel gives to connections: such a port may be taken again at any time.
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static TAKEN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let start = std::process::id() % 400 * 30;
    let next = || TAKEN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut free = std::iter::repeat_with(next).take(COUNT as usize).filter_map(|taken| {
        let port = u16::try_from(FIRST + (start + taken) % COUNT).unwrap();
        TcpListener::bind(("0.0.0.0", port)).is_ok().then_some(port)
    });
    [(); 3].map(|()| free.next().unwrap())
}

/// The compose file without the line that mounts the volume, and without its declaration.
fn without_volume() -> String {
    let lines = COMPOSE.lines().filter(|line| !line.contains("data:/convex/data"));
    let lines: Vec<_> = lines.take_while(|line| *line != "volumes:").collect();
    lines.join("\n").replace("    volumes:\n", "") + "\n"
}

#[test]
#[ignore = "needs a Docker engine"]
fn images_behave_like_upstreams() {
    let project = Project::healthy("image");
    let key = project.mint();
    assert!(project.get("/api/check_admin_key", &key).contains(" 200 "));
    assert!(project.get("/api/check_admin_key", "convex-self-hosted|01ab").contains(" 401 "));
    let log = text(&project.compose(&["logs", "backend"]).stdout);
    assert!(log.contains("The provided admin key was invalid for this instance"), "{log}");
    let secret = project.secrets().pop().unwrap();
    assert_eq!(secret.len(), 64, "the secret is on the command line");

    // A recreate keeps the secret in the volume, `down -v` does not.
    succeed(&project.compose(&["up", "-d", "--force-recreate", "backend"]));
    wait_for(|| project.get("/api/check_admin_key", &key).contains(" 200 "));
    succeed(&project.compose(&["down", "-v", "-t", "2"]));
    project.up();
    assert!(project.get("/api/check_admin_key", &key).contains(" 401 "));
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_start_fails_in_upstreams_words() {
    let start = |env: &[&str]| {
        let image = "ghcr.io/get-convex/convex-backend:latest";
        let options: Vec<_> = env.iter().flat_map(|env| ["-e", *env]).collect();
        let output = run(
            Path::new("/"),
            &[&["docker", "run", "--rm", "--network", "none"], options.as_slice(), &[image]]
                .concat(),
        );
        (output.status.code().unwrap(), text(&output.stderr))
    };
    for (env, code, words) in [
        ("INSTANCE_SECRET=hunter2", 1, "Error: Couldn't hexdecode key\n"),
        ("INSTANCE_SECRET=00ff", 1, "Error: Hex-decoded key was 2 bytes, not 32\n"),
        ("DISABLE_BEACON=", 2, "invalid value '' for '--disable-beacon': value was not a boolean"),
        (
            "CONVEX_CLOUD_ORIGIN=localhost:3210",
            1,
            "Origin url should start with https:// or http://",
        ),
    ] {
        let (exit, stderr) = start(&[env]);
        assert_eq!(exit, code, "{env}: {stderr}");
        assert!(stderr.contains(words), "{env}: {stderr}");
    }
}

#[test]
#[ignore = "needs a Docker engine"]
fn healthy_stays_silent() {
    let report = Project::healthy("healthy").doctor(&[]);
    assert_eq!(report.verdict(), "healthy", "{:#}", report.json);
    assert_eq!(report.code, 0);
    assert_eq!(report.json["causes"], serde_json::json!([]));
}

#[test]
#[ignore = "needs a Docker engine"]
fn key_gone_stale_by_down_v() {
    let project = Project::healthy("stale");
    succeed(&project.compose(&["down", "-v", "-t", "2"]));
    project.up();
    let report = project.doctor(&[]);
    report.expect("key-foreign", "proven");
    assert!(report.commands().iter().any(|command| command == "convex-doctor key mint --write"));
}

#[test]
#[ignore = "needs a Docker engine"]
fn project_renamed_with_the_old_container_kept() {
    let mut project = Project::healthy("renamed");
    let volume = format!("{}_data", project.name);
    succeed(&project.compose(&["stop", "-t", "2"]));
    project.rename("b");
    project.up();
    let report = project.doctor(&[]);
    let (id, certainty) = report.cause();
    assert!(["key-from-detached-volume", "project-renamed"].contains(&id), "{:#}", report.json);
    assert_eq!((certainty, report.code), ("proven", 1));
    let cause = report.json["causes"][0].to_string();
    assert!(cause.contains(&volume), "it names the volume: {cause}");
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    assert!(cause.contains(&today), "it says when the key was issued: {cause}");
}

#[test]
#[ignore = "needs a Docker engine"]
fn no_volume_entry() {
    let project = Project::created("novolume", &without_volume(), "");
    project.up();
    project.write_key(&project.mint());
    let report = project.doctor(&[]);
    let finding = report.finding("data-volume-missing").expect("it is found");
    assert_eq!(finding["certainty"], "proven");
    assert_eq!((report.verdict(), report.code), ("at-risk", 1));

    // And what it warned of.
    succeed(&project.compose(&["down", "-t", "2"]));
    project.up();
    let report = project.doctor(&[]);
    assert_eq!((report.verdict(), report.code), ("broken", 1));
    assert!(report.cause().0.starts_with("key-") || report.cause().0.starts_with("data-"));
}

#[test]
#[ignore = "needs a Docker engine"]
fn key_of_another_project() {
    let (here, there) = (Project::healthy("here"), Project::healthy("there"));
    here.write_key(&there.mint());
    let report = here.doctor(&[]);
    report.expect("key-from-another-instance", "proven");
    assert!(report.json["causes"][0].to_string().contains(&there.container()));
}

#[test]
#[ignore = "needs a Docker engine"]
fn name_changed() {
    let project = Project::healthy("name");
    append(&project.file(".env"), "INSTANCE_NAME=other-name\n");
    project.up();
    wait_for(|| project.get("/instance_name", "").ends_with("other-name"));
    project.doctor(&[]).expect("key-name-mismatch", "proven");
}

#[test]
#[ignore = "needs a Docker engine"]
fn secret_changed_without_recreate() {
    let secret = "8f14e45fceea167a5a36dedd4bea2543f9bd5a6d9d5e2b1c0a4f7e3d2c1b0a99";
    let project = Project::healthy("drift");
    append(&project.file(".env"), &format!("INSTANCE_SECRET={secret}\n"));
    let report = project.doctor(&[]);
    let finding = report.finding("secret-drift").expect("it is found");
    // The key is still accepted, so that nobody reads the log that would prove which container
    // answers.
    let certainty = finding["certainty"].as_str().unwrap();
    assert!(["proven", "likely"].contains(&certainty), "{finding:#}");
    assert!(!report.json.to_string().contains(secret));
}

#[test]
#[ignore = "needs a Docker engine"]
fn stopped() {
    let project = Project::healthy("stopped");
    succeed(&project.compose(&["stop", "-t", "2"]));
    let report = project.doctor(&[]);
    report.expect("backend-stopped", "proven");
    let commands = report.commands();
    assert!(commands.iter().any(|c| c.contains("docker") && c.contains("start")), "{commands:?}");
}

/// The whole story with the real CLI: it fails, the doctor says why, its remedy is carried out, the
/// CLI gets in.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn the_real_cli_recovers() {
    let modules = std::env::var_os("CONVEX_CLI").expect("CONVEX_CLI: a node_modules with convex");
    let project = Project::healthy("cli");
    std::os::unix::fs::symlink(modules, project.file("node_modules")).unwrap();
    fs::create_dir(project.file("convex")).unwrap();
    succeed(&project.compose(&["down", "-v", "-t", "2"]));
    project.up();
    let cli = || {
        let command = "CI=1 timeout 25 npx convex dev --once";
        text(&run(&project.directory, &["bash", "-c", command]).stderr)
    };
    let failure = cli();
    assert!(failure.contains("BadAdminKey"), "{failure}");

    let report = project.doctor(&[]);
    report.expect("key-foreign", "proven");
    let commands = report.commands();
    let mint = commands.iter().find(|command| command.contains("key mint --write")).unwrap();
    let ours = Path::new(env!("CARGO_BIN_EXE_convex-doctor")).parent().unwrap();
    let mint = format!("PATH={}:$PATH {mint}", ours.display());
    let minted = run(&project.directory, &["bash", "-c", &mint]);
    succeed(&minted);
    assert!(text(&minted.stderr).contains("the backend accepts the key"));
    let success = cli();
    assert!(!success.contains("BadAdminKey"), "{success}");
    // Functions do not run in the lab: the push ends behind the door.
    assert!(success.contains("start_push 500"), "{success}");
    let report = project.doctor(&[]);
    assert_eq!((report.verdict(), report.code), ("healthy", 0), "{:#}", report.json);
}

fn append(file: &Path, line: &str) {
    let mut old = fs::read_to_string(file).unwrap();
    old.push_str(line);
    fs::write(file, old).unwrap();
}
