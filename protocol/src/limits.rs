//! Every bound of storgo, each with its reason, and the relations that must hold between them.
//!
//! It knows numbers and nothing else. Whoever decodes, queues, retries or allocates for somebody outside names a
//! constant of this file, so that "how large can this get" is answered in one place.

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

// --- Chunks -------------------------------------------------------------------------------------

/// Plaintext bytes of one segment, the unit that is packed and sealed by itself: a range read opens whole segments.
pub const SEGMENT_BYTES: usize = 128 * KIB;

/// Plaintext bytes of the largest chunk. Bounds the memory that one chunk in flight can take at any peer.
pub const CHUNK_BYTES_MAX: usize = 16 * MIB;

/// Segments of the largest chunk.
pub const SEGMENTS_MAX: usize = CHUNK_BYTES_MAX / SEGMENT_BYTES;

/// Bytes that AES-GCM adds to a segment.
pub const TAG_BYTES: usize = 16;

/// The least step of the grid to which sealed lengths are padded.
pub const PADDING_GRID_BYTES_MIN: usize = 64;

/// Sealed bytes are padded to a multiple of their largest power of two divided by this: at most 0.8 % more.
pub const PADDING_GRID_DIVISOR: usize = 128;

/// Sealed bytes of the largest chunk: every segment stored as it is with its tag, and the padding.
pub const SEALED_BYTES_MAX: usize = CHUNK_BYTES_MAX + SEGMENTS_MAX * TAG_BYTES + CHUNK_BYTES_MAX / PADDING_GRID_DIVISOR;

/// Average length of content-defined chunks at the start of an object.
pub const CHUNK_AVERAGE_BYTES_MIN: usize = MIB;

/// Average length of content-defined chunks far into a large object.
pub const CHUNK_AVERAGE_BYTES_MAX: usize = 8 * MIB;

/// Offset after which the average chunk doubles, and after four times it doubles again, up to the greatest average.
pub const CHUNK_GROWTH_BYTES: u64 = 8 * 1024 * MIB as u64;

/// Room that a chunker offers to each read at least: fewer bytes would make the calls cost more than the copying.
pub const CHUNK_READ_BYTES_MIN: usize = 256 * KIB;

/// Room that a chunker offers to one read at most: what is read is cut and packed while the caches hold it. Measured: to
/// read 8 MiB ahead costs a fifth of a hash more.
pub const CHUNK_READ_BYTES_MAX: usize = MIB;

// --- Codes and shards ---------------------------------------------------------------------------

/// Shards of one stripe, data and parity together. A [`ShardSet`](crate::ShardSet) has one bit for each.
pub const STRIPE_SHARDS_MAX: usize = 32;

/// Bytes of the opaque code parameters in a stripe header: room for codes that are not known yet.
pub const CODE_PARAMETER_BYTES_MAX: usize = 64;

/// Payload bytes of the largest shard: with one data shard the shard is the whole sealed chunk.
pub const SHARD_BYTES_MAX: usize = SEALED_BYTES_MAX;

/// Bytes of an encoded stripe header: the shard list dominates.
pub const STRIPE_HEADER_BYTES_MAX: usize = 128 + CODE_PARAMETER_BYTES_MAX + STRIPE_SHARDS_MAX * 32;

/// Bytes below one node of the BLAKE3 tree that is verified at once: the granularity of verified range reads.
pub const VERIFY_GROUP_BYTES: usize = 16 * KIB;

/// Bytes that a verified range of a shard can take on the wire: the shard and one pair of hashes for each group.
pub const SLICE_BYTES_MAX: usize = SHARD_BYTES_MAX + SHARD_BYTES_MAX / VERIFY_GROUP_BYTES * 64 + KIB;

// --- Objects ------------------------------------------------------------------------------------

/// Bytes of a node: a root or a node of a layout. Nodes are stored whole, so they stay small.
pub const NODE_BYTES_MAX: usize = 64 * KIB;

/// Encoded bytes of one index node. Sealed, with the root's clear fields before it, the top still fits a root.
pub const INDEX_NODE_BYTES_MAX: usize = 56 * KIB;

/// Levels below the top of an index or a layout. Three of full nodes hold more than [`OBJECT_BYTES_MAX`] in large
/// chunks, the fourth leaves room for small extents, and a deeper tree is an attack.
pub const TREE_DEPTH_MAX: usize = 4;

/// Bytes of one object.
pub const OBJECT_BYTES_MAX: u64 = 1 << 50;

/// Copies of the root and of each layout node.
pub const NODE_COPIES_MAX: usize = 32;

/// Objects below this are replicated rather than coded, unless a redundancy is asked for.
pub const EC_THRESHOLD_BYTES: u64 = MIB as u64;

/// Layout records of different owners that a peer keeps beside one root.
pub const LAYOUT_RECORDS_MAX: usize = 16;

// --- Tickets, grants ----------------------------------------------------------------------------

/// Peer addresses in a ticket: enough hints to survive some peers' absence, few enough for one line.
pub const TICKET_ADDRESSES_MAX: usize = 8;

/// Bytes of one binary multiaddr: QUIC through a relay with two peer ids needs about 110.
pub const ADDRESS_BYTES_MAX: usize = 160;

/// Characters of a printed ticket, before anything is decoded.
pub const TICKET_CHARS_MAX: usize = 4 * KIB;

/// Seconds that a grant may be valid for, so that a stolen one is soon worthless.
pub const GRANT_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Seconds by which the clocks of a grant's signer and of the peer may differ.
pub const GRANT_SKEW_SECONDS_MAX: u64 = 15 * 60;

/// Verified grants that a node remembers, so that a signature is checked once and bytes are counted against it.
pub const GRANTS_REMEMBERED_MAX: usize = 4096;

/// Stripes and nodes of shown layouts that a node remembers for pushes under care tickets.
pub const SHOWN_IDS_MAX: usize = 1 << 18;

// --- Messages between peers ---------------------------------------------------------------------

/// Bytes of a message head, everything but the payload.
pub const FRAME_HEAD_BYTES_MAX: usize = 64 * KIB;

/// Bytes of a message payload.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = SLICE_BYTES_MAX;

/// Stripes or nodes named in one `has` or `offer`.
pub const IDS_PER_MESSAGE_MAX: usize = 512;

/// Shards in one push: their headers fit the head of a frame, and a node syncs them together.
pub const SHARDS_PER_PUSH_MAX: usize = 16;

/// Bytes of a `hello`, which is read of whoever connects: a card at its bounds, and room for what later versions say.
pub const HELLO_BYTES_MAX: usize = 4 * KIB;

/// Peers named in one answer to `hello`.
pub const HELLO_PEERS_MAX: usize = 64;

/// Addresses of one peer that are told or remembered.
pub const PEER_ADDRESSES_MAX: usize = 8;

/// Characters of a zone's name.
pub const ZONE_CHARS_MAX: usize = 64;

