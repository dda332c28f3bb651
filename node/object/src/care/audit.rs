//! A sample of what peers say that they hold: of each, one shard is pulled whole.
//!
//! A peer that says that it has read its shards, and then cannot give one, is believed in none. It takes one pull from
//! each peer for a batch of stripes, so who has lost everything is always caught, and who has lost a part is in time.

use std::collections::BTreeMap;

use storgo_protocol::limits::STRIPES_IN_FLIGHT_MAX;
use storgo_protocol::message::RefusalKind;
use storgo_protocol::{PeerId, ShardAddress};

use super::subject::Subject;
use super::survey::prompt;
use crate::miss::Miss;
use crate::ports::Random;
use crate::read::{Fetcher, Located};
use crate::straggler::ask_those_in_time;

/// Tries one claim of each peer, and strikes out all claims of those that do not stand by it in time.
pub(super) async fn audit(subject: &Subject, random: &dyn Random, located: &mut [Located]) {
    for some in samples(random, located).chunks(STRIPES_IN_FLIGHT_MAX) {
        let pulls = some.iter().map(|(peer, shard)| (*peer, stands_by(&subject.fetcher, *peer, *shard)));
        let standing = prompt(subject, ask_those_in_time(pulls).await);
        let fell = |peer: &PeerId| {
            some.iter().any(|(tried, _)| tried == peer) && !standing.iter().any(|(stands, ())| stands == peer)
        };
        for stripe in &mut *located {
            stripe.holders.retain(|(peer, _)| !fell(peer));
        }
    }
}

/// One claim of each peer, at random.
fn samples(random: &dyn Random, located: &[Located]) -> Vec<(PeerId, ShardAddress)> {
    let mut claims = BTreeMap::<PeerId, Vec<ShardAddress>>::new();
    for stripe in located {
        for (peer, set) in &stripe.holders {
            let shards = set.iter().map(|index| ShardAddress { stripe: stripe.entry.stripe, index });
            claims.entry(*peer).or_default().extend(shards);
        }
    }
    let pick = |shards: &[ShardAddress]| {
        let count = shards.len() as u64;
        let number = u64::from_le_bytes(random.array()).checked_rem(count)?;
        shards.get(usize::try_from(number).ok()?).copied()
    };
    claims.into_iter().filter_map(|(peer, shards)| Some((peer, pick(&shards)?))).collect()
}

async fn stands_by(fetcher: &Fetcher, peer: PeerId, shard: ShardAddress) -> Result<(), Miss> {
    match fetcher.remote.pull(peer, shard).await {
        Ok((header, payload)) if header.verifies(shard.index, &payload) => Ok(()),
        Ok(_) => Err(fetcher.remote.lied(peer, "a wrong shard")),
        Err(Miss::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => {
            Err(fetcher.remote.lied(peer, "a claim to a shard that it does not hold"))
        }
        Err(miss) => Err(miss),
    }
}
