//! A version record: one state of one key, as its group keeps it.
//!
//! Its writer forms it, signs it and sends it in a command; the group that applies the command adds stamp, group and
//! slot. The signature covers what identifies the write and what it holds, and is checked by readers and stewards, not
//! when the command is applied: a forged record shows.

use bytes::Bytes;
use prost::Message as _;

use super::unknown::unknown_fields;
use super::{
    Body, BucketId, ObjectId, RequestId, Slot, Stamp, VersionId, at_most, decode, fixed, fixed_or_none, ids, wire,
};
use crate::identity::SIGNATURE_BYTES;
use crate::limits::{ETAG_BYTES_MAX, METADATA_BYTES_MAX, TAG_NAME_BYTES_MAX, TAG_VALUE_BYTES_MAX};
use crate::{DecodeError, GroupId, Identity, PeerId};

/// The highest field number of `Version` in `meta.proto`.
const KNOWN: u32 = 21;

/// One version of one key. What a writer does not say is zero, empty or none, and so is what an older program wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// When its group took it; [`Stamp::ZERO`] in a command.
    pub stamp: Stamp,
    /// The group that took it.
    pub group: GroupId,
    /// The slot in which it was taken.
    pub slot: Slot,
    /// The object that the key named.
    pub object: ObjectId,
    /// The request that wrote it.
    pub request: RequestId,
    /// The version that the write was conditional on.
    pub previous: Option<VersionId>,
    /// Bytes of the body, unsealed.
    pub size: u64,
    /// What HTTP calls the entity tag; at most [`ETAG_BYTES_MAX`] bytes.
    pub etag: Bytes,
    /// The storage class; 0 is the usual one.
    pub storage_class: u32,
    /// How far it is replicated to other regions; 0 when nobody asked.
    pub replication: u32,
    /// The region that it belongs to; 0 for the only one.
    pub home_region: u32,
    /// In ascending order of their names; at most [`VERSION_TAGS_MAX`](crate::limits::VERSION_TAGS_MAX).
    pub tags: Vec<Tag>,
    /// The user's own metadata, as encoded by the writer: its hash is signed.
    pub metadata: Bytes,
    /// What keeps it from being removed.
    pub lock: Option<Lock>,
    /// Domains on which its body was when it was acknowledged; 0 for an inline body.
    pub width: u32,
    /// Who wrote it.
    pub writer: Option<PeerId>,
    /// The writer's signature over [`Version::signed_message`].
    pub signature: Option<[u8; SIGNATURE_BYTES]>,
    /// When it ends, in milliseconds since 1970 by its group's clock; 0 for never.
    pub expires_ms: u64,
    /// What it holds.
    pub body: Body,
    /// Fields of a newer program.
    pub unknown: Bytes,
}

/// A label of a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// Its name; at most [`TAG_NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Its value; at most [`TAG_VALUE_BYTES_MAX`] bytes.
    pub value: String,
}

/// What keeps a version from being removed. One that says nothing is none, and is read as none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// Milliseconds since 1970 until when it stays; 0 for no such time.
    pub until_ms: u64,
    /// Whether nobody at all may shorten that.
    pub compliance: bool,
    /// It stays for as long as this is set.
    pub legal_hold: bool,
    /// Fields of a newer program.
    pub unknown: Bytes,
}

impl Lock {
    /// Whether the version has to stay at this time.
    #[must_use]
    pub const fn holds(&self, now_ms: u64) -> bool {
        self.legal_hold || self.until_ms > now_ms
    }
}

/// Whether something that ends then is over now; 0 is never.
#[must_use]
pub const fn is_over(ends_ms: u64, now_ms: u64) -> bool {
    ends_ms > 0 && ends_ms <= now_ms
}

impl Version {
    /// Whether it is over at this time.
    #[must_use]
    pub const fn is_over(&self, now_ms: u64) -> bool {
        is_over(self.expires_ms, now_ms)
    }

    /// A version that says nothing but what it holds.
    #[must_use]
    pub fn new(object: ObjectId, request: RequestId, body: Body) -> Self {
        Self {
            stamp: Stamp::ZERO,
            group: GroupId::new(0),
            slot: Slot::default(),
            object,
            request,
            previous: None,
            size: 0,
            etag: Bytes::new(),
            storage_class: 0,
            replication: 0,
            home_region: 0,
            tags: Vec::new(),
            metadata: Bytes::new(),
            lock: None,
            width: 0,
            writer: None,
            signature: None,
            expires_ms: 0,
            body,
            unknown: Bytes::new(),
        }
    }

    /// Its id, once it was applied.
    #[must_use]
    pub fn id(&self) -> VersionId {
        VersionId::new(self.stamp, self.group)
    }

