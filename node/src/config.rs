//! How a node is set up: what the operator writes in a file or says on the command line.
//!
//! It holds values; who read them from where is the caller's business.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use storgo_mesh::MeshConfig;
use storgo_protocol::NetworkId;
use storgo_protocol::limits::{DISKS_MAX, SMALL_FILE_BYTES_MAX, ZONE_CHARS_MAX};
use storgo_store::StoreConfig;

use crate::error::NodeError;
use crate::private_file;
use crate::redis::RedisConfig;

/// Where a node listens unless it is told: TCP and QUIC on all addresses.
const LISTEN_DEFAULT: [&str; 2] = ["/ip4/0.0.0.0/tcp/4820", "/ip4/0.0.0.0/udp/4820/quic-v1"];

/// The network of a node that was not told of another.
const NETWORK_DEFAULT: &str = "storgo";

/// A node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// The network's name, or the 64 hexadecimal digits of its id. Default: `storgo`.
    pub network: String,
    /// The disks.
    pub disk: DiskConfig,
    /// The network.
    pub mesh: MeshConfig,
    /// Metadata groups.
    pub metadata: MetadataConfig,
    /// The Redis door.
    pub redis: RedisConfig,
    /// An invite, to become a member of its network; it counts once.
    pub join: Option<String>,
}

/// How metadata groups are kept, on a node that is a member of a network with a trust root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetadataConfig {
    /// Seconds after which the seats of a member that does not answer are given to others. Default: 60.
    pub gone_after_seconds: u64,
}

impl Default for MetadataConfig {
    fn default() -> Self {
        Self { gone_after_seconds: 60 }
    }
}

/// What a node keeps and where.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskConfig {
    /// Directories for shards, each on a disk of its own where there are several. Default: `disk` in the data
    /// directory.
    pub directories: Vec<PathBuf>,
    /// Bytes that the node may use in all, the same share on each disk. Default: what the file systems offer.
    pub capacity_bytes: Option<u64>,
    /// Bytes that may be kept in one user's name. Default: as much as there is room for.
    pub quota_per_user_bytes: Option<u64>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        let listen = LISTEN_DEFAULT.map(str::to_owned).to_vec();
        Self {
            network: NETWORK_DEFAULT.into(),
            disk: DiskConfig::default(),
            mesh: MeshConfig { listen, ..MeshConfig::default() },
            metadata: MetadataConfig::default(),
            redis: RedisConfig::default(),
            join: None,
        }
    }
}

impl NodeConfig {
    /// Reads a configuration in TOML; what it leaves out has its default.
    ///
    /// # Errors
    /// [`NodeError::Config`] for a file that is not there or not understood.
    pub fn read(path: &Path) -> Result<Self, NodeError> {
        let refuse = |reason: String| NodeError::Config { what: path.display().to_string(), reason };
        let bytes = private_file::read(path)?.ok_or_else(|| refuse("there is no such file".into()))?;
        debug_assert!(bytes.len() as u64 <= SMALL_FILE_BYTES_MAX);
        let text = String::from_utf8(bytes).map_err(|_| refuse("it is not text".into()))?;
        let mut config: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if config.mesh.listen.is_empty() {
            config.mesh.listen = LISTEN_DEFAULT.map(str::to_owned).to_vec();
        }
        Ok(config)
    }

    /// The network's id, for a node that is a member of `member_of`.
    ///
    /// # Errors
    /// [`NodeError::Config`] without a name, and for the name of another network than that.
    pub(crate) fn network_of(&self, member_of: Option<NetworkId>) -> Result<NetworkId, NodeError> {
        let named = self.network_id()?;
        let unsaid = self.network == NETWORK_DEFAULT;
        match member_of {
            Some(network) if unsaid || network == named => Ok(network),
            Some(network) => {
                let reason = format!("this node is a member of the network {network}: leave the name away");
                Err(NodeError::Config { what: "network".into(), reason })
            }
            None => Ok(named),
        }
    }

    /// The network's id.
    ///
    /// # Errors
    /// [`NodeError::Config`] without a name.
    pub fn network_id(&self) -> Result<NetworkId, NodeError> {
        if self.network.is_empty() {
            return Err(NodeError::Config { what: "network".into(), reason: "it has no name".into() });
        }
        Ok(self.network.parse().unwrap_or_else(|_| NetworkId::from_name(&self.network)))
    }

    /// What the store is told, for a node whose data directory is `data`.
    pub(crate) fn store(&self, data: &Path) -> Result<StoreConfig, NodeError> {
        let mut disks = self.disk.directories.clone();
        if disks.is_empty() {
            disks.push(data.join("disk"));
        }
        let refuse = |reason: String| NodeError::Config { what: "disk".into(), reason };
        if disks.len() > DISKS_MAX {
            return Err(refuse(format!("{} directories are more than {DISKS_MAX}", disks.len())));
        }
        if (1..disks.len())
            .any(|n| disks.get(..n).is_some_and(|before| disks.get(n).is_some_and(|d| before.contains(d))))
        {
            return Err(refuse("a directory is named twice".into()));
        }
        Ok(StoreConfig {
            index: data.join("index"),
            disks,
            capacity_bytes: self.disk.capacity_bytes,
            quota_per_user_bytes: self.disk.quota_per_user_bytes,
        })
    }

    /// What the mesh is told.
    pub(crate) fn mesh(&self) -> Result<MeshConfig, NodeError> {
        if self.mesh.zone.chars().count() > ZONE_CHARS_MAX || self.mesh.zone.chars().any(char::is_control) {
            let reason = format!("expected at most {ZONE_CHARS_MAX} characters, none of them a control character");
            return Err(NodeError::Config { what: "zone".into(), reason });
        }
        Ok(self.mesh.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NodeConfig, NodeError> {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        NodeConfig::read(&path)
    }

    #[test]
    fn an_empty_file_is_the_default_and_what_is_written_comes_back() {
        assert_eq!(read("").unwrap(), NodeConfig::default());
        let disk = DiskConfig { directories: vec!["/a".into()], capacity_bytes: Some(9), quota_per_user_bytes: None };
        let mut config = NodeConfig { disk, ..NodeConfig::default() };
        config.mesh.zone = "attic".into();
        assert_eq!(read(&toml::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn a_setting_that_is_not_known_is_refused_where_it_stands() {
        let error = read("[disk]\ncapacity = 5\n").unwrap_err().to_string();
        assert!(error.contains("capacity") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_network_is_a_name_or_an_id() {
        let mut config = NodeConfig { network: "n".into(), ..NodeConfig::default() };
        let id = config.network_id().unwrap();
        assert_eq!(id, NetworkId::from_name("n"));
        config.network = id.to_string();
        assert_eq!(config.network_id().unwrap(), id);
        config.network.clear();
        assert!(config.network_id().is_err());
    }

    #[test]
    fn disks_are_distinct_and_default_to_the_data_directory() {
        let mut config = NodeConfig::default();
        assert_eq!(config.store(Path::new("/d")).unwrap().disks, [Path::new("/d/disk")]);
        config.disk.directories = vec!["/a".into(), "/b".into(), "/a".into()];
        assert!(config.store(Path::new("/d")).is_err());
    }
}
