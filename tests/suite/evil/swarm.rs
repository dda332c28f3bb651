//! The smallest libp2p peer that storgo's peers talk to, in one task.

use futures::StreamExt as _;
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, kad, noise, ping, tcp, yamux};
use libp2p_stream::Control;
use std::time::Duration;
use storgo_protocol::message::kad_protocol;
use storgo_protocol::{Identity, NetworkId};
use tokio::sync::{mpsc, oneshot};

/// How long a connection without streams is kept.
const IDLE: Duration = Duration::from_mins(10);

#[derive(NetworkBehaviour)]
struct Behaviour {
    streams: libp2p_stream::Behaviour,
    ping: ping::Behaviour,
    kad: kad::Behaviour<MemoryStore>,
}

/// What the swarm's task is told.
#[derive(Debug)]
pub enum Command {
    /// Announce in the DHT that this peer holds these keys.
    Provide(Vec<Vec<u8>>),
    /// Put records with values into the DHT, which nobody there keeps.
    PutRecords(Vec<Vec<u8>>),
    /// Take a peer into the routing table.
    Route(libp2p::PeerId, Multiaddr),
    /// Open one more connection with a peer.
    Dial(libp2p::PeerId, Multiaddr),
}

/// A running swarm.
pub struct Swarm {
    pub control: Control,
    pub address: Multiaddr,
    pub commands: mpsc::Sender<Command>,
    /// Told of each connection that ends.
    pub closed: tokio::sync::watch::Receiver<usize>,
}

/// Starts a swarm that listens on loopback and dials `via`.
pub async fn start(identity: &Identity, network: NetworkId, via: &[Multiaddr]) -> Swarm {
    let keypair = Keypair::ed25519_from_bytes(identity.seed()).expect("a key");
    let protocol = StreamProtocol::try_from_owned(kad_protocol(network)).expect("a protocol");
    let mut swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|key| {
            let me = key.public().to_peer_id();
            let mut kad = kad::Behaviour::with_config(me, MemoryStore::new(me), kad::Config::new(protocol));
            kad.set_mode(Some(kad::Mode::Server));
            Behaviour { streams: libp2p_stream::Behaviour::new(), ping: ping::Behaviour::default(), kad }
        })
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build();
    let control = swarm.behaviour().streams.new_control();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("a listener");
    for address in via {
        swarm.dial(address.clone()).expect("a dial");
    }
    let (commands, inbox) = mpsc::channel(64);
    let (tell_address, address) = oneshot::channel();
    let (tell_closed, closed) = tokio::sync::watch::channel(0);
    tokio::spawn(run(swarm, inbox, tell_address, tell_closed));
    Swarm { control, address: address.await.expect("it listens"), commands, closed }
}

async fn run(
    mut swarm: libp2p::Swarm<Behaviour>,
    mut inbox: mpsc::Receiver<Command>,
    address: oneshot::Sender<Multiaddr>,
    closed: tokio::sync::watch::Sender<usize>,
) {
    let mut address = Some(address);
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::NewListenAddr { address: listening, .. } => {
                    if let Some(tell) = address.take() {
                        tell.send(listening).expect("somebody waits");
                    }
                }
                SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => {
                    closed.send_modify(|count| *count += 1);
                }
                _ => {}
            },
            command = inbox.recv() => match command {
                None => return,
                Some(Command::Dial(peer, address)) => {
                    let opts = DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(vec![address]).build();
                    swarm.dial(opts).expect("a dial");
                }
                Some(command) => obey(&mut swarm.behaviour_mut().kad, command),
            },
        }
    }
}

fn obey(kad: &mut kad::Behaviour<MemoryStore>, command: Command) {
    match command {
        Command::Provide(keys) => {
            for key in keys {
                // Its own store is full some day, which is its own affair.
                let _announced = kad.start_providing(key.into());
            }
        }
        Command::PutRecords(keys) => {
            for key in keys {
                let record = kad::Record::new(key, vec![7; 1024]);
                let _put = kad.put_record(record, kad::Quorum::One);
            }
        }
        Command::Route(peer, address) => drop(kad.add_address(&peer, address)),
        Command::Dial(..) => {}
    }
}
