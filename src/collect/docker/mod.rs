//! Looking at the Docker engine, in three waves: [`list`], [`inspect`], [`logs`]. Only GET is ever sent, each call has its own
//! deadline, and what fails becomes an observation that could not be made.
//!
//! It creates no container, runs nothing inside one, and does not read the archive of a container where the call itself would
//! make a directory on the host (`facts/docker.md`, finding 12).
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

mod answering;
mod archive;
mod container;
mod context;
mod expected;
mod failure;
mod log;
pub mod recognise;
mod volumes;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerSummary, SystemVersion, Volume as ListedVolume};
use bollard::query_parameters::{
    DownloadFromContainerOptions, ListContainersOptions, ListVolumesOptions, LogsOptions,
    TopOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::{Stream, StreamExt};

pub use answering::answering;
pub use context::{Target, Transport, resolve};

use crate::evidence::Observation;
use crate::evidence::docker::{
    Companion, Container, DockerFacts, EngineFailure, EngineVersion, LogFacts, MountKind, Published,
};
use crate::evidence::key::SecretPlace;
use crate::secret::{Secret, sanitize, scrub};

/// More backends than this on one engine are not looked into one by one.
const MOST_INSPECTED: usize = 64;

/// More companions and ports than this are not listed.
const MOST_LISTED: usize = 500;

/// A credentials file is 65 bytes; its tar archive is 2 KiB.
const LARGEST_ARCHIVE: usize = 64 * 1024;

/// How much of the end of a log is judged.
const LOG_KEPT: usize = 256 * 1024;

/// How much of a log is let through at all.
const LOG_READ: usize = 8 * 1024 * 1024;

/// Which engine to ask, and how patiently.
#[derive(Clone, Debug)]
pub struct Options {
    /// `-H`.
    pub host: Option<String>,
    /// `--context`.
    pub context: Option<String>,
    /// The time for one call.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { host: None, context: None, timeout: Duration::from_secs(5) }
    }
}

/// Why the engine could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unasked {
    /// What kind of failure: one of the three `docker-*` ids, or a choice of the caller.
    pub failure: EngineFailure,
    /// What happened, for the reader: the address tried, the context, the cause.
    pub reason: String,
    /// The address, a password masked; empty when none could be found out.
    pub address: String,
    /// The context that names it.
    pub context: Option<String>,
}

/// An engine that answers.
pub struct Engine {
    client: Docker,
    target: Target,
    timeout: Duration,
}

/// What the first wave brought.
pub struct Listing {
    engine: Engine,
    containers: Vec<ContainerSummary>,
    volumes: Observation<Vec<ListedVolume>>,
    version: Observation<EngineVersion>,
}

impl Listing {
    /// The engine that was asked.
    pub fn target(&self) -> &Target {
        &self.engine.target
    }

    /// How many containers it has, of whatever kind.
    pub fn containers(&self) -> usize {
        self.containers.len()
    }
}

/// The compose project that the caller stands in, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The project's name.
    pub project: Option<&'a str>,
    /// Its compose files, absolute.
    pub config_files: &'a [String],
    /// Its directory, absolute.
    pub working_dir: Option<&'a str>,
    /// The service that is the backend.
    pub service: Option<&'a str>,
    /// The keys, in the compose file, of the volumes that hold data directories, and their names on the engine.
    pub data_volume_keys: &'a [String],
}

/// What the second wave brought.
pub struct Found {
    /// The facts; `answering` and the logs are still open.
    pub facts: DockerFacts,
    /// Every instance secret met, valid or not, with its place.
    pub secrets: Vec<(Secret, SecretPlace)>,
}

/// Wave 1: the containers, the volumes and the engine's version, side by side. `env` is the process environment.
pub async fn list(options: &Options, env: &BTreeMap<String, String>) -> Result<Listing, Unasked> {
    let engine = Engine::connect(resolve(options, env)?, options.timeout)?;
    let all = ListContainersOptions { all: true, ..ListContainersOptions::default() };
    let (containers, volumes, version) = tokio::join!(
        engine.call(engine.client.list_containers(Some(all))),
        engine.call(engine.client.list_volumes(None::<ListVolumesOptions>)),
        engine.call(engine.client.version()),
    );
    let containers =
        containers.map_err(|error| failure::unasked(&error, &engine.target, engine.timeout))?;
    let volumes = match volumes {
        Ok(answer) => Observation::Seen(answer.volumes.unwrap_or_default()),
        Err(error) => Observation::unavailable(format!("the volumes: {}", failure::words(&error))),
    };
    let version = match version {
        Ok(answer) => Observation::Seen(engine_version(answer)),
        Err(error) => Observation::unavailable(format!("its version: {}", failure::words(&error))),
    };
    Ok(Listing { engine, containers, volumes, version })
}

