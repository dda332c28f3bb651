//! What a door tells cluster clients where it is the only one; answers were recorded from Redis 7.0.15.

use super::*;

const ID: &str = "$40 0000000000000000000000000000000000000000";

#[tokio::test]
async fn slots_of_keys_are_those_of_redis() {
    replay(include_str!("cluster.txt")).await;
}

#[tokio::test]
async fn a_door_alone_has_all_slots() {
    let mut client = Client::new();
    assert_eq!(client.told("CLUSTER MYID").await, ID);
    let slots = format!("*1 *3 :0 :16383 *4 $9 127.0.0.1 :6379 {ID} ");
    assert_eq!(client.told("CLUSTER SLOTS").await, format!("{slots}*0"));
    let shard = |map: char| {
        let node = format!("$2 id {ID} $4 port :6379 $2 ip $9 127.0.0.1 $8 endpoint $9 127.0.0.1 $4 role $6 master");
        let sizes = if map == '%' { (2, 7) } else { (4, 14) };
        let (shard, fields) = (format!("{map}{}", sizes.0), format!("{map}{}", sizes.1));
        format!(
            "*1 {shard} $5 slots *2 :0 :16383 $5 nodes *1 {fields} {node} $18 replication-offset :0 $6 health $6 online"
        )
    };
    assert_eq!(client.told("CLUSTER SHARDS").await, shard('*'));
    let nodes = client.told("CLUSTER NODES").await;
    assert!(nodes.ends_with(" 127.0.0.1:6379@0 myself,master - 0 0 0 connected 0-16383"), "{nodes}");
    let info = client.told("CLUSTER INFO").await;
    assert!(info.contains("cluster_state:ok ") && info.contains("cluster_known_nodes:1 cluster_size:1 "), "{info}");
    client.told("HELLO 3").await;
    assert_eq!(client.told("CLUSTER SLOTS").await, format!("{slots}%0"));
    assert_eq!(client.told("CLUSTER SHARDS").await, shard('%'));
}

#[tokio::test]
async fn keys_of_a_slot_are_counted_and_listed() {
    let mut client = Client::new();
    for n in 0..3 {
        client.told(&format!("SET {{a}}{n} x")).await;
    }
    client.told("SET other x").await;
    assert_eq!(client.told("CLUSTER COUNTKEYSINSLOT 15495").await, ":3");
    assert_eq!(client.told("CLUSTER GETKEYSINSLOT 15495 2").await, "*2 $4 {a}0 $4 {a}1");
    assert_eq!(client.told("CLUSTER GETKEYSINSLOT 15495 100").await, "*3 $4 {a}0 $4 {a}1 $4 {a}2");
    assert_eq!(client.told("CLUSTER GETKEYSINSLOT 15495 0").await, "*0");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_keys_of_another_door_is_sent_there_once_and_served_if_it_comes_back() {
    let mut client = Client::with(DoorConfig { moved: true, ..DoorConfig::default() });
    assert_eq!(client.told("SET k v").await, "+OK", "there is no other door");
    client.shared.doors.led_by(storgo_protocol::PeerId::from_bytes([9; 32]));
    let sent = "-MOVED 7629 127.0.0.1:1";
    assert_eq!(client.told("GET k").await, sent);
    assert_eq!(client.told("GET k").await, "$1 v", "the other door sent it back");
    assert_eq!(client.told("GET k").await, sent);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(client.told("GET k").await, sent, "it is long since");
    // Another slot is another matter; keys of several are served here, and so is what names none.
    assert_eq!(client.told("GET other").await, "-MOVED 11361 127.0.0.1:1");
    assert_eq!(client.told("MGET k other").await, "*2 $1 v $-1");
    assert_eq!(client.told("PING").await, "+PONG");
    assert!(client.told("INFO cluster").await.contains("cluster_enabled:1"));
    // What may be stale is read here; nothing is written.
    client.told("READONLY").await;
    assert_eq!([client.told("GET k").await, client.told("GET k").await], ["$1 v", "$1 v"]);
    assert_eq!(client.told("SET k w").await, sent);
    client.told("READWRITE").await;
    assert_eq!(client.told("GET other").await, "-MOVED 11361 127.0.0.1:1");
    // A transaction of what is elsewhere is none.
    client.told("MULTI").await;
    assert_eq!(client.told("SET k w").await, sent);
    assert_eq!(client.told("EXEC").await, "-EXECABORT Transaction discarded because of previous errors.");
}

#[tokio::test]
async fn what_names_several_keys_is_read_fresh_after_readonly_too() {
    let [fresh, old]: [Arc<Memory>; 2] = Default::default();
    for (values, text) in [(&fresh, "new"), (&old, "old")] {
        let value = storgo_object::SetValue { bytes: text.into(), ..storgo_object::SetValue::default() };
        values.set(b"k", value).await.unwrap();
    }
    let shared = Shared::of_two([Arc::clone(&fresh), old], DoorConfig::default());
    let mut client = Client { values: fresh, session: Session::of_test(Arc::clone(&shared), 1), shared };
    assert_eq!(client.told("GET k").await, "$3 new");
    client.told("READONLY").await;
    assert_eq!(client.told("GET k").await, "$3 old");
    assert_eq!(client.told("MGET k k").await, "*2 $3 new $3 new");
    assert_eq!(client.told("RESET").await, "+RESET");
    assert_eq!(client.told("GET k").await, "$3 new");
}
