//! Deleting: a key, or one version of it for good.

use bytes::Bytes;
use storgo_protocol::meta::{Action, Body, Condition, Delete, ObjectId, Reply, Version, VersionId};

use super::bucket::Bucket;
use super::error::NameError;
use super::known::Known;
use crate::error::ObjectError;

/// What is deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveOptions {
    /// This version for good; without it the key, of which a bucket that keeps versions keeps the old ones.
    pub version: Option<VersionId>,
    /// What must hold.
    pub condition: Condition,
}

/// What a deletion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// The marker that was written, or the version that was removed.
    pub version: VersionId,
    /// Whether it is a marker.
    pub marker: bool,
}

impl Bucket {
    /// Deletes a key, or one version of it.
    ///
    /// # Errors
    /// [`NameError::NoKey`] if it is not there, [`NameError::Condition`] if the condition does not hold,
    /// [`NameError::Denied`] if the user may not or a lock keeps it.
    pub async fn remove(&self, key: &[u8], options: RemoveOptions) -> Result<Deleted, ObjectError> {
        self.may_write(key).await?;
        let RemoveOptions { version, condition } = options;
        let newest = self.newest(key).await?;
        self.expect(key, condition, newest.as_ref())?;
        if newest.is_none() && version.is_none() {
            return Err(NameError::NoKey { what: self.printed(key) }.into());
        }
        let object = self.object_id(key, newest.as_ref()).await;
        let (deleted, marker) = self.delete(key, object, options).await?;
        let missing = || {
            let of = version.map(|version| format!(" in version {version}")).unwrap_or_default();
            NameError::NoKey { what: format!("{}{of}", self.printed(key)) }
        };
        Ok(Deleted { version: deleted.ok_or_else(missing)?, marker })
    }

    /// Has a group delete; the marker that was written or the version that was removed, if any, and whether it is a marker.
    /// A marker names `object`.
    pub(super) async fn delete(
        &self,
        key: &[u8],
        object: ObjectId,
        options: RemoveOptions,
    ) -> Result<(Option<VersionId>, bool), ObjectError> {
        let RemoveOptions { version, condition } = options;
        let (request, name) = (self.names.request(), Bytes::copy_from_slice(key));
        let previous = condition.version();
        let action = |known: &Known| {
            let marker = (version.is_none() && known.row.config.versioning).then(|| {
                let marker = Version { previous, ..Version::new(object, request, Body::Marker) };
                marker.signed(known.id(), &self.names.engine.user.identity)
            });
            let (bucket, generation, key) = (known.id(), known.row.config.generation, name.clone());
            Ok(Action::Delete(Box::new(Delete { bucket, generation, key, version, condition, marker })))
        };
        match self.agree(&name, request, action).await? {
            Reply::Deleted { version, marker } => Ok((version, marker)),
            other => Err(self.strange(key, &other)),
        }
    }
}
