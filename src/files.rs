//! Reading files: bounded, as text, and with the reason when it does not work. The one `open` of
//! every file that is read: regular files only, and none that the kernel makes up while it is read
//! (`/proc`, `/sys`), both judged on what was opened, for a name may lead elsewhere a moment later.
#![allow(clippy::disallowed_methods, reason = "the collector's own reading of files")]

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::budget::FILE_BYTES;

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

/// Reads a text file. A named pipe or a device is refused: reading it could wait for ever.
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
    read_bytes_within(path, FILE_BYTES)
}

/// The same of a file that may have so many bytes.
pub fn read_bytes_within(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    match content(path, limit) {
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
    match content(path, FILE_BYTES) {
        Content::Bytes(bytes) => text(bytes).map_or_else(FileText::Unreadable, FileText::Text),
        Content::Missing => FileText::Missing,
        Content::Unreadable(reason) => FileText::Unreadable(reason),
    }
}

fn content(path: &Path, limit: u64) -> Content {
    let too_large = || {
        let mib = limit / (1024 * 1024);
        Content::Unreadable(format!("it is larger than {mib} MiB"))
    };
    let file = match open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Content::Missing;
        }
        Err(error) => return Content::Unreadable(reason(&error)),
        Ok(file) => file,
    };
    let expected = file.metadata().map_or(0, |metadata| metadata.len());
    if expected > limit {
        return too_large();
    }
    // Read in one go: without the size it would be some ten reads.
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 1);
    match file.take(limit + 1).read_to_end(&mut bytes) {
        Err(error) => Content::Unreadable(reason(&error)),
        Ok(_) if bytes.len() as u64 > limit => too_large(),
        Ok(_) => Content::Bytes(bytes),
    }
}

/// Opens a regular file for reading, and nothing else. It never waits.
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    // Looked at before it is opened: to open a device or a pipe can do something.
    regular(&std::fs::metadata(path)?)?;
    let file = open_without_waiting(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

fn regular(metadata: &std::fs::Metadata) -> std::io::Result<()> {
    if metadata.is_dir() {
        return Err(std::io::Error::other("it is a directory"));
    }
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    Ok(())
}

#[cfg(unix)]
fn open_without_waiting(path: &Path) -> std::io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if is_made_up(&file) {
        return Err(std::io::Error::other("it is no file on a disk but one of the kernel's"));
    }
    Ok(File::from(file))
}

#[cfg(not(unix))]
fn open_without_waiting(path: &Path) -> std::io::Result<File> {
    File::open(path)
}

/// Whether the kernel makes the file's text while it is read: it may wait for ever then, never end,
/// or be used up by it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_made_up(file: &impl std::os::fd::AsFd) -> bool {
    /// `linux/magic.h`: proc, sysfs, debugfs, tracefs, securityfs, cgroup, cgroup2, selinuxfs,
    /// smackfs, pstore, bpf, efivarfs, configfs, fusectl, devpts, mqueue, binfmt_misc, nsfs,
    /// resctrl, usbdevfs, xenfs.
    const MAGIC: [u32; 21] = [
        0x0000_9fa0,
        0x6265_6572,
        0x6462_6720,
        0x7472_6163,
        0x7363_6673,
        0x0027_e0eb,
        0x6367_7270,
        0xf97c_ff8c,
        0x4341_5d53,
        0x6165_676c,
        0xcafe_4a11,
        0xde5e_81e4,
        0x6265_6570,
        0x6573_5543,
        0x0000_1cd1,
        0x1980_0202,
        0x4249_4e4d,
        0x6e73_6673,
        0x0765_5821,
        0x0000_9fa2,
        0xabba_1974,
    ];
    // The field's type differs between machines; the numbers have 32 bits.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::allow_attributes)]
    rustix::fs::fstatfs(file).is_ok_and(|found| MAGIC.contains(&(found.f_type as u32)))
}

/// What the kernel says under a name that is written in this program; empty where it does not.
pub(crate) fn of_the_kernel(path: &'static str) -> String {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES).read_to_end(&mut text));
    read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}

/// The terminal that this process was started from, where it has one.
#[cfg(unix)]
pub(crate) fn terminal() -> std::io::Result<File> {
    File::open("/dev/tty")
}

/// The first bytes of a regular file, however large it is.
pub(crate) fn starts_with(path: &Path, start: &[u8]) -> bool {
    let mut bytes = vec![0; start.len()];
    open(path).is_ok_and(|mut file| file.read_exact(&mut bytes).is_ok()) && bytes == start
}

/// How many directories of PATH are searched.
pub(crate) const PATH_ENTRIES: usize = 200;

/// The program of this name that the shell would run. `extensions` is PATHEXT: a program of Windows
/// is called `node.exe` or `npx.cmd`; empty elsewhere.
pub(crate) fn program(name: &str, path: &str, extensions: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .take(PATH_ENTRIES)
        .filter(|directory| directory.is_absolute())
        .find_map(|directory| program_in(&directory, name, extensions))
}

/// The same in one directory.
pub(crate) fn program_in(directory: &Path, name: &str, extensions: &str) -> Option<PathBuf> {
    let named = extensions.split(';').filter(|extension| extension.starts_with('.'));
    let named = named.map(|extension| format!("{name}{}", extension.to_ascii_lowercase()));
    // What begins a line of text would be run by no shell of Windows; a name with its extension is.
    let bare = (extensions.is_empty() || name.contains('.')).then(|| name.to_owned());
    bare.into_iter().chain(named).map(|name| directory.join(name)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
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
    #[cfg(target_os = "linux")]
    fn what_is_no_file_on_a_disk_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        let reason = |found: FileText| match found {
            FileText::Unreadable(reason) => reason,
            other => panic!("{other:?}"),
        };
        for (target, expected) in [
            ("/proc/self/status", "one of the kernel's"),
            ("/proc/kmsg", ""),
            ("/sys/kernel/notes", "one of the kernel's"),
            ("/dev/zero", "not a regular file"),
            ("/proc", "a directory"),
        ] {
            let _first = std::fs::remove_file(&file);
            std::os::unix::fs::symlink(target, &file).unwrap();
            assert!(reason(read(&file)).contains(expected), "{target}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        assert!(reason(read(&file)).contains("not a regular file"));
        // Also where it became one after it was looked at.
        assert!(regular(&open_without_waiting(&file).unwrap().metadata().unwrap()).is_err());
        assert!(of_the_kernel("/proc/self/mountinfo").contains(" / "));
    }

    #[test]
    fn a_file_may_be_as_large_as_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, vec![b'a'; 1 << 20]).unwrap();
        assert_eq!(read_bytes_within(&file, 1 << 20).map(|bytes| bytes.len()), Ok(1 << 20));
        std::fs::write(&file, vec![b'a'; (1 << 20) + 1]).unwrap();
        assert_eq!(read_bytes_within(&file, 1 << 20), Err("it is larger than 1 MiB".to_owned()));
        assert!(starts_with(&file, b"aa") && !starts_with(&file, b"#!"));
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
