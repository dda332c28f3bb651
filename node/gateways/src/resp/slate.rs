//! One key's value as commands that are done together see it.
//!
//! Commands are functions of a slate: what they leave on it is written in one step, on condition that the key is still as
//! it was read; if not, they are done again on what is there then.

use std::collections::BTreeMap;

use bytes::Bytes;
use storgo_protocol::limits::VALUE_BYTES_MAX;
use storgo_protocol::meta::is_over;

use super::collections::Collection;
use super::content::{Content, Kind};
use super::happened::Happened;
use super::numbers::ValueError;
use super::reply::Reply;

/// What a key holds, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) content: Content,
    /// When it ends, in milliseconds since 1970; 0 for never.
    pub(super) expires_ms: u64,
}

/// What a command did to a collection, and its answer.
#[derive(Debug)]
pub(super) enum Edit {
    /// Nothing: it need not be written.
    Same(Reply),
    /// It is another now.
    Changed(Reply),
}

/// A key's value, and whether it is to change.
#[derive(Debug)]
pub(super) struct Slate {
    pub(super) now_ms: u64,
    held: Option<Held>,
    /// Whether it is not known what the key held at first.
    is_blind: bool,
    changed: bool,
    /// What the command that has it now is called where it changes something; empty where nobody is told of that.
    event: &'static str,
    /// What was done to it, in its order.
    happened: Vec<Happened>,
}

/// What commands leave to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Set(Held),
    Remove,
}

/// Several keys of one slot, as a command sees them that changes them in one step.
#[derive(Debug, Default)]
pub(super) struct Slates {
    slates: BTreeMap<Bytes, Slate>,
    /// What was done to which, in its order.
    happened: Vec<(Bytes, Happened)>,
}

/// What a command does to several keys.
pub(super) struct Joint {
    /// All that it looks at or changes.
    pub(super) keys: Vec<Bytes>,
    /// Whether it may take long, short as the values may be.
    pub(super) is_long: bool,
    /// What it is called where it changes something; empty where nobody is told of that.
    event: &'static str,
    run: Box<JointRun>,
}

/// What is said in the end. Where it is an error, nothing is changed.
type JointRun = dyn Fn(&mut Slates) -> Result<Reply, Reply> + Send + Sync;

impl std::fmt::Debug for Joint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joint").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Joint {
    pub(super) fn new(
        keys: Vec<Bytes>,
        run: impl Fn(&mut Slates) -> Result<Reply, Reply> + Send + Sync + 'static,
    ) -> Self {
        Self { keys, is_long: false, event: "", run: Box::new(run) }
    }

    /// The same, called so where it changes something.
    pub(super) fn called(self, event: &'static str) -> Self {
        Self { event, ..self }
    }

    /// The same, which may take long.
    pub(super) fn long(self) -> Self {
        Self { is_long: true, ..self }
    }

    /// Does it.
    ///
    /// # Errors
    /// What is said where nothing is to be changed.
    pub(super) fn apply(&self, slates: &mut Slates) -> Result<Reply, Reply> {
        for key in &self.keys {
            slates.of(key)?.event = self.event;
        }
        let said = (self.run)(slates);
        for key in &self.keys {
            slates.gather(key);
        }
        said
    }
}

impl Slates {
    pub(super) const fn new(slates: BTreeMap<Bytes, Slate>) -> Self {
        Self { slates, happened: Vec::new() }
    }

    /// Has something done to one of them.
    pub(super) fn apply(&mut self, key: &Bytes, op: &Op) -> Reply {
        let reply = self.of(key).map_or_else(|error| error, |slate| op.apply(slate));
        self.gather(key);
        reply
    }

    /// What happened to one since it was asked last.
    fn gather(&mut self, key: &Bytes) {
        let happened = self.slates.get_mut(key).map(Slate::take_happened).unwrap_or_default();
        self.happened.extend(happened.into_iter().map(|happened| (key.clone(), happened)));
    }

