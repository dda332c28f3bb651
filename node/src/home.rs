//! A user's home: the identity that signs grants, the secret under which equal files are stored once, and the peers
//! that answered before.
//!
//! It is found by whoever starts the program; nothing here reads the environment.

use std::path::{Path, PathBuf};

use storgo_object::User;
use storgo_object::ports::{OsRandom, Random};
use storgo_protocol::{ConvergenceSecret, Identity, NetworkId};

use crate::error::NodeError;
use crate::peer_book::PeerBook;
use crate::{private_file, seed};

/// What the file of a trust root says that it is.
const ROOT_KIND: &str = "network-root";

/// A home, made at first use with mode 0700 and its files with 0600.
#[derive(Debug, Clone)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// Opens the home at `path`, and makes its directory at first use.
    ///
    /// # Errors
    /// [`NodeError::Io`] when the directory cannot be made.
    pub fn open(path: &Path) -> Result<Self, NodeError> {
        private_file::make_directory(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The user who lives here, made at first use; processes that make it at once make one.
    ///
    /// # Errors
    /// [`NodeError::Damaged`] when a secret cannot be read: a new one in its place would no longer find what was
    /// stored under the old.
    pub fn user(&self) -> Result<User, NodeError> {
        self.user_from(&OsRandom)
    }

    /// A new trust root for a network, kept in this home: who has it lets members in.
    ///
    /// # Errors
    /// [`NodeError::Io`] when it cannot be kept.
    pub fn new_root(&self) -> Result<Identity, NodeError> {
        let random: &dyn Random = &OsRandom;
        let root = Identity::from_seed(&random.array());
        let place = self.path.join("roots");
        private_file::make_directory(&place)?;
        let path = place.join(NetworkId::from_root(root.id()).to_string());
        seed::keep(&path, ROOT_KIND, &root.seed(), random)?;
        Ok(root)
    }

    /// The trust root of a network, if it was made in this home.
    ///
    /// # Errors
    /// [`NodeError::Damaged`] when it cannot be read.
    pub fn root(&self, network: NetworkId) -> Result<Option<Identity>, NodeError> {
        let seed = seed::read(&self.path.join("roots").join(network.to_string()), ROOT_KIND)?;
        Ok(seed.map(|seed| Identity::from_seed(&seed)))
    }

    /// The peers that answered before.
    #[must_use]
    pub fn peer_book(&self) -> PeerBook {
        PeerBook::at(self.path.join("peers"))
    }

    fn user_from(&self, random: &dyn Random) -> Result<User, NodeError> {
        let identity = seed::read_or_make(&self.path.join("identity"), "user-identity", random)?;
        let secret = seed::read_or_make(&self.path.join("convergence"), "convergence-secret", random)?;
        Ok(User { identity: Identity::from_seed(&identity), secret: ConvergenceSecret::from_bytes(secret) })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn everyone_who_makes_a_home_at_once_gets_the_same_user() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("home");
        let start = Barrier::new(8);
        let users: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        Home::open(&path).unwrap().user().unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for user in &users {
            assert_eq!(user.identity.id(), users[0].identity.id());
            assert!(user.secret == users[0].secret);
        }
        let mode = |name: &str| path.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("identity"), mode("convergence"), mode(".")), (0o600, 0o600, 0o700));
        let mut names: Vec<_> = path.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["convergence", "identity"], "no staged file is left");
    }
}
