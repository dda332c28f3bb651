//! Where a node's socket is: `storgo.sock` in its data directory, or, where that path is too long for a Unix socket,
//! in a short private directory that a file `socket` in the data directory names.
//!
//! It knows paths and modes, not what is said over the socket.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use tokio::net::UnixListener;

/// The socket's name in a data directory.
const SOCKET_NAME: &str = "storgo.sock";

/// The file that names the socket when it had to go elsewhere.
const POINTER_NAME: &str = "socket";

/// Bytes of a Unix socket's path without its final zero: `sun_path` has 108 on Linux.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// No directory for sockets has a path that is short enough.
    #[error(
        "the path {} is longer than the {SOCKET_PATH_BYTES_MAX} bytes of a Unix socket: set XDG_RUNTIME_DIR to a \
         shorter directory, or use a shorter data directory",
        path.display()
    )]
    TooLong {
        /// The shortest path that was tried.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{what} {}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A listening socket; its files go when it is dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    /// A directory made for the socket alone, and the file that points there.
    elsewhere: Option<(PathBuf, PathBuf)>,
}

impl Socket {
    /// Listens in `data`, whose lock the caller must hold: a socket left there by a dead process is replaced.
    ///
    /// # Errors
    /// [`SocketError`] when there is no path short enough or the file system refuses.
    pub fn bind(data: &Path) -> Result<(Self, UnixListener), SocketError> {
        let plain = data.join(SOCKET_NAME);
        let pointer = data.join(POINTER_NAME);
        let socket = if fits(&plain) {
            remove_if_there(&pointer)?;
            Self { path: plain, elsewhere: None }
        } else {
            Self::elsewhere(pointer)?
        };
        remove_if_there(&socket.path)?;
        let listener = UnixListener::bind(&socket.path).map_err(io_error("listening on", &socket.path))?;
        fs::set_permissions(&socket.path, fs::Permissions::from_mode(0o600))
            .map_err(io_error("restricting", &socket.path))?;
        Ok((socket, listener))
    }

    /// The socket's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a private directory under the runtime directory and leaves its path in `pointer`.
    fn elsewhere(pointer: PathBuf) -> Result<Self, SocketError> {
        let base = env::var_os("XDG_RUNTIME_DIR").map_or_else(env::temp_dir, PathBuf::from);
        let home = base.join(format!("storgo-{}", std::process::id()));
        let path = home.join(SOCKET_NAME);
        if !fits(&path) {
            return Err(SocketError::TooLong { path });
        }
        match fs::DirBuilder::new().mode(0o700).create(&home) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io_error("making", &home)(error)),
            _ => {}
        }
        // The directory of a dead process of the same number is taken over, one of another user is not.
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).map_err(io_error("taking", &home))?;
        let staged = pointer.with_extension("new");
        #[expect(clippy::disallowed_methods, reason = "renamed into place, and worthless after a crash")]
        fs::write(&staged, path.as_os_str().as_bytes()).map_err(io_error("writing", &staged))?;
        fs::rename(&staged, &pointer).map_err(io_error("writing", &pointer))?;
        Ok(Self { path, elsewhere: Some((home, pointer)) })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // What cannot be removed is replaced at the next start; there is nobody left to tell.
        let _gone = fs::remove_file(&self.path);
        if let Some((home, pointer)) = &self.elsewhere {
            let _gone = fs::remove_dir(home);
            let _gone = fs::remove_file(pointer);
        }
    }
}

/// The socket of the node at `place`: its data directory, or the socket itself.
///
/// # Errors
/// [`SocketError::Io`] when `place` cannot be looked at, or holds no socket.
pub fn locate(place: &Path) -> Result<PathBuf, SocketError> {
    let kind = fs::metadata(place).map_err(io_error("looking at", place))?.file_type();
    if kind.is_socket() {
        return Ok(place.to_owned());
    }
    let plain = place.join(SOCKET_NAME);
    match fs::metadata(&plain) {
        Ok(_) => return Ok(plain),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("looking at", &plain)(error)),
        Err(_) => {}
    }
    let pointer = place.join(POINTER_NAME);
    let path = fs::read(&pointer).map_err(io_error("no node has its socket in", place))?;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&path)))
}

fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX
}

fn remove_if_there(path: &Path) -> Result<(), SocketError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("removing", path)(error)),
        _ => Ok(()),
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SocketError {
    move |source| SocketError::Io { what, path: path.to_owned(), source }
}
