//! Who is to sit where: a pure function of the map and of who is present.
//!
//! Seats stay where they are while they can. A group gets as many voters as the network wants and has members for, an odd
//! number, in distinct zones first; then the loads are evened out, a few seats at a time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use storgo_protocol::cluster::{ClusterMap, GroupRow, MemberState};
use storgo_protocol::{GroupId, InviteRole, PeerId};

/// Seats that are moved in one go only to even loads out, where nobody asks for more.
pub(super) const MOVES_FOR_BALANCE: usize = 4;

/// The groups whose seats are to change, and how. `present` are the members that answer; `moves` seats at most are moved
/// only to even loads out.
pub(super) fn seats(map: &ClusterMap, present: &BTreeSet<PeerId>, moves: usize) -> BTreeMap<GroupId, Vec<PeerId>> {
    let mut plan = Plan::new(map, present);
    for (id, group) in &map.groups {
        plan.fill(*id, group);
    }
    for _ in 0..moves {
        if !plan.balance() {
            break;
        }
    }
    let changed = |(id, seats): (GroupId, BTreeSet<PeerId>)| {
        let seats: Vec<PeerId> = seats.into_iter().collect();
        (map.seats(id) != seats).then_some((id, seats))
    };
    plan.seats.into_iter().filter_map(changed).collect()
}

struct Plan<'a> {
    map: &'a ClusterMap,
    /// Members that may have seats, and whether they answer.
    fit: BTreeMap<PeerId, bool>,
    voters: usize,
    seats: BTreeMap<GroupId, BTreeSet<PeerId>>,
    load: BTreeMap<PeerId, usize>,
}

impl<'a> Plan<'a> {
    fn new(map: &'a ClusterMap, present: &BTreeSet<PeerId>) -> Self {
        let fit: BTreeMap<PeerId, bool> = map
            .members
            .values()
            .filter(|member| member.state == MemberState::Active && member.admission.terms.role == InviteRole::Metadata)
            .map(|member| (member.peer(), present.contains(&member.peer())))
            .collect();
        let wanted = usize::try_from(map.network.voters).unwrap_or(1).min(fit.len());
        let voters = if wanted.is_multiple_of(2) { wanted.saturating_sub(1) } else { wanted }.max(1);
        let mut load: BTreeMap<PeerId, usize> = fit.keys().map(|peer| (*peer, 0)).collect();
        for seat in map.groups.values().flat_map(|group| &group.seats) {
            if let Some(load) = load.get_mut(seat) {
                *load += 1;
            }
        }
        Self { map, fit, voters, seats: BTreeMap::new(), load }
    }

    fn zone(&self, peer: PeerId) -> &str {
        self.map.members.get(&peer).map_or("", |member| member.zone.as_str())
    }

    fn zones(&self, seats: &BTreeSet<PeerId>) -> usize {
        seats.iter().map(|seat| self.zone(*seat)).collect::<BTreeSet<_>>().len()
    }

    fn answers(&self, peer: PeerId) -> bool {
        self.fit.get(&peer).copied().unwrap_or_default()
    }

    /// The best of those that answer and have no seat in the group yet.
    fn newcomer(&self, id: GroupId, seats: &BTreeSet<PeerId>) -> Option<PeerId> {
        let zones: BTreeSet<&str> = seats.iter().map(|seat| self.zone(*seat)).collect();
        let candidates = self.fit.iter().filter(|(peer, answers)| **answers && !seats.contains(*peer));
        let rank = |peer: PeerId| {
            let load = self.load.get(&peer).copied().unwrap_or_default();
            (zones.contains(self.zone(peer)), load, mix(id, peer))
        };
        candidates.map(|(peer, _)| *peer).min_by_key(|peer| rank(*peer))
    }

    /// The one that can be spared first: it does not answer, its zone has others, it has most to do.
    fn spare(&self, id: GroupId, seats: &BTreeSet<PeerId>) -> Option<PeerId> {
        let rank = |peer: PeerId| {
            let alone = seats.iter().filter(|other| self.zone(**other) == self.zone(peer)).count() == 1;
            let load = self.load.get(&peer).copied().unwrap_or_default();
            (self.answers(peer), alone, Reverse(load), mix(id, peer))
        };
        seats.iter().copied().min_by_key(|peer| rank(*peer))
    }

    fn add(&mut self, seats: &mut BTreeSet<PeerId>, peer: PeerId) {
        seats.insert(peer);
        *self.load.entry(peer).or_default() += 1;
    }

