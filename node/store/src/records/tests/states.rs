//! Views, exports and imports, and what is refused.

use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use storgo_protocol::limits::{
    RECORDS_BLOB_BYTES_MAX, RECORDS_FRESH_BYTES, RECORDS_KEY_BYTES_MAX, RECORDS_PAGE_BYTES, RECORDS_SCAN_MAX,
    RECORDS_VALUE_BYTES_MAX,
};
use storgo_protocol::{GroupId, SnapshotPage};

use super::rig::{FILE, Op, Rig, ask, run};
use crate::NodeKey;
use crate::disk::sim::Fault;
use crate::records::{Applied, Export, GroupRecords, RecordsConfig, RecordsError, View, WriteBatch};

/// The page as if it were of another group, behind another page.
pub(super) fn readdressed(page: &Bytes, group: GroupId, previous: [u8; 32]) -> Bytes {
    let page = SnapshotPage::decode(page).unwrap();
    SnapshotPage { group, previous, ..page }.encode().into()
}

fn at(index: u64) -> Applied {
    Applied { index, term: 1, blob: Bytes::from_static(b"members") }
}

fn puts(rows: impl IntoIterator<Item = (String, Vec<u8>)>) -> WriteBatch {
    let mut batch = WriteBatch::default();
    rows.into_iter().for_each(|(key, value)| batch.put(key, value));
    batch
}

/// Some thousand rows that do not compress, of some MiB.
async fn fill(group: &GroupRecords, index: u64, marker: u8) {
    let row = |n: u32| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[marker]).update(&n.to_le_bytes());
        let mut value = vec![0; 800];
        hasher.finalize_xof().fill(&mut value);
        (format!("row {n:06}"), value)
    };
    group.commit(puts((0..5000).map(row)), at(index)).await.unwrap();
}

fn all(view: &View) -> Vec<(Bytes, Bytes)> {
    let (mut rows, mut after): (Vec<_>, Option<Bytes>) = (Vec::new(), None);
    loop {
        let first = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let found = view.scan((first, Bound::Unbounded), usize::MAX).unwrap();
        rows.extend(found.rows);
        after = rows.last().map(|(key, _)| key.clone());
        if !found.has_more {
            return rows;
        }
    }
}

fn pages(export: &mut Export) -> Vec<Bytes> {
    let (mut pages, mut number) = (Vec::new(), 0);
    while let Some(page) = export.page(number).unwrap() {
        pages.push(page);
        number += 1;
    }
    pages
}

fn is_wrong_page(outcome: &Result<(), RecordsError>, wanted: u64) -> bool {
    matches!(outcome, Err(RecordsError::Page { expected, .. }) if *expected == wanted)
}

#[test]
fn a_view_stays_as_it_was_and_ranges_are_in_order() {
    run(async {
        let (records, _) = Rig::new(1).open().unwrap();
        let group = records.group(GroupId::new(1));
        assert!(group.view().unwrap().get(b"a").unwrap().is_none() && group.applied().is_none());
        let rows = ["a", "b", "c", "d"].map(|key| (key.to_owned(), key.as_bytes().to_vec()));
        group.commit(puts(rows), at(1)).await.unwrap();
        let view = group.view().unwrap();
        let mut batch = WriteBatch::default();
        batch.delete("a");
        batch.put("b", "new");
        group.commit(batch, at(2)).await.unwrap();
        assert_eq!((view.applied(), group.applied()), (Some(&at(1)), Some(at(2))));
        assert_eq!((view.get(b"a").unwrap().unwrap(), view.get(b"b").unwrap().unwrap()), ("a".into(), "b".into()));
        let keys = |from, to, limit| {
            let found = view.scan((from, to), limit).unwrap();
            let keys: Vec<u8> = found.rows.iter().map(|(key, _)| key[0]).collect();
            (String::from_utf8(keys).unwrap(), found.has_more)
        };
        let (b, c, d) = (b"b".as_slice(), b"c".as_slice(), b"d".as_slice());
        assert_eq!(keys(Bound::Included(b), Bound::Excluded(d), 9), ("bc".into(), false));
        assert_eq!(keys(Bound::Excluded(b), Bound::Included(d), 1), ("c".into(), true));
        assert_eq!(keys(Bound::Unbounded, Bound::Unbounded, 4), ("abcd".into(), false));
        assert_eq!(keys(Bound::Unbounded, Bound::Unbounded, 0), (String::new(), true));
        for (from, to) in [(Bound::Included(c), Bound::Included(b)), (Bound::Excluded(c), Bound::Excluded(c))] {
            assert_eq!(keys(from, to, 9), (String::new(), false));
        }
        let now = group.view().unwrap();
        assert!(now.get(b"a").unwrap().is_none() && now.get(b"b").unwrap().unwrap() == "new");
    });
}

