//! `convex-doctor run -- npx convex dev --once` with the real CLI on broken worlds: nothing of the
//! CLI is lost or changed, the cause is named after it, and a failure that the CLI ends with 0 is
//! none any more.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Project, succeed, text};

/// What is wrong, and what must come of it.
struct World {
    name: &'static str,
    /// `.env.local`.
    env: String,
    /// The first cause.
    cause: &'static str,
    /// Whether the CLI ends with 0 all the same.
    hidden: bool,
}

/// One run of the CLI: alone, or under the doctor.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
    report: Option<Value>,
}

/// An app's directory of its own: the CLI writes into `.env.local`.
fn directory(project: &Project, world: &World, at: &str) -> PathBuf {
    let directory = project.home.path().join(format!("{}-{at}", world.name));
    fs::create_dir_all(directory.join("convex")).unwrap();
    fs::copy(project.file("package.json"), directory.join("package.json")).unwrap();
    fs::write(directory.join(".env.local"), &world.env).unwrap();
    let modules = std::env::var_os("CONVEX_CLI").expect("CONVEX_CLI: a node_modules with convex");
    symlink(modules, directory.join("node_modules")).unwrap();
    directory
}

fn npx(directory: &Path, before: &[&str]) -> Ran {
    let words = [before, &["npx", "convex", "dev", "--once"]].concat();
    let output = Command::new(words[0])
        .args(&words[1..])
        .current_dir(directory)
        .stdin(Stdio::null())
        .env_clear()
        .envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("CI", "1")
        .output()
        .unwrap();
    let report = fs::read_to_string(directory.join("report.json"));
    Ran {
        code: output.status.code().unwrap(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        report: report.ok().map(|report| serde_json::from_str(&report).unwrap()),
    }
}

/// Without what differs from run to run: numbers, which are times, and the directory's name.
fn masked(text: &str, directory: &Path) -> String {
    let text = text.replace(directory.to_str().unwrap(), "DIR");
    let mut out = String::new();
    for part in text.chars() {
        match part {
            '0'..='9' | '.' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            _ => out.push(part),
        }
    }
    // Half a second and half a minute are two units.
    out.replace("#ms", "#s")
}

/// What the doctor wrote into the CLI's text: the two agree before one place and after it.
fn told<'t>(alone: &str, together: &'t str) -> Option<&'t str> {
    let same = |pair: &(char, char)| pair.0 == pair.1;
    let bytes = |chars: Vec<(char, char)>| chars.iter().map(|it| it.0.len_utf8()).sum::<usize>();
    let before = bytes(alone.chars().zip(together.chars()).take_while(same).collect());
    let pairs = alone.chars().rev().zip(together.chars().rev());
    let after = bytes(pairs.take_while(same).collect());
    let after = after.min(together.len() - before);
    (before + after >= alone.len()).then(|| &together[alone.len() - after..together.len() - after])
}

fn worlds(healthy: &Project) -> Vec<World> {
    let key = healthy.mint();
    let (name, secret) = ("convex-self-hosted", healthy.secrets().pop().unwrap());
    let make = |name: &str, secret: &str, more: &[&str]| {
        let generate = ["exec", "-T", "backend", "./generate_key", name, secret];
        let output = healthy.compose(&[&generate, more].concat());
        succeed(&output);
        text(&output.stdout).trim().to_owned()
    };
    let env = fs::read_to_string(healthy.file(".env")).unwrap();
    let site = env.lines().find_map(|line| line.strip_prefix("SITE_PROXY_PORT=")).unwrap();
    let url = format!("http://127.0.0.1:{}", healthy.port);
    let pair = |url: &str, key: &str| {
        format!("CONVEX_SELF_HOSTED_URL={url}\nCONVEX_SELF_HOSTED_ADMIN_KEY={key}\n")
    };
    let world = |name, env: String, cause| World { name, env, cause, hidden: false };
    let [nobody, ..] = super::free_ports();
    let read_only = pair(&url, &make(name, &secret, &["--read-only"]));
    vec![
        world("wrong-secret", pair(&url, &make(name, &"5a".repeat(32), &[])), "key-foreign"),
        world("wrong-name", pair(&url, &make("other", &secret, &[])), "key-name-mismatch"),
        world("mangled", pair(&url, &key[..key.len() - 3]), "key-mangled"),
        world("half", format!("CONVEX_SELF_HOSTED_URL={url}\n"), "selection-incomplete"),
        world("cloud", pair(&url, &key) + "CONVEX_DEPLOYMENT=dev:a-1\n", "cloud-deployment-set"),
        world("port", pair(&format!("http://127.0.0.1:{nobody}"), &key), "url-port-not-published"),
        world("slash", pair(&format!("{url}/"), &key), "url-has-path"),
        world("site", pair(&format!("http://127.0.0.1:{site}"), &key), "url-is-site-proxy"),
        World { hidden: true, ..world("read-only", read_only, "key-is-read-only") },
    ]
}

