//! What the Docker engine shows: the Convex backends on it, their mounts, and where the instance
//! secret is.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::Observation;
use super::sql::SqlUrl;
use super::words::words;
use crate::names::is_anonymous_volume;
use crate::report::Certainty;
use crate::secret::Fingerprint;

/// The engine that could not be asked, next to the reason in `Evidence::docker`, so that the three
/// `docker-*` ids can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FailedEngine {
    /// Why.
    pub kind: EngineFailure,
    /// The address asked, for example `unix:///var/run/docker.sock`; a password masked.
    pub address: String,
    /// The context the address comes from.
    pub context: Option<String>,
}

/// Why the engine could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EngineFailure {
    /// No socket, nothing listening, no such host.
    Unreachable,
    /// EACCES on the socket.
    PermissionDenied,
    /// It accepts and says nothing.
    Unresponsive,
    /// `--no-docker`, or DOCKER_HOST of a kind that is not supported.
    NotAsked,
}

/// The engine that was asked, and what it has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DockerFacts {
    /// The address asked, for example `unix:///var/run/docker.sock`; a password masked.
    pub address: String,
    /// The context the address comes from; `None` for DOCKER_HOST, `-H` or the default.
    pub context: Option<String>,
    /// Whether the engine runs on this machine (a unix socket or a loopback address).
    pub local: bool,
    /// Every container that looks like a Convex backend, running or not.
    pub backends: Vec<Container>,
    /// Containers of this compose project that are not a backend (dashboard, database), briefly.
    pub companions: Vec<Companion>,
    /// Who publishes which host port, backends or not: needed to say what a wrong port belongs to.
    pub published: Vec<Published>,
    /// The name of the container that Compose would run as the backend of this project.
    pub expected: Option<String>,
    /// The container that answers at the selected URL, and how that is known.
    pub answering: Option<Answering>,
    /// The engines of the other docker contexts; asked only when this one has no container of the
    /// project and the key was not seen to be accepted, `None` else.
    #[serde(default)]
    pub other_contexts: Option<Vec<OtherContext>>,
    /// Volumes that may belong to a Convex instance: attached to a backend, declared in the compose
    /// file, or named like one.
    pub volumes: Observation<Vec<Volume>>,
    /// What the engine is: `volume prune` deletes other volumes before API 1.42 than since.
    #[serde(default)]
    pub engine: Observation<EngineVersion>,
    /// Volumes that the compose file declares and that this engine does not have, by their full
    /// names. Of no account where the list of volumes was not seen.
    #[serde(default)]
    pub absent_volumes: Vec<String>,
    /// What the engine remembers of this project's containers and volumes, the oldest first; asked
    /// only when something is wrong.
    #[serde(default)]
    pub events: Observation<Vec<EngineEvent>>,
    /// What limited the looking: a configuration that could not be read, more candidates than were
    /// inspected.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Something that happened to a container or a volume, as the engine remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EngineEvent {
    /// When, seconds since 1970.
    pub at: i64,
    /// To what.
    pub subject: EventSubject,
    /// Its name.
    pub name: String,
    /// What: `create`, `start`, `kill`, `die`, `stop`, `oom`, `destroy`, …
    pub action: String,
    /// The exit code of a container that ended.
    pub exit_code: Option<i64>,
    /// The signal that was sent.
    pub signal: Option<i64>,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventSubject {
    /// A container.
    Container,
    /// A volume.
    Volume,
}

impl DockerFacts {
    /// The backend container of that name.
    pub fn backend(&self, name: &str) -> Option<&Container> {
        self.backends.iter().find(|container| container.name == name)
    }

    /// The container that Compose would run here.
    pub fn expected(&self) -> Option<&Container> {
        self.backend(self.expected.as_deref()?)
    }

    /// The container behind the URL, and how surely that is known.
    pub fn answering(&self) -> Option<(&Container, Certainty)> {
        let answering = self.answering.as_ref()?;
        Some((self.backend(&answering.container)?, answering.certainty))
    }
}

