//! The only writer: standard output, standard error and report files. Every byte passes the scrubber; what cannot be scrubbed is
//! not written.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "the one place that writes reports"
)]

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::secret;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR or `TERM=dumb` says no; CLICOLOR_FORCE says yes everywhere.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file could not be made or replaced.
    #[error("cannot write {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Standard output is closed in another way than a reader who had enough.
    #[error("cannot write to the standard output: {0}")]
    Stdout(io::Error),
}

/// Applies the choice of colour to everything written from here on.
pub fn set_color(choice: Color) {
    match choice {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::AlwaysAnsi,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Writes a report to standard output. A reader that went away is no error.
pub fn print(text: &str) -> Result<(), WriteError> {
    let clean = secret::scrub(text);
    let mut out = anstream::stdout().lock();
    match out.write_all(clean.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(WriteError::Stdout(error)),
        Ok(()) => Ok(()),
    }
}

/// Writes a key to standard output, a line of its own: the one secret that is asked for by name, and so does not pass the scrubber.
pub fn print_key(key: &secret::Secret) -> Result<(), WriteError> {
    let mut out = io::stdout().lock();
    let line = zeroize::Zeroizing::new(format!("{}\n", key.expose()));
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(WriteError::Stdout)
}

/// Writes a note to standard error, with a line end. Nobody can be told if that fails.
pub fn note(text: &str) {
    let clean = secret::scrub(text);
    let mut out = anstream::stderr().lock();
    let _gone = out.write_all(clean.as_bytes()).and_then(|()| out.write_all(b"\n"));
}

/// Whether standard error is a terminal, so that progress may be drawn on it.
pub fn notes_are_seen() -> bool {
    io::stderr().is_terminal()
}

/// The width of the terminal on standard output in columns; 80 where there is none.
pub fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)).clamp(40, 120)
}

/// Checks that `path` can be written to, before any long work: its directory is there, and it is no directory itself.
pub fn check_writable(path: &Path) -> Result<(), WriteError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let fail = |kind, text: &str| {
        Err(WriteError::File {
            path: path.to_owned(),
            error: io::Error::new(kind, text.to_owned()),
        })
    };
    if !parent.is_dir() {
        return fail(io::ErrorKind::NotFound, "its directory does not exist");
    }
    if path.is_dir() {
        return fail(io::ErrorKind::IsADirectory, "it is a directory");
    }
    Ok(())
}

/// Writes a report to a file: a new file beside it, then a rename, so that no half report is ever read. Colour is left out.
pub fn write_file(path: &Path, text: &str) -> Result<(), WriteError> {
    let write = || -> io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new(".")))?;
        let clean = secret::scrub(text);
        file.write_all(anstream::adapter::strip_str(&clean).to_string().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| WriteError::File { path: path.to_owned(), error })
}

/// Makes a panic pass the scrubber as well: its message may quote what it choked on.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        note(&format!("convex-doctor failed inside ({info}). Please report this line."));
    }));
}
