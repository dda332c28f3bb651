//! Repair: exactly the shards and copies that are missing or damaged, rebuilt from any that are good.
//!
//! A shard is rebuilt from `k` others that hash to the chunk that the layout names, and checked against the stripe
//! header before it is written: what is damaged is never copied.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use storgo_pipeline::{EncodedNode, rebuild};
use storgo_protocol::limits::{PLACES_REPORTED_MAX, STRIPES_IN_FLIGHT_MAX};
use storgo_protocol::{AnyTicket, PeerId, ShardIndex, ShardSet, StripeHeader};

use super::subject::{Cared, Subject};
use super::survey::node_holders;
use super::walk::Walk;
use crate::authority::Granter;
use crate::engine::Engine;
use crate::error::ObjectError;
use crate::nodes::{Holders, NodeWriter};
use crate::progress::Progress;
use crate::read::{Located, RecordUse, newest_record};
use crate::report::RepairReport;
use crate::spread::{Novelty, Spreader};
use crate::width::{NOTHING, WidthMeter};
use crate::writer::{Proof, Writer};

impl Engine {
    /// Brings an object back to its full width on the peers that answer. A care ticket suffices.
    ///
    /// # Errors
    /// [`ObjectError::NoCopies`] if root or layout are out of reach; stripes that are beyond repair are not an error
    /// here but stand in the report.
    pub async fn repair(&self, ticket: &AnyTicket, progress: &Progress) -> Result<RepairReport, ObjectError> {
        self.repair_cared(Cared::Ticket(ticket), progress).await
    }

    pub(crate) async fn repair_cared(
        &self,
        cared: Cared<'_>,
        progress: &Progress,
    ) -> Result<RepairReport, ObjectError> {
        let subject = Subject::find(self, cared).await?;
        let granter = match cared {
            Cared::Ticket(AnyTicket::Read(_)) | Cared::Record(_) => Granter::owner(self),
            Cared::Ticket(AnyTicket::Care(care)) => Granter::care(self, care.clone()),
        };
        let writer = Arc::new(Writer::new(self.remote(), granter));
        let pool = Arc::clone(&subject.pool);
        let copies = usize::from(subject.layout.top.node_copies);
        let meter = || WidthMeter::new(subject.layout.top.code.data(), subject.pool.disks());
        let mut repair = Repair {
            engine: self,
            spreader: Spreader {
                writer: Arc::clone(&writer),
                pool: Arc::clone(&pool),
                strict: false,
                novelty: Novelty::default(),
            },
            nodes: NodeWriter { writer, pool, copies },
            before: meter(),
            after: meter(),
            subject: &subject,
            report: empty_report(),
        };
        repair.run(progress).await?;
        let Repair { before, after, report, .. } = repair;
        Ok(RepairReport { before: before.width(), after: after.width(), ..report })
    }
}

/// One repair under way.
struct Repair<'a> {
    engine: &'a Engine,
    subject: &'a Subject,
    spreader: Spreader,
    nodes: NodeWriter,
    before: WidthMeter,
    after: WidthMeter,
    report: RepairReport,
}

/// What became of a stripe.
enum Mended {
    Whole(Vec<(PeerId, ShardSet)>),
    Repaired { held: Vec<(PeerId, ShardSet)>, missing: u64, written: u64, pulled: u64, pushed: u64 },
    Lost(String),
}

