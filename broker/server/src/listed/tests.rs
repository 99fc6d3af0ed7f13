use broker_controller::record::{
    FenceBrokerRecord, RegisterBrokerRecord, UnfenceBrokerRecord, UnregisterBrokerRecord,
};
use broker_controller::{DirectoryId, IncarnationId, MetadataRecord};
use protocol::model::{BrokerEpoch, Uuid};

use super::*;

fn registered(id: i32, fenced: bool) -> MetadataRecord {
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: BrokerId::new(id),
        broker_epoch: BrokerEpoch::new(i64::from(id)),
        incarnation_id: IncarnationId::new(Uuid::from_u128(1)),
        directories: vec![DirectoryId::new(Uuid::from_u128(1_000))],
        listeners: Vec::new(),
        rack: None,
        features: Vec::new(),
        fenced,
    })
}

fn fence(id: i32) -> MetadataRecord {
    MetadataRecord::FenceBroker(FenceBrokerRecord {
        broker_id: BrokerId::new(id),
        broker_epoch: BrokerEpoch::new(i64::from(id)),
    })
}

fn unfence(id: i32) -> MetadataRecord {
    MetadataRecord::UnfenceBroker(UnfenceBrokerRecord {
        broker_id: BrokerId::new(id),
        broker_epoch: BrokerEpoch::new(i64::from(id)),
    })
}

fn ids(listed: &ListedBrokers, now_ms: i64, image: &MetadataImage) -> Vec<i32> {
    let of = listed.of(now_ms, image);
    of.iter().map(|broker| broker.broker_id.get()).collect()
}

#[test]
fn a_broker_that_is_fenced_is_listed_as_long_as_it_would_be_by_kafka() {
    let listed = ListedBrokers::default();
    let image = MetadataImage::default();
    let image = image.apply(&[registered(1, false), registered(2, false)]);
    let mut image = image.image;
    listed.on_image(0, &image);
    assert_eq!(ids(&listed, 100_000, &image), [1, 2]);

    image = image.apply(&[fence(2)]).image;
    listed.on_image(100_000, &image);
    assert_eq!(ids(&listed, 108_999, &image), [1, 2]);
    // Others come and go: that does not begin anew.
    listed.on_image(105_000, &image);
    assert_eq!(ids(&listed, 109_000, &image), [1]);

    image = image.apply(&[unfence(2)]).image;
    listed.on_image(110_000, &image);
    assert_eq!(ids(&listed, 110_000, &image), [1, 2]);
    image = image.apply(&[fence(2)]).image;
    listed.on_image(120_000, &image);
    assert_eq!(ids(&listed, 128_999, &image), [1, 2]);
    assert_eq!(ids(&listed, 129_000, &image), [1]);
}

#[test]
fn a_broker_that_is_unregistered_is_not_listed_and_begins_anew() {
    let listed = ListedBrokers::default();
    let image = MetadataImage::default();
    let image = image
        .apply(&[registered(1, false), registered(2, true)])
        .image;
    listed.on_image(0, &image);
    assert_eq!(ids(&listed, 0, &image), [1, 2]);
    let gone = MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
        broker_id: BrokerId::new(2),
        broker_epoch: BrokerEpoch::new(2),
    });
    let after = image.apply(&[gone]).image;
    listed.on_image(10, &after);
    assert_eq!(ids(&listed, 10, &after), [1]);
    assert!(!listed.0.lock().contains_key(&BrokerId::new(2)));
    listed.on_image(20_000, &image);
    assert_eq!(ids(&listed, 28_999, &image), [1, 2]);
}

#[test]
fn who_is_fenced_in_the_first_image_has_just_been() {
    let listed = ListedBrokers::default();
    let image = MetadataImage::default();
    let image = image.apply(&[registered(1, true), registered(2, true)]);
    listed.on_image(50_000, &image.image);
    assert_eq!(ids(&listed, 58_999, &image.image), [1, 2]);
    assert!(ids(&listed, 59_000, &image.image).is_empty());
}
