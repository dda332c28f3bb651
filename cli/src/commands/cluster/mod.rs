//! `storgo cluster`: who keeps the names of a network, and how that stands.

mod rebalance;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use storgo_protocol::cluster::{Ask, ClusterMap, GroupStatus, MemberState, Steer, Told};
use storgo_protocol::meta::{Slot, Stamp};
use storgo_protocol::{GroupId, InviteRole, PeerId};

use crate::amounts;
use crate::context::{Context, NodeArg};
use crate::error::{CliError, Exit};

/// Shows and steers who keeps the names of a network
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Shows how many members and groups there are, and how many groups are as they are to be
    ///
    /// Example:
    ///   storgo cluster status
    #[command(verbatim_doc_comment)]
    Status(ShowArgs),
    /// Lists the members, what is wanted of them, and how many seats they are to have
    ///
    /// Example:
    ///   storgo cluster nodes --node d1
    #[command(verbatim_doc_comment)]
    Nodes(ShowArgs),
    /// Lists the groups: who leads, who votes, and how far each is
    ///
    /// Example:
    ///   storgo cluster groups --json
    #[command(verbatim_doc_comment)]
    Groups(ShowArgs),
    /// Has a member give its seats to others, so that it can be stopped; `activate` takes that back
    ///
    /// Example:
    ///   storgo cluster drain 7hQ2kLmN
    #[command(verbatim_doc_comment)]
    Drain(MemberArgs),
    /// Lets a member that drains take seats again
    ///
    /// Example:
    ///   storgo cluster activate 7hQ2kLmN
    #[command(verbatim_doc_comment)]
    Activate(MemberArgs),
    /// Removes a member for good, such as one whose disk is lost; refused where a group would have no majority
    ///
    /// Example:
    ///   storgo cluster remove 7hQ2kLmN
    #[command(verbatim_doc_comment)]
    Remove(MemberArgs),
    TransferLeader(TransferArgs),
    MoveSlot(MoveSlotArgs),
    Rebalance(rebalance::RebalanceArgs),
}

/// Whom to ask.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    node: NodeArg,
}

/// Which member, and whom to ask.
#[derive(Debug, Args)]
pub(crate) struct MemberArgs {
    /// The member's peer id, or as much of its end as is unique
    #[arg(value_name = "PEER")]
    peer: String,

    #[command(flatten)]
    node: NodeArg,
}

/// Has another member lead a group
///
/// Leaders are spread evenly by themselves: in a while the group goes back to whose turn it is.
///
/// Example:
///   storgo cluster transfer-leader 3 7hQ2kLmN
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TransferArgs {
    /// The group
    #[arg(value_name = "GROUP")]
    group: u64,

    /// The member's peer id, or as much of its end as is unique
    #[arg(value_name = "PEER")]
    peer: String,

    #[command(flatten)]
    node: NodeArg,
}

/// Gives a slot, and all keys in it, to another group, while they are used
///
/// Example:
///   storgo cluster move-slot 815 3
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct MoveSlotArgs {
    /// The slot, 0 to 16383
    #[arg(value_name = "SLOT", value_parser = parse_slot)]
    slot: Slot,

    /// The group that is to have it
    #[arg(value_name = "GROUP")]
    group: u64,

    #[command(flatten)]
    node: NodeArg,
}

fn parse_slot(text: &str) -> Result<Slot, String> {
    text.parse().ok().and_then(Slot::new).ok_or_else(|| "expected a number from 0 to 16383".to_owned())
}

pub(crate) async fn run(context: &Context, command: ClusterCommand) -> Result<(), CliError> {
    match command {
        ClusterCommand::Status(args) => status(context, &args).await,
        ClusterCommand::Nodes(args) => nodes(context, &args).await,
        ClusterCommand::Groups(args) => groups(context, &args).await,
        ClusterCommand::Drain(args) => steer_member(context, &args, Steer::Drain, "drains").await,
        ClusterCommand::Activate(args) => steer_member(context, &args, Steer::Activate, "takes seats").await,
        ClusterCommand::Remove(args) => steer_member(context, &args, Steer::Remove, "was removed").await,
        ClusterCommand::TransferLeader(args) => transfer(context, &args).await,
        ClusterCommand::Rebalance(args) => rebalance::run(context, &args).await,
        ClusterCommand::MoveSlot(args) => {
            let mut asked = Asked::connect(&args.node).await?;
            asked.steer(GroupId::new(0), Steer::MoveSlot(args.slot, GroupId::new(args.group))).await?;
            let text = format!("slot {} goes to group {}", args.slot, args.group);
            context.output.result(&serde_json::json!({ "slot": args.slot.number(), "group": args.group }), || text)
        }
    }
}

