//! A helper container: made, never started, looked into through the engine's archive, removed. The
//! only thing that this collector changes on an engine, and only with `--deep`.
//!
//! The recipe, and what was measured for it, is in [`crate::docker::helper`]. What the engine made
//! for the helper all the same is removed by its name.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, ImageInspect, ImageSummary,
    Volume,
};
use bollard::query_parameters::{
    ContainerArchiveInfoOptions, CreateContainerOptions, RemoveContainerOptions,
    RemoveVolumeOptions,
};

use super::answer::segment;
use super::engine::ReadEngine;
use super::mountpoint::{DATABASE, LARGEST_FILE, VolumeFiles};
use super::summary::{label, name_of, sight, state};
use super::{EngineTarget, archive, failure, recognise};
use crate::budget::{Deadline, OVER};
use crate::docker::helper;
use crate::docker::interrupt::{Hold, Interrupt};
use crate::evidence::docker::ContainerState;
use crate::names::is_anonymous_volume;

/// Where the volumes are mounted, by their number.
const BASE: &str = "/convex-doctor";

/// The time for all the looking through one helper.
const PATIENCE: Duration = Duration::from_secs(20);

/// The bits of Go's `os.FileMode` that say what a path is; a regular file has none of them.
const KINDS: u32 = DIRECTORY | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;
const DIRECTORY: u32 = 1 << 31;

/// What came of looking: of each volume, in the order given; and what a person should know.
pub(super) struct HelperLook {
    pub(super) contents: Vec<Result<VolumeFiles, String>>,
    pub(super) notes: Vec<String>,
}

/// Looks into `volumes`: all through one helper, and those that the engine could not mount once
/// more, each through its own.
pub(super) async fn look(
    engine: &ReadEngine,
    containers: &[ContainerSummary],
    expected: Option<&str>,
    volumes: &[String],
) -> HelperLook {
    let mut notes = Vec::new();
    let all = |reason: &str| volumes.iter().map(|_| Err(reason.to_owned())).collect();
    let image = match image(engine, containers, expected).await {
        Ok(image) => image,
        Err(reason) => return HelperLook { contents: all(&reason), notes },
    };
    let interrupt = Interrupt::watch();
    let mut contents = vec![];
    for content in through_one(engine, &image, volumes, &interrupt, &mut notes).await {
        contents.push(content);
    }
    if volumes.len() > 1 {
        for (volume, content) in volumes.iter().zip(&mut contents) {
            if let Err(HelperFailure::Mount(_)) = content {
                let volume = std::slice::from_ref(volume);
                let mut again = through_one(engine, &image, volume, &interrupt, &mut notes).await;
                *content = again.remove(0);
            }
        }
    }
    let words = |trouble| match trouble {
        HelperFailure::Mount(reason) | HelperFailure::Other(reason) => reason,
    };
    HelperLook {
        contents: contents.into_iter().map(|content| content.map_err(words)).collect(),
        notes,
    }
}

/// Why a volume could not be read.
enum HelperFailure {
    /// The engine failed at a mount, which may be another volume's fault: every call mounts all of
    /// them.
    Mount(String),
    /// Anything else.
    Other(String),
}

impl HelperFailure {
    fn of(error: &Error) -> Self {
        let words = failure::words(error);
        match error {
            Error::DockerResponseServerError { status_code: 500.., .. } => Self::Mount(words),
            _ => Self::Other(words),
        }
    }
}

/// A backend's own image, and the paths that it declares as volumes.
struct HelperImage {
    id: String,
    volumes: Vec<String>,
}

