//! Commands to the controller on behalf of requests.

use std::sync::Arc;
use std::time::Duration;

use broker_controller::ApiError;
use protocol::ErrorCode;

use crate::broker::Broker;
use crate::quorum::RemoteCommand;

/// Starts a command at once, and answers when it is committed and applied, or with REQUEST_TIMED_OUT.
///
/// It runs in a task of its own: what the log has taken must be applied, also when the client has gone and nobody polls the
/// answer any more. A timeout therefore says nothing about the outcome, as in Kafka; only one of zero or less starts nothing.
pub(super) fn submit<C>(
    broker: &Arc<Broker>,
    command: C,
    timeout_ms: i32,
) -> impl Future<Output = Result<C::Response, ApiError>> + Send + 'static
where
    C: RemoteCommand + Send + Sync + 'static,
    C::Response: Send + 'static,
{
    let timeout = u64::try_from(timeout_ms).ok().filter(|millis| *millis > 0);
    let started = timeout.map(|millis| {
        let broker = Arc::clone(broker);
        let task = tokio::spawn(async move { broker.metadata.submit(&command).await });
        tokio::time::timeout(Duration::from_millis(millis), task)
    });
    async move {
        let Some(started) = started else {
            return Err(ApiError::bare(ErrorCode::RequestTimedOut));
        };
        match started.await {
            Ok(Ok(result)) => result,
            // It panicked, which has been reported.
            Ok(Err(_)) => Err(ApiError::bare(ErrorCode::UnknownServerError)),
            Err(_) => Err(ApiError::bare(ErrorCode::RequestTimedOut)),
        }
    }
}

/// The error an answer with many codes is counted by: the first.
pub(super) fn first_error(codes: impl IntoIterator<Item = i16>) -> ErrorCode {
    codes
        .into_iter()
        .find(|code| *code != ErrorCode::None.code())
        .map_or(ErrorCode::None, |code| {
            ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
        })
}
