//! `hello`: who is there, of which network, and whom else it knows; both sides of it.
//!
//! ```text
//!   caller ── network, versions, card ──► answerer    (cards go into both peer tables: first-hand)
//!   caller ◄── welcome: card, peers ───── answerer    (peers are hearsay until they answer for themselves)
//! ```
//!
//! The dialer of a connection says it, and nodes repeat it now and then. After a welcome each side serves the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::AsyncWriteExt as _;
use libp2p::Stream;
use storgo_protocol::limits::{FRAME_HEAD_BYTES_MAX, HELLO_BYTES_MAX, MESH_ATTEMPTS_MAX};
use storgo_protocol::message::{
    Frame, HELLO_PROTOCOL, Hello, HelloAnswer, MESSAGE_VERSION, Refusal, RefusalKind, Welcome,
};
use storgo_protocol::{DecodeError, PeerId};
use tokio::time::{sleep, timeout};

use crate::ask::pause;
use crate::command::Command;
use crate::core::Core;
use crate::frame_io::{FrameError, read_lengths, read_rest, write_frame};
use crate::pool;

/// Says hello to a connected peer and notes what comes of it.
pub(crate) async fn greet(core: &Arc<Core>, peer: PeerId) {
    let wait = core.config.dial_timeout();
    let greeted = match timeout(wait, say(core, peer, wait)).await {
        Ok(greeted) => greeted,
        Err(_) => Err(FrameError::Silent(wait)),
    };
    match greeted.and_then(|answer| check(core, peer, answer)) {
        Ok(HelloAnswer::Welcome(welcome)) => welcomed(core, *welcome).await,
        Ok(HelloAnswer::Refused(refusal)) => {
            tracing::warn!(%peer, kind = ?refusal.kind, reason = %refusal.reason, "a peer refused this side");
            core.table.lock().refused(peer, &refusal.reason, Instant::now());
            core.changed.send_replace(());
            core.disconnect(peer).await;
        }
        // Whether a peer that was admitted is still alive is for pings and requests to find out.
        Err(error) if core.table.lock().admits(peer) => tracing::debug!(%peer, %error, "a hello was not answered"),
        Err(error) => {
            tracing::info!(%peer, %error, "a peer did not answer hello");
            core.failed(peer, format!("it did not answer hello: {error}"));
            core.disconnect(peer).await;
        }
    }
}

/// Answers a hello.
pub(crate) async fn answer(core: &Arc<Core>, caller: PeerId, mut stream: Stream) -> Result<(), FrameError> {
    let silence = core.config.silence();
    let hello = Hello::decode(&read_head(&mut stream, HELLO_BYTES_MAX, silence).await?)?;
    // Who is not linked is not admitted by what it says, and would think that it was.
    if core.request(|reply| Command::Note { reply }).await.is_err() {
        return Ok(());
    }
    let answer = decide(core, caller, hello);
    let frame = Frame::new(answer.encode(), bytes::Bytes::new());
    write_frame(&mut stream, &frame, silence).await?;
    stream.close().await.map_err(FrameError::Broken)
}

async fn say(core: &Core, peer: PeerId, wait: Duration) -> Result<HelloAnswer, FrameError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match say_once(core, peer, wait).await {
            // The stream may have been lost on the other side before anyone saw it.
            Err(FrameError::Broken(error)) if attempt < MESH_ATTEMPTS_MAX => {
                tracing::debug!(%peer, %error, attempt, "a hello was lost");
                sleep(pause(attempt)).await;
            }
            said => return said,
        }
    }
}

async fn say_once(core: &Core, peer: PeerId, wait: Duration) -> Result<HelloAnswer, FrameError> {
    let scope = core.table.lock().scope(peer);
    let hello = Hello {
        network: core.network,
        version_min: MESSAGE_VERSION,
        version_max: MESSAGE_VERSION,
        card: core.card(scope),
    };
    let mut stream = pool::open(&mut core.control.clone(), peer, HELLO_PROTOCOL).await?;
    let frame = Frame::new(hello.encode(), bytes::Bytes::new());
    write_frame(&mut stream, &frame, wait).await?;
    Ok(HelloAnswer::decode(&read_head(&mut stream, FRAME_HEAD_BYTES_MAX, wait).await?)?)
}

