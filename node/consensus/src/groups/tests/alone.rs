//! What a leader acknowledges by its own disk alone: when, with which reply, how much of it, and when it is lost.

use storgo_protocol::limits::{AHEAD_BYTES_MAX, AHEAD_MAX};
use storgo_protocol::meta::RefusedKind;

use super::*;

const SOON: Duration = Duration::from_millis(700);

impl Cluster {
    /// Asks one member for an answer as soon as its own disk has the command.
    async fn alone(&self, node: usize, command: &Command, within: Duration) -> Result<Reply, GroupError> {
        let asked = (command.encode(), Acknowledge::Alone);
        self.nodes[node].groups.propose_read(GROUP, Some(&command.action), asked, within).await
    }

    /// A command with a condition.
    fn command_if(&mut self, key: &str, content: &str, condition: Condition) -> Command {
        let mut command = self.command(key, content);
        if let Action::Put(put) = &mut command.action {
            put.condition = condition;
        }
        command
    }

    /// Cuts off all but one member.
    fn cut_all_but(&self, node: usize) {
        let others = self.nodes.iter().enumerate().filter(|(at, _)| *at != node);
        self.air.cut.lock().extend(others.map(|(_, node)| node.groups.me().peer));
    }
}

fn written(reply: Result<Reply, GroupError>) -> (VersionId, Option<VersionId>) {
    match reply {
        Ok(Reply::Written { version, replaced }) => (version, replaced),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_it_is_answered_by_the_disk_of_the_leader_alone() {
    let mut cluster = Cluster::with(3, lease::SLOW).await;
    cluster.begin().await;
    let before = cluster.put("k", "a").await;
    let leader = cluster.leader().await;
    cluster.cut_all_but(leader);
    let (first, second) = (cluster.command("k", "b"), cluster.command("k", "c"));
    let (taken, agreed) = (cluster.command_if("k", "d", Condition::Absent), cluster.command("other", "e"));
    let (b, replaced) = written(cluster.alone(leader, &first, LONG).await);
    assert_eq!(replaced, Some(before));
    // The next sees what nobody has agreed on yet; asked again, it is the same.
    let (c, replaced) = written(cluster.alone(leader, &second, LONG).await);
    assert_eq!(replaced, Some(b));
    assert_eq!(written(cluster.alone(leader, &first, LONG).await), (b, Some(before)));
    // A refusal is not early, and neither is what did not ask for it.
    let (refused, agreed) = tokio::join!(
        cluster.alone(leader, &taken, SOON),
        cluster.nodes[leader].groups.propose(GROUP, agreed.encode(), SOON)
    );
    assert!(matches!(refused, Err(GroupError::TimedOut { .. })), "{refused:?}");
    assert!(matches!(agreed, Err(GroupError::TimedOut { .. })), "{agreed:?}");
    let weak = cluster.get(leader, "k", Level::Eventual).await.unwrap();
    assert_eq!(weak.value.as_deref(), Some("a"), "it was applied before it was agreed on");

    cluster.air.cut.lock().clear();
    let (reply, after) = (cluster.tell(&taken).await, (leader + 1) % 3);
    assert!(
        matches!(&reply, Reply::Refused(refused) if refused.kind == RefusedKind::Condition(Some(c))),
        "{c:?} was told, and then {reply:?}"
    );
    let read = cluster.get(after, "k", Level::Linearizable).await.unwrap();
    assert_eq!(read.value.as_deref(), Some("c"));
    // Where all are well, it is as ever.
    let (last, leader) = (cluster.command("k", "f"), cluster.leader().await);
    assert_eq!(written(cluster.alone(leader, &last, LONG).await).1, Some(c));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_far_a_leader_goes_ahead_is_bounded() {
    let mut cluster = Cluster::with(3, lease::SLOW).await;
    cluster.begin().await;
    cluster.put("k", "a").await;
    let leader = cluster.leader().await;
    let commands: Vec<_> = (0..AHEAD_MAX + 300).map(|at| cluster.command(&format!("{}", at % 50), "b")).collect();
    cluster.cut_all_but(leader);
    let asked = commands.iter().map(|command| cluster.alone(leader, command, Duration::from_secs(4)));
    let answers = futures::future::join_all(asked).await;
    let acknowledged = answers.iter().filter(|answer| matches!(answer, Ok(Reply::Written { .. }))).count();
    assert_eq!(acknowledged, AHEAD_MAX);
    // All of these are kept.
    cluster.air.cut.lock().clear();
    for (command, answer) in commands.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).step_by(97) {
        assert_eq!(cluster.tell(command).await, *answer.as_ref().unwrap());
    }
    // And it goes on; then the same with large ones.
    let (next, leader) = (cluster.command("k", "c"), cluster.leader().await);
    written(cluster.alone(leader, &next, LONG).await);
    let content = "c".repeat(16 << 10);
    let commands: Vec<_> = (0..AHEAD_BYTES_MAX / content.len() + 40).map(|_| cluster.command("k", &content)).collect();
    cluster.cut_all_but(leader);
    let asked = commands.iter().map(|command| cluster.alone(leader, command, Duration::from_secs(4)));
    let answers = futures::future::join_all(asked).await;
    let acknowledged = commands.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
    let bytes: usize = acknowledged.map(|(command, _)| command.encode().len()).sum();
    assert!((AHEAD_BYTES_MAX - (32 << 10)..=AHEAD_BYTES_MAX).contains(&bytes), "{bytes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_leader_alone_had_is_lost_when_another_one_leads() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    let old = cluster.leader().await;
    let (first, second) = (cluster.command("k", "lost"), cluster.command("k", "late"));
    let peer = cluster.nodes[old].groups.me().peer;
    cluster.air.cut.lock().insert(peer);
    written(cluster.alone(old, &first, LONG).await);
    // It does not know yet that others may lead; after a while it has to expect so.
    let (in_vain, late) = (cluster.command("other", "in vain"), cluster.command("k", "late"));
    let deadline = tokio::time::Instant::now() + LONG;
    while cluster.nodes[old].groups.propose(GROUP, in_vain.encode(), SOON).await.is_err()
        && let Ok(reply) = cluster.alone(old, &late, SOON).await
    {
        assert!(tokio::time::Instant::now() < deadline, "it goes on alone: {reply:?}");
    }
    // The others elect one of them and go on.
    cluster.put("k", "c").await;
    let late = cluster.alone(old, &second, SOON).await;
    assert!(late.is_err(), "{late:?}");
    cluster.air.cut.lock().clear();
    for node in 0..3 {
        let deadline = tokio::time::Instant::now() + LONG;
        let read = loop {
            match cluster.get(node, "k", Level::Linearizable).await {
                Ok(read) => break read,
                // It has not heard yet who leads.
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
        };
        assert_eq!(read.value.as_deref(), Some("c"), "at {node}");
    }
    let (next, leader) = (cluster.command("k", "d"), cluster.leader().await);
    written(cluster.alone(leader, &next, LONG).await);
}

/// A leader that has not heard of its followers for a moment refuses what comes, and goes on in the same term once it has: what
/// was refused is not to be foreseen as done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_in_between_is_not_acknowledged() {
    let mut cluster = Cluster::begun(3).await;
    for round in 0..5 {
        let key = format!("key {round}");
        cluster.put(&key, "a").await;
        let leader = cluster.leader().await;
        let [me, one, other] =
            [leader, (leader + 1) % 3, (leader + 2) % 3].map(|at| cluster.nodes[at].groups.me().peer);
        // They hear it, and it does not hear them.
        cluster.air.cut_ways.lock().extend([(one, me), (other, me)]);
        let first = cluster.command(&key, "b");
        let began = cluster.alone(leader, &first, SOON).await;
        let deadline = tokio::time::Instant::now() + LONG;
        let refused = loop {
            let command = cluster.command(&key, "c");
            if let Err(GroupError::NotLeader { .. }) = cluster.alone(leader, &command, SOON).await {
                break command;
            }
            assert!(tokio::time::Instant::now() < deadline, "nothing is refused");
        };
        cluster.air.cut_ways.lock().clear();
        // The same again, as a client would ask: whoever answers first, it is what comes.
        let early = loop {
            match cluster.alone(leader, &refused, SOON).await {
                Ok(reply) => break reply,
                Err(GroupError::NotLeader { leader: Some(_), .. }) => break cluster.tell(&refused).await,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
        };
        assert_eq!(cluster.tell(&refused).await, early, "round {round}, {began:?} before");
    }
}
