//! Whether two directories hold the same, from the archives that the engine sends of them: in step,
//! so that neither is ever in memory.

use std::io::{self, Read};

use bollard::errors::Error;
use futures_util::{Stream, StreamExt};
use hyper::body::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Copied;
use crate::docker::words;
use crate::secret::sanitize;

/// Pieces on their way between two sides that wait for each other.
const IN_FLIGHT: usize = 4;

/// An archive ends in at least so many zeros; one that was cut off does not.
const END: usize = 1024;

/// One thing in a directory. Times are in whole seconds, as the engine's archives have them.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    path: Vec<u8>,
    kind: u8,
    mode: u32,
    owner: (u64, u64),
    modified: u64,
    size: u64,
    /// Where a link leads.
    link: Vec<u8>,
    /// Of the content, and of what else the archive says of it (extended attributes).
    digest: [u8; 32],
}

impl Entry {
    fn is_file(&self) -> bool {
        matches!(self.kind, b'0' | b'\0' | b'7')
    }

    /// What differs first, in words.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.path != other.path {
            return Some("is only in one of the two volumes");
        }
        let pairs = [
            (self.kind != other.kind, "is not of the same type"),
            (self.size != other.size, "has a different size"),
            (self.digest != other.digest, "has different content"),
            (self.mode != other.mode, "has a different mode"),
            (self.owner != other.owner, "has a different owner"),
            (self.link != other.link, "is a link to something else"),
            (self.modified != other.modified, "has a different modification time"),
        ];
        pairs.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
    }
}

/// Compares two archives and counts what is in them; an `Err` says what differs, or which could not
/// be read. The engine sends the entries of a directory in the order of their names.
pub(super) async fn compare(
    left: impl Stream<Item = Result<Bytes, Error>>,
    right: impl Stream<Item = Result<Bytes, Error>>,
) -> Result<Copied, String> {
    let ((feed_left, mut left_entries), (feed_right, mut right_entries)) = (reader(), reader());
    let judge = async {
        let mut copied = Copied { files: 0, bytes: 0 };
        loop {
            let pair = (left_entries.recv().await, right_entries.recv().await);
            let entry = match pair {
                (None, None) => return Ok(copied),
                (Some(Err(reason)), _) | (_, Some(Err(reason))) => return Err(reason),
                (Some(Ok(left)), Some(Ok(right))) => match left.difference(&right) {
                    Some(what) => return Err(format!("{} {what}", shown(&left.path))),
                    None => left,
                },
                (Some(Ok(one)), None) | (None, Some(Ok(one))) => {
                    return Err(format!("{} is only in one of the two volumes", shown(&one.path)));
                }
            };
            if entry.is_file() {
                copied.files += 1;
                copied.bytes += entry.size;
            }
        }
    };
    let mut judge = std::pin::pin!(judge);
    let mut feeding =
        std::pin::pin!(futures_util::future::join(feed(left, feed_left), feed(right, feed_right)));
    tokio::select! {
        result = &mut judge => result,
        _ = &mut feeding => judge.await,
    }
}

fn shown(path: &[u8]) -> String {
    sanitize(&String::from_utf8_lossy(path))
}

/// A piece of an archive, or why there is no more of it.
type ComparedPiece = Result<Bytes, String>;

/// Passes an archive on, piece by piece.
async fn feed(stream: impl Stream<Item = Result<Bytes, Error>>, to: Sender<ComparedPiece>) {
    let mut stream = std::pin::pin!(stream);
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| words(&error));
        if to.send(piece).await.is_err() {
            return;
        }
    }
}

/// A thread that makes entries of the pieces given to it.
fn reader() -> (Sender<ComparedPiece>, Receiver<Result<Entry, String>>) {
    let (to, pieces) = channel(IN_FLIGHT);
    let (entries, from) = channel(IN_FLIGHT);
    tokio::task::spawn_blocking(move || {
        let mut archive = Pieces { from: pieces, current: Bytes::new(), zeros: 0 };
        if let Err(error) = read(&mut archive, &entries) {
            let _no_reader = entries.blocking_send(Err(error.to_string()));
        }
    });
    (to, from)
}

/// Reads an archive to its end.
fn read(archive: &mut Pieces, to: &Sender<Result<Entry, String>>) -> io::Result<()> {
    let mut tar = tar::Archive::new(&mut *archive);
    for entry in tar.entries()? {
        let entry = digested(entry?)?;
        if to.blocking_send(Ok(entry)).is_err() {
            return Ok(());
        }
    }
    io::copy(archive, &mut io::sink())?;
    if archive.zeros < END {
        return Err(cut_off());
    }
    Ok(())
}

fn cut_off() -> io::Error {
    io::Error::other("the engine sent an incomplete archive")
}

