//! What a door has counted, for who watches the node. It is looked up when somebody asks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::commands;
use super::shared::Shared;
use super::stats::Told;

/// Shows what clients asked of a door, and what it holds for them.
#[derive(Debug)]
pub struct DoorCollector(Arc<Shared>);

impl DoorCollector {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

impl Collector for DoorCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let (shared, stats) = (&self.0, &self.0.stats);
        let (channels, patterns, shards) = shared.channels.counts();
        let clients = shared.clients.lock().len();
        for (name, help, value) in [
            ("redis_clients", "Clients of the Redis door", clients),
            ("redis_channels", "Channels that its clients listen to, those of shards too", channels + shards),
            ("redis_patterns", "Patterns that its clients listen to", patterns),
            (
                "redis_unread_bytes",
                "Bytes of requests that are not whole yet",
                shared.held_bytes.load(Ordering::Relaxed),
            ),
            ("redis_unsent_bytes", "Bytes of answers that are not sent yet", shared.answer_bytes()),
        ] {
            let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value as u64).encode(encoder)?;
        }
        let [sent, unanswered, done] = shared.errands.counts();
        for (name, help, value) in [
            ("redis_clients_came", "Clients that came in", stats.came.load(Ordering::Relaxed)),
            ("redis_clients_refused", "Clients that were one too many", stats.refused.load(Ordering::Relaxed)),
            ("redis_wrong_auth", "Secrets that were not right", stats.wrong_auth.load(Ordering::Relaxed)),
            ("redis_forbidden", "Commands that an access key did not allow", stats.forbidden.load(Ordering::Relaxed)),
            ("redis_messages_lost", "Messages to or from other doors that were lost", shared.channels.lost()),
            ("redis_errands_sent", "Changes of keys that other doors were to make", sent),
            ("redis_errands_unanswered", "Of those, such that are not known to be made", unanswered),
            ("redis_errands_done", "Changes of keys for other doors", done),
        ] {
            let encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(encoder)?;
        }
        let told: Vec<(&str, Told)> = commands::names().filter_map(|name| Some((name, stats.of(name)?))).collect();
        let help = "Commands by how they ended: not begun, answered with an error, or done";
        let mut calls = encoder.encode_descriptor("redis_commands", help, None, MetricType::Counter)?;
        for (name, told) in &told {
            let done = told.calls.saturating_sub(told.failed);
            for (outcome, count) in [("done", done), ("failed", told.failed), ("rejected", told.rejected)] {
                let labels = [("command", *name), ("outcome", outcome)];
                ConstCounter::new(count).encode(calls.encode_family(&labels)?)?;
            }
        }
        let help = "How long commands took, with the wait for those before them";
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Counter);
        let mut took = encoder.encode_descriptor("redis_command_duration", help, unit, kind)?;
        for (name, told) in &told {
            #[expect(clippy::cast_precision_loss, reason = "beyond 285 years of work")]
            let seconds = told.us as f64 / 1e6;
            ConstCounter::new(seconds).encode(took.encode_family(&[("command", *name)])?)?;
        }
        let mut errors = encoder.encode_descriptor(
            "redis_errors",
            "Answers by the word that an error begins with",
            None,
            MetricType::Counter,
        )?;
        for (word, count) in stats.errors() {
            ConstCounter::new(count).encode(errors.encode_family(&[("word", word.as_str())])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::super::session::Session;
    use super::super::settings::DoorConfig;
    use super::*;

    #[tokio::test]
    async fn what_was_asked_is_counted() {
        let shared = Shared::of_test(Arc::default(), DoorConfig::default());
        let mut session = Session::of_test(Arc::clone(&shared), 1);
        for line in ["SET k v", "GET k", "GET k", "LPUSH k x", "GET", "SUBSCRIBE news"] {
            session.ask(line.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect()).await;
        }
        let mut registry = Registry::with_prefix("storgo");
        registry.register_collector(Box::new(DoorCollector::new(shared)));
        let mut said = String::new();
        text::encode(&mut said, &registry).unwrap();
        for line in [
            "storgo_redis_clients 1\n",
            "storgo_redis_channels 1\n",
            "storgo_redis_commands_total{command=\"get\",outcome=\"done\"} 2\n",
            "storgo_redis_commands_total{command=\"get\",outcome=\"rejected\"} 1\n",
            "storgo_redis_commands_total{command=\"lpush\",outcome=\"failed\"} 1\n",
            "storgo_redis_command_duration_seconds_total{command=\"set\"} ",
            "storgo_redis_errors_total{word=\"WRONGTYPE\"} 1\n",
            "storgo_redis_errands_done_total 0\n",
        ] {
            assert!(said.contains(line), "{line} is not in\n{said}");
        }
        assert!(!said.contains("command=\"incr\""), "what was never asked for takes no lines");
    }
}