/// The engine of another docker context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OtherContext {
    /// The context's name.
    pub name: String,
    /// Its engine's address; a password masked.
    pub address: String,
    /// The project's containers there, by their labels.
    pub containers: Observation<Vec<String>>,
}

/// The container behind the selected URL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answering {
    /// Its name.
    pub container: String,
    /// `Proven` by the nonce in its access log; `Likely` by its published port or address and its
    /// name and answers agreeing.
    pub certainty: Certainty,
    /// How it is known, for the reader.
    pub how: String,
}

words! {
    /// The state of a container, in the engine's word.
    pub enum ContainerState {
        /// Its process runs.
        Running = "running",
        /// Its process ended.
        Exited = "exited",
        /// It did not start yet.
        Created = "created",
        /// It waits for its next start after a crash.
        Restarting = "restarting",
        /// Its process is frozen.
        Paused = "paused",
        /// It could not be removed.
        Dead = "dead",
    }
}

impl Default for ContainerState {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

words! {
    /// The result of a container's health check, in the engine's word.
    pub enum ContainerHealth {
        /// It has not passed yet.
        Starting = "starting",
        /// It passes.
        Healthy = "healthy",
        /// It fails.
        Unhealthy = "unhealthy",
    }
}

/// The mount that holds `path`: of those whose target is `path` or a parent of it, the one with the
/// longest.
pub(super) fn deepest_over<'a, M>(
    path: &str,
    mounts: &'a [M],
    target: impl Fn(&M) -> &str,
) -> Option<&'a M> {
    let target = |mount: &M| target(mount).trim_end_matches('/').to_owned();
    let holds = |mount: &&M| {
        path.strip_prefix(target(mount).as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    mounts.iter().filter(holds).max_by_key(|mount| target(mount).len())
}

/// A container that looks like a Convex backend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Container {
    /// Without the leading slash.
    pub name: String,
    /// The first 12 hex digits of its id.
    pub id: String,
    /// What its labels say of it.
    #[serde(flatten)]
    pub labels: ContainerLabels,
    /// Its image.
    #[serde(flatten)]
    pub software: BackendImage,
    /// Its state, and how it came to it.
    #[serde(flatten)]
    pub life: ContainerLife,
    /// Where it can be reached.
    #[serde(flatten)]
    pub net: ContainerNetwork,
    /// Where it keeps its data.
    #[serde(flatten)]
    pub storage: ContainerStorage,
    /// The instance secret in the places that can hold it.
    pub secret: SecretPlaces,
    /// The instance name in the same places.
    pub instance_name: NamePlaces,
    /// CONVEX_CLOUD_ORIGIN in its environment.
    #[serde(default)]
    pub cloud_origin: Option<String>,
    /// CONVEX_SITE_ORIGIN in its environment.
    #[serde(default)]
    pub site_origin: Option<String>,
    /// What its log says; read only when something is wrong.
    pub log: Observation<LogFacts>,
}

/// What the labels of a container say of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContainerLabels {
    /// Label `com.docker.compose.project`.
    pub project: Option<String>,
    /// Label `com.docker.compose.service`.
    pub service: Option<String>,
    /// Label `com.docker.compose.project.working_dir`.
    pub working_dir: Option<String>,
    /// Label `com.docker.compose.project.config_files`, split at commas.
    pub config_files: Vec<String>,
    /// Whether none of its compose files is on this machine any more; `None` where that cannot be
    /// known (another machine's engine, no labels).
    #[serde(default)]
    pub files_gone: Option<bool>,
    /// Of its labels those by which a panel or a cluster marks what it runs (`coolify.*`,
    /// `com.docker.swarm.*`, `io.kubernetes.*`).
    #[serde(default)]
    pub managed_by: BTreeMap<String, String>,
}

