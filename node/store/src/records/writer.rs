//! The one writer of the records: writes what was committed, and does what is asked of it, in one durable transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use redb::{Database, WriteTransaction};
use storgo_object::ports::Random;
use storgo_protocol::{GroupId, SnapshotRow};

use super::backend::Health;
use super::base::Base;
use super::error::RecordsError;
use super::memory::{Changes, Frozen, Memory};
use super::request::{Answer, Request};
use super::shared::Shared;
use super::tables::{self, GROUPS, META, NEXT_SECTION, Standing};
use crate::NodeKey;

/// The writer and what it alone knows.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) database: Arc<Database>,
    pub(super) shared: Arc<Shared>,
    pub(super) key: NodeKey,
    pub(super) random: Arc<dyn Random>,
    /// Where groups stand in the database.
    pub(super) standings: BTreeMap<GroupId, Standing>,
    pub(super) health: Health,
}

/// What a transaction is to do, decided in one moment.
#[derive(Debug, Default)]
struct Plan {
    /// Sections to be made.
    new: Vec<u64>,
    /// Rows for sections that no group has yet.
    fills: Vec<(GroupId, u64, Vec<SnapshotRow>)>,
    /// Sections that are not needed, besides those that groups no longer have.
    discarded: Vec<u64>,
    /// What changed of groups.
    frozen: Vec<Frozen>,
    /// Where groups are to stand.
    standings: BTreeMap<GroupId, Standing>,
    next_section: u64,
    answers: Vec<Answer>,
}

impl Plan {
    /// Lets what is asked take effect in memory, and takes what has to be written: all of it, or if nobody waits for more,
    /// groups that somebody waits for, and `share` bytes of others if there is much.
    fn new(memory: &mut Memory, requests: Vec<Request>, share: usize, written: &BTreeMap<GroupId, Standing>) -> Self {
        let mut plan = Self::default();
        let (mut share_wanted, mut wanted) = (0, BTreeSet::new());
        for request in requests {
            share_wanted = share_wanted.max(match &request {
                Request::FlushGroup(group, _) => {
                    wanted.insert(*group);
                    0
                }
                Request::Write => share,
                // They make rows, or take away rows, that no group has.
                Request::Begin(_) | Request::Fill(..) | Request::Discard(_) => 0,
                // A group whose section is another one now is frozen with the rest.
                Request::Flush(_) | Request::WriteAll | Request::Remove(..) | Request::Replace(..) => usize::MAX,
            });
            let answer = match request {
                Request::Write | Request::WriteAll => continue,
                Request::Flush(done) | Request::FlushGroup(_, done) => Answer::Unit(done, Ok(())),
                Request::Remove(group, done) => {
                    memory.remove(group);
                    Answer::Unit(done, Ok(()))
                }
                Request::Begin(done) => {
                    let section = memory.number_section();
                    plan.new.push(section);
                    Answer::Section(done, section)
                }
                Request::Fill(group, section, rows, done) => {
                    plan.fills.push((group, section, rows));
                    Answer::Unit(done, Ok(()))
                }
                Request::Replace(group, section, applied, done) => {
                    let replaced = memory.replace(group, section, applied);
                    if replaced.is_err() {
                        plan.discarded.push(section);
                    }
                    Answer::Unit(done, replaced)
                }
                Request::Discard(section) => {
                    plan.discarded.push(section);
                    continue;
                }
            };
            plan.answers.push(answer);
        }
        plan.frozen = memory.freeze(&wanted, share_wanted, written);
        let kept = written.iter().filter(|(group, _)| memory.has(**group)).map(|(group, standing)| (*group, standing));
        let now = plan.frozen.iter().map(|frozen| (frozen.group, &frozen.standing));
        plan.standings = kept.chain(now).map(|(group, standing)| (group, standing.clone())).collect();
        plan.next_section = memory.next_section();
        plan
    }

    /// The sections that groups go on with, and what changes in them.
    fn kept(&self, written: &BTreeMap<GroupId, Standing>) -> impl Iterator<Item = (u64, Option<&Changes>)> {
        let changes: BTreeMap<_, _> = self.frozen.iter().map(|frozen| (frozen.group, &*frozen.changes)).collect();
        self.standings.iter().filter_map(move |(group, now)| {
            let before = written.get(group).filter(|before| before.section == now.section)?;
            Some((before.section, changes.get(group).copied()))
        })
    }

    /// Whether the database is as it should be already.
    fn is_done(&self, written: &BTreeMap<GroupId, Standing>) -> bool {
        let Self { new, fills, discarded, frozen, standings, .. } = self;
        new.is_empty() && fills.is_empty() && discarded.is_empty() && frozen.is_empty() && standings == written
    }
}

