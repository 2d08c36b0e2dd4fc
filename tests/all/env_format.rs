//! `--format env`: what a shell evaluates and an env file holds; nothing in a value becomes a
//! command, and no key is shown unasked.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts the program and a shell"
)]

use crate::support;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use convex_doctor::fix::env_file::exported;
use convex_doctor::selection::node_dotenv;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

const SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff1";
const KEY: &str = "app|01ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa";
const URL_NAME: &str = "CONVEX_SELF_HOSTED_URL";
const KEY_NAME: &str = "CONVEX_SELF_HOSTED_ADMIN_KEY";

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn project(env_local: &str) -> tempfile::TempDir {
    let app = tempfile::tempdir().unwrap();
    std::fs::write(app.path().join("package.json"), r#"{"dependencies":{"convex":"1.32.0"}}"#)
        .unwrap();
    std::fs::write(app.path().join("secret"), format!("{SECRET}\n")).unwrap();
    std::fs::write(app.path().join(".env.local"), env_local).unwrap();
    app
}

fn pair(url: &str, key: &str) -> String {
    format!("{URL_NAME}={url}\n{KEY_NAME}={key}\n")
}

/// Runs a program in an emptied environment.
fn ran(program: &str, directory: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("DOCTOR", env!("CARGO_BIN_EXE_convex-doctor"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads nothing may be gone already.
    let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn doctor(directory: &Path, arguments: &[&str]) -> Ran {
    let arguments = [arguments, &["--no-docker"]].concat();
    ran(env!("CARGO_BIN_EXE_convex-doctor"), directory, &arguments, "")
}

const MINT: [&str; 6] = ["key", "mint", "--secret-file", "secret", "--instance-name", "app"];

/// What a child of the shell gets, after the shell evaluated the script.
fn environment_after(shell: &str, directory: &Path, script: &str) -> BTreeMap<String, String> {
    let script = format!("{script}\nexec env -0");
    let ran = ran(shell, directory, &["-c", &script], "");
    assert_eq!(ran.code, Some(0), "{script}: {}", ran.stderr);
    let lines = ran.stdout.split('\0').filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn read_by_node(text: &str) -> BTreeMap<String, String> {
    let read = node_dotenv::parse(text);
    read.into_iter().map(|one| (one.name, one.value.expose().to_owned())).collect()
}

#[test]
fn a_minted_key_goes_through_eval_and_into_a_file() {
    let app = project(&format!("{URL_NAME}=http://127.0.0.1:3210\n"));
    let made = doctor(app.path(), &[&MINT[..], &["--format", "env"]].concat());
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let lines: Vec<&str> = made.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", made.stdout);
    assert_eq!(lines[0], "export CONVEX_SELF_HOSTED_URL='http://127.0.0.1:3210'");
    let key = lines[1].strip_prefix("export CONVEX_SELF_HOSTED_ADMIN_KEY='app|01").unwrap();
    assert!(key.ends_with('\'') && made.stdout.ends_with('\n'));
    assert!(!made.stderr.contains(&key[..20]) && !made.stderr.contains(SECRET), "{}", made.stderr);

    for shell in ["sh", "bash"] {
        let script = format!(
            "eval \"$(\"$DOCTOR\" {} --format env --no-docker 2>/dev/null)\"",
            MINT.join(" ")
        );
        let seen = environment_after(shell, app.path(), &script);
        assert_eq!(seen[URL_NAME], "http://127.0.0.1:3210", "{shell}");
        assert!(seen[KEY_NAME].starts_with("app|01"), "{shell}");
    }
    // The CLI reads the file as it is then.
    let script = format!("\"$DOCTOR\" {} --format env --no-docker >> .env.local", MINT.join(" "));
    assert_eq!(ran("sh", app.path(), &["-c", &script], "").code, Some(0));
    let text = std::fs::read_to_string(app.path().join(".env.local")).unwrap();
    let selected = doctor(app.path(), &["inspect", "selection", "--format", "json"]);
    let selected: serde_json::Value = serde_json::from_str(&selected.stdout).unwrap();
    assert_eq!(selected["kind"], "self-hosted");
    assert_eq!(selected["admin_key"]["source"]["line"], 3, "{text}");
    assert_eq!(selected["admin_key"]["fingerprint"].as_str().unwrap().len(), 8);
}

/// With an engine at hand: the selected URL where it leads to the container, else the container's
/// own.
#[test]
fn a_key_of_a_container_comes_with_a_url_that_leads_to_it() {
    const URL_LINE: &str = "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:{{port:backend}}";
    const ELSEWHERE: &str = "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:1";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (case, changes, note) in [
        ("the URL leads there", &[][..], None),
        ("no URL", &[(".env.local", URL_LINE, "# none")], None),
        ("nobody there", &[(".env.local", URL_LINE, ELSEWHERE)], Some("not known to lead to it")),
    ] {
        let fixture = support::Fixture::variant("stale-key", case, changes);
        let ran = runtime.block_on(support::asked(&fixture, &["key", "mint", "--format", "env"]));
        assert_eq!(ran.code, Some(0), "{case}: {}", ran.stderr);
        let read = read_by_node(&ran.stdout);
        assert!(read[KEY_NAME].starts_with("convex-self-hosted|01"), "{case}");
        let url = &read[URL_NAME];
        assert!(url.starts_with("http://127.0.0.1:") && url.len() > 20, "{case}: {url}");
        assert_eq!(ran.stderr.contains("the URL is"), note.is_some(), "{case}: {}", ran.stderr);
        assert!(note.is_none_or(|note| ran.stderr.contains(note)), "{case}: {}", ran.stderr);
    }
}

#[test]
fn without_a_url_there_is_the_key_alone_and_a_note() {
    let app = project("");
    let made = doctor(app.path(), &[&MINT[..], &["--format=env"]].concat());
    assert_eq!((made.code, made.stdout.lines().count()), (Some(0), 1));
    assert!(made.stdout.starts_with("export CONVEX_SELF_HOSTED_ADMIN_KEY='app|01"));
    assert!(made.stderr.contains("URL is not known"), "{}", made.stderr);
}

#[test]
fn a_failed_mint_gives_eval_nothing() {
    let app = project("");
    let made = doctor(app.path(), &["key", "mint", "--format", "env"]);
    assert_eq!((made.code, made.stdout.as_str()), (Some(1), ""));
}

#[test]
fn the_selected_key_is_shown_only_where_it_is_asked_for() {
    let app = project(&pair("http://127.0.0.1:3210", KEY));
    let hidden = doctor(app.path(), &["inspect", "selection", "--format", "env"]);
    let json = doctor(app.path(), &["inspect", "selection", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let fingerprint = json["admin_key"]["fingerprint"].as_str().unwrap();
    assert_eq!(hidden.code, Some(0));
    assert_eq!(
        hidden.stdout,
        format!(
            "export CONVEX_SELF_HOSTED_URL='http://127.0.0.1:3210'\n\
             # CONVEX_SELF_HOSTED_ADMIN_KEY: key {fingerprint} (--show-secrets prints it)\n"
        )
    );
    for shell in ["sh", "bash"] {
        let seen = environment_after(shell, app.path(), &format!("eval \"{}\"", hidden.stdout));
        assert!(seen[URL_NAME] == "http://127.0.0.1:3210" && !seen.contains_key(KEY_NAME));
    }
    assert_eq!(read_by_node(&hidden.stdout).len(), 1);

    let shown = ["inspect", "selection", "--format", "env", "--show-secrets"];
    let shown = doctor(app.path(), &shown);
    assert_eq!(shown.code, Some(0));
    assert_eq!(
        shown.stdout,
        format!(
            "export CONVEX_SELF_HOSTED_URL='http://127.0.0.1:3210'\n\
             export CONVEX_SELF_HOSTED_ADMIN_KEY='{KEY}'\n"
        )
    );
    assert!(!shown.stderr.contains(&KEY[6..20]), "{}", shown.stderr);
}

#[test]
fn a_password_in_the_url_is_a_secret_too() {
    let url = "http://ann:correct-horse@127.0.0.1:3210";
    let app = project(&pair(url, KEY));
    let hidden = doctor(app.path(), &["inspect", "selection", "--format", "env"]);
    assert!(!hidden.stdout.contains("correct-horse"), "{}", hidden.stdout);
    assert!(hidden.stdout.starts_with("# CONVEX_SELF_HOSTED_URL: "), "{}", hidden.stdout);
    assert!(!hidden.stdout.contains("export"), "half an address is worse than none");
    let shown = ["inspect", "selection", "--format", "env", "--show-secrets"];
    assert!(doctor(app.path(), &shown).stdout.contains(&format!("='{url}'\n")));
}

#[test]
fn what_is_no_pair_gives_no_lines() {
    for (env_local, code) in [
        ("", 0),
        ("CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\n", 0),
        ("CONVEX_DEPLOYMENT=dev:happy-animal-123\n", 0),
        ("CONVEX_DEPLOY_KEY=garbage\n", 1),
    ] {
        let app = project(env_local);
        let asked = ["inspect", "selection", "--format", "env", "--show-secrets"];
        let ran = doctor(app.path(), &asked);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{env_local}");
        assert!(ran.stderr.starts_with("note: "), "{env_local}: {}", ran.stderr);
    }
}

#[test]
fn what_does_not_go_together_is_wrong_usage() {
    let app = project(&pair("http://127.0.0.1:3210", KEY));
    for (arguments, said) in [
        (&["--format", "env"][..], "only with `key mint` and `inspect selection`"),
        (&["diagnose", "--format", "json", "--format", "env"], "only with `key mint` and"),
        (&["run", "--format", "env", "--", "true"], "only with `key mint` and"),
        (&["demo", "--format", "env"], "only with `key mint` and"),
        (&["persistence", "--format", "env"], "only with `key mint` and"),
        (&["inspect", "compose", "--format", "env"], "only with `key mint` and"),
        (&["inspect", "instances", "--format", "env"], "only with `key mint` and"),
        (&["key", "inspect", "--format", "env"], "only with `key mint` and"),
        (&["--version", "--format", "env"], "only with `key mint` and"),
        (&["key", "mint", "--format", "sarif"], "`key mint` supports only --format text and env"),
        (&["key", "mint", "--format", "json"], "only --format text and env"),
        (&["key", "mint", "--format", "env", "--write"], "only one of them"),
        (&["key", "mint", "--format", "env", "-o", "x.env"], "to the standard output"),
        (&["key", "mint", "--format", "env", "--format", "text"], "to the standard output"),
        (
            &["inspect", "selection", "--show-secrets"],
            "--show-secrets works only with --format env",
        ),
        (
            &["inspect", "selection", "--format", "json", "--show-secrets"],
            "--show-secrets works only",
        ),
        (&["inspect", "selection", "--format", "env", "--format", "json"], "and alone"),
        (&["inspect", "compose", "--show-secrets"], "--show-secrets"),
        (&["inspect", "compose", "--format", "markdown"], "only --format text and json"),
        (&["inspect", "instances", "--format", "sarif"], "only --format text and json"),
        (&["inspect", "selection", "--format", "junit"], "only --format text, json and env"),
        (&["key", "inspect", "--format", "github"], "`key inspect` supports only"),
        (&["fix", "--format", "markdown"], "`fix` supports only --format text and json"),
        (&["persistence", "--format", "sarif"], "only --format text, json and markdown"),
        (&["--show-secrets"], "--show-secrets"),
    ] {
        let ran = doctor(app.path(), arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
    assert!(!app.path().join("x.env").exists());
}

#[test]
fn a_default_format_is_for_reports_and_not_for_a_key() {
    let app = project("");
    std::fs::write(app.path().join("convex-doctor.toml"), "[self-hosted]\nformat = [\"json\"]\n")
        .unwrap();
    let plain = doctor(app.path(), &MINT);
    assert_eq!(plain.code, Some(0), "{}", plain.stderr);
    assert!(plain.stdout.starts_with("app|01"), "{}", plain.stderr);
    let selection = doctor(app.path(), &["inspect", "selection"]);
    assert!(!selection.stdout.starts_with('{'), "{}", selection.stdout);
    let lines = doctor(app.path(), &[&MINT[..], &["--format", "env"]].concat());
    assert!(lines.stdout.starts_with("export "), "{}", lines.stderr);
}

/// Compose reads the line as the shell does: the fingerprint of what it resolves is that of the
/// key.
#[test]
fn compose_reads_the_same_key() {
    let app = project(&pair("http://127.0.0.1:3210", KEY));
    let shown = ["inspect", "selection", "--format", "env", "--show-secrets"];
    let shown = doctor(app.path(), &shown).stdout;
    std::fs::write(app.path().join("app.env"), shown).unwrap();
    std::fs::write(
        app.path().join("compose.yml"),
        "services: {app: {image: app, env_file: [app.env]}}\n",
    )
    .unwrap();
    let compose = doctor(app.path(), &["inspect", "compose", "--format", "json"]);
    let compose: serde_json::Value = serde_json::from_str(&compose.stdout).unwrap();
    let selection = doctor(app.path(), &["inspect", "selection", "--format", "json"]);
    let selection: serde_json::Value = serde_json::from_str(&selection.stdout).unwrap();
    let environment = &compose["services"]["app"]["environment"];
    assert_eq!(environment[KEY_NAME]["fingerprint"], selection["admin_key"]["fingerprint"]);
    assert_eq!(environment[URL_NAME], "http://127.0.0.1:3210");
}

/// A value: pieces that mean something to a shell or to a reader of env files, and any other text.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "'",
            "\"",
            "`",
            "$",
            "\\",
            "\n",
            "\r",
            "#",
            " ",
            ";",
            "&",
            "|",
            "$(touch hit)",
            "`touch hit`",
            "';touch hit;'",
            "\"; touch hit; \"",
            "${HOME}",
            "!!",
            "\\'",
            "\u{2028}",
            "~",
            "*",
            "\t",
            "EOF",
            "export A=1",
            "'\\''",
            "\n# ",
            "\\n",
            "-n",
            "=",
        ])
        .prop_map(str::to_owned),
        "[^\0]{0,4}",
        "[a-f0-9|]{0,12}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Both through a real shell, as `eval "$(…)"` gets them, and the files' reader where the line
    /// is for a file.
    #[test]
    fn no_value_runs_anything_and_each_arrives(first in value(), second in value()) {
        let place = tempfile::tempdir().unwrap();
        let [one, two] = [(URL_NAME, &first), (KEY_NAME, &second)]
            .map(|(name, value)| exported(name, value).unwrap());
        let text = format!("{}{}", one.line.as_str(), two.line.as_str());
        std::fs::write(place.path().join("lines"), &text).unwrap();
        let seen = environment_after("sh", place.path(), "eval \"$(cat lines)\"");
        prop_assert_eq!(&seen[URL_NAME], &first);
        prop_assert_eq!(&seen[KEY_NAME], &second);
        let files = std::fs::read_dir(place.path()).unwrap().count();
        prop_assert_eq!(files, 1, "a value ran something");
        if one.fits_a_file && two.fits_a_file {
            let read = read_by_node(&text);
            let found = |name: &str| {
                read.get(name).cloned().ok_or_else(|| TestCaseError::fail(format!("no {name}")))
            };
            prop_assert_eq!(found(URL_NAME)?, first);
            prop_assert_eq!(found(KEY_NAME)?, second);
            prop_assert_eq!(read.len(), 2);
        }
    }
}

#[test]
fn a_line_is_for_eval_alone_only_where_no_quotes_would_do() {
    for (value, fits) in [
        (KEY, true),
        ("http://h:1/?a=$b&c=`d`\"", true),
        ("it's", true),
        ("two\nlines", true),
        ("it's $5", false),
        ("ends in \\", false),
        ("carriage\rreturn", false),
    ] {
        assert_eq!(exported("A", value).unwrap().fits_a_file, fits, "{value:?}");
    }
    assert!(exported("A", "a\0b").is_none());
}
