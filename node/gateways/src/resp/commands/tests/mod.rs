//! Commands as a client sees them, on values in memory: what they answer was recorded from Redis 7.0.15.
//!
//! A transcript has a command in a line, and below it the bytes of the answer, ends of lines as spaces. Behind `>` the order
//! of what is answered counts; behind `~` it does not, since Redis has none there, or another. Each begins with nothing.

mod cluster;
mod notices;
mod pubsub;
mod server;
mod sorted;
mod transactions;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::super::reply::{Protocol, Reply};
use super::super::request::{Bounds, RequestParser};
use super::super::session::Session;
use super::super::settings::DoorConfig;
use super::super::shared::Shared;
use super::super::values::Values as _;
use super::super::values::fake::Memory;
use super::{Command, find};

/// A client of a door whose values are in memory.
struct Client {
    values: Arc<Memory>,
    shared: Arc<Shared>,
    session: Session,
}

impl Client {
    fn new() -> Self {
        Self::with(DoorConfig::default())
    }

    fn with(config: DoorConfig) -> Self {
        let values: Arc<Memory> = Arc::default();
        let shared = Shared::of_test(Arc::clone(&values), config);
        Self { values, session: Session::of_test(Arc::clone(&shared), 1), shared }
    }

    /// Another client of the same door.
    fn beside(&self, id: u16) -> Self {
        let (values, shared) = (Arc::clone(&self.values), Arc::clone(&self.shared));
        Self { values, session: Session::of_test(Arc::clone(&shared), id), shared }
    }

    async fn ask(&mut self, line: &str) -> (Protocol, Reply) {
        self.heard(line).await.unwrap()
    }

    /// The answer, if there is one.
    async fn heard(&mut self, line: &str) -> Option<(Protocol, Reply)> {
        let bounds =
            Bounds { args_max: 100, bulk_bytes_max: 1 << 20, inline_bytes_max: 1 << 20, is_authenticated: true };
        let mut input = BytesMut::from(format!("{line}\r\n").as_bytes());
        let args = RequestParser::default().next(&mut input, &bounds).unwrap().unwrap();
        self.session.ask(args).await
    }

    /// The answer in one line.
    async fn told(&mut self, line: &str) -> String {
        let (protocol, reply) = self.ask(line).await;
        written(&reply, protocol)
    }
}

fn written(reply: &Reply, protocol: Protocol) -> String {
    let mut out = BytesMut::new();
    reply.write(protocol, &mut out);
    String::from_utf8_lossy(&out).replace("\r\n", " ").trim_end().to_owned()
}

/// The same reply in an order of its own, and so are those within it.
fn sorted(reply: Reply) -> Reply {
    let by_text = |mut replies: Vec<Reply>| {
        replies.sort_by_key(|reply| written(reply, Protocol::Three));
        replies
    };
    match reply {
        Reply::Array(replies) => Reply::Array(by_text(replies.into_iter().map(sorted).collect())),
        Reply::Set(replies) => Reply::Set(by_text(replies)),
        other => other,
    }
}

