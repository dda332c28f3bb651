//! The slow log: the last commands whose answers took long, in the words in which they were asked for.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

/// Arguments of a command that are kept; if there are more, the last of these says how many.
const ARGS_KEPT: usize = 32;

/// Bytes of an argument that are kept, as in Redis.
const ARG_BYTES_KEPT: usize = 128;

/// A slow command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// It counts all that were ever kept.
    pub(super) id: i64,
    /// When it was answered, in seconds since 1970.
    pub(super) at_seconds: u64,
    pub(super) took: Duration,
    pub(super) args: Vec<Bytes>,
    /// Where its client came from.
    pub(super) from: String,
    /// What its client is called.
    pub(super) name: Bytes,
}

/// A command that was slow, as its connection knows it.
#[derive(Debug)]
pub(super) struct Slow<'a> {
    pub(super) at_seconds: u64,
    pub(super) took: Duration,
    pub(super) args: &'a [Bytes],
    pub(super) from: String,
    pub(super) name: &'a [u8],
}

/// What is kept. Its lock is held for a moment.
#[derive(Debug, Default)]
pub(super) struct SlowLog(Mutex<(i64, VecDeque<Entry>)>);

impl SlowLog {
    /// Keeps one of at most `kept`: the oldest go.
    pub(super) fn keep(&self, slow: Slow<'_>, kept: usize) {
        let (args, name) = (told(slow.args), cut(slow.name));
        let (next, entries) = &mut *self.0.lock();
        let id = std::mem::replace(next, next.wrapping_add(1));
        entries.push_front(Entry { id, at_seconds: slow.at_seconds, took: slow.took, args, from: slow.from, name });
        entries.truncate(kept);
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().1.len()
    }

    /// The last so many, the newest first.
    pub(super) fn last(&self, count: usize) -> Vec<Entry> {
        self.0.lock().1.iter().take(count).cloned().collect()
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.0.lock().1.clear();
    }
}

/// Arguments as they are kept: copies, so that no more memory stays than these take, and without passwords.
fn told(args: &[Bytes]) -> Vec<Bytes> {
    let is = |arg: Option<&Bytes>, word: &str| arg.is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    let secret_from = match () {
        () if is(args.first(), "auth") => 1,
        () if is(args.first(), "hello") => {
            args.iter().position(|arg| is(Some(arg), "auth")).map_or(usize::MAX, |at| at.saturating_add(1))
        }
        () => usize::MAX,
    };
    let shown = if args.len() > ARGS_KEPT { ARGS_KEPT - 1 } else { args.len() };
    let tell = |(at, arg): (usize, &Bytes)| if at >= secret_from { "(redacted)".into() } else { cut(arg) };
    let mut told: Vec<Bytes> = args.iter().take(shown).enumerate().map(tell).collect();
    if shown < args.len() {
        told.push(format!("... ({} more arguments)", args.len() - shown).into());
    }
    told
}

fn cut(arg: &[u8]) -> Bytes {
    let Some((kept, more)) = arg.split_at_checked(ARG_BYTES_KEPT).filter(|(_, more)| !more.is_empty()) else {
        return Bytes::copy_from_slice(arg);
    };
    let mut cut = kept.to_vec();
    cut.extend_from_slice(format!("... ({} more bytes)", more.len()).as_bytes());
    cut.into()
}

#[cfg(test)]
mod tests {
    use storgo_protocol::limits::RESP_SLOW_KEPT_MAX;

    use super::*;

    fn keep(log: &SlowLog, args: &[&'static str], kept: usize) {
        let args: Vec<_> = args.iter().map(|arg| Bytes::from(*arg)).collect();
        let slow = Slow {
            at_seconds: 7,
            took: Duration::from_micros(9),
            args: &args,
            from: "1.2.3.4:5".to_owned(),
            name: &[b'n'; 200],
        };
        log.keep(slow, kept);
    }

    #[test]
    fn no_more_is_kept_than_is_set() {
        let log = SlowLog::default();
        for _ in 0..=RESP_SLOW_KEPT_MAX {
            keep(&log, &["ping"], RESP_SLOW_KEPT_MAX);
        }
        assert_eq!(log.len(), RESP_SLOW_KEPT_MAX);
        keep(&log, &["ping"], 3);
        let ids: Vec<_> = log.last(10).iter().map(|entry| entry.id).collect();
        let newest = i64::try_from(RESP_SLOW_KEPT_MAX).unwrap() + 1;
        assert_eq!(ids, [newest, newest - 1, newest - 2]);
        log.clear();
        keep(&log, &["ping"], 0);
        assert_eq!(log.len(), 0);
        keep(&log, &["ping"], 1);
        // What was cleared is not counted anew.
        assert_eq!(log.last(1).first().map(|entry| entry.id), Some(newest + 2));
        assert_eq!(log.last(1)[0].name.len(), 128 + "... (72 more bytes)".len());
    }

    #[test]
    fn passwords_are_not_kept() {
        let told =
            |words: &[&'static str]| told(&words.iter().map(|word| Bytes::from(*word)).collect::<Vec<_>>()).join(&b' ');
        assert_eq!(told(&["AUTH", "user", "secret"]), b"AUTH (redacted) (redacted)");
        assert_eq!(told(&["hello", "3", "auth", "u", "p"]), b"hello 3 auth (redacted) (redacted)");
        assert_eq!(told(&["hello", "3"]), b"hello 3");
    }

    #[test]
    fn long_arguments_are_cut() {
        assert_eq!(cut(&[b'a'; 128]).len(), 128);
        assert!(cut(&[b'a'; 130]).ends_with(b"aa... (2 more bytes)"));
        let many = vec![Bytes::from("x"); 32];
        assert_eq!(told(&many).last().unwrap(), "x");
        assert_eq!(told(&[many, vec!["y".into()]].concat())[31], "... (2 more arguments)");
    }
}