/// The image of a backend that is here, this project's before others; else one that is called like
/// a backend's. None is pulled.
async fn image(
    engine: &ReadEngine,
    containers: &[ContainerSummary],
    expected: Option<&str>,
) -> Result<HelperImage, String> {
    let mut backends: Vec<_> =
        containers.iter().filter(|summary| recognise::backend(sight(summary)).is_some()).collect();
    backends.sort_by_key(|summary| Some(name_of(summary).as_str()) != expected);
    let mut ids: Vec<String> =
        backends.iter().filter_map(|summary| summary.image_id.clone()).collect();
    ids.dedup();
    ids.truncate(3);
    if ids.is_empty() {
        let listed = engine.get::<Vec<ImageSummary>>("/images/json").await;
        let listed = listed.map_err(|error| format!("its images: {}", failure::words(&error)))?;
        let is_backend = |tags: &[String]| tags.iter().any(|tag| recognise::is_backend_image(tag));
        ids.extend(listed.into_iter().find(|it| is_backend(&it.repo_tags)).map(|image| image.id));
    }
    for id in ids {
        if let Ok(image) =
            engine.get::<ImageInspect>(&format!("/images/{}/json", segment(&id))).await
        {
            let volumes = image.config.and_then(|config| config.volumes).unwrap_or_default();
            return Ok(HelperImage { id, volumes });
        }
    }
    Err("the engine has no backend image to create a helper container from".to_owned())
}

/// Makes a helper for all of `volumes`, looks into each, removes the helper, whatever happens.
async fn through_one(
    engine: &ReadEngine,
    image: &HelperImage,
    volumes: &[String],
    interrupt: &Interrupt,
    notes: &mut Vec<String>,
) -> Vec<Result<VolumeFiles, HelperFailure>> {
    let all = |reason: String| {
        volumes.iter().map(|_| Err(HelperFailure::Other(reason.clone()))).collect()
    };
    // The engine would make a volume that is gone by now.
    let exist = futures_util::future::join_all(volumes.iter().map(|volume| async move {
        engine.get::<Volume>(&format!("/volumes/{}", segment(volume))).await
    }))
    .await;
    let there: Vec<(usize, &String)> = volumes
        .iter()
        .enumerate()
        .filter(|(at, _)| exist.get(*at).is_some_and(Result::is_ok))
        .collect();
    let Some((_, first)) = there.first() else {
        return all("the engine does not have it any more".to_owned());
    };
    // Time for removing it has to be left: that is never cut short.
    let engine = &engine.until(engine.deadline.minus(2 * engine.timeout));
    if engine.deadline.is_over() {
        return all(OVER.to_owned());
    }
    let Some(mut helper) = Helper::announce(engine, interrupt) else {
        return all("interrupted".to_owned());
    };
    let binds = there
        .iter()
        .map(|(at, volume)| format!("{volume}:{BASE}/{at}:ro,nocopy"))
        .chain(image.volumes.iter().map(|path| format!("{first}:{path}:ro,nocopy")));
    let body = helper::body(&image.id, binds.collect(), &[]);
    // Never cut short by a signal: only when the engine has answered is it known whether there is
    // something to remove.
    let made = helper.make(engine, body, volumes).await;
    let contents = match &made {
        Ok(()) => {
            let look = async {
                let mut contents = Vec::new();
                for (at, _) in volumes.iter().enumerate() {
                    contents.push(if there.iter().any(|(known, _)| *known == at) {
                        content(engine, &helper.name, at).await
                    } else {
                        Err(HelperFailure::Other("the engine does not have it any more".to_owned()))
                    });
                }
                contents
            };
            tokio::select! {
                contents = look => contents,
                () = tokio::time::sleep(PATIENCE) => all("no answer in time".to_owned()),
                () = interrupt.happened() => all("interrupted".to_owned()),
            }
        }
        Err(error) => all(format!("no helper container: {}", failure::words(error))),
    };
    if let Err(reason) = helper.remove(engine).await {
        notes.push(format!(
            "the helper container {} could not be removed ({reason}): docker rm {}",
            helper.name, helper.name
        ));
    }
    drop(helper);
    interrupt.end_here().await;
    contents
}

