//! Bytes as Apache Kafka writes them, read and written again.

use bytes::Bytes;

use super::*;
use crate::model::Uuid;
use crate::wire::WireError;

fn commit(value: Option<OffsetCommitValue>) -> GroupRecord {
    let key = OffsetCommitKey {
        group: "g".into(),
        topic: "t".into(),
        partition: 7,
    };
    GroupRecord::OffsetCommit { key, value }
}

fn committed(expire_timestamp_ms: i64) -> OffsetCommitValue {
    OffsetCommitValue {
        offset: 42,
        leader_epoch: if expire_timestamp_ms == -1 { 3 } else { -1 },
        metadata: "m".into(),
        commit_timestamp_ms: 1000,
        expire_timestamp_ms,
    }
}

fn member(number: u8) -> GroupMemberValue {
    GroupMemberValue {
        member_id: format!("member-{number}"),
        group_instance_id: (number == 1).then(|| "instance".into()),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 300_000,
        session_timeout_ms: 45_000,
        subscription: Bytes::from(vec![number; 3]),
        assignment: Bytes::new(),
    }
}

fn group(value: Option<GroupMetadataValue>) -> GroupRecord {
    GroupRecord::GroupMetadata {
        group: "g".into(),
        value,
    }
}

fn records() -> Vec<GroupRecord> {
    vec![
        commit(None),
        commit(Some(committed(-1))),
        commit(Some(committed(2000))),
        group(None),
        group(Some(GroupMetadataValue {
            current_state_timestamp_ms: -1,
            ..GroupMetadataValue::default()
        })),
        group(Some(GroupMetadataValue {
            protocol_type: "consumer".into(),
            generation: 5,
            protocol: Some("range".into()),
            leader: Some("member-1".into()),
            current_state_timestamp_ms: 1000,
            members: vec![member(1), member(2)],
        })),
    ]
    .into_iter()
    .chain(consumer_records())
    .collect()
}

fn topic(epochs: Option<Vec<i32>>) -> TopicPartitions {
    TopicPartitions {
        topic_id: Uuid::from_u128(0x0102),
        partitions: vec![0, 300],
        assignment_epochs: epochs,
    }
}

/// Those of the consumer protocol, with each value and without.
fn consumer_records() -> Vec<GroupRecord> {
    let group = || "g".to_owned();
    let member = || "m".to_owned();
    let classic = ClassicMemberMetadata {
        session_timeout_ms: 6_000,
        protocols: vec![ClassicProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(b"said"),
        }],
    };
    let plain = ConsumerMemberValue {
        client_id: "c".into(),
        client_host: "/h".into(),
        subscribed_topic_names: vec!["t".into()],
        rebalance_timeout_ms: 9,
        ..ConsumerMemberValue::default()
    };
    let members = [
        None,
        Some(plain.clone()),
        Some(ConsumerMemberValue {
            instance_id: Some("i".into()),
            rack_id: Some("r".into()),
            subscribed_topic_regex: Some("t.*".into()),
            server_assignor: Some("uniform".into()),
            classic: Some(classic),
            ..plain
        }),
    ];
    let epoch = |metadata_hash| ConsumerGroupValue {
        epoch: 3,
        metadata_hash,
    };
    let target = |timestamp_ms| TargetEpochValue {
        epoch: 3,
        timestamp_ms,
    };
    let current = CurrentAssignmentValue {
        member_epoch: 3,
        previous_member_epoch: 2,
        state: 1,
        assigned: vec![topic(Some(vec![2, 3]))],
        pending_revocation: vec![topic(None)],
    };
    let regex = RegularExpressionValue {
        topics: vec!["t1".into(), "t2".into()],
        version: 4,
        timestamp_ms: 5,
    };
    let mut records: Vec<GroupRecord> = members
        .into_iter()
        .map(|value| GroupRecord::ConsumerMember {
            group: group(),
            member: member(),
            value,
        })
        .collect();
    for value in [None, Some(epoch(0)), Some(epoch(-5))] {
        let group = group();
        records.push(GroupRecord::ConsumerGroup { group, value });
    }
    for value in [None, Some(target(0)), Some(target(7))] {
        let group = group();
        records.push(GroupRecord::TargetEpoch { group, value });
    }
    for value in [None, Some(Vec::new()), Some(vec![topic(None)])] {
        records.push(GroupRecord::TargetAssignment {
            group: group(),
            member: member(),
            value,
        });
    }
    for value in [None, Some(current)] {
        records.push(GroupRecord::CurrentAssignment {
            group: group(),
            member: member(),
            value,
        });
    }
    for value in [None, Some(regex)] {
        records.push(GroupRecord::RegularExpression {
            group: group(),
            regex: "t.*".into(),
            value,
        });
    }
    records
}

#[test]
fn what_is_written_is_read() {
    for record in records() {
        let (key, value) = record.encode().expect("it fits");
        let read = GroupRecord::decode(&key, value.as_deref());
        assert_eq!(read.expect("well-formed"), Some(record));
    }
}

