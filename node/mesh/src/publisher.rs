//! Announces published nodes in the DHT: new ones at once, all of them again and again, evenly spread over a period.
//!
//! Which nodes are published stands with the store; nothing is remembered here, so a restart forgets nothing. libp2p's
//! own republishing is off: it would send everything at once.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use storgo_object::ports::ShardStore;
use storgo_protocol::NodeId;
use storgo_protocol::limits::{DHT_ANNOUNCEMENTS_PARALLEL_MAX, DHT_ANNOUNCEMENTS_PER_SECOND_MAX, DHT_RENEWAL_SECONDS};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::command::Command;
use crate::core::Core;

/// Nodes that are asked of the store at once.
const PAGE: usize = 256;

/// How long a store that cannot list its nodes is left alone.
const STORE_PAUSE: Duration = Duration::from_mins(1);

/// Announces nodes as they are published.
pub(crate) async fn announce_new(core: Arc<Core>, mut published: mpsc::Receiver<NodeId>) {
    let nodes = stream::poll_fn(|context| published.poll_recv(context));
    nodes.for_each_concurrent(DHT_ANNOUNCEMENTS_PARALLEL_MAX, |node| announce(&core, node)).await;
}

/// Renews all announcements, for ever; the first sweep after a start is faster, because records may be lost.
pub(crate) async fn renew_all(core: Arc<Core>, store: Arc<dyn ShardStore>) {
    let mut joined = core.first_round.subscribe();
    if joined.wait_for(|joined| *joined).await.is_err() {
        return;
    }
    let mut pace = Duration::from_secs(1) / u32::try_from(DHT_ANNOUNCEMENTS_PER_SECOND_MAX).unwrap_or(1);
    loop {
        let count = sweep(&core, store.as_ref(), pace).await;
        let renewal = Duration::from_secs(DHT_RENEWAL_SECONDS);
        // With nothing to renew there is nothing to pace: what is published until then is announced at once.
        pace = renewal / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        sleep(pace).await;
    }
}

/// Announces everything published, one each `pace`; says how much that was.
async fn sweep(core: &Core, store: &dyn ShardStore, pace: Duration) -> usize {
    let (mut after, mut count) = (None, 0);
    loop {
        let nodes = match store.published(after, PAGE).await {
            Ok(nodes) => nodes,
            Err(error) => {
                tracing::warn!(%error, "the published nodes cannot be listed");
                sleep(STORE_PAUSE).await;
                return count;
            }
        };
        let Some(last) = nodes.last() else { return count };
        after = Some(*last);
        for node in nodes {
            announce(core, node).await;
            count += 1;
            sleep(pace).await;
        }
    }
}

async fn announce(core: &Core, node: NodeId) {
    match core.request(|reply| Command::Announce { node, reply }).await {
        Ok(Ok(())) => tracing::debug!(%node, "announced"),
        Ok(Err(error)) | Err(error) => tracing::debug!(%node, %error, "an announcement failed; it is renewed later"),
    }
}
