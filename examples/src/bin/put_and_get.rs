//! A node and a client in one process, on loopback: puts some bytes, gets a part of them back, and asks how they stand.
//!
//! ```text
//!   cargo run -p storgo-examples --bin put_and_get
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::ops::Range;

use anyhow::{Context as _, ensure};
use storgo_node::object::{MemorySink, Object, Progress, PutOptions};
use storgo_node::{Client, ClientOptions, Home, Node, NodeConfig};
use storgo_protocol::{AnyTicket, PeerAddress};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;

    // A storage peer. It runs until `stop` is dropped; a real one is `storgo node run`.
    let node = Node::start(&directory.path().join("node"), &config(), None).await?;
    let address = node.ready().addresses.first().context("the node listens nowhere")?.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let node = tokio::spawn(node.run(async move {
        // An error says that the other end was dropped, which is the sign to stop.
        let _dropped = stopped.await;
    }));

    // A user: an identity and a secret, in a directory of its own.
    let home = Home::open(&directory.path().join("home"))?;
    visit(&home, address).await?;

    drop(stop);
    node.await??;
    Ok(())
}

/// A network of its own, on this machine only.
fn config() -> NodeConfig {
    let mut config = NodeConfig { network: format!("example-{}", std::process::id()), ..NodeConfig::default() };
    config.mesh.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    config.mesh.mdns = false;
    config
}

/// Joins the network through one peer, puts, gets, looks, and leaves.
async fn visit(home: &Home, address: PeerAddress) -> anyhow::Result<()> {
    let client = Client::connect(home, ClientOptions { via: vec![address], ..ClientOptions::default() }).await?;
    let result = put_and_get(&client).await;
    client.close().await;
    result
}

async fn put_and_get(client: &Client) -> anyhow::Result<()> {
    let engine = client.engine();
    let original: Vec<u8> = (0_u32..1_000_000).flat_map(u32::to_le_bytes).collect();

    let put = engine.put(&mut original.as_slice(), &PutOptions::default(), &Progress::default()).await?;
    println!("put {} bytes as {} chunks; whoever has this ticket can read them:", put.bytes, put.chunks);
    println!("{}", put.ticket);

    // Only what holds the range is fetched and opened.
    let object = engine.open(&put.ticket).await?;
    let range = 1_999_990..2_000_010;
    let part = get(client, &object, range.clone()).await?;
    let wanted = original.get(1_999_990..2_000_010);
    ensure!(Some(part.as_slice()) == wanted, "the part differs from what was put");
    println!("got bytes {range:?} of {} back, as they were", object.size());

    let stat = engine.stat(&AnyTicket::Read(put.ticket)).await?;
    println!("{} on {} peer, {}: survives {}", stat.extents, stat.peers, stat.code, stat.width.survives);
    Ok(())
}

/// A range of an object, in memory.
async fn get(client: &Client, object: &Object, range: Range<u64>) -> anyhow::Result<Vec<u8>> {
    let mut memory = MemorySink::default();
    client.engine().get(object, range, &mut memory, &Progress::default()).await?;
    Ok(memory.0)
}
