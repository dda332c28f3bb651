//! Doors that let in who shows an access key, through sockets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::generate_simple_self_signed;
use storgo_protocol::cluster::{AccessSecret, AccessTerms};
use storgo_protocol::limits::{RESP_KEYS_SECONDS, RESP_STRANGER_SECONDS_MAX, RESP_STRANGERS_MAX, RESP_WRONG_AUTH_MS};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_util::sync::CancellationToken;

use super::super::door::Door;
use super::super::settings::DoorConfig;
use super::super::shared::Shared;
use super::*;

/// Keys in memory, how often they were read, and what time it is.
#[derive(Debug, Default)]
pub(in super::super) struct Ring {
    pub(in super::super) keys: Mutex<Vec<OpenAccessKey>>,
    reads: AtomicU64,
    now_ms: AtomicU64,
}

impl Keyring for Ring {
    fn access_keys(&self) -> BoxFuture<'_, Result<Vec<OpenAccessKey>, ObjectError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(self.keys.lock().clone()) })
    }
}

impl Clock for Ring {
    fn now_seconds(&self) -> u64 {
        self.now_ms() / 1000
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }
}

impl Ring {
    /// Makes a key; its id and secret with a space between, as they are typed.
    pub(in super::super) fn add(&self, byte: u8, writes: bool, expires_ms: u64) -> String {
        let id = AccessKeyId::draw([byte; 20]);
        let terms = AccessTerms { id, writes, created_ms: 0, expires_ms, note: String::new() };
        let secret = AccessSecret::draw(&[byte; 25]);
        let typed = format!("{id} {}", String::from_utf8_lossy(secret.expose()));
        self.keys.lock().push(OpenAccessKey { terms, secret });
        typed
    }
}

/// A door that wants keys, in memory.
pub(in super::super) struct Guarded {
    pub(in super::super) ring: Arc<Ring>,
    pub(in super::super) shared: Arc<Shared>,
    address: SocketAddr,
    _stop: tokio_util::sync::DropGuard,
}

