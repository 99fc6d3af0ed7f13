//! UnregisterBroker (key 64), version 0 (KIP-631): a broker leaves the cluster for good.
//!
//! Done means: the broker is not registered any more, which is committed, and this broker knows it. Unlike with Kafka a broker is refused that is alive, that still is
//! a replica of partitions, or that votes in the metadata quorum (`decide/unregister.rs`). One that starts again is registered again, as a new one.

use broker_controller::ApiError;
use broker_controller::decide::UnregisterBroker;
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::{ApiKey, UnregisterBrokerRequest, UnregisterBrokerResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::submit;
use super::topics::text;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::UnregisterBroker,
    name: "UnregisterBroker",
    versions: VersionRange::new(0, 0),
    handle,
};

/// The request has no time of its own.
const TIMEOUT_MS: i32 = 30_000;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: UnregisterBrokerRequest = decode(body, call.head.version)?;
    let head = call.head;
    let broker = std::sync::Arc::clone(call.broker);
    let broker_id = request.broker_id.0;
    Ok(Answer::later(async move {
        let result = match broker.node.quorum_status().await {
            Some(status) => {
                let voters = status.voters.iter().map(|it| it.at.broker_id).collect();
                let command = UnregisterBroker { broker_id, voters };
                submit(&broker, command, TIMEOUT_MS).await.flatten()
            }
            None => Err(ApiError::new(
                ErrorCode::RequestTimedOut,
                "No controller says who votes.",
            )),
        };
        // Kafka's message is empty where all is well.
        let body = UnregisterBrokerResponse::default().with_error_message(Some(text("")));
        let error = match result {
            Ok(()) => return head.respond(&body, ErrorCode::None),
            Err(error) => error,
        };
        let body = body
            .with_error_code(error.code.code())
            .with_error_message(error.message.map(text));
        head.respond(&body, error.code)
    }))
}
