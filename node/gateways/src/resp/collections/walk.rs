//! Scans of a collection, whose cursor is a place and needs nobody to keep it.
//!
//! Elements have an order by a hash of theirs, and a cursor says from which hash on the next page is. So what is there from
//! the first page to the last is given once, whatever else comes and goes meanwhile.

use crate::resp::draw::mix;

/// Where an element stands among others: FNV-1a, mixed. Never 0, which is where a scan begins.
fn place(element: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = element.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    mix(hash).max(1)
}

/// About so many elements from a cursor on, and the cursor of those behind them; 0 if there are none. Elements at the same
/// place are given together.
pub(in crate::resp) fn page<T>(
    elements: impl Iterator<Item = T>,
    name: impl Fn(&T) -> &[u8],
    cursor: u64,
    count: usize,
) -> (u64, Vec<T>) {
    page_by(elements, |element| place(name(element)), cursor, count)
}

fn page_by<T>(
    elements: impl Iterator<Item = T>,
    place: impl Fn(&T) -> u64,
    cursor: u64,
    count: usize,
) -> (u64, Vec<T>) {
    let placed = elements.map(|element| (place(&element), element));
    let mut rest: Vec<_> = placed.filter(|(place, _)| *place >= cursor).collect();
    let bare = |placed: Vec<(u64, T)>| placed.into_iter().map(|(_, element)| element).collect();
    if rest.len() <= count.max(1) {
        return (0, bare(rest));
    }
    let (_, (last, _), _) = rest.select_nth_unstable_by_key(count.max(1) - 1, |(place, _)| *place);
    let last = *last;
    let next = rest.iter().map(|(place, _)| *place).filter(|place| *place > last).min();
    rest.retain(|(place, _)| *place <= last);
    (next.unwrap_or(0), bare(rest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    #[test]
    fn places_do_not_change() {
        // A cursor that a client has must mean the same after an update.
        let places = ["", "a", "b", "foobar"].map(|element| place(element.as_bytes()));
        assert_eq!(
            places,
            [17_665_956_581_633_026_203, 198_367_012_849_983_736, 4_482_684_837_372_322_821, 4_633_546_387_131_234_498]
        );
    }

    proptest! {
        #[test]
        fn what_is_there_all_the_time_is_given_once(
            stays: BTreeSet<u16>,
            comes_and_goes: BTreeSet<u16>,
            count in 1_usize..20,
            spread in 1_u64..300,
        ) {
            // Few places, so that many elements share one.
            let place = |element: &u16| mix(u64::from(*element)) % spread + 1;
            let (mut cursor, mut given, mut pages) = (0, Vec::new(), 0_usize);
            loop {
                let others = comes_and_goes.difference(&stays).filter(|other| pages % 2 == usize::from(**other % 2));
                let (next, found) = page_by(stays.iter().chain(others).copied(), place, cursor, count);
                given.extend(found.into_iter().filter(|element| stays.contains(element)));
                pages += 1;
                prop_assert!(next == 0 || next > cursor);
                if next == 0 {
                    break;
                }
                cursor = next;
            }
            given.sort_unstable();
            prop_assert_eq!(given, stays.into_iter().collect::<Vec<_>>());
        }
    }
}
