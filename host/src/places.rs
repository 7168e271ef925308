//! Whether anybody may change what weir runs or remembers.
//!
//! Promises: a file or directory that every user of the machine may write to is told, unless it lies on a file system that is mounted read-only, as a
//! ConfigMap is in a pod, whose directory has the mode 777. Not looked at: the group, which an operator chooses (`fsGroup`), and the directories
//! above.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

/// The bit of a mode that lets everybody write.
const ALL_WRITE: u32 = 0o002;

/// The mode, if everybody may write there. A link is followed.
///
/// # Errors
/// If it cannot be looked at.
pub fn open_to_all(path: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(path)?.mode() & 0o7777;
    if mode & ALL_WRITE == 0 || rustix::fs::statvfs(path)?.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Ok(None);
    }
    Ok(Some(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_everybody_may_write_to_is_told_and_what_a_group_may_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |mode| {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            open_to_all(dir.path()).unwrap()
        };
        assert_eq!([0o755, 0o2775, 0o777, 0o1777].map(mode), [None, None, Some(0o777), Some(0o1777)]);
        assert!(open_to_all(&dir.path().join("none")).is_err());
    }
}
