//! The APIs: one file per key, and the table of them.
//!
//! A handler is called in the order of arrival and must not block: what orders requests (an append, say) happens in the call,
//! what takes time in the future it returns. Where what orders requests takes time itself, the connection pauses for it
//! ([`Answer::Pausing`]). The versions a handler declares are what ApiVersions advertises.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::ApiKey;
use protocol::wire::versions::{ApiVersionTable, Support, VersionRange};
use protocol::wire::{
    MessageBody, RequestBody, RequestHeader, RequestPrefix, WireError, decode_request_body,
    encode_frame,
};

use crate::broker::Broker;
use crate::metrics::ApiMetrics;
use crate::net::{Close, ConnectionContext, Reply, ResponseBytes, Service};
use crate::panics;

pub mod add_raft_voter;
pub mod alter_configs;
pub mod alter_partition_reassignments;
mod alterations;
pub mod api_versions;
pub mod configs;
pub mod consumer_group_describe;
pub mod consumer_group_heartbeat;
mod controller;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_producers;
pub mod describe_quorum;
pub mod describe_topic_partitions;
pub mod elect_leaders;
pub mod fetch;
pub mod fetch_sessions;
mod fetch_source;
pub mod find_coordinator;
mod groups;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leader_hints;
mod leave_group;
pub mod list_config_resources;
pub mod list_groups;
pub mod list_offsets;
pub mod list_partition_reassignments;
pub mod metadata;
mod nearest_replica;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
mod offsets_topic;
pub mod produce;
mod refused_batches;
pub mod remove_raft_voter;
pub mod sync_group;
mod topics;
pub mod unregister_broker;
pub mod update_features;
mod view;

#[cfg(test)]
mod tests;

/// Every API that is served, by key.
pub const APIS: &[Api] = &[
    produce::API,
    fetch::API,
    list_offsets::API,
    metadata::API,
    offset_commit::API,
    offset_fetch::API,
    find_coordinator::API,
    join_group::API,
    heartbeat::API,
    leave_group::API,
    sync_group::API,
    describe_groups::API,
    list_groups::API,
    api_versions::API,
    create_topics::API,
    delete_topics::API,
    delete_records::API,
    init_producer_id::API,
    offset_for_leader_epoch::API,
    describe_configs::API,
    alter_configs::API,
    describe_log_dirs::API,
    create_partitions::API,
    delete_groups::API,
    elect_leaders::API,
    incremental_alter_configs::API,
    alter_partition_reassignments::API,
    list_partition_reassignments::API,
    offset_delete::API,
    describe_quorum::API,
    update_features::API,
    describe_cluster::API,
    describe_producers::API,
    unregister_broker::API,
    consumer_group_heartbeat::API,
    consumer_group_describe::API,
    list_config_resources::API,
    describe_topic_partitions::API,
    add_raft_voter::API,
    remove_raft_voter::API,
];

/// One API.
#[derive(Clone, Copy, Debug)]
pub struct Api {
    /// Its key.
    pub key: ApiKey,
    /// Its name, for metrics.
    pub name: &'static str,
    /// The versions it handles.
    pub versions: VersionRange,
    /// Takes the body of a request.
    pub handle: fn(Call<'_>, BytesMut) -> Result<Answer, WireError>,
}

/// A request as its handler sees it, without the body.
pub struct Call<'a> {
    /// The broker.
    pub broker: &'a Arc<Broker>,
    /// The connection.
    pub connection: &'a mut ConnectionContext,
    /// The request's header.
    pub head: Head,
}

/// What is needed to encode an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// The API.
    pub api: ApiKey,
    /// Its version.
    pub version: i16,
    /// Repeated in the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<StrBytes>,
}

/// What a handler gives.
pub enum Answer {
    /// The answer.
    Now(Response),
    /// The answer to come.
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
    /// Not known yet, and no later request of the connection may overtake what it waits for.
    Pausing(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// None is wanted (`acks=0`).
    Silent,
}

/// An answer in bytes, and the error it is counted by.
pub struct Response {
    /// The bytes, size and header included.
    pub bytes: ResponseBytes,
    /// The error of the answer; for one with an error per partition, the first.
    pub error: ErrorCode,
}

impl Answer {
    /// An answer to come.
    pub fn later(future: impl Future<Output = Response> + Send + 'static) -> Answer {
        Answer::Later(Box::pin(future))
    }

    /// An answer that the connection pauses for.
    pub fn pausing(future: impl Future<Output = Answer> + Send + 'static) -> Answer {
        Answer::Pausing(Box::pin(future))
    }

