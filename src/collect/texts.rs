//! The texts of files, each read from the disk once: what the CLI reads, what Compose reads, and
//! what is then shown or searched is one and the same text.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::files::{self, FileText};
use crate::compose::{FileError, Files};

/// The files read so far.
#[derive(Default)]
pub(super) struct FileTexts(RefCell<BTreeMap<PathBuf, Rc<FileText>>>);

impl FileTexts {
    /// What became of reading a file, now or before.
    pub(super) fn read(&self, path: &Path) -> Rc<FileText> {
        let mut known = self.0.borrow_mut();
        if let Some(text) = known.get(path) {
            return Rc::clone(text);
        }
        let text = Rc::new(files::read(path));
        known.insert(path.to_owned(), Rc::clone(&text));
        text
    }
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
    }
}
