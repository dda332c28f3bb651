//! What can be set while the door is open, by the names that Redis has for it. It holds for this door until it closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use storgo_protocol::limits::{
    RESP_CLIENTS_MAX, RESP_REQUEST_BYTES_MAX, RESP_SLOW_KEPT_MAX, RESP_STALE_MS, RESP_UNSENT_BYTES, VALUE_BYTES_MAX,
};
use tokio::sync::Notify;
use tokio_rustls::rustls::ServerConfig;

use super::happened::NoticeSet;

/// How a door is kept.
#[derive(Debug, Clone)]
pub struct DoorConfig {
    /// Clients at once.
    pub clients_max: usize,
    /// Bytes of a client's requests that are not whole yet, or wait for the end of their transaction.
    pub query_bytes_max: usize,
    /// Bytes of a client's answers that were made and not sent yet, beyond which what it asked for ahead waits.
    pub answer_bytes_max: usize,
    /// After how long without a request a client is sent away; `None` for never.
    pub idle: Option<Duration>,
    /// Whether clients have to show an access key of the bucket.
    pub auth: bool,
    /// How clients are spoken to in secret; `None` for in clear.
    pub tls: Option<Arc<ServerConfig>>,
    /// What is to be told of what happens to keys.
    pub notices: NoticeSet,
    /// Whether who asks for a key is sent to the door that has it nearest.
    pub moved: bool,
    /// How stale it may be what is read by who said `READONLY`.
    pub stale: Duration,
    /// The program's version, as clients are told.
    pub version: String,
}

impl Default for DoorConfig {
    fn default() -> Self {
        Self {
            clients_max: RESP_CLIENTS_MAX,
            query_bytes_max: RESP_REQUEST_BYTES_MAX,
            answer_bytes_max: RESP_UNSENT_BYTES,
            idle: None,
            auth: false,
            tls: None,
            notices: NoticeSet::default(),
            moved: false,
            stale: Duration::from_millis(RESP_STALE_MS),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// From how many microseconds on an answer is slow, unless that is set. Redis has a tenth of it: there, no answer waits for
/// the disks of others.
const SLOW_US: i64 = 100_000;

/// Slow commands that are kept, unless that is set.
const SLOW_KEPT: i64 = 128;

/// Bytes of requests of one client below which nobody may set their bound, as in Redis.
const QUERY_BYTES_LEAST: i64 = 1024 * 1024;

/// Seconds of silence, at the most, as in Redis.
const IDLE_SECONDS_MOST: i64 = i32::MAX as i64;

/// How a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Count,
    /// Then `1mb` is understood.
    Bytes,
    /// Letters of what is to be told.
    Notices,
}

/// A number that can be set.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    least: i64,
    most: i64,
    form: Form,
    now: AtomicI64,
    /// It was set.
    set: Notify,
}

/// All that can be set.
#[derive(Debug)]
pub(super) struct Settings {
    answer_bytes_max: usize,
    moved: bool,
    clients_max: Setting,
    query_bytes_max: Setting,
    idle_seconds: Setting,
    slow_us: Setting,
    slow_kept: Setting,
    notices: Setting,
}

/// What is set as it is for good: by the network, or because there is nothing that could be otherwise.
const FIXED: &[(&str, &str)] = &[
    ("appendfsync", "always"),
    ("appendonly", "yes"),
    ("databases", "1"),
    ("latency-monitor-threshold", "0"),
    ("latency-tracking", "yes"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("save", ""),
];

const LONGEST_VALUE: &str = "proto-max-bulk-len";

/// Why something was not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    Unknown,
    Fixed,
    NoNumber,
    NoBytes,
    NoNotice,
    Outside(i64, i64),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Fixed => f.write_str("can't set immutable config"),
            Self::NoNumber => f.write_str("argument couldn't be parsed into an integer"),
            Self::NoBytes => f.write_str("argument must be a memory value"),
            Self::NoNotice => f.write_str("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
            Self::Outside(least, most) => write!(f, "argument must be between {least} and {most} inclusive"),
        }
    }
}

impl Setting {
    fn new(name: &'static str, range: std::ops::RangeInclusive<i64>, now: i64) -> Self {
        let (least, most) = (*range.start(), (*range.end()).max(now));
        Self { name, least, most, form: Form::Count, now: AtomicI64::new(now), set: Notify::new() }
    }

    pub(super) fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    /// The number, where it is a count.
    fn count(&self) -> usize {
        usize::try_from(self.now()).unwrap_or(0)
    }

    pub(super) fn set(&self, number: i64) {
        self.now.store(number, Ordering::Relaxed);
        self.set.notify_one();
    }

    /// What it is, as it is read.
    fn shown(&self) -> String {
        match self.form {
            Form::Count | Form::Bytes => self.now().to_string(),
            Form::Notices => NoticeSet::from_bits(self.now()).to_string(),
        }
    }

    /// Reads what it is to be.
    ///
    /// # Errors
    /// [`Refused`] if it is no number, or one that is not allowed.
    pub(super) fn read(&self, text: &[u8]) -> Result<i64, Refused> {
        let number = match self.form {
            Form::Count => super::numbers::parse_int(text).ok_or(Refused::NoNumber)?,
            Form::Bytes => bytes_of(text).ok_or(Refused::NoBytes)?,
            Form::Notices => NoticeSet::parse(text).ok_or(Refused::NoNotice)?.bits(),
        };
        let is_inside = (self.least..=self.most).contains(&number);
        if is_inside { Ok(number) } else { Err(Refused::Outside(self.least, self.most)) }
    }
}