/// Wave 2: the backends one by one, all side by side.
pub async fn inspect(listing: &Listing, wanted: &Wanted<'_>) -> Found {
    let mut notes = listing.engine.target.notes.clone();
    let mut candidates = candidates(&listing.containers, wanted);
    if candidates.len() > MOST_INSPECTED {
        notes.push(format!(
            "{} containers look like Convex backends; {MOST_INSPECTED} were looked into",
            candidates.len()
        ));
        candidates.truncate(MOST_INSPECTED);
    }

    let looked: Vec<_> = {
        let mut all = candidates
            .iter()
            .map(|(summary, recognised_by)| listing.engine.backend(summary, recognised_by))
            .collect::<futures_util::stream::FuturesUnordered<_>>();
        let mut looked = Vec::new();
        while let Some(result) = all.next().await {
            looked.push(result);
        }
        looked
    };
    let mut backends = Vec::new();
    let mut secrets = Vec::new();
    for (mut container, met, note) in looked {
        // Another machine's engine names files of that machine.
        if listing.engine.target.local && !container.config_files.is_empty() {
            let gone = |file: &String| !super::files::exists(std::path::Path::new(file));
            container.files_gone = Some(container.config_files.iter().all(gone));
        }
        backends.push(container);
        secrets.extend(met);
        notes.extend(note);
    }
    backends.sort_by(|a, b| a.name.cmp(&b.name));

    let volumes = match &listing.volumes {
        Observation::Seen(listed) => {
            let keys = wanted.data_volume_keys;
            let (volumes, note) = volumes::reduce(listed, &listing.containers, &backends, keys);
            notes.extend(note);
            Observation::Seen(volumes)
        }
        Observation::Unavailable { reason } => Observation::unavailable(reason.clone()),
    };
    let target = &listing.engine.target;
    let facts = DockerFacts {
        address: target.address.clone(),
        context: target.context.clone(),
        local: target.local,
        companions: companions(&listing.containers, &backends, wanted),
        published: published(&listing.containers),
        expected: expected::expected(&backends, wanted),
        answering: None,
        volumes,
        engine: listing.version.clone(),
        backends,
        notes,
    };
    Found { facts, secrets }
}

/// Wave 3: the end of a backend's log, searched for the nonces of this run's own requests.
pub async fn logs(listing: &Listing, container: &str, nonces: &[String]) -> Observation<LogFacts> {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        tail: "1000".to_owned(),
        ..LogsOptions::default()
    };
    let stream = listing.engine.client.logs(container, Some(options));
    let read = async {
        let mut text = Vec::new();
        let mut total = 0;
        let mut stream = std::pin::pin!(stream);
        while let Some(part) = stream.next().await {
            let message = match part? {
                LogOutput::StdErr { message }
                | LogOutput::StdOut { message }
                | LogOutput::StdIn { message }
                | LogOutput::Console { message } => message,
            };
            total += message.len();
            text.extend_from_slice(&message);
            if text.len() > 2 * LOG_KEPT {
                text.drain(..text.len() - LOG_KEPT);
            }
            if total > LOG_READ {
                break;
            }
        }
        let start = text.len().saturating_sub(LOG_KEPT);
        Ok(String::from_utf8_lossy(&text[start..]).into_owned())
    };
    match listing.engine.call(read).await {
        Ok(text) => Observation::Seen(log::read(&text, nonces)),
        Err(error) => {
            Observation::unavailable(format!("the log of {container}: {}", failure::words(&error)))
        }
    }
}

impl Engine {
    /// Makes a client; apart from looking whether the socket is there, nothing is sent.
    fn connect(target: Target, timeout: Duration) -> Result<Self, Unasked> {
        let seconds = timeout.as_secs().saturating_add(1);
        let client = match &target.transport {
            Transport::Unix(path) => match std::fs::symlink_metadata(path) {
                Err(error) => Err(Error::IOError { err: error }),
                Ok(_) => {
                    Docker::connect_with_unix(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION)
                }
            },
            Transport::Http(authority) => Docker::connect_with_http(
                &format!("tcp://{authority}"),
                seconds,
                API_DEFAULT_VERSION,
            ),
            Transport::Tls(authority, certs) => {
                // bollard panics without a provider; a second installation is refused, and that is fine.
                drop(rustls::crypto::ring::default_provider().install_default());
                Docker::connect_with_ssl(
                    &format!("tcp://{authority}"),
                    &certs.join("key.pem"),
                    &certs.join("cert.pem"),
                    &certs.join("ca.pem"),
                    seconds,
                    API_DEFAULT_VERSION,
                )
            }
        };
        match client {
            Ok(client) => Ok(Self { client, target, timeout }),
            Err(error) => Err(failure::unasked(&error, &target, timeout)),
        }
    }

