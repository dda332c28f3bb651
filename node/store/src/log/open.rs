//! Opening a log, and what is said of it then.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use storgo_object::ports::Random;
use storgo_protocol::LogIncarnation;
use storgo_protocol::limits::LOG_SEGMENT_BYTES_MAX;

use super::config::{LogConfig, SyncPolicy};
use super::directory::Directory;
use super::error::LogError;
use super::queue::{Shared, State};
use super::recover::{Recovered, Refusal, recover};
use super::writer::Writer;
use crate::disk::Disk;

/// What a start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOpening {
    /// Which log this is now. Another one than before means that this node's past votes and entries are gone: it has to
    /// join its groups as a new learner.
    pub incarnation: LogIncarnation,
    /// Whether the log was made just now.
    pub created: bool,
    /// What was being written when the last process ended, and was never acknowledged.
    pub cut: Option<LogCut>,
    /// The log that stood here before and is damaged.
    pub set_aside: Option<LogSetAside>,
}

/// The end of a log that was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogCut {
    /// The segment.
    pub segment: u64,
    /// The first byte that was cut.
    pub first: u64,
    /// Bytes that were cut.
    pub bytes: u64,
}

/// A damaged log that was set aside whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSetAside {
    /// Where it is now.
    pub to: PathBuf,
    /// What is damaged.
    pub why: String,
}

/// Opens a log for its writer, and makes it if it is not there.
pub(super) fn open(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    mut config: LogConfig,
    random: Arc<dyn Random>,
) -> Result<(Writer, LogOpening), LogError> {
    config.segment_bytes = config.segment_bytes.min(LOG_SEGMENT_BYTES_MAX);
    if config.sync != SyncPolicy::EveryBatch {
        tracing::warn!(policy = ?config.sync, "the log acknowledges what a loss of power undoes");
    }
    let mut directory = Directory::open(disk, dir)?;
    let mut set_aside = None;
    let recovered = match recover(&directory, &config, &*random) {
        Err(Refusal::Damaged(why)) => {
            let to = directory.set_aside()?;
            tracing::error!(%why, to = %to.display(), "the log is damaged and was set aside");
            set_aside = Some(LogSetAside { to, why });
            directory = Directory::open(disk, dir)?;
            recover(&directory, &config, &*random)
        }
        recovered => recovered,
    };
    let recovered = recovered.map_err(|refusal| match refusal {
        Refusal::Failed(error) => error,
        Refusal::Damaged(why) => directory.failed("reading a new log")(std::io::Error::other(why)),
    })?;
    let Recovered { manifest, index, segments, end, cut, created } = recovered;
    let cut = cut.map(|(segment, first, bytes)| LogCut { segment, first, bytes });
    if let Some(cut) = cut {
        tracing::warn!(?cut, "the end of the log was not finished and was cut");
    }
    let state = State { index, segments, queue: Vec::new(), wanted: false, closed: false, failed: None, syncs: 0 };
    let opening = LogOpening { incarnation: manifest.incarnation, created, cut, set_aside };
    let writer =
        Writer::new(Arc::new(Shared::new(state)), directory, manifest, end, config, random).ok_or(LogError::Closed)?;
    Ok((writer, opening))
}
