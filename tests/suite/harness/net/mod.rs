//! A network of network namespaces on this machine: each [`Space`] has interfaces of its own, plugged into a switch in
//! user space that can make the wire between any two of them slow, lossy, false or one-way.
//!
//! ```text
//!   Space ── TAP ──┐                       ┌── TAP ── Space
//!   Space ── TAP ──┴── Switch (Weather) ───┴── TAP ── Space that masquerades ── TAP ── another segment
//! ```
//!
//! Nothing of it has a name outside: a namespace lives as long as the process that holds it, which ends when its
//! standard input does, and a TAP device as long as its open file. So nothing is left behind, however a test ends. It
//! needs root, `/dev/net/tun`, iproute2, iptables and util-linux; where one is missing, tests say so and are skipped.

mod frame;
mod space;
mod switch;
mod tap;
mod weather;

use std::io;
use std::process::Command;
use std::sync::Arc;

pub use space::Space;
pub use switch::Port;
use switch::Switch;
pub use weather::{Corruption, Weather};

/// A switch, and what is plugged into it. Dropped, all of it is gone.
#[derive(Debug)]
pub struct Net {
    switch: Switch,
}

/// One wire that all its ports share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment(pub u32);

impl Net {
    /// A switch without ports, or `None` where the machine does not allow network namespaces; the reason goes to
    /// standard error. `seed` decides what is lost, delayed and corrupted.
    pub fn new(seed: u64) -> Option<Self> {
        match Self::try_new(seed) {
            Ok(net) => Some(net),
            Err(error) => {
                eprintln!("skipped: no network namespaces here: {error}");
                None
            }
        }
    }

    fn try_new(seed: u64) -> io::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Err(io::Error::other("they need root"));
        }
        for tool in ["ip", "iptables", "nsenter", "unshare"] {
            let found = Command::new(tool).arg("--version").output();
            found.map_err(|error| io::Error::other(format!("{tool}: {error}")))?;
        }
        // What the machine forbids shows at the first of each.
        tap::open(&Space::try_new()?, "192.0.2.1/24")?;
        Ok(Self { switch: Switch::start(seed) })
    }

    /// Plugs a namespace into a segment under an address such as `10.0.0.1/24`. Its interfaces are called `eth0`,
    /// `eth1` and so on, in this order.
    ///
    /// # Panics
    /// If the machine refuses, which it did not when the net was made.
    pub fn plug(&self, space: &Space, segment: Segment, address: &str) -> Port {
        let tap = tap::open(space, address).unwrap_or_else(|error| panic!("{address} cannot be plugged in: {error}"));
        self.switch.add(segment, Arc::new(tap))
    }

    /// What happens to frames from one port to another from now on.
    pub fn set(&self, from: Port, to: Port, weather: Weather) {
        self.switch.set_pair(from, to, weather);
    }

    /// What happens to all frames from now on, unless a pair has a weather of its own.
    pub fn set_all(&self, weather: Weather) {
        self.switch.set_all(weather);
    }

    /// Ends all particular weathers.
    pub fn heal(&self) {
        self.switch.heal();
    }

    /// Bits a second that a port sends and receives at most; 0 for no bound.
    pub fn limit(&self, port: Port, bits_per_second: u64) {
        self.switch.limit(port, bits_per_second);
    }

    /// Bytes of frames that a port has sent so far, and how many frames were corrupted on any wire.
    pub fn sent(&self, port: Port) -> u64 {
        self.switch.sent(port)
    }

    /// Frames that were lost on purpose, and that were corrupted, on any wire.
    pub fn harmed(&self) -> (u64, u64) {
        self.switch.harmed()
    }
}
