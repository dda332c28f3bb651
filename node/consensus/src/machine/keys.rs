//! Where records stand: ordered keys, slot first, so that a slot is one run of them.
//!
//! ```text
//!   slot (u16 BE) 'p'                                       the last key that came of a slot that is coming
//!   slot (u16 BE) 's'                                       whose it is
//!   slot (u16 BE) 'v' bucket (16) key 00 01 !stamp (u64 BE)  a version; the newest of a key first
//!   slot (u16 BE) 'w'                                        the index of the entry by which it came from elsewhere (u64 BE)
//!   ff ff 'b' bucket (16)                                    a bucket's configuration
//!   ff ff 'c' key                                           a row
//!   ff ff 'e' index (u64 BE) number (u32 BE)                 an event
//!   ff ff 'f'                                                the feature level (u32 BE)
//!   ff ff 'r' formed (u64 BE) slot (u16 BE) request (16)     what was answered; the oldest first, in bins of two seconds
//!   ff ff 't'                                                last stamp (u64 BE), index (u64 BE), place of the oldest event
//!                                                            (u64 BE, u32 BE), events kept (u64 BE)
//!   ff ff 'x' expiry ms (u64 BE), and the rest of a version's record key
//! ```
//!
//! A 00 in a key is written 00 ff, so that keys sort as their bytes and end before what follows. There are 16384 slots:
//! ff ff is none of them. What stands there is the group's own and stays when a slot goes; times to expire are written
//! anew where it comes, and what was answered goes with the slot too. That stands by time, because it is written with each
//! command and never changes: rows that come together fill pages of their own, and those that are over are a run.

use bytes::{BufMut as _, Bytes, BytesMut};
use storgo_protocol::cluster::EventPlace;
use storgo_protocol::meta::{BucketId, RequestId, Slot, Stamp, VersionId};

/// Milliseconds of requests' times that stand together: short enough that what is written at one time is in few pages,
/// long enough that the requests of a slot are found in few runs.
const REQUEST_BIN_MS: u64 = 2000;

const GROUP: [u8; 2] = [0xff, 0xff];
const REACHED: &[u8] = b"\xff\xfft";
const FEATURE: &[u8] = b"\xff\xfff";

fn slot_section(slot: Slot, section: u8) -> BytesMut {
    let mut key = BytesMut::with_capacity(64);
    key.put_u16(slot.number());
    key.put_u8(section);
    key
}

fn group_section(section: u8) -> BytesMut {
    let mut key = BytesMut::with_capacity(64);
    key.put_slice(&GROUP);
    key.put_u8(section);
    key
}

pub(super) fn slot_state(slot: Slot) -> Bytes {
    slot_section(slot, b's').freeze()
}

/// The records of this slot and all behind it.
pub(super) fn slots_from(slot: Slot) -> (Bytes, Bytes) {
    (Bytes::copy_from_slice(&slot.number().to_be_bytes()), Bytes::from_static(&GROUP))
}

/// The slot that a record is of; none for the group's own.
pub(super) fn read_slot(record: &[u8]) -> Option<Slot> {
    Slot::new(u16::from_be_bytes(*record.first_chunk()?))
}

/// Where it stands by which entry a slot came.
pub(super) fn arrived(slot: Slot) -> Bytes {
    slot_section(slot, b'w').freeze()
}

/// Where it stands which record of a slot came last.
pub(super) fn shipped(slot: Slot) -> Bytes {
    slot_section(slot, b'p').freeze()
}

fn request_bin(bin: u64) -> BytesMut {
    let mut key = group_section(b'r');
    key.put_u64(bin);
    key
}

fn slot_requests(bin: u64, slot: Slot) -> BytesMut {
    let mut key = request_bin(bin);
    key.put_u16(slot.number());
    key
}

pub(super) fn request(slot: Slot, request: RequestId) -> Bytes {
    let mut key = slot_requests(request.formed_ms() / REQUEST_BIN_MS, slot);
    key.put_slice(request.as_bytes());
    key.freeze()
}

