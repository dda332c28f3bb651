//! The one writer of the records: takes all that waits and commits it in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use redb::{Database, Durability, ReadableTable as _, WriteTransaction};
use storgo_object::ports::Random;
use storgo_protocol::{GroupId, SnapshotRow};
use tokio::sync::oneshot;

use super::backend::Health;
use super::batch::{Applied, WriteBatch};
use super::error::RecordsError;
use super::tables::{self, GROUPS, META, NEXT_SECTION, Standing};
use crate::NodeKey;

/// Who is told.
pub(super) type Done<T> = oneshot::Sender<Result<T, RecordsError>>;

/// What the writer is asked.
#[derive(Debug)]
pub(super) enum Request {
    /// Change rows, and with them the group's place.
    Commit(GroupId, WriteBatch, Applied, Done<()>),
    /// Make all before durable.
    Flush(Done<()>),
    /// Forget a group.
    Remove(GroupId, Done<()>),
    /// Number a new section.
    Begin(Done<u64>),
    /// Put rows into a section that no group has yet.
    Fill(GroupId, u64, Vec<SnapshotRow>, Done<()>),
    /// Give a group a section in place of the one it has, durably.
    Replace(GroupId, u64, Applied, Done<()>),
    /// Forget a section that no group has.
    Discard(u64),
}

/// What is known of the groups without reading: kept by the writer, seen by all.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) applied: BTreeMap<GroupId, Applied>,
    pub(super) durable: BTreeMap<GroupId, Applied>,
    pub(super) failed: Option<RecordsError>,
}

/// The writer and what it alone knows.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) database: Arc<Database>,
    pub(super) known: Arc<Mutex<Known>>,
    pub(super) key: NodeKey,
    pub(super) random: Arc<dyn Random>,
    /// Batches that may be committed before one is durable, and how many were since.
    pub(super) unsynced_max: u64,
    pub(super) unsynced: u64,
    pub(super) standings: BTreeMap<GroupId, Standing>,
    pub(super) health: Health,
}

/// Answers that wait for the commit.
enum Answer {
    Unit(Done<()>, Result<(), RecordsError>),
    Section(Done<u64>, Result<u64, RecordsError>),
}

/// One transaction under way.
struct Round {
    transaction: WriteTransaction,
    standings: BTreeMap<GroupId, Standing>,
    moved: BTreeSet<GroupId>,
    answers: Vec<Answer>,
    is_durable: bool,
    batches: u64,
}

impl Writer {
    /// Commits what is asked, and answers. After a failure nothing is taken any more.
    pub(super) fn round(&mut self, requests: Vec<Request>) {
        let failed = self.known.lock().failed.clone();
        let outcome = match failed {
            Some(error) => Err((error, Vec::new(), requests)),
            None => self.try_round(requests),
        };
        if let Err((error, answers, requests)) = outcome {
            self.known.lock().failed.get_or_insert_with(|| {
                tracing::error!(error = &error as &dyn std::error::Error, "the records have stopped");
                error.clone()
            });
            for answer in answers {
                answer.refuse(&error);
            }
            for request in requests {
                request.refuse(&error);
            }
        }
    }

    fn try_round(&mut self, requests: Vec<Request>) -> Result<(), (RecordsError, Vec<Answer>, Vec<Request>)> {
        let transaction = match self.database.begin_write().map_err(RecordsError::during("beginning a commit")) {
            Ok(transaction) => transaction,
            Err(error) => return Err((error, Vec::new(), requests)),
        };
        let mut round = Round {
            transaction,
            standings: self.standings.clone(),
            moved: BTreeSet::new(),
            answers: Vec::with_capacity(requests.len()),
            is_durable: false,
            batches: 0,
        };
        let mut requests = requests.into_iter();
        while let Some(request) = requests.next() {
            if let Err(error) = self.take(&mut round, request) {
                return Err((error, round.answers, requests.collect()));
            }
        }
        let is_durable = round.is_durable || self.unsynced + round.batches >= self.unsynced_max;
        let Round { mut transaction, standings, moved, answers, batches, .. } = round;
        let committed = self.write_standings(&transaction, &standings, &moved).and_then(|()| {
            let durability = if is_durable { Durability::Immediate } else { Durability::None };
            transaction.set_durability(durability).map_err(RecordsError::during("setting durability"))?;
            transaction.commit().map_err(RecordsError::during("committing records"))
        });
        if let Err(error) = committed {
            return Err((error, answers, Vec::new()));
        }
        self.standings = standings;
        self.unsynced = if is_durable { 0 } else { self.unsynced + batches };
        self.tell_known(is_durable);
        answers.into_iter().for_each(Answer::give);
        Ok(())
    }

