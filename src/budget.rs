//! Every limit of a run, in one place: time, bytes, and how much of what others wrote is read. The
//! help text and `docs/architecture.md` state the main ones; each has its test where it is kept.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

/// A whole run, whatever it meets. One probe has its own, shorter limit (`--timeout`).
pub const RUN: Duration = Duration::from_secs(30);

/// Of a file.
pub const FILE_BYTES: u64 = 8 * 1024 * 1024;

/// A bundle, or a report in JSON, that is read back.
pub const BUNDLE_BYTES: u64 = FILE_BYTES;

/// So many values are in it at most: an array of empty texts takes twenty times the memory of its
/// bytes.
pub const BUNDLE_VALUES: usize = 200_000;

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

/// How deep a YAML document may nest, as in `serde_yaml`; an alias brings the depth of what it
/// stands for. (Compose's own reader stops at 10,000; the files of people are not 20 deep.)
pub const DEPTH: usize = 128;

/// Of a key of a mapping, in bytes: YAML itself has 1024 characters for one that is not marked
/// with `?`.
pub const KEY_BYTES: usize = 4096;

/// How many files `include` and how many services `extends` may go through one after the other.
pub const CHAIN: usize = 100;

/// The compose files of a project: each time that one is included or extended from counts.
pub const COMPOSE_FILES: usize = 2000;

/// The text of all files of a project, `.env` files and those of services among them, each as
/// often as it is read.
pub const COMPOSE_TEXT: usize = 16 * 1024 * 1024;

/// What the reader of compose files may make of it in memory: nodes, keys, what aliases, `extends`
/// and variables multiply.
pub const COMPOSE_BYTES: usize = 48 * 1024 * 1024;

/// How many nodes the reader may walk while it lays files and documents over each other.
pub const COMPOSE_WALK: usize = 1_000_000;

/// Of one text with its variables filled in.
pub const FILLED_BYTES: usize = 8 * 1024 * 1024;

/// How deep a default of a variable may hold others.
pub const DEFAULTS: usize = 64;

/// How many `!reset` and `!override` a project may have.
pub const REMOVALS: usize = 4000;

/// How many pairs of entries of an `ipam.config` are compared.
pub const SUBNET_PAIRS: usize = 10_000;

/// How many assignments of a file are read as Node's dotenv reads them.
pub const VARIABLES: usize = 100_000;

/// How many variables, ports and mounts the backends of a project may have together.
pub const BACKEND_PARTS: usize = 20_000;

/// How many errors of a project are shown with their lines.
pub const EXCERPTS: usize = 10;

/// How many warnings of a project are kept.
pub const WARNINGS: usize = 1000;

/// What reading one compose project may still take. All parts of the reader spend from it. What is
/// exceeded stays so: nothing can be spent after it.
#[derive(Debug)]
pub struct Spending {
    deadline: Deadline,
    files: Cell<usize>,
    text: Cell<usize>,
    bytes: Cell<usize>,
    walk: Cell<usize>,
    removals: Cell<usize>,
    /// Counts to the next look at the clock.
    ticks: Cell<u32>,
    exceeded: Cell<Option<Exceeded>>,
}

/// A limit that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// [`RUN`].
    Time,
    /// [`COMPOSE_FILES`].
    Files,
    /// [`COMPOSE_TEXT`].
    Text,
    /// [`COMPOSE_BYTES`].
    Bytes,
    /// [`COMPOSE_WALK`].
    Walk,
    /// [`REMOVALS`].
    Removals,
    /// [`DEPTH`].
    Depth,
    /// [`KEY_BYTES`].
    Key,
    /// [`CHAIN`], of includes.
    Includes,
    /// [`CHAIN`], of services that extend each other.
    Extends,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: usize = 1024 * 1024;
        match self {
            Self::Time => {
                write!(out, "took too long: it was not read within {} seconds", RUN.as_secs())
            }
            Self::Files => write!(out, "too large: it reads more than {COMPOSE_FILES} files"),
            Self::Text => {
                write!(
                    out,
                    "too large: its files are more than {} MiB together",
                    COMPOSE_TEXT / MIB
                )
            }
            Self::Bytes => write!(
                out,
                "too large: with its aliases and variables it takes more than {} MiB",
                COMPOSE_BYTES / MIB
            ),
            Self::Walk => out.write_str("too large: too many documents over each other"),
            Self::Removals => {
                write!(out, "too large: more than {REMOVALS} times !reset and !override")
            }
            Self::Depth => write!(out, "too large: nested deeper than {DEPTH} levels"),
            Self::Key => write!(out, "too large: a key is longer than {KEY_BYTES} bytes"),
            Self::Includes => {
                write!(out, "too large: more than {CHAIN} files include one after the other")
            }
            Self::Extends => {
                write!(out, "too large: more than {CHAIN} services extend one after the other")
            }
        }
    }
}