#[test]
fn a_state_comes_over_in_pages_that_can_be_asked_for_again() {
    run(async {
        let mut rig = Rig::new(2);
        let (records, _) = rig.open().unwrap();
        let (from, to) = (records.group(GroupId::new(1)), GroupId::new(1));
        fill(&from, 7, 1).await;
        let mut export = from.export().unwrap().unwrap();
        // What is committed after does not show.
        from.commit(puts([("row 000000".to_owned(), b"later".to_vec())]), at(8)).await.unwrap();
        let sent = pages(&mut export);
        assert!(sent.len() > 3, "{} pages", sent.len());
        assert!(sent.iter().all(|page| page.len() < RECORDS_PAGE_BYTES * 5 / 4));
        assert_eq!(export.page(2).unwrap().unwrap(), sent[2]);
        assert_eq!(export.page(99).unwrap(), None);
        let mut straight = from.export().unwrap().unwrap();
        let (third, again) = (straight.page(2).unwrap().unwrap(), pages(&mut straight));
        assert_eq!(third, again[2]);

        let mut other = Rig::new(3);
        let (target, _) = other.open().unwrap();
        let group = target.group(to);
        group.commit(puts([("old".to_owned(), b"state".to_vec())]), at(3)).await.unwrap();
        let mut import = group.import().await.unwrap();
        // Not the next one, damaged, of another export, of another group.
        assert!(is_wrong_page(&import.push(sent[1].clone()).await, 0));
        for at in [0, 30, 60, sent[0].len() - 1] {
            let mut damaged = sent[0].to_vec();
            damaged[at] ^= 1;
            assert!(is_wrong_page(&import.push(damaged.into()).await, 0));
        }
        assert!(is_wrong_page(&import.push(readdressed(&sent[0], GroupId::new(9), [0; 32])).await, 0));
        import.push(sent[0].clone()).await.unwrap();
        assert!(is_wrong_page(&import.push(sent[0].clone()).await, 1));
        assert!(is_wrong_page(&import.push(again[1].clone()).await, 1), "pages of two exports were mixed");
        for page in &sent[1..] {
            assert_eq!(group.applied(), Some(at(3)), "nothing of it shows before all of it is there");
            assert_eq!(all(&group.view().unwrap()).len(), 1);
            let number = SnapshotPage::decode(page).unwrap().number;
            assert_eq!(import.next_page(), Some(number));
            import.push(page.clone()).await.unwrap();
        }
        assert_eq!(import.next_page(), None);
        assert!(import.push(sent[0].clone()).await.is_err());
        assert_eq!(import.finish().await.unwrap(), at(7));
        assert_eq!((group.applied(), group.durable_applied()), (Some(at(7)), Some(at(7))));
        let view = group.view().unwrap();
        assert_eq!(all(&view).len(), 5000);
        assert!(view.get(b"old").unwrap().is_none());
        assert_ne!(view.get(b"row 000000").unwrap().unwrap(), "later");
        // Both sides send the same from here on.
        drop(view);
        assert_eq!(pages(&mut group.export().unwrap().unwrap()), sent);
        records.close().await.unwrap();
        target.close().await.unwrap();
    });
}

