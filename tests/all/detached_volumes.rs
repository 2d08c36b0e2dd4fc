//! The volumes that no backend has: read in their own directory where they lie, and through a
//! helper container with `--deep`, which is gone afterwards, whatever the engine does.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "a test serves sockets and files")]
#![allow(
    clippy::unwrap_used,
    reason = "a test may fail; clippy knows only the test functions themselves"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use convex_doctor::collect::docker::{self, DockerOptions, WantedObjects};
use convex_doctor::evidence::Observation;
use convex_doctor::evidence::docker::DockerFacts;
use convex_doctor::evidence::key::SecretPlace;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;

const SECRET: &str = "3333333333333333333333333333333333333333333333333333333333333333";

/// A nameless volume that the engine makes.
const EXTRA: &str = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";
/// A nameless volume that is looked into.
const NAMELESS: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// How the engine misbehaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It makes the container, and answers too late.
    LateCreate,
    /// It does not answer for an archive.
    SilentArchive,
    /// It refuses to make one.
    RefusesCreate,
    /// It makes a volume of its own for the container.
    ExtraVolume,
    /// It cannot mount `broken_data`, and then fails at every path of that container.
    BrokenVolume,
}

#[derive(Default)]
struct State {
    requests: Vec<String>,
    /// Name and `Binds` of every container that was made and is still there.
    helpers: BTreeMap<String, Vec<String>>,
    bodies: Vec<Value>,
}

struct Engine {
    _dir: tempfile::TempDir,
    socket: PathBuf,
    state: Arc<Mutex<State>>,
    /// Of each call: long where the engine answers, as the machine may be busy.
    timeout: Duration,
}

impl Engine {
    fn start(volumes: Vec<Value>, leftovers: Vec<Value>, fault: Fault) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        for leftover in &leftovers {
            let name = leftover["Names"][0].as_str().unwrap().trim_start_matches('/').to_owned();
            state.lock().unwrap().helpers.insert(name, vec![]);
        }
        let (shared, world) = (Arc::clone(&state), Arc::new((volumes, leftovers)));
        // On a thread of its own: a run that is cut off blocks the caller's until its helper is
        // gone.
        let serve = async move {
            let listener = UnixListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (state, world) = (Arc::clone(&shared), Arc::clone(&world));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (state, world) = (Arc::clone(&state), Arc::clone(&world));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let path = parts.uri.path_and_query().unwrap().to_string();
                        let late = answer(&parts.method, &path, &body, &state, &world, fault);
                        let (wait, status, header, body) = late;
                        tokio::time::sleep(wait).await;
                        let mut response = Response::builder().status(status);
                        if let Some(stat) = header {
                            let stat = base64(stat.to_string().as_bytes());
                            response = response.header("X-Docker-Container-Path-Stat", stat);
                        }
                        Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
                    }
                });
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    let _closed = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(serve);
        });
        let is_mute = matches!(fault, Fault::LateCreate | Fault::SilentArchive);
        let timeout = Duration::from_secs(if is_mute { 3 } else { 20 });
        Self { _dir: dir, socket, state, timeout }
    }

    async fn listing(&self) -> docker::Listing {
        let options = DockerOptions {
            host: Some(format!("unix://{}", self.socket.display())),
            timeout: self.timeout,
            ..DockerOptions::default()
        };
        docker::list(&options, &BTreeMap::new()).await.map_err(|failed| failed.reason).unwrap()
    }

    async fn facts(&self) -> (docker::Listing, DockerFacts) {
        let listing = self.listing().await;
        let facts = docker::inspect(&listing, &WantedObjects::default()).await.facts;
        (listing, facts)
    }

    fn helpers(&self) -> Vec<String> {
        self.state.lock().unwrap().helpers.keys().cloned().collect()
    }

    fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }
}

type Answer = (Duration, u16, Option<Value>, Vec<u8>);

