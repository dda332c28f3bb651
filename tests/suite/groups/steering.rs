//! What an operator sees and does: a network grows by itself, and is steered.

use std::fs;

use storgo_protocol::cluster::Level;
use storgo_protocol::meta::Condition;

use super::members::{Keys, Members, Wrote};
use crate::harness::{PATIENCE, until};

fn seats(network: &Members, number: usize) -> u64 {
    let peer = network.lab.nodes[number].peer().to_owned();
    let rows = network.ask(&["cluster", "nodes"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["peer"] == peer.as_str()).cloned();
    row.map_or(0, |row| row["seats"].as_u64().unwrap())
}

#[test]
fn a_network_grows_from_one_to_three_voters_and_seats_move_when_one_drains() {
    let mut network = Members::new(1, 4);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys = runtime.block_on(Keys::new(&network.lab, "user", "growing"));
    let put = |key: &str, value| {
        let wrote = runtime.block_on(keys.put(key, value, Condition::Always));
        if let Wrote::Nothing(why) = &wrote {
            panic!("{key}: {why}");
        }
        assert!(matches!(wrote, Wrote::Done), "{key}");
    };
    put("alone", 1);
    // Of two each has some groups for itself.
    network.add(4, &[]);
    until("the second has its share", || (seats(&network, 1) == 2).then_some(()));
    network.settled();
    put("two", 1);
    network.add(4, &[]);
    network.settled();
    assert_eq!([0, 1, 2].map(|number| seats(&network, number)), [5, 5, 5]);
    put("together", 2);

    // A fourth takes its share, and all of what one gives up that drains.
    network.add(4, &[]);
    network.settled();
    let drained = network.lab.nodes[1].peer().to_owned();
    network.ask(&["cluster", "drain", &drained]);
    until("who drains has no seat left", || (seats(&network, 1) == 0).then_some(()));
    network.settled();
    let stat = network.ask(&["cluster", "groups"]);
    let votes =
        |row: &serde_json::Value| row["voters"].as_array().unwrap().iter().any(|peer| *peer == drained.as_str());
    assert!(!stat.as_array().unwrap().iter().any(votes), "{stat}");
    // Without it nothing is missed.
    network.lab.kill(&drained);
    put("afterwards", 3);
    for (key, value) in [("alone", 1), ("two", 1), ("together", 2), ("afterwards", 3)] {
        let read = runtime.block_on(keys.get(key, Level::Linearizable)).unwrap();
        assert_eq!(read.map(|(_, value)| value), Some(value), "{key}");
    }
    // Wanted again, it takes its share, as somebody who was never there.
    network.lab.restart(1);
    network.ask(&["cluster", "activate", &drained]);
    until("who is wanted again has its share", || (seats(&network, 1) >= 3).then_some(()));
    network.settled();
    let other = network.lab.nodes[2].peer().to_owned();
    network.lab.kill(&other);
    put("with it again", 4);
    runtime.block_on(keys.close());
}

/// Of those that voted only a dead one stays: nobody could take over from the others, who go, until newcomers vote beside
/// them.
#[test]
fn seats_move_although_the_only_voter_that_stays_is_dead() {
    let mut network = Members::new(3, 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys = runtime.block_on(Keys::new(&network.lab, "user", "moving"));
    assert!(matches!(runtime.block_on(keys.put("k", 1, Condition::Always)), Wrote::Done));
    network.lab.nodes[2].kill();
    for _ in 0..2 {
        network.add(2, &[]);
    }
    let going = [0, 1].map(|number| network.lab.nodes[number].peer().to_owned());
    for peer in &going {
        network.ask(&["cluster", "drain", peer]);
    }
    until("those that go vote nowhere", || {
        let rows = network.ask(&["cluster", "groups"]);
        let votes = |row: &serde_json::Value| {
            row["voters"]
                .as_array()
                .is_none_or(|seats| seats.iter().any(|seat| going.iter().any(|peer| *seat == **peer)))
        };
        (!rows.as_array()?.iter().any(votes)).then_some(())
    });
    let read = runtime.block_on(keys.get("k", Level::Linearizable)).unwrap();
    assert_eq!(read.map(|(_, value)| value), Some(1));
    runtime.block_on(keys.close());
}

#[test]
fn a_majority_cannot_be_removed_and_without_one_nothing_is_written() {
    let mut network = Members::new(3, 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys = runtime.block_on(Keys::new(&network.lab, "user", "most"));
    assert!(matches!(runtime.block_on(keys.put("k", 1, Condition::Always)), Wrote::Done));
    let peers: Vec<String> = network.lab.nodes.iter().map(|node| node.peer().to_owned()).collect();
    network.lab.kill(&peers[2]);
    // Two of three answer: without one more there is no majority.
    let refused = network.lab.ask(&network.lab.nodes[0], &["cluster", "remove", &peers[1]]);
    refused.ended(8).says("no majority");

    assert!(matches!(runtime.block_on(keys.put("k", 2, Condition::Always)), Wrote::Done), "two of three suffice");
    network.lab.kill(&peers[1]);
    let began = std::time::Instant::now();
    let wrote = runtime.block_on(keys.put("k", 3, Condition::Always));
    assert!(matches!(&wrote, Wrote::Nothing(_)), "one of three is no majority");
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    // Weak reads go on.
    let read = runtime.block_on(keys.get("k", Level::Eventual)).unwrap();
    assert_eq!(read.map(|(_, value)| value), Some(2));
    network.lab.restart(1);
    until("writes go on", || match runtime.block_on(keys.put("k", 4, Condition::Always)) {
        Wrote::Done => Some(()),
        Wrote::Refused | Wrote::Nothing(_) => None,
    });
    let read = runtime.block_on(keys.get("k", Level::Linearizable)).unwrap();
    assert_eq!(read.map(|(_, value)| value), Some(4));
    runtime.block_on(keys.close());
}

#[test]
fn a_member_that_lost_its_log_comes_back_as_a_newcomer_and_begins_nothing() {
    let mut network = Members::new(3, 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys = runtime.block_on(Keys::new(&network.lab, "user", "lasting"));
    assert!(matches!(runtime.block_on(keys.put("k", 1, Condition::Always)), Wrote::Done));
    // The one that began the network: without its log it must not begin another.
    let [first, second] = [0, 1].map(|number: usize| network.lab.nodes[number].peer().to_owned());
    let noted = || fs::read_to_string(network.lab.nodes[0].data.join("network")).unwrap();
    until("it is noted that the network has begun", || (!noted().contains("groups")).then_some(()));
    network.lab.kill(&first);
    fs::remove_dir_all(network.lab.nodes[0].data.join("meta")).unwrap();
    network.lab.restart(0);
    network.filled(0);
    // With another one dead its voice counts again.
    network.lab.kill(&second);
    until("two of three write", || match runtime.block_on(keys.put("k", 2, Condition::Always)) {
        Wrote::Done => Some(()),
        Wrote::Refused | Wrote::Nothing(_) => None,
    });
    let read = runtime.block_on(keys.get("k", Level::Linearizable)).unwrap();
    assert_eq!(read.map(|(_, value)| value), Some(2));
    runtime.block_on(keys.close());
}

#[test]
fn an_invite_lets_in_once_it_is_true_and_not_when_it_is_over() {
    let mut network = Members::new(1, 2);
    let invite = network.invite();
    let mistyped =
        network.operator.run(&["node", "run", "--data", &in_lab(&network, "x"), "--join", &invite[..invite.len() - 8]]);
    mistyped.ended(2).says("copy the whole word again");
    // A member of another network is not taken.
    let other = in_lab(&network, "other");
    network.operator.run(&["network", "init", "--data", &other]).ok();
    let taken = network.operator.run(&["node", "run", "--data", &other, "--join", &invite]);
    taken.ended(2).says("already");
    // Only who has the trust root invites.
    let node = &network.lab.nodes[0];
    let stranger = network.lab.home("stranger").run(&["network", "invite", "--node", &node.data.display().to_string()]);
    stranger.ended(7).says("trust root");
    network.add(2, &[]);
    network.settled();
}

fn in_lab(network: &Members, name: &str) -> String {
    network.lab.path().join(name).display().to_string()
}
