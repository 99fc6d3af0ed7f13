//! Bytes as Apache Kafka writes them, read and written again.

use bytes::Bytes;

use super::{
    GroupMemberValue, GroupMetadataValue, GroupRecord, OffsetCommitKey, OffsetCommitValue,
};
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
