//! Tells who listens what happened to keys: the key's channel what, and that of what happened the key.
//!
//! What clients of this door did is told at all doors. That something was over is said by the groups, which any door can
//! hear: each that is to tell it follows them, and tells its own clients.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storgo_object::ports::EventsSince;
use storgo_protocol::limits::RESP_CHANNEL_BYTES_MAX;
use storgo_protocol::meta::EventKind;

use super::happened::{Class, Happened};
use super::pubsub::{Channels, Kind, Message};
use super::settings::Settings;
use super::values::Values;

/// How often the groups are asked what was over.
const FOLLOWED_EVERY: Duration = Duration::from_millis(200);

/// Tells what happened, where that is set. Clones tell the same.
#[derive(Debug, Clone)]
pub(super) struct Notices {
    settings: Arc<Settings>,
    channels: Arc<Channels>,
}

impl Notices {
    pub(super) const fn new(settings: Arc<Settings>, channels: Arc<Channels>) -> Self {
        Self { settings, channels }
    }

    /// Whether such a thing is to be told.
    pub(super) fn wants(&self, class: Class) -> bool {
        self.settings.notices().wants(class)
    }

    /// Tells what clients of this door did to a key.
    pub(super) fn tell(&self, key: &Bytes, happened: &[Happened]) {
        self.say(key, happened, |message| self.channels.publish(message));
    }

    /// A key too long for a channel's name is told of in the channels of events alone.
    fn say(&self, key: &Bytes, happened: &[Happened], publish: impl Fn(&Message) -> usize) {
        let wanted = self.settings.notices();
        for happened in happened.iter().filter(|happened| wanted.wants(happened.class)) {
            let said = |channel: Bytes, payload: Bytes| Message { kind: Kind::Channel, channel, payload };
            if wanted.by_key() {
                let channel = [b"__keyspace@0__:", key.as_ref()].concat();
                if channel.len() <= RESP_CHANNEL_BYTES_MAX {
                    publish(&said(channel.into(), Bytes::from_static(happened.event.as_bytes())));
                }
            }
            if wanted.by_event() {
                publish(&said(format!("__keyevent@0__:{}", happened.event).into(), key.clone()));
            }
        }
    }

    /// Tells clients of this door of keys that were over, whoever found that, for as long as that is wanted. It never ends.
    pub(super) async fn follow(&self, values: &dyn Values) {
        let mut since = EventsSince::Now;
        loop {
            if !self.wants(Class::Expired) {
                since = EventsSince::Now;
                self.settings.notices_set().await;
                continue;
            }
            match values.events(&since).await {
                Ok(events) => {
                    if events.missed {
                        tracing::warn!("some keys were over that nobody is told of: there were too many");
                    }
                    for event in events.events.iter().filter(|event| event.kind == EventKind::Expired) {
                        self.say(&event.key, &[Happened::EXPIRED], |message| self.channels.deliver(message));
                    }
                    since = EventsSince::Places(events.next);
                    if events.more {
                        continue;
                    }
                }
                Err(error) => tracing::debug!(%error, "the groups do not say what was over"),
            }
            tokio::time::sleep(FOLLOWED_EVERY).await;
        }
    }
}
