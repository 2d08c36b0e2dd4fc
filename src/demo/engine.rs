//! A Docker engine that has what a [`World`](super::world::World) says, over a real Unix socket:
//! the answers have the shape of API 1.45 (docs/facts.md, docker-api), cut to what is
//! read. It records every request, and takes nothing but GET and HEAD.
#![allow(clippy::disallowed_methods, reason = "the recorded world is served over real sockets")]

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::backend::log::Log;
use super::podman::translate;
use super::world::{WorldContainer, WorldEngine, WorldMount};
use http_body_util::Full as WholeBody;

/// Every request the engine got: method and path with query.
pub type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// The engine's state: what the world says, the directory and ports filled in, and the logs of the
/// servers.
pub struct State {
    /// What it has.
    pub engine: WorldEngine,
    /// The project's directory.
    pub directory: String,
    /// The log of each container that a server plays.
    pub logs: Vec<(String, Log)>,
    /// What it was asked.
    pub requests: Requests,
}

/// The socket, and its address as DOCKER_HOST has it.
#[cfg(unix)]
fn listen(socket: &Path) -> std::io::Result<(tokio::net::UnixListener, String)> {
    Ok((tokio::net::UnixListener::bind(socket)?, format!("unix://{}", socket.display())))
}

/// Without Unix sockets: a port of this machine.
#[cfg(not(unix))]
fn listen(_: &Path) -> std::io::Result<(tokio::net::TcpListener, String)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = format!("tcp://{}", listener.local_addr()?);
    Ok((tokio::net::TcpListener::from_std(listener)?, address))
}

/// Serves on `socket` until the task is dropped; returns its address.
pub fn serve(socket: &Path, state: State) -> std::io::Result<String> {
    let (listener, address) = listen(socket)?;
    let state = Arc::new(state);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            if state.engine.silent {
                kept.push(stream);
                continue;
            }
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = state.answer(request.method(), request.uri());
                    let podman = state.engine.podman;
                    async move {
                        let answer = if podman { translate(answer).await } else { answer };
                        Ok::<_, Infallible>(answer)
                    }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _closed = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(address)
}

