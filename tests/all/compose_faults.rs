//! A wrong compose file says where and why in one glance, several faults at once, and no value of
//! an environment with them; a hostile one ends in bounded time and memory.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "this test writes files and runs the binary"
)]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

fn inspect(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(["inspect", "compose", "--color", "never"])
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .output()
        .unwrap()
}

/// What Compose's reader would stop at, the file and the place, and the marked line: the marks
/// stand under the fault.
struct Fault {
    files: &'static [(&'static str, &'static str)],
    says: &'static str,
    place: &'static str,
    line: &'static str,
    marks: &'static str,
}

const FAULTS: &[Fault] = &[
    Fault {
        files: &[("compose.yaml", "services:\n  b:\n    image: x\n    volumez: [d:/x]\n")],
        says: "additional properties 'volumez' not allowed",
        place: "compose.yaml:4:5",
        line: "4 |     volumez: [***]",
        marks: "  |     ^^^^^^^",
    },
    Fault {
        files: &[("compose.yaml", "services:\n  b:\n\timage: x\n")],
        says: "found character that cannot start any token: a tab",
        place: "compose.yaml:3:1",
        line: "3 | →image: ***",
        marks: "  | ^",
    },
    Fault {
        files: &[("compose.yaml", "services:\n  b:\n    image: x\n    image: y\n")],
        says: "mapping key \"image\" already defined at line 3",
        place: "compose.yaml:4:5",
        line: "4 |     image: y",
        marks: "  |     ^^^^^",
    },
    Fault {
        files: &[(
            "compose.yaml",
            "services:\n  b:\n    image: x\n    volumes:\n      - data:/d\n",
        )],
        says: "refers to undefined volume data",
        place: "compose.yaml:5:9",
        line: "5 |       - data:/d",
        marks: "  |         ^^^^^^^",
    },
    Fault {
        files: &[("compose.yaml", "services:\n  b:\n    image: x:${TAG:?set it}\n")],
        says: "required variable TAG is missing a value: set it",
        place: "compose.yaml:3:12",
        line: "3 |     image: x:${TAG:?set it}",
        marks: "  |            ^^^^^^^^^^^",
    },
    Fault {
        files: &[
            ("compose.yaml", "services:\n  a:\n    extends: {file: o.yaml, service: b}\n"),
            ("o.yaml", "services:\n  b:\n    extends: {file: compose.yaml, service: a}\n"),
        ],
        says: "Circular reference",
        place: "compose.yaml:3:5",
        line: "3 |     extends: {file: o.yaml, service: b}",
        marks: "  |     ^^^^^^^",
    },
    Fault {
        files: &[
            ("compose.yaml", "include: [a.yaml]\nservices: {s: {image: x}}\n"),
            ("a.yaml", "include:\n  - compose.yaml\n"),
        ],
        says: "include cycle detected",
        place: "a.yaml:2:5",
        line: "2 |   - compose.yaml",
        marks: "  |     ^^^^^^^^^^^^",
    },
    Fault {
        files: &[("compose.yaml", "services:\n  b:\n    image: x\n    env_file: gone.env\n")],
        says: "gone.env not found",
        place: "compose.yaml:4:15",
        line: "4 |     env_file: gone.env",
        marks: "  |               ^^^^^^^^",
    },
    Fault {
        files: &[
            ("compose.yaml", "services: {b: {image: x}}\n"),
            (".env", "A=1\nB='hunter2\nC=3\n"),
        ],
        says: "unterminated quoted value",
        place: ".env:2:",
        line: "2 | B=***",
        marks: "  |   ^^^",
    },
    Fault {
        files: &[("compose.yaml", "include: [over/there.yaml]\nservices: {s: {image: x}}\n")],
        says: "no such file or directory",
        place: "compose.yaml:1:11",
        line: "1 | include: [over/there.yaml]",
        marks: "  |           ^^^^^^^^^^^^^^^",
    },
];

