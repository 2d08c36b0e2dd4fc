//! One doctor at a time in a directory. The holder of the lock cleans up after one that was killed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[cfg(unix)]
use super::SECOND_NAME;

/// So long another doctor's lock is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// The name of a file that holds a new text until it is renamed.
pub(super) const NEW_PREFIX: &str = ".convex-doctor-";
/// Its end.
pub(super) const NEW_SUFFIX: &str = ".new";

/// Locks of directories, each held until all of them are dropped. A process that dies lets go of
/// its own.
#[derive(Debug, Default)]
pub struct Locks(RefCell<BTreeMap<PathBuf, File>>);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another convex-doctor is at work there")]
    Busy,
    /// The directory cannot be opened.
    #[error("{0}")]
    Io(io::Error),
}

impl Locks {
    /// Takes the lock of a directory, which may be held here already, and takes away what a killed
    /// doctor left in it that is of no use: new texts that never came into force, and old ones that
    /// are still the file's.
    ///
    /// # Errors
    /// Another process has it; or the directory cannot be opened.
    pub fn take(&self, directory: &Path) -> Result<(), LockError> {
        let directory = std::fs::canonicalize(directory).map_err(LockError::Io)?;
        if self.0.borrow().contains_key(&directory) {
            return Ok(());
        }
        let lock = locked(&directory, PATIENCE)?;
        clear(&directory);
        self.0.borrow_mut().insert(directory, lock);
        Ok(())
    }
}

/// Whether another process works in the directory just now.
pub fn is_busy(directory: &Path) -> bool {
    matches!(locked(directory, Duration::ZERO), Err(LockError::Busy))
}

fn locked(directory: &Path, patience: Duration) -> Result<File, LockError> {
    let lock = File::open(directory).map_err(LockError::Io)?;
    let end = Instant::now() + patience;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            // A process that is just being started holds a copy of every lock for a moment.
            Err(TryLockError::WouldBlock) if Instant::now() < end => {
                std::thread::sleep(PATIENCE / 20);
            }
            Err(TryLockError::WouldBlock) => return Err(LockError::Busy),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
    }
}

fn clear(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let is_new = name.starts_with(NEW_PREFIX) && name.ends_with(NEW_SUFFIX);
        if is_file && (is_new || is_the_file_itself(directory, name)) {
            let _unable = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether it is the second name of a file that was not replaced any more.
#[cfg(unix)]
fn is_the_file_itself(directory: &Path, name: &str) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Some((own, _)) = name.split_once(SECOND_NAME) else { return false };
    let place = |name: &str| {
        let found = std::fs::symlink_metadata(directory.join(name)).ok()?;
        Some((found.dev(), found.ino()))
    };
    let own = place(own);
    own.is_some() && own == place(name)
}

#[cfg(not(unix))]
fn is_the_file_itself(_: &Path, _: &str) -> bool {
    false
}