#[test]
fn the_bytes_are_kafkas() {
    let (key, value) = commit(Some(committed(-1))).encode().expect("it fits");
    assert_eq!(&key[..], b"\0\x01\0\x01g\0\x01t\0\0\0\x07");
    let expected = b"\0\x03\0\0\0\0\0\0\0\x2a\0\0\0\x03\0\x01m\0\0\0\0\0\0\x03\xe8";
    assert_eq!(value.as_deref(), Some(&expected[..]));
    let (key, value) = group(None).encode().expect("it fits");
    assert_eq!((&key[..], value), (&b"\0\x02\0\x01g"[..], None));
}

#[test]
fn the_bytes_of_the_consumer_protocol_are_kafkas() {
    let member = GroupRecord::ConsumerMember {
        group: "g".into(),
        member: "m".into(),
        value: Some(ConsumerMemberValue {
            client_id: "c".into(),
            client_host: "h".into(),
            subscribed_topic_names: vec!["t".into()],
            rebalance_timeout_ms: -1,
            classic: Some(ClassicMemberMetadata {
                session_timeout_ms: 9,
                protocols: Vec::new(),
            }),
            ..ConsumerMemberValue::default()
        }),
    };
    let (key, value) = member.encode().expect("it fits");
    assert_eq!(&key[..], b"\0\x05\0\x01g\0\x01m");
    let expected = b"\0\0\0\0\x02c\x02h\x02\x02t\0\xff\xff\xff\xff\0\x01\0\x07\x01\0\0\0\x09\x01\0";
    assert_eq!(value.as_deref(), Some(&expected[..]));
    let current = GroupRecord::CurrentAssignment {
        group: "g".into(),
        member: "m".into(),
        value: Some(CurrentAssignmentValue {
            member_epoch: 2,
            previous_member_epoch: 1,
            state: 0,
            assigned: vec![TopicPartitions {
                topic_id: Uuid::nil(),
                partitions: vec![5],
                assignment_epochs: Some(vec![2]),
            }],
            pending_revocation: Vec::new(),
        }),
    };
    let (key, value) = current.encode().expect("it fits");
    assert_eq!(&key[..], b"\0\x08\0\x01g\0\x01m");
    let expected = b"\0\0\0\0\0\x02\0\0\0\x01\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x05\x01\0\x05\x02\0\0\0\x02\x01\0";
    assert_eq!(value.as_deref(), Some(&expected[..]));
}

#[test]
fn older_and_newer_values_are_read() {
    let cases: [(&[u8], OffsetCommitValue); 3] = [
        (
            b"\0\0\0\0\0\0\0\0\0\x2a\0\x01m\0\0\0\0\0\0\x03\xe8",
            OffsetCommitValue {
                leader_epoch: -1,
                ..committed(-1)
            },
        ),
        (
            b"\0\x01\0\0\0\0\0\0\0\x2a\0\x01m\0\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\x07\xd0",
            committed(2000),
        ),
        // With a tagged field.
        (
            b"\0\x04\0\0\0\0\0\0\0\x2a\0\0\0\x03\x02m\0\0\0\0\0\0\x03\xe8\x01\x09\x02ab",
            committed(-1),
        ),
    ];
    for key in [
        b"\0\0\0\x01g\0\x01t\0\0\0\x07",
        b"\0\x01\0\x01g\0\x01t\0\0\0\x07",
    ] {
        for (bytes, expected) in &cases {
            let read = GroupRecord::decode(key, Some(bytes)).expect("well-formed");
            assert_eq!(read, Some(commit(Some(expected.clone()))), "{bytes:?}");
        }
    }
    let read = GroupRecord::decode(b"\0\x02\0\x01g", Some(b"\0\0\0\x01c\0\0\0\x01\xff\xff\xff\xff\0\0\0\x01\0\x01m\0\x01i\0\x01h\0\0\0\x09\0\0\0\0\0\0\0\x01a"));
    let old = GroupMetadataValue {
        protocol_type: "c".into(),
        generation: 1,
        current_state_timestamp_ms: -1,
        members: vec![GroupMemberValue {
            member_id: "m".into(),
            client_id: "i".into(),
            client_host: "h".into(),
            rebalance_timeout_ms: 9,
            session_timeout_ms: 9,
            assignment: Bytes::from_static(b"a"),
            ..GroupMemberValue::default()
        }],
        ..GroupMetadataValue::default()
    };
    assert_eq!(read.expect("well-formed"), Some(group(Some(old))));
}

#[test]
fn kinds_to_come_are_passed_over_and_versions_to_come_are_not() {
    assert_eq!(
        GroupRecord::decode(b"\0\x63rest", Some(b"x")).expect("passed over"),
        None
    );
    let newer = GroupRecord::decode(b"\0\x02\0\x01g", Some(b"\0\x05"));
    assert!(matches!(newer, Err(WireError::Malformed(_))), "{newer:?}");
}

#[test]
fn damaged_records_are_refused_whatever_is_cut() {
    for record in records() {
        let (key, value) = record.encode().expect("it fits");
        for end in 0..key.len() {
            assert!(GroupRecord::decode(&key[..end], value.as_deref()).is_err());
        }
        let Some(value) = value else { continue };
        for end in 0..value.len() {
            assert!(
                GroupRecord::decode(&key, Some(&value[..end])).is_err(),
                "{record:?}"
            );
        }
    }
    // A count that nothing stands behind.
    let many = b"\0\x03\0\x01c\0\0\0\x01\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x7f\xff\xff\xff";
    assert!(GroupRecord::decode(b"\0\x02\0\x01g", Some(many)).is_err());
}