/// Characters of a version string such as `storgo/0.1.0`.
pub const AGENT_CHARS_MAX: usize = 64;

/// Characters of a refusal's explanation.
pub const REASON_CHARS_MAX: usize = 256;

/// Peers in the peer table; beyond it the longest unseen go first.
pub const PEER_TABLE_MAX: usize = 4096;

/// Data directories of one node.
pub const DISKS_MAX: usize = 64;

// --- Mesh ---------------------------------------------------------------------------------------

/// Peers that a node stays connected with by itself: a small network is a full mesh, a large one is not.
pub const MESH_LINKS_TARGET: usize = 64;

/// Connections that others may have opened to one node; each costs about 90 KiB.
pub const MESH_INBOUND_CONNECTIONS_MAX: u32 = 1024;

/// Inbound connections whose handshake is not finished: cheap to start for an attacker, so few at once.
pub const MESH_PENDING_CONNECTIONS_MAX: u32 = 128;

/// Connections with one peer: both sides may dial at once, over TCP and QUIC.
pub const MESH_CONNECTIONS_PER_PEER_MAX: u32 = 4;

/// Share of the machine's memory, in percent, beyond which no more connections are taken.
pub const MESH_MEMORY_PERCENT_MAX: u8 = 85;

/// Dials under way at once for one purpose.
pub const MESH_DIALS_MAX: usize = 16;

/// Commands that wait for the event loop.
pub const MESH_COMMANDS_MAX: usize = 256;

/// `shard` streams that are kept open to one peer; each carries one request at a time.
pub const MESH_STREAMS_PER_PEER_MAX: usize = 16;

/// Data connections that are kept open to one peer; each carries one request at a time.
pub const MESH_DATA_CONNECTIONS_PER_PEER_MAX: usize = 8;

/// Data connections that others may have opened to one node.
pub const MESH_DATA_CONNECTIONS_MAX: usize = 1024;

/// Bulk bytes exchanged with a peer over streams before its data port is tried: for less a handshake costs more than it
/// saves.
pub const MESH_DATA_AFTER_BYTES: usize = MIB;

/// Seconds after which a data port that could not be reached is tried again.
pub const MESH_DATA_RETRY_SECONDS: u64 = 60;

/// Inbound streams and data connections of one peer: those of its pool, as many that it gave up, and its hellos.
pub const MESH_INBOUND_STREAMS_PER_PEER_MAX: usize =
    2 * (MESH_STREAMS_PER_PEER_MAX + MESH_DATA_CONNECTIONS_PER_PEER_MAX) + 4;

/// Streams of one yamux connection in one direction: bounds what its receive windows can take.
pub const MESH_YAMUX_STREAMS_MAX: usize = 256;

/// Requests that a node answers at once; beyond it callers are told to come back.
pub const MESH_REQUESTS_MAX: usize = 128;

/// Payload bytes of inbound requests in memory at once.
pub const MESH_REQUEST_BYTES_MAX: usize = 256 * MIB;

/// Attempts at one request before the first byte of its answer: an opened stream can be lost by the peer's acceptor.
pub const MESH_ATTEMPTS_MAX: u32 = 5;

/// Seconds that one request with its answer may take in all: the largest payload at 30 KB/s.
pub const MESH_EXCHANGE_SECONDS_MAX: u64 = 600;

/// Seconds after which an idle stream is closed by its opener.
pub const MESH_STREAM_IDLE_SECONDS_MAX: u64 = 40;

/// Seconds after which an idle stream is closed by its acceptor: later than by its opener, so that none is closed
/// under a request.
pub const MESH_STREAM_ACCEPT_IDLE_SECONDS_MAX: u64 = 60;

/// Seconds that a caller who may not be admitted yet is kept waiting: its own hello may be under way.
pub const MESH_ADMISSION_SECONDS_MAX: u64 = 3;

/// Seconds that an inbound request waits for memory or for its turn before it is refused.
pub const MESH_TURN_SECONDS_MAX: u64 = 2;

/// Payload bytes of one peer's requests, and of the answers to them, in memory at once: a quarter of all, so that one
/// peer that trickles holds up no others.
pub const MESH_REQUEST_BYTES_PER_PEER_MAX: usize = MESH_REQUEST_BYTES_MAX / 4;

/// Requests of one peer that are answered at once: as many as the streams of its pool.
pub const MESH_REQUESTS_PER_PEER_MAX: usize = MESH_STREAMS_PER_PEER_MAX;

/// Bytes a second that a frame must advance by once its length was said, in both directions: so little that sixteen
/// streams fit the slowest link, and far more than who only wants to hold memory would like to send.
pub const MESH_PACE_BYTES_PER_SECOND_MIN: usize = KIB;

/// Seconds over which that pace is measured: longer than the silence that is allowed, so that a stall is no crime.
pub const MESH_PACE_SECONDS: u64 = 15;

/// Seconds for which a peer is asked last after its first lie: doubled with each further one.
pub const DISTRUST_SECONDS_MIN: u64 = 10 * 60;

/// The longest such time: a peer whose disk was replaced is not shunned for ever.
pub const DISTRUST_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Seconds before an unreachable peer is dialled again: doubled with each failure.
pub const MESH_BACKOFF_SECONDS_MIN: u64 = 1;

/// The longest such wait: a peer that comes back is found again within it.
pub const MESH_BACKOFF_SECONDS_MAX: u64 = 30;

/// Queries under way in the DHT.
pub const DHT_QUERIES_MAX: usize = 256;

/// Seconds that one query in the DHT may take.
pub const DHT_QUERY_SECONDS_MAX: u64 = 10;

/// Providers taken from one query: any of them may be a liar, so a few more than the copies that are made.
pub const DHT_PROVIDERS_MAX: usize = 64;

/// Keys for which a node keeps provider records of others, at up to 2 KiB each.
pub const DHT_PROVIDED_KEYS_MAX: usize = 1 << 16;

/// Providers kept for one key: as many as the peers that Kademlia tells of it.
pub const DHT_PROVIDERS_PER_KEY_MAX: usize = 20;

/// Seconds between two announcements of a published node; records live four times as long.
pub const DHT_RENEWAL_SECONDS: u64 = 12 * 60 * 60;

/// Announcements a second when a node starts and renews everything, so that a restart is no storm.
pub const DHT_ANNOUNCEMENTS_PER_SECOND_MAX: u64 = 50;

/// Newly published nodes that wait to be announced; what does not fit is found by the next sweep.
pub const DHT_ANNOUNCEMENTS_MAX: usize = 1024;

/// Announcements under way at once.
pub const DHT_ANNOUNCEMENTS_PARALLEL_MAX: usize = 8;

// --- Relays -------------------------------------------------------------------------------------

/// Relays at which a node that cannot be dialled reserves a place: one may vanish.
pub const RELAYS_MAX: usize = 2;

/// Connected peers that relay and are remembered for when a place ends.
pub const RELAY_CANDIDATES_MAX: usize = 64;

