//! The only writer: standard output, standard error and report files. Every byte passes the
//! scrubber; what cannot be scrubbed is not written.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "the one place that writes reports"
)]

use std::fs::{File, Permissions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::budget::{Deadline, READER_WAIT};
use crate::secret;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR or TERM=dumb is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
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

/// Whether the standard output and the standard error are to get ASCII signs only.
static ASCII: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

/// Finds out from the environment which characters each output shows.
pub fn set_characters() {
    let value =
        |name: &str| std::env::var_os(name).unwrap_or_default().to_string_lossy().into_owned();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(value);
    let terminals = [io::stdout().is_terminal(), io::stderr().is_terminal()];
    for (ascii, is_terminal) in ASCII.iter().zip(terminals) {
        ascii.store(!shows_utf8(&locale, &value("TERM"), is_terminal), Ordering::Relaxed);
    }
}

/// Whether an output shows UTF-8. `locale` is LC_ALL, LC_CTYPE and LANG: the first that is not empty
/// counts, as in POSIX. Without any of them, POSIX means ASCII; a terminal gets that. A file or a
/// pipe gets UTF-8, for its reader is an editor, a browser or the log of a CI, which often sets no
/// locale. Windows has no such variables, and its terminals show UTF-8.
fn shows_utf8(locale: &[String; 3], term: &str, is_terminal: bool) -> bool {
    let set = locale.iter().find(|value| !value.is_empty()).map(|value| value.to_ascii_lowercase());
    let utf8 = match set {
        Some(set) => set.contains("utf-8") || set.contains("utf8"),
        None => cfg!(windows) || !is_terminal,
    };
    utf8 && term != "dumb"
}

/// Whether the standard output gets ASCII signs only, which are wider than what they stand for.
pub fn is_ascii() -> bool {
    ASCII[0].load(Ordering::Relaxed)
}

/// Writes a text for people to standard output, in the characters that it shows.
pub fn show(text: &str) -> Result<(), WriteError> {
    if is_ascii() { print(&secret::ascii(text)) } else { print(text) }
}

/// Writes a report for programs to standard output. A reader that went away is not an error.
pub fn print(text: &str) -> Result<(), WriteError> {
    let clean = secret::scrub(text);
    let mut out = anstream::stdout().lock();
    match out.write_all(clean.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(WriteError::Stdout(error)),
        Ok(()) => Ok(()),
    }
}

/// Writes a key to standard output, a line of its own: the one secret that is asked for by name,
/// and so does not pass the scrubber.
pub fn print_key(key: &secret::Secret) -> Result<(), WriteError> {
    print_asked_for(&zeroize::Zeroizing::new(format!("{}\n", key.expose())))
}

/// Writes text that holds a secret asked for by name to standard output, as it is: `key mint`, and
/// what `--format env` gives a shell or a file, where a changed sign would be another value.
pub fn print_asked_for(text: &zeroize::Zeroizing<String>) -> Result<(), WriteError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(WriteError::Stdout)
}

/// Writes a note to standard error, with a line end. A failure is ignored: there is nowhere to
/// report it.
pub fn note(text: &str) {
    let clean = for_notes(text);
    let mut out = anstream::stderr().lock();
    let _gone = out.write_all(clean.as_bytes()).and_then(|()| out.write_all(b"\n"));
}

/// A text without secrets, in the characters that standard error shows.
fn for_notes(text: &str) -> String {
    let clean = secret::scrub(text);
    if ASCII[1].load(Ordering::Relaxed) { secret::ascii(&clean) } else { clean }
}

/// Asks on standard error; the answer comes on the same line.
pub fn prompt(text: &str) {
    let clean = for_notes(text);
    let mut out = anstream::stderr().lock();
    let _gone = out.write_all(clean.as_bytes()).and_then(|()| out.flush());
}

/// Whether standard error is a terminal, so that progress may be drawn on it.
pub fn notes_are_seen() -> bool {
    io::stderr().is_terminal()
}

/// Whether standard output is a terminal that shows a text as a link.
pub fn shows_links() -> bool {
    supports_hyperlinks::on(supports_hyperlinks::Stream::Stdout)
}

/// The same of standard error.
pub fn notes_show_links() -> bool {
    supports_hyperlinks::on(supports_hyperlinks::Stream::Stderr)
}

/// The width of the terminal on standard output in columns; 80 where there is none.
pub fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)).clamp(40, 120)
}

/// Checks that `path` can be written to, before any long work: a file is created next to it and
/// deleted.
pub fn check_writable(path: &Path) -> Result<(), WriteError> {
    let check = || -> io::Result<()> {
        match target(path)? {
            Target::File { parent, .. } if !parent.is_dir() => {
                Err(io::Error::new(io::ErrorKind::NotFound, "its directory does not exist"))
            }
            Target::File { parent, .. } => tempfile::tempfile_in(parent).map(drop),
            Target::Stream => Ok(()),
        }
    };
    check().map_err(|error| WriteError::File { path: path.to_owned(), error })
}

