//! Datagrams through sockets. What must not be answered is followed by something that is, and that is heard first.

use std::future::Future;
use std::ops::Deref;

use storgo_protocol::limits::{
    RESP_KEYS_SECONDS, RESP_UDP_NAMES_MAX, RESP_UDP_SILENCE_SECONDS_MAX, RESP_WRONG_AUTH_MS,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::DropGuard;

use super::super::door::Door;
use super::super::guard::tests::{Guarded, talk};
use super::super::settings::DoorConfig;
use super::*;

/// A door that takes datagrams and connections, with values in memory.
struct Open {
    shared: Arc<Shared>,
    tcp: SocketAddr,
    udp: SocketAddr,
    _stop: DropGuard,
}

impl Open {
    async fn new() -> Self {
        Self::with(DoorConfig::default(), |_| {}).await
    }

    /// Of a door whose datagrams are prepared before any is taken.
    async fn with(config: DoorConfig, prepare: impl FnOnce(&mut Datagrams)) -> Self {
        let (shared, stop) = (Shared::of_test(Arc::default(), config), CancellationToken::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = listener.local_addr().unwrap();
        let (door, until) = (Door(Arc::clone(&shared)), stop.clone());
        tokio::spawn(async move { door.serve(listener, until).await });
        let udp = take_datagrams(&shared, &stop, prepare).await;
        Self { shared, tcp, udp, _stop: stop.drop_guard() }
    }

    async fn client(&self) -> TcpStream {
        TcpStream::connect(self.tcp).await.unwrap()
    }

    async fn guest(&self) -> Guest {
        Guest::at(self.udp).await
    }
}

/// Takes datagrams at an address of this machine.
async fn take_datagrams(
    shared: &Arc<Shared>,
    stop: &CancellationToken,
    prepare: impl FnOnce(&mut Datagrams),
) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let mut datagrams = Datagrams::new(Arc::clone(shared), socket, stop.clone()).unwrap();
    prepare(&mut datagrams);
    tokio::spawn(datagrams.serve());
    address
}

/// Who talks by datagrams.
struct Guest(UdpSocket);

impl Guest {
    async fn at(door: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(door).await.unwrap();
        Self(socket)
    }

    async fn say(&self, datagram: impl AsRef<[u8]>) {
        self.0.send(datagram.as_ref()).await.unwrap();
    }

    async fn hear(&self) -> String {
        let mut heard = vec![0; RESP_UDP_BYTES_MAX];
        let received = tokio::time::timeout(Duration::from_secs(30), self.0.recv(&mut heard)).await;
        heard.truncate(received.expect("nothing is heard").unwrap());
        String::from_utf8(heard).unwrap()
    }

    async fn expect(&self, expected: &str) {
        assert_eq!(self.hear().await, expected);
    }

    /// Asks for a token.
    async fn token(self) -> Proven {
        self.say(hello(TOKEN_ANSWER_BYTES)).await;
        let token = bulk(&self.hear().await);
        Proven { guest: self, token }
    }
}

/// Who shows a token with what it says.
struct Proven {
    guest: Guest,
    token: String,
}

impl Deref for Proven {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        &self.guest
    }
}

impl Proven {
    async fn ask(&self, line: &str) {
        self.say(format!("{} {line}\r\n", self.token)).await;
    }

    async fn talk(&self, line: &str, expected: &str) {
        self.ask(line).await;
        self.expect(expected).await;
    }

    /// Shows an access key from then on.
    async fn show(&mut self, typed: &str) {
        self.ask(&format!("AUTH {typed}")).await;
        self.token = bulk(&self.hear().await);
    }

    /// What is said as an array of these.
    fn array(&self, args: &[&str]) -> String {
        let args = [&[self.token.as_str()], args].concat();
        format!("*{}\r\n{}", args.len(), bulks(&args))
    }
}

/// Bytes of the answer that has a token of nobody that is known.
const TOKEN_ANSWER_BYTES: usize = 71;

/// A question for a token, of so many bytes.
fn hello(bytes: usize) -> String {
    format!("HELLO {:.<width$}\r\n", "", width = bytes - "HELLO \r\n".len())
}

