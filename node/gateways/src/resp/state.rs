//! What commands see of the connection that they come from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use storgo_protocol::meta::{Condition, Slot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::cursors::Cursors;

use super::keyspace::Keyspace;
use super::reply::Protocol;
use super::shared::{Shared, Unsent};

/// Whether a client is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Answers {
    #[default]
    On,
    Off,
    /// The next command is not.
    SkipNext,
    /// This command is not.
    SkipThis,
}

/// What commands see of the connection that they come from.
#[derive(Debug)]
pub(super) struct State {
    shared: Arc<Shared>,
    client: Arc<Client>,
    /// What it was answered and has not taken yet.
    unsent: Arc<Unsent>,
    protocol: Protocol,
    pub(super) answers: Answers,
    /// Whether what it reads may be somewhat stale.
    pub(super) reads_stale: bool,
    /// For which slot it was sent to another door last, and when.
    pub(super) moved: Option<(Slot, Instant)>,
    /// Commands that wait for EXEC.
    transaction: Option<Transaction>,
    /// What the next transaction rests on.
    watched: Watched,
}

/// Watched keys, and how they stood when they were seen.
pub(super) type Watched = Arc<Mutex<BTreeMap<Bytes, Condition>>>;

impl State {
    pub(super) fn new(shared: Arc<Shared>, client: Arc<Client>) -> Self {
        let (protocol, answers, watched) = (Protocol::default(), Answers::default(), Watched::default());
        let unsent = shared.unsent();
        Self { shared, client, unsent, protocol, answers, reads_stale: false, moved: None, transaction: None, watched }
    }

    /// One for what is done for another door: there is nobody behind it.
    pub(super) fn of_errand(shared: &Arc<Shared>) -> Self {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let client = Client::new(0, nowhere, nowhere, shared.channels.outbox(), CancellationToken::new());
        Self::new(Arc::clone(shared), Arc::new(client))
    }

    /// Tells the client's line how its connection stands now.
    pub(super) fn show(&self) {
        self.client.stands(self.protocol, self.transaction.as_ref().map(Transaction::len));
    }

    /// Bytes that wait for the rest of their transaction.
    pub(super) fn queued_bytes(&self) -> usize {
        self.transaction.as_ref().map_or(0, Transaction::queued_bytes)
    }

    pub(super) const fn transaction(&mut self) -> &mut Option<Transaction> {
        &mut self.transaction
    }

    pub(super) fn watched(&self) -> Watched {
        Arc::clone(&self.watched)
    }

    pub(super) const fn unsent(&self) -> &Arc<Unsent> {
        &self.unsent
    }

    pub(super) fn keyspace(&self) -> &Keyspace {
        &self.shared.keyspace
    }

    pub(super) fn cursors(&self) -> &Cursors {
        &self.shared.cursors
    }

    /// Draws numbers below one that is given, about evenly.
    pub(super) fn random(&self) -> impl FnMut(u64) -> u64 + Send + 'static {
        let random = Arc::clone(&self.shared.random);
        move |below| u64::from_le_bytes(random.array()) % below.max(1)
    }

    /// What all sessions share.
    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The client, as others see it.
    pub(super) const fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Whether the client may not do anything yet, because it did not say who it is.
    pub(super) fn is_stranger(&self) -> bool {
        self.shared.guard.is_some() && self.client.user().is_none()
    }

    pub(super) fn id(&self) -> i64 {
        i64::try_from(self.client.id).unwrap_or(i64::MAX)
    }

    pub(super) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(super) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.client.outbox().speak(protocol);
    }

    /// A number that was drawn, for a command that draws others from it.
    pub(super) fn seed(&self) -> u64 {
        u64::from_le_bytes(self.shared.random.array())
    }
}

/// Commands that are to be done together.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Each with its arguments.
    queued: Vec<Vec<Bytes>>,
    queued_bytes: usize,
    /// Whether one of them could not be queued.
    is_broken: bool,
}

impl Transaction {
    /// Bytes of what was queued.
    pub(super) const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Commands that were queued.
    pub(super) const fn len(&self) -> usize {
        self.queued.len()
    }

    /// Queues a command, unless nothing will be done.
    pub(super) fn queue(&mut self, args: &[Bytes]) {
        if !self.is_broken {
            let bytes: usize = args.iter().map(|arg| arg.len() + size_of::<Bytes>()).sum();
            self.queued_bytes = self.queued_bytes.saturating_add(bytes);
            // Copies: what is kept for long must not keep what it was read with.
            self.queued.push(args.iter().map(|arg| Bytes::copy_from_slice(arg)).collect());
        }
    }

    /// Something could not be queued: nothing will be done, and what was queued is thrown away.
    pub(super) fn give_up(&mut self) {
        *self = Self { is_broken: true, ..Self::default() };
    }

    /// What is to be done; `None` if something could not be queued.
    pub(super) fn into_queued(self) -> Option<Vec<Vec<Bytes>>> {
        (!self.is_broken).then_some(self.queued)
    }
}
