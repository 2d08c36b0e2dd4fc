//! The recorded world: broken deployments served from inside the process, over a real Unix socket
//! and real HTTP, so that the whole program runs on a machine with neither Docker nor Convex. The
//! fixture tests use the same stage.
#![allow(
    clippy::disallowed_methods,
    reason = "the recorded world is served over real sockets and files"
)]

pub mod backend;
pub mod engine;
pub mod world;

mod between;
mod podman;
mod scenarios;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use anyhow::Context as _;
use regex::{Captures, Regex};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use crate::admin_key::{self, Claims, InstanceSecret, KeyKind};
use crate::names;
use crate::secret::Secret;
use backend::Backend;
use backend::log::Log;
use engine::Requests;
pub use scenarios::{SCENARIOS, Scenario};
use world::{Server, World};

/// 2026-03-02T10:00:00Z: when the keys of the recorded worlds were issued, unless they say
/// otherwise.
const ISSUED: u64 = 1_772_445_600;

/// The secret that upstream publishes for development.
const PUBLIC_DEVELOPMENT: &str = "4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974";

/// A world that is being served. It ends when this is dropped.
pub struct Stage {
    /// The directory in which the doctor is to run.
    pub directory: PathBuf,
    /// The project's directory: the same, or above it.
    pub project: PathBuf,
    /// The port of each server, by its name.
    pub ports: BTreeMap<String, u16>,
    /// The environment it is to see: nothing of the real one.
    pub environment: BTreeMap<String, String>,
    /// The arguments it is to get.
    pub arguments: Vec<String>,
    /// Every secret that the world holds, to be searched for in every output.
    pub secrets: Vec<String>,
    /// What the engine was asked.
    pub requests: Requests,
    /// Everything that the doctor sent to servers that are not a Convex backend.
    pub strangers: Requests,
    _reserved: Vec<TcpSocket>,
    _directory: tempfile::TempDir,
}

impl Stage {
    /// Lays out the files and starts the servers of `world`; `files` are the scenario's own, path
    /// and text.
    pub async fn raise(world: &World, files: &[(String, String)]) -> anyhow::Result<Self> {
        let temporary = tempfile::Builder::new().prefix("convex-doctor-").tempdir()?;
        // On some systems the temporary directory is a link; labels hold the real path.
        let root = std::fs::canonicalize(temporary.path())?;
        let project = root.join("app");
        std::fs::create_dir(&project)?;
        let mut filler = Filler::new(project.display().to_string());
        let mut listeners = BTreeMap::new();
        let mut reserved = Vec::new();
        for (name, server) in &world.servers {
            if matches!(server, Server::None) {
                // Bound and never listened at: refused, and no other program can get it.
                let socket = TcpSocket::new_v4()?;
                socket.bind(([127, 0, 0, 1], 0).into())?;
                filler.ports.insert(name.clone(), socket.local_addr()?.port());
                reserved.push(socket);
                continue;
            }
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            filler.ports.insert(name.clone(), listener.local_addr()?.port());
            listeners.insert(name.clone(), listener);
        }
        for (path, text) in files {
            let path = project.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&path, filler.fill(text)?)?;
        }
        install_cli(&project, world, files)?;
        let filled: String = filler.fill(&serde_json::to_string(world)?)?;
        let world: World = serde_json::from_str(&filled)?;
        let mut logs = Vec::new();
        let strangers = Requests::default();
        for (name, server) in &world.servers {
            let Some(listener) = listeners.remove(name) else { continue };
            if let Some((container, log)) =
                serve(server, listener, &filler.ports, &strangers).await?
            {
                logs.push((container, log));
            }
        }
        let socket = root.join("docker.sock");
        let requests = Requests::default();
        // Without an engine, nothing is there.
        let mut address = format!("unix://{}", socket.display());
        if let Some(engine) = world.engine {
            let directory = project.display().to_string();
            let state = engine::State { engine, directory, logs, requests: Arc::clone(&requests) };
            address = engine::serve(&socket, state)?;
        }
        for (context, engine) in world.other_engines {
            let socket = root.join(format!("{context}.sock"));
            let directory = project.display().to_string();
            let requests = Arc::clone(&requests);
            let state = engine::State { engine, directory, logs: vec![], requests };
            write_context(&root, &context, &engine::serve(&socket, state)?)?;
        }
        if let Some(tracked) = &world.git {
            make_work_tree(&project, tracked)?;
        }
        let mut environment = world.environment;
        environment.entry("DOCKER_HOST".to_owned()).or_insert(address);
        environment.entry(names::HOME.to_owned()).or_insert_with(|| root.display().to_string());
        let mut path = std::env::var("PATH").unwrap_or_default();
        if let Some(node) = &world.node {
            path = format!("{}:{path}", install_node(&root, node)?.display());
        }
        environment.entry("PATH".to_owned()).or_insert(path);
        Ok(Self {
            directory: world.directory.map_or_else(|| project.clone(), |below| project.join(below)),
            project,
            ports: filler.ports,
            environment,
            arguments: world.arguments,
            secrets: filler.secrets.into_inner().unwrap_or_else(PoisonError::into_inner),
            requests,
            strangers,
            _reserved: reserved,
            _directory: temporary,
        })
    }
}

