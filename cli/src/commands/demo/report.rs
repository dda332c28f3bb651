//! What each step of the demo took, for people and in `--json`.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::cpu;
use super::peers::DemoPeers;
use crate::amounts;
use crate::error::CliError;
use crate::output::Output;

/// The whole demo in `--json`.
#[derive(Debug, Serialize)]
pub(super) struct DemoReport {
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) peers: u16,
    pub(super) killed: u16,
    pub(super) redundancy: String,
    pub(super) ticket: String,
    pub(super) steps: Vec<StepReport>,
    pub(super) kept: Option<Value>,
}

/// One step.
#[derive(Debug, Serialize)]
pub(super) struct StepReport {
    step: &'static str,
    seconds: f64,
    cpu_seconds: f64,
    bytes: u64,
    details: Value,
}

/// A step that is under way.
#[derive(Debug)]
pub(super) struct Step {
    name: &'static str,
    start: Instant,
    cpu: Duration,
}

impl Step {
    pub(super) fn start(name: &'static str, peers: &DemoPeers) -> Result<Self, CliError> {
        Ok(Self { name, start: Instant::now(), cpu: cpu::spent(&peers.processes())? })
    }

    /// Ends the step, which moved `bytes` of the file, and prints what it took.
    pub(super) fn end(
        self,
        output: Output,
        peers: &DemoPeers,
        bytes: u64,
        details: Value,
    ) -> Result<StepReport, CliError> {
        let took = self.start.elapsed();
        let cpu = cpu::spent(&peers.processes())?.saturating_sub(self.cpu);
        let speed = if bytes == 0 { String::new() } else { format!("{}, ", amounts::rate(bytes, took)) };
        output.say(&format!("   {}: {speed}{:.2} CPU seconds", amounts::time(took), cpu.as_secs_f64()))?;
        Ok(StepReport { step: self.name, seconds: took.as_secs_f64(), cpu_seconds: cpu.as_secs_f64(), bytes, details })
    }
}
