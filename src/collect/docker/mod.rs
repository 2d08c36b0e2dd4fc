//! Looking at the Docker engine, in three waves: [`list`], [`inspect`], then [`LookedBack`] and
//! [`look_into_volumes`]. Only GET and HEAD are ever sent (but for `--deep`: `helper.rs`), each
//! call has its own deadline, and what fails becomes an observation that could not be made.
//!
//! It runs nothing inside a container, and does not read the archive of a container where the call
//! itself would make a directory on the host (docs/facts.md, docker-archive).
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

mod answer;
mod answering;
mod archive;
mod backend;
pub mod container;
mod context;
mod dashboards;
mod detached;
mod elsewhere;
mod engine;
mod events;
mod expected;
mod failure;
mod helper;
pub mod log;
mod looking_back;
mod mountpoint;
mod pool;
pub mod recognise;
mod ssh;
mod summary;
mod tls;
mod versions;
mod volumes;

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use bollard::models::{
    ContainerSummary, SystemVersion, Volume as ListedVolume, VolumeListResponse,
};
use tokio::task::JoinHandle;

pub use answering::answering;
pub use container::directory_inside;
pub use context::{EngineTarget, Transport, resolve};
pub use dashboards::dashboards;
pub use detached::look_into_volumes;
pub use elsewhere::other_contexts;
pub use looking_back::LookedBack;
pub use ssh::SshTarget;
pub use versions::{EngineListing, versions};

use crate::budget::Deadline;
use crate::docker::helper::LABEL;
use crate::docker::{NEW, SET_ASIDE};
use crate::evidence::Observation;
use crate::evidence::docker::{Container, DockerFacts, EngineFailure, EngineVersion};
use crate::evidence::key::SecretPlace;
use crate::secret::{Secret, sanitize};
use engine::ReadEngine;
use summary::{candidates, companions, published};

/// More backends than this on one engine are not inspected one by one.
const MOST_INSPECTED: usize = 64;

/// Which engine to ask, and how patiently.
#[derive(Clone, Debug)]
pub struct DockerOptions {
    /// `-H`.
    pub host: Option<String>,
    /// `--context`.
    pub context: Option<String>,
    /// The time for one call.
    pub timeout: Duration,
    /// When all of them have to be over.
    pub deadline: Deadline,
}