    /// As the network takes it. The request is counted when it is answered.
    fn into_reply(self, received: Instant, metrics: &Arc<ApiMetrics>) -> Reply {
        match self {
            Answer::Now(response) => response.counted(received, metrics).into(),
            Answer::Later(future) => {
                let metrics = Arc::clone(metrics);
                Reply::later(async move { future.await.counted(received, &metrics) })
            }
            Answer::Pausing(future) => {
                let metrics = Arc::clone(metrics);
                Reply::pausing(async move { future.await.into_reply(received, &metrics) })
            }
            Answer::Silent => Reply::None,
        }
    }
}

impl Response {
    fn counted(self, received: Instant, metrics: &ApiMetrics) -> ResponseBytes {
        metrics.record(self.error, received.elapsed());
        self.bytes
    }
}

impl Head {
    /// Encodes an answer. A body that cannot be encoded is a mistake of ours: the connection is closed rather than left waiting.
    pub fn respond<T: MessageBody>(&self, body: &T, error: ErrorCode) -> Response {
        match encode_frame(self.api, self.version, self.correlation_id, body) {
            Ok(frame) => Response {
                bytes: frame.into(),
                error,
            },
            Err(failed) => self.unanswerable(&failed),
        }
    }

    /// Ends the connection, since its next answer cannot be written.
    pub fn unanswerable(&self, error: &WireError) -> Response {
        tracing::error!(api = ?self.api, version = self.version, %error, "cannot encode an answer");
        let close = Close::new(
            crate::net::CloseReason::ReplyLost,
            "an answer cannot be encoded",
        );
        Response {
            bytes: ResponseBytes::empty().then_close(close),
            error: ErrorCode::UnknownServerError,
        }
    }
}

/// Decodes a request's body. A decoder that panics is treated like one that refuses.
pub fn decode<T: RequestBody>(body: BytesMut, version: i16) -> Result<T, WireError> {
    panics::contained(|| decode_request_body(body.freeze(), version))
        .unwrap_or(Err(WireError::Malformed("the decoder failed")))
}

/// The table that ApiVersions answers from.
pub fn table() -> ApiVersionTable {
    let mut table = ApiVersionTable::new();
    for api in APIS {
        table.register(api.key, api.versions);
    }
    table
}

/// Takes frames from the network and gives them to handlers.
pub struct Dispatcher {
    broker: Arc<Broker>,
    /// By key.
    handlers: Vec<Option<Api>>,
}

impl Dispatcher {
    /// Over [`APIS`].
    pub fn new(broker: Arc<Broker>) -> Dispatcher {
        let mut handlers = Vec::new();
        for api in APIS {
            let at = api.key as usize;
            if handlers.len() <= at {
                handlers.resize(at + 1, None);
            }
            handlers[at] = Some(*api);
        }
        Dispatcher { broker, handlers }
    }

    fn dispatch(
        &self,
        connection: &mut ConnectionContext,
        mut frame: BytesMut,
    ) -> Result<Reply, Close> {
        let received = Instant::now();
        let malformed = |error: WireError| self.malformed(&error);
        let prefix = RequestPrefix::peek(&frame).map_err(malformed)?;
        let api = match self.broker.apis.support(prefix.api_key, prefix.api_version) {
            Support::Handled(api) => api,
            Support::OtherVersions(ApiKey::ApiVersions, _) => {
                let response = api_versions::unsupported(&self.broker, prefix.correlation_id);
                let metrics = self.metrics(ApiKey::ApiVersions);
                return Ok(response.counted(received, metrics).into());
            }
            Support::OtherVersions(api, versions) => {
                self.broker.metrics.network.malformed_requests.increment();
                return Err(Close::malformed(format!(
                    "{api:?} version {} is not supported, {versions} are",
                    prefix.api_version
                )));
            }
            Support::UnknownApi => {
                self.broker.metrics.network.malformed_requests.increment();
                return Err(Close::malformed(format!(
                    "unknown API key {}",
                    prefix.api_key
                )));
            }
        };
        let Some(handler) = self.handlers.get(api as usize).copied().flatten() else {
            return Err(Close::malformed(format!("{api:?} has no handler")));
        };
        let header = RequestHeader::decode_mut(&mut frame).map_err(malformed)?;
        let head = Head {
            api,
            version: header.api_version,
            correlation_id: header.correlation_id,
            client_id: header.client_id,
        };
        let call = Call {
            broker: &self.broker,
            connection,
            head,
        };
        let answer = (handler.handle)(call, frame).map_err(malformed)?;
        Ok(answer.into_reply(received, self.metrics(api)))
    }

    fn metrics(&self, api: ApiKey) -> &Arc<ApiMetrics> {
        self.broker.metrics.requests.api(api as i16)
    }

    fn malformed(&self, error: &WireError) -> Close {
        self.broker.metrics.network.malformed_requests.increment();
        Close::malformed(error)
    }
}

impl Service for Dispatcher {
    fn call(&self, connection: &mut ConnectionContext, frame: BytesMut) -> Reply {
        match self.dispatch(connection, frame) {
            Ok(reply) => reply,
            Err(close) => Reply::Close(close),
        }
    }
}