/// What is in an answer.
fn bulk(answer: &str) -> String {
    let (length, rest) = answer.strip_prefix('$').unwrap_or_else(|| panic!("{answer}")).split_once("\r\n").unwrap();
    let text = rest.strip_suffix("\r\n").unwrap();
    assert_eq!(text.len().to_string(), length);
    text.to_owned()
}

/// These as bulk strings.
fn bulks(parts: &[&str]) -> String {
    let bulks: Vec<_> = parts.iter().map(|part| format!("${}\r\n{part}\r\n", part.len())).collect();
    bulks.concat()
}

/// A push of these, and of a number at its end if there is one.
fn push(parts: &[&str], number: Option<usize>) -> String {
    let number = number.map(|number| format!(":{number}\r\n"));
    let count = parts.len() + usize::from(number.is_some());
    format!("*{count}\r\n{}{}", bulks(parts), number.unwrap_or_default())
}

/// Waits, with a deadline, and lets no time of the runtime pass meanwhile.
async fn until<F: Future<Output = bool>>(mut is_so: impl FnMut() -> F) {
    let since = std::time::Instant::now();
    while !is_so().await {
        assert!(since.elapsed() < Duration::from_secs(30), "it is not so");
        tokio::task::yield_now().await;
    }
}

fn ignored(shared: &Shared) -> u64 {
    shared.stats.udp_ignored.load(Ordering::Relaxed)
}

fn lost(shared: &Shared) -> u64 {
    shared.stats.udp_lost.load(Ordering::Relaxed)
}

const NONE_MORE: &str = "-ERR max number of clients reached\r\n";

#[tokio::test]
async fn who_listens_hears_what_is_published_by_datagrams_and_connections() {
    let door = Open::new().await;
    let (listener, speaker) = (door.guest().await.token().await, door.guest().await.token().await);
    let mut client = door.client().await;
    listener.talk("PING", "+PONG\r\n").await;
    listener.talk("PING word", "$4\r\nword\r\n").await;
    listener.ask("subscribe news \"a b\"").await;
    listener.expect(&push(&["subscribe", "news"], Some(1))).await;
    listener.expect(&push(&["subscribe", "a b"], Some(2))).await;
    listener.talk("PSUBSCRIBE n*", &push(&["psubscribe", "n*"], Some(3))).await;
    listener.talk("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n").await;
    talk(&mut client, "PUBLISH news rain\nPUBLISH other snow\n", ":2\n:0\n").await;
    listener.expect(&push(&["message", "news", "rain"], None)).await;
    listener.expect(&push(&["pmessage", "n*", "news", "rain"], None)).await;
    // Any bytes, and from where somebody listens, too.
    for who in [&speaker, &listener] {
        who.say(who.array(&["PUBLISH", "a b", "hail\r\n"])).await;
    }
    speaker.expect(":1\r\n").await;
    let heard = [listener.hear().await, listener.hear().await, listener.hear().await];
    let message = push(&["message", "a b", "hail\r\n"], None);
    assert_eq!(heard.iter().filter(|heard| **heard == message).count(), 2, "{heard:?}");
    assert!(heard.iter().any(|heard| heard == ":1\r\n"), "{heard:?}");
    // Connections hear datagrams.
    talk(&mut client, "SUBSCRIBE news\n", "*3\n$9\nsubscribe\n$4\nnews\n:1\n").await;
    speaker.talk("PUBLISH news sun", ":3\r\n").await;
    talk(&mut client, "", "*3\n$7\nmessage\n$4\nnews\n$3\nsun\n").await;
    listener.expect(&push(&["message", "news", "sun"], None)).await;
    listener.expect(&push(&["pmessage", "n*", "news", "sun"], None)).await;
    // Who does not want to hear any more does not.
    listener.talk("PUNSUBSCRIBE", &push(&["punsubscribe", "n*"], Some(2))).await;
    listener.talk("UNSUBSCRIBE news", &push(&["unsubscribe", "news"], Some(1))).await;
    speaker.talk("PUBLISH news wind", ":1\r\n").await;
    listener.talk("UNSUBSCRIBE", &push(&["unsubscribe", "a b"], Some(0))).await;
    listener.talk("SUBSCRIBE news", &push(&["subscribe", "news"], Some(1))).await;
    speaker.talk("UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n").await;
    for line in ["GET k", "HELLO 3", "PUBSUB NUMPAT", "CLIENT LIST", "MULTI", "SSUBSCRIBE a"] {
        speaker.ask(line).await;
        let refusal = speaker.hear().await;
        assert!(refusal.contains("is not taken over UDP: only AUTH, PING, "), "{refusal}");
    }
    speaker.talk("nonsense", "-ERR unknown command 'nonsense', with args beginning with: \r\n").await;
    assert_eq!((ignored(&door.shared), lost(&door.shared)), (0, 0));
}

