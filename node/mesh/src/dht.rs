//! Queries in the DHT: which are under way, who waits for each, and what they found so far.
//!
//! It starts them on the behaviour that the event loop hands it and gathers their progress; it knows no streams. What
//! is found was said by strangers and proves nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use libp2p::kad::{self, GetClosestPeersError, GetClosestPeersOk, GetProvidersOk, QueryId, QueryResult};
use storgo_protocol::limits::{DHT_PROVIDERS_MAX, DHT_QUERIES_MAX, DHT_QUERY_SECONDS_MAX, PEER_ADDRESSES_MAX};
use storgo_protocol::{NodeId, PeerAddress, PeerId};
use tokio::sync::oneshot;

use crate::provider_store::ProviderStore;
use crate::{MeshError, names};

type Kad = kad::Behaviour<ProviderStore>;
type Reply<T> = oneshot::Sender<Result<T, MeshError>>;

/// A peer that a query found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtPeer {
    /// Who it is.
    pub peer: PeerId,
    /// Where others say it is.
    pub addresses: Vec<PeerAddress>,
}

/// An entry of the routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingEntry {
    /// The bucket: the position of the highest bit in which its key differs from this side's, 0…255.
    pub bucket: u32,
    /// Who it is.
    pub peer: PeerId,
    /// Where it is.
    pub addresses: Vec<PeerAddress>,
    /// Whether it is connected.
    pub connected: bool,
}

/// The queries under way.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    pending: HashMap<QueryId, Pending>,
}

#[derive(Debug)]
struct Pending {
    expires: Instant,
    waiter: Waiter,
}

#[derive(Debug)]
enum Waiter {
    Peers(Reply<Vec<DhtPeer>>),
    Providers(Reply<Vec<PeerId>>, BTreeSet<PeerId>),
    Announced(Reply<()>),
}

impl Queries {
    pub(crate) fn find_peer(&mut self, kad: Option<&mut Kad>, peer: PeerId, reply: Reply<Vec<DhtPeer>>, now: Instant) {
        let Some(kad) = self.free(kad) else { return settle(reply, Err(MeshError::Busy)) };
        match names::to_libp2p(peer) {
            Ok(target) => self.wait(kad.get_closest_peers(target), Waiter::Peers(reply), now),
            Err(error) => settle(reply, Err(MeshError::setup(error))),
        }
    }

    pub(crate) fn find_providers(
        &mut self,
        kad: Option<&mut Kad>,
        node: NodeId,
        reply: Reply<Vec<PeerId>>,
        now: Instant,
    ) {
        let Some(kad) = self.free(kad) else { return settle(reply, Err(MeshError::Busy)) };
        let id = kad.get_providers(node.provider_key().into());
        self.wait(id, Waiter::Providers(reply, BTreeSet::new()), now);
    }

    pub(crate) fn announce(&mut self, kad: Option<&mut Kad>, node: NodeId, reply: Reply<()>, now: Instant) {
        let Some(kad) = self.free(kad) else { return settle(reply, Err(MeshError::Busy)) };
        match kad.start_providing(node.provider_key().into()) {
            Ok(id) => self.wait(id, Waiter::Announced(reply), now),
            Err(error) => settle(reply, Err(MeshError::setup(error))),
        }
    }

    /// Gathers a step of a query, and answers its waiter after the last.
    pub(crate) fn progress(&mut self, id: QueryId, result: QueryResult, last: bool) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        if let (Waiter::Providers(_, found), QueryResult::GetProviders(Ok(step))) = (&mut pending.waiter, &result)
            && let GetProvidersOk::FoundProviders { providers, .. } = step
        {
            let room = DHT_PROVIDERS_MAX.saturating_sub(found.len());
            found.extend(providers.iter().filter_map(names::from_libp2p).take(room));
        }
        if !last {
            return;
        }
        let Some(Pending { waiter, .. }) = self.pending.remove(&id) else { return };
        match (waiter, result) {
            (Waiter::Peers(reply), QueryResult::GetClosestPeers(result)) => settle(reply, Ok(closest(result))),
            (Waiter::Providers(reply, found), _) => settle(reply, Ok(found.into_iter().collect())),
            (Waiter::Announced(reply), QueryResult::StartProviding(Ok(_))) => settle(reply, Ok(())),
            (Waiter::Announced(reply), _) => settle(reply, Err(MeshError::TimedOut)),
            (Waiter::Peers(reply), _) => settle(reply, Err(MeshError::TimedOut)),
        }
    }

    /// Gives up queries whose end never came.
    pub(crate) fn expire(&mut self, now: Instant) {
        let expired: Vec<QueryId> =
            self.pending.iter().filter(|(_, query)| query.expires <= now).map(|(id, _)| *id).collect();
        for query in expired.iter().filter_map(|id| self.pending.remove(id)) {
            match query.waiter {
                Waiter::Peers(reply) => settle(reply, Err(MeshError::TimedOut)),
                Waiter::Providers(reply, found) => settle(reply, Ok(found.into_iter().collect())),
                Waiter::Announced(reply) => settle(reply, Err(MeshError::TimedOut)),
            }
        }
    }

    fn free<'k>(&self, kad: Option<&'k mut Kad>) -> Option<&'k mut Kad> {
        kad.filter(|_| self.pending.len() < DHT_QUERIES_MAX)
    }

    fn wait(&mut self, id: QueryId, waiter: Waiter, now: Instant) {
        // Later than libp2p's own timeout: this only catches what that one misses.
        let expires = now + Duration::from_secs(DHT_QUERY_SECONDS_MAX + 2);
        self.pending.insert(id, Pending { expires, waiter });
    }
}

