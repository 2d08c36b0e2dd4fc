//! `key mint`: a key alone on the standard output, or in the env file, tried and taken back when it
//! is refused.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "this test is a backend and writes files"
)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff1";

fn doctor(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(arguments)
        .arg("--no-docker")
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn app() -> tempfile::TempDir {
    let app = tempfile::tempdir().unwrap();
    std::fs::write(app.path().join("package.json"), "{}").unwrap();
    std::fs::write(app.path().join("secret"), format!("{SECRET}\n")).unwrap();
    app
}

const OFFLINE: [&str; 6] = ["key", "mint", "--secret-file", "secret", "--instance-name", "app"];

/// A backend that answers to every key with `status`.
fn backend(status: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut request = [0; 8192];
                let Ok(read) = stream.read(&mut request) else { return };
                let head = String::from_utf8_lossy(&request[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let (status, body) = match path {
                    "/version" => ("200 OK", "unknown"),
                    "/instance_name" => ("200 OK", "app"),
                    _ => (status, body),
                };
                let _gone = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    port
}

#[test]
fn the_key_stands_alone_and_is_the_one_the_backend_takes() {
    let app = app();
    for (flags, read_only, member) in
        [(&[][..], false, 0), (&["--read-only"], true, 0), (&["--member-id", "7"], false, 7)]
    {
        let ran = doctor(app.path(), &[&OFFLINE[..], flags].concat(), "");
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        let key = String::from_utf8(ran.stdout).unwrap();
        assert!(key.starts_with("app|01") && key.ends_with('\n') && key.lines().count() == 1);
        let notes = String::from_utf8(ran.stderr).unwrap();
        assert!(!notes.contains(&key[4..40]) && !notes.contains(SECRET), "{notes}");
        let asked = [
            "key",
            "inspect",
            "-",
            "--secret-file",
            "secret",
            "--instance-name",
            "app",
            "--format",
            "json",
        ];
        let inspected = doctor(app.path(), &asked, &key);
        let said: Value = serde_json::from_slice(&inspected.stdout).unwrap();
        assert_eq!(said["verdict"], "accepted", "{said}");
        assert_eq!(said["read_only"], read_only);
        assert_eq!(said["member_id"], member);
    }
    // From the standard input as well, and never twice the same.
    let piped = ["key", "mint", "--secret-stdin", "--instance-name", "app"];
    let [one, two] = [0, 1].map(|_| doctor(app.path(), &piped, &format!("{SECRET}\n")).stdout);
    assert!(one.starts_with(b"app|01") && one != two);
}

#[test]
fn a_secret_is_never_an_argument() {
    let app = app();
    for flag in ["--secret", "--instance-secret"] {
        let ran = doctor(app.path(), &["key", "mint", flag, SECRET], "");
        assert_eq!(ran.status.code(), Some(2));
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(said.contains("--secret-stdin") && !said.contains(&SECRET[..20]), "{said}");
    }
    let ran = doctor(
        app.path(),
        &["key", "mint", "--secret-stdin", "--instance-name", "app"],
        "hunter2\n",
    );
    assert_eq!(ran.status.code(), Some(1));
    assert!(!String::from_utf8(ran.stderr).unwrap().contains("hunter2"));
    // No Docker, no secret.
    assert_eq!(doctor(app.path(), &["key", "mint"], "").status.code(), Some(1));
}

#[test]
fn an_accepted_key_is_written_and_nothing_else_changes() {
    let app = app();
    let port = backend("200 OK", r#"{"success":true,"allowedOps":[],"isReadOnly":false}"#);
    let local = app.path().join(".env.local");
    let rest = format!("# mine\r\nCONVEX_SELF_HOSTED_URL=http://127.0.0.1:{port}\r\n");
    std::fs::write(&local, format!("{rest}CONVEX_SELF_HOSTED_ADMIN_KEY=app|01ab\r\nA='b' # c\r\n"))
        .unwrap();
    std::fs::set_permissions(&local, PermissionsExt::from_mode(0o640)).unwrap();
    let ran = doctor(app.path(), &[&OFFLINE[..], &["--write"]].concat(), "");
    let notes = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(0), "{notes}");
    assert_eq!(ran.stdout, b"", "the key is in the file, and nowhere else");
    let text = std::fs::read_to_string(&local).unwrap();
    let (before, after) = text.split_once("CONVEX_SELF_HOSTED_ADMIN_KEY='app|01").unwrap();
    assert_eq!(before, rest);
    assert_eq!(after.split_once('\'').unwrap().1, "\r\nA='b' # c\r\n");
    assert_eq!(std::fs::metadata(&local).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(!notes.contains(&after[..30]), "{notes}");
    let count = std::fs::read_dir(app.path()).unwrap().count();
    assert_eq!(count, 3, "nothing is left beside it");
}

#[test]
fn a_refused_key_is_taken_back() {
    let app = app();
    let port = backend(
        "401 Unauthorized",
        r#"{"code":"BadAdminKey","message":"The provided admin key was invalid for this instance"}"#,
    );
    let local = app.path().join(".env.local");
    let old = format!(
        "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:{port}\nCONVEX_SELF_HOSTED_ADMIN_KEY=app|01ab\n"
    );
    std::fs::write(&local, &old).unwrap();
    let ran = doctor(app.path(), &[&OFFLINE[..], &["--write"]].concat(), "");
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("the file is restored"));
    assert_eq!(std::fs::read_to_string(&local).unwrap(), old);
}

#[test]
fn a_new_file_is_for_its_owner_alone() {
    let app = app();
    let ran = doctor(app.path(), &[&OFFLINE[..], &["--write=keys.env"]].concat(), "");
    let notes = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(0), "{notes}");
    assert!(notes.contains("not tested"), "{notes}");
    let path = app.path().join("keys.env");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // A shell reads it as it is.
    let shell = Command::new("sh")
        .args(["-c", ". ./keys.env; printf %s \"$CONVEX_SELF_HOSTED_ADMIN_KEY\""])
        .current_dir(app.path())
        .output()
        .unwrap();
    assert!(shell.stdout.starts_with(b"app|01"));
}
