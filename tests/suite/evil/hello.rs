//! Hello, said and answered without a peer table.

use bytes::Bytes;
use libp2p::{Stream, StreamProtocol};
use libp2p_stream::Control;
use std::io;
use storgo_protocol::message::{
    Frame, HELLO_PROTOCOL, Hello, HelloAnswer, MESSAGE_VERSION, PeerCard, Refusal, RefusalKind, Welcome,
};
use storgo_protocol::{NetworkId, PeerAddress, PeerId};

use super::wire;

/// The card of a peer at this address.
pub fn card(peer: PeerId, address: Option<PeerAddress>, stores: bool) -> PeerCard {
    PeerCard {
        peer,
        addresses: address.into_iter().collect(),
        zone: String::new(),
        capacity_bytes: 1 << 40,
        free_bytes: 1 << 40,
        weight: 100,
        disks: 1,
        agent: "evil".to_owned(),
        stores,
        seen_seconds: 0,
        data_port: 0,
    }
}

/// What this peer says when it is greeted.
pub async fn answer(mut stream: Stream, network: NetworkId, card: PeerCard) -> io::Result<()> {
    let Some(_hello) = wire::read_frame(&mut stream).await? else { return Ok(()) };
    let welcome = Welcome { network, version: MESSAGE_VERSION, card, peers: Vec::new(), observed: None };
    let head = HelloAnswer::Welcome(Box::new(welcome)).encode();
    wire::write(&mut stream, &wire::encode(&Frame::new(head, Bytes::new()))).await
}

/// Greets a connected peer, and gives its answer.
pub async fn say(
    control: &mut Control,
    to: libp2p::PeerId,
    network: NetworkId,
    card: PeerCard,
) -> io::Result<HelloAnswer> {
    let hello = Hello { network: Some(network), version_min: MESSAGE_VERSION, version_max: MESSAGE_VERSION, card };
    say_raw(control, to, hello.encode()).await
}

/// Greets with any bytes.
pub async fn say_raw(control: &mut Control, to: libp2p::PeerId, head: Bytes) -> io::Result<HelloAnswer> {
    let mut stream = control.open_stream(to, StreamProtocol::new(HELLO_PROTOCOL)).await.map_err(io::Error::other)?;
    wire::write(&mut stream, &wire::encode(&Frame::new(head, Bytes::new()))).await?;
    match wire::read_frame(&mut stream).await? {
        Some(frame) => HelloAnswer::decode(&frame.head).map_err(io::Error::other),
        None => Ok(HelloAnswer::Refused(Refusal::new(RefusalKind::Failed, "it hung up"))),
    }
}
