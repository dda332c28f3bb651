//! Values: bodies that are read and written whole, and in one step, as a key-value store has them.
//!
//! A value is a version like any other. What differs is the cost: nothing is read before a write, and what was opened and
//! checked once is not opened and checked again as long as its record is the same.

use std::sync::Arc;

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use storgo_protocol::SIGNATURE_BYTES;
use storgo_protocol::limits::{VALUE_BYTES_MAX, VALUES_KEPT_BYTES_MAX};
use storgo_protocol::meta::{Body, Condition, ObjectId, Version, VersionId};
use tokio::io::AsyncRead;

use super::bucket::Bucket;
use super::delete::RemoveOptions;
use super::error::NameError;
use super::put::PutNamedOptions;
use crate::error::ObjectError;
use crate::progress::Progress;
use crate::read::MemorySink;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The body.
    pub bytes: Bytes,
    /// What its writer keeps beside it.
    pub metadata: Bytes,
    /// When it ends, in milliseconds since 1970; 0 for never.
    pub expires_ms: u64,
    /// The version.
    pub version: VersionId,
    /// What the key names.
    pub object: ObjectId,
}

/// What a key is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetValue {
    /// The body; at most [`VALUE_BYTES_MAX`].
    pub bytes: Bytes,
    /// What is kept beside it, in clear; at most [`METADATA_BYTES_MAX`](storgo_protocol::limits::METADATA_BYTES_MAX).
    pub metadata: Bytes,
    /// When it ends; 0 for never.
    pub expires_ms: u64,
    /// What must hold.
    pub condition: Condition,
    /// What the key named before, if that is known: without it, the key names another object from now on.
    pub object: Option<ObjectId>,
}

/// Values that were opened, by their keys; as many as fit [`VALUES_KEPT_BYTES_MAX`]. The signature tells whether a record is
/// the one that was opened: it covers what the body is.
#[derive(Debug, Clone)]
pub(super) struct Opened(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    values: LruCache<Bytes, (Signature, Value)>,
    bytes: usize,
}

/// What a version's writer signed it with.
pub(super) type Signature = [u8; SIGNATURE_BYTES];

/// What a kept value takes beside its key and bytes, about.
const KEPT_BYTES: usize = 256;

impl Default for Opened {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Kept { values: LruCache::unbounded(), bytes: 0 })))
    }
}

impl Kept {
    fn cost(key: &Bytes, value: &Value) -> usize {
        KEPT_BYTES + key.len() + value.bytes.len() + value.metadata.len()
    }

    fn put(&mut self, key: Bytes, signature: Signature, value: Value) {
        self.bytes += Self::cost(&key, &value);
        if let Some((old_key, (_, old))) = self.values.push(key, (signature, value)) {
            self.bytes -= Self::cost(&old_key, &old);
        }
        while self.bytes > VALUES_KEPT_BYTES_MAX
            && let Some((key, (_, old))) = self.values.pop_lru()
        {
            self.bytes -= Self::cost(&key, &old);
        }
    }
}

impl Opened {
    fn get(&self, key: &[u8], version: &Version) -> Option<Value> {
        let mut kept = self.0.lock();
        let (signature, value) = kept.values.get(key)?;
        let is_it = version.signature.as_ref() == Some(signature) && version.id() == value.version;
        // When it ends is the group's to say, and nobody's signature.
        is_it.then(|| Value { expires_ms: version.expires_ms, ..value.clone() })
    }

    fn put(&self, key: &[u8], signature: Option<Signature>, value: &Value) {
        // One long value must not drive out all others.
        if let Some(signature) = signature
            && value.bytes.len() <= VALUES_KEPT_BYTES_MAX / 64
        {
            // A copy: what is kept must not keep what it was read with.
            let value = Value { bytes: Bytes::copy_from_slice(&value.bytes), ..value.clone() };
            self.0.lock().put(Bytes::copy_from_slice(key), signature, value);
        }
    }
}

impl Bucket {
    /// What a key holds, as the bucket's read preference has it; `None` if it is not there.
    ///
    /// # Errors
    /// [`NameError::Invalid`] for a body of more than [`VALUE_BYTES_MAX`]; otherwise as [`Bucket::open`].
    pub async fn value(&self, key: &[u8]) -> Result<Option<Value>, ObjectError> {
        let found = self.names.metadata.get(&self.known().row.config, key, None, self.level()).await?;
        let Some(version) = found.version else { return Ok(None) };
        if let Some(value) = self.opened.get(key, &version) {
            return Ok(Some(value));
        }
        let Some(entry) = self.believe(key, version, found.stale).await? else { return Ok(None) };
        let version = entry.version.clone();
        if version.size > VALUE_BYTES_MAX as u64 {
            let reason = format!("it has {} bytes, and a value at most {VALUE_BYTES_MAX}", version.size);
            return Err(NameError::Invalid { what: self.printed(key), reason }.into());
        }
        let object = self.open_entry(entry).await?;
        let mut sink = MemorySink::default();
        object.get(0..object.size(), &mut sink, &Progress::default()).await?;
        let value = Value {
            bytes: sink.0.into(),
            metadata: version.metadata.clone(),
            expires_ms: version.expires_ms,
            version: version.id(),
            object: version.object,
        };
        self.opened.put(key, version.signature, &value);
        Ok(Some(value))
    }