#[tokio::test]
async fn without_a_token_nothing_is_done_and_no_more_is_said_than_was_heard() {
    let door = Open::new().await;
    let (known, guest) = (door.guest().await.token().await, door.guest().await);
    known.talk("SUBSCRIBE a", &push(&["subscribe", "a"], Some(1))).await;
    let wrong = known.token.replace(['0', '1'], "2");
    let mut said = vec!["PING\r\n".into(), "SUBSCRIBE b\r\n".into(), "PUBLISH a x\r\n".into(), "AUTH x\r\n".into()];
    said.extend([format!("{wrong} PUBLISH a x\r\n"), format!("{}KEY PUBLISH a x\r\n", known.token)]);
    // One that was given to another is worth nothing here.
    said.extend(["PING", "SUBSCRIBE b", "PUBLISH a x", "AUTH x"].map(|line| format!("{} {line}\r\n", known.token)));
    said.extend([format!("{}\r\n", known.token), known.array(&["PUBLISH", "a", "x"])]);
    // A greeting is no shorter than its answer, and no secret is looked at with it.
    said.extend(["HELLO\r\n".to_owned(), format!("HELLO 3 AUTH me {:.<80}\r\n", "")]);
    said.extend((8..TOKEN_ANSWER_BYTES).map(hello));
    for datagram in &said {
        guest.say(datagram).await;
    }
    guest.say(hello(TOKEN_ANSWER_BYTES)).await;
    let answer = guest.hear().await;
    assert_eq!((answer.len(), ignored(&door.shared)), (TOKEN_ANSWER_BYTES, said.len() as u64));
    assert_eq!(door.shared.channels.counts(), (1, 0, 0));
    // What it was given is good for it alone, in either form, and spaces are as good as words to fill a datagram.
    let guest = Proven { token: bulk(&answer), guest };
    guest.talk("PUBLISH a y", ":1\r\n").await;
    known.expect(&push(&["message", "a", "y"], None)).await;
    guest.say(format!("HELLO{:80}\r\n", "")).await;
    assert_eq!(bulk(&guest.hear().await), guest.token);
    guest.say(format!("*2\r\n$5\r\nhello\r\n$80\r\n{:.<80}\r\n", "")).await;
    assert_eq!(bulk(&guest.hear().await), guest.token);
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_told_no_more() {
    let door = Open::new().await;
    let (listener, silent) = (door.guest().await.token().await, door.guest().await.token().await);
    for guest in [&listener, &silent] {
        guest.talk("SUBSCRIBE a", &push(&["subscribe", "a"], Some(1))).await;
    }
    let mut client = door.client().await;
    talk(&mut client, "PUBLISH a 1\n", ":2\n").await;
    let almost = Duration::from_secs(RESP_UDP_SILENCE_SECONDS_MAX - 5);
    tokio::time::advance(almost).await;
    listener.ask("PING").await;
    talk(&mut client, "PUBLISH a 2\n", ":2\n").await;
    tokio::time::advance(Duration::from_secs(6)).await;
    // Published words keep nobody here who says nothing.
    until(|| async { door.shared.clients.lock().len() == 2 }).await;
    talk(&mut client, "PUBLISH a 3\n", ":1\n").await;
    for expected in [push(&["message", "a", "1"], None), push(&["message", "a", "2"], None)] {
        silent.expect(&expected).await;
    }
    // Whoever comes again listens anew.
    silent.talk("SUBSCRIBE b", &push(&["subscribe", "b"], Some(1))).await;
    tokio::time::advance(Duration::from_secs(RESP_UDP_SILENCE_SECONDS_MAX + 1)).await;
    until(|| async { door.shared.clients.lock().len() == 1 && door.shared.channels.counts() == (0, 0, 0) }).await;
}

#[tokio::test]
async fn no_more_listen_and_to_no_more_than_there_is_room_for() {
    let mut held = Vec::new();
    let door = Open::with(DoorConfig::default(), |datagrams| {
        for port in 1..RESP_UDP_LISTENERS_MAX {
            let (sender, receiver) = mpsc::channel(1);
            let from = SocketAddr::from(([192, 0, 2, 1], u16::try_from(port).unwrap()));
            datagrams.listeners.insert(from, sender);
            held.push(receiver);
        }
    })
    .await;
    let (last, more) = (door.guest().await.token().await, door.guest().await.token().await);
    last.talk("SUBSCRIBE a", &push(&["subscribe", "a"], Some(1))).await;
    more.talk("SUBSCRIBE a", NONE_MORE).await;
    more.talk("PUBLISH a x", ":1\r\n").await;
    last.expect(&push(&["message", "a", "x"], None)).await;
    // As many names, in requests of as many words.
    let names: Vec<_> = (1..=RESP_UDP_NAMES_MAX).map(|n| format!("name{n}")).collect();
    last.talk("UNSUBSCRIBE a", &push(&["unsubscribe", "a"], Some(0))).await;
    let words = RESP_UDP_ARGS_MAX - 2;
    for (page, names) in names.chunks(words).enumerate() {
        last.ask(&format!("SUBSCRIBE {}", names.join(" "))).await;
        for (n, name) in names.iter().enumerate() {
            last.expect(&push(&["subscribe", name], Some(page * words + n + 1))).await;
        }
    }
    let refusal = format!("-ERR an address listens to at most {RESP_UDP_NAMES_MAX} names over UDP\r\n");
    last.talk("SUBSCRIBE more", &refusal).await;
    last.talk("PSUBSCRIBE more", &refusal).await;
    last.talk("SUBSCRIBE name1", &push(&["subscribe", "name1"], Some(RESP_UDP_NAMES_MAX))).await;
    // A word more is no request, as a line or as an array.
    let words = vec!["x"; words + 1].join(" ");
    last.ask(&format!("UNSUBSCRIBE {words}")).await;
    last.say(last.array(&format!("UNSUBSCRIBE {words}").split(' ').collect::<Vec<_>>())).await;
    last.talk("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n").await;
    assert_eq!(ignored(&door.shared), 2);
    // Who listens is a client, of whom there are so many.
    let full = Open::with(DoorConfig { clients_max: 1, ..DoorConfig::default() }, |_| {}).await;
    let mut client = full.client().await;
    talk(&mut client, "PING\n", "+PONG\n").await;
    full.guest().await.token().await.talk("SUBSCRIBE a", NONE_MORE).await;
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_is_counted_and_not_sent() {
    let door = Open::new().await;
    let listener = door.guest().await.token().await;
    listener.talk("SUBSCRIBE a", &push(&["subscribe", "a"], Some(1))).await;
    let mut client = door.client().await;
    let around = push(&["message", "a", &"x".repeat(10_000)], None).len() - 10_000;
    for (bytes, is_heard) in [(RESP_UDP_BYTES_MAX - around, true), (RESP_UDP_BYTES_MAX - around + 1, false), (1, true)]
    {
        let payload = "x".repeat(bytes);
        talk(&mut client, &format!("*3\n$7\nPUBLISH\n$1\na\n${bytes}\n{payload}\n"), ":1\n").await;
        if is_heard {
            listener.expect(&push(&["message", "a", &payload], None)).await;
        }
    }
    assert_eq!(lost(&door.shared), 1);
    // Of version 6 of IP they come a little longer.
    let line = |bytes: usize| format!("PING{:width$}\n", "", width = bytes - 5);
    assert!(
        whole(line(RESP_UDP_BYTES_MAX).as_bytes()).is_some()
            && whole(line(RESP_UDP_BYTES_MAX + 1).as_bytes()).is_none()
    );
}

#[tokio::test]
async fn who_listens_is_a_client_and_goes_with_the_door() {
    let door = Open::new().await;
    let listener = door.guest().await.token().await;
    let from = listener.0.local_addr().unwrap();
    listener.talk("SUBSCRIBE a", &push(&["subscribe", "a"], Some(1))).await;
    let mut client = door.client().await;
    let shown: String =
        door.shared.clients(&super::super::client::Filter::default()).iter().map(|c| c.line()).collect();
    assert!(shown.contains(&format!("addr={from} laddr={} ", door.udp)) && shown.contains("flags=P "), "{shown}");
    talk(&mut client, &format!("CLIENT KILL {from}\n"), "+OK\n").await;
    until(|| async { door.shared.channels.counts() == (0, 0, 0) }).await;
    listener.talk("SUBSCRIBE b", &push(&["subscribe", "b"], Some(1))).await;
    let (shared, stop) = (Arc::clone(&door.shared), CancellationToken::new());
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let guest = Guest::at(socket.local_addr().unwrap()).await;
    let serving = tokio::spawn(Datagrams::new(Arc::clone(&shared), socket, stop.clone()).unwrap().serve());
    guest.token().await.talk("SUBSCRIBE c", &push(&["subscribe", "c"], Some(1))).await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(30), serving).await.expect("it goes on").unwrap();
    assert_eq!(shared.channels.counts(), (1, 0, 0));
}

#[tokio::test]
async fn who_asks_when_it_has_just_been_given_up_is_heard_anew() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let from = socket.local_addr().unwrap();
    let gone = |datagrams: &mut Datagrams| drop(datagrams.listeners.insert(from, mpsc::channel(1).0));
    let door = Open::with(DoorConfig::default(), gone).await;
    socket.connect(door.udp).await.unwrap();
    let listener = Guest(socket).token().await;
    listener.talk("PING", "+PONG\r\n").await;
    listener.talk("SUBSCRIBE a", &push(&["subscribe", "a"], Some(1))).await;
    listener.talk("PUBLISH a x", ":1\r\n").await;
}

