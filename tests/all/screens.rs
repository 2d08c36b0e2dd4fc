//! Every screen as a reader sees it, kept in `tests/screens/`: recorded deployments are diagnosed, and
//! the report is drawn at 80 and at 120 columns.
//!
//! `UPDATE=1 cargo test --test all screens::` rewrites them; read what it wrote before you commit it.
//! `SCREEN=text` takes only those whose name holds that text.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests read files and raise recorded worlds"
)]

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Duration;

use clap::{Command, CommandFactory as _, Parser as _};
use convex_doctor::cli::Arguments;
use convex_doctor::collect::{self, Request};
use convex_doctor::demo::Stage;
use convex_doctor::diagnosis::{Choices, diagnose};
use convex_doctor::render::{Detail, Screen, text};
use convex_doctor::report::{Remedy, Report};

use crate::support::Fixture;

/// What is drawn.
#[derive(Default)]
struct Shot {
    /// The file in `tests/screens/`, and the fixture.
    name: &'static str,
    fixture: &'static str,
    no_docker: bool,
    no_network: bool,
    only: &'static [&'static str],
    ignore: &'static [&'static str],
    /// Also what `-v` and `-q` show.
    all: bool,
}

/// Each verdict, each headline, and each part of a screen.
const SHOTS: &[Shot] = &[
    // One per sketch of the design.
    Shot { name: "broken-key", fixture: "stale-key", all: true, ..NONE },
    Shot { name: "selection-missing", fixture: "selection-missing", ..NONE },
    Shot { name: "engine-down", fixture: "url-refused", no_docker: true, ..NONE },
    Shot { name: "healthy", fixture: "healthy", all: true, ..NONE },
    Shot { name: "at-risk", fixture: "data-volume-anonymous", ..NONE },
    Shot { name: "broken-key-without-docker", fixture: "stale-key", no_docker: true, ..NONE },
    Shot { name: "healthy-with-warnings", fixture: "secret-in-compose", ..NONE },
    Shot { name: "several-causes", fixture: "several-name-mismatch-and-slash", ..NONE },
    // The other headlines.
    Shot { name: "causes-of-other-certainty", fixture: "several-stopped-and-stale-key", ..NONE },
    Shot { name: "key-format", fixture: "key-placeholder", ..NONE },
    Shot { name: "key-format-untested", fixture: "key-placeholder", no_network: true, ..NONE },
    Shot { name: "key-read-only", fixture: "key-is-read-only", ..NONE },
    Shot { name: "url-not-reached", fixture: "url-refused", ..NONE },
    Shot { name: "url-reached", fixture: "url-has-path", ..NONE },
    Shot { name: "backend-stopped", fixture: "backend-stopped", ..NONE },
    Shot { name: "backend-restarting", fixture: "backend-restarting", ..NONE },
    Shot { name: "backend-crash", fixture: "backend-crash-explained", ..NONE },
    Shot { name: "backend-starting", fixture: "backend-starting", ..NONE },
    Shot { name: "backend-too-old", fixture: "backend-too-old", ..NONE },
    Shot { name: "secret-drift", fixture: "secret-drift", ..NONE },
    Shot { name: "secret-public", fixture: "secret-public", ..NONE },
    Shot { name: "data-shared", fixture: "data-volume-shared", ..NONE },
    Shot { name: "cloud-project", fixture: "cloud-project", ..NONE },
    Shot { name: "not-self-hosted", fixture: "not-self-hosted", ..NONE },
    Shot { name: "server-directory", fixture: "server-directory", ..NONE },
    Shot { name: "no-network", fixture: "healthy", no_network: true, ..NONE },
    // The other parts.
    Shot { name: "healthy-without-docker", fixture: "healthy", no_docker: true, ..NONE },
    Shot { name: "compose-invalid", fixture: "compose-variable-unset--required", ..NONE },
    Shot { name: "only", fixture: "key-foreign", only: &["key_shape"], ..NONE },
    Shot {
        name: "suppressed",
        fixture: "data-volume-anonymous",
        ignore: &["data-volume-anonymous"],
        all: true,
        ..NONE
    },
];

