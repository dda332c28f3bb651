//! Where the doors of the bucket are, and which slots' keys each has nearest: what cluster clients ask for.
//!
//! Doors say it to each other every few seconds, and forget who has not said it for some more. Nobody else keeps it.
//! Any door serves any key: which one a slot is listed with is a matter of speed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storgo_object::Forum;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{RESP_DOOR_SECONDS_MAX, RESP_DOORS_MAX, RESP_NEAREST_MS, SLOTS};
use storgo_protocol::meta::Slot;
use tokio::time::Instant;

use super::said::Said;

/// How often a door says where it is.
const SAID_EVERY: Duration = Duration::from_secs(2);

/// How long it goes by who was to lead.
const LEADS_KEPT: Duration = Duration::from_millis(RESP_NEAREST_MS);

/// The doors of a bucket.
#[derive(Debug, Default)]
pub(super) struct Doors {
    forum: Option<Forum>,
    /// Other doors by the members beside which they are, and when they were last heard of. Held for a moment.
    others: Mutex<BTreeMap<PeerId, (SocketAddr, Instant)>>,
    /// Who is to lead which slots, and when that was looked up. Held for a moment.
    leads: Mutex<Option<(Instant, Leads)>>,
}

/// Who is to lead which slots: ranges in ascending order.
type Leads = Arc<[(RangeInclusive<Slot>, Option<PeerId>)]>;

/// A door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// As cluster clients know it: 40 hexadecimal digits.
    pub(super) id: String,
    /// Where clients reach it.
    pub(super) address: SocketAddr,
    /// Whether it is this one.
    pub(super) is_own: bool,
}

/// Slots, and the doors that serve them: the nearest first, and all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nearest {
    pub(super) slots: RangeInclusive<Slot>,
    pub(super) doors: Vec<Place>,
}

impl Doors {
    pub(super) fn new(forum: Option<Forum>) -> Self {
        Self { forum, others: Mutex::default(), leads: Mutex::default() }
    }

    /// Speaks to other doors and hears them until it is dropped. This one is reached at `address`, if others can know that.
    pub(super) async fn talk(&self, address: Option<SocketAddr>, mut hear: impl FnMut(Said) + Send) {
        let Some(forum) = &self.forum else { return };
        let hear = forum.run(|said| {
            let Some(said) = Said::decode(said) else {
                return tracing::debug!("another door said something that makes no sense");
            };
            hear(said);
        });
        let say = async {
            // An address of every interface is no place to go to.
            let Some(address) = address.filter(|address| !address.ip().is_unspecified()) else { return };
            loop {
                if let Some(member) = forum.here() {
                    forum.say(&Said::Door { member, address }.encode());
                }
                tokio::time::sleep(SAID_EVERY).await;
            }
        };
        tokio::join!(hear, say);
    }

    /// Another door says where it is.
    pub(super) fn note(&self, member: PeerId, address: SocketAddr, now: Instant) {
        let mut others = self.others.lock();
        others.retain(|_, (_, heard)| is_fresh(*heard, now));
        if others.len() < RESP_DOORS_MAX || others.contains_key(&member) {
            others.insert(member, (address, now));
        }
    }

    /// Where the door is that has a slot nearest, if that is another.
    pub(super) fn elsewhere(&self, slot: Slot, now: Instant) -> Option<SocketAddr> {
        let leader = self.leader(slot, now)?;
        let others = self.others.lock();
        let (address, heard) = others.get(&leader)?;
        is_fresh(*heard, now).then_some(*address)
    }

    /// The member that is to lead the group of a slot, if this door is beside another.
    pub(super) fn leader(&self, slot: Slot, now: Instant) -> Option<PeerId> {
        let leads = self.leads(now);
        let (range, leader) = leads.get(leads.partition_point(|(range, _)| *range.end() < slot))?;
        (*leader).filter(|leader| range.contains(&slot) && *leader != self.here())
    }

    fn leads(&self, now: Instant) -> Leads {
        let mut leads = self.leads.lock();
        match &*leads {
            Some((looked, known)) if now.saturating_duration_since(*looked) < LEADS_KEPT => Arc::clone(known),
            _ => {
                let new: Leads = self.forum.as_ref().map(Forum::leads).unwrap_or_default().into();
                *leads = Some((now, Arc::clone(&new)));
                new
            }
        }
    }

    /// The id of this door.
    pub(super) fn own_id(&self) -> String {
        id(self.here())
    }

    fn here(&self) -> PeerId {
        self.forum.as_ref().and_then(Forum::here).unwrap_or(PeerId::from_bytes([0; 32]))
    }

    /// All doors by their members; this one is reached at `own`.
    fn known(&self, own: SocketAddr, now: Instant) -> BTreeMap<PeerId, Place> {
        let here = self.here();
        let others = self.others.lock();
        let fresh = others.iter().filter(|(_, (_, heard))| is_fresh(*heard, now));
        let place = |member: PeerId, address| (member, Place { id: id(member), address, is_own: member == here });
        fresh.map(|(member, (address, _))| place(*member, *address)).chain([place(here, own)]).collect()
    }

