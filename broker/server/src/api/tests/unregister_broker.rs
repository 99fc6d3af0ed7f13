//! UnregisterBroker on a broker that is alone. Apache Kafka 4.3.1 would forget it, and be a cluster without brokers.

use broker_controller::DirectoryId;
use broker_controller::decide::{FenceBroker, RegisterBroker};
use protocol::ErrorCode;
use protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use protocol::model::{BrokerId, Uuid};

use crate::testing::TestBroker;

async fn unregister(broker: &mut TestBroker, id: i32) -> (ErrorCode, Option<String>) {
    let request = UnregisterBrokerRequest::default().with_broker_id(id.into());
    let response: UnregisterBrokerResponse = broker.ask(0, &request).await;
    (
        ErrorCode::from_code(response.error_code).expect("a code of Kafka's"),
        response.error_message.map(|it| it.to_string()),
    )
}

#[tokio::test]
async fn only_a_broker_that_nothing_needs_is_forgotten() {
    let mut broker = TestBroker::start(&[]).await;
    // As Kafka answers.
    for id in [9, -1] {
        let (code, message) = unregister(&mut broker, id).await;
        assert_eq!(code, ErrorCode::BrokerIdNotRegistered);
        let expected = format!("Broker ID {id} is not currently registered");
        assert_eq!(message, Some(expected));
    }
    let (code, message) = unregister(&mut broker, 1).await;
    assert_eq!(code, ErrorCode::PolicyViolation);
    assert!(
        message
            .expect("a reason")
            .contains("votes in the metadata quorum")
    );

    let other = RegisterBroker {
        broker_id: BrokerId::new(2),
        incarnation_id: broker_controller::IncarnationId::new(Uuid::new_v4()),
        directories: vec![DirectoryId::new(Uuid::new_v4())],
        ..broker.broker.registration.clone()
    };
    let metadata = std::sync::Arc::clone(&broker.broker.metadata);
    let epoch = metadata.submit(&other).await.expect("decided");
    let epoch = epoch.expect("another node");
    let (code, message) = unregister(&mut broker, 2).await;
    assert_eq!(code, ErrorCode::PolicyViolation);
    assert!(
        message
            .expect("a reason")
            .contains("is alive. Stop it first")
    );
    let fence = FenceBroker {
        broker_id: BrokerId::new(2),
        broker_epoch: epoch,
    };
    let fenced = metadata.submit(&fence).await.expect("decided");
    fenced.expect("it is registered");
    let told = unregister(&mut broker, 2).await;
    assert_eq!(told, (ErrorCode::None, Some(String::new())));
    assert_eq!(metadata.image().broker_count(), 1);
    let (code, _) = unregister(&mut broker, 2).await;
    assert_eq!(code, ErrorCode::BrokerIdNotRegistered);
    // It is back: another broker, which nobody takes for the one before.
    let again = metadata.submit(&other).await.expect("decided");
    assert!(again.expect("a new broker") > epoch);
}
