//! Sorted sets as a client sees them.

use super::*;

#[tokio::test]
async fn sorted_sets_are_those_of_redis() {
    replay(include_str!("sorted.txt")).await;
    replay(include_str!("sorted3.txt")).await;
}

#[tokio::test]
async fn what_changes_nothing_is_not_written() {
    let mut client = Client::new();
    for line in ["ZADD {z} 1 a 2 b", "SADD {z}set a"] {
        client.ask(line).await;
    }
    let before = client.values.writes();
    let idle = [
        "ZADD {z} 1 a",
        "ZADD {z} NX 5 a",
        "ZADD {z} XX 5 c",
        "ZADD {z} GT CH 0 a 1 b",
        "ZADD {z} LT INCR 1 a",
        "ZADD {z} 1 c x d",
        "ZADD {z}none XX 1 a",
        "ZINCRBY {z} 0 a",
        "ZREM {z} c",
        "ZREMRANGEBYRANK {z} 5 9",
        "ZREMRANGEBYSCORE {z} (2 +inf",
        "ZREMRANGEBYLEX {z}none - +",
        "ZPOPMIN {z} 0",
        "ZPOPMAX {z}none",
        "ZMPOP 1 {z}none MIN",
        "ZRANGESTORE {z}none {z}none 0 -1",
        "ZRANGESTORE {z} {z}set 0 -1",
        "ZUNIONSTORE {z}none 1 {z}none",
        "ZRANGE {z} 0 -1",
        "ZUNION 2 {z} {z}set",
        "ZRANDMEMBER {z} 1",
    ];
    for line in idle {
        client.ask(line).await;
        assert_eq!(client.values.writes(), before, "{line}");
    }
    client.ask("ZADD {z} 2 a").await;
    assert_eq!(client.values.writes(), before + 1);
}

#[tokio::test]
async fn a_set_stands_in_its_version_as_it_did_whatever_moves_it() {
    let mut client = Client::new();
    client.ask("ZADD {z} 1 b -1 cc 1 a").await;
    let body = b"\x01z\x03\0\0\0\0\0\0\xf0\xbf\x02cc\0\0\0\0\0\0\xf0\x3f\x01a\0\0\0\0\0\0\xf0\x3f\x01b";
    let golden = Some((Bytes::from_static(b"redis/zset"), Bytes::from_static(body)));
    assert_eq!(client.values.stored(b"{z}"), golden);
    client.ask("EXPIRE {z} 100").await;
    client.ask("ZADD {z} 5 new").await;
    client.ask("ZREM {z} new").await;
    assert_eq!((client.values.stored(b"{z}"), client.told("TTL {z}").await.as_str()), (golden.clone(), ":100"));
    // What is stored anew has no end.
    for line in ["ZRANGESTORE {z} {z} 0 -1", "ZUNIONSTORE {z} 1 {z}", "COPY {z} {z}2", "RENAME {z}2 {z}"] {
        client.ask(line).await;
        assert_eq!(client.values.stored(b"{z}"), golden, "{line}");
    }
    assert_eq!(client.told("TTL {z}").await, ":-1");
}

#[tokio::test]
async fn a_set_that_is_damaged_is_said_to_be() {
    let mut client = Client::new();
    let damaged =
        storgo_object::SetValue { bytes: "\u{1}z\u{2}".into(), metadata: "redis/zset".into(), ..Default::default() };
    client.values.set(b"{z}", damaged).await.unwrap();
    let lines = ["ZCARD {z}", "ZADD {z} 1 a", "ZUNION 2 {z} {z}no", "ZMPOP 1 {z} MIN", "ZRANGESTORE {z}no {z} 0 1"];
    for line in lines {
        assert_eq!(client.told(line).await, "-ERR the value is damaged: it ends too early", "{line}");
    }
    assert_eq!(client.told("ZUNIONSTORE {z} 1 {z}no").await, ":0");
    assert_eq!(client.told("EXISTS {z}").await, ":0");
}

