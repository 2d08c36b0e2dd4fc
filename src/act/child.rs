//! Runs a command as if nothing stood between it and the terminal, and listens.

#[cfg(not(unix))]
mod pipes;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod unix;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::transcript::Transcript;

#[cfg(not(unix))]
pub use pipes::run;
#[cfg(unix)]
pub use unix::run;

/// What to run.
pub struct Invocation {
    /// The program and its arguments.
    pub words: Vec<OsString>,
    /// Where; the doctor's own directory by default.
    pub directory: Option<PathBuf>,
}

/// How it ended.
pub struct Ended {
    /// The exit code as a shell has it: 128 and the number of the signal that ended it.
    pub code: i32,
    /// Whether it was stopped (Ctrl-C, a signal sent to it or to us).
    pub stopped: bool,
}

/// What is heard while the command runs, shared with the threads that pass its output on.
type Heard = Arc<Mutex<Transcript>>;
