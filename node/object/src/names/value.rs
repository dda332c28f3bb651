//! Values: bodies that are read and written whole, and in one step, as a key-value store has them.
//!
//! A value is a version like any other. What differs is the cost: nothing is read before a write, and what was opened and
//! checked once is not opened and checked again as long as its record is the same.

use std::sync::Arc;

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use storgo_protocol::SIGNATURE_BYTES;
use storgo_protocol::limits::{BATCH_PARTS_MAX, COMMAND_BYTES_MAX, VALUE_BYTES_MAX, VALUES_KEPT_BYTES_MAX};
use storgo_protocol::meta::{
    Action, Batch, Body, Condition, ObjectId, Part, PartChange, Reply, RequestId, Version, VersionId,
};
use tokio::io::AsyncRead;

use super::body::{Ready, etag};
use super::bucket::Bucket;
use super::delete::RemoveOptions;
use super::error::NameError;
use super::known::Known;
use crate::error::ObjectError;
use crate::progress::Progress;
use crate::put::PutOptions;
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

/// What was seen of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// All of it.
    Value(Value),
    /// That it has so many bytes, which are more than was asked for.
    Longer(usize),
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

/// What is to become of one of several keys of a slot, and what must hold of it for that to become of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueChange {
    /// The key.
    pub key: Bytes,
    /// What becomes of it.
    pub becomes: Becomes,
    /// What must hold.
    pub condition: Condition,
}

/// What is to become of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Becomes {
    /// It stays: only its condition counts.
    Same,
    /// It holds this.
    Value {
        /// The body; at most [`VALUE_BYTES_MAX`].
        bytes: Bytes,
        /// What is kept beside it, in clear.
        metadata: Bytes,
        /// When it ends; 0 for never.
        expires_ms: u64,
        /// What the key named before, if that is known.
        object: Option<ObjectId>,
    },
    /// It goes.
    Nothing,
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

