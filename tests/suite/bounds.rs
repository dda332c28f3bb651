//! Each bound of `limits.rs` has a test that exceeds it, by name; a bound without one fails here.
//!
//! It reads the sources and runs nothing. A constant that bounds nobody outside (a target, a pause, this program's own
//! parallelism) says so, with the reason, and what holds it.

use std::collections::BTreeSet;
use std::fs;

use crate::tidy::root;

/// What is behind a constant.
enum Row {
    /// It bounds what others send or cause: the file and name of a test in which it is exceeded, and how.
    Bound(&'static str, &'static str, &'static str, &'static str),
    /// It bounds nobody outside, for this reason.
    Own(&'static str, &'static str),
}

use Row::{Bound, Own};

const FORMATS: &str = "protocol/tests/formats/bounds.rs";
const CARD: &str = "protocol/src/message/card.rs";
const FLOODS: &str = "tests/suite/floods.rs";
const GATE: &str = "node/mesh/src/gate.rs";
const FRAME: &str = "node/mesh/src/frame_io.rs";
const DHT: &str = "node/mesh/src/dht.rs";
const PROVIDERS: &str = "node/mesh/src/provider_store.rs";
const PEERS: &str = "node/mesh/src/peers/tests.rs";
const PACE: &str = "node/object/src/pace.rs";
const POOL: &str = "node/object/src/pool/tests.rs";
const SERVE: &str = "node/object/src/serve/tests.rs";
const DATA: &str = "node/mesh/src/mesh/tests/data.rs";
const NAT: &str = "node/mesh/src/nat.rs";
const RELAY: &str = "node/mesh/src/relaying/tests.rs";
const TREE: &str = "protocol/src/tree/tests.rs";
const LOG_SHAPE: &str = "node/store/src/log/tests/shape.rs";
const RECORDS: &str = "node/store/src/records/tests/states.rs";

const MACHINE: &str = "node/consensus/src/machine/tests/writes.rs";
const BATCHES: &str = "node/consensus/src/machine/tests/batches.rs";
const COURIER: &str = "node/consensus/src/courier/tests.rs";
const FRAMES: &str = "what_comes_beyond_its_bounds_is_dropped";
const ROUTER: &str = "node/consensus/src/router/tests.rs";
const PASSED_OVER: &str = "who_fails_again_and_again_is_passed_over_for_a_while";
const ACCESS_KEYS: &str = "access_keys_beyond_their_bounds_are_refused";
const BUCKET: &str = "protocol/src/meta/bucket.rs";
const CLUSTER: &str = "protocol/src/cluster/tests.rs";
const CLUSTER_ANSWERS: &str = "answers_come_back_as_they_were_and_strangers_are_no_members";
const NETWORK: &str = "node/consensus/src/cluster/tests.rs";
const NETWORK_FULL: &str = "a_network_has_no_more_members_and_buckets_than_it_has_room_for";
const COMMAND: &str = "protocol/src/meta/command/tests.rs";
const VERSION: &str = "protocol/src/meta/version/tests.rs";

const GUARD: &str = "node/gateways/src/resp/guard/tests.rs";
const TALK: &str = "protocol/src/cluster/talk.rs";
const TALKS: &str = "a_talk_beyond_its_bounds_is_refused";
const NEIGHBOUR: &str = "node/object/src/names/forum/neighbour.rs";
const NEIGHBOURS: &str = "what_waits_for_a_neighbour_is_bounded_and_what_comes_beyond_is_lost";

const REDIS: &str = "tests/suite/redis.rs";
const REDIS_NONSENSE: &str = "nonsense_gets_its_error_and_others_are_served";
const DOOR_COMMANDS: &str = "node/gateways/src/resp/commands/tests/pubsub.rs";
const LONG_NAMES: &str = "names_of_channels_are_no_longer_than_can_be_matched_at_once";
const REDIS_SHARED: &str = "node/gateways/src/resp/shared.rs";
const REDIS_UNSENT: &str = "who_has_much_that_is_not_sent_waits_and_what_does_not_fit_the_door_is_refused";
const REDIS_SHARES: &str = "requests_that_are_not_whole_take_no_more_than_their_share";

const DOORS: &str = "node/gateways/src/resp/doors.rs";
const STATS: &str = "node/gateways/src/resp/stats.rs";
const STATS_COUNTED: &str = "what_took_as_long_is_counted_together";
const ERRAND: &str = "node/gateways/src/resp/errand.rs";
const ERRANDS: &str = "node/gateways/src/resp/errands/tests.rs";
const DOORS_KNOWN: &str = "doors_are_known_as_long_as_they_say_where_they_are";
const OUTBOX: &str = "node/gateways/src/resp/pubsub/outbox.rs";
const LISTENING: &str = "node/gateways/src/resp/commands/tests/pubsub.rs";
const LISTENED: &str = "nobody_listens_to_more_than_it_may";

const UDP: &str = "node/gateways/src/resp/udp/tests.rs";
const UDP_ROOM: &str = "no_more_listen_and_to_no_more_than_there_is_room_for";

const STRIPE: &str = "a_stripe_beyond_its_bounds_is_refused";
const INDEX: &str = "an_index_node_beyond_its_bounds_is_refused";
const NODES: &str = "a_root_and_a_layout_beyond_their_bounds_are_refused";
const WORDS: &str = "an_address_or_a_ticket_beyond_its_bounds_is_refused";
const ANSWERS: &str = "an_answer_beyond_its_bounds_is_refused";
const CUT_OFF: &str = "frames_and_messages_beyond_their_bounds_are_cut_off_at_once";
const SHARES: &str = "one_peer_promises_no_more_bytes_than_its_share_and_others_are_let_in";
const ALL: &str = "all_together_have_no_more_than_there_is";
const TRICKLE: &str = "one_byte_a_second_is_cut_off_and_the_slowest_link_is_not";
const PATIENCE: &str = "patience_follows_the_pace_between_its_bounds";
const CAUGHT: &str = "who_was_caught_comes_last_until_it_is_forgiven_and_longer_the_next_time";
const PATH: &str = "a_path_is_no_longer_and_no_deeper_than_its_bounds";
const ITEM: &str = "what_an_item_says_is_checked";
const COMMANDS: &str = "a_command_beyond_its_bounds_is_refused";
const VERSIONS: &str = "a_version_beyond_its_bounds_is_refused";
const LOG_FORMAT: &str = "a_record_or_frame_of_a_log_beyond_its_bounds_is_refused";
const LOG_REFUSED: &str = "what_does_not_follow_or_fit_is_refused";
const LOG_AT_ONCE: &str = "what_waits_and_what_is_written_or_read_at_once_is_bounded";
const RECORDS_REFUSED: &str = "what_goes_back_or_is_too_large_is_refused_and_changes_nothing";
const RECORDS_ENDS: &str = "scans_and_pages_end_at_their_bounds";
const PAGES: &str = "a_page_of_a_state_beyond_its_bounds_is_refused";
const TABLE: &str = "a_table_out_of_order_or_bounds_is_refused";

