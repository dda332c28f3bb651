//! What the daily commands do with names: keys of buckets in place of tickets.

mod copy;
mod get;
mod json;
mod list;
mod put;
mod remove;
mod repair;
mod stat;

use storgo_node::Client;
use storgo_node::object::{Bucket, Names};
use storgo_protocol::NetworkId;

use crate::context::{Context, JoinArgs, Wanted, hint_at_relays};
use crate::error::CliError;
use crate::name_url::NameUrl;

pub(super) use copy::{CpArgs, MvArgs, cp, mv};
pub(super) use get::{GetNamed, get};
pub(super) use json::moment;
pub(super) use list::list;
pub(super) use put::{ConditionArgs, PutNamed, put};
pub(super) use remove::{RmArgs, rm};
pub(super) use repair::repair;
pub(super) use stat::stat;

/// Joins a network, does some work on its names, and leaves.
pub(super) async fn with_names<T>(
    context: &Context,
    join: &JoinArgs,
    network: Option<NetworkId>,
    work: impl AsyncFnOnce(&Client, &Names) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let client = context.connect(join, Wanted { network, hints: Vec::new() }).await?;
    let done = match client.names().await {
        Ok(names) => work(&client, &names).await,
        Err(error) => Err(error.into()),
    };
    let done = done.map_err(|error| hint_at_relays(error, &client));
    client.close().await;
    done
}

/// Opens the bucket of a name.
async fn open(names: &Names, url: &NameUrl) -> Result<Bucket, CliError> {
    Ok(names.bucket(&url.bucket).await?)
}
