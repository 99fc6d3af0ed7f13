//! DescribeCluster (key 60), versions 0-2 (KIP-700, KIP-919, KIP-1073).
//!
//! The brokers as this listener advertises them, fenced ones where version 2 asks for them.
//!
//! Not supported: describing controllers (`endpoint_type` 2): there is no controller listener.

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::describe_cluster_response::DescribeClusterBroker;
use protocol::messages::{ApiKey, DescribeClusterRequest, DescribeClusterResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::metadata::{CLUSTER_OPERATIONS, OPERATIONS_OMITTED};
use super::topics::text;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DescribeCluster,
    name: "DescribeCluster",
    versions: VersionRange::new(0, 2),
    handle,
};

/// `endpoint_type` of brokers.
const BROKERS: i8 = 1;
/// `endpoint_type` of controllers.
const CONTROLLERS: i8 = 2;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request: DescribeClusterRequest = decode(body, version)?;
    if let Some((code, message)) = refusal(request.endpoint_type) {
        let answer = DescribeClusterResponse::default()
            .with_error_code(code.code())
            .with_error_message(Some(text(message)));
        return Ok(Answer::Now(call.head.respond(&answer, code)));
    }
    let broker = call.broker;
    let operations = if request.include_cluster_authorized_operations {
        CLUSTER_OPERATIONS
    } else {
        OPERATIONS_OMITTED
    };
    let image = broker.metadata.image();
    let listener: &str = call.connection.listener_name();
    let brokers = image
        .brokers()
        .filter(|registration| !registration.fenced || request.include_fenced_brokers)
        .filter_map(|registration| {
            let endpoint = registration
                .listeners
                .iter()
                .find(|it| it.name == listener)?;
            Some(
                DescribeClusterBroker::default()
                    .with_broker_id(registration.broker_id.get().into())
                    .with_host(text(&*endpoint.host))
                    .with_port(i32::from(endpoint.port))
                    .with_rack(registration.rack.as_deref().map(text))
                    .with_is_fenced(version >= 2 && registration.fenced),
            )
        })
        .collect();
    let answer = DescribeClusterResponse::default()
        .with_error_message(None)
        .with_cluster_id(text(&*broker.cluster_id))
        .with_controller_id(broker.id.get().into())
        .with_cluster_authorized_operations(operations)
        .with_brokers(brokers);
    Ok(Answer::Now(call.head.respond(&answer, ErrorCode::None)))
}

/// Why this listener does not describe endpoints of a type, in Kafka's words (KIP-919).
fn refusal(endpoint_type: i8) -> Option<(ErrorCode, String)> {
    match endpoint_type {
        BROKERS => None,
        CONTROLLERS => Some((
            ErrorCode::MismatchedEndpointType,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER".into(),
        )),
        other => Some((
            ErrorCode::UnsupportedEndpointType,
            format!("Unsupported endpoint type {other}"),
        )),
    }
}
