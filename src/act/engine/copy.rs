//! A volume's copy in a new volume. No program is run: the engine's archive of the old is streamed
//! into the engine's archive of the new.
//!
//! Two helper containers that are never started have one volume each: the engine keeps a container
//! locked as long as it sends an archive of it, so that one alone would wait for itself. The first,
//! the reader, is there before the new volume and goes after it; its label names the new volume,
//! and the volume bears the label's nonce. This distinguishes an interrupted copy from another
//! volume and from a complete copy.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerSummary, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptions, DownloadFromContainerOptions, ListContainersOptions, ListImagesOptions,
    RemoveVolumeOptions, UploadToContainerOptions,
};
use futures_util::{Stream, StreamExt};
use hyper::body::Bytes;
use tokio::sync::mpsc;

use super::{Engine, EngineFailure, begin, compare, found};
use crate::docker::helper::{self, COPIES_INTO, COPY_OF, DECLARED};
use crate::docker::interrupt::Interrupt;
use crate::docker::words;
use crate::secret::sanitize;

/// Where a helper has its volume. The archive of a directory holds it under its last name, so that
/// it is written to the parent.
const VOLUME: &str = "/convex-doctor/volume";
const PARENT: &str = "/convex-doctor";

/// The label of a volume that was made by copying, and of the helpers of that copy; its value is a
/// nonce.
pub(super) const COPY: &str = "convex-doctor.copy";

/// Pieces of an archive on their way from one side to the other.
const IN_FLIGHT: usize = 4;

/// What was copied, as it was counted in both volumes afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Regular files.
    pub files: u64,
    /// The bytes in them.
    pub bytes: u64,
}

/// How far a copy is: it is made, then both volumes are read again and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyProgress {
    /// So many bytes of the old volume's archive have passed.
    Copied(u64),
    /// So many have been compared; in the end as many.
    Compared(u64),
}

/// One copy that is under way.
struct Copy<'a> {
    engine: &'a Engine,
    from: &'a str,
    to: &'a str,
    nonce: String,
    /// The helper containers that have the old volume and the new one.
    reader: String,
    writer: String,
}

impl<'a> Copy<'a> {
    fn new(engine: &'a Engine, from: &'a str, to: &'a str, nonce: String) -> Self {
        let helper = |what| format!("convex-doctor-copy-{nonce}-{what}");
        Self { engine, from, to, reader: helper("reader"), writer: helper("writer"), nonce }
    }
}

impl Engine {
    /// Copies all of the volume `from` into the new volume `to`, which is made here with `labels`
    /// and one more. Owner, mode, time, links stay; sockets are left out. `progress` hears of every
    /// piece.
    ///
    /// When it returns `Ok`, both volumes were read again and hold the same. On any failure the new
    /// volume is removed.
    ///
    /// # Errors
    /// Refused: the engine is Podman; `from` is not there, is another driver's, or is mounted by a
    /// container that runs; `to` is there. Else a full disk, an engine that stops answering, a copy
    /// that differs.
    pub async fn copy_volume(
        &self,
        from: &str,
        to: &str,
        labels: &BTreeMap<String, String>,
        progress: &mut dyn FnMut(CopyProgress),
    ) -> Result<Copied, EngineFailure> {
        self.copy_volume_with(from, to, labels, BTreeMap::new(), progress).await
    }

