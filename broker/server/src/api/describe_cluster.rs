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

/// `endpoint_type` of brokers; 2 is that of controllers.
const BROKERS: i8 = 1;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request: DescribeClusterRequest = decode(body, version)?;
    let broker = call.broker;
    let operations = if request.include_cluster_authorized_operations {
        CLUSTER_OPERATIONS
    } else {
        OPERATIONS_OMITTED
    };
    let answer = DescribeClusterResponse::default()
        .with_error_message(None)
        .with_cluster_id(text(&*broker.cluster_id))
        .with_controller_id(broker.id.get().into())
        .with_cluster_authorized_operations(operations);
    if version >= 1 && request.endpoint_type != BROKERS {
        let code = if request.endpoint_type == 2 {
            ErrorCode::MismatchedEndpointType
        } else {
            ErrorCode::UnsupportedEndpointType
        };
        let message = "This listener answers for brokers only.";
        let answer = answer
            .with_error_code(code.code())
            .with_error_message(Some(text(message)))
            .with_endpoint_type(request.endpoint_type);
        return Ok(Answer::Now(call.head.respond(&answer, code)));
    }
    let image = broker.metadata.image();
    let listener = call.connection.listener_name();
    let brokers = image
        .brokers()
        .filter(|registration| !registration.fenced || request.include_fenced_brokers)
        .filter_map(|registration| {
            let endpoint = image.endpoint(registration.broker_id, listener)?;
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
    let answer = answer.with_brokers(brokers);
    let answer = if version >= 1 {
        answer.with_endpoint_type(BROKERS)
    } else {
        answer
    };
    Ok(Answer::Now(call.head.respond(&answer, ErrorCode::None)))
}
