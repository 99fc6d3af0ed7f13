//! What the page is shown of a broker.

use bytes::{Bytes, BytesMut};
use protocol::batch::{BatchBuilder, NewRecord};
use protocol::codec::StrBytes;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::*;
use protocol::model::Uuid;
use serde_json::{Value, json};

use super::*;
use crate::testing::TestBroker;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

async fn start_broker() -> (TestBroker, Server) {
    let settings = [
        ("group.initial.rebalance.delay.ms", "0"),
        ("offsets.topic.num.partitions", "3"),
    ];
    let broker = TestBroker::start(&settings).await;
    let (readiness, _) = watch::channel(Readiness::Ready);
    let departure = Departure::new(Arc::clone(&broker.broker), false, readiness);
    let metrics = Arc::clone(&broker.broker.metrics);
    let server = start_showing(TIMES, metrics, Arc::new(departure.into())).await;
    (broker, server)
}

impl Server {
    async fn shown(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Status and error.
    async fn refused(&self, path: &str) -> (u16, String) {
        let (status, body) = self.get(path).await;
        let body: Value = serde_json::from_str(&body).expect("JSON");
        (status, body["error"].as_str().expect("a reason").to_owned())
    }
}

async fn create(broker: &mut TestBroker, name: &str, partitions: i32) -> Uuid {
    let topic = CreatableTopic::default()
        .with_name(text(name).into())
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let response: CreateTopicsResponse = broker.ask(7, &request).await;
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    response.topics[0].topic_id
}

fn batch(records: usize) -> BytesMut {
    let mut builder = BatchBuilder::new();
    for _ in 0..records {
        builder.push(&NewRecord {
            timestamp: crate::clock::wall_clock_ms(),
            value: Some(b"value"),
            ..NewRecord::default()
        });
    }
    builder.build()
}

async fn produce(broker: &mut TestBroker, topic: Uuid, partition: i32, records: usize) {
    let partition = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch(records).freeze()));
    let topic = TopicProduceData::default()
        .with_topic_id(topic)
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic]);
    let response: ProduceResponse = broker.ask(13, &request).await;
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, 0, "{partition:?}");
}