    /// One call, answer and all, within the deadline: bollard's own covers the head of an answer only.
    async fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::time::timeout(self.timeout, call).await.unwrap_or(Err(Error::RequestTimeoutError))
    }

    /// Everything about one backend: what it is, then side by side its processes and its credentials.
    async fn backend(
        &self,
        summary: &ContainerSummary,
        recognised_by: &str,
    ) -> (Container, container::Secrets, Option<String>) {
        let id = summary.id.clone().unwrap_or_default();
        let mut secrets = container::Secrets::new();
        let inspected = match self.call(self.client.inspect_container(&id, None)).await {
            Ok(inspected) => inspected,
            Err(error) => {
                let name = name_of(summary);
                let note = format!("{name} could not be inspected: {}", failure::words(&error));
                return (from_summary(summary, recognised_by, &note), secrets, Some(note));
            }
        };
        let mut found = container::reduce(&inspected, recognised_by, &mut secrets);
        let obstacle = self.obstacle(&found, &inspected).await;
        let (top, (secret, name)) = tokio::join!(
            self.top(&id, &found),
            self.credentials(&id, &found.credentials_dir, obstacle.as_deref()),
        );

        let container = found.name.clone();
        match top {
            Ok(in_force) => {
                found.secret.process = Observation::Seen(in_force.secret.map(|text| {
                    let place = SecretPlace::Process { container: container.clone() };
                    container::judge(&text, place, &mut secrets)
                }));
                found.instance_name.process =
                    Observation::Seen(in_force.name.map(|name| sanitize(&name)));
            }
            Err(reason) => {
                found.secret.process = Observation::unavailable(reason.clone());
                found.instance_name.process = Observation::unavailable(reason);
            }
        }
        let volume =
            found.mount_over(&found.credentials_dir).and_then(|mount| mount.source.clone());
        found.secret.file = match secret {
            Ok(text) => Observation::Seen(text.map(|text| {
                let place = SecretPlace::File { container, volume };
                container::judge(&text, place, &mut secrets)
            })),
            Err(reason) => Observation::unavailable(reason),
        };
        found.instance_name.file = match name {
            Ok(name) => Observation::Seen(name.map(|name| sanitize(&name))),
            Err(reason) => Observation::unavailable(reason),
        };
        (found, secrets, None)
    }

    /// Why the container's files must not be read: the call mounts what is mounted into it, and would make a host directory
    /// that has vanished anew.
    async fn obstacle(
        &self,
        container: &Container,
        inspected: &bollard::models::ContainerInspectResponse,
    ) -> Option<String> {
        if let Some(mount) = container.mount_over(&container.credentials_dir)
            && mount.kind == MountKind::Tmpfs
        {
            return Some(
                "its credentials are in memory (tmpfs), which the engine does not show".to_owned(),
            );
        }
        let binds = || container.mounts.iter().filter(|mount| mount.kind == MountKind::Bind);
        if matches!(container.state.as_str(), "running" | "paused") {
            for source in binds().filter_map(|mount| mount.source.as_deref()) {
                if self.vanished(Path::new(source)).await {
                    return Some(format!(
                        "{source}, which is mounted into it, is gone; reading through the engine would make it anew"
                    ));
                }
            }
            return None;
        }
        if binds().next().is_some() {
            return Some(
                "it is stopped and a host directory is mounted into it: reading through the engine could make that directory anew"
                    .to_owned(),
            );
        }
        let foreign = inspected.mounts.iter().flatten().find(|mount| {
            mount.typ.as_deref() == Some("volume")
                && mount.driver.as_deref().is_some_and(|d| !d.is_empty() && d != "local")
        });
        foreign.map(|mount| {
            let driver = sanitize(mount.driver.as_deref().unwrap_or_default());
            format!("it is stopped and its volume belongs to the driver {driver}")
        })
    }

    /// Whether a host directory is surely gone: its parent is here, it is not. (Paths inside the machine of Docker Desktop have
    /// no parent here.)
    async fn vanished(&self, source: &Path) -> bool {
        if !self.target.local {
            return false;
        }
        let look = async {
            let gone = matches!(
                tokio::fs::symlink_metadata(source).await,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound
            );
            let parent = source.parent().unwrap_or(Path::new("/"));
            gone && parent != Path::new("/") && tokio::fs::metadata(parent).await.is_ok()
        };
        tokio::time::timeout(Duration::from_secs(1), look).await.unwrap_or(false)
    }

    /// The secret and name in force, from the process list.
    async fn top(&self, id: &str, found: &Container) -> Result<container::InForce, String> {
        if !found.is_running() {
            return Err(format!("the container does not run ({})", found.state));
        }
        match self.call(self.client.top_processes(id, None::<TopOptions>)).await {
            Ok(top) => container::in_force(&top),
            Err(error) => Err(format!("its processes: {}", failure::words(&error))),
        }
    }

    /// The two credentials files. The directory in one piece where it is a plain one: the engine takes some 60 ms for each
    /// archive, however small.
    async fn credentials(
        &self,
        id: &str,
        directory: &str,
        obstacle: Option<&str>,
    ) -> (archive::Credential, archive::Credential) {
        if let Some(obstacle) = obstacle {
            return (Err(obstacle.to_owned()), Err(obstacle.to_owned()));
        }
        match self.archive(id, directory).await {
            Ok(None) => (Ok(None), Ok(None)),
            Ok(Some(bytes)) => match archive::both(&bytes) {
                Some(both) => both,
                None => {
                    let directory = directory.trim_end_matches('/');
                    let (secret, name) = (
                        format!("{directory}/instance_secret"),
                        format!("{directory}/instance_name"),
                    );
                    tokio::join!(self.credential(id, &secret), self.credential(id, &name))
                }
            },
            Err(reason) => (Err(reason.clone()), Err(reason)),
        }
    }

    /// One credentials file on its own.
    async fn credential(&self, id: &str, path: &str) -> archive::Credential {
        match self.archive(id, path).await? {
            Some(bytes) => archive::one(&bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The tar archive of a path in a container, cut at a limit; `None` where there is no such path.
    async fn archive(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        let options = DownloadFromContainerOptions { path: path.to_owned() };
        let stream = self.client.download_from_container(id, Some(options));
        match self.call(bounded(stream, LARGEST_ARCHIVE)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::DockerResponseServerError { status_code: 404, message })
                if !message.to_ascii_lowercase().contains("no such container") =>
            {
                Ok(None)
            }
            Err(error) => Err(format!("{path}: {}", failure::words(&error))),
        }
    }
}

fn engine_version(answer: SystemVersion) -> EngineVersion {
    let podman = |name: &str| name.to_ascii_lowercase().contains("podman");
    EngineVersion {
        podman: answer.components.iter().flatten().any(|part| podman(&part.name)),
        version: sanitize(&answer.version.unwrap_or_default()),
        api: sanitize(&answer.api_version.unwrap_or_default()),
    }
}

/// The bytes of a stream, up to a limit.
async fn bounded<B: AsRef<[u8]>>(
    stream: impl Stream<Item = Result<B, Error>>,
    limit: usize,
) -> Result<Vec<u8>, Error> {
    let mut stream = std::pin::pin!(stream);
    let mut bytes = Vec::new();
    while let Some(part) = stream.next().await {
        bytes.extend_from_slice(part?.as_ref());
        if bytes.len() > limit {
            bytes.truncate(limit);
            break;
        }
    }
    Ok(bytes)
}

/// The containers to look into: this project's first, then those that run, then the newest.
fn candidates<'a>(
    containers: &'a [ContainerSummary],
    wanted: &Wanted<'_>,
) -> Vec<(&'a ContainerSummary, String)> {
    let mut found: Vec<_> = containers
        .iter()
        .filter(|summary| !one_off(summary))
        .filter_map(|summary| {
            let by = recognise::backend(sight(summary)).or_else(|| {
                let service = wanted.service?;
                (label(summary, "com.docker.compose.service") == Some(service)
                    && in_project(summary, wanted))
                .then(|| format!("it is the service {service} of the compose file"))
            })?;
            Some((summary, by))
        })
        .collect();
    found.sort_by_key(|(summary, _)| {
        let running = state(summary) == "running";
        (!in_project(summary, wanted), !running, std::cmp::Reverse(summary.created))
    });
    found
}

