//! Speaking to all who have a bucket open beside some member, and hearing them: at most once each, in the order of each
//! speaker, and nothing of what was said before one came.
//!
//! ```text
//!   say ──► neighbour ── sealed for who hears there ──► member ══ network ══► member ──► ears ──► heard
//! ```
//!
//! Members carry it and cannot read it. It must not know what is said: doors of one kind agree on that.

mod ears;
mod neighbour;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use storgo_pipeline::TalkPlace;
use storgo_protocol::PeerId;
use storgo_protocol::cluster::{SealedTalk, Talk};
use storgo_protocol::limits::{TALK_PAUSE_MS_MAX, TALK_PAUSE_MS_MIN};
use storgo_protocol::meta::{HearerId, Slot};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use self::ears::{Ears, Heard};
use self::neighbour::Neighbour;
use super::bucket::Bucket;
use crate::error::ObjectError;
use crate::ports::{Hearing, MetadataError, Neighbours};

/// How often it is looked which members there are, and whether the bucket has a newer key.
const ROUND: Duration = Duration::from_secs(3);

/// A bucket's open word. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Forum(Arc<Inner>);

struct Inner {
    bucket: Bucket,
    ways: Arc<dyn Neighbours>,
    /// Under which id this one speaks and hears.
    me: HearerId,
    /// What was said last.
    number: AtomicU64,
    /// Locked to look or to change, never across an await.
    neighbours: Mutex<BTreeMap<PeerId, Arc<Neighbour>>>,
    /// Messages to or from others that were lost as far as is known.
    lost: AtomicU64,
    /// Somebody was heard for the first time.
    came: Notify,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forum").field("bucket", &self.bucket.name()).field("me", &self.me).finish_non_exhaustive()
    }
}

impl Bucket {
    /// Speaks to others who have the bucket open, once [`Forum::run`] runs.
    #[must_use]
    pub fn forum(&self, ways: Arc<dyn Neighbours>) -> Forum {
        let me = HearerId::from_bytes(self.names.engine.random.array());
        Forum(Arc::new(Inner {
            bucket: self.clone(),
            ways,
            me,
            number: AtomicU64::new(0),
            neighbours: Mutex::default(),
            lost: AtomicU64::new(0),
            came: Notify::new(),
        }))
    }
}

impl Forum {
    /// Whether there is somebody to speak to, as far as is known.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.neighbours.lock().values().any(|neighbour| neighbour.hears())
    }

    /// The member beside which this runs, if it runs beside one.
    #[must_use]
    pub fn here(&self) -> Option<PeerId> {
        self.0.ways.here()
    }

    /// Beside which member the keys of each slot are to be decided, while all goes well: ranges in ascending order, without gaps.
    #[must_use]
    pub fn leads(&self) -> Vec<(RangeInclusive<Slot>, Option<PeerId>)> {
        self.0.ways.leads()
    }

    /// Says something to all others, in the order of calls; it waits for nobody.
    /// A message of more than [`MESSAGE_BYTES_MAX`](storgo_protocol::limits::MESSAGE_BYTES_MAX) is lost.
    pub fn say(&self, message: &Bytes) {
        for neighbour in self.0.neighbours.lock().values() {
            if !neighbour.push(message, true) {
                self.0.lose(1);
            }
        }
    }

    /// Says something to those who hear beside one member, behind what was said to them before; it waits for nobody. False if
    /// nobody is told.
    #[must_use]
    pub fn say_to(&self, member: PeerId, message: &Bytes) -> bool {
        let neighbours = self.0.neighbours.lock();
        let Some(neighbour) = neighbours.get(&member).filter(|neighbour| neighbour.hears()) else { return false };
        let is_told = neighbour.push(message, false);
        if !is_told {
            self.0.lose(1);
        }
        is_told
    }

    /// Messages that were lost as far as is known: others were too slow or did not answer, or what came did not open.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Carries what is said to others, and has `heard` take what they say. It never ends; dropped, it speaks and hears no
    /// more.
    pub async fn run(&self, mut heard: impl FnMut(Bytes) + Send) {
        let bucket = self.0.bucket.clone();
        let hearing = Hearing { hearer: self.0.me, config: Arc::new(move || bucket.known().row.config.clone()) };
        let mut talks = self.0.ways.hear(self.0.bucket.known().id(), hearing);
        let hear = async {
            let mut ears = Ears::new(self.0.me);
            while let Some(said) = talks.recv().await {
                match ears.open(&self.0.bucket, said).await {
                    Ok(Heard { is_new, messages }) => {
                        if is_new {
                            self.0.came.notify_waiters();
                        }
                        messages.into_iter().for_each(&mut heard);
                    }
                    Err(unheard) => {
                        tracing::debug!(%unheard, "something was not heard");
                        self.0.lose(1);
                    }
                }
            }
        };
        // Beside no member nothing is heard; others are told all the same.
        tokio::join!(hear, Arc::clone(&self.0).keep_speaking());
    }
}

