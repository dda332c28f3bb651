use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);
const TALK: StreamProtocol = StreamProtocol::new("/talk/1");

/// Whoever is reached through a relay, or reaches others.
#[derive(NetworkBehaviour)]
struct Visitor {
    circuits: relay::client::Behaviour,
    streams: libp2p_stream::Behaviour,
}

/// Starts a relay with these bounds, and gives where it is.
async fn relay(bounds: RelayBounds) -> Multiaddr {
    let mut swarm = SwarmBuilder::with_existing_identity(Keypair::generate_ed25519())
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|keypair| server(keypair.public().to_peer_id(), &bounds))
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(2 * DEADLINE))
        .build();
    swarm.behaviour_mut().set_status(Some(relay::Status::Enable));
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    swarm.add_external_address(address.clone());
    let named = address.with(Protocol::P2p(*swarm.local_peer_id()));
    run(swarm);
    named
}

fn visitor(keypair: &Keypair) -> Swarm<Visitor> {
    SwarmBuilder::with_existing_identity(keypair.clone())
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_relay_client(noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_, circuits| Visitor { circuits, streams: libp2p_stream::Behaviour::new() })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(2 * DEADLINE))
        .build()
}

fn stranger() -> Swarm<Visitor> {
    visitor(&Keypair::generate_ed25519())
}

/// Lets a swarm go on until the test ends.
fn run<B: NetworkBehaviour + Send>(mut swarm: Swarm<B>)
where
    B::ToSwarm: Send,
{
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
}

/// Reserves a place at the relay, and keeps it until the test ends; false if it is refused.
async fn reserve(mut swarm: Swarm<Visitor>, relay: &Multiaddr) -> bool {
    swarm.listen_on(relay.clone().with(Protocol::P2pCircuit)).unwrap();
    let reserved = timeout(DEADLINE, async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { .. } => return true,
                SwarmEvent::ListenerClosed { .. } => return false,
                _ => {}
            }
        }
    });
    let reserved = reserved.await.unwrap();
    run(swarm);
    reserved
}

/// Somebody who has a place at the relay: where it is reached, and the way to its streams.
async fn host(relay: &Multiaddr) -> (Multiaddr, libp2p_stream::Control) {
    let swarm = stranger();
    let (me, control) = (*swarm.local_peer_id(), swarm.behaviour().streams.new_control());
    assert!(reserve(swarm, relay).await);
    (relay.clone().with(Protocol::P2pCircuit).with(Protocol::P2p(me)), control)
}

/// Opens a circuit; false if it is refused.
async fn reach(swarm: &mut Swarm<Visitor>, host: &Multiaddr) -> bool {
    swarm.dial(host.clone()).unwrap();
    let reached = timeout(DEADLINE, async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { endpoint, .. } if endpoint.is_relayed() => return true,
                SwarmEvent::OutgoingConnectionError { .. } => return false,
                _ => {}
            }
        }
    });
    reached.await.unwrap()
}

/// Waits until the circuit is closed.
async fn closed(swarm: &mut Swarm<Visitor>) {
    let closed = timeout(DEADLINE, async {
        loop {
            if let SwarmEvent::ConnectionClosed { endpoint, .. } = swarm.select_next_some().await
                && endpoint.is_relayed()
            {
                return;
            }
        }
    });
    closed.await.expect("the circuit is closed");
}

#[test]
fn a_relay_is_bounded_by_the_limits() {
    let expected = RelayBounds {
        reservations: RELAY_RESERVATIONS_MAX,
        reservations_per_peer: RELAY_RESERVATIONS_PER_PEER_MAX,
        circuits: RELAY_CIRCUITS_MAX,
        circuits_per_peer: RELAY_CIRCUITS_PER_PEER_MAX,
        circuit_time: Duration::from_secs(RELAY_CIRCUIT_SECONDS_MAX),
        circuit_bytes: RELAY_CIRCUIT_BYTES_MAX,
    };
    assert_eq!(RelayBounds::default(), expected);
}

#[tokio::test]
async fn one_place_more_than_a_relay_has_is_refused() {
    let relay = relay(RelayBounds { reservations: 2, ..RelayBounds::default() }).await;
    assert!(reserve(stranger(), &relay).await && reserve(stranger(), &relay).await);
    assert!(!reserve(stranger(), &relay).await);
}

#[tokio::test]
async fn one_place_more_than_a_peer_may_have_is_refused_and_others_get_theirs() {
    let relay = relay(RelayBounds { reservations_per_peer: 2, ..RelayBounds::default() }).await;
    let one = Keypair::generate_ed25519();
    assert!(reserve(visitor(&one), &relay).await && reserve(visitor(&one), &relay).await);
    assert!(!reserve(visitor(&one), &relay).await);
    assert!(reserve(stranger(), &relay).await);
}

#[tokio::test]
async fn one_circuit_more_than_a_relay_carries_is_refused() {
    let relay = relay(RelayBounds { circuits: 1, ..RelayBounds::default() }).await;
    let ((host, _), mut first) = (host(&relay).await, stranger());
    assert!(reach(&mut first, &host).await);
    assert!(!reach(&mut stranger(), &host).await);
}

#[tokio::test]
async fn one_circuit_more_than_a_peer_may_have_is_refused_and_others_get_theirs() {
    let relay = relay(RelayBounds { circuits_per_peer: 2, ..RelayBounds::default() }).await;
    let hosts = [host(&relay).await.0, host(&relay).await.0, host(&relay).await.0];
    let [mut greedy, mut other] = [stranger(), stranger()];
    assert!(reach(&mut greedy, &hosts[0]).await && reach(&mut greedy, &hosts[1]).await);
    assert!(!reach(&mut greedy, &hosts[2]).await);
    assert!(reach(&mut other, &hosts[2]).await);
}

#[tokio::test]
async fn a_circuit_ends_after_its_time() {
    let circuit_time = Duration::from_millis(500);
    let relay = relay(RelayBounds { circuit_time, ..RelayBounds::default() }).await;
    let ((host, _), mut visitor) = (host(&relay).await, stranger());
    let start = Instant::now();
    assert!(reach(&mut visitor, &host).await);
    closed(&mut visitor).await;
    assert!(start.elapsed() >= circuit_time, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_circuit_ends_after_its_bytes() {
    const BYTES: usize = 256 * 1024;
    let relay = relay(RelayBounds { circuit_bytes: BYTES as u64, ..RelayBounds::default() }).await;
    let ((host, mut at_host), mut visitor) = (host(&relay).await, stranger());
    let mut incoming = at_host.accept(TALK).unwrap();
    let (counted, count) = oneshot::channel();
    tokio::spawn(async move {
        let (_, mut stream) = incoming.next().await.unwrap();
        let (mut received, mut piece) = (0, [0; 4096]);
        while let Ok(read) = stream.read(&mut piece).await
            && read > 0
        {
            received += read;
        }
        counted.send(received).unwrap();
    });
    assert!(reach(&mut visitor, &host).await);
    let Some(Protocol::P2p(target)) = host.iter().last() else { panic!("{host} names no peer") };
    let mut control = visitor.behaviour().streams.new_control();
    let talking = tokio::spawn(async move {
        let mut stream = control.open_stream(target, TALK).await.unwrap();
        let written = stream.write_all(&vec![7; 16 * BYTES]).await;
        written.and(stream.flush().await)
    });
    closed(&mut visitor).await;
    run(visitor);
    assert!(timeout(DEADLINE, talking).await.unwrap().unwrap().is_err());
    let received = timeout(DEADLINE, count).await.unwrap().unwrap();
    assert!(received > 0 && received <= BYTES, "{received}");
}