    /// All slots in order, with the doors that serve them. A slot whose leader has no door is listed with another one.
    pub(super) fn nearest(&self, own: SocketAddr, now: Instant) -> Vec<Nearest> {
        let known = self.known(own, now);
        let whole = || Slot::default()..=Slot::new(SLOTS - 1).unwrap_or_default();
        let mut leads = self.leads(now);
        if leads.is_empty() {
            leads = [(whole(), None)].into();
        }
        let mut listed: Vec<Nearest> = Vec::new();
        for (n, (slots, leader)) in leads.iter().cloned().enumerate() {
            let doors = in_order(&known, leader, n);
            match listed.last_mut() {
                Some(last) if last.doors == doors => last.slots = *last.slots.start()..=*slots.end(),
                _ => listed.push(Nearest { slots, doors }),
            }
        }
        listed
    }
}

/// Whether who was heard then is there still, as far as is known.
fn is_fresh(heard: Instant, now: Instant) -> bool {
    now.saturating_duration_since(heard) < Duration::from_secs(RESP_DOOR_SECONDS_MAX)
}

/// All doors, the leader's first, or that whose turn it is.
fn in_order(known: &BTreeMap<PeerId, Place>, leader: Option<PeerId>, turn: usize) -> Vec<Place> {
    let mut doors: Vec<Place> = known.values().cloned().collect();
    let first = leader.and_then(|leader| known.keys().position(|member| *member == leader));
    let first = first.or_else(|| turn.checked_rem(doors.len())).unwrap_or_default();
    doors.get_mut(..=first).unwrap_or_default().rotate_right(1);
    doors
}

/// What cluster clients know a door by: the beginning of its member's id.
fn id(member: PeerId) -> String {
    let digits: Vec<_> = member.as_bytes().iter().take(20).map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

#[cfg(test)]
impl Doors {
    /// All slots are nearest to a door that is there for long.
    pub(super) fn led_by(&self, member: PeerId) {
        let whole = Slot::default()..=Slot::new(SLOTS - 1).unwrap();
        let long = Instant::now() + Duration::from_hours(1);
        *self.leads.lock() = Some((long, [(whole, Some(member))].into()));
        self.others.lock().insert(member, (SocketAddr::from(([127, 0, 0, 1], 1)), long));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(seed: usize) -> PeerId {
        PeerId::from_bytes([seed.to_le_bytes(); 4].concat().try_into().unwrap())
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn doors_are_known_as_long_as_they_say_where_they_are() {
        let (doors, start) = (Doors::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let count = |now| doors.nearest(address(1), now)[0].doors.len();
        assert_eq!(count(start), 1);
        doors.note(member(2), address(2), start);
        let last = at(RESP_DOOR_SECONDS_MAX - 1);
        doors.note(member(3), address(3), last);
        assert_eq!((count(last), count(at(RESP_DOOR_SECONDS_MAX))), (3, 2));
        for n in 4..RESP_DOORS_MAX + 10 {
            doors.note(member(n), address(4), last);
        }
        assert_eq!(count(last), RESP_DOORS_MAX + 1);
    }

    #[test]
    fn the_leaders_door_comes_first_and_each_slot_has_one() {
        let (doors, now) = (Doors::default(), Instant::now());
        (2..5).for_each(|n: u16| doors.note(member(n.into()), address(n), now));
        let known = doors.known(address(1), now);
        let first = |leader, turn| in_order(&known, leader, turn)[0].address.port();
        assert_eq!([2, 3, 4].map(|n| first(Some(member(n)), 0)), [2, 3, 4]);
        assert_eq!([0, 1, 2, 3, 4].map(|turn| first(Some(member(9)), turn)), [1, 2, 3, 4, 1]);
        // Where the leader's door is elsewhere, that is where who asks can be sent.
        let range = |first, last, leader| (Slot::new(first).unwrap()..=Slot::new(last).unwrap(), leader);
        let leads = [range(0, 99, Some(member(3))), range(100, 199, Some(member(9))), range(200, 16383, None)];
        *doors.leads.lock() = Some((now, leads.into()));
        let sent = [0, 99, 100, 200, 16383].map(|slot| doors.elsewhere(Slot::new(slot).unwrap(), now));
        assert_eq!(sent, [Some(address(3)), Some(address(3)), None, None, None]);
        let looked_again = now + LEADS_KEPT;
        assert!(
            doors.elsewhere(Slot::default(), looked_again.checked_sub(Duration::from_millis(1)).unwrap()).is_some()
        );
        assert_eq!(doors.elsewhere(Slot::default(), looked_again), None, "nobody says any more who leads");
        let later = now + Duration::from_secs(RESP_DOOR_SECONDS_MAX);
        *doors.leads.lock() = Some((later, [range(0, 16383, Some(member(3)))].into()));
        assert_eq!(doors.elsewhere(Slot::default(), later), None, "it is not heard any more");
        *doors.leads.lock() = None;
        let all = doors.nearest(address(1), now);
        assert_eq!((all.len(), all[0].doors.len()), (1, 4));
        assert_eq!((all[0].slots.start().number(), all[0].slots.end().number()), (0, SLOTS - 1));
        assert!(all[0].doors.iter().all(|door| door.id.len() == 40) && all[0].doors[0].is_own);
    }
}
