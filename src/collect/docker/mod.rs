//! The Docker engine: who is there, what is mounted, where the instance secret stands. Only GET and HEAD are sent, and no call whose
//! answer no check reads (`facts/docker.md` §4 has what each costs).
#![allow(clippy::disallowed_methods, reason = "the collector talks to the engine")]

pub mod answering;
mod context;
mod log;
pub mod recognise;
mod reduce;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerSummary, Volume};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptions, ListVolumesOptions, LogsOptions,
};
use futures_util::StreamExt as _;
use futures_util::future::join_all;

pub use answering::answering;
use context::Target;

use crate::evidence::Observation;
use crate::evidence::docker::{
    Companion, Container, DockerFacts, EngineFailure, LogFacts, Published,
};
use crate::evidence::key::SecretPlace;
use crate::secret::{Secret, sanitize};

/// At most so many backends are inspected; more on one engine are no self-hoster's.
const MOST_BACKENDS: usize = 64;
/// As much of a log is read.
const LOG_BYTES: usize = 256 * 1024;
/// A credentials file is 65 bytes; nothing longer is one.
const CREDENTIALS_BYTES: usize = 64 * 1024;

/// How to ask.
pub struct Options {
    /// `-H`.
    pub host: Option<String>,
    /// `--context`.
    pub context: Option<String>,
    /// The longest wait for one answer.
    pub timeout: Duration,
}

/// Why the engine could not be asked.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its kind.
    pub kind: EngineFailure,
    /// For the reader, with the address.
    pub reason: String,
    /// The address asked; empty where none was found.
    pub address: String,
    /// The context it comes from.
    pub context: Option<String>,
}

/// What the engine lists.
pub struct Listing {
    docker: Docker,
    target: Target,
    timeout: Duration,
    containers: Vec<ContainerSummary>,
    volumes: Observation<Vec<Volume>>,
}

/// The backend that Compose would run here, by its labels.
pub struct Wanted<'a> {
    /// The project's name.
    pub project: Option<&'a str>,
    /// Its files, absolute.
    pub config_files: &'a [String],
    /// Its directory, absolute.
    pub working_dir: Option<&'a str>,
    /// The backend's service.
    pub service: Option<&'a str>,
}

/// What was found, and every secret met on the way with its place.
pub struct Found {
    /// Without secrets.
    pub facts: DockerFacts,
    /// The secrets.
    pub secrets: Vec<(Secret, SecretPlace)>,
}

/// First wave: containers and volumes, side by side.
pub async fn list(
    options: &Options,
    environment: &BTreeMap<String, String>,
) -> Result<Listing, Failure> {
    let target = context::find(options.host.as_deref(), options.context.as_deref(), environment)
        .map_err(|reason| Failure {
            kind: EngineFailure::Unreachable,
            reason,
            address: String::new(),
            context: options.context.clone(),
        })?;
    let docker = connect(&target, options.timeout)?;
    let wanted = ListContainersOptions { all: true, ..ListContainersOptions::default() };
    let (containers, volumes) = tokio::join!(
        bounded(options.timeout, docker.list_containers(Some(wanted))),
        bounded(options.timeout, docker.list_volumes(None::<ListVolumesOptions>)),
    );
    let containers = containers.map_err(|trouble| trouble.failure(&target))?;
    let volumes = match volumes {
        Ok(answer) => Observation::Seen(answer.volumes.unwrap_or_default()),
        Err(trouble) => Observation::unavailable(trouble.failure(&target).reason),
    };
    Ok(Listing { docker, target, timeout: options.timeout, containers, volumes })
}

fn connect(target: &Target, timeout: Duration) -> Result<Docker, Failure> {
    // bollard counts whole seconds; the exact bound is `bounded`.
    let seconds = timeout.as_secs() + 1;
    let version = bollard::API_DEFAULT_VERSION;
    let scheme = target.address.split("://").next().unwrap_or_default();
    let connected = match scheme {
        "unix" => Docker::connect_with_unix(&target.address, seconds, version),
        "tcp" | "http" => Docker::connect_with_http(&target.address, seconds, version),
        _ => {
            return Err(Failure {
                kind: EngineFailure::NotAsked,
                reason: format!(
                    "{}: engines at {scheme}:// cannot be asked yet; run convex-doctor on that machine",
                    target.shown()
                ),
                address: target.shown(),
                context: target.context.clone(),
            });
        }
    };
    connected.map_err(|error| Trouble::Engine(Box::new(error)).failure(target))
}

/// What goes wrong with one call.
enum Trouble {
    Slow,
    Engine(Box<bollard::errors::Error>),
}

