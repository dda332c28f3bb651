//! One question to one member, and who the user is if it wants to know.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use storgo_protocol::cluster::{Ask, Failed, FailedKind, Introduction, Told};
use storgo_protocol::raft::envelope::Body;
use storgo_protocol::{GroupId, Identity, NetworkId, PeerId};

use crate::courier::{ANY_LOG, CallError, Courier};
use crate::groups::Door;
use crate::router::{Ask as AskOne, AskError};
use crate::seat::Seat;

/// Asks members through the courier; the node of this process without a network.
pub(super) struct Asker {
    courier: Arc<Courier>,
    /// For whom is asked; a node asks for itself.
    user: Option<Arc<Identity>>,
    network: NetworkId,
    /// The node of this process, if groups are kept in it.
    here: OnceLock<(PeerId, Weak<dyn Door>)>,
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").finish_non_exhaustive()
    }
}

impl Asker {
    pub(super) fn new(courier: Arc<Courier>, user: Option<Arc<Identity>>, network: NetworkId) -> Self {
        Self { courier, user, network, here: OnceLock::new() }
    }

    /// Questions to `node`, which is in this process, are answered by `door`; the first that is named stays.
    pub(super) fn set_here(&self, node: PeerId, door: Weak<dyn Door>) {
        self.here.get_or_init(|| (node, door));
    }

    /// The node of this process, if one was named.
    pub(super) fn here(&self) -> Option<PeerId> {
        self.here.get().map(|(node, _)| *node)
    }

    pub(super) const fn network(&self) -> NetworkId {
        self.network
    }

    /// The answer of one member, whatever it is.
    pub(super) async fn told(
        &self,
        peer: PeerId,
        group: GroupId,
        ask: Bytes,
        within: Duration,
    ) -> Result<Told, AskError> {
        let told = self.once(peer, group, ask.clone(), within).await?;
        let (Told::Failed(Failed { kind: FailedKind::Introduce, .. }), Some(user)) = (&told, &self.user) else {
            return Ok(told);
        };
        let introduction = Introduction::new(user, self.network, self.courier.peer());
        match self.once(peer, group, Ask::Introduction(introduction).encode(), within).await? {
            Told::Done => self.once(peer, group, ask, within).await,
            other => Ok(other),
        }
    }

    async fn once(&self, peer: PeerId, group: GroupId, ask: Bytes, within: Duration) -> Result<Told, AskError> {
        let me = self.courier.peer();
        let here = self.here.get().filter(|(node, _)| *node == peer);
        let answer = if here.is_some() || peer == me {
            let Some(door) = here.and_then(|(_, door)| door.upgrade()) else {
                return Err(AskError::Busy { peer, reason: "this node keeps no groups".to_owned() });
            };
            door.answer(me, group, ask).await
        } else {
            let seat = Seat { peer, incarnation: ANY_LOG };
            match self.courier.call(seat, group, Body::Ask(ask), within).await {
                Ok(Body::Told(answer)) => answer,
                Ok(_) => return Err(AskError::Busy { peer, reason: "an answer to another question".to_owned() }),
                Err(error @ CallError::Unable { .. }) => {
                    return Err(AskError::Busy { peer, reason: error.to_string() });
                }
                Err(error) => return Err(AskError::Silent { peer, reason: error.to_string() }),
            }
        };
        Told::decode(answer)
            .map_err(|error| AskError::Busy { peer, reason: format!("its answer makes no sense: {error}") })
    }
}

#[async_trait]
impl AskOne for Asker {
    type Answer = Told;

    async fn ask(&self, peer: PeerId, group: GroupId, request: Bytes, within: Duration) -> Result<Told, AskError> {
        match self.told(peer, group, request, within).await? {
            Told::Failed(Failed { kind: FailedKind::NotLeader(leader), .. }) => {
                Err(AskError::NotLeader { peer, leader })
            }
            Told::Failed(Failed { kind: FailedKind::Busy, reason }) => Err(AskError::Busy { peer, reason }),
            told => Ok(told),
        }
    }
}