/// The package of the Convex CLI, where the project is an app and brings none along.
fn install_cli(project: &Path, world: &World, files: &[(String, String)]) -> anyhow::Result<()> {
    let has = |start: &str| files.iter().any(|(path, _)| path.starts_with(start));
    let Some(cli) = world.cli.as_ref().filter(|_| has("package.json")) else { return Ok(()) };
    if has("node_modules/") || has(".pnp") {
        return Ok(());
    }
    let package = project.join("node_modules/convex");
    std::fs::create_dir_all(&package)?;
    let text = serde_json::json!({ "name": "convex", "version": cli });
    std::fs::write(package.join("package.json"), text.to_string())?;
    Ok(())
}

/// A directory with a program `node`, which says its version by its path and is never started.
fn install_node(root: &Path, version: &str) -> anyhow::Result<PathBuf> {
    let directory = root.join(format!("node-v{version}/bin"));
    std::fs::create_dir_all(&directory)?;
    let program = directory.join("node");
    std::fs::write(&program, "")?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(directory)
}

/// Creates a docker context in `home`.
fn write_context(home: &Path, name: &str, host: &str) -> anyhow::Result<()> {
    let digest = hex::encode(Sha256::digest(name));
    let directory = home.join(".docker/contexts/meta").join(digest);
    std::fs::create_dir_all(&directory)?;
    let meta = serde_json::json!({"Name": name, "Endpoints": {"docker": {"Host": host}}});
    std::fs::write(directory.join("meta.json"), meta.to_string())?;
    Ok(())
}

