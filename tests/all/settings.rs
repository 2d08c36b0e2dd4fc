//! `convex-doctor.toml` and the comments in files, through the real binary: what they change, and
//! what is said of their faults.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test starts the program and reads what it wrote"
)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const PAIR: &str = "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:64999\nCONVEX_SELF_HOSTED_ADMIN_KEY=app|01ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa\nCONVEX_SELF_HOSTED_URL=http://127.0.0.1:64999\n";

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    fn ids(&self, list: &str) -> Vec<String> {
        let json = self.json();
        let list = json[list].as_array().unwrap().iter();
        list.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// An app whose key leads to a port that nobody listens at, one variable written twice, with these
/// files more.
fn place(files: &[(&str, &str)]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let app = [(".env.local", PAIR), ("package.json", r#"{"dependencies": {"convex": "1.32.0"}}"#)];
    for (name, text) in app.iter().chain(files) {
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    place
}

fn run_in(directory: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .current_dir(directory)
        .args(["--no-docker", "--color", "never"])
        .args(arguments)
        .output()
        .unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The text in the table that is ours.
fn ours(text: &str) -> String {
    format!("[self-hosted]\n{}", text.replace("[[ignore]]", "[[self-hosted.ignore]]"))
}

fn run(files: &[(&str, &str)], arguments: &[&str]) -> Ran {
    run_in(place(files).path(), arguments)
}

#[test]
fn a_fault_of_the_file_is_said_with_its_line() {
    for (text, line, words) in [
        ("fial-on = \"error\"\n", 1, &["fial-on", "`fail-on`"][..]),
        ("\nfail-on = \"always\"\n", 2, &["always", "error, warning, never"]),
        ("fail-on = 3\n", 1, &["`fail-on` is a text"]),
        ("ephemeral = \"yes\"\n", 1, &["true or false"]),
        ("timeout = \"soon\"\n", 1, &["soon", "5s"]),
        ("only = [\"key\",\n \"key-foriegn\"]\n", 2, &["key-foriegn", "Did you mean"]),
        ("ignore = [\"key-foreign\"]\n", 1, &["reason"]),
        ("ignore = \"key-foreign\"\n", 1, &["list"]),
        (
            "ignore = [\n{ id = \"key-foriegn\", reason = \"x\" }]\n",
            2,
            &["key-foriegn", "key-foreign"],
        ),
        ("[[ignore]]\nid = \"key-foreign\"\n", 1, &["key-foreign", "`reason`"]),
        ("[[ignore]]\nid = \"key-foreign\"\nreason = \" \"\n", 3, &["`reason` is a text"]),
        ("[[ignore]]\nreason = \"x\"\n", 1, &["no `id`"]),
        ("[[ignore]]\nid = \"key-foreign\"\nreasno = \"x\"\n", 3, &["reasno", "`reason`"]),
        (
            "[[ignore]]\nid = \"key-foreign\"\nreason = \"x\"\nuntil = \"soon\"\n",
            4,
            &["2027-01-31"],
        ),
        (
            "[[ignore]]\nid = \"key-foreign\"\nreason = \"x\"\nuntil = 2027-01-31T00:00:00Z\n",
            4,
            &["a day"],
        ),
        ("a = \n", 1, &[]),
        ("fail-on = \"error\"\nfail-on = \"error\"\n", 2, &["duplicate"]),
        ("url = \"http://elsewhere\"\n", 1, &["only for the command line"]),
        ("output = \"/etc/passwd\"\n", 1, &["only for the command line"]),
        ("directory = \"..\"\n", 1, &["only for the command line"]),
        ("host = \"ssh://stranger\"\n", 1, &["only for the command line"]),
        ("context = \"stranger\"\n", 1, &["only for the command line"]),
        ("env-file = \"/etc/passwd\"\n", 1, &["only for the command line"]),
        ("file = \"/etc/compose.yml\"\n", 1, &["outside of the project"]),
        ("file = \"a/../../compose.yml\"\n", 1, &["outside of the project"]),
    ] {
        let ran = run(&[("convex-doctor.toml", &ours(text))], &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{text}{}", ran.stderr);
        let place = format!("convex-doctor.toml:{}", line + 1);
        for word in words.iter().copied().chain([place.as_str()]) {
            assert!(ran.stderr.contains(word), "{text}no {word:?} in: {}", ran.stderr);
        }
    }
}

/// The library's own message quotes the line.
#[test]
fn a_fault_shows_no_secret() {
    let hex = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0";
    for text in [
        "x = \"HEX\n".to_owned(),
        "x = 'name|01HEX' y\n".to_owned(),
        "HEX = 1\n".to_owned(),
        "name|01HEX\n".to_owned(),
        "fail-on = \"HEX\"\n".to_owned(),
        "timeout = \"HEX\"\n".to_owned(),
        "CONVEX_SELF_HOSTED_ADMIN_KEY = \"name|01HEX\"\n".to_owned(),
        "ignore = [{ id = \"HEX\", reason = \"x\" }]\n".to_owned(),
        "ignore = [{ HEX = \"HEX\" }]\n".to_owned(),
        "only = \"HEX\"\n".to_owned(),
    ] {
        let ran = run(&[("convex-doctor.toml", &ours(&text.replace("HEX", hex)))], &[]);
        assert_eq!(ran.code, Some(2), "{text}");
        assert!(!ran.stderr.contains(&hex[..20]), "{text}{}", ran.stderr);
    }
    // In a reason nobody looks for one.
    let text = format!("ignore = [{{ id = \"url-refused\", reason = \"was name|01{hex}\" }}]\n");
    for format in ["text", "json", "sarif", "junit", "github", "gitlab", "markdown", "html"] {
        let ran = run(&[("convex-doctor.toml", &ours(&text))], &["-v", "--format", format]);
        assert!(ran.stdout.contains("url-refused"), "{format}: {}{}", ran.stdout, ran.stderr);
        assert!(!ran.stdout.contains(hex), "{format}");
    }
}

#[test]
fn a_fault_of_a_comment_is_said_with_its_line() {
    for (comment, words) in [
        ("# convex-doctor: ignore[url-refused]", "reason"),
        ("# convex-doctor: ignore[url-refusde] x", "url-refused"),
        ("# convex-doctor: hide[url-refused] x", "not understood"),
    ] {
        let text = format!("A=1\n{comment}\n{PAIR}");
        let ran = run(&[(".env.local", &text)], &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{comment}");
        assert!(ran.stderr.contains(".env.local:2: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}

#[test]
fn a_suppression_counts_where_it_is_written_for() {
    let suppressed = |files: &[(&str, &str)]| {
        let ran = run(files, &["--format", "json"]);
        let hidden = ran.ids("suppressed").contains(&"duplicate-variable".to_owned());
        assert_ne!(hidden, ran.ids("findings").contains(&"duplicate-variable".to_owned()));
        let unused = ran.ids("findings").contains(&"suppression-unused".to_owned());
        (hidden, unused)
    };
    let toml =
        |more: &str| format!("ignore = [{{ id = \"duplicate-variable\", reason = \"x\"{more} }}]");
    assert_eq!(suppressed(&[]), (false, false));
    for (more, expected) in [
        ("", (true, false)),
        (", where = \".env.local:3\"", (true, false)),
        (", where = \"./.env.local\"", (true, false)),
        (", where = \".env.local:2\"", (false, true)),
        (", where = \"app-backend-1\"", (false, true)),
        (", until = 2999-12-31", (true, false)),
        (", until = \"2999-12-31\"", (true, false)),
        (", until = 2020-12-31", (false, false)),
    ] {
        assert_eq!(suppressed(&[("convex-doctor.toml", &ours(&toml(more)))]), expected, "{more}");
    }
    let (url, rest) = PAIR.split_once('\n').unwrap();
    let comment = "# convex-doctor: ignore[duplicate-variable] x";
    for (text, expected) in [
        (format!("{comment}\n{PAIR}"), (true, false)),
        (format!("{url} {comment}\n{rest}"), (true, false)),
        (format!("{url}\n{comment}\n{rest}"), (false, true)),
    ] {
        assert_eq!(suppressed(&[(".env.local", &text)]), expected, "{text}");
    }
}

/// Nobody knows whether an entry about Docker fits where Docker is not asked.
#[test]
fn an_entry_that_nobody_could_judge_is_not_called_unused() {
    let toml = "ignore = [{ id = \"backend-paused\", reason = \"x\" }]";
    let ran = run(&[("convex-doctor.toml", &ours(toml))], &["--format", "json"]);
    assert!(ran.ids("unknown").contains(&"suppression-unused".to_owned()), "{}", ran.stdout);
    assert!(!ran.ids("findings").contains(&"suppression-unused".to_owned()));
}

#[test]
fn the_file_is_looked_for_up_to_the_root_of_the_repository() {
    let toml = ours(
        "fail-on = \"never\"\n[[ignore]]\nid = \"duplicate-variable\"\nreason = \"x\"\n\
         where = \"repo/app/.env.local\"\n",
    );
    let files = [("repo/app/.env.local", PAIR), ("repo/app/package.json", "{}")];
    let above = place(&[&files[..], &[("convex-doctor.toml", &toml)]].concat());
    let app = above.path().join("repo/app");
    assert_eq!(run_in(&app, &[]).code, Some(1), "without a repository it is anybody's");
    std::fs::create_dir(above.path().join("repo/.git")).unwrap();
    assert_eq!(run_in(&app, &[]).code, Some(1), "above the repository too");
    std::fs::rename(above.path().join("repo/.git"), above.path().join(".git")).unwrap();
    let ran = run_in(&app, &["--format", "json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.ids("suppressed"), ["duplicate-variable"], "its paths start where it lies");
    let inner = ours("timeout = \"2s\"\n");
    std::fs::write(app.join("convex-doctor.toml"), inner).unwrap();
    assert_eq!(run_in(&app, &[]).code, Some(1), "the nearest one counts alone");
    let from_elsewhere = run_in(above.path(), &["-C", "repo/app"]);
    assert_eq!(from_elsewhere.code, Some(1), "from the project's directory");
}

/// A static analyzer of the same name reads the same file.
#[test]
fn the_tables_of_the_other_tool_are_left_alone() {
    let theirs = "[rules]\nno-collect = \"error\"\n[ignore]\nfiles = [\"convex/_generated\"]\n[ci]\nfail = 3\n";
    let without = run(&[], &["--format", "json"]);
    for text in [theirs, "fail-on = 3\nbogus = true\n", "= not TOML at all\n", ""] {
        let ran = run(&[("convex-doctor.toml", text)], &["--format", "json"]);
        assert_eq!(ran.code, without.code, "{text}{}", ran.stderr);
        assert_eq!((ran.ids("findings"), ran.stderr), (without.ids("findings"), String::new()));
    }
    let both = format!("{theirs}{}", ours("fail-on = \"never\"\n"));
    assert_eq!(run(&[("convex-doctor.toml", &both)], &[]).code, Some(0));
}

#[test]
fn what_is_typed_counts_before_what_the_file_says() {
    let toml = ours("fail-on = \"never\"\nformat = \"json\"\nonly = [\"endpoint\"]\n");
    let files = [("convex-doctor.toml", toml.as_str())];
    let ran = run(&files, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let ids = ran.ids("findings");
    assert!(ids.contains(&"url-refused".to_owned()), "{ids:?}");
    assert_eq!(run(&files, &["--fail-on", "error"]).code, Some(1));
    assert_eq!(run(&files, &["diagnose", "--fail-on", "error"]).code, Some(1));
    let text = run(&files, &["--format", "text", "-q"]);
    assert!(!text.stdout.starts_with('{'), "{}{}", text.stdout, text.stderr);
    let other = run(&files, &["--only", "selection"]).ids("findings");
    assert!(!other.contains(&"url-refused".to_owned()), "{other:?}");
    // A file for the project next door says nothing about commands that look at none.
    let broken = ours("bogus = 1\n");
    let broken = [("convex-doctor.toml", broken.as_str())];
    assert_eq!(run(&broken, &["explain"]).code, Some(0));
    assert_eq!(run(&broken, &["inspect", "selection"]).code, Some(2));
}

/// Exit code 0 says that nothing was found, not that all was seen.
#[test]
fn the_last_line_says_what_was_not_looked_at() {
    let last = |arguments: &[&str]| run(&[], arguments).stdout.lines().last().unwrap().to_owned();
    let line = last(&[]);
    let all = format!(" of {} checks ran (-v shows all)", convex_doctor::checks::rules().count());
    assert!(line.contains(&all), "{line}");
    assert!(run(&[], &[]).stdout.contains("\nNot checked: Docker ("));
    let neither = run(&[], &["--no-network"]).stdout.replace('\n', " ");
    assert!(neither.contains("; the URL (--no-network was given)."), "{neither}");
    let only = run(&[], &["--only", "key_shape"]);
    assert_eq!(only.code, Some(0), "{}", only.stdout);
    assert!(only.stdout.contains("\nOnly key_shape · All 8 checks ran"), "{}", only.stdout);
}

#[test]
fn the_documented_file_is_understood() {
    let page = include_str!("../../docs/ci.md");
    let toml = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let ran = run(&[("convex-doctor.toml", toml)], &["--format", "json"]);
    assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.stderr);
    assert_eq!(ran.json()["evidence"]["asked"]["suppressions"].as_array().unwrap().len(), 2);
}