fn answer(
    method: &Method,
    path: &str,
    body: &[u8],
    state: &Mutex<State>,
    (volumes, leftovers): &(Vec<Value>, Vec<Value>),
    fault: Fault,
) -> Answer {
    let mut state = state.lock().unwrap();
    state.requests.push(format!("{method} {path}"));
    let json = |status: u16, value: Value| (Duration::ZERO, status, None, value.to_string().into());
    let missing = || json(404, json!({"message": "no such thing"}));
    let parameter = |name: &str| {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let plain = path.split('?').next().unwrap();
    let parts: Vec<&str> = plain.trim_matches('/').split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["containers", "json"]) => {
            let backend = json!({"Id": "one", "Names": ["/one"], "Image": "convex-backend", "ImageID": "sha256:aa",
                "Command": "./run_backend.sh", "State": "running", "Labels": {}, "Ports": [], "Mounts": []});
            json(200, Value::Array(std::iter::once(backend).chain(leftovers.clone()).collect()))
        }
        ("GET", ["volumes"]) => json(200, json!({"Volumes": volumes, "Warnings": null})),
        ("GET", ["volumes", name]) => volumes
            .iter()
            .find(|it| it["Name"] == *name)
            .map_or_else(missing, |it| json(200, it.clone())),
        ("GET", ["images", _, "json"]) => {
            json(200, json!({"Id": "sha256:aa", "Config": {"Volumes": {"/convex/data": {}}}}))
        }
        ("POST", ["containers", "create"]) if fault == Fault::RefusesCreate => {
            json(403, json!({"message": "authorization denied by plugin"}))
        }
        ("POST", ["containers", "create"]) => {
            let body: Value = serde_json::from_slice(body).unwrap();
            let binds = body["HostConfig"]["Binds"].as_array().unwrap();
            let binds = binds.iter().map(|bind| bind.as_str().unwrap().to_owned()).collect();
            state.helpers.insert(parameter("name").unwrap(), binds);
            state.bodies.push(body);
            let late = if fault == Fault::LateCreate { 60 } else { 0 };
            let made = json!({"Id": "helper", "Warnings": []}).to_string();
            (Duration::from_secs(late), 201, None, made.into())
        }
        ("GET", ["containers", name, "json"]) if state.helpers.contains_key(*name) => {
            // A path of the image that nothing was mounted over would have one more, made for it.
            let names = state.helpers[*name].iter().map(|bind| bind.split(':').next().unwrap());
            let extra = (fault == Fault::ExtraVolume).then_some(EXTRA);
            let mounts: Vec<Value> =
                names.chain(extra).map(|name| json!({"Type": "volume", "Name": name})).collect();
            json(200, json!({"Id": name, "Mounts": mounts}))
        }
        ("DELETE", ["volumes", EXTRA]) => json(204, Value::Null),
        ("DELETE", ["containers", name]) => match state.helpers.remove(*name) {
            Some(_) => json(204, Value::Null),
            None => missing(),
        },
        (_, ["containers", name, "archive"]) if state.helpers.contains_key(*name) => {
            if fault == Fault::SilentArchive {
                return (Duration::from_mins(1), 200, None, vec![]);
            }
            let binds = &state.helpers[*name];
            if binds.iter().any(|bind| bind.starts_with("broken_data:")) {
                return json(500, json!({"message": "error while mounting volume"}));
            }
            archive(method, &parameter("path").unwrap(), binds).unwrap_or_else(missing)
        }
        _ => missing(),
    }
}

/// `old_data` holds credentials and a database, `linked_data` a link in place of its credentials;
/// all others are empty.
fn archive(method: &Method, path: &str, binds: &[String]) -> Option<Answer> {
    let mut parts = path.trim_start_matches("/convex-doctor/").splitn(2, '/');
    let at = parts.next()?;
    let bind = binds.iter().find(|bind| bind.contains(&format!(":/convex-doctor/{at}:")))?;
    let volume = bind.split(':').next()?;
    let (mode, size, link) = match (volume, parts.next()) {
        (_, None) => (1_u32 << 31 | 0o755, 4096, ""),
        ("old_data", Some("db.sqlite3")) => (0o644, 12_345, ""),
        ("old_data", Some("credentials")) => (1 << 31 | 0o755, 4096, ""),
        ("linked_data", Some("credentials")) => {
            (1 << 27 | 0o777, 10, "/convex-doctor/0/credentials")
        }
        _ => return None,
    };
    let stat = json!({"name": "x", "size": size, "mode": mode, "mtime": "2026-01-02T03:04:05Z", "linkTarget": link});
    let body = if method == Method::HEAD { vec![] } else { credentials() };
    Some((Duration::ZERO, 200, Some(stat), body))
}

