//! Peers that fall silent while an object is put, looked at or repaired cost no more than the rule of patience allows: twice
//! what the others take, and a second. Time is tokio's, paused: nothing is waited for, and no machine is too slow.

use std::time::Duration;

use storgo_protocol::limits::STRAGGLER_MS;
use tokio::time::Instant;

use super::*;

/// What each answer of a well peer takes.
const ANSWER: Duration = Duration::from_millis(300);

/// Beyond this nobody waits, whatever the peers do: the mesh itself would end a question only then.
const SILENCE: Duration = Duration::from_secs(10);

/// A network whose peers all take their time, `silent` of them for ever from now on.
fn slow(lab: &Lab, silent: usize) {
    for (number, peer) in lab.network.peers().into_iter().enumerate() {
        lab.network.set_fault(peer, if number < silent { Fault::Silent } else { Fault::Slow(ANSWER) });
    }
}

/// What `work` takes with all peers well, and with `silent` of them silent from its beginning on.
async fn timed<T>(lab: &Lab, silent: usize, work: impl AsyncFn() -> T) -> [Duration; 2] {
    let mut took = [Duration::ZERO; 2];
    for (took, silent) in took.iter_mut().zip([0, silent]) {
        slow(lab, silent);
        let start = Instant::now();
        tokio::time::timeout(100 * SILENCE, work()).await.expect("it does not wait for ever");
        *took = start.elapsed();
    }
    took
}

#[tokio::test(start_paused = true)]
async fn a_look_at_an_object_does_not_wait_for_the_silent() {
    for silent in [1, 2] {
        let lab = lab(6);
        let ticket = AnyTicket::Read(lab.put(&random_bytes(3_000_000), &coded("erasure:4+2")).await.unwrap().ticket);
        let stat = async || {
            let (engine, _) = client(&lab.network, 9);
            engine.stat(&ticket).await.unwrap()
        };
        let [healthy, met] = timed(&lab, silent, stat).await;
        let late = 2 * healthy + Duration::from_millis(STRAGGLER_MS);
        assert!(met <= late && met < SILENCE, "{silent} silent: {met:?}, {healthy:?} without");
        // What the others hold is seen, and nothing is said of those that did not answer.
        let report = stat().await;
        assert_eq!((report.stripes_lost, report.peers), (0, 6 - silent));
        assert!(report.places.iter().all(|place| place.held.len() == 6 - silent));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_does_not_wait_for_the_silent() {
    for silent in [1, 2] {
        let lab = lab(8);
        let bytes = random_bytes(3_000_000);
        let put = lab.put(&bytes, &coded("erasure:4+2")).await.unwrap();
        let ticket = AnyTicket::Read(put.ticket.clone());
        let repair = async || {
            let (engine, _) = client(&lab.network, 9);
            engine.repair(&ticket, &Progress::default()).await.unwrap()
        };
        let [healthy, met] = timed(&lab, silent, repair).await;
        // It has more to do as well: what the silent hold is read, rebuilt and written, at two answers each.
        let late = 2 * healthy + 6 * ANSWER + Duration::from_millis(2 * STRAGGLER_MS);
        assert!(met <= late && met < SILENCE, "{silent} silent: {met:?}, {healthy:?} without");
        lab.kill(silent);
        assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_with_peers_to_spare_does_not_wait_for_the_silent() {
    for silent in [1, 2] {
        let lab = lab(8);
        let bytes = random_bytes(3_000_000);
        let put = async || {
            let (engine, _) = client(&lab.network, 9);
            let options = PutOptions { private: true, ..coded("erasure:4+2") };
            engine.put(&mut bytes.as_slice(), &options, &Progress::default()).await.unwrap()
        };
        let [healthy, met] = timed(&lab, silent, put).await;
        // What was to go to the silent goes elsewhere, which is one push more.
        let late = 2 * healthy + Duration::from_millis(STRAGGLER_MS);
        assert!(met <= late && met < SILENCE, "{silent} silent: {met:?}, {healthy:?} without");
    }
}
