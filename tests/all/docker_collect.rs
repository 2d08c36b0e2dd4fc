//! The Docker collector against a small engine over a real Unix socket, and what it sends there:
//! nothing but GET and HEAD.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "a test serves sockets and files")]
#![allow(
    clippy::unwrap_used,
    reason = "a test may fail; clippy knows only the test functions themselves"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use convex_doctor::collect::docker::{self, DockerOptions, WantedObjects};
use convex_doctor::evidence::Observation;
use convex_doctor::evidence::docker::{EngineFailure, LoggedRefusal, SecretState};
use convex_doctor::evidence::key::SecretPlace;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;

const IN_FORCE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const ON_DISK: &str = "2222222222222222222222222222222222222222222222222222222222222222";

/// Path with query → status and body; anything else is a 404.
type Answers = BTreeMap<String, (u16, Vec<u8>)>;

struct Engine {
    _dir: tempfile::TempDir,
    socket: PathBuf,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    fn start(answers: Answers) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answers) = (Arc::clone(&requests), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                let service = service_fn(move |request: Request<Incoming>| {
                    let path = request.uri().path_and_query().unwrap().to_string();
                    log.lock().unwrap().push(format!("{} {path}", request.method()));
                    let answer = answers
                        .iter()
                        .find(|(known, _)| path.starts_with(known.as_str()))
                        .map_or((404, br#"{"message":"no such thing"}"#.to_vec()), |(_, a)| {
                            a.clone()
                        });
                    async move {
                        let body = http_body(answer.1);
                        Ok::<_, Infallible>(
                            Response::builder().status(answer.0).body(body).unwrap(),
                        )
                    }
                });
                tokio::spawn(async move {
                    let io = TokioIo::new(stream);
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, service)
                        .await;
                });
            }
        });
        Self { _dir: dir, socket, requests }
    }

    fn options(&self) -> DockerOptions {
        options(&self.socket)
    }

    /// Every request so far; fails when one could have changed something.
    fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap().clone();
        for request in &requests {
            assert!(request.starts_with("GET ") || request.starts_with("HEAD "), "{request}");
        }
        requests
    }
}

fn options(socket: &Path) -> DockerOptions {
    DockerOptions {
        host: Some(format!("unix://{}", socket.display())),
        timeout: Duration::from_secs(20),
        ..DockerOptions::default()
    }
}

/// A body in one piece, without a crate for it.
fn http_body(bytes: Vec<u8>) -> Whole {
    Whole(Some(Bytes::from(bytes)))
}

struct Whole(Option<Bytes>);

impl hyper::body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }
}

fn summary(id: &str, state: &str) -> Value {
    json!({
        "Id": id, "Names": [format!("/{id}")], "Image": "sha256:abcdef", "Command": "./run_backend.sh",
        "Created": 1_700_000_000, "State": state, "Status": "x",
        "Labels": labels("backend"),
        "Ports": if state == "running" {
            json!([{"IP": "0.0.0.0", "PrivatePort": 3210, "PublicPort": 3210, "Type": "tcp"}])
        } else { json!([]) },
        "Mounts": [{"Type": "volume", "Name": "app_data", "Destination": "/convex/data"}],
    })
}

fn labels(service: &str) -> Value {
    json!({
        "com.docker.compose.project": "app", "com.docker.compose.service": service,
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.project.config_files": "/app/compose.yaml",
        "com.docker.compose.project.working_dir": "/app",
    })
}

fn inspected(id: &str, state: &str, mounts: &Value) -> Value {
    json!({
        "Id": id, "Name": format!("/{id}"), "Created": "2026-01-02T03:04:05Z",
        "State": {"Status": state, "Running": state == "running", "ExitCode": 0},
        "HostConfig": {"NetworkMode": "app_default",
            "PortBindings": {"3210/tcp": [{"HostIp": "", "HostPort": "3210"}]}},
        "Mounts": mounts,
        "Config": {"Image": "ghcr.io/get-convex/convex-backend:latest", "Labels": labels("backend"),
            "Env": ["AWS_SESSION_TOKEN", "INSTANCE_SECRET=", "INSTANCE_NAME=app"],
            "Entrypoint": ["./run_backend.sh"]},
        "NetworkSettings": {"Ports": {}, "Networks": {}},
    })
}

