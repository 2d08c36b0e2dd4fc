//! Writing a file so that at every moment either the old or the new one is there, whole.
//!
//! The new text goes into a file beside it, is synced and renamed over; the old one keeps a second name until the caller is content. A
//! directory's lock keeps two doctors apart, and a file that changed since it was read is left alone.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So long another doctor's lock is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// A link leads out of the project.
    #[error("{} leads to {}, outside of the project: nothing was changed", path.display(), target.display())]
    Outside {
        /// The file as named.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Somebody changed it since it was read.
    #[error("{} was changed by somebody else meanwhile: nothing was changed", .0.display())]
    Changed(PathBuf),
    /// Another doctor is at work.
    #[error("another convex-doctor changes {} just now: nothing was changed", .0.display())]
    Busy(PathBuf),
    /// The system refuses: a read-only disk, a full one, a missing right.
    #[error("cannot write {}: {error}; nothing was changed", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Changes of files that were made and can still be taken back, all together. Dropped without [`Changes::keep`], they are.
#[derive(Debug)]
pub struct Changes {
    root: PathBuf,
    /// Each directory's lock, held until the end.
    locks: BTreeMap<PathBuf, File>,
    /// In the order in which they were made.
    made: Vec<Made>,
    /// Called between any two things that the disk could keep: there a test ends the process.
    step: fn(&str),
}

/// One file that was changed.
#[derive(Debug)]
struct Made {
    /// The file, links followed.
    target: PathBuf,
    /// The old version under its second name; `None` where there was no file.
    old: Option<PathBuf>,
}

impl Changes {
    /// None so far. Links are followed inside of `root`, the project's directory.
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), locks: BTreeMap::new(), made: Vec::new(), step: |_| () }
    }

    /// For tests.
    #[cfg(test)]
    fn stepping(root: &Path, step: fn(&str)) -> Self {
        let mut changes = Self::of(root);
        changes.step = step;
        changes
    }

    /// Replaces the text of `path`, which was read as `old` (`None`: it was not there), with `new`. The mode stays; a new file is
    /// readable by its owner alone.
    pub fn replace(&mut self, path: &Path, old: Option<&str>, new: &str) -> Result<(), EditError> {
        let target = inside(path, &self.root)?;
        let fail = |error: io::Error| EditError::Io { path: path.to_owned(), error };
        let directory = target.parent().unwrap_or(&self.root).to_owned();
        self.lock(&directory, path)?;
        if read(&target).map_err(fail)?.as_deref() != old.map(str::as_bytes) {
            return Err(EditError::Changed(path.to_owned()));
        }
        (self.step)("locked");
        let mut file = tempfile::Builder::new()
            .prefix(".convex-doctor-")
            .tempfile_in(&directory)
            .map_err(fail)?;
        if old.is_some() {
            let mode = std::fs::metadata(&target).map_err(fail)?.permissions();
            file.as_file().set_permissions(mode).map_err(fail)?;
        }
        file.write_all(new.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(fail)?;
        (self.step)("written beside");
        if self.made.iter().any(|made| made.target == target) {
            // Changed once more: its first version has its second name.
            file.persist(&target).map_err(|error| fail(error.error))?;
            sync(&directory);
            return Ok(());
        }
        let second = old.map(|_| second_name(&target));
        if let Some(second) = &second {
            std::fs::hard_link(&target, second).map_err(fail)?;
        }
        (self.step)("the old one has a second name");
        let persisted = match second {
            Some(_) => file.persist(&target),
            // A file that appeared in the meantime is somebody else's.
            None => file.persist_noclobber(&target),
        };
        if let Err(error) = persisted {
            if let Some(second) = &second {
                let _absent = std::fs::remove_file(second);
            }
            return Err(fail(error.error));
        }
        (self.step)("renamed");
        self.made.push(Made { target, old: second });
        sync(&directory);
        (self.step)("made");
        Ok(())
    }

    fn lock(&mut self, directory: &Path, path: &Path) -> Result<(), EditError> {
        if self.locks.contains_key(directory) {
            return Ok(());
        }
        let fail = |error: io::Error| EditError::Io { path: path.to_owned(), error };
        let lock = File::open(directory).map_err(fail)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                // A process that is just being started holds a copy of every lock for a moment.
                Err(TryLockError::WouldBlock) if Instant::now() < end => {
                    std::thread::sleep(PATIENCE / 20);
                }
                Err(TryLockError::WouldBlock) => return Err(EditError::Busy(path.to_owned())),
                Err(TryLockError::Error(error)) => return Err(fail(error)),
            }
        }
        self.locks.insert(directory.to_owned(), lock);
        Ok(())
    }

    /// Ends well: the old versions go.
    pub fn keep(mut self) {
        for made in self.made.drain(..) {
            if let Some(old) = &made.old {
                let _absent = std::fs::remove_file(old);
            }
            (self.step)("kept");
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        for made in self.made.drain(..).rev() {
            let _gone = match &made.old {
                Some(old) => std::fs::rename(old, &made.target),
                None => std::fs::remove_file(&made.target),
            };
            if let Some(directory) = made.target.parent() {
                sync(directory);
            }
            (self.step)("taken back");
        }
    }
}

/// What stands behind a file's name in the name of its old version.
pub const SECOND_NAME: &str = ".before-convex-doctor";

/// The name under which the old version stays while it may be needed; another one where a doctor that was killed left one.
fn second_name(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let numbered = (2..).map(|number| format!("{name}{SECOND_NAME}.{number}"));
    std::iter::once(format!("{name}{SECOND_NAME}"))
        .chain(numbered)
        .map(|name| target.with_file_name(name))
        .find(|path| !path.exists())
        .unwrap_or_else(|| target.to_owned())
}

/// The file that `path` leads to, if it lies inside of `root`.
fn inside(path: &Path, root: &Path) -> Result<PathBuf, EditError> {
    let fail = |error: io::Error| EditError::Io { path: path.to_owned(), error };
    let root = std::fs::canonicalize(root).map_err(fail)?;
    let target = match std::fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.is_symlink() {
                let target = std::fs::read_link(path).map_err(fail)?;
                return Err(EditError::Outside { path: path.to_owned(), target });
            }
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = std::fs::canonicalize(parent.unwrap_or(Path::new("."))).map_err(fail)?;
            parent.join(path.file_name().unwrap_or_default())
        }
        Err(error) => return Err(fail(error)),
    };
    if target.starts_with(&root) {
        Ok(target)
    } else {
        Err(EditError::Outside { path: path.to_owned(), target })
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match OpenOptions::new().read(true).open(path) {
        Ok(mut file) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a rename last. A file system that cannot is none of ours to mend.
fn sync(directory: &Path) {
    let _unable = File::open(directory).and_then(|directory| directory.sync_all());
}

#[cfg(test)]
mod tests;