/// The image of a backend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BackendImage {
    /// `.Config.Image`: as the compose file or the command named it.
    pub image: String,
    /// How it was recognised as a backend, for the reader.
    pub recognised_by: String,
    /// Whether its entrypoint is upstream's `run_backend.sh`.
    pub upstream_entrypoint: bool,
    /// The commit that its image was built from (label `org.opencontainers.image.revision`).
    #[serde(default)]
    pub revision: Option<String>,
}

/// The state of a container, and how it came to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContainerLife {
    /// `running`, `exited`, `created`, `restarting`, `paused`, `dead`.
    pub state: ContainerState,
    /// The exit code of the last run.
    pub exit_code: Option<i64>,
    /// `starting`, `healthy`, `unhealthy`; `None` without a healthcheck.
    pub health: Option<ContainerHealth>,
    /// The end of the output of the last health check, secrets cut.
    #[serde(default)]
    pub health_output: Vec<String>,
    /// Killed by the kernel for its memory.
    pub oom_killed: bool,
    /// Restarts by the restart policy.
    pub restarts: i64,
    /// When it was created, seconds since 1970.
    pub created_at: Option<i64>,
    /// When it last started, seconds since 1970.
    pub started_at: Option<i64>,
    /// When it last stopped, seconds since 1970.
    pub finished_at: Option<i64>,
    /// Whether its stop deletes it and its anonymous volumes (`--rm`).
    #[serde(default)]
    pub auto_remove: bool,
    /// The error of the last start as the engine words it (a port that is taken, a mount that
    /// failed).
    pub start_error: Option<String>,
}

/// Where a container can be reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContainerNetwork {
    /// `host`, `bridge`, or a network's name.
    pub network_mode: Option<String>,
    /// Its addresses on the engine's networks.
    pub addresses: Vec<String>,
    /// What it publishes now, or would when started (`HostConfig.PortBindings`).
    pub ports: Vec<Port>,
    /// The names of the engine's networks that it is on.
    #[serde(default)]
    pub networks: Vec<String>,
}

/// Where a container keeps its data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContainerStorage {
    /// Everything mounted into it, tmpfs included.
    pub mounts: Vec<Mount>,
    /// The targets whose volume its definition names, as after a recreate by Compose: the engine
    /// then takes even a volume of its own naming for a named one, and `rm -v` leaves it (moby
    /// `daemon/mounts.go`, `removeMountPoints`).
    #[serde(default)]
    pub volumes_by_name: Vec<String>,
    /// DATA_DIR as it is used, `/convex/data` by default.
    pub data_dir: String,
    /// When the credentials file was written, seconds since 1970; `None` where it was not read.
    #[serde(default)]
    pub credentials_written_at: Option<i64>,
    /// CREDENTIALS_DIR as it is used, `<data_dir>/credentials` by default.
    pub credentials_dir: String,
    /// POSTGRES_URL, MYSQL_URL or DATABASE_URL is set in its environment.
    pub uses_sql: bool,
    /// All five S3 buckets are set in its environment.
    pub uses_s3: bool,
    /// What the URL of its SQL server says.
    #[serde(default)]
    pub sql_url: Option<SqlUrl>,
    /// The variables of SQL and S3 that are set in its environment, by name.
    #[serde(default)]
    pub storage_variables: Vec<String>,
}

impl Container {
    /// Whether its process runs now.
    pub fn is_running(&self) -> bool {
        self.life.state == ContainerState::Running
    }

    /// Whether it was created and did not start yet.
    pub fn is_created(&self) -> bool {
        self.life.state == ContainerState::Created
    }

    /// Whether it waits for its next start after a crash.
    pub fn is_restarting(&self) -> bool {
        self.life.state == ContainerState::Restarting
    }

    /// Whether it has no process: nothing of it is in memory, and its volumes do not change.
    pub fn is_stopped(&self) -> bool {
        use ContainerState::{Created, Dead, Exited};
        matches!(self.life.state, Exited | Created | Dead)
    }

    /// Whether its health check fails.
    pub fn is_unhealthy(&self) -> bool {
        self.life.health == Some(ContainerHealth::Unhealthy)
    }

