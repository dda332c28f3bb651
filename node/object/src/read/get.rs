//! Get: the bytes of a range, verified, to wherever the caller wants them.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use futures::StreamExt as _;
use storgo_pipeline::{join, open_chunk, segments_of};
use storgo_protocol::limits::{CHUNKS_IN_FLIGHT_MAX, SEGMENT_BYTES};
use tokio::task::JoinSet;

use super::fetch::Fetched;
use super::fetcher::Fetcher;
use super::object::Object;
use super::pieces::{PieceWalk, PlacedPiece};
use super::sink::{Order, Piece, Sink};
use crate::engine::Engine;
use crate::error::ObjectError;
use crate::progress::Progress;
use crate::report::GetReport;

impl Engine {
    /// Gets the bytes `range` of an object, end excluded.
    ///
    /// # Errors
    /// [`ObjectError::Range`] for a range outside the object, [`ObjectError::NotEnough`] when too few shards of a chunk
    /// are within reach. What the sink took until then is right.
    pub async fn get(
        &self,
        object: &Object,
        range: Range<u64>,
        sink: &mut dyn Sink,
        progress: &Progress,
    ) -> Result<GetReport, ObjectError> {
        if range.start > range.end || range.end > object.size() {
            return Err(ObjectError::Range { from: range.start, to: range.end, size: object.size() });
        }
        progress.set_total(range.end - range.start);
        self.get_range(object, range, sink, progress).await
    }

    /// Gets a range that is inside the object, and leaves the progress's total as it is.
    pub(crate) async fn get_range(
        &self,
        object: &Object,
        range: Range<u64>,
        sink: &mut dyn Sink,
        progress: &Progress,
    ) -> Result<GetReport, ObjectError> {
        let fetcher = self.fetcher(&object.pool, &object.layout);
        let pieces = PieceWalk::new(self, object, &fetcher, range).stream();
        futures::pin_mut!(pieces);
        let mut delivery = Delivery::new(sink, progress, object.size());
        // Tasks, so that pulls go on while a slow sink takes its time: a stream that stands still is given up.
        let mut flying = JoinSet::new();
        let mut walking = true;
        while walking || !flying.is_empty() {
            let room = flying.len() + delivery.waiting.len() < CHUNKS_IN_FLIGHT_MAX;
            tokio::select! {
                next = pieces.next(), if walking && room => match next.transpose()? {
                    None => walking = false,
                    Some(placed) if delivery.sink.has(&placed.piece) => delivery.skip(placed.piece),
                    Some(placed) => {
                        delivery.expect(placed.piece);
                        flying.spawn(fetch_piece(fetcher.clone(), placed));
                    }
                },
                Some(done) = flying.join_next(), if !flying.is_empty() => {
                    let (piece, bytes) = done.map_err(|died| ObjectError::Internal(Box::new(died)))??;
                    delivery.take(piece, bytes).await?;
                }
            }
        }
        delivery.report.bytes_of_nodes = object.pool.node_bytes();
        Ok(GetReport { peers_caught: object.pool.lied(), ..delivery.report })
    }
}

async fn fetch_piece(fetcher: Fetcher, placed: PlacedPiece) -> Result<(Piece, Fetched<Bytes>), ObjectError> {
    let PlacedPiece { piece, extent, first, stripe } = placed;
    let chunk = extent.chunk;
    let plain = first as usize..first as usize + piece.bytes as usize;
    let segments = segments_of(plain.clone());
    if segments.len() * 2 <= chunk.segments.len()
        && let Some(mut part) = fetcher.fetch_segments(&stripe, &chunk, segments.clone()).await?
    {
        let start = plain.start - segments.start * SEGMENT_BYTES;
        part.value = cut(&part.value, start..start + plain.len())?;
        return Ok((piece, part));
    }
    let sealed = chunk.sealed_bytes as usize;
    let open = move |header: &_, shards: &[_]| open_chunk(&chunk, join(header, shards)?);
    let mut whole = fetcher.fetch(&stripe, Some(sealed), &format!("chunk {}", piece.number), open).await?;
    whole.value = cut(&whole.value, plain)?;
    Ok((piece, whole))
}

fn cut(bytes: &Bytes, range: Range<usize>) -> Result<Bytes, ObjectError> {
    if range.end > bytes.len() {
        return Err(ObjectError::corrupt("a chunk", "it is shorter than the index says"));
    }
    Ok(bytes.slice(range))
}

/// Pieces on their way into the sink.
struct Delivery<'a> {
    sink: &'a mut dyn Sink,
    progress: &'a Progress,
    report: GetReport,
    order: Order,
    /// For a sink in ascending order: pieces that others must precede.
    waiting: BTreeMap<u64, (Piece, Bytes)>,
    /// For a sink in ascending order: numbers of pieces under way.
    expected: std::collections::VecDeque<u64>,
}

impl<'a> Delivery<'a> {
    fn new(sink: &'a mut dyn Sink, progress: &'a Progress, size: u64) -> Self {
        let order = sink.order();
        let report = GetReport { size, ..GetReport::default() };
        Self { sink, progress, report, order, waiting: BTreeMap::new(), expected: std::collections::VecDeque::new() }
    }

    fn skip(&mut self, piece: Piece) {
        self.report.chunks += 1;
        self.report.chunks_resumed += 1;
        self.report.bytes += u64::from(piece.bytes);
        self.progress.add_done(u64::from(piece.bytes));
    }

    fn expect(&mut self, piece: Piece) {
        if self.order == Order::Ascending {
            self.expected.push_back(piece.number);
        }
    }

    async fn take(&mut self, piece: Piece, fetched: Fetched<Bytes>) -> Result<(), ObjectError> {
        self.report.chunks += 1;
        self.report.chunks_decoded += u64::from(fetched.decoded);
        self.report.shards_bad += fetched.bad;
        self.report.bytes_pulled += fetched.pulled;
        self.progress.add_moved(fetched.pulled);
        if fetched.decoded {
            self.progress.add_decoded();
        }
        if self.order == Order::Any {
            return self.deliver(piece, fetched.value).await;
        }
        self.waiting.insert(piece.number, (piece, fetched.value));
        while let Some(next) = self.expected.front().and_then(|number| self.waiting.remove(number)) {
            self.expected.pop_front();
            self.deliver(next.0, next.1).await?;
        }
        Ok(())
    }

    async fn deliver(&mut self, piece: Piece, bytes: Bytes) -> Result<(), ObjectError> {
        let length = bytes.len() as u64;
        let put = self.sink.put(&piece, bytes).await;
        put.map_err(|source| ObjectError::Local { what: "the target could not be written", source })?;
        self.report.bytes += length;
        self.progress.add_done(length);
        Ok(())
    }
}
