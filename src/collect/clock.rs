//! How long each probe takes, and which are under way.
#![allow(clippy::disallowed_methods, reason = "the collector looks at the clock")]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::RunningCommand;
use crate::budget::Deadline;
use crate::evidence::Timing;

/// Measures the probes, and ends those for which no time is left.
pub(super) struct Clock {
    start: Instant,
    last: Cell<Instant>,
    laps: RefCell<Vec<Timing>>,
    running: RunningCommand,
    /// When the run has to be over.
    pub(super) deadline: Deadline,
}

impl Clock {
    pub(super) fn start(running: &RunningCommand, deadline: Deadline) -> Self {
        let start = Instant::now();
        Self {
            start,
            last: Cell::new(start),
            laps: RefCell::default(),
            running: Arc::clone(running),
            deadline,
        }
    }

    /// Ends a stretch of work that does not wait for anything.
    pub(super) fn lap(&self, probe: &str) {
        let begun = self.last.replace(Instant::now());
        self.note(probe, begun);
    }

    pub(super) async fn timed<T>(&self, probe: &str, work: impl Future<Output = T>) -> T {
        self.timed_since(Instant::now(), probe, work).await
    }

    /// The same of work that began before it is waited for.
    pub(super) async fn timed_since<T>(
        &self,
        begun: Instant,
        probe: &str,
        work: impl Future<Output = T>,
    ) -> T {
        let running = || self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running().push(probe.to_owned());
        let result = work.await;
        running().retain(|name| name != probe);
        self.note(probe, begun);
        self.last.set(Instant::now());
        result
    }

    /// As [`Clock::timed`], but no longer than the run may take; `None` where that was over first.
    pub(super) async fn within<T>(&self, probe: &str, work: impl Future<Output = T>) -> Option<T> {
        let left = self.deadline.left();
        self.timed(probe, async { tokio::time::timeout(left, work).await.ok() }).await
    }

    fn note(&self, probe: &str, begun: Instant) {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let start_ms = ms(begun.saturating_duration_since(self.start));
        let timing = Timing { probe: probe.to_owned(), start_ms, ms: ms(begun.elapsed()) };
        self.laps.borrow_mut().push(timing);
    }

    pub(super) fn finish(self) -> Vec<Timing> {
        self.note("whole run", self.start);
        self.laps.into_inner()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use super::super::{DockerRequest, ProjectRequest, Request, run};
    use super::*;
    use crate::budget::OVER;
    use crate::evidence::Observation;

    #[test]
    fn a_run_is_over_when_its_time_is_whatever_is_still_asked() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("engine");
        // They take connections and never answer.
        let _engine = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        std::fs::write(
            directory.path().join(".env.local"),
            format!("CONVEX_SELF_HOSTED_URL={url}\nCONVEX_SELF_HOSTED_ADMIN_KEY=a|b\n"),
        )
        .unwrap();
        let request = Request {
            project: ProjectRequest {
                directory: Some(directory.path().to_owned()),
                ..ProjectRequest::default()
            },
            docker: DockerRequest {
                host: Some(format!("unix://{}", socket.display())),
                ..DockerRequest::default()
            },
            timeout: Duration::from_mins(1),
            deadline: Deadline::after(Duration::from_millis(700)),
            environment: Some(std::iter::once(("PATH".to_owned(), String::new())).collect()),
            ..Request::default()
        };
        let begun = Instant::now();
        let evidence = run(&request).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let is_over = |reason: &str| assert!(reason.contains(OVER), "{reason}");
        is_over(&evidence.docker.seen().unwrap_err().reason);
        assert!(
            matches!(&evidence.endpoint, Observation::Unavailable { reason } if reason == OVER)
        );
    }
}
