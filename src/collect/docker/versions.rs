//! The versions of the engine, of Compose and of the backends: the list of containers tells all but
//! the first.

use bollard::models::SystemVersion;

use super::summary::{candidates, label, name_of, state};
use super::{Listing, WantedObjects, failure};
use crate::evidence::versions::{BackendImage, EngineVersion};
use crate::secret::scrub;

/// More backends than this are not listed.
const MOST: usize = 16;

/// What the engine tells.
pub struct EngineListing {
    /// The engine's own, or why it does not say.
    pub engine: Result<EngineVersion, String>,
    /// The version of Compose that made a backend here, and that container's name.
    pub compose: Option<(String, String)>,
    /// The backends, this project's first.
    pub backends: Vec<BackendImage>,
}

/// Asks the engine for its version, and reads the rest off the list.
pub async fn versions(listing: &Listing, wanted: &WantedObjects<'_>) -> EngineListing {
    let engine = match listing.engine.get::<SystemVersion>("/version").await {
        Ok(version) => Ok(EngineVersion {
            version: version.version.as_deref().map(scrub),
            api: version.api_version.as_deref().map(scrub),
            address: listing.engine.target.address.clone(),
            context: listing.engine.target.context.clone(),
        }),
        Err(error) => Err(format!("{}: {}", listing.engine.target.address, failure::words(&error))),
    };
    let candidates = candidates(&listing.containers, wanted);
    let compose = candidates.iter().find_map(|(summary, _)| {
        let version = label(summary, "com.docker.compose.version")?;
        Some((scrub(version), name_of(summary)))
    });
    let backends = candidates.iter().take(MOST).map(|(summary, _)| BackendImage {
        container: name_of(summary),
        state: state(summary),
        image: scrub(summary.image.as_deref().unwrap_or_default()),
        revision: label(summary, "org.opencontainers.image.revision").map(scrub),
    });
    EngineListing { engine, compose, backends: backends.collect() }
}
