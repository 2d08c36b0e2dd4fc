//! How long each probe takes, and which are under way.
#![allow(clippy::disallowed_methods, reason = "the collector looks at the clock")]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::Running;
use crate::evidence::Timing;

/// Measures the probes.
pub(super) struct Clock {
    start: Instant,
    last: Cell<Instant>,
    laps: RefCell<Vec<Timing>>,
    running: Running,
}

impl Clock {
    pub(super) fn start(running: &Running) -> Self {
        let start = Instant::now();
        Self {
            start,
            last: Cell::new(start),
            laps: RefCell::default(),
            running: Arc::clone(running),
        }
    }

    /// Ends a stretch of work that does not wait for anything.
    pub(super) fn lap(&self, probe: &str) {
        let begun = self.last.replace(Instant::now());
        self.note(probe, begun);
    }

    pub(super) async fn timed<T>(&self, probe: &str, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let running = || self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running().push(probe.to_owned());
        let result = work.await;
        running().retain(|name| name != probe);
        self.note(probe, begun);
        self.last.set(Instant::now());
        result
    }

    fn note(&self, probe: &str, begun: Instant) {
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.laps.borrow_mut().push(Timing { probe: probe.to_owned(), ms });
    }

    pub(super) fn finish(self) -> Vec<Timing> {
        self.note("whole run", self.start);
        self.laps.into_inner()
    }
}
