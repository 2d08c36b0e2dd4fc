//! The backend's log: the lines that tell a wrong name from a wrong secret, and who asked (with the
//! user agent).
//!
//! Written as the real one writes it: with ANSI colours even off a terminal, `NO_COLOR` turns them
//! off. It is what a Docker log endpoint serves, no output of the doctor.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// The real backend's words between the kind of an error and its text.
const TRACE_HINT: &str = "(RUST_BACKTRACE=1 RUST_LOG=info,common::errors=debug for full trace)";

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `INFO`, green
    Info,
    /// `WARN`, yellow
    Warn,
    /// `ERROR`, red
    Error,
}

/// One line of a container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written
    pub at: Timestamp,
    /// Whether it went to stderr (the log itself goes to stdout)
    pub stderr: bool,
    /// The text without its line end
    pub text: String,
}

/// Where the lines go: clones share one log.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    /// `None`: straight to stdout
    kept: Option<Mutex<Vec<LogLine>>>,
    colour: bool,
}

impl Log {
    /// Keeps the lines in memory, with colours as a container without `NO_COLOR` has them.
    pub fn in_memory() -> Self {
        Self(Arc::new(Inner { kept: Some(Mutex::new(Vec::new())), colour: true }))
    }

    /// Writes the lines to the process's stdout.
    pub fn to_stdout(colour: bool) -> Self {
        Self(Arc::new(Inner { kept: None, colour }))
    }

    /// What was written so far; nothing when it went to stdout.
    pub fn lines(&self) -> Vec<LogLine> {
        let kept = self.0.kept.as_ref();
        kept.map_or_else(Vec::new, |k| k.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// One line of the tracing log: time, level, target, message.
    pub fn write(&self, level: Level, target: &str, message: &str) {
        let at = Timestamp::now();
        let (name, code) = match level {
            Level::Info => (" INFO", 32),
            Level::Warn => (" WARN", 33),
            Level::Error => ("ERROR", 31),
        };
        let time = format!("{at:.6}");
        let text = if self.0.colour {
            let (dim, off) = ("\u{1b}[2m", "\u{1b}[0m");
            format!(
                "{dim}{time}{off} \u{1b}[{code}m{name}{off} {dim}{target}{off}{dim}:{off} {message}"
            )
        } else {
            format!("{time} {name} {target}: {message}")
        };
        self.push(LogLine { at, stderr: false, text });
    }

    /// The line about an error that was answered: `kind` is upstream's word, `developer_error` or
    /// `unauthenticated_error`.
    pub fn caught(&self, level: Level, kind: &str, message: &str) {
        self.write(level, "common::errors", &format!("Caught {kind} {TRACE_HINT}: {message}"));
    }

    /// The lines of a start that succeeds, once the database is open.
    pub(super) fn started(&self, api: &str, site: &str) {
        let info = |target, message: &str| self.write(Level::Info, target, message);
        info("model::migrations", "db metadata version up to date at 128");
        info("application", r#"Local { dir: "/convex/data/storage" } storage is configured."#);
        info("log_streaming", "Starting listening for logs");
        info("common::http", &format!("backend listening on {api}"));
        info("common::http", &format!("backend_http_proxy listening on {site}"));
    }

    fn push(&self, line: LogLine) {
        match &self.0.kept {
            Some(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).push(line),
            // A closed stdout is not a reason to stop serving.
            None => drop(writeln!(std::io::stdout().lock(), "{}", line.text)),
        }
    }
}