fn named_volume() -> Value {
    json!([{"Type": "volume", "Name": "app_data", "Driver": "local", "Destination": "/convex/data", "RW": true}])
}

/// The credentials directory as the engine sends it.
fn credentials(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |kind: tar::EntryType, name: &str, text: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    };
    add(tar::EntryType::Directory, "credentials/", "");
    for (name, text) in files {
        add(tar::EntryType::Regular, &format!("credentials/{name}"), text);
    }
    archive.into_inner().unwrap()
}

fn framed(lines: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        out.extend_from_slice(&[1, 0, 0, 0]);
        out.extend_from_slice(&u32::try_from(line.len() + 1).unwrap().to_be_bytes());
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out
}

fn answers(entries: Vec<(&str, u16, Vec<u8>)>) -> Answers {
    entries.into_iter().map(|(path, status, body)| (path.to_owned(), (status, body))).collect()
}

fn body(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn wanted() -> WantedObjects<'static> {
    let (project, directory, service) = (Some("app"), Some("/app"), Some("backend"));
    WantedObjects { project, directory, service, ..WantedObjects::default() }
}

fn volumes() -> Vec<u8> {
    body(&json!({"Warnings": null, "Volumes": [
        {"Name": "app_data", "Driver": "local", "Mountpoint": "/m", "CreatedAt": "2026-01-02T03:04:05Z",
            "Labels": {"com.docker.compose.project": "app", "com.docker.compose.volume": "data"},
            "Options": null, "Scope": "local"},
        {"Name": "old_data", "Driver": "local", "Mountpoint": "/m", "CreatedAt": "2025-01-02T03:04:05Z",
            "Labels": null, "Options": null, "Scope": "local"},
    ]}))
}

