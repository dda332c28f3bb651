//! Put: bytes of unknown length become an object on other people's disks.
//!
//! ```text
//!   source ─ cut ─► encode (pack, seal, code; on blocking threads) ─► spread (offer, push) ─► index, layout
//!                                                                       root, layout nodes, record ─► ticket
//! ```
//!
//! Memory is bounded by the chunks in flight. What comes back `Ok` is durable at full width; until then nothing names
//! the object, so an interrupted put leaves only shards that the same put, run again, finds and keeps.

mod source;

mod code;
mod encode;
mod place;

mod tally;
mod tickets;

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use storgo_pipeline::{Chunking, EncodedNode, IndexBuilder, LayoutBuilder, SealedChunk, seal_root};
use storgo_protocol::limits::{CHUNKS_ENCODING_MAX, STRIPES_IN_FLIGHT_MAX, TICKET_ADDRESSES_MAX};
use storgo_protocol::{
    Code, ContentId, ConvergenceSecret, Extent, IndexTop, LayoutEntry, LayoutId, NetworkId, ObjectKind, Ticket,
};
use tokio::io::AsyncRead;

use crate::authority::Granter;
use crate::engine::Engine;
use crate::error::ObjectError;
use crate::nodes::NodeWriter;
use crate::pool::Pool;
use crate::progress::Progress;
use crate::read::{RecordUse, newest_record};
use crate::report::PutReport;
use crate::spread::{Novelty, Spreader};
use crate::width::WidthMeter;
use crate::writer::{Proof, Writer};
use encode::{Encoded, encode_chunk, encode_index_node};
use place::Placer;
use source::Source;
use tally::Tally;
use tickets::{care_ticket, layout_record};

/// How an object is put.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    /// The redundancy; `None` for the widest default that the peers allow.
    pub code: Option<Code>,
    /// Seals under a fresh secret, in chunks of fixed length: equal content cannot be recognised, nor found again by a
    /// put that is run again.
    pub private: bool,
    /// Refuses anything but one shard of a stripe on each peer.
    pub strict: bool,
    /// Makes a care ticket as well.
    pub care: bool,
    /// What the source's bytes are.
    pub kind: ObjectKind,
    /// Bytes of the source, if known: for progress only.
    pub size_hint: Option<u64>,
}

impl Engine {
    /// Puts what `source` gives until it ends.
    ///
    /// # Errors
    /// [`ObjectError`]: no peers or too few, no space, a source that cannot be read. Nothing was acknowledged then.
    pub async fn put(
        &self,
        source: &mut (dyn AsyncRead + Send + Unpin),
        options: &PutOptions,
        progress: &Progress,
    ) -> Result<PutReport, ObjectError> {
        let secret = self.user.secret.clone();
        Ok(self.put_led_to(LedToBy::Ticket, secret, source, options, progress).await?.report)
    }

    /// Puts for a record that will lead to it, under the secret of whose record that is.
    ///
    /// # Errors
    /// As [`Engine::put`].
    pub(crate) async fn put_for_record(
        &self,
        secret: ConvergenceSecret,
        source: &mut (dyn AsyncRead + Send + Unpin),
        options: &PutOptions,
        progress: &Progress,
    ) -> Result<Stored, ObjectError> {
        self.put_led_to(LedToBy::Record, secret, source, options, progress).await
    }

    async fn put_led_to(
        &self,
        led_to_by: LedToBy,
        secret: ConvergenceSecret,
        source: &mut (dyn AsyncRead + Send + Unpin),
        options: &PutOptions,
        progress: &Progress,
    ) -> Result<Stored, ObjectError> {
        progress.set_total(options.size_hint.unwrap_or(0));
        let pool = self.pool_to_put().await?;
        let network = self.peers.network().ok_or(ObjectError::NoPeers)?;
        let secret = if options.private { ConvergenceSecret::from_bytes(self.random.array()) } else { secret };
        let chunking = if options.private { Chunking::Fixed } else { Chunking::ContentDefined };
        let mut source = Source::new(source, chunking, &secret);
        let code = match options.code {
            Some(code) => code,
            None => code::default_code(pool.domains(), source.is_small().await?),
        };
        if options.strict && pool.takers() < code.total() {
            return Err(ObjectError::TooFewPeers { have: pool.takers(), need: code.total() });
        }
        let writer = Arc::new(Writer::new(self.remote(), Granter::owner(self)));
        let spreader = Spreader {
            writer: Arc::clone(&writer),
            pool: Arc::clone(&pool),
            strict: options.strict,
            novelty: Novelty::default(),
        };
        let nodes = NodeWriter { writer, pool: Arc::clone(&pool), copies: code.node_copies() };
        let placer = Placer::new(spreader);
        let put = Put { engine: self, pool, placer, nodes, secret, code, network, led_to_by };
        // Many stripes in flight make a future too large to be moved about.
        Box::pin(put.run(source, options, progress)).await
    }
}

/// What will lead readers to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LedToBy {
    /// A ticket: strangers look for the root in the DHT, and for the layout in the owner's record beside it.
    Ticket,
    /// A version record, which names root and layout: neither is published, and no owner's record is needed.
    Record,
}