const NONE: Shot = Shot {
    name: "",
    fixture: "",
    no_docker: false,
    no_network: false,
    only: &[],
    ignore: &[],
    all: false,
};

/// The report of a fixture, and its stage with the ports.
async fn look(shot: &Shot) -> (Stage, Report) {
    let stage = Fixture::variant(shot.fixture, shot.name, &[]).raise().await;
    assert!(stage.arguments.is_empty(), "{} runs with arguments", shot.fixture);
    let mut request = Request {
        environment: Some(stage.environment.clone()),
        no_network: shot.no_network,
        // On a busy machine, too, everything is seen.
        timeout: Duration::from_mins(1),
        ..Request::default()
    };
    request.project.directory = Some(stage.directory.clone());
    request.docker.no_docker = shot.no_docker;
    let evidence = collect::look_at_all(&request).await.unwrap();
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let choices = Choices { ignore: owned(shot.ignore), only: owned(shot.only) };
    let report = diagnose(&evidence, &choices);
    (stage, report)
}

/// One report per sketch of the design.
pub(crate) async fn sketched() -> Vec<(&'static str, Report)> {
    let mut reports = Vec::new();
    for shot in &SHOTS[..8] {
        // On the heap: in this future, its own would take more than a thread's stack.
        reports.push((shot.name, Box::pin(look(shot)).await.1));
    }
    reports
}

/// The text without what differs from run to run: ports, durations, times and directories.
fn settled(stage: &Stage, text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    let mut text = text.replace(&stage.project.display().to_string(), "/home/me/app");
    let root = stage.project.parent().unwrap().display().to_string();
    text = text.replace(&root, "/run/d");
    for (index, port) in stage.ports.values().enumerate() {
        text = text.replace(&format!(":{port}"), &format!(":4321{index}"));
        text = text.replace(&format!("port {port}"), &format!("port 4321{index}"));
    }
    let lines = text.lines().map(|line| {
        // The fixtures have the dates of one day, and the clock is the real one.
        if let Some((start, end)) = line.split_once(" running for ")
            && let Some((days, rest)) = end.split_once(" days")
        {
            let gap = " ".repeat(days.len() - 1);
            return format!("{start} running for 3 days{gap}{rest}\n");
        }
        if let Some((number, probe)) = line.split_once(" ms  ")
            && number.split_whitespace().all(|number| number.parse::<u64>().is_ok())
        {
            // When it began, how long it took, and both as a bar.
            let probe = probe.trim_start_matches([' ', '=']);
            return format!("     1 ms  {probe}\n");
        }
        let Some(end) = line.strip_suffix(" s") else { return format!("{line}\n") };
        let time = end.rsplit(' ').next().unwrap();
        match time.parse::<f64>() {
            Ok(_) => format!("{}0.01 s\n", &end[..end.len() - time.len()]),
            Err(_) => format!("{line}\n"),
        }
    });
    let mut lines: Vec<String> = lines.collect();
    // Probes run at the same time: which ends first differs.
    let is_timing = |line: &String| line.starts_with("     1 ms  ");
    if let Some(first) = lines.iter().position(is_timing) {
        let end = lines.iter().rposition(is_timing).unwrap();
        lines[first..=end].sort_unstable();
    }
    lines.concat()
}

fn wanted(name: &str) -> bool {
    std::env::var("SCREEN").ok().is_none_or(|part| name.contains(&part))
}

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name)
}