#[test]
fn an_import_that_does_not_end_leaves_the_old_state_and_no_rows() {
    run(async {
        let mut source = Rig::new(4);
        let (records, _) = source.open().unwrap();
        fill(&records.group(GroupId::new(1)), 9, 2).await;
        let sent = pages(&mut records.group(GroupId::new(1)).export().unwrap().unwrap());

        let mut rig = Rig::new(5);
        let (target, _) = rig.open().unwrap();
        let group = target.group(GroupId::new(1));
        group.commit(puts([("old".to_owned(), b"state".to_vec())]), at(3)).await.unwrap();
        let mut import = group.import().await.unwrap();
        import.push(sent[0].clone()).await.unwrap();
        let early = group.import().await.unwrap();
        assert!(early.finish().await.is_err(), "an import without pages ended");
        // Others make durable what has come so far; then the power goes.
        target.flush().await.unwrap();
        rig.disk.plan(1, Fault::PowerLoss);
        assert!(import.push(sent[1].clone()).await.is_err() || target.flush().await.is_err());
        drop((import, target.close().await));
        rig.disk.restart(1);
        let (target, opening) = rig.open().unwrap();
        assert_eq!(opening.unfinished_imports, 1);
        let group = target.group(GroupId::new(1));
        assert_eq!((all(&group.view().unwrap()).len(), group.applied()), (1, Some(at(3))));
        // Given up in life: its rows go at once.
        let mut import = group.import().await.unwrap();
        import.push(sent[0].clone()).await.unwrap();
        drop(import);
        target.close().await.unwrap();
        let (target, opening) = rig.open().unwrap();
        assert_eq!(opening.unfinished_imports, 0);
        // An older state than what was applied meanwhile is refused.
        let group = target.group(GroupId::new(1));
        let mut import = group.import().await.unwrap();
        for page in sent {
            import.push(page).await.unwrap();
        }
        group.commit(WriteBatch::default(), at(20)).await.unwrap();
        let error = import.finish().await.unwrap_err();
        assert!(matches!(error, RecordsError::Order { applied: 20, found: 9, .. }), "{error}");
        assert_eq!(all(&group.view().unwrap()).len(), 1);
        target.close().await.unwrap();
        let (_target, opening) = rig.open().unwrap();
        assert_eq!(opening.unfinished_imports, 0);
    });
}

#[test]
fn batches_of_all_groups_share_one_sync_and_are_durable_when_it_is_said() {
    run(async {
        let mut rig = Rig::new(6);
        let key = NodeKey::from_bytes([5; 32]);
        let (records, _) = rig.open_with(RecordsConfig::new(key.clone())).unwrap();
        let (before, mut asked) = (rig.disk.syncs(), tokio::task::JoinSet::new());
        for id in 0..64 {
            let group = records.group(GroupId::new(id));
            asked.spawn(async move { group.commit(puts([("k".to_owned(), vec![1])]), at(1)).await });
        }
        while let Some(done) = asked.join_next().await {
            done.unwrap().unwrap();
        }
        let group = records.group(GroupId::new(5));
        assert_eq!((group.applied(), group.durable_applied()), (Some(at(1)), None));
        assert_eq!(rig.disk.syncs(), before, "a commit waited for the disk");
        let before = rig.disk.syncs();
        let flushes = (0..10).map(|_| records.flush());
        let mut asked = tokio::task::JoinSet::new();
        for _ in flushes {
            let records = records.clone();
            asked.spawn(async move { records.flush().await });
        }
        while let Some(done) = asked.join_next().await {
            done.unwrap().unwrap();
        }
        // The file may grow meanwhile, which redb syncs.
        assert!(rig.disk.syncs() - before <= 4, "{}", rig.disk.syncs() - before);
        assert_eq!(group.durable_applied(), Some(at(1)));
        let before = rig.disk.syncs();
        records.flush().await.unwrap();
        assert_eq!(rig.disk.syncs(), before, "what was durable was synced again");
        // Without being asked to, when there is much of it; and nobody can commit more than twice that ahead of the disk.
        let row = RECORDS_VALUE_BYTES_MAX / 2;
        let (mut index, mut bytes) = (1, 0);
        while group.durable_applied() == Some(at(1)) {
            (index, bytes) = (index + 1, bytes + row);
            assert!(bytes <= 2 * RECORDS_FRESH_BYTES + 2 * row, "commits went ahead of the disk");
            group.commit(puts([(format!("{index}"), vec![0; row])]), at(index)).await.unwrap();
        }
        assert!(bytes >= RECORDS_FRESH_BYTES, "written before there was much");
        let durable = group.durable_applied().unwrap().index;
        rig.disk.plan(1, Fault::PowerLoss);
        drop(records.close().await);
        rig.disk.restart(3);
        let (records, _) = rig.open_with(RecordsConfig::new(key)).unwrap();
        assert!(records.group(GroupId::new(5)).applied().unwrap().index >= durable);
        assert_eq!(records.groups().len(), 64);
    });
}

