//! Why a chunk, a stripe or a tree could not be made or read.

use storgo_protocol::{DecodeError, ShardSet, StripeId};

/// A refusal of the pipeline. Whatever it refuses, it hands out no byte of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// Bytes that are not what their name says: another copy may be good.
    #[error("{what} {id} is damaged")]
    Corrupt {
        /// What was checked.
        what: &'static str,
        /// Its id, printed.
        id: String,
    },
    /// Shards that are not the ones their stripe header names: the others of the stripe may be good.
    #[error("{} damaged shards in stripe {stripe}", shards.len())]
    CorruptShards {
        /// The stripe.
        stripe: StripeId,
        /// The shards that were given and do not verify.
        shards: ShardSet,
    },
    /// Too few shards to decode.
    #[error("{have} shards of stripe {stripe} where {need} are needed")]
    NotEnoughShards {
        /// The stripe.
        stripe: StripeId,
        /// Distinct shards that were given.
        have: usize,
        /// Data shards of the code.
        need: usize,
    },
    /// A content key that is not the root's.
    #[error("the content key does not open this root")]
    WrongKey,
    /// A bucket's key that was wrapped for another member, bucket or generation, or was changed; or a member's key that
    /// nothing can be wrapped for.
    #[error("the bucket's key is not wrapped for this member")]
    NotWrapped,
    /// An object beyond a bound of storgo's formats.
    #[error("{what} beyond the bound of {max}")]
    TooLarge {
        /// What grew too large.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// An encoded node that does not decode.
    #[error("{what} does not decode")]
    Decode {
        /// What was decoded.
        what: &'static str,
        /// Why not.
        #[source]
        source: DecodeError,
    },
    /// A library refused what it always accepts: out of memory, or a defect of storgo.
    #[error("{doing} failed")]
    Internal {
        /// What was being done.
        doing: &'static str,
        /// The library's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl PipelineError {
    #[expect(clippy::needless_pass_by_value, reason = "ids are small copies")]
    pub(crate) fn corrupt(what: &'static str, id: impl ToString) -> Self {
        Self::Corrupt { what, id: id.to_string() }
    }

    pub(crate) fn internal<E>(doing: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Internal { doing, source: source.into() }
    }
}