async fn serve(
    server: &Server,
    listener: TcpListener,
    ports: &BTreeMap<String, u16>,
    strangers: &Requests,
) -> anyhow::Result<Option<(String, Log)>> {
    match server {
        Server::Convex { instance_name, secret, container, built, cloud_origin, site_origin } => {
            let log = Log::in_memory();
            let secret = Secret::new(secret.clone());
            let mut backend = Backend::new(instance_name, &secret, log.clone())
                .context("a recorded backend needs a secret of 64 hex digits")?;
            if let Some(day) = built {
                backend.built = day.parse().context("`built` is a day: 2025-05-01")?;
            }
            let site = TcpListener::bind(("127.0.0.1", 0)).await?;
            let own = |port: u16| format!("http://127.0.0.1:{port}");
            let site_port = ports.get("site").copied().unwrap_or(site.local_addr()?.port());
            let cloud_origin = cloud_origin.clone().unwrap_or(own(listener.local_addr()?.port()));
            let site_origin = site_origin.clone().unwrap_or(own(site_port));
            let backend = backend.with_origins(&cloud_origin, &site_origin);
            tokio::spawn(backend.serve(listener, site));
            Ok(container.clone().map(|container| (container, log)))
        }
        Server::Site => {
            let secret = Secret::new("0".repeat(64));
            let backend = Backend::new("convex-self-hosted", &secret, Log::in_memory())
                .context("64 digits are a secret")?;
            let api = TcpListener::bind(("127.0.0.1", 0)).await?;
            tokio::spawn(backend.serve(api, listener));
            Ok(None)
        }
        Server::Dashboard { deployment_url, admin_key } => {
            let backend = ports.get("backend").copied().unwrap_or(3210);
            let usual = format!("http://127.0.0.1:{backend}");
            let properties = serde_json::json!({
                "deploymentUrl": deployment_url.as_ref().unwrap_or(&usual),
                "adminKey": admin_key.as_deref().unwrap_or_default(),
            });
            let page = format!(
                "<!DOCTYPE html><html><head><title>Convex Dashboard</title></head><body><script id=\"__NEXT_DATA__\" \
                 type=\"application/json\">{{\"props\":{{\"pageProps\":{properties}}}}}</script></body></html>"
            );
            let headers = [("content-type".to_owned(), "text/html; charset=utf-8".to_owned())];
            answer_always(listener, 200, &headers.into(), &page, strangers);
            Ok(None)
        }
        Server::Page { status, headers, body } => {
            answer_always(listener, *status, headers, body, strangers);
            Ok(None)
        }
        Server::Proxy { to, server, drops, largest_body } => {
            let port = |name: &String| {
                ports.get(name).copied().with_context(|| format!("no server is called {name}"))
            };
            let to = to.iter().map(port).collect::<anyhow::Result<_>>()?;
            let (server, drops, largest_body) = (server.clone(), drops.clone(), *largest_body);
            between::Proxy { to, server, drops, largest_body }.serve(listener);
            Ok(None)
        }
        Server::Slow { to, ms } => {
            let port = *ports.get(to).with_context(|| format!("no server is called {to}"))?;
            answer_late(listener, port, std::time::Duration::from_millis(*ms));
            Ok(None)
        }
        Server::Silent => {
            tokio::spawn(async move {
                let mut kept = Vec::new();
                while let Ok((stream, _)) = listener.accept().await {
                    kept.push(stream);
                }
            });
            Ok(None)
        }
        Server::Closes => {
            tokio::spawn(async move { while listener.accept().await.is_ok() {} });
            Ok(None)
        }
        Server::None => Ok(None),
    }
}

/// Hands everything on to another port, the answers after a while.
fn answer_late(listener: TcpListener, port: u16, delay: std::time::Duration) {
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(behind) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else {
                    return;
                };
                let (mut from_client, mut to_client) = stream.into_split();
                let (mut from_server, mut to_server) = behind.into_split();
                let answers = async {
                    let mut chunk = [0; 4096];
                    while let Ok(count @ 1..) = from_server.read(&mut chunk).await {
                        tokio::time::sleep(delay).await;
                        if to_client.write_all(&chunk[..count]).await.is_err() {
                            break;
                        }
                    }
                };
                let _ended =
                    tokio::join!(tokio::io::copy(&mut from_client, &mut to_server), answers);
            });
        }
    });
}

