//! What those hear from each other who have a bucket open beside members, over a carrier that keeps all it carried.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use storgo_object::ports::{Hearing, MetadataError, Neighbours, Said};
use storgo_object::{Access, Bucket, BucketOptions, Forum};
use storgo_protocol::PeerId;
use storgo_protocol::cluster::SealedTalk;
use storgo_protocol::limits::TALKS_HEARD_MAX;
use storgo_protocol::meta::{BucketId, HearerId, Slot};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::world::{bucket, card, identity};

type Hearer = (HearerId, mpsc::Sender<Said>);

/// Members, and who hears beside them.
#[derive(Debug, Default)]
struct Carrier {
    hearers: Mutex<BTreeMap<PeerId, Option<Hearer>>>,
    carried: Mutex<Vec<(PeerId, SealedTalk)>>,
}

/// Beside one of the members.
#[derive(Debug)]
struct Beside(PeerId, Arc<Carrier>);

#[async_trait]
impl Neighbours for Beside {
    async fn members(&self) -> Result<Vec<PeerId>, MetadataError> {
        Ok(self.1.hearers.lock().keys().copied().filter(|peer| *peer != self.0).collect())
    }

    fn here(&self) -> Option<PeerId> {
        Some(self.0)
    }

    fn leads(&self) -> Vec<(RangeInclusive<Slot>, Option<PeerId>)> {
        Vec::new()
    }

    async fn tell(
        &self,
        member: PeerId,
        _: BucketId,
        talk: Option<SealedTalk>,
    ) -> Result<Option<HearerId>, MetadataError> {
        Ok(self.1.carry(member, talk).await)
    }

    fn hear(&self, _: BucketId, hearing: Hearing) -> mpsc::Receiver<Said> {
        let (talks, heard) = mpsc::channel(TALKS_HEARD_MAX);
        self.1.hearers.lock().insert(self.0, Some((hearing.hearer, talks)));
        heard
    }
}

impl Carrier {
    /// Done when so many talks were carried. Who hears of another first says so, with nothing in it.
    async fn has_carried(&self, talks: usize) {
        until("all know each other", || self.carried.lock().len() >= talks).await;
    }

    async fn carry(&self, member: PeerId, talk: Option<SealedTalk>) -> Option<HearerId> {
        let (hearer, talks) = self.hearers.lock().get(&member).cloned()??;
        if let Some(talk) = talk.filter(|talk| talk.hearer == hearer) {
            self.carried.lock().push((member, talk.clone()));
            // All are one user's.
            talks.send(Said { by: identity(1).id(), talk }).await.ok()?;
        }
        Some(hearer)
    }
}

fn member(seed: u8) -> PeerId {
    PeerId::from_bytes([seed; 32])
}

/// Somebody who speaks and hears.
struct Voice {
    forum: Forum,
    heard: mpsc::Receiver<Bytes>,
    runs: JoinHandle<()>,
}

impl Voice {
    fn new(bucket: &Bucket, at: u8, carrier: &Arc<Carrier>) -> Self {
        let forum = bucket.forum(Arc::new(Beside(member(at), Arc::clone(carrier))));
        let (ear, heard) = mpsc::channel(1 << 16);
        let running = forum.clone();
        let runs = tokio::spawn(async move { running.run(|message| drop(ear.try_send(message))).await });
        Self { forum, heard, runs }
    }

    async fn hears(&mut self) -> Bytes {
        let heard = tokio::time::timeout(Duration::from_secs(30), self.heard.recv()).await;
        heard.expect("heard in time").expect("it runs")
    }

    /// What it heard that nobody asked for yet.
    fn rest(&mut self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::task::yield_now().await;
    }
}

fn carrier(members: u8) -> Arc<Carrier> {
    let carrier = Carrier::default();
    carrier.hearers.lock().extend((1..=members).map(|seed| (member(seed), None)));
    Arc::new(carrier)
}

