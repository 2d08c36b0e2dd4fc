//! The Compose specification, as Docker Compose v2.40 reads it: which files make a project, what each service comes to, and where every
//! value is written. It knows neither Convex nor Docker, and reads files through [`Files`] alone.
//!
//! The texts go through `granit-parser`, which gives every node its position and bounds nesting, into a tree of our own (`tree`):
//! anchors expanded, merge keys applied, numbers as YAML 1.1 has them. The steps on that tree are compose-go's, in its order, because
//! the order decides what an override can see: fill in variables, obey `extends`, take `include` in, lay over, validate, bring
//! into the long forms, make paths absolute (`layers`); then the model is read off it (`project`).
//!
//! Bounds: 8 MiB per file, 128 levels of nesting, 500 000 nodes out of aliases, 100 links of `extends` or `include`.

mod canonical;
mod discover;
mod dotenv;
mod duration;
mod environment;
mod error;
mod interpolate;
mod json;
mod layers;
mod merge;
mod model;
mod mount;
mod number;
mod port;
mod project;
mod schema;
mod source;
mod tree;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use error::{Error, ErrorKind, Errors, Warning, WarningKind};
pub use json::to_json;
pub use model::{
    Dependency, Healthcheck, Mount, MountKind, NameSource, Port, Project, Service, Variable,
    VariableSource, Volume,
};
pub use project::load;
pub use source::{At, FileError, Files, Spanned};

/// What `docker compose` would be called with.
#[derive(Clone, Default)]
pub struct Request {
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// `-f`, in order.
    pub files: Vec<PathBuf>,
    /// `-p`.
    pub project_name: Option<String>,
    /// `--project-directory`.
    pub project_directory: Option<PathBuf>,
    /// `--env-file`, in order.
    pub env_files: Vec<PathBuf>,
    /// `--profile`.
    pub profiles: Vec<String>,
    /// The process environment.
    pub environment: BTreeMap<String, String>,
    /// The home directory, for `~`.
    pub home: Option<PathBuf>,
}
