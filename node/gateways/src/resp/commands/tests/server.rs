//! What is asked about the door and its clients, where that is another thing than at Redis or differs each time.

use storgo_protocol::limits::RESP_SLOW_KEPT_MAX;

use super::*;

/// The texts of a reply, those within it too.
fn texts(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Bulk(bytes) | Reply::Verbatim(bytes) => vec![String::from_utf8_lossy(bytes).into_owned()],
        Reply::Simple(text) | Reply::Error(text) => vec![text.clone().into_owned()],
        Reply::Int(number) => vec![number.to_string()],
        Reply::Array(replies) | Reply::Set(replies) => replies.iter().flat_map(texts).collect(),
        Reply::Map(pairs) => pairs.iter().flat_map(|(key, value)| [texts(key), texts(value)].concat()).collect(),
        other => panic!("{other:?}"),
    }
}

impl Client {
    async fn texts(&mut self, line: &str) -> Vec<String> {
        texts(&self.ask(line).await.1)
    }

    /// The lines of some sections.
    async fn info(&mut self, sections: &str) -> Vec<String> {
        self.texts(&format!("INFO {sections}")).await.concat().lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_slow_command_is_kept_in_its_words() {
    let mut client = Client::new();
    // Nothing takes that long here.
    assert_eq!(client.texts("CONFIG GET slowlog-log-slower-than").await[1], "100000");
    client.ask("SET k v").await;
    assert_eq!(client.told("SLOWLOG LEN").await, ":0");
    client.ask("CLIENT SETNAME own").await;
    client.ask("CONFIG SET slowlog-log-slower-than 0").await;
    let long = "a".repeat(200);
    for line in [format!("SADD s {}", vec![long.as_str(); 40].join(" ")), "what".to_owned(), "GET".to_owned()] {
        client.ask(&line).await;
    }
    client.ask("MULTI").await;
    client.ask("GET k").await;
    client.ask("EXEC").await;
    client.ask("CONFIG SET slowlog-log-slower-than -1").await;
    let Reply::Array(entries) = client.ask("SLOWLOG GET").await.1 else { panic!() };
    let entries: Vec<_> = entries.iter().map(texts).collect();
    // What was refused or queued was not done. What switches this off is itself not slow any more.
    let commands: Vec<_> = entries.iter().map(|entry| entry[3].as_str()).collect();
    assert_eq!(commands, ["EXEC", "MULTI", "SADD", "CONFIG"]);
    let sadd = &entries[2];
    assert_eq!((sadd[0].as_str(), sadd[1].as_str(), sadd.len()), ("1", "1000000", 3 + 32 + 2));
    assert_eq!(sadd[5], format!("{}... (72 more bytes)", "a".repeat(128)));
    assert_eq!(sadd[34..], ["... (11 more arguments)", "127.0.0.1:1", "own"]);
    assert_eq!(client.texts("SLOWLOG GET 1").await.len(), 6);
    assert_eq!((client.told("SLOWLOG LEN").await, client.told("SLOWLOG RESET").await), (":4".into(), "+OK".into()));
    assert_eq!(client.told("SLOWLOG GET -1").await, "*0");
}

#[tokio::test]
async fn no_more_slow_commands_are_kept_than_are_bounded() {
    let mut client = Client::new();
    let refused = client.told(&format!("CONFIG SET slowlog-max-len {}", RESP_SLOW_KEPT_MAX + 1)).await;
    assert!(refused.ends_with(&format!("argument must be between 0 and {RESP_SLOW_KEPT_MAX} inclusive")), "{refused}");
    assert_eq!(client.told(&format!("CONFIG SET slowlog-max-len {RESP_SLOW_KEPT_MAX}")).await, "+OK");
    client.ask("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 2").await;
    for _ in 0..5 {
        client.ask("PING").await;
    }
    assert_eq!(client.told("SLOWLOG LEN").await, ":2");
}

#[tokio::test]
async fn what_is_set_for_good_is_not_set_otherwise() {
    let mut client = Client::new();
    let all = client.texts("CONFIG GET *").await;
    assert!(all.len() >= 20);
    for pair in all.chunks(2) {
        let [name, value] = pair else { panic!() };
        assert_eq!(client.told(&format!("CONFIG SET {name} \"{value}\"")).await, "+OK", "{name}");
    }
    for name in ["appendfsync no", "appendonly no", "save 1", "latency-monitor-threshold 1", "maxmemory 1mb"] {
        let told = client.told(&format!("CONFIG SET {name}")).await;
        assert!(told.ends_with("can't set immutable config"), "{told}");
    }
    assert_eq!(client.texts("CONFIG GET *").await, all);
}

#[tokio::test]
async fn a_client_that_wants_no_answers_gets_none() {
    let mut client = Client::new();
    let heard = [
        ("CLIENT REPLY OFF", false),
        ("PING", false),
        ("CLIENT REPLY SKIP", false),
        ("PING", false),
        ("what", false),
        ("CLIENT REPLY ON", true),
        ("PING", true),
        ("CLIENT REPLY SKIP", false),
        ("what", false),
        ("PING", true),
        ("CLIENT REPLY SKIP", false),
        ("CLIENT REPLY SKIP", false),
        ("PING", false),
        ("PING", true),
        ("CLIENT REPLY SKIP", false),
        ("CLIENT REPLY ON", true),
        ("PING", true),
        ("CLIENT REPLY OFF", false),
        ("RESET", true),
        ("PING", true),
    ];
    for (at, (line, is_heard)) in heard.into_iter().enumerate() {
        assert_eq!(client.heard(line).await.is_some(), is_heard, "{at}: {line}");
    }
}

#[tokio::test]
async fn clients_are_listed_and_sent_away_by_what_is_said_of_them() {
    let mut client = Client::new();
    let mut others = [2, 3, 4, 5].map(|id| client.beside(id));
    others[0].ask("HELLO 3").await;
    others[0].ask("CLIENT SETNAME two").await;
    others[1].ask("MULTI").await;
    others[1].ask("GET a").await;
    let lines = client.texts("CLIENT LIST").await.concat();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("id=1 addr=127.0.0.1:1 laddr=127.0.0.1:6379 name= "), "{}", lines[0]);
    assert!(
        lines[0].contains(" flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 cmd=client|list ")
            && lines[0].ends_with(" resp=2")
    );
    assert!(lines[1].contains(" name=two ") && lines[1].ends_with(" resp=3"), "{}", lines[1]);
    assert!(lines[2].contains(" flags=x db=0 sub=0 psub=0 ssub=0 multi=1 cmd=get "), "{}", lines[2]);
    let ids = |lines: Vec<String>| {
        let lines = lines.concat();
        lines.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(client.texts("CLIENT LIST ID 3 99 1").await), ["id=3", "id=1"]);
    assert_eq!(ids(client.texts("CLIENT LIST TYPE Normal").await).len(), 5);
    assert_eq!(ids(client.texts("CLIENT INFO").await), ["id=1"]);
    assert!(client.info("clients").await.contains(&"connected_clients:5".to_owned()));

    assert_eq!(client.told("CLIENT KILL ID 2 ADDR 127.0.0.1:3").await, ":0");
    assert_eq!(client.told("CLIENT KILL ID 1").await, ":0");
    assert_eq!(client.told("CLIENT KILL ID 2 ADDR 127.0.0.1:2 TYPE normal USER default").await, ":1");
    assert_eq!(client.told("CLIENT KILL ID 2").await, ":0");
    assert_eq!(client.told("CLIENT KILL 127.0.0.1:3").await, "+OK");
    assert_eq!(client.told("CLIENT KILL LADDR 127.0.0.1:6379").await, ":2");
    assert_eq!(ids(client.texts("CLIENT LIST").await), ["id=1"]);
    assert_eq!(client.told("CLIENT KILL TYPE normal SKIPME no").await, ":1");
}

#[tokio::test]
async fn commands_are_counted_by_what_became_of_them() {
    let mut client = Client::new();
    client.ask("SET k v").await;
    client.ask("CONFIG RESETSTAT").await;
    for line in ["GET k", "GET k", "GET", "INCR k", "SADD k a", "what", "config what", "CONFIG GET x"] {
        client.ask(line).await;
    }
    let stats = client.info("commandstats").await;
    let of = |name: &str| stats.iter().find(|line| line.starts_with(&format!("cmdstat_{name}:")));
    let get = of("get").unwrap();
    assert!(get.starts_with("cmdstat_get:calls=2,") && get.ends_with(",rejected_calls=1,failed_calls=0"), "{get}");
    assert!(of("incr").unwrap().ends_with(",rejected_calls=0,failed_calls=1"));
    assert!(of("config|get").is_some() && of("config|resetstat").is_some());
    assert!(of("set").is_none() && of("config").is_none());
    assert_eq!(
        client.info("errorstats").await,
        ["# Errorstats", "errorstat_ERR:count=4", "errorstat_WRONGTYPE:count=1"]
    );
    assert!(client.info("stats").await.contains(&"total_error_replies:5".to_owned()));

    let calls = |told: Vec<String>| told[..3].to_vec();
    assert_eq!(calls(client.texts("LATENCY HISTOGRAM get").await), ["get", "calls", "2"]);
    assert_eq!(client.texts("LATENCY HISTOGRAM get what").await.last().unwrap(), "2");
    assert_eq!(
        client.texts("LATENCY HISTOGRAM config").await.iter().filter(|text| text.starts_with("config|")).count(),
        2
    );
    assert_eq!(calls(client.texts("LATENCY HISTOGRAM config|get").await), ["config|get", "calls", "1"]);
    assert!(client.texts("LATENCY HISTOGRAM").await.contains(&"incr".to_owned()));
    assert_eq!(client.told("LATENCY HISTOGRAM set").await, "*0");
}

#[tokio::test]
async fn sections_are_told_to_who_asks_for_them() {
    let mut client = Client::new();
    let heads = |lines: Vec<String>| lines.into_iter().filter(|line| line.starts_with('#')).collect::<Vec<_>>();
    let all = heads(client.info("everything").await);
    assert_eq!(heads(client.info("all").await), all);
    let default = heads(client.info("").await);
    assert_eq!(heads(client.info("default").await), default);
    assert_eq!((all.len(), default.len()), (10, 9));
    assert!(!default.contains(&"# Commandstats".to_owned()));
    assert_eq!(heads(client.info("default commandSTATS cpu").await), all);
    assert_eq!(heads(client.info("clients server what").await), ["# Server", "# Clients"]);
    assert_eq!(client.told("INFO what").await, "$0");
    let server = client.info("server").await;
    assert!(server.contains(&"tcp_port:6379".to_owned()) && server.contains(&"redis_version:7.0.15".to_owned()));
}

#[tokio::test]
async fn a_value_is_restored_as_it_was() {
    let mut client = Client::new();
    let values = ["SET", "HSET f", "SADD", "RPUSH", "ZADD 1.5"];
    for (at, value) in values.iter().enumerate() {
        let (command, more) = value.split_once(' ').unwrap_or((value, ""));
        client.ask(&format!("{command} from{at} {more} b")).await;
        let (_, Reply::Bulk(payload)) = client.ask(&format!("DUMP from{at}")).await else { panic!("{value}") };
        let quoted = payload.iter().map(|byte| format!("\\x{byte:02x}")).collect::<Vec<_>>().concat();
        let key = format!("to{at}");
        assert_eq!(client.told(&format!("RESTORE {key} 0 \"{quoted}\"")).await, "+OK", "{value}");
        assert_eq!(client.values.stored(key.as_bytes()), client.values.stored(format!("from{at}").as_bytes()));
        assert_eq!(client.told(&format!("TTL {key}")).await, ":-1");
        let busy = client.told(&format!("RESTORE {key} 0 \"{quoted}\"")).await;
        assert_eq!(busy, "-BUSYKEY Target key name already exists.");
        for (line, ttl) in [("5000", ":5000"), ("1000005000 \"{}\" ABSTTL", ":5000"), ("7000 \"{}\" FREQ 3", ":7000")] {
            let line = if line.contains("{}") { line.replace("{}", &quoted) } else { format!("{line} \"{quoted}\"") };
            assert_eq!(client.told(&format!("RESTORE {key} {line} REPLACE")).await, "+OK", "{line}");
            assert_eq!(client.told(&format!("PTTL {key}")).await, ttl);
        }
        // One that is over already takes the key away.
        assert_eq!(client.told(&format!("RESTORE {key} 1000 \"{quoted}\" ABSTTL REPLACE")).await, "+OK");
        assert_eq!(client.told(&format!("EXISTS {key}")).await, ":0");
        // Another byte in its place, or none, is refused, and nothing is written.
        let hostile = [quoted.replace("\\x01", "\\x02"), quoted[..quoted.len() - 4].to_owned(), String::new()];
        for hostile in hostile {
            let refused = client.told(&format!("RESTORE {key} 0 \"{hostile}\"")).await;
            assert_eq!(refused, "-ERR DUMP payload version or checksum are wrong");
        }
        assert_eq!(client.told(&format!("EXISTS {key}")).await, ":0");
    }
}

#[tokio::test]
async fn the_bytes_of_a_key_and_its_value_are_counted() {
    let mut client = Client::new();
    client.ask("SET text 12345678").await;
    assert_eq!(client.told("MEMORY USAGE text").await, ":12");
    // A head of two bytes, the count, and each element with its length.
    client.ask("SADD set a bb").await;
    assert_eq!(client.told("MEMORY USAGE set SAMPLES 0").await, ":11");
    client.ask("MULTI").await;
    for line in ["SADD set ccc", "MEMORY USAGE set"] {
        client.ask(line).await;
    }
    assert_eq!(client.told("EXEC").await, "*2 :1 :15");
    let refused = client.told("OBJECT IDLETIME set").await;
    assert!(refused.starts_with("-ERR idle time not tracked"), "{refused}");
}

#[tokio::test]
async fn every_command_that_has_parts_tells_of_each() {
    let mut client = Client::new();
    for whole in ["client", "command", "config", "function", "latency", "memory", "object", "slowlog"] {
        let told = client.texts(&format!("{whole} help")).await;
        assert_eq!(
            told[0],
            format!("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", whole.to_uppercase())
        );
        let parts = super::super::parts::of(find(whole.as_bytes()).unwrap());
        for part in parts {
            let own = part.name.split_once('|').unwrap().1.to_uppercase();
            // What newer clients say of themselves, or ask for, without need.
            let is_quiet = ["SETINFO", "NO-TOUCH"].contains(&own.as_str());
            assert!(is_quiet || told.iter().any(|line| line.split(' ').next() == Some(&own)), "{}", part.name);
        }
    }
    assert_eq!(client.texts("COMMAND INFO config").await.iter().filter(|text| text.starts_with("config|")).count(), 5);
}

#[tokio::test]
async fn what_commands_are_for_is_told_by_name() {
    let mut client = Client::new();
    let told = client.texts("COMMAND DOCS get what config|get").await;
    let get = ["get", "summary", "Reads a string", "since", "1.0.0", "group", "string", "complexity"];
    assert_eq!(told[..8], get);
    assert_eq!((told[9].as_str(), told.len()), ("config|get", 18));
    let whole = client.texts("COMMAND DOCS slowlog").await;
    assert!(whole.contains(&"subcommands".to_owned()) && whole.contains(&"slowlog|get".to_owned()));
    assert!(client.texts("COMMAND DOCS").await.len() > 9 * 150);
    assert_eq!(client.told("COMMAND DOCS what").await, "*0");
}