    /// For tests: the same, with options for the driver of the new volume.
    #[doc(hidden)]
    pub async fn copy_volume_with(
        &self,
        from: &str,
        to: &str,
        labels: &BTreeMap<String, String>,
        options: BTreeMap<String, String>,
        progress: &mut dyn FnMut(CopyProgress),
    ) -> Result<Copied, EngineFailure> {
        let (interrupt, hold) = begin()?;
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|error| EngineFailure::Failed(format!("cannot get random bytes: {error}")))?;
        let copy = Copy::new(self, from, to, hex::encode(random));
        copy.may_be_made().await?;
        let image = copy.image().await?;
        let result = match copy.make(&image, labels, options, progress, &interrupt).await {
            Ok(copied) => match copy.take_away_helpers().await {
                Ok(()) => Ok(copied),
                Err(left) => {
                    Err(EngineFailure::Failed("the copy is complete".to_owned()).after(Err(left)))
                }
            },
            Err(trouble) => Err(trouble.after(copy.take_away().await)),
        };
        drop(hold);
        interrupt.end_here().await;
        result
    }

    /// Takes away what a copy left that was cut short: its helpers, and the new volume if it is the
    /// one made for it.
    pub(super) async fn take_away_copy(&self, reader: &ContainerSummary) -> Result<String, String> {
        let label = |name: &str| reader.labels.as_ref()?.get(name).cloned();
        let (Some(to), Some(nonce)) = (label(COPIES_INTO), label(COPY)) else {
            return Err("a helper container without its labels".to_owned());
        };
        let copy = Copy::new(self, "", &to, nonce);
        let there = found(self.call(self.client.inspect_volume(&to)).await);
        let there = there.map_err(|error| left("volume", &to, &error))?;
        let shown = sanitize(&to);
        if there.is_some_and(|volume| volume.labels.contains_key(DECLARED)) {
            // A backend may have written to it since.
            copy.take_away_helpers().await?;
            return Ok(format!(
                "volume {shown}, the copy of an interrupted fix, is kept: the compose file declares it, so a backend may \
                 have used it since; its helper containers were removed"
            ));
        }
        copy.take_away().await?;
        Ok(format!(
            "an interrupted copy was removed: the new volume {shown} and its helper containers"
        ))
    }

    /// Removes a volume that [`Engine::copy_volume`] made a moment ago, and no container was given.
    /// `false` where it is not one.
    ///
    /// # Errors
    /// A container has it; the engine refuses, or does not answer.
    pub async fn discard_copy(&self, volume: &str) -> Result<bool, EngineFailure> {
        let fail = |error: Error| EngineFailure::Failed(left("volume", volume, &error));
        let there = found(self.call(self.client.inspect_volume(volume)).await).map_err(fail)?;
        let is_ours = |labels: &HashMap<String, String>| {
            labels.contains_key(COPY) && !labels.contains_key(DECLARED)
        };
        if !there.is_some_and(|volume| is_ours(&volume.labels)) {
            return Ok(false);
        }
        let removed = self.client.remove_volume(volume, None::<RemoveVolumeOptions>);
        self.call_for(self.standstill, removed).await.map_err(fail)?;
        Ok(true)
    }
}

/// An image to make helpers from, and the paths that it declares as volumes.
struct Image {
    id: String,
    volumes: Vec<String>,
}

