//! The resolved project: what Compose would run, each value with the place it comes from.
//!
//! Values of environments may be secrets. The types that hold one have no `Serialize`, and their
//! `Debug` leaves it out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::error::Warning;
use super::source::{At, Spanned};

/// Where the project's name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameSource {
    /// `-p`.
    Flag,
    /// `COMPOSE_PROJECT_NAME`, from the shell or from `.env` (then the name has a place).
    Variable,
    /// The top-level `name:`.
    File,
    /// The name of the project directory, normalised.
    Directory,
}

/// A Compose project, resolved.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its name: the prefix of its containers and volumes.
    pub name: Spanned<String>,
    /// Where the name comes from.
    pub name_source: NameSource,
    /// The project directory: relative paths start here.
    pub directory: PathBuf,
    /// The compose files, absolute, in the order in which they are laid over each other.
    pub files: Vec<PathBuf>,
    /// The files that `include` and `extends` brought in.
    pub included_files: Vec<PathBuf>,
    /// The `.env` files read for interpolation.
    pub env_files: Vec<PathBuf>,
    /// Whether Compose looks for a `.env` in the project's directory: neither given others to read,
    /// nor to read none.
    pub own_env_file: bool,
    /// The enabled services, by name.
    pub services: BTreeMap<String, Service>,
    /// The services that profiles leave out.
    pub disabled: BTreeSet<String>,
    /// The declared volumes that an enabled service uses, by key: what `docker compose config`
    /// shows.
    pub volumes: BTreeMap<String, Volume>,
    /// The declared volumes that no enabled service uses.
    pub unused_volumes: BTreeMap<String, Volume>,
    /// The place of the top-level `volumes:` block, when there is one (the first file's that has
    /// it).
    pub volumes_block: Option<At>,
    /// The places of texts with a variable that is set nowhere, also one with a default: the shell
    /// that starts the project may set it.
    pub undecided: BTreeSet<At>,
    /// Each text in which a variable that is set nowhere became nothing: its name and the place.
    /// Compose warns once of each name.
    pub unset: Vec<(String, At)>,
    /// The names of the variables in the texts of the files.
    pub names: BTreeSet<String>,
    /// What Compose warns about.
    pub warnings: Vec<Warning>,
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// The place of its key.
    pub at: At,
    /// Its image.
    pub image: Option<Spanned<String>>,
    /// How it is built, in the shape of `docker compose config`. The values of `args` are in
    /// [`Service::build_args`].
    pub build: Option<Spanned<serde_json::Map<String, Json>>>,
    /// The build arguments, by name; they may be secrets as an environment's values may.
    pub build_args: BTreeMap<String, Variable>,
    /// The entry point, split into words; `None` is the image's.
    pub entrypoint: Option<Spanned<Vec<String>>>,
    /// The command, split into words; `None` is the image's.
    pub command: Option<Spanned<Vec<String>>>,
    /// The environment, by name.
    pub environment: BTreeMap<String, Variable>,
    /// What is mounted, in the file's order.
    pub volumes: Vec<Mount>,
    /// What is published, in the file's order.
    pub ports: Vec<Port>,
    /// The network mode (`host`, `service:x`).
    pub network_mode: Option<Spanned<String>>,
    /// The paths of `tmpfs:` (the short form), with their options.
    pub tmpfs: Vec<Spanned<String>>,
    /// The profiles that enable it; none: always.
    pub profiles: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, Spanned<String>>,
    /// What it waits for, by service.
    pub depends_on: BTreeMap<String, Dependency>,
    /// Its health check.
    pub healthcheck: Option<Healthcheck>,
    /// `container_name`.
    pub container_name: Option<Spanned<String>>,
    /// `restart`.
    pub restart: Option<Spanned<String>>,
    /// `working_dir`.
    pub working_dir: Option<String>,
    /// The places of its texts, and of the `.env` values in them, in which a variable that is set
    /// nowhere became nothing.
    pub unset: BTreeSet<At>,
    /// The place of its `environment:` key.
    pub environment_block: Option<At>,
    /// The place of its `volumes:` key.
    pub volumes_block: Option<At>,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableSource {
    /// It is in the compose file.
    Literal,
    /// The compose file makes it from variables: these.
    Interpolated {
        /// Their names, and where each is written (`None`: the process environment).
        from: Vec<(String, Option<At>)>,
    },
    /// An `env_file` sets it; [`Variable::at`] is the place there.
    EnvFile,
    /// The file names it without a value: it is taken from the shell or `.env`, or not set at all.
    Passthrough,
}

