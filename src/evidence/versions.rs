//! The versions of everything that has a part: what a support thread asks for first.

use serde::Serialize;

use super::Observation;
use super::docker::ContainerState;

/// What runs where. `Seen(None)` is what was looked for and is not there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Versions {
    /// This program's own.
    pub doctor: String,
    /// The Convex CLI that `npx convex` would run; where it was found.
    pub cli: Observation<Option<Installed>>,
    /// The `node` that npx would run; its path.
    pub node: Observation<Option<Installed>>,
    /// The Docker engine.
    pub engine: Observation<EngineVersion>,
    /// Docker Compose: what `docker compose version` says, else the label of the containers that it
    /// made.
    pub compose: Observation<Option<Installed>>,
    /// The Convex backends on the engine, this project's first.
    pub backends: Observation<Vec<BackendImage>>,
    /// The machine.
    pub system: System,
}

/// A program and where it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// Its version; `None` where it is there and does not say.
    pub version: Option<String>,
    /// Where: a path, relative to the directory or absolute, or who says so.
    pub found: String,
}

/// The Docker engine that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EngineVersion {
    /// As `docker version` has it.
    pub version: Option<String>,
    /// The newest version of its API.
    pub api: Option<String>,
    /// The address asked; a password masked.
    pub address: String,
    /// The context that names the address; `None` for DOCKER_HOST, `-H` or the default.
    pub context: Option<String>,
}

/// The image of a Convex backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendImage {
    /// The container.
    pub container: String,
    /// `running`, `exited`, …
    pub state: ContainerState,
    /// The image as the compose file or the command named it.
    pub image: String,
    /// The commit that it was built from (label `org.opencontainers.image.revision`).
    pub revision: Option<String>,
}

/// The machine that the doctor runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct System {
    /// `linux`, `macos`, `windows`.
    pub os: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// The distribution as `/etc/os-release` names it.
    pub name: Option<String>,
    /// Whether convex-doctor itself runs in a container.
    pub in_container: bool,
}