impl Trouble {
    fn failure(self, target: &Target) -> Failure {
        let place = match &target.context {
            Some(context) => format!("{} (context {})", target.shown(), sanitize(context)),
            None => target.shown(),
        };
        let (kind, what) = match self {
            Self::Slow => (
                EngineFailure::Unresponsive,
                "the Docker engine accepts and does not answer".to_owned(),
            ),
            Self::Engine(error) => describe(&error),
        };
        let user = match (&kind, super::surroundings::uid()) {
            (EngineFailure::PermissionDenied, Some(uid)) => format!(" (uid {uid})"),
            _ => String::new(),
        };
        Failure {
            kind,
            reason: format!("{what}: {place}{user}"),
            address: target.shown(),
            context: target.context.clone(),
        }
    }
}

/// The kind of an error, from the operating system's own word where one is in the chain.
fn describe(error: &bollard::errors::Error) -> (EngineFailure, String) {
    use bollard::errors::Error;
    match error {
        Error::RequestTimeoutError => (
            EngineFailure::Unresponsive,
            "the Docker engine accepts and does not answer".to_owned(),
        ),
        Error::SocketNotFoundError(_) => {
            (EngineFailure::Unreachable, "no Docker socket there".to_owned())
        }
        Error::DockerResponseServerError { status_code, message } => (
            EngineFailure::Unreachable,
            format!(
                "the engine answers {status_code} ({})",
                sanitize(&crate::secret::scrub(message))
            ),
        ),
        error => {
            let mut chain: Option<&(dyn std::error::Error + 'static)> = Some(error);
            while let Some(cause) = chain {
                if let Some(io) = cause.downcast_ref::<std::io::Error>() {
                    return of_io(io);
                }
                chain = cause.source();
            }
            (EngineFailure::Unreachable, "no Docker engine that can be understood".to_owned())
        }
    }
}

fn of_io(error: &std::io::Error) -> (EngineFailure, String) {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::PermissionDenied => {
            (EngineFailure::PermissionDenied, "permission denied on the Docker socket".to_owned())
        }
        ErrorKind::NotFound => (EngineFailure::Unreachable, "no Docker socket there".to_owned()),
        ErrorKind::ConnectionRefused => {
            (EngineFailure::Unreachable, "no Docker engine is listening".to_owned())
        }
        ErrorKind::TimedOut => {
            (EngineFailure::Unresponsive, "the Docker engine does not answer".to_owned())
        }
        _ => (
            EngineFailure::Unreachable,
            format!("no Docker engine ({})", sanitize(&error.to_string())),
        ),
    }
}

async fn bounded<T>(
    timeout: Duration,
    call: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(timeout, call).await {
        Err(_) => Err(Trouble::Slow),
        Ok(Err(error)) => Err(Trouble::Engine(Box::new(error))),
        Ok(Ok(value)) => Ok(value),
    }
}

/// Second wave: every container that may be a backend is inspected, its process list and its credentials read, all side by side.
pub async fn inspect(listing: &Listing, wanted: &Wanted<'_>) -> Found {
    let candidates: Vec<&ContainerSummary> = listing
        .containers
        .iter()
        .filter(|summary| reduce::may_be_backend(summary, wanted))
        .take(MOST_BACKENDS)
        .collect();
    let looked = join_all(candidates.iter().map(|summary| look_into(listing, summary))).await;
    let mut secrets = Vec::new();
    let mut backends = Vec::new();
    let local = listing.target.is_local();
    for (mut container, found) in looked.into_iter().flatten() {
        if local && !container.config_files.is_empty() {
            let gone = |file: &String| !super::files::exists(std::path::Path::new(file));
            container.files_gone = Some(container.config_files.iter().all(gone));
        }
        backends.push(container);
        secrets.extend(found);
    }
    let expected = reduce::expected(&backends, wanted);
    let volumes = match &listing.volumes {
        Observation::Seen(volumes) => {
            Observation::Seen(reduce::volumes(volumes, &listing.containers, &backends, wanted))
        }
        Observation::Unavailable { reason } => Observation::unavailable(reason),
    };
    let facts = DockerFacts {
        address: listing.target.shown(),
        context: listing.target.context.clone(),
        local: listing.target.is_local(),
        companions: companions(listing, wanted, &backends),
        published: published(&listing.containers),
        expected,
        answering: None,
        volumes,
        backends,
    };
    Found { facts, secrets }
}

/// One candidate: what it is, and the secrets in it; `None` when it turns out to be no backend, or is gone.
async fn look_into(
    listing: &Listing,
    summary: &ContainerSummary,
) -> Option<(Container, Vec<(Secret, SecretPlace)>)> {
    let id = summary.id.as_deref()?;
    let call = listing.docker.inspect_container(id, None::<InspectContainerOptions>);
    let inspected: ContainerInspectResponse = bounded(listing.timeout, call).await.ok()?;
    let (mut container, mut secrets) = reduce::container(&inspected, summary)?;
    let (top, files) = tokio::join!(top(listing, id, &container), async {
        match may_read_archive(&container) {
            Ok(()) => archive(listing, id, &container.credentials_dir).await,
            Err(reason) => Observation::unavailable(reason),
        }
    });
    reduce::add_processes(&mut container, top, &mut secrets);
    reduce::add_files(&mut container, files, &mut secrets);
    Some((container, secrets))
}

