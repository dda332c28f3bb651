//! What is said of a network that stays after the demo.

use serde_json::{Value, json};
use storgo_protocol::Ticket;

use super::peers::DemoPeers;
use super::stage::Stage;

/// The processes and directories that stay, for `--json`.
pub(super) fn json(peers: &DemoPeers, stage: &Stage) -> Value {
    let data: Vec<_> = peers.living.iter().map(|peer| peer.data.clone()).collect();
    json!({ "directory": stage.path(), "processes": peers.processes(), "data": data })
}

/// What one can do with them, and how to end them.
pub(super) fn how_to_use(peers: &DemoPeers, stage: &Stage, ticket: &Ticket) -> String {
    let processes: Vec<_> = peers.processes().iter().map(ToString::to_string).collect();
    let (via, data) = match peers.living.first() {
        Some(peer) => (peer.address.to_string(), peer.data.display().to_string()),
        None => (String::new(), String::new()),
    };
    format!(
        "\nthe network goes on:\n  \
         storgo get {ticket} --via {via} -o copy\n  \
         storgo put FILE --via {via}\n  \
         storgo peer ls --node {data}\n\
         to end it:\n  \
         kill {} && rm -r {}",
        processes.join(" "),
        stage.path().display()
    )
}
