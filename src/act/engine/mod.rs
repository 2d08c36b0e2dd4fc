//! What a fix may do on a Docker engine: copy a volume into a new one, start and stop a container,
//! put another in its place and take that back, and clear up after one that was cut short.
//!
//! Nothing is lost at any instant. A volume is never written to unless it was made here a moment
//! ago, and none is removed but such a one. A container is set aside under another name, whole,
//! until its successor is accepted. What is under way is recorded in names and labels on the engine
//! itself, so that [`Engine::recover`] can take it up after a kill.
//!
//! A call of an engine is driven to its end. Ctrl-C is seen to in here; a future that is dropped
//! half way is a kill, and leaves what `recover` takes away.

mod alike;
mod change;
mod compare;
mod copy;
mod judge;
mod recover;
mod replace;

use std::future::Future;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{
    RemoveContainerOptions, StartContainerOptions, StopContainerOptions,
};

pub use change::ContainerChange;
pub use copy::{Copied, CopyProgress};
pub use recover::Recovered;
pub use replace::{Kept, Replaced};

pub use crate::docker::{KEPT, SET_ASIDE};

use crate::docker::interrupt::Interrupt;
use crate::docker::{NEW, words};
use crate::secret::sanitize;

/// The time a container gets to end by itself: SQLite writes its log back.
const GRACE: i64 = 30;

/// A stream without data for this long is over, unless a call may take longer.
const STANDSTILL: Duration = Duration::from_mins(1);

/// No client's own deadline; ours are shorter.
const NEVER: Duration = Duration::from_hours(7 * 24);

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum EngineCallFailure {
    /// It must not be done, and nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// It failed, and everything is as it was before.
    #[error("{0}")]
    Failed(String),
    /// The user interrupted it (Ctrl-C), and everything is as it was before.
    #[error("interrupted")]
    Interrupted,
    /// It failed, and so did putting everything back; [`Engine::recover`] tries again.
    #[error("{what}; not everything could be restored: {left}")]
    Unfinished {
        /// What failed.
        what: String,
        /// What is left on the engine, and why.
        left: String,
    },
}

impl EngineCallFailure {
    /// Whether everything on the engine is as it was before.
    pub fn nothing_changed(&self) -> bool {
        !matches!(self, Self::Unfinished { .. })
    }

    /// The same after an attempt to put everything back.
    fn after(self, putting_back: Result<(), String>) -> Self {
        match putting_back {
            Ok(()) => self,
            Err(left) => Self::Unfinished { what: self.to_string(), left },
        }
    }
}

/// What became of a container that was to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It ran already.
    Ran,
    /// It was started.
    Started,
    /// It was paused, and goes on.
    Unpaused,
}

/// A Docker engine that may be changed.
pub struct Engine {
    /// For calls that are over soon: the client's own deadline is never reached.
    client: Docker,
    timeout: Duration,
    standstill: Duration,
    /// Where a test stops it, as if it were killed there.
    halt: Option<(&'static str, tokio::sync::watch::Sender<bool>)>,
}

impl Engine {
    /// Makes one of a client of whatever transport. `timeout` is for each call; streams get as long
    /// as something moves.
    pub fn new(client: Docker, timeout: Duration) -> Self {
        Self {
            client: client.with_timeout(NEVER),
            timeout,
            standstill: timeout.max(STANDSTILL),
            halt: None,
        }
    }

    /// For tests: shortens the time after which a stream without data is over.
    #[doc(hidden)]
    pub fn giving_up_after(mut self, standstill: Duration) -> Self {
        self.standstill = standstill;
        self
    }

    /// For tests: goes no further at `step`, as if killed there. [`Engine::halted`] tells when that
    /// is.
    #[doc(hidden)]
    pub fn halting_at(mut self, step: &'static str) -> Self {
        self.halt = Some((step, tokio::sync::watch::Sender::new(false)));
        self
    }

    /// For tests: ends when the step of [`Engine::halting_at`] is reached.
    #[doc(hidden)]
    pub async fn halted(&self) {
        if let Some((_, halted)) = &self.halt {
            let mut halted = halted.subscribe();
            let _never_closed = halted.wait_for(|halted| *halted).await;
        }
    }

    /// A point between two changes, at which a process may die.
    async fn step(&self, name: &'static str) {
        if let Some((at, halted)) = &self.halt
            && *at == name
        {
            halted.send_replace(true);
            std::future::pending::<()>().await;
        }
    }

    /// Starts a container, or lets a paused one go on; one that runs is left alone.
    ///
    /// # Errors
    /// The engine refuses, or does not answer.
    pub async fn start(&self, container: &str) -> Result<Started, EngineCallFailure> {
        let found = self.inspect(container).await?;
        let (done, result) = match judge::runs(&found) {
            // The engine calls a paused one running as well.
            true if judge::is_paused(&found) => {
                (Started::Unpaused, self.call(self.client.unpause_container(container)).await)
            }
            true => (Started::Ran, Ok(())),
            false => (Started::Started, self.started(container).await),
        };
        result.map(|()| done).map_err(|error| {
            EngineCallFailure::Failed(format!(
                "{} does not start: {}",
                sanitize(container),
                words(&error)
            ))
        })
    }