/// Own addresses whose test by others is remembered; peers decide what they claim to see.
pub const REACH_TESTS_REMEMBERED_MAX: usize = 32;

/// Peers that may be reached through one node.
pub const RELAY_RESERVATIONS_MAX: usize = 64;

/// Places of one peer at one relay: one, and one more while it is renewed over a new connection.
pub const RELAY_RESERVATIONS_PER_PEER_MAX: usize = 2;

/// Circuits through one node at once.
pub const RELAY_CIRCUITS_MAX: usize = 64;

/// Circuits of one peer through one relay: a client may have to reach all shards of a stripe through it.
pub const RELAY_CIRCUITS_PER_PEER_MAX: usize = 16;

/// Seconds after which a relay closes a circuit; as long as one exchange may take.
pub const RELAY_CIRCUIT_SECONDS_MAX: u64 = MESH_EXCHANGE_SECONDS_MAX;

/// Bytes after which a relay closes a circuit: room for a few of the largest shards, and far from free transit.
pub const RELAY_CIRCUIT_BYTES_MAX: u64 = 4 * FRAME_PAYLOAD_BYTES_MAX as u64;

/// Milliseconds that bulk waits for a direct way to a peer that is reached through a relay, before it is refused.
pub const PUNCH_WAIT_MS_MAX: u64 = 3000;

// --- A node's disks -----------------------------------------------------------------------------

/// Requests that wait for one disk's committer; more are refused, for their disk hangs. Each may hold an open file, so
/// it stays far below the usual limit of 1,024 descriptors.
pub const COMMIT_QUEUE_MAX: usize = 256;

/// Requests that share one round of syncs. Beyond it the last waiter pays for the first, with little left to gain.
pub const COMMIT_BATCH_MAX: usize = 64;

/// Files of one round up to which each is synced by itself; beyond it the whole file system is synced at once, which
/// was measured at a third of the time for sixteen files, and less on a busy disk.
pub const SYNC_EACH_MAX: usize = 2;

/// Blocking reads and writes on all disks at once: enough to keep every disk busy, and a bound on their buffers.
pub const DISK_JOBS_MAX: usize = 32;

/// Bytes of a file from which on it is written and read past the page cache. Below, the kernel's delayed allocation
/// is worth more than its copy costs.
pub const DIRECT_BYTES_MIN: usize = 256 * KIB;

/// Large files are padded to a multiple of this, the block of common disks and a page of memory: writes past the page cache
/// take whole blocks, and to cut the last one off costs more than a third of the write.
pub const DISK_BLOCK_BYTES: usize = 4 * KIB;

/// Bytes of a buffer for that: a shard of 2 MiB with what stands before it goes in one piece. A multiple of 4 KiB.
pub const DIRECT_BUFFER_BYTES: usize = 2 * MIB + 64 * KIB;

/// Such buffers that are kept for the next use; of each only what was ever used takes memory.
pub const DIRECT_BUFFERS_KEPT_MAX: usize = 8;

/// Bytes that stay free on a file system, so that leases can still be written and the system below keeps working.
pub const DISK_RESERVE_BYTES: u64 = 16 * MIB as u64;

/// Bytes of a node's memory of its disks: for each an id and the longest path that Linux takes.
pub const KNOWN_DISKS_BYTES_MAX: usize = 64 + DISKS_MAX * (18 + 4096);

/// Milliseconds that a round of syncs may take before the disk counts as slow and gets nothing new: far beyond what a
/// busy disk needs, short enough that pushes go elsewhere before their senders lose patience.
pub const DISK_STALL_MS: u64 = 2000;

/// Files that are kept aside as damaged on one disk, for whoever asks why. Beyond it a damaged file stays in its place,
/// unheard of, until it is pushed again.
pub const QUARANTINE_FILES_MAX: u64 = 256;

/// Descriptors that a node asks the system for: connections, files that wait to be synced, and what sled opens.
pub const DESCRIPTORS_WANTED: u64 = 1 << 16;

/// Leases that a rewrite of a lease log holds in memory at once, at some 200 bytes each.
pub const LEASES_REWRITTEN_AT_ONCE: u64 = 1 << 16;

/// Lease records that may be superseded before their log is rewritten, besides as many as still hold.
pub const LEASES_SUPERSEDED_MAX: u64 = 4096;

/// Bytes of a lease log that are read at once.
pub const LEASE_READ_BYTES: usize = MIB;

// --- The log and the records of Raft groups -----------------------------------------------------

/// Bytes of a segment of the log before the next one is begun, unless configured: large enough that a rotation's syncs
/// do not matter, small enough that what is deleted at once is no burden.
pub const LOG_SEGMENT_BYTES: u64 = 64 * MIB as u64;

/// Bytes of a segment at the most: offsets in one have 32 bits, and a frame may come on top.
pub const LOG_SEGMENT_BYTES_MAX: u64 = 1024 * MIB as u64;

/// Payload bytes of one entry: far beyond a command with the largest inline body, and batches of them.
pub const LOG_ENTRY_BYTES_MAX: usize = 4 * MIB;

/// Bytes of a vote, of what tells how far a group committed, and of a purge's marker.
pub const LOG_MARK_BYTES_MAX: usize = 4 * KIB;

/// Bytes of a frame's body: what is written and synced at once. More that waits goes in the next.
pub const LOG_FRAME_BYTES_MAX: usize = 16 * MIB;

/// Bytes by which a segment's file grows ahead of small frames, filled with zeros: measured, a sync of a file that keeps
/// its length costs half the CPU, and the zeros next to nothing.
pub const LOG_FILL_BYTES: usize = 256 * KIB;

/// Bytes of records that wait for the log's writer; beyond it callers wait for room.
pub const LOG_QUEUE_BYTES_MAX: usize = 32 * MIB;

/// Records that nobody waits for, before they are written without others: they take room from those that are waited for.
pub const LOG_HINTS_MAX: usize = 1024;

/// Bytes of an old segment that one round rewrites forward at the most: as many as a round of others' may take long, so
/// that the log outruns its garbage and nobody waits long behind it.
pub const LOG_CARRY_BYTES_MAX: usize = 4 * MIB;

/// Payload bytes of recent entries that a log keeps in memory, unless configured: what followers that keep up still ask
/// for.
pub const LOG_CACHE_BYTES: usize = 32 * MIB;

/// Payload bytes that one read of a log gives at the most, but for its first entry.
pub const LOG_READ_BYTES_MAX: usize = 16 * MIB;

/// Segments beyond what their bytes need, before the oldest is rewritten forward: each start begins a new one.
pub const LOG_SEGMENTS_SPARE: u64 = 8;

/// Damaged logs that are kept aside, for whoever asks why. A disk that damages more of them is not fit to vote from.
pub const LOG_SET_ASIDE_MAX: usize = 16;

/// Bytes of pages of the records that are kept in memory, unless configured.
pub const RECORDS_CACHE_BYTES: usize = 64 * MIB;

