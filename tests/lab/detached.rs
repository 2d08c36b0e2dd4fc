//! The volumes that no backend has: read where they lie, through a helper container, and never
//! changed. On Docker's engine, and on Podman's where DOCKER_HOST names that.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{COMPOSE, Project, Report, run, succeed, text, wait_for, without_volume};

/// The doctor as somebody who may ask the engine and read no volume's directory: what a developer
/// in the group `docker` is.
struct Outsider {
    /// The program and the project where that user can read them.
    home: tempfile::TempDir,
    group: u32,
}

impl Outsider {
    fn new(project: &Project) -> Self {
        let socket = socket();
        let group = fs::metadata(&socket).unwrap().gid();
        let home = tempfile::tempdir().unwrap();
        let copy = home.path().join(&project.name);
        succeed(&run(
            Path::new("/"),
            &["cp", "-a", project.directory.to_str().unwrap(), copy.to_str().unwrap()],
        ));
        let program = home.path().join("convex-doctor");
        fs::copy(env!("CARGO_BIN_EXE_convex-doctor"), program).unwrap();
        succeed(&run(Path::new("/"), &["chmod", "-R", "a+rX", home.path().to_str().unwrap()]));
        succeed(&run(Path::new("/"), &["chmod", "g+rw", socket.to_str().unwrap()]));
        Self { home, group }
    }

    fn command(&self, project: &Project, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command
            .arg("--reuid=65534")
            .arg(format!("--regid={}", self.group))
            .arg("--clear-groups")
            .arg(self.home.path().join("convex-doctor"))
            .args(arguments)
            .current_dir(self.home.path().join(&project.name))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_clear()
            .env("HOME", self.home.path())
            .env("DOCKER_HOST", format!("unix://{}", socket().display()))
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }

    fn doctor(&self, project: &Project, arguments: &[&str]) -> Report {
        let json = [&["--format", "json"], arguments].concat();
        let output = self.command(project, &json).output().unwrap();
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}", text(&output.stderr)));
        Report { json, code: output.status.code().unwrap() }
    }

    /// Starts it, and hands it over as soon as its helper container is there.
    fn caught_at_work(&self, project: &Project) -> std::process::Child {
        let child = self.command(project, &["--deep"]).spawn().unwrap();
        wait_for(|| !helpers().is_empty());
        child
    }
}

/// The engine's socket.
fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    PathBuf::from(host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock"))
}

/// The compose file without the health check, which Podman leaves to a systemd that need not be
/// there.
fn without_health(compose: &str) -> String {
    let (before, rest) = compose.split_once("    healthcheck:\n").unwrap();
    let after = rest.lines().skip_while(|line| line.starts_with("      ")).collect::<Vec<_>>();
    let compose = format!("{before}{}\n", after.join("\n"));
    compose.replace("condition: service_healthy", "condition: service_started")
}

/// The helper containers on the engine.
fn helpers() -> Vec<String> {
    let label = "label=convex-doctor.helper";
    let listed = run(Path::new("/"), &["docker", "ps", "-aq", "--filter", label]);
    text(&listed.stdout).lines().map(str::to_owned).collect()
}

fn volumes() -> Vec<String> {
    let listed = run(Path::new("/"), &["docker", "volume", "ls", "-q"]);
    text(&listed.stdout).lines().map(str::to_owned).collect()
}

/// Copies of a volume, gone when dropped.
struct Copies(Vec<String>);

impl Copies {
    fn of(volume: &str, name: &str) -> Self {
        let copies: Vec<String> = (0..20).map(|at| format!("{name}-convex{at}")).collect();
        for copy in &copies {
            succeed(&run(Path::new("/"), &["docker", "volume", "create", copy]));
            let command = "at() { docker volume inspect -f '{{.Mountpoint}}' \"$1\"; }; \
                           cp -a \"$(at \"$0\")/.\" \"$(at \"$1\")/\"";
            succeed(&run(Path::new("/"), &["bash", "-c", command, volume, copy]));
        }
        Self(copies)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        let names: Vec<&str> = self.0.iter().map(String::as_str).collect();
        run(Path::new("/"), &[&["docker", "volume", "rm"], names.as_slice()].concat());
    }
}