    /// Freezes a container, as it was before [`Engine::start`] let it go on.
    ///
    /// # Errors
    /// The engine refuses, or does not answer.
    pub async fn pause(&self, container: &str) -> Result<(), EngineCallFailure> {
        self.call(self.client.pause_container(container)).await.map_err(|error| {
            EngineCallFailure::Failed(format!(
                "{} cannot be paused: {}",
                sanitize(container),
                words(&error)
            ))
        })
    }

    /// Stops a container and gives it time to end by itself; one that does not run is left alone.
    ///
    /// # Errors
    /// Refused where the stop alone would lose it or its data; else the engine refuses, or does not
    /// answer.
    pub async fn stop(&self, container: &str) -> Result<(), EngineCallFailure> {
        let found = self.inspect(container).await?;
        if !judge::runs(&found) {
            return Ok(());
        }
        if let Some(why) = judge::would_be_lost(&found) {
            return Err(EngineCallFailure::Refused(format!("{} {why}", sanitize(container))));
        }
        self.stopped(&found).await.map_err(|error| {
            EngineCallFailure::Failed(format!(
                "{} does not stop: {}",
                sanitize(container),
                words(&error)
            ))
        })
    }

    /// Whether a container runs, or is about to again.
    ///
    /// # Errors
    /// It is not there, or the engine does not answer.
    pub async fn runs(&self, container: &str) -> Result<bool, EngineCallFailure> {
        self.inspect(container).await.map(|found| judge::runs(&found))
    }

    /// Podman (4.3 was tried) shows a container otherwise than it takes one, and its archives give
    /// everything to root: nothing could be made alike, nor could anybody tell.
    async fn must_be_docker(&self) -> Result<(), EngineCallFailure> {
        let version = self.call(self.client.version()).await;
        let version = version.map_err(|error| {
            EngineCallFailure::Failed(format!(
                "cannot read the engine's version: {}",
                words(&error)
            ))
        })?;
        let is_podman = |name: &str| name.to_ascii_lowercase().contains("podman");
        if version.components.iter().flatten().any(|part| is_podman(&part.name)) {
            return Err(EngineCallFailure::Refused(
                "the engine is Podman: change its containers and volumes yourself".to_owned(),
            ));
        }
        Ok(())
    }

    /// A container that has to be there.
    async fn inspect(
        &self,
        container: &str,
    ) -> Result<ContainerInspectResponse, EngineCallFailure> {
        match self.find(container).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(EngineCallFailure::Refused(format!(
                "container {} does not exist",
                sanitize(container)
            ))),
            Err(error) => Err(EngineCallFailure::Failed(format!(
                "{}: {}",
                sanitize(container),
                words(&error)
            ))),
        }
    }

    async fn find(&self, container: &str) -> Result<Option<ContainerInspectResponse>, Error> {
        found(self.call(self.client.inspect_container(container, None)).await)
    }

    async fn started(&self, container: &str) -> Result<(), Error> {
        let options = None::<StartContainerOptions>;
        self.call_for(
            self.timeout + self.standstill,
            self.client.start_container(container, options),
        )
        .await
    }

    async fn stopped(&self, container: &ContainerInspectResponse) -> Result<(), Error> {
        let asked = container.config.as_ref().and_then(|config| config.stop_timeout);
        let grace = asked.unwrap_or_default().clamp(GRACE, 600);
        let options =
            StopContainerOptions { signal: None, t: Some(i32::try_from(grace).unwrap_or(30)) };
        let patience = Duration::from_secs(grace.unsigned_abs()) + self.standstill;
        let id = container.id.as_deref().unwrap_or_default();
        self.call_for(self.timeout + patience, self.client.stop_container(id, Some(options))).await
    }

    /// Removes a container that does not run, and none of its volumes; one that is not there is
    /// fine.
    async fn removed(&self, container: &str) -> Result<(), Error> {
        let options = RemoveContainerOptions { v: false, force: false, link: false };
        let patience = self.timeout + self.standstill;
        let removed =
            self.call_for(patience, self.client.remove_container(container, Some(options)));
        found(removed.await).map(|_| ())
    }

    /// One call within the deadline.
    async fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.call_for(self.timeout, call).await
    }

    async fn call_for<T>(
        &self,
        patience: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::time::timeout(patience, call).await.unwrap_or(Err(Error::RequestTimeoutError))
    }
}

/// `None` where the engine says that there is no such thing.
fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Begins a change: from here on Ctrl-C waits until it is done or rolled back.
fn begin() -> Result<(Interrupt, crate::docker::interrupt::Hold), EngineCallFailure> {
    let interrupt = Interrupt::watch();
    let hold = interrupt.hold().ok_or(EngineCallFailure::Interrupted)?;
    Ok((interrupt, hold))
}
