//! How a data directory belongs to a network with a trust root: its node's admission, and whether it is the one that begins
//! the network.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use storgo_consensus::Founding;
use storgo_object::ports::{OsRandom, Random};
use storgo_protocol::{Admission, Identity, Invite, InviteRole, InviteTerms, NetworkId, PeerId};

use crate::data_dir::DataDir;
use crate::error::NodeError;
use crate::private_file;

/// A node's place in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    /// Shows that the trust root let it in.
    pub(crate) admission: Admission,
    /// Set if it begins the network.
    pub(crate) founding: Option<Founding>,
}

/// The same, as the file says it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    admission: String,
    groups: Option<u32>,
    voters: Option<u32>,
}

impl Membership {
    /// The network.
    pub(crate) fn network(&self) -> NetworkId {
        self.admission.terms.network()
    }

    /// Reads the place of the node of a data directory; `None` if it has none.
    ///
    /// # Errors
    /// [`NodeError::Damaged`] if the file is not what was written, or another node's.
    pub(crate) fn read(data: &Path, peer: PeerId) -> Result<Option<Self>, NodeError> {
        let path = path(data);
        let Some(bytes) = private_file::read(&path)? else { return Ok(None) };
        let damaged = |reason: String| NodeError::Damaged { path: path.clone(), reason };
        let text = String::from_utf8(bytes).map_err(|_| damaged("it is not text".to_owned()))?;
        let written: Written = toml::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        let admission = HEXLOWER.decode(written.admission.as_bytes()).map_err(|error| damaged(error.to_string()))?;
        let admission = Admission::decode(&admission).map_err(|error| damaged(error.to_string()))?;
        if admission.peer != peer {
            return Err(damaged("it is of another node".to_owned()));
        }
        let founding = written.groups.zip(written.voters).map(|(groups, voters)| Founding { groups, voters });
        Ok(Some(Self { admission, founding }))
    }

    /// Notes that the network has begun. From here on this node is a member like others: without its log it would begin the
    /// network a second time, over the others' heads.
    ///
    /// # Errors
    /// [`NodeError::Io`] if that cannot be kept.
    pub(crate) fn began(&self, data: &Path) -> Result<(), NodeError> {
        Self { founding: None, ..self.clone() }.write(data)
    }

    fn write(&self, data: &Path) -> Result<(), NodeError> {
        let (groups, voters) = self.founding.map(|founding| (founding.groups, founding.voters)).unzip();
        let written = Written { admission: HEXLOWER.encode(&self.admission.encode()), groups, voters };
        let text = toml::to_string(&written)
            .map_err(|error| NodeError::Config { what: "the network".to_owned(), reason: error.to_string() })?;
        private_file::replace(&path(data), text.as_bytes(), &OsRandom)
    }

    /// Takes the node of a data directory into the network of an invite, unless it is a member already.
    ///
    /// # Errors
    /// [`NodeError::Config`] if it is a member of another network.
    pub(crate) fn join(data: &DataDir, invite: &Invite) -> Result<Self, NodeError> {
        let peer = data.identity().id();
        if let Some(known) = Self::read(data.path(), peer)? {
            if known.network() != invite.terms.network() {
                let reason = format!("this node is a member of the network {} already", known.network());
                return Err(NodeError::Config { what: "the invite".to_owned(), reason });
            }
            if known.admission.terms.role >= invite.terms.role {
                return Ok(known);
            }
        }
        let membership = Self { admission: invite.admit(peer), founding: None };
        membership.write(data.path())?;
        Ok(membership)
    }
}

/// Makes the node of a data directory the first member of a new network with this trust root. The network begins when
/// that node is started.
///
/// # Errors
/// [`NodeError::Config`] if it is a member of a network already, [`NodeError::Busy`] if a node runs there.
pub fn init_network(data: &Path, root: &Identity, founding: Founding) -> Result<NetworkId, NodeError> {
    let data = DataDir::open(data, &OsRandom)?;
    let peer = data.identity().id();
    if let Some(known) = Membership::read(data.path(), peer)? {
        let reason = format!("{} is a member of the network {} already", data.path().display(), known.network());
        return Err(NodeError::Config { what: "the data directory".to_owned(), reason });
    }
    let random: &dyn Random = &OsRandom;
    let key = Identity::from_seed(&random.array());
    let terms = InviteTerms::new(root, key.id(), InviteRole::Metadata, 0);
    let invite = Invite { terms, key, addresses: Vec::new() };
    let membership = Membership { admission: invite.admit(peer), founding: Some(founding) };
    membership.write(data.path())?;
    Ok(membership.network())
}

fn path(data: &Path) -> PathBuf {
    data.join("network")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_of_one_network_and_its_place_is_its_own() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (root.path().join("one"), root.path().join("other"));
        let founding = Founding { groups: 4, voters: 3 };
        let key = Identity::from_seed(&[1; 32]);
        let network = init_network(&one, &key, founding).unwrap();
        assert!(init_network(&one, &key, founding).is_err());
        let data = DataDir::open(&one, &OsRandom).unwrap();
        let place = Membership::read(&one, data.identity().id()).unwrap().unwrap();
        assert_eq!((place.network(), place.founding), (network, Some(founding)));

        let invite = |root: &Identity| {
            let key = Identity::from_seed(&[2; 32]);
            let terms = InviteTerms::new(root, key.id(), InviteRole::Metadata, 0);
            Invite { terms, key, addresses: Vec::new() }
        };
        place.began(&one).unwrap();
        let place = Membership::read(&one, data.identity().id()).unwrap().unwrap();
        assert_eq!(place.founding, None, "a network begins once");
        // Whoever begins a network is in it.
        assert_eq!(Membership::join(&data, &invite(&key)).unwrap(), place);
        assert!(Membership::join(&data, &invite(&Identity::from_seed(&[9; 32]))).is_err());
        let data = DataDir::open(&other, &OsRandom).unwrap();
        assert_eq!(Membership::read(&other, data.identity().id()).unwrap(), None);
        let joined = Membership::join(&data, &invite(&key)).unwrap();
        assert_eq!(Membership::read(&other, data.identity().id()).unwrap(), Some(joined));
        // A copied file is another node's.
        std::fs::copy(path(&one), path(&other)).unwrap();
        assert!(Membership::read(&other, data.identity().id()).is_err());
    }
}
