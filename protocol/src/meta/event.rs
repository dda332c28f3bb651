//! What happened to a key, for whoever follows a group.

use bytes::Bytes;
use prost::Message as _;

use super::{BucketId, Stamp, VersionId, at_most, decode, ids, wire};
use crate::DecodeError;
use crate::limits::REDIS_KEY_BYTES_MAX;

/// One change that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageEvent {
    /// What happened.
    pub kind: EventKind,
    /// In which bucket.
    pub bucket: BucketId,
    /// To which key.
    pub key: Bytes,
    /// To which version.
    pub version: VersionId,
    /// When, by the group's clock.
    pub stamp: Stamp,
}

/// What happened to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It was written.
    Written,
    /// It was written, and is a marker: the key is deleted.
    Marked,
    /// It was removed.
    Removed,
    /// It was removed because its time was over.
    Expired,
}

impl StorageEvent {
    /// The record.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let kind = match self.kind {
            EventKind::Written => 1,
            EventKind::Marked => 2,
            EventKind::Removed => 3,
            EventKind::Expired => 4,
        };
        let event = wire::Event {
            kind,
            bucket: self.bucket.as_bytes().to_vec().into(),
            key: self.key.clone(),
            version: ids::version_bytes(Some(self.version)),
            stamp: self.stamp.as_u64(),
        };
        event.encode_to_vec().into()
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a whole event within its bounds.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let event: wire::Event = decode(bytes)?;
        let kind = match event.kind {
            1 => EventKind::Written,
            2 => EventKind::Marked,
            3 => EventKind::Removed,
            4 => EventKind::Expired,
            _ => return Err(DecodeError::field("event")),
        };
        Ok(Self {
            kind,
            bucket: ids::bucket(&event.bucket)?,
            key: at_most(event.key, REDIS_KEY_BYTES_MAX)?,
            version: ids::version(&event.version)?,
            stamp: Stamp::from_u64(event.stamp),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_as_they_were() {
        for kind in [EventKind::Written, EventKind::Marked, EventKind::Removed, EventKind::Expired] {
            let (bucket, version) = (BucketId::from_bytes([1; 16]), VersionId::from_bytes([2; 16]));
            let event = StorageEvent { kind, bucket, key: "key".into(), version, stamp: Stamp::from_ms(3) };
            assert_eq!(StorageEvent::decode(event.encode()), Ok(event));
        }
        assert!(StorageEvent::decode(Bytes::new()).is_err());
    }
}
