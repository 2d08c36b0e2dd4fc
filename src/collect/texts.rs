//! The texts of files, each read from the disk once: what the CLI reads, what Compose reads, and
//! what is then shown or searched is one and the same text.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::files::{self, FileText};
use crate::budget::{Deadline, RUN};
use crate::compose::{FileError, Files};

/// Files with what became of reading them.
type Known = RefCell<BTreeMap<PathBuf, Rc<FileText>>>;

/// The files read so far.
pub(super) struct FileTexts {
    /// When reading them has to be over.
    deadline: Deadline,
    /// As UTF-8.
    strict: Known,
    /// As Node decodes them; only those that are not UTF-8 text.
    as_node: Known,
}

impl Default for FileTexts {
    fn default() -> Self {
        Self::until(Deadline::after(RUN))
    }
}

impl FileTexts {
    /// Files whose reading has to be over by then.
    pub(super) fn until(deadline: Deadline) -> Self {
        Self { deadline, strict: Known::default(), as_node: Known::default() }
    }

    /// When reading the files has to be over.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// What became of reading a file, now or before.
    pub(super) fn read(&self, path: &Path) -> Rc<FileText> {
        read(&self.strict, path, files::read)
    }

    /// The same as the Convex CLI reads it, which is less strict.
    pub(super) fn read_as_node(&self, path: &Path) -> Rc<FileText> {
        let strict = self.read(path);
        match &*strict {
            FileText::Unreadable(_) => read(&self.as_node, path, files::read_as_node),
            FileText::Text(_) | FileText::Missing => strict,
        }
    }
}

fn read(known: &Known, path: &Path, read: fn(&Path) -> FileText) -> Rc<FileText> {
    let mut known = known.borrow_mut();
    if let Some(text) = known.get(path) {
        return Rc::clone(text);
    }
    let text = Rc::new(read(path));
    if let FileText::Text(text) = &*text {
        crate::foreign::learn_file(text);
    }
    known.insert(path.to_owned(), Rc::clone(&text));
    text
}

/// What Compose reads of the disk.
impl Files for FileTexts {
    fn read(&self, path: &Path) -> Result<String, FileError> {
        match &*self.read(path) {
            FileText::Text(text) => Ok(text.clone()),
            FileText::Missing => Err(FileError::NotFound),
            FileText::Unreadable(reason) => Err(FileError::Unreadable(reason.clone())),
        }
    }

    fn read_bytes(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        match &*self.read(path) {
            FileText::Text(text) => Ok(text.clone().into_bytes()),
            FileText::Missing => Err(FileError::NotFound),
            FileText::Unreadable(_) => files::read_bytes(path).map_err(FileError::Unreadable),
        }
    }

    fn exists(&self, path: &Path) -> bool {
        files::exists(path)
    }

    fn is_dir(&self, path: &Path) -> bool {
        files::is_dir(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let (file, gone) = (directory.path().join("file"), directory.path().join("gone"));
        let texts = FileTexts::default();
        std::fs::write(&file, "first").unwrap();
        assert_eq!(texts.read(&file).text(), Some("first"));
        assert_eq!(*texts.read(&gone), FileText::Missing);
        std::fs::write(&file, "second").unwrap();
        std::fs::write(&gone, "here now").unwrap();
        assert_eq!(Files::read(&texts, &file), Ok("first".to_owned()));
        assert_eq!(Files::read(&texts, &gone), Err(FileError::NotFound));
        assert_eq!(texts.read_as_node(&file).text(), Some("first"));
        std::fs::write(&gone, b"caf\xe9").unwrap();
        let other = FileTexts::default();
        assert!(matches!(*other.read(&gone), FileText::Unreadable(_)));
        assert_eq!(other.read_as_node(&gone).text(), Some("caf\u{fffd}"));
    }
}
