//! The commands: one file each, with its arguments (their doc comments are the help) and what it does.

mod bench;
mod bucket;
mod cat;
mod cluster;
mod demo;
mod dht;
mod get;
mod id;
mod key;
mod ls;
mod named;
mod network;
mod node;
mod peer;
mod put;
mod repair;
mod stat;

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;
use crate::logging::Talk;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Put(put::PutArgs),
    Get(get::GetArgs),
    Ls(ls::LsArgs),
    Cat(cat::CatArgs),
    Stat(stat::StatArgs),
    Cp(named::CpArgs),
    Mv(named::MvArgs),
    Rm(named::RmArgs),
    Repair(repair::RepairArgs),
    Demo(demo::DemoArgs),
    #[command(subcommand)]
    Bucket(bucket::BucketCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
    Id(id::IdArgs),
    #[command(subcommand)]
    Node(node::NodeCommand),
    #[command(subcommand)]
    Network(network::NetworkCommand),
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    #[command(subcommand)]
    Peer(peer::PeerCommand),
    #[command(subcommand)]
    Dht(dht::DhtCommand),
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    #[command(hide = true)]
    DemoKeeper(demo::KeeperArgs),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Put(args) => put::run(context, args).await,
            Self::Get(args) => get::run(context, args).await,
            Self::Ls(args) => ls::run(context, args).await,
            Self::Cat(args) => cat::run(context, args).await,
            Self::Stat(args) => stat::run(context, args).await,
            Self::Cp(args) => named::cp(context, args).await,
            Self::Mv(args) => named::mv(context, args).await,
            Self::Rm(args) => named::rm(context, args).await,
            Self::Repair(args) => repair::run(context, args).await,
            Self::Demo(args) => demo::run(context, args).await,
            Self::Bucket(command) => bucket::run(context, command).await,
            Self::Key(command) => key::run(context, command).await,
            Self::Id(args) => id::run(context, &args),
            Self::Node(command) => node::run(context, command).await,
            Self::Network(command) => network::run(context, command).await,
            Self::Cluster(command) => cluster::run(context, command).await,
            Self::Peer(command) => peer::run(context, command).await,
            Self::Dht(command) => dht::run(context, command).await,
            Self::Bench(command) => bench::run(context, &command).await,
            Self::DemoKeeper(args) => demo::keep(args).await,
        }
    }

    /// How much is logged without `-v`.
    pub(crate) const fn talk(&self) -> Talk {
        match self {
            Self::Node(node::NodeCommand::Run(_)) => Talk::Telling,
            _ => Talk::Quiet,
        }
    }

    /// Whether the command itself ends in order when the process that started it does.
    pub(crate) const fn stops_itself(&self) -> bool {
        matches!(self, Self::Node(node::NodeCommand::Run(_)) | Self::DemoKeeper(_))
    }
}