/// Lists the routing table, the nearest bucket first.
pub(crate) fn routing_table(kad: &mut Kad) -> Vec<RoutingEntry> {
    let mut entries = Vec::new();
    for bucket in kad.kbuckets() {
        let distance = bucket.range().0.ilog2().unwrap_or(0);
        for entry in bucket.iter() {
            let Some(peer) = names::from_libp2p(entry.node.key.preimage()) else { continue };
            let addresses = known(entry.node.value.iter().cloned());
            let connected = entry.status == kad::NodeStatus::Connected;
            entries.push(RoutingEntry { bucket: distance, peer, addresses, connected });
        }
    }
    entries
}

/// Takes those addresses out of an entry of the routing table that reach less far than its others: entries are told to
/// whoever asks, and an inner address is of no use outside, and of interest.
pub(crate) fn forget_narrower<'a>(
    kad: &mut Kad,
    peer: &libp2p::PeerId,
    addresses: impl Iterator<Item = &'a Multiaddr>,
) {
    for address in narrower(addresses) {
        kad.remove_address(peer, &address);
    }
}

/// The addresses that reach less far than the farthest among them.
pub(crate) fn narrower<'a>(addresses: impl Iterator<Item = &'a Multiaddr>) -> Vec<Multiaddr> {
    let scope = |address: &Multiaddr| PeerAddress::new(address.clone()).ok().map(|address| address.scope());
    let scoped: Vec<_> = addresses.map(|address| (scope(address), address)).collect();
    let widest = scoped.iter().map(|(scope, _)| *scope).max().flatten();
    scoped.into_iter().filter(|(scope, _)| *scope < widest).map(|(_, address)| address.clone()).collect()
}

fn closest(result: Result<GetClosestPeersOk, GetClosestPeersError>) -> Vec<DhtPeer> {
    let peers = match result {
        Ok(GetClosestPeersOk { peers, .. }) | Err(GetClosestPeersError::Timeout { peers, .. }) => peers,
    };
    let named = peers.into_iter().filter_map(|info| Some((names::from_libp2p(&info.peer_id)?, info.addrs)));
    named.map(|(peer, addresses)| DhtPeer { peer, addresses: known(addresses.into_iter()) }).collect()
}

fn known(addresses: impl Iterator<Item = Multiaddr>) -> Vec<PeerAddress> {
    addresses.filter_map(|address| PeerAddress::new(address).ok()).take(PEER_ADDRESSES_MAX).collect()
}

fn settle<T>(reply: oneshot::Sender<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::trace!("nobody waits for this query any more");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn only_the_addresses_that_reach_farthest_are_kept() {
        let named = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Multiaddr>>();
        let all = named(&["/ip4/127.0.0.1/tcp/1", "/ip4/5.5.5.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/dns/x.org/tcp/1"]);
        assert_eq!(narrower(all.iter()), named(&["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1"]));
        let lan = named(&["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1"]);
        assert_eq!(narrower(lan.iter()), named(&["/ip4/127.0.0.1/tcp/1"]));
        assert!(narrower(named(&["/ip4/127.0.0.1/tcp/1"]).iter()).is_empty());
    }

    fn kad() -> Kad {
        let me = libp2p::PeerId::random();
        let protocol = libp2p::StreamProtocol::new("/test/kad/1");
        kad::Behaviour::with_config(me, ProviderStore::new(me), kad::Config::new(protocol))
    }

    fn strangers(count: usize) -> HashSet<libp2p::PeerId> {
        (0..count).map(|_| libp2p::identity::Keypair::generate_ed25519().public().to_peer_id()).collect()
    }

    #[test]
    fn a_flood_of_providers_is_cut_at_its_bound() {
        let (mut kad, mut queries) = (kad(), Queries::default());
        let (reply, mut answer) = oneshot::channel();
        let node = NodeId::from_bytes([1; 32]);
        queries.find_providers(Some(&mut kad), node, reply, Instant::now());
        let id = *queries.pending.keys().next().unwrap();
        for last in [false, false, true] {
            let providers = strangers(DHT_PROVIDERS_MAX);
            let found = GetProvidersOk::FoundProviders { key: node.provider_key().into(), providers };
            queries.progress(id, QueryResult::GetProviders(Ok(found)), last);
        }
        assert_eq!(answer.try_recv().unwrap().unwrap().len(), DHT_PROVIDERS_MAX);
    }

    #[test]
    fn queries_are_few_at_once_and_given_up_in_time() {
        let (mut kad, mut queries, now) = (kad(), Queries::default(), Instant::now());
        let mut ask = |queries: &mut Queries| {
            let (reply, answer) = oneshot::channel();
            queries.find_providers(Some(&mut kad), NodeId::from_bytes([1; 32]), reply, now);
            answer
        };
        let mut waiting: Vec<_> = (0..DHT_QUERIES_MAX).map(|_| ask(&mut queries)).collect();
        assert!(matches!(ask(&mut queries).try_recv(), Ok(Err(MeshError::Busy))));
        assert!(waiting[0].try_recv().is_err(), "it is under way");
        queries.expire(now + Duration::from_secs(DHT_QUERY_SECONDS_MAX + 2));
        assert!(waiting.iter_mut().all(|answer| answer.try_recv().is_ok()) && queries.pending.is_empty());
    }
}
