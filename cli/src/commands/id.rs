//! `storgo id`: who the user of this home is.

use clap::Args;
use serde::Serialize;
use storgo_node::pipeline::MemberSecret;

use crate::context::Context;
use crate::error::CliError;
use crate::output::note;

/// Prints your member card, by which owners of buckets let you in
///
/// The card is no secret: it says who you are, and carries the public key for which bucket keys are wrapped. Give it to
/// the owner, who runs: storgo bucket member add BUCKET CARD
///
/// Example:
///   storgo id
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct IdArgs {}

pub(crate) fn run(context: &Context, _: &IdArgs) -> Result<(), CliError> {
    let identity = context.home()?.user()?.identity;
    let card = MemberSecret::card(&identity);
    let json = IdJson { user: identity.id().to_string(), member_card: card.to_string() };
    if !context.output.json {
        note(&format!("user {}", identity.id()));
    }
    context.output.result(&json, || card.to_string())
}

#[derive(Debug, Serialize)]
struct IdJson {
    user: String,
    member_card: String,
}
