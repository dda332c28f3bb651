//! What a start does with a log: reads all of it, and begins a new segment behind it.
//!
//! The last frame is written again at the head of the new segment. Whether it was ever synced, nobody knows: the
//! process may have ended between its write and its sync, or the sync may have failed, after which the system shows
//! bytes that its disk does not have. All frames before it were synced, or it would not be there.

use std::collections::BTreeMap;
use std::sync::Arc;

use storgo_object::ports::Random;
use storgo_protocol::limits::LOG_FRAME_BYTES_MAX;
use storgo_protocol::log::{LogManifest, LogRecord, LogSegmentHead};
use storgo_protocol::{DecodeError, LogIncarnation};

use super::config::LogConfig;
use super::directory::Directory;
use super::error::LogError;
use super::index::{Index, Location};
use super::replay::{self, Frames, Read, Tail};
use super::segment::{HeadFault, Place, Segment};
use super::window::Window;

/// A log that was read.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) manifest: LogManifest,
    pub(super) index: Index,
    pub(super) segments: BTreeMap<u64, Arc<Segment>>,
    /// Where the next frame goes in the newest segment.
    pub(super) end: u64,
    /// The segment, first byte and bytes of what was not finished.
    pub(super) cut: Option<(u64, u64, u64)>,
    pub(super) created: bool,
}

/// Why a log is not used as it is.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It cannot be used, and is left as it is.
    Failed(LogError),
    /// It is damaged where it may have been acknowledged.
    Damaged(String),
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        Self::Failed(error)
    }
}

/// What stands in the last frame of the newest segment.
struct LastFrame {
    first: u64,
    records: Vec<LogRecord>,
}

/// Reads the log, or makes one where there is none.
pub(super) fn recover(directory: &Directory, config: &LogConfig, random: &dyn Random) -> Result<Recovered, Refusal> {
    let found = directory.segments()?;
    let (manifest, created) = match directory.manifest()? {
        Some(Ok(manifest)) => (manifest, false),
        Some(Err(error)) => return Err(Refusal::Damaged(format!("the manifest: {error}"))),
        None if found.is_empty() => {
            let incarnation = LogIncarnation::new(u64::from_le_bytes(random.array()));
            let manifest = LogManifest { incarnation, oldest: 1, newest: 0 };
            directory.put_manifest(&manifest).map_err(directory.failed("writing the manifest"))?;
            (manifest, true)
        }
        None => return Err(Refusal::Damaged("there are segments and no manifest".into())),
    };
    for number in found {
        if number > manifest.newest.saturating_add(1) {
            return Err(Refusal::Damaged(format!("the manifest knows nothing of segment {number}")));
        }
        if number < manifest.oldest || number > manifest.newest {
            let path = Segment::path(&directory.path, number);
            directory.disk.remove(&path).map_err(directory.failed("removing a leftover segment"))?;
        }
    }
    let opened = open_segments(directory, config, &manifest)?;
    let mut index = Index::new(config.cache_bytes);
    let mut last = None;
    let mut cut = None;
    let mut end = 0;
    for (number, (segment, _)) in &opened {
        let next = opened.get(&(number + 1)).map(|(_, head)| head.previous_bytes);
        let (frames_end, frame, torn) = read_segment(segment, next, &mut index)?;
        cut = cut.or(torn.map(|bytes| (*number, frames_end, bytes)));
        (end, last) = (frames_end, frame);
    }
    if let Some((segment, _)) = opened.get(&manifest.newest) {
        segment.file.sync().map_err(directory.failed("syncing the newest segment"))?;
    }
    let segments = opened.into_iter().map(|(number, (segment, _))| (number, Arc::new(segment))).collect();
    let last = last.unwrap_or(LastFrame { first: end, records: Vec::new() });
    let recovered = Recovered { manifest, index, segments, end: last.first, cut, created };
    begin_segment(recovered, &last.records, directory, config, random)
}

/// Opens every segment that there must be.
fn open_segments(
    directory: &Directory,
    config: &LogConfig,
    manifest: &LogManifest,
) -> Result<BTreeMap<u64, (Segment, LogSegmentHead)>, Refusal> {
    let mut opened = BTreeMap::new();
    let mut sealed = None;
    for number in manifest.oldest..=manifest.newest {
        let path = Segment::path(&directory.path, number);
        match Segment::open(&*directory.disk, &directory.path, number, &config.key) {
            Ok((segment, head)) => {
                if head.incarnation != manifest.incarnation || head.number != number {
                    return Err(Refusal::Damaged(format!("segment {number} belongs elsewhere")));
                }
                opened.insert(number, (segment, head));
            }
            Err(HeadFault::Sealed) => sealed = Some(number),
            Err(HeadFault::Decode(source @ DecodeError::Version { .. })) => {
                return Err(LogError::Newer { path, source }.into());
            }
            Err(HeadFault::Decode(error)) => {
                return Err(Refusal::Damaged(format!("the head of segment {number}: {error}")));
            }
            Err(HeadFault::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Refusal::Damaged(format!("segment {number} is missing")));
            }
            Err(HeadFault::Io(error)) => return Err(directory.failed("opening a segment")(error).into()),
        }
    }
    match sealed {
        // A wrong key opens none: then nothing is known to be damaged.
        Some(_) if opened.is_empty() => Err(LogError::WrongKey { dir: directory.path.clone() }.into()),
        Some(number) => Err(Refusal::Damaged(format!("the key of segment {number} does not open"))),
        None => Ok(opened),
    }
}

