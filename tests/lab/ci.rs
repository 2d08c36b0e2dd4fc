//! The first job of `docs/ci.md`, step by step as a runner would carry it out: with a backend that
//! takes its time, and with one that dies over and over.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_yaml::Value;

use super::{COMPOSE, Project, docs, run, text};

/// What came of one step.
struct Step {
    name: String,
    code: i32,
    stdout: String,
    stderr: String,
    took: Duration,
}

/// A project with more settings of its backend.
fn project(name: &str, settings: &str) -> Project {
    let project = Project::created(name, COMPOSE, "");
    let more = format!("services:\n  backend:\n{settings}");
    fs::write(project.file("docker-compose.override.yml"), more).unwrap();
    project
}

/// A key that an instance with another secret has made, as a secret of the repository may hold.
const KEPT_KEY: &str =
    "convex-self-hosted|01ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa";

/// The job's steps but for those that install something or push functions, which the lab cannot
/// run.
fn play(project: &Project, more: &[(&str, &str)]) -> Vec<Step> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
    let block = docs::blocks(&fs::read_to_string(page).unwrap(), "yaml").remove(0);
    let job: Value = serde_yaml::from_str(&block).unwrap();
    let job = &job["jobs"]["functions"];
    let url = format!("http://127.0.0.1:{}", project.port);
    assert_eq!(job["env"]["CONVEX_SELF_HOSTED_URL"], "http://127.0.0.1:3210");
    let (environment, summary) = (project.file("github-env"), project.file("summary.md"));
    let runner = project.file("runner");
    fs::create_dir_all(&runner).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_convex-doctor")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut steps: Vec<Step> = Vec::new();
    for step in job["steps"].as_sequence().unwrap() {
        // The Action, but for the installation and the upload.
        let inputs = docs::action_inputs(step);
        let action = inputs.as_ref().map(|_| docs::ACTION);
        let Some(script) = action.or_else(|| step["run"].as_str()) else { continue };
        if ["npm ", "cargo ", "npx "].iter().any(|program| script.contains(program)) {
            continue;
        }
        let failed = steps.iter().any(|step| step.code != 0);
        if failed && step["if"] != "${{ !cancelled() }}" {
            continue;
        }
        let lines = fs::read_to_string(&environment).unwrap_or_default();
        let start = Instant::now();
        let output = Command::new("bash")
            .args(["-e", "-c", script])
            .current_dir(&project.directory)
            .stdin(Stdio::null())
            .env_clear()
            .envs(["HOME", "DOCKER_HOST"].iter().filter_map(|it| Some((it, std::env::var_os(it)?))))
            .envs(lines.lines().filter_map(|line| line.split_once('=')))
            .envs([("PATH", path.as_str()), ("CONVEX_SELF_HOSTED_URL", &url), ("CI", "true")])
            .envs(more.iter().copied())
            .envs(inputs.unwrap_or_default())
            .env("RUNNER_TEMP", &runner)
            .env("GITHUB_OUTPUT", project.file("outputs"))
            .env("GITHUB_ENV", &environment)
            .env("GITHUB_STEP_SUMMARY", &summary)
            .output()
            .unwrap();
        steps.push(Step {
            name: step["name"].as_str().unwrap_or(script).to_owned(),
            code: output.status.code().unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            took: start.elapsed(),
        });
    }
    steps
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_job_waits_for_a_backend_that_takes_its_time() {
    let project = project("ci", "    environment:\n      LAB_START_DELAY: 8\n");
    let steps = play(&project, &[]);
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["docker compose up -d backend", "Generate a key", "Preflight"]);
    for step in &steps {
        assert_eq!(step.code, 0, "{}: {}{}", step.name, step.stdout, step.stderr);
    }
    let [_, mint, preflight] = steps.as_slice() else { panic!("three") };
    assert!(preflight.took > Duration::from_secs(4), "{:?}", preflight.took);
    assert!(preflight.took < Duration::from_secs(40), "{:?}", preflight.took);
    assert!(preflight.stderr.contains("waiting, "), "{}", preflight.stderr);
    let key = mint.stdout.trim().strip_prefix("::add-mask::").unwrap();
    let hex = key.split_once('|').unwrap().1;
    let outputs = fs::read_to_string(project.file("outputs")).unwrap();
    assert!(
        outputs.contains("exit-code=0\n") && outputs.contains("verdict=healthy\n"),
        "{outputs}"
    );
    let sarif = outputs.lines().find_map(|line| line.strip_prefix("sarif=")).unwrap();
    let sarif = fs::read_to_string(sarif).unwrap();
    let summary = fs::read_to_string(project.file("summary.md")).unwrap();
    serde_json::from_str::<serde_json::Value>(&sarif).unwrap();
    assert!(summary.contains("HEALTHY"), "{summary}");
    for written in [&preflight.stdout, &preflight.stderr, &sarif, &summary] {
        assert!(!written.contains(hex), "the key");
    }
}

