//! What is done to the members of a network while clients act.

use std::fs;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::clients::Clients;
use super::damage;
use super::members::Members;
use crate::harness::Signal;

/// What a start says when it finds a frame that was not finished.
const CUT: &str = "was not finished and was cut";

/// How many die at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deaths {
    One,
    Two,
    All,
}

/// What becomes of the log files of those that died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    Nothing,
    /// A frame is not finished, on all of them.
    Torn,
    /// Bits are flipped on one of them, and all others have a frame that is not finished.
    Flipped,
}

/// Kills members in the midst of what they do, harms their logs, and starts them again. Whose log was damaged is waited
/// for until it votes again.
pub fn kill(network: &mut Members, rng: &mut StdRng, clients: &Clients, deaths: Deaths, harm: Harm) {
    let count = network.lab.nodes.len();
    let first = rng.random_range(0..count);
    let deaths = match deaths {
        Deaths::One => 1,
        Deaths::Two => 2,
        Deaths::All => count,
    };
    let victims: Vec<usize> = (0..deaths).map(|number| (first + number) % count).collect();
    for victim in &victims {
        network.lab.nodes[*victim].kill();
    }
    match deaths {
        1 => clients.go_on(60, Duration::from_secs(3)),
        2 => clients.go_on(5, Duration::from_secs(1)),
        _ => {}
    }
    let cuts = |network: &Members, victim: usize| {
        fs::read_to_string(&network.lab.nodes[victim].log).unwrap().matches(CUT).count()
    };
    let flipped = (harm == Harm::Flipped).then_some(first);
    for victim in victims {
        let before = cuts(network, victim);
        let data = network.lab.nodes[victim].data.clone();
        if flipped == Some(victim) {
            damage::flip(&data, rng);
        } else if harm != Harm::Nothing {
            damage::tear(&data, rng);
        }
        network.lab.restart(victim);
        assert_eq!(damage::clear_away(&data), flipped == Some(victim), "what is damaged begins anew, and nothing else");
        if flipped != Some(victim) {
            assert_eq!(cuts(network, victim) - before, usize::from(harm != Harm::Nothing), "what is torn is cut");
        }
    }
    if let Some(flipped) = flipped {
        network.filled(flipped);
    }
}

/// Does something less than a death to the members; what it was.
pub fn disturb(network: &mut Members, rng: &mut StdRng, clients: &Clients) -> &'static str {
    let count = network.lab.nodes.len();
    let one = rng.random_range(0..count);
    let other = (one + 1 + rng.random_range(0..count - 1)) % count;
    match rng.random_range(0..3) {
        0 => {
            network.lab.nodes[one].signal(Signal::STOP);
            clients.go_on(60, Duration::from_secs(3));
            network.lab.nodes[one].signal(Signal::CONT);
            "one stood still"
        }
        1 => {
            let (group, peer) = (rng.random_range(0..5_u64).to_string(), network.lab.nodes[one].peer().to_owned());
            // It may be refused: nobody leads now, say.
            drop(network.lab.ask(&network.lab.nodes[other], &["cluster", "transfer-leader", &group, &peer]));
            "a leader was asked to change"
        }
        _ => {
            let (slot, group) = (rng.random_range(0..16_384_u16).to_string(), rng.random_range(1..5_u64).to_string());
            drop(network.lab.ask(&network.lab.nodes[one], &["cluster", "move-slot", &slot, &group]));
            "a slot was sent elsewhere"
        }
    }
}
