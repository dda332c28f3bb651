//! The Redis door of a node whose user trusts it with plaintext: a client in this process, and a bucket of its user.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use storgo_consensus::Cluster;
use storgo_gateways::resp::{Door, DoorConfig, NoticeSet};
use storgo_object::ports::{OsRandom, SystemClock};
use storgo_object::{Bucket, BucketOptions, ErrorKind, Forum, ObjectError};
use storgo_protocol::cluster::Level;
use storgo_protocol::limits::RESP_STALE_MS;
use storgo_protocol::meta::KeyRule;
use storgo_protocol::{NetworkId, PeerAddress};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, ClientOptions};
use crate::error::NodeError;
use crate::home::Home;
use crate::metrics::Metrics;
use crate::tls::{Certificates, TlsConfig};

/// How long it waits before it asks again for groups that do not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// How the door is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// Where it listens; there is no door without it. Addresses of others than this machine itself want `auth`, and `tls` or
    /// `plain`.
    pub listen: Option<SocketAddr>,
    /// Where it takes datagrams, too, of who publishes and subscribes. Datagrams have no TLS, so addresses of others than this
    /// machine itself want `auth` and `plain`. Default: nowhere.
    pub udp: Option<SocketAddr>,
    /// The bucket that its keys are in, which is made at first use. Default: `redis`.
    pub bucket: String,
    /// Clients at once. Default: 10000.
    pub clients_max: usize,
    /// Bytes of a client's requests that are not whole yet, or wait for the end of their transaction. Default: 1 GiB.
    pub query_bytes_max: usize,
    /// Bytes of a client's answers that were made and not sent yet, beyond which what it asked for ahead waits. Default: 16 MiB.
    pub answer_bytes_max: usize,
    /// Seconds after which a client that says nothing is sent away; 0 for never. Default: 0.
    pub idle_seconds: u64,
    /// Whether clients have to show an access key of the bucket (`storgo key create`). Default: false.
    pub auth: bool,
    /// Whether other machines may connect in clear, so that whoever sees the line reads keys, values and secrets. Default:
    /// false.
    pub plain: bool,
    /// Whether who asks for a key is sent to the door that has it nearest (`MOVED`), as a Redis Cluster does: for cluster clients
    /// alone. Default: false, any door serves any key.
    pub moved: bool,
    /// Milliseconds that what a client reads may be stale, at the most, once it has said `READONLY`. Default: 1000.
    pub stale_ms: u64,
    /// What is told of what happens to keys, in the letters of Redis's `notify-keyspace-events`. Default: nothing.
    pub notify: String,
    /// How clients are spoken to in secret. Default: in clear.
    pub tls: Option<TlsConfig>,
}

impl Default for RedisConfig {
    fn default() -> Self {
        let DoorConfig { clients_max, query_bytes_max, answer_bytes_max, .. } = DoorConfig::default();
        Self {
            listen: None,
            udp: None,
            bucket: "redis".to_owned(),
            clients_max,
            query_bytes_max,
            answer_bytes_max,
            idle_seconds: 0,
            auth: false,
            plain: false,
            moved: false,
            stale_ms: RESP_STALE_MS,
            notify: String::new(),
            tls: None,
        }
    }
}

impl RedisConfig {
    /// Why this address must not be listened at with these settings.
    fn danger(&self, address: SocketAddr) -> Option<&'static str> {
        match () {
            () if address.ip().is_loopback() => None,
            () if !self.auth => Some(
                "other machines reach this address, and whoever connects may do what you may: add --redis-auth, so that clients \
                 have to show an access key, or use 127.0.0.1 or ::1",
            ),
            () if self.tls.is_none() && !self.plain => Some(
                "other machines reach this address, and secrets would pass in clear: add --redis-tls CERT.pem,KEY.pem, or \
                 --redis-plain where nobody else sees the line",
            ),
            () => None,
        }
    }

    /// Why datagrams must not be taken at this address with these settings.
    fn datagram_danger(&self, address: SocketAddr) -> Option<&'static str> {
        match () {
            () if self.listen.is_none() => Some("datagrams are taken beside a door: add --redis ADDRESS"),
            () if address.ip().is_loopback() => None,
            () if !self.auth => Some(
                "other machines reach this address, and whoever sends there may publish and hear what is published: add \
                 --redis-auth, so that they have to show an access key, or use 127.0.0.1 or ::1",
            ),
            () if !self.plain => Some(
                "other machines reach this address, and datagrams pass in clear, secrets too, whatever --redis-tls says: add \
                 --redis-plain where nobody else sees the line, or use 127.0.0.1 or ::1",
            ),
            () => None,
        }
    }
}

