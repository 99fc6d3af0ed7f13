//! DeleteTopics (key 20), versions 1-6; by id from version 6 (KIP-516).
//!
//! Done means: the deletion is committed, nobody finds the topic any more, and its files are on their way out.

use broker_controller::ApiError;
use broker_controller::decide::{DeleteTopicResult, DeleteTopics, TopicRef};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::delete_topics_response::DeletableTopicResult;
use protocol::messages::{ApiKey, DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use protocol::model::TopicId;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::{first_error, submit};
use super::topics::text;
use super::{Answer, Api, Call, Head, Response, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DeleteTopics,
    name: "DeleteTopics",
    versions: VersionRange::new(1, 6),
    handle,
};

/// The first version that names topics in structures, by name or by id.
const STATES_MIN: i16 = 6;
/// The first version with TOPIC_DELETION_DISABLED; before it was INVALID_REQUEST (KIP-322).
const DISABLED_MIN: i16 = 3;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request: DeleteTopicsRequest = decode(body, version)?;
    let head = call.head;
    let mut refused = Vec::new();
    let mut topics = Vec::new();
    for topic in named(&request, version) {
        match topic {
            Ok(topic) => topics.push(topic),
            Err(result) => refused.push(result),
        }
    }
    if !call.broker.config.broker.topics.delete {
        let code = if version >= DISABLED_MIN {
            ErrorCode::TopicDeletionDisabled
        } else {
            ErrorCode::InvalidRequest
        };
        let error = ApiError::bare(code);
        refused.extend(topics.drain(..).map(|topic| unanswered(topic, &error)));
    }
    if topics.is_empty() {
        return Ok(Answer::Now(respond(&head, refused)));
    }
    let command = DeleteTopics {
        topics: topics.clone(),
    };
    let submitted = submit(call.broker, command, request.timeout_ms);
    Ok(Answer::later(async move {
        let mut results = match submitted.await {
            Ok(results) => results,
            Err(error) => topics
                .into_iter()
                .map(|topic| unanswered(topic, &error))
                .collect(),
        };
        results.extend(refused);
        respond(&head, results)
    }))
}

fn respond(head: &Head, results: Vec<DeleteTopicResult>) -> Response {
    let responses: Vec<_> = results.into_iter().map(answer).collect();
    let error = first_error(responses.iter().map(|response| response.error_code));
    head.respond(
        &DeleteTopicsResponse::default().with_responses(responses),
        error,
    )
}

/// The topics of the request.
fn named(request: &DeleteTopicsRequest, version: i16) -> Vec<Result<TopicRef, DeleteTopicResult>> {
    let by_name = |name: &TopicName| Ok(TopicRef::Name(name.to_string()));
    if version < STATES_MIN {
        return request.topic_names.iter().map(by_name).collect();
    }
    request
        .topics
        .iter()
        .map(|topic| match (&topic.name, TopicId::new(topic.topic_id)) {
            (Some(name), None) => by_name(name),
            (None, Some(id)) => Ok(TopicRef::Id(id)),
            (name, topic_id) => Err(DeleteTopicResult {
                name: name.as_ref().map(|name| name.as_str().to_owned()),
                topic_id,
                result: Err(ApiError::new(
                    ErrorCode::InvalidRequest,
                    match topic_id {
                        Some(_) => "You may not specify both topic name and topic id.",
                        None => "Neither topic name nor id were specified.",
                    },
                )),
            }),
        })
        .collect()
}

fn unanswered(topic: TopicRef, error: &ApiError) -> DeleteTopicResult {
    let (name, topic_id) = match topic {
        TopicRef::Name(name) => (Some(name), None),
        TopicRef::Id(id) => (None, Some(id)),
    };
    DeleteTopicResult {
        name,
        topic_id,
        result: Err(error.clone()),
    }
}

fn answer(result: DeleteTopicResult) -> DeletableTopicResult {
    let answer = DeletableTopicResult::default()
        .with_name(result.name.map(|name| TopicName(text(name))))
        .with_topic_id(result.topic_id.map(TopicId::get).unwrap_or_default())
        .with_error_message(None);
    match result.result {
        Ok(()) => answer,
        Err(error) => answer
            .with_error_code(error.code.code())
            .with_error_message(error.message.map(text)),
    }
}
