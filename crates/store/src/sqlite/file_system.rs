//! The file system under the store: whether it is local, and how much room it has.

use std::path::Path;

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileSystem {
    /// Its name, for people.
    pub(super) name: &'static str,
    /// Where what is written there ends up.
    pub(super) place: Place,
    /// Bytes that this user may still write, if they are known.
    pub(super) free: Option<u64>,
    /// Bytes of all of it.
    pub(super) total: Option<u64>,
}

/// Where what is written to a file system ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On a disk of this machine.
    Local,
    /// Where it is gone with the machine's or the container's end.
    Passing,
    /// On another machine.
    Remote,
    /// That cannot be told.
    Unknown,
}

impl FileSystem {
    /// The file system of a path. What the system does not tell is unknown.
    pub(super) fn of(path: &Path) -> Self {
        let (name, place) = kind(path);
        let space = rustix::fs::statvfs(path).ok();
        let bytes = |blocks: u64, size: u64| blocks.saturating_mul(size);
        Self {
            name,
            place,
            free: space.as_ref().map(|space| bytes(space.f_bavail, space.f_frsize)),
            total: space.as_ref().map(|space| bytes(space.f_blocks, space.f_frsize)),
        }
    }
}

#[cfg(target_os = "linux")]
fn kind(path: &Path) -> (&'static str, Place) {
    // The type's width and sign differ between architectures; all magic numbers have 32 bits.
    rustix::fs::statfs(path).map_or(("unknown", Place::Unknown), |found| named(found.f_type as u32))
}

#[cfg(not(target_os = "linux"))]
fn kind(_: &Path) -> (&'static str, Place) {
    ("unknown", Place::Unknown)
}

/// What a magic number of Linux (statfs(2)) means. One that is not listed is a local disk's: there are many of those, and
/// few that are remote.
#[cfg(any(target_os = "linux", test))]
fn named(magic: u32) -> (&'static str, Place) {
    match magic {
        0x6969 => ("NFS", Place::Remote),
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => ("SMB", Place::Remote),
        0x0102_1997 => ("9P", Place::Remote),
        0x00c3_6400 => ("Ceph", Place::Remote),
        0x0bd0_0bd0 => ("Lustre", Place::Remote),
        0x5346_414f | 0x6b41_4653 => ("AFS", Place::Remote),
        0x7375_7245 => ("Coda", Place::Remote),
        0x786f_4256 => ("a shared folder of VirtualBox", Place::Remote),
        0x6573_5546 => ("FUSE", Place::Unknown),
        0x0102_1994 => ("memory", Place::Passing),
        0x794c_7630 => ("the container's overlay", Place::Passing),
        0xef53 => ("ext4", Place::Local),
        0x5846_5342 => ("XFS", Place::Local),
        0x9123_683e => ("Btrfs", Place::Local),
        0x2fc1_2fc1 => ("ZFS", Place::Local),
        0xf2f5_2010 => ("F2FS", Place::Local),
        _ => ("local", Place::Local),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_ones_are_known() {
        for magic in [0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x0102_1997] {
            assert_eq!(named(magic).1, Place::Remote, "{magic:x}");
        }
        assert_eq!(named(0xef53), ("ext4", Place::Local));
        assert_eq!((named(0x6573_5546).1, named(0x0102_1994).1), (Place::Unknown, Place::Passing));
    }

    #[test]
    fn a_directory_has_a_size() {
        let directory = tempfile::tempdir().unwrap();
        let disk = FileSystem::of(directory.path());
        assert!(disk.total.unwrap() > 0 && disk.free.unwrap() <= disk.total.unwrap());
        assert_eq!(FileSystem::of(&directory.path().join("missing")).free, None);
    }
}