    /// The mount that holds `path`: the one with the longest target that is `path` or a parent of
    /// it.
    pub fn mount_over(&self, path: &str) -> Option<&Mount> {
        deepest_over(path, &self.storage.mounts, |mount| &mount.target)
    }
}

/// A port of a container on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Port {
    /// The port inside.
    pub container: u16,
    /// The port on the host; `None` when it is exposed only, or chosen at the start.
    pub host: Option<u16>,
    /// The address on the host; empty for all.
    pub host_ip: String,
}

/// Something mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Mount {
    /// What kind.
    pub kind: MountKind,
    /// The path inside.
    pub target: String,
    /// The volume's name, or the host's directory; `None` for tmpfs.
    pub source: Option<String>,
    /// Whether it can be written to.
    pub writable: bool,
}

/// What kind of mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A volume with a name of its own.
    Named,
    /// A volume with a 64-digit name that the engine made (the label does not tell: docs/facts.md,
    /// docker-anonymous-volume).
    Anonymous,
    /// A directory of the host.
    Bind,
    /// Memory.
    Tmpfs,
}

/// The instance secret, in each place where it can be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SecretPlaces {
    /// On the command line of the running backend: the one in use.
    pub process: Observation<Option<SecretState>>,
    /// In the container's environment.
    pub environment: Observation<Option<SecretState>>,
    /// In the credentials file.
    pub file: Observation<Option<SecretState>>,
}

/// What is where an instance secret should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SecretState {
    /// 64 hex digits.
    Valid(Fingerprint),
    /// Something else, by which the backend cannot start; the text says what is wrong with it, as
    /// the backend does.
    Invalid(String),
}

impl SecretState {
    /// The fingerprint, where it is a valid secret.
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        match self {
            Self::Valid(fingerprint) => Some(fingerprint),
            Self::Invalid(_) => None,
        }
    }
}

/// The instance name, in each place where it can be. Not a secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamePlaces {
    /// On the command line of the running backend.
    pub process: Observation<Option<String>>,
    /// In the container's environment.
    pub environment: Observation<Option<String>>,
    /// In the credentials file.
    pub file: Observation<Option<String>>,
}

/// What a backend's log says about the things that checks ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogFacts {
    /// What it answered to our own probe of the key, found by the nonce in the access log.
    pub refusal: Option<LoggedRefusal>,
    /// Whether the refusal's line stood next to the line with our nonce, both times.
    pub refusal_adjacent: bool,
    /// Whether the access log holds our nonce.
    pub nonce_seen: bool,
    /// The last lines, control characters escaped, secrets cut.
    pub tail: Vec<String>,
}

/// How the backend's log words the refusal of a key (docs/facts.md, convex-key-log).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LoggedRefusal {
    /// `: Key is for invalid instance NAME`: the secret is right.
    WrongName(String),
    /// `: Invalid admin key format`: it decodes, and holds no name.
    NoName,
    /// Nothing after the sentence: it does not decode.
    Undecodable,
}

/// A container of the project that is not a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Companion {
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: Option<String>,
    /// Its image.
    pub image: String,
    /// Its state.
    pub state: ContainerState,
    /// The commit that its image was built from (label `org.opencontainers.image.revision`).
    #[serde(default)]
    pub revision: Option<String>,
    /// Whether it is a Convex dashboard.
    #[serde(default)]
    pub dashboard: bool,
}

/// A host port that a container publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Published {
    /// The port on the host.
    pub host_port: u16,
    /// The address on the host.
    pub host_ip: String,
    /// The port inside.
    pub container_port: u16,
    /// The container's name.
    pub container: String,
}

/// A volume's name for display: the 64 digits of an anonymous one are cut short, as Docker itself
/// does.
pub fn short_volume(name: &str) -> String {
    match name.get(..12) {
        Some(start) if is_anonymous_volume(name) => format!("{start}…"),
        _ => name.to_owned(),
    }
}

