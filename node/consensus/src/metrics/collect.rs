//! What can be read off the groups at any time, looked up when somebody asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use storgo_protocol::GroupId;

use crate::groups::Groups;
use crate::raft::Progress;

/// Shows how each group is on this node, and what its clock shows beside others'.
#[derive(Debug)]
pub struct GroupsCollector(Groups);

/// One thing that is so of each group.
type Column = (&'static str, &'static str, fn(&Progress) -> u64);

const COLUMNS: [Column; 9] = [
    ("group_leader", "Whether this node leads the group", |group| group.leads.into()),
    ("group_voter", "Whether this node votes in the group", |group| group.votes.into()),
    ("group_voters", "Members that vote, of both configurations while they change", |group| group.voters),
    ("group_term", "The term, which each election raises", |group| group.term),
    ("group_last_index", "The last entry of the log", |group| group.last),
    ("group_committed_index", "The last entry that is known to be on most members", |group| group.committed),
    ("group_applied_index", "The last entry that is applied", |group| group.applied),
    ("group_lag_entries", "Entries that the voter lacks which is furthest behind, at the leader", |group| group.lag),
    ("group_log_entries", "Entries in the log", |group| group.last.saturating_sub(group.purged)),
];

impl GroupsCollector {
    /// Looks at these groups.
    #[must_use]
    pub const fn new(groups: Groups) -> Self {
        Self(groups)
    }
}

impl Collector for GroupsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let groups = self.0.progress();
        let led = groups.iter().filter(|(_, group)| group.leads).count();
        gauge(&mut encoder, "groups", "Groups that have a seat on this node", groups.len() as u64)?;
        gauge(&mut encoder, "groups_led", "Groups that this node leads", led as u64)?;
        gauge(
            &mut encoder,
            "clock_off",
            "Whether the clock keeps this node from leading",
            u64::from(self.0.is_clock_off()),
        )?;
        if let Some(ahead_ms) = self.0.clock_ahead_ms() {
            #[expect(clippy::cast_precision_loss, reason = "a clock that is off by 2^53 ms is off")]
            let seconds = ahead_ms as f64 / 1000.0;
            let help = "By how much this node's clock is ahead of the median of others'";
            let encoder = encoder.encode_descriptor("clock_ahead", help, Some(&Unit::Seconds), MetricType::Gauge)?;
            ConstGauge::new(seconds).encode(encoder)?;
        }
        COLUMNS.iter().try_for_each(|column| by_group(&mut encoder, *column, &groups))
    }
}

fn gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
    let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(encoder)
}

fn by_group(encoder: &mut DescriptorEncoder, column: Column, groups: &[(GroupId, Progress)]) -> fmt::Result {
    let (name, help, value) = column;
    let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (id, group) in groups {
        let label = [("group", id.as_u64())];
        ConstGauge::new(value(group)).encode(encoder.encode_family(&label)?)?;
    }
    Ok(())
}