const ROWS: &[Row] = &[
    Bound(
        "SEGMENT_BYTES",
        "node/pipeline/src/pack/tests.rs",
        "a_bomb_fills_no_more_than_its_segment",
        "a frame of zstd that unpacks to more than a segment",
    ),
    Bound("CHUNK_BYTES_MAX", FORMATS, INDEX, "a chunk with one plain byte more"),
    Bound("SEGMENTS_MAX", FORMATS, INDEX, "a chunk of one segment more"),
    Own("TAG_BYTES", "a length that the cipher has; `a_segment_opens_at_its_place_alone` sees a changed tag refused"),
    Own("PADDING_GRID_BYTES_MIN", "what is added on the way out; `lengths_are_padded_to_a_grid`"),
    Own("PADDING_GRID_DIVISOR", "what is added on the way out; `lengths_are_padded_to_a_grid`"),
    Bound("SEALED_BYTES_MAX", FORMATS, STRIPE, "a stripe of one sealed byte more"),
    Own("CHUNK_AVERAGE_BYTES_MIN", "where a put cuts; no reader relies on it"),
    Own("CHUNK_AVERAGE_BYTES_MAX", "where a put cuts; no reader relies on it"),
    Own("CHUNK_GROWTH_BYTES", "where a put cuts; no reader relies on it"),
    Own("CHUNK_READ_BYTES_MIN", "room that a put offers to its own source"),
    Own("CHUNK_READ_BYTES_MAX", "room that a put offers to its own source"),
    Bound("STRIPE_SHARDS_MAX", FORMATS, STRIPE, "a header that lists one shard more"),
    Bound("CODE_PARAMETER_BYTES_MAX", FORMATS, STRIPE, "parameters of one byte more"),
    Bound(
        "SHARD_BYTES_MAX",
        FORMATS,
        "a_slice_longer_than_any_is_refused_before_it_is_hashed",
        "a slice of a shard of one byte more",
    ),
    Bound("STRIPE_HEADER_BYTES_MAX", FORMATS, STRIPE, "what exceeds it exceeds the count of shards or parameters"),
    Own("VERIFY_GROUP_BYTES", "the granularity of a tree of hashes, the same for all"),
    Bound(
        "SLICE_BYTES_MAX",
        FORMATS,
        "a_slice_longer_than_any_is_refused_before_it_is_hashed",
        "a slice of one byte more",
    ),
    Bound("NODE_BYTES_MAX", FORMATS, NODES, "a root and layouts of one byte more"),
    Bound("INDEX_NODE_BYTES_MAX", FORMATS, INDEX, "a node of one byte more, and more items than it has room for"),
    Bound("TREE_DEPTH_MAX", FORMATS, INDEX, "a node one level higher"),
    Bound("OBJECT_BYTES_MAX", FORMATS, NODES, "a root and a layout of one byte more"),
    Bound("NODE_COPIES_MAX", FORMATS, NODES, "a layout that wants one copy more"),
    Own("EC_THRESHOLD_BYTES", "how a put chooses its code"),
    Bound("LAYOUT_RECORDS_MAX", FORMATS, ANSWERS, "an answer with one record more"),
    Bound("TICKET_ADDRESSES_MAX", FORMATS, WORDS, "a ticket with one address more"),
    Bound("ADDRESS_BYTES_MAX", FORMATS, WORDS, "an address of one byte more"),
    Bound("TICKET_CHARS_MAX", FORMATS, WORDS, "a word of one letter more"),
    Bound("GRANT_SECONDS_MAX", SERVE, "every_other_grant_is_denied", "a grant that is valid for longer"),
    Own("GRANT_SKEW_SECONDS_MAX", "an allowance on top of `GRANT_SECONDS_MAX`, tried with it"),
    Bound("GRANTS_REMEMBERED_MAX", SERVE, "the_book_of_grants_is_bounded", "more grants than the book holds"),
    Bound(
        "SHOWN_IDS_MAX",
        "node/object/src/serve/shown.rs",
        "what_is_remembered_of_layouts_is_bounded",
        "layouts with more ids than are remembered",
    ),
    Bound("FRAME_HEAD_BYTES_MAX", FLOODS, CUT_OFF, "a head of one byte more"),
    Bound("FRAME_PAYLOAD_BYTES_MAX", FLOODS, CUT_OFF, "a payload of one byte more"),
    Bound("IDS_PER_MESSAGE_MAX", FLOODS, CUT_OFF, "questions and offers of one id more"),
    Bound(
        "SHARDS_PER_PUSH_MAX",
        "protocol/tests/formats/messages.rs",
        "a_request_of_senseless_numbers_is_refused",
        "a push of one shard more",
    ),
    Bound(
        "HELLO_BYTES_MAX",
        "node/mesh/src/mesh/tests.rs",
        "a_hello_longer_than_any_is_cut_off_before_it_is_read",
        "a hello of one byte more",
    ),
    Bound(
        "HELLO_PEERS_MAX",
        "protocol/src/message/hello.rs",
        "a_welcome_that_names_more_peers_than_its_bound_is_refused",
        "a welcome that names one peer more",
    ),
    Bound(
        "PEER_ADDRESSES_MAX",
        CARD,
        "too_many_or_too_long_addresses_are_refused_whatever_they_say",
        "a card with one address more",
    ),
    Bound("ZONE_CHARS_MAX", CARD, "a_card_beyond_its_other_bounds_is_refused", "a zone of one letter more"),
    Bound("AGENT_CHARS_MAX", CARD, "a_card_beyond_its_other_bounds_is_refused", "an agent of one letter more"),
    Bound("REASON_CHARS_MAX", FORMATS, ANSWERS, "a refusal of one letter more"),
    Bound("PEER_TABLE_MAX", PEERS, "a_full_table_forgets_who_is_not_linked", "one peer more than the table holds"),
    Bound("DISKS_MAX", CARD, "a_card_beyond_its_other_bounds_is_refused", "a card with one disk more"),
    Own("MESH_LINKS_TARGET", "how many peers a node dials by itself"),
    Bound(
        "MESH_INBOUND_CONNECTIONS_MAX",
        "node/mesh/src/behaviour.rs",
        "no_more_connections_are_let_in_than_there_is_room_for",
        "one established connection more",
    ),
    Bound(
        "MESH_PENDING_CONNECTIONS_MAX",
        FLOODS,
        "connections_that_never_shake_hands_are_few_at_once",
        "one connection more that says nothing",
    ),
    Bound(
        "MESH_CONNECTIONS_PER_PEER_MAX",
        FLOODS,
        "connections_beyond_a_peers_share_are_closed",
        "twice as many connections of one peer",
    ),
    Own(
        "MESH_MEMORY_PERCENT_MAX",
        "what libp2p compares with the machine's memory; to exceed it is to fill the machine",
    ),
    Own("MESH_DIALS_MAX", "this side's own parallelism"),
    Own("MESH_COMMANDS_MAX", "a queue of this side's own tasks, whose senders wait"),
    Own(
        "MESH_STREAMS_PER_PEER_MAX",
        "this side's own streams; those of others have `MESH_INBOUND_STREAMS_PER_PEER_MAX`",
    ),
    Bound(
        "MESH_DATA_CONNECTIONS_PER_PEER_MAX",
        DATA,
        "a_pool_opens_few_data_connections_and_closes_them_when_they_are_idle",
        "three times as many pushes at once",
    ),
    Bound(
        "MESH_DATA_CONNECTIONS_MAX",
        DATA,
        "data_connections_beyond_the_room_are_dropped_at_once_and_others_are_served",
        "one connection more than a smaller room has",
    ),
    Own(
        "MESH_DATA_AFTER_BYTES",
        "when this side tries a peer's data port; `bulk_goes_over_the_data_port_once_it_is_worth_it`",
    ),
    Own("MESH_DATA_RETRY_SECONDS", "when this side tries a peer's data port again; until then streams do the work"),
    Bound("MESH_INBOUND_STREAMS_PER_PEER_MAX", FLOODS, "streams_beyond_a_peers_share_are_dropped", "one stream more"),
    Own(
        "MESH_YAMUX_STREAMS_MAX",
        "below it each peer's streams are counted by `MESH_INBOUND_STREAMS_PER_PEER_MAX`, which is met first",
    ),
    Bound("MESH_REQUESTS_MAX", GATE, ALL, "more requests of many peers"),
    Bound("MESH_REQUEST_BYTES_MAX", GATE, ALL, "more bytes promised by many peers"),
    Bound("MESH_REQUEST_BYTES_PER_PEER_MAX", GATE, SHARES, "more bytes promised by one peer"),
    Bound(
        "MESH_REQUESTS_PER_PEER_MAX",
        GATE,
        "one_peer_has_no_more_requests_than_its_share_and_others_are_let_in",
        "more requests of one peer",
    ),
    Bound("MESH_PACE_BYTES_PER_SECOND_MIN", FRAME, TRICKLE, "one byte a second less, for ten minutes"),
    Bound("MESH_PACE_SECONDS", FRAME, TRICKLE, "one byte a second for that long"),
    Own("MESH_ATTEMPTS_MAX", "how often this side tries again"),
    Own(
        "MESH_EXCHANGE_SECONDS_MAX",
        "ten minutes are too long for a test; who dawdles meets `MESH_PACE_BYTES_PER_SECOND_MIN` long before",
    ),
    Bound(
        "MESH_STREAM_IDLE_SECONDS_MAX",
        DATA,
        "a_pool_opens_few_data_connections_and_closes_them_when_they_are_idle",
        "streams and data connections that are idle for that long",
    ),
    Own(
        "MESH_STREAM_ACCEPT_IDLE_SECONDS_MAX",
        "an idle stream holds nothing but its count; `silence_ends_a_wait` holds the wait",
    ),
    Own("MESH_ADMISSION_SECONDS_MAX", "how long a caller waits for its own hello; it holds nothing meanwhile"),
    Bound("MESH_TURN_SECONDS_MAX", GATE, ALL, "requests that never get their turn are refused"),
    Bound("DISTRUST_SECONDS_MIN", PEERS, CAUGHT, "a lie, and the time after which it is forgiven"),
    Bound("DISTRUST_SECONDS_MAX", PEERS, CAUGHT, "forty lies"),
    Own(
        "MESH_BACKOFF_SECONDS_MIN",
        "a pause of this side's own dials; `failures_back_off_once_each_and_a_hello_forgives`",
    ),
    Own(
        "MESH_BACKOFF_SECONDS_MAX",
        "a pause of this side's own dials; `failures_back_off_once_each_and_a_hello_forgives`",
    ),
    Bound("DHT_QUERIES_MAX", DHT, "queries_are_few_at_once_and_given_up_in_time", "one query more"),
    Bound("DHT_QUERY_SECONDS_MAX", DHT, "queries_are_few_at_once_and_given_up_in_time", "queries that nobody answers"),
    Bound("DHT_PROVIDERS_MAX", DHT, "a_flood_of_providers_is_cut_at_its_bound", "three times as many providers"),
    Bound(
        "DHT_PROVIDED_KEYS_MAX",
        PROVIDERS,
        "a_store_takes_as_many_keys_as_its_bound_and_few_addresses_of_each_provider",
        "one key more",
    ),
    Bound(
        "DHT_PROVIDERS_PER_KEY_MAX",
        PROVIDERS,
        "providers_of_one_key_are_bounded_and_told_apart",
        "a hundred providers of one key",
    ),
    Own("DHT_RENEWAL_SECONDS", "how often this side announces"),
    Own("DHT_ANNOUNCEMENTS_PER_SECOND_MAX", "how fast this side announces"),
    Own(
        "DHT_ANNOUNCEMENTS_MAX",
        "a queue of what was stored under grants; what does not fit is found by the next sweep",
    ),
    Own("DHT_ANNOUNCEMENTS_PARALLEL_MAX", "this side's own parallelism"),
    Bound(
        "RELAYS_MAX",
        NAT,
        "who_is_hidden_reserves_at_few_and_elsewhere_when_a_place_ends",
        "more relays that offer a place",
    ),
    Bound("RELAY_CANDIDATES_MAX", NAT, "what_peers_say_is_bounded", "twice as many peers that say that they relay"),
    Bound("REACH_TESTS_REMEMBERED_MAX", NAT, "what_peers_say_is_bounded", "twice as many addresses tested by peers"),
    Bound(
        "RELAY_RESERVATIONS_MAX",
        RELAY,
        "one_place_more_than_a_relay_has_is_refused",
        "one place more at a relay with fewer",
    ),
    Bound(
        "RELAY_RESERVATIONS_PER_PEER_MAX",
        RELAY,
        "one_place_more_than_a_peer_may_have_is_refused_and_others_get_theirs",
        "one place more of one peer",
    ),
    Bound(
        "RELAY_CIRCUITS_MAX",
        RELAY,
        "one_circuit_more_than_a_relay_carries_is_refused",
        "one circuit more through a relay with fewer",
    ),
    Bound(
        "RELAY_CIRCUITS_PER_PEER_MAX",
        RELAY,
        "one_circuit_more_than_a_peer_may_have_is_refused_and_others_get_theirs",
        "one circuit more of one peer",
    ),
    Bound(
        "RELAY_CIRCUIT_SECONDS_MAX",
        RELAY,
        "a_circuit_ends_after_its_time",
        "a circuit that is left open, at a relay that closes them sooner",
    ),
    Bound(
        "RELAY_CIRCUIT_BYTES_MAX",
        RELAY,
        "a_circuit_ends_after_its_bytes",
        "sixteen times the bytes that a relay with a lower bound carries",
    ),
    Bound(
        "PUNCH_WAIT_MS_MAX",
        "node/mesh/src/mesh/tests.rs",
        "bulk_waits_for_a_direct_way_and_then_is_refused",
        "bulk for a peer that nothing but a relay leads to",
    ),
    Bound(
        "COMMIT_QUEUE_MAX",
        "node/store/src/tests/rounds.rs",
        "no_more_waits_at_a_desk_than_its_bound",
        "one push more at a disk that hangs",
    ),
    Own("COMMIT_BATCH_MAX", "how a disk shares its syncs"),
    Own("SYNC_EACH_MAX", "how a disk syncs"),
    Own("DISK_JOBS_MAX", "this side's own parallelism"),
    Own("DISK_BLOCK_BYTES", "a unit of this side's own files"),
    Own("DIRECT_BYTES_MIN", "how this side writes and reads its own files; `any_length_comes_back`"),
    Own(
        "DIRECT_BUFFER_BYTES",
        "how this side writes and reads its own files; `any_length_comes_back` crosses its edges",
    ),
    Bound(
        "DIRECT_BUFFERS_KEPT_MAX",
        "node/store/src/disk/direct.rs",
        "buffers_lie_on_blocks_and_are_used_again",
        "twice as many buffers given back",
    ),
    Bound(
        "DISK_RESERVE_BYTES",
        "node/store/src/tests/faults.rs",
        "a_full_disk_is_refused_before_anything_is_written_and_read_on",
        "a push into the reserve",
    ),
    Own("KNOWN_DISKS_BYTES_MAX", "a file of the node's own; `a_damaged_memory_is_forgotten_and_a_new_one_lasts`"),
    Bound(
        "DISK_STALL_MS",
        "node/store/src/tests/slow.rs",
        "a_disk_that_does_not_answer_acknowledges_nothing_and_holds_nobody_else_up",
        "a disk that does not answer",
    ),
    Bound(
        "QUARANTINE_FILES_MAX",
        "node/store/src/tests/damage.rs",
        "what_is_set_aside_is_bounded",
        "five damaged files more",
    ),
    Own("DESCRIPTORS_WANTED", "what a node asks of its own system; `a_low_soft_limit_is_raised_to_what_is_allowed`"),
    Bound(
        "LEASES_REWRITTEN_AT_ONCE",
        "node/store/src/leases/tests.rs",
        "a_long_log_is_rewritten_in_shares",
        "a log with a quarter more records",
    ),
    Own("LEASES_SUPERSEDED_MAX", "when a log is rewritten; `a_lease_log_is_rewritten_when_most_of_it_is_superseded`"),
    Own("LEASE_READ_BYTES", "how much is read at once"),
    Own("LOG_SEGMENT_BYTES", "where this side begins a new file"),
    Own("LOG_SEGMENT_BYTES_MAX", "how this side's own setting is capped; offsets beyond it are refused by their type"),
    Bound("LOG_ENTRY_BYTES_MAX", LOG_SHAPE, LOG_REFUSED, "an entry of one byte more, appended and read"),
    Bound("LOG_MARK_BYTES_MAX", LOG_SHAPE, LOG_REFUSED, "a vote, a mark and a marker of one byte more"),
    Bound("LOG_FRAME_BYTES_MAX", FORMATS, LOG_FORMAT, "a frame of one step more, read and made"),
    Own("LOG_FILL_BYTES", "how far ahead this side grows its own files"),
    Bound("LOG_QUEUE_BYTES_MAX", LOG_SHAPE, LOG_AT_ONCE, "one entry more, on a disk that does not answer"),
    Bound("LOG_HINTS_MAX", LOG_SHAPE, "hints_wait_for_others_to_be_written_with_but_not_without_end", "one hint more"),
    Own("LOG_CARRY_BYTES_MAX", "how much this side rewrites at once; `a_group_that_rests_pins_no_segment`"),
    Own(
        "LOG_CACHE_BYTES",
        "what this side remembers; `memory_for_recent_entries_is_bounded_and_the_rest_is_read_back`",
    ),
    Bound("LOG_READ_BYTES_MAX", LOG_SHAPE, LOG_AT_ONCE, "a read of all of twice as much"),
    Own(
        "LOG_SEGMENTS_SPARE",
        "when this side rewrites; `starts_leave_no_pile_of_segments_and_no_group_is_left_behind`",
    ),
    Bound(
        "LOG_SET_ASIDE_MAX",
        "node/store/src/log/tests/damage.rs",
        "a_disk_that_damages_every_log_gets_no_more",
        "one damaged log more",
    ),
    Own("RECORDS_CACHE_BYTES", "what this side remembers, as redb counts it"),
    Bound("RECORDS_KEY_BYTES_MAX", RECORDS, RECORDS_REFUSED, "a key of one byte more"),
    Bound("RECORDS_VALUE_BYTES_MAX", RECORDS, RECORDS_REFUSED, "a value of one byte more"),
    Bound("RECORDS_BLOB_BYTES_MAX", RECORDS, RECORDS_REFUSED, "a blob of one byte more"),
    Own("RECORDS_HOT_MAX", "a cache of this side's own"),
    Own("RECORDS_HOT_BYTES_MAX", "a cache of this side's own"),
    Own("RECORDS_QUEUE_MAX", "a queue of this side's own tasks, whose senders wait"),
    Bound(
        "RECORDS_FRESH_BYTES",
        RECORDS,
        "batches_of_all_groups_share_one_sync_and_are_durable_when_it_is_said",
        "more commits than that without a write, and twice as many",
    ),
    Bound(
        "AHEAD_MAX",
        "node/consensus/src/groups/tests/alone.rs",
        "how_far_a_leader_goes_ahead_is_bounded",
        "300 commands more that wait",
    ),
    Bound(
        "AHEAD_BYTES_MAX",
        "node/consensus/src/groups/tests/alone.rs",
        "how_far_a_leader_goes_ahead_is_bounded",
        "more large commands than have room",
    ),
    Own("RECORDS_SHARES", "how much this side's own writer does at once"),
    Bound("RECORDS_SCAN_MAX", RECORDS, RECORDS_ENDS, "a scan of ten rows more"),
    Bound("RECORDS_PAGE_BYTES", RECORDS, RECORDS_ENDS, "a scan and an export of three times as much"),
    Bound("RECORDS_PAGE_BYTES_MAX", FORMATS, PAGES, "a page that says one byte more, and a content that has it"),
    Bound("RECORDS_PACKED_BYTES_MAX", FORMATS, PAGES, "a page of one byte more"),
    Own("PEER_BOOK_MAX", "a file of the user's own; `the_latest_come_first_and_the_oldest_go`"),
    Own("SMALL_FILE_BYTES_MAX", "a file of the user's own"),
    Own("DOWNLOAD_SYNC_BYTES", "how often a download is synced"),
    Own("DOWNLOAD_ENTRIES_MAX", "a file of the user's own"),
    Own("DOWNLOAD_READ_BYTES", "how much is read at once"),
    Own("STOP_SECONDS_MAX", "how long a stopping node waits"),
    Bound("TREE_NAME_BYTES_MAX", TREE, "names_that_lead_elsewhere_are_none", "a name of one byte more"),
    Bound("TREE_PATH_BYTES_MAX", TREE, PATH, "a path of one byte more, and an item that makes one"),
    Bound("TREE_LEVELS_MAX", TREE, PATH, "a path of one level more, and an item that makes one"),
    Bound("TREE_LINK_BYTES_MAX", TREE, ITEM, "a target of one byte more"),
    Bound("TREE_MODE_MAX", TREE, ITEM, "a mode of one more"),
    Bound("TREE_PAGE_BYTES_MAX", TREE, TABLE, "a page of one byte more, and a table that speaks of one"),
    Bound("TREE_TABLE_BYTES_MAX", TREE, TABLE, "a table of one byte more"),
    Bound(
        "TREE_ITEMS_MAX",
        TREE,
        "more_items_or_bytes_than_a_tree_may_have_are_refused",
        "one item more, added and said",
    ),
    Own("TREE_TAIL_BYTES", "how much this side reads first; `in_a_large_tree_little_is_read`"),
    Own("TREE_READ_AHEAD_BYTES", "how much this side reads at once of a catalogue whose pages are bounded"),
    Own("TREE_SMALL_FILE_BYTES", "which of the user's own files are read whole"),
    Own("TREE_BLOCK_BYTES", "a block of this side's own queue"),
    Own("TREE_BLOCKS_MAX", "a queue of this side's own bytes, whose sender waits; `bytes_come_out_as_they_went_in`"),
    Own("TREE_GAP_BYTES_MAX", "what this side fetches along; `runs_end_at_wide_gaps`"),
    Own("TREE_PATHS_REPORTED_MAX", "what a report tells of the user's own files"),
    Own("SLOTS", "how many slots there are, the same for all; `redis_slots_are_those_of_redis_cluster`"),
    Bound("KEY_BYTES_MAX", BUCKET, "keys_keep_to_the_rule_of_their_bucket", "a key of one byte more"),
    Bound("REDIS_KEY_BYTES_MAX", COMMAND, COMMANDS, "a key of one byte more"),
    Bound("INLINE_BYTES_MAX", VERSION, VERSIONS, "a body of one byte more"),
    Bound("VALUE_BYTES_MAX", REDIS, REDIS_NONSENSE, "a value of one byte more"),
    Bound(
        "VALUES_KEPT_BYTES_MAX",
        "node/object/src/names/value.rs",
        "values_are_kept_as_long_as_there_is_room_and_long_ones_never",
        "some values more",
    ),
    Bound("RESP_CLIENTS_MAX", REDIS, REDIS_NONSENSE, "a client more than are let in"),
    Bound("RESP_ARGS_MAX", REDIS, REDIS_NONSENSE, "one argument more"),
    Bound("RESP_INLINE_BYTES_MAX", REDIS, REDIS_NONSENSE, "a line without end"),
    Bound("RESP_REQUEST_BYTES_MAX", REDIS_SHARED, REDIS_SHARES, "a request of one byte more"),
    Bound("RESP_HELD_BYTES_MAX", REDIS_SHARED, REDIS_SHARES, "one byte more of all requests"),
    Bound(
        "RESP_CURSORS_MAX",
        "node/gateways/src/resp/cursors.rs",
        "who_asks_least_lately_has_to_begin_again",
        "one cursor more",
    ),
    Bound("RESP_SLOW_KEPT_MAX", "node/gateways/src/resp/slowlog.rs", "no_more_is_kept_than_is_set", "one command more"),
    Bound("RESP_SCAN_COUNT_MAX", REDIS, REDIS_NONSENSE, "a page of a million keys"),
    Bound("RESP_OUTBOX_BYTES_MAX", OUTBOX, "who_takes_too_little_is_told_no_more", "a message more"),
    Bound(
        "RESP_OUTBOXES_BYTES_MAX",
        OUTBOX,
        "where_all_hold_too_much_those_go_who_hold_most",
        "a message more of each",
    ),
    Bound("RESP_CHANNEL_BYTES_MAX", DOOR_COMMANDS, LONG_NAMES, "a channel's name with one byte more"),
    Bound("RESP_PATTERN_BYTES_MAX", DOOR_COMMANDS, LONG_NAMES, "a pattern with one byte more"),
    Bound("RESP_PATTERNS_MAX", DOOR_COMMANDS, LONG_NAMES, "one pattern more"),
    Bound("RESP_SUBSCRIBED_BYTES_MAX", LISTENING, LISTENED, "a channel with a long name more"),
    Bound("RESP_SUBSCRIBED_ALL_BYTES_MAX", LISTENING, LISTENED, "a client more that listens to as much as it may"),
    Bound(
        "RESP_ERRAND_BYTES_MAX",
        ERRAND,
        "what_is_too_long_too_many_or_too_deep_is_not_read",
        "an errand of one byte more",
    ),
    Bound(
        "RESP_ERRANDS_MAX",
        ERRANDS,
        "what_is_long_or_has_no_room_there_is_done_here_in_its_order",
        "an errand while all places are taken",
    ),
    Bound(
        "RESP_ERRAND_SECONDS_MAX",
        ERRANDS,
        "what_is_not_answered_is_said_to_be_unknown_and_not_done_again",
        "an errand without an answer",
    ),
    Bound("RESP_REPLY_DEPTH_MAX", ERRAND, "what_is_too_long_too_many_or_too_deep_is_not_read", "one array deeper"),
    Bound("RESP_ERROR_WORDS_MAX", STATS, STATS_COUNTED, "twice as many words"),
    Bound("RESP_ERROR_WORD_BYTES_MAX", STATS, STATS_COUNTED, "a word of one byte more"),
    Bound("RESP_CONTENDED_MAX", ERRANDS, "a_door_remembers_some_keys_for_a_while", "one key more"),
    Bound("RESP_CONTENDED_SECONDS", ERRANDS, "a_door_remembers_some_keys_for_a_while", "a key some seconds later"),
    Bound("RESP_UDP_BYTES_MAX", UDP, "what_does_not_fit_a_datagram_is_counted_and_not_sent", "one byte more"),
    Bound("RESP_UDP_ARGS_MAX", UDP, UDP_ROOM, "a word more"),
    Bound("RESP_UDP_LISTENERS_MAX", UDP, UDP_ROOM, "an address more"),
    Bound("RESP_UDP_NAMES_MAX", UDP, UDP_ROOM, "a channel and a pattern more"),
    Bound("RESP_UDP_SILENCE_SECONDS_MAX", UDP, "who_is_silent_is_told_no_more", "a second more"),
    Bound(
        "RESP_UDP_TOKEN_SECONDS",
        "node/gateways/src/resp/udp/token.rs",
        "a_token_holds_for_its_address_its_key_and_a_while",
        "a token twice as old",
    ),
    Bound("RESP_UDP_GUESSES_MAX", UDP, "secrets_are_guessed_slowly_and_few_at_once", "one guess more"),
    Bound("RESP_DOORS_MAX", DOORS, DOORS_KNOWN, "a door more"),
    Bound("RESP_DOOR_SECONDS_MAX", DOORS, DOORS_KNOWN, "a second more"),
    Own(
        "RESP_NEAREST_MS",
        "how long this side goes by what it knew of who leads: it sends clients, and serves who is sent to it",
    ),
    Own(
        "RESP_STALE_MS",
        "how stale this side lets be what it reads for who allows that: the configuration may say otherwise",
    ),
    Own("RESP_PIPELINED_MAX", "how many requests of one client this side begins at once: the rest wait where they are"),
    Own("RESP_AHEAD_BYTES", "how many bytes of answers this side makes ahead: the rest are begun later"),
    Bound(
        "RESP_UNSENT_BYTES",
        "node/gateways/src/resp/keyspace/tests.rs",
        "nothing_is_made_beyond_what_a_client_may_have_unsent_until_that_is_sent",
        "answers of 100,000 bytes, forty at once",
    ),
    Bound("RESP_UNSENT_BYTES_MAX", REDIS_SHARED, REDIS_UNSENT, "one byte more of one request"),
    Bound("RESP_UNSENT_BYTES_ALL_MAX", REDIS_SHARED, REDIS_UNSENT, "one byte more of all clients"),
    Bound(
        "RESP_STEP_BYTES",
        "node/gateways/src/resp/keyspace/tests.rs",
        "a_step_ends_when_its_answers_are_long_and_what_waits_behind_it_waits_in_order",
        "fifty answers of a tenth of it",
    ),
    Bound(
        "RESP_WORKED_BYTES_MAX",
        "node/gateways/src/resp/long.rs",
        "who_wants_more_than_there_is_waits_and_who_wants_too_much_is_told",
        "one byte more",
    ),
    Own("RESP_LONG_BYTES", "from where on this side takes a value for long"),
    Own("RESP_LONG_STEPS", "from where on this side takes a transaction for long"),
    Own("RESP_READ_BYTES", "how much this side reads at once"),
    Own("RESP_FLUSH_BYTES", "how much this side gathers before it writes"),
    Own(
        "RESP_WRITE_SECONDS_MAX",
        "how long this side waits for a client that does not read, which holds one answer meanwhile",
    ),
    Own("RESP_REFUSAL_SECONDS_MAX", "how long this side waits for who is not let in"),
    Bound("RESP_STRANGERS_MAX", GUARD, "strangers_send_little", "one stranger more"),
    Bound("RESP_STRANGER_SECONDS_MAX", GUARD, "who_stays_a_stranger_goes", "a stranger that stays, and guesses"),
    Bound("RESP_WRONG_AUTH_MS", GUARD, "a_wrong_secret_waits_alone_and_is_counted", "three guesses at once"),
    Bound(
        "RESP_KEYS_SECONDS",
        GUARD,
        "a_key_that_is_gone_or_over_ends_its_connections",
        "a key that is gone for longer",
    ),
    Bound("RESP_KEYS_PAUSE_MS", GUARD, "a_new_key_is_known_at_once_and_nonsense_is_looked_for_seldom", "20 guesses"),
    Bound("RESP_QUEUED_MAX", REDIS, "transactions_are_done_whole_or_not_at_all_whoever_watches", "one command more"),
    Own("RESP_FOLDED_MAX", "how many commands this side does in one step: the rest wait for the next"),
    Own("RESP_KEYS_AT_ONCE_MAX", "at how many keys this side does something at once: the rest wait"),
    Own("RESP_FOLD_TRIES", "how often this side tries again; `counters_lose_nothing_…` races for a key"),
    Bound("ETAG_BYTES_MAX", VERSION, VERSIONS, "an entity tag of one byte more"),
    Bound("METADATA_BYTES_MAX", VERSION, VERSIONS, "metadata of one byte more"),
    Bound("VERSION_TAGS_MAX", VERSION, VERSIONS, "one tag more"),
    Bound("TAG_NAME_BYTES_MAX", VERSION, VERSIONS, "a name of one byte more"),
    Bound("TAG_VALUE_BYTES_MAX", VERSION, VERSIONS, "a value of one byte more"),
    Bound("COMMAND_BYTES_MAX", COMMAND, COMMANDS, "a shipped record as long as a command may be"),
    Bound("BATCH_PARTS_MAX", COMMAND, COMMANDS, "one key more"),
    Bound("SHIPPED_PAIRS_MAX", COMMAND, COMMANDS, "one record more"),
    Bound("ROW_KEY_BYTES_MAX", COMMAND, COMMANDS, "a key of one byte more"),
    Bound("ROW_BYTES_MAX", COMMAND, COMMANDS, "a row of one byte more"),
    Bound("ROWS_CHANGED_MAX", COMMAND, COMMANDS, "one row more"),
    Bound(
        "REQUEST_WINDOW_MS",
        "protocol/src/meta/ids.rs",
        "a_request_knows_when_it_was_formed_and_ends_with_its_window",
        "a request one millisecond older and one from the future",
    ),
    Bound(
        "ABSENCE_EVENTS_MAX",
        BATCHES,
        "what_is_not_known_of_a_key_that_is_not_there_does_not_count_as_absent",
        "one event more",
    ),
    Bound(
        "ABSENCE_BYTES_MAX",
        BATCHES,
        "what_is_not_known_of_a_key_that_is_not_there_does_not_count_as_absent",
        "events of long keys",
    ),
    Bound("EVENTS_KEPT", MACHINE, "events_tell_each_change_once_for_as_long_as_they_are_kept", "more events than that"),
    Bound("EVENTS_LISTED_MAX", CLUSTER, "events_that_would_be_told_twice_or_for_ever_are_refused", "one event more"),
    Bound("EXPIRED_AT_ONCE_MAX", MACHINE, "a_tick_removes_no_more_than_its_share", "one version more that expired"),
    Bound("LISTED_MAX", MACHINE, "listings_are_ordered_and_come_in_pages", "a page without end"),
    Bound(
        "ROWS_LISTED_MAX",
        "node/consensus/src/machine/tests/rows.rs",
        "a_page_of_rows_has_an_end",
        "a page without end",
    ),
    Bound("RAFT_FRAME_BYTES_MAX", COURIER, FRAMES, "a frame of one byte more"),
    Bound("RAFT_ENVELOPES_MAX", COURIER, FRAMES, "a frame of one message more"),
    Own("RAFT_APPEND_BYTES_MAX", "how much of its own log this side sends at once"),
    Bound(
        "GROUP_SEATS_MAX",
        "node/consensus/src/raft/wire/tests.rs",
        "a_membership_without_sense_is_refused",
        "a membership of one seat more",
    ),
    Bound("RAFT_LANE_MAX", COURIER, "a_lane_takes_no_more_than_its_room", "one message more"),
    Bound("RAFT_INBOUND_MAX", COURIER, FRAMES, "more requests at once"),
    Bound(
        "RAFT_ENTRIES_MAX",
        "protocol/src/raft/read/tests.rs",
        "a_frame_beyond_its_bounds_is_refused",
        "an append of one entry more",
    ),
    Own("RAFT_SNAPSHOT_EVERY", "how often this side makes a snapshot"),
    Own("RAFT_LOG_KEPT", "how much log this side keeps"),
    Own("APPLIED_AT_ONCE_MAX", "how much this side applies at once"),
    Own(
        "PROPOSED_AT_ONCE_MAX",
        "how much this side proposes at once; `a_batch_is_bounded_in_order_and_of_those_who_still_wait`",
    ),
    Own("HAND_OVER_MS_MAX", "how long this side waits for others before it stops"),
    Own("ROUTER_PAUSE_MS_MIN", "when this side asks again"),
    Own("ROUTER_PAUSE_MS_MAX", "when this side asks again"),
    Bound("ROUTER_FAILURES_MAX", ROUTER, PASSED_OVER, "one silence more"),
    Bound("ROUTER_OPEN_SECONDS", ROUTER, PASSED_OVER, "a silence longer ago"),
    Bound("ROUTER_PEERS_MAX", ROUTER, PASSED_OVER, "one silent peer more"),
    Bound(
        "BUCKET_MEMBERS_MAX",
        BUCKET,
        "members_are_bounded_and_in_order_and_only_they_are_admitted",
        "one member more",
    ),
    Bound("BUCKET_KEYS_MAX", CLUSTER, "a_row_beyond_its_bounds_is_refused", "one generation more"),
    Bound(
        "BUCKET_WRAPPED_BYTES_MAX",
        CLUSTER,
        "all_wrapped_keys_of_a_bucket_fit_its_row",
        "one generation more for 200",
    ),
    Bound("BUCKET_ACCESS_KEYS_MAX", CLUSTER, ACCESS_KEYS, "one access key more"),
    Bound("ACCESS_NOTE_BYTES_MAX", CLUSTER, ACCESS_KEYS, "a note of one byte more"),
    Bound("BUCKET_NAME_CHARS_MAX", CLUSTER, "names_of_buckets_are_those_of_s3", "one letter more"),
    Bound("BUCKETS_MAX", NETWORK, NETWORK_FULL, "one bucket more"),
    Bound("BUCKETS_LISTED_MAX", CLUSTER, CLUSTER_ANSWERS, "one bucket more in a page"),
    Bound("GROUPS_MAX", CLUSTER, "a_row_beyond_its_bounds_is_refused", "one group more"),
    Bound("MEMBERS_MAX", NETWORK, NETWORK_FULL, "one member more"),
    Bound("MEMBER_ADDRESSES_MAX", CLUSTER, "a_row_beyond_its_bounds_is_refused", "one address more"),
    Bound(
        "INTRODUCED_MAX",
        "node/consensus/src/cluster/sessions.rs",
        "whoever_spoke_least_lately_has_to_introduce_itself_again",
        "one user more",
    ),
    Bound("MESSAGE_BYTES_MAX", TALK, TALKS, "a message of one byte more"),
    Bound("TALK_BYTES_MAX", TALK, TALKS, "two messages that are too long together"),
    Bound("TALK_MESSAGES_MAX", TALK, TALKS, "one message more"),
    Bound("TALK_WAITING_BYTES_MAX", NEIGHBOUR, NEIGHBOURS, "a message of one byte more"),
    Bound("TALK_WAITING_MAX", NEIGHBOUR, NEIGHBOURS, "one message more"),
    Bound(
        "TALKS_HEARD_MAX",
        "node/consensus/src/cluster/hearers.rs",
        "who_tells_more_than_is_taken_waits",
        "one talk more",
    ),
    Bound(
        "SPEAKERS_MAX",
        "node/object/src/names/forum/ears.rs",
        "who_spoke_least_lately_is_forgotten",
        "one speaker more",
    ),
    Own("TALK_PAUSE_MS_MIN", "when this side asks again"),
    Own("TALK_PAUSE_MS_MAX", "when this side asks again"),
    Bound("TOLD_BYTES_MAX", CLUSTER, CLUSTER_ANSWERS, "an answer of one byte more"),
    Bound("ASKS_INBOUND_MAX", COURIER, FRAMES, "more questions at once"),
    Own("BUCKET_CHANGE_TRIES", "how often this side tries again; `names` of the consensus tests race for a bucket"),
    Own("BUCKET_SPREAD_DEFAULT", "a default that an owner changes with --spread"),
    Own(
        "STALE_BUCKET_TRIES",
        "how often this side tries again; `names` of the consensus tests change a bucket under writes",
    ),
    Own("PIECES_COPIED_AHEAD_MAX", "memory of this side's own copies between buckets"),
    Own(
        "RECORD_NODE_BYTES_MAX",
        "what this side puts into records; `keys` of the consensus tests look at both sides of it",
    ),
    Own("SHIPPED_BYTES_MAX", "how much this side ships at once; the moves' tests ship records larger than it"),
    Own("ASK_SECONDS_MAX", "how long this side works on a question, and waits for an answer"),
    Own("RAFT_PATIENCE_MS", "how long this side lets signs of life wait for others"),
    Bound(
        "CLOCKS_MAX",
        "node/consensus/src/clock_guard.rs",
        "no_more_clocks_are_remembered_than_there_is_room_for",
        "one clock more",
    ),
    Bound(
        "BUCKET_FORMER_MAX",
        CLUSTER,
        "what_former_writers_wrote_stays_good_and_nothing_later_is_theirs",
        "one former writer more",
    ),
    Own("RAFT_LANE_IDLE_SECONDS", "how long this side keeps a queue; `an_idle_lane_is_forgotten_and_made_again`"),
    Bound(
        "CLOCK_OFF_MS_MAX",
        "node/consensus/src/clock_guard.rs",
        "a_clock_is_off_when_most_others_say_so",
        "a clock of one millisecond more",
    ),
    Own("CHUNKS_ENCODING_MAX", "this side's own parallelism"),
    Own("PUSHES_TO_A_PEER_MAX", "this side's own parallelism"),
    Own("PUSH_BYTES_TOGETHER_MAX", "what this side sends together"),
    Own("STRIPES_IN_FLIGHT_MAX", "this side's own parallelism"),
    Bound(
        "CHUNKS_IN_FLIGHT_MAX",
        "node/object/src/tests/liars.rs",
        "a_liar_is_asked_last_from_its_first_lie_on",
        "lies while more chunks than that are to come",
    ),
    Own("RECENT_CHUNKS_MAX", "what a put remembers of its own source"),
    Own("OFFERS_WANTED_IN_A_ROW", "when this side pushes without asking first"),
    Own("OFFER_SAMPLE", "how often this side asks then"),
    Own("PIECES_LOCATED_AT_ONCE_MAX", "this side's own parallelism"),
    Bound("PACE_SAMPLES_MAX", PACE, PATIENCE, "more answers than are remembered"),
    Own("QUESTION_LATE_MS_START", "when this side asks one peer more"),
    Own("PULL_LATE_MS_START", "when this side asks one peer more"),
    Bound("LATE_MS_MIN", PACE, PATIENCE, "answers faster than that"),
    Bound("LATE_MS_MAX", PACE, PATIENCE, "answers slower than that"),
    Bound("LATE_SECONDS", POOL, "who_was_late_or_caught_comes_after_the_others", "a peer that was late longer ago"),
    Bound(
        "STRAGGLER_MS",
        "node/object/src/straggler.rs",
        "a_straggler_is_given_up_when_another_can_take_its_part",
        "a push that never ends",
    ),
    Bound(
        "PEER_PAUSE_SECONDS_MIN",
        POOL,
        "a_peer_that_failed_is_tried_again_after_a_pause_that_grows",
        "one failure and two",
    ),
    Bound(
        "PEER_PAUSE_SECONDS_MAX",
        POOL,
        "a_peer_that_failed_is_tried_again_after_a_pause_that_grows",
        "twenty failures",
    ),
    Own("PEERS_ASKED_FOR_RECORDS", "whom this side asks first"),
    Own("LAYOUT_NODES_CACHED_MAX", "what this side remembers of an owner's layout"),
    Own("NODES_SHOWN_MAX", "what a repair remembers having shown"),
    Own("STRIPES_SURVEYED_AT_ONCE_MAX", "this side's own parallelism"),
    Own("PEERS_DIALLED_FOR_PUT", "whom this side dials; `what_other_peers_hold_than_were_met_first_is_found`"),
    Own("PEERS_DIALLED_FOR_GET", "whom this side dials; `what_other_peers_hold_than_were_met_first_is_found`"),
    Own("LINGER_MS_FOR_PUT", "how long this side waits; `an_address_that_swallows_packets_holds_up_no_command`"),
    Own("LINGER_MS_FOR_GET", "how long this side waits; `an_address_that_swallows_packets_holds_up_no_command`"),
    Own("PLACES_REPORTED_MAX", "what a report tells"),
    Own("BUSY_RETRIES_MAX", "how often this side asks a busy peer; `busy_peers_are_waited_for_and_not_passed_over`"),
    Own("BUSY_WAIT_MS_MIN", "when this side asks again"),
    Own("BUSY_WAIT_MS_MAX", "when this side asks again"),
    Own("CARE_GRANT_SECONDS", "how long an owner lets others care"),
];