/// A node that is asked, and the map that it knows.
struct Asked {
    node: storgo_rpc::Client,
    me: PeerId,
    map: ClusterMap,
}

async fn map_of(node: &mut storgo_rpc::Client, me: PeerId) -> Result<ClusterMap, CliError> {
    match node.ask(Some(me), GroupId::new(0), &Ask::Map { known: Stamp::ZERO }).await? {
        Told::Map(Some(map)) => Ok(*map),
        _ => Err(CliError::new(Exit::Unavailable, "this node does not know its network yet")),
    }
}

impl Asked {
    async fn connect(node: &NodeArg) -> Result<Self, CliError> {
        let mut node = node.connect().await?;
        let me = node.status().await?.peer;
        let map = map_of(&mut node, me).await?;
        Ok(Self { node, me, map })
    }

    /// Takes the map as the node knows it now.
    async fn refresh(&mut self) -> Result<(), CliError> {
        self.map = map_of(&mut self.node, self.me).await?;
        Ok(())
    }

    async fn steer(&mut self, group: GroupId, steer: Steer) -> Result<(), CliError> {
        self.node.ask(None, group, &Ask::Steer(steer)).await?;
        Ok(())
    }

    /// The member whose id ends so.
    fn member(&self, text: &str) -> Result<PeerId, CliError> {
        let mut found = self.map.members.keys().filter(|peer| peer.to_string().ends_with(text));
        match (found.next(), found.next()) {
            (Some(peer), None) => Ok(*peer),
            (Some(_), Some(_)) => Err(CliError::new(Exit::Usage, format!("more than one member's id ends in {text}"))),
            (None, _) => {
                let error = CliError::new(Exit::NotFound, format!("no member's id ends in {text}"));
                Err(error.hint("storgo cluster nodes lists them"))
            }
        }
    }

    /// What a group's leader says of it, or else any member that answers.
    async fn group(&mut self, id: GroupId) -> Option<GroupStatus> {
        let mut known: Option<GroupStatus> = None;
        for seat in self.map.seats(id).to_vec() {
            if let Ok(Told::Status(status)) = self.node.ask(Some(seat), id, &Ask::Status).await {
                let leads = status.leader == Some(seat);
                known = Some(status);
                if leads {
                    break;
                }
            }
        }
        known
    }

    async fn all_groups(&mut self) -> BTreeMap<GroupId, Option<GroupStatus>> {
        let ids: Vec<GroupId> = self.map.groups.keys().copied().collect();
        let mut all = BTreeMap::new();
        for id in ids {
            let status = self.group(id).await;
            all.insert(id, status);
        }
        all
    }
}

#[derive(Debug, Serialize)]
struct StatusJson {
    network: String,
    members: usize,
    groups: usize,
    groups_led: usize,
    groups_whole: usize,
}

async fn status(context: &Context, args: &ShowArgs) -> Result<(), CliError> {
    let mut asked = Asked::connect(&args.node).await?;
    let groups = asked.all_groups().await;
    let map = &asked.map;
    let led = groups.values().filter(|status| status.as_ref().is_some_and(|status| status.leader.is_some())).count();
    let whole = groups.iter().filter(|(id, status)| {
        status.as_ref().is_some_and(|status| {
            let mut voters = status.voters.clone();
            voters.sort();
            voters == map.seats(**id)
        })
    });
    let json = StatusJson {
        network: map.id().to_string(),
        members: map.members.values().filter(|member| member.state != MemberState::Removed).count(),
        groups: groups.len(),
        groups_led: led,
        groups_whole: whole.count(),
    };
    context.output.result(&json, || {
        format!(
            "network   {}\nmembers   {}\ngroups    {}, of which {} have a leader and {} the voters that they are to have",
            json.network, json.members, json.groups, json.groups_led, json.groups_whole
        )
    })
}

#[derive(Debug, Serialize)]
struct MemberJson {
    peer: String,
    state: &'static str,
    role: &'static str,
    zone: String,
    seats: usize,
    agent: String,
    addresses: Vec<String>,
}