#[tokio::test]
async fn all_hear_what_one_says_in_its_order_and_none_hears_it_twice() {
    let (carrier, (_world, photos)) = (carrier(4), bucket(&BucketOptions::default()).await);
    // Beside the fourth member, nobody hears.
    let mut voices: Vec<_> = (1..=3).map(|seed| Voice::new(&photos, seed, &carrier)).collect();
    carrier.has_carried(6).await;
    let [one, two, three] = &mut voices[..] else { panic!() };
    let message = |n: u32| Bytes::from(format!("a secret {n}"));
    (0..5000).for_each(|n| one.forum.say(&message(n)));
    (5000..6000).for_each(|n| two.forum.say(&message(n)));
    let mut heard = Vec::new();
    while heard.len() < 6000 {
        heard.push(three.hears().await);
    }
    let number = |heard: &Bytes| std::str::from_utf8(heard).unwrap()[9..].parse::<u32>().unwrap();
    let (of_one, of_two): (Vec<u32>, Vec<u32>) = heard.iter().map(number).partition(|number| *number < 5000);
    assert_eq!(of_one, (0..5000).collect::<Vec<_>>());
    assert_eq!(of_two, (5000..6000).collect::<Vec<_>>());
    for n in 5000..6000 {
        assert_eq!(one.hears().await, message(n));
    }
    for n in 0..5000 {
        assert_eq!(two.hears().await, message(n));
    }
    assert_eq!(voices.iter().map(|voice| voice.forum.lost()).sum::<u64>(), 0);
    // Who carried it cannot read it, and nobody hears it again.
    let talks = carrier.carried.lock().clone();
    assert!(!talks.iter().any(|(_, talk)| talk.sealed.windows(8).any(|bytes| bytes == b"a secret")));
    assert!(talks.len() < 6000, "each went by itself");
    for (member, talk) in talks.iter().cloned() {
        carrier.carry(member, Some(talk)).await;
    }
    let lost = || voices.iter().map(|voice| voice.forum.lost()).sum::<u64>();
    until("all was refused", || lost() == talks.len() as u64).await;
    assert!(voices.iter_mut().all(|voice| voice.rest().is_empty()));
}

#[tokio::test]
async fn who_comes_in_anothers_place_hears_what_is_said_from_then_on() {
    let (carrier, (_world, photos)) = (carrier(2), bucket(&BucketOptions::default()).await);
    let (one, two) = (Voice::new(&photos, 1, &carrier), Voice::new(&photos, 2, &carrier));
    carrier.has_carried(2).await;
    two.runs.abort();
    let mut again = Voice::new(&photos, 2, &carrier);
    carrier.has_carried(3).await;
    one.forum.say(&Bytes::from_static(b"to whoever hears"));
    assert_eq!(again.hears().await, b"to whoever hears"[..]);
    assert_eq!(one.forum.lost(), 0);
    // What was sealed for another, or changed on its way, is not heard.
    let old = carrier.carried.lock().first().cloned().unwrap().1;
    let (hearer, talks) = carrier.hearers.lock()[&member(2)].clone().unwrap();
    let mut changed = carrier.carried.lock().last().cloned().unwrap().1;
    changed.salt[0] ^= 1;
    let before = again.forum.lost();
    for talk in [old.clone(), SealedTalk { hearer, ..old }, changed] {
        talks.send(Said { by: identity(1).id(), talk }).await.unwrap();
    }
    until("all was refused", || again.forum.lost() == before + 3).await;
}

#[tokio::test]
async fn who_was_shut_out_is_not_heard_any_more() {
    let (carrier, (world, photos)) = (carrier(3), bucket(&BucketOptions::default()).await);
    let owner = world.names(1);
    owner.add_member("photos", &card(2), Access::Write).await.unwrap();
    let guests = world.names(2).bucket("photos").await.unwrap();
    let (mut one, two) = (Voice::new(&photos, 1, &carrier), Voice::new(&guests, 2, &carrier));
    carrier.has_carried(2).await;
    two.forum.say(&Bytes::from_static(b"let in"));
    assert_eq!(one.hears().await, b"let in"[..]);
    owner.remove_member("photos", identity(2).id()).await.unwrap();
    // The carrier is lenient, and the guest has the old key.
    until("the newer key is known", || photos.row().key_generation == 2).await;
    two.forum.say(&Bytes::from_static(b"still here"));
    until("it was refused", || one.forum.lost() > 0).await;
    assert!(one.rest().is_empty());
}
