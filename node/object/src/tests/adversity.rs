//! Peers that are full, busy, forgetful, gone for a while, or claim what they do not have.

use std::time::Duration;

use storgo_protocol::limits::{PEERS_DIALLED_FOR_GET, PEERS_DIALLED_FOR_PUT};

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

fn each(lab: &Lab, fault: Fault) {
    lab.network.peers().into_iter().for_each(|peer| lab.network.set_fault(peer, fault));
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_peers_are_waited_for_and_not_passed_over() {
    let lab = lab(6);
    let bytes = random_bytes(3_000_000);
    each(&lab, Fault::Busy(2));
    let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    assert!(put.lost_peers.is_empty(), "{:?}", put.lost_peers);
    each(&lab, Fault::Busy(2));
    assert_eq!(lab.get(&put.ticket).await.unwrap().1.chunks_decoded, 0);
    each(&lab, Fault::Busy(2));
    let repaired = lab.engine.repair(&AnyTicket::Read(put.ticket), &Progress::default()).await.unwrap();
    assert_eq!((repaired.before.shards, repaired.shards_written, repaired.nodes_written), (6, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_peer_still_gives_what_it_has_to_a_repair() {
    let lab = lab(6);
    let bytes = random_bytes(9_000_000);
    let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    lab.kill(2);
    // Of the four that are left each is needed to rebuild anything.
    lab.network.store(lab.network.peers()[4]).unwrap().set_capacity(0);
    let repaired = lab.engine.repair(&AnyTicket::Read(put.ticket.clone()), &Progress::default()).await.unwrap();
    assert_eq!((repaired.stripes_lost, repaired.after.shards), (0, 6), "{repaired:?}");
    assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_of_no_weight_take_nothing_and_give_what_they_have() {
    let lab = lab(7);
    let bytes = random_bytes(3_000_000);
    let put = lab.put(&bytes, &coded("erasure:4+2")).await.unwrap();
    lab.network.peers().into_iter().take(6).for_each(|peer| lab.network.set_card(peer, |card| card.weight = 0));
    assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes);
    let strict = PutOptions { strict: true, ..coded("erasure:1+1") };
    let error = lab.put(&bytes, &strict).await.unwrap_err();
    assert!(matches!(error, ObjectError::TooFewPeers { have: 1, need: 2 }), "{error}");
    let narrow = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    assert_eq!(narrow.code.to_string(), "replicate:1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_claims_everything_hides_nothing() {
    let lab = lab(20);
    let bytes = random_bytes(6_000_000);
    let peers = lab.network.peers();
    peers.iter().skip(6).for_each(|peer| lab.network.set_fault(*peer, Fault::Down));
    let put = lab.put(&bytes, &coded("erasure:4+2")).await.unwrap();
    // Those that were away are back, stand before the holders in rank, and claim that there is no need to ask further.
    peers.iter().skip(6).for_each(|peer| lab.network.set_fault(*peer, Fault::ClaimsShards));
    assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_believes_no_one_who_only_claims() {
    // Each of the peers, since it matters which nodes the liar would hold.
    for (claim, number) in
        [Fault::ClaimsShards, Fault::ClaimsNodes].into_iter().flat_map(|claim| (0..8).map(move |n| (claim, n)))
    {
        let lab = lab(8);
        let bytes = random_bytes(6_000_000);
        let put = lab.put(&bytes, &coded("erasure:4+2")).await.unwrap();
        let liar = lab.network.peers()[number];
        let (lost, _) = lab.network.store(liar).unwrap().counts();
        assert!(lost > 0);
        lab.network.store(liar).unwrap().wipe();
        lab.network.set_fault(liar, claim);
        let ticket = AnyTicket::Read(put.ticket.clone());
        let repaired = lab.engine.repair(&ticket, &Progress::default()).await.unwrap();
        assert_eq!(repaired.shards_written, lost as u64, "{claim:?}: {repaired:?}");
        let caught = lab.peers.distrusted();
        assert!(!caught.is_empty() && caught.iter().all(|(peer, _)| *peer == liar), "{claim:?}: {caught:?}");
        lab.network.set_fault(liar, Fault::Down);
        let whole = lab.engine.stat(&ticket).await.unwrap();
        assert_eq!(
            (whole.width.shards, whole.width.survives, whole.stripes_degraded),
            (6, 2, 0),
            "{claim:?}: {whole:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_peers_hold_than_were_met_first_is_found() {
    let lab = lab(120);
    const { assert!(PEERS_DIALLED_FOR_PUT < PEERS_DIALLED_FOR_GET && PEERS_DIALLED_FOR_GET < 120) };
    for (length, code) in [(6_000_000, "erasure:4+2"), (10, "replicate:1"), (20, "replicate:1"), (30, "replicate:1")] {
        let bytes = random_bytes(length);
        let put = lab.put(&bytes, &coded(code)).await.unwrap();
        assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes, "{length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_failed_and_are_back_are_asked_again() {
    let lab = lab(6);
    let bytes = random_bytes(20_000_000);
    let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    let (engine, _) = client(&lab.network, 9);
    let object = engine.open(&put.ticket).await.unwrap();
    // Three give one answer each, fail the next question, and are back at once: too few are left without them.
    let mut sink = Flicker { lab: &lab, inner: Collect::default() };
    engine.get(&object, 0..object.size(), &mut sink, &Progress::default()).await.unwrap();
    assert_eq!(sink.inner.bytes, bytes);
}

struct Flicker<'a> {
    lab: &'a Lab,
    inner: Collect,
}

#[async_trait]
impl Sink for Flicker<'_> {
    fn order(&self) -> Order {
        Order::Ascending
    }

    fn has(&self, _piece: &Piece) -> bool {
        false
    }

    async fn put(&mut self, piece: &Piece, bytes: Bytes) -> std::io::Result<()> {
        let fault = if piece.number.is_multiple_of(2) { Fault::DropNext } else { Fault::None };
        self.lab.network.peers().into_iter().take(3).for_each(|peer| self.lab.network.set_fault(peer, fault));
        self.inner.put(piece, bytes).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_may_die_at_any_request_of_a_put() {
    let bytes = random_bytes(3000);
    for requests in 0..12 {
        let lab = lab(6);
        for (number, peer) in lab.network.peers().into_iter().take(2).enumerate() {
            lab.network.set_fault(peer, Fault::DownAfter(requests + number as u64));
        }
        let put = lab.put(&bytes, &PutOptions { care: true, ..PutOptions::default() }).await.unwrap();
        let living = lab.network.peers().into_iter().skip(2);
        let records = living.filter(|peer| !lab.network.store(*peer).unwrap().records(put.ticket.content).is_empty());
        let records = records.count();
        lab.kill(2);
        assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes, "{requests} requests, {records} records");
        assert!(records >= 1, "{requests} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_forgot_the_layout_is_shown_it_again() {
    for requests in 0..16 {
        let lab = lab(6);
        let bytes = random_bytes(5_000_000);
        let put = lab.put(&bytes, &PutOptions { care: true, ..PutOptions::default() }).await.unwrap();
        let wiped = lab.network.peers()[0];
        lab.network.store(wiped).unwrap().wipe();
        lab.network.set_fault(wiped, Fault::RestartAfter(requests));
        let (stranger, _) = client(&lab.network, 200);
        let repaired = stranger.repair(&AnyTicket::Care(put.care.unwrap()), &Progress::default()).await.unwrap();
        let (shards, _) = lab.network.store(wiped).unwrap().counts();
        assert_eq!(shards as u64, repaired.stripes, "restarted after {requests} requests: {repaired:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_go_on_while_the_sink_takes_its_time() {
    let lab = lab(6);
    let bytes = random_bytes(20_000_000);
    let put = lab.put(&bytes, &coded("replicate:1")).await.unwrap();
    let (engine, _) = client(&lab.network, 9);
    let object = engine.open(&put.ticket).await.unwrap();
    // They say what they hold, which nobody else does, and are silent when it is to be pulled.
    lab.network.peers().into_iter().take(2).for_each(|peer| lab.network.set_fault(peer, Fault::SilentAfter(1)));
    let mut sink = SlowSink { lab: &lab, inner: Collect::default(), seen: false };
    engine.get(&object, 0..object.size(), &mut sink, &Progress::default()).await.unwrap();
    assert!(sink.seen);
    assert_eq!(sink.inner.bytes, bytes);
}

struct SlowSink<'a> {
    lab: &'a Lab,
    inner: Collect,
    seen: bool,
}

#[async_trait]
impl Sink for SlowSink<'_> {
    fn order(&self) -> Order {
        Order::Any
    }

    fn has(&self, _piece: &Piece) -> bool {
        false
    }

    async fn put(&mut self, piece: &Piece, bytes: Bytes) -> std::io::Result<()> {
        if !self.seen && self.lab.network.silenced() > 0 {
            let before = self.lab.network.requests();
            each(self.lab, Fault::None);
            let answered = async {
                while self.lab.network.requests() == before {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(DEADLINE, answered).await.expect("no pull went on");
            self.seen = true;
        }
        self.inner.pieces.push(*piece);
        let first = usize::try_from(piece.offset).unwrap();
        self.inner.bytes.resize(self.inner.bytes.len().max(first + bytes.len()), 0);
        self.inner.bytes[first..first + bytes.len()].copy_from_slice(&bytes);
        Ok(())
    }
}