/// What the volume with that number holds.
async fn content(
    engine: &ReadEngine,
    helper: &str,
    at: usize,
) -> Result<VolumeFiles, HelperFailure> {
    let base = format!("{BASE}/{at}");
    if head(engine, helper, &base).await?.is_none_or(|(mode, _)| mode & KINDS != DIRECTORY) {
        return Err(HelperFailure::Other("the engine did not mount it".to_owned()));
    }
    let database_bytes = match head(engine, helper, &format!("{base}/{DATABASE}")).await? {
        Some((mode, size)) if mode & KINDS == 0 => Some(size),
        _ => None,
    };
    // A link could lead into the image or into another volume, and its secret would be taken for
    // this one's.
    match head(engine, helper, &format!("{base}/credentials")).await? {
        None => return Ok(VolumeFiles { database_bytes, ..VolumeFiles::default() }),
        Some((mode, _)) if mode & KINDS == DIRECTORY => {}
        Some(_) => {
            return Err(HelperFailure::Other(
                "its credentials are not a plain directory".to_owned(),
            ));
        }
    }
    let directory = format!("{base}/credentials");
    // In one piece: the engine takes some 60 ms for each archive, however small.
    let whole = engine.archive(helper, &directory).await.map_err(HelperFailure::Other)?;
    let (secret, name) = match whole.as_deref().and_then(archive::both) {
        Some((secret, name)) => {
            (secret.map_err(HelperFailure::Other)?, name.map_err(HelperFailure::Other)?)
        }
        None => (
            file(engine, helper, &format!("{directory}/instance_secret")).await?,
            file(engine, helper, &format!("{directory}/instance_name")).await?,
        ),
    };
    Ok(VolumeFiles { secret: secret.map(zeroize::Zeroizing::new), name, database_bytes })
}

/// The text of one credentials file, where the directory holds too much next to it.
async fn file(
    engine: &ReadEngine,
    helper: &str,
    path: &str,
) -> Result<Option<String>, HelperFailure> {
    match head(engine, helper, path).await? {
        None => return Ok(None),
        Some((mode, size)) if mode & KINDS != 0 || size > LARGEST_FILE => {
            return Err(HelperFailure::Other(
                "its credentials are not small regular files".to_owned(),
            ));
        }
        Some(_) => {}
    }
    match engine.archive(helper, path).await.map_err(HelperFailure::Other)? {
        Some(bytes) => archive::one(&bytes).map(Some).map_err(HelperFailure::Other),
        None => Ok(None),
    }
}

/// Mode and size of a path; `None` where there is none.
async fn head(
    engine: &ReadEngine,
    helper: &str,
    path: &str,
) -> Result<Option<(u32, u64)>, HelperFailure> {
    let options = ContainerArchiveInfoOptions { path: path.to_owned() };
    match engine.call(engine.client.get_container_archive_info(helper, Some(options))).await {
        Ok(stat) => {
            let link = if stat.link_target.is_empty() { 0 } else { 1 << 27 };
            // Podman names the target of every path; of a link it is another one.
            let link = if stat.link_target == path { 0 } else { link };
            Ok(Some((stat.file_mode | link, u64::try_from(stat.size).unwrap_or(u64::MAX))))
        }
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(HelperFailure::of(&error)),
    }
}

/// A helper container on the engine, from before it is made until it is removed.
struct Helper {
    name: String,
    target: EngineTarget,
    timeout: Duration,
    /// Whether the engine said that it is there, or that it will not be: then "no such container"
    /// is the end of it.
    settled: bool,
    /// Volumes that the engine made for it: none, by the rules.
    extra: Vec<String>,
    removed: bool,
    _hold: Hold,
}

impl Helper {
    fn announce(engine: &ReadEngine, interrupt: &Interrupt) -> Option<Self> {
        Some(Self {
            name: format!(
                "convex-doctor-helper-{}-{}",
                std::process::id(),
                crate::collect::nonce()
            ),
            target: engine.target.clone(),
            timeout: engine.timeout,
            settled: false,
            extra: Vec::new(),
            removed: false,
            _hold: interrupt.hold()?,
        })
    }

