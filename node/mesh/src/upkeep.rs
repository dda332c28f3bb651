//! Keeping the mesh known: join through the bootstrap addresses, dial whom one is told of, say hello now and then.
//!
//! It decides whom to dial and when; how is for [`connect`](crate::connect).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use rand::seq::IteratorRandom as _;
use storgo_object::ports::PeerError;
use storgo_protocol::limits::{MESH_BACKOFF_SECONDS_MAX, MESH_BACKOFF_SECONDS_MIN, MESH_DIALS_MAX, MESH_LINKS_TARGET};
use storgo_protocol::{PeerAddress, PeerId};
use tokio::time::{Instant as TokioInstant, sleep_until, timeout};

use crate::command::Command;
use crate::core::Core;
use crate::names;

/// Peers that are greeted anew in each round: cards change slowly, and newcomers greet by themselves.
const GREETINGS_PER_ROUND: usize = 3;

/// Rounds through the bootstrap addresses that a client makes at most, when all that it meets is silence.
const CLIENT_ROUNDS_MAX: u32 = 4;

/// What failed within this time failed at once, and not for want of an answer.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How often a node says at most that nobody answers it.
const ALONE_WORD_INTERVAL: Duration = Duration::from_mins(1);

/// Tries the bootstrap addresses. A client, once one answered or all failed, leaves it at that and dials on demand.
pub(crate) async fn join(core: Arc<Core>, bootstrap: Vec<PeerAddress>) {
    let rounds = if core.stores() { 1 } else { CLIENT_ROUNDS_MAX };
    let start = Instant::now();
    for _ in 0..rounds {
        join_round(&core, &bootstrap).await;
        // What failed at once would fail again; silence may have been a few packets that were lost. Behind it what fails at
        // once says little: the kernel's questions for a neighbour, lost as well, end in the next dial's time.
        if core.answering() > 0 || start.elapsed() < AT_ONCE.min(core.config.dial_timeout() / 2) {
            break;
        }
    }
    core.first_round.send_replace(true);
    if core.stores() {
        keep(&core, &bootstrap).await;
    }
}

/// Tries each bootstrap address once, at the same time.
async fn join_round(core: &Arc<Core>, bootstrap: &[PeerAddress]) {
    core.tried.lock().clear();
    let tries = stream::iter(bootstrap.to_vec()).for_each_concurrent(MESH_DIALS_MAX, |address| {
        let core = Arc::clone(core);
        async move {
            if let Err(reason) = join_through(&core, &address).await {
                // A client tries whom it met before: that some are gone is common, and if all are its caller says so.
                if core.stores() {
                    tracing::warn!(%address, reason, "could not join through this address");
                } else {
                    tracing::debug!(%address, reason, "could not join through this address");
                }
                core.tried.lock().push(format!("{address}: {reason}"));
            }
        }
    });
    tries.await;
}

/// Keeps a node linked for as long as it runs.
async fn keep(core: &Arc<Core>, bootstrap: &[PeerAddress]) {
    let mut changed = core.changed.subscribe();
    let mut next_round = TokioInstant::now() + jitter(core.config.round_interval());
    let mut next_bootstrap = TokioInstant::now() + Duration::from_secs(MESH_BACKOFF_SECONDS_MIN);
    let mut bootstrap_failures = 0;
    let mut next_word = TokioInstant::now();
    loop {
        changed.borrow_and_update();
        link_more(core).await;
        let now = TokioInstant::now();
        if now >= next_round {
            greet_some(core);
            next_round = now + jitter(core.config.round_interval());
        }
        if now >= next_bootstrap {
            let lonely = bootstrap_again(core, bootstrap).await;
            bootstrap_failures = if lonely { bootstrap_failures + 1 } else { 0 };
            if lonely && !bootstrap.is_empty() && now >= next_word {
                tracing::info!("still alone: no bootstrap address answers");
                next_word = now + ALONE_WORD_INTERVAL;
            }
            let doubled = MESH_BACKOFF_SECONDS_MIN << u32::min(bootstrap_failures, 16);
            next_bootstrap = TokioInstant::now() + jitter(Duration::from_secs(doubled.min(MESH_BACKOFF_SECONDS_MAX)));
        }
        let retry = core.table.lock().next_retry().map(TokioInstant::from_std);
        // A retry that is already due was passed over because there are links enough.
        let retry = retry.filter(|at| *at > TokioInstant::now());
        let wake = [Some(next_round), Some(next_bootstrap), retry].into_iter().flatten().min().unwrap_or(next_round);
        tokio::select! {
            told = changed.changed() => if told.is_err() { break },
            () = sleep_until(wake) => {}
        }
    }
}

/// Dials peers that one was told of until there are links enough.
async fn link_more(core: &Arc<Core>) {
    let candidates = {
        let table = core.table.lock();
        let wanted = MESH_LINKS_TARGET.saturating_sub(table.linked().len());
        let mut candidates = table.candidates(Instant::now());
        candidates.truncate(wanted);
        candidates
    };
    let dials = stream::iter(candidates).for_each_concurrent(MESH_DIALS_MAX, |peer| {
        let core = Arc::clone(core);
        async move {
            if let Err(error) = core.connect(peer).await {
                tracing::debug!(%peer, %error, "a peer that others know was not reached");
            }
        }
    });
    dials.await;
}

fn greet_some(core: &Arc<Core>) {
    let known = core.table.lock().acquainted();
    for peer in known.into_iter().sample(&mut rand::rng(), GREETINGS_PER_ROUND) {
        core.spawn_greeting(peer);
    }
}

/// Tries the bootstrap addresses again while nobody is linked; says whether that is so still.
async fn bootstrap_again(core: &Arc<Core>, bootstrap: &[PeerAddress]) -> bool {
    for address in bootstrap {
        if core.answering() > 0 {
            return false;
        }
        match join_through(core, address).await {
            Ok(()) => tracing::info!(%address, "joined"),
            Err(reason) => tracing::debug!(%address, reason, "this address still does not answer"),
        }
    }
    core.answering() == 0
}

/// Connects with the peer at an address and waits for its welcome.
async fn join_through(core: &Arc<Core>, address: &PeerAddress) -> Result<(), String> {
    let peer = match names::peer_of(address) {
        Some(peer) if peer == core.me => return Ok(()),
        Some(peer) => peer,
        None => dial(core, address).await?,
    };
    {
        let mut table = core.table.lock();
        table.hear_of(peer, std::slice::from_ref(address));
        // That another address failed, such as an old one in a ticket, says nothing of the one that was asked for.
        table.retry_now(peer, Instant::now());
    }
    core.connect(peer).await.map_err(|error| match error {
        // The address has said who it is.
        PeerError::Unreachable { reason, .. } => reason,
        error => error.to_string(),
    })
}

async fn dial(core: &Arc<Core>, address: &PeerAddress) -> Result<PeerId, String> {
    let address = address.clone();
    // The transport's own timeout comes first; this one is for names that do not resolve.
    let wait = core.config.dial_timeout() * 2;
    match timeout(wait, core.request(|reply| Command::DialAddress { address, reply })).await {
        Ok(Ok(dialled)) => dialled,
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {wait:?}")),
    }
}

fn jitter(around: Duration) -> Duration {
    around.mul_f64(0.75 + rand::random::<f64>() / 2.0)
}
