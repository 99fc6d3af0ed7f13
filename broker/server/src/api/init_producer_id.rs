//! InitProducerId (key 22), versions 0-5.
//!
//! Gives an idempotent producer an id that nobody else has or will have, at epoch 0 (KIP-98). A producer that asks again with its
//! id gets a new one, as from Kafka: without a transactional id nobody coordinates its epochs.
//!
//! Not supported: transactional ids. The error is not retriable, so that the producer fails at once and says why.

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::{ApiKey, InitProducerIdRequest, InitProducerIdResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;
use std::sync::Arc;

use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::InitProducerId,
    name: "InitProducerId",
    versions: VersionRange::new(0, 5),
    handle,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: InitProducerIdRequest = decode(body, call.head.version)?;
    let head = call.head;
    if let Some(id) = &request.transactional_id {
        let code = if id.is_empty() {
            ErrorCode::InvalidRequest
        } else {
            ErrorCode::TransactionalIdAuthorizationFailed
        };
        return Ok(Answer::Now(head.respond(&refused(code), code)));
    }
    let broker = Arc::clone(call.broker);
    Ok(Answer::later(async move {
        match broker.producer_ids.next(&broker.metadata).await {
            Ok(id) => {
                let body = InitProducerIdResponse::default()
                    .with_producer_id(id.get().into())
                    .with_producer_epoch(0);
                head.respond(&body, ErrorCode::None)
            }
            Err(error) => {
                tracing::warn!(?error, "no producer id to give");
                let code = ErrorCode::CoordinatorLoadInProgress;
                head.respond(&refused(code), code)
            }
        }
    }))
}

fn refused(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(code.code())
        .with_producer_id((-1).into())
        .with_producer_epoch(-1)
}
