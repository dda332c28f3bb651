//! Bodies of versions: sealed into the record, or put as objects whose content key the record holds, sealed.

use bytes::Bytes;
use storgo_pipeline::{InlinePlace, PipelineError, open_content_key, seal_content_key};
use storgo_protocol::ContentKey;
use storgo_protocol::limits::{RECORD_NODE_BYTES_MAX, TAG_BYTES};
use storgo_protocol::meta::{Body, InlineBody, ObjectBody, ObjectId, Version};

use super::known::Known;
use crate::error::ObjectError;
use crate::put::Stored;
use crate::report::PutReport;

/// A body that is as durable as it must be before a record names it: one that stands in the record is that with the record.
pub(super) enum Ready<'a> {
    /// It is to stand in its record.
    Inline(&'a [u8]),
    /// It was put on peers, under the bucket's key of this generation.
    Stored(u32, Box<Stored>),
}

impl Ready<'_> {
    /// A version like this one with what is known of the body.
    pub(super) fn describe(&self, like: Version) -> Version {
        match self {
            Self::Inline(plain) => Version { size: plain.len() as u64, width: 0, ..like },
            Self::Stored(_, stored) => {
                let width = u32::try_from(stored.report.width.domains).unwrap_or(u32::MAX);
                Version { size: stored.report.bytes, width, ..like }
            }
        }
    }

    /// What the record says. `salt` is fresh and random.
    pub(super) fn seal(&self, known: &Known, object: ObjectId, salt: [u8; 32]) -> Result<Body, ObjectError> {
        match self {
            Self::Inline(plain) => known.seal_inline(object, salt, plain),
            Self::Stored(generation, stored) => known.object_body(*generation, stored),
        }
    }

    /// How it was put; `None` if it stands in the record.
    pub(super) fn into_report(self) -> Option<PutReport> {
        match self {
            Self::Inline(_) => None,
            Self::Stored(_, stored) => Some(stored.report),
        }
    }
}

impl Known {
    /// Seals a body that is to stand in its record, under the newest key. `salt` is fresh and random.
    pub(super) fn seal_inline(&self, object: ObjectId, salt: [u8; 32], plain: &[u8]) -> Result<Body, ObjectError> {
        let generation = self.row.key_generation;
        let place = InlinePlace { bucket: self.id(), object, generation };
        let sealed = place.seal(self.key(generation)?, &salt, plain)?.into();
        Ok(Body::Inline(InlineBody { generation, salt, sealed, unknown: Bytes::new() }))
    }

    /// Opens a body that stands in its record.
    pub(super) fn open_inline(&self, object: ObjectId, body: &InlineBody) -> Result<Bytes, ObjectError> {
        let place = InlinePlace { bucket: self.id(), object, generation: body.generation };
        let opened = place.open(self.key(body.generation)?, &body.salt, body.sealed.to_vec());
        Ok(opened.map_err(|error| damaged("a body in its record", error))?.into())
    }

    /// What a record says of an object that was put under the key of this generation.
    pub(super) fn object_body(&self, generation: u32, stored: &Stored) -> Result<Body, ObjectError> {
        let content = stored.report.ticket.content;
        let sealed_key = seal_content_key(self.key(generation)?, &content, &stored.report.ticket.key)?;
        Ok(Body::Object(ObjectBody {
            content,
            layout: stored.layout,
            root: if_small(&stored.root),
            layout_top: if_small(&stored.layout_top),
            generation,
            sealed_key,
            unknown: Bytes::new(),
        }))
    }

    /// The key that opens an object.
    pub(super) fn content_key(&self, body: &ObjectBody) -> Result<ContentKey, ObjectError> {
        let opened = open_content_key(self.key(body.generation)?, &body.content, &body.sealed_key);
        opened.map_err(|error| damaged("a content key in its record", error))
    }
}

/// A node that is to stand in the record too, if it is small enough.
fn if_small(node: &Bytes) -> Bytes {
    if node.len() <= RECORD_NODE_BYTES_MAX { node.clone() } else { Bytes::new() }
}

fn damaged(what: &'static str, error: PipelineError) -> ObjectError {
    ObjectError::corrupt(what, error)
}

/// Bytes of what a body holds, where the record alone tells.
pub(super) fn plain_bytes(body: &Body) -> Option<u64> {
    match body {
        Body::Inline(body) => Some(body.sealed.len().saturating_sub(TAG_BYTES) as u64),
        Body::Marker => Some(0),
        Body::Object(_) => None,
    }
}

/// The entity tag: what the writer signs of the body, in hexadecimal. It hashes sealed bytes only, so that it tells nobody
/// what they are; of a body in a record it is another one each time.
pub(super) fn etag(body: &Body) -> Bytes {
    blake3::Hash::from_bytes(body.commitment().1).to_hex().to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_nodes_stand_in_records() {
        let node = |bytes| Bytes::from(vec![1; bytes]);
        assert_eq!(if_small(&node(RECORD_NODE_BYTES_MAX)), node(RECORD_NODE_BYTES_MAX));
        assert_eq!(if_small(&node(RECORD_NODE_BYTES_MAX + 1)), Bytes::new());
    }

    #[test]
    fn a_tag_is_what_the_writer_signs_of_the_body() {
        let body =
            InlineBody { generation: 1, salt: [0; 32], sealed: Bytes::from_static(b"sealed"), unknown: Bytes::new() };
        assert_eq!(etag(&Body::Inline(body)), blake3::hash(b"sealed").to_hex().as_str());
    }
}
