use broker_controller::decide::{CreateTopics, NewTopic, RegisterBroker, ReplicaAssignment};
use broker_controller::{DirectoryId, IncarnationId};
use protocol::model::Uuid;

use super::*;
use crate::testing::TestBroker;

const LEADER: BrokerId = BrokerId::new(2);
const PARTITIONS: i32 = 3;

/// A broker with replicas that follow another, and what asks for them.
async fn following() -> (TestBroker, FetchLoop) {
    let broker = TestBroker::start(&[]).await;
    let metadata = &broker.broker.metadata;
    let other = RegisterBroker {
        broker_id: LEADER,
        incarnation_id: IncarnationId::new(Uuid::from_u128(1)),
        directories: vec![DirectoryId::new(Uuid::from_u128(2_000))],
        ..broker.broker.registration.clone()
    };
    let registered = metadata.submit(&other).await.expect("a controller");
    registered.expect("another broker");
    let brokers = vec![LEADER, BrokerId::new(1)];
    let assignment = |partition| ReplicaAssignment {
        partition,
        brokers: brokers.clone(),
    };
    let command = CreateTopics {
        topics: vec![NewTopic {
            name: "t".to_owned(),
            topic_id: TopicId::new(Uuid::from_u128(1 << 100)).expect("not zero"),
            num_partitions: None,
            replication_factor: None,
            assignments: (0..PARTITIONS).map(assignment).collect(),
            configs: Vec::new(),
        }],
        validate_only: false,
    };
    let created = metadata.submit(&command).await.expect("a controller");
    created[0].result.as_ref().expect("a topic");
    let node = Arc::clone(&broker.broker.node);
    let says = Arc::new(move || crate::internal::Handler::identity(&*node));
    let images = Arc::clone(metadata);
    let fetching = FetchLoop {
        id: broker.broker.id,
        broker_epoch: broker.broker.epoch,
        leader: LEADER,
        peers: Arc::new(BrokerPeers::new(says, move || images.image())),
        partitions: Arc::downgrade(&broker.broker.partitions),
        changed: Arc::default(),
    };
    (broker, fetching)
}

fn numbers(asked: &Asked) -> Vec<i32> {
    asked
        .questions
        .keys()
        .map(|id| id.partition.get())
        .collect()
}

/// These replicas are throttled, and out of sync.
fn throttle(broker: &TestBroker, numbers: &[i32]) {
    for followed in broker.broker.partitions.all_followed() {
        if numbers.contains(&followed.id().partition.get()) {
            followed.set_throttled(true);
            followed.follow(Some(LEADER), LeaderEpoch::new(0), false);
        }
    }
}

fn set_rate(broker: &TestBroker, rate: Option<i64>) {
    let throttles = broker.broker.partitions.throttles();
    throttles.follower.set_rate(monotonic_ms(), rate);
}

#[tokio::test]
async fn throttled_replicas_are_not_asked_for_until_the_rate_allows() {
    let (broker, fetching) = following().await;
    throttle(&broker, &[1]);
    let asked = fetching.asked(0);
    assert_eq!((numbers(&asked), asked.more_in), (vec![0, 1, 2], None));
    set_rate(&broker, Some(1_000));
    assert_eq!(numbers(&fetching.asked(0)), [0, 1, 2]);
    broker.broker.partitions.on_replicated(1_000_000, 1_000_000);
    let asked = fetching.asked(0);
    assert_eq!(numbers(&asked), [0, 2]);
    let more_in = asked.more_in.expect("there is more");
    assert!((900..=1_001).contains(&more_in.as_secs()), "{more_in:?}");
    // The leader answers by then.
    let told = FetchSession::default().next(BTreeMap::new());
    let request = fetching.request(told, Some(Duration::from_millis(30)));
    assert_eq!(request.max_wait_ms, 30);
}

#[tokio::test]
async fn replicas_in_sync_are_never_held() {
    let (broker, fetching) = following().await;
    throttle(&broker, &[0, 1, 2]);
    set_rate(&broker, Some(0));
    assert!(numbers(&fetching.asked(0)).is_empty());
    let followed = broker.broker.partitions.all_followed();
    followed[0].follow(Some(LEADER), LeaderEpoch::new(0), true);
    let in_sync = followed[0].id().partition.get();
    assert_eq!(numbers(&fetching.asked(0)), [in_sync]);
}

#[tokio::test]
async fn throttled_replicas_take_turns() {
    let (broker, fetching) = following().await;
    throttle(&broker, &[0, 1, 2]);
    // Less than the leader may give of one.
    set_rate(&broker, Some(100_000));
    let turns: Vec<_> = (0..4).map(|turn| numbers(&fetching.asked(turn))).collect();
    assert_eq!(turns, [[0], [1], [2], [0]]);
    assert_eq!(fetching.asked(0).more_in, Some(TURN));
}
