//! The user's bytes, cut into chunks as they come.

use futures::stream::{self, Stream};
use storgo_pipeline::{Chunker, Chunking, RawChunk};
use storgo_protocol::ConvergenceSecret;
use storgo_protocol::limits::EC_THRESHOLD_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::error::ObjectError;

/// A reader and the chunker that its bytes go into without being copied in between.
pub(super) struct Source<'a> {
    reader: &'a mut (dyn AsyncRead + Send + Unpin),
    chunker: Chunker,
    bytes_read: u64,
    ended: bool,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        reader: &'a mut (dyn AsyncRead + Send + Unpin),
        chunking: Chunking,
        secret: &ConvergenceSecret,
    ) -> Self {
        Self { reader, chunker: Chunker::new(chunking, secret), bytes_read: 0, ended: false }
    }

    /// Whether all there is stays below the threshold of coding: reads that far to know.
    pub(super) async fn is_small(&mut self) -> Result<bool, ObjectError> {
        while !self.ended && self.bytes_read < EC_THRESHOLD_BYTES {
            self.read().await?;
        }
        Ok(self.bytes_read < EC_THRESHOLD_BYTES)
    }

    /// The chunks in order; ends after an error.
    pub(super) fn chunks(self) -> impl Stream<Item = Result<RawChunk, ObjectError>> {
        stream::unfold(Some(self), |source| async move {
            let mut source = source?;
            match source.next().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(source))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<RawChunk>, ObjectError> {
        loop {
            if let Some(chunk) = self.chunker.next_chunk() {
                return Ok(Some(chunk));
            }
            if self.ended {
                return Ok(self.chunker.finish());
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), ObjectError> {
        let read = self.reader.read_buf(&mut self.chunker.space()).await;
        let read = read.map_err(|source| ObjectError::Local { what: "the source could not be read", source })?;
        self.ended = read == 0;
        self.bytes_read += read as u64;
        Ok(())
    }
}
