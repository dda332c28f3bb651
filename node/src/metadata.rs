//! Metadata groups on a node: their log and records in its data directory, their messages over its mesh.
//!
//! ```text
//!   Cluster ── Groups ──► log, records (DATA/meta)          frames ◄══ mesh ══► frames
//! ```
//!
//! Log and records belong together: where one of them is lost or damaged, both are set aside, and the node comes back as a
//! newcomer that the others fill.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use storgo_consensus::{
    Cluster, ClusterConfig, Elections, Groups, GroupsCollector, GroupsConfig, MetadataClient, Seat, Snapshots,
    Transport, TransportError,
};
use storgo_mesh::{FrameInbox, Mesh, PeerState};
use storgo_object::ports::{Clock, OsRandom, Random, SystemClock};
use storgo_protocol::{Identity, NetworkId, PeerAddress, PeerId};
use storgo_store::log::{Log, LogConfig, LogMetrics};
use storgo_store::records::{Records, RecordsConfig, RecordsError};
use storgo_store::{Disk, NodeKey, OsDisk};

use crate::clock;
use crate::error::{NodeError, io_error};
use crate::membership::Membership;
use crate::metrics::Metrics;
use crate::{AGENT, private_file, seed};

/// How often it is looked whether the groups still run.
const PULSE: Duration = Duration::from_secs(1);

/// The groups of a node.
#[derive(Debug)]
pub(crate) struct Metadata {
    cluster: Cluster,
    log: Log,
    records: Records,
}

/// What a node knows of itself when its groups start.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) data: &'a Path,
    pub(crate) peer: PeerId,
    pub(crate) zone: &'a str,
    pub(crate) gone_after: Duration,
    pub(crate) mesh: &'a Mesh,
    pub(crate) metrics: &'a Metrics,
}

impl Metadata {
    pub(crate) async fn start(around: &Surroundings<'_>, membership: &Membership) -> Result<Self, NodeError> {
        let (counts, log_counts) = (storgo_consensus::Metrics::default(), LogMetrics::default());
        let (log, records) = open(around.data, &log_counts).await?;
        let transport: Arc<dyn Transport> = Arc::new(Frames(around.mesh.clone()));
        let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) = (clock::of_groups(), Arc::new(OsRandom));
        let groups = Groups::new(GroupsConfig {
            me: Seat { peer: around.peer, incarnation: log.incarnation() },
            log: log.clone(),
            records: records.clone(),
            transport: Arc::clone(&transport),
            clock: Arc::clone(&clock),
            elections: Elections::default(),
            snapshots: Snapshots::default(),
            seed: u64::from_le_bytes(random.array()),
            metrics: counts.clone(),
        });
        around.metrics.with(|registry| {
            counts.register(registry);
            log_counts.register(registry);
            registry.register_collector(Box::new(GroupsCollector::new(groups.clone())));
        });
        let (listening, others) = (around.mesh.clone(), around.mesh.clone());
        let cluster = Cluster::start(ClusterConfig {
            groups: groups.clone(),
            transport,
            admission: membership.admission.clone(),
            founding: membership.founding,
            zone: around.zone.to_owned(),
            agent: AGENT.to_owned(),
            addresses: Arc::new(move || listening.listen_addresses()),
            others: Arc::new(move || answering(&others)),
            gone_after: around.gone_after,
            clock,
            random,
        });
        let cluster = cluster.await.map_err(|error| part(error.into()))?;
        around.mesh.take_frames(Arc::new(ToGroups(groups)))?;
        Ok(Self { cluster, log, records })
    }

    pub(crate) const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Leaves the lead to others, stops the groups, then what they are kept in.
    pub(crate) async fn stop(self) -> Result<(), NodeError> {
        self.cluster.groups().hand_over().await;
        self.cluster.stop().await;
        self.cluster.groups().stop().await;
        let records = self.records.close().await.map_err(|error| part(error.into()));
        let log = self.log.close().await.map_err(|error| part(error.into()));
        records.and(log)
    }
}

/// For a node without groups: who asks it for names is told that it keeps none.
pub(crate) fn decline(mesh: &Mesh, me: &Identity, network: NetworkId) -> Result<(), NodeError> {
    let (transport, user) = (Arc::new(Frames(mesh.clone())), Arc::new(me.clone()));
    let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
    let client = MetadataClient::new(me.id(), user, network, transport, clock, random);
    Ok(mesh.take_frames(Arc::new(ToClient(client)))?)
}