/// Whether the archive endpoint may be asked (design §5.1): on a stopped container with a bind it would create the host's directory
/// anew when that has vanished.
fn may_read_archive(container: &Container) -> Result<(), &'static str> {
    use crate::evidence::docker::MountKind;
    let over = container.mount_over(&container.credentials_dir).map(|mount| mount.kind);
    match (container.is_running() || container.state == "paused", over) {
        (_, Some(MountKind::Tmpfs)) => {
            Err("the credentials lie in memory, which the engine does not show")
        }
        (true, _) | (false, Some(MountKind::Named | MountKind::Anonymous)) => Ok(()),
        (false, Some(MountKind::Bind)) => Err(
            "the container is stopped and its data is a directory of the host: reading through Docker could create it anew",
        ),
        (false, None) => Err("the container is stopped and has no volume over its credentials"),
    }
}

async fn top(listing: &Listing, id: &str, container: &Container) -> Observation<Vec<Vec<String>>> {
    if !container.is_running() {
        return Observation::unavailable(format!("{} is not running", container.name));
    }
    let options = bollard::query_parameters::TopOptions::default();
    match bounded(listing.timeout, listing.docker.top_processes(id, Some(options))).await {
        Ok(answer) => Observation::Seen(reduce::commands(&answer)),
        Err(trouble) => Observation::unavailable(format!(
            "the process list of {} cannot be read: {}",
            container.name,
            trouble.failure(&listing.target).reason
        )),
    }
}

/// Both credentials files out of a container, in one archive: each call costs the engine tens of milliseconds.
async fn archive(listing: &Listing, id: &str, path: &str) -> Observation<reduce::Credentials> {
    let options = bollard::query_parameters::DownloadFromContainerOptions { path: path.to_owned() };
    let read = async {
        let mut stream = Box::pin(listing.docker.download_from_container(id, Some(options)));
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() > CREDENTIALS_BYTES {
                break;
            }
        }
        Ok(zeroize::Zeroizing::new(bytes))
    };
    match bounded(listing.timeout, read).await {
        Ok(bytes) => reduce::credentials(&bytes),
        Err(Trouble::Engine(error))
            if matches!(
                *error,
                bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }
            ) =>
        {
            Observation::Seen(reduce::Credentials::default())
        }
        Err(trouble) => Observation::unavailable(format!(
            "the credentials files cannot be read: {}",
            trouble.failure(&listing.target).reason
        )),
    }
}

/// Third wave: what a container's log says about our own probes.
pub async fn logs(listing: &Listing, name: &str, nonces: &[String]) -> Observation<LogFacts> {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        tail: "400".to_owned(),
        ..LogsOptions::default()
    };
    let read = async {
        let mut stream = Box::pin(listing.docker.logs(name, Some(options)));
        let mut text = String::new();
        while let Some(chunk) = stream.next().await {
            text.push_str(&String::from_utf8_lossy(&chunk?.into_bytes()));
            if text.len() > LOG_BYTES {
                break;
            }
        }
        Ok(text)
    };
    match bounded(listing.timeout, read).await {
        Ok(text) => Observation::Seen(log::read(&text, nonces)),
        Err(trouble) => Observation::unavailable(format!(
            "the log of {} cannot be read: {}",
            sanitize(name),
            trouble.failure(&listing.target).reason
        )),
    }
}

fn companions(listing: &Listing, wanted: &Wanted<'_>, backends: &[Container]) -> Vec<Companion> {
    let of_project = |summary: &&ContainerSummary| {
        let project = reduce::label(summary, "com.docker.compose.project");
        project.is_some() && project == wanted.project
    };
    listing
        .containers
        .iter()
        .filter(of_project)
        .map(|summary| Companion {
            name: reduce::name(summary),
            service: reduce::label(summary, "com.docker.compose.service").map(sanitize),
            image: sanitize(summary.image.as_deref().unwrap_or_default()),
            state: summary.state.map(|state| state.to_string()).unwrap_or_default(),
        })
        .filter(|companion| !backends.iter().any(|backend| backend.name == companion.name))
        .take(MOST_BACKENDS)
        .collect()
}

fn published(containers: &[ContainerSummary]) -> Vec<Published> {
    let mut all: Vec<Published> = Vec::new();
    for summary in containers {
        for port in summary.ports.iter().flatten() {
            let Some(host_port) = port.public_port else { continue };
            let one = Published {
                host_port,
                host_ip: port.ip.clone().unwrap_or_default(),
                container_port: port.private_port,
                container: reduce::name(summary),
            };
            if all.len() < 1000 && !all.contains(&one) {
                all.push(one);
            }
        }
    }
    all
}
