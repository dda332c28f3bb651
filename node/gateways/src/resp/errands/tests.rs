use std::sync::{OnceLock, Weak};

use storgo_protocol::limits::RESP_LONG_BYTES;
use tokio::task::JoinSet;

use super::super::commands;
use super::super::door;
use super::super::session::Session;
use super::super::shared::Shared;
use super::super::state::State;
use super::super::values::fake::Memory;
use super::*;

fn member(seed: u8) -> PeerId {
    PeerId::from_bytes([seed; 32])
}

/// Speaks to one other door, or into the void.
#[derive(Debug, Default)]
struct Line {
    from: u8,
    to: OnceLock<Weak<Shared>>,
    said: Mutex<Vec<Said>>,
}

impl Voice for Line {
    fn here(&self) -> Option<PeerId> {
        Some(member(self.from))
    }

    fn say(&self, said: &Bytes) {
        assert!(self.say_to(member(0), said));
    }

    fn say_to(&self, _: PeerId, said: &Bytes) -> bool {
        let said = Said::decode(said.clone()).unwrap();
        self.said.lock().push(said.clone());
        if let Some(to) = self.to.get().and_then(Weak::upgrade) {
            door::hear(&to, said);
        }
        true
    }
}

impl Line {
    fn errands(&self) -> Vec<Errand> {
        let said = self.said.lock();
        said.iter()
            .filter_map(|said| if let Said::Errand(errand) = said { Some(errand.clone()) } else { None })
            .collect()
    }
}

/// Two doors to the same values; the second is beside the leader of all.
struct Doors {
    values: Arc<Memory>,
    lines: [Arc<Line>; 2],
    both: [Arc<Shared>; 2],
}

impl Doors {
    fn new() -> Self {
        let values: Arc<Memory> = Arc::default();
        let lines = [1, 2].map(|from| Arc::new(Line { from, ..Line::default() }));
        let both = lines.clone().map(|line| Shared::speaking(Arc::clone(&values), line));
        both[0].doors.led_by(member(2));
        Self { values, lines, both }
    }

    fn connected() -> Self {
        let made = Self::new();
        let [one, two] = &made.both;
        made.lines[0].to.set(Arc::downgrade(two)).unwrap();
        made.lines[1].to.set(Arc::downgrade(one)).unwrap();
        made
    }
}

async fn ask(door: &Arc<Shared>, line: &str) -> Reply {
    let args = line.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
    Session::of_test(Arc::clone(door), 1).ask(args).await.unwrap().1
}

#[tokio::test]
async fn a_key_that_two_doors_raise_is_raised_by_the_leaders_door_and_counts_each_once() {
    const EACH: i64 = 200;
    let doors = Doors::connected();
    let mut raisers = JoinSet::new();
    for door in &doors.both {
        for _ in 0..4 {
            let door = Arc::clone(door);
            raisers.spawn(async move {
                let mut told = Vec::new();
                for _ in 0..EACH {
                    // What only looks does not keep the others here.
                    ask(&door, "GET k").await;
                    let reply = ask(&door, "INCR k").await;
                    let Reply::Int(number) = reply else { panic!("{reply:?}") };
                    told.push(number);
                }
                told
            });
        }
    }
    let mut told: Vec<i64> = raisers.join_all().await.into_iter().flatten().collect();
    told.sort_unstable();
    assert_eq!(told, (1..=8 * EACH).collect::<Vec<_>>());
    // Who was late was so once, or a few times: what was begun.
    let late = doors.values.refused();
    assert!((1..20).contains(&late), "{late}");
    assert!(doors.lines[0].errands().len() > 100 && doors.lines[1].errands().is_empty());
    assert!(doors.both.iter().all(|door| door.errands.waiting.lock().is_empty()));
}

