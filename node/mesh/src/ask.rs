//! One question to one peer: link, wire, request, answer; again on a fresh wire if the first was lost.
//!
//! A request is sent again only if not one byte of its answer came. That is safe, because every request asks, or asks
//! to keep what its own hash names.

use std::sync::Arc;
use std::time::Duration;

use storgo_object::ports::PeerError;
use storgo_protocol::limits::{MESH_ATTEMPTS_MAX, MESH_EXCHANGE_SECONDS_MAX};
use storgo_protocol::message::{Answer, Frame, FrameLengths, Request};
use storgo_protocol::{DecodeError, PeerId};
use tokio::time::{sleep, timeout};

use crate::core::Core;
use crate::frame_io::{FrameError, read_lengths, read_rest, write_frame};
use crate::pool::{Pool, Turn, Wire};

/// How much longer a peer may be silent for each stripe or node that it reads and checks before it answers.
const VERIFY_ALLOWANCE: Duration = Duration::from_millis(250);

/// The pause after the first lost stream; doubled with each further one.
const PAUSE: Duration = Duration::from_millis(5);

/// Why an exchange failed, and whether the answer had begun.
struct Fault {
    error: FrameError,
    answered: bool,
}

impl Core {
    /// Asks a peer and waits for its answer.
    pub(crate) async fn ask(self: &Arc<Self>, peer: PeerId, request: Request) -> Result<Answer, PeerError> {
        let exchange_max = Duration::from_secs(MESH_EXCHANGE_SECONDS_MAX);
        let asked = timeout(exchange_max, self.ask_patiently(peer, request));
        match self.cancel.run_until_cancelled(asked).await {
            Some(Ok(answer)) => answer,
            Some(Err(_)) => Err(PeerError::TimedOut { peer, silence: exchange_max }),
            None => Err(PeerError::Stopped),
        }
    }

    async fn ask_patiently(self: &Arc<Self>, peer: PeerId, request: Request) -> Result<Answer, PeerError> {
        let (wait, bulk) = (self.answer_wait(&request), is_bulk(&request));
        let relayed = self.config.relayed_bulk || !burdens_relays(&request);
        let payload_max = request.answer_payload_max();
        let frame = request.encode();
        self.link(peer, relayed).await?;
        let pool = self.pool(peer);
        let mut attempt = 0;
        loop {
            let turn = pool.turn(bulk).await.ok_or(PeerError::Stopped)?;
            // What was true before the turn came need not be true any more.
            self.link(peer, relayed).await?;
            attempt += 1;
            match self.attempt(&pool, &turn, &frame, wait, payload_max).await {
                Ok((wire, answer)) => {
                    pool.give_back(wire, turn);
                    let (sent, received) = (bytes_of(&frame), bytes_of(&answer));
                    self.table.lock().count_bytes(peer, sent, received);
                    if bulk {
                        pool.moved(self, sent + received);
                    }
                    return Answer::decode(answer).map_err(|source| PeerError::Nonsense { peer, source });
                }
                Err(Fault { error: FrameError::Silent(silence) | FrameError::Slow(silence), .. }) => {
                    self.failed(peer, format!("it was silent for {silence:?}"));
                    self.disconnect(peer).await;
                    return Err(PeerError::TimedOut { peer, silence });
                }
                Err(Fault { error: FrameError::Nonsense(source), .. }) => {
                    return Err(PeerError::Nonsense { peer, source });
                }
                Err(Fault { error: FrameError::Broken(source), answered }) => {
                    if answered || attempt >= MESH_ATTEMPTS_MAX {
                        return Err(PeerError::Broken { peer, source });
                    }
                    tracing::debug!(%peer, attempt, error = %source, "a stream was lost before its answer");
                    pool.lost(&turn, attempt, &source);
                    drop(turn);
                    sleep(pause(attempt)).await;
                }
            }
        }
    }

    async fn attempt(
        &self,
        pool: &Pool,
        turn: &Turn,
        frame: &Frame,
        wait: Duration,
        payload_max: usize,
    ) -> Result<(Wire, Frame), Fault> {
        let silence = self.config.silence();
        let unanswered = |error| Fault { error, answered: false };
        let mut wire = pool.wire(self, turn, silence).await.map_err(unanswered)?;
        write_frame(&mut wire, frame, silence).await.map_err(unanswered)?;
        let lengths = read_lengths(&mut wire, wait, silence).await.map_err(unanswered)?;
        let lost = || unanswered(FrameError::Broken(std::io::ErrorKind::UnexpectedEof.into()));
        let lengths = lengths.ok_or_else(lost)?;
        if lengths.payload > payload_max {
            let error = DecodeError::TooMany { count: lengths.payload, max: payload_max };
            return Err(Fault { error: error.into(), answered: true });
        }
        let _bytes = self.gate.answer_bytes(lengths).await;
        let answer = read_rest(&mut wire, lengths, silence).await;
        answer.map(|answer| (wire, answer)).map_err(|error| Fault { error, answered: true })
    }

    async fn link(&self, peer: PeerId, relayed: bool) -> Result<(), PeerError> {
        if relayed { self.connect(peer).await } else { self.connect_directly(peer).await }
    }

    fn pool(&self, peer: PeerId) -> Arc<Pool> {
        let mut pools = self.pools.lock();
        Arc::clone(pools.entry(peer).or_insert_with(|| Arc::new(Pool::new(peer, self.control.clone()))))
    }

    /// How long a peer may take before the first byte of its answer.
    fn answer_wait(&self, request: &Request) -> Duration {
        match request {
            Request::Has { stripes, nodes, verify: true } => {
                let count = u32::try_from(stripes.len() + nodes.len()).unwrap_or(u32::MAX);
                self.config.silence() + VERIFY_ALLOWANCE.saturating_mul(count)
            }
            Request::Push { .. } | Request::PushNode { .. } | Request::PushRecord { .. } | Request::Offer { .. } => {
                self.config.push_answer()
            }
            _ => self.config.silence(),
        }
    }
}

/// Whether a request or its answer carries a shard: what is worth a data connection.
const fn is_bulk(request: &Request) -> bool {
    matches!(request, Request::Push { .. } | Request::Pull { .. } | Request::PullRange { .. })
}

/// Whether a request carries shards or nodes, or asks for them: what a relay is not to be burdened with.
const fn burdens_relays(request: &Request) -> bool {
    is_bulk(request) || matches!(request, Request::PushNode { .. } | Request::PullNode { .. } | Request::Show { .. })
}

/// The pause before the next attempt, with a jitter so that callers who lost streams together do not come back so.
pub(crate) fn pause(attempt: u32) -> Duration {
    let doubled = PAUSE * 2u32.saturating_pow(attempt.saturating_sub(1).min(8));
    doubled.mul_f64(1.0 + rand::random::<f64>())
}

fn bytes_of(frame: &Frame) -> usize {
    FrameLengths::BYTES + frame.head.len() + frame.payload_bytes()
}
