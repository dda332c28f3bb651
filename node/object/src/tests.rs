//! The engine over a network in memory: what is put comes back, whatever happens to the peers in between.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use storgo_protocol::{AnyTicket, Code, ConvergenceSecret, Identity, Ticket};

use crate::fake::{FakeNetwork, FakePeers, Fault, FixedClock, Lie, SeededRandom};
use crate::ports::{Clock, Random};
use crate::{Engine, ErrorKind, ObjectError, Order, Piece, Progress, PutOptions, Sink, User};

mod adversity;
mod liars;
mod patience;
mod records;
mod trees;

const NOW: u64 = 1_800_000_000;
const ROOM: u64 = 1 << 40;

/// A network of peers and a client's engine over it.
struct Lab {
    network: Arc<FakeNetwork>,
    peers: Arc<FakePeers>,
    engine: Engine,
}

fn lab(peers: u8) -> Lab {
    lab_with(peers, ROOM)
}

fn lab_with(peers: u8, capacity_bytes: u64) -> Lab {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock(NOW));
    let network = FakeNetwork::new(peers, capacity_bytes, &clock);
    let (engine, peers) = client(&network, 77);
    Lab { network, peers, engine }
}

/// Another client of the same network, with its own identity and secret.
fn client(network: &Arc<FakeNetwork>, seed: u8) -> (Engine, Arc<FakePeers>) {
    let peers = network.client(Identity::from_seed(&[seed; 32]).id());
    let identity = Identity::from_seed(&[seed.wrapping_add(1); 32]);
    let user = User { identity, secret: ConvergenceSecret::from_bytes([seed; 32]) };
    let random = Arc::new(SeededRandom::new(u64::from(seed)));
    (Engine::new(Arc::clone(&peers) as _, Arc::new(user), Arc::new(FixedClock(NOW)), random), peers)
}

fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededRandom::new(length as u64).fill(&mut bytes);
    bytes
}

fn coded(text: &str) -> PutOptions {
    PutOptions { code: Some(text.parse::<Code>().unwrap()), ..PutOptions::default() }
}

#[derive(Default)]
struct Collect {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

#[async_trait]
impl Sink for Collect {
    fn order(&self) -> Order {
        Order::Ascending
    }

    fn has(&self, _piece: &Piece) -> bool {
        false
    }

    async fn put(&mut self, piece: &Piece, bytes: Bytes) -> std::io::Result<()> {
        self.pieces.push(*piece);
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
}

impl Lab {
    async fn put(&self, bytes: &[u8], options: &PutOptions) -> Result<crate::PutReport, ObjectError> {
        self.engine.put(&mut &*bytes, options, &Progress::default()).await
    }

    async fn get(&self, ticket: &Ticket) -> Result<(Vec<u8>, crate::GetReport), ObjectError> {
        let (engine, _) = client(&self.network, 5);
        let object = engine.open(ticket).await?;
        let mut sink = Collect::default();
        let report = engine.get(&object, 0..object.size(), &mut sink, &Progress::default()).await?;
        Ok((sink.bytes, report))
    }

    fn kill(&self, count: usize) {
        self.network.peers().into_iter().take(count).for_each(|peer| self.network.set_fault(peer, Fault::Down));
    }

