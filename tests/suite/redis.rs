//! The Redis protocol at the doors of members: what one door is told another gives, counters lose nothing and count nothing
//! twice, and nonsense gets its error.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use redis::{Commands as _, Connection, RedisResult, Value, cmd, pipe};
use storgo_protocol::limits::{BATCH_PARTS_MAX, RESP_ARGS_MAX, RESP_QUEUED_MAX, RESP_SCAN_COUNT_MAX, VALUE_BYTES_MAX};

use crate::harness::{MIB, Names, Node, PATIENCE, until};

/// Members with a door each.
pub fn doors(members: usize, config: &str) -> Names {
    let names = Names::with_flags(members, |alice| {
        let config_file = alice.path.with_extension("toml");
        fs::write(&config_file, config).unwrap();
        let flags = ["--home", &alice.path.display().to_string(), "--config", &config_file.display().to_string()];
        [&flags[..], &["--redis", "127.0.0.1:0"]].concat().into_iter().map(str::to_owned).collect()
    });
    names.grown();
    for member in 0..members {
        // Not open before the groups answer.
        until("a door is open", || cmd("PING").query::<String>(&mut connect(&names, member)?).ok());
    }
    names
}

/// Where the door of a member is.
pub fn address(names: &Names, member: usize) -> String {
    names.lab.nodes[member].ready["redis"].as_str().expect("the ready line has its door").to_owned()
}

/// A connection to a door, if there is one.
pub fn open(address: &str) -> Option<Connection> {
    let client = redis::Client::open(format!("redis://{address}/")).unwrap();
    let connection = client.get_connection_with_timeout(PATIENCE).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    Some(connection)
}

fn connect(names: &Names, member: usize) -> Option<Connection> {
    open(&address(names, member))
}

/// What is said to who is one client too many.
const FULL: &str = "-ERR max number of clients reached\r\n";

/// What the door says to these bytes until it closes the connection, or has said as much as is expected. Clients that left may
/// have their places still, so who is one too many comes again.
fn raw(names: &Names, bytes: &[u8], expected: &str) {
    let said = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address(names, 0))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(bytes)?;
        let mut said = Vec::new();
        stream.take(expected.len() as u64).read_to_end(&mut said)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    };
    // Who is not let in may be cut off while it writes.
    let said = until("the door has room", || said().ok().filter(|said| said != FULL));
    assert_eq!(said, expected);
}

