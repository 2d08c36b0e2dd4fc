//! What the volumes hold that no running backend has: which one has the secret that made this key?
//!
//! Where the engine is on this machine and the volume's directory may be read (as root), that
//! directory tells; else, with `--deep`, a helper container does. Volumes of other drivers, and
//! those that a driver's options make of something else, are left alone: reading them may go out to
//! a network, or hang.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::time::Duration;

use bollard::models::Volume as Listed;

use super::mountpoint::{self, VolumeFiles};
use super::{Listing, container, helper};
use crate::evidence::Observation;
use crate::evidence::docker::{Container, DockerFacts, Volume, VolumeContent};
use crate::evidence::key::SecretPlace;
use crate::secret::{Secret, sanitize};

/// More volumes than this are not read.
const MOST: usize = 50;

/// Looks into the volumes of `facts` that no running backend has, and notes there what they hold.
/// Every secret met is handed over. With `deep` a helper container looks into those that could not
/// be read otherwise. `now` is in seconds since 1970.
pub async fn look_into_volumes(
    listing: &Listing,
    facts: &mut DockerFacts,
    deep: bool,
    now: i64,
) -> Vec<(Secret, SecretPlace)> {
    let mut secrets = Vec::new();
    let (Observation::Seen(listed), Observation::Seen(volumes)) =
        (&listing.volumes, &mut facts.volumes)
    else {
        return secrets;
    };
    let mut wanted: Vec<&mut Volume> =
        volumes.iter_mut().filter(|volume| !is_known(volume, &facts.backends)).collect();
    // A name that a user gave says more than a late change.
    wanted.sort_by_key(|volume| volume.anonymous);
    let count = wanted.len();
    for volume in wanted.iter_mut().skip(MOST) {
        volume.content = Observation::unavailable(format!("only {MOST} volumes are checked"));
    }
    if count > MOST {
        facts.notes.push(format!("{MOST} of {count} unused volumes were checked"));
    }
    wanted.truncate(MOST);

    let eligible: Vec<_> = wanted.iter().map(|volume| directory(volume, listed)).collect();
    let mut looked = look_at(&eligible, facts.local, listing.engine.timeout).await;
    if deep {
        facts.notes.extend(helper::sweep(&listing.engine, &listing.helpers, now).await);
        let still: Vec<usize> =
            (0..looked.len()).filter(|&at| eligible[at].is_ok() && looked[at].is_err()).collect();
        let names: Vec<String> = still.iter().map(|&at| wanted[at].name.clone()).collect();
        if !names.is_empty() {
            let expected = facts.expected.as_deref();
            let through =
                helper::look(&listing.engine, &listing.containers, expected, &names).await;
            facts.notes.extend(through.notes);
            for (at, content) in still.into_iter().zip(through.contents) {
                looked[at] = content.map(|content| (content, "through a helper container"));
            }
        }
    }
    for (volume, content) in wanted.into_iter().zip(looked) {
        volume.content = match content {
            Ok((content, how)) => {
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
        let lives = !backend.is_stopped();
        let over = backend.mount_over(&backend.storage.credentials_dir);
        let reads = over.is_some_and(|mount| mount.source.as_ref() == Some(&volume.name));
        lives || reads && matches!(backend.secret.file, Observation::Seen(Some(_)))
    })
}

/// The directory of a volume, and when it was changed.
#[derive(Clone)]
struct Directory {
    volume: String,
    mountpoint: String,
    changed_at: Option<i64>,
}

/// Where the engine says that a volume lies; or why it must not be read.
fn directory(volume: &Volume, listed: &[Listed]) -> Result<Directory, String> {
    let known = listed.iter().find(|known| known.name == volume.name);
    let known = known.ok_or_else(|| "the engine does not have it any more".to_owned())?;
    if !matches!(known.driver.as_str(), "local" | "") {
        return Err(format!("it belongs to the driver {}", sanitize(&known.driver)));
    }
    if !known.options.is_empty() {
        return Err("its driver options make it something other than a directory".to_owned());
    }
    Ok(Directory {
        volume: volume.name.clone(),
        mountpoint: known.mountpoint.clone(),
        changed_at: volume.changed_at,
    })
}

/// What was found, and how it was looked for; or why it could not be.
type Looked = Result<(VolumeFiles, &'static str), String>;

/// All directories one after the other, on a thread that is not waited for beyond the deadline: a
/// disk may hang.
async fn look_at(
    directories: &[Result<Directory, String>],
    local: bool,
    timeout: Duration,
) -> Vec<Looked> {
    let all = |reason: &str| -> Vec<Looked> {
        let failed = |one: &Result<Directory, String>| match one {
            Ok(_) => Err(reason.to_owned()),
            Err(never) => Err(never.clone()),
        };
        directories.iter().map(failed).collect()
    };
    if !local {
        return all("its directory is on the engine's machine");
    }
    let owned = directories.to_vec();
    let look = tokio::task::spawn_blocking(move || {
        let look = |one: Directory| {
            mountpoint::look(&one.volume, &one.mountpoint, one.changed_at)
                .map(|content| (content, "its directory on this machine"))
        };
        owned.into_iter().map(|one| one.and_then(look)).collect()
    });
    match tokio::time::timeout(timeout, look).await {
        Ok(Ok(looked)) => looked,
        _ => all("its directory does not answer"),
    }
}

/// The secret into custody, the rest into the evidence.
fn reduce(
    volume: &str,
    content: VolumeFiles,
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
