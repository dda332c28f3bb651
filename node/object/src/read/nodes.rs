//! Roots and layout nodes, from whoever has them.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use storgo_protocol::limits::{HEDGE_AFTER_MS, PEER_TABLE_MAX, PEERS_ASKED_FOR_RECORDS};
use storgo_protocol::{ContentId, LayoutRecord, NodeId, PeerId};

use crate::engine::Engine;
use crate::error::ObjectError;
use crate::miss::Miss;
use crate::pool::Pool;
use crate::remote::Remote;

/// Gets a node: peers in order of rank, one after the other or when the last is slow; then those that answer beside
/// them by now; then those that the DHT names.
pub(crate) async fn find_node(
    engine: &Engine,
    pool: &Pool,
    what: &'static str,
    node: NodeId,
) -> Result<Bytes, ObjectError> {
    let remote = Remote::new(engine.peers.clone());
    let mut asked = HashSet::new();
    for source in [Source::Pool, Source::Others, Source::Dht] {
        let found = match source {
            Source::Pool => pool.ranked(node.as_bytes()),
            Source::Others => {
                asked.retain(|peer| !pool.is_gone(*peer));
                pool.refresh(engine.peers.answering(PEER_TABLE_MAX).await);
                pool.ranked(node.as_bytes())
            }
            Source::Dht => engine.peers.providers(node).await,
        };
        let fresh: Vec<PeerId> = found.into_iter().filter(|peer| asked.insert(*peer)).collect();
        if let Some(bytes) = first_good(&remote, pool, node, fresh).await {
            return Ok(bytes);
        }
    }
    Err(ObjectError::NoCopies { what, peers: asked.len() })
}

/// Where a node is looked for.
enum Source {
    Pool,
    Others,
    Dht,
}

/// The owner's newest word on the layout of a content, as far as the asked peers have it.
pub(crate) async fn newest_record(
    engine: &Engine,
    pool: &Pool,
    content: ContentId,
    owner: PeerId,
) -> Option<LayoutRecord> {
    let remote = Remote::new(engine.peers.clone());
    let ranked = pool.ranked(NodeId::from(content).as_bytes());
    // The first peers in rank are those that hold the root when all is well. The others are asked when none of those
    // has a record, which is when the network changed since the put.
    let (first, rest) = ranked.split_at(ranked.len().min(PEERS_ASKED_FOR_RECORDS));
    for peers in [first, rest] {
        let asked = peers.iter().map(|peer| async { (*peer, remote.pull_records(*peer, content).await) });
        let mut records = Vec::new();
        for (peer, answer) in futures::future::join_all(asked).await {
            match answer {
                Ok(found) => records.extend(found),
                Err(miss) => note(pool, peer, &miss),
            }
        }
        let own = records.into_iter().filter(|record| record.owner == owner);
        if let Some(newest) = own.max_by_key(|record| (record.number, record.layout)) {
            return Some(newest);
        }
    }
    None
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
