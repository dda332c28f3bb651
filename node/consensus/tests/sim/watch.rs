//! What must be so at every moment, and what must be so in the end.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use storgo_consensus::{MemberStatus, Seat, machine, moves};
use storgo_protocol::GroupId;
use storgo_protocol::cluster::Since;
use storgo_protocol::limits::CLOCK_OFF_MS_MAX;
use storgo_protocol::meta::{Slot, SlotState};
use storgo_store::records::RecordsError;

use crate::cluster::{Cluster, GROUPS, NODES, Running, slots};

/// What was seen so far.
#[derive(Default)]
pub struct Watch {
    leaders: BTreeMap<(GroupId, u64), Seat>,
    terms: BTreeMap<(GroupId, Seat), u64>,
}

impl Watch {
    /// One seat leads a term, and no seat forgets a term that it was in.
    pub fn look(&mut self, cluster: &Cluster) -> Option<String> {
        for machine in &cluster.machines {
            let running = machine.running.lock().unwrap().clone();
            let Some(Running { groups, .. }) = running else { continue };
            let me = groups.me();
            for group in GROUPS {
                let Ok(status) = groups.status(group) else { continue };
                // What a failing disk did not keep was told to nobody.
                if status.stopped.is_some() {
                    self.terms.remove(&(group, me));
                    continue;
                }
                let known = self.terms.entry((group, me)).or_default();
                if status.term < *known && machine.disk.lock().unwrap().faulted().is_none() {
                    return Some(format!("{me} was in term {known} of {group}, and is in {}", status.term));
                }
                *known = status.term;
                if status.leader == Some(me) && *self.leaders.entry((group, status.term)).or_insert(me) != me {
                    return Some(format!("two lead {group} in term {}", status.term));
                }
            }
        }
        None
    }
}

/// The state of a group at each node that is to sit in it.
pub fn statuses(cluster: &Cluster, group: GroupId) -> Vec<Option<MemberStatus>> {
    let status = |node: &u64| cluster.running(*node).and_then(|running| running.groups.status(group).ok());
    cluster.members(group).iter().map(status).collect()
}

/// Whether all groups are where they are wanted, led by a clock that is right, and all members have applied the same.
pub fn agree(cluster: &Cluster) -> bool {
    GROUPS.into_iter().all(|group| {
        let voters = cluster.voters(group);
        let Some(statuses) = statuses(cluster, group).into_iter().collect::<Option<Vec<_>>>() else { return false };
        let Some(first) = statuses.first() else { return false };
        let same = |status: &MemberStatus| {
            status.applied == first.applied && status.voters == voters && status.learners.is_empty()
        };
        let is_right = |leader: Seat| {
            let node = u64::from(leader.peer.as_bytes()[0]) - 1;
            cluster.machine(node).skew_ms.load(Ordering::Relaxed).unsigned_abs() <= CLOCK_OFF_MS_MAX
        };
        statuses.iter().all(same) && first.leader.is_some_and(is_right)
    })
}

/// A move that is half-way, as its source has it where it is known best.
pub fn begun(cluster: &Cluster) -> Option<moves::Move> {
    GROUPS.into_iter().find_map(|group| {
        let known = cluster.members(group).iter().find_map(|node| contents(&cluster.running(*node)?, group).ok())?;
        let view: BTreeMap<Bytes, Bytes> = known.into_iter().collect();
        let begun = moves::begun(&view, group, slots()).unwrap();
        begun.into_iter().find(|of| of.source == group)
    })
}

/// What is wrong with what the groups hold in the end.
pub fn wrong_records(cluster: &Cluster) -> Option<String> {
    let mut owners: BTreeMap<Slot, Vec<GroupId>> = BTreeMap::new();
    for group in GROUPS {
        let members: Vec<Running> = cluster.members(group).iter().filter_map(|node| cluster.running(*node)).collect();
        let contents: Vec<_> = members.iter().map(|running| contents(running, group).unwrap()).collect();
        if contents.iter().any(|content| *content != contents[0]) {
            return Some(format!("the same log of {group} gave other bytes"));
        }
        let view: BTreeMap<Bytes, Bytes> = contents[0].iter().cloned().collect();
        let events = machine::events(&view, None, Since::Oldest, usize::MAX, usize::MAX).unwrap().events;
        if !events.is_sorted_by(|(i, a), (j, b)| (a.stamp < b.stamp) == (i.index < j.index)) {
            return Some(format!("stamps of {group} do not ascend"));
        }
        for slot in slots() {
            if machine::slot_state(&view, slot).unwrap() == Some(SlotState::Owned) {
                owners.entry(slot).or_default().push(group);
            }
        }
    }
    let odd = slots().into_iter().find(|slot| owners.get(slot).is_none_or(|of| of.len() != 1))?;
    Some(format!("slot {odd} is owned by {:?}", owners.get(&odd)))
}

/// Everything that a node's records hold of a group.
fn contents(running: &Running, group: GroupId) -> Result<Vec<(Bytes, Bytes)>, RecordsError> {
    let (view, mut all, mut after) = (running.records.group(group).view()?, Vec::new(), Bytes::new());
    loop {
        let page = view.scan((Bound::Excluded(after.as_ref()), Bound::Unbounded), usize::MAX)?;
        let Some((last, _)) = page.rows.last() else { return Ok(all) };
        after = last.clone();
        all.extend(page.rows);
    }
}

/// How all nodes are, for whoever looks for a fault.
pub fn dump(cluster: &Cluster) -> String {
    let settled = cluster.is_settled.load(Ordering::Relaxed);
    let mut lines = vec![format!("settled: {settled}, half-way: {:?}", begun(cluster))];
    for node in 0..NODES {
        let skew_ms = cluster.machine(node).skew_ms.load(Ordering::Relaxed);
        lines.push(format!("node {node} is {skew_ms} ms off"));
        let Some(running) = cluster.running(node) else {
            lines.push(format!("node {node} is down"));
            continue;
        };
        for group in GROUPS {
            lines.push(format!(
                "node {node} {} group {group}: {:?}",
                running.groups.me(),
                running.groups.status(group)
            ));
        }
    }
    lines.push(format!("wanted: {:?}", cluster.wanted.lock().unwrap()));
    lines.join("\n")
}