impl Inner {
    fn lose(&self, messages: usize) {
        self.lost.fetch_add(messages as u64, Ordering::Relaxed);
    }

    /// Has each member told by a task of its own, those that come later too.
    async fn keep_speaking(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        let mut speaking: BTreeMap<PeerId, AbortHandle> = BTreeMap::new();
        loop {
            match self.ways.members().await {
                Ok(members) => self.meet(&members, &mut speaking, &mut tasks),
                Err(error) => tracing::debug!(%error, "it is not known who is there to speak to"),
            }
            // What somebody was let in for, or shut out of, since.
            if let Err(error) = self.bucket.refresh().await {
                tracing::debug!(%error, "the bucket's row is not known anew");
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    fn meet(
        self: &Arc<Self>,
        members: &[PeerId],
        speaking: &mut BTreeMap<PeerId, AbortHandle>,
        tasks: &mut JoinSet<()>,
    ) {
        let mut neighbours = self.neighbours.lock();
        neighbours.retain(|peer, _| members.contains(peer));
        speaking.retain(|peer, task| {
            let stays = members.contains(peer);
            if !stays {
                task.abort();
            }
            stays
        });
        for peer in members {
            speaking.entry(*peer).or_insert_with(|| {
                let neighbour = Arc::new(Neighbour::new(*peer));
                neighbours.insert(*peer, Arc::clone(&neighbour));
                tasks.spawn(Arc::clone(self).speak_to(neighbour))
            });
        }
        while tasks.try_join_next().is_some() {}
    }

    /// Tells a member what waits for it, one thing after the other: whatever is said meanwhile goes together.
    async fn speak_to(self: Arc<Self>, neighbour: Arc<Neighbour>) {
        let bucket = self.bucket.known().id();
        let mut pause_ms = TALK_PAUSE_MS_MIN;
        let mut hearer = None;
        loop {
            if let Some(known) = hearer {
                hearer = self.tell(&neighbour, known, neighbour.next().await).await;
                continue;
            }
            let asked = self.ways.tell(neighbour.peer, bucket, None).await;
            if let Ok(Some(known)) = asked {
                neighbour.set_hears(true);
                pause_ms = TALK_PAUSE_MS_MIN;
                // It hears at once that there is somebody here.
                hearer = self.tell(&neighbour, known, Vec::new()).await;
                continue;
            }
            // Nobody is there, or was not reached for too long.
            if asked.is_ok() || pause_ms >= TALK_PAUSE_MS_MAX {
                neighbour.set_hears(false);
            }
            let somebody_came = self.came.notified();
            // Whether somebody came or time passed, it asks again.
            drop(tokio::time::timeout(Duration::from_millis(pause_ms), somebody_came).await);
            pause_ms = (pause_ms * 2).min(TALK_PAUSE_MS_MAX);
        }
    }

    /// Tells a hearer something, or who came in its place; who hears there then, if that is known. What may have been heard
    /// is not told again.
    async fn tell(&self, neighbour: &Neighbour, hearer: HearerId, messages: Vec<Bytes>) -> Option<HearerId> {
        let count = messages.len();
        match self.tell_once(neighbour, hearer, messages.clone()).await {
            Ok(Some(other)) if other != hearer => {
                // It was given to nobody.
                let told = self.tell_once(neighbour, other, messages).await;
                if !matches!(told, Ok(Some(now)) if now == other) {
                    self.lose(count);
                }
                told.ok().flatten()
            }
            Ok(hearer) => hearer,
            Err(error) => {
                tracing::debug!(peer = %neighbour.peer, %error, "it is not known what was heard there");
                self.lose(count);
                None
            }
        }
    }

    async fn tell_once(
        &self,
        neighbour: &Neighbour,
        hearer: HearerId,
        messages: Vec<Bytes>,
    ) -> Result<Option<HearerId>, ObjectError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let sealed = self.seal(hearer, &Talk { speaker: self.me, number, messages })?;
        let told = self.ways.tell(neighbour.peer, self.bucket.known().id(), Some(sealed)).await;
        told.map_err(|error: MetadataError| error.into())
    }

    fn seal(&self, hearer: HearerId, talk: &Talk) -> Result<SealedTalk, ObjectError> {
        let known = self.bucket.known();
        let (generation, salt) = (known.row.key_generation, self.bucket.names.engine.random.array());
        let place = TalkPlace { bucket: known.id(), hearer, generation };
        let sealed = place.seal(known.key(generation)?, &salt, talk.encode())?.into();
        Ok(SealedTalk { hearer, generation, salt, sealed })
    }
}