#[tokio::test]
async fn healthy_engine_yields_the_secret_in_force_the_file_and_the_log() {
    let dashboard = json!({"Id": "dash", "Names": ["/dash"], "Image": "ghcr.io/get-convex/convex-dashboard:latest",
        "Command": "node", "State": "running", "Labels": labels("dashboard"), "Ports": [], "Mounts": []});
    let top = json!({"Titles": ["UID", "PID", "CMD"], "Processes": [
        ["root", "1", "tini -- ./run_backend.sh"],
        ["root", "9", format!("./convex-local-backend --instance-name app --instance-secret {IN_FORCE} --port 3210")]]});
    let refused = "\u{1b}[33m WARN\u{1b}[0m common::errors: Caught unauthenticated_error error (x): The provided admin key was invalid for this instance: Key is for invalid instance renamed".to_owned();
    let access = |nonce: &str| {
        format!(
            "INFO convex-cloud-http: [] 1.1.1.1:1 \"GET /api/check_admin_key HTTP/1.1\" 401 \"-\" \"convex-doctor/{nonce}\" - 1ms"
        )
    };
    let log = framed(&[refused.clone(), access("aaaa"), refused, access("bbbb")]);
    let engine = Engine::start(answers(vec![
        ("/containers/json", 200, body(&json!([summary("one", "running"), dashboard]))),
        ("/volumes", 200, volumes()),
        ("/containers/one/json", 200, body(&inspected("one", "running", &named_volume()))),
        ("/containers/one/top", 200, body(&top)),
        (
            "/containers/one/archive?path=%2Fconvex%2Fdata%2Fcredentials",
            200,
            credentials(&[
                ("instance_secret", &format!("{ON_DISK}\n")),
                ("instance_name", "app\n"),
            ]),
        ),
        ("/containers/one/logs", 200, log),
    ]));
    let listing =
        docker::list(&engine.options(), &BTreeMap::new()).await.map_err(|e| e.reason).unwrap();
    let found = docker::inspect(&listing, &wanted()).await;

    let facts = &found.facts;
    assert!(facts.local);
    assert_eq!(facts.expected.as_deref(), Some("one"));
    assert_eq!(facts.companions.len(), 1);
    assert_eq!(facts.published.len(), 1);
    let backend = facts.expected().unwrap();
    let fingerprint = |state: &Observation<Option<SecretState>>| {
        state.seen().unwrap().as_ref().and_then(|state| state.fingerprint().cloned()).unwrap()
    };
    assert_ne!(fingerprint(&backend.secret.process), fingerprint(&backend.secret.file));
    assert_eq!(backend.secret.environment, Observation::Seen(None));
    assert_eq!(backend.instance_name.file, Observation::Seen(Some("app".to_owned())));
    assert_eq!(backend.software.image, "ghcr.io/get-convex/convex-backend:latest");
    assert_eq!(found.secrets.len(), 2);
    assert!(found.secrets.iter().any(|(secret, place)| secret.expose() == ON_DISK
        && matches!(place, SecretPlace::File { volume: Some(volume), .. } if volume == "app_data")));
    let volumes = facts.volumes.seen().unwrap();
    assert_eq!(
        volumes.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(),
        ["app_data", "old_data"]
    );
    assert_eq!(volumes[0].attached_to, ["one"]);

    let nonces = ["aaaa".to_owned(), "bbbb".to_owned()];
    let mut seen = facts.clone();
    let looked_back = docker::LookedBack::ask(&listing, &wanted()).await;
    looked_back.read_logs(&listing, &mut seen, None, &nonces).await;
    let log = seen.expected().unwrap().log.seen().unwrap();
    assert!(log.nonce_seen && log.refusal_adjacent);
    assert_eq!(log.refusal, Some(LoggedRefusal::WrongName("renamed".to_owned())));
    assert!(log.tail.is_empty(), "what our own requests caused is not quoted");
    engine.requests();
    let text = serde_json::to_string(facts).unwrap();
    assert!(!text.contains(IN_FORCE) && !text.contains(ON_DISK));
}

#[tokio::test]
async fn stopped_container_is_read_through_its_volume_and_never_through_a_bind() {
    let bind = json!([{"Type": "bind", "Source": "/gone/data", "Destination": "/convex/data", "RW": true}]);
    let nfs = json!([{"Type": "volume", "Name": "n", "Driver": "nfs", "Destination": "/convex/data", "RW": true}]);
    let file = || credentials(&[("instance_secret", ON_DISK)]);
    let engine = Engine::start(answers(vec![
        (
            "/containers/json",
            200,
            body(&json!([
                summary("named", "exited"),
                summary("bound", "exited"),
                summary("far", "exited")
            ])),
        ),
        ("/containers/named/json", 200, body(&inspected("named", "exited", &named_volume()))),
        ("/containers/bound/json", 200, body(&inspected("bound", "exited", &bind))),
        ("/containers/far/json", 200, body(&inspected("far", "exited", &nfs))),
        ("/containers/named/archive", 200, file()),
        ("/containers/bound/archive", 200, file()),
        ("/containers/far/archive", 200, file()),
    ]));
    let listing =
        docker::list(&engine.options(), &BTreeMap::new()).await.map_err(|e| e.reason).unwrap();
    let found = docker::inspect(&listing, &WantedObjects::default()).await;
    let file = |name: &str| found.facts.backend(name).unwrap().secret.file.clone();
    assert!(matches!(file("named"), Observation::Seen(Some(SecretState::Valid(_)))));
    assert!(matches!(file("bound"), Observation::Unavailable { .. }));
    assert!(matches!(file("far"), Observation::Unavailable { .. }));
    assert_eq!(found.facts.backend("named").unwrap().net.ports[0].host, Some(3210));
    assert!(found.facts.volumes.seen().is_err(), "the volumes answered 404");
    assert_eq!(found.facts.expected, None);
    let requests = engine.requests();
    assert!(!requests.iter().any(|r| r.contains("bound/archive") || r.contains("far/archive")));
    assert!(!requests.iter().any(|r| r.contains("/top")), "nothing runs");
}

