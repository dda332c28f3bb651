//! What the door has done: how often each command, how long it took, and what went wrong.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use storgo_protocol::limits::{RESP_ERROR_WORD_BYTES_MAX, RESP_ERROR_WORDS_MAX};

use super::reply::Reply;

/// Spans of time of a histogram: each is twice as long as the one before, the first a microsecond. The last has all that
/// took longer than two minutes, too.
const SPANS: usize = 28;

/// All counters. They are numbers by themselves: none of them guards anything.
#[derive(Debug)]
pub(super) struct Stats {
    /// Clients that came in.
    pub(super) came: AtomicU64,
    /// Clients that were one too many.
    pub(super) refused: AtomicU64,
    /// How often somebody was not who it said.
    pub(super) wrong_auth: AtomicU64,
    /// How often somebody asked for what its access key does not allow.
    pub(super) forbidden: AtomicU64,
    /// Datagrams that came and were not answered: they made no sense, or their sender had not shown that it receives.
    pub(super) udp_ignored: AtomicU64,
    /// Datagrams that were not sent, because they were too long or were not taken.
    pub(super) udp_lost: AtomicU64,
    commands: HashMap<&'static str, Counters>,
    /// By their code words, which are ours. Held for a moment.
    errors: Mutex<BTreeMap<String, u64>>,
}

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    us: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
    spans: [AtomicU64; SPANS],
}

/// What is told of a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    pub(super) calls: u64,
    pub(super) us: u64,
    /// Not begun: it had not the right number of arguments.
    pub(super) rejected: u64,
    /// Answered with an error.
    pub(super) failed: u64,
    /// How many took at most so many microseconds, where that is more than with fewer.
    pub(super) within_us: Vec<(u64, u64)>,
}

impl Stats {
    /// Of commands of these names.
    pub(super) fn new(names: impl Iterator<Item = &'static str>) -> Self {
        Self {
            came: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            wrong_auth: AtomicU64::new(0),
            forbidden: AtomicU64::new(0),
            udp_ignored: AtomicU64::new(0),
            udp_lost: AtomicU64::new(0),
            commands: names.map(|name| (name, Counters::default())).collect(),
            errors: Mutex::default(),
        }
    }

    /// A command was answered.
    pub(super) fn answered(&self, name: &str, took: Duration, reply: &Reply) {
        if let Some(counters) = self.commands.get(name) {
            let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            counters.calls.fetch_add(1, Ordering::Relaxed);
            counters.us.fetch_add(us, Ordering::Relaxed);
            if let Some(span) = counters.spans.get(span_of(us)) {
                span.fetch_add(1, Ordering::Relaxed);
            }
            if matches!(reply, Reply::Error(_)) {
                counters.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.said(reply);
    }

    /// A command was not begun.
    pub(super) fn rejected(&self, name: &str) {
        if let Some(counters) = self.commands.get(name) {
            counters.rejected.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an answer that is an error.
    pub(super) fn said(&self, reply: &Reply) {
        let Reply::Error(text) = reply else { return };
        let word = text.split(' ').next().unwrap_or_default();
        let mut errors = self.errors.lock();
        // What another door said may begin with anything.
        let is_other = word.len() > RESP_ERROR_WORD_BYTES_MAX
            || (errors.len() >= RESP_ERROR_WORDS_MAX && !errors.contains_key(word));
        let word = if is_other { "OTHER" } else { word };
        match errors.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(errors.insert(word.to_owned(), 1)),
        }
    }

    /// How often each error was said.
    pub(super) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().clone()
    }

    /// Commands that were answered.
    pub(super) fn calls(&self) -> u64 {
        self.commands.values().map(|counters| counters.calls.load(Ordering::Relaxed)).sum()
    }

    /// What is to be told of a command; nothing where it was never asked for.
    pub(super) fn of(&self, name: &str) -> Option<Told> {
        let Counters { calls, us, rejected, failed, spans } = self.commands.get(name)?;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (mut all, mut within_us) = (0, Vec::new());
        for (span, more) in spans.iter().enumerate().map(|(span, counter)| (span, count(counter))) {
            all += more;
            if more > 0 {
                within_us.push((1 << span, all));
            }
        }
        let told =
            Told { calls: count(calls), us: count(us), rejected: count(rejected), failed: count(failed), within_us };
        (told != Told::default()).then_some(told)
    }

    /// Counts anew.
    pub(super) fn reset(&self) {
        let zero = |counter: &AtomicU64| counter.store(0, Ordering::Relaxed);
        for Counters { calls, us, rejected, failed, spans } in self.commands.values() {
            [calls, us, rejected, failed].into_iter().chain(spans).for_each(zero);
        }
        let Self { came, refused, wrong_auth, forbidden, udp_ignored, udp_lost, .. } = self;
        [came, refused, wrong_auth, forbidden, udp_ignored, udp_lost].into_iter().for_each(zero);
        self.errors.lock().clear();
    }
}

/// The first span that is as long.
fn span_of(us: u64) -> usize {
    let longer = us.saturating_sub(1);
    usize::try_from(u64::BITS - longer.leading_zeros()).unwrap_or(SPANS).min(SPANS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_as_long_is_counted_together() {
        let spans = [0, 1, 2, 3, 4, 5, 8, 9, 1024, 1025, 1 << 27, u64::MAX].map(span_of);
        assert_eq!(spans, [0, 0, 1, 2, 2, 3, 3, 4, 10, 11, 27, 27]);
        let stats = Stats::new(["get"].into_iter());
        assert_eq!(stats.of("get"), None);
        for us in [3, 4, 1000] {
            stats.answered("get", Duration::from_micros(us), &Reply::Nil);
        }
        stats.answered("get", Duration::ZERO, &Reply::error("WRONGTYPE no"));
        stats.rejected("get");
        stats.answered("what", Duration::ZERO, &Reply::error("ERR what"));
        let within_us = vec![(1, 1), (4, 3), (1024, 4)];
        assert_eq!(stats.of("get"), Some(Told { calls: 4, us: 1007, rejected: 1, failed: 1, within_us }));
        assert_eq!((stats.calls(), stats.of("what")), (4, None));
        assert_eq!(stats.errors().into_iter().collect::<Vec<_>>(), [("ERR".into(), 1), ("WRONGTYPE".into(), 1)]);
        stats.said(&Reply::error("X".repeat(RESP_ERROR_WORD_BYTES_MAX + 1)));
        (0..2 * RESP_ERROR_WORDS_MAX).for_each(|n| stats.said(&Reply::error(format!("E{n} no"))));
        assert_eq!((stats.errors().len(), stats.errors()["OTHER"]), (RESP_ERROR_WORDS_MAX, 1 + 67));
        stats.reset();
        assert_eq!((stats.calls(), stats.of("get"), stats.errors().len()), (0, None, 0));
    }
}
