//! What a member knows of a bucket: its row of group 0, and the keys that were wrapped for this member.

use std::collections::BTreeMap;

use storgo_pipeline::MemberSecret;
use storgo_protocol::cluster::{Bucket as Row, BucketRow, Level};
use storgo_protocol::meta::{BucketId, Stamp, Version};
use storgo_protocol::{BucketKey, DecodeError, PeerId};

use super::error::NameError;
use crate::engine::User;
use crate::error::ObjectError;

/// A bucket as it was when its row was read.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) row: Row,
    pub(super) revision: Stamp,
    keys: BTreeMap<u32, BucketKey>,
}

/// Why a version is not believed.
#[derive(Debug)]
pub(super) enum Distrust {
    /// Its signature does not hold.
    Signature(DecodeError),
    /// It was signed by somebody who could not write it, as far as is known.
    Writer(PeerId),
}

impl Known {
    /// Opens a row for a user.
    ///
    /// # Errors
    /// [`NameError::NoBucket`] if nothing in it is meant for the user.
    pub(super) fn open(found: BucketRow, user: &User) -> Result<Self, ObjectError> {
        let BucketRow { bucket: row, revision } = found;
        let no_bucket = || NameError::NoBucket { name: row.name.clone() };
        let wrapped = &row.keys_of(user.identity.id()).ok_or_else(no_bucket)?.wrapped;
        let secret = MemberSecret::of(&user.identity);
        let mut keys = BTreeMap::new();
        for wrapped in wrapped {
            // One that does not open is missed where it is needed, and keeps nothing else shut.
            match secret.unwrap(row.config.bucket, wrapped) {
                Ok(key) => drop(keys.insert(wrapped.generation, key)),
                Err(error) => {
                    tracing::warn!(bucket = row.name, generation = wrapped.generation, %error, "a key does not open");
                }
            }
        }
        Ok(Self { row, revision, keys })
    }

    pub(super) const fn id(&self) -> BucketId {
        self.row.config.bucket
    }

    /// The bucket's key of one generation.
    ///
    /// # Errors
    /// [`NameError::Denied`] if this member does not have it.
    pub(super) fn key(&self, generation: u32) -> Result<&BucketKey, ObjectError> {
        let denied = || {
            let reason = format!("its key of generation {generation} is not among those that were given to you");
            NameError::Denied { what: self.row.name.clone(), reason }
        };
        Ok(self.keys.get(&generation).ok_or_else(denied)?)
    }

    pub(super) fn has_key(&self, generation: u32) -> bool {
        self.keys.contains_key(&generation)
    }

    /// All keys, with their generations.
    pub(super) fn keys(&self) -> impl Iterator<Item = (u32, &BucketKey)> {
        self.keys.iter().map(|(generation, key)| (*generation, key))
    }

    /// Checks that a version is what somebody wrote who could.
    pub(super) fn judge(&self, version: &Version) -> Result<(), Distrust> {
        let writer = version.verify(self.id()).map_err(Distrust::Signature)?;
        if self.row.could_write(writer, version.body.generation()) { Ok(()) } else { Err(Distrust::Writer(writer)) }
    }

    /// How reads are answered unless somebody needs better.
    pub(super) fn level(&self) -> Level {
        self.row.read_preference.into()
    }
}