impl Repair<'_> {
    /// Goes over the object, and again while peers are caught at lies: before they were, they may have been believed, or
    /// given copies that now count for nothing.
    async fn run(&mut self, progress: &Progress) -> Result<(), ObjectError> {
        let entries = self.subject.layout.entries();
        let mut total = entries;
        loop {
            progress.set_total(total);
            let caught = self.subject.pool.lied().len();
            self.pass(progress).await?;
            if self.subject.pool.lied().len() == caught {
                return Ok(());
            }
            // What was done stays done; what stands now is counted anew.
            let RepairReport { shards_missing, shards_written, nodes_written, bytes_pulled, bytes_pushed, .. } =
                self.report;
            self.report = RepairReport {
                shards_missing,
                shards_written,
                nodes_written,
                bytes_pulled,
                bytes_pushed,
                ..empty_report()
            };
            self.after = WidthMeter::new(self.subject.layout.top.code.data(), self.subject.pool.disks());
            total += entries;
        }
    }

    async fn pass(&mut self, progress: &Progress) -> Result<(), ObjectError> {
        let subject = self.subject;
        let top: Proof = [subject.top_node()].into();
        self.repair_node(&subject.top_node(), subject.owner.is_some(), &top).await?;
        self.repair_root(&top).await?;
        let mut walk = Walk::new(self.engine, subject, true);
        while let Some(batch) = walk.next().await? {
            for (node, proof) in &batch.nodes {
                self.repair_node(node, false, proof).await?;
            }
            let mended: Vec<_> = {
                let this = &*self;
                let proof = &batch.proof;
                let mend = |(number, stripe): (u64, Located)| async move {
                    let held = stripe.holders.clone();
                    (held, this.mend(number, stripe, proof).await)
                };
                futures::stream::iter(batch.stripes).map(mend).buffered(STRIPES_IN_FLIGHT_MAX).collect().await
            };
            for (before, mended) in mended {
                self.count(&before, mended?);
                progress.add_done(1);
            }
        }
        Ok(())
    }

    async fn mend(&self, number: u64, stripe: Located, proof: &Proof) -> Result<Mended, ObjectError> {
        let code = self.subject.layout.top.code;
        let found = stripe.shards();
        let missing = ShardSet::first(code.total()).without(found);
        if missing.is_empty() {
            return Ok(Mended::Whole(stripe.holders));
        }
        let what = if number < self.subject.layout.top.extents { "chunk" } else { "index node" };
        let what = format!("{what} {number}");
        let work = move |header: &StripeHeader, shards: &[(ShardIndex, Bytes)]| {
            Ok((header.clone(), rebuild(header, shards, missing)?))
        };
        let fetched = match self.subject.fetcher.fetch(&stripe, None, &what, work).await {
            Ok(fetched) => fetched,
            Err(error @ (ObjectError::NotEnough { .. } | ObjectError::Corrupt { .. })) => {
                return Ok(Mended::Lost(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let (header, shards) = fetched.value;
        let spread = self.spreader.spread(&header, &shards, stripe.holders, proof).await?;
        Ok(Mended::Repaired {
            held: spread.held,
            missing: missing.len() as u64,
            written: spread.pushed,
            pulled: fetched.pulled,
            pushed: spread.pushed * header.shard_bytes() as u64,
        })
    }

    fn count(&mut self, before: &[(PeerId, ShardSet)], mended: Mended) {
        self.report.stripes += 1;
        self.before.add_stripe(before);
        match mended {
            Mended::Whole(held) => self.after.add_stripe(&held),
            Mended::Repaired { held, missing, written, pulled, pushed } => {
                self.after.add_stripe(&held);
                self.report.shards_missing += missing;
                self.report.shards_written += written;
                self.report.bytes_pulled += pulled;
                self.report.bytes_pushed += pushed;
            }
            Mended::Lost(what) => {
                self.after.add_stripe(before);
                self.report.stripes_lost += 1;
                if self.report.lost.len() < PLACES_REPORTED_MAX {
                    self.report.lost.push(what);
                }
            }
        }
    }

    /// The root, and the owner's record beside it. A care ticket for a layout that is no longer the present one has no
    /// say in the record.
    async fn repair_root(&mut self, proof: &Proof) -> Result<(), ObjectError> {
        let Subject { content, owner, root_node, layout, pool, .. } = self.subject;
        let record = match owner {
            Some(owner) => newest_record(self.engine, pool, *content, *owner, RecordUse::Reading).await,
            None => None,
        };
        let before = node_holders(self.subject, root_node.id, true).await;
        let after = match record.filter(|record| record.layout == layout.id) {
            Some(record) => self.nodes.write_root(root_node, &record, before.clone(), proof).await?,
            None => self.nodes.write(root_node, owner.is_some(), before.clone(), proof).await?,
        };
        self.count_node(&before, &after);
        Ok(())
    }

    async fn repair_node(&mut self, node: &EncodedNode, publish: bool, proof: &Proof) -> Result<(), ObjectError> {
        let before = node_holders(self.subject, node.id, true).await;
        let after = self.nodes.write(node, publish, before.clone(), proof).await?;
        self.count_node(&before, &after);
        Ok(())
    }

    fn count_node(&mut self, before: &Holders, after: &Holders) {
        let copies = |holders: &Holders| holders.iter().map(|(_, copies)| u64::from(*copies)).sum::<u64>();
        self.before.add_node(before);
        self.after.add_node(after);
        self.report.nodes_written += copies(after).saturating_sub(copies(before));
    }
}

fn empty_report() -> RepairReport {
    let none = NOTHING;
    RepairReport {
        stripes: 0,
        before: none,
        after: none,
        shards_missing: 0,
        shards_written: 0,
        nodes_written: 0,
        bytes_pulled: 0,
        bytes_pushed: 0,
        stripes_lost: 0,
        lost: Vec::new(),
    }
}
