//! A recorded deployment as data: what is in the project's directory, what the Docker engine has,
//! who answers at which port.
//!
//! A scenario is a directory `fixtures/<name>/` with a `world.json` (this) and the project's files.
//! Texts in both may hold placeholders, filled in when the world is raised, because ports are
//! chosen then and because the repository contains no secret:
//!
//! - `{{port:NAME}}`: the port of the server NAME
//! - `{{dir}}`: the project's directory, absolute
//! - `{{secret:NAME}}`: 64 hex digits made from NAME
//! - `{{key:SECRET:INSTANCE}}`, `{{key:SECRET:INSTANCE:ISSUED}}`: an admin key for INSTANCE under
//!   that secret, issued at 2026-03-02 or at ISSUED (seconds since 1970)
//! - `{{read-only-key:SECRET:INSTANCE}}`, `{{system-key:SECRET:INSTANCE}}`,
//!   `{{legacy-key:SECRET:INSTANCE}}`
//! - `{{key-hex:SECRET:INSTANCE}}`: the part after the `|` of that key
//! - `{{literal:TEXT}}`: TEXT, which no output may hold

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A recorded deployment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// What it is, in a few words.
    pub title: String,
    /// Variables of the process environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Arguments of the doctor.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The directory below the project's in which the doctor runs.
    #[serde(default)]
    pub directory: Option<String>,
    /// The Docker engine; absent: its socket is not there.
    #[serde(default)]
    pub engine: Option<WorldEngine>,
    /// The engines of other docker contexts, by the context's name.
    #[serde(default)]
    pub other_engines: BTreeMap<String, WorldEngine>,
    /// The version of the Convex CLI that is installed, unless the files bring one along.
    #[serde(default = "usual_cli")]
    pub cli: Option<String>,
    /// The version of the Node on PATH; absent: what the machine has.
    #[serde(default = "usual_node")]
    pub node: Option<String>,
    /// Who listens, by name.
    #[serde(default)]
    pub servers: BTreeMap<String, Server>,
    /// Whether the project's directory is a git work tree, and which files it tracks.
    #[serde(default)]
    pub git: Option<Vec<String>>,
}

fn usual_cli() -> Option<String> {
    Some("1.48.0".to_owned())
}

fn usual_node() -> Option<String> {
    Some("22.20.0".to_owned())
}

/// The Docker engine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldEngine {
    /// It accepts connections and never answers.
    #[serde(default)]
    pub silent: bool,
    /// It is Podman, which answers a little otherwise.
    #[serde(default)]
    pub podman: bool,
    /// Its containers.
    #[serde(default)]
    pub containers: Vec<WorldContainer>,
    /// Its volumes.
    #[serde(default)]
    pub volumes: Vec<WorldVolume>,
    /// What it remembers, the oldest first.
    #[serde(default)]
    pub events: Vec<WorldEvent>,
}

