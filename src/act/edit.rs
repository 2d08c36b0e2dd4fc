//! Writing a file so that at every moment either the old or the new one is there, whole.
//!
//! The new text goes into a file next to it, is synced and renamed over; the old one keeps a second
//! name until the caller is content. A directory's lock keeps two doctors apart, and a file that
//! changed since it was read is left alone, before and after.

mod lock;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

#[cfg(unix)]
use crate::secret::sanitize;

pub use lock::{LockError, Locks, is_busy};

/// Why a file was not changed: it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// A link leads out of the project.
    #[error("{} points to {}, which is outside the project", path.display(), target.display())]
    Outside {
        /// The file as named.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A link leads to nothing.
    #[error("{} is a link to {}, which does not exist", path.display(), target.display())]
    Dangling {
        /// The file as named.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// It was changed by something else since it was read.
    #[error("{} was changed by another program in the meantime", .0.display())]
    Changed(PathBuf),
    /// Another doctor is at work.
    #[error("another convex-doctor is changing {} right now", .0.display())]
    Busy(PathBuf),
    /// The system refuses: a read-only disk, a full one, a missing right.
    #[error("cannot write {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Changes of files that were made and can still be rolled back, all together. Dropped without
/// [`Changes::keep`], they are.
#[derive(Debug)]
pub struct Changes {
    root: PathBuf,
    /// Each directory's lock, held until the end.
    locks: Rc<Locks>,
    /// In the order in which they were made.
    made: Vec<MadeFile>,
    /// Called between any two things that the disk could keep: there a test ends the process.
    step: fn(&str),
}

/// One file that was changed.
struct MadeFile {
    /// The file, links followed.
    target: PathBuf,
    /// The old version: its second name and its text; `None` where there was no file.
    old: Option<(PathBuf, Zeroizing<String>)>,
    /// What was written last.
    new: Zeroizing<String>,
}

/// Without the texts: they hold secrets.
impl std::fmt::Debug for MadeFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Changes {
    /// None so far. Links are followed inside of `root`, the project's directory.
    pub fn of(root: &Path) -> Self {
        Self::under(root, Rc::default())
    }

    /// The same under locks that the caller holds for longer.
    pub fn under(root: &Path, locks: Rc<Locks>) -> Self {
        Self { root: root.to_owned(), locks, made: Vec::new(), step: |_| () }
    }

    /// For tests.
    #[cfg(test)]
    fn stepping(root: &Path, step: fn(&str)) -> Self {
        let mut changes = Self::of(root);
        changes.step = step;
        changes
    }

    /// Whether [`Changes::replace`] would go through now, as far as that can be known without
    /// changing the file.
    ///
    /// # Errors
    /// As those of `replace`.
    pub fn try_out(&self, path: &Path, old: Option<&str>, new: &str) -> Result<(), EditError> {
        self.write_next_to(path, old, new).map(drop)
    }

    /// Replaces the text of `path`, which was read as `old` (`None`: it was not there), with `new`.
    /// The mode and the owner stay; a new file is readable by its owner alone.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub fn replace(&mut self, path: &Path, old: Option<&str>, new: &str) -> Result<(), EditError> {
        let fail = |error: io::Error| EditError::Io { path: path.to_owned(), error };
        let (target, file) = self.write_next_to(path, old, new)?;
        (self.step)("written next to it");
        let kept = Zeroizing::new(new.to_owned());
        if let Some(made) = self.made.iter_mut().find(|made| made.target == target) {
            // Changed once more: its first version has its second name.
            file.persist(&target).map_err(|error| fail(error.error))?;
            made.new = kept;
            sync(&target);
            return Ok(());
        }
        let second = old.map(|old| (second_name(&target), Zeroizing::new(old.to_owned())));
        if let Some((second, _)) = &second {
            std::fs::hard_link(&target, second).map_err(fail)?;
        }
        (self.step)("the old one has a second name");
        let unchanged = is_still(&target, old).map_err(fail);
        let persisted = match (&unchanged, &second) {
            (Ok(true), Some(_)) => file.persist(&target).map_err(|error| fail(error.error)),
            // A file that appeared in the meantime belongs to another program.
            (Ok(true), None) => file.persist_noclobber(&target).map_err(|error| fail(error.error)),
            _ => Err(EditError::Changed(path.to_owned())),
        };
        if let Err(error) = persisted {
            if let Some((second, _)) = &second {
                let _absent = std::fs::remove_file(second);
            }
            return Err(unchanged.err().unwrap_or(error));
        }
        (self.step)("renamed");
        sync(&target);
        self.made.push(MadeFile { target, old: second, new: kept });
        (self.step)("made");
        Ok(())
    }

    /// The file that `path` leads to, and the new text in a complete file next to it.
    fn write_next_to(
        &self,
        path: &Path,
        old: Option<&str>,
        new: &str,
    ) -> Result<(PathBuf, NamedTempFile), EditError> {
        let target = inside(path, &self.root)?;
        let fail = |error: io::Error| EditError::Io { path: path.to_owned(), error };
        let directory = target.parent().unwrap_or(&self.root).to_owned();
        self.locks.take(&directory).map_err(|error| match error {
            LockError::Busy => EditError::Busy(path.to_owned()),
            LockError::Io(error) => fail(error),
        })?;
        if !is_still(&target, old).map_err(fail)? {
            return Err(EditError::Changed(path.to_owned()));
        }
        if old.is_some() {
            may_be_written(&target).map_err(fail)?;
        }
        (self.step)("locked");
        let mut file = tempfile::Builder::new()
            .prefix(lock::NEW_PREFIX)
            .suffix(lock::NEW_SUFFIX)
            .tempfile_in(&directory)
            .map_err(fail)?;
        give_to_the_owner(&file, old.map_or(&*directory, |_| &*target), old.is_none())
            .map_err(fail)?;
        file.write_all(new.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(fail)?;
        Ok((target, file))
    }

    /// Keeps the changes: the old versions are deleted. One that another program wrote to is kept
    /// and reported.
    pub fn keep(mut self) -> Vec<String> {
        let mut notes = Vec::new();
        for made in self.made.drain(..) {
            if let Some((second, old)) = &made.old {
                if is_still(second, Some(old)).unwrap_or(false) {
                    let _absent = std::fs::remove_file(second);
                } else {
                    notes.push(format!(
                        "another program wrote to {} during the change: its version is in {}",
                        made.target.display(),
                        second.display()
                    ));
                }
            }
            (self.step)("kept");
        }
        notes
    }

    /// Gives every file its old text back. What could not be comes back in words: a file that
    /// another program changed since is left alone.
    pub fn take_back(mut self) -> Vec<String> {
        self.back()
    }

    fn back(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
        for made in self.made.drain(..).rev() {
            let shown = made.target.display();
            let before = made.old.as_ref().map(|(second, _)| second);
            let result = match is_still(&made.target, Some(&made.new)) {
                Ok(true) => match before {
                    Some(second) => std::fs::rename(second, &made.target),
                    None => std::fs::remove_file(&made.target),
                },
                Ok(false) => Err(io::Error::other("another program changed it since")),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                let where_it_is = before.map_or_else(String::new, |second| {
                    format!("; what it was before is in {}", second.display())
                });
                notes.push(format!("{shown} is not restored: {error}{where_it_is}"));
            }
            sync(&made.target);
            (self.step)("rolled back");
        }
        notes
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.back();
    }
}

/// What is appended to a file's name in the name of its old version.
pub const SECOND_NAME: &str = ".before-convex-doctor";

/// The name under which the old version stays while it may be needed; another one where a doctor
/// that was killed left one.
fn second_name(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let numbered = (2..).map(|number| format!("{name}{SECOND_NAME}.{number}"));
    std::iter::once(format!("{name}{SECOND_NAME}"))
        .chain(numbered)
        .map(|name| target.with_file_name(name))
        // A link that leads nowhere takes the name as well.
        .find(|path| !path.exists() && !path.is_symlink())
        .unwrap_or_else(|| target.to_owned())
}

/// The file that `path` leads to, if it is inside `root`.
fn inside(path: &Path, root: &Path) -> Result<PathBuf, EditError> {
    let fail = |error: io::Error| EditError::Io { path: path.to_owned(), error };
    let root = std::fs::canonicalize(root).map_err(fail)?;
    let target = match std::fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.is_symlink() {
                let target = std::fs::read_link(path).map_err(fail)?;
                return Err(EditError::Dangling { path: path.to_owned(), target });
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

/// Whether the file holds this text and no other; with `None`, whether it does not exist.
fn is_still(path: &Path, text: Option<&str>) -> io::Result<bool> {
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(text.is_none()),
        Err(error) => return Err(error),
    };
    // To open a pipe could wait for ever.
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let Some(text) = text else { return Ok(false) };
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    crate::files::open(path)?.take(text.len() as u64 + 1).read_to_end(&mut bytes)?;
    Ok(*bytes == text.as_bytes())
}

/// A file that is not to be written is not put in another's place either, though its directory
/// would allow that.
fn may_be_written(path: &Path) -> io::Result<()> {
    let protected = || {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is write-protected (chmod u+w)"))
    };
    if std::fs::metadata(path)?.permissions().readonly() {
        return protected();
    }
    #[cfg(unix)]
    match rustix::fs::access(path, rustix::fs::Access::WRITE_OK) {
        Err(rustix::io::Errno::ACCESS) => return protected(),
        result => result?,
    }
    Ok(())
}

/// The mode and the owner of the file that is replaced; a new one is its directory's owner's, for
/// who runs this as root has files of others under their hands.
#[cfg(unix)]
fn give_to_the_owner(file: &NamedTempFile, like: &Path, is_new: bool) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let (like, own) = (std::fs::metadata(like)?, file.as_file().metadata()?);
    let differs = (like.uid(), like.gid()) != (own.uid(), own.gid());
    if differs && (!is_new || rustix::process::geteuid().is_root()) {
        fchown(file.as_file(), Some(like.uid()), Some(like.gid()))?;
    }
    if is_new { Ok(()) } else { file.as_file().set_permissions(like.permissions()) }
}

#[cfg(not(unix))]
fn give_to_the_owner(file: &NamedTempFile, like: &Path, is_new: bool) -> io::Result<()> {
    if is_new {
        return Ok(());
    }
    file.as_file().set_permissions(std::fs::metadata(like)?.permissions())
}

/// What an edit of the file cannot keep, in words that follow the file's name: a new file takes its
/// place.
#[cfg(unix)]
pub fn lost(path: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(found) = std::fs::metadata(path) else { return vec![] };
    let mut lost = Vec::new();
    if found.nlink() > 1 {
        lost.push("has a hard link: under its other name, the file stays as it is".to_owned());
    }
    let attributes = attributes(path);
    if !attributes.is_empty() {
        lost.push(format!("loses its extended attributes: {}", attributes.join(", ")));
    }
    lost
}

/// The same where none of it is known.
#[cfg(not(unix))]
pub fn lost(_: &Path) -> Vec<String> {
    vec![]
}

/// The names of the extended attributes that the file was given; a security module gives its
/// own to every new one.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
fn attributes(path: &Path) -> Vec<String> {
    let mut list = vec![0; 64 * 1024];
    let Ok(length) = rustix::fs::listxattr(path, &mut list[..]) else { return vec![] };
    let names = list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let names = names.map(|name| sanitize(&String::from_utf8_lossy(name)));
    let given = |name: &String| {
        name.starts_with("user.") || name.starts_with("system.") || name == "security.capability"
    };
    let mut names: Vec<String> = names.filter(|name| given(name)).collect();
    names.truncate(8);
    names
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_os = "macos"))))]
fn attributes(_: &Path) -> Vec<String> {
    vec![]
}

/// Makes a rename persistent, where the file system supports that.
fn sync(target: &Path) {
    let directory = target.parent().unwrap_or(Path::new("/"));
    let _unable = File::open(directory).and_then(|directory| directory.sync_all());
}

#[cfg(test)]
mod tests;
