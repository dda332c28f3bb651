//! What happened to the keys of a bucket.

use super::bucket::Bucket;
use crate::error::ObjectError;
use crate::ports::{Events, EventsSince};

impl Bucket {
    /// What happened to the bucket's keys since then, in the order of time as groups have it. Groups say what they applied;
    /// whether somebody could write a version shows where it is read.
    ///
    /// # Errors
    /// [`NameError::Metadata`](super::NameError::Metadata) if not all groups answer: what they said is told the next time.
    pub async fn events(&self, since: &EventsSince) -> Result<Events, ObjectError> {
        Ok(self.names.metadata.events(&self.known().row.config, since).await?)
    }
}