/// Something that happened to a container or a volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldEvent {
    /// How many seconds ago.
    pub seconds_ago: i64,
    /// `container` or `volume`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `create`, `destroy`, `die`, …
    pub action: String,
    /// The name of the container or volume.
    pub name: String,
    /// `exitCode`, `signal`, labels.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// A container.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldContainer {
    /// Its name.
    pub name: String,
    /// The compose project; absent: started by `docker run`.
    #[serde(default)]
    pub project: Option<String>,
    /// The compose service.
    #[serde(default)]
    pub service: Option<String>,
    /// Label `project.working_dir`; the project's directory by default.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// Label `project.config_files`; `docker-compose.yml` of the working directory by default.
    #[serde(default)]
    pub config_files: Option<String>,
    /// Its image; upstream's backend by default.
    #[serde(default)]
    pub image: Option<String>,
    /// Whether it is not a backend.
    #[serde(default)]
    pub companion: bool,
    /// `running` by default.
    #[serde(default)]
    pub state: Option<String>,
    /// The exit code of the last run.
    #[serde(default)]
    pub exit_code: i64,
    /// `starting`, `healthy`, `unhealthy`.
    #[serde(default)]
    pub health: Option<String>,
    /// The outputs of its last health checks.
    #[serde(default)]
    pub health_log: Vec<String>,
    /// Restarts by policy.
    #[serde(default)]
    pub restarts: i64,
    /// Started with `--rm`.
    #[serde(default)]
    pub auto_remove: bool,
    /// Killed for its memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// The engine's error at the last start.
    #[serde(default)]
    pub error: Option<String>,
    /// When it was created, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
    /// The secret on the command line of its process.
    #[serde(default)]
    pub secret: Option<String>,
    /// The secret in its credentials file; the one of the process by default.
    #[serde(default)]
    pub file_secret: Option<String>,
    /// Its credentials files were deleted.
    #[serde(default)]
    pub credentials_gone: bool,
    /// The instance name on the command line; `convex-self-hosted` by default.
    #[serde(default)]
    pub instance_name: Option<String>,
    /// The instance name in its credentials file; the one of the process by default.
    #[serde(default)]
    pub file_name: Option<String>,
    /// Its environment.
    #[serde(default)]
    pub environment: Vec<String>,
    /// What is mounted into it.
    #[serde(default)]
    pub mounts: Vec<WorldMount>,
    /// Port inside to the port on the host (a text, so that it can be a placeholder).
    #[serde(default)]
    pub ports: BTreeMap<u16, String>,
    /// Labels in addition to those of Compose.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `bridge` by default.
    #[serde(default)]
    pub network_mode: Option<String>,
    /// Its entrypoint; upstream's by default.
    #[serde(default)]
    pub entrypoint: Option<Vec<String>>,
    /// Lines of its log, in addition to those of the server that plays it.
    #[serde(default)]
    pub log: Vec<String>,
}

/// A mount.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldMount {
    /// `volume`, `bind` or `tmpfs`.
    #[serde(rename = "type", default = "volume")]
    pub kind: String,
    /// The volume's name or the host's directory.
    #[serde(default)]
    pub source: Option<String>,
    /// The path inside.
    pub target: String,
    /// Read-only.
    #[serde(default)]
    pub read_only: bool,
}

fn volume() -> String {
    "volume".to_owned()
}

/// A volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldVolume {
    /// Its name.
    pub name: String,
    /// The compose project that made it.
    #[serde(default)]
    pub project: Option<String>,
    /// Its key in the compose file.
    #[serde(default)]
    pub key: Option<String>,
    /// The image asked for it, so that it has the label by which it can be pruned.
    #[serde(default)]
    pub of_image: bool,
    /// RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
}

/// Who listens at a port.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Server {
    /// A Convex backend's API port.
    Convex {
        /// Its instance name.
        #[serde(default = "default_name")]
        instance_name: String,
        /// Its secret.
        secret: String,
        /// The container whose log it writes.
        #[serde(default)]
        container: Option<String>,
        /// The day of its image; today's by default.
        #[serde(default)]
        built: Option<String>,
        /// What it takes for the address of its API; its own port on loopback by default.
        #[serde(default)]
        cloud_origin: Option<String>,
        /// What it takes for the address of its HTTP actions; the port of the server `site` on
        /// loopback by default.
        #[serde(default)]
        site_origin: Option<String>,
    },
    /// Another server, from which every answer comes late.
    Slow {
        /// The other server's name.
        to: String,
        /// By how many milliseconds.
        ms: u64,
    },
    /// A reverse proxy before other servers.
    Proxy {
        /// The other servers' names. Each check of a key goes to the next, everything else to the
        /// first.
        to: Vec<String>,
        /// Its `server` header.
        #[serde(default)]
        server: Option<String>,
        /// Headers of requests that it does not hand on.
        #[serde(default)]
        drops: Vec<String>,
        /// The largest body that it takes, in bytes.
        #[serde(default)]
        largest_body: Option<usize>,
    },
    /// A Convex backend's HTTP-actions port.
    Site,
    /// The Convex dashboard.
    Dashboard {
        /// Where it sends browsers; to the server `backend` by default.
        #[serde(default)]
        deployment_url: Option<String>,
        /// The key in its page; none by default.
        #[serde(default)]
        admin_key: Option<String>,
    },
    /// A fixed answer to everything.
    Page {
        /// The status.
        status: u16,
        /// Header names and values.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// Accepts and never answers.
    Silent,
    /// Accepts and closes.
    Closes,
    /// None: the port is free.
    #[serde(alias = "nobody")]
    None,
}

fn default_name() -> String {
    "convex-self-hosted".to_owned()
}