impl Default for Spending {
    fn default() -> Self {
        Self::until(Deadline::never())
    }
}

impl Spending {
    /// All of it, up to that moment.
    pub fn until(deadline: Deadline) -> Self {
        Self {
            deadline,
            files: Cell::new(COMPOSE_FILES),
            text: Cell::new(COMPOSE_TEXT),
            bytes: Cell::new(COMPOSE_BYTES),
            walk: Cell::new(COMPOSE_WALK),
            removals: Cell::new(REMOVALS),
            ticks: Cell::new(0),
            exceeded: Cell::new(None),
        }
    }

    /// Whether nothing was exceeded so far.
    pub fn check(&self) -> Result<(), Exceeded> {
        self.exceeded.get().map_or(Ok(()), Err)
    }

    /// What is left of the memory.
    pub fn bytes_left(&self) -> usize {
        if self.exceeded.get().is_some() { 0 } else { self.bytes.get() }
    }

    /// Takes so many bytes of memory.
    pub fn bytes(&self, bytes: usize) -> Result<(), Exceeded> {
        self.take(&self.bytes, bytes, Exceeded::Bytes)?;
        // A look at the clock costs as much as filling some KiB.
        let ticks = self.ticks.get().saturating_add(u32::try_from(bytes >> 10).unwrap_or(u32::MAX));
        if ticks < 256 {
            self.ticks.set(ticks + 1);
            return Ok(());
        }
        self.time()
    }

    /// One more compose file, with its text.
    pub fn file(&self, text: usize) -> Result<(), Exceeded> {
        self.take(&self.files, 1, Exceeded::Files)?;
        self.text(text)
    }

    /// The text of one more file of any kind.
    pub fn text(&self, text: usize) -> Result<(), Exceeded> {
        self.take(&self.text, text, Exceeded::Text)?;
        self.time()
    }

    /// A walk over so many nodes.
    pub fn walk(&self, nodes: usize) -> Result<(), Exceeded> {
        self.take(&self.walk, nodes, Exceeded::Walk)?;
        self.time()
    }

    /// One more `!reset` or `!override`.
    pub fn removal(&self) -> Result<(), Exceeded> {
        self.take(&self.removals, 1, Exceeded::Removals)
    }

    /// Says that a limit was met which is none of an amount.
    pub fn exceed(&self, what: Exceeded) -> Exceeded {
        let first = self.exceeded.get().unwrap_or(what);
        self.exceeded.set(Some(first));
        first
    }

    /// Looks at the clock.
    pub fn time(&self) -> Result<(), Exceeded> {
        self.ticks.set(0);
        self.check()?;
        if self.deadline.is_over() { Err(self.exceed(Exceeded::Time)) } else { Ok(()) }
    }

    fn take(&self, from: &Cell<usize>, amount: usize, what: Exceeded) -> Result<(), Exceeded> {
        self.check()?;
        match from.get().checked_sub(amount) {
            Some(left) => {
                from.set(left);
                Ok(())
            }
            None => Err(self.exceed(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exceeded_stays_so() {
        let budget = Spending::default();
        assert_eq!(budget.bytes(COMPOSE_BYTES), Ok(()));
        assert_eq!(budget.bytes(1), Err(Exceeded::Bytes));
        assert_eq!(budget.bytes(0), Err(Exceeded::Bytes));
        assert_eq!(budget.file(0), Err(Exceeded::Bytes));
        assert_eq!(budget.bytes_left(), 0);
    }

    #[test]
    fn the_deadline_is_seen_by_all_that_spends() {
        let over = || Spending::until(Deadline::after(Duration::ZERO));
        assert_eq!(over().file(1), Err(Exceeded::Time));
        assert_eq!(over().walk(1), Err(Exceeded::Time));
        let budget = over();
        let spent = (0..1000).find(|_| budget.bytes(1).is_err());
        assert_eq!((spent.is_some(), budget.check()), (true, Err(Exceeded::Time)));
    }
}