impl Copy<'_> {
    /// Looks whether it may be made; changes nothing.
    async fn may_be_made(&self) -> Result<(), EngineFailure> {
        let refuse = |why: String| Err(EngineFailure::Refused(why));
        let (from, to) = (sanitize(self.from), sanitize(self.to));
        let is_name = |name: &str| {
            let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
            name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !name.contains(odd)
        };
        if !is_name(self.from) || !is_name(self.to) {
            let odd = if is_name(self.from) { to } else { from };
            return refuse(format!("{odd:?} is not a volume name"));
        }
        let engine = self.engine;
        engine.must_be_docker().await?;
        let find =
            |name| async move { found(engine.call(engine.client.inspect_volume(name)).await) };
        let fail = |error: Error| {
            EngineFailure::Failed(format!("cannot list the volumes: {}", words(&error)))
        };
        let Some(source) = find(self.from).await.map_err(fail)? else {
            return refuse(format!("volume {from} does not exist"));
        };
        if !matches!(source.driver.as_str(), "local" | "") {
            return refuse(format!(
                "the volume {from} belongs to the driver {}, which keeps its data somewhere else",
                sanitize(&source.driver)
            ));
        }
        if find(self.to).await.map_err(fail)?.is_some() {
            return refuse(format!("volume {to} already exists: nothing is overwritten"));
        }
        if let Some(container) = self.writer_of_the_old().await? {
            return refuse(format!(
                "{container} is running and writes to volume {from}: stop it first, else the copy is inconsistent"
            ));
        }
        Ok(())
    }

    /// The container that has the old volume, runs and may write to it.
    async fn writer_of_the_old(&self) -> Result<Option<String>, EngineFailure> {
        let writes = |container: &&ContainerSummary| {
            let state = container.state.map(|state| state.to_string()).unwrap_or_default();
            let mut mounts = container.mounts.iter().flatten();
            !matches!(state.as_str(), "created" | "exited" | "dead")
                && mounts.any(|it| it.name.as_deref() == Some(self.from) && it.rw != Some(false))
        };
        let having = self.containers_with("volume", self.from).await?;
        Ok(having.iter().find(writes).map(super::judge::shown_name))
    }

    async fn containers_with(
        &self,
        filter: &str,
        value: &str,
    ) -> Result<Vec<ContainerSummary>, EngineFailure> {
        let filters = HashMap::from([(filter.to_owned(), vec![value.to_owned()])]);
        let options = ListContainersOptions {
            all: true,
            filters: Some(filters).filter(|_| !filter.is_empty()),
            ..ListContainersOptions::default()
        };
        let listed = self.engine.call(self.engine.client.list_containers(Some(options))).await;
        listed.map_err(|error| {
            EngineFailure::Failed(format!("cannot list the containers: {}", words(&error)))
        })
    }

    /// Any image that is here serves, as nothing of it is run; none is pulled. Those of containers
    /// that have the volume come first.
    async fn image(&self) -> Result<Image, EngineFailure> {
        let of = |containers: Vec<ContainerSummary>| {
            containers.into_iter().filter_map(|container| container.image_id)
        };
        let mut ids: Vec<String> = of(self.containers_with("volume", self.from).await?).collect();
        ids.extend(of(self.containers_with("", "").await?));
        let images = self.engine.call(self.engine.client.list_images(None::<ListImagesOptions>));
        let images = images.await.unwrap_or_default();
        ids.extend(images.into_iter().map(|image| image.id));
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        for id in ids.into_iter().take(5) {
            if let Ok(image) = self.engine.call(self.engine.client.inspect_image(&id)).await {
                let volumes = image.config.and_then(|config| config.volumes).unwrap_or_default();
                return Ok(Image { id, volumes });
            }
        }
        Err(EngineFailure::Refused("the engine has no image for a helper container".to_owned()))
    }

    /// Makes the helpers and the volume, copies and compares.
    async fn make(
        &self,
        image: &Image,
        labels: &BTreeMap<String, String>,
        options: BTreeMap<String, String>,
        progress: &mut dyn FnMut(CopyProgress),
        interrupt: &Interrupt,
    ) -> Result<Copied, EngineFailure> {
        let work = async {
            self.engine.step("copy: nothing is there").await;
            self.helper(&self.reader, image, self.from, "ro,nocopy").await?;
            self.engine.step("copy: the reader is there").await;
            self.volume(labels, options).await?;
            self.engine.step("copy: the volume is there").await;
            self.helper(&self.writer, image, self.to, "nocopy").await?;
            self.engine.step("copy: the writer is there").await;
            self.pass(progress).await?;
            self.engine.step("copy: everything has passed").await;
            let mut read = 0;
            let old = moving(self.archive(&self.reader), self.engine.standstill);
            let copied = compare::compare(
                old.inspect(|piece| {
                    read += piece.as_ref().map_or(0, |piece| piece.len() as u64);
                    progress(CopyProgress::Compared(read));
                }),
                moving(self.archive(&self.writer), self.engine.standstill),
            );
            let copied = copied.await.map_err(|reason| {
                EngineFailure::Failed(format!("the copy could not be verified: {reason}"))
            })?;
            if let Some(container) = self.writer_of_the_old().await? {
                return Err(EngineFailure::Failed(format!(
                    "{container} was started in the meantime and writes to volume {}",
                    sanitize(self.from)
                )));
            }
            self.engine.step("copy: it is verified").await;
            Ok(copied)
        };
        tokio::select! {
            result = work => result,
            // What was asked for and not answered yet is looked for longer when it is taken away.
            () = interrupt.happened() => Err(EngineFailure::Interrupted),
        }
    }

    /// Makes a helper that has `volume`, also wherever its image wants one.
    async fn helper(
        &self,
        name: &str,
        image: &Image,
        volume: &str,
        mode: &str,
    ) -> Result<(), EngineFailure> {
        let own = image.volumes.iter().map(|path| format!("{volume}:{path}:ro,nocopy"));
        let binds = own.chain([format!("{volume}:{VOLUME}:{mode}")]).collect();
        let mut body: ContainerCreateBody =
            helper::body(&image.id, binds, &[(COPIES_INTO, self.to), (COPY, &self.nonce)]);
        if let Some(host) = &mut body.host_config {
            // The volume's own directory is written through its parent, which is none of the
            // volume's.
            host.readonly_rootfs = Some(mode.starts_with("ro"));
        }
        let options = CreateContainerOptions {
            name: Some(name.to_owned()),
            ..CreateContainerOptions::default()
        };
        let made = self.engine.client.create_container(Some(options), body);
        let made = self.engine.call_for(self.engine.standstill, made).await;
        made.map(|_| ()).map_err(|error| {
            EngineFailure::Failed(format!("cannot create a helper container: {}", words(&error)))
        })
    }

    /// Makes the new volume. The engine answers alike where there is one already: then it has not
    /// our label.
    async fn volume(
        &self,
        labels: &BTreeMap<String, String>,
        options: BTreeMap<String, String>,
    ) -> Result<(), EngineFailure> {
        let mut all: HashMap<String, String> =
            labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        all.insert(COPY.to_owned(), self.nonce.clone());
        all.insert(COPY_OF.to_owned(), self.from.to_owned());
        let request = VolumeCreateRequest {
            name: Some(self.to.to_owned()),
            driver: Some("local".to_owned()),
            driver_opts: Some(options.into_iter().collect()),
            labels: Some(all),
            ..VolumeCreateRequest::default()
        };
        let made =
            self.engine.call_for(self.engine.standstill, self.engine.client.create_volume(request));
        let made = made.await.map_err(|error| {
            EngineFailure::Failed(format!(
                "cannot create volume {}: {}",
                sanitize(self.to),
                words(&error)
            ))
        })?;
        if made.labels.get(COPY) == Some(&self.nonce) {
            return Ok(());
        }
        Err(EngineFailure::Refused(format!(
            "another program created volume {} in the meantime: nothing is overwritten",
            sanitize(self.to)
        )))
    }

    fn archive(&self, helper: &str) -> impl Stream<Item = Result<Bytes, Error>> {
        let options = DownloadFromContainerOptions { path: VOLUME.to_owned() };
        self.engine.client.download_from_container(helper, Some(options))
    }

    /// The stream from one archive into the other.
    async fn pass(&self, progress: &mut dyn FnMut(CopyProgress)) -> Result<(), EngineFailure> {
        let (to, mut from) = mpsc::channel::<std::io::Result<Bytes>>(IN_FLIGHT);
        let body = futures_util::stream::poll_fn(move |context| from.poll_recv(context));
        let options = UploadToContainerOptions {
            path: PARENT.to_owned(),
            ..UploadToContainerOptions::default()
        };
        let upload = self.engine.client.upload_to_container(
            &self.writer,
            Some(options),
            bollard::body_try_stream(body),
        );
        let mut upload = std::pin::pin!(upload);

        let read = Box::pin(moving(self.archive(&self.reader), self.engine.standstill));
        let pump = pump(read, to, self.engine.standstill, progress);
        let written = |result: Result<(), Error>| {
            result.map_err(|error| {
                let said = words(&error);
                let full = said.contains("no space left on device");
                let why = if full { "the engine's disk is full: " } else { "" };
                EngineFailure::Failed(format!("{why}the volume could not be written: {said}"))
            })
        };
        {
            let mut pump = std::pin::pin!(pump);
            tokio::select! {
                // The engine has all that it wants, or fails: both before the end of the stream.
                result = &mut upload => return written(result),
                pumped = &mut pump => pumped.map_err(EngineFailure::Failed)?,
            }
        }
        let last = tokio::time::timeout(self.engine.standstill, upload).await;
        written(last.unwrap_or(Err(Error::RequestTimeoutError)))
    }

    /// Removes everything that the copy made.
    async fn take_away(&self) -> Result<(), String> {
        self.remove_helper(&self.writer).await?;
        let there = found(self.engine.call(self.engine.client.inspect_volume(self.to)).await);
        let there = there.map_err(|error| left("volume", self.to, &error))?;
        if there.is_some_and(|volume| volume.labels.get(COPY) == Some(&self.nonce)) {
            let removed = self.engine.client.remove_volume(self.to, None::<RemoveVolumeOptions>);
            let removed = found(self.engine.call_for(self.engine.standstill, removed).await);
            removed.map_err(|error| left("volume", self.to, &error))?;
        }
        self.remove_helper(&self.reader).await
    }

    async fn take_away_helpers(&self) -> Result<(), String> {
        self.remove_helper(&self.writer).await?;
        self.engine.step("copy: the writer is gone").await;
        self.remove_helper(&self.reader).await
    }

    /// Removes a helper. What the engine has not answered for may still come to be: then it is
    /// looked for a little longer.
    async fn remove_helper(&self, name: &str) -> Result<(), String> {
        let fail = |error: Error| left("helper container", name, &error);
        for wait in [0, 100, 300] {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            if self.engine.find(name).await.map_err(fail)?.is_some() {
                return self.engine.removed(name).await.map_err(fail);
            }
        }
        Ok(())
    }
}

