//! The project around the deployment: package.json, git, other env files, the machine the doctor
//! runs on.
use serde::{Deserialize, Serialize};

use super::Observation;
use super::places::OtherPlaces;
use super::selection::ValueSource;

/// What is around the project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Surroundings {
    /// The project's directory, absolute.
    pub directory: String,
    /// The nearest directory upwards that holds a `.git`, absolute.
    #[serde(default)]
    pub repository: Option<String>,
    /// `package.json` of the directory.
    pub package_json: Observation<PackageJson>,
    /// The version of the Convex CLI that would run here; `None` where it is not known.
    pub cli_version: Option<String>,
    /// Where that CLI was found: a file relative to the directory, or an absolute path. `None`
    /// where none is installed, neither for this project nor on PATH: `npx` then fetches the newest
    /// one.
    #[serde(default)]
    pub cli_found: Observation<Option<String>>,
    /// Which Node the package of that CLI asks for: `>=22.0.0`.
    #[serde(default)]
    pub cli_needs_node: Option<String>,
    /// The version of the Node that npx would run, without the `v`; `None` where it is not known.
    #[serde(default)]
    pub node_version: Option<String>,
    /// The program of that Node; `None` where there is none.
    #[serde(default)]
    pub node_found: Observation<Option<String>>,
    /// Whether that Node has its own list of authorities, as Node's own builds have; `None` where
    /// that is not known. Some distributions build it to use the system's.
    #[serde(default)]
    pub node_own_roots: Option<bool>,
    /// The scripts of package.json that tell the Convex CLI by themselves which deployment to use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cli_scripts: Vec<CliScript>,
    /// The git work tree; `None` outside of one, or where git is not installed.
    pub git: Observation<Option<Git>>,
    /// Compose files near by that use a variable under a name which the CLI does not read; looked
    /// for only where there is such a variable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names_in_compose_files: Vec<NameInFile>,
    /// Env files with the pair or half of it that the CLI does not read from here: parents, child
    /// packages, other names.
    pub env_files_elsewhere: Vec<EnvFileElsewhere>,
    /// The app's URLs of Convex Cloud in env files that the CLI does not read, such as
    /// `.env.production`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cloud_urls_elsewhere: Vec<CloudUrl>,
    /// Env files that exist and could not be read as text.
    pub unreadable: Vec<UnreadableFile>,
    /// The URLs the app is configured with (CONVEX_URL, NEXT_PUBLIC_CONVEX_URL, VITE_CONVEX_URL, …)
    /// in the files the CLI reads.
    pub app_urls: Vec<AppUrl>,
    /// Where else the key and the secret are; looked for only where a rotation is called for.
    #[serde(default)]
    pub other_places: Option<OtherPlaces>,
    /// Whether convex-doctor itself runs in a container.
    pub in_container: bool,
    /// When the file with the selected key was last changed, seconds since 1970.
    #[serde(default)]
    pub key_file_changed_at: Option<i64>,
    /// The numeric user id; `None` on systems without one.
    pub uid: Option<u32>,
}

/// The `package.json` of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PackageJson {
    /// There is one.
    Here {
        /// Whether it depends on `convex`, in any of its dependency tables.
        depends_on_convex: bool,
    },
    /// There is none here; the nearest one, relative to the directory, if any was found.
    Missing {
        /// A directory like `..` or `apps/web`.
        nearest: Option<String>,
    },
}

/// A script of package.json that tells the Convex CLI which deployment to use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CliScript {
    /// Its name: `npm run NAME`.
    pub name: String,
    /// The file of `--env-file`, which is there.
    pub env_file: Option<String>,
    /// Whether it passes `--url` and `--admin-key`.
    pub flags: bool,
    /// The variables of the Convex CLI that it sets.
    pub variables: Vec<String>,
    /// Whether it sets variables in a way that does not show which.
    #[serde(default, skip_serializing_if = "is_false")]
    pub opaque: bool,
    /// The variables that it sets and by which Node trusts other certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The git work tree around the project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Git {
    /// Files among those read that git tracks, relative to the directory.
    pub tracked: Vec<String>,
    /// Env files that exist and that git does not ignore (tracked or not).
    pub not_ignored: Vec<String>,
    /// Env files that are not there yet, and that git would not ignore.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_not_ignore: Vec<String>,
    /// Tracked files that literally hold the selected key or a secret in use: file, line, what.
    pub secrets: Vec<TrackedSecret>,
    /// When the selected key was committed, seconds since 1970; asked only where the key's file is
    /// tracked and the key was not seen to be accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_committed_at: Option<i64>,
}

/// A secret in a tracked file, or in one that was tracked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TrackedSecret {
    /// The file, relative to the directory.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// `key` or `instance secret`.
    pub what: String,
    /// The newest commit with a version of the file that holds it, where the file as git tracks it
    /// now does not; the line is that version's. Looked for only when asked to.
    #[serde(default)]
    pub commit: Option<String>,
}

/// A name that a file uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NameInFile {
    /// The name.
    pub name: String,
    /// The file, relative to the project's directory.
    pub file: String,
}

/// An env file that the CLI does not read from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EnvFileElsewhere {
    /// Relative to the directory.
    pub file: String,
    /// The line of the first of the two variables.
    pub line: usize,
    /// Whether it sets the URL.
    pub has_url: bool,
    /// Whether it sets the key.
    pub has_key: bool,
}

/// A variable of the app that leads to Convex Cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CloudUrl {
    /// The variable.
    pub variable: String,
    /// Where it is set.
    pub source: ValueSource,
}

/// A file that exists and could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnreadableFile {
    /// Relative to the directory.
    pub file: String,
    /// Why.
    pub reason: String,
    /// Whether it is text in UTF-16.
    #[serde(default)]
    pub utf16: bool,
}

/// A URL that the app is configured with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AppUrl {
    /// The variable.
    pub variable: String,
    /// The file.
    pub file: String,
    /// The line.
    pub line: usize,
    /// As typed, a password masked.
    pub url: String,
    /// The instance name that answers there; `None` when it was not asked (the same origin as the
    /// selected one, or none), and where no backend answers.
    pub instance_name: Option<String>,
    /// Why it is not known what answers there, where it was worth asking.
    #[serde(default)]
    pub unanswered: Option<String>,
}
