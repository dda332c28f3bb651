//! Who hears what this member is told for a bucket: programs in its process that have the bucket open.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_object::ports::{Hearing, Said};
use storgo_protocol::PeerId;
use storgo_protocol::cluster::SealedTalk;
use storgo_protocol::limits::TALKS_HEARD_MAX;
use storgo_protocol::meta::{BucketId, HearerId};
use tokio::sync::mpsc;

/// Hearers by their buckets, one of each. Clones are the same. It is locked to look or to change, never for longer.
#[derive(Debug, Clone, Default)]
pub(super) struct Hearers(Arc<Mutex<BTreeMap<BucketId, Hearer>>>);

#[derive(Debug, Clone)]
struct Hearer {
    hearing: Hearing,
    talks: mpsc::Sender<Said>,
}

impl Hearers {
    /// Hears for a bucket from here on, as long as the answer is kept.
    pub(super) fn hear(&self, bucket: BucketId, hearing: Hearing) -> mpsc::Receiver<Said> {
        let (talks, heard) = mpsc::channel(TALKS_HEARD_MAX);
        let mut hearers = self.0.lock();
        hearers.retain(|_, hearer| !hearer.talks.is_closed());
        hearers.insert(bucket, Hearer { hearing, talks });
        heard
    }

    /// Gives the hearer of a bucket what was sealed for it, and says who it is. Nobody hears who may not write to the bucket.
    pub(super) async fn tell(&self, user: PeerId, bucket: BucketId, talk: Option<SealedTalk>) -> Option<HearerId> {
        let Hearer { hearing, talks } = self.0.lock().get(&bucket).cloned()?;
        if talks.is_closed() || !(hearing.config)().admits(user, true) {
            return None;
        }
        if let Some(talk) = talk.filter(|talk| talk.hearer == hearing.hearer) {
            // Who speaks waits as long as others are not taken.
            talks.send(Said { by: user, talk }).await.ok()?;
        }
        Some(hearing.hearer)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt as _;
    use storgo_protocol::meta::{BucketConfig, BucketMember, KeyRule};

    use super::*;

    const BUCKET: BucketId = BucketId::from_bytes([1; 16]);

    fn user(seed: u8) -> PeerId {
        PeerId::from_bytes([seed; 32])
    }

    fn hearing(seed: u8) -> Hearing {
        let members = [(1, true), (2, false)].map(|(seed, writes)| BucketMember { user: user(seed), writes });
        let config = BucketConfig {
            bucket: BUCKET,
            generation: 1,
            rule: KeyRule::Redis,
            versioning: false,
            inline_bytes_max: 0,
            fenced: false,
            members: members.into(),
            unknown: Bytes::new(),
        };
        Hearing { hearer: HearerId::from_bytes([seed; 16]), config: Arc::new(move || config.clone()) }
    }

    fn talk(seed: u8) -> SealedTalk {
        SealedTalk {
            hearer: HearerId::from_bytes([seed; 16]),
            generation: 1,
            salt: [0; 32],
            sealed: Bytes::from_static(b"sealed"),
        }
    }

    fn said(seed: u8) -> Said {
        Said { by: user(1), talk: talk(seed) }
    }

    #[tokio::test]
    async fn who_hears_is_told_what_was_sealed_for_it_by_who_may_write() {
        let hearers = Hearers::default();
        assert_eq!(hearers.tell(user(1), BUCKET, None).await, None);
        let mut heard = hearers.hear(BUCKET, hearing(7));
        let me = Some(HearerId::from_bytes([7; 16]));
        assert_eq!(hearers.tell(user(1), BUCKET, None).await, me);
        assert_eq!(hearers.tell(user(1), BUCKET, Some(talk(7))).await, me);
        assert_eq!(hearers.tell(user(1), BUCKET, Some(talk(8))).await, me, "of an earlier life");
        for stranger in [2, 3] {
            assert_eq!(hearers.tell(user(stranger), BUCKET, Some(talk(7))).await, None);
        }
        assert_eq!(hearers.tell(user(1), BucketId::from_bytes([9; 16]), Some(talk(7))).await, None);
        assert_eq!((heard.try_recv().ok(), heard.try_recv().ok()), (Some(said(7)), None));
        // Another in its place, and nobody.
        let other = hearers.hear(BUCKET, hearing(8));
        assert_eq!(hearers.tell(user(1), BUCKET, Some(talk(7))).await, Some(HearerId::from_bytes([8; 16])));
        assert!(heard.recv().await.is_none());
        drop(other);
        assert_eq!(hearers.tell(user(1), BUCKET, Some(talk(8))).await, None);
    }

    #[tokio::test]
    async fn who_tells_more_than_is_taken_waits() {
        let hearers = Hearers::default();
        let mut heard = hearers.hear(BUCKET, hearing(7));
        for _ in 0..TALKS_HEARD_MAX {
            hearers.tell(user(1), BUCKET, Some(talk(7))).await;
        }
        let mut more = Box::pin(hearers.tell(user(1), BUCKET, Some(talk(7))));
        assert_eq!(more.as_mut().now_or_never(), None);
        assert!(heard.recv().await.is_some());
        assert!(more.now_or_never().is_some());
    }
}
