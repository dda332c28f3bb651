//! The specifications name the golden files, every one of them, and the bounds with their values.

use std::collections::BTreeSet;
use std::path::PathBuf;

use storgo_protocol::limits;

use super::golden;

/// The documents of this crate, by name and text.
fn documents() -> Vec<(String, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("spec");
    let mut documents: Vec<_> = std::fs::read_dir(directory)
        .expect("the directory of specifications")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a readable document");
            (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text)
        })
        .collect();
    documents.sort();
    documents
}

/// The names behind `golden/` in a text.
fn named(text: &str) -> impl Iterator<Item = String> {
    text.split("golden/").skip(1).map(|rest| {
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')).collect::<String>()
    })
}

#[test]
fn every_named_golden_file_exists_and_every_golden_file_is_named() {
    let documents = documents();
    let named: BTreeSet<String> =
        documents.iter().flat_map(|(_, text)| named(text)).map(|name| name.trim_end_matches('.').to_owned()).collect();
    let found: BTreeSet<String> = std::fs::read_dir(golden::directory())
        .expect("the directory of golden files")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(named.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "named, but not there");
    assert_eq!(found.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "there, but not named");
}

#[test]
fn every_document_is_there() {
    let names: Vec<String> = documents().into_iter().map(|(name, _)| name).collect();
    for name in [
        "cluster.md",
        "log.md",
        "members.md",
        "metadata.md",
        "objects.md",
        "records.md",
        "tickets.md",
        "tree.md",
        "wire.md",
    ] {
        assert!(names.iter().any(|found| found == name), "{name}");
    }
}