/// Bytes of a key of a record: the longest key of a bucket, and what its group puts before it.
pub const RECORDS_KEY_BYTES_MAX: usize = 2 * REDIS_KEY_BYTES_MAX + KIB;

/// Bytes of the value of a record: far beyond an object's record with the largest inline body.
pub const RECORDS_VALUE_BYTES_MAX: usize = MIB;

/// Bytes of what a group keeps beside its place in the log: its members and what it agreed on.
pub const RECORDS_BLOB_BYTES_MAX: usize = MIB;

/// Requests that wait for the records' writer, whose senders wait; all that wait are committed together.
pub const RECORDS_QUEUE_MAX: usize = 1024;

/// Values of records that are kept open for each group, until they change: a group answers for a thousand slots, and each
/// command looks at one.
pub const RECORDS_HOT_MAX: usize = 2048;

/// Bytes of such a value, at most 1 MiB a group then: longer ones are opened each time.
pub const RECORDS_HOT_BYTES_MAX: usize = 512;

/// Bytes of commits to records that are kept in memory before some are written; twice as many at most wait. A crash takes
/// them back, and the log replays them: some 10,000 small writes.
pub const RECORDS_FRESH_BYTES: usize = 8 * MIB;

/// Of such bytes one part in so many is written in one transaction: all at once would take the processors for half a second
/// in which clients wait.
pub const RECORDS_SHARES: usize = 8;

/// Rows that one scan gives at the most.
pub const RECORDS_SCAN_MAX: usize = 4096;

/// Bytes of keys and values after which a scan gives no further row, and a page of an exported state ends.
pub const RECORDS_PAGE_BYTES: usize = MIB;

/// Bytes of a page before it is compressed: one row may exceed [`RECORDS_PAGE_BYTES`], and the first page has the blob.
pub const RECORDS_PAGE_BYTES_MAX: usize = 4 * MIB;

/// Bytes of a page as it is sent: what does not compress grows a little.
pub const RECORDS_PACKED_BYTES_MAX: usize = RECORDS_PAGE_BYTES_MAX + RECORDS_PAGE_BYTES_MAX / 128 + KIB;

// --- Homes, node directories, downloads ---------------------------------------------------------

/// Addresses that a home's peer book remembers: enough to meet somebody again, few enough to dial in a moment.
pub const PEER_BOOK_MAX: usize = 64;

/// Bytes of a small file of a home or of a node's directory; a longer one is not ours.
pub const SMALL_FILE_BYTES_MAX: u64 = 64 * KIB as u64;

/// Bytes of a download between two syncs of its partial file: what an interrupted one fetches again at most, but for
/// what is in flight.
pub const DOWNLOAD_SYNC_BYTES: u64 = 64 * MIB as u64;

/// Pieces that a download's record is believed to name when it goes on: 16 TiB in pieces of 1 MiB, within some hundred
/// MiB of memory. Those beyond are fetched again.
pub const DOWNLOAD_ENTRIES_MAX: u64 = 1 << 24;

/// Bytes of a partial file that are read back at once when a download goes on.
pub const DOWNLOAD_READ_BYTES: usize = MIB;

/// Seconds that a stopping node gives calls and streams under way.
pub const STOP_SECONDS_MAX: u64 = 10;

// --- Trees --------------------------------------------------------------------------------------

/// Bytes of one name in a tree: what Linux and most file systems take.
pub const TREE_NAME_BYTES_MAX: usize = 255;

/// Bytes of a path in a tree: what Linux takes in one call.
pub const TREE_PATH_BYTES_MAX: usize = 4096;

/// Names in a path: far deeper than people nest, and no deeper than descriptors can be open.
pub const TREE_LEVELS_MAX: usize = 256;

/// Bytes of the target of a symbolic link: what Linux takes.
pub const TREE_LINK_BYTES_MAX: usize = 4095;

/// The highest mode: nine permission bits. What runs as its owner, or keeps to its owner, would do so for another.
pub const TREE_MODE_MAX: u16 = 0o777;

/// Bytes of one page of a tree's catalogue: half a segment, so that looking up a path opens one or two.
pub const TREE_PAGE_BYTES_MAX: usize = 64 * KIB;

/// Bytes of a tree's page table: room for the pages of ten times [`TREE_ITEMS_MAX`] items with paths of usual length.
pub const TREE_TABLE_BYTES_MAX: usize = 4 * MIB;

/// Items of one tree. Whoever restores it remembers each, at about 200 bytes.
pub const TREE_ITEMS_MAX: u64 = 1 << 22;

/// Bytes at the end of a tree that are read first: with a trailer and a table of usual size, and small trees whole.
pub const TREE_TAIL_BYTES: u64 = 64 * KIB as u64;

/// Bytes of a tree's catalogue that are read at once when all of it is wanted.
pub const TREE_READ_AHEAD_BYTES: u64 = 4 * MIB as u64;

/// Bytes of a file up to which it is read whole before it is known whether an equal one is stored already.
pub const TREE_SMALL_FILE_BYTES: u64 = MIB as u64;

/// Bytes of one block on the way from a directory into a put.
pub const TREE_BLOCK_BYTES: usize = 256 * KIB;

/// Blocks that wait on that way: enough to read on while chunks are cut.
pub const TREE_BLOCKS_MAX: usize = 8;

/// Bytes between two wanted files of a tree that are fetched along rather than by two requests: one segment.
pub const TREE_GAP_BYTES_MAX: u64 = SEGMENT_BYTES as u64;

/// Paths of skipped and of changed files that a report names; beyond that, its counts speak.
pub const TREE_PATHS_REPORTED_MAX: usize = 1000;

// --- Metadata -----------------------------------------------------------------------------------

/// Slots of a network: as many as Redis Cluster has, so that its clients route to groups by themselves.
pub const SLOTS: u16 = 16384;

/// Bytes of a key in flat and tree buckets: what S3 takes.
pub const KEY_BYTES_MAX: usize = 1024;

/// Keys that one command changes together.
pub const BATCH_PARTS_MAX: usize = 1024;

/// Bytes of a key in buckets of Redis's layout.
pub const REDIS_KEY_BYTES_MAX: usize = 64 * KIB;

/// Bytes of a body that stands in its record, before it is sealed: below it a record costs less than shards.
pub const INLINE_BYTES_MAX: usize = 16 * KIB;

/// Bytes of a body that is read and written whole: what Redis allows a string.
pub const VALUE_BYTES_MAX: usize = 512 * MIB;

/// Clients of the Redis door at once, as Redis has it.
pub const RESP_CLIENTS_MAX: usize = 10_000;

/// Arguments of a request to it.
pub const RESP_ARGS_MAX: usize = 1024 * 1024;

/// Bytes of a request that is typed in one line.
pub const RESP_INLINE_BYTES_MAX: usize = 64 * KIB;