/// The requests of a slot that were formed from one time to another, the oldest first, in runs; and perhaps some more.
pub(super) fn requests(slot: Slot, from_ms: u64, to_ms: u64) -> impl Iterator<Item = (Bytes, Bytes)> {
    (from_ms / REQUEST_BIN_MS..=to_ms / REQUEST_BIN_MS).map(move |bin| {
        let first = slot_requests(bin, slot).freeze();
        let end = after_prefix(&first);
        (first, end)
    })
}

/// Requests of all slots that were formed before, and none that were not.
pub(super) fn requests_before(ms: u64) -> (Bytes, Bytes) {
    (request_bin(0).freeze(), request_bin(ms / REQUEST_BIN_MS).freeze())
}

/// The request that the key of an answer names.
pub(super) fn read_request(key: &[u8]) -> Option<RequestId> {
    key.get(3 + 8 + 2..)?.try_into().ok().map(RequestId::from_bytes)
}

/// The versions of a slot.
pub(super) fn slot_versions(slot: Slot) -> (Bytes, Bytes) {
    (slot_section(slot, b'v').freeze(), slot_section(slot, b'v' + 1).freeze())
}

pub(super) fn bucket(id: BucketId) -> Bytes {
    let mut key = group_section(b'b');
    key.put_slice(id.as_bytes());
    key.freeze()
}

pub(super) fn row(key: &[u8]) -> Bytes {
    let mut record = group_section(b'c');
    record.put_slice(key);
    record.freeze()
}

/// The rows whose keys start so.
pub(super) fn rows(prefix: &[u8]) -> (Bytes, Bytes) {
    let first = row(prefix);
    let end = after_prefix(&first);
    (first, end)
}

pub(super) fn behind_row(key: &[u8]) -> Bytes {
    row(&[key, &[0]].concat())
}

/// The key of the row that a record's key names.
pub(super) fn read_row(record: &Bytes) -> Option<Bytes> {
    (record.len() >= 3).then(|| record.slice(3..))
}

pub(super) fn reached() -> Bytes {
    Bytes::from_static(REACHED)
}

pub(super) fn feature() -> Bytes {
    Bytes::from_static(FEATURE)
}

pub(super) fn event(place: EventPlace) -> Bytes {
    let mut key = group_section(b'e');
    key.put_u64(place.index);
    key.put_u32(place.number);
    key.freeze()
}

/// The place that an event's key names.
pub(super) fn read_event(key: &[u8]) -> Option<EventPlace> {
    let (index, number) = key.get(3..)?.split_first_chunk()?;
    Some(EventPlace { index: u64::from_be_bytes(*index), number: u32::from_be_bytes(number.try_into().ok()?) })
}

/// When a version's time is over.
pub(super) fn expiry(expires_ms: u64, version_key: &[u8]) -> Bytes {
    let mut key = group_section(b'x');
    key.put_u64(expires_ms);
    key.put_slice(version_key);
    key.freeze()
}

/// What expires up to and with `now_ms`.
pub(super) fn expired(now_ms: u64) -> (Bytes, Bytes) {
    (expiry(0, &[]), expiry(now_ms.saturating_add(1), &[]))
}

/// The version record that an expiry names.
pub(super) fn expiring(key: &[u8]) -> Option<Bytes> {
    key.get(3 + 8..).map(Bytes::copy_from_slice)
}

fn put_escaped(key: &mut BytesMut, name: &[u8]) {
    for (n, part) in name.split(|byte| *byte == 0).enumerate() {
        if n > 0 {
            key.put_slice(&[0, 0xff]);
        }
        key.put_slice(part);
    }
}

fn bucket_versions(slot: Slot, bucket: BucketId) -> BytesMut {
    let mut key = slot_section(slot, b'v');
    key.put_slice(bucket.as_bytes());
    key
}

/// The versions of one key, the newest first.
pub(super) fn versions(slot: Slot, bucket: BucketId, name: &[u8]) -> (Bytes, Bytes) {
    let mut first = bucket_versions(slot, bucket);
    put_escaped(&mut first, name);
    let mut end = first.clone();
    first.put_slice(&[0, 1]);
    end.put_slice(&[0, 2]);
    (first.freeze(), end.freeze())
}

