use broker_controller::decide::{CreateTopics, NewTopic, RegisterBroker, ReplicaAssignment};
use broker_controller::{DirectoryId, IncarnationId};
use protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
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
    let caller = broker.broker.node.caller();
    let images = Arc::clone(metadata);
    let fetching = FetchLoop {
        id: broker.broker.id,
        broker_epoch: broker.broker.epoch,
        leader: LEADER,
        peers: Arc::new(BrokerPeers::new(caller, move || images.image())),
        partitions: Arc::downgrade(&broker.broker.partitions),
        changed: Arc::default(),
    };
    (broker, fetching)
}

fn ask(fetching: &FetchLoop, turn: i32) -> Asked {
    fetching.asked(turn, Instant::now(), &mut Resting::default())
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
    let asked = ask(&fetching, 0);
    assert_eq!((numbers(&asked), asked.more_in), (vec![0, 1, 2], None));
    set_rate(&broker, Some(1_000));
    assert_eq!(numbers(&ask(&fetching, 0)), [0, 1, 2]);
    broker.broker.partitions.on_replicated(1_000_000, 1_000_000);
    let asked = ask(&fetching, 0);
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
    assert!(numbers(&ask(&fetching, 0)).is_empty());
    let followed = broker.broker.partitions.all_followed();
    followed[0].follow(Some(LEADER), LeaderEpoch::new(0), true);
    let in_sync = followed[0].id().partition.get();
    assert_eq!(numbers(&ask(&fetching, 0)), [in_sync]);
}

#[tokio::test]
async fn throttled_replicas_take_turns() {
    let (broker, fetching) = following().await;
    throttle(&broker, &[0, 1, 2]);
    // Less than the leader may give of one.
    set_rate(&broker, Some(100_000));
    let turns: Vec<_> = (0..4).map(|turn| numbers(&ask(&fetching, turn))).collect();
    assert_eq!(turns, [[0], [1], [2], [0]]);
    assert_eq!(ask(&fetching, 0).more_in, Some(TURN));
}

#[tokio::test]
async fn a_partition_that_is_refused_rests_alone() {
    let (broker, fetching) = following().await;
    let mut resting = Resting::default();
    let begin = Instant::now();
    let asked = fetching.asked(0, begin, &mut resting);
    let topic_id = asked.questions.keys().next().expect("one").topic_id.get();
    let told = |partition, code: ErrorCode| {
        PartitionData::default()
            .with_partition_index(partition)
            .with_error_code(code.code())
            .with_high_watermark(partition.into())
    };
    let topic = FetchableTopicResponse::default()
        .with_topic_id(topic_id)
        .with_partitions(vec![
            told(0, ErrorCode::None),
            told(1, ErrorCode::NotLeaderOrFollower),
            told(2, ErrorCode::UnknownTopicId),
        ]);
    let answer = FetchResponse::default().with_responses(vec![topic]);
    let refused = fetching.take(asked, answer).await.expect("an answer");
    let epoch = LeaderEpoch::new(0);
    let which: Vec<_> = refused
        .iter()
        .map(|(id, epoch)| (id.partition.get(), *epoch))
        .collect();
    assert_eq!(which, [(1, epoch), (2, epoch)]);
    for (id, epoch) in refused {
        resting.on_refused(begin, id, epoch);
    }
    let asked = fetching.asked(1, begin, &mut resting);
    assert_eq!(numbers(&asked), [0]);
    assert!(asked.more_in.expect("the others have rested") <= BACKOFF);
    // The metadata has another leadership of one of them.
    let followed = broker.broker.partitions.all_followed();
    let second = followed.iter().find(|it| it.id().partition.get() == 1);
    second
        .expect("it follows")
        .follow(Some(LEADER), LeaderEpoch::new(1), true);
    assert_eq!(numbers(&fetching.asked(2, begin, &mut resting)), [0, 1]);
    let asked = fetching.asked(3, begin + BACKOFF, &mut resting);
    assert_eq!((numbers(&asked), asked.more_in), (vec![0, 1, 2], None));
}