    /// What happened to which.
    pub(super) fn take_happened(&mut self) -> Vec<(Bytes, Happened)> {
        std::mem::take(&mut self.happened)
    }

    /// The slate of a key that was named before.
    ///
    /// # Errors
    /// What a client is told where it was not: a fault of this program.
    pub(super) fn of(&mut self, key: &Bytes) -> Result<&mut Slate, Reply> {
        self.slates.get_mut(key).ok_or_else(|| Reply::error("ERR internal error"))
    }

    /// What a key holds as it was opened before.
    pub(super) fn held(&self, key: &Bytes) -> Option<&Held> {
        self.slates.get(key).and_then(Slate::held)
    }

    /// What is to be done to each.
    pub(super) fn into_changes(self) -> impl Iterator<Item = (Bytes, Change)> {
        self.slates.into_iter().map(|(key, slate)| (key, slate.into_change()))
    }
}

/// What a command does to a key.
pub(super) struct Op {
    /// Whether it needs to know what the key holds.
    pub(super) looks: bool,
    /// Whether it may change that.
    pub(super) writes: bool,
    /// Whether it may take long, short as the value may be.
    pub(super) is_long: bool,
    /// What it is called where it changes something; empty where nobody is told of that.
    event: &'static str,
    /// What a client asked, where another door may do it.
    asked: Option<Vec<Bytes>>,
    run: Box<dyn Fn(&mut Slate) -> Reply + Send + Sync>,
}

/// What a command says in the end: an error is an answer too.
impl From<Result<Self, Self>> for Reply {
    fn from(said: Result<Self, Self>) -> Self {
        said.unwrap_or_else(|error| error)
    }
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Op").field("looks", &self.looks).field("writes", &self.writes).finish_non_exhaustive()
    }
}

impl Op {
    /// One that changes nothing, and may look into a collection.
    pub(super) fn look<R: Into<Reply>>(run: impl Fn(&mut Slate) -> R + Send + Sync + 'static) -> Self {
        Self::of(true, false, run)
    }

    fn of<R: Into<Reply>>(looks: bool, writes: bool, run: impl Fn(&mut Slate) -> R + Send + Sync + 'static) -> Self {
        Self { looks, writes, is_long: false, event: "", asked: None, run: Box::new(move |slate| run(slate).into()) }
    }

    /// The same, called so where it changes something, unless it has a name of its own.
    pub(super) fn called(self, event: &'static str) -> Self {
        Self { event: if self.event.is_empty() { event } else { self.event }, ..self }
    }

    /// The same, done so that others can do it in its place: by what a client asked.
    pub(super) fn asked(self, args: &[Bytes]) -> Self {
        Self { asked: Some(args.to_vec()), ..self }
    }

    /// What a client asked, if others can do it in its place.
    pub(super) fn errand(&self) -> Option<&[Bytes]> {
        self.asked.as_deref()
    }

    /// It is done here, whoever else could.
    pub(super) fn stays(&mut self) {
        self.asked = None;
    }

    /// The same, as another has it done, or not.
    pub(super) fn through(
        self,
        through: impl Fn(&mut Slate, &dyn Fn(&mut Slate) -> Reply) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let run = self.run;
        Self { run: Box::new(move |slate| through(slate, &run)), ..self }
    }

    /// Does it.
    pub(super) fn apply(&self, slate: &mut Slate) -> Reply {
        slate.event = self.event;
        let reply = (self.run)(slate);
        if !self.writes && slate.held.is_none() {
            slate.note(Happened::MISSED);
        }
        reply
    }

    /// The same, which may take long.
    pub(super) fn long(self) -> Self {
        Self { is_long: true, ..self }
    }

    /// One that reads whether something is there, of which kind, and when it ends.
    pub(super) fn read(run: impl Fn(Option<&Held>, u64) -> Reply + Send + Sync + 'static) -> Self {
        Self::look(move |slate| run(slate.held(), slate.now_ms))
    }

    /// One that reads a text.
    pub(super) fn read_text(run: impl Fn(Option<&Bytes>) -> Reply + Send + Sync + 'static) -> Self {
        Self::look(move |slate| slate.text().map(&run))
    }

