//! `storgo network`: begin a network that keeps names, and let members in.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use storgo_node::Founding;
use storgo_node::object::ports::{OsRandom, Random};
use storgo_protocol::cluster::{Ask, Told};
use storgo_protocol::limits::{GROUPS_MAX, TICKET_ADDRESSES_MAX};
use storgo_protocol::meta::Stamp;
use storgo_protocol::{GroupId, Identity, Invite, InviteRole, InviteTerms, PeerAddress};

use crate::amounts;
use crate::context::{Context, NodeArg, default_data};
use crate::error::{CliError, Exit};

/// Begins a network that keeps names, and lets members in
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    Init(InitArgs),
    Invite(InviteArgs),
}

/// Begins a network that keeps names, with the node of a data directory as its first member
///
/// Its trust root, the key that lets members in, is made here and stays in your home: keep a copy of it. The network
/// begins when the node is started.
///
/// Example:
///   storgo network init --data d1 && storgo node run --data d1
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct InitArgs {
    /// The first member's data directory [default: the XDG data directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Over so many metadata groups names are spread
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=GROUPS_MAX as i64))]
    groups: u32,

    /// Members that keep each group, once there are as many
    #[arg(long, value_name = "N", default_value = "3", value_parser = ["1", "3", "5", "7"])]
    voters: String,
}

/// Prints an invite: whoever starts a node with it becomes a member
///
/// It is signed with the network's trust root, which stands in the home of who began it.
///
/// Example:
///   storgo network invite --node d1
///   storgo node run --data d2 --join storgo-invite:…
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct InviteArgs {
    #[command(flatten)]
    node: NodeArg,

    /// What invited nodes keep beside shards
    #[arg(long, value_enum, default_value_t = RoleArg::Metadata)]
    role: RoleArg,

    /// Hours for which it lets nodes in; 0 for ever
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    hours: u32,
}

/// What a member keeps.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleArg {
    /// Seats in metadata groups: for machines that you trust not to lie
    Metadata,
    /// Nothing: for machines that nobody has to trust
    Storage,
}

#[derive(Debug, Serialize)]
struct InitJson {
    network: String,
    data: PathBuf,
    groups: u32,
    voters: u32,
}

#[derive(Debug, Serialize)]
struct InviteJson {
    invite: String,
    network: String,
    expires_seconds: u64,
}

pub(crate) async fn run(context: &Context, command: NetworkCommand) -> Result<(), CliError> {
    match command {
        NetworkCommand::Init(args) => init(context, &args),
        NetworkCommand::Invite(args) => invite(context, &args).await,
    }
}

fn init(context: &Context, args: &InitArgs) -> Result<(), CliError> {
    let data = args.data.clone().map_or_else(default_data, Ok)?;
    let voters = args.voters.parse().map_err(|_| CliError::new(Exit::Usage, "voters: expected 1, 3, 5 or 7"))?;
    let root = context.home()?.new_root()?;
    let network = storgo_node::init_network(&data, &root, Founding { groups: args.groups, voters })?;
    let json = InitJson { network: network.to_string(), data: data.clone(), groups: args.groups, voters };
    context.output.result(&json, || {
        format!(
            "network {network}: {}, {voters} voters each\nstart its first member: storgo node run --data {}",
            amounts::count(args.groups.into(), "metadata group"),
            data.display()
        )
    })
}

async fn invite(context: &Context, args: &InviteArgs) -> Result<(), CliError> {
    let mut node = args.node.connect().await?;
    let status = node.status().await?;
    let Some(root) = context.home()?.root(status.network)? else {
        let error =
            CliError::new(Exit::Denied, format!("the trust root of network {} is not in this home", status.network));
        return Err(error.hint("who began the network has it: storgo --home DIR network invite"));
    };
    let mut addresses: Vec<PeerAddress> = status.addresses.iter().take(TICKET_ADDRESSES_MAX / 2).cloned().collect();
    // Others can be down when the invite is used.
    if let Ok(Told::Map(Some(map))) =
        node.ask(Some(status.peer), GroupId::new(0), &Ask::Map { known: Stamp::ZERO }).await
    {
        let others = map.members.values().filter(|member| member.peer() != status.peer);
        addresses.extend(others.filter_map(|member| member.addresses.first().cloned()));
    }
    addresses.truncate(TICKET_ADDRESSES_MAX);
    let random: &dyn Random = &OsRandom;
    let key = Identity::from_seed(&random.array());
    let role = match args.role {
        RoleArg::Metadata => InviteRole::Metadata,
        RoleArg::Storage => InviteRole::Storage,
    };
    let expires_seconds = if args.hours == 0 { 0 } else { now_seconds() + u64::from(args.hours) * 3600 };
    let terms = InviteTerms::new(&root, key.id(), role, expires_seconds);
    let invite = Invite { terms, key, addresses }.to_string();
    let json = InviteJson { invite: invite.clone(), network: status.network.to_string(), expires_seconds };
    context.output.result(&json, || invite)
}

fn now_seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "an invite's expiry is wall time")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