/// A project whose volume was left by `down` and a renamed directory.
fn forgotten(name: &str) -> (Project, String) {
    let mut project = Project::created(name, &without_health(COMPOSE), "");
    project.up();
    project.write_key(&project.mint());
    let volume = format!("{}_data", project.name);
    succeed(&project.compose(&["down", "-t", "2"]));
    project.rename("b");
    project.up();
    (project, volume)
}

/// Root reads the volume where it lies, and the remedy brings it back.
#[test]
#[ignore = "needs a Docker engine, and root"]
fn project_renamed_without_the_old_container() {
    let (project, volume) = forgotten("forgotten");
    let old = volume.trim_end_matches("_data").to_owned();
    let report = project.doctor(&[]);
    report.expect("key-from-detached-volume", "proven");
    let cause = report.json["causes"][0].to_string();
    assert!(cause.contains(&volume), "it names the volume: {cause}");
    assert!(report.finding("detached-volume-has-data").is_some());

    let commands = report.commands();
    let back = format!("-p {old} up");
    let back = commands.iter().position(|command| command.contains(&back)).unwrap();
    let leave = format!("-p {} down", project.name);
    assert!(commands[back - 1].contains(&leave), "{commands:?}");
    for command in &commands[back - 1..=back] {
        succeed(&run(&project.directory, &["bash", "-c", command]));
    }
    wait_for(|| project.get("/version", "").contains(" 200 "));
    let report = project.doctor(&["-p", &old]);
    assert_eq!(report.verdict(), "healthy", "{:#}", report.json);
}

