//! Publish and subscribe at one door; answers were recorded from Redis 7.0.15.

use storgo_protocol::limits::{
    RESP_CHANNEL_BYTES_MAX, RESP_PATTERN_BYTES_MAX, RESP_PATTERNS_MAX, RESP_SUBSCRIBED_ALL_BYTES_MAX,
    RESP_SUBSCRIBED_BYTES_MAX,
};

use super::super::super::pubsub::{Kind, Message, TooMany};
use super::*;

impl Client {
    /// What it is told without having asked, in one line.
    fn pushed(&mut self) -> String {
        String::from_utf8_lossy(&self.session.pushed()).replace("\r\n", " ").trim_end().to_owned()
    }
}

#[tokio::test]
async fn what_is_listened_to_is_told_as_by_redis() {
    replay(include_str!("pubsub.txt")).await;
}

#[tokio::test]
async fn who_listens_is_told_between_its_answers() {
    let mut speaker = Client::new();
    let [mut one, mut two] = [2, 3].map(|id| speaker.beside(id));
    assert_eq!(speaker.told("PUBLISH a nobody").await, ":0");
    one.told("SUBSCRIBE a b").await;
    two.told("HELLO 3").await;
    assert_eq!(two.told("PSUBSCRIBE a* *").await, ">3 $10 psubscribe $2 a* :1 >3 $10 psubscribe $1 * :2");
    assert_eq!(speaker.told("PUBLISH a hello").await, ":3");
    assert_eq!(speaker.told("PUBLISH b there").await, ":2");
    assert_eq!(speaker.told("SPUBLISH a shard").await, ":0");
    assert_eq!(one.pushed(), "*3 $7 message $1 a $5 hello *3 $7 message $1 b $5 there");
    let told = two.pushed();
    assert_eq!(told.matches(">4 $8 pmessage").count(), 3, "{told}");
    assert_eq!(speaker.told("PUBSUB CHANNELS").await, "*2 $1 a $1 b");
    assert_eq!(speaker.told("PUBSUB CHANNELS b*").await, "*1 $1 b");
    assert_eq!(speaker.told("PUBSUB NUMSUB a c").await, "*4 $1 a :1 $1 c :0");
    assert_eq!(speaker.told("PUBSUB NUMPAT").await, ":2");
    two.told("SSUBSCRIBE a").await;
    assert_eq!(speaker.told("SPUBLISH a shard").await, ":1");
    assert_eq!(speaker.told("PUBSUB SHARDNUMSUB a").await, "*2 $1 a :1");
    assert_eq!(speaker.told("PUBSUB SHARDCHANNELS").await, "*1 $1 a");
    assert_eq!(two.pushed(), ">3 $8 smessage $1 a $5 shard");
    let info = speaker.told("INFO stats").await;
    assert!(info.contains("pubsub_channels:2 pubsub_patterns:2 pubsubshard_channels:1"), "{info}");
    let listening = speaker.told("CLIENT LIST TYPE pubsub").await;
    assert!(listening.contains("flags=P db=0 sub=2 psub=0 ssub=0 ") && listening.contains("sub=0 psub=2 ssub=1 "));
    assert!(speaker.told("CLIENT LIST TYPE normal").await.contains("id=1 "));
    // What it was told before it is not taken back, and nothing comes behind.
    speaker.told("PUBLISH b last").await;
    assert_eq!(one.told("RESET").await, "+RESET");
    assert_eq!(one.pushed(), "*3 $7 message $1 b $4 last");
    assert_eq!(speaker.told("PUBLISH b more").await, ":1");
    assert_eq!(one.pushed(), "");
    assert_eq!(speaker.told("CLIENT KILL TYPE pubsub").await, ":1");
}

#[tokio::test]
async fn what_a_transaction_says_is_said_if_it_is_done() {
    let mut speaker = Client::new();
    let (mut listener, mut other) = (speaker.beside(2), speaker.beside(3));
    listener.told("SUBSCRIBE a").await;
    for line in ["WATCH k", "MULTI", "SET k 1", "PUBLISH a never"] {
        speaker.told(line).await;
    }
    other.told("SET k 2").await;
    assert_eq!(speaker.told("EXEC").await, "*-1");
    for line in ["MULTI", "PUBLISH a one", "INCR k", "PUBLISH a two"] {
        speaker.told(line).await;
    }
    assert_eq!(listener.pushed(), "");
    assert_eq!(speaker.told("EXEC").await, "*3 :1 :3 :1");
    assert_eq!(listener.pushed(), "*3 $7 message $1 a $3 one *3 $7 message $1 a $3 two");
    // Who listens from within one is told behind its answer.
    for line in ["MULTI", "SUBSCRIBE a b", "PUBLISH a x", "GET k"] {
        speaker.told(line).await;
    }
    assert_eq!(speaker.told("EXEC").await, "*3 *3 $9 subscribe $1 a :1 *3 $9 subscribe $1 b :2 :2 $1 3");
    assert_eq!(speaker.pushed(), "*3 $7 message $1 a $1 x");
}