/// Bytes of a request: a value as long as any, and as much again of others.
pub const RESP_REQUEST_BYTES_MAX: usize = 1024 * MIB;

/// Bytes of requests of all clients that are not whole yet.
pub const RESP_HELD_BYTES_MAX: usize = 1536 * MIB;

/// Requests of a client that are begun before the first of them is answered.
pub const RESP_PIPELINED_MAX: usize = 1024;

/// Bytes of answers for which requests are begun ahead: as many as fit if each answer is as long as the longest before.
pub const RESP_AHEAD_BYTES: usize = MIB;

/// Bytes of a client's answers that were made and not sent yet, beyond which what it asked for ahead waits.
pub const RESP_UNSENT_BYTES: usize = 16 * MIB;

/// Bytes of what is made for one request, beyond which it is refused: a value as long as any, and as much again of others.
pub const RESP_UNSENT_BYTES_MAX: usize = 1024 * MIB;

/// Bytes of all clients' answers that were made and not sent yet, beyond which none is made that may be long.
pub const RESP_UNSENT_BYTES_ALL_MAX: usize = 1536 * MIB;

/// Bytes of answers behind which a step on a key ends, though more commands wait.
pub const RESP_STEP_BYTES: usize = 16 * MIB;

/// Bytes of long values that are in work at a door at once: who wants more waits. One step takes no more.
pub const RESP_WORKED_BYTES_MAX: usize = 1024 * MIB;

/// Bytes of a value from which on it counts as long: work on it is done beside the runtime's threads, and it waits for room.
pub const RESP_LONG_BYTES: usize = 64 * KIB;

/// Commands of a transaction from which on it is done beside the runtime's threads.
pub const RESP_LONG_STEPS: usize = 64;

/// Bytes of messages that wait for one client that listens; who takes less is sent away.
pub const RESP_OUTBOX_BYTES_MAX: usize = 32 * MIB;

/// Bytes of messages that wait for all clients; who then has more than its part is sent away.
pub const RESP_OUTBOXES_BYTES_MAX: usize = 512 * MIB;

/// Bytes of the name of a channel. A pattern is matched in as many steps, at worst, as it has bytes times those.
pub const RESP_CHANNEL_BYTES_MAX: usize = KIB;

/// Bytes of a pattern of channels.
pub const RESP_PATTERN_BYTES_MAX: usize = 256;

/// Patterns that all clients of a door listen to, each counted once: what is published is matched with each.
pub const RESP_PATTERNS_MAX: usize = 2048;

/// Bytes of the names of what one client listens to, with what each takes beside.
pub const RESP_SUBSCRIBED_BYTES_MAX: usize = 32 * MIB;

/// Bytes of the names of what all clients listen to.
pub const RESP_SUBSCRIBED_ALL_BYTES_MAX: usize = 256 * MIB;

/// Bytes of a datagram, and so of a request or a message in one: what UDP carries over version 4 of IP.
pub const RESP_UDP_BYTES_MAX: usize = 65_507;

/// Arguments of a request in a datagram, with the token: each name that is listened to is answered by a datagram of its own.
pub const RESP_UDP_ARGS_MAX: usize = 64;

/// Addresses that listen over UDP at once. They are clients of the door, too.
pub const RESP_UDP_LISTENERS_MAX: usize = 1024;

/// Names that one address listens to over UDP: who listens to none any more is told so of each, in a datagram of its own.
pub const RESP_UDP_NAMES_MAX: usize = 256;

/// Seconds after which an address is not told any more what it listens to, unless it asks for something: nothing else says
/// that nobody is there.
pub const RESP_UDP_SILENCE_SECONDS_MAX: u64 = 60;

/// Seconds that a token holds at least, by which a sender shows that it receives at its address; it never holds twice as long.
pub const RESP_UDP_TOKEN_SECONDS: u64 = 120;

/// Secrets that are looked at over UDP at once, one of an address: a wrong one takes a second. It is less than strangers may
/// guess over TCP.
pub const RESP_UDP_GUESSES_MAX: usize = 64;

/// Other doors of its bucket that a door remembers.
pub const RESP_DOORS_MAX: usize = 512;

/// Seconds after which a door is forgotten that does not say any more where it is.
pub const RESP_DOOR_SECONDS_MAX: u64 = 10;

/// Bytes of what one door has done by another at once.
pub const RESP_ERRAND_BYTES_MAX: usize = 128 * KIB;

/// What a door does for others at once.
pub const RESP_ERRANDS_MAX: usize = 1024;

/// How deep replies are in each other that one door gives another: those of commands on one key are pairs in an array.
pub const RESP_REPLY_DEPTH_MAX: usize = 8;

/// Words with which errors of a Redis door begin that are counted each by itself, and bytes of one: other doors say any.
pub const RESP_ERROR_WORDS_MAX: usize = 64;
/// See [`RESP_ERROR_WORDS_MAX`].
pub const RESP_ERROR_WORD_BYTES_MAX: usize = 32;

/// Seconds that a door waits for what another does for it.
pub const RESP_ERRAND_SECONDS_MAX: u64 = 10;

/// Keys that a door remembers others to be faster at.
pub const RESP_CONTENDED_MAX: usize = 4096;

/// Seconds for which it remembers that.
pub const RESP_CONTENDED_SECONDS: u64 = 5;

/// Milliseconds that what a Redis client reads may be stale where it says that it may, unless that is set.
pub const RESP_STALE_MS: u64 = 1000;

/// Milliseconds for which a door goes by what it knew of which doors have which slots nearest.
pub const RESP_NEAREST_MS: u64 = 200;

/// Bytes that are read at once of a client, at least.
pub const RESP_READ_BYTES: usize = 16 * KIB;

/// Bytes of answers that are gathered before they are written.
pub const RESP_FLUSH_BYTES: usize = 64 * KIB;

/// Seconds within which a client takes what it is answered.
pub const RESP_WRITE_SECONDS_MAX: u64 = 60;

/// Seconds within which who is one client too many takes that it is.
pub const RESP_REFUSAL_SECONDS_MAX: u64 = 1;

/// Clients that have not said who they are, where they have to: each may hold a request of ten arguments of 16 KiB. Where
/// there is TLS, those that still shake hands.
pub const RESP_STRANGERS_MAX: usize = 1024;

/// Seconds within which a client shakes hands, and then says who it is.
pub const RESP_STRANGER_SECONDS_MAX: u64 = 10;

/// Milliseconds that a client waits for the answer that it is not who it says, and for the answers to what it sent behind.
pub const RESP_WRONG_AUTH_MS: u64 = 1000;

/// Seconds after which a door reads the access keys again: so long a removed one still opens it.
pub const RESP_KEYS_SECONDS: u64 = 3;

/// Milliseconds between two looks at the access keys, whoever shows one that is not known.
pub const RESP_KEYS_PAUSE_MS: u64 = 1000;

/// Commands on one key that are done in one step.
pub const RESP_FOLDED_MAX: usize = 4096;