impl Guarded {
    pub(in super::super) async fn open(tls: Option<Arc<ServerConfig>>) -> Self {
        let ring: Arc<Ring> = Arc::default();
        let guard = Guard::new(Arc::clone(&ring) as _, Arc::clone(&ring) as _);
        let config = DoorConfig { tls, ..DoorConfig::default() };
        let shared = Arc::new(Shared::guarded(Arc::default(), Some(guard), config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let (door, until) = (Door(Arc::clone(&shared)), stop.clone());
        tokio::spawn(async move { door.serve(listener, until).await });
        Self { ring, shared, address, _stop: stop.drop_guard() }
    }

    async fn client(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Sends lines, and hears as many bytes as are expected.
pub(in super::super) async fn talk(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), said: &str, expected: &str) {
    stream.write_all(said.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let expected = expected.replace('\n', "\r\n");
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), expected, "{said}");
}

/// All that is said until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    // A connection may be reset too.
    drop(stream.read_to_end(&mut heard).await);
    String::from_utf8_lossy(&heard).into_owned()
}

const NOAUTH: &str = "-NOAUTH Authentication required.\n";
const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.\n";

#[tokio::test]
async fn strangers_say_who_they_are_and_nothing_else() {
    let door = Guarded::open(None).await;
    let typed = door.ring.add(1, true, 0);
    let (id, secret) = typed.split_once(' ').unwrap();
    let mut client = door.client().await;
    for line in ["PING", "GET k", "SET k v", "MULTI", "ACL WHOAMI", "CLIENT LIST", "CONFIG GET *"] {
        talk(&mut client, &format!("{line}\n"), NOAUTH).await;
    }
    talk(&mut client, "EXEC\n", "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\n").await;
    talk(&mut client, "HELLO 3\n", "-NOAUTH HELLO must be called with the client already authenticated").await;
    let mut client = door.client().await;
    talk(&mut client, &format!("AUTH {typed}\nSET k v\nACL WHOAMI\n"), &format!("+OK\n+OK\n$20\n{id}\n")).await;
    talk(&mut client, "RESET\nGET k\nRESET\n", &format!("+RESET\n{NOAUTH}+RESET\n")).await;
    talk(&mut client, &format!("AUTH {secret}\nGET k\n"), "+OK\n$1\nv\n").await;
    talk(&mut client, &format!("RESET\nAUTH default {secret}\nQUIT\n"), "+RESET\n+OK\n+OK\n").await;
    // Whoever is not known stays with version 2 of the protocol.
    let mut client = door.client().await;
    let hello = format!("HELLO 3 AUTH {id} wrong\nHELLO 3 AUTH {typed} SETNAME me\n");
    talk(&mut client, &hello, &format!("{WRONG}%7\n$6\nserver\n$5\nredis\n")).await;
    let mut client = door.client().await;
    talk(&mut client, &format!("AUTH {typed}\nCLIENT KILL USER {id}\nCLIENT KILL USER x\n"), "+OK\n:1\n").await;
    let lines: Vec<_> = door.shared.clients(&super::super::client::Filter::default());
    let shown: String = lines.iter().map(|client| client.line()).collect();
    assert!(shown.contains(&format!("user={id} ")) && !shown.contains(secret), "{shown}");
}

#[tokio::test]
async fn strangers_send_little() {
    let door = Guarded::open(None).await;
    let mut client = door.client().await;
    client.write_all(b"*11\r\n").await.unwrap();
    assert_eq!(rest(&mut client).await, "-ERR Protocol error: unauthenticated multibulk length\r\n");
    let mut client = door.client().await;
    client.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16385\r\n").await.unwrap();
    assert_eq!(rest(&mut client).await, "-ERR Protocol error: unauthenticated bulk length\r\n");
    let typed = door.ring.add(1, true, 0);
    let mut client = door.client().await;
    let value = "v".repeat(16385);
    let said = format!("AUTH {typed}\n*3\n$3\nSET\n$1\nk\n$16385\n{value}\n*11\n");
    talk(&mut client, &said, "+OK\n+OK\n").await;
    // There is room for so many of them.
    let places: Vec<_> = (0..RESP_STRANGERS_MAX - 1).map(|_| door.shared.place().unwrap()).collect();
    let mut last = door.client().await;
    talk(&mut last, "PING\n", NOAUTH).await;
    talk(&mut door.client().await, "", "-ERR max number of clients reached\n").await;
    talk(&mut last, &format!("AUTH {typed}\n"), "+OK\n").await;
    talk(&mut door.client().await, "PING\n", NOAUTH).await;
    drop(places);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_waits_alone_and_is_counted() {
    let door = Guarded::open(None).await;
    let (typed, other) = (door.ring.add(1, true, 0), door.ring.add(2, true, 0));
    let ((id, _), (others, secret)) = (typed.split_once(' ').unwrap(), other.split_once(' ').unwrap());
    let mut good = door.client().await;
    talk(&mut good, &format!("AUTH {typed}\n"), "+OK\n").await;
    let mut bad = door.client().await;
    let since = Instant::now();
    // A secret opens with its own id alone.
    bad.write_all(format!("AUTH {id} wrong\r\nAUTH {others} wrong\r\nAUTH {id} {secret}\r\n").as_bytes())
        .await
        .unwrap();
    talk(&mut good, "SET k v\nGET k\n", "+OK\n$1\nv\n").await;
    let together = 3 * Duration::from_millis(RESP_WRONG_AUTH_MS);
    assert!(since.elapsed() < together, "nobody else waits: {:?}", since.elapsed());
    talk(&mut bad, "", &WRONG.repeat(3)).await;
    assert!(since.elapsed() >= together, "{:?}", since.elapsed());
    assert_eq!(door.shared.stats.wrong_auth.load(Ordering::Relaxed), 3);
    talk(&mut bad, &format!("AUTH {typed}\nPING\n"), "+OK\n+PONG\n").await;
}

#[tokio::test(start_paused = true)]
async fn who_stays_a_stranger_goes() {
    let door = Guarded::open(None).await;
    let patience = Duration::from_secs(RESP_STRANGER_SECONDS_MAX);
    let typed = door.ring.add(1, true, 0);
    let (since, mut silent, mut loud, mut known) =
        (Instant::now(), door.client().await, door.client().await, door.client().await);
    talk(&mut known, &format!("AUTH {typed}\n"), "+OK\n").await;
    // However much it sends at once.
    loud.write_all("AUTH guess\r\n".repeat(1000).as_bytes()).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    let guessed = rest(&mut loud).await.lines().count();
    assert!(guessed <= 10, "{guessed}");
    assert!((patience..patience + Duration::from_secs(2)).contains(&since.elapsed()), "{:?}", since.elapsed());
    talk(&mut known, "PING\n", "+PONG\n").await;
    // It is a stranger anew when it says so.
    talk(&mut known, "RESET\n", "+RESET\n").await;
    assert_eq!(rest(&mut known).await, "");
}

#[tokio::test]
async fn a_key_that_reads_changes_nothing() {
    let door = Guarded::open(None).await;
    let (wide, narrow) = (door.ring.add(1, true, 0), door.ring.add(2, false, 0));
    let mut writer = door.client().await;
    talk(&mut writer, &format!("AUTH {wide}\nSET k v\nCONFIG SET timeout 0\n"), "+OK\n+OK\n+OK\n").await;
    let mut reader = door.client().await;
    talk(&mut reader, &format!("AUTH {narrow}\nGET k\nDBSIZE\n"), "+OK\n$1\nv\n:1\n").await;
    let refused = |name: &str| format!("-NOPERM this user has no permissions to run the '{name}' command\n");
    for (line, name) in [
        ("SET k w", "set"),
        ("DEL k", "del"),
        ("EXPIRE k 1", "expire"),
        ("GETEX k", "getex"),
        ("FLUSHALL", "flushall"),
        ("CONFIG SET timeout 1", "config|set"),
        ("CLIENT KILL TYPE normal", "client|kill"),
        ("SLOWLOG GET", "slowlog|get"),
    ] {
        talk(&mut reader, &format!("{line}\n"), &refused(name)).await;
    }
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\n";
    let said = format!("+OK\n+QUEUED\n{}{aborted}$1\nv\n", refused("incr"));
    talk(&mut reader, "MULTI\nGET k\nINCR k\nEXEC\nGET k\n", &said).await;
    assert_eq!(door.shared.stats.forbidden.load(Ordering::Relaxed), 9);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_gone_or_over_ends_its_connections() {
    let door = Guarded::open(None).await;
    let (stays, goes, ends) = (door.ring.add(1, true, 0), door.ring.add(2, true, 0), door.ring.add(3, true, 5000));
    let (mut staying, mut going, mut ending) = (door.client().await, door.client().await, door.client().await);
    for (client, typed) in [(&mut staying, &stays), (&mut going, &goes), (&mut ending, &ends)] {
        talk(client, &format!("AUTH {typed}\nPING\n"), "+OK\n+PONG\n").await;
    }
    let soon = Duration::from_secs(RESP_KEYS_SECONDS + 1);
    let since = Instant::now();
    door.ring.keys.lock().retain(|key| key.terms.id != AccessKeyId::draw([2; 20]));
    assert_eq!(rest(&mut going).await, "");
    assert!(since.elapsed() <= soon, "{:?}", since.elapsed());
    talk(&mut ending, "PING\n", "+PONG\n").await;
    door.ring.now_ms.store(5000, Ordering::Relaxed);
    assert_eq!(rest(&mut ending).await, "");
    assert!(since.elapsed() <= 2 * soon, "{:?}", since.elapsed());
    talk(&mut staying, "PING\n", "+PONG\n").await;
    for typed in [goes, ends] {
        talk(&mut staying, &format!("AUTH {typed}\n"), WRONG).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_known_at_once_and_nonsense_is_looked_for_seldom() {
    let door = Guarded::open(None).await;
    let typed = door.ring.add(1, true, 0);
    let mut client = door.client().await;
    talk(&mut client, &format!("AUTH {typed}\n"), "+OK\n").await;
    let since = Instant::now();
    let mut others = Vec::new();
    for n in 0..20 {
        let mut other = door.client().await;
        other.write_all(format!("AUTH nobody{n} secret\r\n").as_bytes()).await.unwrap();
        others.push(other);
    }
    for other in &mut others {
        talk(other, "", WRONG).await;
    }
    let (took, reads) = (since.elapsed().as_secs(), door.ring.reads.load(Ordering::Relaxed));
    assert!(reads <= took + 3, "{reads} times in {took} s");
    // Whoever is at the door first and all behind it know the key that was made now.
    let fresh = door.ring.add(2, false, 0);
    let since = Instant::now();
    let mut both = [door.client().await, door.client().await];
    for client in &mut both {
        client.write_all(format!("AUTH {fresh}\r\n").as_bytes()).await.unwrap();
    }
    for client in &mut both {
        talk(client, "", "+OK\n").await;
    }
    assert!(since.elapsed() <= Duration::from_secs(2), "{:?}", since.elapsed());
}

/// A certificate for this machine: what the door shows, and who believes it.
fn certificate() -> (Arc<ServerConfig>, TlsConnector) {
    let made = generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::try_from(made.key_pair.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let certs = vec![made.cert.der().clone()];
    let server = server.unwrap().with_no_client_auth().with_single_cert(certs, key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    (Arc::new(server), Arc::new(client.with_root_certificates(roots).with_no_client_auth()).into())
}

#[tokio::test]
async fn all_of_a_port_is_secret_and_bad_handshakes_hold_nobody_up() {
    let (server, client) = certificate();
    let door = Guarded::open(Some(server)).await;
    let typed = door.ring.add(1, true, 0);
    let (mut clear, silent) = (door.client().await, door.client().await);
    clear.write_all(b"PING\r\nPING\r\nPING\r\n").await.unwrap();
    let name = || ServerName::try_from("localhost").unwrap();
    let mut known = client.connect(name(), door.client().await).await.unwrap();
    let value = "v".repeat(100_000);
    let said = format!("AUTH {typed}\n*3\n$3\nSET\n$1\nk\n$100000\n{value}\nGET k\n");
    talk(&mut known, &said, &format!("+OK\n+OK\n$100000\n{value}\n")).await;
    let heard = rest(&mut clear).await;
    assert!(!heard.contains("PONG") && !heard.contains("ERR"), "{heard:?}");
    let mut quits = client.connect(name(), door.client().await).await.unwrap();
    talk(&mut quits, "QUIT\n", "+OK\n").await;
    assert_eq!(quits.read(&mut [0]).await.unwrap(), 0, "the end is said");
    // Who still shakes hands is no client yet.
    assert!(door.shared.clients(&super::super::client::Filter::default()).len() <= 2);
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_shake_hands_goes() {
    let (server, _) = certificate();
    let door = Guarded::open(Some(server)).await;
    let (since, mut silent) = (Instant::now(), door.client().await);
    assert_eq!(rest(&mut silent).await, "");
    assert!(since.elapsed() >= Duration::from_secs(RESP_STRANGER_SECONDS_MAX), "{:?}", since.elapsed());
}
