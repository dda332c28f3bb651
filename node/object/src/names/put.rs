//! Put: a body of unknown length becomes the newest version of a key.
//!
//! The body is durable before the record names it. What is small enough stands in the record itself.

use bytes::Bytes;
use storgo_protocol::meta::{Action, Body, Condition, KeyRule, ObjectId, Put, Reply, Version, VersionId};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::body::{Ready, etag};
use super::bucket::Bucket;
use super::error::NameError;
use super::known::Known;
use super::value::Signature;
use crate::error::ObjectError;
use crate::progress::Progress;
use crate::put::PutOptions;
use crate::report::PutReport;

/// How a key is put.
#[derive(Debug, Clone, Default)]
pub struct PutNamedOptions {
    /// What must hold.
    pub condition: Condition,
    /// How the body is put, if it does not stand in the record. Without a code, the bucket's is taken.
    pub body: PutOptions,
}

/// What a put did.
#[derive(Debug, Clone)]
pub struct Written {
    /// The version that stands now.
    pub version: VersionId,
    /// What was the newest before, if the key was there.
    pub replaced: Option<VersionId>,
    /// What the key names.
    pub object: ObjectId,
    /// Bytes of the body.
    pub size: u64,
    /// The entity tag.
    pub etag: String,
    /// How the body was put; `None` if it stands in the record, or stood on peers before.
    pub body: Option<PutReport>,
}

/// A version without what its author adds last, when the bucket is known: its request, and the body if it is sealed anew
/// for each attempt.
pub(super) struct Unsigned<'a> {
    pub(super) object: ObjectId,
    pub(super) condition: Condition,
    pub(super) body: &'a (dyn Fn(&Known) -> Result<Body, ObjectError> + Send + Sync),
    /// What is taken over into the version: its size, and what stands beside the body.
    pub(super) like: Version,
}

impl Bucket {
    /// Puts what `source` gives until it ends.
    ///
    /// # Errors
    /// [`NameError::Condition`] if the condition does not hold, [`NameError::Denied`] if the user may not write,
    /// [`NameError::Invalid`] for a key that the bucket cannot have, otherwise as [`Engine::put`](crate::Engine::put).
    /// After [`MetadataError::Unavailable`](crate::ports::MetadataError::Unavailable) it may or may not be written.
    pub async fn put(
        &self,
        key: &[u8],
        source: &mut (dyn AsyncRead + Send + Unpin),
        options: &PutNamedOptions,
        progress: &Progress,
    ) -> Result<Written, ObjectError> {
        let like = Version::new(ObjectId::from_bytes([0; 16]), self.names.request(), Body::Marker);
        self.put_like(key, source, like, options, progress).await
    }

    /// Puts with what stands beside the body of `like`, of another object.
    pub(super) async fn put_like(
        &self,
        key: &[u8],
        source: &mut (dyn AsyncRead + Send + Unpin),
        like: Version,
        options: &PutNamedOptions,
        progress: &Progress,
    ) -> Result<Written, ObjectError> {
        self.may_write(key).await?;
        let newest = self.newest(key).await?;
        self.expect(key, options.condition, newest.as_ref())?;
        let object = self.object_id(key, newest.as_ref()).await;
        let inline_max = u64::from(self.known().row.config.inline_bytes_max);
        let mut head = Vec::new();
        let read = (&mut *source).take(inline_max + 1).read_to_end(&mut head).await;
        read.map_err(|source| ObjectError::Local { what: "the source could not be read", source })?;
        let like = Version { object, ..like };
        let rest = (head.len() as u64 > inline_max).then_some(source);
        let ready = self.ready(&head, rest, &options.body, progress).await?;
        Ok(self.write_ready(key, ready, like, options.condition).await?.0)
    }

    /// Writes a version like this one, with a body that is ready. The version's signature is told too.
    pub(super) async fn write_ready(
        &self,
        key: &[u8],
        ready: Ready<'_>,
        like: Version,
        condition: Condition,
    ) -> Result<(Written, Option<Signature>), ObjectError> {
        let (object, like) = (like.object, ready.describe(like));
        let body = |known: &Known| ready.seal(known, object, self.names.engine.random.array());
        let (written, signature) = self.write_signed(key, Unsigned { object, condition, body: &body, like }).await?;
        Ok((Written { body: ready.into_report(), ..written }, signature))
    }

