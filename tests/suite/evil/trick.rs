//! What an evil peer does with a request.

use std::io;
use std::time::Duration;

use libp2p::Stream;
use storgo_object::ShardService;
use storgo_object::fake::{Liar, Lie};
use storgo_object::ports::Serve as _;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{FRAME_HEAD_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX};
use storgo_protocol::message::{Answer, Request};

use super::wire;

/// A way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// None: what is asked is answered.
    Honest,
    /// Whole answers that are not so.
    Lie(Lie),
    /// Each answer says the greatest length, and then bytes come as fast as they are taken, for ever.
    Endless,
    /// Each answer is right, and comes at one byte a second.
    OneByteASecond,
    /// Nothing is answered.
    Silence,
    /// The stream breaks in the middle of each answer.
    DiesMidAnswer,
    /// Each answer is bytes that mean nothing.
    Malformed,
    /// Each answer says a length beyond every bound.
    TooLong,
}

impl Trick {
    /// All of them but honesty.
    pub fn all() -> Vec<Self> {
        let on_the_wire =
            [Self::Endless, Self::OneByteASecond, Self::Silence, Self::DiesMidAnswer, Self::Malformed, Self::TooLong];
        Lie::ALL.into_iter().map(Self::Lie).chain(on_the_wire).collect()
    }

    /// Whether who meets it can know it for what it is.
    pub const fn is_provable(self) -> bool {
        match self {
            Self::Lie(lie) => lie.is_provable(),
            Self::Endless | Self::Malformed | Self::TooLong => true,
            Self::Honest | Self::OneByteASecond | Self::Silence | Self::DiesMidAnswer => false,
        }
    }
}

/// Answers one request, or does not.
pub async fn answer(
    trick: Trick,
    service: &ShardService,
    liar: &Liar,
    from: PeerId,
    request: Request,
    stream: &mut Stream,
) -> io::Result<()> {
    liar.hear(&request);
    let honest = service.serve(from, request.clone()).await;
    match trick {
        Trick::Honest => send(stream, honest).await,
        Trick::Lie(lie) => send(stream, liar.tell(lie, &request, honest)).await,
        Trick::Silence => std::future::pending().await,
        Trick::DiesMidAnswer => {
            let bytes = wire::encode(&honest.encode());
            wire::write(stream, bytes.get(..bytes.len().div_ceil(2)).unwrap_or_default()).await?;
            Err(io::ErrorKind::Interrupted.into())
        }
        Trick::OneByteASecond => {
            let mut seconds = tokio::time::interval(Duration::from_secs(1));
            for byte in wire::encode(&honest.encode()) {
                seconds.tick().await;
                wire::write(stream, &[byte]).await?;
            }
            Ok(())
        }
        Trick::Malformed => wire::write(stream, &[&wire::lengths(200, 0)[..], &[0xff; 200]].concat()).await,
        Trick::TooLong => {
            wire::write(stream, &wire::lengths(FRAME_HEAD_BYTES_MAX + 1, FRAME_PAYLOAD_BYTES_MAX + 1)).await
        }
        Trick::Endless => {
            let head = honest.encode().head;
            wire::write(stream, &wire::lengths(head.len(), FRAME_PAYLOAD_BYTES_MAX)).await?;
            wire::write(stream, &head).await?;
            let piece = vec![0xee; 64 * 1024];
            loop {
                wire::write(stream, &piece).await?;
            }
        }
    }
}

async fn send(stream: &mut Stream, answer: Answer) -> io::Result<()> {
    wire::write(stream, &wire::encode(&answer.encode())).await
}
