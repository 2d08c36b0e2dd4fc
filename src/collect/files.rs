//! Reading files: bounded, as text, and with the reason when it does not work.
#![allow(clippy::disallowed_methods, reason = "the collector's own reading of files")]

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// No file is read further than this (docs/architecture.md, Limits).
pub const LIMIT: u64 = 8 * 1024 * 1024;

/// Why a file that is UTF-16 is not read as Node reads it.
pub const UTF16: &str = "it is UTF-16, which the CLI does not read";

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

/// What is in a file.
enum Content {
    Bytes(Vec<u8>),
    Missing,
    Unreadable(String),
}

/// Reads a text file. A named pipe or a device is refused without opening it: reading it could wait
/// for ever.
pub fn read(path: &Path) -> FileText {
    decode(path, |bytes| match String::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => {
            Err("it contains zero bytes: it is not text, or it is UTF-16".to_owned())
        }
        Ok(text) => Ok(text),
        Err(_) => Err("it is not UTF-8 text".to_owned()),
    })
}

/// Reads a file as Node does for the CLI: bytes that are not UTF-8 become U+FFFD, and a zero byte is
/// a character. Of UTF-16 nothing is left that dotenv could read.
pub fn read_as_node(path: &Path) -> FileText {
    decode(path, |bytes| {
        if is_utf16(&bytes) {
            return Err(UTF16.to_owned());
        }
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    })
}

/// The bytes of a file that is there, or why they cannot be read.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    match content(path) {
        Content::Bytes(bytes) => Ok(bytes),
        Content::Missing => Err("no such file or directory".to_owned()),
        Content::Unreadable(reason) => Err(reason),
    }
}

/// Whether the bytes are UTF-16: by the mark at the start, or by a zero in each of the first pairs,
/// always on the same side.
fn is_utf16(bytes: &[u8]) -> bool {
    let pairs = || bytes.chunks_exact(2).take(64);
    let zeros = |side: usize| pairs().count() > 1 && pairs().all(|pair| pair[side] == 0);
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || zeros(0) != zeros(1)
}

fn decode(path: &Path, text: impl FnOnce(Vec<u8>) -> Result<String, String>) -> FileText {
    match content(path) {
        Content::Bytes(bytes) => text(bytes).map_or_else(FileText::Unreadable, FileText::Text),
        Content::Missing => FileText::Missing,
        Content::Unreadable(reason) => FileText::Unreadable(reason),
    }
}

fn content(path: &Path) -> Content {
    match std::fs::metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Content::Missing;
        }
        Err(error) => return Content::Unreadable(reason(&error)),
        Ok(metadata) if metadata.is_dir() => {
            return Content::Unreadable("it is a directory".to_owned());
        }
        Ok(metadata) if !metadata.is_file() => {
            return Content::Unreadable("it is not a regular file".to_owned());
        }
        Ok(metadata) if metadata.len() > LIMIT => {
            return Content::Unreadable("it is larger than 8 MiB".to_owned());
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Content::Unreadable(reason(&error)),
        Ok(_) if bytes.len() as u64 > LIMIT => {
            Content::Unreadable("it is larger than 8 MiB".to_owned())
        }
        Ok(_) => Content::Bytes(bytes),
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
        assert_eq!(read_as_node(&directory.path().join("gone")), FileText::Missing);
        assert_eq!(read(&file.join("below")), FileText::Missing);
        assert!(matches!(read(directory.path()), FileText::Unreadable(_)));
    }

    #[test]
    fn node_reads_all_but_utf_16() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        let utf16 = |unit: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}A=1\n").encode_utf16().flat_map(unit).collect()
        };
        for (bytes, expected) in [
            (b"# cl\xe9\nA=1\n".to_vec(), Some("# cl\u{fffd}\nA=1\n")),
            (b"A=\xe2\x82 1\n".to_vec(), Some("A=\u{fffd} 1\n")),
            (b"A=1\0\nB=2\n".to_vec(), Some("A=1\0\nB=2\n")),
            (b"\0\0\0\0".to_vec(), Some("\0\0\0\0")),
            (b"\xef\xbb\xbfA=1".to_vec(), Some("\u{feff}A=1")),
            (vec![], Some("")),
            (utf16(u16::to_le_bytes, "\u{feff}"), None),
            (utf16(u16::to_be_bytes, "\u{feff}"), None),
            (utf16(u16::to_le_bytes, ""), None),
            (utf16(u16::to_be_bytes, ""), None),
        ] {
            std::fs::write(&file, &bytes).unwrap();
            let read = read_as_node(&file);
            assert_eq!(read.text(), expected, "{bytes:?}");
            assert!(expected.is_some() || matches!(read, FileText::Unreadable(_)), "{bytes:?}");
        }
    }
}
