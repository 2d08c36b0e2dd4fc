//! The compose project, reduced to what checks ask.

use serde::{Deserialize, Serialize};
use std::fmt;

use super::docker::{SecretState, VolumeBacking, deepest_over};
pub use super::sql::{SqlKind, SqlUrl};
use super::words::words;
use crate::report::{Columns, ComposeFlags, Location};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct At {
    /// Relative to the project's directory where it is inside.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
}

impl At {
    /// To point a finding there.
    pub fn location(&self) -> Location {
        Location::File {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            text: None,
            mark: None,
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The project as Compose reads it, or why it does not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ComposeFacts {
    /// The project's name.
    pub project: String,
    /// Whether that is the name of the directory, and changes with it.
    #[serde(default)]
    pub name_from_directory: bool,
    /// The name that the same files have without `-p`, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_name: Option<String>,
    /// The project that `docker compose` without `-f` means in this directory, where it would read
    /// other files than these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_project: Option<String>,
    /// The project's directory, absolute.
    pub directory: String,
    /// The files read, absolute.
    pub files: Vec<String>,
    /// Errors that Compose would stop at; then the rest is empty.
    pub errors: Vec<ComposeIssue>,
    /// Whether the text of a file names a Convex backend, where Compose cannot read it or leaves the
    /// service out (a profile).
    #[serde(default)]
    pub names_backend: bool,
    /// What Compose only warns of.
    pub warnings: Vec<ComposeIssue>,
    /// The names of all enabled services.
    pub services: Vec<String>,
    /// The services that look like a Convex backend.
    pub backends: Vec<BackendService>,
    /// The one among them that this run is about (its service name).
    pub chosen: Option<String>,
    /// Top-level volumes: key, full name, whether external.
    pub volumes: Vec<DeclaredVolume>,
    /// What the URLs of SQL servers say that backends are given.
    #[serde(default)]
    pub sql_urls: Vec<DeclaredSqlUrl>,
    /// The services that are SQL servers.
    #[serde(default)]
    pub databases: Vec<DatabaseService>,
    /// The services that are Convex dashboards.
    #[serde(default)]
    pub dashboards: Vec<DashboardService>,
    /// The services that start only once the backend of this run is healthy.
    #[serde(default)]
    pub wait_for_healthy: Vec<String>,
    /// Places of images, ports and variables whose text holds a variable that is set nowhere here:
    /// what they come to is a default, or nothing, and no opinion about a container (a panel, sops
    /// or direnv may have set it).
    #[serde(default)]
    pub undecided: Vec<At>,
    /// Sources of mounts (a volume's key, a directory) that are on another machine.
    #[serde(default)]
    pub network_mounts: Vec<NetworkMount>,
    /// Names that only a panel fills: Coolify's variables (`SERVICE_FQDN_BACKEND_3210`), Dokploy's
    /// network.
    #[serde(default)]
    pub panel_marks: Vec<String>,
    /// The names of the variables that the files and their `env_file`s read: under another name a
    /// value does not reach a service any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Whether Compose was told to read other files of variables than the `.env` of the project's
    /// directory, or none (`--env-file`, COMPOSE_ENV_FILES, COMPOSE_DISABLE_ENV_FILE): what is
    /// written there then changes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other_env_files: bool,
    /// What `docker compose` has to be told to run this project from here.
    #[serde(default)]
    pub flags: ComposeFlags,
    /// How it was found, where Compose, called here without these flags, would not run the backend.
    #[serde(default)]
    pub found: Option<ComposeFound>,
}

/// How a compose project was found that Compose would not find by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum ComposeFound {
    /// A container of this directory names its files.
    Label {
        /// The container.
        container: String,
        /// The files that Compose would read instead, absolute.
        instead: Vec<String>,
    },
    /// A container of this directory was made from these very files, under another project name.
    ProjectName {
        /// The container.
        container: String,
        /// Its project.
        project: String,
    },
    /// It is the file with a Convex backend nearest to this directory.
    Search {
        /// Other files with a Convex backend, as shown.
        others: Vec<String>,
        /// The files that Compose would read instead, absolute.
        instead: Vec<String>,
    },
    /// The backend is behind a profile that is not enabled.
    Profile {
        /// The profile.
        profile: String,
    },
}

/// Such a URL in the environment of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeclaredSqlUrl {
    /// The service.
    pub service: String,
    /// Where its value is.
    pub at: At,
    /// What it says.
    pub url: SqlUrl,
}

/// A service that is a SQL server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DatabaseService {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub at: At,
    /// `postgres` or `mysql`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub kind: SqlKind,
    /// The database that it makes at its first start (POSTGRES_DB, MYSQL_DATABASE), and where that
    /// is written.
    pub database: Option<(String, At)>,
    /// Whether it mounts scripts that may make others.
    pub has_scripts: bool,
}

/// A service that is a Convex dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DashboardService {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub at: At,
    /// Its image.
    pub image: String,
    /// The variables that the file sets for it, without their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<EnvironmentEntry>,
}

/// The source of a mount that is on another machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NetworkMount {
    /// As the mount names it.
    pub source: String,
    /// `nfs4`, `cifs`, …
    pub filesystem: String,
}

impl ComposeFacts {
    /// The backend service this run is about.
    pub fn backend(&self) -> Option<&BackendService> {
        let chosen = self.chosen.as_deref()?;
        self.backends.iter().find(|service| service.name == chosen)
    }
}