/// A nameless volume has no project to go back to: the lines that the remedy gives bring it back.
#[test]
#[ignore = "needs a Docker engine, and root"]
fn nameless_volume_left_by_down() {
    let compose = without_health(&without_volume());
    let project = Project::created("nameless", &compose, "");
    project.up();
    project.write_key(&project.mint());
    succeed(&project.compose(&["down", "-t", "2"]));
    project.up();
    let report = project.doctor(&[]);
    let finding = report.finding("key-from-detached-volume").expect("it is found");
    assert_eq!(finding["certainty"], "proven", "{finding:#}");
    let titles: Vec<_> = finding["remedies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["title"].as_str().unwrap())
        .collect();
    let line = |start: &str| {
        let parts = titles.iter().flat_map(|title| title.split('`'));
        parts.into_iter().find(|part| part.starts_with(start)).expect("the line to add")
    };
    let (mount, entry) = (line("- data:"), line("data: {"));
    let compose = compose.replace(
        "    environment:\n      - CONVEX_CLOUD",
        &format!("    volumes:\n      {mount}\n    environment:\n      - CONVEX_CLOUD"),
    );
    fs::write(project.file("docker-compose.yml"), format!("{compose}\nvolumes:\n  {entry}\n"))
        .unwrap();
    project.up();
    let report = project.doctor(&[]);
    assert_eq!(report.verdict(), "healthy", "{:#}", report.json);
    let volume = finding["locations"][0]["volume"].as_str().unwrap().to_owned();
    succeed(&project.compose(&["down", "-t", "2"]));
    succeed(&run(Path::new("/"), &["docker", "volume", "rm", &volume]));
}

/// Whoever may not read the directories learns by names, and with `--deep` for sure; no container
/// and no volume is left by it.
#[test]
#[ignore = "needs a Docker engine, and root"]
fn deep_looks_through_a_helper_that_is_gone_afterwards() {
    let (project, volume) = forgotten("deep");
    let outsider = Outsider::new(&project);
    let report = outsider.doctor(&project, &[]);
    for id in ["key-from-detached-volume", "project-renamed", "detached-volume-has-data"] {
        if let Some(finding) = report.finding(id) {
            assert_ne!(finding["certainty"], "proven", "nobody looked inside: {finding:#}");
        }
    }
    assert!(report.json["findings"].to_string().contains(&volume), "the candidate is named");

    // A nameless volume is what an engine likes to take away with a container.
    let nameless = run(Path::new("/"), &["docker", "volume", "create"]);
    succeed(&nameless);
    let before = volumes();
    let report = outsider.doctor(&project, &["--deep"]);
    report.expect("key-from-detached-volume", "proven");
    assert!(report.json["causes"][0].to_string().contains(&volume));
    assert_eq!(helpers(), Vec::<String>::new());
    assert_eq!(volumes(), before);
    succeed(&run(Path::new("/"), &["docker", "volume", "rm", text(&nameless.stdout).trim()]));
}

/// Another machine's engine: a script in ssh's place runs the command that ssh would run there.
#[test]
#[ignore = "needs a Docker engine, and root"]
fn deep_looks_over_ssh() {
    let (project, volume) = forgotten("ssh");
    let script = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift 2\n";
    let script = format!("{script}DOCKER_HOST=unix://{} exec \"$@\"\n", socket().display());
    let bin = tempfile::tempdir().unwrap();
    fs::write(bin.path().join("ssh"), script).unwrap();
    succeed(&run(Path::new("/"), &["chmod", "+x", bin.path().join("ssh").to_str().unwrap()]));
    let program = env!("CARGO_BIN_EXE_convex-doctor");
    let command =
        format!("PATH={}:$PATH {program} -H ssh://far --deep --format json", bin.path().display());
    let output = run(&project.directory, &["bash", "-c", &command]);
    let json: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}", text(&output.stderr)));
    let report = Report { json, code: output.status.code().unwrap() };
    report.expect("key-from-detached-volume", "proven");
    assert!(report.json["causes"][0].to_string().contains(&volume));
    assert_eq!(helpers(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Docker engine, and root"]
fn a_helper_does_not_outlive_an_interrupted_run() {
    let (project, volume) = forgotten("interrupt");
    // Enough of them that there is time to interrupt.
    let _more = Copies::of(&volume, &project.name);
    let before = volumes();
    let outsider = Outsider::new(&project);
    for (signal, code) in [("INT", Some(130)), ("TERM", Some(143)), ("KILL", None)] {
        let mut child = outsider.caught_at_work(&project);
        succeed(&run(Path::new("/"), &["kill", "-s", signal, &child.id().to_string()]));
        assert_eq!(child.wait().unwrap().code(), code, "{signal}");
        assert_eq!(helpers().is_empty(), signal != "KILL", "{signal}");
    }
    // What nobody could prevent: the next run takes it away, and is not misled by it.
    let report = outsider.doctor(&project, &[]);
    assert!(report.json["findings"].to_string().contains(&volume));
    assert_eq!(helpers().len(), 1, "a default run only reads");
    outsider.doctor(&project, &["--deep"]).expect("key-from-detached-volume", "proven");
    assert_eq!(helpers(), Vec::<String>::new());
    assert_eq!(volumes(), before);
}

#[test]
#[ignore = "needs a Docker engine, and root"]
fn instances_and_detached_volumes_are_listed_with_whose_the_key_is() {
    let (project, volume) = forgotten("instances");
    let program = env!("CARGO_BIN_EXE_convex-doctor");
    let output = run(&project.directory, &[program, "inspect", "instances", "--format", "json"]);
    succeed(&output);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let find = |list: &str, key: &str, name: &str| {
        let list = json[list].as_array().unwrap();
        list.iter().find(|it| it[key] == name).unwrap_or_else(|| panic!("{name}: {json:#}")).clone()
    };
    let own = find("instances", "container", &project.container());
    assert_eq!((&own["project"], &own["state"]), (&project.name.clone().into(), &"running".into()));
    assert_eq!(own["instance_name"], "convex-self-hosted");
    assert_eq!(own["opens_key"], false);
    assert!(own["ports"].to_string().contains(&project.port.to_string()));
    let left = find("detached_volumes", "volume", &volume);
    assert_eq!(left["project"], volume.trim_end_matches("_data"));
    assert_eq!(left["opens_key"], true);
    assert!(left["secret_fingerprint"].is_string() && left["changed_at"].is_string());

    let output = run(&project.directory, &[program, "inspect", "instances"]);
    let shown = text(&output.stdout);
    assert!(shown.contains(&format!("belongs to volume {volume}")), "{shown}");
    assert!(project.secrets().iter().all(|secret| !shown.contains(secret)));
}