#[tokio::test]
async fn all_answers_come_as_they_are_given_elsewhere() {
    let doors = Doors::connected();
    let [far, leader] = &doors.both;
    let lines = [
        ("SET k v", Reply::OK),
        ("LPUSH k x", Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value")),
        ("GETDEL k", Reply::bulk("v")),
        ("RPUSH k a b c", Reply::Int(3)),
        ("LPOP k 2", Reply::Array(vec![Reply::bulk("a"), Reply::bulk("b")])),
        ("LPOP none", Reply::Nil),
        ("DEL k", Reply::Int(1)),
        ("INCRBY k x", Reply::error("ERR value is not an integer or out of range")),
    ];
    for (line, expected) in lines {
        far.errands.was_late(&"k".into());
        far.errands.was_late(&"none".into());
        assert_eq!(ask(far, line).await, expected, "{line}");
    }
    // What is refused before it begins goes nowhere.
    assert_eq!(doors.lines[0].errands().len(), lines_sent(&doors));
    // Reads, several keys, and what the leader's own clients ask stay where they are.
    let before = doors.lines[0].errands().len();
    for line in ["GET k", "MSET k 1 none 2", "SADD other x"] {
        ask(far, line).await;
    }
    leader.errands.was_late(&"k".into());
    ask(leader, "INCR k").await;
    assert_eq!((doors.lines[0].errands().len(), doors.lines[1].errands().len()), (before, 0));
}

/// Errands of which each was answered.
fn lines_sent(doors: &Doors) -> usize {
    doors.lines[1].said.lock().iter().filter(|said| matches!(said, Said::Done(_))).count()
}

#[tokio::test(start_paused = true)]
async fn what_is_not_answered_is_said_to_be_unknown_and_not_done_again() {
    let doors = Doors::new();
    let [far, _] = &doors.both;
    far.errands.was_late(&"k".into());
    let began = Instant::now();
    let Reply::Error(told) = ask(far, "INCR k").await else { panic!("no error") };
    assert!(told.starts_with("CLUSTERDOWN") && told.contains("not known"), "{told}");
    assert_eq!(began.elapsed().as_secs(), RESP_ERRAND_SECONDS_MAX);
    assert_eq!((doors.lines[0].errands().len(), doors.values.writes()), (1, 0));
    // From then on it is done here, and an answer that comes late is for nobody.
    assert_eq!(ask(far, "INCR k").await, Reply::Int(1));
    let id = doors.lines[0].errands()[0].id;
    far.errands.done(Answers { id, replies: vec![Some(Reply::Int(7))] });
    assert_eq!((ask(far, "INCR k").await, doors.lines[0].errands().len()), (Reply::Int(2), 1));
}

#[tokio::test]
async fn what_is_long_or_has_no_room_there_is_done_here_in_its_order() {
    let doors = Doors::connected();
    let [far, leader] = &doors.both;
    let late = || far.errands.was_late(&"k".into());
    ask(far, &format!("SET k {}", "x".repeat(RESP_LONG_BYTES + 1))).await;
    late();
    let long = i64::try_from(RESP_LONG_BYTES).unwrap();
    assert_eq!(ask(far, "APPEND k y").await, Reply::Int(long + 2));
    let [errand] = &doors.lines[0].errands()[..] else { panic!("one is tried") };
    // Of several none is done behind the one that was not: the last would be, by itself.
    let commands = ["APPEND k y", "SET k short", "APPEND k z"];
    let commands = commands.map(|line| line.split(' ').map(Bytes::from).collect()).into();
    let (writes, said) = (doors.values.writes(), doors.lines[1].said.lock().len());
    run(leader, Errand { commands, id: 77, ..errand.clone() });
    let told = async || loop {
        if let Some(Said::Done(answers)) = doors.lines[1].said.lock().get(said).cloned() {
            break answers;
        }
        tokio::task::yield_now().await;
    };
    let answers = tokio::time::timeout(Duration::from_secs(30), told()).await.unwrap();
    assert_eq!((answers.id, answers.replies), (77, vec![None, None, None]));
    assert_eq!(doors.values.writes(), writes);
    // A command that is too long to be said, and one for which there is no place.
    ask(far, "SET k short").await;
    late();
    let before = doors.lines[0].errands().len();
    ask(far, &format!("SET k {}", "x".repeat(RESP_ERRAND_BYTES_MAX))).await;
    assert_eq!(doors.lines[0].errands().len(), before);
    ask(far, "SET k 1").await;
    let places = leader.errands.places.try_acquire_many(u32::try_from(RESP_ERRANDS_MAX).unwrap()).unwrap();
    late();
    assert_eq!(ask(far, "INCR k").await, Reply::Int(2));
    drop(places);
    assert_eq!(ask(far, "INCR k").await, Reply::Int(3));
    assert_eq!(doors.lines[0].errands().len(), before + 3);
}

#[tokio::test(start_paused = true)]
async fn doors_that_do_not_agree_who_leads_do_not_wait_for_each_other() {
    let doors = Doors::connected();
    doors.both[1].doors.led_by(member(1));
    let began = Instant::now();
    for round in 0..20 {
        for door in &doors.both {
            door.errands.was_late(&"k".into());
        }
        let told = tokio::join!(ask(&doors.both[0], "INCR k"), ask(&doors.both[1], "INCR k"));
        let mut told = [told.0, told.1].map(|reply| if let Reply::Int(number) = reply { number } else { 0 });
        told.sort_unstable();
        assert_eq!(told, [2 * round + 1, 2 * round + 2]);
    }
    assert!(began.elapsed() < Duration::from_secs(RESP_ERRAND_SECONDS_MAX), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_does_not_fit_one_errand_goes_in_several_and_what_is_over_is_no_race() {
    let doors = Doors::connected();
    let [far, _] = &doors.both;
    far.errands.was_late(&"k".into());
    let mut writers = JoinSet::new();
    for _ in 0..300 {
        let far = Arc::clone(far);
        writers.spawn(async move { ask(&far, &format!("APPEND k {}", "x".repeat(1000))).await });
    }
    let mut told: Vec<_> = writers.join_all().await;
    told.sort_by_key(|reply| if let Reply::Int(length) = reply { *length } else { 0 });
    // Beyond what is long it is done here.
    assert_eq!(told, (1..=300).map(|n| Reply::Int(1000 * n)).collect::<Vec<_>>());
    assert!(
        doors.lines[0].errands().len() > 1 && doors.lines[0].errands().iter().any(|errand| errand.commands.len() > 50)
    );

    let value = storgo_object::SetValue { bytes: "1".into(), expires_ms: 1, ..storgo_object::SetValue::default() };
    super::super::values::Values::set(&*doors.values, b"brief", value).await.unwrap();
    assert_eq!(ask(far, "INCR brief").await, Reply::Int(1));
    assert!(!far.errands.is_contended(b"brief"));
}

#[tokio::test(start_paused = true)]
async fn a_door_remembers_some_keys_for_a_while() {
    let doors = Doors::new();
    let errands = &doors.both[0].errands;
    let key = |n: usize| Bytes::from(n.to_string());
    assert!(!errands.is_contended(&key(0)));
    assert!((0..=RESP_CONTENDED_MAX).all(|n| errands.was_late(&key(n))));
    assert_eq!([0, 1, RESP_CONTENDED_MAX].map(|n| errands.is_contended(&key(n))), [false, true, true]);
    tokio::time::advance(Duration::from_secs(RESP_CONTENDED_SECONDS)).await;
    assert!(!errands.is_contended(&key(1)));
    // The door that is nearest does no errands: where it is late it says so, once in a while.
    for _ in 0..3 {
        assert!(!doors.both[1].errands.was_late(&key(1)));
    }
    let late = Said::Late(key(1));
    assert_eq!(*doors.lines[1].said.lock(), std::slice::from_ref(&late));
    tokio::time::advance(Duration::from_secs(RESP_CONTENDED_SECONDS)).await;
    assert!(!doors.both[1].errands.was_late(&key(1)));
    assert_eq!(*doors.lines[1].said.lock(), [late.clone(), late.clone()]);
    for (door, remembers) in [(&doors.both[0], true), (&doors.both[1], true)] {
        door::hear(door, late.clone());
        assert_eq!(door.errands.is_contended(&key(1)), remembers);
    }
}

#[tokio::test]
async fn no_door_has_another_do_what_is_no_errand() {
    let doors = Doors::new();
    let mut state = State::of_errand(&doors.both[0]);
    let mut begin = |line: &str| {
        let args: Vec<Bytes> = line.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
        commands::begin_errand(&mut state, &args)
    };
    let refused = [
        "CONFIG SET maxclients 1",
        "CLIENT KILL TYPE normal",
        "FLUSHALL",
        "SUBSCRIBE a",
        "PUBLISH a b",
        "GET k",
        "MSET a 1 b 2",
        "RENAME a b",
        "MULTI",
        "EXEC",
        "WATCH k",
        "NOSUCH k",
        "INCR",
        "SET k v NX XX",
    ];
    for line in refused {
        assert!(begin(line).is_err(), "{line}");
    }
    assert!(begin("INCR k").is_ok_and(|(key, op)| key == "k" && op.writes));
    assert_ne!(ask(&doors.both[0], "CONFIG GET maxclients").await, Reply::Int(1));
}
