//! What a keyspace asks of a bucket: values that are read and written whole. Behind it, tests keep them in memory.

use futures::future::BoxFuture;
use storgo_object::ports::{Events, EventsSince};
use storgo_object::{Bucket, ListOptions, ObjectError, Page, Seen, SetValue, Value, ValueChange};
use storgo_protocol::meta::{Condition, VersionId};

/// Values by key, and what can be done to them; each as the bucket's function of that name does it.
pub(super) trait Values: Send + Sync + std::fmt::Debug {
    /// What a key holds, if that is no longer than `bytes_max`.
    fn value<'a>(&'a self, key: &'a [u8], bytes_max: usize) -> BoxFuture<'a, Result<Option<Seen>, ObjectError>>;

    /// What a key is to be, for a change to be made of it as it is.
    fn standing<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Condition, ObjectError>>;

    /// Writes one.
    fn set<'a>(&'a self, key: &'a [u8], set: SetValue) -> BoxFuture<'a, Result<Value, ObjectError>>;

    /// Takes one away.
    fn unset<'a>(&'a self, key: &'a [u8], condition: Condition) -> BoxFuture<'a, Result<bool, ObjectError>>;

    /// Changes several of one slot, all or none.
    fn change_values<'a>(&'a self, changes: &'a [ValueChange]) -> BoxFuture<'a, Result<VersionId, ObjectError>>;

    /// A page of the keys.
    fn list<'a>(&'a self, options: &'a ListOptions) -> BoxFuture<'a, Result<Page, ObjectError>>;

    /// What happened to keys.
    fn events<'a>(&'a self, since: &'a EventsSince) -> BoxFuture<'a, Result<Events, ObjectError>>;
}

impl Values for Bucket {
    fn value<'a>(&'a self, key: &'a [u8], bytes_max: usize) -> BoxFuture<'a, Result<Option<Seen>, ObjectError>> {
        Box::pin(self.value_within(key, bytes_max))
    }

    fn standing<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Condition, ObjectError>> {
        Box::pin(self.standing(key))
    }

    fn set<'a>(&'a self, key: &'a [u8], set: SetValue) -> BoxFuture<'a, Result<Value, ObjectError>> {
        Box::pin(self.set(key, set))
    }

    fn unset<'a>(&'a self, key: &'a [u8], condition: Condition) -> BoxFuture<'a, Result<bool, ObjectError>> {
        Box::pin(self.unset(key, condition))
    }

    fn change_values<'a>(&'a self, changes: &'a [ValueChange]) -> BoxFuture<'a, Result<VersionId, ObjectError>> {
        Box::pin(self.change_values(changes))
    }

    fn list<'a>(&'a self, options: &'a ListOptions) -> BoxFuture<'a, Result<Page, ObjectError>> {
        Box::pin(self.list(options))
    }

    fn events<'a>(&'a self, since: &'a EventsSince) -> BoxFuture<'a, Result<Events, ObjectError>> {
        Box::pin(self.events(since))
    }
}

/// Values in memory.
#[cfg(test)]
pub(super) mod fake {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use futures::FutureExt as _;
    use futures::future::ready;
    use parking_lot::Mutex;
    use storgo_object::{Becomes, ListedEntry, NameError};
    use storgo_protocol::GroupId;
    use storgo_protocol::meta::{Absence, Body, ObjectId, RequestId, Slot, Stamp, Version, is_over};

    use super::*;

    /// Values by key, how often something was written, and how often a condition did not hold. Others get their turn before it
    /// does anything.
    #[derive(Debug, Default)]
    pub(in super::super) struct Memory(Mutex<Kept>);

    #[derive(Debug, Default)]
    struct Kept {
        values: BTreeMap<Bytes, (Version, Value)>,
        /// By which write a key was written last.
        written: BTreeMap<Bytes, u64>,
        writes: u64,
        refused: u64,
    }

    impl Memory {
        /// How often something was written or taken away.
        pub(in super::super) fn writes(&self) -> u64 {
            self.0.lock().writes
        }

        /// How often a condition did not hold.
        pub(in super::super) fn refused(&self) -> u64 {
            self.0.lock().refused
        }

        /// Metadata and body of what a key holds.
        pub(in super::super) fn stored(&self, key: &[u8]) -> Option<(Bytes, Bytes)> {
            self.0.lock().values.get(key).map(|(_, value)| (value.metadata.clone(), value.bytes.clone()))
        }
    }

