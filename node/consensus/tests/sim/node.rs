//! A node of the simulation: opens what its disk holds, serves members and clients, does as it is told, and ends when a
//! group of it has stopped, as a node must whose disk failed.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use storgo_consensus::planted::{Planted, is_planted};
use storgo_consensus::{Elections, Groups, GroupsConfig, Seat, Snapshots};
use storgo_object::ports::Random;
use storgo_store::NodeKey;
use storgo_store::log::{Log, LogConfig, SyncPolicy};
use storgo_store::records::{Records, RecordsConfig};
use tokio::sync::mpsc;
use turmoil::net::UdpSocket;

use crate::cluster::{Cluster, GROUPS, Machine, NODES, Order, Running, Seeded, name, peer};
use crate::net::{Datagrams, PORT, receive};
use crate::seats::keep_seats;
use crate::serve::serve;

/// Runs a node until it is crashed or ends by itself.
pub async fn run(cluster: Cluster, machine: Machine) -> turmoil::Result {
    let ended = match open(&cluster, &machine).await {
        Ok((log, running, socket, orders)) => {
            *machine.running.lock().unwrap() = Some(running.clone());
            machine.rotten.store(false, Ordering::Relaxed);
            cluster.seats.lock().unwrap().insert(machine.number, running.groups.me());
            let peers = (0..NODES).map(|n| (peer(n), name(n))).collect();
            tokio::spawn(receive(socket, running.groups.clone(), peers));
            tokio::spawn(keep_seats(cluster.clone(), running.groups.clone(), machine.number));
            tokio::select! {
                biased;
                served = serve(running.groups.clone()) => return served,
                reason = stopped(&running.groups) => reason,
                () = obey(&cluster, &running, orders) => {
                    close(&log, &running).await;
                    "it was asked to".to_owned()
                }
            }
        }
        Err(error) => format!("not opened: {}", chain(&*error)),
    };
    machine.running.lock().unwrap().take();
    *machine.ended.lock().unwrap() = Some(ended);
    Ok(())
}

type Opened = (Log, Running, Arc<UdpSocket>, mpsc::Receiver<Order>);

async fn open(cluster: &Cluster, machine: &Machine) -> Result<Opened, Box<dyn Error>> {
    let start = machine.starts.fetch_add(1, Ordering::Relaxed);
    let seed = cluster.seed.wrapping_mul(10_000) + machine.number * 1000 + start;
    let random: Arc<dyn Random> = Arc::new(Seeded(Mutex::new(StdRng::seed_from_u64(seed))));
    let disk: Arc<dyn storgo_store::Disk> = Arc::new(machine.disk.lock().unwrap().clone());
    let key = NodeKey::from_bytes([7; 32]);
    // Syncs take no time here, so that answers before them need a policy that puts them off.
    let sync = if is_planted(Planted::AcknowledgedBeforeSync) {
        SyncPolicy::Interval(Duration::from_millis(200))
    } else {
        SyncPolicy::EveryBatch
    };
    let config = LogConfig { segment_bytes: 16 * 1024, sync, ..LogConfig::new(key.clone()) };
    let (log, opening) = Log::open_simulated(&disk, Path::new("/log"), config, Arc::clone(&random))?;
    let config = RecordsConfig { cache_bytes: 1 << 20, fresh_bytes: 8 << 10, ..RecordsConfig::new(key) };
    let (records, _) = Records::open_simulated(&disk, Path::new("/records"), config, random)?;
    let socket = Arc::new(UdpSocket::bind(("0.0.0.0", PORT)).await?);
    let transport = Datagrams {
        me: name(machine.number),
        socket: Arc::clone(&socket),
        peers: (0..NODES).map(|n| (peer(n), name(n))).collect::<BTreeMap<_, _>>(),
        trace: cluster.trace.clone(),
    };
    let groups = Groups::new(GroupsConfig {
        // A node that lost its log has another incarnation.
        me: Seat { peer: peer(machine.number), incarnation: opening.incarnation },
        log: log.clone(),
        records: records.clone(),
        transport: Arc::new(transport),
        clock: cluster.clock(machine),
        elections: Elections::default(),
        snapshots: Snapshots { every: 24, log_kept: 6 },
        seed,
        metrics: cluster.metrics.clone(),
    });
    for group in GROUPS {
        groups.open(group).await?;
    }
    let (orders, received) = mpsc::channel(4);
    Ok((log, Running { groups, records, orders }, socket, received))
}

/// Waits until a group has stopped; why.
async fn stopped(groups: &Groups) -> String {
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    loop {
        pause.tick().await;
        for group in GROUPS {
            // One that is not there is started again.
            if let Some(reason) = groups.status(group).ok().and_then(|status| status.stopped) {
                return reason;
            }
        }
    }
}

/// Does what is ordered until it is ordered to stop.
async fn obey(cluster: &Cluster, running: &Running, mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Stall(time) => tokio::time::advance(time).await,
            Order::Transfer(group, to) => {
                let seat = cluster.seats.lock().unwrap().get(&to).copied();
                let leads = running.groups.status(group).is_ok_and(|status| {
                    status.leader == Some(running.groups.me()) && seat.is_some_and(|to| status.voters.contains(&to))
                });
                if let (true, Some(to)) = (leads, seat) {
                    // Whether it came to that is seen by who leads.
                    drop(running.groups.transfer(group, to).await);
                }
            }
            Order::Stop => return,
        }
    }
}

async fn close(log: &Log, running: &Running) {
    running.groups.stop().await;
    // What cannot be closed is opened as after a crash.
    drop(running.records.close().await);
    drop(log.close().await);
}

fn chain(error: &dyn Error) -> String {
    let source = error.source().map(|source| format!(": {}", chain(source))).unwrap_or_default();
    format!("{error}{source}")
}