fn credentials() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, name, text) in [
        (tar::EntryType::Directory, "credentials/", String::new()),
        (tar::EntryType::Regular, "credentials/instance_secret", format!("{SECRET}\n")),
        (tar::EntryType::Regular, "credentials/instance_name", "old\n".to_owned()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(text.len() as u64);
        header.set_cksum();
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let word = part.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - part.len()));
        for at in 0..4 {
            let digit = (word >> (18 - 6 * at)) & 63;
            out.push(if at <= part.len() { DIGITS[digit as usize] as char } else { '=' });
        }
    }
    out
}

fn volume(name: &str) -> Value {
    json!({"Name": name, "Driver": "local", "Mountpoint": format!("/nowhere/{name}/_data"), "Scope": "local",
        "CreatedAt": "2026-01-02T03:04:05Z", "Labels": null, "Options": null})
}

fn content(
    facts: &DockerFacts,
    name: &str,
) -> Observation<convex_doctor::evidence::docker::VolumeContent> {
    facts.volumes.seen().unwrap().iter().find(|it| it.name == name).unwrap().content.clone()
}

#[tokio::test]
async fn the_directory_of_a_volume_is_read_and_nothing_is_asked_of_the_engine() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("old_data/_data");
    std::fs::create_dir_all(data.join("credentials")).unwrap();
    std::fs::write(data.join("credentials/instance_secret"), format!("{SECRET}\n")).unwrap();
    let mut old = volume("old_data");
    old["Mountpoint"] = json!(data);
    old["CreatedAt"] = json!(
        jiff::Timestamp::from_second(Path::new(&data).metadata().unwrap().mtime())
            .unwrap()
            .to_string()
    );
    // The same directory by a driver's option, and by another driver: left alone.
    let mut by_option = old.clone();
    (by_option["Name"], by_option["Options"]) = (json!("opt_data"), json!({"type": "nfs"}));
    let mut by_driver = old.clone();
    (by_driver["Name"], by_driver["Driver"]) = (json!("nfs_data"), json!("rexray"));
    let engine = Engine::start(vec![old, by_option, by_driver], vec![], Fault::None);
    let (listing, mut facts) = engine.facts().await;
    let before = engine.requests().len();
    let secrets = docker::look_into_volumes(&listing, &mut facts, false, 0).await;
    assert_eq!(engine.requests().len(), before);
    let [(secret, SecretPlace::Volume { volume })] = secrets.as_slice() else { panic!() };
    assert_eq!((secret.expose(), volume.as_str()), (SECRET, "old_data"));
    assert!(content(&facts, "old_data").seen().unwrap().secret.is_some());
    assert!(content(&facts, "opt_data").seen().unwrap_err().reason.contains("options"));
    assert!(content(&facts, "nfs_data").seen().unwrap_err().reason.contains("driver rexray"));
    assert!(!serde_json::to_string(&facts).unwrap().contains(SECRET));
}