/// A count of bytes with its unit, as `64mb`.
fn bytes_of(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text).ok()?.to_ascii_lowercase();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1024,
        "m" => 1_000_000,
        "mb" => 1024 * 1024,
        "g" => 1_000_000_000,
        "gb" => 1024 * 1024 * 1024,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

impl Settings {
    pub(super) fn new(config: &DoorConfig) -> Self {
        let int = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let idle = config.idle.map_or(0, |idle| i64::try_from(idle.as_secs()).unwrap_or(i64::MAX));
        let bytes = Setting::new(
            "client-query-buffer-limit",
            QUERY_BYTES_LEAST..=int(RESP_REQUEST_BYTES_MAX),
            int(config.query_bytes_max),
        );
        let notices = Setting::new("notify-keyspace-events", 0..=i64::MAX, config.notices.bits());
        Self {
            answer_bytes_max: config.answer_bytes_max,
            moved: config.moved,
            clients_max: Setting::new("maxclients", 1..=int(RESP_CLIENTS_MAX), int(config.clients_max)),
            query_bytes_max: Setting { form: Form::Bytes, ..bytes },
            notices: Setting { form: Form::Notices, ..notices },
            idle_seconds: Setting::new("timeout", 0..=IDLE_SECONDS_MOST, idle),
            slow_us: Setting::new("slowlog-log-slower-than", -1..=i64::MAX, SLOW_US),
            slow_kept: Setting::new("slowlog-max-len", 0..=int(RESP_SLOW_KEPT_MAX), SLOW_KEPT),
        }
    }

    const fn settings(&self) -> [&Setting; 6] {
        [&self.clients_max, &self.query_bytes_max, &self.idle_seconds, &self.slow_us, &self.slow_kept, &self.notices]
    }

    /// Clients at once.
    pub(super) fn clients_max(&self) -> usize {
        self.clients_max.count()
    }

    /// Bytes of a client's requests that are not whole.
    pub(super) fn query_bytes_max(&self) -> usize {
        self.query_bytes_max.count()
    }

    /// Bytes of a client's answers that are not sent yet, beyond which what it asked for ahead waits.
    pub(super) const fn answer_bytes_max(&self) -> usize {
        self.answer_bytes_max
    }

    /// Whether who asks for a key is sent to the door that has it nearest.
    pub(super) const fn moved(&self) -> bool {
        self.moved
    }

    /// What clients are told that this is: one server, or a part of a cluster.
    pub(super) const fn mode(&self) -> &'static str {
        if self.moved { "cluster" } else { "standalone" }
    }

    /// After how long a silence a client is sent away.
    pub(super) fn idle(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.idle_seconds.now()).unwrap_or(0);
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// From how long on an answer is slow; none if none is.
    pub(super) fn slow(&self) -> Option<Duration> {
        u64::try_from(self.slow_us.now()).ok().map(Duration::from_micros)
    }

    /// Slow commands that are kept.
    pub(super) fn slow_kept(&self) -> usize {
        self.slow_kept.count()
    }

    /// What clients of this door do to keys that is to be told.
    pub(super) fn notices(&self) -> NoticeSet {
        NoticeSet::from_bits(self.notices.now())
    }

    /// Done when that is set to something. One alone may wait for it.
    pub(super) async fn notices_set(&self) {
        self.notices.set.notified().await;
    }

    /// All names, and what they are set to.
    pub(super) fn all(&self) -> Vec<(&'static str, String)> {
        let mut all: Vec<_> = FIXED.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        all.push((LONGEST_VALUE, VALUE_BYTES_MAX.to_string()));
        all.extend(self.settings().map(|setting| (setting.name, setting.shown())));
        all.sort_unstable();
        all
    }

    /// What can be set under a name; none where it stands as it is, and is to be so.
    ///
    /// # Errors
    /// [`Refused`] if there is no such name, or it is to be otherwise than it ever is.
    pub(super) fn find(&self, name: &[u8], value: &[u8]) -> Result<Option<&Setting>, Refused> {
        let is_named = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if let Some(setting) = self.settings().into_iter().find(|setting| is_named(setting.name)) {
            return Ok(Some(setting));
        }
        let (_, fixed) = self.all().into_iter().find(|(known, _)| is_named(known)).ok_or(Refused::Unknown)?;
        if value.eq_ignore_ascii_case(fixed.as_bytes()) { Ok(None) } else { Err(Refused::Fixed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_their_units() {
        let known =
            [("0", 0), ("12", 12), ("12b", 12), ("1k", 1000), ("1kb", 1024), ("3Mb", 3 << 20), ("2gB", 2 << 30)];
        for (text, bytes) in known {
            assert_eq!(bytes_of(text.as_bytes()), Some(bytes), "{text}");
        }
        for text in ["", "mb", "-1", "1 mb", "1tb", "1.5mb", "9223372036854775807kb"] {
            assert_eq!(bytes_of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_the_configuration_says_can_be_set_again() {
        let config = DoorConfig { clients_max: 3 * RESP_CLIENTS_MAX, ..DoorConfig::default() };
        let settings = Settings::new(&config);
        for (name, value) in settings.all() {
            let found = settings.find(name.as_bytes(), value.as_bytes()).unwrap();
            assert!(found.is_none_or(|setting| setting.read(value.as_bytes()) == Ok(setting.now())), "{name}");
        }
    }
}