#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn the_cli_under_run_is_the_cli() {
    let (healthy, stopped) = (Project::healthy("runs"), Project::healthy("runstopped"));
    succeed(&stopped.compose(&["stop", "-t", "2"]));
    let env = fs::read_to_string(stopped.file(".env.local")).unwrap();
    let dead = World { name: "stopped", env, cause: "backend-stopped", hidden: false };
    let worlds = worlds(&healthy);
    let all = worlds.iter().map(|world| (&healthy, world)).chain([(&stopped, &dead)]);
    // Those that try again and again take half a minute each, and sleep most of it.
    let complaints: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = all.map(|one| scope.spawn(move || complaints(one.0, one.1))).collect();
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// What is not as it should be in one world.
fn complaints(project: &Project, world: &World) -> Vec<String> {
    let (here, there) = (directory(project, world, "a"), directory(project, world, "b"));
    let compose = project.file("docker-compose.yml");
    let doctor = env!("CARGO_BIN_EXE_convex-doctor");
    let under = [doctor, "run", "-f", compose.to_str().unwrap(), "--format", "json", "-o"];
    let under = [&under[..], &["report.json", "--"]].concat();
    let (together, alone) = std::thread::scope(|scope| {
        let alone = scope.spawn(|| npx(&here, &[]));
        (npx(&there, &under), alone.join().unwrap())
    });
    let mut wrong = Vec::new();
    if alone.stdout != together.stdout {
        wrong.push(format!("stdout {:?} became {:?}", alone.stdout, together.stdout));
    }
    let expected = if world.hidden { (0, 1) } else { (alone.code, alone.code) };
    if (alone.code, together.code) != expected || together.code == 0 {
        wrong.push(format!("{} became {}", alone.code, together.code));
    }
    let (before, after) = (masked(&alone.stderr, &here), masked(&together.stderr, &there));
    let told = told(&before, &after).unwrap_or_default();
    // A busy machine may keep the CLI for seconds after it has said its error.
    let ended: &[&str] = if world.hidden {
        &["exited with #"]
    } else {
        &["failed", "reported an error and keeps running"]
    };
    let tells = |how| told.contains(&format!("convex-doctor: `npx convex dev --once` {how}"));
    if alone.stderr.is_empty() || !ended.iter().any(tells) {
        wrong.push(format!("stderr, alone:\n{before}\nstderr, together:\n{after}"));
    }
    let cause = together.report.as_ref().map(|report| &report["causes"][0]);
    let id = cause.map_or("no report", |cause| cause["id"].as_str().unwrap_or("none"));
    if id != world.cause || !told.contains(&format!("convex-doctor explain {id}\n")) {
        wrong.push(format!("{id} in the report, and told:\n{told}"));
    }
    let secrets: Vec<&str> =
        world.env.split('|').skip(1).filter_map(|it| it.lines().next()).collect();
    let written = format!("{}{}", together.stderr, together.report.unwrap_or_default());
    if secrets.iter().any(|secret| written.contains(secret)) {
        wrong.push("the key is in the report".to_owned());
    }
    wrong.into_iter().map(|what| format!("{}: {what}", world.name)).collect()
}

#[test]
fn a_lost_or_changed_byte_is_noticed() {
    for (together, expected) in
        [("ab\nDOCTOR\ncd\n", "DOCTOR"), ("ab\ncd\nDOCTOR\n", "DOCTOR"), ("ab\ncd\n", "")]
    {
        assert_eq!(told("ab\ncd\n", together).map(str::trim), Some(expected), "{together:?}");
    }
    for together in ["ab\nDOCTOR\n", "ab\nDOCTOR\nce\n", "aDOCTORb\nDOCTOR\ncd\n", ""] {
        assert_eq!(told("ab\ncd\n", together), None, "{together:?}");
    }
}
