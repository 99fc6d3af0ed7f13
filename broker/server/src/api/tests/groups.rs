//! Groups over the wire, in every version. What is expected here is what Apache Kafka 4.3.1 answers.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::*;
use protocol::model::Uuid;

use super::super::topics::text;
use super::create;
use crate::testing::{TestBroker, decoded, finished};

async fn start() -> TestBroker {
    let settings = [
        ("group.initial.rebalance.delay.ms", "0"),
        ("offsets.topic.num.partitions", "3"),
        ("offset.metadata.max.bytes", "10"),
    ];
    let mut broker = TestBroker::start(&settings).await;
    let found = find(&mut broker, 0, &["g"]).await;
    assert_eq!(found[0].error_code, 0);
    broker
}

/// As version 4 answers.
async fn find(
    broker: &mut TestBroker,
    version: i16,
    groups: &[&str],
) -> Vec<find_coordinator_response::Coordinator> {
    let mut request = FindCoordinatorRequest::default();
    if version >= 4 {
        request.coordinator_keys = groups.iter().map(|group| text(*group)).collect();
    } else {
        request.key = text(groups[0]);
    }
    let found: FindCoordinatorResponse = broker.ask(version, &request).await;
    if version >= 4 {
        return found.coordinators;
    }
    let only = find_coordinator_response::Coordinator::default()
        .with_key(text(groups[0]))
        .with_error_code(found.error_code)
        .with_node_id(found.node_id)
        .with_host(found.host)
        .with_port(found.port);
    vec![only]
}

#[tokio::test]
async fn coordinators_are_found_and_their_topic_is_made() {
    for version in 0..=6 {
        let settings = [("offsets.topic.num.partitions", "3")];
        let mut broker = TestBroker::start(&settings).await;
        let groups: &[&str] = if version >= 4 { &["a", "b"] } else { &["a"] };
        let found = find(&mut broker, version, groups).await;
        for (found, group) in found.iter().zip(groups) {
            assert_eq!((found.error_code, found.key.as_str()), (0, *group));
            let place = (found.node_id.0, found.host.as_str(), found.port);
            assert_eq!(place, (broker.broker.id.get(), "127.0.0.1", 9092));
        }
        let image = broker.broker.metadata.image();
        let topic = image.topic_named("__consumer_offsets").expect("made");
        assert_eq!(topic.partitions().count(), 3);
        let configs = image.topic_configs("__consumer_offsets").expect("set");
        assert_eq!(configs["cleanup.policy"], "compact");
        // There are no coordinators of other kinds.
        let kinds = [
            (1, ErrorCode::TransactionalIdAuthorizationFailed),
            (2, ErrorCode::InvalidRequest),
            (9, ErrorCode::InvalidRequest),
        ];
        for (kind, expected) in kinds.into_iter().filter(|_| version >= 1) {
            let mut request = FindCoordinatorRequest::default().with_key_type(kind);
            if version >= 4 {
                request.coordinator_keys = vec![text("t")];
            } else {
                request.key = text("t");
            }
            let other: FindCoordinatorResponse = broker.ask(version, &request).await;
            let code = match other.coordinators.first() {
                Some(first) => first.error_code,
                None => other.error_code,
            };
            assert_eq!(code, expected.code());
        }
    }
}

fn join_request(version: i16, member: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff"));
    let request = JoinGroupRequest::default()
        .with_group_id(text("g").into())
        .with_session_timeout_ms(10_000)
        .with_member_id(text(member))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    match version {
        0 => request,
        _ => request.with_rebalance_timeout_ms(20_000),
    }
}

fn sync_request(member: &str, generation: i32) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(text(member))
        .with_assignment(Bytes::from_static(b"mine"));
    SyncGroupRequest::default()
        .with_group_id(text("g").into())
        .with_generation_id(generation)
        .with_member_id(text(member))
        .with_assignments(vec![assignment])
}