/// A door that wants access keys, and takes datagrams.
async fn guarded() -> (Guarded, SocketAddr, DropGuard) {
    let (door, stop) = (Guarded::open(None).await, CancellationToken::new());
    let udp = take_datagrams(&door.shared, &stop, |_| {}).await;
    (door, udp, stop.drop_guard())
}

const NOAUTH: &str = "-NOAUTH Authentication required.\r\n";
const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

#[tokio::test(start_paused = true)]
async fn an_access_key_lets_in_as_far_as_it_goes() {
    let (door, udp, _stop) = guarded().await;
    let (wide, narrow) = (door.ring.add(1, true, 0), door.ring.add(2, false, 0));
    let [mut writer, mut reader] = [Guest::at(udp).await.token().await, Guest::at(udp).await.token().await];
    for line in ["PING", "SUBSCRIBE a", "PUBLISH a x", "UNSUBSCRIBE"] {
        reader.talk(line, NOAUTH).await;
    }
    assert!(door.shared.clients.lock().is_empty(), "a stranger has a place");
    let stranger = reader.token.clone();
    reader.talk("AUTH me wrong", WRONG).await;
    reader.show(&narrow).await;
    writer.show(&wide).await;
    reader.talk("SUBSCRIBE a", &push(&["subscribe", "a"], Some(1))).await;
    let refusal = "-NOPERM this user has no permissions to run the 'publish' command\r\n";
    reader.talk("PUBLISH a x", refusal).await;
    writer.talk("PUBLISH a x", ":1\r\n").await;
    reader.expect(&push(&["message", "a", "x"], None)).await;
    // Where it listens, too, who shows no key has nothing to say.
    reader.say(format!("{stranger} UNSUBSCRIBE\r\n")).await;
    reader.expect(NOAUTH).await;
    // A token says for whom it is: with another's id it is none.
    let (id, others) = (narrow.split(' ').next().unwrap(), wide.split(' ').next().unwrap());
    reader.say(format!("{} PUBLISH a y\r\n", reader.token.replace(id, others))).await;
    reader.say(format!("{stranger}{others} PUBLISH a y\r\n")).await;
    reader.talk("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n").await;
    assert_eq!(ignored(&door.shared), 2);
    // A key that is gone ends what it opened, and its token with it.
    door.ring.keys.lock().retain(|key| key.terms.id.as_str() != id);
    tokio::time::advance(Duration::from_secs(RESP_KEYS_SECONDS + 1)).await;
    until(|| async { door.shared.channels.counts() == (0, 0, 0) }).await;
    reader.ask("SUBSCRIBE a").await;
    reader.say(format!("{stranger} PING\r\n")).await;
    reader.expect(NOAUTH).await;
    writer.talk("PUBLISH a x", ":0\r\n").await;
    assert_eq!(ignored(&door.shared), 3);
}