#[test]
fn what_one_door_is_told_another_gives() {
    let mut names = doors(3, "");
    let [mut a, mut b, mut c] = [0, 1, 2].map(|member| connect(&names, member).unwrap());
    let _: () = a.set("greeting", "hello").unwrap();
    assert_eq!(b.get::<_, String>("greeting").unwrap(), "hello");
    assert_eq!(c.append::<_, _, usize>("greeting", " there").unwrap(), 11);
    assert_eq!(a.getrange::<_, String>("greeting", -5, -1).unwrap(), "there");
    assert_eq!(b.get::<_, Option<String>>("nothing").unwrap(), None);
    assert_eq!(cmd("SET").arg("greeting").arg("x").arg("NX").query::<Option<String>>(&mut c).unwrap(), None);
    let old = cmd("SET").arg("greeting").arg("new").arg("XX").arg("GET").query::<String>(&mut c).unwrap();
    assert_eq!(old, "hello there");
    assert_eq!(a.del::<_, usize>(&["greeting", "nothing"]).unwrap(), 1);
    assert!(!b.exists::<_, bool>("greeting").unwrap());
    let waits: RedisResult<i64> = cmd("BLPOP").arg("list").arg(1).query(&mut a);
    assert!(waits.unwrap_err().to_string().contains("unknown command"));

    // A collection is the same at every door, and stays what it is when it is moved or given an end.
    assert_eq!(cmd("HSET").arg("{h}").arg("field").arg("value").query::<i64>(&mut a).unwrap(), 1);
    assert_eq!(cmd("RENAME").arg("{h}").arg("{h}2").query::<String>(&mut b).unwrap(), "OK");
    assert_eq!(cmd("EXPIRE").arg("{h}2").arg(1000).query::<i64>(&mut c).unwrap(), 1);
    assert_eq!(cmd("HGET").arg("{h}2").arg("field").query::<String>(&mut a).unwrap(), "value");
    let scan: (u64, Vec<String>) = cmd("SCAN").arg(0).arg("TYPE").arg("hash").query(&mut b).unwrap();
    assert_eq!(scan.1, ["{h}2"]);
    assert_eq!(cmd("RPUSH").arg("list").arg("a").arg("b").query::<i64>(&mut a).unwrap(), 2);
    assert!(b.get::<_, String>("list").unwrap_err().to_string().contains("wrong kind of value"));
    let popped: Vec<String> = cmd("LPOP").arg("list").arg(2).query(&mut c).unwrap();
    assert_eq!(popped, ["a", "b"]);
    assert!(!a.exists::<_, bool>("list").unwrap());

    // What ends, ends at every door, and stays ended.
    let _: () = a.pset_ex("short", "lived", 300).unwrap();
    let _: () = a.set_ex("long", "lived", 1000).unwrap();
    assert!(b.ttl::<_, i64>("long").unwrap() > 900);
    until("it is over", || (!b.exists::<_, bool>("short").unwrap()).then_some(()));
    assert_eq!(c.get::<_, Option<String>>("short").unwrap(), None);
    let _: () = cmd("SET").arg("gone").arg("a").query(&mut a).unwrap();
    let _: () = cmd("SET").arg("gone").arg("b").arg("PXAT").arg(1).query(&mut a).unwrap();
    assert_eq!(b.get::<_, Option<String>>("gone").unwrap(), None);
    let together = pipe().append("gone", "c").ignore().pset_ex("gone", "d", 1).ignore().query::<()>(&mut a);
    together.unwrap();
    until("it is over", || (!c.exists::<_, bool>("gone").unwrap()).then_some(()));
    assert!(b.persist::<_, bool>("long").unwrap());
    assert_eq!(c.ttl::<_, i64>("long").unwrap(), -1);

    // Pipelines keep their order, on one key and on many.
    let mut pipeline = pipe();
    for n in 0..200 {
        pipeline.set(format!("k{}", n % 20), n).ignore().get(format!("k{}", n % 20)).incr("count", 1);
    }
    let answers: Vec<i64> = pipeline.query(&mut a).unwrap();
    let expected: Vec<i64> = (0..200).flat_map(|n| [n, n + 1]).collect();
    assert_eq!(answers, expected);

    // Scans see every key once; the same keys have names elsewhere too.
    let wanted: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    let mut scanned: Vec<String> = b.scan_match("k*").unwrap().map(Result::unwrap).collect();
    scanned.sort();
    let mut sorted = wanted;
    sorted.sort();
    assert_eq!(scanned, sorted);
    assert_eq!(names.alice(&["cat", "storgo://redis/k7"]).ok().text(), "187");
    let large = names.lab.bytes.take(100_000);
    let file = names.file("large", &large);
    names.alice(&["put", &file, "storgo://redis/large"]).ok();
    assert!(c.get::<_, Vec<u8>>("large").unwrap() == large);
    let _: () = c.set("larger", [&large[..], &large[..]].concat()).unwrap();
    assert_eq!(names.alice(&["cat", "storgo://redis/larger"]).ok().stdout.len(), 200_000);
    assert_eq!(cmd("FLUSHALL").query::<String>(&mut a).unwrap(), "OK");
    assert_eq!(cmd("DBSIZE").query::<i64>(&mut b).unwrap(), 0);
}

/// Publishes something until a listener hears it, as before doors know each other, and forgets what it heard.
fn greet(speaker: &mut Connection, listener: &mut redis::PubSub<'_>, channel: &str, word: &str) {
    let step = Duration::from_millis(100);
    listener.set_read_timeout(Some(step)).unwrap();
    until("it hears the other door", || {
        let _: i64 = speaker.publish(channel, word).unwrap();
        listener.get_message().ok().filter(|message| message.get_payload::<String>().unwrap() == word)
    });
    listener.set_read_timeout(Some(PATIENCE)).unwrap();
}

/// What it hears, but greetings, until it has heard so many.
fn hears(listener: &mut redis::PubSub<'_>, count: usize) -> Vec<String> {
    let heard = std::iter::from_fn(|| Some(listener.get_message().unwrap().get_payload::<String>().unwrap()));
    heard.filter(|heard| !heard.starts_with("hello")).take(count).collect()
}