fn constants() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("protocol/src/limits.rs")).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    names.map(str::to_owned).collect()
}

#[test]
fn every_bound_has_a_row_and_every_row_a_bound() {
    let named: Vec<&str> = ROWS.iter().map(|(Bound(name, ..) | Own(name, _))| *name).collect();
    let rows: BTreeSet<String> = named.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(rows.len(), named.len(), "a constant has two rows");
    let constants = constants();
    assert!(constants.len() > 80, "only {} constants were found", constants.len());
    let without: Vec<_> = constants.difference(&rows).collect();
    assert!(without.is_empty(), "these bounds have no test that exceeds them: {without:#?}");
    let stale: Vec<_> = rows.difference(&constants).collect();
    assert!(stale.is_empty(), "there are no such constants any more: {stale:#?}");
}

#[test]
fn every_named_test_exists_and_every_exception_has_a_reason() {
    for row in ROWS {
        match row {
            Bound(name, file, test, exceeded) => {
                let source = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                assert!(is_test(&source, test), "{name}: {file} has no test `{test}`");
                assert!(!exceeded.is_empty(), "{name}: say what exceeds it");
            }
            Own(name, reason) => assert!(reason.len() > 15, "{name}: say why nobody outside can exceed it"),
        }
    }
}

/// Whether a function of this name stands in the text, right below an attribute that makes it a test.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| {
        line.strip_prefix("async ")
            .unwrap_or(line)
            .strip_prefix("fn ")
            .is_some_and(|rest| rest.starts_with(&format!("{name}(")))
    });
    at.is_some_and(|at| {
        lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).any(|line| line.contains("test"))
    })
}