    fn tell_known(&self, is_durable: bool) {
        let applied: BTreeMap<_, _> =
            self.standings.iter().map(|(group, standing)| (*group, standing.applied.clone())).collect();
        let mut known = self.known.lock();
        if is_durable {
            known.durable.clone_from(&applied);
        }
        known.applied = applied;
    }

    fn write_standings(
        &self,
        transaction: &WriteTransaction,
        standings: &BTreeMap<GroupId, Standing>,
        moved: &BTreeSet<GroupId>,
    ) -> Result<(), RecordsError> {
        const WHAT: &str = "writing a group's place";
        let mut groups = transaction.open_table(GROUPS).map_err(RecordsError::during(WHAT))?;
        for group in moved {
            let number = group.as_u64();
            match standings.get(group) {
                Some(standing) => {
                    let sealed = standing.seal(number, &self.key, &*self.random)?;
                    groups.insert(number, sealed.as_slice()).map_err(RecordsError::during(WHAT))?;
                }
                None => drop(groups.remove(number).map_err(RecordsError::during(WHAT))?),
            }
        }
        Ok(())
    }

    /// Does one request in the transaction. What fails here stops the records; what is refused does not.
    fn take(&self, round: &mut Round, request: Request) -> Result<(), RecordsError> {
        let (answer, outcome) = match request {
            Request::Commit(group, batch, applied, done) => {
                round.batches += 1;
                unit(done, self.commit(round, group, batch, applied))
            }
            Request::Flush(done) => {
                round.is_durable = true;
                unit(done, Ok(Ok(())))
            }
            Request::Remove(group, done) => unit(done, remove(round, group).map(Ok)),
            Request::Begin(done) => match next_section(&round.transaction) {
                Ok(number) => (Answer::Section(done, Ok(number)), Ok(())),
                Err(error) => (Answer::Section(done, Err(error.clone())), Err(error)),
            },
            Request::Fill(group, section, rows, done) => {
                let rows = rows.into_iter().map(|row| (row.key, Some(row.value)));
                unit(done, self.change(&round.transaction, group, section, rows).map(Ok))
            }
            Request::Replace(group, section, applied, done) => unit(done, replace(round, group, section, applied)),
            Request::Discard(section) => return discard(&round.transaction, section),
        };
        round.answers.push(answer);
        outcome
    }

    fn commit(
        &self,
        round: &mut Round,
        group: GroupId,
        batch: WriteBatch,
        applied: Applied,
    ) -> Result<Result<(), RecordsError>, RecordsError> {
        let section = match round.standings.get(&group) {
            Some(standing) if standing.applied.index >= applied.index => {
                let found = applied.index;
                return Ok(Err(RecordsError::Order { group, applied: standing.applied.index, found }));
            }
            Some(standing) => standing.section,
            None => next_section(&round.transaction)?,
        };
        self.change(&round.transaction, group, section, batch.changes.into_iter())?;
        round.standings.insert(group, Standing { section, applied });
        round.moved.insert(group);
        Ok(Ok(()))
    }