/// Commands of a transaction.
pub const RESP_QUEUED_MAX: usize = 16 * 1024;

/// Keys at which a door does something at once: what is asked of more of them waits.
pub const RESP_KEYS_AT_ONCE_MAX: usize = 2048;

/// How often commands on a key are done anew because others changed it meanwhile.
pub const RESP_FOLD_TRIES: usize = 100;

/// Slow commands that a door keeps, each with some kilobytes of its arguments.
pub const RESP_SLOW_KEPT_MAX: usize = 4096;

/// Places of scans that are kept for who goes on with them.
pub const RESP_CURSORS_MAX: usize = 16 * 1024;

/// Keys of a page of a scan, whatever the client wants.
pub const RESP_SCAN_COUNT_MAX: usize = 1000;

/// Bytes of values that a door keeps open, so that what did not change need not be opened and checked again. None of them
/// takes more than a sixty-fourth.
pub const VALUES_KEPT_BYTES_MAX: usize = 64 * MIB;

/// Bytes of an entity tag: a hash in hexadecimal, and a count of parts.
pub const ETAG_BYTES_MAX: usize = 128;

/// Bytes of a user's own metadata: S3 takes 2 KiB, sealed and encoded it is some more.
pub const METADATA_BYTES_MAX: usize = 8 * KIB;

/// Tags of one version: what S3 takes, and room for others.
pub const VERSION_TAGS_MAX: usize = 50;

/// Bytes of a tag's name: 128 characters of UTF-8.
pub const TAG_NAME_BYTES_MAX: usize = 512;

/// Bytes of a tag's value: 256 characters of UTF-8.
pub const TAG_VALUE_BYTES_MAX: usize = KIB;

/// Bytes of an encoded command: the longest key, root, layout top, metadata and tags together.
pub const COMMAND_BYTES_MAX: usize = 384 * KIB;

/// Records of a slot that are shipped by one command.
pub const SHIPPED_PAIRS_MAX: usize = 1024;

/// Bytes of records that are shipped by one command, beyond the first record: two thirds of a command, so that a record
/// as long as they come goes alone and fits.
pub const SHIPPED_BYTES_MAX: usize = 256 * KIB;

/// Milliseconds for which a group remembers a request, and beyond which it refuses one as too old: longer than any
/// client tries. At 10,000 writes a second it is about 200 MiB of records.
pub const REQUEST_WINDOW_MS: u64 = 2 * 60 * 1000;

/// Events that a group keeps for whoever follows it, in all buckets.
pub const EVENTS_KEPT: u64 = 1 << 16;

/// Events that a group looks through to tell whether one is of a key that was seen not to be there: where more happened since,
/// it may have come and gone for all that is known. At 600 writes a second in a group they last some two seconds.
pub const ABSENCE_EVENTS_MAX: usize = 1024;

/// Bytes of them, likewise: each can be as long as the longest key.
pub const ABSENCE_BYTES_MAX: usize = 1 << 20;

/// Events in one answer, and those of other buckets that it passes over.
pub const EVENTS_LISTED_MAX: usize = 1000;

/// Versions that one tick removes, so that no command takes long.
pub const EXPIRED_AT_ONCE_MAX: usize = 256;

/// Versions in one page of a listing: what S3 gives.
pub const LISTED_MAX: usize = 1000;

/// Users that may read one bucket.
pub const BUCKET_MEMBERS_MAX: usize = 256;

/// Generations of a bucket's key that are kept for a member: one for each time that somebody was shut out.
pub const BUCKET_KEYS_MAX: usize = 256;

/// Bytes of all wrapped keys of a bucket: they stand in one row.
pub const BUCKET_WRAPPED_BYTES_MAX: usize = 192 * KIB;

/// Users of a bucket that could write once and cannot now: more than its key can be changed for. What they wrote stays good.
pub const BUCKET_FORMER_MAX: usize = 512;

/// Access keys of a bucket: one for each program that uses it through a door. They stand in its row.
pub const BUCKET_ACCESS_KEYS_MAX: usize = 64;

/// Bytes of what an owner notes of an access key.
pub const ACCESS_NOTE_BYTES_MAX: usize = 64;

/// Slots of a flat bucket, unless its owner asks for others: a listing asks the groups of so many at the most.
pub const BUCKET_SPREAD_DEFAULT: u16 = 16;

/// Times that a change of a bucket is tried anew because somebody else changed it first.
pub const BUCKET_CHANGE_TRIES: usize = 8;

/// Times that an operation on a key is tried anew because the bucket was changed while it was under way.
pub const STALE_BUCKET_TRIES: usize = 8;

/// Bytes of a root or layout top that stands in the version record too: what saves a small object two questions to
/// peers, and costs each member of a group no more than a small body would.
pub const RECORD_NODE_BYTES_MAX: usize = 4 * KIB;

/// Pieces of an object that wait between the two halves of a copy from one bucket to another.
pub const PIECES_COPIED_AHEAD_MAX: usize = 2;

/// Characters of a bucket's name: what S3 allows.
pub const BUCKET_NAME_CHARS_MAX: usize = 63;

/// Buckets of a network.
pub const BUCKETS_MAX: usize = 4096;

/// Buckets in one page of a listing.
pub const BUCKETS_LISTED_MAX: usize = 64;

/// Metadata groups of a network, besides group 0.
pub const GROUPS_MAX: usize = 1024;

/// Members of a network that keep metadata, and others that were let in by name.
pub const MEMBERS_MAX: usize = 512;

/// Addresses of one member.
pub const MEMBER_ADDRESSES_MAX: usize = 16;

/// Users whose connections a member remembers; the least recently used one has to introduce itself again.
pub const INTRODUCED_MAX: usize = 4096;

/// Bytes of one answer of a group to a client.
pub const TOLD_BYTES_MAX: usize = 4 * MIB;

/// Bytes of a message to those who hear in a bucket, as at a Redis door: a channel and what is published there.
pub const MESSAGE_BYTES_MAX: usize = 512 * KIB;

/// Bytes of what is said to one hearer at once, before it is sealed.
pub const TALK_BYTES_MAX: usize = 768 * KIB;

/// Messages that are said to one hearer at once.
pub const TALK_MESSAGES_MAX: usize = 4096;

/// Bytes of messages that wait until they can be said to one hearer; what comes beyond them is dropped.
pub const TALK_WAITING_BYTES_MAX: usize = 16 * MIB;

/// Messages that wait until they can be said to one hearer.
pub const TALK_WAITING_MAX: usize = 64 * 1024;

/// Talks that one hearer was told and did not take yet; who tells it more waits.
pub const TALKS_HEARD_MAX: usize = 16;

/// Speakers of whom a hearer remembers what they said last, so that it hears nothing twice.
pub const SPEAKERS_MAX: usize = 1024;

/// Milliseconds until a member that did not answer is told something again, the first time.
pub const TALK_PAUSE_MS_MIN: u64 = 100;

