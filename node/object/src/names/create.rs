//! Buckets come and go.

use bytes::Bytes;
use storgo_pipeline::{MemberSecret, wrap};
use storgo_protocol::cluster::{
    Bucket as Row, Level, Listing, MemberKeys, ReadPreference, Replication, is_bucket_name,
};
use storgo_protocol::limits::{BUCKET_SPREAD_DEFAULT, INLINE_BYTES_MAX};
use storgo_protocol::meta::{BucketConfig, BucketId, BucketMember, KeyRule};
use storgo_protocol::{BucketKey, Code};

use super::Names;
use super::bucket::Bucket;
use super::error::NameError;
use super::known::Known;
use crate::error::ObjectError;
use crate::ports::MetadataError;

/// How a bucket is made.
#[derive(Debug, Clone, Copy)]
pub struct BucketOptions {
    /// What its keys look like, and how they are spread.
    pub rule: KeyRule,
    /// Whether overwriting and deleting keep what was there.
    pub versioning: bool,
    /// Bytes up to which a body stands in its record; at most [`INLINE_BYTES_MAX`].
    pub inline_bytes_max: u32,
    /// How other bodies are coded; `None` for the widest default that the peers allow.
    pub redundancy: Option<Code>,
    /// How a write is acknowledged.
    pub replication: Replication,
    /// How reads of names are answered.
    pub read_preference: ReadPreference,
}

impl Default for BucketOptions {
    fn default() -> Self {
        Self {
            rule: KeyRule::Flat { spread: BUCKET_SPREAD_DEFAULT },
            versioning: false,
            inline_bytes_max: u32::try_from(INLINE_BYTES_MAX).unwrap_or(u32::MAX),
            redundancy: None,
            replication: Replication::default(),
            read_preference: ReadPreference::default(),
        }
    }
}

impl Names {
    /// Makes a bucket whose owner and only member is the user.
    ///
    /// # Errors
    /// [`NameError::Conflict`] if the name is taken; [`NameError::Invalid`] for a name that no bucket can have, and for
    /// what cannot be kept: a promise that is not kept today is not made.
    pub async fn create_bucket(&self, name: &str, options: &BucketOptions) -> Result<Bucket, ObjectError> {
        let invalid = |reason: &str| NameError::Invalid { what: name.to_owned(), reason: reason.to_owned() };
        if !is_bucket_name(name) {
            return Err(invalid(
                "a bucket's name is 3 to 63 lower-case letters, digits, hyphens and dots, with a letter or digit at both ends",
            )
            .into());
        }
        if options.inline_bytes_max as usize > INLINE_BYTES_MAX {
            return Err(invalid("bodies of more than 16 KiB cannot stand in records").into());
        }
        let row = self.new_row(name, options)?;
        match self.metadata.set_bucket(name, Some(row), None).await {
            Ok(()) => self.bucket(name).await,
            Err(MetadataError::Conflict(_)) => {
                Err(NameError::Conflict { what: name.to_owned(), reason: "a bucket of this name exists".into() }.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn new_row(&self, name: &str, options: &BucketOptions) -> Result<Row, ObjectError> {
        let Self { engine, .. } = self;
        let (user, key) = (engine.user.identity.id(), MemberSecret::of(&engine.user.identity).key());
        let bucket = BucketId::from_bytes(engine.random.array());
        let secret = BucketKey::from_bytes(engine.random.array());
        let wrapped = vec![wrap(&secret, bucket, FIRST, &key, engine.random.array())?];
        Ok(Row {
            config: BucketConfig {
                bucket,
                generation: 1,
                rule: options.rule,
                versioning: options.versioning,
                inline_bytes_max: options.inline_bytes_max,
                fenced: false,
                members: vec![BucketMember { user, writes: true }],
                unknown: Bytes::new(),
            },
            name: name.to_owned(),
            owner: user,
            created_ms: engine.clock.now_ms(),
            key_generation: FIRST,
            keys: vec![MemberKeys { user, key, wrapped }],
            redundancy: options.redundancy,
            replication: options.replication,
            read_preference: options.read_preference,
            former: Vec::new(),
            access_keys: Vec::new(),
            unknown: Bytes::new(),
        })
    }

    /// A page of the user's buckets behind the name `after`, and whether there are more.
    ///
    /// # Errors
    /// [`NameError::Metadata`] if group 0 does not answer.
    pub async fn buckets(&self, after: &str) -> Result<(Vec<Row>, bool), ObjectError> {
        let (rows, more) = self.metadata.buckets(after).await?;
        Ok((rows.into_iter().map(|row| row.bucket).collect(), more))
    }

    /// Removes an empty bucket. It takes no writes from the moment that it is looked at: when something is left, versions and
    /// markers too, it takes them again. Interrupted in between it takes none, until this is run again.
    ///
    /// # Errors
    /// [`NameError::Conflict`] if it is not empty.
    pub async fn remove_bucket(&self, name: &str) -> Result<(), ObjectError> {
        let fenced = self.fence(name, true).await?;
        match self.is_empty(&fenced).await {
            Ok(true) => match self.metadata.set_bucket(name, None, Some(fenced.revision)).await {
                Ok(()) => Ok(()),
                Err(MetadataError::Conflict(_)) => {
                    let reason = "somebody changed it while it was removed; it is still there".to_owned();
                    Err(NameError::Conflict { what: name.to_owned(), reason }.into())
                }
                Err(error) => Err(error.into()),
            },
            Ok(false) => {
                self.fence(name, false).await?;
                let reason = "it is not empty; old versions and delete markers count".to_owned();
                Err(NameError::Conflict { what: name.to_owned(), reason }.into())
            }
            Err(error) => {
                if let Err(fault) = self.fence(name, false).await {
                    tracing::warn!(bucket = name, %fault, "the bucket takes no writes until its removal is tried again");
                }
                Err(error)
            }
        }
    }

    async fn fence(&self, name: &str, fenced: bool) -> Result<Known, ObjectError> {
        self.change(name, |known| {
            let mut row = known.row.clone();
            let changed = row.config.fenced != fenced;
            row.config.fenced = fenced;
            Ok(changed.then_some(row))
        })
        .await
    }

    async fn is_empty(&self, known: &Known) -> Result<bool, ObjectError> {
        let (bucket, prefix) = (known.id(), Bytes::new());
        let listing = Listing { bucket, prefix, after: None, limit: 1, versions: true, slots: None };
        let listed = self.metadata.list(&known.row.config, &listing, Level::Linearizable).await?;
        Ok(listed.found.is_empty() && !listed.more)
    }
}

/// The first generation of a bucket's key.
const FIRST: u32 = 1;
