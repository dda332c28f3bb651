//! The ways to one peer: libp2p streams for everything, data connections for bulk; few, reused, handed out in turn.
//!
//! A wire carries one request and its answer at a time. Streams are opened by one caller at a time, because the other
//! side can lose streams that arrive in a burst. Whether the peer's data port can be reached is found out beside the
//! first bulk requests, never in their way: until then, and where it cannot, streams carry them.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::Either;
use libp2p::{Stream, StreamProtocol};
use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{
    MESH_DATA_AFTER_BYTES, MESH_DATA_CONNECTIONS_PER_PEER_MAX, MESH_DATA_RETRY_SECONDS, MESH_STREAM_IDLE_SECONDS_MAX,
    MESH_STREAMS_PER_PEER_MAX,
};
use storgo_protocol::message::SHARD_PROTOCOL;
use tokio::sync::{Mutex as TurnMutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::core::Core;
use crate::data::{Connection, Route};
use crate::frame_io::FrameError;

/// What frames travel on.
pub(crate) type Wire = Either<Stream, Connection>;

/// The ways to one peer.
pub(crate) struct Pool {
    peer: PeerId,
    streams: Lane,
    data: Lane,
    reach: Mutex<Reach>,
    opening: TurnMutex<libp2p_stream::Control>,
}

/// The right to use one wire of a lane.
pub(crate) struct Turn {
    bulk: bool,
    _slot: OwnedSemaphorePermit,
}

/// Wires of one kind.
struct Lane {
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<(Wire, Instant)>>,
}

/// What is known of the peer's data port.
enum Reach {
    /// Not tried; so many bulk bytes have moved.
    Untried(usize),
    /// Being tried.
    Trying,
    /// It answered there.
    Open(Route),
    /// It did not answer there; to be tried again then.
    Closed(Instant),
}

impl Pool {
    pub(crate) fn new(peer: PeerId, control: libp2p_stream::Control) -> Self {
        Self {
            peer,
            streams: Lane::new(MESH_STREAMS_PER_PEER_MAX),
            data: Lane::new(MESH_DATA_CONNECTIONS_PER_PEER_MAX),
            reach: Mutex::new(Reach::Untried(0)),
            opening: TurnMutex::new(control),
        }
    }

    /// Waits for a turn, first come, first served; `None` once the pool is closed.
    pub(crate) async fn turn(&self, bulk: bool) -> Option<Turn> {
        let bulk = bulk && matches!(*self.reach.lock(), Reach::Open(_));
        let slots = Arc::clone(&self.lane(bulk).slots);
        slots.acquire_owned().await.ok().map(|slot| Turn { bulk, _slot: slot })
    }

    /// Takes an idle wire, or opens one.
    pub(crate) async fn wire(&self, core: &Core, turn: &Turn, wait: Duration) -> Result<Wire, FrameError> {
        if let Some(wire) = self.lane(turn.bulk).take() {
            return Ok(wire);
        }
        if turn.bulk {
            return self.connect(core).await.map(Either::Right);
        }
        let opened = timeout(wait, async {
            let mut control = self.opening.lock().await;
            open(&mut control, self.peer, SHARD_PROTOCOL).await
        });
        opened.await.map_err(|_| FrameError::Silent(wait))?.map(Either::Left)
    }

    /// Gives a wire back after a whole answer.
    pub(crate) fn give_back(&self, wire: Wire, turn: Turn) {
        self.lane(turn.bulk).idle.lock().push((wire, Instant::now()));
        drop(turn);
    }

    /// Forgets the idle wires of a lane after one turned out dead, for the `attempt`-th time of one request. From the
    /// second time on the wire was a fresh one: a data port that takes connections and drops them is out of reach too.
    pub(crate) fn lost(&self, turn: &Turn, attempt: u32, error: &io::Error) {
        self.lane(turn.bulk).idle.lock().clear();
        if turn.bulk && attempt > 1 {
            self.out_of_reach(error);
        }
    }

    /// Closes what has been idle for too long at this time.
    pub(crate) fn sweep(&self, now: Instant) {
        self.streams.sweep(now);
        self.data.sweep(now);
    }

    /// Counts bulk bytes; with enough of them the peer's data port is worth a try, which starts here.
    pub(crate) fn moved(self: &Arc<Self>, core: &Arc<Core>, bytes: usize) {
        let route = || core.table.lock().data_route(self.peer);
        let mut reach = self.reach.lock();
        let worth = match &mut *reach {
            Reach::Untried(moved) => {
                *moved = moved.saturating_add(bytes);
                *moved >= MESH_DATA_AFTER_BYTES
            }
            Reach::Closed(until) => Instant::now() >= *until,
            Reach::Trying | Reach::Open(_) => false,
        };
        let Some(route) = worth.then(route).flatten() else { return };
        *reach = Reach::Trying;
        let (pool, core) = (Arc::clone(self), Arc::clone(core));
        core.tracker.clone().spawn(async move {
            let cancel = core.cancel.clone();
            cancel.run_until_cancelled(pool.try_data(&core, route)).await
        });
    }

    async fn try_data(&self, core: &Core, route: Route) {
        match core.data.dial(self.peer, &route, core.config.dial_timeout()).await {
            Ok(connection) => {
                self.data.idle.lock().push((Either::Right(connection), Instant::now()));
                *self.reach.lock() = Reach::Open(route);
            }
            Err(error) => self.out_of_reach(&error),
        }
    }

    async fn connect(&self, core: &Core) -> Result<Connection, FrameError> {
        let route = match &*self.reach.lock() {
            Reach::Open(route) => route.clone(),
            _ => return Err(FrameError::Broken(io::ErrorKind::NotConnected.into())),
        };
        let dialled = core.data.dial(self.peer, &route, core.config.dial_timeout()).await;
        dialled.map_err(|error| {
            self.out_of_reach(&error);
            FrameError::Broken(error)
        })
    }

    fn out_of_reach(&self, error: &io::Error) {
        tracing::info!(peer = %self.peer, %error, "its data port cannot be reached: streams do the work");
        *self.reach.lock() = Reach::Closed(Instant::now() + Duration::from_secs(MESH_DATA_RETRY_SECONDS));
    }

    /// Whether the data port was reached; `None` before that is known.
    #[cfg(test)]
    pub(crate) fn reaches_data(&self) -> Option<bool> {
        match &*self.reach.lock() {
            Reach::Open(_) => Some(true),
            Reach::Closed(_) => Some(false),
            Reach::Untried(_) | Reach::Trying => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn close_streams(&self) {
        self.streams.slots.close();
    }

    /// Makes idle wires older than they are.
    #[cfg(test)]
    pub(crate) fn age(&self, by: Duration) {
        for lane in [&self.streams, &self.data] {
            lane.idle.lock().iter_mut().for_each(|(_, since)| *since -= by);
        }
    }

    /// Idle streams, and idle data connections.
    #[cfg(test)]
    pub(crate) fn idle(&self) -> [usize; 2] {
        [&self.streams, &self.data].map(|lane| lane.idle.lock().len())
    }

    fn lane(&self, bulk: bool) -> &Lane {
        if bulk { &self.data } else { &self.streams }
    }
}

impl Lane {
    fn new(wires: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(wires)), idle: Mutex::new(Vec::new()) }
    }

    fn take(&self) -> Option<Wire> {
        // The other side is about to close the oldest.
        self.sweep(Instant::now());
        self.idle.lock().pop().map(|(wire, _)| wire)
    }

    fn sweep(&self, now: Instant) {
        let idle_max = Duration::from_secs(MESH_STREAM_IDLE_SECONDS_MAX);
        self.idle.lock().retain(|(_, since)| now.saturating_duration_since(*since) < idle_max);
    }
}

/// Opens a stream to a connected peer.
pub(crate) async fn open(
    control: &mut libp2p_stream::Control,
    peer: PeerId,
    protocol: &'static str,
) -> Result<Stream, FrameError> {
    let target = crate::names::to_libp2p(peer)?;
    control.open_stream(target, StreamProtocol::new(protocol)).await.map_err(|error| match error {
        libp2p_stream::OpenStreamError::Io(error) => FrameError::Broken(error),
        other => FrameError::Broken(io::Error::other(other)),
    })
}