    fn take(&mut self, seats: &mut BTreeSet<PeerId>, peer: PeerId) {
        seats.remove(&peer);
        if let Some(load) = self.load.get_mut(&peer) {
            *load = load.saturating_sub(1);
        }
    }

    /// Gives a group its voters.
    fn fill(&mut self, id: GroupId, group: &GroupRow) {
        let mut seats: BTreeSet<PeerId> =
            group.seats.iter().copied().filter(|seat| self.fit.contains_key(seat)).collect();
        while seats.len() < self.voters
            && let Some(peer) = self.newcomer(id, &seats)
        {
            self.add(&mut seats, peer);
        }
        while seats.len() > self.voters
            && let Some(peer) = self.spare(id, &seats)
        {
            self.take(&mut seats, peer);
        }
        // Who is gone keeps its seat until somebody can take it.
        let gone: Vec<PeerId> = seats.iter().copied().filter(|seat| !self.answers(*seat)).collect();
        for gone in gone {
            if let Some(peer) = self.newcomer(id, &seats) {
                self.take(&mut seats, gone);
                self.add(&mut seats, peer);
            }
        }
        if seats.is_empty() {
            // Nobody is fit: those that have the group's log keep it.
            seats = group.seats.iter().copied().collect();
        }
        self.seats.insert(id, seats);
    }

    /// Moves one seat from who has most to who has least; whether there was one to move.
    fn balance(&mut self) -> bool {
        let loads: Vec<(usize, PeerId)> = self
            .fit
            .iter()
            .filter(|(_, answers)| **answers)
            .map(|(peer, _)| (self.load.get(peer).copied().unwrap_or_default(), *peer))
            .collect();
        let (Some((most, from)), Some((least, to))) = (loads.iter().max().copied(), loads.iter().min().copied()) else {
            return false;
        };
        if most < least + 2 {
            return false;
        }
        let moved = self.seats.iter().find_map(|(id, seats)| {
            let mut moved = seats.clone();
            let fits = moved.remove(&from) && moved.insert(to) && self.zones(&moved) >= self.zones(seats);
            fits.then_some((*id, moved))
        });
        let Some((id, seats)) = moved else { return false };
        self.seats.insert(id, seats);
        *self.load.entry(from).or_default() -= 1;
        *self.load.entry(to).or_default() += 1;
        true
    }
}