/// A door that is listened at, and not open yet.
#[derive(Debug)]
pub(crate) struct RedisDoor {
    listener: TcpListener,
    datagrams: Option<UdpSocket>,
    home: Home,
    config: RedisConfig,
    notices: NoticeSet,
    tls: Option<Arc<Certificates>>,
}

/// The node that a door leads to.
#[derive(Debug, Clone)]
pub(crate) struct Here {
    pub(crate) network: NetworkId,
    pub(crate) addresses: Vec<PeerAddress>,
    /// Its groups, if it keeps any: what they lead is asked of them without a network.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) metrics: Metrics,
}

impl RedisDoor {
    /// Listens where the configuration says, if it does.
    ///
    /// # Errors
    /// [`NodeError::Config`] without a home, for an address that only what the configuration does not say makes safe, for one
    /// that is in use, and for certificates that cannot be used.
    pub(crate) async fn bind(home: Option<&Home>, config: &RedisConfig) -> Result<Option<Self>, NodeError> {
        let refuse_at =
            |address: SocketAddr, reason: String| NodeError::Config { what: format!("redis, {address}"), reason };
        if let Some((address, reason)) = config.udp.and_then(|udp| Some((udp, config.datagram_danger(udp)?))) {
            return Err(refuse_at(address, reason.to_owned()));
        }
        let Some(address) = config.listen else { return Ok(None) };
        let refuse = |reason: String| refuse_at(address, reason);
        let home = home.ok_or_else(|| refuse("it opens for a user, and there is none".to_owned()))?;
        if let Some(reason) = config.danger(address) {
            return Err(refuse(reason.to_owned()));
        }
        let letters = || refuse(format!("notify is {:?}, and has letters of Ag$lshzxeKEtmdn alone", config.notify));
        let notices = NoticeSet::parse(config.notify.as_bytes()).ok_or_else(letters)?;
        let tls = config.tls.as_ref().map(Certificates::open).transpose()?;
        let listener = TcpListener::bind(address).await.map_err(|error| refuse(error.to_string()))?;
        let datagrams = match config.udp {
            Some(udp) => Some(UdpSocket::bind(udp).await.map_err(|error| refuse_at(udp, error.to_string()))?),
            None => None,
        };
        Ok(Some(Self { listener, datagrams, home: home.clone(), config: config.clone(), notices, tls }))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Where it takes datagrams.
    pub(crate) fn datagram_address(&self) -> Option<SocketAddr> {
        self.datagrams.as_ref()?.local_addr().ok()
    }

    /// Opens the door once the groups answer, and serves until it is to stop.
    pub(crate) async fn serve(self, here: Here, stop: CancellationToken) -> Result<(), NodeError> {
        let Some((client, bucket, forum)) = stop.run_until_cancelled(Box::pin(self.open(&here))).await.transpose()?
        else {
            return Ok(());
        };
        let (idle, is_secret) = (Duration::from_secs(self.config.idle_seconds), self.tls.is_some());
        let config = DoorConfig {
            clients_max: self.config.clients_max,
            query_bytes_max: self.config.query_bytes_max,
            answer_bytes_max: self.config.answer_bytes_max,
            idle: (!idle.is_zero()).then_some(idle),
            auth: self.config.auth,
            notices: self.notices,
            moved: self.config.moved,
            stale: Duration::from_millis(self.config.stale_ms),
            tls: self.tls.as_ref().map(Certificates::server).transpose()?,
            ..DoorConfig::default()
        };
        let door = Door::new(bucket, forum, Arc::new(SystemClock), Arc::new(OsRandom), config);
        tracing::info!(bucket = self.config.bucket, auth = self.config.auth, tls = is_secret, "the redis door is open");
        here.metrics.with(|registry| registry.register_collector(Box::new(door.collector())));
        let (datagrams, until) = (self.datagrams, stop.clone());
        let besides = async {
            match datagrams {
                Some(socket) => door.serve_datagrams(socket, until).await,
                None => Ok(()),
            }
        };
        let keep = async {
            match self.tls {
                Some(certificates) => certificates.keep().await,
                None => std::future::pending().await,
            }
        };
        let served = tokio::select! {
            served = async { tokio::try_join!(door.serve(self.listener, stop), besides) } => served.map(drop),
            () = keep => Ok(()),
        };
        client.close().await;
        served.map_err(|error| NodeError::Died { part: "the redis door", reason: error.to_string() })
    }

    async fn open(&self, here: &Here) -> Result<(Client, Bucket, Forum), NodeError> {
        loop {
            let options =
                ClientOptions { via: here.addresses.clone(), network: Some(here.network), ..ClientOptions::default() };
            match Client::connect(&self.home, options).await {
                Ok(client) => match self.bucket(&client, here).await {
                    Ok((bucket, forum)) => return Ok((client, bucket, forum)),
                    Err(Some(error)) => {
                        client.close().await;
                        return Err(error);
                    }
                    Err(None) => client.close().await,
                },
                Err(error @ NodeError::NotJoined(_)) => tracing::debug!(%error, "the redis door waits for this node"),
                Err(error) => return Err(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The bucket, made if it is not there; `None` for an error if it is to be tried again.
    async fn bucket(&self, client: &Client, here: &Here) -> Result<(Bucket, Forum), Option<NodeError>> {
        let waits = |error: NodeError| {
            tracing::debug!(%error, "the redis door waits for this node");
            None
        };
        let metadata = client.metadata().await.map_err(waits)?;
        if let Some(cluster) = &here.cluster {
            cluster.serve_beside(&metadata);
        }
        let names = client.names().await.map_err(waits)?;
        let name = &self.config.bucket;
        let opened = match names.bucket(name).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let options = BucketOptions { rule: KeyRule::Redis, ..BucketOptions::default() };
                match names.create_bucket(name, &options).await {
                    // Another node's door was faster, or it is somebody else's.
                    Err(error) if error.kind() == ErrorKind::Conflict => names.bucket(name).await,
                    made => made,
                }
            }
            opened => opened,
        };
        // Whatever the bucket prefers: what this door answers is never stale.
        let bucket = opened.map_err(|error| self.judge(&error))?.reading_at(Some(Level::Linearizable));
        let forum = bucket.forum(Arc::new(metadata));
        Ok((bucket, forum))
    }

    fn judge(&self, error: &ObjectError) -> Option<NodeError> {
        if error.kind() == ErrorKind::Unavailable {
            tracing::info!(bucket = self.config.bucket, %error, "the redis door waits for the metadata groups");
            return None;
        }
        let what = format!("redis, the bucket {}", self.config.bucket);
        Some(NodeError::Config { what, reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_let_in_with_keys_and_in_secret_unless_that_is_not_wanted() {
        let tls = Some(TlsConfig { cert: "c".into(), key: "k".into() });
        let safe = |address: &str, auth, plain, tls: &Option<TlsConfig>| {
            let config = RedisConfig { auth, plain, tls: tls.clone(), ..RedisConfig::default() };
            config.danger(address.parse().unwrap()).is_none()
        };
        for here in ["127.0.0.1:6379", "[::1]:6379", "127.1.2.3:1"] {
            assert!(safe(here, false, false, &None), "{here}");
        }
        for open in ["0.0.0.0:6379", "[::]:6379", "192.0.2.1:1"] {
            assert!(!safe(open, false, true, &tls) && !safe(open, true, false, &None), "{open}");
            assert!(safe(open, true, true, &None) && safe(open, true, false, &tls), "{open}");
        }
    }

    #[test]
    fn datagrams_of_other_machines_want_keys_and_leave_to_pass_in_clear() {
        let listen = Some("127.0.0.1:6379".parse().unwrap());
        let tls = Some(TlsConfig { cert: "c".into(), key: "k".into() });
        let config = RedisConfig { listen, tls, ..RedisConfig::default() };
        let safe = |address: &str, auth, plain| {
            RedisConfig { auth, plain, ..config.clone() }.datagram_danger(address.parse().unwrap()).is_none()
        };
        assert!(safe("127.0.0.1:6379", false, false) && safe("[::1]:6379", false, false));
        for open in ["0.0.0.0:6379", "[::]:6379", "192.0.2.1:1"] {
            assert!(safe(open, true, true), "{open}");
            // That connections are secret helps no datagram.
            assert!(!safe(open, true, false) && !safe(open, false, true), "{open}");
        }
        let alone = RedisConfig { listen: None, ..config };
        assert!(alone.datagram_danger("127.0.0.1:6379".parse().unwrap()).is_some());
    }
}
