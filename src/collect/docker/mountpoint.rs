//! A volume's own directory on this machine: two small files out of it, and the size of a third.
//! Nothing else is opened, and no symbolic link is followed: what fills the volume does not
//! choose what is read.
//!
//! The directory is the one that the engine names. It is taken for the volume's only where it bears
//! the volume's name and was changed (Docker) or made (Podman) when the engine says: a socket may
//! be forwarded from another machine, which has directories of the same names.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

/// What was found at the places where a backend keeps its credentials and its database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct VolumeFiles {
    /// The text of `credentials/instance_secret`, without the line ends at its end.
    pub(super) secret: Option<zeroize::Zeroizing<String>>,
    /// The text of `credentials/instance_name`, likewise.
    pub(super) name: Option<String>,
    /// The size of `db.sqlite3` in bytes.
    pub(super) database_bytes: Option<u64>,
}

/// Where a backend keeps its database, below the volume.
pub(super) const DATABASE: &str = "db.sqlite3";

/// A credentials file is 65 bytes; more than this is not one.
pub(super) const LARGEST_FILE: u64 = 4096;

/// A moment is the engine's if it differs by no more than this many seconds.
#[cfg(unix)]
const SAME_MOMENT: i64 = 2;

/// Looks into the directory of `volume`; an `Err` says why it could not be read.
#[cfg(unix)]
pub(super) fn look(
    volume: &str,
    mountpoint: &str,
    changed_at: Option<i64>,
) -> Result<VolumeFiles, String> {
    use std::path::{Component, Path};

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
    use rustix::io::Errno;

    let path = Path::new(mountpoint);
    let own = Path::new(volume).join("_data");
    let plain = path.components().all(|part| !matches!(part, Component::ParentDir));
    if !path.is_absolute() || !plain || !path.ends_with(&own) {
        return Err("its directory is not where an engine keeps its volumes".to_owned());
    }
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = openat(CWD, path, directory, Mode::empty()).map_err(|error| match error {
        Errno::ACCESS | Errno::PERM => "only root can read its directory".to_owned(),
        Errno::NOENT => "its directory is not on this machine".to_owned(),
        error => format!("its directory cannot be opened: {error}"),
    })?;
    let is_the_moment = |stat: rustix::io::Result<rustix::fs::Stat>| {
        stat.is_ok_and(|stat| {
            changed_at.is_some_and(|at| at.abs_diff(stat.st_mtime) <= SAME_MOMENT.unsigned_abs())
        })
    };
    let made = || is_the_moment(statat(&root, "..", AtFlags::SYMLINK_NOFOLLOW));
    if !is_the_moment(rustix::fs::fstat(&root)) && !made() {
        return Err("its directory on this machine belongs to another engine".to_owned());
    }

    let database_bytes = match statat(&root, DATABASE, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if is_regular(&stat) => u64::try_from(stat.st_size).ok(),
        _ => None,
    };
    let credentials = match openat(&root, "credentials", directory, Mode::empty()) {
        Ok(credentials) => credentials,
        Err(Errno::NOENT) => return Ok(VolumeFiles { database_bytes, ..VolumeFiles::default() }),
        Err(Errno::ACCESS | Errno::PERM) => {
            return Err("only root can read its credentials".to_owned());
        }
        Err(_) => return Err("its credentials are not a plain directory".to_owned()),
    };
    Ok(VolumeFiles {
        secret: read(&credentials, "instance_secret")?,
        name: read(&credentials, "instance_name")?.map(|name| name.as_str().to_owned()),
        database_bytes,
    })
}

/// The text of a small regular file in a directory; `None` where there is no such file.
#[cfg(unix)]
fn read(
    directory: &rustix::fd::OwnedFd,
    name: &str,
) -> Result<Option<zeroize::Zeroizing<String>>, String> {
    use std::io::Read as _;

    use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, statat};
    use rustix::io::Errno;
    use zeroize::Zeroizing;

    // Looked at before it is opened: opening a device or a pipe can do something.
    let before = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        stat => stat.map_err(|error| format!("{name}: {error}"))?,
    };
    if !is_regular(&before) {
        return Err(format!("{name} in it is not a regular file"));
    }
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty())
        .map_err(|error| format!("{name}: {error}"))?;
    if !fstat(&file).is_ok_and(|stat| is_regular(&stat)) {
        return Err(format!("{name} in it is not a regular file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::from(file)
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("{name}: {}", error.kind()))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(format!("{name} in it is too large for a credentials file"));
    }
    let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    Ok(Some(Zeroizing::new(text.trim_end_matches('\n').to_owned())))
}