#[test]
fn groups_are_written_in_turn_a_few_at_a_time() {
    run(async {
        let mut rig = Rig::new(8);
        let (groups, row) = (16, 4 << 10);
        let config = RecordsConfig { fresh_bytes: 16 * row, ..Rig::config() };
        let (records, _) = rig.open_with(config).unwrap();
        let written = || (0..groups).filter(|id| records.group(GroupId::new(*id)).durable_applied().is_some()).count();
        for id in 0..groups {
            assert_eq!(written(), 0, "written before there was much");
            let group = records.group(GroupId::new(id));
            group.commit(puts([("k".to_owned(), vec![1; row])]), at(1)).await.unwrap();
        }
        tokio::task::yield_now().await;
        assert!((1..=3).contains(&written()), "{} of 16 groups were written at once", written());
        // One of them goes on and on; all the same each has its turn.
        let mut index = 1;
        while written() < 16 {
            index += 1;
            assert!(index < 32, "{} of 16 groups had their turn", written());
            let group = records.group(GroupId::new(0));
            group.commit(puts([(format!("{index}"), vec![1; row])]), at(index)).await.unwrap();
            tokio::task::yield_now().await;
        }
        index += 1;
        records.group(GroupId::new(0)).commit(puts([("last".to_owned(), vec![1])]), at(index)).await.unwrap();
        records.close().await.unwrap();
        let (records, _) = rig.open().unwrap();
        assert_eq!(records.group(GroupId::new(0)).applied(), Some(at(index)), "closed without what was left");
        records.close().await.unwrap();
    });
}

#[test]
fn one_group_is_made_durable_without_the_others() {
    run(async {
        let (records, _) = Rig::new(9).open().unwrap();
        let [one, other] = [1, 2].map(|id| records.group(GroupId::new(id)));
        for group in [&one, &other] {
            group.commit(puts([("k".to_owned(), vec![1])]), at(1)).await.unwrap();
        }
        one.flush().await.unwrap();
        assert_eq!((one.durable_applied(), other.durable_applied()), (Some(at(1)), None));
        records.close().await.unwrap();
    });
}

#[test]
fn who_waits_for_room_has_it_though_one_turn_does_not_make_it() {
    run(async {
        let mut rig = Rig::new(10);
        let (groups, fresh_bytes) = (16, 64 << 10);
        let config = RecordsConfig { fresh_bytes, ..Rig::config() };
        let (records, _) = rig.open_with(config).unwrap();
        // Nothing of this is written as long as this task goes on; so the last one has to wait.
        for id in (1..groups).chain([0]) {
            let row = if id == 0 { fresh_bytes } else { 7900 };
            records.group(GroupId::new(id)).commit(puts([("k".to_owned(), vec![1; row])]), at(1)).await.unwrap();
        }
        let last = records.group(GroupId::new(0));
        let commit = last.commit(puts([("l".to_owned(), vec![1])]), at(2));
        tokio::time::timeout(std::time::Duration::from_secs(20), commit).await.expect("it waits for ever").unwrap();
        records.close().await.unwrap();
    });
}

