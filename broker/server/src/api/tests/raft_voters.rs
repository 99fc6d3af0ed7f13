//! AddRaftVoter and RemoveRaftVoter on a broker that is alone. Expected is what Apache Kafka 4.3.1 answers whose voters cannot be changed (`kraft.version` 0).

use protocol::ErrorCode;
use protocol::messages::add_raft_voter_request::Listener;
use protocol::messages::{
    AddRaftVoterRequest, AddRaftVoterResponse, RemoveRaftVoterRequest, RemoveRaftVoterResponse,
};
use protocol::model::Uuid;

use super::super::topics::text;
use crate::testing::TestBroker;

fn listener(name: &str, host: &str, port: u16) -> Listener {
    Listener::default()
        .with_name(text(name))
        .with_host(text(host))
        .with_port(port)
}

/// One that could be added, were there others.
fn good() -> AddRaftVoterRequest {
    AddRaftVoterRequest {
        cluster_id: None,
        timeout_ms: 10_000,
        voter_id: 2,
        voter_directory_id: Uuid::from_u128(1_000),
        listeners: vec![listener("CONTROLLER", "127.0.0.1", 9)],
        ack_when_committed: true,
    }
}

async fn add(
    broker: &mut TestBroker,
    version: i16,
    request: &AddRaftVoterRequest,
) -> (ErrorCode, String) {
    let response: AddRaftVoterResponse = broker.ask(version, request).await;
    let code = ErrorCode::from_code(response.error_code).expect("a code of Kafka's");
    let message = response.error_message.map(|it| it.to_string());
    (code, message.unwrap_or_default())
}

#[tokio::test]
async fn what_cannot_be_a_voter_is_not_asked() {
    let mut broker = TestBroker::start(&[]).await;
    for version in 0..=1 {
        let (code, _) = add(&mut broker, version, &good()).await;
        assert_eq!(code, ErrorCode::UnsupportedVersion);
        let other = AddRaftVoterRequest {
            cluster_id: Some(text("x")),
            ..good()
        };
        let (code, message) = add(&mut broker, version, &other).await;
        let own = &broker.broker.cluster_id;
        let expected = format!("The given id \"x\" doesn't match the cluster id \"{own}\"");
        assert_eq!(
            (code, message),
            (ErrorCode::InconsistentClusterId, expected)
        );
    }
    let own = AddRaftVoterRequest {
        cluster_id: Some(text(&*broker.broker.cluster_id)),
        ..good()
    };
    let (code, _) = add(&mut broker, 1, &own).await;
    assert_eq!(code, ErrorCode::UnsupportedVersion);
    for (voter_id, directory) in [(-1, 1_000), (2, 0)] {
        let request = AddRaftVoterRequest {
            voter_id,
            voter_directory_id: Uuid::from_u128(directory),
            ..good()
        };
        let (code, message) = add(&mut broker, 1, &request).await;
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert_eq!(message, "Add voter request didn't include a valid voter");
    }
    let long = "h".repeat(256);
    for listeners in [
        Vec::new(),
        vec![listener("INTERNAL", "", 9)],
        vec![listener("INTERNAL", &long, 9)],
        vec![listener("INTERNAL", "h", 0)],
        vec![listener("INTERNAL", "h", 9); 101],
        // The first one would do.
        vec![listener("A", "h", 9), listener("INTERNAL", "h", 0)],
    ] {
        let request = AddRaftVoterRequest {
            listeners,
            ..good()
        };
        let (code, _) = add(&mut broker, 1, &request).await;
        assert_eq!(code, ErrorCode::InvalidRequest);
    }
    for timeout_ms in [0, -1] {
        let request = AddRaftVoterRequest {
            timeout_ms,
            ..good()
        };
        let (code, _) = add(&mut broker, 1, &request).await;
        assert_eq!(code, ErrorCode::RequestTimedOut);
    }
}

#[tokio::test]
async fn a_voter_that_is_alone_stays() {
    let mut broker = TestBroker::start(&[]).await;
    let directory = broker.data_dir().meta().directory_id;
    for (cluster, directory, expected) in [
        (Some("x"), directory, ErrorCode::InconsistentClusterId),
        (None, Uuid::nil(), ErrorCode::InvalidRequest),
        (None, directory, ErrorCode::UnsupportedVersion),
    ] {
        let request = RemoveRaftVoterRequest::default()
            .with_cluster_id(cluster.map(text))
            .with_voter_id(1)
            .with_voter_directory_id(directory);
        let response: RemoveRaftVoterResponse = broker.ask(0, &request).await;
        assert_eq!(response.error_code, expected.code());
    }
}
