//! Stat: who holds what of an object, and how many losses it still survives.

use storgo_protocol::limits::PLACES_REPORTED_MAX;
use storgo_protocol::{AnyTicket, NodeId};

use super::subject::{Cared, Subject};
use super::survey::node_holders;
use super::walk::Walk;
use crate::engine::Engine;
use crate::error::ObjectError;
use crate::report::{StatReport, StripePlaces};
use crate::width::WidthMeter;

impl Engine {
    /// Asks every peer within reach what it holds of an object. Nothing is read but root and layout.
    ///
    /// # Errors
    /// [`ObjectError::NoCopies`] if root or layout are out of reach.
    pub async fn stat(&self, ticket: &AnyTicket) -> Result<StatReport, ObjectError> {
        self.stat_cared(Cared::Ticket(ticket)).await
    }

    pub(crate) async fn stat_cared(&self, cared: Cared<'_>) -> Result<StatReport, ObjectError> {
        let subject = Subject::find(self, cared).await?;
        let code = subject.layout.top.code;
        let mut survey = Survey::new(&subject);
        survey.root_copies = survey.node(subject.content.into()).await;
        survey.layout_copies = survey.node(subject.layout.id.into()).await;
        let mut walk = Walk::new(self, &subject, false);
        while let Some(batch) = walk.next().await? {
            for (node, _) in &batch.nodes {
                survey.layout_copies = survey.layout_copies.min(survey.node(node.id).await);
            }
            for (number, stripe) in batch.stripes {
                let found = stripe.shards().len();
                survey.degraded += u64::from(found < code.total() && found >= code.data());
                survey.lost += u64::from(found < code.data());
                survey.width.add_stripe(&stripe.holders);
                if survey.places.len() < PLACES_REPORTED_MAX {
                    let is_index_node = number >= subject.layout.top.extents;
                    survey.places.push(StripePlaces { is_index_node, held: stripe.holders });
                }
            }
        }
        Ok(StatReport {
            size: subject.root.size,
            extents: subject.layout.top.extents,
            index_nodes: subject.layout.top.index_nodes,
            code,
            width: survey.width.width(),
            stripes_degraded: survey.degraded,
            stripes_lost: survey.lost,
            places: survey.places,
            root_copies: survey.root_copies,
            layout_copies: survey.layout_copies,
            node_copies: usize::from(subject.layout.top.node_copies),
            peers: subject.pool.peers().len(),
        })
    }
}

/// What was found so far.
struct Survey<'a> {
    subject: &'a Subject,
    width: WidthMeter,
    root_copies: usize,
    layout_copies: usize,
    degraded: u64,
    lost: u64,
    places: Vec<StripePlaces>,
}

impl<'a> Survey<'a> {
    fn new(subject: &'a Subject) -> Self {
        let width = WidthMeter::new(subject.layout.top.code.data(), subject.pool.disks());
        Self { subject, width, root_copies: 0, layout_copies: 0, degraded: 0, lost: 0, places: Vec::new() }
    }

    /// Counts a node's copies.
    async fn node(&mut self, node: NodeId) -> usize {
        let holders = node_holders(self.subject, node, false).await;
        self.width.add_node(&holders);
        holders.iter().map(|(_, copies)| *copies as usize).sum()
    }
}
