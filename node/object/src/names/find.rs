//! Finding a version: what its group knows, checked before it is believed.

use std::time::Duration;

use bytes::Bytes;
use storgo_protocol::cluster::Level;
use storgo_protocol::meta::{Body, Condition, Version, VersionId};

use super::body::plain_bytes;
use super::bucket::Bucket;
use super::error::NameError;
use crate::care::Cared;
use crate::error::ObjectError;
use crate::progress::Progress;
use crate::report::{RepairReport, StatReport};

/// A version of a key that is there, written by somebody who could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// The version; no marker.
    pub version: Version,
    /// Nothing is missed that was acknowledged longer ago than this; `None` if nothing is known of that.
    pub stale: Option<Duration>,
}

impl Bucket {
    /// The newest version of a key, or the one that is asked for, as the bucket's read preference has it.
    ///
    /// # Errors
    /// [`NameError::NoKey`] if it is not there or is a marker, [`ObjectError::Corrupt`] if it is not to be believed.
    pub async fn find(&self, key: &[u8], version: Option<VersionId>) -> Result<Entry, ObjectError> {
        self.find_at(key, version, self.level()).await
    }

    pub(super) async fn find_at(
        &self,
        key: &[u8],
        version: Option<VersionId>,
        level: Level,
    ) -> Result<Entry, ObjectError> {
        let found = self.names.metadata.get(&self.known().row.config, key, version, level).await?;
        let missing = || {
            let of = version.map(|version| format!(" in version {version}")).unwrap_or_default();
            NameError::NoKey { what: format!("{}{of}", self.printed(key)) }
        };
        let version = found.version.ok_or_else(missing)?;
        self.believe(key, version, found.stale).await?.ok_or_else(|| missing().into())
    }

    /// What a record says, once it is checked; `None` for a marker.
    pub(super) async fn believe(
        &self,
        key: &[u8],
        version: Version,
        stale: Option<Duration>,
    ) -> Result<Option<Entry>, ObjectError> {
        // A marker too: who could forge one could make data disappear.
        self.check(key, &version).await?;
        if version.body == Body::Marker {
            return Ok(None);
        }
        if plain_bytes(&version.body).is_some_and(|bytes| bytes != version.size) {
            let what = format!("the record of {}", self.printed(key));
            return Err(ObjectError::corrupt(what, "its body has another length than it says"));
        }
        Ok(Some(Entry { key: Bytes::copy_from_slice(key), version, stale }))
    }

    /// The newest version, if the key is there: as its group says, nothing missed and nothing checked.
    pub(super) async fn newest(&self, key: &[u8]) -> Result<Option<Version>, ObjectError> {
        let found = self.names.metadata.get(&self.known().row.config, key, None, Level::Linearizable).await?;
        Ok(found.version.filter(|version| version.body != Body::Marker))
    }

    /// Whether a condition holds as things are: the group decides when it comes to it, but a body need not be put first.
    pub(super) fn expect(&self, key: &[u8], condition: Condition, newest: Option<&Version>) -> Result<(), ObjectError> {
        let current = newest.map(Version::id);
        if condition.may_hold(current) {
            Ok(())
        } else {
            Err(NameError::Condition { what: self.printed(key), current }.into())
        }
    }

    /// Asks every peer within reach what it holds of a version's body; `None` if that stands in the record.
    ///
    /// # Errors
    /// As [`Engine::stat`](crate::Engine::stat).
    pub async fn stat(&self, entry: &Entry) -> Result<Option<StatReport>, ObjectError> {
        match &entry.version.body {
            Body::Object(body) => self.names.engine.stat_cared(Cared::Record(body)).await.map(Some),
            Body::Inline(_) | Body::Marker => Ok(None),
        }
    }

    /// Brings a version's body back to its full width; `None` if that stands in the record.
    ///
    /// # Errors
    /// As [`Engine::repair`](crate::Engine::repair).
    pub async fn repair(&self, entry: &Entry, progress: &Progress) -> Result<Option<RepairReport>, ObjectError> {
        match &entry.version.body {
            Body::Object(body) => self.names.engine.repair_cared(Cared::Record(body), progress).await.map(Some),
            Body::Inline(_) | Body::Marker => Ok(None),
        }
    }
}