pub(super) fn version(slot: Slot, bucket: BucketId, name: &[u8], stamp: Stamp) -> Bytes {
    let mut key = bucket_versions(slot, bucket);
    put_escaped(&mut key, name);
    key.put_slice(&[0, 1]);
    key.put_u64(!stamp.as_u64());
    key.freeze()
}

/// The versions of a bucket in a slot whose keys start with `prefix`.
pub(super) fn listing(slot: Slot, bucket: BucketId, prefix: &[u8]) -> (Bytes, Bytes) {
    let mut first = bucket_versions(slot, bucket);
    put_escaped(&mut first, prefix);
    let end = after_prefix(&first);
    (first.freeze(), end)
}

/// Behind all versions of `name`, or behind one of them.
pub(super) fn behind(slot: Slot, bucket: BucketId, name: &[u8], of: Option<VersionId>) -> Bytes {
    match of {
        None => versions(slot, bucket, name).1,
        Some(id) => {
            let mut key = BytesMut::from(version(slot, bucket, name, id.stamp()).as_ref());
            key.put_u8(0);
            key.freeze()
        }
    }
}

/// The first key behind all that start with these bytes. They start with a slot or ff ff and a letter, so there is one.
fn after_prefix(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            break;
        }
    }
    end.into()
}

/// What a version record's key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VersionKey {
    pub(super) slot: Slot,
    pub(super) bucket: BucketId,
    pub(super) name: Bytes,
    pub(super) stamp: Stamp,
}

pub(super) fn read_version(key: &[u8]) -> Option<VersionKey> {
    let (slot, rest) = key.split_first_chunk::<2>()?;
    let (bucket, mut rest) = rest.strip_prefix(b"v")?.split_first_chunk::<16>()?;
    let mut name = Vec::with_capacity(rest.len());
    loop {
        match rest {
            [0, 0xff, after @ ..] => {
                name.push(0);
                rest = after;
            }
            [0, 1, stamp @ ..] => {
                let stamp = Stamp::from_u64(!u64::from_be_bytes(stamp.try_into().ok()?));
                let slot = Slot::new(u16::from_be_bytes(*slot))?;
                return Some(VersionKey { slot, bucket: BucketId::from_bytes(*bucket), name: name.into(), stamp });
            }
            [0, ..] | [] => return None,
            [byte, after @ ..] => {
                name.push(*byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUCKET: BucketId = BucketId::from_bytes([0xff; 16]);

    fn slot() -> Slot {
        Slot::new(7).unwrap()
    }

    fn name() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()], 0..6)
    }

    proptest! {
        #[test]
        fn records_sort_as_keys_do_and_newest_first(a: (u64, u64), x in name(), y in name()) {
            let (s, t) = (Stamp::from_u64(a.0), Stamp::from_u64(a.1));
            let (left, right) = (version(slot(), BUCKET, &x, s), version(slot(), BUCKET, &y, t));
            let expected = x.cmp(&y).then(t.cmp(&s));
            prop_assert_eq!(left.cmp(&right), expected);
            let read = VersionKey { slot: slot(), bucket: BUCKET, name: x.clone().into(), stamp: s };
            prop_assert_eq!(read_version(&left), Some(read));
            let (first, end) = versions(slot(), BUCKET, &x);
            prop_assert_eq!((first..end).contains(&right), x == y);
            let (first, end) = listing(slot(), BUCKET, &x);
            prop_assert_eq!((first..end).contains(&right), y.starts_with(&x));
            prop_assert_eq!(behind(slot(), BUCKET, &x, None) <= right, x < y);
        }
    }

    #[test]
    fn what_is_no_version_is_not_read_as_one() {
        let key = version(slot(), BUCKET, b"k\0", Stamp::from_ms(1));
        for cut in 0..key.len() {
            assert_eq!(read_version(&key[..cut]), None);
        }
        assert_eq!(read_version(&reached()), None);
        let place = EventPlace { index: 9, number: 1 };
        assert_eq!(read_event(&event(place)), Some(place));
        assert_eq!(expiring(&expiry(5, &key)), Some(key));
    }
}
