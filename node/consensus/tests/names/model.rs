//! Random operations on two buckets, against a map of keys to the contents that should be there.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use storgo_object::{
    Bucket, BucketOptions, CopyOptions, ErrorKind, ListOptions, NameError, ObjectError, Place, Progress, RemoveOptions,
};
use storgo_protocol::meta::{Condition, VersionId};

use crate::world::{World, put_if, random_bytes, read, read_version, versioned};

#[derive(Debug, Clone, Copy)]
enum Want {
    Always,
    Absent,
    Newest,
    Other,
}

/// Buckets by number: 0 keeps no versions, 1 does.
type At = (usize, u8);

#[derive(Debug, Clone)]
enum Op {
    Put { at: At, large: bool, want: Want },
    Remove { at: At, want: Want },
    RemoveOldest { at: At },
    Copy { from: At, to: At, want: Want },
    Rename { from: At, to: At, force: bool },
}

fn at() -> impl Strategy<Value = At> {
    (0_usize..2, 0_u8..3)
}

fn op() -> impl Strategy<Value = Op> {
    let want = || {
        prop_oneof![
            3 => Just(Want::Always),
            1 => Just(Want::Absent),
            1 => Just(Want::Newest),
            1 => Just(Want::Other),
        ]
    };
    prop_oneof![
        5 => (at(), prop::bool::weighted(0.3), want()).prop_map(|(at, large, want)| Op::Put { at, large, want }),
        2 => (at(), want()).prop_map(|(at, want)| Op::Remove { at, want }),
        1 => at().prop_map(|at| Op::RemoveOldest { at }),
        3 => (at(), at(), want()).prop_map(|(from, to, want)| Op::Copy { from, to, want }),
        3 => (at(), at(), any::<bool>()).prop_map(|(from, to, force)| Op::Rename { from, to, force }),
    ]
}

/// Versions of a key, the newest last; `None` for a marker.
type Kept = Vec<(VersionId, Option<Vec<u8>>)>;

#[derive(Default)]
struct Model(BTreeMap<At, Kept>);

impl Model {
    fn live(&self, at: At) -> Option<&(VersionId, Option<Vec<u8>>)> {
        self.0.get(&at)?.last().filter(|(_, content)| content.is_some())
    }

    fn condition(&self, at: At, want: Want) -> Condition {
        let other = VersionId::from_bytes([1; 16]);
        match want {
            Want::Always => Condition::Always,
            Want::Absent => Condition::Absent,
            Want::Newest => Condition::Version(self.live(at).map_or(other, |(id, _)| *id)),
            Want::Other => Condition::Version(other),
        }
    }

    fn holds(&self, at: At, condition: Condition) -> bool {
        let current = self.live(at).map(|(id, _)| *id);
        match condition {
            Condition::Always => true,
            Condition::Absent => current.is_none(),
            Condition::Version(id) => current == Some(id),
            Condition::AbsentSince(_) => unreachable!("nobody here wants it"),
        }
    }

    fn write(&mut self, at: At, version: VersionId, content: Vec<u8>) {
        let kept = self.0.entry(at).or_default();
        if at.0 == 0 {
            kept.clear();
        }
        kept.push((version, Some(content)));
    }

    /// Deletes what is there.
    fn delete(&mut self, at: At, marker: Option<VersionId>) {
        let kept = self.0.entry(at).or_default();
        match marker {
            Some(marker) => kept.push((marker, None)),
            None => kept.clear(),
        }
    }
}

struct Play {
    world: std::sync::Arc<World>,
    buckets: [Bucket; 2],
    model: Model,
}

fn key(at: At) -> String {
    format!("k{}", at.1)
}

fn refused(result: Result<storgo_object::Written, ObjectError>, kinds: &[ErrorKind]) {
    let error = result.unwrap_err();
    assert!(kinds.contains(&error.kind()), "{error}");
}

impl Play {
    async fn new() -> Self {
        let world = World::new(3);
        let names = world.names(1);
        let plain = names.create_bucket("plain", &BucketOptions::default()).await.unwrap();
        let keeping = names.create_bucket("keeping", &versioned()).await.unwrap();
        Self { world, buckets: [plain, keeping], model: Model::default() }
    }

    fn bucket(&self, at: At) -> &Bucket {
        &self.buckets[at.0]
    }