/// Notes when the network has begun, and returns when a group has stopped: its log or its records failed, and what they
/// hold is not known until they are opened again.
pub(crate) async fn pulse(cluster: &Cluster, data: &Path, mut membership: Membership) -> NodeError {
    loop {
        tokio::time::sleep(PULSE).await;
        if membership.founding.is_some() && cluster.client().map().is_some() {
            if let Err(error) = membership.began(data) {
                return error;
            }
            membership.founding = None;
        }
        for id in cluster.groups().opened() {
            if let Some(reason) = cluster.groups().status(id).ok().and_then(|status| status.stopped) {
                return NodeError::Died { part: "a metadata group", reason: format!("group {id}: {reason}") };
            }
        }
    }
}

fn part(source: Box<dyn std::error::Error + Send + Sync>) -> NodeError {
    NodeError::Part { part: "the metadata groups", source }
}

/// Opens log and records; both anew where one of them is lost.
async fn open(data: &Path, counts: &LogMetrics) -> Result<(Log, Records), NodeError> {
    let key = NodeKey::from_bytes(seed::read_or_make(&data.join("node-key"), "node-key", &OsRandom)?);
    let place = data.join("meta");
    private_file::make_directory(&place)?;
    let (disk, random): (Arc<dyn Disk>, Arc<dyn Random>) = (Arc::new(OsDisk::default()), Arc::new(OsRandom));
    let (log_at, records_at) = (place.join("log"), place.join("records"));
    let open_log = || {
        let config = LogConfig { metrics: counts.clone(), ..LogConfig::new(key.clone()) };
        Log::open(Arc::clone(&disk), &log_at, config, Arc::clone(&random))
    };
    let (log, opening) = open_log().await.map_err(|error| part(error.into()))?;
    if let Some(cut) = opening.cut {
        tracing::info!(
            segment = cut.segment,
            bytes = cut.bytes,
            "the log ended in the middle of a write: that was cut"
        );
    }
    if let Some(aside) = &opening.set_aside {
        tracing::error!(to = %aside.to.display(), why = aside.why, "the log is damaged and was set aside: the groups are filled anew");
    }
    let is_new = opening.created || opening.set_aside.is_some();
    if is_new {
        // What they hold was of another log.
        set_aside(&records_at)?;
    }
    let config = RecordsConfig { must_exist: !is_new, ..RecordsConfig::new(key.clone()) };
    let opened = Records::open(Arc::clone(&disk), &records_at, config, Arc::clone(&random)).await;
    match opened {
        Ok((records, _)) => Ok((log, records)),
        Err(error @ (RecordsError::Damaged { .. } | RecordsError::Missing { .. })) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the records are lost: the groups are filled anew"
            );
            log.close().await.map_err(|error| part(error.into()))?;
            set_aside(&log_at)?;
            set_aside(&records_at)?;
            let (log, _) = open_log().await.map_err(|error| part(error.into()))?;
            let opened = Records::open(disk, &records_at, RecordsConfig::new(key.clone()), random).await;
            let (records, _) = opened.map_err(|error| part(error.into()))?;
            Ok((log, records))
        }
        Err(error) => Err(part(error.into())),
    }
}

/// Gives a file or directory another name, if it is there.
fn set_aside(path: &Path) -> Result<(), NodeError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".aside-{}", SystemClock.now_ms()));
    match std::fs::rename(path, PathBuf::from(name)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        renamed => {
            renamed.map_err(io_error("setting aside", path))?;
            private_file::sync_parent(path)
        }
    }
}

/// The peers that answer now.
pub(crate) fn answering(mesh: &Mesh) -> Vec<PeerId> {
    let peers = mesh.peers().into_iter();
    peers.filter(|row| row.state == PeerState::Answering).map(|row| row.peer).collect()
}

/// Frames over the mesh.
#[derive(Debug)]
pub(crate) struct Frames(pub(crate) Mesh);

#[async_trait]
impl Transport for Frames {
    async fn send(&self, to: PeerId, frame: Bytes) -> Result<(), TransportError> {
        self.0.send_frame(to, frame).await.map_err(|error| TransportError { peer: to, reason: error.to_string() })
    }

    fn hear_of(&self, peer: PeerId, addresses: &[PeerAddress]) {
        for address in addresses {
            if let Err(error) = self.0.add_address(address) {
                tracing::debug!(%peer, %address, %error, "an address of a member is of no use");
            }
        }
    }
}

/// Frames to groups.
#[derive(Debug)]
struct ToGroups(Groups);

impl FrameInbox for ToGroups {
    fn receive(&self, from: PeerId, frame: Bytes) {
        self.0.receive(from, frame);
    }

    fn lost(&self, from: PeerId) {
        self.0.lost(from);
    }
}

/// Frames to who only asks.
#[derive(Debug)]
pub(crate) struct ToClient(pub(crate) MetadataClient);

impl FrameInbox for ToClient {
    fn receive(&self, from: PeerId, frame: Bytes) {
        self.0.receive(from, frame);
    }

    fn lost(&self, from: PeerId) {
        self.0.lost(from);
    }
}