/// Writes a report to a file: a new file next to it, then a rename, so that no half report is ever
/// read. Colour is left out. A link goes on pointing where it does, the mode of an old file stays,
/// and into a pipe or a device it is written as it is.
pub fn write_file(path: &Path, text: &str) -> Result<(), WriteError> {
    let write = || -> io::Result<()> {
        let clean = without_colour(text);
        let Target::File { path, parent, mode } = target(path)? else {
            let stream = open_for_a_reader(File::options().write(true), path)?;
            return write_to_a_reader(&stream, clean.as_bytes());
        };
        #[cfg_attr(not(unix), allow(unused_mut, reason = "only there it has a mode"))]
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        // A report holds no secret: everybody whom the umask lets may read it, as with any other
        // program's output.
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(parent)?;
        if let Some(mode) = mode {
            file.as_file().set_permissions(mode)?;
        }
        file.write_all(clean.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| WriteError::File { path: path.to_owned(), error })
}

/// The longest summary that GitHub shows of a step
/// (<https://docs.github.com/actions/reference/limits>); of a longer one it shows nothing.
const LONGEST_SUMMARY: u64 = 1024 * 1024;

/// Adds to the summary of a step of GitHub Actions, where the runner names a file for it
/// (GITHUB_STEP_SUMMARY).
pub fn add_to_step_summary(text: &str) -> Result<(), WriteError> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let path = PathBuf::from(path);
    let add = || -> io::Result<()> {
        let clean = without_colour(text);
        let file = open_for_a_reader(File::options().append(true).create(true), &path)?;
        if file.metadata()?.len() + clean.len() as u64 > LONGEST_SUMMARY {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a summary has at most 1 MiB"));
        }
        write_to_a_reader(&file, clean.as_bytes())
    };
    add().map_err(|error| WriteError::File { path: path.clone(), error })
}

/// Opens what may be a pipe, whose reader may come a moment later, or never.
#[cfg(unix)]
fn open_for_a_reader(options: &mut std::fs::OpenOptions, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let end = Deadline::after(READER_WAIT);
    loop {
        let opened = options.custom_flags(flags).open(path);
        let is_alone = |error: &io::Error| {
            error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
        };
        match opened {
            Err(error) if is_alone(&error) && end.is_over() => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no program reads it"));
            }
            Err(error) if is_alone(&error) => std::thread::sleep(Duration::from_millis(10)),
            other => return other,
        }
    }
}

#[cfg(not(unix))]
fn open_for_a_reader(options: &mut std::fs::OpenOptions, path: &Path) -> io::Result<File> {
    options.open(path)
}

/// Writes all of it, but does not wait for ever for a reader that does not read.
fn write_to_a_reader(mut file: &File, mut bytes: &[u8]) -> io::Result<()> {
    let mut end = Deadline::after(READER_WAIT);
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                end = Deadline::after(READER_WAIT);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if end.is_over() {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the program that has it open does not read it",
                    ));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn without_colour(text: &str) -> String {
    anstream::adapter::strip_str(&secret::scrub(text)).to_string()
}

/// What a path names.
enum Target {
    /// A regular file behind all links, and its mode where it is there.
    File { path: PathBuf, parent: PathBuf, mode: Option<Permissions> },
    /// A pipe or a device, which is never replaced.
    Stream,
}

fn target(path: &Path) -> io::Result<Target> {
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new(".")).to_owned();
            return Ok(Target::File { path: path.to_owned(), parent, mode: None });
        }
        Err(error) => return Err(error),
    };
    if found.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    if !found.is_file() {
        return Ok(Target::Stream);
    }
    let path = std::fs::canonicalize(path)?;
    let parent = path.parent().unwrap_or(Path::new("/")).to_owned();
    Ok(Target::File { path, parent, mode: Some(found.permissions()) })
}

/// Makes a panic pass the scrubber as well: its message may quote what it choked on.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        note(&format!(
            "internal error ({info}). Please report this line as a bug of convex-doctor."
        ));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_pipe_is_written_to_while_a_program_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let text = "line\n".repeat(40_000);
        let from = pipe.clone();
        // Its reader comes late.
        let reader = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            std::fs::read_to_string(from).unwrap()
        });
        write_file(&pipe, &text).unwrap();
        assert_eq!(reader.join().unwrap(), text);
        let alone = write_file(&pipe, &text).unwrap_err().to_string();
        assert!(alone.contains("no program reads it"), "{alone}");
        let _deaf = File::options().read(true).write(true).open(&pipe).unwrap();
        let unread = write_file(&pipe, &text).unwrap_err().to_string();
        assert!(unread.contains("does not read it"), "{unread}");
    }

    #[test]
    fn the_first_locale_that_is_set_counts() {
        let shows = |locale: [&str; 3], term: &str, is_terminal: bool| {
            shows_utf8(&locale.map(str::to_owned), term, is_terminal)
        };
        for is_terminal in [true, false] {
            assert!(shows(["", "", "en_US.UTF-8"], "xterm", is_terminal));
            assert!(shows(["C.utf8", "C", "C"], "", is_terminal));
            assert!(shows(["", "de_DE.UTF8", "C"], "", is_terminal));
            assert!(!shows(["C", "", "en_US.UTF-8"], "xterm", is_terminal));
            assert!(!shows(["", "POSIX", "en_US.UTF-8"], "xterm", is_terminal));
            assert!(!shows(["", "", "en_US.ISO-8859-1"], "xterm", is_terminal));
            assert!(!shows(["C.UTF-8", "", ""], "dumb", is_terminal));
        }
        assert!(shows(["", "", ""], "xterm", false), "a pipe");
        assert_eq!(shows(["", "", ""], "xterm", true), cfg!(windows), "a terminal");
    }
}
