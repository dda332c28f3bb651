//! What a put has done so far, for its report.

use storgo_protocol::limits::PLACES_REPORTED_MAX;
use storgo_protocol::{CareTicket, Code, PeerId, Ticket};

use super::place::Placed;
use crate::report::{PutReport, StripePlaces};
use crate::width::WidthMeter;

/// Counts of a put under way, and the places of its first stripes; bounded, whatever the length of the object.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) bytes: u64,
    pub(super) chunks: u64,
    pub(super) duplicates: u64,
    pub(super) shards_present: u64,
    pub(super) shards_pushed: u64,
    pub(super) bytes_pushed: u64,
    /// Payload bytes of all shards, pushed or not.
    pub(super) shard_bytes: u64,
    /// Payload bytes of the root and the layout nodes, of each once.
    pub(super) node_bytes: u64,
    pub(super) places: Vec<StripePlaces>,
    pub(super) width: WidthMeter,
}

impl Tally {
    pub(super) fn new(width: WidthMeter) -> Self {
        Self {
            bytes: 0,
            chunks: 0,
            duplicates: 0,
            shards_present: 0,
            shards_pushed: 0,
            bytes_pushed: 0,
            shard_bytes: 0,
            node_bytes: 0,
            places: Vec::new(),
            width,
        }
    }

    /// Counts a chunk of the object.
    pub(super) fn add_chunk(&mut self, placed: Placed) {
        let bytes = u64::from(placed.reference.plain_bytes);
        self.bytes += bytes;
        self.chunks += 1;
        self.duplicates += u64::from(placed.duplicate);
        self.add_stripe(placed, false);
    }

    /// Counts an index node.
    pub(super) fn add_index_node(&mut self, placed: Placed) {
        self.add_stripe(placed, true);
    }

    /// The report of a put that is done.
    pub(super) fn report(
        self,
        ticket: Ticket,
        care: Option<CareTicket>,
        code: Code,
        lost_peers: Vec<PeerId>,
    ) -> PutReport {
        PutReport {
            ticket,
            care,
            bytes: self.bytes,
            chunks: self.chunks,
            duplicates: self.duplicates,
            shards_present: self.shards_present,
            shards_pushed: self.shards_pushed,
            bytes_pushed: self.bytes_pushed,
            code,
            width: self.width.width(),
            places: self.places,
            lost_peers,
        }
    }

    fn add_stripe(&mut self, placed: Placed, is_index_node: bool) {
        let spread = placed.spread;
        self.shards_present += spread.present;
        self.shards_pushed += spread.pushed;
        self.bytes_pushed += spread.pushed * placed.shard_bytes;
        let shards: usize = spread.held.iter().map(|(_, set)| set.len()).sum();
        self.shard_bytes += shards as u64 * placed.shard_bytes;
        self.width.add_stripe(&spread.held);
        if self.places.len() < PLACES_REPORTED_MAX {
            self.places.push(StripePlaces { is_index_node, held: spread.held });
        }
    }
}
