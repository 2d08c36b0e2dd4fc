//! Which mounts of a compose project are on another machine: a volume by its driver's options, a
//! directory by the file system that this machine has mounted there.

use std::path::{Path, PathBuf};

use crate::compose::{Project, Service};
use crate::evidence::compose::NetworkMount;

/// File systems on which locks are another machine's business.
const NETWORK: [&str; 9] =
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph"];

/// The network mounts among the sources of the project's volumes.
pub(super) fn find(project: &Project) -> Vec<NetworkMount> {
    let by_driver = project.volumes.iter().filter_map(|(key, volume)| {
        let kind = volume.driver_opts.get("type").map(|kind| kind.to_ascii_lowercase())?;
        NETWORK
            .contains(&kind.as_str())
            .then(|| NetworkMount { source: key.clone(), filesystem: kind })
    });
    let table = crate::files::of_the_kernel("/proc/self/mountinfo");
    let mounted = read_table(&table);
    let directories = project.services.values().flat_map(|service: &Service| &service.volumes);
    let by_place = directories.filter_map(|mount| {
        let source = mount.source.as_deref().filter(|source| source.starts_with('/'))?;
        let filesystem = filesystem_of(&mounted, Path::new(source))?;
        NETWORK
            .contains(&filesystem)
            .then(|| NetworkMount { source: source.to_owned(), filesystem: filesystem.to_owned() })
    });
    let mut found: Vec<NetworkMount> = by_driver.chain(by_place).collect();
    found.dedup();
    found
}

/// Where what is mounted: `id parent major:minor root PLACE options … - KIND source …`.
fn read_table(text: &str) -> Vec<(PathBuf, String)> {
    text.lines()
        .filter_map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let place = front.split(' ').nth(4)?.replace("\\040", " ");
            Some((PathBuf::from(place), back.split(' ').next()?.to_owned()))
        })
        .collect()
}

/// The file system of the mount with the longest place over `path`; the later of two at one place
/// hides the earlier.
fn filesystem_of<'a>(mounted: &'a [(PathBuf, String)], path: &Path) -> Option<&'a str> {
    mounted
        .iter()
        .filter(|(place, _)| path.starts_with(place))
        .max_by_key(|(place, _)| place.components().count())
        .map(|(_, kind)| kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_place_counts() {
        let table = read_table(
            "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
             30 22 0:40 / /mnt/my\\040nas rw - nfs4 nas:/export rw\n\
             31 30 8:2 / /mnt/my\\040nas/local rw - ext4 /dev/sdb rw\n\
             broken line\n",
        );
        for (path, expected) in [
            ("/srv/data", Some("ext4")),
            ("/mnt/my nas/convex", Some("nfs4")),
            ("/mnt/my nas/local/x", Some("ext4")),
            ("/mnt/my nasty", Some("ext4")),
        ] {
            assert_eq!(filesystem_of(&table, Path::new(path)), expected, "{path}");
        }
        assert_eq!(filesystem_of(&[], Path::new("/x")), None);
    }
}
