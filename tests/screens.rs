//! Every screen as a reader sees it, kept in `tests/screens/`: recorded deployments are diagnosed, and
//! the report is drawn at 80 and at 120 columns.
//!
//! `UPDATE=1 cargo test --test screens` rewrites them; read what it wrote before you commit it.
//! `SCREEN=text` takes only those whose name holds that text.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests read files and raise recorded worlds"
)]

mod support;

use std::path::{Path, PathBuf};

use convex_doctor::collect::{self, Request};
use convex_doctor::demo::Stage;
use convex_doctor::diagnosis::{Choices, diagnose};
use convex_doctor::render::{Detail, Screen, text};
use convex_doctor::report::Report;
use support::Fixture;

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
    Shot { name: "broken-key", fixture: "key-foreign", all: true, ..NONE },
    Shot { name: "selection-missing", fixture: "selection-missing", ..NONE },
    Shot { name: "engine-down", fixture: "url-refused", no_docker: true, ..NONE },
    Shot { name: "healthy", fixture: "healthy", all: true, ..NONE },
    Shot { name: "at-risk", fixture: "data-volume-anonymous", ..NONE },
    Shot { name: "broken-key-without-docker", fixture: "key-foreign", no_docker: true, ..NONE },
    Shot { name: "healthy-with-warnings", fixture: "secret-in-compose", ..NONE },
    Shot { name: "several-causes", fixture: "several-name-mismatch-and-slash", ..NONE },
    // The other headlines.
    Shot { name: "key-format", fixture: "key-placeholder", ..NONE },
    Shot { name: "key-read-only", fixture: "key-is-read-only", ..NONE },
    Shot { name: "url-not-reached", fixture: "url-dns-failure", ..NONE },
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
    Shot { name: "suppressed", fixture: "data-volume-anonymous", ignore: &["data-volume-anonymous"], all: true, ..NONE },
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
    let request = Request {
        directory: Some(stage.directory.clone()),
        environment: Some(stage.environment.clone()),
        no_docker: shot.no_docker,
        no_network: shot.no_network,
        ..Request::default()
    };
    let evidence = collect::look_at_all(&request).await.unwrap();
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let choices = Choices { ignore: owned(shot.ignore), only: owned(shot.only) };
    let report = diagnose(&evidence, &choices);
    (stage, report)
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
        let end = line.strip_suffix(" s").and_then(|line| line.rfind([' ']).map(|at| &line[..at]));
        match end {
            Some(start) if line.len() - start.len() <= 8 => format!("{start} 0.01 s\n"),
            _ => match line.split_once(" ms  ") {
                Some((number, probe)) if number.trim().parse::<u64>().is_ok() => {
                    format!("     1 ms  {probe}\n")
                }
                _ => format!("{line}\n"),
            },
        }
    });
    lines.collect()
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
    text::render(report, Screen { width, detail, ascii })
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

/// No file is left of a screen that is not drawn any more.
#[test]
fn every_file_is_of_a_screen() {
    for entry in std::fs::read_dir(kept("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let stem = name.split('.').next().unwrap();
        assert!(SHOTS.iter().any(|shot| shot.name == stem), "{name}");
    }
}
