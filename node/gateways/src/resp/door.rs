//! The door: who comes in, and how many at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use storgo_object::ports::{Clock, Random};
use storgo_object::{Bucket, Forum};
use storgo_protocol::cluster::Level;
use storgo_protocol::limits::{RESP_KEYS_SECONDS, RESP_REFUSAL_SECONDS_MAX, RESP_STRANGER_SECONDS_MAX};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Filter;
use super::commands;
use super::errands;
use super::guard::Guard;
use super::metrics::DoorCollector;
use super::said::Said;
use super::session::{Session, Stream};
use super::settings::DoorConfig;
use super::shared::Shared;
use super::udp::Datagrams;
use super::values::Values;

/// A door to a bucket, for whoever speaks Redis's protocol. Whoever comes in may do what the bucket's user may, or where access
/// keys have to be shown what the one allows that it shows.
#[derive(Debug, Clone)]
pub struct Door(pub(super) Arc<Shared>);

impl Door {
    /// A door to a bucket's values, whose clients hear what is published at the doors of its forum.
    #[must_use]
    pub fn new(
        bucket: Bucket,
        forum: Forum,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        config: DoorConfig,
    ) -> Self {
        let guard = config.auth.then(|| Guard::new(Arc::new(bucket.clone()), Arc::clone(&clock)));
        let glances = bucket.clone().reading_at(Some(Level::Bounded(config.stale)));
        let fresh = bucket.reading_at(Some(Level::Linearizable));
        let values: [Arc<dyn Values>; 2] = [Arc::new(fresh), Arc::new(glances)];
        Self(Arc::new(Shared::new(
            (values, clock),
            guard,
            (Some(forum.clone()), Some(Arc::new(forum))),
            random,
            config,
            commands::names(),
        )))
    }

    /// What it counts, for who watches the node.
    #[must_use]
    pub fn collector(&self) -> DoorCollector {
        DoorCollector::new(Arc::clone(&self.0))
    }

    /// Serves whoever connects, until it is to stop; who was answered in part gets the rest.
    ///
    /// # Errors
    /// [`std::io::Error`] if nobody can be listened for any more.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        let sessions = TaskTracker::new();
        sessions.spawn(stop.clone().run_until_cancelled_owned(watch(Arc::clone(&self.0))));
        let (keyspace, until) = (self.0.keyspace.clone(), stop.clone());
        sessions.spawn(async move { until.run_until_cancelled(keyspace.follow()).await });
        let (shared, until, address) = (Arc::clone(&self.0), stop.clone(), listener.local_addr().ok());
        sessions.spawn(async move {
            until.run_until_cancelled(shared.doors.talk(address, |said| hear(&shared, said))).await
        });
        let served = loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break Ok(()),
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => self.admit(stream, from, &sessions, &stop),
                Err(error) if is_of_one_client(&error) => tracing::debug!(%error, "a client did not come in"),
                // Too many files are open, perhaps: others close theirs.
                Err(error) => {
                    tracing::warn!(%error, "clients cannot come in");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        stop.cancel();
        sessions.close();
        sessions.wait().await;
        served
    }

    /// Serves who publishes and listens by datagrams, until it is to stop. Access keys are read while [`Door::serve`] is served.
    ///
    /// # Errors
    /// [`std::io::Error`] if the socket does not say where it is.
    pub async fn serve_datagrams(&self, socket: UdpSocket, stop: CancellationToken) -> std::io::Result<()> {
        Datagrams::new(Arc::clone(&self.0), socket, stop)?.serve().await;
        Ok(())
    }

