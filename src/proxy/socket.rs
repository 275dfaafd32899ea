//! The unix socket that programs of this machine may use in place of the port.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

/// For its owner and its group; they need to write to it.
const MODE: u32 = 0o660;
/// As the standard library chooses for TCP.
const BACKLOG: i32 = 1024;

/// A bound socket and its file, which goes with it.
#[derive(Debug)]
pub struct Door {
    // First, so that the file is gone before the listener is: until then nobody takes it for a dead one.
    file: SocketFile,
    listener: UnixListener,
}

/// Why there is no socket.
#[derive(Debug, Error)]
pub enum SocketError {
    /// It has an owner that lives.
    #[error("another process listens on {path}; stop it, or choose another path for `[server] socket`", path = .0.display())]
    Live(PathBuf),
    /// What lies there may be dear to somebody.
    #[error("{path} is there already and is no socket; remove it, or choose another path for `[server] socket`", path = .0.display())]
    NotSocket(PathBuf),
    /// The system refuses.
    #[error("cannot listen on {}: {source}{}", .path.display(), advice(.source))]
    System {
        /// As configured.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl Door {
    /// Listens on this path. The file of a process that has died is replaced.
    ///
    /// # Errors
    /// See [`SocketError`].
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let system = |source| SocketError::System { path: path.to_owned(), source };
        clear(path)?;
        let address = SockAddr::unix(path).map_err(system)?;
        let socket = stream().map_err(system)?;
        socket.bind(&address).map_err(system)?;
        let file = SocketFile::of(path).map_err(system)?;
        // Before it listens, so that nobody comes in under the modes that the umask left.
        fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(system)?;
        socket.listen(BACKLOG).map_err(system)?;
        Ok(Self { file, listener: socket.into() })
    }

    /// The listener, on the runtime that this is called on, and the file that must live as long.
    ///
    /// # Errors
    /// The runtime refuses.
    pub(crate) fn open(self) -> io::Result<(SocketFile, tokio::net::UnixListener)> {
        Ok((self.file, tokio::net::UnixListener::from_std(self.listener)?))
    }
}

/// Removes what a dead process left.
fn clear(path: &Path) -> Result<(), SocketError> {
    let system = |source| SocketError::System { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotSocket(path.to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(error)),
    }
    // It does not block, so that a listener whose queue is full is taken for what it is.
    let address = SockAddr::unix(path).map_err(system)?;
    match stream().map_err(system)?.connect(&address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(system),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(SocketError::Live(path.to_owned())),
        Ok(()) => Err(SocketError::Live(path.to_owned())),
        Err(error) => Err(system(error)),
    }
}

fn stream() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "; its folder must be there",
        io::ErrorKind::PermissionDenied => "; its folder must be writable for the user that Vultrino runs as",
        _ => "",
    }
}

/// Removes the file when it is dropped, unless another one has its name.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: id_of(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let removed = match id_of(&self.path) {
            Ok(id) if id == self.id => fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(%error, path = %self.path.display(), "the unix socket could not be removed");
        }
    }
}

fn id_of(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, os::unix::net::UnixListener};

    use crate::proxy::socket::{Door, SocketError};

    #[test]
    fn only_what_a_dead_process_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.sock");
        drop(UnixListener::bind(&path).unwrap());
        let door = Door::bind(&path).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777, 0o660);
        assert!(matches!(Door::bind(&path), Err(SocketError::Live(_))));
        drop(door);
        assert!(!path.exists());
        fs::write(&path, "dear").unwrap();
        assert!(matches!(Door::bind(&path), Err(SocketError::NotSocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear");
    }

    #[test]
    fn a_socket_of_somebody_else_is_not_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.sock");
        let door = Door::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(door);
        assert!(path.exists());
        drop(other);
    }

    #[test]
    fn a_folder_that_is_missing_is_named_as_the_trouble() {
        let error = Door::bind(std::path::Path::new("/nowhere/proxy.sock")).unwrap_err();
        assert!(error.to_string().ends_with("its folder must be there"), "{error}");
    }
}
