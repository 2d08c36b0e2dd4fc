//! The versions of everything that has a part, for `convex-doctor --version -v`. The only place
//! where `docker` itself is run: the person asks for it.
#![allow(clippy::disallowed_methods, reason = "the collector looks at the machine")]

use std::collections::BTreeMap;
use std::path::Path;

use super::files::{self, FileText};
use super::texts::FileTexts;
use super::{Request, compose, docker, surroundings, toolchain};
use crate::evidence::Observation;
use crate::evidence::versions::{Installed, System, Versions};
use crate::secret::sanitize;

/// Looks for all of them, at the same time.
pub fn versions(request: &Request) -> anyhow::Result<Versions> {
    let directory = request.directory()?;
    let environment = request.environment();
    let cli = toolchain::cli(&directory, &environment);
    let found = match cli.found {
        Observation::Seen(found) => {
            Observation::Seen(found.map(|found| Installed { version: cli.version, found }))
        }
        Observation::Unavailable { reason } => Observation::Unavailable { reason },
    };
    let runtime = super::runtime()?;
    let (node, compose, engine) = runtime.block_on(async {
        tokio::join!(
            node(&directory, &environment),
            toolchain::compose_version(&environment),
            engine(request, &directory, &environment)
        )
    });
    runtime.shutdown_background();
    let (engine, backends, label) = match engine {
        Ok(seen) => {
            let engine = seen.engine.map_or_else(Observation::unavailable, Observation::Seen);
            (engine, Observation::Seen(seen.backends), seen.compose)
        }
        Err(reason) => (
            Observation::unavailable(reason),
            Observation::unavailable("Docker was not checked"),
            None,
        ),
    };
    let compose = compose
        .map(|version| (version, "docker compose version".to_owned()))
        .or_else(|| label.map(|(version, container)| (version, format!("label of {container}"))))
        .map(|(version, found)| Installed { version: Some(version), found });
    Ok(Versions {
        doctor: env!("CARGO_PKG_VERSION").to_owned(),
        cli: found,
        node,
        engine,
        compose: Observation::Seen(compose),
        backends,
        system: System {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            name: distribution(),
            in_container: surroundings::in_container(&environment),
        },
    })
}

async fn node(
    directory: &Path,
    environment: &BTreeMap<String, String>,
) -> Observation<Option<Installed>> {
    let node = toolchain::Node::find(directory, environment);
    let Some(path) = &node.program else { return Observation::Seen(None) };
    let version = node.version(environment).await;
    let found = sanitize(&path.display().to_string());
    Observation::Seen(Some(Installed { version, found }))
}

/// What the engine says, or why it was not asked.
async fn engine(
    request: &Request,
    directory: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<docker::EngineListing, String> {
    if request.docker.no_docker {
        return Err("--no-docker was given".to_owned());
    }
    let compose = compose::read(request, directory, environment, &FileTexts::default(), None);
    let options = request.docker_options();
    let listing = docker::list(&options, environment).await.map_err(|unasked| unasked.reason)?;
    Ok(docker::versions(&listing, &compose.wanted()).await)
}

/// The distribution's own name for itself.
fn distribution() -> Option<String> {
    let FileText::Text(text) = files::read(Path::new("/etc/os-release")) else { return None };
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(sanitize(name.trim_matches(['"', '\''])))
}