    impl Memory {
        fn in_turn<'a, T: Send + 'a>(
            &'a self,
            run: impl FnOnce(&mut Kept) -> Result<T, ObjectError> + Send + 'a,
        ) -> BoxFuture<'a, Result<T, ObjectError>> {
            async move {
                tokio::task::yield_now().await;
                run(&mut self.0.lock())
            }
            .boxed()
        }
    }

    impl Kept {
        fn check(&mut self, key: &[u8], condition: Condition) -> Result<(), ObjectError> {
            // As a group does: what is over goes before a condition is looked at. It is always the same time.
            if self.values.get(key).is_some_and(|(_, value)| is_over(value.expires_ms, 1_000_000_000)) {
                self.values.remove(key);
            }
            let current = self.values.get(key).map(|(_, value)| value.version);
            let written = self.written.get(key).copied().unwrap_or_default();
            let was_absent = !matches!(condition, Condition::AbsentSince(absence) if written > absence.index);
            let (what, holds) = (String::from_utf8_lossy(key).into_owned(), condition.may_hold(current) && was_absent);
            self.refused += u64::from(!holds);
            if holds { Ok(()) } else { Err(NameError::Condition { what, current }.into()) }
        }

        fn write(&mut self, key: &[u8], bytes: Bytes, metadata: Bytes, expires_ms: u64) -> Value {
            self.writes += 1;
            let object = ObjectId::from_bytes([1; 16]);
            let unsigned = Version::new(object, RequestId::new(self.writes, [1; 10]), Body::Marker);
            let version =
                Version { stamp: Stamp::from_ms(self.writes), metadata: metadata.clone(), expires_ms, ..unsigned };
            let value = Value { bytes, metadata, expires_ms, version: version.id(), object };
            self.written.insert(Bytes::copy_from_slice(key), self.writes);
            self.values.insert(Bytes::copy_from_slice(key), (version, value.clone()));
            value
        }

        fn remove(&mut self, key: &[u8]) -> bool {
            self.writes += 1;
            self.values.remove(key).is_some()
        }
    }

    impl Values for Memory {
        fn value<'a>(&'a self, key: &'a [u8], bytes_max: usize) -> BoxFuture<'a, Result<Option<Seen>, ObjectError>> {
            let seen = move |value: &Value| match value.bytes.len() {
                bytes if bytes > bytes_max => Seen::Longer(bytes),
                _ => Seen::Value(value.clone()),
            };
            self.in_turn(move |kept| Ok(kept.values.get(key).map(|(_, value)| seen(value))))
        }

        fn standing<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Condition, ObjectError>> {
            self.in_turn(|kept| {
                let absence = Absence { group: GroupId::new(1), index: kept.writes };
                Ok(match kept.values.get(key) {
                    Some((_, value)) => Condition::Version(value.version),
                    None => Condition::AbsentSince(absence),
                })
            })
        }

        fn set<'a>(&'a self, key: &'a [u8], set: SetValue) -> BoxFuture<'a, Result<Value, ObjectError>> {
            self.in_turn(move |kept| {
                kept.check(key, set.condition)?;
                Ok(kept.write(key, set.bytes, set.metadata, set.expires_ms))
            })
        }

        fn unset<'a>(&'a self, key: &'a [u8], condition: Condition) -> BoxFuture<'a, Result<bool, ObjectError>> {
            self.in_turn(move |kept| {
                kept.check(key, condition)?;
                Ok(kept.remove(key))
            })
        }

        fn change_values<'a>(&'a self, changes: &'a [ValueChange]) -> BoxFuture<'a, Result<VersionId, ObjectError>> {
            self.in_turn(move |kept| {
                changes.iter().try_for_each(|change| kept.check(&change.key, change.condition))?;
                for ValueChange { key, becomes, .. } in changes {
                    match becomes.clone() {
                        Becomes::Same => {}
                        Becomes::Nothing => {
                            kept.remove(key);
                        }
                        Becomes::Value { bytes, metadata, expires_ms, .. } => {
                            kept.write(key, bytes, metadata, expires_ms);
                        }
                    }
                }
                let none = Version::new(ObjectId::from_bytes([1; 16]), RequestId::new(0, [1; 10]), Body::Marker);
                Ok(none.id())
            })
        }

        fn list<'a>(&'a self, options: &'a ListOptions) -> BoxFuture<'a, Result<Page, ObjectError>> {
            let kept = self.0.lock();
            let behind = |key: &Bytes| options.after.as_ref().is_none_or(|(after, _)| key > after);
            let wanted = |key: &Bytes| options.slots.as_ref().is_none_or(|slots| slots.contains(&Slot::of_redis(key)));
            let found =
                kept.values.iter().filter(|(key, _)| key.starts_with(&options.prefix) && behind(key) && wanted(key));
            let mut entries: Vec<_> = found
                .map(|(key, (version, _))| ListedEntry { key: key.clone(), version: version.clone(), forged: None })
                .collect();
            let more = entries.len() > options.limit;
            entries.truncate(options.limit);
            let next = entries.last().filter(|_| more).map(|entry| (entry.key.clone(), None));
            ready(Ok(Page { entries, next, stale: None })).boxed()
        }

        fn events<'a>(&'a self, _: &'a EventsSince) -> BoxFuture<'a, Result<Events, ObjectError>> {
            ready(Ok(Events::default())).boxed()
        }
    }
}
