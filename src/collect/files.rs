//! Reading files: bounded, as text, and with the reason when it does not work.
#![allow(clippy::disallowed_methods, reason = "the collector's own reading of files")]

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// No file is read further than this (docs/architecture.md, Limits).
pub const LIMIT: u64 = 8 * 1024 * 1024;

/// What became of reading a file.
#[derive(Debug, PartialEq, Eq)]
pub enum FileText {
    /// Its text, a UTF-8 byte order mark kept.
    Text(String),
    /// It is not there.
    Missing,
    /// It is there and cannot be read as text; why.
    Unreadable(String),
}

impl FileText {
    /// The text, where there is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Missing | Self::Unreadable(_) => None,
        }
    }
}

/// Reads a text file. A named pipe or a device is refused without opening it: reading it could wait
/// for ever.
pub fn read(path: &Path) -> FileText {
    match std::fs::metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return FileText::Missing;
        }
        Err(error) => return FileText::Unreadable(reason(&error)),
        Ok(metadata) if metadata.is_dir() => {
            return FileText::Unreadable("it is a directory".to_owned());
        }
        Ok(metadata) if !metadata.is_file() => {
            return FileText::Unreadable("it is not a regular file".to_owned());
        }
        Ok(metadata) if metadata.len() > LIMIT => {
            return FileText::Unreadable("it is larger than 8 MiB".to_owned());
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => FileText::Unreadable(reason(&error)),
        Ok(_) if bytes.len() as u64 > LIMIT => {
            FileText::Unreadable("it is larger than 8 MiB".to_owned())
        }
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) if text.contains('\0') => FileText::Unreadable(
                "it contains zero bytes: it is not text, or it is UTF-16".to_owned(),
            ),
            Ok(text) => FileText::Text(text),
            Err(_) => FileText::Unreadable("it is not UTF-8 text".to_owned()),
        },
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Whether something of that name is there.
pub fn exists(path: &Path) -> bool {
    path.exists()
}

/// Whether a directory of that name is there.
pub fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

/// The same, where the name is no symbolic link.
pub fn is_own_dir(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// When a file was last changed, seconds since 1970.
pub fn changed_at(path: &Path) -> Option<i64> {
    let changed = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = changed.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// The path without symbolic links; as it is where it does not exist.
pub fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The nearest directory upwards, this one included, that holds a `.git`: a directory, or the file
/// of a work tree or submodule.
pub fn repository_root(directory: &Path) -> Option<&Path> {
    directory.ancestors().find(|above| above.join(".git").exists())
}

/// The names in a directory, sorted, at most `limit` of them; empty where it cannot be listed.
pub fn names(directory: &Path, limit: usize) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .take(limit)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_text_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        for (bytes, expected) in [
            (&b"A=1\n"[..], FileText::Text("A=1\n".to_owned())),
            (b"\xff\xfeA\x00", FileText::Unreadable("it is not UTF-8 text".to_owned())),
            (
                b"A\0=1",
                FileText::Unreadable(
                    "it contains zero bytes: it is not text, or it is UTF-16".to_owned(),
                ),
            ),
        ] {
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(read(&file), expected);
        }
        assert_eq!(read(&directory.path().join("gone")), FileText::Missing);
        assert_eq!(read(&file.join("below")), FileText::Missing);
        assert!(matches!(read(directory.path()), FileText::Unreadable(_)));
    }
}