    fn change(
        &self,
        transaction: &WriteTransaction,
        group: GroupId,
        section: u64,
        changes: impl Iterator<Item = (Bytes, Option<Bytes>)>,
    ) -> Result<(), RecordsError> {
        const WHAT: &str = "writing a record";
        let name = tables::section_name(section);
        let mut table = transaction.open_table(tables::section(&name)).map_err(RecordsError::during(WHAT))?;
        for (key, value) in changes {
            match value {
                Some(value) => {
                    let sealed = tables::seal_value(&self.key, &*self.random, group, &key, &value)?;
                    table.insert(&*key, sealed.as_slice()).map_err(RecordsError::during(WHAT))?;
                }
                None => drop(table.remove(&*key).map_err(RecordsError::during(WHAT))?),
            }
        }
        Ok(())
    }
}

/// An answer of no value: what is refused is told to who asked, what failed to everybody.
fn unit(done: Done<()>, outcome: Result<Result<(), RecordsError>, RecordsError>) -> (Answer, Result<(), RecordsError>) {
    match outcome {
        Ok(refused) => (Answer::Unit(done, refused), Ok(())),
        Err(error) => (Answer::Unit(done, Err(error.clone())), Err(error)),
    }
}

fn remove(round: &mut Round, group: GroupId) -> Result<(), RecordsError> {
    round.is_durable = true;
    match round.standings.remove(&group) {
        Some(standing) => {
            round.moved.insert(group);
            discard(&round.transaction, standing.section)
        }
        None => Ok(()),
    }
}

fn replace(
    round: &mut Round,
    group: GroupId,
    section: u64,
    applied: Applied,
) -> Result<Result<(), RecordsError>, RecordsError> {
    if let Some(standing) = round.standings.get(&group) {
        if standing.applied.index > applied.index {
            discard(&round.transaction, section)?;
            let found = applied.index;
            return Ok(Err(RecordsError::Order { group, applied: standing.applied.index, found }));
        }
        discard(&round.transaction, standing.section)?;
    }
    // A state without rows has a section too.
    let name = tables::section_name(section);
    drop(round.transaction.open_table(tables::section(&name)).map_err(RecordsError::during("opening a section"))?);
    round.standings.insert(group, Standing { section, applied });
    round.moved.insert(group);
    round.is_durable = true;
    Ok(Ok(()))
}

fn discard(transaction: &WriteTransaction, section: u64) -> Result<(), RecordsError> {
    let name = tables::section_name(section);
    let deleted = transaction.delete_table(tables::section(&name));
    deleted.map(drop).map_err(RecordsError::during("deleting a section"))
}

/// Numbers a section that was never there before.
fn next_section(transaction: &WriteTransaction) -> Result<u64, RecordsError> {
    const WHAT: &str = "numbering a section";
    let mut meta = transaction.open_table(META).map_err(RecordsError::during(WHAT))?;
    let number = meta.get(NEXT_SECTION).map_err(RecordsError::during(WHAT))?.map_or(0, |number| number.value());
    meta.insert(NEXT_SECTION, number.saturating_add(1)).map_err(RecordsError::during(WHAT))?;
    Ok(number)
}

impl Answer {
    /// Who no longer waits needs no answer.
    fn give(self) {
        match self {
            Self::Unit(done, outcome) => drop(done.send(outcome)),
            Self::Section(done, outcome) => drop(done.send(outcome)),
        }
    }

    fn refuse(self, error: &RecordsError) {
        match self {
            Self::Unit(done, _) => drop(done.send(Err(error.clone()))),
            Self::Section(done, _) => drop(done.send(Err(error.clone()))),
        }
    }
}

impl Request {
    /// Who no longer waits needs no answer.
    fn refuse(self, error: &RecordsError) {
        match self {
            Self::Commit(.., done)
            | Self::Flush(done)
            | Self::Remove(_, done)
            | Self::Fill(.., done)
            | Self::Replace(.., done) => drop(done.send(Err(error.clone()))),
            Self::Begin(done) => drop(done.send(Err(error.clone()))),
            Self::Discard(_) => {}
        }
    }
}