/// Joins as the only member, in `version`. Returns its id and the generation.
async fn join(broker: &mut TestBroker, version: i16) -> (String, i32) {
    let mut request = join_request(version, "");
    let mut joined: JoinGroupResponse = broker.ask(version, &request).await;
    if version >= 4 {
        assert_eq!(joined.error_code, ErrorCode::MemberIdRequired.code());
        request.member_id = joined.member_id;
        joined = broker.ask(version, &request).await;
    }
    assert_eq!(joined.error_code, 0);
    assert_eq!(joined.leader, joined.member_id);
    assert_eq!(joined.protocol_name, Some(text("range")));
    let kind = (version >= 7).then(|| text("consumer"));
    assert_eq!(joined.protocol_type, kind);
    assert_eq!(joined.members.len(), 1);
    (joined.member_id.to_string(), joined.generation_id)
}

#[tokio::test]
async fn a_member_lives_and_leaves_in_every_version() {
    let mut broker = start().await;
    for version in 0..=9 {
        let (member, generation) = join(&mut broker, version).await;
        let sync = sync_request(&member, generation);
        let version = version.min(5);
        let synced: SyncGroupResponse = broker.ask(version, &sync).await;
        assert_eq!(
            (synced.error_code, &synced.assignment[..]),
            (0, &b"mine"[..])
        );
        let told = (version >= 5).then(|| text("range"));
        assert_eq!(synced.protocol_name, told);
        let version = version.min(4);
        let heartbeat = |generation| {
            HeartbeatRequest::default()
                .with_group_id(text("g").into())
                .with_member_id(text(&*member))
                .with_generation_id(generation)
        };
        for (generation, code) in [
            (generation, ErrorCode::None),
            (generation + 1, ErrorCode::IllegalGeneration),
        ] {
            let answer: HeartbeatResponse = broker.ask(version, &heartbeat(generation)).await;
            assert_eq!(answer.error_code, code.code());
        }
        let mut leave = LeaveGroupRequest::default().with_group_id(text("g").into());
        if version >= 3 {
            let identity = MemberIdentity::default().with_member_id(text(&*member));
            leave.members = vec![identity];
        } else {
            leave.member_id = text(&*member);
        }
        let left: LeaveGroupResponse = broker.ask(version, &leave).await;
        assert_eq!(left.error_code, 0);
        assert_eq!(left.members.len(), usize::from(version >= 3));
        let again: LeaveGroupResponse = broker.ask(version, &leave).await;
        let unknown = ErrorCode::UnknownMemberId.code();
        if version >= 3 {
            assert_eq!(
                (again.error_code, again.members[0].error_code),
                (0, unknown)
            );
        } else {
            assert_eq!(again.error_code, unknown);
        }
    }
}

#[tokio::test]
async fn a_join_waits_for_the_others() {
    let mut broker = start().await;
    let (a, generation) = join(&mut broker, 3).await;
    let waiting = broker.begin(3, &join_request(3, ""));
    let again: JoinGroupResponse = broker.ask(3, &join_request(3, &a)).await;
    assert_eq!((again.error_code, again.generation_id), (0, generation + 1));
    assert_eq!(again.members.len(), 2);
    let joined: JoinGroupResponse = decoded(&finished(waiting).await, ApiKey::JoinGroup, 3);
    assert_eq!(
        (joined.generation_id, joined.members.len()),
        (generation + 1, 0)
    );
    // The broker stops: who waits is not kept waiting.
    let waiting = broker.begin(3, &join_request(3, ""));
    broker.broker.groups.close();
    let ended: JoinGroupResponse = decoded(&finished(waiting).await, ApiKey::JoinGroup, 3);
    assert_eq!(ended.error_code, ErrorCode::NotCoordinator.code());
}

/// A request of version 10: topics by id, and no names.
fn by_id(broker: &TestBroker, mut request: OffsetCommitRequest) -> OffsetCommitRequest {
    let image = broker.broker.metadata.image();
    for topic in &mut request.topics {
        let known = image.topic_named(&topic.name.0);
        topic.topic_id = known.map_or(Uuid::from_u128(99), |known| known.topic_id().get());
        topic.name = TopicName::default();
    }
    request
}

fn commit_request(partitions: &[(&str, i32, i64, &str)]) -> OffsetCommitRequest {
    let topic = |(topic, partition, offset, metadata): &(&str, i32, i64, &str)| {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(*partition)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text(*metadata)));
        OffsetCommitRequestTopic::default()
            .with_name(text(*topic).into())
            .with_partitions(vec![partition])
    };
    OffsetCommitRequest::default()
        .with_group_id(text("g").into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(partitions.iter().map(topic).collect())
}