impl Writer {
    /// Writes what was committed, does what is asked, and answers. After a failure nothing is taken any more.
    pub(super) fn round(&mut self, requests: Vec<Request>) {
        let planned = {
            let mut memory = self.shared.memory();
            match memory.check() {
                Ok(()) => Ok(Plan::new(&mut memory, requests, self.shared.share(), &self.standings)),
                Err(error) => Err((error, requests)),
            }
        };
        match planned {
            Ok(mut plan) => {
                let answers = std::mem::take(&mut plan.answers);
                let is_done = plan.is_done(&self.standings);
                match if is_done { Ok(()) } else { self.carry_out(plan) } {
                    Ok(()) => answers.into_iter().for_each(Answer::give),
                    Err(error) => {
                        self.shared.memory().fail(&error);
                        for answer in answers {
                            answer.refuse(&error);
                        }
                    }
                }
            }
            Err((error, requests)) => requests.into_iter().for_each(|request| request.refuse(&error)),
        }
        self.shared.tell_written();
    }

    fn carry_out(&mut self, plan: Plan) -> Result<(), RecordsError> {
        let transaction = self.database.begin_write().map_err(RecordsError::during("beginning a transaction"))?;
        self.write(&transaction, &plan)?;
        transaction.commit().map_err(RecordsError::during("committing records"))?;
        let base = Base::now(&self.database)?;
        let before = self.shared.memory().base();
        if let Some(before) = before {
            base.take_over(&before, plan.kept(&self.standings))?;
        }
        self.standings = plan.standings;
        self.shared.memory().written(&self.standings, base);
        Ok(())
    }

    fn write(&self, transaction: &WriteTransaction, plan: &Plan) -> Result<(), RecordsError> {
        for section in &plan.new {
            self.change(transaction, GroupId::new(0), *section, std::iter::empty())?;
        }
        for (group, section, rows) in &plan.fills {
            let rows = rows.iter().map(|row| (&row.key, Some(&row.value)));
            self.change(transaction, *group, *section, rows)?;
        }
        for Frozen { group, standing, changes } in &plan.frozen {
            let changes = changes.iter().map(|(key, value)| (key, value.as_ref()));
            self.change(transaction, *group, standing.section, changes)?;
        }
        let left = self
            .standings
            .iter()
            .filter(|(group, standing)| plan.standings.get(*group).is_none_or(|now| now.section != standing.section));
        for section in left.map(|(_, standing)| standing.section).chain(plan.discarded.iter().copied()) {
            discard(transaction, section)?;
        }
        self.write_standings(transaction, plan)
    }

    fn write_standings(&self, transaction: &WriteTransaction, plan: &Plan) -> Result<(), RecordsError> {
        const WHAT: &str = "writing a group's place";
        let mut meta = transaction.open_table(META).map_err(RecordsError::during(WHAT))?;
        meta.insert(NEXT_SECTION, plan.next_section).map_err(RecordsError::during(WHAT))?;
        let mut groups = transaction.open_table(GROUPS).map_err(RecordsError::during(WHAT))?;
        for Frozen { group, standing, .. } in &plan.frozen {
            let number = group.as_u64();
            let sealed = standing.seal(number, &self.key, &*self.random)?;
            groups.insert(number, sealed.as_slice()).map_err(RecordsError::during(WHAT))?;
        }
        for gone in self.standings.keys().filter(|group| !plan.standings.contains_key(group)) {
            drop(groups.remove(gone.as_u64()).map_err(RecordsError::during(WHAT))?);
        }
        Ok(())
    }

    /// Changes rows of a section, and makes it if it is not there.
    fn change<'a>(
        &self,
        transaction: &WriteTransaction,
        group: GroupId,
        section: u64,
        changes: impl Iterator<Item = (&'a Bytes, Option<&'a Bytes>)>,
    ) -> Result<(), RecordsError> {
        const WHAT: &str = "writing a record";
        let name = tables::section_name(section);
        let mut table = transaction.open_table(tables::section(&name)).map_err(RecordsError::during(WHAT))?;
        for (key, value) in changes {
            match value {
                Some(value) => {
                    let sealed = tables::seal_value(&self.key, &*self.random, group, key, value)?;
                    table.insert(&**key, sealed.as_slice()).map_err(RecordsError::during(WHAT))?;
                }
                None => drop(table.remove(&**key).map_err(RecordsError::during(WHAT))?),
            }
        }
        Ok(())
    }
}

fn discard(transaction: &WriteTransaction, section: u64) -> Result<(), RecordsError> {
    let name = tables::section_name(section);
    let deleted = transaction.delete_table(tables::section(&name));
    deleted.map(drop).map_err(RecordsError::during("deleting a section"))
}
