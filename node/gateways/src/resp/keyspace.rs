//! The keys of a bucket: what is asked of one key queues up, and all that waits is done in one step.
//!
//! ```text
//!   submit ─► queue of the key ── all that waits ──► read ─► run each on one slate ─► write, if it is still as it was read
//! ```
//!
//! So a counter that fifty clients raise costs one command for all who wait, commands on one key are done in the order in
//! which they came, and none is done twice: a write whose outcome is not known is said to be so, and never tried again
//! under another name. A step on several keys takes them over one after the other, in their order, when its turn at each
//! comes, so what goes through one door never meets. It must not know what commands mean.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use parking_lot::Mutex;
use storgo_object::ports::Clock;
use storgo_object::{ErrorKind, ListOptions, NameError, ObjectError, Page, Seen, SetValue, Value};
use storgo_protocol::limits::{
    BATCH_PARTS_MAX, RESP_FOLD_TRIES, RESP_FOLDED_MAX, RESP_KEYS_AT_ONCE_MAX, RESP_LONG_BYTES,
};
use storgo_protocol::meta::Condition;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::errands::{self, Errands, Unknown};
use super::happened::Class;
use super::long::{LongWork, Room};
use super::notices::Notices;
use super::reply::Reply;
use super::shared::{Turn, Unsent};
use super::slate::{Joint, Op, Slate};
use super::step::{Command, Done, Outcome, Told, do_all, do_joint, held, is_long, there};
use super::values::Values;

/// Keys and values. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Keyspace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    values: Arc<dyn Values>,
    /// The same, as they were not long ago.
    glances: Arc<dyn Values>,
    clock: Arc<dyn Clock>,
    notices: Notices,
    errands: Arc<Errands>,
    /// What waits for keys at which something is being done.
    queues: Mutex<HashMap<Bytes, VecDeque<Waiting>>>,
    /// Keys at which something is done at once; others wait.
    turns: Semaphore,
    /// What takes long, and how much memory it takes.
    long: LongWork,
}

/// What waits for a key.
#[derive(Debug)]
enum Waiting {
    Command(Command),
    /// A step on several keys, which takes this one over.
    Step(oneshot::Sender<Taken>),
}

/// A key that is somebody's to work at. When it goes, also by a panic, what waits for the key has its turn.
#[derive(Debug)]
struct Taken {
    inner: Arc<Inner>,
    key: Bytes,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut queues = self.inner.queues.lock();
        let Some(queue) = queues.get_mut(&self.key) else { return };
        // While the program ends there is nobody who could work: who waits is told by the loss of the sender.
        let (Some(next), Ok(runtime)) = (take_next(queue), Handle::try_current()) else {
            drop(queues.remove(&self.key));
            return;
        };
        drop(queues);
        let taken = Self { inner: Arc::clone(&self.inner), key: self.key.clone() };
        match next {
            Next::Commands(commands) => drop(runtime.spawn(taken.work(commands))),
            // A step that nobody waits for any more gives it back by dropping it.
            Next::Step(step) => drop(step.send(taken)),
        }
    }
}

enum Next {
    Commands(Vec<Command>),
    Step(oneshot::Sender<Taken>),
}

/// What is done next at a key: as many commands as come one behind the other, or a step.
fn take_next(queue: &mut VecDeque<Waiting>) -> Option<Next> {
    let mut commands = Vec::new();
    while commands.len() < RESP_FOLDED_MAX {
        match queue.pop_front() {
            Some(Waiting::Command(command)) => commands.push(command),
            Some(Waiting::Step(step)) if commands.is_empty() => return Some(Next::Step(step)),
            Some(step @ Waiting::Step(_)) => {
                queue.push_front(step);
                break;
            }
            None => break,
        }
    }
    (!commands.is_empty()).then_some(Next::Commands(commands))
}

