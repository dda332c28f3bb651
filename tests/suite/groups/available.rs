//! How long it takes until names can be written again, when who leads is killed; and that nobody notices when members are
//! stopped and started in turn.
//!
//! `STORGO_FAILOVERS` says how often a leader is killed, and makes it a measurement with bounds; `just failover` has 20.
//! `STORGO_FAILOVER_GROUPS` says in a network of how many groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use storgo_protocol::meta::Condition;
use tokio::runtime::Runtime;

use super::clients::Clients;
use super::members::{Keys, Members, Wrote};
use crate::harness::{Node, until};

/// Leaders that are killed if nobody says how many.
const FAILOVERS: u32 = 2;

/// Groups besides group 0 if nobody says how many.
const GROUPS: u32 = 4;

/// What the groups promise of a measurement: of up to so many groups the former median, of more the latter.
const FEW_GROUPS: u32 = 16;
const MEDIAN_MAX: Duration = Duration::from_secs(1);
const MEDIAN_OF_MANY_MAX: Duration = Duration::from_secs(3);
const LONGEST_MAX: Duration = Duration::from_secs(5);

/// Clients that write to the group whose leader is killed.
const CLIENTS: u64 = 12;

/// How often somebody new comes while nobody is answered.
const NEXT: Duration = Duration::from_millis(20);

fn setting(name: &str) -> Option<u32> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn three(groups: u32) -> (Members, Runtime) {
    let mut network = Members::new(3, groups);
    (0..3).for_each(|member| network.filled(member));
    network.lab.nodes.iter_mut().for_each(Node::keep_address);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    (network, runtime)
}

/// Who leads a group, by its place in the lab.
fn leader(network: &Members, group: u64) -> usize {
    until("the group has a leader", || {
        let rows = network.ask(&["cluster", "groups"]);
        let row = rows.as_array()?.iter().find(|row| row["group"] == group)?.clone();
        network.lab.nodes.iter().position(|node| node.is_running() && row["leader"] == node.peer())
    })
}

/// Kills the leader of a group while clients write to it: how long it takes until a write that began afterwards is done.
fn fail_over(network: &mut Members, runtime: &Runtime, keys: &Arc<Keys>, group: u64) -> Duration {
    let key =
        (0..u16::MAX).map(|n| format!("key-{n}")).find(|key| keys.group_of(key).as_u64() == group).expect("a key");
    let (over, written) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0_u64)));
    let load: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (keys, key, over, written) = (Arc::clone(keys), key.clone(), Arc::clone(&over), Arc::clone(&written));
            runtime.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    if matches!(keys.put(&key, number, Condition::Always).await, Wrote::Done) {
                        *written.lock() += 1;
                    }
                }
            })
        })
        .collect();
    until("the group is under load", || (*written.lock() > 10 * CLIENTS).then_some(()));
    let leader = leader(network, group);
    let killed = Instant::now();
    network.lab.nodes[leader].kill();
    // Whoever was there waits for an answer to an older question; newcomers ask anew, until one is answered.
    let took = runtime.block_on(async {
        let first = Arc::new(Mutex::new(None));
        let mut turns = tokio::time::interval(NEXT);
        let mut asking = Vec::new();
        while first.lock().is_none() {
            turns.tick().await;
            let (keys, key, first) = (Arc::clone(keys), key.clone(), Arc::clone(&first));
            asking.push(tokio::spawn(async move {
                if matches!(keys.put(&key, CLIENTS, Condition::Always).await, Wrote::Done) {
                    first.lock().get_or_insert_with(|| killed.elapsed());
                }
            }));
            assert!(killed.elapsed() < crate::harness::PATIENCE, "nobody leads");
        }
        for asked in asking {
            asked.await.expect("a client does not panic");
        }
        first.lock().take().expect("somebody was answered")
    });
    over.store(true, Ordering::Relaxed);
    for client in load {
        runtime.block_on(client).expect("a client does not panic");
    }
    network.lab.restart(leader);
    network.filled(leader);
    took
}

#[test]
fn writes_go_on_soon_after_a_leader_was_killed() {
    let (measured, groups) = (setting("STORGO_FAILOVERS"), setting("STORGO_FAILOVER_GROUPS").unwrap_or(GROUPS));
    let (mut network, runtime) = three(groups);
    let keys = Arc::new(runtime.block_on(Keys::new(&network.lab, "user", "failover")));
    let mut times: Vec<Duration> = Vec::new();
    for number in 0..measured.unwrap_or(FAILOVERS) {
        let group = 1 + u64::from(number % groups);
        let took = fail_over(&mut network, &runtime, &keys, group);
        println!("leader {:>2} of group {group} killed: written again after {:>5} ms", number + 1, took.as_millis());
        times.push(took);
    }
    times.sort_unstable();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{} leaders killed: median {median:.3?}, longest {longest:.3?}", times.len());
    if measured.is_some() {
        let median_max = if groups <= FEW_GROUPS { MEDIAN_MAX } else { MEDIAN_OF_MANY_MAX };
        assert!(median <= median_max && longest < LONGEST_MAX, "{times:?}");
    }
    runtime.block_on(Arc::into_inner(keys).expect("no client is left").close());
}

#[test]
fn nobody_notices_when_each_member_in_turn_is_stopped_and_started() {
    let (mut network, runtime) = three(GROUPS);
    let keys = Arc::new(runtime.block_on(Keys::new(&network.lab, "user", "rolling")));
    let asking: Vec<_> = (0..CLIENTS).map(|_| (Arc::clone(&keys), runtime.handle().clone())).collect();
    let clients = Clients::start(rand::random(), &asking);
    drop(asking);
    for member in [0, 1, 2, 0, 1, 2] {
        clients.wrote(clients.history.counts().written + 60);
        let status = network.lab.nodes[member].terminate();
        assert!(status.success(), "{status}");
        clients.wrote(clients.history.counts().written + 60);
        network.lab.restart(member);
        network.filled(member);
        let counts = clients.history.counts();
        assert_eq!(counts.unanswered, 0, "a request failed when member {member} was stopped or started");
    }
    let history = clients.end(&runtime, &keys);
    println!("{:?}", history.counts());
    assert_eq!(history.counts().unanswered, 0, "a request failed");
    runtime.block_on(Arc::into_inner(keys).expect("no client is left").close());
}
