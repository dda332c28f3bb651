//! Opening what others say: what was not sealed for this hearer, or was heard before, is not heard.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use storgo_pipeline::TalkPlace;
use storgo_protocol::PeerId;
use storgo_protocol::cluster::{SealedTalk, Talk};
use storgo_protocol::limits::SPEAKERS_MAX;
use storgo_protocol::meta::HearerId;
use tokio::time::Instant;

use super::super::bucket::Bucket;
use crate::error::ObjectError;
use crate::ports::Said;

/// How long it does not look again for a newer key.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What one hearer knows of those whom it heard.
#[derive(Debug)]
pub(super) struct Ears {
    me: HearerId,
    /// When it was looked last whether there is a newer key.
    looked: Option<Instant>,
    /// The number of the last talk of each speaker. A speaker is who it says to be in the mouth of one user: nobody else can
    /// use up its numbers.
    last: LruCache<(PeerId, HearerId), u64>,
}

/// Something that is heard.
#[derive(Debug)]
pub(super) struct Heard {
    /// Whether its speaker was not heard before.
    pub(super) is_new: bool,
    /// What it says, in its order.
    pub(super) messages: Vec<Bytes>,
}

/// Why something is not heard.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unheard {
    #[error("it was said to another hearer")]
    Another,
    #[error("it was sealed under a key of generation {0}, which is not the newest")]
    Generation(u32),
    #[error("it was heard before, or something that was said after it")]
    Again,
    #[error("it does not open: {0}")]
    Closed(#[from] ObjectError),
    #[error("it makes no sense: {0}")]
    Nonsense(#[from] storgo_protocol::DecodeError),
}

impl Ears {
    pub(super) fn new(me: HearerId) -> Self {
        Self { me, looked: None, last: LruCache::new(NonZeroUsize::new(SPEAKERS_MAX).unwrap_or(NonZeroUsize::MIN)) }
    }

    /// What is said.
    ///
    /// # Errors
    /// [`Unheard`].
    pub(super) async fn open(&mut self, bucket: &Bucket, said: Said) -> Result<Heard, Unheard> {
        let Said { by, talk: SealedTalk { hearer, generation, salt, sealed } } = said;
        if hearer != self.me {
            return Err(Unheard::Another);
        }
        let mut known = bucket.known();
        // Whoever speaks could name a newer one each time.
        if generation > known.row.key_generation && self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_PAUSE) {
            self.looked = Some(Instant::now());
            known = bucket.refresh().await?;
        }
        // Who was shut out has the older ones still.
        if generation != known.row.key_generation {
            return Err(Unheard::Generation(generation));
        }
        let place = TalkPlace { bucket: known.id(), hearer, generation };
        let opened = place.open(known.key(generation)?, &salt, sealed.into()).map_err(ObjectError::from)?;
        self.take(by, Talk::decode(opened.into())?)
    }

    fn take(&mut self, by: PeerId, talk: Talk) -> Result<Heard, Unheard> {
        let last = self.last.get(&(by, talk.speaker)).copied();
        if last.is_some_and(|last| talk.number <= last) {
            return Err(Unheard::Again);
        }
        self.last.put((by, talk.speaker), talk.number);
        Ok(Heard { is_new: last.is_none(), messages: talk.messages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: PeerId = PeerId::from_bytes([1; 32]);

    fn talk(speaker: usize, number: u64) -> Talk {
        let speaker = [speaker.to_le_bytes(); 2].concat();
        Talk { speaker: HearerId::from_bytes(speaker.try_into().unwrap()), number, messages: vec![Bytes::new()] }
    }

    #[test]
    fn nothing_is_heard_twice_or_after_what_was_said_later() {
        let mut ears = Ears::new(HearerId::from_bytes([1; 16]));
        let heard: Vec<_> = [0, 0, 1, 5, 3, 5, 6].map(|number| ears.take(USER, talk(2, number)).is_ok()).into();
        assert_eq!(heard, [true, false, true, true, false, false, true]);
        assert!(ears.take(USER, talk(3, 0)).is_ok(), "another speaker");
    }

    #[test]
    fn nobody_is_silenced_by_another_user() {
        let mut ears = Ears::new(HearerId::from_bytes([1; 16]));
        let other = PeerId::from_bytes([2; 32]);
        assert!(ears.take(other, talk(2, u64::MAX)).is_ok());
        assert!(ears.take(USER, talk(2, 0)).is_ok());
        assert!(ears.take(other, talk(2, u64::MAX)).is_err());
    }

    #[test]
    fn who_spoke_least_lately_is_forgotten() {
        let mut ears = Ears::new(HearerId::from_bytes([1; 16]));
        (0..=SPEAKERS_MAX).for_each(|speaker| drop(ears.take(USER, talk(speaker, 7))));
        assert!(ears.take(USER, talk(1, 7)).is_err());
        assert!(ears.take(USER, talk(0, 7)).is_ok());
    }
}