    fn shards_and_nodes(&self) -> (usize, u32) {
        let counts = self.network.peers().into_iter().filter_map(|peer| Some(self.network.store(peer)?.counts()));
        counts.fold((0, 0), |(shards, nodes), (s, n)| (shards + s, nodes + n))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_every_length_come_back_to_whoever_has_only_the_ticket() {
    let lab = lab(6);
    for length in [0, 1, 17, 128 * 1024, 128 * 1024 + 1, 1 << 20, (1 << 20) + 1, 5_000_000] {
        let bytes = random_bytes(length);
        let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
        assert_eq!(put.bytes, length as u64);
        let small = length < 1 << 20;
        assert_eq!(put.code.to_string(), if small { "replicate:3" } else { "erasure:4+2" }, "{length} bytes");
        assert_eq!(put.width.survives, 2, "{length} bytes: {:?}", put.width);
        let (back, report) = lab.get(&put.ticket).await.unwrap();
        assert_eq!(back, bytes, "{length} bytes");
        assert_eq!((report.chunks, report.chunks_decoded), (put.chunks, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_two_of_six_may_die_and_a_third_is_too_many() {
    let lab = lab(6);
    let bytes = random_bytes(6_000_000);
    let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    lab.kill(2);
    let (back, report) = lab.get(&put.ticket).await.unwrap();
    assert_eq!(back, bytes);
    assert!(report.chunks_decoded > 0, "{report:?}");
    lab.kill(3);
    let error = lab.get(&put.ticket).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotEnough, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_are_decoded_around_and_their_tellers_distrusted() {
    let lab = lab(6);
    let bytes = random_bytes(4_000_000);
    let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    let liars: Vec<_> = lab.network.peers().into_iter().take(2).collect();
    for liar in &liars {
        lab.network.set_fault(*liar, Fault::Lies(Lie::WrongBytes));
    }
    let (engine, peers) = client(&lab.network, 9);
    let object = engine.open(&put.ticket).await.unwrap();
    let mut sink = Collect::default();
    let report = engine.get(&object, 0..object.size(), &mut sink, &Progress::default()).await.unwrap();
    assert_eq!(sink.bytes, bytes);
    assert!(report.shards_bad > 0);
    let caught: Vec<_> = peers.distrusted().into_iter().map(|(peer, _)| peer).collect();
    assert!(!caught.is_empty() && caught.iter().all(|peer| liars.contains(peer)), "{caught:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_peers_are_hedged() {
    let lab = lab(6);
    let bytes = random_bytes(2_500_000);
    let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    let (engine, _) = client(&lab.network, 9);
    let object = engine.open(&put.ticket).await.unwrap();
    // Located while all is well; then two fall silent in the middle of the transfer.
    let mut sink = SilenceAfterFirst { lab: &lab, inner: Collect::default() };
    engine.get(&object, 0..object.size(), &mut sink, &Progress::default()).await.unwrap();
    assert_eq!(sink.inner.bytes, bytes);
}

struct SilenceAfterFirst<'a> {
    lab: &'a Lab,
    inner: Collect,
}

#[async_trait]
impl Sink for SilenceAfterFirst<'_> {
    fn order(&self) -> Order {
        Order::Ascending
    }

    fn has(&self, _piece: &Piece) -> bool {
        false
    }

    async fn put(&mut self, piece: &Piece, bytes: Bytes) -> std::io::Result<()> {
        for peer in self.lab.network.peers().into_iter().take(2) {
            self.lab.network.set_fault(peer, Fault::Silent);
        }
        self.inner.put(piece, bytes).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_dies_during_put_is_replaced() {
    let lab = lab(8);
    for (number, peer) in lab.network.peers().into_iter().take(2).enumerate() {
        lab.network.set_fault(peer, Fault::DownAfter(3 + number as u64));
    }
    let bytes = random_bytes(9_000_000);
    let put = lab.put(&bytes, &coded("erasure:4+2")).await.unwrap();
    assert_eq!(put.lost_peers.len(), 2);
    assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_wants_distinct_peers_and_others_wrap() {
    let lab = lab(3);
    let bytes = random_bytes(2_000_000);
    let strict = PutOptions { strict: true, ..coded("erasure:4+2") };
    let error = lab.put(&bytes, &strict).await.unwrap_err();
    assert!(matches!(error, ObjectError::TooFewPeers { have: 3, need: 6 }), "{error}");
    let put = lab.put(&bytes, &coded("erasure:4+2")).await.unwrap();
    assert_eq!((put.width.shards, put.width.domains, put.width.survives), (6, 3, 1));
    lab.kill(1);
    assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn full_peers_are_passed_over_and_full_networks_say_so() {
    let lab = lab_with(6, 600_000);
    let error = lab.put(&random_bytes(20_000_000), &coded("erasure:4+2")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_an_error_of_its_own() {
    let lab = lab(0);
    assert!(matches!(lab.put(b"x", &PutOptions::default()).await, Err(ObjectError::NoPeers)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_put_finds_its_work_done() {
    let lab = lab(6);
    let bytes = random_bytes(7_000_000);
    let peers = lab.network.peers();
    // All die, since a put goes on with fewer peers for as long as one is left.
    for peer in &peers {
        // Each stripe is offered first; what is pushed after that comes in a few requests.
        lab.network.set_fault(*peer, Fault::DownAfter(9));
    }
    lab.put(&bytes, &PutOptions::default()).await.unwrap_err();
    let (done, _) = lab.shards_and_nodes();
    assert!(done > 0);
    for peer in &peers {
        lab.network.set_fault(*peer, Fault::None);
    }
    let again = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    assert!(again.shards_present > 0, "{again:?}");
    assert_eq!(lab.get(&again.ticket).await.unwrap().0, bytes);
    let third = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    assert_eq!((third.shards_pushed, third.ticket.content), (0, again.ticket.content));
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_rebuilds_exactly_what_is_missing_onto_the_living() {
    let lab = lab(6);
    let bytes = random_bytes(5_000_000);
    let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    lab.kill(2);
    let ticket = AnyTicket::Read(put.ticket.clone());
    let before = lab.engine.stat(&ticket).await.unwrap();
    assert_eq!((before.width.shards, before.width.survives), (4, 0));
    let repaired = lab.engine.repair(&ticket, &Progress::default()).await.unwrap();
    assert_eq!(repaired.before.shards, 4);
    assert_eq!((repaired.after.shards, repaired.after.domains), (6, 4));
    assert_eq!(repaired.shards_written, repaired.shards_missing);
    assert_eq!(repaired.shards_written, 2 * repaired.stripes);
    let after = lab.engine.stat(&ticket).await.unwrap();
    assert_eq!((after.width.shards, after.root_copies, after.stripes_degraded), (6, 3, 0));
    let again = lab.engine.repair(&ticket, &Progress::default()).await.unwrap();
    assert_eq!((again.shards_written, again.nodes_written), (0, 0));
    assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_on_disk_is_found_by_repair_and_never_served() {
    let lab = lab(6);
    let bytes = random_bytes(5_000_000);
    let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    let victim = lab.network.peers()[3];
    lab.network.store(victim).unwrap().damage_shards();
    let (back, report) = lab.get(&put.ticket).await.unwrap();
    assert_eq!(back, bytes);
    let damaged = lab.engine.repair(&AnyTicket::Read(put.ticket.clone()), &Progress::default()).await.unwrap();
    assert_eq!(damaged.shards_written, damaged.stripes, "one shard of each stripe: {damaged:?} after {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_care_ticket_repairs_and_cannot_read_or_write_anything_else() {
    let lab = lab(6);
    let bytes = random_bytes(5_000_000);
    let put = lab.put(&bytes, &PutOptions { care: true, ..PutOptions::default() }).await.unwrap();
    let word = put.care.unwrap().to_string();
    let AnyTicket::Care(care) = word.parse::<AnyTicket>().unwrap() else { panic!("{word} is no care ticket") };
    lab.network.store(lab.network.peers()[0]).unwrap().wipe();
    let (stranger, _) = client(&lab.network, 200);
    let repaired = stranger.repair(&AnyTicket::Care(care.clone()), &Progress::default()).await.unwrap();
    assert_eq!(repaired.shards_written, repaired.stripes);
    assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes);
    // What was repaired is kept in the owner's name.
    let owner = lab.engine.user.identity.id();
    assert!(lab.network.store(lab.network.peers()[0]).unwrap().owners().iter().all(|o| *o == owner));
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_give_just_their_bytes_and_pull_little() {
    let lab = lab(6);
    let bytes = random_bytes(9_000_000);
    let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    let object = lab.engine.open(&put.ticket).await.unwrap();
    for range in [0..1, 0..9_000_000, 1_048_570..1_048_590, 4_000_000..4_065_536, 8_999_999..9_000_000, 5..5] {
        let mut sink = Collect::default();
        let whole = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        let report = lab.engine.get(&object, range.clone(), &mut sink, &Progress::default()).await.unwrap();
        assert_eq!(sink.bytes, bytes[whole], "{range:?}");
        if range.end - range.start == 65_536 {
            assert!(report.bytes_pulled <= 2 * (128 * 1024 + 64) + 64 * 1024, "{report:?}");
            assert!((1024..256 * 1024).contains(&report.bytes_of_nodes), "root and layout led there: {report:?}");
        }
    }
    let outside = lab.engine.get(&object, 0..9_000_001, &mut Collect::default(), &Progress::default()).await;
    assert!(matches!(outside, Err(ObjectError::Range { size: 9_000_000, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_bytes_of_two_users_share_nothing_and_of_one_user_everything() {
    let lab = lab(6);
    let bytes = random_bytes(2_000_000);
    let first = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    let (other, _) = client(&lab.network, 120);
    let second = other.put(&mut &bytes[..], &PutOptions::default(), &Progress::default()).await.unwrap();
    assert_ne!(first.ticket.content, second.ticket.content);
    assert_eq!(second.shards_present, 0);
    let private = lab.put(&bytes, &PutOptions { private: true, ..PutOptions::default() }).await.unwrap();
    assert_ne!(first.ticket.content, private.ticket.content);
    assert_eq!(private.shards_present, 0);
    assert_eq!(lab.get(&private.ticket).await.unwrap().0, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_peer_sees_plaintext() {
    let lab = lab(6);
    let canary = b"the canary that no disk may ever see";
    let bytes: Vec<u8> = canary.iter().copied().cycle().take(3_000_000).collect();
    lab.put(&bytes, &PutOptions::default()).await.unwrap();
    lab.put(canary, &PutOptions::default()).await.unwrap();
    for peer in lab.network.peers() {
        for kept in lab.network.store(peer).unwrap().all_bytes() {
            assert!(!kept.windows(12).any(|window| window == &canary[..12]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_key_opens_nothing() {
    let lab = lab(6);
    let mut ticket = lab.put(b"secret", &PutOptions::default()).await.unwrap().ticket;
    ticket.key = storgo_protocol::ContentKey::from_bytes([1; 32]);
    assert!(matches!(lab.get(&ticket).await, Err(ObjectError::WrongKey)));
    ticket.content = storgo_protocol::ContentId::from_bytes([1; 32]);
    let error = lab.get(&ticket).await.unwrap_err();
    assert!(error.to_string().starts_with("root: 0 copies"), "{error}");
    assert!(lab.peers.distrusted().is_empty());
}