impl Keyspace {
    /// Keys with these values; what may be stale is read from `glances`.
    pub(super) fn new(
        values: Arc<dyn Values>,
        glances: Arc<dyn Values>,
        clock: Arc<dyn Clock>,
        notices: Notices,
        errands: Arc<Errands>,
    ) -> Self {
        let turns = Semaphore::new(RESP_KEYS_AT_ONCE_MAX);
        Self(Arc::new(Inner {
            values,
            glances,
            clock,
            notices,
            errands,
            queues: Mutex::default(),
            turns,
            long: LongWork::default(),
        }))
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }

    /// Has something done to a key, behind all that was submitted for it before.
    /// It `is_next` if all that the client asked for before is answered: otherwise it may be told to come later.
    pub(super) fn submit(&self, key: Bytes, op: Op, unsent: &Arc<Unsent>, is_next: bool) -> oneshot::Receiver<Told> {
        let (command, answer) = Command::new(op, unsent, is_next);
        self.enqueue(key, command);
        answer
    }

    fn enqueue(&self, key: Bytes, command: Command) {
        let mut queues = self.0.queues.lock();
        if let Some(queue) = queues.get_mut(&key) {
            queue.push_back(Waiting::Command(command));
        } else {
            queues.insert(key.clone(), VecDeque::new());
            let taken = Taken { inner: Arc::clone(&self.0), key };
            tokio::spawn(taken.work(vec![command]));
        }
    }

    /// Has a look at what a key held not long ago, beside all that is submitted for it. It must not be one that writes.
    pub(super) fn glance(&self, key: Bytes, op: Op, unsent: &Arc<Unsent>) -> oneshot::Receiver<Told> {
        let (command, answer) = Command::new(op, unsent, false);
        let keyspace = self.clone();
        tokio::spawn(async move {
            // That it is over is for its group to say.
            if let Some(command) = keyspace.0.glance(&key, command).await {
                keyspace.enqueue(key, command);
            }
        });
        answer
    }

    /// Takes a key over, behind all that was submitted for it before.
    async fn take(&self, key: Bytes) -> Result<Taken, ObjectError> {
        let taken = {
            let mut queues = self.0.queues.lock();
            let Some(queue) = queues.get_mut(&key) else {
                queues.insert(key.clone(), VecDeque::new());
                return Ok(Taken { inner: Arc::clone(&self.0), key });
            };
            let (step, taken) = oneshot::channel();
            queue.push_back(Waiting::Step(step));
            taken
        };
        let stops = |_| NameError::Conflict { what: "the keys".to_owned(), reason: "the door is closing".to_owned() };
        Ok(taken.await.map_err(stops)?)
    }

    /// How keys stand, as a transaction watches them.
    pub(super) async fn standings(&self, keys: &[Bytes]) -> Result<Vec<Condition>, ObjectError> {
        try_join_all(keys.iter().map(|key| self.0.values.standing(key))).await
    }

