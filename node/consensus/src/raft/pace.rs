//! How fast a group goes: when leaders are doubted, and when its log is let go.

use std::time::Duration;

use openraft::{Config, ConfigError, SnapshotPolicy};
use storgo_protocol::GroupId;
use storgo_protocol::limits::{RAFT_ENTRIES_MAX, RAFT_LOG_KEPT, RAFT_SNAPSHOT_EVERY};

/// How long leaders are trusted and when others stand for election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elections {
    /// A leader says so often that it is there; where nobody writes, at every [`QUIET_PULSES`]th time.
    pub heartbeat: Duration,
    /// Who hears nothing stands for election after the longer of these,
    pub timeout_max: Duration,
    /// and then as much again, drawn between both: leaders are trusted for the longer one, by those who vote too.
    pub timeout_min: Duration,
}

/// In how many heartbeats a group that nobody uses has one. Leaders are doubted after no less than five of them, and this
/// leaves two and a half.
pub(crate) const QUIET_PULSES: u32 = 2;

impl Default for Elections {
    fn default() -> Self {
        // Nobody stands for election before the longest of these and one of its own are over: somewhat more than two thirds
        // of a second, so that writes go on within one.
        let [heartbeat, timeout_max, timeout_min] = [150, 450, 300].map(Duration::from_millis);
        Self { heartbeat, timeout_max, timeout_min }
    }
}

impl Elections {
    /// For how long a leader that most members acknowledged may take it that nobody else leads, from the moment at which it
    /// asked them. Whoever acknowledged grants no vote for `timeout_max`, and for [`Elections::refrain`] after it starts
    /// again; this is a quarter shorter than the shorter of the two, so that clocks may run apart by that much. It is longer
    /// than the time between two signs of life of a group in use, so that who is followed has one.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.refrain() * 3 / 4
    }

    /// For how long a voter that starts on what is kept of it grants no vote: it does not know whom it acknowledged just
    /// before, and nobody that started with it stands for election sooner: not even itself.
    #[must_use]
    pub fn refrain(&self) -> Duration {
        self.timeout_min
    }

    /// Who has heard a leader within this time need not look at the time: the next sign of life of a group that nobody
    /// uses is late then by half, and nobody stands for election yet.
    pub(crate) fn quiet(&self) -> Duration {
        self.heartbeat * QUIET_PULSES * 3 / 2
    }
}

/// When the log is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshots {
    /// Entries between two snapshots, each of which has the group's records written: at least so many and fewer than twice,
    /// for each member of each group a number that is drawn for it, or all would write at the same time.
    pub every: u64,
    /// Entries that are kept behind one, for members that are a little behind.
    pub log_kept: u64,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { every: RAFT_SNAPSHOT_EVERY, log_kept: RAFT_LOG_KEPT }
    }
}

/// The same, as openraft wants it.
pub(super) fn config(
    group: GroupId,
    elections: Elections,
    snapshots: Snapshots,
    seed: u64,
) -> Result<Config, ConfigError> {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let config = Config {
        cluster_name: format!("group {group}"),
        heartbeat_interval: ms(elections.heartbeat),
        election_timeout_min: ms(elections.timeout_min),
        election_timeout_max: ms(elections.timeout_max),
        install_snapshot_timeout: ms(elections.timeout_max) * 4,
        max_payload_entries: RAFT_ENTRIES_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(
            snapshots.every + seed.checked_rem(snapshots.every).unwrap_or(0),
        ),
        max_in_snapshot_log_to_keep: snapshots.log_kept,
        enable_pre_vote: Some(true),
        // A leader that starts again stands for election as others do.
        enable_leader_restore: Some(false),
        // When entries were proposed, kept and applied, for measurements that nobody reads.
        log_stage_capacity: Some(1),
        ..Config::default()
    };
    config.validate()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_their_snapshots_at_times_of_their_own() {
        let every = |seed| {
            let config = config(GroupId::new(1), Elections::default(), Snapshots::default(), seed).unwrap();
            match config.snapshot_policy {
                SnapshotPolicy::LogsSinceLast(every) => every,
                SnapshotPolicy::Never => panic!("never"),
            }
        };
        let drawn: std::collections::BTreeSet<u64> =
            (0..100).map(|seed: u64| every(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        assert!(drawn.len() > 90, "{drawn:?}");
        assert!(drawn.iter().all(|every| (RAFT_SNAPSHOT_EVERY..2 * RAFT_SNAPSHOT_EVERY).contains(every)));
    }
}
