//! A local network, in namespaces: nobody is told an address, and everybody finds everybody.

use crate::harness::{Lab, MIB, Net, NodeOptions, Put, Segment, Site, Space, assert_same};

const LAN: Segment = Segment(0);

/// Nodes and clients that know nothing of one another, with an empty home and no address to join through.
#[test]
fn mdns_alone_joins_a_lan() {
    let mut lab = Lab::empty();
    let Some(net) = Net::new(lab.bytes.seed()) else { return };
    let spaces: Vec<_> = (1..=4).map(|_| Space::new()).collect();
    for (number, space) in (1..).zip(&spaces) {
        net.plug(space, LAN, &format!("10.0.0.{number}/24"));
    }
    for space in &spaces[..3] {
        let site = Site { space: space.path().to_owned(), listen: Vec::new(), mdns: true };
        let node = lab.add_alone(NodeOptions { site: Some(site), ..NodeOptions::default() });
        lab.nodes[node].start(None);
    }
    lab.meet();

    let bytes = lab.bytes.take(3 * MIB + 11);
    let file = lab.file("file", &bytes).display().to_string();
    let putter = lab.home("alice").inside(&spaces[3]);
    let put = Put::of(&putter.run(&["put", &file, "--json"]).ok());
    assert_eq!(put.report["redundancy"], "erasure:2+1", "{}", put.report);
    assert_eq!(put.report["width"]["survives"], 1, "{}", put.report);

    // A ticket names addresses; without them, mDNS has to find the way.
    let getter = lab.home("bob").inside(&spaces[3]);
    let got = getter.run(&["get", &put.ticket, "-o", "-"]).ok();
    assert_same(&got.stdout, &bytes);
}