#[tokio::test]
async fn a_helper_is_made_by_the_rules_looked_into_and_removed() {
    let volumes = ["old_data", "empty_data", "linked_data"].map(volume).to_vec();
    let engine = Engine::start(volumes, vec![], Fault::None);
    let (listing, mut facts) = engine.facts().await;
    let secrets = docker::look_into_volumes(&listing, &mut facts, true, 0).await;
    assert_eq!(secrets.len(), 1);
    let old = content(&facts, "old_data").seen().unwrap().clone();
    assert_eq!(old.database_bytes, Some(12_345));
    assert_eq!(old.instance_name.as_deref(), Some("old"));
    assert!(!content(&facts, "empty_data").seen().unwrap().is_convex());
    let linked = content(&facts, "linked_data").seen().unwrap_err().reason;
    assert!(linked.contains("not a plain directory"), "a link leads elsewhere: {linked}");

    assert_eq!(engine.helpers(), Vec::<String>::new());
    let body = engine.state.lock().unwrap().bodies[0].clone();
    let binds: Vec<&str> =
        body["HostConfig"]["Binds"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(binds.iter().all(|bind| bind.ends_with(":ro,nocopy")), "{binds:?}");
    assert!(binds.iter().any(|bind| bind.contains(":/convex/data:")), "no volume is made for it");
    assert_eq!(body["HostConfig"]["NetworkMode"], "none");
    assert_eq!(body["Image"], "sha256:aa");
    assert!(body["Labels"]["convex-doctor.helper"].is_string());
    let requests = engine.requests();
    assert!(!requests.iter().any(|request| request.contains("/start") || request.contains("exec")));
    let last = requests.last().unwrap();
    assert!(
        last.starts_with("DELETE") && last.contains("v=false") && last.contains("force=false"),
        "{last}"
    );
}

/// Podman deletes the nameless volumes of a container that is removed with `v=1`, also those that
/// were there before.
#[tokio::test]
async fn only_a_volume_that_was_made_for_the_helper_is_deleted() {
    for (fault, deleted) in [(Fault::None, 0), (Fault::ExtraVolume, 1)] {
        let engine = Engine::start(vec![volume("old_data"), volume(NAMELESS)], vec![], fault);
        let (listing, mut facts) = engine.facts().await;
        docker::look_into_volumes(&listing, &mut facts, true, 0).await;
        assert!(content(&facts, NAMELESS).seen().is_ok());
        let requests = engine.requests();
        assert!(!requests.iter().any(|request| request.contains("v=true")));
        let of_volumes: Vec<_> =
            requests.iter().filter(|request| request.starts_with("DELETE /volumes")).collect();
        assert_eq!(of_volumes.len(), deleted, "{of_volumes:?}");
        assert!(of_volumes.iter().all(|request| request.contains(EXTRA)));
    }
}

#[tokio::test]
async fn no_helper_stays_behind_whatever_the_engine_does() {
    for (fault, known) in [
        (Fault::LateCreate, false),
        (Fault::SilentArchive, false),
        (Fault::RefusesCreate, false),
        (Fault::BrokenVolume, true),
    ] {
        let volumes = ["old_data", "broken_data"].map(volume).to_vec();
        let volumes = if fault == Fault::BrokenVolume { volumes } else { volumes[..1].to_vec() };
        let engine = Engine::start(volumes, vec![], fault);
        let (listing, mut facts) = engine.facts().await;
        let secrets = docker::look_into_volumes(&listing, &mut facts, true, 0).await;
        // A broken volume spoils the helper for all: each is then looked into on its own.
        assert_eq!(!secrets.is_empty(), known);
        assert_eq!(content(&facts, "old_data").seen().is_ok(), known);
        assert_eq!(engine.helpers(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_run_that_is_cut_off_takes_its_helper_away() {
    let engine = Engine::start(vec![volume("old_data")], vec![], Fault::SilentArchive);
    let (listing, mut facts) = engine.facts().await;
    let look = docker::look_into_volumes(&listing, &mut facts, true, 0);
    let is_looked_into = async {
        while !engine.requests().iter().any(|request| request.contains("/archive")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = look => panic!("the engine does not answer, and it came to an end"),
        () = is_looked_into => {}
    }
    assert_eq!(engine.helpers(), Vec::<String>::new());
}

#[tokio::test]
async fn what_an_earlier_run_left_is_no_backend_and_goes_only_when_asked() {
    let left = json!({"Id": "left", "Names": ["/convex-doctor-helper-1"], "Image": "convex-backend", "State": "created",
        "Created": 1000, "Labels": {"convex-doctor.helper": "elsewhere/1"}, "Ports": [],
        "Mounts": [{"Type": "volume", "Name": "old_data", "Destination": "/convex-doctor/0"}]});
    let engine = Engine::start(vec![volume("old_data")], vec![left], Fault::None);
    let (listing, mut facts) = engine.facts().await;
    assert!(facts.backend("convex-doctor-helper-1").is_none());
    assert!(facts.volumes.seen().unwrap()[0].attached_to.is_empty());
    docker::look_into_volumes(&listing, &mut facts, false, 9_000).await;
    assert_eq!(engine.helpers().len(), 1, "a default run only reads");
    docker::look_into_volumes(&listing, &mut facts, true, 1_010).await;
    assert_eq!(engine.helpers().len(), 1, "it may be in use");
    docker::look_into_volumes(&listing, &mut facts, true, 9_000).await;
    assert_eq!(engine.helpers(), Vec::<String>::new());
    assert!(facts.notes.iter().any(|note| note.contains("convex-doctor-helper-1")));
}