    /// Does something to several keys of one slot in one step. `watched` keys must still be as they were seen: if not,
    /// nothing is done, and that is `None`.
    pub(super) async fn together(
        &self,
        joint: &Joint,
        watched: &BTreeMap<Bytes, Condition>,
        unsent: &Unsent,
    ) -> Result<Option<Reply>, ObjectError> {
        let keys: BTreeSet<Bytes> = joint.keys.iter().chain(watched.keys()).cloned().collect();
        if keys.len() > BATCH_PARTS_MAX {
            let reason = format!("at most {BATCH_PARTS_MAX} keys change together");
            return Err(NameError::Invalid { what: "the keys".to_owned(), reason }.into());
        }
        // In the order of the keys, as every step does: so no two wait for each other.
        let mut taken = Vec::with_capacity(keys.len());
        for key in &keys {
            taken.push(self.take(key.clone()).await?);
        }
        let watches_absent = watched.values().any(|before| matches!(before, Condition::AbsentSince(_)));
        // Behind the keys, as commands do.
        let _turn = self.0.turns.acquire().await;
        for _ in 0..RESP_FOLD_TRIES {
            let (values, _room) = self.0.read_all(&keys).await?;
            let now_ms = self.0.clock.now_ms();
            let known: BTreeMap<&Bytes, Option<Value>> = keys.iter().zip(values).collect();
            // One whose time is over is not as it was, nor was it there if it was watched for not being there.
            let is_as_it_was = |(key, before): (&Bytes, &Condition)| {
                let value = known.get(key).and_then(Option::as_ref);
                let is_over = value.is_some() && there(value, now_ms).is_none();
                !is_over && before.may_hold(value.map(|value| value.version))
            };
            if !watched.iter().all(is_as_it_was) {
                return Ok(None);
            }
            let bytes: usize = known.values().flatten().map(|value| value.bytes.len()).sum();
            let is_long = joint.is_long || bytes >= RESP_LONG_BYTES;
            let (done, _counted) = self
                .0
                .long
                .run(is_long, || {
                    let has_room = unsent.turn(true, is_long) != Turn::Never;
                    let done = do_joint(joint, &known, watched, now_ms, has_room);
                    let counted = unsent.count(done.said.weight());
                    (done, counted)
                })
                .await;
            match self.0.values.change_values(&done.changes).await {
                Ok(_) => {
                    for (key, happened) in done.happened {
                        self.0.notices.tell(&key, &[happened]);
                    }
                    return Ok(Some(done.said));
                }
                // One that was watched for not being there may have come and gone, which cannot be seen from here. That another one
                // went looks the same, and undoes a step that could have been done anew.
                Err(ObjectError::Name(NameError::Condition { current: None, .. })) if watches_absent => {
                    return Ok(None);
                }
                Err(ObjectError::Name(NameError::Condition { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        let reason = "others changed them each time that it was tried".to_owned();
        Err(NameError::Conflict { what: "the keys".to_owned(), reason }.into())
    }

    /// Tells clients of this door of keys that were over, where that is wanted. It never ends.
    pub(super) async fn follow(&self) {
        self.0.notices.follow(self.0.values.as_ref()).await;
    }

    /// A page of the keys, in their order.
    pub(super) async fn list(&self, options: &ListOptions) -> Result<Page, ObjectError> {
        self.0.values.list(options).await
    }
}

impl Taken {
    /// Does commands, and those that come behind them, until none does or a step takes the key over.
    async fn work(self, first: Vec<Command>) {
        let (mut commands, mut last) = (first, None);
        loop {
            commands.retain(Command::is_wanted);
            if commands.is_empty() {
                commands = self.more_commands();
                if commands.is_empty() {
                    return;
                }
                continue;
            }
            // It is never closed. Who waits for a turn takes little memory: a request may name a million keys.
            let turn = self.inner.turns.acquire().await;
            // Who cannot be answered now is not looked at: what is done first may say whether the key is read at all.
            let mut now: Vec<Command> = Vec::with_capacity(commands.len());
            for command in commands {
                match command.turn() {
                    Turn::Now => now.push(command),
                    turn => command.tell(&self.key, Err(turn)),
                }
            }
            if now.is_empty() {
                commands = now;
                continue;
            }
            let mut behind = Vec::new();
            if self.inner.errands.is_contended(&self.key) {
                let here = now.iter().take_while(|command| command.errand().is_none()).count();
                if here == 0 {
                    // Others have their turn while this waits for another door.
                    drop(turn);
                    self.inner.errand(&self.key, &mut now).await;
                    (commands, last) = (now, None);
                    continue;
                }
                behind = now.split_off(here);
            }
            let folded = Box::pin(self.inner.fold(&self.key, &now, &mut last)).await;
            drop(turn);
            commands = now;
            match folded {
                Ok(done) => {
                    let later = commands.split_off(done.len());
                    commands.into_iter().zip(done).for_each(|(command, done)| command.tell(&self.key, done));
                    commands = later;
                }
                Err(error) => {
                    last = None;
                    let reply = refusal(&error);
                    commands.drain(..).for_each(|command| command.tell(&self.key, Ok(reply.clone())));
                }
            }
            commands.append(&mut behind);
        }
    }

    /// The commands that come next; none if nothing does, or a step.
    fn more_commands(&self) -> Vec<Command> {
        let mut queues = self.inner.queues.lock();
        let queue = queues.get_mut(&self.key);
        match queue.filter(|queue| matches!(queue.front(), Some(Waiting::Command(_)))).and_then(take_next) {
            Some(Next::Commands(commands)) => commands,
            Some(Next::Step(_)) | None => Vec::new(),
        }
    }
}

impl Inner {
    /// What a key holds, with room for it if it is long.
    async fn read(&self, values: &dyn Values, key: &[u8]) -> Result<(Option<Value>, Option<Room<'_>>), ObjectError> {
        let (mut most, mut room) = (RESP_LONG_BYTES, None);
        loop {
            match values.value(key, most).await? {
                Some(Seen::Longer(bytes)) => {
                    drop(room.take());
                    room = Some(self.long.room(bytes).await?);
                    most = bytes;
                }
                Some(Seen::Value(value)) => return Ok((Some(value), room)),
                None => return Ok((None, room)),
            }
        }
    }

    /// Answers a command from what a key held not long ago; gives it back where that is over by this machine's clock.
    async fn glance(&self, key: &Bytes, command: Command) -> Option<Command> {
        let _turn = self.turns.acquire().await;
        if !command.is_wanted() {
            return None;
        }
        let (known, _room) = match self.read(self.glances.as_ref(), key).await {
            Ok(read) => read,
            Err(error) => {
                command.tell(key, Ok(refusal(&error)));
                return None;
            }
        };
        let now_ms = self.clock.now_ms();
        let current = there(known.as_ref(), now_ms);
        if current.is_none() && known.is_some() {
            return Some(command);
        }
        let is_long = current.is_some_and(is_long);
        let slate = Slate::new(now_ms, current.map(held));
        let commands = std::slice::from_ref(&command);
        let done = self.long.run(is_long || command.op.is_long, || do_all(commands, slate, is_long)).await;
        let said = done.said.into_iter().next().unwrap_or(Err(Turn::Later));
        command.tell(key, said);
        None
    }

    /// What several keys hold, with room for all.
    async fn read_all(&self, keys: &BTreeSet<Bytes>) -> Result<(Vec<Option<Value>>, Room<'_>), ObjectError> {
        let mut most = vec![RESP_LONG_BYTES; keys.len()];
        loop {
            let room = self.long.room(most.iter().sum()).await?;
            let reads = keys.iter().zip(&most).map(|(key, most)| self.values.value(key, *most));
            let (mut values, mut all_seen) = (Vec::with_capacity(keys.len()), true);
            for (seen, most) in try_join_all(reads).await?.into_iter().zip(&mut most) {
                match seen {
                    Some(Seen::Longer(bytes)) => (*most, all_seen) = (bytes, false),
                    Some(Seen::Value(value)) => values.push(Some(value)),
                    None => values.push(None),
                }
            }
            if all_seen {
                return Ok((values, room));
            }
        }
    }

    /// Has the first commands done by the door that has the key nearest, as many as fit one errand, and tells what came of
    /// them. Those of them that were not done there are to be done here.
    async fn errand(&self, key: &Bytes, commands: &mut Vec<Command>) {
        let asked: Vec<_> = commands.iter().map_while(Command::errand).collect();
        let tried = errands::fitting(&asked);
        let done = match self.errands.have_done(key, asked.get(..tried).unwrap_or_default()).await {
            // Behind one that was not done, none was.
            Ok(replies) => replies.into_iter().map_while(|reply| reply).take(tried).collect(),
            Err(Unknown) => vec![unknown(); tried],
        };
        let mut here = commands.split_off(done.len());
        // One that fits no errand stays, too.
        here.iter_mut().take(tried.max(1) - done.len()).for_each(Command::stays);
        commands.drain(..).zip(done).for_each(|(command, reply)| command.tell(key, Ok(reply)));
        *commands = here;
    }

    /// Does some commands in one step, the first of them if their answers are long; their answers. `last` is what this side
    /// wrote there before: where something is to be written on that condition, it need not be read again. None is done where another
    /// door was faster, and is to do them.
    async fn fold(
        &self,
        key: &Bytes,
        commands: &[Command],
        last: &mut Option<Value>,
    ) -> Result<Vec<Result<Reply, Turn>>, ObjectError> {
        let tells_new = self.notices.wants(Class::New);
        let is_blind = !tells_new && commands.first().is_some_and(|command| !command.op.looks);
        let writes = commands.iter().any(|command| command.op.writes);
        for _ in 0..RESP_FOLD_TRIES {
            let (known, is_certain, _room) = match last.take() {
                _ if is_blind => (None, true, None),
                Some(last) if writes => (Some(last), false, None),
                _ => {
                    let (known, room) = self.read(self.values.as_ref(), key).await?;
                    (known, true, room)
                }
            };
            let now_ms = self.clock.now_ms();
            let current = there(known.as_ref(), now_ms);
            let is_over = known.is_some() && current.is_none();
            let slate = if is_blind { Slate::blind(now_ms) } else { Slate::new(now_ms, current.map(held)) };
            let condition = match &known {
                _ if is_blind => Condition::Always,
                Some(value) => Condition::Version(value.version),
                None => Condition::Absent,
            };
            let has_long = current.is_some_and(is_long);
            let takes_long = has_long || commands.iter().any(|command| command.op.is_long);
            let Done { said, outcome, happened } =
                self.long.run(takes_long, || do_all(commands, slate, has_long)).await;
            let written = match outcome {
                // What was answered from memory is said by nobody else.
                Outcome::None if !is_certain => continue,
                // That it is over is written before it is said: nobody is told otherwise afterwards.
                Outcome::None if is_over => self.values.unset(key, condition).await.map(|_| None),
                Outcome::None => Ok(known),
                Outcome::Set { metadata, bytes, expires_ms } => {
                    let object = current.map(|value| value.object);
                    let set = SetValue { bytes, metadata, expires_ms, condition, object };
                    self.values.set(key, set).await.map(Some)
                }
                Outcome::Remove if condition == Condition::Absent => Ok(None),
                Outcome::Remove => self.values.unset(key, condition).await.map(|_| None),
            };
            match written {
                Ok(value) => {
                    *last = value.filter(|value| !is_long(value));
                    self.notices.tell(key, &happened);
                    return Ok(said);
                }
                // Nothing was done: somebody else was there first.
                Err(ObjectError::Name(NameError::Condition { .. })) => {
                    // What is over its group takes away at once: nobody else was there.
                    let was_late = !is_over && self.errands.was_late(key);
                    if was_late && commands.iter().any(|command| command.errand().is_some()) {
                        return Ok(Vec::new());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let reason = "others changed it each time that it was tried".to_owned();
        Err(NameError::Conflict { what: "the key".to_owned(), reason }.into())
    }
}

/// What is said where no answer came of an errand.
fn unknown() -> Reply {
    Reply::error(
        "CLUSTERDOWN the door beside the leader did not answer in time: whether it was done is not known, and it is not tried again",
    )
}

/// What a client is told of a failure, with the code word that tells it what to do.
pub(super) fn refusal(error: &ObjectError) -> Reply {
    let word = match error.kind() {
        ErrorKind::Unavailable => "CLUSTERDOWN",
        ErrorKind::Conflict => "TRYAGAIN",
        ErrorKind::Denied => "NOPERM",
        _ => "ERR",
    };
    let mut text = format!("{word} {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    Reply::error(text)
}

#[cfg(test)]
mod tests;
