//! The keys: their shape, and which of the secrets found opens them.
use serde::{Deserialize, Serialize};

use super::selection::ValueSource;
use crate::admin_key::{Claims, Shape};
use crate::secret::Fingerprint;

/// One admin key that a source defines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyFacts {
    /// Where it is.
    pub source: ValueSource,
    /// Whether it is the one `npx convex` would use.
    pub selected: bool,
    /// Its fingerprint, if it has the shape of a key.
    pub fingerprint: Option<Fingerprint>,
    /// What its text says without any secret.
    pub shape: Shape,
    /// The fingerprint of the key in it, where it is a whole one that only something was captured
    /// along with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Fingerprint>,
    /// Where an instance secret was found that equals this text digit for digit.
    pub equals_secret_of: Option<SecretPlace>,
    /// Every distinct secret that was found, and whether it opens this key.
    pub trials: Vec<Trial>,
}

/// One secret tried against one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Trial {
    /// The secret.
    pub secret: Fingerprint,
    /// Everywhere it was found.
    pub places: Vec<SecretPlace>,
    /// What the key says, when the secret opens it.
    pub opened: Option<Claims>,
}

/// A place where an instance secret was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum SecretPlace {
    /// On the command line of a container's backend process: the secret in use.
    Process {
        /// The container's name.
        container: String,
    },
    /// In a container's environment: what its next start will use.
    Environment {
        /// The container's name.
        container: String,
    },
    /// In the credentials file that a container sees.
    File {
        /// The container's name.
        container: String,
        /// The volume or host directory that holds the file; `None` when it is in the container's
        /// own layer.
        volume: Option<String>,
    },
    /// In a volume that no running backend has.
    Volume {
        /// The volume's name.
        volume: String,
    },
    /// In the compose file or its `.env`.
    Compose {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// The public development secret of upstream's repository, which every local backend of the CLI
    /// used until 2026.
    PublicDevelopment,
    /// A file that the caller named.
    Given,
}

impl SecretPlace {
    /// The volume or host directory that holds it.
    pub fn volume(&self) -> Option<&str> {
        match self {
            Self::File { volume, .. } => volume.as_deref(),
            Self::Volume { volume } => Some(volume),
            _ => None,
        }
    }
}
