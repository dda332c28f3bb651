//! Rows that are changed together.

use storgo_protocol::limits::{ROWS_CHANGED_MAX, ROWS_LISTED_MAX};
use storgo_protocol::meta::{Row, RowChange};

use super::super::{row, rows};
use super::*;

fn change(key: &str, expected: Option<Stamp>, value: Option<&str>) -> RowChange {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    RowChange { key: bytes(key), expected, value: value.map(bytes) }
}

fn at(group: &Group, key: &str) -> Option<Row> {
    row(&group.records, key.as_bytes()).unwrap()
}

#[test]
fn rows_change_together_or_not_at_all() {
    let mut group = Group::new(0);
    let set = |group: &mut Group, rows: &[RowChange]| group.tell(Action::SetRows(rows.to_vec()));
    let first = [change("a", None, Some("1")), change("b", None, Some("2"))];
    assert_eq!(set(&mut group, &first), Reply::Done { count: 2 });
    let revision = at(&group, "a").unwrap().revision;
    assert_eq!(revision, at(&group, "b").unwrap().revision);

    // The second is not as was thought, so the first stays too.
    let wrong = [change("a", Some(revision), Some("3")), change("b", None, Some("4")), change("c", None, Some("5"))];
    assert_eq!(refused(&set(&mut group, &wrong)), RefusedKind::Row(1));
    assert_eq!((at(&group, "a").unwrap().value, at(&group, "c")), (Bytes::from("1"), None));

    let right = [change("a", Some(revision), None), change("b", Some(revision), Some("4"))];
    assert_eq!(set(&mut group, &right), Reply::Done { count: 2 });
    assert_eq!(at(&group, "a"), None);
    let later = at(&group, "b").unwrap();
    assert!(later.revision > revision && later.value == "4");
    // Its author did not hear of it and tries again.
    assert_eq!(set(&mut group, &right), Reply::Done { count: 0 });
    assert_eq!(at(&group, "b").unwrap(), later, "a retry changes nothing");
    assert_eq!(refused(&set(&mut group, &[change("b", Some(revision), Some("9"))])), RefusedKind::Row(0));
    assert_eq!(refused(&set(&mut group, &[change("z", Some(revision), Some("9"))])), RefusedKind::Row(0));
}

#[test]
fn rows_are_listed_in_order_by_their_first_bytes() {
    let mut group = Group::new(0);
    for key in ["b\0x", "a", "b", "b1", "b\u{ff}", "c"] {
        group.done(Action::SetRows(vec![change(key, None, Some(key))]));
    }
    let listed = |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let found = rows(&group.records, prefix.as_bytes(), after.map(str::as_bytes), limit).unwrap();
        found
            .into_iter()
            .map(|(key, row)| {
                assert_eq!(key, row.value);
                String::from_utf8(key.to_vec()).unwrap()
            })
            .collect()
    };
    assert_eq!(listed("b", None, 10), ["b", "b\0x", "b1", "b\u{ff}"]);
    assert_eq!(listed("b", None, 2), ["b", "b\0x"]);
    assert_eq!(listed("b", Some("b\0x"), 10), ["b1", "b\u{ff}"]);
    assert_eq!(listed("", Some("b"), 10).len(), 4);
    assert_eq!(listed("", Some("a"), 0), Vec::<String>::new());
}

#[test]
fn a_page_of_rows_has_an_end() {
    let mut group = Group::new(0);
    let keys: Vec<String> = (0..=ROWS_LISTED_MAX).map(|number| format!("{number:05}")).collect();
    for keys in keys.chunks(ROWS_CHANGED_MAX) {
        group.done(Action::SetRows(keys.iter().map(|key| change(key, None, Some("1"))).collect()));
    }
    let page = rows(&group.records, b"", None, usize::MAX).unwrap();
    assert_eq!(page.len(), ROWS_LISTED_MAX);
    let rest = rows(&group.records, b"", page.last().map(|(key, _)| key.as_ref()), usize::MAX).unwrap();
    assert_eq!(rest.len(), 1);
}