fn digested<R: Read>(mut entry: tar::Entry<'_, R>) -> io::Result<Entry> {
    let mut digest = Sha256::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            // Times come in fractions from one side and in seconds from the other.
            if !extension.key_bytes().ends_with(b"time") {
                digest.update(extension.key_bytes());
                digest.update([0]);
                digest.update(extension.value_bytes());
                digest.update([0]);
            }
        }
    }
    digest.update([0]);
    let size = entry.size();
    if io::copy(&mut entry, &mut Hashing(&mut digest))? != size {
        return Err(cut_off());
    }
    let header = entry.header();
    Ok(Entry {
        path: entry.path_bytes().into_owned(),
        kind: header.entry_type().as_byte(),
        mode: header.mode()?,
        owner: (header.uid()?, header.gid()?),
        modified: header.mtime()?,
        size,
        link: entry.link_name_bytes().unwrap_or_default().into_owned(),
        digest: digest.finalize().into(),
    })
}

struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive as it comes in.
struct Pieces {
    from: Receiver<ComparedPiece>,
    current: Bytes,
    /// How many zeros came last.
    zeros: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.from.blocking_recv() {
                Some(Ok(piece)) => self.current = piece,
                Some(Err(reason)) => return Err(io::Error::other(reason)),
                None => return Ok(0),
            }
        }
        let length = into.len().min(self.current.len());
        let taken = self.current.split_to(length);
        into[..length].copy_from_slice(&taken);
        let tail = taken.iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if tail == length { self.zeros + length } else { tail };
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with a file, a link and a directory in it.
    fn archive(change: impl Fn(&mut tar::Header, &str), file: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content) in [
            ("volume/", tar::EntryType::Directory, &b""[..]),
            ("volume/db", tar::EntryType::Regular, file),
            ("volume/link", tar::EntryType::Symlink, b""),
            ("volume/tmp/", tar::EntryType::Directory, b""),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_path(path).unwrap();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(1000);
            header.set_uid(7);
            header.set_gid(8);
            if kind.is_symlink() {
                header.set_link_name("db").unwrap();
            }
            change(&mut header, path);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn compared(left: &[u8], right: &[u8]) -> Result<Copied, String> {
        let pieces = |bytes: &[u8], size: usize| {
            let pieces: Vec<_> =
                bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            futures_util::stream::iter(pieces)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Different cuts on the two sides: nothing may depend on them.
        runtime.block_on(compare(pieces(left, 700), pieces(right, 64)))
    }

    #[test]
    fn every_difference_is_seen_and_named() {
        let content = vec![5; 5000];
        let whole = archive(|_, _| {}, &content);
        let copied = compared(&whole, &whole).unwrap();
        assert_eq!((copied.files, copied.bytes), (1, 5000));
        let at = |wanted: &'static str, change: fn(&mut tar::Header)| {
            archive(
                move |header, path| {
                    if path == wanted {
                        change(header);
                    }
                },
                &content,
            )
        };
        let mut one_bit = content.clone();
        one_bit[4999] = 4;
        for (other, said) in [
            (archive(|_, _| {}, &one_bit), "volume/db has different content"),
            (archive(|_, _| {}, &content[..4999]), "volume/db has a different size"),
            (at("volume/db", |it| it.set_mode(0o600)), "volume/db has a different mode"),
            (at("volume/tmp/", |it| it.set_uid(0)), "volume/tmp/ has a different owner"),
            (at("volume/db", |it| it.set_gid(0)), "volume/db has a different owner"),
            (at("volume/", |it| it.set_mtime(1)), "volume/ has a different modification time"),
            (
                at("volume/link", |it| it.set_link_name("x").unwrap()),
                "volume/link is a link to something else",
            ),
            (
                at("volume/tmp/", |it| it.set_entry_type(tar::EntryType::Fifo)),
                "volume/tmp/ is not of the same type",
            ),
            (
                at("volume/db", |it| it.set_path("volume/dc").unwrap()),
                "is only in one of the two volumes",
            ),
        ] {
            let found = compared(&whole, &other).unwrap_err();
            assert!(found.contains(said), "{found} instead of {said}");
            assert!(compared(&other, &whole).is_err());
        }
    }

    #[test]
    fn an_archive_that_was_cut_off_is_no_archive() {
        let whole = archive(|_, _| {}, &[5; 5000]);
        // Within a content, between two entries, and right before the end.
        for length in [0, 512, 2000, whole.len() - 1024] {
            let found = compared(&whole[..length], &whole[..length]);
            assert!(found.is_err(), "{length}: {:?}", found.map(|it| it.files));
        }
        assert!(compared(b"garbage that is no archive", &whole).is_err());
    }
}
