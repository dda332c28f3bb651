//! Errands: what doors have done by each other.
//!
//! Where several doors change a key at once, each looks, and all but one are too late, again and again. So a door that was
//! too late has what its clients ask of that key done by the door beside the member that is to lead there, for some
//! seconds, where it queues up with what others ask and is done in one step. Where it is that door which is too late, it tells the others.
//!
//! ```text
//!   queue of the key ─► Errands ═══ forum ═══► door beside the leader ─► queue of the key ─► one step for all
//!         ▲                │                              │
//!         └──── answers ◄──┘ ◄═════════ forum ◄═══════════┘
//! ```
//!
//! An errand is said once. If no answer comes, what became of it is not known, and it is not tried again.

mod doing;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use storgo_object::Forum;
use storgo_object::ports::Random;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{
    RESP_CONTENDED_MAX, RESP_CONTENDED_SECONDS, RESP_ERRAND_BYTES_MAX, RESP_ERRAND_SECONDS_MAX, RESP_ERRANDS_MAX,
    RESP_FOLDED_MAX,
};
use storgo_protocol::meta::Slot;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::doors::Doors;
use super::errand::{Answers, Errand};
use super::reply::Reply;
use super::said::Said;
pub(super) use doing::run;

/// What is said to one other door.
pub(super) trait Voice: Send + Sync + std::fmt::Debug {
    /// The member beside which this door is.
    fn here(&self) -> Option<PeerId>;

    /// Says something to all other doors.
    fn say(&self, said: &Bytes);

    /// Says something to the door beside a member, at most once; false if it is not said.
    fn say_to(&self, member: PeerId, said: &Bytes) -> bool;
}

impl Voice for Forum {
    fn here(&self) -> Option<PeerId> {
        self.here()
    }

    fn say(&self, said: &Bytes) {
        self.say(said);
    }

    fn say_to(&self, member: PeerId, said: &Bytes) -> bool {
        self.say_to(member, said)
    }
}

/// The errands of a door.
#[derive(Debug)]
pub(super) struct Errands {
    voice: Option<Arc<dyn Voice>>,
    doors: Arc<Doors>,
    random: Arc<dyn Random>,
    /// Keys at which this door was too late, and since when: by their hashes, since two of one hash only take a longer way. Held
    /// for a moment.
    contended: Mutex<LruCache<u64, Instant>>,
    /// Whether there ever was one: most doors have none.
    was_late: AtomicBool,
    /// Errands that were said and have no answer yet. Held for a moment.
    waiting: Mutex<HashMap<u64, oneshot::Sender<Vec<Option<Reply>>>>>,
    /// The keys that they concern, one errand each. Held for a moment.
    out: Mutex<HashSet<Bytes>>,
    hashes: RandomState,
    /// Places for what this door does for others.
    places: Arc<Semaphore>,
    counts: Counts,
}

/// How many there were.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    unanswered: AtomicU64,
    done: AtomicU64,
}

/// An errand that was said.
#[derive(Debug)]
struct Sent<'a> {
    errands: &'a Errands,
    key: &'a Bytes,
    id: u64,
    answer: oneshot::Receiver<Vec<Option<Reply>>>,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        self.errands.waiting.lock().remove(&self.id);
        self.errands.out.lock().remove(self.key);
    }
}

/// How many commands fit one errand, from the first on.
pub(super) fn fitting(commands: &[&[Bytes]]) -> usize {
    let mut room = RESP_ERRAND_BYTES_MAX - Errand::HEAD_BYTES;
    let fits = |args: &&&[Bytes]| {
        let left = room.checked_sub(Errand::bytes_of(args));
        room = left.unwrap_or(room);
        left.is_some()
    };
    commands.iter().take(RESP_FOLDED_MAX).take_while(fits).count()
}

/// No answer came in time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown;

impl Errands {
    pub(super) fn new(voice: Option<Arc<dyn Voice>>, doors: Arc<Doors>, random: Arc<dyn Random>) -> Self {
        let most = NonZeroUsize::new(RESP_CONTENDED_MAX).unwrap_or(NonZeroUsize::MIN);
        Self {
            voice,
            doors,
            random,
            contended: Mutex::new(LruCache::new(most)),
            was_late: AtomicBool::new(false),
            waiting: Mutex::default(),
            out: Mutex::default(),
            hashes: RandomState::new(),
            places: Arc::new(Semaphore::new(RESP_ERRANDS_MAX)),
            counts: Counts::default(),
        }
    }

    /// Whether there is anybody to do them.
    pub(super) const fn are_possible(&self) -> bool {
        self.voice.is_some()
    }