#[test]
fn a_fault_is_shown_with_its_line_and_marked() {
    let mut failed = Vec::new();
    for fault in FAULTS {
        let directory = project(fault.files);
        let ran = inspect(directory.path(), &[]);
        let text = String::from_utf8(ran.stdout).unwrap();
        let said = text.replace('\n', " ");
        let ok = ran.status.code() == Some(1)
            && said.contains(fault.says)
            && text.contains(&format!("--> {}", fault.place))
            && text
                .lines()
                .zip(text.lines().skip(1))
                .any(|(line, marks)| line.contains(fault.line) && marks.contains(fault.marks));
        if !ok {
            failed.push(format!("{}:\n{text}", fault.says));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn all_faults_of_a_step_are_shown_and_the_first_is_json() {
    let file = "services:\n  b:\n    image: x\n    portz: 1\n  c:\n    imago: y\n";
    let directory = project(&[("compose.yaml", file)]);
    let text = String::from_utf8(inspect(directory.path(), &[]).stdout).unwrap();
    assert!(text.contains("compose.yaml:4:5") && text.contains("compose.yaml:6:5"), "{text}");
    let ran = inspect(directory.path(), &["--format", "json"]);
    assert_eq!(ran.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let file = std::fs::canonicalize(directory.path()).unwrap().join("compose.yaml");
    assert_eq!(error["error"]["file"], file.display().to_string());
    assert_eq!((&error["error"]["line"], &error["error"]["column"]), (&4.into(), &5.into()));
}

#[test]
fn a_report_has_one_finding_with_every_fault_and_no_value() {
    let file = "services:\n  b:\n    image: x\n    portz: 1\n    environment: {A: [hunter2]}\n";
    let directory = project(&[("compose.yaml", file), ("package.json", "{}")]);
    let ran = Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(["--no-docker", "--no-network", "--format", "json"])
        .current_dir(directory.path())
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let found: Vec<&Value> =
        findings.iter().filter(|finding| finding["id"] == "compose-invalid").collect();
    assert_eq!(found.len(), 1);
    let locations = found[0]["locations"].as_array().unwrap();
    let lines: Vec<_> = locations.iter().map(|at| at["line"].as_u64().unwrap()).collect();
    assert_eq!(lines.len(), 2, "{locations:?}");
    assert!(lines.contains(&4) && lines.contains(&5), "{lines:?}");
    assert!(locations.iter().all(|at| at["text"].is_string()), "{locations:?}");
}

/// Runs `inspect compose` with an address space of 256 MiB.
fn bounded(directory: &Path) -> (Option<i32>, String, Duration) {
    let start = Instant::now();
    let ran = Command::new("sh")
        .args(["-c", "ulimit -v 262144; exec \"$0\" inspect compose --format json"])
        .arg(env!("CARGO_BIN_EXE_convex-doctor"))
        .current_dir(directory)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let text = String::from_utf8(ran.stdout).unwrap() + &String::from_utf8_lossy(&ran.stderr);
    (ran.status.code(), text, start.elapsed())
}

#[test]
fn hostile_files_end_in_bounded_time_and_memory() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..15 {
        let refs = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb = format!("{bomb}a{level}: &a{level} [{refs}]\n");
    }
    let large = format!("services: {{b: {{image: x}}}}\n# {}", "x".repeat(8 * 1024 * 1024));
    let cases: [(&str, String, &str); 8] = [
        (
            "aliases",
            format!("services: {{b: {{image: x}}}}\nx-bomb:\n  {}", bomb.replace('\n', "\n  ")),
            "too large: with its aliases",
        ),
        ("open brackets", format!("services: {}", "[".repeat(1_000_000)), "error"),
        (
            "nested maps",
            format!("services: {}1{}", "{a: ".repeat(100_000), "}".repeat(100_000)),
            "error",
        ),
        ("nested lists", "- ".repeat(1_000_000), "error"),
        ("a cycle", "services: &s\n  b: *s\n".to_owned(), "cycle detected"),
        ("too large", large, "larger than 8 MiB"),
        ("one key", format!("{}: 1\n", "k".repeat(1024 * 1024)), "error"),
        (
            "variables",
            format!("services: {{b: {{image: \"{}\"}}}}\n", "${A:-".repeat(100_000)),
            "error",
        ),
    ];
    for (what, text, says) in cases {
        let directory = project(&[("compose.yaml", &text)]);
        let (code, said, took) = bounded(directory.path());
        let shown: String = said.chars().take(300).collect();
        assert_eq!(code, Some(1), "{what}: {shown}");
        assert!(said.contains(says), "{what}: {shown}");
        // An unoptimised build beside other tests: this is a bound, not a measurement.
        assert!(took < Duration::from_secs(30), "{what}: {took:?}");
        assert!(said.len() < 64 * 1024, "{what}: {} bytes", said.len());
    }
}
