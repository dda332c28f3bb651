//! Roots and layout nodes, from whoever has them.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use storgo_protocol::limits::{PEER_TABLE_MAX, PEERS_ASKED_FOR_RECORDS};
use storgo_protocol::{ContentId, LayoutRecord, NodeId, PeerId};
use tokio::time::sleep;

use crate::engine::Engine;
use crate::error::ObjectError;
use crate::miss::Miss;
use crate::pool::{Pool, Standing};
use crate::remote::Remote;

/// Gets a node: peers in order of rank, one after the other or when the last is slow; then those that answer beside
/// them by now; then those that the DHT names.
pub(crate) async fn find_node(
    engine: &Engine,
    pool: &Pool,
    what: &'static str,
    node: NodeId,
) -> Result<Bytes, ObjectError> {
    let remote = engine.remote();
    let mut asked = HashSet::new();
    for source in [Source::Pool, Source::Others, Source::Dht] {
        let found = match source {
            Source::Pool => pool.ranked(node.as_bytes()),
            Source::Others => {
                asked.retain(|peer| !pool.is_gone(*peer));
                pool.refresh(engine.peers.answering(PEER_TABLE_MAX).await, &engine.peers.distrusted());
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

/// What a layout record is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordUse {
    /// To read by: without one there is nothing to read, so the slowest peer is waited for.
    Reading,
    /// To number the next one after it: mostly there is none, and the clock gives a greater number anyway.
    Numbering,
}

/// The owner's newest word on the layout of a content, as far as the asked peers have it. Peers that are late are not
/// waited for once somebody has one.
pub(crate) async fn newest_record(
    engine: &Engine,
    pool: &Pool,
    content: ContentId,
    owner: PeerId,
    purpose: RecordUse,
) -> Option<LayoutRecord> {
    let remote = engine.remote();
    let ranked = pool.ranked(NodeId::from(content).as_bytes());
    // The first peers in rank are those that hold the root when all is well. The others are asked when none of those
    // has a record, which is when the network changed since the put.
    let (first, rest) = ranked.split_at(ranked.len().min(PEERS_ASKED_FOR_RECORDS));
    let mut newest: Option<LayoutRecord> = None;
    let mut pending: BTreeSet<PeerId> = BTreeSet::new();
    let mut flying = FuturesUnordered::new();
    for (peers, is_last) in [(first, false), (rest, true)] {
        pending.extend(peers);
        flying.extend(peers.iter().map(|peer| async { (*peer, remote.pull_records(*peer, content).await) }));
        let patience = sleep(remote.pace().question_patience());
        tokio::pin!(patience);
        let prompt = |peer: &PeerId| pool.standing(*peer) == Standing::Good;
        while newest.is_none() || pending.iter().any(prompt) {
            tokio::select! {
                answered = flying.next() => {
                    let Some((peer, answer)) = answered else { break };
                    pending.remove(&peer);
                    match answer {
                        Ok(found) => {
                            let own = found.into_iter().filter(|record| record.owner == owner);
                            newest = own.chain(newest).max_by_key(|record| (record.number, record.layout));
                        }
                        Err(miss) => note(pool, peer, &miss),
                    }
                }
                () = &mut patience, if !is_last || newest.is_some() || purpose == RecordUse::Numbering => {
                    for peer in &pending {
                        pool.late(*peer);
                    }
                    break;
                }
            }
        }
        if newest.is_some() {
            break;
        }
    }
    newest
}

/// Asks peer after peer, one more whenever those that were asked are late.
async fn first_good(remote: &Remote, pool: &Pool, node: NodeId, peers: Vec<PeerId>) -> Option<Bytes> {
    let mut waiting = peers.into_iter();
    let mut pending = BTreeSet::new();
    let mut flying = FuturesUnordered::new();
    let ask = |peer: PeerId| async move { (peer, remote.pull_node(peer, node).await) };
    let mut late = false;
    loop {
        if late || flying.is_empty() {
            match waiting.next() {
                Some(peer) => {
                    pending.insert(peer);
                    flying.push(ask(peer));
                }
                None if flying.is_empty() => return None,
                None => {}
            }
        }
        tokio::select! {
            Some((peer, answer)) = flying.next() => {
                pending.remove(&peer);
                match answer {
                    Ok(bytes) => {
                        pool.count_node_bytes(bytes.len() as u64);
                        return Some(bytes);
                    }
                    Err(miss) => note(pool, peer, &miss),
                }
                late = false;
            }
            () = sleep(remote.pace().question_patience()), if waiting.len() > 0 => {
                for peer in &pending {
                    pool.late(*peer);
                }
                late = true;
            }
        }
    }
}

fn note(pool: &Pool, peer: PeerId, miss: &Miss) {
    if miss.is_peer_gone() {
        pool.fail(peer, miss);
    }
}