/// The project's other containers, and any dashboard.
fn companions(
    containers: &[ContainerSummary],
    backends: &[Container],
    wanted: &Wanted<'_>,
) -> Vec<Companion> {
    containers
        .iter()
        .filter(|summary| !one_off(summary))
        .filter(|summary| {
            let project = label(summary, "com.docker.compose.project");
            project.is_some() && project == wanted.project
                || recognise::is_dashboard(sight(summary))
        })
        .filter(|summary| !backends.iter().any(|backend| backend.name == name_of(summary)))
        .take(MOST_LISTED)
        .map(|summary| Companion {
            name: name_of(summary),
            service: label(summary, "com.docker.compose.service").map(str::to_owned),
            image: summary.image.clone().unwrap_or_default(),
            state: state(summary),
        })
        .collect()
}

/// Every TCP port of the host that a container publishes now.
fn published(containers: &[ContainerSummary]) -> Vec<Published> {
    let mut published: Vec<_> = containers
        .iter()
        .flat_map(|summary| {
            summary.ports.iter().flatten().filter_map(|port| {
                let tcp =
                    port.typ.is_none_or(|kind| matches!(kind.to_string().as_str(), "" | "tcp"));
                Some(Published {
                    host_port: port.public_port.filter(|port| tcp && *port != 0)?,
                    host_ip: container::host_ip(port.ip.as_deref()),
                    container_port: port.private_port,
                    container: name_of(summary),
                })
            })
        })
        .collect();
    published.sort_by(|a, b| {
        (a.host_port, &a.container, &a.host_ip).cmp(&(b.host_port, &b.container, &b.host_ip))
    });
    published.dedup();
    published.truncate(MOST_LISTED);
    published
}