    /// One that reads a collection: where there is none, an empty one.
    pub(super) fn read_as<C: Collection>(run: impl Fn(&C) -> Reply + Send + Sync + 'static) -> Self {
        Self::look(move |slate| slate.read(&run))
    }

    /// One that makes a value of what there was.
    pub(super) fn change<R: Into<Reply>>(run: impl Fn(&mut Slate) -> R + Send + Sync + 'static) -> Self {
        Self::of(true, true, run)
    }

    /// One that changes a collection, as [`Slate::edit`] does.
    pub(super) fn edit<C: Collection>(
        more_bytes: usize,
        run: impl Fn(&mut C) -> Result<Edit, Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::change(move |slate| slate.edit(more_bytes, &run))
    }

    /// One that does not care what there was.
    pub(super) fn overwrite<R: Into<Reply>>(run: impl Fn(&mut Slate) -> R + Send + Sync + 'static) -> Self {
        Self::of(false, true, run)
    }
}

impl Slate {
    /// Of a key that holds this.
    pub(super) const fn new(now_ms: u64, held: Option<Held>) -> Self {
        Self { now_ms, held, is_blind: false, changed: false, event: "", happened: Vec::new() }
    }

    /// Of a key that nobody looked at: the first command must not look either.
    pub(super) fn blind(now_ms: u64) -> Self {
        Self { is_blind: true, ..Self::new(now_ms, None) }
    }

