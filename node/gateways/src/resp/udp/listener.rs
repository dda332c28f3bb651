//! One address that listens: what it asks for is answered and what it listens to is told it, each in a datagram, by one task,
//! so that no message goes out before the word that it is listened to.

use std::sync::Arc;
use std::time::Duration;

use storgo_protocol::limits::{RESP_UDP_NAMES_MAX, RESP_UDP_SILENCE_SECONDS_MAX};
use tokio::sync::mpsc;

use super::super::client::Client;
use super::super::pubsub::Kind;
use super::super::reply::Reply;
use super::super::shared::Shared;
use super::{Post, Request};

/// An address that listens, and is a client of the door while it does.
pub(super) struct Listener {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Arc<Client>,
    pub(super) post: Post,
    /// What it asks for.
    pub(super) requests: mpsc::Receiver<Request>,
}

impl Listener {
    /// Serves it until it is silent for too long, takes too little, or is to go. It stays when it listens to nothing any more:
    /// what it asks for next may be on its way here.
    pub(super) async fn run(mut self) {
        let patience = Duration::from_secs(RESP_UDP_SILENCE_SECONDS_MAX);
        let silence = tokio::time::sleep(patience);
        tokio::pin!(silence);
        let mut has_more = false;
        loop {
            tokio::select! {
                biased;
                () = self.client.left() => break,
                request = self.requests.recv() => {
                    let Some(request) = request else { break };
                    silence.as_mut().reset(tokio::time::Instant::now() + patience);
                    self.answer(request).await;
                    has_more = true;
                }
                () = &mut silence => break,
                // One at a time: whoever asks for something is not held up by how much others publish.
                () = std::future::ready(()), if has_more => has_more = self.tell().await,
                () = self.client.outbox().filled(), if !has_more => has_more = true,
            }
        }
        self.shared.leave(&self.client);
    }

    /// Answers a request by what the access key allows that it came with.
    async fn answer(&self, request: Request) {
        // An answer to PUBLISH is no message, which a datagram cannot be half of: so who listens may publish, where one
        // connection would not let it. It does as if it did not listen.
        let client = if request.command.name == "publish" {
            self.post.passer_by(self.client.from(), request.user)
        } else {
            self.client.set_user(request.user);
            Arc::clone(&self.client)
        };
        let reply = match self.refusal(&request) {
            Some(refusal) => refusal,
            None => request.ask(&self.shared, client).await,
        };
        self.post.answer(&reply, self.client.from()).await;
    }

    /// What it is told that would listen to more than one address may.
    fn refusal(&self, request: &Request) -> Option<Reply> {
        let kind = request.listens_to()?;
        let names = request.args.get(1..).unwrap_or_default();
        let mut own = self.client.subscribed();
        let (channels, patterns, _) = own.counts();
        let count = channels + patterns + own.new_names(kind, names);
        (count > RESP_UDP_NAMES_MAX)
            .then(|| Reply::error(format!("ERR an address listens to at most {RESP_UDP_NAMES_MAX} names over UDP")))
    }

    /// Tells it a message; whether there was one.
    async fn tell(&self) -> bool {
        let Some(message) = self.client.outbox().take_one() else { return false };
        self.post.send(&message, self.client.from()).await;
        true
    }
}

impl Request {
    /// How it wants to listen, if it does.
    pub(super) fn listens_to(&self) -> Option<Kind> {
        match self.command.name {
            "subscribe" => Some(Kind::Channel),
            "psubscribe" => Some(Kind::Pattern),
            _ => None,
        }
    }
}
