//! The admin port as a unix socket in the state directory: whoever may open the file may give orders.
//!
//! Promises: the file is the owner's alone from the moment it has its name; one that a killed weir left behind is replaced, which is safe because the caller holds
//! the state directory; it goes when it is not served any more.

use super::{Admin, Trusted, door};
use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

/// The socket's name in the state directory.
pub const SOCKET: &str = "weir.sock";
/// Where it is made, so that nobody else can open it before it is the owner's alone.
const DRAFT: &str = "weir.sock-new";

/// A socket that is listened on.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens in `dir`, which this process holds.
    ///
    /// # Errors
    /// If it cannot be made; a path of more than some 100 bytes cannot be a socket's.
    pub fn bind(dir: &Path) -> io::Result<Socket> {
        let (draft, path) = (dir.join(DRAFT), dir.join(SOCKET));
        // Left behind by a weir that was killed just here.
        match fs::remove_dir_all(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&draft)?;
        let made = draft.join("s");
        let bound = UnixListener::bind(&made).and_then(|listener| {
            fs::set_permissions(&made, Permissions::from_mode(0o600))?;
            fs::rename(&made, &path)?;
            Ok(listener)
        });
        let removed = fs::remove_dir_all(&draft);
        let listener = bound?;
        removed?;
        Ok(Socket { listener, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers as the admin port does, and takes orders, until `stop`.
    pub async fn serve(self, admin: Admin, stop: CancellationToken) {
        door::serve(self.listener, admin.router(Trusted(true)), stop).await;
        // What is left behind would be replaced by the next weir.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_and_replaces_one_that_was_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let left = Socket::bind(dir.path()).unwrap();
        drop(left);
        assert!(dir.path().join(SOCKET).exists(), "as a kill leaves it");
        let socket = Socket::bind(dir.path()).unwrap();
        let mode = fs::metadata(socket.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!dir.path().join(DRAFT).exists());
        tokio::net::UnixStream::connect(socket.path()).await.unwrap();
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_is_an_error_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("x".repeat(120));
        fs::create_dir(&deep).unwrap();
        assert!(Socket::bind(&deep).is_err());
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    }
}
