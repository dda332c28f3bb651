//! Copies and renames.
//!
//! Within a bucket no body moves: a copy is a record that names the same object, and a rename keeps the object id and
//! with it the sealed body, as it stands. Another bucket has other keys, under which nobody of this one is to read: what
//! goes there is read and put anew.

use storgo_protocol::GroupId;
use storgo_protocol::cluster::Level;
use storgo_protocol::meta::{Body, Condition, ObjectId, Slot, Stamp, Version, VersionId};

use super::Names;
use super::bucket::Bucket;
use super::delete::RemoveOptions;
use super::error::NameError;
use super::find::Entry;
use super::known::Known;
use super::pipe::pipe;
use super::put::{PutNamedOptions, Unsigned, Written};
use crate::error::{ErrorKind, ObjectError};
use crate::progress::Progress;
use crate::put::PutOptions;

/// A key of a bucket.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// The key.
    pub key: &'a [u8],
}

/// What is copied or renamed, and where to.
#[derive(Debug, Clone, Copy)]
pub struct CopyOptions<'a> {
    /// Whence.
    pub from: Place<'a>,
    /// This version of it; without it the newest. A rename is of the newest.
    pub version: Option<VersionId>,
    /// Where to.
    pub to: Place<'a>,
    /// What must hold there.
    pub condition: Condition,
}

impl Place<'_> {
    fn is(&self, other: &Place<'_>) -> bool {
        self.same_bucket(other) && self.key == other.key
    }

    fn same_bucket(&self, other: &Place<'_>) -> bool {
        self.bucket.known().id() == other.bucket.known().id()
    }
}

impl Names {
    /// Copies a version of a key to another key, as a new object.
    ///
    /// # Errors
    /// As [`Bucket::find`] and [`Bucket::put`].
    pub async fn copy(&self, options: CopyOptions<'_>, progress: &Progress) -> Result<Written, ObjectError> {
        let CopyOptions { from, version, to, condition } = options;
        to.bucket.may_write(to.key).await?;
        let entry = from.bucket.find_at(from.key, version, Level::Linearizable).await?;
        if !from.same_bucket(&to) {
            let like = copied(&entry.version);
            return self.copy_across(entry, like, options, progress).await;
        }
        let newest = to.bucket.newest(to.key).await?;
        to.bucket.expect(to.key, condition, newest.as_ref())?;
        let object = to.bucket.object_id(to.key, newest.as_ref()).await;
        progress.set_total(entry.version.size);
        let written = copy_within(&entry, to, object, condition).await?;
        progress.add_done(entry.version.size);
        Ok(written)
    }

