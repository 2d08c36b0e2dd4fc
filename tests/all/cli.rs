//! The command line as its users meet it: the real binary in an emptied environment, by what it
//! prints and how it ends.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test starts the program and reads what it wrote"
)]

use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_convex-doctor");
/// A key of the right shape that no instance ever minted.
const KEY: &str =
    "convex-self-hosted|01ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa";
const HEX: &str = "ac4b324c21e8226af016efb84a5e0389";

/// A directory to run in, and a home that holds nothing.
struct Place {
    project: TempDir,
    home: TempDir,
}

/// What a run came to.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        Self { project: tempfile::tempdir().unwrap(), home: tempfile::tempdir().unwrap() }
    }

    /// A directory with a package.json that depends on convex, as most projects have.
    fn app() -> Self {
        Self::new().with("package.json", r#"{"dependencies": {"convex": "1.32.0"}}"#)
    }

    fn with(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn path(&self) -> &Path {
        self.project.path()
    }

    /// The doctor in this place, with no variables but those that no program does without, and no
    /// Docker engine.
    fn doctor(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("DOCKER_HOST", format!("unix://{}/no.sock", self.home.path().display()))
            .current_dir(self.path())
            .args(arguments)
            .timeout(Duration::from_mins(1));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.doctor(arguments))
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().expect("it ends by itself, in time"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn version_and_help_say_what_is_promised() {
    let place = Place::new();
    let version = place.run(&["--version"]);
    assert_eq!(version.code, 0);
    assert_eq!(version.stdout, concat!("convex-doctor ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = place.run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    for word in ["Exit codes: 0", "8 MiB per file", "64 KiB per HTTP body", "--timeout"] {
        assert!(help.stdout.contains(word), "{word}");
    }
}

/// What a support thread asks for: each part with its version and its place, or that it is not
/// there.
#[test]
#[cfg(unix)]
fn version_with_v_is_a_table_of_everything() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::app()
        .with("node_modules/convex/package.json", r#"{"name": "convex", "version": "1.32.0"}"#)
        .with("empty/file", "");
    // A program of the project is not started.
    let programs = Place::new()
        .with("bin/node", "#!/bin/sh\necho v18.19.1\n")
        .with("bin/docker", "#!/bin/sh\ntest \"$*\" = 'compose version --short' && echo 2.40.3\n");
    for program in ["node", "docker"] {
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(programs.path().join("bin").join(program), mode).unwrap();
    }
    let bin = programs.path().join("bin");
    let run = ran(place.doctor(&["--version", "-v"]).env("PATH", &bin));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], concat!("convex-doctor  ", env!("CARGO_PKG_VERSION")));
    assert_eq!(lines[1], "Convex CLI     1.32.0        node_modules/convex/package.json");
    assert_eq!(lines[2], format!("Node           18.19.1       {}", bin.join("node").display()));
    assert!(lines[3].starts_with("Docker engine  not checked (unix://"), "{}", lines[3]);
    assert_eq!(lines[4], "Compose        2.40.3        docker compose version");
    assert_eq!(lines[5], "backend        not checked (Docker was not checked)");
    assert!(lines[6].starts_with("system         "), "{}", lines[6]);

    let arguments = ["-V", "--format", "json", "--no-docker", "-C", "empty"];
    let bare = place.path().join("empty");
    let json = ran(place.doctor(&arguments).env("PATH", &bare)).json();
    for (part, expected) in [
        ("node", serde_json::json!({ "seen": null })),
        ("compose", serde_json::json!({ "seen": null })),
        ("engine", serde_json::json!({"unavailable": {"reason": "--no-docker was given"}})),
    ] {
        assert_eq!(json[part], expected, "{part}");
    }
    assert_eq!(json["cli"]["seen"]["found"], "../node_modules/convex/package.json");
    assert_eq!(json["doctor"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn wrong_usage_ends_with_2_and_says_so_on_stderr() {
    let place = Place::new();
    for arguments in [
        &["--no-such-option"][..],
        &["no-such-command"],
        &["--format", "pdf"],
        &["--timeout", "soon"],
        &["--timeout", "0s"],
        &["-q", "-v"],
        &["key", "inspect", "-", "--secret-file", "x"],
        &["demo", "no-such-scenario"],
        &["--ignore", "bogus"],
        &["--only", "bogus"],
        &["explain", "bogus"],
    ] {
        let run = place.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_key_on_the_command_line_is_refused_and_never_echoed() {
    let place = Place::app();
    let attached = format!("--admin-key={KEY}");
    let to_a_switch = format!("--admin-key-stdin={KEY}");
    for arguments in [
        &["key", "inspect", KEY][..],
        &[KEY],
        &["--admin-key", KEY],
        &[&attached],
        &[&to_a_switch],
        &["--format", KEY],
        &["inspect", KEY],
        &["demo", KEY],
        &["explain", KEY],
        &["--ignore", KEY],
    ] {
        let run = place.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
        assert!(!run.both().contains(HEX), "{arguments:?}: {}", run.both());
    }
    let run = place.run(&["key", "inspect", KEY]);
    assert!(run.stderr.contains("key inspect -"), "says what to type: {}", run.stderr);
    assert_eq!(place.run(&["--admin-key", "x"]).code, 2);
}

#[test]
fn an_instance_secret_on_the_command_line_is_never_echoed() {
    let place = Place::app();
    let secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0";
    let attached = format!("--admin-key-stdin={secret}");
    for arguments in [&["key", "inspect", secret][..], &[secret], &[&attached]] {
        let run = place.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(!run.both().contains(secret), "{arguments:?}: {}", run.both());
    }
}

/// Every recorded key: the verdict of the real backend, and the claims of those that open.
#[test]
fn key_inspect_says_what_the_backend_says() {
    for vector in cases(include_str!("../../fixtures/key-vectors.json")) {
        let id = vector["id"].as_str().unwrap();
        let text = |name: &str| vector[name].as_str().unwrap();
        let place = Place::new().with("secret", format!("{}\n", text("secret")));
        let arguments = [
            "key",
            "inspect",
            "-",
            "--secret-file",
            "secret",
            "--instance-name",
            text("instance_name"),
            "--format",
            "json",
        ];
        let mut inspect = place.doctor(&arguments);
        let run = ran(inspect.write_stdin(format!("{}\n", text("key"))));
        let answer = run.json();
        let expect = text("expect");
        assert_eq!(answer["verdict"], expect, "{id}");
        assert_eq!(run.code, i32::from(expect != "accepted"), "{id}");
        assert_eq!(answer["length"], text("key").chars().count(), "{id}");
        if matches!(expect, "accepted" | "wrong_instance") {
            for field in ["issued_s", "kind", "member_id", "read_only", "legacy"] {
                assert_eq!(answer[field], vector[field], "{id}: {field}");
            }
            let issued = vector["issued_s"].as_i64().unwrap();
            let issued = jiff::Timestamp::from_second(issued).unwrap().to_string();
            assert_eq!(answer["issued_at"], issued, "{id}");
        }
        let key = text("key").trim();
        assert!(key.len() < 40 || !run.both().contains(key), "{id}");
    }
}

/// `echo` and `printf` end a line once; what is more belongs to the key, and spoils it.
#[test]
fn exactly_one_line_end_is_taken_from_stdin() {
    let place = Place::new();
    for (end, code) in [("", 0), ("\n", 0), ("\r\n", 0), ("\n\n", 1), ("\r\n\r\n", 1), (" \n", 1)] {
        let mut inspect = place.doctor(&["key", "inspect", "-", "--no-docker"]);
        let run = ran(inspect.write_stdin(format!("{KEY}{end}")));
        assert_eq!(run.code, code, "{end:?}: {}", run.both());
        assert!(!run.both().contains(HEX));
    }
}

#[test]
fn key_inspect_takes_the_selected_key() {
    let place = Place::app();
    let none = place.run(&["key", "inspect", "--no-docker"]);
    assert_eq!((none.code, none.stdout.as_str()), (1, ""));
    let place = place.with(
        ".env.local",
        format!("CONVEX_SELF_HOSTED_URL=http://h\nCONVEX_SELF_HOSTED_ADMIN_KEY={KEY}\n"),
    );
    let run = place.run(&["key", "inspect", "--format", "json", "--no-docker"]);
    assert_eq!(run.code, 0, "{}", run.both());
    assert_eq!(run.json()["length"], KEY.len());
    assert!(run.json().get("verdict").is_none(), "no secret, no verdict");
}

/// Every recorded project: the doctor selects what the real CLI selected in it.
#[test]
fn inspect_selection_agrees_with_the_cli() {
    for case in cases(include_str!("../../fixtures/env-cases/selection.json")) {
        let name = case["name"].as_str().unwrap();
        let mut place = Place::app();
        for (file, text) in case["files"].as_object().unwrap() {
            place = place.with(file, text.as_str().unwrap());
        }
        let directory = place.path().join(case["cwd"].as_str().unwrap());
        std::fs::create_dir_all(&directory).unwrap();
        let mut arguments = vec!["inspect", "selection", "--format", "json"];
        let mut stdin = None;
        let given: Vec<&str> =
            case["cli_args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        for pair in given.chunks(2) {
            if pair[0] == "--admin-key" {
                arguments.push("--admin-key-stdin");
                stdin = Some(pair[1]);
            } else {
                arguments.extend(pair);
            }
        }
        let mut command = place.doctor(&arguments);
        command.current_dir(&directory);
        for (variable, value) in case["process_env"].as_object().unwrap() {
            command.env(variable, value.as_str().unwrap());
        }
        let run = ran(command.write_stdin(stdin.unwrap_or_default()));
        check_selection(name, &case, &run, &directory);
    }
}

fn check_selection(name: &str, case: &Value, run: &Ran, directory: &Path) {
    let (answer, expect) = (run.json(), &case["expect"]);
    assert_eq!(answer["kind"], expect["selection"], "{name}");
    assert_eq!(run.code, i32::from(expect["selection"] == "error"), "{name}");
    if let Some(message) = expect["message"].as_str() {
        assert_eq!(answer["message"], message, "{name}");
    }
    let url = answer["url"].as_str().and_then(|url| url::Url::parse(url).ok());
    if let Some(host) = expect["url_host"].as_str() {
        let url = url.unwrap_or_else(|| panic!("{name}: {answer}"));
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        assert_eq!(format!("{}{port}", url.host_str().unwrap()), host, "{name}");
    } else if expect["url_unparsable"] == true {
        assert!(url.is_none() && !answer["url"].is_null(), "{name}: {answer}");
    }
    let Some(key) = expect["admin_key"].as_str() else { return };
    let answered = &answer["admin_key"];
    assert_eq!(answered["length"], key.chars().count(), "{name}");
    assert!(answered["fingerprint"].is_null(), "{name}: none of these has the shape of a key");
    assert!(key.len() < 6 || !run.both().contains(key), "{name}");
    // The place named is one where the key stands.
    let source = &answered["source"];
    let there = if let Some(file) = source["file"].as_str() {
        let text = std::fs::read_to_string(directory.join(file)).unwrap();
        let line = usize::try_from(source["line"].as_u64().unwrap()).unwrap();
        // A Mac of long ago ends lines by \r alone, and Node's dotenv still takes that.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        text.lines().skip(line - 1).collect::<Vec<_>>().join("\n")
    } else if let Some(variable) = source["env"].as_str() {
        case["process_env"][variable].as_str().unwrap().to_owned()
    } else {
        assert_eq!(source["flag"], "--admin-key", "{name}: {answer}");
        key.to_owned()
    };
    assert!(there.contains(key), "{name}: {source} has {there:?}");
}

#[test]
fn half_a_pair_of_flags_is_ignored_with_a_note() {
    let place = Place::app().with(
        ".env.local",
        format!("CONVEX_SELF_HOSTED_URL=http://file:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY={KEY}\n"),
    );
    let url = place.run(&["inspect", "selection", "--format", "json", "--url", "http://flag:3210"]);
    assert_eq!(url.json()["url"], "http://file:3210");
    assert!(url.stderr.contains("ignored"), "{}", url.stderr);
    let mut key = place.doctor(&["inspect", "selection", "--format", "json", "--admin-key-stdin"]);
    let key = ran(key.write_stdin("other|01ab\n"));
    assert_eq!(key.json()["admin_key"]["length"], KEY.len());
    assert!(key.stderr.contains("ignored"), "{}", key.stderr);
}

#[test]
fn colour_is_chosen_as_usual() {
    let place = Place::new();
    let coloured = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = place.doctor(&[&["demo"][..], arguments].concat());
        command.envs(variables.iter().copied());
        ran(&mut command).stdout.contains('\u{1b}')
    };
    for (variables, arguments, expected) in [
        (&[][..], &[][..], false),
        (&[("CLICOLOR_FORCE", "1")], &[], true),
        (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], &[], false),
        (&[("TERM", "dumb")], &[], false),
        (&[], &["--color", "always"], true),
        (&[("NO_COLOR", "1")], &["--color", "always"], true),
        (&[("TERM", "dumb")], &["--color", "always"], true),
        (&[("CLICOLOR_FORCE", "1")], &["--color", "never"], false),
    ] {
        let found = coloured(variables, arguments);
        assert_eq!(found, expected, "{variables:?} {arguments:?}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_said_before_looking() {
    let place = Place::app();
    for target in ["no/such/directory/report.txt", "."] {
        let run = place.run(&["-o", target]);
        assert!(matches!(run.code, 2 | 3), "{target}: {}", run.code);
        assert!(run.stderr.contains("cannot write"), "{target}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{target}");
    }
}

#[test]
fn each_format_goes_to_its_own_file() {
    let place = Place::new();
    let run = place.run(&[
        "demo", "--format", "json", "-o", "a.json", "--format", "markdown", "-o", "b.md",
        "--format", "text",
    ]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.starts_with("BROKEN"), "the one without a file: {}", run.stdout);
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
    let json: Value = serde_json::from_str(&read("a.json")).unwrap();
    assert_eq!(json["verdict"], "broken");
    assert!(read("b.md").starts_with("**BROKEN**"));
    let forced = place.run(&["demo", "--color", "always", "-o", "c.txt"]);
    assert_eq!((forced.code, forced.stdout.as_str()), (1, ""));
    assert!(!read("c.txt").contains('\u{1b}'), "a file holds no colour");
}

#[test]
fn text_for_the_reader_and_sarif_for_the_machine_in_one_run() {
    let place = Place::new();
    let run = place.run(&[
        "demo",
        "--format",
        "text",
        "--format",
        "sarif",
        "-o",
        "-",
        "-o",
        "doctor.sarif",
    ]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.starts_with("BROKEN"), "{}", run.stdout);
    let sarif = std::fs::read_to_string(place.path().join("doctor.sarif")).unwrap();
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left: {left:?}");
    let twice = place.run(&["demo", "--format", "json", "-o", "a", "--format", "sarif", "-o", "a"]);
    assert_eq!((twice.code, twice.stdout.as_str()), (2, ""), "{}", twice.stderr);
    assert!(!place.path().join("a").exists());
}

/// `-o -` is the standard output, for every command and format that takes it, and no file.
#[test]
fn a_dash_is_the_standard_output() {
    let place = Place::new();
    assert_eq!(place.run(&["bundle", "--no-docker", "--no-network", "-o", "seen.json"]).code, 0);
    let formats = ["text", "json", "markdown", "html", "sarif", "junit", "github", "gitlab"];
    let here = ["--no-docker", "--no-network"];
    for (command, formats) in [
        (&["diagnose"][..], &formats[..]),
        (&["demo"], &formats),
        (&["replay", "seen.json"], &formats),
        (&["diff", "seen.json", "seen.json"], &["text", "json", "markdown"]),
        (&["persistence"], &["text", "json", "markdown"]),
        (&["bundle"], &["json"]),
    ] {
        let own = if ["diagnose", "persistence", "bundle"].contains(&command[0]) {
            &here[..]
        } else {
            &[]
        };
        for format in formats {
            let plain = [command, own, &["--format", format]].concat();
            let plain = place.run(&plain);
            let dashed = [command, own, &["--format", format, "-o", "-"]].concat();
            let dashed = place.run(&dashed);
            assert!(dashed.code < 2, "{command:?} {format}: {}", dashed.stderr);
            assert!(!dashed.stdout.is_empty(), "{command:?} {format}");
            assert_eq!(dashed.code, plain.code, "{command:?} {format}");
            let start = |text: &str| text.chars().take(20).collect::<String>();
            assert_eq!(start(&dashed.stdout), start(&plain.stdout), "{command:?} {format}");
            assert!(!place.path().join("-").exists(), "{command:?} {format}");
        }
    }
    // The standard output is the command's, until it is asked for.
    let quiet =
        place.run(&["run", "--no-docker", "--no-network", "--format", "json", "--", "false"]);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (1, ""));
    let asked =
        ["run", "--no-docker", "--no-network", "--format", "json", "-o", "-", "--", "false"];
    let asked = place.run(&asked);
    assert!(asked.stdout.starts_with('{'), "{} {}", asked.stdout, asked.stderr);
    assert_eq!(asked.code, 1);
}

/// A link keeps pointing, an old file keeps its mode, and a device is written to and stays.
#[cfg(unix)]
#[test]
fn a_report_is_put_where_the_name_leads() {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let place = Place::new().with("real/report.json", "old");
    let (link, real) = (place.path().join("link"), place.path().join("real/report.json"));
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real/report.json", &link).unwrap();
    let run = place.run(&["demo", "--format", "json", "-o", "link"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(link.is_symlink());
    assert!(std::fs::read_to_string(&real).unwrap().starts_with('{'));
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(place.run(&["demo", "-o", "/dev/null"]).code, 1);
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[test]
fn the_summary_of_a_github_step_is_added_to() {
    let place = Place::new().with("summary.md", "before\n");
    let read = || std::fs::read_to_string(place.path().join("summary.md")).unwrap();
    let run = |format: &str, summary: &str| {
        let mut command = place.doctor(&["demo", "--format", format]);
        ran(command.env("GITHUB_STEP_SUMMARY", place.path().join(summary)))
    };
    assert_eq!(run("markdown", "summary.md").code, 1);
    assert_eq!(read(), "before\n", "only for its own format");
    let github = run("github", "summary.md");
    assert_eq!(github.code, 1);
    assert!(github.stdout.contains("\n::error file=.env.local,line="), "{}", github.stdout);
    assert!(read().starts_with("before\n**BROKEN**"), "{}", read());
    let nowhere = run("github", "no/such/directory");
    assert_eq!(nowhere.code, 1, "the annotations are there");
    assert!(nowhere.stderr.contains("no step summary"), "{}", nowhere.stderr);
}

#[test]
fn what_is_ignored_or_not_asked_for_does_not_fail_the_run() {
    let place = Place::new();
    let ids = |arguments: &[&str]| {
        let run = place.run(&[&["demo", "--format", "json"][..], arguments].concat());
        let json = run.json();
        let ids = json["findings"].as_array().unwrap();
        let ids: Vec<String> =
            ids.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        (run.code, ids, json["suppressed"].as_array().unwrap().len())
    };
    let (code, all, suppressed) = ids(&[]);
    assert_eq!((code, suppressed), (1, 0));
    assert!(all.contains(&"key-foreign".to_owned()), "{all:?}");
    assert_eq!(ids(&["--fail-on", "never"]).0, 0);
    let (_, left, suppressed) = ids(&["--ignore", "key-foreign"]);
    assert!(!left.contains(&"key-foreign".to_owned()) && suppressed == 1);
    let (code, left, _) = ids(&["--only", "persistence"]);
    assert!(!left.contains(&"key-foreign".to_owned()), "{left:?}");
    assert_eq!(code, 0);
}

#[test]
fn what_is_required_and_missing_ends_with_3() {
    let place = Place::app();
    let docker = place.run(&["--require-docker", "--no-network"]);
    assert_eq!(docker.code, 3, "{}", docker.both());
    assert!(docker.stderr.contains("--require-docker"));
    let network = place.run(&["--require-network", "--no-docker"]);
    assert_eq!(network.code, 3, "{}", network.both());
    assert!(network.stderr.contains("--require-network"));
}

#[test]
fn files_alone_are_enough_for_a_report() {
    let place = Place::app();
    let run = place.run(&["--no-docker", "--no-network", "--format", "json"]);
    assert!(matches!(run.code, 0 | 1), "{}", run.both());
    assert_eq!(run.json()["schema_version"], 1);
    assert_ne!(run.json()["verdict"], "healthy", "nothing was asked");
}

#[test]
fn a_reader_who_had_enough_is_no_error() {
    let place = Place::new();
    for arguments in [&["explain"][..], &["schema"], &["demo"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = std::process::Command::new(BINARY)
            .env_clear()
            .env("HOME", place.home.path())
            .args(arguments)
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("internal error"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_one_sentence() {
    let place = Place::new().with("file", "");
    for (directory, arguments) in
        [("missing", &[][..]), ("file", &[]), ("missing", &["inspect", "selection"])]
    {
        let run = place.run(&[&["-C", directory][..], arguments].concat());
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{directory}");
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains(directory), "{}", run.stderr);
    }
}

#[test]
fn every_json_report_fits_the_schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let place = Place::app().with(".env.local", "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:9\n");
    let list = place.run(&["demo", "--list"]).stdout;
    let mut runs: Vec<Vec<&str>> =
        list.lines().map(|line| vec!["demo", line.split(' ').next().unwrap()]).collect();
    assert!(runs.len() >= 5, "{list}");
    runs.extend([vec![], vec!["--no-docker"], vec!["--no-network"], vec!["-f", "none.yml"]]);
    for arguments in runs {
        let run = place.run(&[&arguments[..], &["--format", "json"]].concat());
        let report = run.json();
        let faults: Vec<String> = validator
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{arguments:?}: {faults:#?}");
        let ids = |list: &str| {
            let list = report[list].as_array().unwrap();
            list.iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
        };
        let (rules, findings) = (ids("rules"), ids("findings"));
        assert!(findings.iter().all(|id| rules.contains(id)), "{arguments:?}");
        assert!(ids("causes").iter().all(|id| findings.contains(id)), "{arguments:?}");
    }
}

#[test]
fn packagers_get_completions_a_manual_page_and_a_schema() {
    let place = Place::new();
    for (arguments, word) in [
        (&["completions", "bash"][..], "_convex__doctor()"),
        (&["completions", "zsh"], "#compdef convex-doctor"),
        (&["completions", "fish"], "complete -c convex-doctor"),
        (&["man"], ".TH convex-doctor"),
        (&["schema"], "https://json-schema.org/draft/2020-12/schema"),
    ] {
        let run = place.run(arguments);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(run.stdout.contains(word), "{arguments:?}");
    }
}

/// A compose project with a backend, and no engine to ask.
fn with_backend(lines: &str) -> Place {
    let file = format!(
        "services:\n  backend:\n    image: ghcr.io/get-convex/convex-backend:latest\n{lines}"
    );
    Place::app().with("docker-compose.yml", file)
}

#[test]
fn persistence_predicts_from_the_file_and_says_that_it_does() {
    let place = with_backend("    volumes: ['data:/convex/data']\nvolumes: {data: }\n");
    let run = place.run(&["persistence", "--format", "json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("Docker was not checked"), "{}", run.stderr);
    let json = run.json();
    let operations = json["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 31);
    let fates = |id: &str| {
        let one = operations.iter().find(|one| one["id"] == id).unwrap();
        assert!(one["command"].as_str().unwrap().contains("docker"), "{one}");
        assert!(!one["why"].as_str().unwrap().is_empty(), "{one}");
        (one["keys"].as_str().unwrap().to_owned(), one["data"].as_str().unwrap().to_owned())
    };
    let both = |word: &str| (word.to_owned(), word.to_owned());
    assert_eq!(fates("down_up"), both("kept"));
    assert_eq!(fates("down_v_up"), both("lost"));
    assert_eq!(fates("down_dir_renamed_up"), both("recoverable"));
    assert_eq!(fates("down_volprune_up"), both("unknown"), "the engine's version was not seen");
    let report = place.run(&["--format", "json"]).json();
    assert_eq!(report["persistence"], json, "the report has the same");

    let text = place.run(&["persistence"]).stdout;
    let start = "Based on docker-compose.yml only (Docker was not checked).\n\nDeleted: keys and data\n  \
                 docker compose down -v && docker compose up -d\n";
    assert!(text.starts_with(start), "{text}");
    let commands = |text: &str| text.lines().filter(|line| line.starts_with("  docker ")).count();
    assert_eq!(commands(&text), 8, "{text}");
    assert!(text.ends_with("\n23 more operations: convex-doctor persistence --all\n"), "{text}");
    let all = place.run(&["persistence", "--all"]).stdout;
    assert_eq!(commands(&all), 30, "and one begins with a variable: {all}");
    assert!(!all.contains("more operations"), "{all}");
    let markdown = place.run(&["persistence", "--format", "markdown"]).stdout;
    assert!(markdown.contains("| `docker compose restart` | kept | kept |"), "{markdown}");
    let verbose = place.run(&["-v"]).stdout;
    assert!(verbose.contains("could not run (") && !verbose.contains("down -v && "), "{verbose}");
    assert!(place.run(&["--format", "markdown"]).stdout.contains("| `docker compose restart` |"));
}

#[test]
fn before_ends_with_1_when_something_is_lost_or_not_seen() {
    let place = with_backend("    volumes: ['data:/convex/data']\nvolumes: {data: }\n");
    for (line, code, says) in [
        ("docker compose down", 0, "Kept: keys and data"),
        ("docker compose up -d && docker compose restart", 0, "Kept: keys and data"),
        ("docker compose -p other up -d", 1, "Could not tell: keys and data"),
        ("docker compose down -v", 1, "Deleted: keys and data"),
        ("docker-compose -f docker-compose.yml down --volumes", 1, "Deleted: keys and data"),
        ("docker compose down; docker volume prune -f", 1, "Could not tell: keys and data"),
        ("docker compose -f other.yml down -v", 1, "Could not tell: keys and data"),
    ] {
        let run = place.run(&["persistence", "--before", line]);
        assert_eq!(run.code, code, "{line}: {}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains(says), "{line}: {}", run.stdout);
    }
    let run = place.run(&["persistence", "--before", "docker compose down -v", "--format", "json"]);
    let json = run.json();
    assert_eq!((run.code, &json["keys"], &json["data"]), (1, &"lost".into(), &"lost".into()));
    assert!(json["deletes"][0].as_str().unwrap().ends_with("_data"), "{json}");

    for line in ["rm -rf /", "docker compose explode", "docker rm -f $(docker ps -q)", ""] {
        let run = place.run(&["persistence", "--before", line]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}");
        assert!(run.stderr.contains("Supported commands: docker compose"), "{}", run.stderr);
    }
    assert_eq!(place.run(&["persistence", "--before"]).code, 2);
    let code = |arguments: &[&str]| place.run(arguments).code;
    assert_eq!(code(&["persistence", "--require-docker"]), 3);
}

#[test]
fn persistence_without_a_backend_has_nothing_to_predict() {
    let place = Place::app();
    let run = place.run(&["persistence"]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("nothing to predict"), "{}", run.stdout);
    let json = place.run(&["persistence", "--format", "json"]).json();
    assert_eq!(json, serde_json::json!({"operations": []}));
    assert_eq!(place.run(&["persistence", "--before", "docker compose down -v"]).code, 1);
}