/// An error or a warning about a compose file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ComposeIssue {
    /// As Compose words it, as far as we can.
    pub message: String,
    /// Where.
    pub at: Option<At>,
    /// The variable, where it is about an unset one.
    pub variable: Option<String>,
    /// Whether a backend gets the text with that variable.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_backend: bool,
    /// Whether the variable is a part of a value that was meant as it is written: `Abc$ecret`.
    /// Its name is not shown then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_value: bool,
    /// The line at `at`, for errors.
    #[serde(default)]
    pub line: Option<SourceLine>,
}

/// A line of a file as a report may show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceLine {
    /// The line, with `***` for what may be secret.
    pub text: String,
    /// What is at fault: the columns of `text`.
    pub mark: Columns,
}

/// A service that looks like a Convex backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BackendService {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub at: At,
    /// How it was recognised.
    pub recognised_by: String,
    /// Its image, if it has one.
    pub image: Option<String>,
    /// Whether its entrypoint is overridden.
    pub entrypoint_overridden: bool,
    /// `network_mode`.
    pub network_mode: Option<String>,
    /// Container port, host port as written (may be a range or empty), host address, place.
    pub ports: Vec<DeclaredPort>,
    /// What it mounts.
    pub mounts: Vec<DeclaredMount>,
    /// The `volumes:` block, to add a line to.
    pub volumes_at: Option<At>,
    /// The environment entries that checks ask about.
    pub environment: Vec<EnvironmentEntry>,
    /// DATA_DIR as set, `/convex/data` by default.
    pub data_dir: String,
    /// CREDENTIALS_DIR as set, `<data_dir>/credentials` by default.
    pub credentials_dir: String,
}

impl BackendService {
    /// The entry of that variable.
    pub fn variable(&self, name: &str) -> Option<&EnvironmentEntry> {
        self.environment.iter().find(|entry| entry.name == name)
    }

    /// The mount that holds `path`.
    pub fn mount_over(&self, path: &str) -> Option<&DeclaredMount> {
        deepest_over(path, &self.mounts, |mount| &mount.target)
    }
}

/// A port line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeclaredPort {
    /// The port inside.
    pub container: u16,
    /// The port on the host as written; `None` = chosen at the start.
    pub published: Option<String>,
    /// The address on the host.
    pub host_ip: Option<String>,
    /// Where.
    pub at: At,
}

words! {
    /// The type of a volume line, in Compose's word.
    pub enum DeclaredMountKind {
        /// A volume of the engine: named, or anonymous without a source.
        Volume = "volume",
        /// A path of the host.
        Bind = "bind",
        /// Memory.
        Tmpfs = "tmpfs",
    }
}

/// A volume line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeclaredMount {
    /// `volume`, `bind`, `tmpfs`, …
    pub kind: DeclaredMountKind,
    /// The key of the top-level volume, or the host's path; `None` = anonymous.
    pub source: Option<String>,
    /// The path inside.
    pub target: String,
    /// Whether read-only.
    pub read_only: bool,
    /// Whether a host's path is written relative to the project's directory.
    #[serde(default)]
    pub relative: bool,
    /// The host's path with `{project}` in place of the project's name, if that is a part of it
    /// (COMPOSE_PROJECT_NAME).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_project: Option<String>,
    /// Whether a host's directory that is missing is made.
    #[serde(default)]
    pub create_host_path: bool,
    /// Where.
    pub at: At,
}

impl DeclaredMount {
    /// Whether it is a volume of the engine.
    pub fn is_volume(&self) -> bool {
        self.kind == DeclaredMountKind::Volume
    }

    /// Whether it is a path of the host.
    pub fn is_bind(&self) -> bool {
        self.kind == DeclaredMountKind::Bind
    }

    /// Whether it is memory.
    pub fn is_tmpfs(&self) -> bool {
        self.kind == DeclaredMountKind::Tmpfs
    }
}

/// A top-level volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeclaredVolume {
    /// Its key.
    pub key: String,
    /// The engine's name for it.
    pub name: String,
    /// Whether Compose expects it to exist.
    pub external: bool,
    /// Whether some enabled service uses it; `down -v` leaves it alone otherwise.
    #[serde(default)]
    pub used: bool,
    /// Its name with `{project}` in place of the project's name, if the file makes it from
    /// COMPOSE_PROJECT_NAME.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_project: Option<String>,
    /// Whether its name is given, and not made of the project's name and its key.
    #[serde(default)]
    pub fixed_name: bool,
    /// Where its content is; of an external one, only the engine knows.
    #[serde(default)]
    pub backing: VolumeBacking,
    /// Where.
    pub at: At,
}

/// One variable of the backend's environment; its value only where it cannot be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EnvironmentEntry {
    /// Its name.
    pub name: String,
    /// Where it is set in the compose file.
    pub at: At,
    /// Where its value literally is: the same place, or a `.env`; `None` when it comes from the
    /// shell, or has none.
    pub value_at: Option<At>,
    /// The variable of the shell or of `.env` that the value is, and nothing else; if that is not
    /// set, the one that would replace the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// What it is set to.
    pub value: EntryValue,
}

/// What a variable is set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EntryValue {
    /// Passed through, and set nowhere.
    Unset,
    /// Set to nothing.
    Blank,
    /// INSTANCE_SECRET.
    Secret(SecretState),
    /// A value that cannot be a secret, shown as it is.
    Plain(String),
    /// Some value that is not shown.
    Hidden,
}
