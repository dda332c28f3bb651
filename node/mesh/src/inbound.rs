//! Requests of other peers: bounded tasks that read one, let it be answered, and write the answer.
//!
//! It knows frames and who may ask, never what a request means: that is for [`Serve`]. Bytes come from a stream into a
//! payload that is counted against one budget, and go from the answer's payload to the stream.

use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite, StreamExt as _};
use libp2p::{PeerId as Libp2pPeerId, Stream};
use libp2p_stream::IncomingStreams;
use storgo_object::ports::Serve;
use storgo_protocol::limits::{
    MESH_ADMISSION_SECONDS_MAX, MESH_EXCHANGE_SECONDS_MAX, MESH_STREAM_ACCEPT_IDLE_SECONDS_MAX,
};
use storgo_protocol::message::{Answer, FrameLengths, Refusal, RefusalKind, Request};
use storgo_protocol::{NodeId, PeerId};
use tokio::time::timeout;

use crate::core::Core;
use crate::frame_io::{FrameError, discard_rest, read_lengths, read_rest, write_frame};
use crate::frames::{self, FrameInbox};
use crate::gate::OpenStream;
use crate::{hello, names};

/// What is spoken on a stream.
#[derive(Clone)]
pub(crate) enum Inbound {
    Hello,
    Shard(Arc<dyn Serve>),
    Raft(Arc<dyn FrameInbox>),
}

/// Accepts streams of one protocol until the mesh stops. It does nothing but start tasks: streams that arrive while it
/// is busy are lost.
pub(crate) async fn accept(core: Arc<Core>, mut incoming: IncomingStreams, inbound: Inbound) {
    loop {
        tokio::select! {
            stream = incoming.next() => match stream {
                Some((peer, stream)) => start(&core, &peer, stream, &inbound),
                None => break,
            },
            () = core.cancel.cancelled() => break,
        }
    }
}

fn start(core: &Arc<Core>, peer: &Libp2pPeerId, stream: Stream, inbound: &Inbound) {
    let Some(peer) = names::from_libp2p(peer) else { return };
    let Some(open) = OpenStream::count(core, peer) else {
        tracing::info!(%peer, "a peer has too many streams open: one is dropped");
        return;
    };
    let (core, inbound) = (Arc::clone(core), inbound.clone());
    core.tracker.clone().spawn(async move {
        let _open = open;
        let serving = async {
            match inbound {
                Inbound::Hello => hello::answer(&core, peer, stream).await,
                Inbound::Shard(serve) => answer_stream(&core, peer, stream, serve.as_ref()).await,
                Inbound::Raft(inbox) => {
                    let ended = frames::receive(&core, peer, stream, inbox.as_ref()).await;
                    inbox.lost(peer);
                    ended
                }
            }
        };
        if let Some(Err(error)) = core.cancel.run_until_cancelled(serving).await {
            tracing::debug!(%peer, %error, "an inbound stream ended");
        }
    });
}

/// Answers the requests of a peer on one wire, one after the other, until it ends or stays idle.
pub(crate) async fn answer_stream<S>(
    core: &Core,
    peer: PeerId,
    mut stream: S,
    serve: &dyn Serve,
) -> Result<(), FrameError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let idle = Duration::from_secs(MESH_STREAM_ACCEPT_IDLE_SECONDS_MAX);
    let exchange_max = Duration::from_secs(MESH_EXCHANGE_SECONDS_MAX);
    while let Some(lengths) = read_lengths(&mut stream, idle, core.config.silence()).await? {
        let answered = timeout(exchange_max, answer_one(core, peer, &mut stream, lengths, serve)).await;
        answered.map_err(|_| FrameError::Silent(exchange_max))??;
    }
    Ok(())
}

async fn answer_one<S>(
    core: &Core,
    peer: PeerId,
    stream: &mut S,
    lengths: FrameLengths,
    serve: &dyn Serve,
) -> Result<(), FrameError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let silence = core.config.silence();
    if !admitted(core, peer).await {
        let refusal = Refusal::new(RefusalKind::Denied, "say hello first");
        return refuse(stream, lengths, refusal, silence).await;
    }
    let Some(mut leave) = core.gate.enter(peer, lengths).await else {
        return refuse(stream, lengths, busy(), silence).await;
    };
    let frame = read_rest(stream, lengths, silence).await?;
    let received = lengths.head + lengths.payload;
    let request = Request::decode(frame)?;
    let to_publish = published(&request);
    let answer = if core.gate.reserve(&mut leave, request.answer_payload_max()).await {
        serve.serve(peer, request).await
    } else {
        Answer::Refused(busy())
    };
    if let (Some(node), Answer::Stored) = (to_publish, &answer)
        && core.published.try_send(node).is_err()
    {
        tracing::debug!(node = %node, "too many announcements wait: the next sweep will find this one");
    }
    let answer = answer.encode();
    leave.shrink(answer.payload_bytes());
    write_frame(stream, &answer, silence).await?;
    core.table.lock().count_bytes(peer, answer.head.len() + answer.payload_bytes(), received);
    Ok(())
}

/// Whether the peer's hello was welcomed, or is within a moment: it may stand on another stream.
pub(crate) async fn admitted(core: &Core, peer: PeerId) -> bool {
    let mut changed = core.changed.subscribe();
    let admitted = timeout(Duration::from_secs(MESH_ADMISSION_SECONDS_MAX), async {
        while !core.table.lock().admits(peer) {
            if changed.changed().await.is_err() {
                return false;
            }
        }
        true
    });
    admitted.await.unwrap_or(false)
}

/// Refuses a request without keeping any of it.
async fn refuse<S>(stream: &mut S, lengths: FrameLengths, refusal: Refusal, silence: Duration) -> Result<(), FrameError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    discard_rest(stream, lengths, silence).await?;
    write_frame(stream, &Answer::Refused(refusal).encode(), silence).await
}

fn busy() -> Refusal {
    Refusal::new(RefusalKind::Busy, "too many requests at once")
}

fn published(request: &Request) -> Option<NodeId> {
    match request {
        Request::PushNode { node, publish: true, .. } => Some(*node),
        _ => None,
    }
}
