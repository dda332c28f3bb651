//! A lab: nodes of one network as processes, in one temporary directory, all gone when the test is over.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::bytes::Bytes;
use super::home::Home;
use super::node::{Node, NodeOptions};
use super::process::Output;
use super::wait::until;

/// One lab at a time: its processes need the cores.
static TURN: Mutex<()> = Mutex::new(());

/// A network of nodes. Fields are dropped in this order: processes, files, turn.
#[derive(Debug)]
pub struct Lab {
    pub nodes: Vec<Node>,
    pub bytes: Bytes,
    network: String,
    directory: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// What a put printed.
#[derive(Debug)]
pub struct Put {
    pub ticket: String,
    pub report: Value,
}

impl Lab {
    /// A lab without nodes.
    pub fn empty() -> Self {
        // A test that failed leaves nothing behind that the next one could trip over.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("tmp")).expect("a directory");
        let network = format!("suite-{:016x}", rand::random::<u64>());
        Self { nodes: Vec::new(), bytes: Bytes::new(), network, directory, _turn: turn }
    }

    /// A lab of `count` nodes that all know one another.
    pub fn new(count: usize) -> Self {
        let mut lab = Self::empty();
        for _ in 0..count {
            lab.add(NodeOptions::default());
        }
        lab.meet();
        lab
    }

    /// Starts one more node, which joins through the first that runs.
    pub fn add(&mut self, options: NodeOptions) -> usize {
        self.add_alone(options);
        let last = self.nodes.len() - 1;
        let bootstrap = self.any_address();
        self.nodes[last].start(bootstrap.as_deref());
        last
    }

    /// Adds a node that is not started yet.
    pub fn add_alone(&mut self, options: NodeOptions) -> usize {
        let name = format!("n{}", self.nodes.len());
        self.nodes.push(Node::new(&name, self.directory.path(), &self.network, options));
        self.nodes.len() - 1
    }

    /// Kills the node with this peer id.
    pub fn kill(&mut self, peer: &str) {
        let node = self.nodes.iter_mut().find(|node| node.peer() == peer);
        node.unwrap_or_else(|| panic!("no node is {peer}")).kill();
    }

    /// Starts a killed node again; it listens elsewhere now.
    pub fn restart(&mut self, number: usize) {
        let bootstrap = self.any_address();
        self.nodes[number].start(bootstrap.as_deref());
    }

    /// Waits until each running node answers to each other.
    pub fn meet(&self) {
        let all: BTreeSet<_> = self.running().map(Node::peer).collect();
        for node in self.running() {
            until(&format!("{} knows all others", node.name), || {
                let rows = self.ask(node, &["peer", "ls"]).json();
                let answering = rows.as_array()?.iter().filter(|row| row["state"] == "answering");
                let known: BTreeSet<_> = answering.filter_map(|row| row["peer"].as_str()).collect();
                (all.iter().filter(|peer| **peer != node.peer()).all(|peer| known.contains(peer))).then_some(())
            });
        }
    }

    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    /// Where to join now.
    pub fn via(&self) -> String {
        self.any_address().expect("a node runs")
    }

    fn any_address(&self) -> Option<String> {
        self.running().next().map(|node| node.address().to_owned())
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The network's name.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Waits until each running node has admitted this peer, which is none of the lab's.
    pub fn meet_also(&self, peer: &str) {
        for node in self.running() {
            until(&format!("{} knows {peer}", node.name), || {
                let rows = self.ask(node, &["peer", "ls"]).json();
                let rows = rows.as_array()?;
                rows.iter().any(|row| row["peer"] == peer && row["state"] == "answering").then_some(())
            });
        }
    }

    /// A user.
    pub fn home(&self, name: &str) -> Home {
        Home::new(self.directory.path().join("homes").join(name), self.directory.path())
    }

    /// A file outside all nodes.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).expect("a file can be written");
        path
    }

    /// Asks a node about itself, in JSON.
    pub fn ask(&self, node: &Node, args: &[&str]) -> Output {
        let data = node.data.display().to_string();
        self.home("operator").run(&[args, &["--json", "--node", &data]].concat())
    }

    /// Puts a file; it must succeed.
    pub fn put(&self, home: &Home, file: &Path, flags: &[&str]) -> Put {
        let (file, via) = (file.display().to_string(), self.via());
        Put::of(&home.run(&[&["put", &file, "--json", "--via", &via], flags].concat()).ok())
    }

    /// Gets an object to standard output, through a running node, and says so in JSON on standard error.
    pub fn get(&self, home: &Home, ticket: &str, flags: &[&str]) -> Output {
        home.run(&[&["get", ticket, "--json", "-o", "-", "--via", &self.via()], flags].concat())
    }

    /// What is known of an object.
    pub fn stat(&self, home: &Home, ticket: &str) -> Value {
        home.run(&["stat", ticket, "--json", "--via", &self.via()]).ok().json()
    }

    /// Repairs an object; it must succeed.
    pub fn repair(&self, home: &Home, ticket: &str) -> Value {
        home.run(&["repair", ticket, "--json", "--via", &self.via()]).ok().json()
    }
}

impl Put {
    pub fn of(output: &Output) -> Self {
        let report = output.json();
        Self { ticket: report["ticket"].as_str().expect("a put prints its ticket").to_owned(), report }
    }

    /// The content id.
    pub fn content(&self) -> &str {
        self.report["content"].as_str().expect("a put prints the content id")
    }

    /// The peers that hold data shards of the first chunk under a code of `data` data shards.
    pub fn data_holders(&self, data: u64) -> Vec<String> {
        let held = self.report["places"][0]["held"].as_array().expect("a put prints who holds what");
        let is_data = |row: &&Value| {
            row["shards"].as_array().is_some_and(|shards| shards.iter().any(|shard| shard.as_u64() < Some(data)))
        };
        held.iter().filter(is_data).filter_map(|row| Some(row["peer"].as_str()?.to_owned())).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        for node in &self.nodes {
            let state = if node.is_running() { "running" } else { "not running" };
            eprintln!("--- {} ({state}), the end of its log:\n{}", node.name, node.tail());
            // With STORGO_LOG=debug beside it this tells more than anybody wants to read on a terminal.
            if let Some(kept) = std::env::var_os("STORGO_KEEP_LOGS") {
                let kept = PathBuf::from(kept).join(self.directory.path().file_name().unwrap_or_default());
                let copied = fs::create_dir_all(&kept)
                    .and_then(|()| fs::copy(&node.log, kept.join(format!("{}.log", node.name))));
                if let Err(error) = copied {
                    eprintln!("{} is not kept: {error}", kept.display());
                }
            }
        }
    }
}
