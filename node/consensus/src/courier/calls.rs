//! Requests that wait for their answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_protocol::raft::envelope::Body;
use storgo_protocol::{GroupId, PeerId};
use tokio::sync::oneshot;

use super::CallError;
use crate::seat::Seat;

type Answer = Result<(Body, u64), CallError>;

/// All that wait.
#[derive(Debug, Default, Clone)]
pub(super) struct Calls(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    calls: BTreeMap<u64, Call>,
}

#[derive(Debug)]
struct Call {
    to: Seat,
    group: GroupId,
    tell: oneshot::Sender<Answer>,
}

/// One that waits; forgotten when it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) call: u64,
    told: Option<oneshot::Receiver<Answer>>,
    calls: Calls,
    to: Seat,
}

impl Calls {
    /// Numbered from `first` on: from another one in each life of a node, so that no answer to an earlier life is taken for
    /// one to this.
    pub(super) fn numbered_from(first: u64) -> Self {
        let open = Open { last: first, calls: BTreeMap::new() };
        Self(Arc::new(Mutex::new(open)))
    }

    pub(super) fn begin(&self, to: Seat, group: GroupId) -> Waiting {
        let (tell, told) = oneshot::channel();
        let mut open = self.0.lock();
        open.last += 1;
        let call = open.last;
        open.calls.insert(call, Call { to, group, tell });
        Waiting { call, told: Some(told), calls: self.clone(), to }
    }

    /// Gives an answer to who waits for it, if it is from whom was asked.
    pub(super) fn answer(&self, call: u64, from: Seat, group: GroupId, body: Body, clock_ms: u64) {
        let mut open = self.0.lock();
        if open.calls.get(&call).is_some_and(|call| call.to == from && call.group == group)
            && let Some(call) = open.calls.remove(&call)
        {
            // Who no longer waits needs no answer.
            drop(call.tell.send(Ok((body, clock_ms))));
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().calls.len()
    }

    /// Tells who waits that its request did not leave.
    pub(super) fn fail(&self, call: u64, error: CallError) {
        if let Some(call) = self.0.lock().calls.remove(&call) {
            drop(call.tell.send(Err(error)));
        }
    }

    /// Tells all who wait for this peer that it went away.
    pub(super) fn lose(&self, peer: PeerId) {
        for (_, call) in self.0.lock().calls.extract_if(.., |_, call| call.to.peer == peer) {
            drop(call.tell.send(Err(CallError::Lost { peer })));
        }
    }
}

impl Waiting {
    pub(super) async fn answer(mut self) -> Answer {
        let gone = CallError::Unreachable { peer: self.to.peer, reason: "this node is stopping".to_owned() };
        match self.told.take() {
            Some(told) => told.await.unwrap_or(Err(gone)),
            None => Err(gone),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.calls.0.lock().calls.remove(&self.call);
    }
}
