//! Many small files through one client that stays: the same number of puts, then gets, always so many at once.
//!
//! `tests/bench/network.sh` drives it: it says `{"ready":true}`, waits for a line, puts, says how long that took, waits
//! for a line, gets, says how long that took. Between the lines others can count what the nodes spent.
//!
//! ```text
//!   yes '' | cargo run --release -p storgo-examples --bin small_files -- --via /ip4/127.0.0.1/tcp/4101 --home /tmp/home
//! ```

#![allow(clippy::print_stdout, reason = "its lines are its result")]

use std::io::BufRead as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use rand::RngExt as _;
use storgo_node::object::{MemorySink, Progress, PutOptions};
use storgo_node::{Client, ClientOptions, Home};
use storgo_protocol::{PeerAddress, Ticket};

/// Puts and gets small files
#[derive(Debug, Parser)]
struct Args {
    /// A peer to join through
    #[arg(long)]
    via: PeerAddress,

    /// The user's home, made if it is not there
    #[arg(long)]
    home: PathBuf,

    /// How many files
    #[arg(long, default_value_t = 1000)]
    count: usize,

    /// Bytes of each
    #[arg(long, default_value_t = 4096)]
    bytes: usize,

    /// How many are under way at any time
    #[arg(long, default_value_t = 16)]
    at_once: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let home = Home::open(&args.home)?;
    let client =
        Client::connect(&home, ClientOptions { via: vec![args.via.clone()], ..ClientOptions::default() }).await?;
    client.joined().await;
    let result = there_and_back(&client, &args).await;
    client.close().await;
    result
}

async fn there_and_back(client: &Client, args: &Args) -> anyhow::Result<()> {
    let files: Vec<Vec<u8>> = (0..args.count).map(|_| random_bytes(args.bytes)).collect();
    println!(r#"{{"ready":true}}"#);

    wait_for_a_line().await?;
    let start = Instant::now();
    let put = files.iter().map(|file| put(client, file));
    let tickets: Vec<Ticket> = stream::iter(put).buffered(args.at_once).try_collect().await?;
    println!(r#"{{"seconds":{}}}"#, start.elapsed().as_secs_f64());

    wait_for_a_line().await?;
    let start = Instant::now();
    let get = tickets.iter().map(|ticket| get(client, ticket));
    let back: Vec<Vec<u8>> = stream::iter(get).buffered(args.at_once).try_collect().await?;
    println!(r#"{{"seconds":{}}}"#, start.elapsed().as_secs_f64());
    ensure!(back == files, "what came back differs from what was put");
    Ok(())
}

async fn put(client: &Client, file: &[u8]) -> anyhow::Result<Ticket> {
    let mut source = file;
    Ok(client.engine().put(&mut source, &PutOptions::default(), &Progress::default()).await?.ticket)
}

async fn get(client: &Client, ticket: &Ticket) -> anyhow::Result<Vec<u8>> {
    let object = client.engine().open(ticket).await?;
    let mut memory = MemorySink::default();
    client.engine().get(&object, 0..object.size(), &mut memory, &Progress::default()).await?;
    Ok(memory.0)
}

async fn wait_for_a_line() -> anyhow::Result<()> {
    let line = tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().next()).await?;
    line.context("standard input ended")??;
    Ok(())
}

fn random_bytes(count: usize) -> Vec<u8> {
    let mut random = rand::rng();
    (0..count).map(|_| random.random()).collect()
}