#[test]
fn what_is_published_at_one_door_is_heard_at_all_in_order_though_a_door_dies() {
    const EACH: usize = 2000;
    let say = |speaker: &mut Connection, from: usize| {
        let mut pipeline = pipe();
        for n in from..from + EACH {
            pipeline.publish("news", n).ignore();
        }
        let _: () = pipeline.query(speaker).unwrap();
        (from..from + EACH).map(|n| n.to_string()).collect::<Vec<_>>()
    };
    let mut names = doors(3, "");
    let [mut a, mut b, mut speaker] = [0, 1, 2].map(|member| connect(&names, member).unwrap());
    let (mut a, mut b) = (a.as_pubsub(), b.as_pubsub());
    a.subscribe("news").unwrap();
    b.psubscribe("n?ws*").unwrap();
    greet(&mut speaker, &mut a, "news", "hello a");
    greet(&mut speaker, &mut b, "news", "hello b");
    let said = say(&mut speaker, 0);
    assert!(hears(&mut a, EACH) == said);
    assert!(hears(&mut b, EACH) == said);

    names.lab.nodes.iter_mut().for_each(Node::keep_address);
    names.lab.nodes[1].kill();
    let said = say(&mut speaker, EACH);
    assert!(hears(&mut a, EACH) == said, "the other one hears though one is dead");
    names.lab.nodes[1].start(None);
    let mut again = until("its door is there", || {
        let mut connection = connect(&names, 1)?;
        cmd("PING").query::<String>(&mut connection).ok()?;
        Some(connection)
    });
    let mut again = again.as_pubsub();
    again.subscribe("news").unwrap();
    greet(&mut speaker, &mut again, "news", "hello again");
    let said = say(&mut speaker, 2 * EACH);
    assert!(hears(&mut again, EACH) == said);
    assert!(hears(&mut a, EACH) == said);
    // And the other way.
    let mut returned = connect(&names, 1).unwrap();
    greet(&mut returned, &mut a, "news", "hello from the one that died");
}

#[test]
fn what_is_said_by_datagrams_is_heard_by_connections_of_another_door_and_the_other_way() {
    let names = doors(2, "[redis]\nudp = \"127.0.0.1:0\"\n");
    let to = names.lab.nodes[0].ready["redis_udp"].as_str().expect("the ready line has it").to_owned();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let receive = || {
        let mut buffer = [0; 1000];
        let bytes = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..bytes]).into_owned()
    };
    let asked = |line: String| {
        socket.send(format!("{line}\r\n").as_bytes()).unwrap();
        receive()
    };
    let token = asked(format!("HELLO {}", "x".repeat(80)));
    let token = token.split("\r\n").nth(1).unwrap().to_owned();
    assert!(asked(format!("{token} SUBSCRIBE news")).contains("subscribe"));

    let [mut listening, mut speaker] = [1, 1].map(|member| connect(&names, member).unwrap());
    let mut listening = listening.as_pubsub();
    listening.subscribe("news").unwrap();
    until("its door hears the other", || {
        socket.send(format!("{token} PUBLISH news hello\r\n").as_bytes()).unwrap();
        listening.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        listening.get_message().ok().filter(|message| message.get_payload::<String>().unwrap() == "hello")
    });
    let _: i64 = speaker.publish("news", "rain").unwrap();
    while !receive().ends_with("$4\r\nnews\r\n$4\r\nrain\r\n") {}
}

#[test]
fn what_happens_to_keys_is_told_at_all_doors() {
    let names = doors(2, "[redis]\nnotify = \"KEA\"\n");
    let [mut near, mut far, mut speaker] = [0, 1, 1].map(|member| connect(&names, member).unwrap());
    let (mut near, mut far) = (near.as_pubsub(), far.as_pubsub());
    near.psubscribe("__keyevent@0__:*").unwrap();
    far.psubscribe("__keyevent@0__:expired").unwrap();
    greet(&mut speaker, &mut near, "__keyevent@0__:greeting", "hello");
    let told = |listener: &mut redis::PubSub<'_>| loop {
        let message = listener.get_message().unwrap();
        let event = message.get_channel_name().trim_start_matches("__keyevent@0__:").to_owned();
        if event != "greeting" {
            return format!("{event} {}", message.get_payload::<String>().unwrap());
        }
    };
    for line in ["SET k v", "INCR n", "DEL k"] {
        ask(&mut speaker, line).unwrap();
    }
    assert_eq!([(); 3].map(|()| told(&mut near)), ["set k", "incrby n", "del k"]);
    // Nobody looks at it: the groups say that it is over, and each door tells its own clients, once.
    for key in ["brief", "last"] {
        ask(&mut speaker, &format!("SET {key} v PX 100")).unwrap();
        assert_eq!([(); 2].map(|()| told(&mut near)), [format!("set {key}"), format!("expire {key}")]);
        assert_eq!([told(&mut near), told(&mut far)], [(); 2].map(|()| format!("expired {key}")));
    }
}

