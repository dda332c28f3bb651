//! Repairs the body of a version.

use storgo_node::object::{Progress, RepairReport};

use super::{open, with_names};
use crate::bar;
use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::name_url::NameUrl;

/// Brings the newest version's body back to its full width; `None` if that stands in its record.
pub(in crate::commands) async fn repair(
    context: &Context,
    join: &JoinArgs,
    url: NameUrl,
) -> Result<Option<RepairReport>, CliError> {
    let url = url.with_key()?;
    with_names(context, join, None, async |_, names| {
        let bucket = open(names, &url).await?;
        let entry = bucket.find(&url.key, None).await?;
        let progress = Progress::default();
        let repairing = bucket.repair(&entry, &progress);
        Ok(bar::watch(context.output, bar::Work::Repair, &progress, repairing).await?)
    })
    .await
}
