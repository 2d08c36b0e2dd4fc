//! What was seen: plain, serialisable data without any secret.
//!
//! `collect` fills it, a bundle carries it, the checks read it. Every secret met on the way is
//! reduced here to a fingerprint and to the answers that were needed of it. Something that could
//! not be checked is [`Observation::Unavailable`], which no check can mistake for "seen, and in
//! order". Something that is not there (no compose file) is `Seen(None)`.

#[cfg(test)]
pub(crate) mod build;
pub mod command;
pub mod compose;
pub mod docker;
pub mod endpoint;
pub mod key;
pub mod places;
pub mod selection;
mod sql;
pub mod suppression;
pub mod surroundings;
pub mod versions;
mod words;
use serde::{Deserialize, Serialize};

pub use compose::ComposeFacts;
pub use docker::DockerFacts;
pub use endpoint::EndpointFacts;
pub use key::KeyFacts;
pub use selection::SelectionFacts;
pub use surroundings::Surroundings;

/// Something that was checked, or why it could not be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Observation<T> {
    /// It was seen.
    Seen(T),
    /// It could not be checked.
    Unavailable {
        /// Why, in words for the reader.
        reason: String,
    },
}

impl<T> Observation<T> {
    /// What was seen, or the reason why a check that needs it must end as `unknown`.
    pub fn seen(&self) -> Result<&T, Unseen> {
        match self {
            Self::Seen(value) => Ok(value),
            Self::Unavailable { reason } => Err(Unseen { reason: reason.clone() }),
        }
    }

    /// An observation that could not be made.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }
}

impl<T> Default for Observation<T> {
    fn default() -> Self {
        Self::unavailable("not checked")
    }
}

/// Ends a check that could not see what it needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// Why, in words for the reader.
    pub reason: String,
}

impl Unseen {
    /// Ends a check for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// Everything one run has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Evidence {
    /// When the run began, in seconds since 1970 (UTC): "now" for every check, also in a replay.
    pub collected_at: i64,
    /// What the caller asked for, as far as a check may depend on it.
    pub asked: Asked,
    /// What `npx convex` would use.
    pub selection: SelectionFacts,
    /// Every key found, the selected one first where there is one.
    pub keys: Vec<KeyFacts>,
    /// The project round it: package.json, git, other env files, the machine.
    pub surroundings: Surroundings,
    /// The compose project; `None` where there is no compose file.
    pub compose: Observation<Option<ComposeFacts>>,
    /// The Docker engine.
    pub docker: Observation<DockerFacts>,
    /// Why the engine could not be asked, when it could not.
    pub engine_failure: Option<docker::FailedEngine>,
    /// The selected URL; `None` where none is selected.
    pub endpoint: Observation<Option<EndpointFacts>>,
    /// The command that failed, under `convex-doctor run`.
    #[serde(default)]
    pub command: Option<command::CommandFacts>,
    /// The dashboards of this project that run and publish their port on this machine (in a
    /// container: none does).
    #[serde(default)]
    pub dashboards: Observation<Vec<endpoint::DashboardPage>>,
    /// The addresses at this machine, or at the host of the selected URL, that the deployment names
    /// for clients, asked without a key.
    #[serde(default)]
    pub origins: Observation<Vec<endpoint::AskedOrigin>>,
    /// How long each probe took.
    pub timings: Vec<Timing>,
}

/// What the caller asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Asked {
    /// `--ephemeral`: a temporary instance.
    pub ephemeral: bool,
    /// The variable CI is set.
    pub ci: bool,
    /// `--service`.
    pub service: Option<String>,
    /// `--no-docker`.
    pub no_docker: bool,
    /// `--no-network`.
    pub no_network: bool,
    /// What is not to be shown, by `convex-doctor.toml` and by comments in the files that were
    /// read.
    #[serde(default)]
    pub suppressions: Vec<suppression::Suppression>,
}

/// One probe's duration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Timing {
    /// What was done.
    pub probe: String,
    /// When it began, in milliseconds since the run did.
    #[serde(default)]
    pub start_ms: u64,
    /// In milliseconds.
    pub ms: u64,
}
