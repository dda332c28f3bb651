//! What members of groups say to commands that make no sense, and what floods on their stream cost.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use storgo_node::object::ports::MetadataError;
use storgo_protocol::NetworkId;
use storgo_protocol::cluster::Level;
use storgo_protocol::limits::{
    COMMAND_BYTES_MAX, KEY_BYTES_MAX, METADATA_BYTES_MAX, RAFT_APPEND_BYTES_MAX, RAFT_FRAME_BYTES_MAX,
};
use storgo_protocol::message::Frame;
use storgo_protocol::meta::{
    Action, BucketConfig, BucketId, Command, Condition, FEATURE_LEVEL, Put, RefusedKind, Reply, RequestId,
};

use super::members::{Keys, Members, Wrote};
use crate::evil::{Flooder, encode};
use crate::harness::{MIB, PATIENCE, peak_bytes_of, until};

/// Frames that a flooder sends.
const FRAMES: usize = 12;

/// What a member may take more than it did before, while it is flooded: a few frames, and what its own work takes.
const MORE_BYTES_MAX: u64 = 96 * MIB as u64;

fn spoil(command: &mut Command, how: impl FnOnce(&mut Put)) {
    let Action::Put(put) = &mut command.action else { panic!("{command:?}") };
    how(put);
}

fn refusal(reply: Result<Reply, MetadataError>) -> RefusedKind {
    match reply {
        Ok(Reply::Refused(refused)) if !refused.reason.is_empty() => refused.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_that_makes_no_sense_gets_its_reason_and_nothing_is_lost() {
    let network = Members::new(1, 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys = runtime.block_on(Keys::new(&network.lab, "user", "sense"));
    assert!(matches!(runtime.block_on(keys.put("k", 1, Condition::Always)), Wrote::Done));
    let send = |config: &BucketConfig, how: &dyn Fn(&mut Command)| {
        let mut command = keys.command_to_put(b"x", 2, Condition::Always);
        how(&mut command);
        let Action::Put(put) = &command.action else { panic!("{command:?}") };
        // To the group of the key that it has now.
        let (key, began) = (put.key.clone(), Instant::now());
        let reply = runtime.block_on(keys.send(config, &key, &command));
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        reply
    };
    let with = |how: &dyn Fn(&mut Command)| send(&keys.config, how);
    let newer = with(&|command| command.feature = FEATURE_LEVEL + 1);
    assert_eq!(refusal(newer), RefusedKind::Feature(FEATURE_LEVEL));
    for key in [Vec::new(), b"a\0b".to_vec(), vec![0xff], vec![b'k'; KEY_BYTES_MAX + 1]] {
        let beyond = with(&|command| spoil(command, |put| put.key = key.clone().into()));
        assert_eq!(refusal(beyond), RefusedKind::Invalid, "{} bytes", key.len());
    }
    let older = with(&|command| spoil(command, |put| put.generation = 0));
    assert_eq!(refusal(older), RefusedKind::Generation(keys.config.generation));
    let ancient = RequestId::new(1, [7; 10]);
    let late = with(&|command| {
        command.request = Some(ancient);
        spoil(command, |put| put.version.request = ancient);
    });
    assert_eq!(refusal(late), RefusedKind::RequestOld);
    for bytes in [METADATA_BYTES_MAX + 1, COMMAND_BYTES_MAX] {
        let long = with(&|command| spoil(command, |put| put.version.metadata = vec![0; bytes].into()));
        assert!(matches!(&long, Err(MetadataError::Refused(reason)) if reason.contains("not a ")), "{long:?}");
    }
    // What is unknown and what is another's get the same answer.
    let nobodys = BucketConfig { bucket: BucketId::from_bytes([9; 16]), ..keys.config.clone() };
    let unknown = send(&nobodys, &|command| spoil(command, |put| put.bucket = nobodys.bucket));
    assert!(matches!(unknown, Err(MetadataError::Denied(_))), "{unknown:?}");

    let read = |key| runtime.block_on(keys.get(key, Level::Linearizable)).unwrap().map(|(_, value)| value);
    assert_eq!((read("k"), read("x")), (Some(1), None));
    runtime.block_on(keys.close());
}

/// Frames of nothing but empty messages: decoded, each would take some hundred times its bytes.
fn floods() -> Vec<Vec<u8>> {
    let empty = [0x0a, 0].repeat(RAFT_FRAME_BYTES_MAX / 2);
    // Field 6 of a question, who wants to join; field 1 there, a member; field 4 there, an address.
    let addresses = [0x22, 0].repeat(RAFT_APPEND_BYTES_MAX / 2 - 16);
    let question = field(16, &field(6, &field(1, &addresses)));
    // Group 0 is not written; call 1.
    let asked = field(1, &[&[0x11, 1, 0, 0, 0, 0, 0, 0, 0][..], &question].concat());
    let frame = |bytes: Vec<u8>| encode(&Frame::new(Bytes::new(), bytes.into()));
    vec![frame(empty), frame(asked)]
}

fn field(number: usize, value: &[u8]) -> Vec<u8> {
    let varint = |mut number: usize| {
        let mut out = Vec::new();
        while number >= 0x80 {
            out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        out.push(u8::try_from(number).unwrap());
        out
    };
    [varint(number << 3 | 2), varint(value.len()), value.to_vec()].concat()
}

#[test]
fn a_flood_of_empty_messages_takes_no_memory_and_others_are_served() {
    let network = Members::new(1, 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys = runtime.block_on(Keys::new(&network.lab, "user", "flooded"));
    assert!(matches!(runtime.block_on(keys.put("k", 1, Condition::Always)), Wrote::Done));
    let node = &network.lab.nodes[0];
    let mut asked = runtime.block_on(storgo_rpc::Client::connect(&node.socket())).unwrap();
    let (id, process): (NetworkId, u32) = {
        let status = runtime.block_on(asked.status()).unwrap();
        (status.network, status.process)
    };
    let before = peak_bytes_of(process);
    let mut flooder = Flooder::visit(id, node.address());
    for flood in floods() {
        let mut stream = flooder.frames().unwrap();
        let mut sent = 0;
        for _ in 0..FRAMES {
            // It may be cut off before all was taken.
            let written: io::Result<()> = flooder.write(&mut stream, &flood);
            if written.is_err() {
                break;
            }
            sent += flood.len() as u64 - 8;
        }
        let me = flooder.id();
        until("the flood has arrived", || {
            let peers = runtime.block_on(asked.peers()).unwrap();
            let row = peers.into_iter().find(|row| row.peer == me)?;
            (row.bytes_received >= sent).then_some(())
        });
        let read = runtime.block_on(keys.get("k", Level::Linearizable)).unwrap();
        assert_eq!(read.map(|(_, value)| value), Some(1));
    }
    assert!(matches!(runtime.block_on(keys.put("k", 2, Condition::Always)), Wrote::Done));
    let more = peak_bytes_of(process).saturating_sub(before);
    println!("the member took {} MiB more than {} MiB", more / MIB as u64, before / MIB as u64);
    assert!(more <= MORE_BYTES_MAX, "{} MiB more", more / MIB as u64);
    runtime.block_on(keys.close());
}
