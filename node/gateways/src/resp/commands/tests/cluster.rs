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
