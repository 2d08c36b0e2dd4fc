//! Where texts come from: the one trait this module reads files through, and the positions it hands
//! out.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Why a file could not be read. The texts are the system's own, as Compose prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// There is no such file.
    NotFound,
    /// It is there and cannot be read; the reason in words.
    Unreadable(String),
    /// It is larger than the bound of the reader (8 MiB).
    TooLarge,
    /// It is not UTF-8 text.
    NotText,
}

impl fmt::Display for FileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => out.write_str("no such file or directory"),
            Self::Unreadable(reason) => out.write_str(reason),
            Self::TooLarge => out.write_str("larger than 8 MiB"),
            Self::NotText => out.write_str("not UTF-8 text"),
        }
    }
}

/// Bounded access to files: all the I/O that reading a Compose project needs.
pub trait Files {
    /// The text of a file, at most 8 MiB.
    fn read(&self, path: &Path) -> Result<String, FileError>;
    /// The bytes of a file, for what need not be UTF-8; where they are not asked for, those of its
    /// text.
    fn read_bytes(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        self.read(path).map(String::into_bytes)
    }
    /// Whether anything is at this path.
    fn exists(&self, path: &Path) -> bool;
    /// Whether a directory is at this path.
    fn is_dir(&self, path: &Path) -> bool;
}

/// The text of a `.env` file or an `env_file` as Compose reads it: any byte may be in a comment or a
/// value, and one that is not UTF-8 is no part of a name.
pub(super) fn env_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Why the bytes of a file are not YAML for Compose, in its words, and the line of the first of
/// them.
pub(super) struct NotYaml {
    pub(super) message: &'static str,
    pub(super) line: u32,
}

/// The text of a YAML file: UTF-8, or UTF-16 with its mark. Control characters are refused, also
/// those in comments (go-yaml `readerc.go`, as Compose v2.40 carries it).
pub(super) fn yaml_text(bytes: Vec<u8>) -> Result<String, NotYaml> {
    let units = |read: fn([u8; 2]) -> u16| -> Vec<u16> {
        bytes.get(2..).unwrap_or_default().chunks_exact(2).map(|it| read([it[0], it[1]])).collect()
    };
    let utf16 = match bytes.get(..2) {
        Some([0xff, 0xfe]) => Some(units(u16::from_le_bytes)),
        Some([0xfe, 0xff]) => Some(units(u16::from_be_bytes)),
        _ => None,
    };
    let line_of = |before: &[u8]| {
        let ends = before.split(|byte| *byte == b'\n').count() - 1;
        u32::try_from(ends + 1).unwrap_or(u32::MAX)
    };
    let text = match utf16 {
        Some(units) => String::from_utf16(&units)
            .map_err(|_| NotYaml { message: "unexpected low surrogate area", line: 1 })?,
        None => String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            NotYaml { message: "incomplete UTF-8 octet sequence", line: line_of(before) }
        })?,
    };
    let is_refused = |char: char| match char {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        char => char.is_control(),
    };
    match text.char_indices().find(|(_, char)| is_refused(*char)) {
        Some((at, _)) => {
            let line = line_of(&text.as_bytes()[..at]);
            Err(NotYaml { message: "control characters are not allowed", line })
        }
        None => Ok(text),
    }
}

/// A place in a file, both numbers counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The absolute path of the file.
    pub file: Arc<Path>,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for At {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// A value and where it is written; `None` when it is written nowhere (a name taken from a
/// directory, a flag).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is.
    pub at: Option<At>,
}

/// A place as the tree keeps it: a file's number instead of its path, so that it costs twelve
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pos {
    pub(super) file: u32,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// The files met so far, by number.
#[derive(Debug, Default)]
pub(super) struct SourceFiles {
    paths: Vec<Arc<Path>>,
}

impl SourceFiles {
    /// The number of a file, the same for the same path.
    pub(super) fn number(&mut self, path: &Path) -> u32 {
        let known = self.paths.iter().position(|known| &**known == path);
        let number = known.unwrap_or_else(|| {
            self.paths.push(Arc::from(path));
            self.paths.len() - 1
        });
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// The public form of a position.
    pub(super) fn at(&self, pos: Pos) -> At {
        let file = self.paths.get(pos.file as usize).cloned();
        At {
            file: file.unwrap_or_else(|| Arc::from(Path::new(""))),
            line: pos.line as usize,
            column: pos.column as usize,
        }
    }

    /// All files met.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.paths.iter().map(|path| path.to_path_buf())
    }

    /// The path behind a number.
    pub(super) fn path(&self, file: u32) -> PathBuf {
        self.paths.get(file as usize).map(|path| path.to_path_buf()).unwrap_or_default()
    }
}

/// Joins and cleans lexically, as Go's `filepath.Join` does: `.` and `..` vanish, the file system
/// is not asked.
pub(super) fn join(base: &Path, path: &str) -> PathBuf {
    if Path::new(path).is_absolute() {
        return PathBuf::from(clean(path));
    }
    PathBuf::from(clean(&format!("{}/{path}", base.display())))
}

/// Joins as [`join`] does; what is absolute stays as it is written.
pub(super) fn join_written(base: &Path, path: &str) -> PathBuf {
    if path.starts_with('/') { PathBuf::from(path) } else { join(base, path) }
}

/// The way from one directory to another, both absolute and clean: Go's `filepath.Rel`.
pub(super) fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(one, other)| one == other);
    let common = common.count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to.components().skip(common)).collect();
    if way.as_os_str().is_empty() { PathBuf::from(".") } else { way }
}

/// Go's `path.Clean`.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, expected) in [
            ("/a/./b/../c/", "/a/c"),
            ("/../a", "/a"),
            ("a/../..", ".."),
            ("", "."),
            ("/", "/"),
            ("d:/x/", "d:/x"),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
        for (from, to, way) in
            [("/p", "/p", "."), ("/p", "/p/q/r", "q/r"), ("/p/q", "/p/r", "../r"), ("/", "/a", "a")]
        {
            assert_eq!(relative(Path::new(from), Path::new(to)), PathBuf::from(way), "{from} {to}");
        }
        assert_eq!(join(Path::new("/p"), "../q"), PathBuf::from("/q"));
        assert_eq!(join(Path::new("/p"), "/q/"), PathBuf::from("/q"));
    }
}
