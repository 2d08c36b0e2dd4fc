//! `--wait`: it ends as soon as the key goes through, at once where waiting cannot help, and at its
//! own end otherwise.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "this test is a backend that starts late"
)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const KEY: &str = "app|01aaaabbbbccccddddeeeeffff000011112222333344445555666677778888999900001a";

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A backend that begins to listen after `delay` and answers to the key with `status`.
fn backend(port: u16, delay: Duration, status: &'static str, body: &'static str) {
    std::thread::spawn(move || {
        std::thread::sleep(delay);
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream, status, body));
        }
    });
}

fn answer(mut stream: std::net::TcpStream, status: &str, body: &str) {
    let mut request = [0; 8192];
    let Ok(read) = stream.read(&mut request) else { return };
    let head = String::from_utf8_lossy(&request[..read]).into_owned();
    let (status, body) = match head.split(' ').nth(1).unwrap_or_default() {
        "/" => ("200 OK", "This Convex deployment is running. See https://docs.convex.dev/."),
        "/version" => ("200 OK", "unknown"),
        "/instance_name" => ("200 OK", "app"),
        path if path.starts_with("/api/") => (status, body),
        _ => ("404 Not Found", ""),
    };
    let length = body.len();
    let _gone = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
}

fn wait(port: u16, longest: &str) -> (Output, Duration) {
    let app = tempfile::tempdir().unwrap();
    std::fs::write(app.path().join("package.json"), "{}").unwrap();
    let pair = format!(
        "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:{port}\nCONVEX_SELF_HOSTED_ADMIN_KEY={KEY}\n"
    );
    std::fs::write(app.path().join(".env.local"), pair).unwrap();
    let start = Instant::now();
    let ran = Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(["--no-docker", "--wait", longest, "--require-network"])
        .current_dir(app.path())
        .env_clear()
        .output()
        .unwrap();
    (ran, start.elapsed())
}

const ACCEPTED: &str = r#"{"success":true,"allowedOps":[],"isReadOnly":false}"#;
const REFUSED: &str =
    r#"{"code":"BadAdminKey","message":"The provided admin key was invalid for this instance"}"#;

#[test]
fn a_backend_that_comes_up_late_is_waited_for() {
    let port = free_port();
    backend(port, Duration::from_secs(3), "200 OK", ACCEPTED);
    let (ran, took) = wait(port, "60s");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stdout));
    assert!(took > Duration::from_secs(2) && took < Duration::from_secs(20), "{took:?}");
    assert_eq!(said.matches("waiting,").count(), 1, "said once, not every half second: {said}");
}

#[test]
fn a_refused_key_is_not_waited_for() {
    let port = free_port();
    backend(port, Duration::ZERO, "401 Unauthorized", REFUSED);
    std::thread::sleep(Duration::from_millis(200));
    let (ran, took) = wait(port, "60s");
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stdout));
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_backend_that_never_comes_is_waited_for_no_longer_than_asked() {
    let (ran, took) = wait(free_port(), "2s");
    assert_eq!(ran.status.code(), Some(1));
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(20), "{took:?}");
    assert!(String::from_utf8_lossy(&ran.stdout).contains("BROKEN"));
}
