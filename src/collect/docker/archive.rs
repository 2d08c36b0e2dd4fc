//! The credentials files out of a tar archive of the engine, read in memory and never unpacked.
//! Pure.

use std::io::Read;

/// The text of a credentials file without the line ends at its end, as the shell reads it; `None`
/// where there is none; or why it could not be read.
pub(super) type Credential = Result<Option<String>, String>;

/// A credentials file is 65 bytes; more than this is not one.
const LARGEST_FILE: u64 = 16 * 1024;

/// `instance_secret` and `instance_name` out of the archive of their directory. `None` when the
/// archive is not the whole of a plain directory (a link, cut at the limit), so that the files must
/// be asked for one by one.
pub(super) fn both(bytes: &[u8]) -> Option<(Credential, Credential)> {
    let (mut secret, mut name) = (Ok(None), Ok(None));
    let mut archive = tar::Archive::new(bytes);
    for (at, entry) in archive.entries().ok()?.enumerate() {
        let mut entry = entry.ok()?;
        if at == 0 {
            if !entry.header().entry_type().is_dir() {
                return None;
            }
            continue;
        }
        let path = entry.path().ok()?.into_owned();
        if path.components().count() != 2 {
            continue;
        }
        match path.file_name()?.to_str()? {
            "instance_secret" => secret = text(&mut entry).map(Some),
            "instance_name" => name = text(&mut entry).map(Some),
            _ => {}
        }
    }
    // An archive that was cut may end between two files without an error; a whole one ends in
    // zeros.
    bytes.ends_with(&[0; 1024]).then_some((secret, name))
}

/// When the secret's file was written, seconds since 1970; `None` where the archive has none.
pub(super) fn written_at(bytes: &[u8]) -> Option<i64> {
    let mut archive = tar::Archive::new(bytes);
    let secret = archive
        .entries()
        .ok()?
        .filter_map(Result::ok)
        .find(|entry| entry.path().is_ok_and(|path| path.ends_with("instance_secret")));
    i64::try_from(secret?.header().mtime().ok()?).ok().filter(|at| *at > 0)
}

/// The one file of an archive.
pub(super) fn one(bytes: &[u8]) -> Result<String, String> {
    let mut archive = tar::Archive::new(bytes);
    let mut entries = archive.entries().map_err(|_| garbled())?;
    let mut entry = entries.next().ok_or_else(garbled)?.map_err(|_| garbled())?;
    text(&mut entry)
}

fn text<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<String, String> {
    // A link has no content here; taken for an empty file it would be an empty secret.
    if !entry.header().entry_type().is_file() {
        return Err("the credentials file is not a regular file".to_owned());
    }
    if entry.size() > LARGEST_FILE {
        return Err("the file is too large for a credentials file".to_owned());
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|_| garbled())?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim_end_matches('\n').to_owned())
}

fn garbled() -> String {
    "the archive that the engine sent could not be read".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(text.len() as u64);
            header.set_cksum();
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn both_files_come_out_of_a_plain_directory_only() {
        use tar::EntryType::{Directory, Regular, Symlink};
        let dir = ("credentials/", Directory, "");
        let secret = ("credentials/instance_secret", Regular, "ab\n");
        let nested = ("credentials/old/instance_secret", Regular, "cd\n");
        let seen = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(both(&archive(&[dir, secret, nested])), Some((seen("ab"), Ok(None))));
        assert_eq!(both(&archive(&[dir])), Some((Ok(None), Ok(None))));
        let empty = ("credentials/instance_secret", Regular, "");
        assert_eq!(both(&archive(&[dir, empty])), Some((seen(""), Ok(None))));
        let link = ("credentials/instance_secret", Symlink, "");
        assert!(both(&archive(&[dir, link])).unwrap().0.is_err());
        assert_eq!(both(&archive(&[("credentials", Symlink, "")])), None);
        let whole = archive(&[dir, secret]);
        assert_eq!(both(&whole[..1024]), None, "cut after the directory");
        assert_eq!(both(b"garbage"), None);
        assert_eq!(one(&archive(&[("instance_secret", Regular, "ab\r\n")])), Ok("ab\r".to_owned()));
        assert!(one(b"").is_err());
    }
}