#[test]
fn what_goes_back_or_is_too_large_is_refused_and_changes_nothing() {
    run(async {
        let (records, _) = Rig::new(7).open().unwrap();
        let group = records.group(GroupId::new(1));
        group.commit(puts([("k".to_owned(), vec![1])]), at(5)).await.unwrap();
        for index in [4, 5] {
            let error = group.commit(puts([("k".to_owned(), vec![2])]), at(index)).await.unwrap_err();
            assert!(matches!(error, RecordsError::Order { applied: 5, .. }), "{error}");
        }
        let long = |bytes: usize| Bytes::from(vec![0; bytes + 1]);
        let mut key = WriteBatch::default();
        key.put(long(RECORDS_KEY_BYTES_MAX), "");
        let mut value = WriteBatch::default();
        value.put("k", long(RECORDS_VALUE_BYTES_MAX));
        for batch in [key, value] {
            let error = group.commit(batch, at(6)).await.unwrap_err();
            assert!(matches!(error, RecordsError::TooLarge { .. }), "{error}");
        }
        let blob = Applied { blob: long(RECORDS_BLOB_BYTES_MAX), ..at(6) };
        let error = group.commit(WriteBatch::default(), blob).await.unwrap_err();
        assert!(matches!(error, RecordsError::TooLarge { .. }), "{error}");
        assert_eq!((group.applied(), group.view().unwrap().get(b"k").unwrap()), (Some(at(5)), Some(vec![1].into())));
        group.remove().await.unwrap();
        assert!(group.applied().is_none() && group.view().unwrap().get(b"k").unwrap().is_none());
        assert!(records.groups().is_empty() && group.export().unwrap().is_none());
    });
}

#[test]
fn scans_and_pages_end_at_their_bounds() {
    run(async {
        let (records, _) = Rig::new(8).open().unwrap();
        let group = records.group(GroupId::new(1));
        let rows = (0..RECORDS_SCAN_MAX + 10).map(|n| (format!("{n:08}"), vec![]));
        group.commit(puts(rows), at(1)).await.unwrap();
        let found = group.view().unwrap().scan(.., usize::MAX).unwrap();
        assert!(found.rows.len() == RECORDS_SCAN_MAX && found.has_more);
        let large = |n: usize| (format!("large {n}"), vec![0; RECORDS_VALUE_BYTES_MAX]);
        group.commit(puts((0..3).map(large)), at(2)).await.unwrap();
        let found = group.view().unwrap().scan((Bound::Included(b"large".as_slice()), Bound::Unbounded), 9).unwrap();
        assert!(found.rows.len() * RECORDS_VALUE_BYTES_MAX <= 2 * RECORDS_PAGE_BYTES && found.has_more);
        assert_eq!(all(&group.view().unwrap()).len(), RECORDS_SCAN_MAX + 13);
        let mut export = group.export().unwrap().unwrap();
        for page in pages(&mut export) {
            let page = SnapshotPage::decode(&page).unwrap();
            assert!(page.content_bytes as usize <= 2 * RECORDS_PAGE_BYTES + 200_000);
        }
    });
}

#[test]
fn memory_is_what_it_was_told_and_values_are_sealed() {
    run(async {
        let mut rig = Rig::new(9);
        let (records, _) = rig.open().unwrap();
        let group = records.group(GroupId::new(1));
        let secret = "a secret that nobody should find on the disk";
        let first = Op::Commit(group.id(), puts([("k".to_owned(), secret.as_bytes().to_vec())]), at(1));
        rig.history.push(first.clone());
        ask(&records, first).await.unwrap();
        rig.play(&records, 10, &mut StdRng::seed_from_u64(1)).await.unwrap_or_default();
        records.close().await.unwrap();
        let content = rig.disk.contents(Path::new(FILE)).unwrap();
        for word in [&secret.as_bytes()[..10], b"members"] {
            assert!(!content.windows(word.len()).any(|part| part == word));
        }
    });
}