    /// Takes somebody who connected as far as a session, beside all others.
    fn admit(&self, mut stream: TcpStream, from: SocketAddr, sessions: &TaskTracker, stop: &CancellationToken) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a client's connection cannot be made prompt");
        }
        let to = match stream.local_addr() {
            Ok(to) => to,
            Err(error) => return tracing::debug!(%error, "a client was lost"),
        };
        let (door, stop) = (self.clone(), stop.child_token());
        let Ok(place) = self.0.place() else {
            self.0.stats.refused.fetch_add(1, Ordering::Relaxed);
            // Who was promised secrecy would not understand what is said in clear.
            if self.0.tls.is_none() {
                sessions.spawn(async move { refuse(&mut stream).await });
            }
            return;
        };
        let Some(tls) = &self.0.tls else {
            sessions.spawn(async move { door.enter(stream, (from, to), place, stop).await });
            return;
        };
        let handshake = TlsAcceptor::from(Arc::clone(tls)).accept(stream);
        let handshake = tokio::time::timeout(Duration::from_secs(RESP_STRANGER_SECONDS_MAX), handshake);
        sessions.spawn(async move {
            match stop.run_until_cancelled(handshake).await {
                Some(Ok(Ok(stream))) => door.enter(stream, (from, to), place, stop).await,
                Some(Ok(Err(error))) => tracing::debug!(%from, %error, "a client did not shake hands"),
                Some(Err(_)) => tracing::debug!(%from, "a client did not shake hands in time"),
                None => {}
            }
        });
    }

    /// Serves a client, if there is room for one more.
    async fn enter(
        self,
        mut stream: impl Stream,
        (from, to): (SocketAddr, SocketAddr),
        place: Option<OwnedSemaphorePermit>,
        stop: CancellationToken,
    ) {
        let shared = self.0;
        match shared.enter(from, to, stop) {
            Some(client) => Session::new(shared, client).run(stream, place).await,
            None => refuse(&mut stream).await,
        }
    }
}

/// Another door says something.
pub(super) fn hear(shared: &Arc<Shared>, said: Said) {
    match said {
        Said::Message(message) => drop(shared.channels.deliver(&message)),
        Said::Door { member, address } => shared.doors.note(member, address, Instant::now()),
        Said::Late(key) => shared.errands.is_late(&key),
        Said::Errand(errand) => errands::run(shared, errand),
        Said::Done(answers) => shared.errands.done(answers),
    }
}

/// Says that there is no room; whether it hears that is its own affair.
async fn refuse(stream: &mut impl Stream) {
    let said = async {
        stream.write_all(b"-ERR max number of clients reached\r\n").await?;
        stream.shutdown().await
    };
    drop(tokio::time::timeout(Duration::from_secs(RESP_REFUSAL_SECONDS_MAX), said).await);
}

/// Reads the access keys again and again, and sends away who showed one that is gone or over.
async fn watch(shared: Arc<Shared>) {
    let Some(guard) = &shared.guard else { return };
    loop {
        guard.read().await;
        for client in shared.clients(&Filter::default()) {
            if client.user().is_some_and(|user| !guard.welcomes(user)) {
                client.leave();
            }
        }
        tokio::time::sleep(Duration::from_secs(RESP_KEYS_SECONDS)).await;
    }
}