    /// Makes a body ready for its record: one that has a rest is put on peers.
    pub(super) async fn ready<'a>(
        &self,
        head: &'a [u8],
        rest: Option<&mut (dyn AsyncRead + Send + Unpin)>,
        options: &PutOptions,
        progress: &Progress,
    ) -> Result<Ready<'a>, ObjectError> {
        let Some(rest) = rest else {
            progress.set_total(head.len() as u64);
            progress.add_done(head.len() as u64);
            return Ok(Ready::Inline(head));
        };
        let known = self.known();
        let options = PutOptions { code: options.code.or(known.row.redundancy), ..options.clone() };
        let generation = known.row.key_generation;
        let secret = known.key(generation)?.convergence_secret();
        let mut whole = head.chain(rest);
        let stored = self.names.engine.put_for_record(secret, &mut whole, &options, progress).await?;
        Ok(Ready::Stored(generation, Box::new(stored)))
    }

    /// Signs a version and has it written.
    pub(super) async fn write(&self, key: &[u8], unsigned: Unsigned<'_>) -> Result<Written, ObjectError> {
        Ok(self.write_signed(key, unsigned).await?.0)
    }

    /// The same, and tells the signature.
    pub(super) async fn write_signed(
        &self,
        key: &[u8],
        unsigned: Unsigned<'_>,
    ) -> Result<(Written, Option<Signature>), ObjectError> {
        let Unsigned { object, condition, body, like } = unsigned;
        let key = Bytes::copy_from_slice(key);
        let request = self.names.request();
        let previous = condition.version();
        let size = like.size;
        // What the last attempt said of the body, and its signature: each one may seal it anew.
        let last = parking_lot::Mutex::new((Bytes::new(), None));
        let action = |known: &Known| {
            let body = body(known)?;
            let etag = etag(&body);
            let version = Version { object, request, previous, etag, body, ..like.clone() };
            let version = version.signed(known.id(), &self.names.engine.user.identity);
            *last.lock() = (version.etag.clone(), version.signature);
            let (bucket, generation, key) = (known.id(), known.row.config.generation, key.clone());
            Ok(Action::Put(Box::new(Put { bucket, generation, key, version, condition })))
        };
        match self.agree(&key, request, action).await? {
            Reply::Written { version, replaced } => {
                let (etag, signature) = last.into_inner();
                let etag = String::from_utf8_lossy(&etag).into_owned();
                Ok((Written { version, replaced, object, size, etag, body: None }, signature))
            }
            other => Err(self.strange(&key, &other)),
        }
    }

    /// Whether the user may write this key, before a body is read for nothing. Groups ask the same again.
    pub(super) async fn may_write(&self, key: &[u8]) -> Result<(), ObjectError> {
        let me = self.names.engine.user.identity.id();
        let mut known = self.known();
        if !known.row.config.admits(me, true) || known.row.config.fenced {
            known = self.refresh().await?;
        }
        let what = || self.printed(key);
        if !known.row.config.admits(me, true) {
            let reason = "you may read this bucket, not write to it".to_owned();
            return Err(NameError::Denied { what: what(), reason }.into());
        }
        if known.row.config.fenced {
            let reason = "the bucket is being removed".to_owned();
            return Err(NameError::Conflict { what: what(), reason }.into());
        }
        if !known.row.config.rule.allows(key) {
            let keys = match known.row.config.rule {
                KeyRule::Redis => "at most 65536 bytes",
                KeyRule::Flat { .. } | KeyRule::Tree => "1 to 1024 bytes of UTF-8 without NUL",
            };
            let reason = format!("this bucket has no such keys: they are {keys}");
            return Err(NameError::Invalid { what: what(), reason }.into());
        }
        Ok(())
    }

    /// What a key names from now on: the same as before if it is there, and if who says so could write it. After a
    /// deletion it is another object: the old one may have been renamed.
    pub(super) async fn object_id(&self, key: &[u8], newest: Option<&Version>) -> ObjectId {
        let random = || ObjectId::from_bytes(self.names.engine.random.array());
        let Some(newest) = newest else { return random() };
        match self.check(key, newest).await {
            Ok(()) => newest.object,
            Err(error) => {
                tracing::warn!(key = self.printed(key), %error, "the newest version is not believed");
                random()
            }
        }
    }
}
