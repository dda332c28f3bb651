//! The peers that a node has met, kept in its data directory so that it finds them again however it ended.
//!
//! A hint and no more: a book that cannot be read or written is told of in the log, and stops nothing.

use std::time::Duration;

use storgo_mesh::{Mesh, PeerState};
use storgo_protocol::{NetworkId, PeerAddress};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::error::NodeError;
use crate::peer_book::PeerBook;

/// How often the book is brought up to date; it is written only when it changes.
const ROUND: Duration = Duration::from_secs(20);

/// A node's peer book, and the mesh that it is about.
#[derive(Debug, Clone)]
pub(crate) struct Acquaintances {
    pub(crate) book: PeerBook,
    pub(crate) network: NetworkId,
    pub(crate) mesh: Mesh,
}

impl Acquaintances {
    /// Tells the mesh of those in the book.
    pub(crate) fn recall(&self) {
        let addresses = self.book.addresses(Some(self.network)).unwrap_or_else(|error| {
            tracing::warn!(%error, "the peers that were met before are not known");
            Vec::new()
        });
        for address in addresses {
            if let Err(error) = self.mesh.add_address(&address) {
                tracing::debug!(%address, %error, "an address in the peer book is of no use");
            }
        }
    }

    /// Keeps the book until `stop` is cancelled, and once more then.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(rounds.tick()).await.is_some() {
            self.remember().await;
        }
        self.remember().await;
    }

    async fn remember(&self) {
        let (book, network, met) = (self.book.clone(), self.network, self.met());
        if met.is_empty() {
            return;
        }
        let written = tokio::task::spawn_blocking(move || book.remember(network, &met)).await;
        let failed = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(error) => NodeError::Died { part: "the peer book", reason: error.to_string() },
        };
        tracing::warn!(error = %failed, "the peers that answer could not be remembered");
    }

    /// Where each storage peer that answers can be dialled.
    fn met(&self) -> Vec<PeerAddress> {
        let rows = self.mesh.peers().into_iter();
        let answering = rows.filter(|row| row.state == PeerState::Answering);
        let storing = answering.filter(|row| row.card.as_ref().is_some_and(|card| card.stores));
        storing.filter_map(|row| row.addresses.into_iter().next()).collect()
    }
}
