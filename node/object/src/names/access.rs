//! Access keys of a bucket: made and removed by its owner, opened by whoever keeps a door to it.
//!
//! Who can open the bucket's key can open these, readers too: a door has to. So whoever was a member knew their secrets, and
//! shutting a member out does not make it forget them; only a removed key opens nothing.

use std::time::Duration;

use storgo_pipeline::{AccessPlace, open_access_key};
use storgo_protocol::BucketKey;
use storgo_protocol::cluster::{AccessKey, AccessKeyId, AccessSecret, AccessTerms, Bucket as Row};
use storgo_protocol::limits::{ACCESS_NOTE_BYTES_MAX, BUCKET_ACCESS_KEYS_MAX};

use super::Names;
use super::bucket::Bucket;
use super::error::NameError;
use super::known::Known;
use super::member::Access;
use crate::error::ObjectError;

/// What an access key is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeyOptions {
    /// What it allows.
    pub access: Access,
    /// For how long; `None` for good.
    pub lasts: Option<Duration>,
    /// What its owner calls it.
    pub note: String,
}

/// An access key with its secret.
#[derive(Debug, Clone)]
pub struct OpenAccessKey {
    /// What it is called, and what it allows until when.
    pub terms: AccessTerms,
    /// What who shows it has to know.
    pub secret: AccessSecret,
}

impl Names {
    /// Makes an access key of a bucket.
    ///
    /// # Errors
    /// [`NameError::Denied`] if the bucket is another user's, [`NameError::Invalid`] for a note that cannot be kept, and if
    /// the bucket has as many as it can have.
    pub async fn create_access_key(
        &self,
        bucket: &str,
        options: &AccessKeyOptions,
    ) -> Result<OpenAccessKey, ObjectError> {
        if !AccessTerms::is_note(&options.note) {
            let reason = format!("a note has at most {ACCESS_NOTE_BYTES_MAX} bytes and no control characters");
            return Err(invalid(bucket, &reason));
        }
        let random = &self.engine.random;
        let created_ms = self.engine.clock.now_ms();
        let expires_ms = options.lasts.map_or(0, |lasts| created_ms.saturating_add(millis(lasts)));
        let (id, writes) = (AccessKeyId::draw(random.array()), options.access == Access::Write);
        let made = OpenAccessKey {
            terms: AccessTerms { id, writes, created_ms, expires_ms, note: options.note.clone() },
            secret: AccessSecret::draw(&random.array()),
        };
        self.change(bucket, |known| {
            let mut row = known.row.clone();
            if row.access_key(id).is_some() {
                // It was written by a try that was not answered.
                return Ok(None);
            }
            if row.access_keys.len() >= BUCKET_ACCESS_KEYS_MAX {
                return Err(invalid(bucket, "it has as many access keys as a bucket can have: remove one"));
            }
            let newest = known.key(row.key_generation)?;
            let sealed = self.seal_access_key(&row, newest, made.clone())?;
            let at = row.access_keys.partition_point(|key| key.terms.id < id);
            row.access_keys.insert(at, sealed);
            Ok(Some(row))
        })
        .await?;
        Ok(made)
    }

    /// Removes an access key of a bucket.
    ///
    /// # Errors
    /// [`NameError::Denied`] if the bucket is another user's, [`NameError::NoAccessKey`] if there is none of this id.
    pub async fn remove_access_key(&self, bucket: &str, id: AccessKeyId) -> Result<Row, ObjectError> {
        let changed = self.change(bucket, |known| {
            let mut row = known.row.clone();
            if row.access_key(id).is_none() {
                return Err(NameError::NoAccessKey { bucket: bucket.to_owned(), id }.into());
            }
            row.access_keys.retain(|key| key.terms.id != id);
            Ok(Some(row))
        });
        Ok(changed.await?.row)
    }

    fn seal_access_key(&self, row: &Row, key: &BucketKey, open: OpenAccessKey) -> Result<AccessKey, ObjectError> {
        let place = AccessPlace { bucket: row.config.bucket, generation: row.key_generation };
        Ok(place.seal(key, &self.engine.random.array(), open.terms, &open.secret)?)
    }

    /// Seals all access keys of a row under its newest key, which is given. One that does not open stays as it is, and
    /// goes on to open nothing.
    pub(super) fn reseal_access_keys(&self, known: &Known, row: &mut Row, key: &BucketKey) -> Result<(), ObjectError> {
        let sealed = known.row.access_keys.iter().map(|sealed| match known.access_key(sealed) {
            Some(open) => self.seal_access_key(row, key, open),
            None => Ok(sealed.clone()),
        });
        row.access_keys = sealed.collect::<Result<_, _>>()?;
        Ok(())
    }
}

impl Bucket {
    /// Reads the bucket's row again, and opens its access keys: those that are expired too, and none that were tampered
    /// with.
    ///
    /// # Errors
    /// [`NameError::NoBucket`] if there is none any more, or none that the user may see.
    pub async fn access_keys(&self) -> Result<Vec<OpenAccessKey>, ObjectError> {
        let known = self.refresh().await?;
        Ok(known.row.access_keys.iter().filter_map(|sealed| known.access_key(sealed)).collect())
    }
}

impl Known {
    /// An access key, if it is as its owner made it.
    fn access_key(&self, sealed: &AccessKey) -> Option<OpenAccessKey> {
        let key = self.key(sealed.key_generation).ok()?;
        match open_access_key(key, self.id(), sealed) {
            Ok(secret) => Some(OpenAccessKey { terms: sealed.terms.clone(), secret }),
            Err(error) => {
                tracing::warn!(bucket = self.row.name, %error, "an access key opens nothing");
                None
            }
        }
    }
}

fn invalid(bucket: &str, reason: &str) -> ObjectError {
    NameError::Invalid { what: bucket.to_owned(), reason: reason.to_owned() }.into()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
