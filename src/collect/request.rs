//! What to look at, as the command line asks for it.
#![allow(clippy::disallowed_methods, reason = "the collector reads the environment")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{docker, real_directory};
use crate::budget::{Deadline, RUN};
use crate::evidence::suppression::Suppression;
use crate::secret::Secret;

/// The names of the probes that are under way, for a display of them.
pub type RunningCommand = Arc<Mutex<Vec<String>>>;

/// What to look at.
#[derive(Default)]
pub struct Request {
    /// The project.
    pub project: ProjectRequest,
    /// What stands for the settings of the Convex CLI.
    pub cli: CliRequest,
    /// The engine.
    pub docker: DockerRequest,
    /// `--no-network`.
    pub no_network: bool,
    /// `--ephemeral`.
    pub ephemeral: bool,
    /// What is not to be shown, by the settings file.
    pub suppressions: Vec<Suppression>,
    /// `--deep`.
    pub deep: bool,
    /// Search the versions that git has of the files read for the key and the secret.
    pub history: bool,
    /// Read the backend's log also where nothing seems wrong: a command got an internal error of
    /// it.
    pub read_log: bool,
    /// The longest wait for one probe.
    pub timeout: Duration,
    /// When the command has to be over, where it looks several times; each look has its own limit
    /// besides.
    pub deadline: Deadline,
    /// Told of every probe that begins and ends.
    pub running: RunningCommand,
    /// Stands for the process environment when set: the demo and the tests look at another world.
    pub environment: Option<BTreeMap<String, String>>,
    /// Variables that differ for the command that is looked into; `None` is unset there.
    pub overrides: Vec<(String, Option<String>)>,
}

/// Which project is looked at.
#[derive(Clone, Default)]
pub struct ProjectRequest {
    /// The project's directory; the current one by default.
    pub directory: Option<PathBuf>,
    /// `-f`.
    pub compose_files: Vec<PathBuf>,
    /// `-p`.
    pub project_name: Option<String>,
    /// `--project-directory`.
    pub project_directory: Option<PathBuf>,
    /// Compose's own `--env-file`.
    pub compose_env_files: Vec<PathBuf>,
    /// `--profile`.
    pub profiles: Vec<String>,
    /// `--service`.
    pub service: Option<String>,
}

/// What stands for the settings that the Convex CLI would read.
#[derive(Default)]
pub struct CliRequest {
    /// The Convex CLI's `--env-file`.
    pub env_file: Option<PathBuf>,
    /// `--url`.
    pub url: Option<String>,
    /// The key from the standard input.
    pub admin_key: Option<Secret>,
    /// The variables to which the command that is looked into gives a value that is not known.
    pub unknown: Vec<String>,
}

/// Which engine is asked, and how far.
#[derive(Default)]
pub struct DockerRequest {
    /// `-H`.
    pub host: Option<String>,
    /// `--context`.
    pub context: Option<String>,
    /// `--no-docker`.
    pub no_docker: bool,
    /// Look into the volumes that no running backend has, also where nothing is wrong.
    pub look_into_volumes: bool,
}

impl Request {
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = self.environment.clone().unwrap_or_else(process_environment);
        for (name, value) in &self.overrides {
            match value {
                Some(value) => environment.insert(name.clone(), value.clone()),
                None => environment.remove(name),
            };
        }
        environment
    }

    pub(crate) fn directory(&self) -> anyhow::Result<PathBuf> {
        real_directory(self.project.directory.as_deref())
    }

    pub(super) fn docker_options(&self) -> docker::DockerOptions {
        docker::DockerOptions {
            host: self.docker.host.clone(),
            context: self.docker.context.clone(),
            timeout: self.timeout(),
            deadline: self.look_deadline(),
        }
    }

    /// When a look that begins now has to be over.
    pub(super) fn look_deadline(&self) -> Deadline {
        Deadline::after(RUN).or_earlier(self.deadline)
    }

    pub(super) fn timeout(&self) -> Duration {
        if self.timeout.is_zero() { Duration::from_secs(5) } else { self.timeout }
    }
}

/// The environment of this process, which every program that it starts gets.
pub fn process_environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            // Windows knows `Path` as PATH, and so do its programs.
            let name = if cfg!(windows) { name.to_ascii_uppercase() } else { name };
            Some((name, value.to_string_lossy().into_owned()))
        })
        .collect()
}