    async fn step(&mut self, number: usize, op: Op) {
        match op {
            Op::Put { at, large, want } => {
                let condition = self.model.condition(at, want);
                let content = random_bytes(if large { 20_000 + number } else { number });
                let put = put_if(self.bucket(at), &key(at), &content, condition).await;
                if self.model.holds(at, condition) {
                    self.model.write(at, put.unwrap().version, content);
                } else {
                    refused(put, &[ErrorKind::Conflict]);
                }
            }
            Op::Remove { at, want } => self.remove(at, self.model.condition(at, want)).await,
            Op::RemoveOldest { at } => {
                let Some((version, _)) = self.model.0.get(&at).and_then(|kept| kept.first()).cloned() else { return };
                let one = RemoveOptions { version: Some(version), condition: Condition::Always };
                let deleted = self.bucket(at).remove(key(at).as_bytes(), one).await.unwrap();
                assert!(deleted.version == version && !deleted.marker);
                self.model.0.get_mut(&at).unwrap().remove(0);
            }
            Op::Copy { from, to, want } => {
                let condition = self.model.condition(to, want);
                let copied = self.way(from, to, condition, false).await;
                match self.model.live(from).cloned() {
                    None => refused(copied, &[ErrorKind::NotFound]),
                    Some(_) if !self.model.holds(to, condition) => refused(copied, &[ErrorKind::Conflict]),
                    Some((_, content)) => self.model.write(to, copied.unwrap().version, content.unwrap()),
                }
            }
            Op::Rename { from, to, force } => {
                let condition = if force { Condition::Always } else { Condition::Absent };
                let renamed = self.way(from, to, condition, true).await;
                match self.model.live(from).cloned() {
                    _ if from == to => refused(renamed, &[ErrorKind::Invalid]),
                    None => refused(renamed, &[ErrorKind::NotFound]),
                    Some(_) if !self.model.holds(to, condition) => refused(renamed, &[ErrorKind::Conflict]),
                    Some((_, content)) => {
                        self.model.write(to, renamed.unwrap().version, content.unwrap());
                        let marker = (from.0 == 1).then(|| {
                            let name = self.bucket(from).name().to_owned();
                            self.world.raw(&name, key(from).as_bytes()).unwrap().id()
                        });
                        self.model.delete(from, marker);
                    }
                }
            }
        }
    }

    async fn remove(&mut self, at: At, condition: Condition) {
        let options = RemoveOptions { version: None, condition };
        let removed = self.bucket(at).remove(key(at).as_bytes(), options).await;
        match (self.model.live(at).is_some(), self.model.holds(at, condition)) {
            (_, false) => assert_eq!(removed.unwrap_err().kind(), ErrorKind::Conflict),
            (false, true) => assert_eq!(removed.unwrap_err().kind(), ErrorKind::NotFound),
            (true, true) => {
                let removed = removed.unwrap();
                assert_eq!(removed.marker, at.0 == 1);
                self.model.delete(at, removed.marker.then_some(removed.version));
            }
        }
    }

    async fn way(
        &self,
        from: At,
        to: At,
        condition: Condition,
        rename: bool,
    ) -> Result<storgo_object::Written, ObjectError> {
        let (old, new) = (key(from), key(to));
        let options = CopyOptions {
            from: Place { bucket: self.bucket(from), key: old.as_bytes() },
            version: None,
            to: Place { bucket: self.bucket(to), key: new.as_bytes() },
            condition,
        };
        let names = self.world.names(1);
        let progress = Progress::default();
        if rename { names.rename(options, &progress).await } else { names.copy(options, &progress).await }
    }

    /// Everything that should be there is, and nothing else.
    async fn compare(&self) {
        for bucket in 0..2 {
            let mut listed: BTreeMap<(u8, VersionId), bool> = BTreeMap::new();
            let mut options = ListOptions { versions: true, limit: 2, ..ListOptions::default() };
            loop {
                let page = self.buckets[bucket].list(&options).await.unwrap();
                for entry in page.entries {
                    assert_eq!(entry.forged, None);
                    let number = entry.key[1] - b'0';
                    let marker = entry.version.body == storgo_protocol::meta::Body::Marker;
                    assert!(listed.insert((number, entry.version.id()), marker).is_none());
                }
                match page.next {
                    Some(next) => options.after = Some(next),
                    None => break,
                }
            }
            let kept = self.model.0.iter().filter(|(at, _)| at.0 == bucket);
            let expected: BTreeMap<(u8, VersionId), bool> =
                kept.flat_map(|(at, kept)| kept.iter().map(|(id, content)| ((at.1, *id), content.is_none()))).collect();
            assert_eq!(listed, expected);
            let live = self.buckets[bucket].list(&ListOptions::default()).await.unwrap().entries;
            let live: Vec<Bytes> = live.into_iter().map(|entry| entry.key).collect();
            let keys = (0..3).filter(|number| self.model.live((bucket, *number)).is_some());
            assert_eq!(live, keys.map(|number| Bytes::from(key((bucket, number)))).collect::<Vec<_>>());
        }
        for (at, kept) in &self.model.0 {
            for (version, content) in kept {
                let found = read_version(self.bucket(*at), &key(*at), Some(*version)).await;
                match content {
                    Some(content) => assert!(found.unwrap() == *content),
                    None => assert!(matches!(found, Err(ObjectError::Name(NameError::NoKey { .. })))),
                }
            }
            let newest = read(self.bucket(*at), &key(*at)).await.ok();
            assert!(newest == self.model.live(*at).and_then(|(_, content)| content.clone()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn buckets_hold_what_a_map_would(ops in proptest::collection::vec(op(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut play = Play::new().await;
            for (number, op) in ops.into_iter().enumerate() {
                play.step(number, op).await;
            }
            play.compare().await;
        });
    }
}
