//! The peers that answered before, by network: where a client looks when it is not told where to start.
//!
//! A hint and no more: a damaged line is skipped, and of two processes that write at once one may be forgotten.

use std::path::PathBuf;

use storgo_object::ports::OsRandom;
use storgo_protocol::limits::PEER_BOOK_MAX;
use storgo_protocol::{NetworkId, PeerAddress};

use crate::error::NodeError;
use crate::private_file;

/// One file of lines `NETWORK ADDRESS`, most recent first; at most [`PEER_BOOK_MAX`].
#[derive(Debug, Clone)]
pub struct PeerBook {
    path: PathBuf,
}

impl PeerBook {
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The addresses that answered before, most recent first: of one network, or of any.
    ///
    /// # Errors
    /// [`NodeError::Io`] when there is a book that cannot be read.
    pub fn addresses(&self, network: Option<NetworkId>) -> Result<Vec<PeerAddress>, NodeError> {
        let entries = self.read()?.into_iter();
        Ok(entries.filter(|(of, _)| network.is_none_or(|n| n == *of)).map(|(_, address)| address).collect())
    }

    /// Remembers addresses that answered just now.
    ///
    /// # Errors
    /// [`NodeError::Io`] when the book cannot be written.
    pub fn remember(&self, network: NetworkId, answered: &[PeerAddress]) -> Result<(), NodeError> {
        let old = self.read()?;
        let mut entries: Vec<_> = answered.iter().map(|address| (network, address.clone())).collect();
        entries.extend(old.iter().filter(|entry| !entries.contains(entry)).cloned().collect::<Vec<_>>());
        entries.truncate(PEER_BOOK_MAX);
        if entries == old {
            return Ok(());
        }
        let lines: Vec<_> = entries.iter().map(|(network, address)| format!("{network} {address}\n")).collect();
        private_file::replace(&self.path, lines.concat().as_bytes(), &OsRandom)
    }

    fn read(&self) -> Result<Vec<(NetworkId, PeerAddress)>, NodeError> {
        let bytes = private_file::read(&self.path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let entry = |line: &str| {
            let (network, address) = line.split_once(' ')?;
            Some((network.parse().ok()?, address.parse().ok()?))
        };
        Ok(text.lines().filter_map(entry).take(PEER_BOOK_MAX).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: usize) -> PeerAddress {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn the_latest_come_first_and_the_oldest_go() {
        let root = tempfile::tempdir().unwrap();
        let book = PeerBook::at(root.path().join("peers"));
        let (here, there) = (NetworkId::from_name("here"), NetworkId::from_name("there"));
        assert_eq!(book.addresses(None).unwrap(), []);
        book.remember(here, &[address(1), address(2)]).unwrap();
        book.remember(there, &[address(3)]).unwrap();
        book.remember(here, &[address(2)]).unwrap();
        assert_eq!(book.addresses(Some(here)).unwrap(), [address(2), address(1)]);
        assert_eq!(book.addresses(None).unwrap(), [address(2), address(3), address(1)]);

        let many: Vec<_> = (100..100 + PEER_BOOK_MAX).map(address).collect();
        book.remember(here, &many).unwrap();
        assert_eq!(book.addresses(None).unwrap(), many);
    }

    #[test]
    fn a_damaged_line_is_skipped() {
        let root = tempfile::tempdir().unwrap();
        let book = PeerBook::at(root.path().join("peers"));
        let network = NetworkId::from_name("here");
        book.remember(network, &[address(1)]).unwrap();
        let mut bytes = std::fs::read(root.path().join("peers")).unwrap();
        bytes.extend_from_slice(b"nonsense\n\xff\xfe /ip4\n");
        private_file::replace(&root.path().join("peers"), &bytes, &OsRandom).unwrap();
        assert_eq!(book.addresses(Some(network)).unwrap(), [address(1)]);
    }
}
