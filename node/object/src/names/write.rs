//! One command of one request, on the bucket as it is.

use bytes::Bytes;
use storgo_protocol::limits::STALE_BUCKET_TRIES;
use storgo_protocol::meta::{Action, Command, FEATURE_LEVEL, Refused, RefusedKind, Reply, RequestId};

use super::bucket::Bucket;
use super::error::NameError;
use super::known::Known;
use crate::error::ObjectError;
use crate::ports::MetadataError;

impl Bucket {
    /// Has the group of a key agree on what `action` makes of the bucket as it is known; once more whenever the bucket was
    /// changed meanwhile. What comes back is no refusal, and as many members have it then as the bucket wants.
    pub(super) async fn agree(
        &self,
        key: &Bytes,
        request: RequestId,
        action: impl Fn(&Known) -> Result<Action, ObjectError>,
    ) -> Result<Reply, ObjectError> {
        let mut known = self.known();
        for _ in 0..STALE_BUCKET_TRIES {
            let command = Command { feature: FEATURE_LEVEL, request: Some(request), action: action(&known)? };
            match self.names.metadata.write(&known.row.config, key, &command, known.row.replication).await? {
                // Neither is remembered with the request, so it may be sent again.
                Reply::Refused(Refused { kind: RefusedKind::Generation(_) | RefusedKind::NoBucket, .. }) => {
                    known = self.refresh().await?;
                }
                Reply::Refused(refused) => return Err(self.refused(key, refused)),
                reply => return Ok(reply),
            }
        }
        let reason = "the bucket was changed each time that it was tried".to_owned();
        Err(NameError::Conflict { what: self.printed(key), reason }.into())
    }

    fn refused(&self, key: &[u8], refused: Refused) -> ObjectError {
        let (what, reason) = (self.printed(key), refused.reason);
        match refused.kind {
            RefusedKind::Condition(current) => NameError::Condition { what, current }.into(),
            RefusedKind::Locked => NameError::Denied { what, reason }.into(),
            RefusedKind::Fenced => NameError::Conflict { what, reason }.into(),
            RefusedKind::RequestOld => {
                let reason = format!("{reason}; is the clock of this machine right?");
                NameError::Invalid { what, reason }.into()
            }
            // Whoever finds the group knows what to do about these; none of them is final.
            RefusedKind::NotHere(_) | RefusedKind::Frozen(_) => MetadataError::Unavailable(reason.into()).into(),
            _ => NameError::Invalid { what, reason }.into(),
        }
    }

    /// A reply to another command than was sent.
    pub(super) fn strange(&self, key: &[u8], reply: &Reply) -> ObjectError {
        ObjectError::corrupt(format!("the answer about {}", self.printed(key)), format!("it is {reply:?}"))
    }
}