/// Milliseconds until a member that did not answer, or where nobody heard, is told something again.
pub const TALK_PAUSE_MS_MAX: u64 = 3000;

/// Bytes of a row's key: a table's letter and the longest name.
pub const ROW_KEY_BYTES_MAX: usize = 256;

/// Bytes of a row: a bucket with all its members and their keys.
pub const ROW_BYTES_MAX: usize = 256 * KIB;

/// Rows that one command changes.
pub const ROWS_CHANGED_MAX: usize = 16;

/// Rows in one page.
pub const ROWS_LISTED_MAX: usize = 1000;

/// Bytes of a frame between two members: as many commands as one append carries, and room for other groups' messages.
pub const RAFT_FRAME_BYTES_MAX: usize = 8 * MIB;

/// Messages in one frame: those of as many groups as two peers usually share.
pub const RAFT_ENVELOPES_MAX: usize = 1024;

/// Bytes of entries in one append, after which the next one carries the rest.
pub const RAFT_APPEND_BYTES_MAX: usize = MIB;

/// Seats of one group, learners too.
pub const GROUP_SEATS_MAX: usize = 16;

/// Messages that wait to be sent to one peer; who would add one more is told that the peer cannot be reached.
pub const RAFT_LANE_MAX: usize = 4096;

/// Requests of members that are worked on at once. Those beyond are dropped, and sent again by who waits for them.
pub const RAFT_INBOUND_MAX: usize = 4096;

/// Questions of clients that are worked on at once; those beyond are dropped, and asked again elsewhere.
pub const ASKS_INBOUND_MAX: usize = 4096;

/// Seconds for which a member works on one question.
pub const ASK_SECONDS_MAX: u64 = 10;

/// Milliseconds for which a sign of life may wait to go together with those of other groups: a sixth of the time between
/// two of them.
pub const RAFT_PATIENCE_MS: u64 = 25;

/// Seconds after which a way to a peer that nothing was sent on is forgotten.
pub const RAFT_LANE_IDLE_SECONDS: u64 = 60;

/// Entries in one append; their bytes are bounded besides.
pub const RAFT_ENTRIES_MAX: u64 = 512;

/// Entries between two snapshots, at least, and fewer than twice as many. They have records written, and let the log go.
pub const RAFT_SNAPSHOT_EVERY: u64 = 4096;

/// Entries that are kept behind a snapshot, for members that are a little behind.
pub const RAFT_LOG_KEPT: u64 = 1024;

/// Commands that a leader proposes together: as many as are applied together.
pub const PROPOSED_AT_ONCE_MAX: usize = APPLIED_AT_ONCE_MAX;

/// Commands that a leader has acknowledged by its own disk alone, or is about to, before the group has agreed on the first of
/// them: what is lost of a bucket with replication `local` when the leader's disk is.
pub const AHEAD_MAX: usize = 4096;

/// Bytes of such commands.
pub const AHEAD_BYTES_MAX: usize = 16 * MIB;

/// Entries that are applied and committed together: few enough that those who wait for the first do not wait long.
pub const APPLIED_AT_ONCE_MAX: usize = 256;

/// Milliseconds that a node which stops waits for others to lead what it leads: some times what an election takes.
pub const HAND_OVER_MS_MAX: u64 = 2000;

/// Milliseconds before members are asked for their leader a second time: doubled with each round.
pub const ROUTER_PAUSE_MS_MIN: u64 = 20;

/// The longest such pause: an election takes about a second.
pub const ROUTER_PAUSE_MS_MAX: u64 = 500;

/// Silences in a row after which a member is passed over.
pub const ROUTER_FAILURES_MAX: u32 = 3;

/// Seconds for which it is passed over.
pub const ROUTER_OPEN_SECONDS: u64 = 5;

/// Silent peers that are remembered.
pub const ROUTER_PEERS_MAX: usize = 256;

/// Milliseconds by which a clock may differ from those of most others before its node may not lead: far more than
/// synchronised clocks do, and little enough for times to mean something to people.
pub const CLOCK_OFF_MS_MAX: u64 = 500;

/// Clocks of other peers that a node remembers: of more peers than it shares groups with, since a voter whose clock is
/// forgotten vouches for nobody.
pub const CLOCKS_MAX: usize = 1024;

// --- Operations on objects ----------------------------------------------------------------------

/// Chunks of one put that are packed, sealed and coded at once: as many as a small machine has cores, and one waiting.
pub const CHUNKS_ENCODING_MAX: usize = 3;

/// Pushes of one put to one peer that are under way at once. What comes meanwhile goes together in the next.
pub const PUSHES_TO_A_PEER_MAX: usize = 1;

/// Bytes of shards that go together in one push, unless one is longer: beyond it there is little left to share, and a
/// peer must hold all of them at once.
pub const PUSH_BYTES_TOGETHER_MAX: usize = 4 * MIB;

/// Stripes of one put that are on their way to peers at once: enough to fill a link of 100 Mbit/s at 100 ms with
/// chunks of 1 MiB, and that half of them wait to go together while the other half is being synced; few enough to bound
/// memory with chunks of 16 MiB.
pub const STRIPES_IN_FLIGHT_MAX: usize = 12;

/// Chunks of one get that are on their way at once.
pub const CHUNKS_IN_FLIGHT_MAX: usize = 8;

/// Chunks that one put remembers having placed, so that runs of equal ones are pushed once.
pub const RECENT_CHUNKS_MAX: usize = 256;

/// Shards in a row that peers did not have, after which a put takes what follows for new.
pub const OFFERS_WANTED_IN_A_ROW: usize = 64;

/// Of what seems new, every so many parts of a stripe are offered still; so many are pushed in vain at most, before a put
/// notices that it came to what is there already.
pub const OFFER_SAMPLE: usize = 16;

/// Pieces of a get whose holders are asked for at once: one question to each peer for all of them.
pub const PIECES_LOCATED_AT_ONCE_MAX: usize = 64;

/// Answers of each kind whose times are remembered to tell what is late: enough for a median, few enough to forget soon.
pub const PACE_SAMPLES_MAX: usize = 64;

/// Milliseconds after which one more peer is asked a small question while nothing is known of the pace.
pub const QUESTION_LATE_MS_START: u64 = 250;

/// The same for shards: their bytes may wait for a slow link, which asking for more would not speed up.
pub const PULL_LATE_MS_START: u64 = 1000;

/// The least wait before an answer counts as late: below it, the noise of a busy machine would.
pub const LATE_MS_MIN: u64 = 100;

/// The longest such wait: twice what the mesh takes for silence, so that a link that is slow for all is left in peace.
pub const LATE_MS_MAX: u64 = 20_000;

/// Seconds for which a peer that was late is asked after others.
pub const LATE_SECONDS: u64 = 30;

/// Milliseconds that a peer may take beyond twice what half of the others took: then another takes its place in a put, if
/// there is one, and a survey goes on without it.
pub const STRAGGLER_MS: u64 = 1000;

