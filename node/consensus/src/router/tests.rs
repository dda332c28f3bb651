use storgo_object::ports::OsRandom;
use storgo_protocol::limits::{ROUTER_FAILURES_MAX, ROUTER_OPEN_SECONDS, ROUTER_PEERS_MAX};

use super::*;

const GROUP: GroupId = GroupId::new(1);
const LONG: Duration = Duration::from_mins(1);

/// Members in memory: one leads, some are silent.
#[derive(Debug, Default)]
struct Members {
    leader: Mutex<Option<PeerId>>,
    knows: Mutex<Option<PeerId>>,
    silent: Mutex<Vec<PeerId>>,
    asked: Mutex<Vec<PeerId>>,
}

#[async_trait]
impl Ask for Members {
    type Answer = Bytes;

    async fn ask(&self, peer: PeerId, _: GroupId, request: Bytes, _: Duration) -> Result<Bytes, AskError> {
        self.asked.lock().push(peer);
        if self.silent.lock().contains(&peer) {
            std::future::pending::<()>().await;
        }
        if *self.leader.lock() == Some(peer) {
            return Ok(request);
        }
        Err(AskError::NotLeader { peer, leader: *self.knows.lock() })
    }
}

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

fn router() -> (Arc<Members>, Router<Members>) {
    let members = Arc::new(Members::default());
    let router = Router::new(members.clone(), Arc::new(OsRandom), Metrics::default());
    router.set_members(GROUP, vec![peer(1), peer(2), peer(3)]);
    (members, router)
}

async fn call(router: &Router<Members>, within: Duration) -> Result<Bytes, RouteError> {
    router.call(GROUP, Bytes::from_static(b"ask"), within).await
}

#[tokio::test(start_paused = true)]
async fn a_hint_leads_to_the_leader_and_is_remembered() {
    let (members, router) = router();
    (*members.leader.lock(), *members.knows.lock()) = (Some(peer(3)), Some(peer(3)));
    assert_eq!(call(&router, LONG).await.unwrap(), Bytes::from_static(b"ask"));
    assert_eq!(*members.asked.lock(), [peer(1), peer(3)]);
    call(&router, LONG).await.unwrap();
    assert_eq!(members.asked.lock().last(), Some(&peer(3)));
    assert_eq!(members.asked.lock().len(), 3);
    // Even one that is no known member, since it has just joined.
    (*members.leader.lock(), *members.knows.lock()) = (Some(peer(4)), Some(peer(4)));
    call(&router, LONG).await.unwrap();
    assert_eq!(members.asked.lock().last(), Some(&peer(4)));
}

#[tokio::test(start_paused = true)]
async fn one_living_member_is_enough_and_silence_costs_no_more_than_the_deadline() {
    let (members, router) = router();
    *members.leader.lock() = Some(peer(3));
    *members.silent.lock() = vec![peer(1), peer(2)];
    call(&router, LONG).await.unwrap();
    members.silent.lock().push(peer(3));
    let began = Instant::now();
    let error = call(&router, Duration::from_secs(5)).await.unwrap_err();
    assert!(matches!(error, RouteError::TimedOut { asked: 1.., .. }), "{error}");
    assert_eq!(began.elapsed().as_secs(), 5);
    assert!(matches!(router.call(GroupId::new(9), Bytes::new(), LONG).await, Err(RouteError::NoMembers { .. })));
}

#[tokio::test(start_paused = true)]
async fn members_that_send_each_other_on_for_ever_are_not_followed_for_ever() {
    let (members, router) = router();
    // Everybody names somebody who does not lead; pauses grow meanwhile.
    *members.knows.lock() = Some(peer(2));
    let error = call(&router, Duration::from_secs(10)).await.unwrap_err();
    let RouteError::TimedOut { asked, .. } = error else { panic!("{error}") };
    assert!((3..200).contains(&asked), "{asked}");
    *members.leader.lock() = Some(peer(1));
    call(&router, LONG).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_fails_again_and_again_is_passed_over_for_a_while() {
    let breakers = Breakers::default();
    let order = || breakers.in_order(vec![peer(1), peer(2)]);
    for number in 1..=ROUTER_FAILURES_MAX {
        assert_eq!(order(), [peer(2), peer(1)]);
        assert_eq!(breakers.note(peer(1), false), number == ROUTER_FAILURES_MAX, "it is told once");
    }
    assert_eq!(order(), [peer(2)]);
    tokio::time::advance(Duration::from_secs(ROUTER_OPEN_SECONDS)).await;
    assert_eq!(order(), [peer(2), peer(1)]);
    breakers.note(peer(1), false);
    assert_eq!(order(), [peer(2)]);
    breakers.note(peer(1), true);
    assert_eq!(order(), [peer(2), peer(1)]);
    // Nobody else is left: then they are asked all the same.
    for _ in 0..ROUTER_FAILURES_MAX {
        breakers.note(peer(1), false);
        breakers.note(peer(2), false);
    }
    assert_eq!(order(), [peer(2), peer(1)]);
    let many = |number: usize| {
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        PeerId::from_bytes(bytes)
    };
    for number in 0..=ROUTER_PEERS_MAX {
        breakers.note(many(number), false);
    }
    assert!(breakers.len() <= ROUTER_PEERS_MAX);
}
