//! Who listens to what at this door.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use storgo_object::Forum;
use storgo_protocol::limits::{RESP_PATTERNS_MAX, RESP_SUBSCRIBED_ALL_BYTES_MAX, RESP_SUBSCRIBED_BYTES_MAX};

use super::super::client::Client;
use super::super::glob;
use super::message::{Kind, Message, Told};
use super::outbox::{All, Outbox};

/// What a name takes that is listened to, beside its own bytes, about.
const NAME_BYTES: usize = 256;

/// All channels of a door.
#[derive(Debug, Default)]
pub(in super::super) struct Channels {
    /// Held for writing while a client's own list changes with it.
    tables: RwLock<Tables>,
    outboxes: Arc<All>,
    forum: Option<Forum>,
}

/// Who listens, by what to.
#[derive(Debug, Default)]
struct Tables {
    channels: HashMap<Bytes, Listeners>,
    shards: HashMap<Bytes, Listeners>,
    patterns: HashMap<Bytes, Listeners>,
    bytes: usize,
}

type Listeners = BTreeMap<u64, Arc<Client>>;

/// What one client listens to.
#[derive(Debug, Default)]
pub(in super::super) struct Subscribed {
    channels: BTreeSet<Bytes>,
    shards: BTreeSet<Bytes>,
    patterns: BTreeSet<Bytes>,
    bytes: usize,
}

impl Subscribed {
    const fn names(&mut self, kind: Kind) -> &mut BTreeSet<Bytes> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }

    /// How many of these it does not listen to yet.
    pub(in super::super) fn new_names(&mut self, kind: Kind, names: &[Bytes]) -> usize {
        let own = self.names(kind);
        names.iter().filter(|name| !own.contains(*name)).count()
    }

    /// To how many channels, patterns, and channels of shards.
    pub(in super::super) fn counts(&self) -> (usize, usize, usize) {
        (self.channels.len(), self.patterns.len(), self.shards.len())
    }

    /// To how many, as a client is told that listens so.
    fn count(&self, kind: Kind) -> usize {
        if kind == Kind::Shard { self.shards.len() } else { self.channels.len() + self.patterns.len() }
    }
}

impl Tables {
    const fn of(&mut self, kind: Kind) -> &mut HashMap<Bytes, Listeners> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }

    fn add(&mut self, kind: Kind, name: &Bytes, client: &Arc<Client>, own: &mut Subscribed) {
        if own.names(kind).contains(name) {
            return;
        }
        // A copy: what is kept for long must not keep what it was read with.
        let name = Bytes::copy_from_slice(name);
        own.names(kind).insert(name.clone());
        own.bytes += cost(&name);
        self.bytes += cost(&name);
        self.of(kind).entry(name).or_default().insert(client.id, Arc::clone(client));
    }

    fn remove(&mut self, kind: Kind, name: &Bytes, client: &Client, own: &mut Subscribed) {
        if !own.names(kind).remove(name) {
            return;
        }
        own.bytes -= cost(name);
        self.bytes -= cost(name);
        if let Some(listeners) = self.of(kind).get_mut(name) {
            listeners.remove(&client.id);
            if listeners.is_empty() {
                self.of(kind).remove(name);
            }
        }
    }
}

fn cost(name: &[u8]) -> usize {
    name.len() + NAME_BYTES
}

/// One client, or all, would listen to more than they may.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct TooMany;

impl Channels {
    /// Channels of a door that hears others.
    pub(in super::super) fn new(forum: Option<Forum>) -> Self {
        Self { forum, ..Self::default() }
    }

    /// For a client that came in.
    pub(in super::super) fn outbox(&self) -> Outbox {
        Outbox::new(Arc::clone(&self.outboxes))
    }