/// Spreads ties: each group prefers others.
fn mix(id: GroupId, peer: PeerId) -> u64 {
    let bytes = peer.as_bytes().first_chunk().copied().unwrap_or_default();
    let mixed = (u64::from_le_bytes(bytes) ^ id.as_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use storgo_protocol::cluster::{MemberRow, NetworkRow, SlotTable};
    use storgo_protocol::meta::Stamp;
    use storgo_protocol::{Identity, Invite, InviteTerms, LogIncarnation};

    use super::*;

    fn peer(n: u8) -> PeerId {
        Identity::from_seed(&[n; 32]).id()
    }

    fn member(n: u8, zone: &str) -> MemberRow {
        let (root, key) = (Identity::from_seed(&[200; 32]), Identity::from_seed(&[201; 32]));
        let terms = InviteTerms::new(&root, key.id(), InviteRole::Metadata, 0);
        MemberRow {
            admission: Invite { terms, key, addresses: Vec::new() }.admit(peer(n)),
            incarnation: LogIncarnation::new(1),
            zone: zone.to_owned(),
            addresses: Vec::new(),
            state: MemberState::Active,
            agent: String::new(),
            left: BTreeMap::new(),
        }
    }

    /// A network of 16 groups, all of them of member 0 alone.
    fn young() -> ClusterMap {
        let group = GroupRow { seats: vec![peer(0)], founder: (peer(0), LogIncarnation::new(1)), founded: true };
        ClusterMap {
            revision: Stamp::ZERO,
            network: NetworkRow { root: peer(200), groups: 16, voters: 3, founded_ms: 0 },
            members: [(peer(0), member(0, ""))].into(),
            groups: (0..=16).map(|id| (GroupId::new(id), group.clone())).collect(),
            slots: SlotTable::even(16),
        }
    }

    fn join(map: &mut ClusterMap, n: u8, zone: &str) {
        map.members.insert(peer(n), member(n, zone));
    }

    /// Plans again and again until nothing changes; how many seats came or went in all.
    fn settle(map: &mut ClusterMap, present: &[u8]) -> usize {
        let present: BTreeSet<_> = present.iter().map(|n| peer(*n)).collect();
        let mut moved = 0;
        for _ in 0..100 {
            let changes = seats(map, &present, MOVES_FOR_BALANCE);
            if changes.is_empty() {
                return moved;
            }
            for (id, seats) in changes {
                let group = map.groups.get_mut(&id).unwrap();
                let (old, new): (BTreeSet<_>, BTreeSet<_>) = (group.seats.iter().collect(), seats.iter().collect());
                moved += new.difference(&old).count();
                group.seats = seats;
            }
        }
        panic!("it does not settle");
    }

    fn loads(map: &ClusterMap) -> Vec<usize> {
        let load = |peer: &PeerId| map.groups.values().filter(|group| group.seats.contains(peer)).count();
        map.members.keys().map(load).collect()
    }

    #[test]
    fn groups_grow_with_their_members_and_loads_stay_even() {
        let mut map = young();
        assert_eq!(settle(&mut map, &[0]), 0);
        join(&mut map, 1, "");
        settle(&mut map, &[0, 1]);
        // Two voters are worse than one: either's death stops them.
        assert!(map.groups.values().all(|group| group.seats.len() == 1));
        assert!(loads(&map).iter().all(|load| (8..=9).contains(load)), "{:?}", loads(&map));
        join(&mut map, 2, "");
        settle(&mut map, &[0, 1, 2]);
        assert!(map.groups.values().all(|group| group.seats.len() == 3));
        for n in 3..6 {
            join(&mut map, n, "");
            // No more than its share of 51 seats comes to a newcomer.
            let moved = settle(&mut map, &(0..=n).collect::<Vec<_>>());
            assert!(moved <= 51 / (usize::from(n) + 1) + 1, "{moved} for {n}");
            let loads = loads(&map);
            assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{loads:?}");
        }
    }

    #[test]
    fn asked_for_all_it_plans_all_in_one_go() {
        let mut map = young();
        (1..3).for_each(|n| join(&mut map, n, ""));
        settle(&mut map, &[0, 1, 2]);
        (3..6).for_each(|n| join(&mut map, n, ""));
        let present: BTreeSet<_> = (0..6).map(peer).collect();
        for (id, seats) in seats(&map, &present, usize::MAX) {
            map.groups.get_mut(&id).unwrap().seats = seats;
        }
        assert_eq!(loads(&map).iter().max(), Some(&9), "{:?}", loads(&map));
        assert_eq!(settle(&mut map, &[0, 1, 2, 3, 4, 5]), 0, "something was left");
    }

    #[test]
    fn zones_come_before_loads() {
        let mut map = young();
        for (n, zone) in [(0, "a"), (1, "a"), (2, "a"), (3, "b"), (4, "c")] {
            join(&mut map, n, zone);
        }
        settle(&mut map, &[0, 1, 2, 3, 4]);
        for group in map.groups.values() {
            let zones: BTreeSet<_> = group.seats.iter().map(|seat| map.members[seat].zone.clone()).collect();
            assert_eq!(zones.len(), 3, "{group:?}");
        }
    }

    #[test]
    fn who_drains_or_is_gone_gives_its_seats_to_others_and_to_nobody_else_anything_moves() {
        let mut map = young();
        for n in 1..5 {
            join(&mut map, n, "");
        }
        settle(&mut map, &[0, 1, 2, 3, 4]);
        let had = map.groups.values().filter(|group| group.seats.contains(&peer(2))).count();
        let moved = settle(&mut map, &[0, 1, 3, 4]);
        assert!(map.groups.values().all(|group| group.seats.len() == 3 && !group.seats.contains(&peer(2))));
        assert!(moved <= had + MOVES_FOR_BALANCE, "{moved} moved where {had} seats were");
        map.members.get_mut(&peer(3)).unwrap().state = MemberState::Draining;
        settle(&mut map, &[0, 1, 2, 3, 4]);
        assert!(map.groups.values().all(|group| group.seats.len() == 3 && !group.seats.contains(&peer(3))));
    }

    #[test]
    fn who_is_gone_keeps_its_seat_while_nobody_can_take_it() {
        let mut map = young();
        join(&mut map, 1, "");
        join(&mut map, 2, "");
        settle(&mut map, &[0, 1, 2]);
        assert_eq!(settle(&mut map, &[0]), 0);
        assert!(map.groups.values().all(|group| group.seats.len() == 3));
        // A member that leaves for good takes a voter with it.
        map.members.get_mut(&peer(2)).unwrap().state = MemberState::Removed;
        settle(&mut map, &[0, 1]);
        assert!(map.groups.values().all(|group| group.seats.len() == 1));
        for member in map.members.values_mut() {
            member.state = MemberState::Draining;
        }
        assert_eq!(settle(&mut map, &[0, 1]), 0, "somebody has to keep the log");
    }
}
