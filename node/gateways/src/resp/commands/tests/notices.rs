//! What is told of what happens to keys, as it was recorded from Redis 7.0.15 under `notify-keyspace-events KEAn`.

use super::*;

impl Client {
    /// The answer to what sets this door's notices.
    async fn notify(&mut self, letters: &str) -> String {
        self.told(&format!("CONFIG SET notify-keyspace-events {letters}")).await
    }

    /// Events and keys that it was told, through channels of events.
    fn noticed(&mut self) -> Vec<String> {
        let pushed = String::from_utf8_lossy(&self.session.pushed()).into_owned();
        let words: Vec<_> = pushed.split("\r\n").filter(|word| !word.starts_with(['*', '$', '>'])).collect();
        let told = words.chunks_exact(4).map(|words| {
            let event = words[2].strip_prefix("__keyevent@0__:").unwrap();
            format!("{event} {}", words[3])
        });
        told.collect()
    }
}

#[tokio::test]
async fn what_happens_to_keys_is_told_as_by_redis() {
    let mut speaker = Client::new();
    let mut listener = speaker.beside(2);
    assert_eq!(speaker.notify("KEAn").await, "+OK");
    listener.told("PSUBSCRIBE __keyevent@0__:*").await;
    let transcript: Vec<_> = include_str!("notices.txt").lines().collect();
    for [line, expected] in transcript.as_chunks::<2>().0 {
        let (order, line) = line.split_once(' ').unwrap();
        speaker.told(line).await;
        let mut expected: Vec<_> = expected.split(", ").filter(|event| !event.is_empty()).map(str::to_owned).collect();
        let mut noticed = listener.noticed();
        if order == "~" {
            expected.sort();
            noticed.sort();
        }
        assert_eq!(noticed, expected, "{line}");
    }
}

#[tokio::test]
async fn what_is_wanted_is_told_and_nothing_else() {
    let mut speaker = Client::new();
    let mut listener = speaker.beside(2);
    listener.told("PSUBSCRIBE __key*@0__:*").await;
    speaker.told("SET k v").await;
    assert_eq!(listener.session.pushed(), "", "nothing is set");
    assert_eq!(speaker.notify("Kg$").await, "+OK");
    assert_eq!(speaker.told("CONFIG GET notify*").await, "*2 $22 notify-keyspace-events $3 g$K");
    for line in ["SET k v", "LPUSH l a", "DEL k", "DEL l", "GET k"] {
        speaker.told(line).await;
    }
    let pushed = String::from_utf8_lossy(&listener.session.pushed()).replace("\r\n", " ");
    let channels: Vec<_> = pushed.split("pmessage $12 __key*@0__:* ").skip(1).map(str::trim_end).collect();
    let told = |channel: &str, event: &str| format!("${} {channel} ${} {event}", channel.len(), event.len());
    let expected =
        [("k", "set"), ("k", "del"), ("l", "del")].map(|(key, event)| told(&format!("__keyspace@0__:{key}"), event));
    let heard: Vec<_> = channels.iter().map(|told| told.trim_end_matches(" *4 $8")).collect();
    assert_eq!(heard, expected);
    // Who looks in vain is told of if that is wanted.
    speaker.notify("Em").await;
    speaker.told("GET k").await;
    assert_eq!(listener.noticed(), ["keymiss k"]);
    let refused = speaker.notify("KEy").await;
    assert!(refused.starts_with("-ERR CONFIG SET failed") && refused.contains("Invalid event class"), "{refused}");
}

#[tokio::test]
async fn a_step_that_changes_nothing_tells_nothing_and_long_keys_have_no_channel() {
    let mut speaker = Client::new();
    let mut listener = speaker.beside(2);
    speaker.notify("KEA").await;
    listener.told("PSUBSCRIBE __keyspace@0__:*").await;
    speaker.told("SET s x").await;
    listener.session.pushed();
    for line in ["LPUSH s x", "INCR s", "RENAME none s", "WATCH s"] {
        speaker.told(line).await;
    }
    speaker.beside(3).told("SET other x").await;
    listener.session.pushed();
    speaker.beside(4).told("SET s y").await;
    listener.session.pushed();
    for line in ["MULTI", "SET s z", "EXEC"] {
        speaker.told(line).await;
    }
    assert_eq!(listener.session.pushed(), "");
    listener.told("PSUBSCRIBE __keyevent@0__:*").await;
    speaker.told(&format!("SET {} x", "k".repeat(2000))).await;
    assert_eq!(listener.noticed(), [format!("set {}", "k".repeat(2000))]);
}
