//! Groups of the consumer protocol (KIP-848) over the wire. What is expected here is what Apache Kafka 4.3.1 answers.

use protocol::ErrorCode;
use protocol::messages::consumer_group_describe_response::DescribedGroup;
use protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use protocol::messages::*;
use protocol::model::Uuid;

use super::super::topics::text;
use super::create;
use crate::testing::TestBroker;

async fn start(settings: &[(&str, &str)]) -> TestBroker {
    let settings: Vec<_> = [("offsets.topic.num.partitions", "3")]
        .iter()
        .chain(settings)
        .copied()
        .collect();
    let mut broker = TestBroker::start(&settings).await;
    let request = FindCoordinatorRequest::default().with_key(text("g"));
    let found: FindCoordinatorResponse = broker.ask(0, &request).await;
    assert_eq!(found.error_code, 0);
    broker
}

fn first(member: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(text("g").into())
        .with_member_id(text(member))
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![text("t").into()]))
        .with_topic_partitions(Some(Vec::new()))
}

fn next(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(text("g").into())
        .with_member_id(text(member))
        .with_member_epoch(epoch)
}

async fn beat(
    broker: &mut TestBroker,
    version: i16,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    broker.ask(version, request).await
}

async fn describe(broker: &mut TestBroker, version: i16, group: &str) -> DescribedGroup {
    let request = ConsumerGroupDescribeRequest::default()
        .with_group_ids(vec![text(group).into()])
        .with_include_authorized_operations(version == 1);
    let mut answer: ConsumerGroupDescribeResponse = broker.ask(version, &request).await;
    answer.groups.remove(0)
}

/// Topic and partitions of an answer.
fn assigned(answer: &ConsumerGroupHeartbeatResponse) -> Vec<(Uuid, Vec<i32>)> {
    let assignment = answer.assignment.as_ref().expect("an assignment");
    let topics = assignment.topic_partitions.iter();
    topics
        .map(|it| (it.topic_id, it.partitions.clone()))
        .collect()
}

#[tokio::test]
async fn a_member_is_given_an_id_or_has_one_and_is_assigned_partitions() {
    for version in 0..=1 {
        let mut broker = start(&[]).await;
        let topic = create(&mut broker, "t", 2).await;
        let unnamed = beat(&mut broker, version, &first("")).await;
        let member = match version {
            0 => unnamed.member_id.expect("an id").to_string(),
            _ => {
                assert_eq!(unnamed.error_code, ErrorCode::InvalidRequest.code());
                let message = unnamed.error_message.expect("a message");
                assert_eq!(message.as_str(), "MemberId can't be empty.");
                assert_eq!(unnamed.member_id, None);
                let named = beat(&mut broker, version, &first("m")).await;
                assert_eq!(named.member_id, Some(text("m")));
                assert_eq!(named.error_code, 0);
                "m".to_owned()
            }
        };
        let again = beat(&mut broker, version, &first(&member)).await;
        assert_eq!((again.error_code, again.member_epoch), (0, 2));
        assert_eq!(again.heartbeat_interval_ms, 5_000);
        assert_eq!(assigned(&again), [(topic, vec![0, 1])]);
        let owned = TopicPartitions::default()
            .with_topic_id(topic)
            .with_partitions(vec![0, 1]);
        let said = next(&member, 2).with_topic_partitions(Some(vec![owned]));
        let told = beat(&mut broker, version, &said).await;
        assert_eq!((told.member_epoch, told.assignment), (2, None));

        let described = describe(&mut broker, version, "g").await;
        assert_eq!(
            (described.error_code, described.group_state.as_str()),
            (0, "Stable")
        );
        let epochs = (described.group_epoch, described.assignment_epoch);
        assert_eq!(epochs, (2, 2));
        assert_eq!(described.assignor_name.as_str(), "uniform");
        let operations = match version {
            0 => i32::MIN,
            _ => 3_400,
        };
        assert_eq!(described.authorized_operations, operations);
        let only = &described.members[0];
        assert_eq!(only.member_id.as_str(), member);
        assert_eq!(only.member_type, if version == 0 { -1 } else { 1 });
        assert_eq!(only.client_host.as_str(), "/127.0.0.1");
        assert_eq!(only.subscribed_topic_names, [TopicName(text("t"))]);
        assert_eq!(only.subscribed_topic_regex, Some(text("")));
        for side in [&only.assignment, &only.target_assignment] {
            let topics = &side.topic_partitions;
            assert_eq!(topics[0].topic_name.as_str(), "t");
            assert_eq!(topics[0].topic_id, topic);
            assert_eq!(topics[0].partitions, [0, 1]);
        }

        let left = beat(&mut broker, version, &next(&member, -1)).await;
        assert_eq!((left.error_code, left.member_epoch), (0, -1));
        let described = describe(&mut broker, version, "g").await;
        assert_eq!(described.group_state.as_str(), "Empty");
    }
}

