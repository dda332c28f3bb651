//! What can go wrong with names, by what the caller can do about it.

use storgo_protocol::cluster::AccessKeyId;
use storgo_protocol::meta::VersionId;
use storgo_protocol::tree::Printable;

use crate::error::{ErrorKind, ObjectError};
use crate::ports::MetadataError;

/// Why an operation on a name failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is none, or none that the user may see: the answer is the same.
    #[error("there is no bucket {name}, or it is not yours to see")]
    NoBucket {
        /// The name that was asked for.
        name: String,
    },
    /// The key is not there, or is deleted; or it has no such version.
    #[error("{what} is not there")]
    NoKey {
        /// Bucket and key, and the version if one was asked for.
        what: String,
    },
    /// The bucket has no such access key.
    #[error("{bucket} has no access key {id}")]
    NoAccessKey {
        /// The bucket.
        bucket: String,
        /// What was asked for.
        id: AccessKeyId,
    },
    /// A condition does not hold; nothing was changed.
    #[error("{what}: {}", told(*current))]
    Condition {
        /// Bucket and key.
        what: String,
        /// The newest version, if the key is there.
        current: Option<VersionId>,
    },
    /// What was to be made is there, what was to be removed is in use, or somebody else was faster.
    #[error("{what}: {reason}")]
    Conflict {
        /// The bucket or key.
        what: String,
        /// What stands in the way.
        reason: String,
    },
    /// The user may not.
    #[error("{what}: {reason}")]
    Denied {
        /// The bucket or key.
        what: String,
        /// Why not.
        reason: String,
    },
    /// It makes no sense, or is not possible yet.
    #[error("{what}: {reason}")]
    Invalid {
        /// The bucket, key or option.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The groups did not do it.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

fn told(current: Option<VersionId>) -> String {
    match current {
        Some(version) => format!("the newest version is {version}"),
        None => "it is not there".to_owned(),
    }
}

impl NameError {
    /// What can be done about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NoBucket { .. } | Self::NoKey { .. } | Self::NoAccessKey { .. } => ErrorKind::NotFound,
            Self::Condition { .. } | Self::Conflict { .. } | Self::Metadata(MetadataError::Conflict(_)) => {
                ErrorKind::Conflict
            }
            Self::Denied { .. } | Self::Metadata(MetadataError::Denied(_)) => ErrorKind::Denied,
            Self::Invalid { .. } | Self::Metadata(MetadataError::Refused(_)) => ErrorKind::Invalid,
            Self::Metadata(MetadataError::NoNetwork(_) | MetadataError::Unavailable(_)) => ErrorKind::Unavailable,
        }
    }
}

impl From<MetadataError> for ObjectError {
    fn from(error: MetadataError) -> Self {
        Self::Name(error.into())
    }
}

/// A key of a bucket, as people read it.
pub(super) fn printed(bucket: &str, key: &[u8]) -> String {
    format!("{bucket}/{}", Printable(key))
}