#[tokio::test]
async fn who_wants_no_answers_is_told_all_the_same() {
    let mut client = Client::new();
    client.told("HELLO 3").await;
    assert_eq!(client.heard("CLIENT REPLY OFF").await, None);
    assert_eq!(client.told("SUBSCRIBE a").await, ">3 $9 subscribe $1 a :1");
    assert_eq!(client.heard("PUBLISH a x").await, None);
    assert_eq!(client.pushed(), ">3 $7 message $1 a $1 x");
}

#[tokio::test]
async fn nobody_listens_to_more_than_it_may() {
    let mut client = Client::new();
    let (shared, long) = (Arc::clone(&client.shared), Bytes::from(vec![b'x'; RESP_SUBSCRIBED_BYTES_MAX / 2 - 256]));
    let listen = |id: u64, names: &[Bytes]| {
        let listening = Arc::clone(&shared.clients.lock()[&id]);
        shared.channels.subscribe(&listening, Kind::Channel, names)
    };
    let other = Bytes::from([&long[1..], b"y"].concat());
    assert_eq!(listen(1, &[long.clone(), long.clone(), other.clone()]), Err(TooMany), "each counts");
    assert_eq!(listen(1, &[long.clone(), other.clone()]), Ok(vec![1, 2]));
    assert_eq!(listen(1, &[Bytes::from_static(b"more")]), Err(TooMany));
    assert_eq!(listen(1, std::slice::from_ref(&other)), Ok(vec![2]));
    let clients = u16::try_from(RESP_SUBSCRIBED_ALL_BYTES_MAX / RESP_SUBSCRIBED_BYTES_MAX).unwrap();
    let beside: Vec<_> = (2..=clients + 1).map(|id| client.beside(id)).collect();
    let listened = (2..=clients + 1).map(|id| listen(id.into(), &[long.clone(), other.clone()]).is_ok());
    let expected: Vec<_> = (2..=clients + 1).map(|id| id <= clients).collect();
    assert_eq!(listened.collect::<Vec<_>>(), expected);
    drop(beside);
    // Messages have their bound, too.
    client.told("RESET").await;
    let longest = "x".repeat(Message::BYTES_MAX - 1);
    assert_eq!(client.told(&format!("PUBLISH c {longest}")).await, ":0");
    assert!(client.told(&format!("PUBLISH cc {longest}")).await.starts_with("-ERR"));
}

#[tokio::test]
async fn names_of_channels_are_no_longer_than_can_be_matched_at_once() {
    let mut client = Client::new();
    let (name, pattern) = ("a".repeat(RESP_CHANNEL_BYTES_MAX), "a".repeat(RESP_PATTERN_BYTES_MAX));
    let of_name = format!("-ERR a channel's name has at most {RESP_CHANNEL_BYTES_MAX} bytes");
    let of_pattern = format!("-ERR a pattern has at most {RESP_PATTERN_BYTES_MAX} bytes");
    assert_eq!(client.told(&format!("PUBLISH {name} x")).await, ":0");
    assert_eq!(client.told(&format!("PUBLISH {name}a x")).await, of_name);
    assert_eq!(client.told(&format!("SUBSCRIBE {name}a")).await, of_name);
    assert_eq!(client.told(&format!("SSUBSCRIBE {name}a")).await, of_name);
    assert_eq!(client.told(&format!("PSUBSCRIBE {pattern}a")).await, of_pattern);
    assert_eq!(client.told(&format!("PUBSUB CHANNELS {pattern}a")).await, of_pattern);
    for number in 0..RESP_PATTERNS_MAX {
        assert!(client.told(&format!("PSUBSCRIBE {number}*")).await.ends_with(&format!(":{}", number + 1)));
    }
    assert!(client.told("PSUBSCRIBE more*").await.starts_with("-ERR"));
    // One that others listen to is none more.
    assert!(client.beside(2).told("PSUBSCRIBE 7*").await.ends_with(":1"));
}