async fn replay(transcript: &str) {
    let mut client = Client::new();
    let mut lines = transcript.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut wrong = Vec::new();
    while let Some(line) = lines.next() {
        let (order, command) = line.split_once(' ').unwrap();
        if command.starts_with("HELLO") {
            client.ask(command).await;
            continue;
        }
        let (protocol, reply) = client.ask(command).await;
        let told = written(&if order == "~" { sorted(reply) } else { reply }, protocol);
        let expected = lines.next().unwrap_or_default();
        if told != expected {
            wrong.push(format!("{command}\n  Redis: {expected}\n  told:  {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn hashes_are_those_of_redis() {
    replay(include_str!("hashes.txt")).await;
}

#[tokio::test]
async fn sets_are_those_of_redis() {
    replay(include_str!("sets.txt")).await;
}

#[tokio::test]
async fn lists_are_those_of_redis() {
    replay(include_str!("lists.txt")).await;
}

#[tokio::test]
async fn kinds_are_told_apart_as_by_redis() {
    replay(include_str!("kinds.txt")).await;
}

#[tokio::test]
async fn what_is_looked_at_first_is_what_redis_looks_at() {
    replay(include_str!("order.txt")).await;
}

#[tokio::test]
async fn parts_of_commands_are_those_of_redis() {
    replay(include_str!("server.txt")).await;
}

#[test]
fn rows_are_those_of_redis() {
    for line in include_str!("rows.txt").lines() {
        let name = line.split(' ').next().unwrap();
        let command = find(name.as_bytes()).unwrap_or_else(|| panic!("{name} is not there"));
        let Command { name, arity, flags, keys: (first, last, step), .. } = command;
        assert_eq!(format!("{name} {arity} {} [{first}, {last}, {step}]", flags.join(" ")), line);
    }
}

#[tokio::test]
async fn what_changes_nothing_is_not_written() {
    let mut client = Client::new();
    for line in ["HSET h a 1", "SADD s a b", "RPUSH l a b"] {
        client.ask(line).await;
    }
    let before = client.values.writes();
    assert_eq!(before, 3);
    let idle = [
        "HSETNX h a 2",
        "HDEL h b",
        "SADD s a",
        "SREM s z",
        "LREM l 0 z",
        "LTRIM l 0 -1",
        "LPOP l 0",
        "SPOP s 0",
        "LINSERT l BEFORE z y",
        "LPUSHX none a",
        "HINCRBY h a x",
        "HSET s a 1",
        "SMOVE s t z",
        "EXPIRE none 10",
        "HGETALL h",
        "SUNION s s",
    ];
    for line in idle {
        client.ask(line).await;
        assert_eq!(client.values.writes(), before, "{line}");
    }
    client.ask("HSET h a 2").await;
    assert_eq!(client.values.writes(), before + 1);
}

#[tokio::test]
async fn a_collection_stands_in_its_version_as_it_did_whatever_moves_it() {
    let mut client = Client::new();
    client.ask("HSET {h} b 2 a 1").await;
    let stored = client.values.stored(b"{h}").unwrap();
    let golden = (Bytes::from_static(b"redis/hash"), Bytes::from_static(b"\x01h\x02\x01a\x011\x01b\x012"));
    assert_eq!(stored, golden);
    for line in ["EXPIRE {h} 100", "PERSIST {h}", "RENAME {h} {h}2", "COPY {h}2 {h}", "HSET {h} a 1"] {
        client.ask(line).await;
        assert_eq!(
            client.values.stored(b"{h}").or_else(|| client.values.stored(b"{h}2")).as_ref(),
            Some(&golden),
            "{line}"
        );
    }
    client.ask("SADD s b a").await;
    client.ask("RPUSH l b a").await;
    let body = |key: &[u8]| client.values.stored(key).map(|(_, body)| body);
    assert_eq!(body(b"s"), Some(Bytes::from_static(b"\x01s\x02\x01a\x01b")));
    assert_eq!(body(b"l"), Some(Bytes::from_static(b"\x01l\x02\x01b\x01a")));
}

#[tokio::test]
async fn what_is_damaged_is_said_to_be_and_can_be_got_rid_of() {
    let mut client = Client::new();
    let damage = |body: &'static str| storgo_object::SetValue {
        bytes: body.into(),
        metadata: "redis/hash".into(),
        ..Default::default()
    };
    client.values.set(b"h", damage("\u{1}h\u{2}")).await.unwrap();
    let told = "-ERR the value is damaged: it ends too early";
    for line in ["HGET h a", "HSET h a 1", "HGETALL h", "OBJECT ENCODING h"] {
        assert_eq!(client.told(line).await, told, "{line}");
    }
    let others = [("TYPE h", "+hash"), ("EXISTS h", ":1"), ("EXPIRE h 100", ":1"), ("TTL h", ":100"), ("DEL h", ":1")];
    for (line, expected) in others {
        assert_eq!(client.told(line).await, expected, "{line}");
    }
    client.values.set(b"h", damage("?")).await.unwrap();
    for (line, expected) in [("SET h new", "+OK"), ("GET h", "$3 new"), ("TYPE h", "+string")] {
        assert_eq!(client.told(line).await, expected, "{line}");
    }
    // What other doors keep beside their objects is no kind.
    let object = storgo_object::SetValue { bytes: "body".into(), metadata: "text/plain".into(), ..Default::default() };
    client.values.set(b"object", object).await.unwrap();
    assert_eq!(client.told("GET object").await, "$4 body");
}

#[tokio::test]
async fn what_is_drawn_is_there() {
    let mut client = Client::new();
    client.ask("SADD s a b c d").await;
    client.ask("HSET h a 1 b 2 c 3").await;
    let all = |reply: Reply| match reply {
        Reply::Array(replies) | Reply::Set(replies) => replies,
        other => panic!("{other:?}"),
    };
    let popped = all(client.ask("SPOP s 3").await.1);
    assert_eq!(popped.len(), 3);
    let left = all(client.ask("SMEMBERS s").await.1);
    assert_eq!(left.len(), 1);
    assert!(!popped.contains(&left[0]));
    assert_eq!(client.ask("SPOP s").await.1, left[0]);
    assert_eq!(client.told("EXISTS s").await, ":0");
    for (line, count) in [("HRANDFIELD h 2", 2), ("HRANDFIELD h 9", 3), ("HRANDFIELD h -9", 9), ("HRANDFIELD h 0", 0)] {
        let mut drawn = all(client.ask(line).await.1);
        assert_eq!(drawn.len(), count, "{line}");
        assert!(drawn.iter().all(|field| ["a", "b", "c"].map(Reply::bulk).contains(field)), "{line}");
        if count <= 3 {
            drawn.sort_by_key(|reply| written(reply, Protocol::Two));
            drawn.dedup();
            assert_eq!(drawn.len(), count, "{line}");
        }
    }
    client.ask("HELLO 3").await;
    assert_eq!(client.told("HRANDFIELD h 3 WITHVALUES").await.matches("*2").count(), 3);
    assert_eq!(client.told("SRANDMEMBER none -9223372036854775808").await, "-ERR value is out of range");
}

#[tokio::test]
async fn a_scan_gives_every_element_once() {
    let mut client = Client::new();
    for n in 0..200 {
        client.ask(&format!("SADD s {n}")).await;
        client.ask(&format!("HSET h {n} v{n}")).await;
    }
    for (scan, each, count) in [("SSCAN s", 1, 200), ("HSCAN h", 2, 400), ("SSCAN s", 1, 11)] {
        let pattern = if count == 11 { " MATCH 1?7" } else { "" };
        let (mut cursor, mut given, mut pages) = ("0".to_owned(), Vec::new(), 0);
        loop {
            let Reply::Array(reply) = client.ask(&format!("{scan} {cursor}{pattern} COUNT 7")).await.1 else {
                panic!()
            };
            let [Reply::Bulk(next), Reply::Array(found)] = &reply[..] else { panic!("{reply:?}") };
            assert!(found.len() <= 7 * each);
            given.extend(found.iter().map(|reply| written(reply, Protocol::Two)));
            pages += 1;
            cursor = String::from_utf8(next.to_vec()).unwrap();
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(pages, 200_usize.div_ceil(7), "{scan}");
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), if count == 11 { 10 } else { count }, "{scan}");
    }
}

#[tokio::test]
async fn a_listing_is_filtered_by_kind() {
    let mut client = Client::new();
    for line in ["SET text 1", "HSET hash a 1", "SADD set a", "RPUSH list a"] {
        client.ask(line).await;
    }
    for (kind, found) in [("string", "text"), ("HASH", "hash"), ("set", "set"), ("list", "list")] {
        let told = client.told(&format!("SCAN 0 TYPE {kind}")).await;
        assert_eq!(told, format!("*2 $1 0 *1 ${} {found}", found.len()));
    }
    for kind in ["zset", "none", "stream"] {
        assert_eq!(client.told(&format!("SCAN 0 TYPE {kind}")).await, "*2 $1 0 *0");
    }
}

#[tokio::test]
async fn steps_on_several_keys_and_commands_on_one_of_them_wait_for_each_other() {
    const CLIENTS: u16 = 20;
    const EACH: u16 = 10;
    let mut client = Client::new();
    let work = |number: u16| {
        let mut client = client.beside(number + 2);
        tokio::spawn(async move {
            for _ in 0..EACH {
                if number.is_multiple_of(2) {
                    client.ask("INCR {k}a").await;
                    continue;
                }
                for line in ["MULTI", "INCR {k}b", "INCR {k}a"] {
                    client.ask(line).await;
                }
                assert_eq!(client.told("EXEC").await.split(' ').count(), 3);
            }
        })
    };
    let works: Vec<_> = (0..CLIENTS).map(work).collect();
    for work in works {
        work.await.unwrap();
    }
    let all = CLIENTS * EACH;
    assert_eq!(client.told("GET {k}a").await, format!("$3 {all}"));
    assert_eq!(client.told("GET {k}b").await, format!("$3 {}", all / 2));
    // Nobody else writes here, so nothing is ever done in vain.
    assert_eq!(client.values.refused(), 0);
}