/// One answer to every request, and a record of what was asked.
fn answer_always(
    listener: TcpListener,
    status: u16,
    headers: &BTreeMap<String, String>,
    body: &str,
    strangers: &Requests,
) {
    let mut answer = format!("HTTP/1.1 {status} Recorded\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("connection: close\r\n\r\n");
    answer.push_str(body);
    let answer = Arc::new(answer);
    let strangers = Arc::clone(strangers);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            let strangers = Arc::clone(&strangers);
            tokio::spawn(async move {
                let mut head = Vec::new();
                let mut chunk = [0; 4096];
                while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < 65_536 {
                    match stream.read(&mut chunk).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => head.extend_from_slice(&chunk[..count]),
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let line = head.lines().next().unwrap_or_default().to_owned();
                strangers.lock().unwrap_or_else(PoisonError::into_inner).push((line, head));
                let _closed = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
}

fn make_work_tree(directory: &Path, tracked: &[String]) -> anyhow::Result<()> {
    let git = |arguments: &[&str]| -> anyhow::Result<()> {
        let done = std::process::Command::new("git")
            .args(["-c", "init.defaultBranch=main"])
            .args(arguments)
            .current_dir(directory)
            .output()?;
        anyhow::ensure!(done.status.success(), "git {arguments:?} failed");
        Ok(())
    };
    git(&["init", "--quiet"])?;
    for file in tracked {
        git(&["add", "--force", "--", file])?;
    }
    Ok(())
}

/// Fills placeholders in, and keeps every secret that it made.
struct Filler {
    directory: String,
    ports: BTreeMap<String, u16>,
    secrets: std::sync::Mutex<Vec<String>>,
}

impl Filler {
    fn new(directory: String) -> Self {
        Self { directory, ports: BTreeMap::new(), secrets: std::sync::Mutex::default() }
    }

    fn fill(&self, text: &str) -> anyhow::Result<String> {
        let pattern = Regex::new(r"\{\{([a-z-]+)(?::([^}]*))?\}\}")?;
        let mut unknown = None;
        let filled = pattern.replace_all(text, |found: &Captures<'_>| {
            let argument = found.get(2).map_or("", |group| group.as_str());
            self.value(&found[1], argument).unwrap_or_else(|| {
                unknown = Some(found[0].to_owned());
                String::new()
            })
        });
        let filled = filled.into_owned();
        anyhow::ensure!(unknown.is_none(), "unknown placeholder {}", unknown.unwrap_or_default());
        Ok(filled)
    }

    fn value(&self, what: &str, argument: &str) -> Option<String> {
        let mut parts = argument.split(':');
        let first = parts.next().unwrap_or_default();
        let second = parts.next().unwrap_or("convex-self-hosted");
        let issued = parts.next().map_or(Some(ISSUED), |text| text.parse().ok())?;
        let read_only = what == "read-only-key";
        if what == "literal" {
            let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
            secrets.push(argument.to_owned());
            return Some(argument.to_owned());
        }
        let value = match what {
            "dir" => return Some(self.directory.clone()),
            "port" => return self.ports.get(first).map(ToString::to_string),
            "secret" => secret_of(first),
            "key" | "read-only-key" => key_of(first, second, issued, read_only)?,
            "key-hex" => {
                let key = key_of(first, second, issued, false)?;
                key.rsplit('|').next().unwrap_or_default().to_owned()
            }
            "system-key" => system_key_of(first, second, issued)?,
            "legacy-key" => legacy_key_of(first, second, issued)?,
            _ => return None,
        };
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(value.clone());
        Some(value)
    }
}

fn key_of(secret: &str, instance: &str, issued: u64, read_only: bool) -> Option<String> {
    let secret = InstanceSecret::parse(&Secret::new(secret_of(secret))).ok()?;
    let key = admin_key::mint(&secret, instance, issued, [7; 12], read_only);
    Some(key.expose().to_owned())
}

fn legacy_key_of(secret: &str, instance: &str, issued: u64) -> Option<String> {
    let secret = InstanceSecret::parse(&Secret::new(secret_of(secret))).ok()?;
    let claims = Claims { legacy: true, ..Claims::of_member_zero(issued, false) };
    let key = admin_key::mint_legacy(&secret, Some(instance), &claims, [7; 24]);
    Some(key.expose().to_owned())
}

fn system_key_of(secret: &str, instance: &str, issued: u64) -> Option<String> {
    let secret = InstanceSecret::parse(&Secret::new(secret_of(secret))).ok()?;
    let claims = Claims {
        kind: Some(KeyKind::System),
        member_id: None,
        ..Claims::of_member_zero(issued, false)
    };
    let key = admin_key::mint_claims(&secret, Some(instance), &claims, [7; 12]);
    Some(key.expose().to_owned())
}

/// 64 hex digits made from a name; `public` is the one that upstream publishes for development.
fn secret_of(name: &str) -> String {
    if name == "public" {
        return PUBLIC_DEVELOPMENT.to_owned();
    }
    hex::encode(Sha256::digest(format!("convex-doctor recorded secret {name}")))
}
