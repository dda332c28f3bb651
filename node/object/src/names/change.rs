//! Changing a bucket's row: read, changed here, and written if it is still as it was read.

use storgo_protocol::cluster::Bucket as Row;
use storgo_protocol::limits::BUCKET_CHANGE_TRIES;

use super::Names;
use super::error::NameError;
use super::known::Known;
use crate::error::ObjectError;
use crate::ports::MetadataError;

impl Names {
    /// Writes what `change` makes of a bucket; `None` if it is already as it should be. Gives the bucket as it stands then.
    pub(super) async fn change(
        &self,
        name: &str,
        change: impl Fn(&Known) -> Result<Option<Row>, ObjectError>,
    ) -> Result<Known, ObjectError> {
        for _ in 0..BUCKET_CHANGE_TRIES {
            let known = self.read_bucket(name).await?;
            if known.row.owner != self.engine.user.identity.id() {
                let reason = "only its owner changes a bucket".to_owned();
                return Err(NameError::Denied { what: name.to_owned(), reason }.into());
            }
            let Some(mut row) = change(&known)? else { return Ok(known) };
            row.config.generation = known.row.config.generation.saturating_add(1);
            match self.metadata.set_bucket(name, Some(row.clone()), Some(known.revision)).await {
                Ok(()) => {
                    let known = self.read_bucket(name).await?;
                    // What somebody else made of it since is theirs: then it is looked at again.
                    if known.row == row {
                        return Ok(known);
                    }
                }
                Err(MetadataError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let reason = "it was changed by others each time that it was tried".to_owned();
        Err(NameError::Conflict { what: name.to_owned(), reason }.into())
    }
}