#[cfg(unix)]
fn is_regular(stat: &rustix::fs::Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile
}

/// Elsewhere an engine keeps its volumes in a machine of its own.
#[cfg(not(unix))]
pub(super) fn look(_: &str, _: &str, _: Option<i64>) -> Result<VolumeFiles, String> {
    Err("its directory is not on this machine".to_owned())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::PathBuf;

    use super::*;

    const SECRET: &str = "5a5b5c5d5e5f606162636465666768695a5b5c5d5e5f60616263646566676869";

    /// `volumes/old_data/_data` below a directory of its own.
    fn volume() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("volumes/old_data/_data");
        std::fs::create_dir_all(data.join("credentials")).unwrap();
        (home, data)
    }

    fn looked(data: &std::path::Path) -> Result<VolumeFiles, String> {
        let changed = std::fs::metadata(data).unwrap().mtime();
        look("old_data", data.to_str().unwrap(), Some(changed))
    }

    #[test]
    fn reads_the_credentials_and_measures_the_database() {
        let (_home, data) = volume();
        assert_eq!(looked(&data), Ok(VolumeFiles::default()));
        std::fs::write(data.join("credentials/instance_secret"), format!("{SECRET}\n")).unwrap();
        std::fs::write(data.join("credentials/instance_name"), "app\n").unwrap();
        std::fs::write(data.join(DATABASE), "12345").unwrap();
        let content = looked(&data).unwrap();
        assert_eq!(content.secret.as_ref().map(|text| text.as_str()), Some(SECRET));
        assert_eq!(content.name.as_deref(), Some("app"));
        assert_eq!(content.database_bytes, Some(5));
    }

    #[test]
    fn follows_no_link_and_opens_no_pipe() {
        let (home, data) = volume();
        let outside = home.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("instance_secret"), SECRET).unwrap();

        let file = data.join("credentials/instance_secret");
        symlink(outside.join("instance_secret"), &file).unwrap();
        symlink(outside.join("instance_secret"), data.join(DATABASE)).unwrap();
        assert!(looked(&data).unwrap_err().contains("not a regular file"));
        std::fs::remove_file(&file).unwrap();

        let pipe = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
        assert!(pipe.success());
        assert!(looked(&data).unwrap_err().contains("not a regular file"));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(looked(&data).unwrap().database_bytes, None, "a link is no database");

        std::fs::remove_dir(data.join("credentials")).unwrap();
        symlink(&outside, data.join("credentials")).unwrap();
        assert!(looked(&data).unwrap_err().contains("not a plain directory"));
    }

    #[test]
    fn a_directory_that_is_not_surely_the_volume_s_is_left_alone() {
        let (home, data) = volume();
        let at = std::fs::metadata(&data).unwrap().mtime();
        let text = data.to_str().unwrap();
        assert!(look("old_data", text, Some(at - 60)).unwrap_err().contains("another engine"));
        assert!(look("old_data", text, None).is_err());
        assert!(look("app_data", text, Some(at)).unwrap_err().contains("not where"));
        let up = format!("{}/volumes/x/../old_data/_data", home.path().display());
        assert!(look("old_data", &up, Some(at)).unwrap_err().contains("not where"));
        assert!(
            look("old_data", "/nowhere/old_data/_data", Some(at)).unwrap_err().contains("not on")
        );
    }

    #[test]
    fn a_large_file_is_no_secret() {
        let (_home, data) = volume();
        std::fs::write(data.join("credentials/instance_secret"), "a".repeat(5000)).unwrap();
        assert!(looked(&data).unwrap_err().contains("too large"));
    }
}