    async fn make(
        &mut self,
        engine: &ReadEngine,
        body: ContainerCreateBody,
        wanted: &[String],
    ) -> Result<(), Error> {
        let options =
            CreateContainerOptions { name: Some(self.name.clone()), platform: String::new() };
        let made = engine.call(engine.client.create_container(Some(options), body)).await;
        self.settled = matches!(made, Ok(_) | Err(Error::DockerResponseServerError { .. }));
        made?;
        let inspected = engine
            .get::<ContainerInspectResponse>(&format!("/containers/{}/json", self.name))
            .await?;
        let mounted = inspected.mounts.into_iter().flatten().filter_map(|mount| mount.name);
        self.extra = mounted
            .filter(|name| is_anonymous_volume(name) && !wanted.iter().any(|wanted| wanted == name))
            .collect();
        Ok(())
    }

    async fn remove(&mut self, engine: &ReadEngine) -> Result<(), String> {
        let engine = engine.until(Deadline::never());
        let result = remove(&engine, &self.name, self.settled, &self.extra).await;
        self.removed = result.is_ok();
        result
    }
}

impl Drop for Helper {
    /// A panic, or a run that was cut off: the event loop is no longer ours, so that another thread
    /// takes it away.
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        let (name, target, timeout) = (self.name.clone(), self.target.clone(), self.timeout);
        let (settled, extra) = (self.settled, std::mem::take(&mut self.extra));
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let (Ok(runtime), Ok(engine)) =
                (runtime, ReadEngine::connect(target, timeout, Deadline::never()))
            else {
                return;
            };
            let _tried = runtime.block_on(remove(&engine, &name, settled, &extra));
        });
        let _panicked = removing.join();
    }
}

/// Removes a helper that does not run, and the volumes that the engine made for it. What the engine
/// has not answered for may still come to be: then it is looked for a little longer.
async fn remove(
    engine: &ReadEngine,
    name: &str,
    settled: bool,
    extra: &[String],
) -> Result<(), String> {
    let mut last = String::new();
    for wait in [0, 200, 400, 800] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let options = RemoveContainerOptions { v: false, force: false, link: false };
        match engine.call(engine.client.remove_container(name, Some(options))).await {
            Ok(()) => {
                for volume in extra {
                    let options = None::<RemoveVolumeOptions>;
                    let _kept = engine.call(engine.client.remove_volume(volume, options)).await;
                }
                return Ok(());
            }
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                if settled {
                    return Ok(());
                }
                last.clear();
            }
            Err(error) => last = failure::words(&error),
        }
    }
    if last.is_empty() { Ok(()) } else { Err(last) }
}

/// Removes what earlier runs left behind that were killed. Says what it did.
pub(super) async fn sweep(
    engine: &ReadEngine,
    helpers: &[ContainerSummary],
    now: i64,
) -> Vec<String> {
    let mut notes = Vec::new();
    for helper in helpers.iter().filter(|helper| is_abandoned(helper, now)) {
        let name = name_of(helper);
        notes.push(match remove(engine, &name, true, &[]).await {
            Ok(()) => format!("removed the helper container {name} of an earlier run"),
            Err(reason) => {
                format!("the helper container {name} is left from an earlier run: {reason}")
            }
        });
    }
    notes
}

/// Whether no run uses it any more. One that was started is not one of ours; one that copies is not
/// for reading.
fn is_abandoned(helper: &ContainerSummary, now: i64) -> bool {
    state(helper) == ContainerState::Created
        && label(helper, helper::COPIES_INTO).is_none()
        && helper::is_abandoned(helper, helper::LABEL, now, helper::LOOKS_AT_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_started_and_copies_nothing_is_swept_away() {
        for (state, further, expected) in [
            ("created", "other", true),
            ("running", "other", false),
            ("created", helper::COPIES_INTO, false),
        ] {
            let labels = serde_json::json!({helper::LABEL: "elsewhere/1", further: "x"});
            let summary = serde_json::json!({"Labels": labels, "State": state, "Created": 1000});
            let summary = serde_json::from_value(summary).unwrap();
            assert_eq!(is_abandoned(&summary, 5000), expected, "{state} {further}");
        }
    }
}