    /// Those that were sent, those of them that got no answer, and those that were done for others.
    pub(super) fn counts(&self) -> [u64; 3] {
        let Counts { sent, unanswered, done } = &self.counts;
        [sent, unanswered, done].map(|count| count.load(Ordering::Relaxed))
    }

    /// Somebody else was faster at a key than this door; whether another is to change it from now on.
    pub(super) fn was_late(&self, key: &Bytes) -> bool {
        let is_elsewhere = self.way(key).is_some();
        if is_elsewhere || !self.is_contended(key) {
            self.remember(key);
        }
        is_elsewhere
    }

    /// The door that has a key nearest says that others are faster there.
    pub(super) fn is_late(&self, key: &Bytes) {
        if self.way(key).is_some() {
            self.remember(key);
        }
    }

    fn remember(&self, key: &Bytes) {
        self.was_late.store(true, Ordering::Relaxed);
        if let (None, Some(voice)) = (self.way(key), &self.voice) {
            voice.say(&Said::Late(key.clone()).encode());
        }
        self.contended.lock().put(self.hashes.hash_one(key.as_ref()), Instant::now());
    }

    /// Whether it is better to have a key changed elsewhere.
    pub(super) fn is_contended(&self, key: &[u8]) -> bool {
        if !self.was_late.load(Ordering::Relaxed) {
            return false;
        }
        let mut contended = self.contended.lock();
        let Some(since) = contended.get(&self.hashes.hash_one(key)) else { return false };
        let holds = since.elapsed() < Duration::from_secs(RESP_CONTENDED_SECONDS);
        if !holds {
            contended.pop(&self.hashes.hash_one(key));
        }
        holds
    }

    /// Beside which member the door is that is to change a key, if that is another one.
    fn way(&self, key: &[u8]) -> Option<PeerId> {
        self.doors.leader(Slot::of_redis(key), Instant::now())
    }

    /// Has commands on a key done elsewhere, of which there are as many as [`fitting`] says; what is said of each, if it was done.
    /// Nothing was done if there is no way there, or no room.
    ///
    /// # Errors
    /// [`Unknown`] if no answer came in time: they may be done, or be done yet.
    pub(super) async fn have_done(&self, key: &Bytes, commands: &[&[Bytes]]) -> Result<Vec<Option<Reply>>, Unknown> {
        // Dropped behind the wait: what comes later is for nobody.
        let Some(mut sent) = self.send(key, commands) else { return Ok(Vec::new()) };
        let patience = Duration::from_secs(RESP_ERRAND_SECONDS_MAX);
        if let Ok(Ok(replies)) = tokio::time::timeout(patience, &mut sent.answer).await {
            return Ok(replies);
        }
        self.contended.lock().pop(&self.hashes.hash_one(key.as_ref()));
        self.counts.unanswered.fetch_add(1, Ordering::Relaxed);
        Err(Unknown)
    }

    fn send<'a>(&'a self, key: &'a Bytes, commands: &[&[Bytes]]) -> Option<Sent<'a>> {
        let (voice, to) = (self.voice.as_ref()?, self.way(key)?);
        // Nobody else can guess it.
        let id = u64::from_le_bytes(self.random.array());
        let from = voice.here().filter(|_| !commands.is_empty())?;
        let commands = commands.iter().map(|args| args.to_vec()).collect();
        let errand = Said::Errand(Errand { from, id, commands }).encode();
        let (answered, answer) = oneshot::channel();
        self.waiting.lock().insert(id, answered);
        self.out.lock().insert(key.clone());
        let sent = Sent { errands: self, key, id, answer };
        let is_said = voice.say_to(to, &errand);
        self.counts.sent.fetch_add(is_said.into(), Ordering::Relaxed);
        is_said.then_some(sent)
    }

    /// Another door says what came of an errand.
    pub(super) fn done(&self, answers: Answers) {
        let waiting = self.waiting.lock().remove(&answers.id);
        // Who waited may be gone just now, or since long.
        if waiting.is_none_or(|waiting| waiting.send(answers.replies).is_err()) {
            tracing::debug!(id = answers.id, "an errand was answered that nobody waits for");
        }
    }

    /// Whether a key waits here for what another door does: what is asked of it meanwhile waits behind that.
    fn is_out(&self, key: &Bytes) -> bool {
        self.out.lock().contains(key)
    }

    /// A place for what another door wants done, if there is one.
    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Tells another door what came of its errand.
    fn answer(&self, to: PeerId, answers: Answers) {
        let said = Said::Done(answers).encode();
        if !self.voice.as_ref().is_some_and(|voice| voice.say_to(to, &said)) {
            tracing::debug!(%to, "another door is not told what came of its errand");
        }
    }
}

#[cfg(test)]
mod tests;