#[tokio::test(start_paused = true)]
async fn secrets_are_guessed_slowly_and_few_at_once() {
    let (door, udp, _stop) = guarded().await;
    let typed = door.ring.add(1, true, 0);
    let mut guests = Vec::new();
    for _ in 0..=RESP_UDP_GUESSES_MAX {
        guests.push(Guest::at(udp).await.token().await);
    }
    let (since, mut last) = (tokio::time::Instant::now(), guests.pop().unwrap());
    for guest in &guests {
        // Of two guesses of one address the second is not looked at.
        guest.ask("AUTH me wrong").await;
        guest.ask("AUTH me wrong").await;
    }
    last.ask("AUTH me wrong").await;
    last.talk("PING", NOAUTH).await;
    for guest in &guests {
        guest.expect(WRONG).await;
    }
    assert!(since.elapsed() >= Duration::from_millis(RESP_WRONG_AUTH_MS), "{:?}", since.elapsed());
    assert_eq!(door.shared.stats.wrong_auth.load(Ordering::Relaxed), RESP_UDP_GUESSES_MAX as u64);
    assert_eq!(ignored(&door.shared), RESP_UDP_GUESSES_MAX as u64 + 1);
    last.show(&typed).await;
    last.talk("PUBLISH a x", ":0\r\n").await;
}

