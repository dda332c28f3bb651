//! What every peer within reach says to hold. Whoever is late is not waited for, and not asked again for a while: a peer
//! that falls silent would else cost each question the mesh's whole patience.

use storgo_protocol::message::RefusalKind;
use storgo_protocol::{LayoutEntry, NodeId, PeerId, StripeId};

use super::subject::Subject;
use crate::miss::Miss;
use crate::nodes::Holders;
use crate::ports::PeerError;
use crate::read::Located;
use crate::straggler::{Asked, ask_those_in_time};

/// Who holds which shards of some stripes. With `verify` the peers read and check them.
pub(super) async fn shard_holders(subject: &Subject, entries: Vec<LayoutEntry>, verify: bool) -> Vec<Located> {
    let stripes: Vec<StripeId> = entries.iter().map(|entry| entry.stripe).collect();
    let mut located: Vec<Located> = entries.into_iter().map(|entry| Located { entry, holders: Vec::new() }).collect();
    let ask = |peer| (peer, subject.fetcher.remote.has(peer, &stripes, &[], verify));
    for (peer, holdings) in prompt(subject, ask_those_in_time(subject.pool.peers().into_iter().map(ask)).await) {
        for (stripe, set) in located.iter_mut().zip(holdings.shards).filter(|(_, set)| !set.is_empty()) {
            stripe.holders.push((peer, set));
        }
    }
    located
}

/// Who holds a node. With `verify` the peers read and check their copies, and each gives one.
pub(super) async fn node_holders(subject: &Subject, node: NodeId, verify: bool) -> Holders {
    let ask = |peer| (peer, node_copies(subject, peer, node, verify));
    let said = prompt(subject, ask_those_in_time(subject.pool.peers().into_iter().map(ask)).await);
    said.into_iter().filter(|(_, copies)| *copies > 0).collect()
}

/// What was answered in time, by peer; the others failed by that.
pub(super) fn prompt<T>(subject: &Subject, asked: Asked<Result<T, Miss>>) -> Vec<(PeerId, T)> {
    for peer in asked.late {
        subject.pool.late(peer);
        subject.pool.fail(peer, &Miss::Failed(PeerError::TimedOut { peer, silence: asked.took }));
    }
    let mut said = Vec::with_capacity(asked.done.len());
    for (peer, answer) in asked.done {
        match answer {
            Ok(answer) => said.push((peer, answer)),
            Err(miss) => subject.pool.fail(peer, &miss),
        }
    }
    said.sort_unstable_by_key(|(peer, _)| *peer);
    said
}

async fn node_copies(subject: &Subject, peer: PeerId, node: NodeId, verify: bool) -> Result<u32, Miss> {
    let remote = &subject.fetcher.remote;
    let copies = remote.has(peer, &[], &[node], verify).await?.nodes.first().copied().unwrap_or(0);
    if verify && copies > 0 {
        match remote.pull_node(peer, node).await {
            Err(Miss::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => {
                return Err(remote.lied(peer, "a claim to a node that it does not hold"));
            }
            given => drop(given?),
        }
    }
    Ok(copies)
}