async fn nodes(context: &Context, args: &ShowArgs) -> Result<(), CliError> {
    let asked = Asked::connect(&args.node).await?;
    let rows: Vec<MemberJson> = asked
        .map
        .members
        .values()
        .map(|member| MemberJson {
            peer: member.peer().to_string(),
            state: match member.state {
                MemberState::Active => "active",
                MemberState::Draining => "draining",
                MemberState::Removed => "removed",
            },
            role: match member.admission.terms.role {
                InviteRole::Metadata => "metadata",
                InviteRole::Storage => "storage",
            },
            zone: member.zone.clone(),
            seats: asked.map.groups.values().filter(|group| group.seats.contains(&member.peer())).count(),
            agent: member.agent.clone(),
            addresses: member.addresses.iter().map(ToString::to_string).collect(),
        })
        .collect();
    context.output.result(&rows, || {
        let line = |[peer, state, role, zone, seats, address]: [&str; 6]| {
            format!("{peer:<52}  {state:<8}  {role:<8}  {zone:<8}  {seats:>5}  {address}")
        };
        let mut lines = vec![line(["PEER", "STATE", "ROLE", "ZONE", "SEATS", "ADDRESS"])];
        for row in &rows {
            let zone = if row.zone.is_empty() { "-" } else { &row.zone };
            let address = row.addresses.first().map_or("-", String::as_str);
            lines.push(line([&row.peer, row.state, row.role, zone, &row.seats.to_string(), address]));
        }
        lines.join("\n")
    })
}

#[derive(Debug, Serialize)]
struct GroupJson {
    group: u64,
    leader: Option<String>,
    term: u64,
    applied: u64,
    voters: Vec<String>,
    learners: Vec<String>,
    wanted: Vec<String>,
    stopped: String,
}

async fn groups(context: &Context, args: &ShowArgs) -> Result<(), CliError> {
    let mut asked = Asked::connect(&args.node).await?;
    let statuses = asked.all_groups().await;
    let words = |peers: &[PeerId]| peers.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rows: Vec<GroupJson> = statuses
        .into_iter()
        .map(|(id, status)| {
            let status = status.unwrap_or_default();
            GroupJson {
                group: id.as_u64(),
                leader: status.leader.map(|leader| leader.to_string()),
                term: status.term,
                applied: status.applied,
                voters: words(&status.voters),
                learners: words(&status.learners),
                wanted: words(asked.map.seats(id)),
                stopped: status.stopped,
            }
        })
        .collect();
    let last = |peer: &String| peer.get(peer.len().saturating_sub(8)..).unwrap_or_default().to_owned();
    context.output.result(&rows, || {
        let mut lines = vec![format!("{:>5}  {:<8}  {:>5}  {:>9}  VOTERS", "GROUP", "LEADER", "TERM", "APPLIED")];
        for row in &rows {
            let leader = row.leader.as_ref().map_or_else(|| "none".to_owned(), last);
            let mut line = format!("{:>5}  {leader:<8}  {:>5}  {:>9}  ", row.group, row.term, row.applied);
            line.push_str(&row.voters.iter().map(last).collect::<Vec<_>>().join(" "));
            if !row.learners.is_empty() {
                line += "  and ";
                line += &amounts::count(row.learners.len() as u64, "member");
                line += " that follow";
            }
            if !row.stopped.is_empty() {
                line += "  STOPPED: ";
                line += &row.stopped;
            }
            lines.push(line);
        }
        lines.join("\n")
    })
}

async fn steer_member(
    context: &Context,
    args: &MemberArgs,
    steer: impl Fn(PeerId) -> Steer,
    what: &str,
) -> Result<(), CliError> {
    let mut asked = Asked::connect(&args.node).await?;
    let peer = asked.member(&args.peer)?;
    asked.steer(GroupId::new(0), steer(peer)).await?;
    context.output.result(&serde_json::json!({ "peer": peer.to_string() }), || format!("{peer} {what}"))
}

async fn transfer(context: &Context, args: &TransferArgs) -> Result<(), CliError> {
    let mut asked = Asked::connect(&args.node).await?;
    let (group, peer) = (GroupId::new(args.group), asked.member(&args.peer)?);
    asked.steer(group, Steer::Transfer(group, peer)).await?;
    let text = format!("{peer} was asked to lead group {group}");
    context.output.result(&serde_json::json!({ "group": args.group, "peer": peer.to_string() }), || text)
}