#[test]
fn each_slot_is_listed_with_a_door_that_is_there() {
    type Door = (String, u16, String, Vec<String>);
    let mut names = doors(3, "");
    let mut connections = [0, 1, 2].map(|member| connect(&names, member).unwrap());
    let addresses: BTreeSet<_> = (0..3).map(|member| address(&names, member)).collect();
    let listed = |connection: &mut Connection| -> Option<Vec<(u16, u16, Vec<String>)>> {
        let Value::Array(ranges) = cmd("CLUSTER").arg("SLOTS").query(connection).ok()? else { panic!("no array") };
        let range = |range: Value| {
            let Value::Array(parts) = range else { panic!("no array") };
            let [first, last, doors @ ..] = &parts[..] else { panic!("too short") };
            let slot = |value: &Value| redis::from_redis_value::<u16>(value.clone()).unwrap();
            let door = |door: &Value| redis::from_redis_value::<Door>(door.clone()).unwrap();
            let doors = doors.iter().map(door).map(|(ip, port, ..)| format!("{ip}:{port}"));
            (slot(first), slot(last), doors.collect())
        };
        Some(ranges.into_iter().map(range).collect())
    };
    let knows = |connection: &mut Connection, known: &BTreeSet<String>| {
        let ranges = listed(connection)?;
        let ends: Vec<_> = ranges.iter().flat_map(|(first, last, _)| [*first, last + 1]).collect();
        assert!(ends.first() == Some(&0) && ends.last() == Some(&16384), "{ranges:?}");
        assert!(ends[1..ends.len() - 1].chunks(2).all(|two| two[0] == two[1]), "{ranges:?}");
        ranges.iter().all(|(.., doors)| doors.iter().cloned().collect::<BTreeSet<_>>() == *known).then_some(ranges)
    };
    for connection in &mut connections {
        // Seats are spread behind the first minute's growth.
        let leads = |ranges: &Vec<(u16, u16, Vec<String>)>| {
            ranges.iter().map(|(.., doors)| doors[0].clone()).collect::<BTreeSet<_>>().len()
        };
        until("all doors are known, and several lead", || {
            knows(connection, &addresses).filter(|ranges| leads(ranges) > 1)
        });
    }
    // Any door gives any key, and one that died is listed no more.
    let _: () = connections[0].set("k", "v").unwrap();
    assert_eq!(connections[1].get::<_, String>("k").unwrap(), "v");
    names.lab.nodes[2].kill();
    let left = (0..2).map(|member| address(&names, member)).collect();
    for connection in &mut connections[..2] {
        until("the dead one is forgotten", || knows(connection, &left));
    }
}

#[test]
fn a_cluster_client_finds_its_way_though_a_door_dies() {
    const KEYS: usize = 300;
    let mut names = doors(3, "");
    let nodes: Vec<_> = (0..3).map(|member| format!("redis://{}/", address(&names, member))).collect();
    let client = redis::cluster::ClusterClient::builder(nodes).retries(16).build().unwrap();
    let mut cluster = client.get_connection().unwrap();
    for n in 0..KEYS {
        let _: () = cluster.set(format!("key:{n}"), n).unwrap();
    }
    let all: Vec<_> = (0..KEYS).map(|n| format!("key:{n}")).collect();
    let got: Vec<usize> = cluster.mget(&all).unwrap();
    assert_eq!(got, (0..KEYS).collect::<Vec<_>>());
    let (one, two): (i64, i64) = redis::cluster::cluster_pipe().incr("n", 5).incr("n", 2).query(&mut cluster).unwrap();
    assert_eq!((one, two), (5, 7));
    names.lab.nodes[2].kill();
    // It asks again which doors there are when it connects.
    let mut cluster = until("it goes elsewhere", || {
        let mut cluster = client.get_connection().ok()?;
        let got: Vec<usize> = cluster.mget(&all).ok()?;
        (got == (0..KEYS).collect::<Vec<_>>()).then_some(cluster)
    });
    assert_eq!(cluster.del::<_, usize>(&all).unwrap(), KEYS);
}

