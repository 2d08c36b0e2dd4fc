//! What the pages tell people to type is what the parser takes, and the jobs for CI are YAML that a
//! runner would read.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test reads the pages")]

use crate::support::docs;
use std::path::Path;
use std::process::Command;

use clap::Parser as _;
use convex_doctor::cli::Arguments;
use serde_yaml::Value;

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The jobs of `docs/ci.md`, in its order.
fn jobs() -> Vec<Value> {
    let blocks = docs::blocks(&page("docs/ci.md"), "yaml");
    let parse = |block: &String| serde_yaml::from_str::<Value>(block);
    let all: Vec<Value> = blocks.iter().filter_map(|block| parse(block).ok()).collect();
    assert_eq!(all.len(), blocks.len(), "each is YAML");
    let is_job = |value: &Value| value.get("jobs").is_some() || value.get("functions").is_some();
    all.into_iter().filter(is_job).collect()
}

/// Every shell script in a job: `run:` of a step, the lines of `script:`.
fn scripts(job: &Value) -> Vec<String> {
    match job {
        Value::Mapping(map) => map
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value) {
                (Some("run"), Value::String(script)) => vec![script.clone()],
                (Some("script"), Value::Sequence(lines)) => {
                    lines.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect()
                }
                _ => scripts(value),
            })
            .collect(),
        Value::Sequence(list) => list.iter().flat_map(scripts).collect(),
        _ => Vec::new(),
    }
}

/// Our commands in a job, as words: of its scripts, and of each step that uses the Action.
fn commands(job: &Value) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> =
        scripts(job).iter().flat_map(|script| docs::own_commands(script)).collect();
    let jobs = job["jobs"].as_mapping().into_iter().flat_map(|jobs| jobs.values());
    let steps = jobs.filter_map(|job| job["steps"].as_sequence()).flatten();
    all.extend(steps.filter_map(docs::action_inputs).map(action_command));
    all
}

/// What the Action runs with these inputs.
fn action_command(inputs: Vec<(String, String)>) -> Vec<String> {
    let runner = tempfile::tempdir().unwrap();
    let instead = "convex-doctor() { printf '%s\n' \"$0\" \"$@\"; }; . \"$ACTION\"";
    let output = Command::new("bash")
        .args(["-c", instead, "convex-doctor"])
        .envs(inputs)
        .env("ACTION", docs::ACTION)
        .env("RUNNER_TEMP", runner.path())
        .env("GITHUB_OUTPUT", runner.path().join("output"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[track_caller]
fn check(commands: &[Vec<String>]) -> usize {
    for words in commands {
        let parsed = Arguments::try_parse_from(words);
        assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
    }
    commands.len()
}

#[test]
fn every_job_says_what_our_parser_takes() {
    let jobs = jobs();
    assert_eq!(jobs.len(), 4, "three of GitHub, one of GitLab");
    for job in &jobs {
        let commands = commands(job);
        assert!(check(&commands) > 0, "{job:?}");
        let says = |flag: &str| commands.iter().flatten().any(|word| word == flag);
        // A preflight that sees nothing must not be green.
        assert!(says("--require-network"), "{commands:?}");
        assert_eq!(says("--no-docker"), !says("--require-docker"), "{commands:?}");
    }
}

#[test]
fn the_hook_says_what_our_parser_takes() {
    let blocks = docs::blocks(&page("docs/ci.md"), "yaml");
    let block = blocks.iter().find(|block| block.starts_with("repos:")).unwrap();
    let settings: Value = serde_yaml::from_str(block).unwrap();
    let entry = settings["repos"][0]["hooks"][0]["entry"].as_str().unwrap();
    assert_eq!(check(&docs::own_commands(entry)), 1, "{entry}");
}

/// A second `-o` must have a second `--format`, and what a report of the job names is what is
/// written.
#[test]
fn the_files_of_a_job_are_written_by_it() {
    for job in jobs() {
        let all = scripts(&job).join("\n");
        let text = serde_yaml::to_string(&job).unwrap();
        for file in ["doctor.json", "doctor.xml"] {
            assert!(!text.contains(file) || all.contains(&format!("-o {file}")), "{file}");
        }
        for words in docs::own_commands(&all) {
            let count = |flag: &str| words.iter().filter(|word| *word == flag).count();
            assert!(count("-o") == 0 || count("-o") == count("--format"), "{words:?}");
        }
    }
}

#[test]
fn every_command_of_the_pages_is_taken() {
    for (name, least) in [("README.md", 8), ("docs/ci.md", 1)] {
        let blocks = docs::blocks(&page(name), "sh");
        let checked: usize = blocks.iter().map(|block| check(&docs::own_commands(block))).sum();
        assert!(checked >= least, "{name}: {checked}");
    }
}
