//! Every limit of a run, in one place: time, bytes, and how much of what others wrote is read. The
//! help text and `docs/architecture.md` state the main ones; each has its test where it is kept.

use std::time::{Duration, Instant};

/// A whole run, whatever it meets. One probe has its own, shorter limit (`--timeout`).
pub const RUN: Duration = Duration::from_secs(30);

/// Of a file.
pub const FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Of a file with certificates or a private key, or of docker's own configuration.
pub const PEM_BYTES: u64 = 1024 * 1024;

/// Of a directory with certificates, how many files.
pub const PEM_FILES: usize = 1024;

/// Of one answer of the engine, counted on its connection.
pub const ENGINE_BYTES: u64 = 16 * 1024 * 1024;

/// Of one answer of the engine in JSON, how many objects: the containers of a list, each with a few
/// in it. An empty one of three bytes takes most of a kilobyte.
pub const ENGINE_OBJECTS: usize = 120_000;

/// The same, how many values of any kind.
pub const ENGINE_VALUES: usize = 800_000;

/// Connections to an engine at once.
pub const ENGINE_CONNECTIONS: usize = 16;

/// The same by ssh and TLS, where each is dear.
pub const FAR_ENGINE_CONNECTIONS: usize = 4;

/// Of the body of one HTTP answer.
pub const BODY_BYTES: usize = 64 * 1024;

/// Of the end of the log of one container, which is judged.
pub const LOG_BYTES: usize = 256 * 1024;

/// Of a container's log, how much is let through to find its end.
pub const LOG_READ_BYTES: usize = 8 * 1024 * 1024;

/// Of the archive of one file in a container: a credentials file is 65 bytes, its archive 2 KiB.
pub const ARCHIVE_BYTES: usize = 64 * 1024;

/// How long a pipe to which a report is written may have no reader, or one that does not read.
pub const READER_WAIT: Duration = Duration::from_secs(4);

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

/// Why something was not looked at any more.
pub const OVER: &str = "the 30 s of a run were over";

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

    /// The earlier of two.
    pub fn or_earlier(self, other: Self) -> Self {
        Self([self.0, other.0].into_iter().flatten().min())
    }

    /// So much earlier, for what comes after it.
    pub fn minus(self, time: Duration) -> Self {
        Self(self.0.map(|end| end.checked_sub(time).unwrap_or(end)))
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