/// A volume that may belong to a Convex instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Label `com.docker.compose.project`.
    pub project: Option<String>,
    /// Label `com.docker.compose.volume`: its key in the compose file.
    pub key: Option<String>,
    /// When its content last changed at the top (the engine calls it CreatedAt; docs/facts.md,
    /// docker-volume-created-at), seconds since 1970.
    pub changed_at: Option<i64>,
    /// The names of the containers that refer to it, running or not.
    pub attached_to: Vec<String>,
    /// Whether the engine made its name.
    pub anonymous: bool,
    /// Whether it has the label by which `volume prune` knows what it may delete, since API 1.42.
    #[serde(default)]
    pub prunable: bool,
    /// The volume that a fix of ours copied into it, by our label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<String>,
    /// Where its content is.
    #[serde(default)]
    pub backing: VolumeBacking,
    /// What is in it, where that was checked: only if something is wrong, or on demand, and never
    /// if a running backend has it.
    #[serde(default)]
    pub content: Observation<VolumeContent>,
}

impl Volume {
    /// Whether it was read, and holds the credentials or the database of a Convex instance.
    pub fn is_convex(&self) -> bool {
        self.content.seen().is_ok_and(VolumeContent::is_convex)
    }

    /// Whether it was read, and holds nothing of Convex.
    pub fn is_something_else(&self) -> bool {
        self.content.seen().is_ok_and(|content| !content.is_convex())
    }
}

/// What a volume holds of a Convex instance, at the places where the backend keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VolumeContent {
    /// The secret in `credentials/instance_secret`; `None` where there is no such file.
    pub secret: Option<SecretState>,
    /// The name in `credentials/instance_name`.
    pub instance_name: Option<String>,
    /// The size of `db.sqlite3` in bytes; `None` where there is none (an instance on SQL has none
    /// either).
    pub database_bytes: Option<u64>,
    /// How it was read, for the reader: its directory on this machine, or a helper
    /// container.
    pub how: String,
}

impl VolumeContent {
    /// Whether any of it is there.
    pub fn is_convex(&self) -> bool {
        self.secret.is_some() || self.database_bytes.is_some()
    }
}

/// Where a volume's content is, and so what removing the volume means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VolumeBacking {
    /// With the engine: it goes when the volume is removed.
    #[default]
    Engine,
    /// Where the volume only points to, by the options of the local driver: it stays when the
    /// volume is removed.
    Device {
        /// A directory of the host, or a share.
        path: String,
        /// Whether the compose file has it relative to the project's directory.
        relative: bool,
    },
    /// In memory: it goes when no running container uses it.
    Memory,
    /// With another driver, which decides.
    Driver(String),
}

impl VolumeBacking {
    /// From a volume's driver and its options `type` and `device`.
    pub fn of(driver: &str, kind: &str, device: &str, relative: bool) -> Self {
        match (driver, kind, device) {
            ("" | "local", "tmpfs", _) => Self::Memory,
            ("" | "local", _, "") => Self::Engine,
            ("" | "local", ..) => Self::Device { path: device.to_owned(), relative },
            (driver, ..) => Self::Driver(driver.to_owned()),
        }
    }
}

/// The engine's own words on what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EngineVersion {
    /// For example `26.1.5`.
    pub version: String,
    /// The newest API version that it speaks, for example `1.45`.
    pub api: String,
    /// Whether it is Podman, which answers to the same calls.
    pub podman: bool,
}

impl EngineVersion {
    /// Whether `volume prune` deletes every unused volume, and not only those without a name: so
    /// before API 1.42 (Docker 23,
    /// <https://docs.docker.com/reference/api/engine/version-history/#v142-api-changes>). `None`
    /// where that is not known.
    pub fn prunes_named_volumes(&self) -> Option<bool> {
        let (major, minor) = self.api.split_once('.')?;
        let api: (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
        (!self.podman).then_some(api < (1, 42))
    }
}
