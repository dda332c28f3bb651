//! A network namespace, and commands inside it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::{Builder, Runtime};

use super::super::wait::until;

/// A namespace with its loopback up. Processes inside see its interfaces and no others; files are everybody's.
#[derive(Debug)]
pub struct Space {
    /// Reads its standard input until that ends, which it does with this process however that dies.
    holder: Child,
    path: PathBuf,
}

impl Space {
    /// # Panics
    /// If the machine refuses.
    pub fn new() -> Self {
        Self::try_new().expect("a network namespace")
    }

    pub fn try_new() -> io::Result<Self> {
        let mut command = Command::new("unshare");
        let mut holder = command.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let path = PathBuf::from(format!("/proc/{}/ns/net", holder.id()));
        let outside = fs::read_link("/proc/self/ns/net")?;
        let refused = until("a namespace is there or refused", || {
            let inside = fs::read_link(&path).ok().filter(|inside| *inside != outside);
            match (holder.try_wait(), inside) {
                (Ok(None), None) => None,
                (Ok(None), Some(_)) => Some(None),
                (ended, _) => Some(Some(format!("unshare ended: {ended:?}"))),
            }
        });
        if let Some(reason) = refused {
            return Err(io::Error::other(reason));
        }
        let space = Self { holder, path };
        space.try_run(&["ip", "link", "set", "lo", "up"])?;
        Ok(space)
    }

    /// The process that holds it, as `ip link set … netns` wants it.
    pub fn holder(&self) -> u32 {
        self.holder.id()
    }

    /// Where commands enter it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The words before a command that is to run inside the namespace at `path`.
    pub fn starter(path: &Path) -> Vec<String> {
        ["nsenter".to_owned(), format!("--net={}", path.display()), "--".to_owned()].into()
    }

    /// A runtime whose threads are inside: what its tasks ask is asked from here. What is run by `block_on` is not.
    ///
    /// # Panics
    /// If the machine refuses.
    pub fn runtime(&self) -> Runtime {
        let path = self.path.clone();
        let enter = move || {
            let space = File::open(&path).expect("the namespace is there");
            let moved = move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network));
            moved.expect("a thread may enter it");
        };
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(1).on_thread_start(enter).enable_all().build().expect("a runtime")
    }

    /// Runs a command inside; it must succeed.
    ///
    /// # Panics
    /// If it does not.
    pub fn run(&self, words: &[&str]) -> String {
        self.try_run(words).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn try_run(&self, words: &[&str]) -> io::Result<String> {
        let starter = Self::starter(&self.path);
        let output = Command::new(&starter[0]).args(&starter[1..]).args(words).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("{}: {}", words.join(" "), said.trim())))
    }

    /// Sends what has no other way through `gateway`.
    pub fn route_through(&self, gateway: &str) {
        self.run(&["ip", "route", "add", "default", "via", gateway]);
    }

    /// Makes it a router that hides everything behind `eth0` under the address of `eth1`, drops what nobody asked for,
    /// and draws a new port for each connection if `draw_ports`.
    pub fn masquerade(&self, draw_ports: bool) {
        self.run(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
        let mut hide = vec!["iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth1", "-j", "MASQUERADE"];
        if draw_ports {
            hide.push("--random-fully");
        }
        self.run(&hide);
        self.run(&["iptables", "-A", "INPUT", "-i", "eth1", "-j", "DROP"]);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // Whoever has ended already cannot be killed any more.
        let _ended = self.holder.kill();
        let _status = self.holder.wait();
    }
}
