//! A TAP device: the end of a wire in a namespace, and an open file here from which its frames come.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use tun_rs::{DeviceBuilder, Layer};

use super::space::Space;

static MADE: AtomicU32 = AtomicU32::new(0);

/// Makes a device, moves it into the namespace and gives it an address. It vanishes with the open file.
pub fn open(space: &Space, address: &str) -> io::Result<File> {
    // Until it is moved it stands beside those of other tests.
    let name = format!("st{}x{}", process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let device = DeviceBuilder::new().name(&name).layer(Layer::L2).build_sync()?;
    device.set_nonblocking(true)?;
    let moved = Command::new("ip").args(["link", "set", &name, "netns", &space.holder().to_string()]).output()?;
    if !moved.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&moved.stderr).into_owned()));
    }
    let links = space.try_run(&["ip", "-o", "link", "show"])?;
    let inside = format!("eth{}", links.lines().filter(|line| line.contains(" eth")).count());
    space.try_run(&["ip", "link", "set", &name, "name", &inside])?;
    space.try_run(&["ip", "addr", "add", address, "dev", &inside])?;
    space.try_run(&["ip", "link", "set", &inside, "up"])?;
    // From here on it is a file like any other: a read takes a frame, a write gives one.
    Ok(File::from(device.as_fd().try_clone_to_owned()?))
}