/// One variable of a container's environment.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// The value; `None` when it is named without a value and set nowhere: the container does not
    /// get it.
    pub value: Option<String>,
    /// Where it is named: in the compose file, or in the `env_file`.
    pub at: At,
    /// Where its value's literal is when that is another place: in a `.env` for `${X}` and for
    /// a bare name, where the value is that and nothing else.
    pub origin: Option<At>,
    /// The variable of the shell or of `.env` that the value is, and nothing else; where that one
    /// is not set, the one that would replace the default.
    pub variable: Option<String>,
    /// Whether the file puts the value together: a text with variables in it, or several of them.
    pub composed: bool,
    /// How it got its value.
    pub source: VariableSource,
}

impl fmt::Debug for Variable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Variable")
            .field("is_set", &self.value.is_some())
            .field("at", &self.at)
            .field("origin", &self.origin)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// What kind of thing is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A volume of the engine: named, or anonymous without a source.
    Volume,
    /// A path of the host.
    Bind,
    /// Memory.
    Tmpfs,
    /// Another type of the long form (`npipe`, `cluster`, `image`).
    Other(String),
}

impl MountKind {
    /// Compose's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Volume => "volume",
            Self::Bind => "bind",
            Self::Tmpfs => "tmpfs",
            Self::Other(other) => other,
        }
    }
}

/// One entry of a service's `volumes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    /// The place of the entry.
    pub at: At,
    /// What is mounted.
    pub kind: MountKind,
    /// The key of a volume, or the absolute path of a bind; `None` for an anonymous volume and for
    /// memory.
    pub source: Option<String>,
    /// The path in the container, without a trailing slash.
    pub target: String,
    /// Mounted read-only.
    pub read_only: bool,
    /// `volume.nocopy`.
    pub no_copy: bool,
    /// `volume.subpath`.
    pub subpath: Option<String>,
    /// Whether a host's path was written relative to the project directory.
    pub relative: bool,
    /// The path of the host with [`PROJECT`](super::PROJECT) for the project's name, where that is
    /// a part of it.
    pub by_project: Option<String>,
    /// `bind.create_host_path`: a missing host path becomes an empty directory.
    pub create_host_path: bool,
    /// The options as `docker compose config` shows them (`bind`, `volume`, `tmpfs`,
    /// `consistency`).
    pub options: serde_json::Map<String, Json>,
}

/// One published port, or one that is only opened on a random port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The place of the entry.
    pub at: At,
    /// The address of the host; `None` is all.
    pub host_ip: Option<String>,
    /// The port of the host, or a range; `None` when the engine chooses.
    pub published: Option<String>,
    /// The port of the container. Compose takes any number in the long form, and leaves it to the
    /// engine to refuse 99999.
    pub target: u32,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// `ingress` or `host`.
    pub mode: String,
    /// `name`.
    pub name: Option<String>,
    /// `app_protocol`.
    pub app_protocol: Option<String>,
}

/// What a service waits for before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// `service_started`, `service_healthy` or `service_completed_successfully`.
    pub condition: String,
    /// Restarted with the other.
    pub restart: bool,
    /// Whether it is an error when the other is not enabled.
    pub required: bool,
}

/// A health check, durations as Go prints them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Healthcheck {
    /// The place of its key.
    pub at: Option<At>,
    /// The command, beginning with `CMD`, `CMD-SHELL` or `NONE`.
    pub test: Option<Vec<String>>,
    /// The time a check may take.
    pub timeout: Option<String>,
    /// The time between checks.
    pub interval: Option<String>,
    /// The failures that make it unhealthy.
    pub retries: Option<u64>,
    /// The time in which failures do not count.
    pub start_period: Option<String>,
    /// The time between checks in that time.
    pub start_interval: Option<String>,
    /// Switched off, the image's too.
    pub disable: bool,
}

/// A declared volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// The place of its key.
    pub at: At,
    /// Its name on the engine.
    pub name: Spanned<String>,
    /// That name with [`PROJECT`](super::PROJECT) for the project's name, where the file makes it
    /// from `COMPOSE_PROJECT_NAME`.
    pub by_project: Option<String>,
    /// It exists outside of the project: `down -v` leaves it.
    pub external: bool,
    /// Its driver.
    pub driver: Option<String>,
    /// The driver's options.
    pub driver_opts: BTreeMap<String, String>,
    /// Whether the option `device` was written relative to the project directory.
    pub device_is_relative: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}
