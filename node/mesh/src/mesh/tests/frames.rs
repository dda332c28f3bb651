//! Frames between meshes of one process.

use storgo_protocol::limits::{FRAME_HEAD_BYTES_MAX, RAFT_FRAME_BYTES_MAX};
use storgo_protocol::message::{Frame, RAFT_PROTOCOL};
use tokio::sync::mpsc;

use super::*;
use crate::frame_io::write_frame;
use crate::{FrameInbox, pool};

/// Hands frames on, and says whose stream has ended.
#[derive(Debug)]
struct Inbox {
    frames: mpsc::Sender<(PeerId, Bytes)>,
    ended: mpsc::Sender<PeerId>,
}

impl FrameInbox for Inbox {
    fn receive(&self, from: PeerId, frame: Bytes) {
        self.frames.try_send((from, frame)).unwrap();
    }

    fn lost(&self, from: PeerId) {
        // Most tests do not listen.
        self.ended.try_send(from).ok();
    }
}

fn inbox(mesh: &Mesh) -> mpsc::Receiver<(PeerId, Bytes)> {
    inbox_and_ends(mesh).0
}

fn inbox_and_ends(mesh: &Mesh) -> (mpsc::Receiver<(PeerId, Bytes)>, mpsc::Receiver<PeerId>) {
    let ((sender, frames), (ended, ends)) = (mpsc::channel(2000), mpsc::channel(1));
    mesh.take_frames(Arc::new(Inbox { frames: sender, ended })).unwrap();
    (frames, ends)
}

async fn next(frames: &mut mpsc::Receiver<(PeerId, Bytes)>) -> (PeerId, Bytes) {
    timeout(DEADLINE, frames.recv()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_go_both_ways_whole_and_in_order() {
    let network = network();
    let node = node(network, &[]).await;
    // Nobody can dial the client: what is meant for it goes over the connection that it made.
    let client = client(Some(network), &node.listen_addresses()).await;
    let (mut at_node, mut at_client) = (inbox(&node), inbox(&client));
    assert_eq!(client.answering(1).await.len(), 1);
    for bytes in [0, 1, FRAME_HEAD_BYTES_MAX, FRAME_HEAD_BYTES_MAX + 1, MIB, RAFT_FRAME_BYTES_MAX] {
        let frame = Bytes::from(vec![u8::try_from(bytes % 251).unwrap(); bytes]);
        client.send_frame(node.me(), frame.clone()).await.unwrap();
        assert_eq!(next(&mut at_node).await, (client.me(), frame.clone()), "{bytes} bytes");
        node.send_frame(client.me(), frame.clone()).await.unwrap();
        assert_eq!(next(&mut at_client).await, (node.me(), frame), "{bytes} bytes");
    }
    for number in 0..1000u32 {
        client.send_frame(node.me(), number.to_le_bytes().to_vec().into()).await.unwrap();
    }
    for number in 0..1000u32 {
        assert_eq!(next(&mut at_node).await.1, number.to_le_bytes().as_slice());
    }
    let long = Bytes::from(vec![0; RAFT_FRAME_BYTES_MAX + 1]);
    assert!(matches!(client.send_frame(node.me(), long).await, Err(PeerError::Nonsense { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_closed_meanwhile_costs_no_frame() {
    let network = network();
    let node = node(network, &[]).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    let mut frames = inbox(&node);
    assert_eq!(client.answering(1).await.len(), 1);
    client.send_frame(node.me(), Bytes::from_static(b"one")).await.unwrap();
    assert_eq!(next(&mut frames).await.1, b"one".as_slice());
    let far = std::time::Instant::now() + Duration::from_secs(1000);
    client.core.sweep_pools(far);
    client.send_frame(node.me(), Bytes::from_static(b"two")).await.unwrap();
    assert_eq!(next(&mut frames).await.1, b"two".as_slice());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_the_frames_of_a_peer_hears_that_it_is_gone() {
    let network = network();
    let node = node(network, &[]).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    let (mut frames, mut ends) = inbox_and_ends(&node);
    assert_eq!(client.answering(1).await.len(), 1);
    client.send_frame(node.me(), Bytes::from_static(b"one")).await.unwrap();
    assert_eq!(next(&mut frames).await.1, b"one".as_slice());
    assert!(ends.try_recv().is_err(), "it is there still");
    let me = client.me();
    client.shutdown().await;
    assert_eq!(timeout(DEADLINE, ends.recv()).await.unwrap(), Some(me));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_longer_than_any_ends_its_stream_before_it_is_read() {
    let network = network();
    let node = node(network, &[]).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    let mut frames = inbox(&node);
    assert_eq!(client.answering(1).await.len(), 1);
    let mut stream = pool::open(&mut client.core.control.clone(), node.me(), RAFT_PROTOCOL).await.unwrap();
    let frame = Frame::new(Bytes::new(), vec![0; RAFT_FRAME_BYTES_MAX + 1].into());
    assert!(write_frame(&mut stream, &frame, DEADLINE).await.is_err(), "the other side reads no more");
    client.send_frame(node.me(), Bytes::from_static(b"next")).await.unwrap();
    assert_eq!(next(&mut frames).await.1, b"next".as_slice());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_no_frames_says_so() {
    let network = network();
    let node = node(network, &[]).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    let sent = client.send_frame(node.me(), Bytes::from_static(b"one")).await;
    assert!(matches!(sent, Err(PeerError::Broken { .. } | PeerError::Unreachable { .. })), "{sent:?}");
}
