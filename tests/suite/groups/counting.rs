//! What nodes count is what they were asked, and rebalancing by hand leaves nothing to move.

use std::time::Duration;

use storgo_protocol::cluster::Level;
use storgo_protocol::meta::Condition;

use super::members::{Keys, Members, Wrote};
use crate::harness::until;

/// The sum over all nodes that run of what starts so.
fn counted(network: &Members, series: &str) -> u64 {
    let count = |node| {
        let shown = network.lab.ask(node, &["node", "metrics"]).ok().json();
        let text = shown["openmetrics"].as_str().expect("a text");
        assert!(text.trim_end().ends_with("# EOF"), "{text}");
        let values = text.lines().filter_map(|line| line.strip_prefix(series)?.rsplit_once(' ')?.1.parse::<u64>().ok());
        values.sum::<u64>()
    };
    network.lab.running().map(count).sum()
}

#[test]
fn reads_are_counted_by_level_and_whatever_else_goes_on_in_groups() {
    let mut network = Members::new(3, 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys = runtime.block_on(Keys::new(&network.lab, "user", "counted"));
    let put = |key: &str, value| {
        let wrote = runtime.block_on(keys.put(key, value, Condition::Always));
        assert!(matches!(wrote, Wrote::Done), "{key}");
    };
    let get = |level| {
        let read = runtime.block_on(keys.get("k", level)).unwrap();
        assert_eq!(read.map(|(_, value)| value), Some(7), "{level:?}");
    };
    put("k", 7);
    // Replicas that were not asked yet may be as old as they like.
    get(Level::Linearizable);
    let served =
        |level: &str| counted(&network, &format!("storgo_group_reads_total{{level=\"{level}\",outcome=\"served\"}}"));
    let levels = ["linearizable", "lease", "bounded"];
    let before = levels.map(served);
    let [proposals, syncs, appends, leases] = [
        "storgo_group_proposals_total{outcome=\"applied\"}",
        "storgo_log_sync_seconds_count",
        "storgo_group_append_seconds_count",
        "storgo_group_leases_total{held=\"yes\"}",
    ]
    .map(|series| move |network: &Members| counted(network, series));
    let [p, s, a, l] = [proposals(&network), syncs(&network), appends(&network), leases(&network)];
    (0..3).for_each(|_| get(Level::Linearizable));
    (0..5).for_each(|_| get(Level::Lease));
    (0..4).for_each(|_| get(Level::Bounded(Duration::from_mins(1))));
    (0..2).for_each(|value| put("other", value));
    let [linearizable, lease, bounded] = [0, 1, 2].map(|at: usize| served(levels[at]) - before[at]);
    // Members read group 0 themselves, but at no weaker level; whoever is slow to answer is asked beside another one.
    assert!(linearizable >= 3 && lease >= 5 && bounded >= 4, "{linearizable} {lease} {bounded}");
    assert!(leases(&network) > l, "no lease held, though nothing was in its way");
    assert!(proposals(&network) >= p + 2);
    assert!(syncs(&network) >= s + 2 && appends(&network) > a);
    assert_eq!(counted(&network, "storgo_groups_led"), 3);
    assert_eq!(counted(&network, "storgo_clock_off"), 0);
    assert_eq!(counted(&network, "storgo_group_read_seconds_count{level=\"lease\"}"), served("lease"));
    runtime.block_on(keys.close());

    // Who leads is gone: others ask for votes, and one leads.
    let led = |network: &Members| counted(network, "storgo_group_leaderships_total");
    let leader = network.ask(&["cluster", "groups"])[0]["leader"].as_str().unwrap().to_owned();
    network.lab.kill(&leader);
    let (begun, asked) = (led(&network), counted(&network, "storgo_group_votes_asked_total"));
    until("others lead in its place", || (led(&network) > begun).then_some(()));
    assert!(counted(&network, "storgo_group_votes_asked_total") > asked);
}

#[test]
fn rebalancing_by_hand_says_what_it_moves_and_leaves_nothing_to_move() {
    let mut network = Members::new(3, 3);
    network.ask(&["cluster", "rebalance"]);
    let even = network.ask(&["cluster", "rebalance", "--dry-run"]);
    assert_eq!(even, serde_json::json!({ "seats": [], "leads": [] }));
    // A lead that was given away goes back to whose turn it is. The members do so themselves, but later: so now and then
    // they come first.
    until("a lead that is out of turn is shown, and moved", || {
        let row = network.ask(&["cluster", "groups"])[1].clone();
        let leader = row["leader"].as_str()?.to_owned();
        let other = row["voters"].as_array()?.iter().filter_map(|peer| peer.as_str()).find(|peer| *peer != leader)?;
        network.ask(&["cluster", "transfer-leader", "1", other]);
        until("it leads", || (network.ask(&["cluster", "groups"])[1]["leader"] == other).then_some(()));
        let planned = network.ask(&["cluster", "rebalance", "--dry-run"]);
        let is_shown = planned["leads"] == serde_json::json!([{ "group": 1, "from": other, "to": leader }]);
        let moved = network.ask(&["cluster", "rebalance"]);
        assert_eq!(network.ask(&["cluster", "groups"])[1]["leader"], leader.as_str());
        (is_shown && moved["leads"] == planned["leads"]).then_some(())
    });
    // A newcomer takes its share, and then nothing is left to do.
    network.add(3, &[]);
    until("the newcomer is known", || (network.ask(&["cluster", "nodes"]).as_array()?.len() == 4).then_some(()));
    until("the newcomer has its share", || {
        // It counts from when it answered who conducts.
        network.ask(&["cluster", "rebalance"]);
        let seats = network.ask(&["cluster", "nodes"]);
        seats.as_array()?.iter().all(|row| row["seats"] == 3).then_some(())
    });
    network.settled();
}

#[test]
fn a_durable_bucket_wants_all_members_and_readers_may_ask_for_a_level() {
    let mut network = Members::new(3, 2);
    let home = network.lab.home("user");
    let run = |network: &Members, args: &[&str]| home.run(&[args, &["--via", &network.lab.via()]].concat());
    run(&network, &["bucket", "create", "vault", "--replication", "durable", "--read", "lease"]).ok();
    let file = network.lab.file("deed", b"to all of them").display().to_string();
    run(&network, &["put", &file, "storgo://vault/deed"]).ok();
    for level in ["linearizable", "lease", "bounded:60000", "eventual"] {
        let read = run(&network, &["cat", "storgo://vault/deed", "--level", level]).ok();
        assert_eq!(read.text().trim_end(), "to all of them", "{level}");
    }
    run(&network, &["cat", "storgo://vault/deed", "--level", "strong"]).ended(2);
    assert!(counted(&network, "storgo_group_reads_total{level=\"lease\",outcome=\"served\"}") >= 1);

    let peer = network.lab.nodes[2].peer().to_owned();
    network.lab.kill(&peer);
    run(&network, &["put", &file, "storgo://vault/deed"]).ended(8).says("not all members");
    for (bucket, replication) in [("drafts", "replicated"), ("scraps", "local")] {
        run(&network, &["bucket", "create", bucket, "--replication", replication]).ok();
        let target = format!("storgo://{bucket}/deed");
        run(&network, &["put", &file, &target]).ok();
        run(&network, &["put", &file, &target, "--if-absent"]).ended(9);
        assert_eq!(run(&network, &["cat", &target]).ok().text().trim_end(), "to all of them", "{bucket}");
    }
    network.lab.restart(2);
    until("all members have it", || {
        let put = run(&network, &["put", &file, "storgo://vault/deed"]);
        (put.code == Some(0)).then_some(())
    });
}
