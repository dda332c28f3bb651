//! A bucket in the hands of one of its members.

use std::sync::Arc;

use parking_lot::Mutex;
use storgo_protocol::cluster::{Bucket as Row, Level};
use storgo_protocol::meta::Version;

use super::Names;
use super::error::{NameError, printed};
use super::known::{Distrust, Known};
use super::value::Opened;
use crate::error::ObjectError;

/// A bucket that was opened. It reads its row anew when somebody changed the bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub(super) names: Names,
    name: Arc<str>,
    // Held only to take or replace the pointer, never across an await.
    known: Arc<Mutex<Arc<Known>>>,
    /// How reads are answered through this handle, if not as the bucket has it.
    level: Option<Level>,
    pub(super) opened: Opened,
}

impl Names {
    /// Opens a bucket.
    ///
    /// # Errors
    /// [`NameError::NoBucket`] if there is none, or none that the user may see.
    pub async fn bucket(&self, name: &str) -> Result<Bucket, ObjectError> {
        let known = self.read_bucket(name).await?;
        let known = Arc::new(Mutex::new(Arc::new(known)));
        Ok(Bucket { names: self.clone(), name: name.into(), known, level: None, opened: Opened::default() })
    }

    pub(super) async fn read_bucket(&self, name: &str) -> Result<Known, ObjectError> {
        let found = self.metadata.bucket(name).await?;
        let found = found.ok_or_else(|| NameError::NoBucket { name: name.to_owned() })?;
        Known::open(found, &self.engine.user)
    }
}

impl Bucket {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same bucket, read at this level rather than as its policy has it; `None` takes that back. What is read in order
    /// to write is read at the strongest all the same.
    #[must_use]
    pub fn reading_at(self, level: Option<Level>) -> Self {
        Self { level, ..self }
    }

    /// How reads are answered unless somebody needs better.
    pub(super) fn level(&self) -> Level {
        self.level.unwrap_or_else(|| self.known().level())
    }

    /// What was last read of it.
    #[must_use]
    pub fn row(&self) -> Row {
        self.known().row.clone()
    }

    pub(super) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.lock())
    }

    /// Reads the row again.
    pub(super) async fn refresh(&self) -> Result<Arc<Known>, ObjectError> {
        let known = Arc::new(self.names.read_bucket(&self.name).await?);
        *self.known.lock() = Arc::clone(&known);
        Ok(known)
    }

    /// What is known of the bucket, with the key of this generation if there is one for this member.
    pub(super) async fn known_with_key(&self, generation: u32) -> Result<Arc<Known>, ObjectError> {
        let known = self.known();
        if known.has_key(generation) { Ok(known) } else { self.refresh().await }
    }

    /// Checks that a version was written by somebody who could write it, before anything of it is believed.
    ///
    /// # Errors
    /// [`ObjectError::Corrupt`] if not: it was forged, or damaged.
    pub(super) async fn check(&self, key: &[u8], version: &Version) -> Result<(), ObjectError> {
        let judged = match self.known().judge(version) {
            // Perhaps somebody was let in a moment ago.
            Err(Distrust::Writer(_)) => self.refresh().await?.judge(version),
            judged => judged,
        };
        judged.map_err(|distrust| {
            let what = format!("the record of {}, version {},", self.printed(key), version.id());
            match distrust {
                Distrust::Signature(error) => ObjectError::corrupt(what, error),
                Distrust::Writer(writer) => {
                    ObjectError::corrupt(what, format!("{writer} signed it and could not write it"))
                }
            }
        })
    }

    pub(super) fn printed(&self, key: &[u8]) -> String {
        printed(&self.name, key)
    }
}