const BROKEN: &str = "    restart: always\n    environment:\n      INSTANCE_SECRET: hunter2\n";

/// No secret will come of waiting.
#[test]
#[ignore = "needs a Docker engine"]
fn the_job_is_red_within_seconds_and_explains_the_log() {
    let project = project("ciloop", BROKEN);
    let steps = play(&project, &[("CONVEX_SELF_HOSTED_ADMIN_KEY", KEPT_KEY)]);
    let preflight = steps.last().unwrap();
    let told = format!("{}{}", preflight.stdout, preflight.stderr);
    assert_eq!((preflight.name.as_str(), preflight.code), ("Preflight", 1), "{told}");
    assert!(preflight.took < Duration::from_secs(20), "{:?}", preflight.took);
    let first = told.lines().find(|line| line.starts_with("::error ")).unwrap();
    assert!(first.contains("Couldn't hexdecode key"), "{told}");
    assert!(first.contains("file=docker-compose.override.yml,line=5"), "{told}");
    let summary = fs::read_to_string(project.file("summary.md")).unwrap();
    assert!(summary.starts_with("**BROKEN**") && summary.contains("`secret-invalid`"), "{summary}");
    assert!(!told.contains("hunter2") && !told.contains(&KEPT_KEY[20..]), "{told}");
}

/// What a restart might fix is waited for until the third one. Docker waits a tenth of a second
/// before the first and twice as long before each further one.
#[test]
#[ignore = "needs a Docker engine"]
fn the_job_is_red_at_the_third_restart() {
    let project = project("cirestarts", "    restart: always\n    command: --no-such-flag\n");
    let steps = play(&project, &[("CONVEX_SELF_HOSTED_ADMIN_KEY", KEPT_KEY)]);
    let preflight = steps.last().unwrap();
    let told = format!("{}{}", preflight.stdout, preflight.stderr);
    assert_eq!((preflight.name.as_str(), preflight.code), ("Preflight", 1), "{told}");
    assert!(preflight.took < Duration::from_secs(20), "{:?}", preflight.took);
    let format = "{{.RestartCount}}";
    let inspect = ["docker", "inspect", "-f", format, &project.container()];
    let restarts: u32 = text(&run(Path::new("/"), &inspect).stdout).trim().parse().unwrap();
    assert!(restarts >= 3, "{restarts}: {told}");
    assert!(preflight.stderr.contains("waiting, "), "{told}");
    let first = told.lines().find(|line| line.starts_with("::error ")).unwrap();
    assert!(first.contains("title=backend-restarting"), "{told}");
    assert!(first.contains("--no-such-flag"), "the end of its log: {told}");
}

/// Without a key the URL is not asked, which `--require-network` does not let pass; the log is
/// explained all the same.
#[test]
#[ignore = "needs a Docker engine"]
fn a_job_that_cannot_mint_says_why() {
    let project = project("cimint", BROKEN);
    let steps = play(&project, &[]);
    let [_, mint, preflight] = steps.as_slice() else { panic!("{} steps", steps.len()) };
    assert_ne!(mint.code, 0, "{}", mint.stdout);
    let told = format!("{}{}", preflight.stdout, preflight.stderr);
    assert_eq!(preflight.code, 3, "{told}");
    assert!(told.contains("Couldn't hexdecode key"), "{told}");
    assert!(told.contains("the URL could not be checked"), "{told}");
}