/// Commits offsets of a group that has no members.
async fn commit(broker: &mut TestBroker, group: &str, offsets: &[(&str, i32, i64)]) {
    let find = FindCoordinatorRequest::default().with_key(text(group));
    let found: FindCoordinatorResponse = broker.ask(3, &find).await;
    assert_eq!(found.error_code, 0);
    let topics = offsets.iter().map(|(topic, partition, offset)| {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(*partition)
            .with_committed_offset(*offset);
        OffsetCommitRequestTopic::default()
            .with_name(text(topic).into())
            .with_partitions(vec![partition])
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(text(group).into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics.collect());
    let response: OffsetCommitResponse = broker.ask(8, &request).await;
    let codes = response.topics.iter().flat_map(|it| &it.partitions);
    assert!(codes.map(|it| it.error_code).all(|code| code == 0));
}

/// Joins a group as its only member, which is assigned two partitions of `t`. Returns its id.
async fn join(broker: &mut TestBroker, group: &str) -> String {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff"));
    let request = JoinGroupRequest::default()
        .with_group_id(text(group).into())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(20_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let joined: JoinGroupResponse = broker.ask(3, &request).await;
    assert_eq!(joined.error_code, 0);
    let assigned = b"\0\0\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x01\xff\xff\xff\xff";
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(Bytes::from_static(assigned));
    let request = SyncGroupRequest::default()
        .with_group_id(text(group).into())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(vec![assignment]);
    let synced: SyncGroupResponse = broker.ask(3, &request).await;
    assert_eq!(synced.error_code, 0);
    joined.member_id.to_string()
}

#[tokio::test]
async fn before_the_start_there_is_nothing_to_show() {
    let server = start().await;
    for path in [
        "/api/broker",
        "/api/cluster",
        "/api/topics",
        "/api/topics/t",
        "/api/groups",
        "/api/group?id=g",
    ] {
        assert_eq!(
            server.refused(path).await,
            (503, "recovering".to_owned()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn nobody_keeps_what_is_shown_or_takes_it_for_a_page() {
    let (_broker, server) = start_broker().await;
    let answer = server
        .send("GET /api/cluster HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    for header in [
        "content-type: application/json\r\n",
        "cache-control: no-store\r\n",
        "x-content-type-options: nosniff\r\n",
        "content-security-policy: default-src 'none'; ",
    ] {
        assert!(answer.contains(header), "{header} is not in\n{answer}");
    }
    let answer = server
        .send("POST /api/cluster HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[tokio::test]
async fn the_cluster_and_this_broker_are_shown() {
    let (mut broker, server) = start_broker().await;
    let id = broker.broker.id.get();
    let topic = create(&mut broker, "t", 2).await;
    let before = server.shown("/api/broker").await;
    produce(&mut broker, topic, 1, 3).await;
    let after = server.shown("/api/broker").await;
    let counted = |name: &str| {
        let of = |value: &Value| value[name].as_u64().expect("a count");
        of(&after) - of(&before)
    };
    assert_eq!(counted("records_in"), 3);
    assert!(counted("bytes_in") > 0);
    assert_eq!(before["epoch"], after["epoch"]);
    assert_eq!(after["engine"]["name"], "threads");
    let syncs = &after["sync"];
    let bounds = syncs["bounds"].as_array().expect("bounds");
    let counts = syncs["counts"].as_array().expect("counts");
    assert_eq!(counts.len(), bounds.len() + 1);
    assert!(counts.last().and_then(Value::as_u64) > Some(0));
    let usage = &after["directories"][0]["usage"];
    assert!(usage["journal_bytes_capacity"].as_u64() >= usage["journal_bytes_used"].as_u64());
    assert_eq!(usage["is_refusing"], false);

    let cluster = server.shown("/api/cluster").await;
    assert_eq!(cluster["id"], broker.broker.cluster_id.as_str());
    assert_eq!(cluster["controller"], id);
    assert_eq!(cluster["topics"], 1);
    assert_eq!(cluster["partitions"], 2);
    let expected = json!([{
        "id": id,
        "rack": "r1",
        "addresses": ["127.0.0.1:9092"],
        "fenced": false,
        "short_of_space": false,
        "leaders": 2,
        "replicas": 2,
        "in_sync": 2,
    }]);
    assert_eq!(cluster["brokers"], expected);
    let well = json!({
        "no_leader": 0,
        "under_min_isr": 0,
        "under_replicated": 0,
        "reassigning": 0,
    });
    assert_eq!(cluster["health"], well);
}

#[tokio::test]
async fn topics_are_found_and_their_partitions_come_in_pages() {
    let (mut broker, server) = start_broker().await;
    let id = broker.broker.id.get();
    let topic = create(&mut broker, "orders", 2).await;
    create(&mut broker, "many", 201).await;
    produce(&mut broker, topic, 1, 3).await;

    let all = server.shown("/api/topics").await;
    assert_eq!((&all["total"], &all["matching"]), (&json!(2), &json!(2)));
    let names: Vec<_> = all["topics"].as_array().expect("topics").iter().collect();
    assert_eq!(names[0]["name"], "many");
    assert_eq!(names[1]["name"], "orders");
    assert_eq!(names[1]["partitions"], 2);
    assert_eq!(names[1]["replication_factor"], 1);
    assert_eq!(names[1]["min_insync_replicas"], 1);
    let some = server.shown("/api/topics?filter=ORD").await;
    assert_eq!((&some["total"], &some["matching"]), (&json!(2), &json!(1)));
    assert_eq!(some["topics"][0]["name"], "orders");
    let unwell = server.shown("/api/topics?unhealthy=true").await;
    assert_eq!(unwell["matching"], 0);

    // Percent signs may stand for anything that is in a name.
    let orders = server.shown("/api/topics/%6frders").await;
    assert_eq!(orders["partition_count"], 2);
    let written = &orders["partitions"][1];
    assert_eq!(written["partition"], 1);
    assert_eq!(written["leader"], id);
    assert_eq!(written["isr"], json!([id]));
    assert_eq!(written["conditions"], json!([]));
    assert_eq!(written["here"]["log_start_offset"], 0);
    assert_eq!(written["here"]["high_watermark"], 3);
    assert_eq!(written["here"]["log_end_offset"], 3);
    assert!(written["here"]["size_bytes"].as_u64() > Some(0));

    let first = server.shown("/api/topics/many").await;
    let rows = first["partitions"].as_array().expect("partitions");
    assert_eq!(Some(rows.len() as u64), first["partitions_max"].as_u64());
    let last = server.shown("/api/topics/many?from=200").await;
    let rows = last["partitions"].as_array().expect("partitions");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["partition"], 200);
    let beyond = server.shown("/api/topics/many?from=1000000").await;
    assert_eq!(beyond["partitions"], json!([]));
}

#[tokio::test]
async fn what_is_not_there_or_no_name_is_refused_in_words() {
    let (_broker, server) = start_broker().await;
    for (path, status, error) in [
        ("/api/topics/none", 404, "there is no topic of that name"),
        (
            "/api/topics/__cluster_metadata",
            404,
            "there is no topic of that name",
        ),
        ("/api/topics/a%2Fb", 400, "Topic name is invalid"),
        ("/api/topics/%ff", 400, "the topic's name is no UTF-8"),
        ("/api/topics/t?from=-1", 400, "from is no number"),
        ("/api/topics?filter=%", 400, "percent-encoded"),
        ("/api/group?id=g", 404, "no group of that id"),
        ("/api/group", 404, "no group of that id"),
    ] {
        let (got, why) = server.refused(path).await;
        assert_eq!(got, status, "{path}: {why}");
        assert!(why.contains(error), "{path}: {why}");
    }
    assert_eq!(server.get("/api/nothing").await.0, 404);
}

#[tokio::test]
async fn groups_are_shown_with_lag_and_members() {
    let (mut broker, server) = start_broker().await;
    let topic = create(&mut broker, "t", 2).await;
    produce(&mut broker, topic, 0, 5).await;
    produce(&mut broker, topic, 1, 7).await;
    // Nothing but text, whatever it looks like; and Kafka takes any offset.
    let odd = "<b> /../ä";
    commit(&mut broker, odd, &[("t", 0, 2), ("t", 1, 100)]).await;
    let far = [("t", 0, i64::MIN), ("t", 1, i64::MIN)];
    commit(&mut broker, "far", &far).await;
    let member = join(&mut broker, "readers").await;

    let all = server.shown("/api/groups").await;
    assert_eq!(all["total"], 3);
    let lag = |offsets: i64, partitions: usize| json!({"offsets": offsets, "partitions": partitions, "unknown": 0});
    let expected = json!([
        {"id": odd, "type": "classic", "protocol_type": "", "state": "Empty", "members": 0, "lag": lag(3, 2)},
        {"id": "far", "type": "classic", "protocol_type": "", "state": "Empty", "members": 0, "lag": lag(i64::MAX, 2)},
        {"id": "readers", "type": "classic", "protocol_type": "consumer", "state": "Stable", "members": 1, "lag": lag(0, 0)},
    ]);
    assert_eq!(all["groups"], expected);
    let some = server.shown("/api/groups?filter=%C3%84").await;
    assert_eq!(some["matching"], 1);
    assert_eq!(some["groups"][0]["id"], odd);

    let shown = server.shown("/api/group?id=%3Cb%3E%20/../%C3%A4").await;
    assert_eq!(shown["id"], odd);
    assert_eq!(shown["topics"], json!([{"topic": "t", "lag": lag(3, 2)}]));
    let shown = server.shown("/api/group?id=readers").await;
    assert_eq!(shown["assignor"], "range");
    let expected = json!([{
        "id": member,
        "instance": null,
        "client_id": "",
        "host": "127.0.0.1",
        "partitions": 2,
    }]);
    assert_eq!(shown["members"], expected);
}
