//! One key's value as commands that are done together see it.
//!
//! Commands are functions of a slate: what they leave on it is written in one step, on condition that the key is still as
//! it was read; if not, they are done again on what is there then.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::reply::Reply;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) bytes: Bytes,
    /// When it ends, in milliseconds since 1970; 0 for never.
    pub(super) expires_ms: u64,
}

/// A key's value, and whether it is to change.
#[derive(Debug)]
pub(super) struct Slate {
    pub(super) now_ms: u64,
    held: Option<Held>,
    /// Whether it is not known what the key held at first.
    is_blind: bool,
    changed: bool,
}

/// What commands leave to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Set(Held),
    Remove,
}

/// Several keys of one slot, as a command sees them that changes them in one step.
#[derive(Debug)]
pub(super) struct Slates(BTreeMap<Bytes, Slate>);

/// What a command does to several keys.
pub(super) struct Joint {
    /// All that it looks at or changes.
    pub(super) keys: Vec<Bytes>,
    pub(super) run: Box<dyn Fn(&mut Slates) -> Reply + Send + Sync>,
}

impl std::fmt::Debug for Joint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joint").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Slates {
    pub(super) const fn new(slates: BTreeMap<Bytes, Slate>) -> Self {
        Self(slates)
    }

    /// The slate of a key that was named before.
    ///
    /// # Errors
    /// What a client is told where it was not: a fault of this program.
    pub(super) fn of(&mut self, key: &Bytes) -> Result<&mut Slate, Reply> {
        self.0.get_mut(key).ok_or_else(|| Reply::error("ERR internal error"))
    }

    /// What is to be done to each.
    pub(super) fn into_changes(self) -> impl Iterator<Item = (Bytes, Change)> {
        self.0.into_iter().map(|(key, slate)| (key, slate.into_change()))
    }
}

/// What a command does to a key.
pub(super) struct Op {
    /// Whether it needs to know what the key holds.
    pub(super) looks: bool,
    /// Whether it may change that.
    pub(super) writes: bool,
    pub(super) run: Box<dyn Fn(&mut Slate) -> Reply + Send + Sync>,
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Op").field("looks", &self.looks).field("writes", &self.writes).finish_non_exhaustive()
    }
}

impl Op {
    /// One that changes nothing.
    pub(super) fn read(run: impl Fn(Option<&Held>, u64) -> Reply + Send + Sync + 'static) -> Self {
        Self { looks: true, writes: false, run: Box::new(move |slate| run(slate.held(), slate.now_ms)) }
    }

    /// One that makes a value of what there was.
    pub(super) fn change(run: impl Fn(&mut Slate) -> Reply + Send + Sync + 'static) -> Self {
        Self { looks: true, writes: true, run: Box::new(run) }
    }

    /// One that does not care what there was.
    pub(super) fn overwrite(run: impl Fn(&mut Slate) -> Reply + Send + Sync + 'static) -> Self {
        Self { looks: false, writes: true, run: Box::new(run) }
    }
}

impl Slate {
    /// Of a key that holds this.
    pub(super) const fn new(now_ms: u64, held: Option<Held>) -> Self {
        Self { now_ms, held, is_blind: false, changed: false }
    }

    /// Of a key that nobody looked at: the first command must not look either.
    pub(super) const fn blind(now_ms: u64) -> Self {
        Self { now_ms, held: None, is_blind: true, changed: false }
    }

    pub(super) const fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// The bytes; none if the key is not there.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.held.as_ref().map(|held| held.bytes.as_ref())
    }

    /// Sets bytes and end; an end that is over takes the key away.
    pub(super) fn set(&mut self, bytes: impl Into<Bytes>, expires_ms: u64) {
        let is_over = (1..=self.now_ms).contains(&expires_ms);
        self.changed |= !is_over || self.held.is_some() || self.is_blind;
        self.held = (!is_over).then(|| Held { bytes: bytes.into(), expires_ms });
    }

    /// Sets bytes; when it ends stays as it is.
    pub(super) fn set_bytes(&mut self, bytes: impl Into<Bytes>) {
        let expires_ms = self.held.as_ref().map_or(0, |held| held.expires_ms);
        self.set(bytes, expires_ms);
    }

    /// Takes the key away; what it held.
    pub(super) fn remove(&mut self) -> Option<Held> {
        self.changed |= self.held.is_some() || self.is_blind;
        self.held.take()
    }

    /// What is to be done to the key.
    pub(super) fn into_change(self) -> Change {
        match self.held {
            _ if !self.changed => Change::None,
            Some(held) => Change::Set(held),
            None => Change::Remove,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(bytes: &'static str, expires_ms: u64) -> Held {
        Held { bytes: bytes.into(), expires_ms }
    }

    #[test]
    fn what_is_left_on_a_slate_is_what_changes() {
        let mut slate = Slate::new(10, None);
        assert_eq!(slate.remove(), None);
        slate.set("over", 10);
        assert_eq!(slate.into_change(), Change::None);
        let mut slate = Slate::new(10, Some(held("a", 99)));
        slate.set_bytes("b");
        assert_eq!(slate.into_change(), Change::Set(held("b", 99)));
        let mut slate = Slate::new(10, Some(held("a", 99)));
        slate.set("c", 3);
        assert_eq!(slate.into_change(), Change::Remove);
        assert_eq!(Slate::new(10, Some(held("a", 99))).into_change(), Change::None);
        // Where nobody looked, something may be there.
        let mut slate = Slate::blind(10);
        slate.set("over", 10);
        assert_eq!(slate.into_change(), Change::Remove);
    }
}
