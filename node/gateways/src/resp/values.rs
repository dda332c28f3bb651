//! What a keyspace asks of a bucket: values that are read and written whole. Behind it, tests keep them in memory.

use futures::future::BoxFuture;
use storgo_object::{Bucket, ListOptions, ObjectError, Page, SetValue, Value, ValueChange};
use storgo_protocol::meta::{Condition, VersionId};

/// Values by key, and what can be done to them; each as the bucket's function of that name does it.
pub(super) trait Values: Send + Sync + std::fmt::Debug {
    /// What a key holds.
    fn value<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Value>, ObjectError>>;

    /// Which version a key holds, and when that ends.
    fn version<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<(VersionId, u64)>, ObjectError>>;

    /// Writes one.
    fn set<'a>(&'a self, key: &'a [u8], set: SetValue) -> BoxFuture<'a, Result<Value, ObjectError>>;

    /// Takes one away.
    fn unset<'a>(&'a self, key: &'a [u8], condition: Condition) -> BoxFuture<'a, Result<bool, ObjectError>>;

    /// Changes several of one slot, all or none.
    fn change_values<'a>(&'a self, changes: &'a [ValueChange]) -> BoxFuture<'a, Result<VersionId, ObjectError>>;

    /// A page of the keys.
    fn list<'a>(&'a self, options: &'a ListOptions) -> BoxFuture<'a, Result<Page, ObjectError>>;
}

impl Values for Bucket {
    fn value<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Value>, ObjectError>> {
        Box::pin(self.value(key))
    }

    fn version<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<(VersionId, u64)>, ObjectError>> {
        Box::pin(self.value_version(key))
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
    use storgo_protocol::meta::{Body, ObjectId, RequestId, Slot, Stamp, Version};

    use super::*;

    /// Values by key, and how often something was written.
    #[derive(Debug, Default)]
    pub(in super::super) struct Memory(Mutex<Kept>);

    #[derive(Debug, Default)]
    struct Kept {
        values: BTreeMap<Bytes, (Version, Value)>,
        writes: u64,
    }

    impl Memory {
        /// How often something was written or taken away.
        pub(in super::super) fn writes(&self) -> u64 {
            self.0.lock().writes
        }

        /// Metadata and body of what a key holds.
        pub(in super::super) fn stored(&self, key: &[u8]) -> Option<(Bytes, Bytes)> {
            self.0.lock().values.get(key).map(|(_, value)| (value.metadata.clone(), value.bytes.clone()))
        }
    }

    impl Kept {
        fn check(&self, key: &[u8], condition: Condition) -> Result<(), ObjectError> {
            let current = self.values.get(key).map(|(_, value)| value.version);
            let holds = match condition {
                Condition::Always => true,
                Condition::Absent => current.is_none(),
                Condition::Version(version) => current == Some(version),
            };
            let what = String::from_utf8_lossy(key).into_owned();
            if holds { Ok(()) } else { Err(NameError::Condition { what, current }.into()) }
        }

        fn write(&mut self, key: &[u8], bytes: Bytes, metadata: Bytes, expires_ms: u64) -> Value {
            self.writes += 1;
            let object = ObjectId::from_bytes([1; 16]);
            let unsigned = Version::new(object, RequestId::new(self.writes, [1; 10]), Body::Marker);
            let version =
                Version { stamp: Stamp::from_ms(self.writes), metadata: metadata.clone(), expires_ms, ..unsigned };
            let value = Value { bytes, metadata, expires_ms, version: version.id(), object };
            self.values.insert(Bytes::copy_from_slice(key), (version, value.clone()));
            value
        }

        fn remove(&mut self, key: &[u8]) -> bool {
            self.writes += 1;
            self.values.remove(key).is_some()
        }
    }

    impl Values for Memory {
        fn value<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Value>, ObjectError>> {
            ready(Ok(self.0.lock().values.get(key).map(|(_, value)| value.clone()))).boxed()
        }

        fn version<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<(VersionId, u64)>, ObjectError>> {
            let found = self.0.lock().values.get(key).map(|(_, value)| (value.version, value.expires_ms));
            ready(Ok(found)).boxed()
        }

        fn set<'a>(&'a self, key: &'a [u8], set: SetValue) -> BoxFuture<'a, Result<Value, ObjectError>> {
            let mut kept = self.0.lock();
            let checked = kept.check(key, set.condition);
            ready(checked.map(|()| kept.write(key, set.bytes, set.metadata, set.expires_ms))).boxed()
        }

        fn unset<'a>(&'a self, key: &'a [u8], condition: Condition) -> BoxFuture<'a, Result<bool, ObjectError>> {
            let mut kept = self.0.lock();
            let checked = kept.check(key, condition);
            ready(checked.map(|()| kept.remove(key))).boxed()
        }

        fn change_values<'a>(&'a self, changes: &'a [ValueChange]) -> BoxFuture<'a, Result<VersionId, ObjectError>> {
            let mut kept = self.0.lock();
            let checked = changes.iter().try_for_each(|change| kept.check(&change.key, change.condition));
            if let Err(error) = checked {
                return ready(Err(error)).boxed();
            }
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
            ready(Ok(none.id())).boxed()
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
    }
}