async fn read_head(stream: &mut Stream, max: usize, silence: Duration) -> Result<bytes::Bytes, FrameError> {
    let lengths = read_lengths(stream, silence, silence).await?;
    let lengths = lengths.ok_or_else(|| FrameError::Broken(std::io::ErrorKind::UnexpectedEof.into()))?;
    if lengths.payload > 0 {
        return Err(DecodeError::Trailing { bytes: lengths.payload }.into());
    }
    if lengths.head > max {
        return Err(DecodeError::TooMany { count: lengths.head, max }.into());
    }
    Ok(read_rest(stream, lengths, silence).await?.head)
}

/// Sees that a welcome is from whom was greeted, and into the network that was asked for.
fn check(core: &Core, peer: PeerId, answer: HelloAnswer) -> Result<HelloAnswer, FrameError> {
    if let HelloAnswer::Welcome(welcome) = &answer {
        let other = |field| Err(FrameError::Nonsense(DecodeError::Field { field }));
        if welcome.card.peer != peer {
            return other("the card's peer");
        }
        if core.network.is_some_and(|network| network != welcome.network) {
            return other("the network");
        }
        if welcome.version != MESSAGE_VERSION {
            return other("the message version");
        }
    }
    Ok(answer)
}

async fn welcomed(core: &Core, welcome: Welcome) {
    let (peer, stores, addresses) = (welcome.card.peer, welcome.card.stores, welcome.card.addresses.clone());
    tracing::debug!(%peer, told = welcome.peers.len(), "welcomed");
    core.learned.lock().get_or_insert(welcome.network);
    {
        let mut table = core.table.lock();
        table.hear_from(welcome.card, Instant::now());
        for card in welcome.peers {
            table.hear_say(card);
        }
    }
    core.changed.send_replace(());
    route(core, peer, stores, addresses).await;
}

/// Takes a storage peer into the DHT's routing table: it answers queries there.
async fn route(core: &Core, peer: PeerId, stores: bool, addresses: Vec<storgo_protocol::PeerAddress>) {
    if stores
        && core.network.is_some()
        && let Err(error) = core.tell(Command::Route { peer, addresses }).await
    {
        tracing::trace!(%peer, %error, "there is no routing table any more");
    }
}

fn decide(core: &Arc<Core>, caller: PeerId, hello: Hello) -> HelloAnswer {
    let refuse = |kind, reason: String| {
        tracing::info!(%caller, ?kind, reason, "refused a hello");
        HelloAnswer::Refused(Refusal::new(kind, reason))
    };
    let Some(network) = core.network else {
        return refuse(RefusalKind::Failed, "no network was joined here yet".to_owned());
    };
    if let Some(theirs) = hello.network.filter(|theirs| *theirs != network) {
        return refuse(RefusalKind::OtherNetwork, format!("this is network {network}, and you are of {theirs}"));
    }
    if !(hello.version_min..=hello.version_max).contains(&MESSAGE_VERSION) {
        let (min, max) = (hello.version_min, hello.version_max);
        let reason = format!("message version {MESSAGE_VERSION} is spoken here, and you speak {min} to {max}");
        return refuse(RefusalKind::Version, reason);
    }
    if hello.card.peer != caller {
        return refuse(RefusalKind::Invalid, "the card is not of the peer that is connected".to_owned());
    }
    let (stores, addresses) = (hello.card.stores, hello.card.addresses.clone());
    let (scope, observed, peers) = {
        let (mut table, now) = (core.table.lock(), Instant::now());
        table.hear_from(hello.card, now);
        let scope = table.scope(caller);
        (scope, table.path(caller), table.tell(caller, scope, now))
    };
    core.changed.send_replace(());
    let routing = Arc::clone(core);
    core.tracker.spawn(async move { route(&routing, caller, stores, addresses).await });
    let card = core.card(scope);
    HelloAnswer::Welcome(Box::new(Welcome { network, version: MESSAGE_VERSION, card, peers, observed }))
}