impl Default for DockerOptions {
    fn default() -> Self {
        Self {
            host: None,
            context: None,
            timeout: Duration::from_secs(5),
            deadline: Deadline::never(),
        }
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

/// The client of the engine, for a fix that changes something there, and the time for one
/// call.
pub fn client(
    options: &DockerOptions,
    env: &BTreeMap<String, String>,
) -> Result<(bollard::Docker, Duration), Unasked> {
    let engine = ReadEngine::connect(resolve(options, env)?, options.timeout, Deadline::never())?;
    Ok((engine.client, engine.timeout))
}

/// What the first wave brought.
pub struct Listing {
    engine: ReadEngine,
    containers: Vec<ContainerSummary>,
    /// Helper containers of earlier runs that were killed, or of one that runs now.
    helpers: Vec<ContainerSummary>,
    /// Containers that a fix set aside, or did not put in place yet.
    of_a_fix: Vec<String>,
    volumes: Observation<Vec<ListedVolume>>,
    /// The question for the engine's version, which some engines answer late; taken out by who
    /// waits for it.
    version: std::sync::Mutex<Option<JoinHandle<Observation<EngineVersion>>>>,
    /// The backends that are looked at already, by their ids.
    ahead: std::sync::Mutex<BTreeMap<String, JoinHandle<LookedAt>>>,
}

/// What was seen of one backend: its facts, its secrets, a note.
type LookedAt = (Container, container::Secrets, Option<String>);

impl Listing {
    /// The engine that was asked.
    pub fn target(&self) -> &EngineTarget {
        &self.engine.target
    }

    /// Whether the engine's paths are this machine's.
    pub(super) fn is_local(&self) -> bool {
        self.engine.target.local
    }

    /// The backends that Compose made, each with the files that made it.
    pub(super) fn backends_made_from(&self, wanted: &WantedObjects<'_>) -> Vec<MadeFrom> {
        summary::candidates(&self.containers, wanted)
            .into_iter()
            .filter_map(|(summary, _)| summary::made_from(summary))
            .collect()
    }

    /// Looks at the backends that are ones by themselves, if they are not many: a compose file can
    /// only add some.
    fn look_ahead(&self) {
        /// More than a person has.
        const FEW: usize = 8;
        let candidates = candidates(&self.containers, &WantedObjects::default());
        if candidates.len() > FEW {
            return;
        }
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        for (summary, recognised_by) in candidates {
            let id = summary.id.clone().unwrap_or_default();
            ahead.insert(id, self.look_at(summary, &recognised_by));
        }
    }

    fn look_at(&self, summary: &ContainerSummary, recognised_by: &str) -> JoinHandle<LookedAt> {
        let (engine, summary) = (self.engine.clone(), summary.clone());
        let recognised_by = recognised_by.to_owned();
        tokio::spawn(async move { engine.backend(&summary, &recognised_by).await })
    }

    fn taken_ahead(&self, summary: &ContainerSummary) -> Option<JoinHandle<LookedAt>> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.remove(summary.id.as_deref().unwrap_or_default())
    }

    /// The engine's version; asked for once.
    async fn version(&self) -> Observation<EngineVersion> {
        let asked = self.version.lock().unwrap_or_else(PoisonError::into_inner).take();
        let not_said = || Observation::unavailable("its version: not asked");
        match asked {
            Some(asked) => asked.await.unwrap_or_else(|_| not_said()),
            None => not_said(),
        }
    }

    /// How many containers it has, of whatever kind.
    pub fn containers(&self) -> usize {
        self.containers.len()
    }
}

/// A container that Compose made, and what it says it was made from.
pub(super) struct MadeFrom {
    pub(super) container: String,
    pub(super) project: String,
    /// The compose files, absolute.
    pub(super) files: Vec<String>,
    /// The files of `--env-file`, absolute.
    pub(super) env_files: Vec<String>,
    pub(super) is_running: bool,
    /// Seconds since 1970.
    pub(super) created_at: Option<i64>,
}

/// The compose project that the caller is in, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct WantedObjects<'a> {
    /// The project's name.
    pub project: Option<&'a str>,
    /// The project's directory, absolute.
    pub directory: Option<&'a str>,
    /// The service that is the backend.
    pub service: Option<&'a str>,
    /// The keys, in the compose file, of the volumes that hold data directories.
    pub data_volume_keys: Vec<String>,
    /// The full names of all volumes that the compose file declares.
    pub declared_volumes: Vec<String>,
}

/// What the second wave brought.
pub struct Inspected {
    /// The facts; `answering` and the logs are still open.
    pub facts: DockerFacts,
    /// Every instance secret met, valid or not, with its place.
    pub secrets: Vec<(Secret, SecretPlace)>,
}

/// Wave 1, begun at once: its answers come while the caller does something else. The backends that
/// are ones whatever the compose file says are looked at already.
pub fn list_ahead(
    options: DockerOptions,
    env: BTreeMap<String, String>,
) -> impl Future<Output = Result<Listing, Unasked>> {
    let asked = tokio::spawn(async move {
        let listing = list(&options, &env).await?;
        listing.look_ahead();
        Ok(listing)
    });
    async move {
        asked.await.unwrap_or_else(|_| {
            Err(Unasked {
                failure: EngineFailure::NotAsked,
                reason: "internal error while it was asked".to_owned(),
                address: String::new(),
                context: None,
            })
        })
    }
}

