//! Roots and layout nodes, from whoever has them.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use storgo_protocol::limits::{HEDGE_AFTER_MS, PEERS_ASKED_FOR_RECORDS};
use storgo_protocol::{ContentId, LayoutRecord, NodeId, PeerId};

use crate::engine::Engine;
use crate::error::ObjectError;
use crate::pool::Pool;
use crate::remote::{Miss, Remote};

/// Gets a node: peers in order of rank, one after the other or when the last is slow; then those that the DHT names.
pub(crate) async fn find_node(
    engine: &Engine,
    pool: &Pool,
    what: &'static str,
    node: NodeId,
) -> Result<Bytes, ObjectError> {
    let remote = Remote::new(engine.peers.clone());
    let ranked = pool.ranked(node.as_bytes());
    let asked = ranked.len();
    if let Some(bytes) = first_good(&remote, pool, node, ranked).await {
        return Ok(bytes);
    }
    let known = pool.peers();
    let strangers: Vec<PeerId> =
        engine.peers.providers(node).await.into_iter().filter(|peer| !known.contains(peer)).collect();
    let peers = asked + strangers.len();
    first_good(&remote, pool, node, strangers).await.ok_or(ObjectError::NoCopies { what, peers })
}

/// The owner's newest word on the layout of a content, as far as the asked peers have it.
pub(crate) async fn find_record(
    engine: &Engine,
    pool: &Pool,
    content: ContentId,
    owner: PeerId,
) -> Result<LayoutRecord, ObjectError> {
    let remote = Remote::new(engine.peers.clone());
    let ranked = pool.ranked(NodeId::from(content).as_bytes());
    // The first peers in rank are those that hold the root when all is well. The others are asked when none of those
    // has a record, which is when the network changed since the put.
    let (first, rest) = ranked.split_at(ranked.len().min(PEERS_ASKED_FOR_RECORDS));
    for peers in [first, rest] {
        let asked = peers.iter().map(|peer| remote.pull_records(*peer, content));
        let found = futures::future::join_all(asked).await.into_iter().flatten().flatten();
        if let Some(record) = found.filter(|record| record.owner == owner).max_by_key(|record| record.number) {
            return Ok(record);
        }
    }
    Err(ObjectError::NoCopies { what: "layout record", peers: ranked.len() })
}

async fn first_good(remote: &Remote, pool: &Pool, node: NodeId, peers: Vec<PeerId>) -> Option<Bytes> {
    let mut waiting = peers.into_iter();
    let mut asked = FuturesUnordered::new();
    let ask = |peer: PeerId| async move { (peer, remote.pull_node(peer, node).await) };
    loop {
        if asked.is_empty() {
            asked.push(ask(waiting.next()?));
        }
        let patience = tokio::time::sleep(Duration::from_millis(HEDGE_AFTER_MS));
        tokio::select! {
            Some((peer, answer)) = asked.next() => match answer {
                Ok(bytes) => return Some(bytes),
                Err(miss) => note(pool, peer, &miss),
            },
            () = patience => asked.extend(waiting.next().map(ask)),
        }
    }
}

fn note(pool: &Pool, peer: PeerId, miss: &Miss) {
    if miss.is_peer_gone() {
        pool.fail(peer, miss);
    }
}