fn is_of_one_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Opens a door to values in memory; where it is, and what closes it.
    async fn open() -> (SocketAddr, CancellationToken) {
        open_as(DoorConfig::default()).await
    }

    async fn open_as(config: DoorConfig) -> (SocketAddr, CancellationToken) {
        let door = Door(Shared::of_test(Arc::default(), config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let until = stop.clone();
        tokio::spawn(async move { door.serve(listener, until).await });
        (address, stop)
    }

    /// Sends something, and hears as many bytes as are expected.
    async fn talk(stream: &mut TcpStream, said: &str, expected: &str) {
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = vec![0; expected.len()];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), expected, "{said}");
    }

    async fn is_over(stream: &mut TcpStream) -> bool {
        matches!(stream.read(&mut [0]).await, Ok(0) | Err(_))
    }

    #[tokio::test]
    async fn who_is_sent_away_has_what_was_answered_and_no_more() {
        let (address, _stop) = open().await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await.unwrap();
            talk(&mut client, "PING\r\n", "+PONG\r\n").await;
            clients.push(client);
        }
        let [one, two, three] = &mut clients[..] else { panic!() };
        let laddr = format!("CLIENT KILL LADDR {address} ID 2\r\n");
        talk(one, &laddr, ":1\r\n").await;
        assert!(is_over(two).await);
        talk(one, &format!("CLIENT KILL {}\r\n", three.local_addr().unwrap()), "+OK\r\n").await;
        assert!(is_over(three).await);
        talk(one, "CLIENT KILL TYPE normal\r\nCLIENT KILL ID 1 SKIPME no\r\n", ":0\r\n:1\r\n").await;
        assert!(is_over(one).await);
    }

    #[tokio::test]
    async fn a_pipeline_is_answered_as_far_as_its_client_wants() {
        let (address, _stop) = open().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let said = "SET k 1\r\nCLIENT REPLY OFF\r\nINCR k\r\nnonsense\r\nCLIENT REPLY ON\r\nGET k\r\n\
                    CLIENT REPLY SKIP\r\nINCR k\r\nGET k\r\n";
        talk(&mut client, said, "+OK\r\n+OK\r\n$1\r\n2\r\n$1\r\n3\r\n").await;
    }

    /// The bytes of a message to a client in version 2.
    fn message(channel: &str, payload: &str) -> String {
        let parts = ["message", channel, payload].map(|part| format!("${}\r\n{part}\r\n", part.len()));
        format!("*3\r\n{}", parts.concat())
    }

    #[tokio::test]
    async fn a_pipeline_is_done_in_its_order_and_messages_come_behind_the_answer_that_lets_them() {
        let (address, _stop) = open().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let word = |channel: &str, count: u8| {
            format!("*3\r\n$9\r\nsubscribe\r\n${}\r\n{channel}\r\n:{count}\r\n", channel.len())
        };
        let queued = "+QUEUED\r\n".repeat(3);
        let said = "MULTI\r\nSUBSCRIBE a\r\nPUBLISH a x\r\nSUBSCRIBE b\r\nEXEC\r\nPING\r\n";
        let done = format!("*3\r\n{}:1\r\n{}", word("a", 1), word("b", 2));
        let pong = "*2\r\n$4\r\npong\r\n$0\r\n\r\n";
        talk(&mut client, said, &format!("+OK\r\n{queued}{done}{}{pong}", message("a", "x"))).await;
        // What is said behind a write is said when that is done.
        let mut speaker = TcpStream::connect(address).await.unwrap();
        talk(&mut speaker, &"PING\r\n".repeat(9), &"+PONG\r\n".repeat(9)).await;
        talk(&mut speaker, "INCR k\r\nPUBLISH a k\r\nINCR k\r\n", ":1\r\n:1\r\n:2\r\n").await;
        talk(&mut client, "", &message("a", "k")).await;
    }

    #[tokio::test]
    async fn what_is_published_comes_between_answers_and_to_who_is_silent() {
        let (address, _stop) = open().await;
        let mut listener = TcpStream::connect(address).await.unwrap();
        let mut speaker = TcpStream::connect(address).await.unwrap();
        let said = "SET k 1\r\nSUBSCRIBE a\r\nGET k\r\nPING\r\n";
        let word = "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n";
        let refusal = "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed \
                       in this context\r\n";
        talk(&mut listener, said, &format!("+OK\r\n{word}{refusal}*2\r\n$4\r\npong\r\n$0\r\n\r\n")).await;
        talk(&mut speaker, "PUBLISH a hello\r\nPUBLISH b nobody\r\n", ":1\r\n:0\r\n").await;
        talk(&mut listener, "", &message("a", "hello")).await;
        let (all, answers): (Vec<_>, Vec<_>) =
            (0..3000).map(|n| (format!("PUBLISH a {n}\r\n"), ":1\r\n".to_owned())).unzip();
        let heard: Vec<_> = (0..3000).map(|n| message("a", &n.to_string())).collect();
        let (all, answers, heard) = (all.concat(), answers.concat(), heard.concat());
        tokio::join!(talk(&mut speaker, &all, &answers), talk(&mut listener, "", &heard));
        // Its own words come to itself, too, before their answer.
        talk(&mut speaker, "HELLO 3\r\n", "%7\r\n").await;
        let mut rest = vec![0; 1024];
        let heard = speaker.read(&mut rest).await.unwrap();
        assert!(rest[..heard].ends_with(b"modules\r\n*0\r\n"));
        let word = ">3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:1\r\n";
        let own = ">3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$2\r\nmy\r\n";
        talk(&mut speaker, "SUBSCRIBE b\r\nPUBLISH b my\r\nGET k\r\n", &format!("{word}{own}:1\r\n$1\r\n1\r\n")).await;
        // What one left is listened to no more.
        drop(speaker);
        let mut other = TcpStream::connect(address).await.unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            other.write_all(b"PUBSUB NUMSUB b\r\n").await.unwrap();
            let mut told = [0; 15];
            other.read_exact(&mut told).await.unwrap();
            if &told == b"*2\r\n$1\r\nb\r\n:0\r\n" {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "it listens still");
        }
    }

    #[tokio::test]
    async fn who_never_reads_is_sent_away_and_others_hear() {
        let (address, _stop) = open().await;
        let mut deaf = TcpStream::connect(address).await.unwrap();
        talk(&mut deaf, "SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n").await;
        let mut listener = TcpStream::connect(address).await.unwrap();
        talk(&mut listener, "SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n").await;
        let mut speaker = TcpStream::connect(address).await.unwrap();
        let long = "x".repeat(400 * 1024);
        let (said, heard) = (format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$409600\r\n{long}\r\n"), message("a", &long));
        loop {
            speaker.write_all(said.as_bytes()).await.unwrap();
            let mut told = [0; 4];
            speaker.read_exact(&mut told).await.unwrap();
            talk(&mut listener, "", &heard).await;
            if &told == b":1\r\n" {
                break;
            }
        }
        // It has what was on its way, and no more.
        let mut rest = Vec::new();
        let read = deaf.read_to_end(&mut rest).await;
        assert!(read.is_err() || rest.len() < storgo_protocol::limits::RESP_OUTBOX_BYTES_MAX, "{}", rest.len());
        talk(&mut speaker, "PUBLISH a more\r\n", ":1\r\n").await;
        talk(&mut listener, "", &message("a", "more")).await;
    }

    #[tokio::test]
    async fn what_is_asked_for_at_once_is_made_when_what_was_made_before_is_sent() {
        let (address, _stop) = open_as(DoorConfig { answer_bytes_max: 1 << 20, ..DoorConfig::default() }).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let long = "a".repeat(1000);
        let answer = format!("*3000\r\n{}", format!("$1000\r\n{long}\r\n").repeat(3000));
        // Short answers let many requests be begun ahead.
        talk(&mut client, &"PING\r\n".repeat(3000), &"+PONG\r\n".repeat(3000)).await;
        // Of one key in order, of others and of several at once.
        let said = format!(
            "SADD s {long}\r\nSET t 1\r\n{}SREM s {long}\r\nSCARD s\r\nINCR t\r\nSADD s b\r\nMGET t u\r\nSRANDMEMBER s\r\n",
            "SRANDMEMBER s -3000\r\nINCR t\r\n".repeat(20)
        );
        let drawn: Vec<_> = (2..22).map(|raised| format!("{answer}:{raised}\r\n")).collect();
        let rest = ":1\r\n:0\r\n:22\r\n:1\r\n*2\r\n$2\r\n22\r\n$-1\r\n$1\r\nb\r\n";
        let expected = format!(":1\r\n+OK\r\n{}{rest}", drawn.concat());
        talk(&mut client, &said, &expected).await;
    }

    #[tokio::test]
    async fn what_is_set_holds_from_then_on() {
        let (address, _stop) = open().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        talk(&mut client, "CONFIG SET maxclients 1\r\n", "+OK\r\n").await;
        let mut other = TcpStream::connect(address).await.unwrap();
        talk(&mut other, "", "-ERR max number of clients reached\r\n").await;
        talk(&mut client, "CONFIG SET maxclients 2 client-query-buffer-limit 1mb\r\n", "+OK\r\n").await;
        let mut other = TcpStream::connect(address).await.unwrap();
        let long = format!("*2\r\n$4\r\nECHO\r\n$3000000\r\n{}", "a".repeat(1024 * 1024 + 1));
        talk(&mut other, &long, "-ERR Protocol error: the request is too long\r\n").await;
        assert!(is_over(&mut other).await);
        // Whoever says nothing for a second goes.
        talk(&mut client, "CONFIG SET timeout 1\r\n", "+OK\r\n").await;
        assert!(is_over(&mut client).await);
    }
}