/// Seconds before a peer that failed in an operation is tried again there: doubled with each failure.
pub const PEER_PAUSE_SECONDS_MIN: u64 = 5;

/// The longest such pause.
pub const PEER_PAUSE_SECONDS_MAX: u64 = 60;

/// Peers asked first for the layout records beside a root: more than the holders of one under any default code.
pub const PEERS_ASKED_FOR_RECORDS: usize = 8;

/// Layout nodes below the top that a reader remembers: at most 64 KiB each.
pub const LAYOUT_NODES_CACHED_MAX: usize = 8;

/// Layout nodes that a repair under a care ticket remembers having shown to peers; what is forgotten is shown again.
pub const NODES_SHOWN_MAX: usize = 4096;

/// Stripes of a survey or repair that are looked at together.
pub const STRIPES_SURVEYED_AT_ONCE_MAX: usize = 128;

/// Peers that must answer before a put stops dialling others: twice the widest default code, and some.
pub const PEERS_DIALLED_FOR_PUT: usize = 32;

/// Peers that must answer before a get, a survey or a repair stops dialling others.
pub const PEERS_DIALLED_FOR_GET: usize = 64;

/// Milliseconds that a put waits for one more peer after the last that answered: a far one, not one that is gone.
pub const LINGER_MS_FOR_PUT: u64 = 1000;

/// The same for a get, a survey or a repair, which dial on when something is not found.
pub const LINGER_MS_FOR_GET: u64 = 300;

/// Stripes whose places are told one by one in a report; beyond that, its counts speak.
pub const PLACES_REPORTED_MAX: usize = 4096;

/// Times that a busy peer is asked again.
pub const BUSY_RETRIES_MAX: u32 = 12;

/// Milliseconds before a busy peer is asked again for the first time.
pub const BUSY_WAIT_MS_MIN: u64 = 20;

/// Milliseconds between two questions to a busy peer at the most.
pub const BUSY_WAIT_MS_MAX: u64 = 2000;

/// Seconds that a care ticket lets its holder repair: a year.
pub const CARE_GRANT_SECONDS: u64 = 365 * 24 * 60 * 60;

const _: () = {
    assert!(CHUNK_BYTES_MAX.is_multiple_of(SEGMENT_BYTES));
    assert!(CHUNK_AVERAGE_BYTES_MAX * 2 <= CHUNK_BYTES_MAX);
    assert!(SHARD_BYTES_MAX <= FRAME_PAYLOAD_BYTES_MAX);
    assert!(STRIPE_HEADER_BYTES_MAX * 2 <= FRAME_HEAD_BYTES_MAX);
    assert!(IDS_PER_MESSAGE_MAX * 34 * 2 <= FRAME_HEAD_BYTES_MAX);
    assert!(INDEX_NODE_BYTES_MAX + TAG_BYTES + KIB <= NODE_BYTES_MAX);
    assert!(INDEX_NODE_BYTES_MAX <= SEGMENT_BYTES);
    assert!(SEALED_BYTES_MAX < u32::MAX as usize);
    assert!(STRIPE_SHARDS_MAX <= u32::BITS as usize);
    assert!(HELLO_PEERS_MAX * (PEER_ADDRESSES_MAX * ADDRESS_BYTES_MAX) / 2 <= FRAME_HEAD_BYTES_MAX);
    assert!(
        PEER_ADDRESSES_MAX * (ADDRESS_BYTES_MAX + 4) + 4 * (ZONE_CHARS_MAX + AGENT_CHARS_MAX) + KIB <= HELLO_BYTES_MAX
    );
    assert!(MESH_STREAM_IDLE_SECONDS_MAX < MESH_STREAM_ACCEPT_IDLE_SECONDS_MAX);
    assert!(MESH_INBOUND_STREAMS_PER_PEER_MAX * 2 <= MESH_YAMUX_STREAMS_MAX);
    assert!(FRAME_PAYLOAD_BYTES_MAX * 4 <= MESH_REQUEST_BYTES_MAX);
    assert!(TREE_PATH_BYTES_MAX + TREE_LINK_BYTES_MAX + TREE_NAME_BYTES_MAX + KIB <= TREE_PAGE_BYTES_MAX);
    assert!(TREE_PATH_BYTES_MAX <= u16::MAX as usize && TREE_NAME_BYTES_MAX <= u8::MAX as usize);
    // A push and the answer to it, or the largest answer, fit one peer's share.
    assert!(FRAME_PAYLOAD_BYTES_MAX * 2 <= MESH_REQUEST_BYTES_PER_PEER_MAX);
    assert!(MESH_REQUESTS_PER_PEER_MAX < MESH_REQUESTS_MAX);
    assert!(
        REDIS_KEY_BYTES_MAX
            + 2 * NODE_BYTES_MAX
            + METADATA_BYTES_MAX
            + VERSION_TAGS_MAX * (TAG_NAME_BYTES_MAX + TAG_VALUE_BYTES_MAX + 16)
            + KIB
            <= COMMAND_BYTES_MAX
    );

    assert!(COMMAND_BYTES_MAX + KIB <= LOG_ENTRY_BYTES_MAX);
    // Each pair costs a few bytes of Protobuf beside those that are counted.
    assert!(SHIPPED_BYTES_MAX + SHIPPED_PAIRS_MAX * 16 + KIB <= COMMAND_BYTES_MAX);
    assert!(ROW_BYTES_MAX + ROWS_CHANGED_MAX * (ROW_KEY_BYTES_MAX + 32) + KIB <= COMMAND_BYTES_MAX);
    assert!(RAFT_APPEND_BYTES_MAX + COMMAND_BYTES_MAX + KIB <= RAFT_FRAME_BYTES_MAX);
    assert!(MESSAGE_BYTES_MAX + KIB <= TALK_BYTES_MAX && TALK_BYTES_MAX + KIB <= RAFT_APPEND_BYTES_MAX);
    assert!(RECORDS_PACKED_BYTES_MAX + KIB <= RAFT_FRAME_BYTES_MAX);
    assert!(COMMAND_BYTES_MAX <= RECORDS_VALUE_BYTES_MAX);
    assert!(
        RECORDS_PAGE_BYTES + RECORDS_KEY_BYTES_MAX + RECORDS_VALUE_BYTES_MAX + RECORDS_BLOB_BYTES_MAX + KIB
            <= RECORDS_PAGE_BYTES_MAX
    );
    // The largest record fits a frame, and a frame behind a full segment ends where 32 bits still reach.
    assert!(LOG_ENTRY_BYTES_MAX + KIB <= LOG_FRAME_BYTES_MAX && LOG_MARK_BYTES_MAX <= LOG_ENTRY_BYTES_MAX);
    assert!(LOG_SEGMENT_BYTES_MAX + 2 * LOG_FRAME_BYTES_MAX as u64 <= u32::MAX as u64);
};
