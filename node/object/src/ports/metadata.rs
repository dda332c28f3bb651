//! What the engine asks of metadata groups: buckets by name, and the versions of their keys.
//!
//! Implemented by `storgo-consensus` over the network, and by its state machine in memory for tests. Whoever implements it
//! finds the group of a key and its leader, and asks again where that is safe; what a bucket or a version means, and
//! every key and plaintext, stays with the engine.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use storgo_protocol::GroupId;
use storgo_protocol::cluster::{Bucket, BucketRow, EventPlace, Found, Level, Listed, Listing, Replication};
use storgo_protocol::meta::{BucketConfig, Command, Reply, Stamp, StorageEvent, VersionId};

/// Names, kept by groups.
#[async_trait]
pub trait Metadata: Send + Sync + fmt::Debug {
    /// A bucket by its name, if the user may see it.
    ///
    /// # Errors
    /// [`MetadataError`].
    async fn bucket(&self, name: &str) -> Result<Option<BucketRow>, MetadataError>;

    /// A page of the user's buckets behind the name `after`, and whether there are more.
    ///
    /// # Errors
    /// [`MetadataError`].
    async fn buckets(&self, after: &str) -> Result<(Vec<BucketRow>, bool), MetadataError>;

    /// Makes a bucket (`expected` is `None`), changes it, or removes it (`bucket` is `None`). When this returns, all groups
    /// know it so.
    ///
    /// # Errors
    /// [`MetadataError::Conflict`] if its row is not as expected: nothing was changed.
    async fn set_bucket(
        &self,
        name: &str,
        bucket: Option<Bucket>,
        expected: Option<Stamp>,
    ) -> Result<(), MetadataError>;

    /// Has the group of a key agree on a command that carries a request id: asked twice, it is done once. The reply may be
    /// a refusal, but not one of those that tell where else or when else to ask. It comes when as many have the command as
    /// `replication` says; a refusal may come earlier or later.
    ///
    /// # Errors
    /// [`MetadataError::Unavailable`]: it may or may not be done.
    async fn write(
        &self,
        config: &BucketConfig,
        key: &[u8],
        command: &Command,
        replication: Replication,
    ) -> Result<Reply, MetadataError>;

    /// A version of a key, the newest if none is named; a marker too.
    ///
    /// # Errors
    /// [`MetadataError`].
    async fn get(
        &self,
        config: &BucketConfig,
        key: &[u8],
        version: Option<VersionId>,
        level: Level,
    ) -> Result<Found, MetadataError>;

    /// A page of a listing over all groups that have keys of the bucket.
    ///
    /// # Errors
    /// [`MetadataError`].
    async fn list(&self, config: &BucketConfig, listing: &Listing, level: Level) -> Result<Listed, MetadataError>;

    /// What happened to the keys of a bucket in all groups since then, for as long as they keep that.
    ///
    /// # Errors
    /// [`MetadataError`].
    async fn events(&self, config: &BucketConfig, since: &EventsSince) -> Result<Events, MetadataError>;
}

/// From where on events are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EventsSince {
    /// From the oldest that are kept.
    #[default]
    Oldest,
    /// From where an earlier answer ended.
    Places(EventPlaces),
    /// Only what happens from now on.
    Now,
}

/// How far somebody read the events of each group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventPlaces(BTreeMap<GroupId, EventPlace>);

/// Some events of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Events {
    /// By their time; those of one group in the order of its log, which is that of its stamps.
    pub events: Vec<StorageEvent>,
    /// From where on to ask for the next.
    pub next: EventPlaces,
    /// Whether there are more now.
    pub more: bool,
    /// Whether some that were asked for are not kept any more.
    pub missed: bool,
}

impl EventPlaces {
    /// The place in a group's events, if they were read.
    #[must_use]
    pub fn of(&self, group: GroupId) -> Option<EventPlace> {
        self.0.get(&group).copied()
    }

    /// The place in each group's.
    #[must_use]
    pub const fn groups(&self) -> &BTreeMap<GroupId, EventPlace> {
        &self.0
    }
}

impl From<BTreeMap<GroupId, EventPlace>> for EventPlaces {
    fn from(places: BTreeMap<GroupId, EventPlace>) -> Self {
        Self(places)
    }
}

/// Why groups did not do what they were asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The user may not, or there is no such thing: the answer is the same.
    #[error("denied: {0}")]
    Denied(String),
    /// It is not as was expected.
    #[error("conflict: {0}")]
    Conflict(String),
    /// It makes no sense, or not as things are.
    #[error("refused: {0}")]
    Refused(String),
    /// The network keeps no names: nobody began one with `storgo network init`.
    #[error("this network keeps no names: {0}")]
    NoNetwork(String),
    /// There was no answer in time. What was to be done may or may not be done; a retry with the same request id tells.
    #[error("metadata cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