/// Reads a segment into the index; in the newest (no `end`) all but the last frame, which is given instead. Gives where
/// its frames end, and how many bytes behind that are torn.
fn read_segment(
    segment: &Segment,
    end: Option<u64>,
    index: &mut Index,
) -> Result<(u64, Option<LastFrame>, Option<u64>), Refusal> {
    let fault = |fault| match fault {
        replay::Fault::Io(error) => Refusal::Failed(LogError::Open {
            what: "reading a segment",
            path: Segment::path("".as_ref(), segment.number),
            source: Arc::new(error),
        }),
        replay::Fault::Damaged(why) => Refusal::Damaged(why),
    };
    let window = Window::new(&*segment.file).map_err(|error| fault(error.into()))?;
    let mut frames = Frames::new(window, segment.number, end).map_err(fault)?;
    let mut held: Option<(u64, Vec<(LogRecord, Location)>)> = None;
    while let Some(read) = frames.next().map_err(fault)? {
        let first = read.first;
        let records = open_frame(segment, read).map_err(|error| fault(error.into()))?;
        if let Some((_, records)) = held.replace((first, records)) {
            take_effect(index, &records);
        }
    }
    let at = frames.at();
    if end.is_some() {
        if let Some((_, records)) = held {
            take_effect(index, &records);
        }
        index.wrote(segment.number, at);
        return Ok((at, None, None));
    }
    let torn = match frames.tail().map_err(fault)? {
        Tail::Clean => None,
        Tail::Torn(bytes) => Some(bytes),
    };
    let last = held.map(|(first, records)| {
        let records = records.into_iter().map(|(record, _)| record).collect();
        LastFrame { first, records }
    });
    index.wrote(segment.number, last.as_ref().map_or(at, |last| last.first));
    Ok((at, last, torn))
}

/// Opens the records of a frame.
pub(super) fn open_frame(segment: &Segment, read: Read<'_>) -> std::io::Result<Vec<(LogRecord, Location)>> {
    let Read { first, bytes, frame } = read;
    let mut records = Vec::with_capacity(frame.records.len());
    for range in frame.records {
        let place = u32::try_from(first + range.start as u64).map_err(std::io::Error::other)?;
        let sealed = bytes.get_mut(range).unwrap_or_default();
        let count = u32::try_from(sealed.len()).map_err(std::io::Error::other)?;
        let record = segment.open_record(place, sealed)?;
        records.push((record, Location { segment: segment.number, first: place, bytes: count }));
    }
    Ok(records)
}

fn take_effect(index: &mut Index, records: &[(LogRecord, Location)]) {
    for (record, at) in records {
        index.apply(record, Some(*at));
    }
}

/// Begins the segment that this process writes, with the records of the last frame.
fn begin_segment(
    mut recovered: Recovered,
    records: &[LogRecord],
    directory: &Directory,
    config: &LogConfig,
    random: &dyn Random,
) -> Result<Recovered, Refusal> {
    let LogManifest { incarnation, newest, .. } = recovered.manifest;
    let place = Place { incarnation, number: newest + 1, previous_bytes: recovered.end };
    let failed = |what| directory.failed(what);
    let segment = Segment::create(&*directory.disk, &directory.path, place, &config.key, random)
        .map_err(failed("making a segment"))?;
    let mut end = LogSegmentHead::BYTES as u64;
    if !records.is_empty() {
        let mut bytes = Vec::with_capacity(LOG_FRAME_BYTES_MAX.min(1 << 16));
        let places = segment.frame(end, records.iter(), &mut bytes).map_err(failed("making a frame"))?;
        segment.file.write_at(end, &bytes).map_err(failed("writing a frame"))?;
        end += bytes.len() as u64;
        for (record, at) in records.iter().zip(places) {
            recovered.index.apply(record, Some(at));
        }
    }
    if let Some(group) = recovered.index.group_with_hole() {
        return Err(Refusal::Damaged(format!("entries of group {group} are missing")));
    }
    recovered.index.wrote(segment.number, end);
    segment.file.sync().map_err(failed("syncing a segment"))?;
    directory.disk.sync_dir(&directory.path).map_err(failed("syncing the log's names"))?;
    recovered.manifest.newest = segment.number;
    directory.put_manifest(&recovered.manifest).map_err(failed("writing the manifest"))?;
    recovered.segments.insert(segment.number, Arc::new(segment));
    recovered.end = end;
    Ok(recovered)
}