/// Compares with the kept file, or rewrites it.
fn compare(name: &str, found: &str, complaints: &mut Vec<String>) {
    let path = kept(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != found {
        complaints.push(format!("{name} is not what is kept:\n{found}"));
    }
}

fn draw(report: &Report, width: usize, detail: Detail, ascii: bool) -> String {
    text::render(report, Screen { width, detail, ascii, links: false })
}

#[tokio::test]
async fn every_screen_is_the_one_that_is_kept() {
    let mut complaints = Vec::new();
    for shot in SHOTS.iter().filter(|shot| wanted(shot.name)) {
        let (stage, report) = look(shot).await;
        let name = shot.name;
        for width in [80, 120] {
            let drawn = settled(&stage, &draw(&report, width, Detail::Normal, false));
            for line in drawn.lines().filter(|line| !line.starts_with("      ")) {
                let columns = unicode_width::UnicodeWidthStr::width(line);
                if columns > width {
                    complaints.push(format!("{name}, {width}: {columns} columns: {line}"));
                }
            }
            compare(&format!("{name}.{width}.txt"), &drawn, &mut complaints);
        }
        if shot.all {
            for (detail, word) in [(Detail::Verbose, "verbose"), (Detail::Quiet, "quiet")] {
                let drawn = settled(&stage, &draw(&report, 80, detail, false));
                compare(&format!("{name}.{word}.txt"), &drawn, &mut complaints);
            }
            let drawn = settled(&stage, &draw(&report, 80, Detail::Normal, true));
            assert!(drawn.is_ascii(), "{drawn}");
            compare(&format!("{name}.ascii.txt"), &drawn, &mut complaints);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Steps and alternatives never look the same, and one alternative is enough for a first look.
#[tokio::test]
async fn steps_are_numbered_and_one_alternative_is_shown() {
    let shot = SHOTS.iter().find(|shot| shot.name == "engine-down").unwrap();
    let (_stage, mut report) = look(shot).await;
    let remedies = vec![
        Remedy::safe("start Docker").run("sudo systemctl start docker").step(),
        Remedy::safe("start the backend:").run("docker compose up -d").step(),
        Remedy::safe("Log in to the host").run("ssh host"),
        Remedy::safe("ask a colleague"),
    ];
    report.causes[0].remedies = remedies;
    let first = draw(&report, 80, Detail::Normal, false);
    let first = anstream::adapter::strip_str(&first).to_string();
    let steps = "\n\n  Fix, in this order:\n  1. Start Docker\n\n      sudo systemctl start docker\n\n  \
                 2. Start the backend\n\n      docker compose up -d\n\n  Or: log in to the host\n  More: ";
    assert!(first.contains(steps), "{first}");
    report.findings[0] = report.causes[0].clone();
    let whole = draw(&report, 80, Detail::Verbose, false);
    let whole = anstream::adapter::strip_str(&whole).to_string();
    let steps = "\n  Fix, in this order:\n  1. Start Docker\n      sudo systemctl start docker\n  2. Start the \
                 backend\n      docker compose up -d\n  Or: log in to the host\n      ssh host\n  Or: ask a \
                 colleague\n  More: ";
    assert!(whole.contains(steps), "{whole}");
}

/// The verdict and the level have their colour, the command is bold, and nothing else is coloured.
#[tokio::test]
async fn colours_say_how_bad_it_is_and_what_to_type() {
    const RED: &str = "\u{1b}[31m";
    const YELLOW: &str = "\u{1b}[33m";
    const GREEN: &str = "\u{1b}[32m";
    const CYAN: &str = "\u{1b}[36m";
    for (name, colours) in [
        ("broken-key", &[RED][..]),
        ("at-risk", &[YELLOW, RED]),
        ("healthy", &[GREEN]),
        ("healthy-with-warnings", &[GREEN, YELLOW]),
        ("cloud-project", &[CYAN]),
    ] {
        let shot = SHOTS.iter().find(|shot| shot.name == name).unwrap();
        let (_stage, report) = look(shot).await;
        let drawn = draw(&report, 80, Detail::Normal, false);
        for colour in [RED, YELLOW, GREEN, CYAN] {
            assert_eq!(drawn.contains(colour), colours.contains(&colour), "{name}: {drawn:?}");
        }
        // Nothing but commands starts in their column.
        let commands = drawn.lines().filter(|line| line.starts_with("      "));
        for command in commands {
            assert!(command.starts_with("      \u{1b}[1m"), "{name}: {command:?}");
        }
    }
}

/// The program itself shows the same screen, and what tests the key is the command as it was typed.
#[tokio::test]
async fn the_program_shows_these_screens() {
    let shot = SHOTS.iter().find(|shot| shot.name == "at-risk").unwrap();
    let stage = Fixture::variant(shot.fixture, shot.name, &[]).raise().await;
    let shown = crate::support::run(&stage, "text", &[]).await.stdout;
    assert_eq!(settled(&stage, &shown), std::fs::read_to_string(kept("at-risk.80.txt")).unwrap());
    let directory = stage.directory.display().to_string();
    let options = ["--no-network", "-C", &directory, "--service", "back end", "diagnose"];
    let shown = crate::support::run(&stage, "without the network", &options).await.stdout;
    let command = format!("\n      convex-doctor -C {directory} --service 'back end' diagnose\n");
    assert!(shown.contains(&command), "{shown}");
}

/// No file is left of a screen that is not drawn any more.
#[test]
fn every_file_is_of_a_screen() {
    for entry in std::fs::read_dir(kept("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let stem = name.split('.').next().unwrap();
        assert!(SHOTS.iter().any(|shot| shot.name == stem), "{name}");
    }
}

/// What the program writes to its standard output, in nothing but this environment.
fn output(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Process::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The first locale that is set decides; without any, a pipe gets UTF-8. A format for programs is
/// the same everywhere.
#[test]
fn without_utf_8_every_text_is_ascii() {
    // It may take two lines.
    let path = |text: &str| {
        let start = text.find("\nURL ").unwrap();
        let lines = text[start + 1..].lines().take(2).map(str::trim);
        lines.collect::<Vec<_>>().join(" ")
    };
    for environment in [
        &[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")][..],
        &[("LC_ALL", ""), ("LC_CTYPE", "POSIX"), ("LANG", "en_US.UTF-8")],
        &[("LANG", "en_US.ISO-8859-1")],
        &[("LANG", "en_US.UTF-8"), ("TERM", "dumb")],
    ] {
        for arguments in [
            &["demo"][..],
            &["demo", "-v"],
            &["explain"],
            &["explain", "--all"],
            &["explain", "key-foreign"],
            &["explain", "where-is-my-data"],
            &["--help"],
            &["key", "inspect", "--help"],
        ] {
            let text = output(arguments, environment);
            let other = text.lines().find(|line| !line.is_ascii());
            assert!(text.lines().count() > 8 && other.is_none(), "{arguments:?}: {other:?}");
        }
        let line = path(&output(&["demo"], environment));
        assert!(line.contains(" -> app_data") && line.contains("secret x key "), "{line}");
    }
    for environment in [
        &[][..],
        &[("LANG", "C.UTF-8")],
        &[("LC_ALL", "de_DE.utf8"), ("LANG", "C")],
        &[("LANG", "")],
    ] {
        let line = path(&output(&["demo"], environment));
        assert!(line.contains(" → app_data → secret ✗ key .env.local:2"), "{line}");
    }
    let markdown = output(&["demo", "--format", "markdown"], &[("LC_ALL", "C")]);
    assert!(markdown.contains(" → app_data → secret ✗ key "), "{markdown}");
}

#[test]
fn the_demo_says_whose_commands_they_are() {
    let output = Process::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(["demo", "stale-key"])
        .env_clear()
        .output()
        .unwrap();
    let note = String::from_utf8(output.stderr).unwrap().replace('\n', " ");
    assert_eq!(
        note.trim_end(),
        "Demo \"stale-key\": a recorded deployment; your project is not touched. Do not run the \
         commands below: they would act on your own project."
    );
}

/// Every command by its path; the program itself first.
fn commands() -> Vec<(String, Command)> {
    fn walk(path: &str, command: &Command, all: &mut Vec<(String, Command)>) {
        all.push((path.to_owned(), command.clone()));
        for inner in command.get_subcommands() {
            walk(format!("{path} {}", inner.get_name()).trim_start(), inner, all);
        }
    }
    let mut all = Vec::new();
    walk("", &Arguments::command(), &mut all);
    all
}

/// A help shows what acts there, and nothing takes two looks.
#[test]
fn help_is_short_and_grouped() {
    let mut complaints = Vec::new();
    for (path, command) in commands() {
        let arguments: Vec<_> =
            command.get_arguments().filter(|argument| !argument.is_hide_set()).collect();
        for argument in &arguments {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            if help.chars().count() > 60 {
                complaints.push(format!("{path}: {help}"));
            }
        }
        if let Some(about) = command.get_about() {
            let words = about.to_string();
            if !path.is_empty() && words.chars().count() > 60 {
                complaints.push(format!("{path}: {words}"));
            }
        }
        let options = arguments.iter().filter(|argument| !argument.is_positional()).count();
        let most = match path.as_str() {
            "explain" | "schema" | "man" | "completions" | "demo" | "key" | "inspect" => 5,
            _ => 40,
        };
        // Clap adds --help.
        if options > most {
            complaints.push(format!("{path} shows {options} options"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let help = output(&["--help"], &[]);
    let headings = ["\nProject:\n", "\nConvex CLI:\n", "\nDocker and network:\n", "\nReport:\n"];
    let places: Vec<usize> = headings.iter().map(|one| help.find(one).unwrap()).collect();
    assert!(places.is_sorted(), "{help}");
    assert!(!output(&["explain", "--help"], &[]).contains("--no-docker"));
    assert!(output(&["fix", "--help"], &[]).contains("--no-docker"));
}

/// An option that a help does not show is taken all the same, before the command and behind it.
#[test]
fn every_shared_option_is_taken_in_both_places() {
    let root = Arguments::command();
    let shared: Vec<Vec<String>> = root
        .get_arguments()
        .filter(|argument| argument.is_global_set())
        .map(|argument| {
            let long = argument.get_long().unwrap();
            let value = match long {
                "timeout" | "wait" => Some("5s"),
                "format" => Some("json"),
                "fail-on" => Some("warning"),
                "color" => Some("never"),
                _ => argument.get_action().takes_values().then_some("x"),
            };
            std::iter::once(format!("--{long}")).chain(value.map(str::to_owned)).collect()
        })
        .collect();
    assert_eq!(shared.len(), 29, "{shared:?}");
    let mut checked = 0;
    for (path, command) in commands() {
        if command.is_subcommand_required_set() || path.is_empty() || path == "run" {
            continue;
        }
        let mut words: Vec<&str> = path.split(' ').collect();
        match path.as_str() {
            "completions" => words.push("bash"),
            "replay" => words.push("bundle.json"),
            "diff" => words.extend(["old.json", "new.json"]),
            _ => {}
        }
        for option in &shared {
            let option: Vec<&str> = option.iter().map(String::as_str).collect();
            for line in [
                [&["convex-doctor"], &option[..], &words].concat(),
                [&["convex-doctor"], &words[..], &option].concat(),
            ] {
                let parsed = Arguments::try_parse_from(&line);
                assert!(parsed.is_ok(), "{line:?}: {}", parsed.unwrap_err());
                checked += 1;
            }
        }
    }
    assert!(checked > 500, "{checked}");
}

/// A family is listed by its name as `--only` has it; the whole list is asked for.
#[test]
fn explain_lists_topics_and_families_and_a_family_its_findings() {
    let list = output(&["explain"], &[]);
    assert!(list.contains("\nCommon questions\n"), "{list}");
    assert!(list.contains("\nFindings, by family\n"), "{list}");
    assert!(list.lines().any(|line| line.starts_with("  explain key ")), "{list}");
    assert!(!list.contains("key-foreign  ") && list.lines().count() < 80, "{list}");
    for family in convex_doctor::checks::REGISTRY {
        for name in [family.name.to_owned(), family.name.replace('_', "-")] {
            let list = output(&["explain", &name], &[]);
            let ids: Vec<&str> = list
                .lines()
                .filter(|line| line.starts_with("  "))
                .filter_map(|line| line[2..].split(' ').next().filter(|word| !word.is_empty()))
                .collect();
            let mut expected: Vec<&str> = family.rules().map(|rule| rule.id).collect();
            expected.sort_unstable();
            assert_eq!(ids, expected, "{name}");
        }
    }
}