    /// Writes a value, and reads nothing before.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub async fn set(&self, key: &[u8], set: SetValue) -> Result<Value, ObjectError> {
        self.may_write(key).await?;
        let SetValue { bytes, metadata, expires_ms, condition, object } = set;
        if bytes.len() > VALUE_BYTES_MAX {
            let reason = format!("a value has at most {VALUE_BYTES_MAX} bytes");
            return Err(NameError::Invalid { what: self.printed(key), reason }.into());
        }
        let random = &self.names.engine.random;
        let object = object.unwrap_or_else(|| ObjectId::from_bytes(random.array()));
        let unsigned = Version::new(object, self.names.request(), Body::Marker);
        let like = Version { metadata: metadata.clone(), expires_ms, ..unsigned };
        let options = PutNamedOptions { condition, ..PutNamedOptions::default() };
        let mut nothing = tokio::io::empty();
        let stands_in_record = bytes.len() <= self.known().row.config.inline_bytes_max as usize;
        let rest: Option<&mut (dyn AsyncRead + Send + Unpin)> =
            if stands_in_record { None } else { Some(&mut nothing) };
        let progress = Progress::default();
        let (written, signature) = self.write_body(key, &bytes, rest, like, &options, &progress).await?;
        let value = Value { bytes, metadata, expires_ms, version: written.version, object };
        self.opened.put(key, signature, &value);
        Ok(value)
    }

    /// Takes a key away, and reads nothing before; whether it was there.
    ///
    /// # Errors
    /// [`NameError::Condition`] if the condition does not hold, [`NameError::Denied`] if the user may not or a lock keeps it.
    pub async fn unset(&self, key: &[u8], condition: Condition) -> Result<bool, ObjectError> {
        self.may_write(key).await?;
        let object = ObjectId::from_bytes(self.names.engine.random.array());
        let (deleted, _) = self.delete(key, object, RemoveOptions { version: None, condition }).await?;
        Ok(deleted.is_some())
    }
}

#[cfg(test)]
mod tests {
    use storgo_protocol::GroupId;
    use storgo_protocol::meta::{RequestId, Stamp};

    use super::*;

    fn version(signature: u8) -> Version {
        let unsigned = Version::new(ObjectId::from_bytes([1; 16]), RequestId::new(1, [1; 10]), Body::Marker);
        Version { signature: Some([signature; SIGNATURE_BYTES]), stamp: Stamp::from_ms(5), ..unsigned }
    }

    fn value(of: &Version, bytes: usize) -> Value {
        let (metadata, object) = (Bytes::new(), of.object);
        Value { bytes: vec![7; bytes].into(), metadata, expires_ms: of.expires_ms, version: of.id(), object }
    }

    #[test]
    fn a_value_is_known_again_by_its_signature_and_ends_when_its_record_says() {
        let (opened, first, second) = (Opened::default(), version(1), version(2));
        opened.put(b"k", first.signature, &value(&first, 3));
        assert_eq!(opened.get(b"k", &first), Some(value(&first, 3)));
        assert_eq!(opened.get(b"k", &second), None);
        assert_eq!(opened.get(b"k", &Version { group: GroupId::new(3), ..first.clone() }), None);
        let ends = Version { expires_ms: 99, ..first };
        assert_eq!(opened.get(b"k", &ends).map(|value| value.expires_ms), Some(99));
    }

    #[test]
    fn values_are_kept_as_long_as_there_is_room_and_long_ones_never() {
        let (opened, of) = (Opened::default(), version(1));
        let most = VALUES_KEPT_BYTES_MAX / 64;
        opened.put(b"long", of.signature, &value(&of, most + 1));
        assert_eq!(opened.get(b"long", &of), None);
        for n in 0..70_u8 {
            opened.put(&[n], of.signature, &value(&of, most));
        }
        assert!(opened.get(&[0], &of).is_none() && opened.get(&[69], &of).is_some());
        let kept = opened.0.lock();
        assert_eq!(kept.values.len(), 63);
        assert_eq!(kept.bytes, kept.values.iter().map(|(key, (_, value))| Kept::cost(key, value)).sum::<usize>());
        assert!(kept.bytes <= VALUES_KEPT_BYTES_MAX);
    }
}
