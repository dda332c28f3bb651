//! What the engine needs to speak to others who have a bucket open, and to hear them: the members beside which they run.
//!
//! Implemented by `storgo-consensus` over the network. It carries what is sealed, and must not know what is in it.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use storgo_protocol::PeerId;
use storgo_protocol::cluster::SealedTalk;
use storgo_protocol::meta::{BucketConfig, BucketId, HearerId, Slot};
use tokio::sync::mpsc;

use super::MetadataError;

/// The members of the network, as places where others hear.
#[async_trait]
pub trait Neighbours: Send + Sync + fmt::Debug {
    /// All members but the one beside which this runs.
    ///
    /// # Errors
    /// [`MetadataError`].
    async fn members(&self) -> Result<Vec<PeerId>, MetadataError>;

    /// The member beside which this runs, if it runs beside one.
    fn here(&self) -> Option<PeerId>;

    /// Whose turn it is to lead the group of each slot: ranges in ascending order, without gaps. Nothing while no map is known.
    fn leads(&self) -> Vec<(RangeInclusive<Slot>, Option<PeerId>)>;

    /// Tells whoever hears at a member for a bucket something, or asks who that is. The answer is who hears there: what was
    /// sealed for another was given to nobody.
    ///
    /// # Errors
    /// [`MetadataError::Unavailable`]: it may or may not have been heard.
    async fn tell(
        &self,
        member: PeerId,
        bucket: BucketId,
        talk: Option<SealedTalk>,
    ) -> Result<Option<HearerId>, MetadataError>;

    /// Hears what the member beside which this runs is told for a bucket, in place of whoever did before; as long as the
    /// answer is kept.
    fn hear(&self, bucket: BucketId, hearing: Hearing) -> mpsc::Receiver<Said>;
}

/// What somebody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who proved to be the user that says it.
    pub by: PeerId,
    /// What it is.
    pub talk: SealedTalk,
}

/// Who hears.
#[derive(Clone)]
pub struct Hearing {
    /// Under which id.
    pub hearer: HearerId,
    /// The bucket as it is known, at any moment: whoever may write to it is heard.
    pub config: Arc<dyn Fn() -> BucketConfig + Send + Sync>,
}

impl fmt::Debug for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hearing").field("hearer", &self.hearer).finish_non_exhaustive()
    }
}
