//! What the volumes hold that no running backend has: which one has the secret that made this key?
//!
//! Where the engine is on this machine and the volume's directory may be read (as root), that directory tells. Volumes of other drivers,
//! and those that a driver's options make of something else, are left alone: reading them may go out to a network, or hang.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use bollard::models::Volume as Listed;

use super::mountpoint::{self, Content};
use super::{Listing, container};
use crate::evidence::Observation;
use crate::evidence::docker::{Container, DockerFacts, Volume, VolumeContent};
use crate::evidence::key::SecretPlace;
use crate::secret::{Secret, sanitize};

/// More volumes than this are not looked into.
const MOST: usize = 50;

/// Looks into the volumes of `facts` that no running backend has, and notes there what they hold. Every secret met is handed over.
pub async fn look_into_volumes(
    listing: &Listing,
    facts: &mut DockerFacts,
) -> Vec<(Secret, SecretPlace)> {
    let mut secrets = Vec::new();
    let (Observation::Seen(listed), Observation::Seen(volumes)) =
        (&listing.volumes, &mut facts.volumes)
    else {
        return secrets;
    };
    let mut wanted: Vec<&mut Volume> =
        volumes.iter_mut().filter(|volume| !is_known(volume, &facts.backends)).collect();
    // Somebody's name says more than a late change.
    wanted.sort_by_key(|volume| volume.anonymous);
    let count = wanted.len();
    for volume in wanted.iter_mut().skip(MOST) {
        volume.content = Observation::unavailable(format!("{MOST} others were looked into"));
    }
    if count > MOST {
        facts.notes.push(format!("{count} volumes could be looked into; {MOST} were"));
    }
    wanted.truncate(MOST);

    let directories = wanted.iter().map(|volume| directory(volume, listed, facts.local)).collect();
    let looked = look_at(directories, listing.engine.timeout).await;
    for (volume, content) in wanted.into_iter().zip(looked) {
        volume.content = match content {
            Ok(content) => {
                let how = "its directory on this machine";
                Observation::Seen(reduce(&volume.name, content, how, &mut secrets))
            }
            Err(reason) => Observation::unavailable(format!("volume {}: {reason}", volume.name)),
        };
    }
    secrets
}

/// Whether a backend that lives has it, or its secret was read through a stopped one.
fn is_known(volume: &Volume, backends: &[Container]) -> bool {
    backends.iter().filter(|backend| volume.attached_to.contains(&backend.name)).any(|backend| {
        let lives = !matches!(backend.state.as_str(), "exited" | "created" | "dead");
        let over = backend.mount_over(&backend.credentials_dir);
        let reads = over.is_some_and(|mount| mount.source.as_ref() == Some(&volume.name));
        lives || reads && matches!(backend.secret.file, Observation::Seen(Some(_)))
    })
}

/// The directory of a volume, and when it was changed; or why it must not be looked into.
struct Directory {
    volume: String,
    mountpoint: String,
    changed_at: Option<i64>,
}

fn directory(volume: &Volume, listed: &[Listed], local: bool) -> Result<Directory, String> {
    let known = listed.iter().find(|known| known.name == volume.name);
    let known = known.ok_or_else(|| "the engine has it no more".to_owned())?;
    if !matches!(known.driver.as_str(), "local" | "") {
        return Err(format!("it belongs to the driver {}", sanitize(&known.driver)));
    }
    if !known.options.is_empty() {
        return Err("options of its driver make it something else than a directory".to_owned());
    }
    if !local {
        return Err("its directory is on the engine's machine".to_owned());
    }
    Ok(Directory {
        volume: volume.name.clone(),
        mountpoint: known.mountpoint.clone(),
        changed_at: volume.changed_at,
    })
}

/// All of them one after the other, on a thread that nobody waits for beyond the deadline: a disk may hang.
async fn look_at(
    directories: Vec<Result<Directory, String>>,
    timeout: std::time::Duration,
) -> Vec<Result<Content, String>> {
    let count = directories.len();
    let look = tokio::task::spawn_blocking(move || {
        let look = |one: Directory| mountpoint::look(&one.volume, &one.mountpoint, one.changed_at);
        directories.into_iter().map(|one| one.and_then(look)).collect()
    });
    match tokio::time::timeout(timeout, look).await {
        Ok(Ok(looked)) => looked,
        _ => (0..count).map(|_| Err("its directory does not answer".to_owned())).collect(),
    }
}

/// The secret into custody, the rest into the evidence.
fn reduce(
    volume: &str,
    content: Content,
    how: &str,
    secrets: &mut container::Secrets,
) -> VolumeContent {
    let place = || SecretPlace::Volume { volume: volume.to_owned() };
    VolumeContent {
        secret: content.secret.map(|text| container::judge(&text, place(), secrets)),
        instance_name: content.name.map(|name| sanitize(&name)),
        database_bytes: content.database_bytes,
        how: how.to_owned(),
    }
}
