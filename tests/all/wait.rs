//! `--wait`: it ends as soon as the key goes through, at once where waiting cannot help, and at its
//! own end otherwise.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "this test is a backend that starts late"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::held_port;

const KEY: &str = "app|01aaaabbbbccccddddeeeeffff000011112222333344445555666677778888999900001a";

/// Answers to the key with `status`, after it has hung up on the first `rude` connections.
fn serve(listener: TcpListener, rude: usize, status: &'static str, body: &'static str) {
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            if number >= rude {
                std::thread::spawn(move || answer(stream, status, body));
            }
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

/// The doctor that waits, in a directory of its own.
fn wait(port: u16, longest: &str) -> (Child, tempfile::TempDir) {
    let app = tempfile::tempdir().unwrap();
    std::fs::write(app.path().join("package.json"), "{}").unwrap();
    let pair = format!(
        "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:{port}\nCONVEX_SELF_HOSTED_ADMIN_KEY={KEY}\n"
    );
    std::fs::write(app.path().join(".env.local"), pair).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(["--no-docker", "--wait", longest, "--require-network"])
        .current_dir(app.path())
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (child, app)
}

const ACCEPTED: &str = r#"{"success":true,"allowedOps":[],"isReadOnly":false}"#;
const REFUSED: &str =
    r#"{"code":"BadAdminKey","message":"The provided admin key was invalid for this instance"}"#;

#[tokio::test]
async fn a_backend_that_comes_up_late_is_waited_for() {
    let (socket, port) = held_port();
    let (mut child, _app) = wait(port, "10m");
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("waiting,") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended: {said}");
    }
    // It comes up now, and needs a few more looks until it answers.
    let listener = socket.listen(128).unwrap().into_std().unwrap();
    listener.set_nonblocking(false).unwrap();
    serve(listener, 20, "200 OK", ACCEPTED);
    stderr.read_to_string(&mut said).unwrap();
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stdout));
    let mut reasons: Vec<&str> =
        said.lines().filter_map(|line| Some(line.split_once(" so far: ")?.1)).collect();
    let all = reasons.len();
    reasons.dedup();
    assert_eq!(reasons.len(), all, "each said once, not every half second: {said}");
}

#[test]
fn a_refused_key_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    serve(listener, 0, "401 Unauthorized", REFUSED);
    let (child, _app) = wait(port, "10m");
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stdout));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!said.contains("waiting,"), "{said}");
}

#[test]
fn a_backend_that_never_comes_is_waited_for_no_longer_than_asked() {
    let (_held, port) = held_port();
    let start = Instant::now();
    let (child, _app) = wait(port, "2s");
    let ran = child.wait_with_output().unwrap();
    let took = start.elapsed();
    assert_eq!(ran.status.code(), Some(1));
    assert!(took >= Duration::from_secs(2) && took < Duration::from_mins(1), "{took:?}");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(said.contains("waiting,"), "{said}");
    assert!(String::from_utf8_lossy(&ran.stdout).contains("BROKEN"));
}