async fn commit(broker: &mut TestBroker, version: i16, request: &OffsetCommitRequest) -> Vec<i16> {
    let answer: OffsetCommitResponse = broker.ask(version, request).await;
    let codes = answer.topics.iter().flat_map(|topic| &topic.partitions);
    codes.map(|partition| partition.error_code).collect()
}

/// Offset, leader epoch and metadata of partitions 0 and 1 of `t`.
async fn fetch(broker: &mut TestBroker, version: i16) -> Vec<(i64, i32, String)> {
    let mut request = OffsetFetchRequest::default();
    if version >= 8 {
        let mut topic = OffsetFetchRequestTopics::default()
            .with_name(text("t").into())
            .with_partition_indexes(vec![0, 1]);
        if version >= 10 {
            let image = broker.broker.metadata.image();
            topic.topic_id = image.topic_named("t").expect("made").topic_id().get();
        }
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(text("g").into())
            .with_topics(Some(vec![topic]));
        request.groups = vec![group];
    } else {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(text("t").into())
            .with_partition_indexes(vec![0, 1]);
        request = request
            .with_group_id(text("g").into())
            .with_topics(Some(vec![topic]));
    }
    let answer: OffsetFetchResponse = broker.ask(version, &request).await;
    let metadata =
        |text: &Option<protocol::codec::StrBytes>| text.as_deref().unwrap_or("null").to_owned();
    if version >= 8 {
        let group = &answer.groups[0];
        assert_eq!((group.error_code, group.group_id.as_str()), (0, "g"));
        let partitions = group.topics[0].partitions.iter();
        return partitions
            .map(|it| {
                (
                    it.committed_offset,
                    it.committed_leader_epoch,
                    metadata(&it.metadata),
                )
            })
            .collect();
    }
    assert_eq!(answer.error_code, 0);
    let partitions = answer.topics[0].partitions.iter();
    partitions
        .map(|it| {
            (
                it.committed_offset,
                it.committed_leader_epoch,
                metadata(&it.metadata),
            )
        })
        .collect()
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_in_every_version() {
    let mut broker = start().await;
    create(&mut broker, "t", 2).await;
    for version in 2..=10 {
        let offset = i64::from(version);
        let request = commit_request(&[
            ("t", 0, offset, "m"),
            ("none", 0, 1, ""),
            ("t", 9, 1, ""),
            ("t", 1, 1, "eleven long"),
        ]);
        let request = match version {
            10 => by_id(&broker, request),
            _ => request,
        };
        let codes = commit(&mut broker, version, &request).await;
        let unknown = ErrorCode::UnknownTopicOrPartition.code();
        let no_topic = match version {
            10 => ErrorCode::UnknownTopicId.code(),
            _ => unknown,
        };
        let too_large = ErrorCode::OffsetMetadataTooLarge.code();
        assert_eq!(codes, [0, no_topic, unknown, too_large]);
        for version in 1..=10 {
            let expected = [(offset, -1, "m".to_owned()), (-1, -1, String::new())];
            assert_eq!(fetch(&mut broker, version).await, expected, "{version}");
        }
    }
    let member = commit_request(&[("t", 0, 1, "")]).with_generation_id_or_member_epoch(3);
    for (version, code) in [
        (8, ErrorCode::UnknownMemberId),
        (9, ErrorCode::UnknownMemberId),
    ] {
        assert_eq!(commit(&mut broker, version, &member).await, [code.code()]);
    }
    for (version, code) in [
        (8, ErrorCode::IllegalGeneration),
        (9, ErrorCode::GroupIdNotFound),
    ] {
        let other = member.clone().with_group_id(text("other").into());
        assert_eq!(commit(&mut broker, version, &other).await, [code.code()]);
    }
}

#[tokio::test]
async fn groups_are_listed_described_and_deleted() {
    let mut broker = start().await;
    create(&mut broker, "t", 1).await;
    let simple = commit_request(&[("t", 0, 1, "")]).with_group_id(text("simple").into());
    assert_eq!(commit(&mut broker, 8, &simple).await, [0]);
    let (member, generation) = join(&mut broker, 3).await;
    let synced: SyncGroupResponse = broker.ask(3, &sync_request(&member, generation)).await;
    assert_eq!(synced.error_code, 0);
    for version in 0..=5 {
        let mut request = ListGroupsRequest::default();
        let listed: ListGroupsResponse = broker.ask(version, &request).await;
        let mut groups = listed.groups;
        groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        let names: Vec<_> = groups.iter().map(|group| group.group_id.as_str()).collect();
        assert_eq!((listed.error_code, names), (0, vec!["g", "simple"]));
        assert_eq!(groups[0].protocol_type.as_str(), "consumer");
        if version >= 4 {
            assert_eq!(groups[0].group_state.as_str(), "Stable");
            request.states_filter = vec![text("EMPTY")];
            let empty: ListGroupsResponse = broker.ask(version, &request).await;
            assert_eq!(empty.groups.len(), 1);
        }
        if version >= 5 {
            assert_eq!(groups[0].group_type.as_str(), "classic");
            request.types_filter = vec![text("consumer")];
            let none: ListGroupsResponse = broker.ask(version, &request).await;
            assert!(none.groups.is_empty());
        }
    }
    for version in 0..=6 {
        let names = ["g", "simple", "none"].map(|group| text(group).into());
        let request = DescribeGroupsRequest::default().with_groups(names.to_vec());
        let described: DescribeGroupsResponse = broker.ask(version, &request).await;
        let [stable, simple, none] = &described.groups[..] else {
            panic!("three of them")
        };
        assert_eq!(
            (stable.error_code, stable.group_state.as_str()),
            (0, "Stable")
        );
        assert_eq!(stable.protocol_data.as_str(), "range");
        let described = &stable.members[0];
        assert_eq!(described.member_id.as_str(), member);
        assert_eq!(described.client_host.as_str(), "/127.0.0.1");
        assert_eq!(&described.member_assignment[..], b"mine");
        assert_eq!(
            (simple.error_code, simple.group_state.as_str()),
            (0, "Empty")
        );
        let code = match version {
            6 => ErrorCode::GroupIdNotFound,
            _ => ErrorCode::None,
        };
        assert_eq!(
            (none.error_code, none.group_state.as_str()),
            (code.code(), "Dead")
        );
    }
    for version in 0..=2 {
        let names = ["g", "none", ""].map(|group| text(group).into());
        let request = DeleteGroupsRequest::default().with_groups_names(names.to_vec());
        let deleted: DeleteGroupsResponse = broker.ask(version, &request).await;
        let codes: Vec<_> = deleted.results.iter().map(|it| it.error_code).collect();
        let expected = [
            ErrorCode::NonEmptyGroup,
            ErrorCode::GroupIdNotFound,
            ErrorCode::GroupIdNotFound,
        ];
        assert_eq!(codes, expected.map(ErrorCode::code));
    }
    let partition = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(text("t").into())
        .with_partitions(vec![partition(0), partition(7)]);
    let request = OffsetDeleteRequest::default()
        .with_group_id(text("simple").into())
        .with_topics(vec![topic]);
    let deleted: OffsetDeleteResponse = broker.ask(0, &request).await;
    let partitions = deleted.topics[0].partitions.iter();
    let codes: Vec<_> = partitions.map(|it| it.error_code).collect();
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!((deleted.error_code, codes), (0, vec![0, unknown]));
}

#[tokio::test]
async fn what_is_recorded_of_groups_is_not_for_clients_to_write() {
    let mut broker = start().await;
    let image = broker.broker.metadata.image();
    let topic = image.topic_named("__consumer_offsets").expect("made");
    let mut builder = protocol::batch::BatchBuilder::new();
    builder.push(&protocol::batch::NewRecord {
        key: Some(b"k"),
        value: Some(b"v"),
        ..protocol::batch::NewRecord::default()
    });
    let partition = produce_request::PartitionProduceData::default()
        .with_records(Some(builder.build().freeze()));
    let topic = produce_request::TopicProduceData::default()
        .with_topic_id(topic.topic_id().get())
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1000)
        .with_topic_data(vec![topic]);
    let answer: ProduceResponse = broker.ask(13, &request).await;
    let refused = &answer.responses[0].partition_responses[0];
    assert_eq!(refused.error_code, ErrorCode::InvalidTopicException.code());
    let message = refused.error_message.as_deref().expect("a message");
    assert_eq!(
        message,
        "Cannot append to internal topic __consumer_offsets"
    );
}