fn left(what: &str, name: &str, error: &Error) -> String {
    format!("the {what} {} is left behind ({})", sanitize(name), words(error))
}

/// Passes an archive on and reports how much has passed. Ends without an error when the receiver
/// is gone: the receiver reports why.
async fn pump(
    mut read: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    to: mpsc::Sender<std::io::Result<Bytes>>,
    standstill: Duration,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<(), String> {
    let mut passed = 0;
    while let Some(piece) = read.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                // Not a quiet end: the engine would take it for the whole.
                let cut = std::io::Error::other("the other volume could not be read");
                drop(to.send(Err(cut)).await);
                return Err(format!("the volume could not be read: {}", words(&error)));
            }
        };
        passed += piece.len() as u64;
        match tokio::time::timeout(standstill, to.send(Ok(piece))).await {
            Ok(Ok(())) => progress(CopyProgress::Copied(passed)),
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err("the engine stopped accepting the copy".to_owned()),
        }
    }
    Ok(())
}

/// The same stream, with an error when no data comes.
fn moving(
    stream: impl Stream<Item = Result<Bytes, Error>>,
    standstill: Duration,
) -> impl Stream<Item = Result<Bytes, Error>> {
    futures_util::stream::unfold(Some(Box::pin(stream)), move |stream| async move {
        let mut stream = stream?;
        match tokio::time::timeout(standstill, stream.next()).await {
            Ok(Some(piece)) => Some((piece, Some(stream))),
            Ok(None) => None,
            Err(_) => Some((Err(Error::RequestTimeoutError), None)),
        }
    })
}
