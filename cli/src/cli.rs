//! The grammar of the command line.

use clap::Parser;

use crate::commands::Command;
use crate::context::GlobalArgs;

/// Peer-to-peer, content-addressed storage: files are cut, sealed and coded here, and kept as shards by many peers,
/// none of whom can read them and any few of whom may be lost.
///
/// Try it whole on this machine: storgo demo
#[derive(Debug, Parser)]
#[command(name = "storgo", version, arg_required_else_help = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 not enough shards, 5 corrupt, 6 no space, \
                        7 denied, 8 unavailable, 9 conflict."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_parse_as_documented() {
        for line in [
            "storgo node run --data d --listen /ip4/127.0.0.1/tcp/0 --bootstrap /ip4/127.0.0.1/tcp/1 --network n \
             --zone z --disk a --disk b --capacity 10GB --no-mdns",
            "storgo node run --redis 0.0.0.0:6379 --redis-bucket b --redis-auth --redis-tls c.pem,k.pem",
            "storgo node run --redis 127.0.0.1:6379 --redis-udp 127.0.0.1:6379",
            "storgo node status --node d --json",
            "storgo peer ls",
            "storgo dht find 12D3KooWAGDWxmFvxC4m9Wn6nCaUMgFRVkF6qLqUPfjBXJJiYC1a",
            "storgo dht routing-table",
            "storgo put f --private --redundancy erasure:4+2 --via /ip4/127.0.0.1/tcp/1 --care-ticket --strict",
            "storgo put - --redundancy replicate:3",
            "storgo ls storgo:x/sub -r --json",
            "storgo bench codec --json",
            "storgo id",
            "storgo bucket create photos --versioning --layout flat --spread 5 --redundancy erasure:4+2 --read bounded:250 \
             --replication replicated --inline-max 4K",
            "storgo bucket ls --json",
            "storgo bucket stat photos",
            "storgo bucket rm photos",
            "storgo bucket member ls photos",
            "storgo bucket member rm photos 12D3KooWAGDWxmFvxC4m9Wn6nCaUMgFRVkF6qLqUPfjBXJJiYC1a",
            "storgo key create photos --read-only --expires 30d --note backup",
            "storgo key ls photos --json",
            "storgo key rm photos QCOZBS5KGRVPNUOGOD6J",
            "storgo put f storgo://photos/a/ --if-absent --strict",
            "storgo put - storgo://photos/k --if-version 000102030405060708090a0b0c0d0e0f",
            "storgo get storgo://photos/k --version 000102030405060708090a0b0c0d0e0f -o f --range 1..2",
            "storgo cat storgo://photos/k",
            "storgo ls storgo://photos --versions",
            "storgo stat storgo://photos/k --json",
            "storgo rm storgo://photos/k --version 000102030405060708090a0b0c0d0e0f",
            "storgo cp storgo://photos/k storgo://other/ --force",
            "storgo mv storgo://photos/k storgo://photos/l --if-version 000102030405060708090a0b0c0d0e0f",
            "storgo repair storgo://photos/k",
            "storgo demo f --peers 7 --kill 3 --redundancy erasure:4+2 --keep",
            "storgo --home h -vv demo",
        ] {
            let words: Vec<_> = line.split_whitespace().collect();
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{line}: {error}");
            }
        }
        for line in [
            "storgo put",
            "storgo put f --redundancy erasure:0+2",
            "storgo put f storgo://photos/k --if-absent --if-version 000102030405060708090a0b0c0d0e0f",
            "storgo get storgo://photos/k --version 1",
            "storgo bucket create photos --spread 0",
            "storgo bucket create photos --read sometimes",
            "storgo bucket member add photos storgo-member:abc",
            "storgo key create photos --expires soon",
            "storgo key rm photos qcozbs",
            "storgo cp storgo://photos/k",
            "storgo node run --capacity lots",
            "storgo node run --redis-tls c.pem",
            "storgo node run --redis 127.0.0.1:6379 --redis-udp",
            "storgo put f --via nonsense",
            "storgo node run --listen 127.0.0.1:4101",
        ] {
            let error = Cli::try_parse_from(line.split_whitespace()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