/// What the list alone tells of a backend that could not be inspected; the rest is unavailable, not empty.
fn from_summary(summary: &ContainerSummary, recognised_by: &str, reason: &str) -> Container {
    let owned = |name: &str| label(summary, name).map(str::to_owned);
    let mut container = Container {
        name: name_of(summary),
        id: summary.id.as_deref().unwrap_or_default().chars().take(12).collect(),
        project: owned("com.docker.compose.project"),
        service: owned("com.docker.compose.service"),
        working_dir: owned("com.docker.compose.project.working_dir"),
        config_files: config_files(summary),
        image: summary.image.clone().unwrap_or_default(),
        recognised_by: recognised_by.to_owned(),
        state: state(summary),
        created_at: summary.created,
        ..Container::default()
    };
    let places = &mut container.secret;
    for place in [&mut places.process, &mut places.environment, &mut places.file] {
        *place = Observation::unavailable(reason);
    }
    let names = &mut container.instance_name;
    for place in [&mut names.process, &mut names.environment, &mut names.file] {
        *place = Observation::unavailable(reason);
    }
    container
}

fn sight(summary: &ContainerSummary) -> recognise::Sight<'_> {
    recognise::Sight {
        image: summary.image.as_deref().unwrap_or_default(),
        command: summary.command.as_deref().unwrap_or_default(),
        labels: summary.labels.as_ref(),
    }
}

fn label<'a>(summary: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    summary.labels.as_ref()?.get(name).map(String::as_str)
}

fn config_files(summary: &ContainerSummary) -> Vec<String> {
    label(summary, "com.docker.compose.project.config_files")
        .map(|files| files.split(',').map(|file| file.trim().to_owned()).collect())
        .unwrap_or_default()
}

fn in_project(summary: &ContainerSummary, wanted: &Wanted<'_>) -> bool {
    expected::belongs(
        label(summary, "com.docker.compose.project"),
        &config_files(summary),
        label(summary, "com.docker.compose.project.working_dir"),
        wanted,
    )
}

/// A container of `docker compose run`: a helper, not the service.
fn one_off(summary: &ContainerSummary) -> bool {
    label(summary, "com.docker.compose.oneoff").is_some_and(|v| v.eq_ignore_ascii_case("true"))
}

fn state(summary: &ContainerSummary) -> String {
    summary.state.map(|state| state.to_string()).unwrap_or_default()
}

/// The container's own name: not the one that a legacy link gives it, which holds a second slash.
fn name_of(summary: &ContainerSummary) -> String {
    let names = summary.names.as_deref().unwrap_or_default();
    let own = names.iter().find(|name| !name.trim_start_matches('/').contains('/'));
    own.or(names.first()).map(|name| scrub(name.trim_start_matches('/'))).unwrap_or_default()
}
