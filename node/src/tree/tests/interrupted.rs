//! Restorations that are cut off, and what the next run makes of what they left.

use storgo_object::fake::Fault;

use super::*;

/// Twelve files of a megabyte: as many chunks and more.
fn twelve(root: &Path) {
    fs::create_dir_all(root.join("sub")).unwrap();
    for number in 0..12 {
        let name = if number % 2 == 0 { format!("file-{number:02}") } else { format!("sub/file-{number:02}") };
        fs::write(root.join(name), random_bytes(number, 1_000_000)).unwrap();
    }
    fs::write(root.join("nothing"), b"").unwrap();
    symlink("nothing", root.join("link")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_whole_is_not_fetched_again_and_nothing_partial_has_its_name() {
    let (lab, scratch) = (lab(3), scratch());
    let (source, target) = (scratch.path().join("source"), scratch.path().join("target"));
    twelve(&source);
    let ticket = lab.put(&source).await.put.ticket;
    let whole = seen(&source);
    let mut cut_off = 0;
    // How far a run comes depends on which answers come first, so several places are tried.
    for requests in 5..100 {
        if cut_off == 1 {
            break;
        }
        lab.network.peers().into_iter().for_each(|peer| lab.network.set_fault(peer, Fault::DownAfter(requests)));
        let got = lab.get(&ticket, "", &target).await;
        lab.network.peers().into_iter().for_each(|peer| lab.network.set_fault(peer, Fault::None));
        if got.is_ok() {
            fs::remove_dir_all(&target).unwrap();
            continue;
        }
        assert!(!target.try_exists().unwrap(), "it stands under its name when it is whole");
        let staged = scratch.path().join("target.storgo-part/tree");
        let left = if staged.try_exists().unwrap() { seen(&staged) } else { std::collections::BTreeMap::default() };
        let files = left.iter().filter(|(_, seen)| seen.is_file());
        let names: Vec<_> = files.map(|(name, seen)| (name.clone(), seen.holds_as(&whole[name]))).collect();
        assert!(names.iter().all(|(_, same)| *same), "{names:?}");
        if names.is_empty() {
            continue;
        }
        cut_off += 1;
        // One of them is damaged meanwhile.
        let victim = staged.join(OsStr::from_bytes(&names[0].0));
        let mut bytes = fs::read(&victim).unwrap();
        bytes[500_000] ^= 1;
        fs::write(&victim, bytes).unwrap();
        let got = lab.get(&ticket, "", &target).await.unwrap();
        assert_eq!(got.files_resumed, names.len() as u64 - 1, "after {requests} requests");
        // Small gaps are fetched along, whole files are not.
        let most = (13 - names.len() as u64) * 1_000_000 + 400_000;
        assert!(got.get.bytes <= most, "{} of at most {most} after {requests} requests", got.get.bytes);
        assert_eq!(seen::difference(&whole, &seen(&target)), None);
        assert!(!scratch.path().join("target.storgo-part").try_exists().unwrap());
        fs::remove_dir_all(&target).unwrap();
    }
    assert_eq!(cut_off, 1, "a run that was cut off with files left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_tree_left_is_not_taken_for_this_one() {
    let (lab, scratch) = (lab(3), scratch());
    let (source, target) = (scratch.path().join("source"), scratch.path().join("target"));
    twelve(&source);
    let ticket = lab.put(&source).await.put.ticket;
    let staging = scratch.path().join("target.storgo-part");
    fs::create_dir(&staging).unwrap();
    fs::set_permissions(&staging, Permissions::from_mode(0o700)).unwrap();
    fs::create_dir_all(staging.join("tree/file-00")).unwrap();
    fs::write(staging.join("tree/stranger"), b"of another tree").unwrap();
    fs::write(staging.join("of"), b"another tree").unwrap();
    lab.get(&ticket, "", &target).await.unwrap();
    assert_eq!(seen::difference(&seen(&source), &seen(&target)), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_others_may_enter_is_not_restored_in() {
    let (lab, scratch) = (lab(3), scratch());
    let (source, target) = (scratch.path().join("source"), scratch.path().join("target"));
    twelve(&source);
    let ticket = lab.put(&source).await.put.ticket;
    let staging = scratch.path().join("target.storgo-part");
    fs::create_dir(&staging).unwrap();
    fs::set_permissions(&staging, Permissions::from_mode(0o777)).unwrap();
    let refused = lab.get(&ticket, "", &target).await;
    assert!(matches!(refused, Err(NodeError::Io { what: "using", .. })), "{refused:?}");
    fs::remove_dir(&staging).unwrap();
    symlink(&source, &staging).unwrap();
    let refused = lab.get(&ticket, "", &target).await;
    assert!(matches!(refused, Err(NodeError::Io { what: "opening", .. })), "{refused:?}");
    fs::remove_file(&staging).unwrap();
    fs::create_dir(&staging).unwrap();
    fs::set_permissions(&staging, Permissions::from_mode(0o700)).unwrap();
    let lock = File::open(&staging).unwrap();
    lock.try_lock().unwrap();
    let refused = lab.get(&ticket, "", &target).await;
    assert!(matches!(refused, Err(NodeError::Busy { .. })), "{refused:?}");
}
