//! What happened, as words for labels: few, and fixed.

use std::time::Duration;

use storgo_protocol::cluster::Level;
use storgo_protocol::raft::envelope::Body;

use super::Metrics;
use crate::groups::{Fresh, GroupError};
use crate::raft::MemberError;
use crate::router::AskError;

const fn level_word(level: Level) -> &'static str {
    match level {
        Level::Linearizable => "linearizable",
        Level::Lease => "lease",
        Level::Bounded(_) => "bounded",
        Level::Eventual => "eventual",
    }
}

const fn failure_word(error: &GroupError) -> &'static str {
    match error {
        GroupError::NotHere { .. } => "not_here",
        GroupError::NotLeader { .. } => "not_leader",
        GroupError::Unknown { .. } => "unknown",
        GroupError::NoQuorum { .. } => "no_quorum",
        GroupError::NotEverywhere { .. } => "not_everywhere",
        GroupError::TimedOut { .. } => "timed_out",
        GroupError::ClockOff { .. } => "clock_off",
        GroupError::Refused { .. } => "refused",
        GroupError::Stopped { .. } => "stopped",
    }
}

impl Metrics {
    pub(crate) fn note_read<T>(&self, level: Level, took: Duration, read: &Result<Fresh<T>, GroupError>) {
        let level = level_word(level);
        let outcome = read.as_ref().map_or_else(failure_word, |_| "served");
        self.reads.get_or_create(&[("level", level), ("outcome", outcome)]).inc();
        self.read_seconds.get_or_create(&[("level", level)]).observe(took.as_secs_f64());
        if let Ok(Fresh { stale: Some(age), .. }) = read {
            self.read_age_seconds.get_or_create(&[("level", level)]).observe(age.as_secs_f64());
        }
    }

    pub(crate) fn note_lease(&self, holds: bool) {
        self.leases.get_or_create(&[("held", if holds { "yes" } else { "no" })]).inc();
    }

    /// A round of reads: `by` the leader itself, or by a follower that asks it.
    pub(crate) fn note_round(&self, by: &'static str) {
        self.read_rounds.get_or_create(&[("by", by)]).inc();
    }

    pub(crate) fn note_proposal<T>(&self, took: Duration, proposed: &Result<T, GroupError>) {
        let outcome = proposed.as_ref().map_or_else(failure_word, |_| "applied");
        self.proposals.get_or_create(&[("outcome", outcome)]).inc();
        self.proposal_seconds.observe(took.as_secs_f64());
    }

    /// What this node answered to who asked for its vote; anything else is not counted.
    pub(crate) fn note_vote(&self, wanted: &'static str, answered: &Body) {
        let answer = match answered {
            Body::Voted(answer) if answer.granted => "granted",
            _ => "refused",
        };
        self.votes.get_or_create(&[("for", wanted), ("answer", answer)]).inc();
    }

    pub(crate) fn note_vote_asked(&self, wanted: &'static str) {
        self.votes_asked.get_or_create(&[("for", wanted)]).inc();
    }

    pub(crate) fn note_append(&self, took: Duration, answered: bool) {
        if answered {
            self.append_seconds.observe(took.as_secs_f64());
        } else {
            self.append_failures.inc();
        }
    }

    pub(crate) fn note_snapshot(&self, direction: &'static str) {
        self.snapshots.get_or_create(&[("direction", direction)]).inc();
    }

    pub(crate) fn note_transfer(&self, asked: &Result<(), MemberError>) {
        if asked.is_ok() {
            self.transfers.inc();
        }
    }

    pub(crate) fn note_ask<T>(&self, answer: &Result<T, AskError>) {
        let outcome = match answer {
            Ok(_) => "answered",
            Err(AskError::NotLeader { .. }) => "not_leader",
            Err(AskError::Silent { .. }) => "silent",
            Err(AskError::Busy { .. }) => "busy",
        };
        self.asks.get_or_create(&[("outcome", outcome)]).inc();
    }
}