    /// What its writer signs: purpose, bucket, object, request, the version that it was conditional on (or zeros),
    /// the kind and hash of the body, and the hash of the metadata. 147 bytes.
    #[must_use]
    pub fn signed_message(&self, bucket: BucketId) -> Vec<u8> {
        let (kind, commitment) = self.body.commitment();
        [
            b"storgo v1 version".as_slice(),
            bucket.as_bytes(),
            self.object.as_bytes(),
            self.request.as_bytes(),
            &[u8::from(self.previous.is_some())],
            self.previous.map_or([0; 16], |id| *id.as_bytes()).as_slice(),
            &[kind],
            &commitment,
            blake3::hash(&self.metadata).as_bytes(),
        ]
        .concat()
    }

    /// Puts the writer's name and signature on it.
    #[must_use]
    pub fn signed(mut self, bucket: BucketId, writer: &Identity) -> Self {
        self.writer = Some(writer.id());
        self.signature = Some(writer.sign(&self.signed_message(bucket)));
        self
    }

    /// Checks that its writer wrote this into this bucket.
    ///
    /// # Errors
    /// [`DecodeError::Unverified`] if it is not signed, or not by its writer.
    pub fn verify(&self, bucket: BucketId) -> Result<PeerId, DecodeError> {
        const WHAT: &str = "a version record";
        let (Some(writer), Some(signature)) = (self.writer, &self.signature) else {
            return Err(DecodeError::Unverified { what: WHAT });
        };
        writer.verify(WHAT, &self.signed_message(bucket), signature)?;
        Ok(writer)
    }

    /// The record.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut version = wire::Version {
            stamp: self.stamp.as_u64(),
            group: self.group.as_u64(),
            slot: self.slot.number().into(),
            object: self.object.as_bytes().to_vec().into(),
            request: self.request.as_bytes().to_vec().into(),
            previous: ids::version_bytes(self.previous),
            size: self.size,
            etag: self.etag.clone(),
            storage_class: self.storage_class,
            replication: self.replication,
            home_region: self.home_region,
            tags: self.tags.iter().map(|tag| wire::Tag { name: tag.name.clone(), value: tag.value.clone() }).collect(),
            metadata: self.metadata.clone(),
            lock: self.lock.as_ref().map(Lock::encode).unwrap_or_default(),
            width: self.width,
            writer: self.writer.map(|id| id.as_bytes().to_vec()).unwrap_or_default().into(),
            signature: self.signature.map(|bytes| bytes.to_vec()).unwrap_or_default().into(),
            expires_ms: self.expires_ms,
            ..wire::Version::default()
        };
        self.body.to_wire(&mut version);
        [version.encode_to_vec().as_slice(), &self.unknown].concat().into()
    }

    /// Decodes a record, or what a writer sent.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a whole version within its bounds.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let unknown = unknown_fields(bytes, KNOWN)?;
        let version: wire::Version = decode(bytes.clone())?;
        Ok(Self {
            stamp: Stamp::from_u64(version.stamp),
            group: GroupId::new(version.group),
            slot: Slot::from_wire(version.slot)?,
            object: ObjectId::from_bytes(fixed(&version.object, "object")?),
            request: RequestId::from_bytes(fixed(&version.request, "request")?),
            previous: ids::version_or_none(&version.previous)?,
            size: version.size,
            etag: at_most(version.etag, ETAG_BYTES_MAX)?,
            storage_class: version.storage_class,
            replication: version.replication,
            home_region: version.home_region,
            tags: tags(version.tags)?,
            metadata: at_most(version.metadata, METADATA_BYTES_MAX)?,
            lock: Some(Lock::decode(version.lock)?).filter(|lock| *lock != Lock::default()),
            width: version.width,
            writer: fixed_or_none(&version.writer, "writer")?.map(PeerId::from_bytes),
            signature: fixed_or_none(&version.signature, "signature")?,
            expires_ms: version.expires_ms,
            body: Body::from_wire(version.marker, &version.inline_body, &version.object_body)?,
            unknown,
        })
    }
}

impl Lock {
    fn encode(&self) -> Bytes {
        let &Self { until_ms, compliance, legal_hold, ref unknown } = self;
        [wire::Lock { until_ms, compliance, legal_hold }.encode_to_vec().as_slice(), unknown].concat().into()
    }

    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let unknown = unknown_fields(&bytes, 3)?;
        let wire::Lock { until_ms, compliance, legal_hold } = decode(bytes)?;
        Ok(Self { until_ms, compliance, legal_hold, unknown })
    }
}

fn tags(tags: Vec<wire::Tag>) -> Result<Vec<Tag>, DecodeError> {
    let tags: Vec<Tag> = tags.into_iter().map(|tag| Tag { name: tag.name, value: tag.value }).collect();
    let fits = |tag: &Tag| {
        !tag.name.is_empty() && tag.name.len() <= TAG_NAME_BYTES_MAX && tag.value.len() <= TAG_VALUE_BYTES_MAX
    };
    let ascending = tags.is_sorted_by(|before, after| before.name < after.name);
    if ascending && tags.iter().all(fits) { Ok(tags) } else { Err(DecodeError::field("tags")) }
}

#[cfg(test)]
mod tests;
