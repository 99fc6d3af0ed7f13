use proptest::prelude::*;
use protocol::model::Uuid;

use super::*;

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn topic_id(number: u128) -> TopicId {
    TopicId::new(uuid(number)).unwrap()
}

fn brokers(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId::new).collect()
}

fn replicas(ids: &[i32]) -> Vec<Replica> {
    let replica = |id: &i32| Replica {
        broker_id: BrokerId::new(*id),
        directory_id: DirectoryId::new(uuid(0xd000 + *id as u128)),
    };
    ids.iter().map(replica).collect()
}

/// One record of each kind, all fields set.
fn one_of_each() -> Vec<MetadataRecord> {
    vec![
        MetadataRecord::Cluster(ClusterRecord {
            cluster_id: ClusterId::new(uuid(0xc1)),
        }),
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: BrokerId::new(1),
            broker_epoch: BrokerEpoch::new(7),
            incarnation_id: IncarnationId::new(uuid(0x1c)),
            directories: vec![DirectoryId::new(uuid(0xd1))],
            listeners: vec![Listener {
                name: "PLAINTEXT".into(),
                host: "h".into(),
                port: 9092,
            }],
            rack: Some("a".into()),
            features: vec![SupportedFeature {
                name: "metadata.version".into(),
                min: 30,
                max: 30,
            }],
            fenced: true,
        }),
        MetadataRecord::FenceBroker(FenceBrokerRecord {
            broker_id: BrokerId::new(1),
            broker_epoch: BrokerEpoch::new(7),
        }),
        MetadataRecord::UnfenceBroker(UnfenceBrokerRecord {
            broker_id: BrokerId::new(1),
            broker_epoch: BrokerEpoch::new(7),
        }),
        MetadataRecord::Topic(TopicRecord {
            name: "t".into(),
            topic_id: topic_id(0x7),
        }),
        MetadataRecord::Partition(PartitionRecord {
            topic_id: topic_id(0x7),
            partition: PartitionIndex::new(3),
            replicas: replicas(&[1, 2, 3]),
            isr: brokers(&[1, 2]),
            elr: brokers(&[3]),
            leader: Some(BrokerId::new(1)),
            leader_epoch: LeaderEpoch::new(5),
            partition_epoch: PartitionEpoch::new(9),
        }),
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            topic_id: topic_id(0x7),
            partition: PartitionIndex::new(3),
            replicas: Some(replicas(&[1])),
            isr: Some(brokers(&[1])),
            elr: Some(Vec::new()),
            leader: None,
            leader_epoch: LeaderEpoch::new(6),
            partition_epoch: PartitionEpoch::new(10),
        }),
        MetadataRecord::RemoveTopic(RemoveTopicRecord {
            topic_id: topic_id(0x7),
        }),
        MetadataRecord::Config(ConfigRecord {
            resource_type: ResourceType::Topic,
            resource_name: "t".into(),
            key: "k".into(),
            value: Some("v".into()),
        }),
        MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: BrokerId::new(1),
            broker_epoch: BrokerEpoch::new(7),
            next_producer_id: 1000,
        }),
        MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: "metadata.version".into(),
            level: 30,
        }),
        MetadataRecord::Reassignment(ReassignmentRecord {
            topic_id: topic_id(0x7),
            partition: PartitionIndex::new(3),
            adding: brokers(&[4, 5]),
            removing: brokers(&[1]),
        }),
        MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
            broker_id: BrokerId::new(1),
            broker_epoch: BrokerEpoch::new(7),
        }),
        MetadataRecord::DirectorySpace(DirectorySpaceRecord {
            broker_id: BrokerId::new(1),
            broker_epoch: BrokerEpoch::new(7),
            short_of_space: vec![DirectoryId::new(uuid(0xd1))],
        }),
    ]
}

fn encoded(record: &MetadataRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// If this fails, the format changed and logs in the field cannot be read: give the changed record a new tag.
#[test]
fn the_bytes_are_those_of_the_golden_file() {
    let lines = one_of_each()
        .iter()
        .map(|it| format!("{}\n", hex(&encoded(it))))
        .collect::<String>();
    assert_eq!(lines, include_str!("../../testdata/records.v1.hex"));
}

#[test]
fn records_come_back_as_they_were() {
    for record in one_of_each() {
        assert_eq!(MetadataRecord::decode(&encoded(&record)), Ok(record));
    }
}

#[test]
fn a_record_is_written_behind_what_is_there() {
    let mut bytes = b"before".to_vec();
    one_of_each()[4].encode(&mut bytes).unwrap();
    assert_eq!(&bytes[..6], b"before");
    assert_eq!(bytes[6..], encoded(&one_of_each()[4]));
}

#[test]
fn what_is_newer_or_broken_is_told_apart() {
    let good = encoded(&one_of_each()[4]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        MetadataRecord::decode(&bytes)
    };
    assert_eq!(with(0, 2), Err(RecordError::UnknownVersion(2)));
    assert_eq!(with(1, 99), Err(RecordError::UnknownTag(99)));
    assert_eq!(with(1, 0), Err(RecordError::UnknownTag(0)));
    assert!(matches!(
        MetadataRecord::decode(&[]),
        Err(RecordError::Malformed(_))
    ));
    assert!(matches!(
        MetadataRecord::decode(&[1]),
        Err(RecordError::Malformed(_))
    ));
    let longer = [&good[..], &[0]].concat();
    assert!(matches!(
        MetadataRecord::decode(&longer),
        Err(RecordError::Malformed(_))
    ));
    let huge = vec![1; RECORD_BYTES_MAX + 1];
    assert_eq!(
        MetadataRecord::decode(&huge),
        Err(RecordError::TooLarge(huge.len()))
    );
}

#[test]
fn a_record_too_large_is_not_written() {
    let record = MetadataRecord::Topic(TopicRecord {
        name: "x".repeat(RECORD_BYTES_MAX),
        topic_id: topic_id(1),
    });
    let mut bytes = b"kept".to_vec();
    assert!(matches!(
        record.encode(&mut bytes),
        Err(RecordError::TooLarge(_))
    ));
    assert_eq!(bytes, b"kept");
}

#[test]
fn every_prefix_is_refused() {
    for record in one_of_each() {
        let bytes = encoded(&record);
        for end in 0..bytes.len() {
            assert!(
                MetadataRecord::decode(&bytes[..end]).is_err(),
                "{record} cut at {end}"
            );
        }
    }
}

#[test]
fn a_length_that_lies_costs_nothing() {
    // A registration whose list of directories claims 2^32 - 1 entries.
    let mut bytes = vec![FORMAT_VERSION, 2, 2, 14, 16];
    bytes.extend([0; 16]);
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(
        MetadataRecord::decode(&bytes),
        Err(RecordError::Malformed(_))
    ));
}

#[test]
fn sentinels_are_refused() {
    let mut topic = encoded(&one_of_each()[7]);
    topic[3..].fill(0);
    assert_eq!(
        MetadataRecord::decode(&topic),
        Err(RecordError::Malformed("a topic id of zeros"))
    );
}

proptest! {
    #[test]
    fn hostile_bytes_do_no_harm(tag in 0u8..15, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&[FORMAT_VERSION, tag], &bytes[..]].concat();
        if let Ok(record) = MetadataRecord::decode(&bytes) {
            prop_assert_eq!(MetadataRecord::decode(&encoded(&record)), Ok(record));
        }
    }

    #[test]
    fn flipped_bits_do_no_harm(which in 0usize..14, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = encoded(&one_of_each()[which]);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = MetadataRecord::decode(&bytes);
    }
}