    pub(super) const fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// What it holds; none if the key is not there.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.held.as_ref().map(|held| held.content.kind())
    }

    /// The bytes of a text; none if the key is not there.
    ///
    /// # Errors
    /// What a client is told if it holds anything else.
    pub(super) fn text(&self) -> Result<Option<&Bytes>, Reply> {
        self.held.as_ref().map(|held| held.content.text()).transpose()
    }

    fn note(&mut self, happened: Happened) {
        if !self.event.is_empty() {
            self.happened.push(happened);
        }
    }

    /// What was done to it since it was asked last.
    pub(super) fn take_happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// What its command does to it is called so from here on.
    pub(super) const fn called(&mut self, event: &'static str) -> &mut Self {
        if !self.event.is_empty() {
            self.event = event;
        }
        self
    }

    /// Something happened to what it holds that is called so, beside what its command is called.
    pub(super) fn tells(&mut self, event: &'static str) {
        if let Some(kind) = self.kind() {
            self.note(Happened::value(event, kind));
        }
    }

    /// Sets a text and its end.
    pub(super) fn set(&mut self, bytes: impl Into<Bytes>, expires_ms: u64) {
        self.hold(Content::Text(bytes.into()), expires_ms);
        if expires_ms > 0 && self.held.is_some() {
            self.note(Happened::generic("expire"));
        }
    }

    /// Sets a text; when it ends stays as it is.
    pub(super) fn set_bytes(&mut self, bytes: impl Into<Bytes>) {
        let expires_ms = self.held.as_ref().map_or(0, |held| held.expires_ms);
        self.hold(Content::Text(bytes.into()), expires_ms);
    }

    /// Sets content and end; an end that is over takes the key away.
    pub(super) fn hold(&mut self, content: Content, expires_ms: u64) {
        if is_over(expires_ms, self.now_ms) {
            self.remove();
            return;
        }
        if self.held.is_none() && !self.is_blind {
            self.note(Happened::NEW);
        }
        self.note(match self.event {
            event @ ("copy_to" | "rename_to" | "restore") => Happened::generic(event),
            event => Happened::value(event, content.kind()),
        });
        self.changed = true;
        self.held = Some(Held { content, expires_ms });
    }

    /// Sets when what it holds ends, as [`Slate::hold`] has it.
    pub(super) fn set_end(&mut self, expires_ms: u64) {
        if is_over(expires_ms, self.now_ms) {
            self.remove();
        } else if let Some(held) = &mut self.held {
            held.expires_ms = expires_ms;
            self.changed = true;
            self.note(Happened::generic(if expires_ms > 0 { "expire" } else { "persist" }));
        }
    }

    /// Reads a collection: where there is none, an empty one.
    ///
    /// # Errors
    /// What a client is told if it holds anything else, or one that is damaged.
    pub(super) fn read<C: Collection, T>(&mut self, run: impl FnOnce(&C) -> T) -> Result<T, Reply> {
        match &mut self.held {
            Some(held) => held.content.open().map(|found| run(found)),
            None => Ok(run(&C::default())),
        }
    }

    /// Changes a collection: where there is none, an empty one. `more_bytes` is what it may weigh more then, at the most. One
    /// that becomes empty goes.
    ///
    /// # Errors
    /// What a client is told if it holds anything else, one that is damaged, or one that would become too large; and what
    /// `run` says, which must have changed nothing then.
    pub(super) fn edit<C: Collection>(
        &mut self,
        more_bytes: usize,
        run: impl FnOnce(&mut C) -> Result<Edit, Reply>,
    ) -> Result<Reply, Reply> {
        let Some(held) = &mut self.held else {
            let mut made = C::default();
            return match run(&mut made)? {
                Edit::Same(reply) => Ok(reply),
                Edit::Changed(reply) => self.put(made, 0).map(|()| reply),
            };
        };
        let kind = held.content.kind();
        let found = held.content.open::<C>()?;
        // Where it may not fit, what there was is kept to go back to.
        let more_bytes = more_bytes.saturating_add(NUMBER_BYTES_MAX);
        let before = (found.weight().saturating_add(more_bytes) > VALUE_BYTES_MAX).then(|| found.clone());
        let reply = match run(found)? {
            Edit::Same(reply) => return Ok(reply),
            Edit::Changed(reply) => reply,
        };
        if let Some(before) = before
            && found.weight() > VALUE_BYTES_MAX
        {
            *found = before;
            return Err(too_large());
        }
        let is_empty = found.is_empty();
        self.changed = true;
        self.note(Happened::value(self.event, kind));
        if is_empty {
            self.remove();
        }
        Ok(reply)
    }

    /// Puts a collection in the place of whatever there was; an empty one takes the key away.
    ///
    /// # Errors
    /// What a client is told if it is too large.
    pub(super) fn put<C: Collection>(&mut self, made: C, expires_ms: u64) -> Result<(), Reply> {
        if made.weight() > VALUE_BYTES_MAX {
            return Err(too_large());
        }
        if made.is_empty() {
            self.remove();
        } else {
            self.hold(made.into(), expires_ms);
        }
        Ok(())
    }

    /// Takes the key away; what it held.
    pub(super) fn remove(&mut self) -> Option<Held> {
        self.take_away("del")
    }

    /// The same, called so.
    pub(super) fn take_away(&mut self, event: &'static str) -> Option<Held> {
        let held = self.held.take();
        self.changed |= held.is_some() || self.is_blind;
        if held.is_some() {
            self.note(Happened::generic(event));
        }
        held
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

/// Bytes that a number can have which was made of others that are shorter: the largest there is, in decimals, and more.
const NUMBER_BYTES_MAX: usize = 512;

/// What is said where a collection would become larger than any may be.
fn too_large() -> Reply {
    Reply::error(format!("ERR {}", ValueError::TooLong))
}

#[cfg(test)]
mod tests {
    use super::super::collections::Set;
    use super::*;

    fn held(bytes: &'static str, expires_ms: u64) -> Held {
        Held { content: Content::Text(bytes.into()), expires_ms }
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

    /// A slate of a set, as a version has it.
    fn set(members: &[&'static str], expires_ms: u64) -> Held {
        let set: Set = members.iter().map(|member| Bytes::from(*member)).collect();
        let (metadata, body) = Content::from(set).pack();
        Held { content: Content::unpack(&metadata, body), expires_ms }
    }

    fn packed(change: Change) -> Option<(Bytes, Bytes, u64)> {
        let Change::Set(held) = change else { return None };
        let (metadata, body) = held.content.pack();
        Some((metadata, body, held.expires_ms))
    }

    #[test]
    fn a_collection_is_written_if_it_changed_and_goes_when_it_is_empty() {
        let mut slate = Slate::new(10, Some(set(&["a", "b"], 99)));
        let same = slate.edit(0, |set: &mut Set| Ok(Edit::Same(Reply::Int(set.remove(b"z").into()))));
        assert_eq!((same, slate.read(Set::len)), (Ok(Reply::Int(0)), Ok(2)));
        assert_eq!(slate.into_change(), Change::None);

        let mut slate = Slate::new(10, Some(set(&["a", "b"], 99)));
        let remove =
            |member: &'static [u8]| move |set: &mut Set| Ok(Edit::Changed(Reply::Int(set.remove(member).into())));
        assert_eq!(slate.edit(0, remove(b"a")), Ok(Reply::Int(1)));
        assert_eq!(packed(slate.into_change()), packed(Change::Set(set(&["b"], 99))));

        let mut slate = Slate::new(10, Some(set(&["a"], 99)));
        assert_eq!(slate.edit(0, remove(b"a")), Ok(Reply::Int(1)));
        assert_eq!((slate.kind(), slate.read(Set::len)), (None, Ok(0)));
        assert_eq!(slate.into_change(), Change::Remove);
    }

    #[test]
    fn a_collection_that_is_given_another_end_is_the_same_byte_for_byte() {
        for looks in [false, true] {
            let mut slate = Slate::new(10, Some(set(&["a", "b"], 0)));
            if looks {
                assert_eq!(slate.read(Set::len), Ok(2));
            }
            slate.set_end(99);
            assert_eq!(packed(slate.into_change()), packed(Change::Set(set(&["a", "b"], 99))));
        }
        let mut slate = Slate::new(10, Some(set(&["a"], 0)));
        slate.set_end(10);
        assert_eq!(slate.into_change(), Change::Remove);
    }

    #[test]
    fn a_collection_grows_up_to_what_a_value_has_and_stays_as_it_was_beyond() {
        let long = |bytes: usize| Bytes::from(vec![0; bytes]);
        let add = |member: Bytes| {
            move |set: &mut Set| {
                set.insert(member);
                Ok(Edit::Changed(Reply::OK))
            }
        };
        let mut slate = Slate::new(10, None);
        let room = VALUE_BYTES_MAX - super::super::collections::ELEMENT_BYTES;
        assert_eq!(slate.edit(room + 1, add(long(room + 1))), Err(too_large()));
        assert_eq!((slate.kind(), slate.changed), (None, false));
        assert_eq!(slate.edit(room, add(long(room))), Ok(Reply::OK));
        assert_eq!(slate.edit(32, add(Bytes::new())), Err(too_large()));
        assert_eq!(slate.read(|set: &Set| (set.len(), set.weight())), Ok((1, VALUE_BYTES_MAX)));
        // What is as large as any is read again.
        let (metadata, body, _) = packed(slate.into_change()).unwrap();
        assert!(body.len() <= VALUE_BYTES_MAX);
        assert_eq!(Content::unpack(&metadata, body).open::<Set>().map(|set| set.weight()), Ok(VALUE_BYTES_MAX));
    }

    #[test]
    fn what_is_damaged_is_taken_away_or_overwritten() {
        let damaged = || Held { content: Content::Packed(Kind::Set, "?".into()), expires_ms: 0 };
        let mut slate = Slate::new(10, Some(damaged()));
        assert!(slate.read(Set::len).is_err() && slate.edit(0, |_: &mut Set| Ok(Edit::Changed(Reply::OK))).is_err());
        assert!(!slate.changed);
        slate.set("new", 0);
        assert_eq!(slate.into_change(), Change::Set(held("new", 0)));
        let mut slate = Slate::new(10, Some(damaged()));
        assert!(slate.remove().is_some());
        assert_eq!(slate.into_change(), Change::Remove);
    }
}