/// Wave 1: the containers, the volumes and the engine's version, at the same time. `env` is the
/// process environment.
pub async fn list(
    options: &DockerOptions,
    env: &BTreeMap<String, String>,
) -> Result<Listing, Unasked> {
    let engine = ReadEngine::connect(resolve(options, env)?, options.timeout, options.deadline)?;
    // Nothing that is inspected depends on it.
    let version = tokio::spawn({
        let engine = engine.clone();
        async move {
            match engine.get("/version").await {
                Ok(answer) => Observation::Seen(engine_version(answer)),
                Err(error) => {
                    Observation::unavailable(format!("its version: {}", failure::words(&error)))
                }
            }
        }
    });
    let (containers, volumes) =
        tokio::join!(engine.containers(), engine.get::<VolumeListResponse>("/volumes"));
    let containers =
        containers.map_err(|error| failure::unasked(&error, &engine.target, engine.timeout))?;
    let volumes = match volumes {
        Ok(answer) => Observation::Seen(answer.volumes.unwrap_or_default()),
        Err(error) => Observation::unavailable(format!("the volumes: {}", failure::words(&error))),
    };
    let is_helper = |summary: &ContainerSummary| summary::label(summary, LABEL).is_some();
    let (helpers, containers): (Vec<_>, Vec<_>) = containers.into_iter().partition(is_helper);
    // What a fix sets aside bears the labels of the one that takes its place, and is not one of the
    // project's meanwhile.
    let of_a_fix = |summary: &ContainerSummary| {
        let name = summary::name_of(summary);
        [SET_ASIDE, NEW].iter().any(|ending| name.ends_with(ending))
    };
    let (of_a_fix, containers): (Vec<_>, Vec<_>) = containers.into_iter().partition(of_a_fix);
    let of_a_fix = of_a_fix.iter().map(summary::name_of).collect();
    let version = std::sync::Mutex::new(Some(version));
    let ahead = std::sync::Mutex::default();
    Ok(Listing { engine, containers, helpers, of_a_fix, volumes, version, ahead })
}

/// Wave 2: the backends one by one, all at the same time.
pub async fn inspect(listing: &Listing, wanted: &WantedObjects<'_>) -> Inspected {
    let mut notes = listing.engine.target.notes.clone();
    notes.extend(listing.of_a_fix.iter().map(|name| {
        format!(
            "{name} belongs to a fix that is running or was interrupted: `convex-doctor fix --apply` finishes it"
        )
    }));
    let mut candidates = candidates(&listing.containers, wanted);
    if candidates.len() > MOST_INSPECTED {
        notes.push(format!(
            "{} containers look like Convex backends; {MOST_INSPECTED} of them were checked",
            candidates.len()
        ));
        candidates.truncate(MOST_INSPECTED);
    }

    let looks = candidates.iter().map(|(summary, recognised_by)| {
        listing.taken_ahead(summary).unwrap_or_else(|| listing.look_at(summary, recognised_by))
    });
    let looked: Vec<_> = futures_util::future::join_all(looks).await;
    let looked = looked.into_iter().zip(&candidates).map(|(looked, (summary, recognised_by))| {
        looked.unwrap_or_else(|_| {
            let note =
                format!("{}: internal error while it was inspected", summary::name_of(summary));
            let known = backend::from_summary(summary, recognised_by, &note);
            (known, container::Secrets::new(), Some(note))
        })
    });
    let mut backends = Vec::new();
    let mut secrets = Vec::new();
    for (mut container, met, note) in looked {
        // Another machine's engine names files of that machine.
        if listing.engine.target.local && !container.labels.config_files.is_empty() {
            let gone = |file: &String| !super::files::exists(std::path::Path::new(file));
            container.labels.files_gone = Some(container.labels.config_files.iter().all(gone));
        }
        backends.push(container);
        secrets.extend(met);
        notes.extend(note);
    }
    backends.sort_by(|a, b| a.name.cmp(&b.name));

    let mut absent_volumes = Vec::new();
    let volumes = match &listing.volumes {
        Observation::Seen(listed) => {
            absent_volumes = volumes::absent(listed, &wanted.declared_volumes);
            let (volumes, note) = volumes::reduce(listed, &listing.containers, &backends, wanted);
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
        other_contexts: None,
        volumes,
        absent_volumes,
        engine: listing.version().await,
        backends,
        events: Observation::unavailable("not asked"),
        notes,
    };
    Inspected { facts, secrets }
}

fn engine_version(answer: SystemVersion) -> EngineVersion {
    let podman = |name: &str| name.to_ascii_lowercase().contains("podman");
    EngineVersion {
        podman: answer.components.iter().flatten().any(|part| podman(&part.name)),
        version: sanitize(&answer.version.unwrap_or_default()),
        api: sanitize(&answer.api_version.unwrap_or_default()),
    }
}