#[test]
fn who_asks_the_wrong_door_is_sent_to_the_right_one_unless_it_may_be_told_what_is_stale() {
    const KEYS: usize = 60;
    let names = doors(3, "[redis]\nmoved = true\nstale_ms = 3000\n");
    let addresses: Vec<_> = (0..3).map(|member| address(&names, member)).collect();
    let client = redis::cluster::ClusterClient::new(addresses.iter().map(|at| format!("redis://{at}/"))).unwrap();
    let mut cluster = client.get_connection().unwrap();
    let keys: Vec<_> = (0..KEYS).map(|n| format!("key:{n}")).collect();
    let mut near = connect(&names, 0).unwrap();
    let moved = |connection: &mut Connection, line: &str| {
        let error = ask(connection, line).err()?;
        let (slot, to) = error.redirect_node().map(|(to, slot)| (slot, to.to_owned()))?;
        assert!(slot < 16384 && addresses.contains(&to), "{error}");
        Some(to)
    };
    until("some keys are elsewhere", || {
        let elsewhere = keys.iter().filter(|key| moved(&mut near, &format!("SET {key} 1")).is_some()).count();
        (elsewhere > 0 && elsewhere < KEYS).then_some(())
    });
    for (n, key) in keys.iter().enumerate() {
        let _: () = cluster.set(key, n).unwrap();
    }
    // Who leads may change meanwhile.
    for (n, key) in keys.iter().enumerate() {
        let get = format!("GET {key}");
        let got = until("some door has it", || match ask(&mut near, &get) {
            Ok(got) => Some(got),
            Err(error) => ask(&mut open(error.redirect_node()?.0)?, &get).ok(),
        });
        assert_eq!(redis::from_redis_value::<usize>(got).unwrap(), n);
    }
    // Who says that it may be told what is stale is told here what it was a moment ago, and may not write.
    assert_eq!(text(&mut near, "READONLY"), "OK");
    for (n, key) in keys.iter().enumerate() {
        let fresh = || (text(&mut near, &format!("GET {key}")) == n.to_string()).then_some(());
        until("it is as it was written", fresh);
    }
    assert!(keys.iter().any(|key| moved(&mut near, &format!("INCR {key}")).is_some()));
    assert_eq!(text(&mut near, "READWRITE"), "OK");
    assert!(keys.iter().any(|key| moved(&mut near, &format!("GET {key}")).is_some()));
}

#[test]
fn who_never_reads_what_is_published_elsewhere_is_sent_away_and_others_hear() {
    let names = doors(2, "");
    let [mut near, mut speaker] = [0, 1].map(|member| connect(&names, member).unwrap());
    let mut listening = connect(&names, 0).unwrap();
    let mut listening = listening.as_pubsub();
    listening.subscribe("calm").unwrap();
    greet(&mut speaker, &mut listening, "calm", "hello");
    let mut deaf = TcpStream::connect(address(&names, 0)).unwrap();
    deaf.write_all(b"SUBSCRIBE flood\r\n").unwrap();
    let mut listens = || cmd("PUBSUB").arg("NUMSUB").arg("flood").query::<(String, i64)>(&mut near).unwrap().1;
    until("it listens", || (listens() == 1).then_some(()));
    let flood = vec![b'x'; 400 * 1024];
    until("it is sent away", || {
        let _: i64 = speaker.publish("flood", &flood).unwrap();
        (listens() == 0).then_some(())
    });
    let _: i64 = speaker.publish("calm", "after").unwrap();
    assert_eq!(hears(&mut listening, 1), ["after"]);
}

#[test]
fn counters_lose_nothing_and_count_nothing_twice_though_a_door_dies() {
    const EACH: usize = 150;
    let mut names = doors(3, "");
    let addresses: Vec<_> = (0..3).map(|member| address(&names, member)).collect();
    let raise = |address: String| {
        move || {
            let (mut done, mut tried) = (0, 0);
            let Some(mut connection) = open(&address) else { return (done, tried) };
            for _ in 0..EACH {
                tried += 1;
                match connection.incr::<_, _, i64>("hot", 1) {
                    Ok(_) => done += 1,
                    // What came of it is not known. A door that died does not come back here.
                    Err(error) if error.is_io_error() => break,
                    Err(_) => {}
                }
            }
            (done, tried)
        }
    };
    let raisers: Vec<_> =
        addresses.iter().cycle().take(9).cloned().map(|address| thread::spawn(raise(address))).collect();
    let mut watching = connect(&names, 0).unwrap();
    until("they count", || (watching.get::<_, Option<i64>>("hot").ok()?? > 100).then_some(()));
    // Those that are left know one another's addresses, and keep them.
    names.lab.nodes.iter_mut().for_each(Node::keep_address);
    names.lab.nodes[2].kill();
    let (mut done, mut tried) = (0, 0);
    for raiser in raisers {
        let (of_one, tried_by_one) = raiser.join().unwrap();
        (done, tried) = (done + of_one, tried + tried_by_one);
    }
    let counted: i64 = until("the rest answer", || watching.get("hot").ok());
    let counted = usize::try_from(counted).unwrap();
    assert!(done >= 6 * EACH / 2, "only {done} were done of {tried}");
    assert!((done..=tried).contains(&counted), "{done} were acknowledged, {tried} tried, {counted} counted");

    // All at once without power: what was acknowledged is there, and what has an end keeps it.
    let _: () = watching.set_ex("ends", "later", 1000).unwrap();
    names.lab.nodes.iter_mut().for_each(Node::kill);
    names.lab.nodes.iter_mut().for_each(|node| node.start(None));
    let mut again = until("a door is there", || connect(&names, 1));
    let after: i64 = until("groups lead again", || again.get("hot").ok());
    assert_eq!(usize::try_from(after).unwrap(), counted);
    assert!((900..=1000).contains(&again.ttl::<_, i64>("ends").unwrap()));
}

