//! How much memory a process took at its peak, as the system counts it.

use std::fs;
use std::thread;
use std::time::Duration;

use super::process::{Output, Running};

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Waits for the end of a command, and gives its greatest resident size; 0 where the system does not tell.
///
/// The kernel keeps the greatest size itself, so that only what was taken in the last moment can be missed.
pub fn peak_bytes(running: Running) -> (Output, u64) {
    let status = format!("/proc/{}/status", running.id());
    let watch = thread::spawn(move || {
        let mut peak = 0;
        while let Some(found) = fs::read_to_string(&status).ok().and_then(|text| high_water(&text)) {
            peak = found;
            thread::park_timeout(LOOK_AGAIN);
        }
        peak
    });
    let output = running.finish();
    (output, watch.join().expect("it only reads"))
}

/// The greatest resident size so far of a process that runs; 0 where the system does not tell.
pub fn peak_bytes_of(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status"));
    status.ok().and_then(|text| high_water(&text)).unwrap_or_default()
}

fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
