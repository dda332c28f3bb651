//! The costly middle of a put, on blocking threads: pack, seal, code.

use storgo_pipeline::{PipelineError, RawChunk, SealedChunk, Stripe};
use storgo_protocol::{ChunkRef, Code, ConvergenceSecret};

use crate::error::ObjectError;

/// A chunk that is ready to be spread.
#[derive(Debug)]
pub(super) struct Encoded {
    /// How a reader finds and opens it.
    pub(super) reference: ChunkRef,
    /// Its coding.
    pub(super) stripe: Stripe,
}

pub(super) async fn encode_chunk(
    chunk: Result<RawChunk, ObjectError>,
    secret: ConvergenceSecret,
    code: Code,
) -> Result<Encoded, ObjectError> {
    let chunk = chunk?;
    blocking(move || chunk.pack()?.seal(&secret)?.code(code)).await
}

pub(super) async fn encode_index_node(node: SealedChunk, code: Code) -> Result<Encoded, ObjectError> {
    blocking(move || node.code(code)).await
}

async fn blocking(
    work: impl FnOnce() -> Result<(ChunkRef, Stripe), PipelineError> + Send + 'static,
) -> Result<Encoded, ObjectError> {
    let done = tokio::task::spawn_blocking(work).await;
    let (reference, stripe) = done.map_err(|died| ObjectError::Internal(Box::new(died)))??;
    Ok(Encoded { reference, stripe })
}
