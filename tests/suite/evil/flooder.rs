//! A visitor over a real connection that can send anything, as often as it likes.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::AsyncReadExt as _;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Stream, StreamProtocol};
use storgo_protocol::message::{Answer, Frame, HelloAnswer, RAFT_PROTOCOL, Request, SHARD_PROTOCOL};
use storgo_protocol::{Identity, NetworkId, PeerId};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::swarm::{self, Command, Swarm};
use super::{hello, wire};
use crate::harness::PATIENCE;

/// A visitor that was welcomed. Dropped, it is gone.
pub struct Flooder {
    runtime: Runtime,
    swarm: Swarm,
    target: libp2p::PeerId,
    address: Multiaddr,
    me: PeerId,
    network: NetworkId,
}

impl Flooder {
    /// Connects with the node at this address and is welcomed there.
    pub fn connect(network: &str, to: &str) -> Self {
        Self::visit(NetworkId::from_name(network), to)
    }

    /// As [`Flooder::connect`], in a network without a name.
    pub fn visit(network: NetworkId, to: &str) -> Self {
        let identity = Identity::from_seed(&rand::random());
        let me = identity.id();
        let address: Multiaddr = to.parse().expect("an address");
        let target = address.iter().find_map(|part| match part {
            Protocol::P2p(peer) => Some(peer),
            _ => None,
        });
        let target = target.expect("the address names a peer");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let swarm = runtime.block_on(swarm::start(&identity, network, std::slice::from_ref(&address)));
        let mut flooder = Self { runtime, swarm, target, address, me, network };
        flooder.greet();
        flooder
    }

    fn greet(&mut self) {
        let (me, network, target) = (self.me, self.network, self.target);
        let control = &mut self.swarm.control;
        let said = self.runtime.block_on(async {
            timeout(PATIENCE, hello::say(control, target, network, hello::card(me, None, false))).await
        });
        let said = said.expect("an answer").expect("a hello");
        assert!(matches!(said, HelloAnswer::Welcome(_)), "{said:?}");
    }

    /// Says these bytes in place of a hello; how long it took until the other side hung up.
    pub fn bad_hello(&mut self, head: Bytes) -> Duration {
        let start = Instant::now();
        let said = self.runtime.block_on(hello::say_raw(&mut self.swarm.control, self.target, head));
        assert!(!matches!(said, Ok(HelloAnswer::Welcome(_))), "it was welcome: {said:?}");
        start.elapsed()
    }

    /// Who it is.
    pub fn id(&self) -> PeerId {
        self.me
    }

    /// A stream for requests.
    pub fn stream(&mut self) -> io::Result<Stream> {
        self.stream_of(SHARD_PROTOCOL)
    }

    /// A stream for frames as members of groups send them.
    pub fn frames(&mut self) -> io::Result<Stream> {
        self.stream_of(RAFT_PROTOCOL)
    }

    fn stream_of(&mut self, protocol: &'static str) -> io::Result<Stream> {
        let opened = self.swarm.control.open_stream(self.target, StreamProtocol::new(protocol));
        self.runtime.block_on(async { timeout(PATIENCE, opened).await })?.map_err(io::Error::other)
    }

    /// Writes bytes, as far as they are taken.
    pub fn write(&self, stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
        self.runtime.block_on(async { timeout(PATIENCE, wire::write(stream, bytes)).await })?
    }

    /// Asks on a stream; an error if there is no answer.
    pub fn ask(&self, stream: &mut Stream, request: Request) -> io::Result<Answer> {
        self.write(stream, &wire::encode(&request.encode()))?;
        let frame = self.runtime.block_on(async { timeout(PATIENCE, wire::read_frame(stream)).await })??;
        let frame: Frame = frame.ok_or(io::ErrorKind::UnexpectedEof)?;
        Answer::decode(frame).map_err(io::Error::other)
    }

    /// How long after these bytes the other side cuts the stream off, without having said a word.
    pub fn cut_off_after(&mut self, bytes: &[u8]) -> Duration {
        let mut stream = self.stream().expect("a stream");
        // One question and its answer first: the stream is in use, and negotiated.
        self.ask(&mut stream, nothing()).expect("an answer");
        let start = Instant::now();
        // It may hang up before it has taken everything.
        let _written = self.write(&mut stream, bytes);
        let mut said = [0];
        let read = self.runtime.block_on(async { timeout(PATIENCE, stream.read(&mut said)).await });
        assert!(matches!(read, Ok(Ok(0) | Err(_))), "it was answered, or kept waiting: {read:?}");
        start.elapsed()
    }

    /// Opens this many connections more; gives how many were closed when no further one is.
    pub fn connections_closed_of(&mut self, count: usize) -> usize {
        let mut closed = self.swarm.closed.clone();
        self.runtime.block_on(async {
            for _ in 0..count {
                let dial = Command::Dial(self.target, self.address.clone());
                self.swarm.commands.send(dial).await.expect("the swarm runs");
            }
            // All that are to be closed are, or the test waits in vain.
            let kept = usize::try_from(storgo_protocol::limits::MESH_CONNECTIONS_PER_PEER_MAX).expect("a count") - 1;
            let enough = closed.wait_for(|closed| *closed >= count - kept);
            *timeout(PATIENCE, enough).await.expect("too many connections are closed").expect("the swarm runs")
        })
    }
}

/// A question that costs nothing.
pub fn nothing() -> Request {
    Request::Has { stripes: Vec::new(), nodes: Vec::new(), verify: false }
}