/// An object that is durable, with what a version record says of it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) report: PutReport,
    pub(crate) layout: LayoutId,
    pub(crate) root: Bytes,
    pub(crate) layout_top: Bytes,
}

/// One put under way.
struct Put<'a> {
    engine: &'a Engine,
    pool: Arc<Pool>,
    placer: Placer,
    nodes: NodeWriter,
    secret: ConvergenceSecret,
    code: Code,
    network: NetworkId,
    led_to_by: LedToBy,
}

impl Put<'_> {
    async fn run(self, source: Source<'_>, options: &PutOptions, progress: &Progress) -> Result<Stored, ObjectError> {
        let mut tally = Tally::new(WidthMeter::new(self.code.data(), self.pool.disks()));
        let mut index = IndexBuilder::new(self.secret.clone());
        let mut layout = LayoutBuilder::new();

        let encode = |chunk| encode_chunk(chunk, self.secret.clone(), self.code);
        let place = |encoded: Result<Encoded, ObjectError>| async { self.placer.place(encoded?).await };
        let stripes = source.chunks().map(encode).buffered(CHUNKS_ENCODING_MAX);
        let placed = stripes.map(place).buffered(STRIPES_IN_FLIGHT_MAX);
        futures::pin_mut!(placed);
        while let Some(placed) = placed.next().await {
            let placed = placed?;
            let chunk = placed.reference.clone();
            let bytes = chunk.plain_bytes;
            self.write_nodes(layout.push_extent(placed.entry())?, &mut tally).await?;
            tally.add_chunk(placed);
            progress.add_done(u64::from(bytes));
            for node in index.push(Extent { chunk, first: 0, bytes })? {
                layout.push_index_node(self.place_index_node(node, &mut tally).await?);
            }
        }
        let (closed, top) = index.finish()?;
        for node in closed {
            layout.push_index_node(self.place_index_node(node, &mut tally).await?);
        }
        let top = IndexTop { kind: options.kind, node: top };
        let (root, key) = seal_root(&self.secret, &top)?;
        let root = Bytes::from(root.encode());
        let content = ContentId::from_bytes(*blake3::hash(&root).as_bytes());
        let layout_top = self.write_tops(content, root.clone(), layout, &mut tally).await?;
        let layout = LayoutId::from_bytes(*layout_top.id.as_bytes());
        let owner = self.engine.user.identity.id();
        // One more than the losses that the code survives, and one for good measure: a word that people copy stays short.
        let addresses = self.pool.hints((self.code.parity() + 2).min(TICKET_ADDRESSES_MAX));
        let ticket = Ticket { network: self.network, content, key, owner, addresses };
        let care =
            options.care.then(|| care_ticket(self.engine, &ticket, layout, tally.shard_bytes + tally.node_bytes));
        let report = tally.report(ticket, care, self.code, self.pool.failed());
        Ok(Stored { report, layout, root, layout_top: layout_top.bytes })
    }

    async fn place_index_node(&self, node: SealedChunk, tally: &mut Tally) -> Result<LayoutEntry, ObjectError> {
        let placed = self.placer.place(encode_index_node(node, self.code).await?).await?;
        let entry = placed.entry();
        tally.add_index_node(placed);
        Ok(entry)
    }

    async fn write_nodes(&self, nodes: Vec<EncodedNode>, tally: &mut Tally) -> Result<(), ObjectError> {
        for node in nodes {
            self.write_node(&node, false, tally).await?;
        }
        Ok(())
    }

    /// Writes what names the rest, last: the layout, whose top this gives, and the root; and for a ticket the owner's
    /// record beside it.
    async fn write_tops(
        &self,
        content: ContentId,
        root: Bytes,
        layout: LayoutBuilder,
        tally: &mut Tally,
    ) -> Result<EncodedNode, ObjectError> {
        let root = EncodedNode { id: content.into(), bytes: root };
        let (closed, layout) = layout.finish(content, self.code)?;
        self.write_nodes(closed, tally).await?;
        let top = EncodedNode { id: layout.id.into(), bytes: layout.bytes };
        if self.led_to_by == LedToBy::Record {
            self.write_node(&top, false, tally).await?;
            self.write_node(&root, false, tally).await?;
            return Ok(top);
        }
        self.write_node(&top, true, tally).await?;
        let owner = self.engine.user.identity.id();
        let known = newest_record(self.engine, &self.pool, content, owner, RecordUse::Numbering).await;
        let record = layout_record(self.engine, content, layout.id, known.as_ref());
        tally.node_bytes += root.bytes.len() as u64;
        tally.width.add_node(&self.nodes.write_root(&root, &record, Vec::new(), &Proof::from([])).await?);
        Ok(top)
    }

    async fn write_node(&self, node: &EncodedNode, publish: bool, tally: &mut Tally) -> Result<(), ObjectError> {
        tally.node_bytes += node.bytes.len() as u64;
        tally.width.add_node(&self.nodes.write(node, publish, Vec::new(), &Proof::from([])).await?);
        Ok(())
    }
}
