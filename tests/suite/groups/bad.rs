//! A history that no order explains, made small enough to be read: no later than the first answer that cannot be true,
//! and without the reads that have nothing to do with it.

use std::fmt::Write as _;
use std::time::Duration;

use super::check::is_linearizable;
use super::operation::{Did, Operation, Told};

/// Operations that are shown, the last ones.
const SHOWN: usize = 40;

/// What was known at a time: what had not ended then may or may not have happened.
fn until(operations: &[Operation], time: Duration) -> Vec<Operation> {
    let known = operations.iter().filter(|operation| operation.began <= time);
    known
        .map(
            |operation| {
                if operation.ended > time { Operation { told: Told::Nothing, ..*operation } } else { *operation }
            },
        )
        .collect()
}

/// The smallest part that was found of a history that no order explains, by its end and by leaving out reads: whatever
/// part it is, no order explains it either.
fn shrunk(operations: &[Operation]) -> Vec<Operation> {
    let mut ends: Vec<Duration> = operations.iter().map(|operation| operation.ended).collect();
    ends.sort_unstable();
    // More answers never make a false one true.
    let first_bad = ends.partition_point(|end| is_linearizable(&until(operations, *end)));
    let mut small = ends.get(first_bad).map_or_else(|| operations.to_vec(), |end| until(operations, *end));
    small.retain(|operation| operation.did != Did::Get || operation.told != Told::Nothing);
    let mut at = 0;
    while let Some(operation) = small.get(at).copied() {
        if operation.did == Did::Get {
            small.remove(at);
            if !is_linearizable(&small) {
                continue;
            }
            small.insert(at, operation);
        }
        at += 1;
    }
    small.sort_by_key(|operation| operation.began);
    small
}

/// A bad history, for people.
pub fn told_small(operations: &[Operation]) -> String {
    let small = shrunk(operations);
    let mut text = format!("no order explains {} of {} operations", small.len(), operations.len());
    if let Some(operation) = small.first() {
        write!(text, " in place {}", operation.key).expect("a string takes all");
    }
    if small.len() > SHOWN {
        write!(text, ", of which these are the last {SHOWN}").expect("a string takes all");
    }
    for operation in small.iter().skip(small.len().saturating_sub(SHOWN)) {
        let Operation { did, told, began, ended, .. } = operation;
        write!(text, "\n  {began:>12.3?} to {ended:>12.3?}  {did:?} → {told:?}").expect("a string takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(did: Did, told: Told, began: u64) -> Operation {
        let [began, ended] = [began, began + 1].map(Duration::from_millis);
        Operation { key: 0, did, told, began, ended }
    }

    #[test]
    fn a_bad_history_is_told_by_what_is_wrong_with_it() {
        let put = |value, began| operation(Did::Put { value, expires: false }, Told::Done, began);
        let get = |value, began| operation(Did::Get, Told::Holds(Some(value)), began);
        let mut operations: Vec<_> =
            (1..60).flat_map(|value| [put(value, value * 10), get(value, value * 10 + 5)]).collect();
        assert!(is_linearizable(&operations));
        // A write that was acknowledged is gone again, and much follows.
        operations.push(get(30, 312));
        operations.sort_by_key(|operation| operation.began);
        let small = shrunk(&operations);
        assert!(!is_linearizable(&small));
        assert_eq!(small.iter().filter(|operation| operation.did == Did::Get).count(), 1, "{small:?}");
        assert_eq!(small.last().map(|operation| operation.told), Some(Told::Holds(Some(30))));
        let text = told_small(&operations);
        assert!(text.lines().count() <= SHOWN + 1 && text.contains("Put { value: 31,"), "{text}");
    }
}