#[tokio::test]
async fn running_container_whose_host_directory_is_gone_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let gone = home.path().join("gone");
    let bind = json!([{"Type": "bind", "Source": gone, "Destination": "/convex/data", "RW": true}]);
    let engine = Engine::start(answers(vec![
        ("/containers/json", 200, body(&json!([summary("one", "running")]))),
        ("/containers/one/json", 200, body(&inspected("one", "running", &bind))),
        ("/containers/one/top", 403, body(&json!({"message": "top is not allowed"}))),
    ]));
    let listing =
        docker::list(&engine.options(), &BTreeMap::new()).await.map_err(|e| e.reason).unwrap();
    let found = docker::inspect(&listing, &WantedObjects::default()).await;
    let one = found.facts.backend("one").unwrap();
    assert!(one.secret.file.seen().is_err());
    assert!(one.secret.process.seen().unwrap_err().reason.contains("top is not allowed"));
    assert!(!engine.requests().iter().any(|request| request.contains("/archive")));
}

#[tokio::test]
async fn hung_daemon_ends_within_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let options = DockerOptions { timeout: Duration::from_millis(800), ..options(&socket) };
    let env = BTreeMap::new();
    // The daemon would be silent for ever.
    let listed = tokio::time::timeout(Duration::from_mins(1), docker::list(&options, &env));
    let failed = listed.await.expect("no end within the deadline").err().unwrap();
    assert_eq!(failed.failure, EngineFailure::Unresponsive, "{}", failed.reason);
}

#[tokio::test]
async fn sockets_that_are_missing_dead_or_no_engine_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.sock");
    let dead = dir.path().join("dead.sock");
    drop(UnixListener::bind(&dead).unwrap());
    let garbage = Engine::start(answers(vec![("/containers/json", 200, b"<html>hello".to_vec())]));
    for (socket, words) in [
        (missing.as_path(), "does not exist"),
        (dead.as_path(), "nothing is listening"),
        (garbage.socket.as_path(), "not as a Docker engine"),
    ] {
        let failed = docker::list(&options(socket), &BTreeMap::new()).await.err().unwrap();
        assert_eq!(failed.failure, EngineFailure::Unreachable);
        assert!(failed.reason.contains(words), "{}", failed.reason);
        assert!(failed.reason.contains(socket.to_str().unwrap()));
    }
}

#[tokio::test]
async fn ten_thousand_containers_are_bounded_and_the_project_s_own_comes_first() {
    let mut all: Vec<Value> = (0..10_000)
        .map(|i| {
            let image = if i < 200 { "convex-backend" } else { "nginx" };
            json!({"Id": format!("c{i}"), "Names": [format!("/c{i}")], "Image": image, "Command": "x",
                "State": "exited", "Labels": {}, "Ports": [], "Mounts": []})
        })
        .collect();
    all.push(summary("own", "exited"));
    let engine = Engine::start(answers(vec![
        ("/containers/json", 200, body(&json!(all))),
        ("/containers/own/json", 200, body(&inspected("own", "exited", &named_volume()))),
    ]));
    let options = engine.options();
    let listing = docker::list(&options, &BTreeMap::new()).await.map_err(|e| e.reason).unwrap();
    assert_eq!(listing.containers(), 10_001);
    let found = docker::inspect(&listing, &wanted()).await;
    assert_eq!(found.facts.backends.len(), 64);
    assert_eq!(found.facts.expected.as_deref(), Some("own"));
    assert!(found.facts.notes.iter().any(|note| note.starts_with("201 containers")));
    // The other 63 answered 404: listed, and nothing of them is taken for seen.
    assert!(found.facts.backend("c0").is_none_or(|c| c.secret.file.seen().is_err()));
}
