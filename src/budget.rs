//! Every limit of a run, in one place: time, bytes, and how much of what others wrote is read. The
//! help text and `docs/architecture.md` state the main ones; each has its test where it is kept.

use std::time::{Duration, Instant};

/// A whole run, whatever it meets. One probe has its own, shorter limit (`--timeout`).
pub const RUN: Duration = Duration::from_secs(30);

/// Of a file.
pub const FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Of one answer of the engine, counted on its connection.
pub const ENGINE_BYTES: u64 = 16 * 1024 * 1024;

/// Of the body of one HTTP answer.
pub const BODY_BYTES: usize = 64 * 1024;

/// Of the logs of one container.
pub const LOG_BYTES: usize = 256 * 1024;

/// The stack of a thread that parses what others wrote: as large as that of the main thread on
/// Linux, for the parsers are called on either.
pub const STACK_BYTES: usize = 8 * 1024 * 1024;

/// How long a command under `run` goes on after its first failure before it is taken for one that
/// goes on: most say why and end.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long `run` listens after the command's end to what it left behind, which may hold the pipe
/// for ever.
pub const QUIET: Duration = Duration::from_millis(500);

/// Of a line that a command prints, as far as it is looked at: a build's output may have no line
/// ends at all.
pub const LINE_BYTES: usize = 4096;

/// Of the known lines that a command prints, how many are kept; a watching CLI repeats itself for
/// days.
pub const KNOWN_LINES: usize = 16;

/// How many different known lines are looked at before no more are kept: they may differ only in
/// what is masked.
pub const KNOWN_LINES_READ: usize = 256;

/// What is kept of a known line.
pub const KNOWN_LINE_CHARS: usize = 300;

/// The moment at which a run has to be over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Default for Deadline {
    fn default() -> Self {
        Self::never()
    }
}

impl Deadline {
    /// In so much time from now.
    #[allow(clippy::disallowed_methods, reason = "the clock of the budget")]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    /// Never: for texts that are our own, and for tests.
    pub const fn never() -> Self {
        Self(None)
    }

    /// The time that is left.
    #[allow(clippy::disallowed_methods, reason = "the clock of the budget")]
    pub fn left(self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    /// Whether there is none left.
    pub fn is_over(self) -> bool {
        self.left() == Duration::ZERO
    }
}
