//! What a node answers to clients and to who conducts moves.
//!
//! ```text
//!   request   call (u64), what (u8), group (u64), the rest by what is asked
//!   answer    call (u64), 0 and what was asked for; 1 if it cannot be known here; 2 and the group that it is at
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use storgo_consensus::machine::{self, SlotSide};
use storgo_consensus::moves::{self, Source};
use storgo_consensus::{Acknowledge, Groups, Level};
use storgo_protocol::GroupId;
use storgo_protocol::meta::{Body, RefusedKind, Slot, SlotState};
use turmoil::net::UdpSocket;

use crate::cluster::bucket;

pub const CLIENT_PORT: u16 = 8000;

/// What is asked.
pub const PROPOSE: u8 = 0;
pub const READ: u8 = 1;
pub const TARGET: u8 = 2;
pub const SOURCE: u8 = 3;
/// As [`READ`], by the lease of a leader.
pub const LEASE: u8 = 4;
/// As [`PROPOSE`], answered by the disk of the leader alone.
pub const AHEAD: u8 = 5;

pub const OK: u8 = 0;
pub const FAILED: u8 = 1;
pub const ELSEWHERE: u8 = 2;

/// Bytes of records that go at once: little, so that moves have several pages.
const PAGE_BYTES: usize = 600;

const WITHIN: Duration = Duration::from_secs(2);

pub async fn serve(groups: Groups) -> turmoil::Result {
    let socket = Arc::new(UdpSocket::bind(("0.0.0.0", CLIENT_PORT)).await?);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (bytes, from) = socket.recv_from(&mut buffer).await?;
        let mut request = Bytes::copy_from_slice(&buffer[..bytes]);
        let (groups, socket) = (groups.clone(), Arc::clone(&socket));
        tokio::spawn(async move {
            let (call, what, group) = (request.get_u64_le(), request.get_u8(), GroupId::new(request.get_u64_le()));
            let answer = match what {
                PROPOSE => propose(&groups, group, request, Acknowledge::Agreed).await,
                AHEAD => propose(&groups, group, request, Acknowledge::Alone).await,
                READ => read(&groups, group, &request, Level::Linearizable).await,
                LEASE => read(&groups, group, &request, Level::Lease).await,
                TARGET => target(&groups, group, request).await,
                _ => source(&groups, group, request).await,
            };
            let answer = [&call.to_le_bytes()[..], &answer.unwrap_or(Bytes::from_static(&[FAILED]))].concat();
            // Who hears nothing asks again.
            drop(socket.send_to(&answer, from).await);
        });
    }
}

async fn propose(groups: &Groups, group: GroupId, command: Bytes, acknowledge: Acknowledge) -> Option<Bytes> {
    let reply = groups.propose_as(group, command, acknowledge, WITHIN).await.ok()?;
    Some([&[OK], reply.encode().as_ref()].concat().into())
}

/// The version id and the content of a key: nothing if it is absent.
async fn read(groups: &Groups, group: GroupId, key: &[u8], level: Level) -> Option<Bytes> {
    let look = |view: &dyn machine::View| machine::get(view, bucket().bucket, key, None);
    match groups.read(group, level, WITHIN, look).await.ok()?.value {
        Ok(None) => Some(Bytes::from_static(&[OK])),
        Ok(Some(version)) => {
            let Body::Inline(body) = &version.body else { return None };
            Some([&[OK][..], version.id().as_bytes(), &body.sealed].concat().into())
        }
        Err(refused) => {
            let RefusedKind::NotHere(at) = refused.kind else { return None };
            Some([&[ELSEWHERE][..], &at.as_u64().to_le_bytes()].concat().into())
        }
    }
}

async fn target(groups: &Groups, group: GroupId, mut request: Bytes) -> Option<Bytes> {
    let slot = Slot::new(request.get_u16_le())?;
    let look = |view: &dyn machine::View| moves::look_at_target(view, slot);
    let side = groups.read(group, Level::Linearizable, WITHIN, look).await.ok()?.value;
    let mut answer = BytesMut::from(&[OK][..]);
    put_side(&mut answer, &side);
    Some(answer.freeze())
}

async fn source(groups: &Groups, group: GroupId, mut request: Bytes) -> Option<Bytes> {
    let slot = Slot::new(request.get_u16_le())?;
    let last = get_part(&mut request);
    let look = |view: &dyn machine::View| moves::look_at_source(view, slot, last.as_ref(), PAGE_BYTES);
    let source = groups.read(group, Level::Linearizable, WITHIN, look).await.ok()?.value;
    let mut answer = BytesMut::from(&[OK][..]);
    put_side(&mut answer, &source.side);
    for (key, value) in &source.rest {
        put_part(&mut answer, Some(key));
        put_part(&mut answer, Some(value));
    }
    Some(answer.freeze())
}

/// Reads what [`TARGET`] is answered.
pub fn read_target(mut answer: Bytes) -> SlotSide {
    get_side(&mut answer)
}

/// Reads what [`SOURCE`] is answered.
pub fn read_source(mut answer: Bytes) -> Source {
    let side = get_side(&mut answer);
    let mut rest = Vec::new();
    while answer.has_remaining() {
        rest.push((get_part(&mut answer).unwrap(), get_part(&mut answer).unwrap()));
    }
    Source { side, rest }
}

fn put_side(to: &mut BytesMut, side: &SlotSide) {
    put_part(to, side.state.map(SlotState::encode).as_ref());
    to.put_u8(side.holds.into());
    put_part(to, side.last.as_ref());
}

fn get_side(from: &mut Bytes) -> SlotSide {
    let state = get_part(from).map(|state| SlotState::decode(state).unwrap());
    SlotSide { state, holds: from.get_u8() == 1, last: get_part(from) }
}

/// A part that may be missing, which is not the same as an empty one.
pub fn put_part(to: &mut BytesMut, part: Option<&Bytes>) {
    to.put_u32_le(part.map_or(0, |part| part.len() as u32 + 1));
    to.extend_from_slice(part.map_or(&[], |part| part.as_ref()));
}

fn get_part(from: &mut Bytes) -> Option<Bytes> {
    let length = from.get_u32_le().checked_sub(1)?;
    Some(from.split_to(length as usize))
}
