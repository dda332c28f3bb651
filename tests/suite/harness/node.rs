//! One node as a process: started until it says that it is ready, killed, stopped, started again.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::home::storgo;
use super::net::Space;
use super::wait::{PATIENCE, until};

/// How a node differs from others.
#[derive(Debug, Clone, Default)]
pub struct NodeOptions {
    /// Another network than the lab's.
    pub network: Option<String>,
    pub zone: Option<&'static str>,
    /// Data directories for shards; empty for the one in the data directory.
    pub disks: Vec<PathBuf>,
    pub capacity: Option<&'static str>,
    /// What it logs, in the words of `STORGO_LOG`.
    pub log: Option<&'static str>,
    /// Its data directory, if another node had it before.
    pub data: Option<PathBuf>,
    /// Where in the network it is, if not on loopback.
    pub site: Option<Site>,
    /// Further flags of `node run`.
    pub flags: Vec<String>,
    /// By how many milliseconds its clock is wrong, in a file that is read whenever it is asked: only programs with debug
    /// assertions look.
    pub clock: Option<PathBuf>,
}

/// A place in a network of namespaces.
#[derive(Debug, Clone)]
pub struct Site {
    /// The namespace.
    pub space: PathBuf,
    /// Where it listens; nothing for where nodes listen unless they are told.
    pub listen: Vec<String>,
    pub mdns: bool,
}

/// A node. Dropped, it is killed.
#[derive(Debug)]
pub struct Node {
    pub name: String,
    pub data: PathBuf,
    pub disks: Vec<PathBuf>,
    pub log: PathBuf,
    /// What it said when it was ready, last.
    pub ready: Value,
    outside: PathBuf,
    args: Vec<String>,
    filter: Option<&'static str>,
    clock: Option<PathBuf>,
    /// What the program is started by, such as a tracer that becomes it; empty for nothing.
    pub started_by: Vec<String>,
    running: Option<(Child, ChildStdin)>,
}

impl Node {
    /// A node that was not started yet.
    pub fn new(name: &str, outside: &Path, network: &str, options: NodeOptions) -> Self {
        let data = options.data.unwrap_or_else(|| outside.join(name));
        let mut args: Vec<String> = ["node", "run", "--json", "--exit-with-stdin"].map(str::to_owned).to_vec();
        let loopback = || Site { space: PathBuf::new(), listen: vec!["/ip4/127.0.0.1/tcp/0".into()], mdns: false };
        let site = options.site.clone().unwrap_or_else(loopback);
        if !site.mdns {
            args.push("--no-mdns".into());
        }
        args.extend(options.flags);
        let mut flag = |name: &str, value: &str| args.extend([name.to_owned(), value.to_owned()]);
        for address in &site.listen {
            flag("--listen", address);
        }
        flag("--data", &data.display().to_string());
        flag("--network", options.network.as_deref().unwrap_or(network));
        for disk in &options.disks {
            flag("--disk", &disk.display().to_string());
        }
        for (name, value) in [("--zone", options.zone), ("--capacity", options.capacity)] {
            if let Some(value) = value {
                flag(name, value);
            }
        }
        let disks = if options.disks.is_empty() { vec![data.join("disk")] } else { options.disks };
        Self {
            name: name.to_owned(),
            log: outside.join(format!("{name}.log")),
            data,
            disks,
            ready: Value::Null,
            outside: outside.to_owned(),
            args,
            filter: options.log,
            clock: options.clock,
            started_by: options.site.map(|site| Space::starter(&site.space)).unwrap_or_default(),
            running: None,
        }
    }

    /// Listens from now on where it listens now, so that whoever knew it finds it again.
    pub fn keep_address(&mut self) {
        let address = self.address().split("/p2p/").next().unwrap_or_default().to_owned();
        let listen = self.args.iter().position(|arg| arg == "--listen").expect("it listens");
        self.args[listen + 1] = address;
        self.args.extend(["--data-port".to_owned(), "0".to_owned()]);
    }

    /// Starts the process and waits until it is ready.
    pub fn start(&mut self, bootstrap: Option<&str>) {
        let log = File::options().create(true).append(true).open(&self.log).expect("a log");
        let mut command = storgo(&self.started_by, &self.outside);
        command.args(&self.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        if let Some(address) = bootstrap {
            command.args(["--bootstrap", address]);
        }
        if let Some(filter) = self.filter {
            command.env("STORGO_LOG", filter);
        }
        if let Some(clock) = &self.clock {
            command.env("STORGO_TEST_CLOCK", clock);
        }
        let mut child = command.spawn().expect("the program starts");
        // The node ends with this pipe, should this process be killed.
        let stdin = child.stdin.take().expect("a pipe");
        let first = first_line(child.stdout.take().expect("a pipe"));
        self.running = Some((child, stdin));
        let line =
            first.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{} is not ready:\n{}", self.name, self.tail()));
        self.ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{}: {error}: {line}", self.name));
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Its peer id.
    pub fn peer(&self) -> &str {
        self.ready["peer"].as_str().expect("the ready line has its id")
    }

    /// Where others join through it.
    pub fn address(&self) -> &str {
        self.ready["addresses"][0].as_str().expect("the ready line has its addresses")
    }

    pub fn socket(&self) -> PathBuf {
        PathBuf::from(self.ready["socket"].as_str().expect("the ready line has its socket"))
    }

    pub fn signal(&self, signal: Signal) {
        let (child, _) = self.running.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).expect("the process is there");
    }

    /// Kills it as a power cut would, and waits for its end.
    pub fn kill(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it can be waited for");
        }
    }

    /// Tells it to stop, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let (mut child, _stdin) = self.running.take().expect("it runs");
        until("a node stops when told to", || child.try_wait().expect("it can be waited for"))
    }

    /// The last lines of its log.
    pub fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines.len().saturating_sub(40);
        // What a thread said as it panicked is soon followed by much that comes of it.
        let panics = lines.iter().take(tail).enumerate().filter(|(_, line)| line.contains("panicked at"));
        let panics = panics.flat_map(|(at, _)| &lines[at..(at + 3).min(tail)]);
        panics.chain(&lines[tail..]).copied().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            // Whoever has ended already cannot be killed any more.
            let _ended = child.kill();
            let _status = child.wait();
        }
    }
}

/// The first line of a process's output, and a thread that reads on, so that the process never blocks.
fn first_line(stdout: ChildStdout) -> Receiver<String> {
    let (tell, told) = sync_channel(1);
    thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        if let Some(line) = lines.next() {
            // Nobody waits any more after the deadline.
            let _told = tell.send(line);
        }
        lines.for_each(drop);
    });
    told
}