impl State {
    fn answer(&self, method: &Method, uri: &hyper::Uri) -> Response<WholeBody<Bytes>> {
        let asked = uri.path_and_query().map_or_else(String::new, ToString::to_string);
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((method.to_string(), asked));
        if method != Method::GET && method != Method::HEAD {
            return error(StatusCode::METHOD_NOT_ALLOWED, "the recorded engine changes nothing");
        }
        let path = without_version(uri.path());
        let query = uri.query().unwrap_or_default();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["_ping"] => text(StatusCode::OK, "OK"),
            ["version"] => answer(
                &json!({"Version": "26.1.5", "ApiVersion": "1.45", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"}),
            ),
            ["info"] => answer(&json!({"ServerVersion": "26.1.5", "Name": "recorded"})),
            ["containers", "json"] => answer(&Value::Array(
                self.engine.containers.iter().map(|one| self.listed(one)).collect(),
            )),
            ["volumes"] => answer(
                &json!({"Volumes": self.engine.volumes.iter().map(volume).collect::<Vec<_>>(), "Warnings": null}),
            ),
            ["events"] => text(StatusCode::OK, &self.events()),
            ["volumes", name] => match self.engine.volumes.iter().find(|one| one.name == *name) {
                Some(one) => answer(&volume(one)),
                None => error(StatusCode::NOT_FOUND, &format!("get {name}: no such volume")),
            },
            ["containers", id, what] => match self.find(id) {
                Some(container) => self.of_container(container, what, query, method),
                None => error(StatusCode::NOT_FOUND, &format!("No such container: {id}")),
            },
            _ => error(StatusCode::NOT_FOUND, "page not found"),
        }
    }

    /// What happened, an object a line.
    fn events(&self) -> String {
        let now = jiff::Timestamp::now().as_second();
        let lines = self.engine.events.iter().map(|event| {
            let (id, mut attributes) = match event.kind.as_str() {
                "volume" => (event.name.clone(), json!({"driver": "local"})),
                _ => (container_id(&event.name), json!({"name": event.name})),
            };
            for (name, value) in &event.attributes {
                attributes[name] = json!(value);
            }
            let actor = json!({"ID": id, "Attributes": attributes});
            let time = now - event.seconds_ago;
            json!({"Type": event.kind, "Action": event.action, "Actor": actor, "time": time})
                .to_string()
                + "\n"
        });
        lines.collect()
    }

    fn find(&self, id: &str) -> Option<&WorldContainer> {
        let named = id.trim_start_matches("%2F");
        self.engine
            .containers
            .iter()
            .find(|one| one.name == named || container_id(&one.name).starts_with(id))
    }

    fn of_container(
        &self,
        container: &WorldContainer,
        what: &str,
        query: &str,
        method: &Method,
    ) -> Response<WholeBody<Bytes>> {
        match what {
            "json" => answer(&self.inspected(container)),
            "top" if state(container) == "running" => answer(&processes(container)),
            "top" => error(
                StatusCode::CONFLICT,
                &format!("container {} is not running", container_id(&container.name)),
            ),
            "archive" => archive(container, &parameter(query, "path"), method),
            "logs" => self.logs(container),
            _ => error(StatusCode::NOT_FOUND, "page not found"),
        }
    }

    fn labels(&self, container: &WorldContainer) -> Value {
        let mut labels = serde_json::Map::new();
        if let Some(project) = &container.project {
            let service = container.service.as_deref().unwrap_or("backend");
            let directory = container.working_dir.as_deref().unwrap_or(&self.directory);
            let files = container
                .config_files
                .clone()
                .unwrap_or_else(|| format!("{directory}/docker-compose.yml"));
            for (name, value) in [
                ("project", project.as_str()),
                ("service", service),
                ("project.working_dir", directory),
                ("project.config_files", &files),
                ("container-number", "1"),
                ("oneoff", "False"),
                ("version", "2.40.3"),
            ] {
                labels.insert(format!("com.docker.compose.{name}"), json!(value));
            }
        }
        let own = container.labels.iter();
        labels.extend(own.map(|(name, value)| (name.clone(), json!(value))));
        Value::Object(labels)
    }

    fn listed(&self, container: &WorldContainer) -> Value {
        json!({
            "Id": container_id(&container.name),
            "Names": [format!("/{}", container.name)],
            "Image": image(container),
            "ImageID": format!("sha256:{}", container_id(image(container))),
            "Command": entrypoint(container).join(" "),
            "Created": seconds(container.created.as_deref()),
            "Ports": published(container),
            "Labels": self.labels(container),
            "State": state(container),
            "Status": match state(container) {
                "running" => "Up 2 hours".to_owned(),
                "exited" => format!("Exited ({}) 2 hours ago", container.exit_code),
                other => other.to_owned(),
            },
            "HostConfig": {"NetworkMode": container.network_mode.as_deref().unwrap_or("bridge")},
            "NetworkSettings": {"Networks": {}},
            "Mounts": container.mounts.iter().filter_map(mount).collect::<Vec<_>>(),
        })
    }

    fn inspected(&self, container: &WorldContainer) -> Value {
        let running = state(container) == "running";
        let created = container.created.as_deref().unwrap_or("2026-03-01T09:00:00Z");
        let network = container.network_mode.as_deref().unwrap_or("bridge");
        let bindings: serde_json::Map<String, Value> = container
            .ports
            .iter()
            .map(|(inside, host)| {
                (format!("{inside}/tcp"), json!([{"HostIp": "", "HostPort": host}]))
            })
            .collect();
        let live: serde_json::Map<String, Value> = container
            .ports
            .iter()
            .filter(|_| running)
            .map(|(inside, host)| {
                (format!("{inside}/tcp"), json!([{"HostIp": "0.0.0.0", "HostPort": host}]))
            })
            .collect();
        let tmpfs: serde_json::Map<String, Value> = container
            .mounts
            .iter()
            .filter(|mount| mount.kind == "tmpfs")
            .map(|mount| (mount.target.clone(), json!("")))
            .collect();
        let mut state_json = json!({
            "Status": state(container),
            "Running": running,
            "Paused": state(container) == "paused",
            "Restarting": state(container) == "restarting",
            "OOMKilled": container.oom_killed,
            "Dead": false,
            "Pid": if running { 4242 } else { 0 },
            "ExitCode": container.exit_code,
            "Error": container.error.as_deref().unwrap_or(""),
            "StartedAt": if state(container) == "created" { "0001-01-01T00:00:00Z" } else { created },
            "FinishedAt": if running { "0001-01-01T00:00:00Z" } else { "2026-03-05T10:00:00Z" },
        });
        if let Some(health) = &container.health {
            let log: Vec<Value> = container
                .health_log
                .iter()
                .map(|output| json!({"ExitCode": 1, "Output": output}))
                .collect();
            state_json["Health"] = json!({"Status": health, "FailingStreak": 0, "Log": log});
        }
        json!({
            "Id": container_id(&container.name),
            "Created": created,
            "Path": entrypoint(container).first(),
            "Args": [],
            "State": state_json,
            "Image": format!("sha256:{}", container_id(image(container))),
            "Name": format!("/{}", container.name),
            "RestartCount": container.restarts,
            "Driver": "overlay2",
            "HostConfig": {
                "AutoRemove": container.auto_remove,
                "NetworkMode": container.network_mode.as_deref().unwrap_or("bridge"),
                "PortBindings": bindings,
                "Binds": null,
                "Tmpfs": tmpfs,
            },
            "Mounts": container.mounts.iter().filter_map(mount).collect::<Vec<_>>(),
            "Config": {
                "Image": image(container),
                "Env": container.environment,
                "Entrypoint": entrypoint(container),
                "Cmd": null,
                "WorkingDir": "/convex",
                "Tty": false,
                "Labels": self.labels(container),
            },
            "NetworkSettings": {"Ports": live, "Networks": {network: {"IPAddress": ""}}},
        })
    }

    fn logs(&self, container: &WorldContainer) -> Response<WholeBody<Bytes>> {
        let mut body = Vec::new();
        let recorded = self.logs.iter().filter(|(name, _)| *name == container.name);
        let lines = recorded.flat_map(|(_, log)| log.lines()).map(|line| (line.stderr, line.text));
        for (stderr, line) in container.log.iter().map(|line| (false, line.clone())).chain(lines) {
            let bytes = format!("{line}\n").into_bytes();
            body.extend([if stderr { 2 } else { 1 }, 0, 0, 0]);
            body.extend(u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
            body.extend(bytes);
        }
        respond(StatusCode::OK, "application/vnd.docker.multiplexed-stream", body)
    }
}

fn state(container: &WorldContainer) -> &str {
    container.state.as_deref().unwrap_or("running")
}

fn image(container: &WorldContainer) -> &str {
    container.image.as_deref().unwrap_or("ghcr.io/get-convex/convex-backend:latest")
}

fn entrypoint(container: &WorldContainer) -> Vec<String> {
    let usual = if container.companion { "node" } else { "./run_backend.sh" };
    container.entrypoint.clone().unwrap_or_else(|| vec![usual.to_owned()])
}

/// 64 hex digits made from a name, as an id.
pub(super) fn container_id(name: &str) -> String {
    hex::encode(Sha256::digest(format!("container {name}")))
}

fn seconds(time: Option<&str>) -> i64 {
    time.and_then(|time| time.parse::<jiff::Timestamp>().ok())
        .map_or(1_772_355_600, jiff::Timestamp::as_second)
}

fn published(container: &WorldContainer) -> Vec<Value> {
    if state(container) != "running" {
        return Vec::new();
    }
    container
        .ports
        .iter()
        .map(|(inside, host)| {
            let host: u16 = host.parse().unwrap_or(0);
            json!({"IP": "0.0.0.0", "PrivatePort": inside, "PublicPort": host, "Type": "tcp"})
        })
        .collect()
}

fn mount(mount: &WorldMount) -> Option<Value> {
    let source = mount.source.clone().unwrap_or_default();
    let mode = if mount.read_only { "ro" } else { "rw" };
    Some(match mount.kind.as_str() {
        "volume" => json!({
            "Type": "volume", "Name": source, "Source": format!("/var/lib/docker/volumes/{source}/_data"),
            "Destination": mount.target, "Driver": "local", "Mode": mode, "RW": !mount.read_only, "Propagation": "",
        }),
        "bind" => json!({
            "Type": "bind", "Source": source, "Destination": mount.target, "Mode": mode,
            "RW": !mount.read_only, "Propagation": "rprivate",
        }),
        // A short tmpfs is in HostConfig.Tmpfs only.
        _ => return None,
    })
}

fn volume(volume: &super::world::WorldVolume) -> Value {
    let mut labels = serde_json::Map::new();
    for (name, value) in [("project", &volume.project), ("volume", &volume.key)] {
        if let Some(value) = value {
            labels.insert(format!("com.docker.compose.{name}"), json!(value));
        }
    }
    if volume.of_image {
        labels.insert("com.docker.volume.anonymous".to_owned(), json!(""));
    }
    let labels = if labels.is_empty() { Value::Null } else { Value::Object(labels) };
    json!({
        "Name": volume.name, "Driver": "local", "Mountpoint": format!("/var/lib/docker/volumes/{}/_data", volume.name),
        "CreatedAt": volume.created.as_deref().unwrap_or("2026-03-01T09:00:00Z"), "Labels": labels,
        "Options": null, "Scope": "local",
    })
}

/// The process list: a backend's own line where it runs, and its shell's.
fn processes(container: &WorldContainer) -> Value {
    let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    let row = |command: &str| json!(["root", "4242", "1", "0", "09:00", "?", "00:00:01", command]);
    let mut rows = Vec::new();
    if let Some(secret) = container.secret.as_ref().filter(|_| !container.companion) {
        let name = container.instance_name.as_deref().unwrap_or("convex-self-hosted");
        rows.push(row(&format!(
            "./convex-local-backend --instance-name {name} --instance-secret {secret} --port 3210 --site-proxy-port 3211 \
             --convex-origin http://127.0.0.1:3210 --convex-site http://127.0.0.1:3211 /convex/data/db.sqlite3"
        )));
    } else {
        rows.push(row("node server.js"));
    }
    json!({"Titles": titles, "Processes": rows})
}

/// The credentials files, as the archive endpoint gives them.
fn archive(container: &WorldContainer, path: &str, method: &Method) -> Response<WholeBody<Bytes>> {
    let variable = |name: &str| {
        let prefix = format!("{name}=");
        container.environment.iter().find_map(|entry| entry.strip_prefix(&prefix))
    };
    // A relative path starts in the working directory of the image.
    let inside = |path: &str| match path.strip_prefix('/') {
        Some(_) => path.to_owned(),
        None => format!("/convex/{}", path.trim_start_matches("./")),
    };
    let data = inside(variable("DATA_DIR").unwrap_or("data"));
    let credentials =
        variable("CREDENTIALS_DIR").map_or_else(|| format!("{data}/credentials"), inside);
    let secret = container.file_secret.as_ref().or(container.secret.as_ref());
    let usual = "convex-self-hosted".to_owned();
    let name = container.file_name.as_ref().or(container.instance_name.as_ref()).unwrap_or(&usual);
    let files = [("instance_secret", secret), ("instance_name", secret.map(|_| name))];
    let wanted: Vec<(&str, &String)> = files
        .into_iter()
        .filter_map(|(file, text)| Some((file, text?)))
        .filter(|(file, _)| path == format!("{credentials}/{file}") || path == credentials)
        .collect();
    if wanted.is_empty() || container.companion || container.credentials_gone {
        return error(
            StatusCode::NOT_FOUND,
            &format!("Could not find the file {path} in container {}", container.name),
        );
    }
    let is_directory = path == credentials;
    let mut tar = tar::Builder::new(Vec::new());
    for (file, text) in wanted {
        let text = format!("{text}\n");
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_772_355_600);
        let entry = if is_directory { format!("credentials/{file}") } else { file.to_owned() };
        let _in_memory = tar.append_data(&mut header, entry, text.as_bytes());
    }
    let body = tar.into_inner().unwrap_or_default();
    let stat = json!({
        "name": path.rsplit('/').next(), "size": 65, "mode": if is_directory { 2_147_484_141_u64 } else { 420 },
        "mtime": "2026-03-01T09:00:00Z", "linkTarget": "",
    });
    let body = if method == Method::HEAD { Vec::new() } else { body };
    let mut response = respond(StatusCode::OK, "application/x-tar", body);
    let encoded = super::backend::encoding::base64(stat.to_string().as_bytes());
    if let Ok(value) = encoded.parse() {
        response.headers_mut().insert("x-docker-container-path-stat", value);
    }
    response
}

fn without_version(path: &str) -> &str {
    let rest = path.strip_prefix("/v1.").unwrap_or(path);
    if rest.len() == path.len() {
        return path;
    }
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

fn parameter(query: &str, name: &str) -> String {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

fn answer(value: &Value) -> Response<WholeBody<Bytes>> {
    respond(StatusCode::OK, "application/json", value.to_string().into_bytes())
}

fn error(status: StatusCode, message: &str) -> Response<WholeBody<Bytes>> {
    respond(status, "application/json", json!({"message": message}).to_string().into_bytes())
}

fn text(status: StatusCode, text: &str) -> Response<WholeBody<Bytes>> {
    respond(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
}

fn respond(status: StatusCode, kind: &str, body: Vec<u8>) -> Response<WholeBody<Bytes>> {
    let mut response = Response::new(WholeBody::new(Bytes::from(body)));
    *response.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert("content-type", kind);
    }
    response.headers_mut().insert("api-version", hyper::header::HeaderValue::from_static("1.45"));
    response
        .headers_mut()
        .insert("server", hyper::header::HeaderValue::from_static("Docker/26.1.5 (linux)"));
    response
}
