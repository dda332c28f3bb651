//! Reading a version's body, whether it stands in the record or on peers.

use std::ops::Range;

use bytes::Bytes;
use storgo_protocol::ContentId;
use storgo_protocol::meta::{Body, VersionId};

use super::bucket::Bucket;
use super::error::NameError;
use super::find::Entry;
use crate::error::ObjectError;
use crate::progress::Progress;
use crate::read::{Object, Piece, Sink};
use crate::report::GetReport;

/// A version whose body can be read.
#[derive(Debug)]
pub struct NamedObject {
    bucket: Bucket,
    entry: Entry,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Inline(Bytes),
    Object(Box<Object>),
}

impl Bucket {
    /// Finds a version of a key, and opens it.
    ///
    /// # Errors
    /// As [`Bucket::find`] and [`Engine::open`](crate::Engine::open); [`NameError::Denied`] if it is sealed under a key
    /// that this member does not have.
    pub async fn open(&self, key: &[u8], version: Option<VersionId>) -> Result<NamedObject, ObjectError> {
        self.open_entry(self.find(key, version).await?).await
    }

    pub(super) async fn open_entry(&self, entry: Entry) -> Result<NamedObject, ObjectError> {
        let content = match &entry.version.body {
            Body::Inline(body) => {
                let known = self.known_with_key(body.generation).await?;
                Content::Inline(known.open_inline(entry.version.object, body)?)
            }
            Body::Object(body) => {
                let key = self.known_with_key(body.generation).await?.content_key(body)?;
                let object = self.names.engine.open_record(body, &key).await?;
                if object.size() != entry.version.size {
                    let what = format!("the record of {}", self.printed(&entry.key));
                    return Err(ObjectError::corrupt(what, "its body has another length than it says"));
                }
                Content::Object(Box::new(object))
            }
            Body::Marker => return Err(NameError::NoKey { what: self.printed(&entry.key) }.into()),
        };
        Ok(NamedObject { bucket: self.clone(), entry, content })
    }
}

impl NamedObject {
    /// What was found.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Bytes of it.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.content {
            Content::Inline(bytes) => bytes.len() as u64,
            Content::Object(object) => object.size(),
        }
    }

    /// What tells these bytes from all others: the content id, or for a body in its record a hash in the form of one.
    #[must_use]
    pub fn content(&self) -> ContentId {
        ContentId::from_bytes(self.entry.version.body.commitment().1)
    }

    /// The object, unless the body stands in the record.
    #[must_use]
    pub fn object(&self) -> Option<&Object> {
        match &self.content {
            Content::Inline(_) => None,
            Content::Object(object) => Some(object),
        }
    }

    /// Gets the bytes `range`, end excluded.
    ///
    /// # Errors
    /// As [`Engine::get`](crate::Engine::get).
    pub async fn get(
        &self,
        range: Range<u64>,
        sink: &mut dyn Sink,
        progress: &Progress,
    ) -> Result<GetReport, ObjectError> {
        let bytes = match &self.content {
            Content::Object(object) => return self.bucket.names.engine.get(object, range, sink, progress).await,
            Content::Inline(bytes) => bytes,
        };
        let outside = || ObjectError::Range { from: range.start, to: range.end, size: self.size() };
        let part = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let (start, end) = part.filter(|(start, end)| start <= end && *end <= bytes.len()).ok_or_else(outside)?;
        let part = bytes.slice(start..end);
        progress.set_total(part.len() as u64);
        let mut report = GetReport { size: self.size(), ..GetReport::default() };
        let piece = Piece { number: 0, offset: range.start, bytes: u32::try_from(part.len()).map_err(|_| outside())? };
        if !part.is_empty() && !sink.has(&piece) {
            let put = sink.put(&piece, part).await;
            put.map_err(|source| ObjectError::Local { what: "the target could not be written", source })?;
        }
        report.bytes = u64::from(piece.bytes);
        progress.add_done(report.bytes);
        Ok(report)
    }
}