fn all(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(replies) => replies,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_drawn_is_there() {
    let mut client = Client::new();
    client.ask("ZADD z 1 a 2 b 3 c 4 d").await;
    let there = ["a", "b", "c", "d"].map(Reply::bulk);
    assert!(there.contains(&client.ask("ZRANDMEMBER z").await.1));
    for (count, expected) in [(0, 0), (1, 1), (3, 3), (4, 4), (9, 4), (-1, 1), (-9, 9)] {
        let mut drawn = all(client.ask(&format!("ZRANDMEMBER z {count}")).await.1);
        assert_eq!(drawn.len(), expected, "{count}");
        assert!(drawn.iter().all(|member| there.contains(member)), "{count}");
        if count > 0 {
            drawn.sort_by_key(|reply| written(reply, Protocol::Two));
            drawn.dedup();
            assert_eq!(drawn.len(), expected, "{count}");
        }
    }
    let Reply::Pairs(pairs) = client.ask("ZRANDMEMBER z -50 WITHSCORES").await.1 else { panic!() };
    let scores = [1.0, 2.0, 3.0, 4.0].map(Reply::Double);
    assert!(pairs.iter().all(|pair| there.iter().zip(&scores).any(|known| known == (&pair.0, &pair.1))));
    assert_eq!(pairs.len(), 50);
    // As many as a client likes are not made.
    assert_eq!(client.told("ZRANDMEMBER z -9223372036854775807").await, "-ERR value is out of range");
}

#[tokio::test]
async fn a_scan_gives_every_member_once() {
    let mut client = Client::new();
    for n in 0..100 {
        client.ask(&format!("ZADD z {n}.5 {n}")).await;
    }
    let (mut cursor, mut given) = ("0".to_owned(), Vec::new());
    loop {
        let reply = all(client.ask(&format!("ZSCAN z {cursor} COUNT 7")).await.1);
        let [Reply::Bulk(next), Reply::Array(found)] = &reply[..] else { panic!("{reply:?}") };
        assert!(found.len() <= 14);
        given.extend(found.chunks(2).map(|two| (two[0].clone(), two[1].clone())));
        cursor = String::from_utf8(next.to_vec()).unwrap();
        if cursor == "0" {
            break;
        }
        // Members that come and go do not change what is given of others.
        client.ask(&format!("ZADD z 1000 other{cursor}")).await;
        client.ask(&format!("ZREM z other{cursor}")).await;
    }
    let number = |reply: &Reply| written(reply, Protocol::Two).split(' ').next_back().map(str::to_owned).unwrap();
    let mut numbers: Vec<_> = given.iter().map(|(member, score)| (number(member), number(score))).collect();
    numbers.sort_by_key(|(member, _)| member.parse::<u32>().unwrap());
    let expected: Vec<_> = (0..100).map(|n| (n.to_string(), format!("{n}.5"))).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn sources_are_in_one_slot() {
    let mut client = Client::new();
    for line in ["ZUNION 2 a b", "ZINTERSTORE a 1 b", "ZRANGESTORE a b 0 1", "ZMPOP 2 a b MIN", "ZINTERCARD 2 a b"] {
        assert_eq!(client.told(line).await, "-CROSSSLOT Keys in request don't hash to the same slot", "{line}");
    }
    for (kind, expected) in [("zset", "*2 $1 0 *1 $1 z"), ("hash", "*2 $1 0 *0")] {
        client.ask("ZADD z 1 a").await;
        assert_eq!(client.told(&format!("SCAN 0 TYPE {kind}")).await, expected);
    }
    assert_eq!(
        (client.told("TYPE z").await, client.told("OBJECT ENCODING z").await),
        ("+zset".into(), "$8 listpack".into())
    );
    client.ask(&format!("ZADD z 1 {}", "x".repeat(65))).await;
    assert_eq!(client.told("OBJECT ENCODING z").await, "$8 skiplist");
}

#[tokio::test]
async fn commands_of_a_transaction_are_done_in_one_step() {
    let mut client = Client::new();
    for line in [
        "MULTI",
        "ZADD {z} 1 a 2 b",
        "ZINCRBY {z} 5 a",
        "ZUNIONSTORE {z}2 2 {z} {z} AGGREGATE MAX",
        "ZPOPMIN {z}2",
        "ZADD {z} x a",
    ] {
        client.ask(line).await;
    }
    let told = "*5 :2 $1 6 :2 *2 $1 b $1 2 -ERR value is not a valid float";
    assert_eq!(client.told("EXEC").await, told);
    assert_eq!(client.told("ZRANGE {z}2 0 -1 WITHSCORES").await, "*2 $1 a $1 6");
    // What one command keeps is to the next as it is read again.
    for line in ["MULTI", "ZADD {z}0 0 a", "ZUNIONSTORE {z}0 1 {z}0 WEIGHTS -1", "ZSCORE {z}0 a"] {
        client.ask(line).await;
    }
    assert_eq!(client.told("EXEC").await, "*3 :1 :1 $1 0");
}