    /// Renames a key: copies its newest version, and deletes the key if that is still its newest. Within a bucket it is
    /// the same object under another name, and a rename that was interrupted in between is finished by the next.
    ///
    /// # Errors
    /// As [`Bucket::put`] and [`Bucket::remove`]; [`NameError::Conflict`] if the key was changed meanwhile, when both keys
    /// stand.
    pub async fn rename(&self, options: CopyOptions<'_>, progress: &Progress) -> Result<Written, ObjectError> {
        let CopyOptions { from, to, condition, .. } = options;
        if from.is(&to) {
            let reason = "it has that name already".to_owned();
            return Err(NameError::Invalid { what: from.bucket.printed(from.key), reason }.into());
        }
        from.bucket.may_write(from.key).await?;
        to.bucket.may_write(to.key).await?;
        let entry = from.bucket.find_at(from.key, None, Level::Linearizable).await?;
        let (version, size) = (entry.version.id(), entry.version.size);
        if entry.version.lock.as_ref().is_some_and(|lock| lock.holds(self.engine.clock.now_ms())) {
            let reason = "a lock keeps it where it is".to_owned();
            return Err(NameError::Denied { what: from.bucket.printed(from.key), reason }.into());
        }
        let written = if from.same_bucket(&to) {
            progress.set_total(size);
            let written = rename_within(&entry, to, condition).await?;
            progress.add_done(size);
            written
        } else {
            let like = unstamped(&entry.version);
            self.copy_across(entry, like, options, progress).await?
        };
        let gone = RemoveOptions { version: None, condition: Condition::Version(version) };
        match from.bucket.remove(from.key, gone).await {
            Ok(_) => Ok(written),
            Err(ObjectError::Name(NameError::Condition { .. } | NameError::NoKey { .. })) => {
                let to = to.bucket.printed(to.key);
                let reason = format!("it was changed while it was renamed; what it was stands at {to} too");
                Err(NameError::Conflict { what: from.bucket.printed(from.key), reason }.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a version, and puts what it holds into another bucket, with what stands beside the body of `like`.
    async fn copy_across(
        &self,
        entry: Entry,
        like: Version,
        options: CopyOptions<'_>,
        progress: &Progress,
    ) -> Result<Written, ObjectError> {
        let CopyOptions { from, to, condition, .. } = options;
        let size = entry.version.size;
        let object = from.bucket.open_entry(entry).await?;
        let (mut sink, mut reader) = pipe();
        let unseen = Progress::default();
        let reading = async {
            object.get(0..size, &mut sink, &unseen).await?;
            sink.end().await;
            Ok::<_, ObjectError>(())
        };
        let kind = object.object().map(crate::read::Object::kind).unwrap_or_default();
        let body = PutOptions { size_hint: Some(size), kind, ..PutOptions::default() };
        let options = PutNamedOptions { condition, body };
        let writing = to.bucket.put_like(to.key, &mut reader, like, &options, progress);
        let (read, written) = tokio::join!(reading, Box::pin(writing));
        match (read, written) {
            (Ok(()), Ok(written)) if written.size == size => Ok(written),
            (Ok(()), Ok(written)) => {
                let what = format!("the copy {}", to.bucket.printed(to.key));
                Err(ObjectError::corrupt(what, format!("it has {} bytes in place of {size}", written.size)))
            }
            // When both fail, one of them only because the other did.
            (Err(error), Err(_)) if error.kind() != ErrorKind::Local => Err(error),
            (_, Err(error)) | (Err(error), Ok(_)) => Err(error),
        }
    }
}

async fn copy_within(
    entry: &Entry,
    to: Place<'_>,
    object: ObjectId,
    condition: Condition,
) -> Result<Written, ObjectError> {
    let source = &entry.version;
    let plain = match &source.body {
        Body::Inline(body) => Some(to.bucket.known_with_key(body.generation).await?.open_inline(source.object, body)?),
        Body::Object(_) | Body::Marker => None,
    };
    let body = |known: &Known| match &plain {
        Some(plain) => known.seal_inline(object, to.bucket.names.engine.random.array(), plain),
        None => Ok(source.body.clone()),
    };
    to.bucket.write(to.key, Unsigned { object, condition, body: &body, like: copied(source) }).await
}

async fn rename_within(entry: &Entry, to: Place<'_>, condition: Condition) -> Result<Written, ObjectError> {
    let source = &entry.version;
    let body = |_: &Known| Ok(source.body.clone());
    let unsigned = Unsigned { object: source.object, condition, body: &body, like: unstamped(source) };
    match to.bucket.write(to.key, unsigned).await {
        Err(ObjectError::Name(error @ NameError::Condition { .. })) => {
            // What stands there may be what an earlier attempt wrote that did not come to the deletion.
            let found = to.bucket.newest(to.key).await?;
            let same =
                |found: &Version| found.object == source.object && found.body.commitment() == source.body.commitment();
            let found = found.filter(same).ok_or(error)?;
            to.bucket.check(to.key, &found).await?;
            let etag = String::from_utf8_lossy(&found.etag).into_owned();
            let version = found.id();
            Ok(Written { version, replaced: None, object: found.object, size: found.size, etag, body: None })
        }
        written => written,
    }
}

/// What a copy takes over: neither locks nor an end.
fn copied(version: &Version) -> Version {
    Version { lock: None, expires_ms: 0, ..unstamped(version) }
}

/// A version without what its group gave it.
fn unstamped(version: &Version) -> Version {
    Version {
        stamp: Stamp::ZERO,
        group: GroupId::new(0),
        slot: Slot::default(),
        previous: None,
        writer: None,
        signature: None,
        ..version.clone()
    }
}
