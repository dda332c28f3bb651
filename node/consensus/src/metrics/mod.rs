//! What metadata groups count: reads by level, proposals, votes, the way to leaders.
//!
//! Whoever wires a node makes one set, hands it to its groups and registers it; there is none but that. What can be read
//! off the groups at any time is not counted but looked up when somebody asks ([`GroupsCollector`]). It must not know who
//! asks, nor in which form.

mod collect;
mod labels;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

pub use collect::GroupsCollector;

/// One label, named and filled by this program alone: the count of series is bounded by what is written here.
type Label = [(&'static str, &'static str); 1];

/// Two of them.
type Labels = [(&'static str, &'static str); 2];

type Seconds = fn() -> Histogram;

/// What is counted in one node. Clones are the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// By level and outcome.
    pub(crate) reads: Family<Labels, Counter>,
    /// By level.
    pub(crate) read_seconds: Family<Label, Histogram, Seconds>,
    /// By level: how old what was read may be.
    pub(crate) read_age_seconds: Family<Label, Histogram, Seconds>,
    /// By whether it held.
    pub(crate) leases: Family<Label, Counter>,
    /// By whom: this member of the others, or of its leader.
    pub(crate) read_rounds: Family<Label, Counter>,
    /// By outcome.
    pub(crate) proposals: Family<Label, Counter>,
    /// By what came of what was answered by one disk alone: as it was told, nothing that is known of, or something else.
    ahead: Family<Label, Counter>,
    pub(crate) proposal_seconds: Histogram,
    /// Terms in which this node was seen to lead.
    pub(crate) leaderships: Counter,
    /// By what was asked for and whether it was granted: votes that this node gave others.
    pub(crate) votes: Family<Labels, Counter>,
    /// By what was asked for: elections that this node stood for, counted by each voter that it asked.
    pub(crate) votes_asked: Family<Label, Counter>,
    /// Leads that this node asked others to take.
    pub(crate) transfers: Counter,
    /// Round trips of appends and signs of life.
    pub(crate) append_seconds: Histogram,
    /// Appends and signs of life that had no answer of use.
    pub(crate) append_failures: Counter,
    /// By direction.
    pub(crate) snapshots: Family<Label, Counter>,
    /// Slots that arrived at their new group, where this node conducted.
    pub(crate) slot_moves: Counter,
    /// How often the clock was found to be off.
    pub(crate) clock_barred: Counter,
    /// By outcome: questions of this node to members.
    pub(crate) asks: Family<Label, Counter>,
    /// Peers that were passed over from then on.
    pub(crate) breaker_opens: Counter,
}

/// From a tenth of a millisecond to more than three seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 16))
}

/// From a millisecond to more than an hour: replicas that were cut off are that old.
fn ages() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 12))
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reads: Family::default(),
            read_seconds: Family::new_with_constructor(seconds),
            read_age_seconds: Family::new_with_constructor(ages),
            leases: Family::default(),
            read_rounds: Family::default(),
            proposals: Family::default(),
            ahead: Family::default(),
            proposal_seconds: seconds(),
            leaderships: Counter::default(),
            votes: Family::default(),
            votes_asked: Family::default(),
            transfers: Counter::default(),
            append_seconds: seconds(),
            append_failures: Counter::default(),
            snapshots: Family::default(),
            slot_moves: Counter::default(),
            clock_barred: Counter::default(),
            asks: Family::default(),
            breaker_opens: Counter::default(),
        }
    }
}

/// What came of a command that was answered by one disk alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// What was told.
    AsTold,
    /// Nothing that is known of: it may be lost.
    Unknown,
    /// Something else, which must never be.
    Otherwise,
}

impl Came {
    const fn label(self) -> Label {
        [(
            "outcome",
            match self {
                Self::AsTold => "as_told",
                Self::Unknown => "unknown",
                Self::Otherwise => "otherwise",
            },
        )]
    }
}

impl Metrics {
    pub(crate) fn note_ahead(&self, came: Came) {
        self.ahead.get_or_create(&came.label()).inc();
    }

    /// How many commands came to this that were answered by one disk alone.
    #[must_use]
    pub fn ahead(&self, came: Came) -> u64 {
        self.ahead.get_or_create(&came.label()).get()
    }

    /// Lets a registry show them.
    pub fn register(&self, registry: &mut Registry) {
        self.register_reads(registry.sub_registry_with_prefix("group"));
        self.register_groups(registry.sub_registry_with_prefix("group"));
        let clock_barred = self.clock_barred.clone();
        registry.register(
            "clock_barred",
            "How often this node's clock was found to differ too much to lead",
            clock_barred,
        );
        let slot_moves = self.slot_moves.clone();
        registry.register("slot_moves", "Slots that this node took to another group", slot_moves);
        let router = registry.sub_registry_with_prefix("router");
        router.register("asks", "Questions to members, by what came of them", self.asks.clone());
        let opens = self.breaker_opens.clone();
        router.register("breaker_opens", "Peers that failed so often that others are asked first", opens);
    }

    fn register_reads(&self, registry: &mut Registry) {
        registry.register("reads", "Reads of records, by level and outcome", self.reads.clone());
        let seconds = self.read_seconds.clone();
        registry.register_with_unit("read", "How long reads took, by level", Unit::Seconds, seconds);
        let ages = self.read_age_seconds.clone();
        registry.register_with_unit("read_age", "How old what was read may be, by level", Unit::Seconds, ages);
        registry.register("leases", "Reads that asked for a lease, by whether it held", self.leases.clone());
        let rounds = self.read_rounds.clone();
        registry.register("read_rounds", "Rounds to make sure who leads, shared by all reads that wait", rounds);
    }

    fn register_groups(&self, registry: &mut Registry) {
        registry.register("proposals", "Commands that this node proposed, by outcome", self.proposals.clone());
        let ahead = self.ahead.clone();
        registry.register("answers_ahead", "Commands answered by one disk alone, by what came of them", ahead);
        let seconds = self.proposal_seconds.clone();
        registry.register_with_unit("proposal", "How long it took until they were applied", Unit::Seconds, seconds);
        registry.register(
            "leaderships",
            "Terms in which this node was seen to lead, once a second",
            self.leaderships.clone(),
        );
        registry.register("votes", "Votes that this node was asked for", self.votes.clone());
        registry.register("votes_asked", "Votes that this node asked others for", self.votes_asked.clone());
        registry.register("transfers", "Leads that this node asked others to take", self.transfers.clone());
        let seconds = self.append_seconds.clone();
        let help = "How long members take to acknowledge entries and signs of life";
        registry.register_with_unit("append", help, Unit::Seconds, seconds);
        let failures = self.append_failures.clone();
        registry.register("append_failures", "Entries and signs of life without an answer", failures);
        registry.register("snapshots", "Snapshots that came in or went out whole", self.snapshots.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_scrapers_expect() {
        let (metrics, mut registry) = (Metrics::default(), Registry::with_prefix("storgo"));
        metrics.register(&mut registry);
        metrics.reads.get_or_create(&[("level", "lease"), ("outcome", "served")]).inc();
        metrics.read_seconds.get_or_create(&[("level", "lease")]).observe(0.5);
        metrics.breaker_opens.inc();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "storgo_group_reads_total{level=\"lease\",outcome=\"served\"} 1",
            "storgo_group_read_seconds_count{level=\"lease\"} 1",
            "storgo_router_breaker_opens_total 1",
            "storgo_clock_barred_total 0",
            "storgo_slot_moves_total 0",
        ] {
            assert!(text.lines().any(|shown| shown == line), "no {line} in\n{text}");
        }
    }
}
