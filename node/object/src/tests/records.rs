//! Layout records and care: which layout is the present one, and who may bring it back.

use super::*;

fn keepers(lab: &Lab, ticket: &Ticket) -> Vec<storgo_protocol::PeerId> {
    let keeps = |peer: &storgo_protocol::PeerId| !lab.network.store(*peer).unwrap().records(ticket.content).is_empty();
    lab.network.peers().into_iter().filter(keeps).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_two_puts_in_one_second_counts() {
    let lab = lab(6);
    let bytes = random_bytes(2_000_000);
    for code in ["replicate:1", "erasure:4+2", "replicate:2"] {
        let put = lab.put(&bytes, &coded(code)).await.unwrap();
        let stat = lab.engine.stat(&AnyTicket::Read(put.ticket)).await.unwrap();
        assert_eq!(stat.code.to_string(), code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_can_read_an_object_can_repair_all_of_it() {
    let lab = lab(6);
    let bytes = random_bytes(2_000_000);
    let put = lab.put(&bytes, &PutOptions::default()).await.unwrap();
    let before = keepers(&lab, &put.ticket);
    before.iter().skip(1).for_each(|peer| lab.network.store(*peer).unwrap().wipe());
    let (stranger, _) = client(&lab.network, 200);
    let repaired = stranger.repair(&AnyTicket::Read(put.ticket.clone()), &Progress::default()).await.unwrap();
    assert_eq!((repaired.after.shards, repaired.after.survives), (6, 2));
    assert_eq!(keepers(&lab, &put.ticket).len(), before.len());
    lab.network.set_fault(before[0], Fault::Down);
    assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_care_ticket_of_the_smallest_object_covers_its_nodes() {
    let lab = lab(4);
    let options = PutOptions { care: true, ..coded("replicate:2") };
    for length in [0, 1, 500] {
        let bytes = random_bytes(length);
        let put = lab.put(&bytes, &options).await.unwrap();
        let before = keepers(&lab, &put.ticket);
        lab.network.store(before[0]).unwrap().wipe();
        let (stranger, _) = client(&lab.network, 200);
        let care = AnyTicket::Care(put.care.unwrap());
        let repaired = stranger.repair(&care, &Progress::default()).await.unwrap();
        assert_eq!(repaired.after.survives, 1, "{length} bytes: {repaired:?}");
        lab.network.set_fault(before[1], Fault::Down);
        assert_eq!(lab.get(&put.ticket).await.unwrap().0, bytes, "{length} bytes");
        lab.network.set_fault(before[1], Fault::None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_care_ticket_needs_no_record_and_has_no_say_in_another_layouts() {
    let lab = lab(6);
    let bytes = random_bytes(2_000_000);
    let old = lab.put(&bytes, &PutOptions { care: true, ..coded("replicate:2") }).await.unwrap();
    let new = lab.put(&bytes, &coded("erasure:4+2")).await.unwrap();
    lab.network.store(keepers(&lab, &new.ticket)[0]).unwrap().wipe();
    let (stranger, _) = client(&lab.network, 200);
    let care = AnyTicket::Care(old.care.unwrap());
    let repaired = stranger.repair(&care, &Progress::default()).await.unwrap();
    assert_eq!((repaired.after.shards, repaired.stripes_lost), (2, 0), "{repaired:?}");
    let stat = lab.engine.stat(&AnyTicket::Read(new.ticket)).await.unwrap();
    assert_eq!(stat.code.to_string(), "erasure:4+2");
}
