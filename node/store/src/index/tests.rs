use std::ops::ControlFlow;

use super::*;

fn keys(index: &dyn Index, prefix: &[u8], after: Option<&[u8]>, max: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    index
        .scan(prefix, after, &mut |key, _| {
            found.push(key.to_vec());
            if found.len() == max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    found
}

/// Both kinds go through the same life; what one does the other does.
#[test]
fn sled_and_its_twin_are_one_ordered_map() {
    let dir = tempfile::tempdir().unwrap();
    let sled = SledIndex::fresh(&dir.path().join("sled")).unwrap();
    let twin = MemoryIndex::default();
    for index in [&sled as &dyn Index, &twin] {
        index.apply(["b2", "a1", "b1", "c", "b3"].map(|k| (k.into(), Some(k.into()))).into()).unwrap();
        assert_eq!(index.get(b"b2").unwrap(), Some(b"b2".to_vec()));
        assert_eq!(keys(index, b"b", None, 9), [b"b1", b"b2", b"b3"]);
        assert_eq!(keys(index, b"b", Some(b"b1"), 1), [b"b2"]);
        index.apply(vec![(b"b2".to_vec(), None), (b"b4".to_vec(), Some(vec![]))]).unwrap();
        assert_eq!(keys(index, b"b", Some(b"b1"), 9), [b"b3", b"b4"]);
        index.flush().unwrap();
    }
}

#[test]
fn a_ruined_sled_directory_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sled");
    std::fs::File::create(&path).unwrap();
    assert!(SledIndex::reopen(&path).is_none());
    std::fs::remove_file(&path).unwrap();
    let index = SledIndex::fresh(&path).unwrap();
    assert_eq!(index.get(b"x").unwrap(), None);
}