    /// Has a client listen; to how much it listens after each.
    ///
    /// # Errors
    /// [`TooMany`] if that would be too much: it listens to nothing more then.
    pub(in super::super) fn subscribe(
        &self,
        client: &Arc<Client>,
        kind: Kind,
        names: &[Bytes],
    ) -> Result<Vec<usize>, TooMany> {
        let mut tables = self.tables.write();
        let mut own = client.subscribed();
        let more: usize = names.iter().filter(|name| !own.names(kind).contains(*name)).map(|name| cost(name)).sum();
        if own.bytes + more > RESP_SUBSCRIBED_BYTES_MAX || tables.bytes + more > RESP_SUBSCRIBED_ALL_BYTES_MAX {
            return Err(TooMany);
        }
        let is_new = |name: &&Bytes| kind == Kind::Pattern && !tables.patterns.contains_key(*name);
        if tables.patterns.len() + names.iter().filter(is_new).count() > RESP_PATTERNS_MAX {
            return Err(TooMany);
        }
        client.outbox().mark();
        let add = |name| {
            tables.add(kind, name, client, &mut own);
            own.count(kind)
        };
        Ok(names.iter().map(add).collect())
    }

    /// Has a client listen no more to these, or to all of a kind; to how much it listens after each.
    pub(in super::super) fn unsubscribe(
        &self,
        client: &Client,
        kind: Kind,
        names: Option<&[Bytes]>,
    ) -> Vec<(Option<Bytes>, usize)> {
        let mut tables = self.tables.write();
        let mut own = client.subscribed();
        client.outbox().mark();
        let names = names.map_or_else(|| own.names(kind).iter().cloned().collect(), <[Bytes]>::to_vec);
        if names.is_empty() {
            return vec![(None, own.count(kind))];
        }
        let remove = |name: Bytes| {
            tables.remove(kind, &name, client, &mut own);
            (Some(name), own.count(kind))
        };
        names.into_iter().map(remove).collect()
    }

    /// Has a client listen to nothing any more.
    pub(in super::super) fn leave(&self, client: &Client) {
        if client.is_subscribed() {
            for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
                self.unsubscribe(client, kind, None);
            }
        }
    }

    /// Tells those who listen here, and other doors; how many listen here.
    pub(in super::super) fn publish(&self, message: &Message) -> usize {
        if let Some(forum) = self.forum.as_ref().filter(|forum| forum.is_heard()) {
            forum.say(&message.encode());
        }
        self.deliver(message)
    }

    /// Tells those who listen here; how many they are.
    pub(in super::super) fn deliver(&self, message: &Message) -> usize {
        let tables = self.tables.read();
        let table = if message.kind == Kind::Shard { &tables.shards } else { &tables.channels };
        let mut count = table.get(&message.channel).map_or(0, |listeners| tell(listeners, &message.told()));
        if message.kind == Kind::Channel {
            let taking = tables.patterns.iter().filter(|(pattern, _)| glob::matches(pattern, &message.channel));
            count += taking.map(|(pattern, listeners)| tell(listeners, &message.told_by(pattern))).sum::<usize>();
        }
        count
    }

    /// The names of channels of a kind that somebody listens to.
    pub(in super::super) fn names(&self, kind: Kind, pattern: Option<&Bytes>) -> Vec<Bytes> {
        let tables = self.tables.read();
        let table = if kind == Kind::Shard { &tables.shards } else { &tables.channels };
        let taken = |name: &&Bytes| pattern.is_none_or(|pattern| glob::matches(pattern, name));
        let mut names: Vec<_> = table.keys().filter(taken).cloned().collect();
        names.sort_unstable();
        names
    }

    /// How many listen to a channel.
    pub(in super::super) fn listeners(&self, kind: Kind, name: &Bytes) -> usize {
        let tables = self.tables.read();
        let table = if kind == Kind::Shard { &tables.shards } else { &tables.channels };
        table.get(name).map_or(0, BTreeMap::len)
    }

    /// How many channels, patterns, and channels of shards are listened to.
    pub(in super::super) fn counts(&self) -> (usize, usize, usize) {
        let tables = self.tables.read();
        (tables.channels.len(), tables.patterns.len(), tables.shards.len())
    }

    /// Messages to or from other doors that were lost, as far as is known.
    pub(in super::super) fn lost(&self) -> u64 {
        self.forum.as_ref().map_or(0, Forum::lost)
    }
}

fn tell(listeners: &Listeners, told: &Told) -> usize {
    for client in listeners.values() {
        if !client.outbox().push(told) {
            tracing::debug!(client = client.id, "a client did not take what it listens to");
            client.cut_off();
        }
    }
    listeners.len()
}
