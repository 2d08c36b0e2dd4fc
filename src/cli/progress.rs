//! What is being waited for, on standard error, when a run takes longer than a moment and standard
//! error is a terminal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::collect::RunningCommand;
use crate::output;

/// Nothing is drawn before this: most runs are over by then.
const PATIENCE: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(50);

/// Draws until it is dropped.
pub(super) struct Progress {
    over: Arc<AtomicBool>,
    drawer: Option<thread::JoinHandle<()>>,
}

impl Progress {
    /// Watches `running`; draws nothing where standard error is no terminal.
    pub(super) fn watch(running: &RunningCommand) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let drawer = output::notes_are_seen().then(|| {
            let (over, running) = (Arc::clone(&over), Arc::clone(running));
            thread::spawn(move || draw(&over, &running))
        });
        Self { over, drawer }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(drawer) = self.drawer.take() {
            let _panicked = drawer.join();
        }
    }
}

fn draw(over: &AtomicBool, running: &RunningCommand) {
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        if over.load(Ordering::Relaxed) {
            return;
        }
        thread::sleep(TICK);
        waited += TICK;
    }
    let bar = ProgressBar::new_spinner();
    while !over.load(Ordering::Relaxed) {
        let names = running.lock().unwrap_or_else(PoisonError::into_inner).join(", ");
        bar.set_message(names);
        bar.tick();
        thread::sleep(TICK);
    }
    bar.finish_and_clear();
}