#[tokio::test]
async fn what_is_refused_says_why() {
    let mut broker = start(&[]).await;
    create(&mut broker, "t", 1).await;
    let unknown = beat(&mut broker, 1, &next("m", 1)).await;
    assert_eq!(unknown.error_code, ErrorCode::GroupIdNotFound.code());
    beat(&mut broker, 1, &first("m")).await;
    let unknown = beat(&mut broker, 1, &next("other", 1)).await;
    assert_eq!(unknown.error_code, ErrorCode::UnknownMemberId.code());
    let fenced = beat(&mut broker, 1, &next("m", 7)).await;
    assert_eq!(fenced.error_code, ErrorCode::FencedMemberEpoch.code());
    let assignor = first("m").with_server_assignor(Some(text("best")));
    let refused = beat(&mut broker, 1, &assignor).await;
    assert_eq!(refused.error_code, ErrorCode::UnsupportedAssignor.code());
    let message = refused.error_message.expect("a message");
    assert!(message.contains("uniform, range"), "{message}");
    let mut regex = first("r").with_subscribed_topic_regex(Some(text("(")));
    regex.subscribed_topic_names = None;
    let refused = beat(&mut broker, 1, &regex).await;
    let invalid = ErrorCode::InvalidRegularExpression.code();
    assert_eq!(refused.error_code, invalid);

    for (group, code) in [
        ("", ErrorCode::InvalidGroupId),
        ("none", ErrorCode::GroupIdNotFound),
    ] {
        let described = describe(&mut broker, 1, group).await;
        assert_eq!(described.error_code, code.code());
    }
    // The group is not one of the classic protocol.
    let request = DescribeGroupsRequest::default().with_groups(vec![text("g").into()]);
    let described: DescribeGroupsResponse = broker.ask(6, &request).await;
    let group = &described.groups[0];
    assert_eq!(group.error_code, ErrorCode::GroupIdNotFound.code());
    let message = group.error_message.as_deref();
    assert_eq!(message, Some("Group g is not a classic group."));
    for (kind, count) in [("consumer", 1), ("classic", 0)] {
        let request = ListGroupsRequest::default().with_types_filter(vec![text(kind)]);
        let listed: ListGroupsResponse = broker.ask(5, &request).await;
        assert_eq!(listed.groups.len(), count, "{kind}");
    }
}

#[tokio::test]
async fn the_protocol_can_be_turned_off() {
    let setting = ("group.coordinator.rebalance.protocols", "classic");
    let mut broker = start(&[setting]).await;
    let unsupported = ErrorCode::UnsupportedVersion.code();
    let refused = beat(&mut broker, 1, &first("m")).await;
    assert_eq!(refused.error_code, unsupported);
    let described = describe(&mut broker, 1, "g").await;
    assert_eq!(described.error_code, unsupported);
}

#[tokio::test]
async fn a_group_goes_by_its_own_settings() {
    let mut broker = start(&[("group.consumer.heartbeat.interval.ms", "6000")]).await;
    create(&mut broker, "t", 1).await;
    let told = beat(&mut broker, 1, &first("m")).await;
    assert_eq!(told.heartbeat_interval_ms, 6_000);
    let config = AlterableConfig::default()
        .with_name(text("consumer.heartbeat.interval.ms"))
        .with_value(Some(text("7000")));
    let group = AlterConfigsResource::default()
        .with_resource_type(32)
        .with_resource_name(text("g"))
        .with_configs(vec![config]);
    let change = IncrementalAlterConfigsRequest::default().with_resources(vec![group]);
    let changed: IncrementalAlterConfigsResponse = broker.ask(1, &change).await;
    assert_eq!(changed.responses[0].error_code, 0);
    let told = beat(&mut broker, 1, &next("m", told.member_epoch)).await;
    assert_eq!(told.heartbeat_interval_ms, 7_000);
}

#[tokio::test]
async fn new_partitions_are_assigned_and_those_of_a_topic_that_is_gone_are_not() {
    let mut broker = start(&[("group.consumer.assignment.interval.ms", "0")]).await;
    let told = beat(&mut broker, 1, &first("m")).await;
    assert_eq!(assigned(&told), []);
    let topic = create(&mut broker, "t", 1).await;
    let told = beat(&mut broker, 1, &next("m", told.member_epoch)).await;
    assert_eq!(assigned(&told), [(topic, vec![0])]);
    let name = create_partitions_request::CreatePartitionsTopic::default()
        .with_name(text("t").into())
        .with_count(2)
        .with_assignments(None);
    let more = CreatePartitionsRequest::default()
        .with_topics(vec![name])
        .with_timeout_ms(10_000);
    let made: CreatePartitionsResponse = broker.ask(3, &more).await;
    assert_eq!(made.results[0].error_code, 0);
    let said = |partitions: Vec<i32>, epoch| {
        let owned = TopicPartitions::default()
            .with_topic_id(topic)
            .with_partitions(partitions);
        next("m", epoch).with_topic_partitions(Some(vec![owned]))
    };
    let told = beat(&mut broker, 1, &said(vec![0], told.member_epoch)).await;
    assert_eq!(assigned(&told), [(topic, vec![0, 1])]);
    let gone = DeleteTopicsRequest::default()
        .with_topic_names(vec![text("t").into()])
        .with_timeout_ms(10_000);
    let deleted: DeleteTopicsResponse = broker.ask(5, &gone).await;
    assert_eq!(deleted.responses[0].error_code, 0);
    beat(&mut broker, 1, &said(vec![0, 1], told.member_epoch)).await;
    let told = beat(&mut broker, 1, &said(vec![], told.member_epoch)).await;
    assert_eq!(told.error_code, 0);
    let described = describe(&mut broker, 1, "g").await;
    let only = &described.members[0];
    assert!(only.target_assignment.topic_partitions.is_empty());
    assert!(only.assignment.topic_partitions.is_empty());
}
