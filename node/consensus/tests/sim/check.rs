//! Whether there is an order of a key's operations that explains every answer, each between its begin and its end.
//!
//! The search of Wing and Gong, with Lowe's memory of what was tried: which operations are placed, and what the key holds
//! then. A write of which nothing is known may be placed anywhere behind its begin, or nowhere. A value that expires may
//! go by itself at any time.

use std::collections::HashSet;
use std::time::Duration;

use super::operation::{Did, Operation, Told, Value};

/// What a key holds: a value, and whether it may go by itself.
type Held = Option<(Value, bool)>;

/// An operation that nothing was told of has no end.
fn end(operation: &Operation) -> Duration {
    if operation.told == Told::Nothing { Duration::MAX } else { operation.ended }
}

/// What a key can hold after an operation, if it answers as it did.
fn after(held: Held, operation: &Operation) -> Option<Held> {
    let value = held.map(|(value, _)| value);
    match (operation.did, operation.told) {
        (Did::Put { value, expires }, Told::Done | Told::Nothing) => Some(Some((value, expires))),
        (Did::Delete, Told::Done | Told::Nothing) => Some(None),
        (Did::PutIfAbsent { value: new }, Told::Done) => value.is_none().then_some(Some((new, false))),
        (Did::PutIfAbsent { .. }, Told::Refused) => value.is_some().then_some(held),
        (Did::PutIfAbsent { value: new }, Told::Nothing) => {
            Some(if value.is_none() { Some((new, false)) } else { held })
        }
        (Did::Replace { old, value: new }, Told::Done) => (value == Some(old)).then_some(Some((new, false))),
        (Did::Replace { old, .. }, Told::Refused) => (value != Some(old)).then_some(held),
        (Did::Replace { old, value: new }, Told::Nothing) => {
            Some(if value == Some(old) { Some((new, false)) } else { held })
        }
        (Did::Get, Told::Holds(read)) => (read == value).then_some(held),
        (Did::Get, Told::Nothing) => Some(held),
        _ => None,
    }
}

/// Whether the operations of one key are linearizable.
pub fn is_linearizable(operations: &[Operation]) -> bool {
    // What a read of which nothing is known would have said is of no interest.
    let mut operations: Vec<Operation> =
        operations.iter().filter(|op| op.did != Did::Get || op.told != Told::Nothing).copied().collect();
    operations.sort_by_key(|op| op.began);
    let mut tried = HashSet::new();
    let mut open: Vec<(Vec<u64>, Held)> = vec![(vec![0; operations.len().div_ceil(64)], None)];
    while let Some((placed, held)) = open.pop() {
        let is_placed = |at: usize| placed[at / 64] & (1 << (at % 64)) != 0;
        let left = || operations.iter().enumerate().filter(|(at, _)| !is_placed(*at));
        if left().all(|(_, op)| op.told == Told::Nothing) {
            return true;
        }
        // Nothing is placed before what ended before it began.
        let first_end = left().map(|(_, op)| end(op)).min().unwrap_or(Duration::MAX);
        for (at, operation) in left().take_while(|(_, op)| op.began <= first_end) {
            let gone = matches!(held, Some((_, true))).then_some(None);
            for held in [Some(held), gone].into_iter().flatten() {
                let Some(next) = after(held, operation) else { continue };
                let mut with = placed.clone();
                with[at / 64] |= 1 << (at % 64);
                if tried.insert((with.clone(), next)) {
                    open.push((with, next));
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(did: Did, told: Told, began: u64, ended: u64) -> Operation {
        Operation { key: 0, did, told, began: Duration::from_millis(began), ended: Duration::from_millis(ended) }
    }

    fn put(value: Value, began: u64, ended: u64) -> Operation {
        op(Did::Put { value, expires: false }, Told::Done, began, ended)
    }

    fn get(value: Option<Value>, began: u64, ended: u64) -> Operation {
        op(Did::Get, Told::Holds(value), began, ended)
    }

    #[test]
    fn what_can_be_explained_is() {
        assert!(is_linearizable(&[put(1, 0, 10), get(Some(1), 5, 6), get(Some(1), 11, 12)]));
        assert!(is_linearizable(&[put(1, 0, 10), put(2, 0, 10), get(Some(1), 11, 12)]));
        let lost = op(Did::Put { value: 2, expires: false }, Told::Nothing, 5, 6);
        assert!(is_linearizable(&[put(1, 0, 1), lost, get(Some(1), 7, 8), get(Some(2), 50, 60)]));
        assert!(is_linearizable(&[put(1, 0, 1), lost, get(Some(1), 50, 60)]));
        let expiring = op(Did::Put { value: 1, expires: true }, Told::Done, 0, 1);
        assert!(is_linearizable(&[expiring, get(Some(1), 2, 3), get(None, 4, 5)]));
        let replace = |told| op(Did::Replace { old: 1, value: 3 }, told, 2, 3);
        assert!(is_linearizable(&[put(1, 0, 1), replace(Told::Done), get(Some(3), 4, 5)]));
        assert!(is_linearizable(&[put(2, 0, 1), replace(Told::Refused), get(Some(2), 4, 5)]));
    }

    #[test]
    fn what_cannot_be_explained_is_not() {
        assert!(!is_linearizable(&[put(1, 0, 1), get(None, 2, 3)]));
        assert!(!is_linearizable(&[put(1, 0, 1), put(2, 2, 3), get(Some(1), 4, 5)]));
        assert!(!is_linearizable(&[put(1, 0, 1), put(2, 2, 9), get(Some(2), 3, 4), get(Some(1), 5, 6)]));
        let expiring = op(Did::Put { value: 1, expires: true }, Told::Done, 0, 1);
        assert!(!is_linearizable(&[expiring, get(None, 2, 3), get(Some(1), 4, 5)]));
        let twice = [put(1, 0, 1), put(2, 2, 3), get(Some(2), 4, 5), get(Some(1), 6, 7)];
        assert!(!is_linearizable(&twice));
        let absent = |value, began| op(Did::PutIfAbsent { value }, Told::Done, began, began + 1);
        assert!(!is_linearizable(&[absent(1, 0), absent(2, 2)]));
    }
}