/// What a command is answered.
fn ask(connection: &mut Connection, line: &str) -> RedisResult<Value> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    command.query(connection)
}

/// What a command is answered, where that is no error; and how an error begins.
fn text(connection: &mut Connection, line: &str) -> String {
    match ask(connection, line) {
        Ok(Value::Okay) => "OK".to_owned(),
        Ok(Value::Nil) => "nil".to_owned(),
        Ok(Value::SimpleString(text)) => text,
        Ok(Value::Int(number)) => number.to_string(),
        Ok(Value::BulkString(bytes)) => String::from_utf8(bytes).unwrap(),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("-{}", error.code().unwrap_or_default()),
    }
}

#[test]
fn transactions_are_done_whole_or_not_at_all_whoever_watches() {
    let names = doors(3, "");
    let [mut a, mut b, mut c] = [0, 1, 2].map(|member| connect(&names, member).unwrap());
    let mut told = |line: &str, expected: &str| assert_eq!(text(&mut a, line), expected, "{line}");
    told("MSETNX {k}1 one {k}2 two", "1");
    told("MSETNX {k}2 x {k}3 three", "0");
    told("RENAME {k}1 {k}3", "OK");
    told("RENAMENX {k}3 {k}2", "0");
    told("COPY {k}3 {k}2 REPLACE", "1");
    told("RENAME {k}1 {k}4", "-ERR");
    for crossing in ["MSETNX one 1 two 2", "RENAME {k}2 other", "COPY {k}2 other", "BITOP NOT other {k}2"] {
        told(crossing, "-CROSSSLOT");
    }
    assert_eq!(["{k}1", "{k}2", "{k}3"].map(|key| text(&mut b, &format!("GET {key}"))), ["nil", "one", "one"]);

    // What another door changes after it was watched undoes all of it; what it only looks at does not.
    let mut told = |line: &str, expected: &str| assert_eq!(text(&mut a, line), expected, "{line}");
    for (meddles, is_done) in [
        (["GET {k}2", "EXISTS {k}9"], true),
        (["SET {k}2 one", "PING"], false),
        (["DEL {k}9", "SET {k}8 beside"], true),
        (["EXPIRE {k}3 100", "PING"], false),
        // One that was not there comes and goes.
        (["SET {k}9 comes", "DEL {k}9"], false),
    ] {
        told("WATCH {k}2 {k}3 {k}9", "OK");
        for meddle in meddles {
            text(&mut b, meddle);
        }
        told("MULTI", "OK");
        told("APPEND {k}2 +", "QUEUED");
        told("GET {k}2", "QUEUED");
        let expected = if is_done { r#"array([int(4), bulk-string('"one+"')])"# } else { "nil" };
        told("EXEC", expected);
        told("SET {k}2 one", "OK");
    }
    // One that cannot be queued breaks it, one that fails while it is done does not.
    told("MULTI", "OK");
    told("NOSUCH", "-ERR");
    told("SET {k}2 x", "QUEUED");
    told("EXEC", "-EXECABORT");
    told("MULTI", "OK");
    told("INCR {k}2", "QUEUED");
    told("SET {k}5 five", "QUEUED");
    // The client shows the error of one of them as that of all.
    told("EXEC", "-ERR");
    told("MULTI", "OK");
    told("SET {k}2 x", "QUEUED");
    told("SET other x", "QUEUED");
    told("EXEC", "-CROSSSLOT");
    told("MULTI", "OK");
    told("SET {k}2 x", "QUEUED");
    told("DISCARD", "OK");
    told("EXEC", "-ERR");
    assert_eq!(["{k}2", "{k}5", "other"].map(|key| text(&mut c, &format!("GET {key}"))), ["one", "five", "nil"]);
    told("MULTI", "OK");
    let queue = |connection: &mut Connection| {
        connection.send_packed_command(&b"*2\r\n$4\r\nINCR\r\n$4\r\nmany\r\n".repeat(RESP_QUEUED_MAX)).unwrap();
        (0..RESP_QUEUED_MAX).for_each(|_| drop(connection.recv_response().unwrap()));
    };
    queue(&mut a);
    assert_eq!(text(&mut a, "PING"), "-ERR");
    assert_eq!(text(&mut a, "EXEC"), "-EXECABORT");
    assert_eq!(text(&mut a, "MULTI"), "OK");
    queue(&mut a);
    let Value::Array(counted) = ask(&mut a, "EXEC").unwrap() else { panic!("no array") };
    assert_eq!(counted.last(), Some(&Value::Int(RESP_QUEUED_MAX.try_into().unwrap())));
    assert_eq!(text(&mut b, "GET many"), RESP_QUEUED_MAX.to_string());
    let many: Vec<String> = (0..=BATCH_PARTS_MAX).map(|n| format!("{{k}}{n}")).collect();
    assert_eq!(text(&mut a, &format!("SUNION {}", many.join(" "))), "-ERR");
}

#[test]
fn what_is_moved_between_two_keys_is_never_seen_half_way_though_doors_die() {
    const EACH: usize = 40;
    const ALL: i64 = 1000;
    let mut names = doors(3, "");
    let addresses: Vec<_> = (0..3).map(|member| address(&names, member)).collect();
    let mut watching = connect(&names, 0).unwrap();
    assert_eq!(text(&mut watching, &format!("MSET {{m}}from {ALL} {{m}}to 0")), "OK");
    let mover = |address: String, amount: i64| {
        move || {
            let mut done = 0;
            let Some(mut connection) = open(&address) else { return done };
            while done < EACH {
                let sums = pipe().atomic().decr("{m}from", amount).incr("{m}to", amount).query(&mut connection);
                match sums {
                    Ok((from, to)) => {
                        let (from, to): (i64, i64) = (from, to);
                        assert_eq!(from + to, ALL);
                        done += 1;
                    }
                    Err(error) if error.is_io_error() => break,
                    Err(_) => {}
                }
            }
            done
        }
    };
    let movers = addresses.iter().cycle().take(6).cloned().zip(1..);
    let movers: Vec<_> = movers.map(|(address, amount)| thread::spawn(mover(address, amount))).collect();
    let sum = |connection: &mut Connection| {
        let seen = pipe().atomic().get("{m}from").get("{m}to").query::<(i64, i64)>(connection);
        seen.ok().map(|(from, to)| {
            assert_eq!(from + to, ALL, "{from} and {to}");
            to
        })
    };
    until("they move", || sum(&mut watching).filter(|arrived| *arrived > 100));
    names.lab.nodes.iter_mut().for_each(Node::keep_address);
    names.lab.nodes[2].kill();
    let done: Vec<usize> = movers.into_iter().map(|mover| mover.join().unwrap()).collect();
    let acknowledged: i64 = done.iter().zip(1..).map(|(done, amount)| i64::try_from(*done).unwrap() * amount).sum();
    let arrived = until("the rest answer", || sum(&mut watching));
    assert!(arrived >= acknowledged, "{acknowledged} acknowledged, {arrived} arrived");
    names.lab.nodes.iter_mut().for_each(Node::kill);
    names.lab.nodes.iter_mut().for_each(|node| node.start(None));
    let mut again = until("a door is there", || connect(&names, 1));
    assert_eq!(until("groups lead again", || sum(&mut again)), arrived);
}

#[test]
fn nonsense_gets_its_error_and_others_are_served() {
    let names = doors(1, "[redis]\nclients_max = 4\nquery_bytes_max = 1048576\n");
    let mut honest = connect(&names, 0).unwrap();
    let _: () = honest.set("k", "v").unwrap();
    raw(&names, b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfoo\r\n", "-ERR Protocol error: expected '$', got 'f'\r\n");
    raw(&names, b"*9223372036854775808\r\n", "-ERR Protocol error: invalid multibulk length\r\n");
    raw(&names, format!("*{}\r\n", RESP_ARGS_MAX + 1).as_bytes(), "-ERR Protocol error: invalid multibulk length\r\n");
    raw(
        &names,
        format!("*1\r\n${}\r\n", VALUE_BYTES_MAX + 1).as_bytes(),
        "-ERR Protocol error: invalid bulk length\r\n",
    );
    raw(&names, &b"a".repeat(65 * 1024), "-ERR Protocol error: too big inline request\r\n");
    raw(&names, b"set k \"half\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n");
    raw(&names, b"\r\n\r\nGET k\r\nECHO \"a b\"\r\n", "$1\r\nv\r\n$3\r\na b\r\n");
    raw(&names, b"NOSUCH a\r\nGET\r\n", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' \r\n");
    raw(&names, b"SELECT 1\r\n", "-ERR DB index is out of range\r\n");
    raw(&names, b"SCAN 12345\r\n", "-ERR invalid cursor\r\n");
    raw(&names, b"HELLO 4\r\n", "-NOPROTO unsupported protocol version\r\n");
    // What waits for the end of its transaction counts as a request that is not whole.
    let half = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{}\r\n", MIB / 2, "x".repeat(MIB / 2));
    let mut stream = until("there is room", || {
        let mut stream = TcpStream::connect(address(&names, 0)).unwrap();
        stream.write_all(b"PING\r\n").ok()?;
        let mut said = [0; 7];
        stream.read_exact(&mut said).ok()?;
        (&said == b"+PONG\r\n").then_some(stream)
    });
    for (bytes, expected) in [
        ("MULTI\r\n", "+OK\r\n"),
        (half.as_str(), "+QUEUED\r\n"),
        (half.as_str(), "-ERR Protocol error: the request is too long\r\n"),
    ] {
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut said = vec![0; expected.len()];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(String::from_utf8_lossy(&said), expected);
    }
    // A line that never ends, and an array that never comes, keep nobody else out.
    let mut slow = [&b"*1000000\r\n$3\r\nSET"[..], b"GET k"].map(|bytes| {
        let mut stream = TcpStream::connect(address(&names, 0)).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    });
    assert_eq!(honest.get::<_, String>("k").unwrap(), "v");
    // One client more than there may be is told so.
    let _fourth = until("there is room", || connect(&names, 0));
    until("the door is full", || {
        let mut stream = TcpStream::connect(address(&names, 0)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).ok()?;
        (said == FULL).then_some(())
    });
    slow[1].write_all(b"\r\n").unwrap();
    let mut said = [0; 7];
    slow[1].read_exact(&mut said).unwrap();
    assert_eq!(&said, b"$1\r\nv\r\n");
    // However much is asked for, a page of a scan is a page.
    let mut pipeline = pipe();
    for n in 0..=RESP_SCAN_COUNT_MAX {
        pipeline.set(format!("{{one slot}}{n}"), "").ignore();
    }
    let _: () = pipeline.query(&mut honest).unwrap();
    for pattern in ["*", "{one slot}*"] {
        let (mut cursor, mut pages, mut keys) = (0, Vec::new(), BTreeSet::new());
        while pages.is_empty() || cursor > 0 {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000_000);
            let (next, page): (u64, Vec<String>) = scan.query(&mut honest).unwrap();
            (cursor, pages) = (next, [pages, vec![page.len()]].concat());
            keys.extend(page);
        }
        assert!(pages.iter().all(|keys| *keys <= RESP_SCAN_COUNT_MAX), "{pages:?}");
        let all = RESP_SCAN_COUNT_MAX + if pattern == "*" { 2 } else { 1 };
        assert_eq!((keys.len(), pages.iter().sum::<usize>()), (all, all), "{pattern}: {pages:?}");
    }
}

#[test]
fn a_door_opens_to_other_machines_only_with_keys_and_in_secret() {
    let names = Names::new(1);
    let other = names.lab.path().join("other").display().to_string();
    let open = |more: &[&str]| {
        let open =
            ["node", "run", "--data", &other, "--listen", "/ip4/127.0.0.1/tcp/0", "--no-mdns", "--redis", "0.0.0.0:0"];
        names.alice.run(&[&open[..], more].concat()).ended(2)
    };
    open(&[]).says("--redis-auth");
    open(&["--redis-plain"]).says("--redis-auth");
    open(&["--redis-auth"]).says("--redis-tls CERT.pem,KEY.pem");
    open(&["--redis-auth", "--redis-tls", "gone.pem,key.pem"]).says("gone.pem: there is no such file");
}