/// What a command says beside its changes, at most: its feature, its request, and lengths.
const COMMAND_HEAD_BYTES_MAX: usize = 64;

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
        match self.value_within(key, VALUE_BYTES_MAX).await? {
            Some(Seen::Value(value)) => Ok(Some(value)),
            Some(Seen::Longer(bytes)) => Err(self.too_long(key, bytes as u64)),
            None => Ok(None),
        }
    }

    fn too_long(&self, key: &[u8], bytes: u64) -> ObjectError {
        let reason = format!("it has {bytes} bytes, and a value at most {VALUE_BYTES_MAX}");
        NameError::Invalid { what: self.printed(key), reason }.into()
    }

    /// The same, if it is not longer than `bytes_max`: nothing of a longer body is read.
    ///
    /// # Errors
    /// As [`Bucket::value`].
    pub async fn value_within(&self, key: &[u8], bytes_max: usize) -> Result<Option<Seen>, ObjectError> {
        let found = self.names.metadata.get(&self.known().row.config, key, None, self.level()).await?;
        let Some(version) = found.version else { return Ok(None) };
        if let Some(value) = self.opened.get(key, &version) {
            return Ok(Some(Seen::Value(value)));
        }
        let Some(entry) = self.believe(key, version, found.stale).await? else { return Ok(None) };
        let version = entry.version.clone();
        match usize::try_from(version.size).ok().filter(|bytes| *bytes <= VALUE_BYTES_MAX) {
            Some(bytes) if bytes > bytes_max => return Ok(Some(Seen::Longer(bytes))),
            Some(_) => {}
            None => return Err(self.too_long(key, version.size)),
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
        Ok(Some(Seen::Value(value)))
    }

    /// What a key is to be, for a change to be made: as [`Bucket::value`] would read it, but for its body.
    ///
    /// # Errors
    /// As [`Bucket::open`].
    pub async fn standing(&self, key: &[u8]) -> Result<Condition, ObjectError> {
        let found = self.names.metadata.get(&self.known().row.config, key, None, self.level()).await?;
        let entry = match found.version {
            Some(version) => self.believe(key, version, found.stale).await?,
            None => None,
        };
        Ok(match (entry, found.absence) {
            (Some(entry), _) => Condition::Version(entry.version.id()),
            (None, Some(absence)) => Condition::AbsentSince(absence),
            (None, None) => {
                let what = format!("the answer about {}", self.printed(key));
                return Err(ObjectError::corrupt(what, "it does not say when the key was not there"));
            }
        })
    }

    /// Writes a value, and reads nothing before.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub async fn set(&self, key: &[u8], set: SetValue) -> Result<Value, ObjectError> {
        self.may_write(key).await?;
        let SetValue { bytes, metadata, expires_ms, condition, object } = set;
        let ready = self.ready_value(key, &bytes).await?;
        let random = &self.names.engine.random;
        let object = object.unwrap_or_else(|| ObjectId::from_bytes(random.array()));
        let unsigned = Version::new(object, self.names.request(), Body::Marker);
        let like = Version { metadata: metadata.clone(), expires_ms, ..unsigned };
        let (written, signature) = self.write_ready(key, ready, like, condition).await?;
        let value = Value { bytes, metadata, expires_ms, version: written.version, object };
        self.opened.put(key, signature, &value);
        Ok(value)
    }

    /// Changes several keys of one slot, all or none; they are named in ascending order.
    ///
    /// # Errors
    /// [`NameError::Condition`] if a condition does not hold, [`NameError::Invalid`] for keys of several slots, for more of them
    /// than [`BATCH_PARTS_MAX`], and for more than one command can say; otherwise as [`Bucket::set`].
    pub async fn change_values(&self, changes: &[ValueChange]) -> Result<VersionId, ObjectError> {
        let invalid = |reason: String| NameError::Invalid { what: self.name().to_owned(), reason };
        let first = changes.first().map(|change| change.key.clone());
        let first = first.ok_or_else(|| invalid("no key is named".to_owned()))?;
        if changes.len() > BATCH_PARTS_MAX {
            return Err(invalid(format!("at most {BATCH_PARTS_MAX} keys change together")).into());
        }
        let slot = |key: &Bytes| self.known().row.config.slot(key);
        if changes.iter().any(|change| slot(&change.key) != slot(&first)) {
            return Err(invalid("only keys of one slot change together".to_owned()).into());
        }
        let mut bodies = Vec::with_capacity(changes.len());
        for change in changes {
            self.may_write(&change.key).await?;
            bodies.push(match &change.becomes {
                Becomes::Value { bytes, .. } => Some(self.ready_value(&change.key, bytes).await?),
                Becomes::Same | Becomes::Nothing => None,
            });
        }
        let request = self.names.request();
        let random = &self.names.engine.random;
        let ids: Vec<_> = changes.iter().map(|_| ObjectId::from_bytes(random.array())).collect();
        // Those of the last attempt: each may seal the bodies anew.
        let signatures = Mutex::new(Vec::new());
        let action = |known: &Known| {
            let parts = changes.iter().zip(&bodies).zip(&ids);
            let parts = parts.map(|((change, body), id)| self.part(known, request, change, body.as_ref(), *id));
            let parts: Vec<Part> = parts.collect::<Result<_, ObjectError>>()?;
            *signatures.lock() = parts.iter().map(signed).collect();
            let (bucket, generation) = (known.id(), known.row.config.generation);
            let batch = Batch { bucket, generation, parts };
            let bytes = batch.encoded_len();
            if bytes + COMMAND_HEAD_BYTES_MAX > COMMAND_BYTES_MAX {
                let reason =
                    format!("the changes take {bytes} bytes together, and one command at most {COMMAND_BYTES_MAX}");
                return Err(invalid(reason).into());
            }
            Ok(Action::Batch(Box::new(batch)))
        };
        match self.agree(&first, request, action).await? {
            Reply::Written { version, .. } => {
                self.keep_opened(changes, signatures.into_inner(), version);
                Ok(version)
            }
            other => Err(self.strange(&first, &other)),
        }
    }

    /// Keeps the values that were written under these signatures, since they need not be opened again.
    fn keep_opened(&self, changes: &[ValueChange], signed: Vec<Option<(ObjectId, Signature)>>, version: VersionId) {
        for (change, signed) in changes.iter().zip(signed) {
            if let (Becomes::Value { bytes, metadata, expires_ms, .. }, Some((object, signature))) =
                (&change.becomes, signed)
            {
                let (bytes, metadata) = (bytes.clone(), metadata.clone());
                let value = Value { bytes, metadata, expires_ms: *expires_ms, version, object };
                self.opened.put(&change.key, Some(signature), &value);
            }
        }
    }

    fn part(
        &self,
        known: &Known,
        request: RequestId,
        change: &ValueChange,
        body: Option<&Ready<'_>>,
        fresh: ObjectId,
    ) -> Result<Part, ObjectError> {
        let identity = &self.names.engine.user.identity;
        let previous = change.condition.version();
        let written = |version: Version| {
            PartChange::Write(Box::new(Version { previous, ..version }.signed(known.id(), identity)))
        };
        let becomes = match (&change.becomes, body) {
            (Becomes::Value { metadata, expires_ms, object, .. }, Some(ready)) => {
                let object = object.unwrap_or(fresh);
                let body = ready.seal(known, object, self.names.engine.random.array())?;
                let (metadata, expires_ms, etag) = (metadata.clone(), *expires_ms, etag(&body));
                let version = Version { metadata, expires_ms, etag, ..Version::new(object, request, body) };
                written(ready.describe(version))
            }
            (Becomes::Nothing, _) if known.row.config.versioning => written(Version::new(fresh, request, Body::Marker)),
            (Becomes::Nothing, _) => PartChange::Remove,
            _ => PartChange::Keep,
        };
        Ok(Part { key: change.key.clone(), condition: change.condition, change: becomes })
    }

    /// Makes a value ready for its record.
    async fn ready_value<'a>(&self, key: &[u8], bytes: &'a [u8]) -> Result<Ready<'a>, ObjectError> {
        if bytes.len() > VALUE_BYTES_MAX {
            let reason = format!("a value has at most {VALUE_BYTES_MAX} bytes");
            return Err(NameError::Invalid { what: self.printed(key), reason }.into());
        }
        let mut nothing = tokio::io::empty();
        let stands_in_record = bytes.len() <= self.known().row.config.inline_bytes_max as usize;
        let rest: Option<&mut (dyn AsyncRead + Send + Unpin)> =
            if stands_in_record { None } else { Some(&mut nothing) };
        self.ready(bytes, rest, &PutOptions::default(), &Progress::default()).await
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

/// What a part writes, and under which signature.
fn signed(part: &Part) -> Option<(ObjectId, Signature)> {
    let PartChange::Write(version) = &part.change else { return None };
    Some((version.object, version.signature?))
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