#[tokio::test]
async fn nonsense_is_not_answered_and_harms_nobody() {
    let door = Open::new().await;
    let (listener, guest) = (door.guest().await.token().await, door.guest().await.token().await);
    listener.talk("SUBSCRIBE a", &push(&["subscribe", "a"], Some(1))).await;
    let good = guest.array(&["PUBLISH", "a", "x"]);
    let mut said: Vec<Vec<u8>> = (0..good.len()).map(|end| good.as_bytes()[..end].to_vec()).collect();
    let token = &guest.token;
    said.extend(
        [
            // More than one request, or less.
            good.repeat(2),
            format!("{good}x"),
            format!("{token} PING"),
            format!("{token} PING\r\n{token} PING\r\n"),
            format!("{token} PING \"\r\n"),
            format!("{token} PUBLISH a \"x\"y\r\n"),
            // What is no array of bulk strings.
            format!("*2\r\n*1\r\n$64\r\n{token}\r\n$4\r\nPING\r\n"),
            format!("*2\r\n+{token}\r\n$4\r\nPING\r\n"),
            "*1\r\n".repeat(16_000),
            "*0\r\n".into(),
            "*-1\r\n".into(),
            // Lengths of what does not come.
            "*1048576\r\n$1\r\nx\r\n".into(),
            "*9223372036854775807\r\n".into(),
            "*99999999999999999999\r\n".into(),
            format!("*2\r\n$64\r\n{token}\r\n$9223372036854775807\r\nPING\r\n"),
            format!("*2\r\n$64\r\n{token}\r\n$536870912\r\nPING\r\n"),
            format!("*2\r\n$64\r\n{token}\r\n$-1\r\n"),
            // What a door answers, as if it were asked.
            "+PONG\r\n".into(),
            format!("$64\r\n{token}\r\n"),
            "-ERR max number of clients reached\r\n".into(),
            push(&["message", "a", "x"], None),
        ]
        .map(String::into_bytes),
    );
    // Bytes at random, the same each time.
    let mut random = 1_u64;
    let mut draw = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    for _ in 0..2000 {
        let bytes: Vec<_> = (0..draw(300)).map(|_| u8::try_from(draw(256)).unwrap()).collect();
        // As likely as not it looks like something.
        said.push(if draw(2) == 0 { bytes } else { [good.as_bytes(), &bytes, &[0]].concat() });
    }
    for (n, datagram) in said.iter().enumerate() {
        guest.say(datagram).await;
        // Not more at once than the socket takes.
        if n % 20 == 0 {
            guest.talk("PING", "+PONG\r\n").await;
        }
    }
    guest.talk("PING", "+PONG\r\n").await;
    assert_eq!((ignored(&door.shared), lost(&door.shared)), (said.len() as u64, 0));
    guest.talk("PUBLISH a good", ":1\r\n").await;
    listener.expect(&push(&["message", "a", "good"], None)).await;
}