/// Bounds that another implementation must know, as rows `` | `NAME` | value | `` of the tables.
#[test]
fn bounds_stand_in_the_documents_with_their_values() {
    let bounds = [
        ("SEGMENT_BYTES", limits::SEGMENT_BYTES),
        ("CHUNK_BYTES_MAX", limits::CHUNK_BYTES_MAX),
        ("SEGMENTS_MAX", limits::SEGMENTS_MAX),
        ("TAG_BYTES", limits::TAG_BYTES),
        ("PADDING_GRID_BYTES_MIN", limits::PADDING_GRID_BYTES_MIN),
        ("PADDING_GRID_DIVISOR", limits::PADDING_GRID_DIVISOR),
        ("SEALED_BYTES_MAX", limits::SEALED_BYTES_MAX),
        ("STRIPE_SHARDS_MAX", limits::STRIPE_SHARDS_MAX),
        ("CODE_PARAMETER_BYTES_MAX", limits::CODE_PARAMETER_BYTES_MAX),
        ("NODE_BYTES_MAX", limits::NODE_BYTES_MAX),
        ("INDEX_NODE_BYTES_MAX", limits::INDEX_NODE_BYTES_MAX),
        ("TREE_DEPTH_MAX", limits::TREE_DEPTH_MAX),
        ("OBJECT_BYTES_MAX", limits::OBJECT_BYTES_MAX as usize),
        ("NODE_COPIES_MAX", limits::NODE_COPIES_MAX),
        ("TICKET_ADDRESSES_MAX", limits::TICKET_ADDRESSES_MAX),
        ("ADDRESS_BYTES_MAX", limits::ADDRESS_BYTES_MAX),
        ("TICKET_CHARS_MAX", limits::TICKET_CHARS_MAX),
        ("GRANT_SECONDS_MAX", limits::GRANT_SECONDS_MAX as usize),
        ("GRANT_SKEW_SECONDS_MAX", limits::GRANT_SKEW_SECONDS_MAX as usize),
        ("FRAME_HEAD_BYTES_MAX", limits::FRAME_HEAD_BYTES_MAX),
        ("FRAME_PAYLOAD_BYTES_MAX", limits::FRAME_PAYLOAD_BYTES_MAX),
        ("IDS_PER_MESSAGE_MAX", limits::IDS_PER_MESSAGE_MAX),
        ("HELLO_PEERS_MAX", limits::HELLO_PEERS_MAX),
        ("PEER_ADDRESSES_MAX", limits::PEER_ADDRESSES_MAX),
        ("ZONE_CHARS_MAX", limits::ZONE_CHARS_MAX),
        ("AGENT_CHARS_MAX", limits::AGENT_CHARS_MAX),
        ("REASON_CHARS_MAX", limits::REASON_CHARS_MAX),
        ("LAYOUT_RECORDS_MAX", limits::LAYOUT_RECORDS_MAX),
        ("DISKS_MAX", limits::DISKS_MAX),
        ("VERIFY_GROUP_BYTES", limits::VERIFY_GROUP_BYTES),
        ("TREE_NAME_BYTES_MAX", limits::TREE_NAME_BYTES_MAX),
        ("TREE_PATH_BYTES_MAX", limits::TREE_PATH_BYTES_MAX),
        ("TREE_LEVELS_MAX", limits::TREE_LEVELS_MAX),
        ("TREE_LINK_BYTES_MAX", limits::TREE_LINK_BYTES_MAX),
        ("TREE_MODE_MAX", usize::from(limits::TREE_MODE_MAX)),
        ("TREE_PAGE_BYTES_MAX", limits::TREE_PAGE_BYTES_MAX),
        ("TREE_TABLE_BYTES_MAX", limits::TREE_TABLE_BYTES_MAX),
        ("TREE_ITEMS_MAX", limits::TREE_ITEMS_MAX as usize),
        ("LOG_ENTRY_BYTES_MAX", limits::LOG_ENTRY_BYTES_MAX),
        ("LOG_MARK_BYTES_MAX", limits::LOG_MARK_BYTES_MAX),
        ("LOG_FRAME_BYTES_MAX", limits::LOG_FRAME_BYTES_MAX),
        ("LOG_SEGMENT_BYTES_MAX", limits::LOG_SEGMENT_BYTES_MAX as usize),
        ("RECORDS_KEY_BYTES_MAX", limits::RECORDS_KEY_BYTES_MAX),
        ("RECORDS_VALUE_BYTES_MAX", limits::RECORDS_VALUE_BYTES_MAX),
        ("RECORDS_BLOB_BYTES_MAX", limits::RECORDS_BLOB_BYTES_MAX),
        ("RECORDS_PAGE_BYTES_MAX", limits::RECORDS_PAGE_BYTES_MAX),
        ("RECORDS_PACKED_BYTES_MAX", limits::RECORDS_PACKED_BYTES_MAX),
        ("KEY_BYTES_MAX", limits::KEY_BYTES_MAX),
        ("REDIS_KEY_BYTES_MAX", limits::REDIS_KEY_BYTES_MAX),
        ("INLINE_BYTES_MAX", limits::INLINE_BYTES_MAX),
        ("ETAG_BYTES_MAX", limits::ETAG_BYTES_MAX),
        ("METADATA_BYTES_MAX", limits::METADATA_BYTES_MAX),
        ("VERSION_TAGS_MAX", limits::VERSION_TAGS_MAX),
        ("TAG_NAME_BYTES_MAX", limits::TAG_NAME_BYTES_MAX),
        ("TAG_VALUE_BYTES_MAX", limits::TAG_VALUE_BYTES_MAX),
        ("COMMAND_BYTES_MAX", limits::COMMAND_BYTES_MAX),
        ("SHIPPED_PAIRS_MAX", limits::SHIPPED_PAIRS_MAX),
        ("ROW_KEY_BYTES_MAX", limits::ROW_KEY_BYTES_MAX),
        ("ROW_BYTES_MAX", limits::ROW_BYTES_MAX),
        ("ROWS_CHANGED_MAX", limits::ROWS_CHANGED_MAX),
        ("RAFT_FRAME_BYTES_MAX", limits::RAFT_FRAME_BYTES_MAX),
        ("RAFT_ENVELOPES_MAX", limits::RAFT_ENVELOPES_MAX),
        ("RAFT_ENTRIES_MAX", limits::RAFT_ENTRIES_MAX as usize),
        ("GROUP_SEATS_MAX", limits::GROUP_SEATS_MAX),
        ("RAFT_APPEND_BYTES_MAX", limits::RAFT_APPEND_BYTES_MAX),
        ("TOLD_BYTES_MAX", limits::TOLD_BYTES_MAX),
        ("LISTED_MAX", limits::LISTED_MAX),
        ("GROUPS_MAX", limits::GROUPS_MAX),
        ("MEMBERS_MAX", limits::MEMBERS_MAX),
        ("MEMBER_ADDRESSES_MAX", limits::MEMBER_ADDRESSES_MAX),
        ("BUCKET_NAME_CHARS_MAX", limits::BUCKET_NAME_CHARS_MAX),
        ("BUCKET_MEMBERS_MAX", limits::BUCKET_MEMBERS_MAX),
        ("BUCKET_KEYS_MAX", limits::BUCKET_KEYS_MAX),
        ("BUCKET_WRAPPED_BYTES_MAX", limits::BUCKET_WRAPPED_BYTES_MAX),
        ("BUCKET_FORMER_MAX", limits::BUCKET_FORMER_MAX),
        ("BUCKETS_LISTED_MAX", limits::BUCKETS_LISTED_MAX),
    ];
    let text: String = documents().into_iter().map(|(_, text)| text).collect();
    for (name, value) in bounds {
        assert!(text.contains(&format!("| `{name}` | {value} |")), "| `{name}` | {value} | is missing");
    }
}
