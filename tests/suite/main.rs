//! The whole system as its users meet it: real processes of the real binary, on loopback, in one temporary directory.
//!
//! ```text
//!   evil        a peer over real connections that lies, dawdles or floods as it is told
//!   harness     Lab (nodes as processes) ◄── Home (a user: storgo put, get, …) ── Output (code, stdout, stderr)
//!
//!   reading     what was put comes back, with losses, in parts, and past peers that hang
//!   writing     put from anything, twice at once, past dying peers; what cannot be stored is not acknowledged
//!   liars       a get past one and two liars of six: the right bytes, soon, and the liars named
//!   floods      whoever exceeds a bound is cut off while others are served
//!   bounds      each bound of `limits.rs` has a test that exceeds it
//!   mending     repair after deaths and damage, by an owner and by a carer who cannot read
//!   resuming    an interrupted put or get goes on where it was
//!   lasting     what a node keeps through kill -9, lost disks and a full disk; how it stops
//!   disks       disks that lie, vanish, fail and stall under a running node
//!   kills       kill -9 at any moment under load, and nothing acknowledged lost
//!   chaos       seeded rounds of deaths, damage and repair: whatever was acknowledged is there, and heals
//!   trees       directories come back whole, in part and by name, past dead peers and after a kill
//!   tickets     forged, truncated and foreign tickets, and the wrong network
//!   secrecy     nothing that a peer keeps or logs tells what was put
//!   asking      what a running node says of itself, its peers and the hash table
//!   groups      metadata groups grow, lose members, move seats and slots, and forget nothing that they said
//!   exit_codes  the codes that scripts rely on
//!   lan         peers and clients without any address find one another by mDNS, in network namespaces
//!   naming      objects by name: buckets, keys, versions, members, and what each command says of them
//!   redis       what Redis's clients say to the doors of members, and what they get of a node that dies
//!   access      access keys: a door that wants them, over TLS, and what becomes of one that is removed
//!   answers     whatever the Redis doors answer while members die can be explained
//!   clients     a day's work of Redis's clients in Python, JavaScript, C and shell
//!   networks    loss, delay, one-way cuts and flipped bits, between processes in network namespaces
//!   nat         hidden peers are reached through relays, and directly where their NATs allow it
//!   foreign     another implementation of libp2p meets the hash table
//!   demo        the demo, whole, refused, and killed
//!   words       the help, and what the documents say to type
//!   tidy        what a reader relies on: the map of crates, paths, module heads
//! ```
//!
//! Nothing here sleeps: a test waits for a condition, with a deadline. Randomness comes from one seed that is printed;
//! `STORGO_SEED` sets it. One lab runs at a time: its processes need the machine's cores.

#![allow(missing_docs, unreachable_pub, reason = "a test binary has no readers of its API")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, in its helpers too, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "files of a test are scratch; `tidy` sees that nothing sleeps")]
#![allow(clippy::missing_panics_doc, clippy::must_use_candidate, reason = "helpers of tests assert, and say so")]

mod evil;
mod harness;

mod access;
mod answers;
mod asking;
mod bounds;
mod chaos;
mod clients;
mod demo;
mod disks;
mod exit_codes;
mod floods;
mod foreign;
mod groups;
mod kills;
mod lan;
mod lasting;
mod liars;
mod mending;
mod naming;
mod nat;
mod networks;
mod reading;
mod redis;
mod resuming;
mod secrecy;
mod tickets;
mod tidy;
mod trees;
mod words;
mod writing;
