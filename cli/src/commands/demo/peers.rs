//! The demo's peers: processes of `storgo node run`, joined only through the first one's address.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use storgo_protocol::{PeerAddress, PeerId};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::stage::executable;
use crate::commands::node::Ready;
use crate::error::{CliError, Exit};

/// How long a peer may take to start, and all of them to meet.
const START_PATIENCE: Duration = Duration::from_secs(30);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Bytes of a dead peer's log that are shown.
const LOG_TAIL_BYTES: usize = 2000;

/// A running peer. Dropped, it ends by itself.
#[derive(Debug)]
pub(super) struct DemoPeer {
    /// What it is called on the screen.
    pub(super) name: String,
    pub(super) id: PeerId,
    pub(super) address: PeerAddress,
    pub(super) data: PathBuf,
    pub(super) process: u32,
    socket: PathBuf,
    child: Child,
    /// The peer ends when this does.
    line: ChildStdin,
}

/// The peers that live.
#[derive(Debug)]
pub(super) struct DemoPeers {
    pub(super) living: Vec<DemoPeer>,
}

impl DemoPeers {
    /// Starts `count` peers of a network of their own, and waits until each knows all others.
    pub(super) async fn start(directory: &Path, count: u16) -> Result<Self, CliError> {
        let network = format!("demo-{:016x}", rand::random::<u64>());
        let mut living = Vec::new();
        let first = Starting::spawn(directory, 1, &network, None)?.ready().await?;
        let bootstrap = first.address.to_string();
        living.push(first);
        let others = (2..=count).map(|number| Starting::spawn(directory, number, &network, Some(&bootstrap)));
        for starting in others.collect::<Result<Vec<_>, _>>()? {
            living.push(starting.ready().await?);
        }
        let peers = Self { living };
        match timeout(START_PATIENCE, peers.meet()).await {
            Ok(met) => met?,
            Err(_) => return Err(CliError::new(Exit::Unavailable, "the peers did not find each other in time")),
        }
        Ok(peers)
    }

    /// Kills a peer as a power cut would.
    pub(super) async fn kill(&mut self, id: PeerId) -> Result<(), CliError> {
        let Some(position) = self.living.iter().position(|peer| peer.id == id) else { return Ok(()) };
        let mut peer = self.living.remove(position);
        // Waited for as well: only then its CPU time is counted.
        peer.child.kill().await.map_err(|error| CliError::io(format!("killing {}", peer.name), error))
    }

    /// Where to join.
    pub(super) fn address(&self) -> Result<PeerAddress, CliError> {
        let peer = self.living.first().ok_or_else(|| CliError::new(Exit::Unavailable, "no peer lives"))?;
        Ok(peer.address.clone())
    }

    /// What the living peers are called.
    pub(super) fn names(&self) -> Vec<(PeerId, String)> {
        self.living.iter().map(|peer| (peer.id, peer.name.clone())).collect()
    }

    pub(super) fn processes(&self) -> Vec<u32> {
        self.living.iter().map(|peer| peer.process).collect()
    }

    /// Tells the peers that they may outlive this process.
    pub(super) async fn leave(&mut self) -> Result<(), CliError> {
        for peer in &mut self.living {
            let told = peer.line.write_all(b"keep\n").await;
            told.map_err(|error| CliError::io(format!("telling {}", peer.name), error))?;
        }
        Ok(())
    }

    async fn meet(&self) -> Result<(), CliError> {
        let others = self.living.len().saturating_sub(1);
        for peer in &self.living {
            let mut node = storgo_rpc::Client::connect(&peer.socket).await?;
            while (node.status().await?.peers_known as usize) < others {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    }
}

/// A peer that was spawned and has not said yet that it is ready.
struct Starting {
    name: String,
    data: PathBuf,
    log: PathBuf,
    child: Child,
}

impl Starting {
    fn spawn(directory: &Path, number: u16, network: &str, bootstrap: Option<&str>) -> Result<Self, CliError> {
        let name = format!("p{number}");
        let (data, log) = (directory.join(&name), directory.join(format!("{name}.log")));
        let failed = |error| CliError::io(format!("starting {name}"), error);
        let mut command = Command::new(executable()?);
        command.args(["node", "run", "--json", "--exit-with-stdin", "--no-mdns"]);
        command.args(["--listen", "/ip4/127.0.0.1/tcp/0", "--network", network]).arg("--data").arg(&data);
        if let Some(bootstrap) = bootstrap {
            command.args(["--bootstrap", bootstrap]);
        }
        // In a process group of its own: Ctrl-C ends it through the pipe, in order, and not at all with --keep.
        let child = command
            .env_remove("STORGO_HOME")
            .env_remove("STORGO_NODE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create_new(&log).map_err(failed)?)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        Ok(Self { name, data, log, child })
    }

    async fn ready(mut self) -> Result<DemoPeer, CliError> {
        let failed = |what: &str| CliError::new(Exit::Failed, format!("{} {what}", self.name));
        let (line, stdout) = (self.child.stdin.take(), self.child.stdout.take());
        let (Some(line), Some(stdout)) = (line, stdout) else { return Err(failed("has no pipes")) };
        let mut lines = BufReader::new(stdout).lines();
        let first = match timeout(START_PATIENCE, lines.next_line()).await {
            Ok(Ok(Some(first))) => first,
            Ok(Ok(None)) => return Err(failed("did not start").hint(tail(&self.log))),
            Ok(Err(error)) => return Err(CliError::io(format!("reading from {}", self.name), error)),
            Err(_) => return Err(failed("was not ready in time").hint(tail(&self.log))),
        };
        let ready: Ready = serde_json::from_str(&first).map_err(|error| CliError::new(Exit::Failed, error))?;
        let id = ready.peer.parse().map_err(|error| CliError::new(Exit::Failed, error))?;
        Ok(DemoPeer {
            name: self.name,
            id,
            address: ready.address()?,
            data: self.data,
            process: ready.process,
            socket: ready.socket,
            child: self.child,
            line,
        })
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_else(|error| format!("its log cannot be read: {error}"));
    let start = text.char_indices().rev().nth(LOG_TAIL_BYTES).map_or(0, |(at, _)| at);
    format!("it said: {}", text.get(start..).unwrap_or_default().trim())
}
