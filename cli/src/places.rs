//! Who holds what, drawn as a table of chunks and peers, and how widely an object stands.
//!
//! It draws and knows no network.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;
use serde::Serialize;
use storgo_node::object::{DomainKind, StripePlaces, Width};
use storgo_protocol::{Code, PeerId, ShardSet};

/// Chunks that are drawn; of more, the first of them.
const ROWS_MAX: usize = 16;

/// Peers that get a column.
const COLUMNS_MAX: usize = 12;

/// How an object's shards lie, and how to name the peers that hold them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Map<'a> {
    pub(crate) code: Code,
    pub(crate) places: &'a [StripePlaces],
    /// Peers that get a column before all others, with what they are called; others are called by their ids.
    pub(crate) names: &'a [(PeerId, String)],
}

impl Map<'_> {
    /// Draws a row a chunk and a column a peer: data shards plain, parity shards dim, `·` where a peer holds none.
    pub(crate) fn draw(&self) -> String {
        let columns = self.columns();
        let shown = columns.get(..COLUMNS_MAX).unwrap_or(&columns);
        let widths: Vec<_> = shown.iter().map(|(peer, name)| self.width(*peer, name)).collect();
        let mut text = String::from("        ");
        for ((_, name), width) in shown.iter().zip(&widths) {
            let _ok = write!(text, "  {:>width$}", name.bold());
        }
        if columns.len() > shown.len() {
            let _ok = write!(text, "  and {} more peers", columns.len() - shown.len());
        }
        for (number, stripe) in self.places.iter().take(ROWS_MAX).enumerate() {
            let _ok = write!(text, "\n{:>8}", label(number, stripe));
            for ((peer, _), width) in shown.iter().zip(&widths) {
                let _ok = write!(text, "  {}", self.cell(held(stripe, *peer), *width));
            }
        }
        if self.places.len() > ROWS_MAX {
            let _ok = write!(text, "\n         and {} more", self.places.len() - ROWS_MAX);
        }
        text
    }

    fn columns(&self) -> Vec<(PeerId, String)> {
        let mut columns = self.names.to_vec();
        for (peer, _) in self.places.iter().flat_map(|stripe| &stripe.held) {
            if !columns.iter().any(|(known, _)| known == peer) {
                columns.push((*peer, peer.short()));
            }
        }
        columns
    }

    fn width(&self, peer: PeerId, name: &str) -> usize {
        let cells = self.places.iter().take(ROWS_MAX).map(|stripe| spell(held(stripe, peer)).len());
        cells.max().unwrap_or(0).max(name.len())
    }

    fn cell(&self, shards: ShardSet, width: usize) -> String {
        let text = if shards.is_empty() { "·".to_owned() } else { spell(shards) };
        let padded = format!("{text:>width$}");
        let data = shards.iter().any(|index| index.get() < self.code.data());
        if data { padded.green().to_string() } else { padded.dimmed().to_string() }
    }
}

/// `chunk 3`, or `index` for a node of the index.
fn label(number: usize, stripe: &StripePlaces) -> String {
    if stripe.is_index_node { "index".to_owned() } else { format!("#{number}") }
}

fn held(stripe: &StripePlaces, peer: PeerId) -> ShardSet {
    stripe.held.iter().filter(|(holder, _)| *holder == peer).map(|(_, set)| *set).collect()
}

fn spell(shards: ShardSet) -> String {
    shards.iter().map(|index| index.to_string()).collect::<Vec<_>>().join(",")
}

/// `6 shards on 6 peers, survives 2`, or `6 shards on 6 disks of one peer, survives 2`.
pub(crate) fn width(width: &Width) -> String {
    let (domain, of) = match width.kind {
        DomainKind::Peer => ("peer", ""),
        DomainKind::Disk => ("disk", " of one peer"),
    };
    format!(
        "{} on {}{of}, survives {}",
        crate::amounts::count(width.shards as u64, "shard"),
        crate::amounts::count(width.domains as u64, domain),
        width.survives
    )
}

/// [`Width`] in `--json`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct WidthJson {
    shards: usize,
    domains: usize,
    domain: &'static str,
    survives: usize,
}

impl From<&Width> for WidthJson {
    fn from(width: &Width) -> Self {
        let domain = match width.kind {
            DomainKind::Peer => "peer",
            DomainKind::Disk => "disk",
        };
        Self { shards: width.shards, domains: width.domains, domain, survives: width.survives }
    }
}

/// One stripe in `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct PlacesJson {
    is_index_node: bool,
    held: Vec<HeldJson>,
}

#[derive(Debug, Serialize)]
struct HeldJson {
    peer: String,
    shards: Vec<usize>,
}

impl PlacesJson {
    pub(crate) fn of(places: &[StripePlaces]) -> Vec<Self> {
        let held = |(peer, shards): &(PeerId, ShardSet)| HeldJson {
            peer: peer.to_string(),
            shards: shards.iter().map(storgo_protocol::ShardIndex::get).collect(),
        };
        let row = |stripe: &StripePlaces| Self {
            is_index_node: stripe.is_index_node,
            held: stripe.held.iter().map(held).collect(),
        };
        places.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_shows_who_holds_what() {
        let peer = |n: u8| PeerId::from_bytes([n; 32]);
        let stripe = |is_index_node, bits: [u32; 2]| StripePlaces {
            is_index_node,
            held: vec![(peer(1), ShardSet::from_bits(bits[0])), (peer(2), ShardSet::from_bits(bits[1]))],
        };
        let places = [stripe(false, [0b001, 0b110]), stripe(true, [0b110, 0])];
        let names = [(peer(2), "p2".to_owned()), (peer(1), "p1".to_owned())];
        let map = Map { code: "erasure:2+1".parse().unwrap(), places: &places, names: &names };
        let plain = anstream::adapter::strip_str(&map.draw()).to_string();
        assert_eq!(plain, "           p2   p1\n      #0  1,2    0\n   index    ·  1,2");
    }

    #[test]
    fn a_large_map_is_bounded() {
        let peer = |n: u8| PeerId::from_bytes([n; 32]);
        let held: Vec<_> = (0..30).map(|n| (peer(n), ShardSet::first(1))).collect();
        let places: Vec<_> = (0..1000).map(|_| StripePlaces { is_index_node: false, held: held.clone() }).collect();
        let text = Map { code: "replicate:30".parse().unwrap(), places: &places, names: &[] }.draw();
        assert_eq!(text.lines().count(), 1 + ROWS_MAX + 1);
        assert!(text.contains("and 18 more peers") && text.contains("and 984 more"), "{text}");
    }
}
