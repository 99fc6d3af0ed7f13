//! What the page shows, as JSON.
//!
//! | path | answer |
//! |---|---|
//! | `/api/broker` | this broker: what it has counted, its engine, its data directories |
//! | `/api/cluster` | the brokers, the controller, and how the partitions are |
//! | `/api/topics` | the topics by name; with `filter` those whose names contain that, with `unhealthy=true` those that are not as they should be |
//! | `/api/topics/NAME` | a topic's partitions, from the number `from` on |
//! | `/api/groups` | the groups that are coordinated here, by id; `filter` as above |
//! | `/api/group?id=ID` | one of them: how far it is behind in each topic, and its members |
//!
//! All of it is read, and nothing changed. Lists have an end, and say how long they would be. Where there is nothing to show, the answer is an object with `error`.
//!
//! The id of a group may be any text, `..` among them, which is why it is no part of a path.

mod broker;
mod cluster;
mod groups;
mod health;
mod query;
mod topics;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use broker_controller::topic_name;
use serde::Serialize;

use super::routes::headers;
use super::{AdminState, Readiness};
use crate::broker::Broker;
use query::Query;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/api/broker", get(show_broker))
        .route("/api/cluster", get(show_cluster))
        .route("/api/topics", get(show_topics))
        .route("/api/topics/{name}", get(show_topic))
        .route("/api/groups", get(show_groups))
        .route("/api/group", get(show_group))
}

/// Why there is nothing to show.
#[derive(Debug, Serialize)]
struct Refusal {
    #[serde(skip_serializing)]
    status: StatusCode,
    error: String,
}

impl Refusal {
    fn invalid(error: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::BAD_REQUEST,
            error: error.into(),
        }
    }

    fn not_found(error: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::NOT_FOUND,
            error: error.into(),
        }
    }

    fn unavailable(error: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: error.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json(self.status, &self)
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, headers("application/json"), bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "what the page shows cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Why clients are not served.
fn not_ready(state: &AdminState) -> Option<String> {
    match &*state.readiness.borrow() {
        Readiness::Ready => None,
        Readiness::NotReady(reason) => Some(reason.clone()),
    }
}

/// The broker, once it has started.
fn started(state: &AdminState) -> Result<Arc<Broker>, Refusal> {
    match state.departure.get() {
        Some(departure) => Ok(Arc::clone(departure.broker())),
        None => {
            let reason = not_ready(state).unwrap_or_else(|| "starting".to_owned());
            Err(Refusal::unavailable(reason))
        }
    }
}

/// Looks on a thread that may block, one at a time: it takes time in proportion to the partitions of the cluster.
async fn shown<T: Serialize + 'static>(
    state: &AdminState,
    look: impl FnOnce(&Broker) -> Result<T, Refusal> + Send + 'static,
) -> Result<Response, Refusal> {
    let broker = started(state)?;
    let turn = Arc::clone(&state.view).acquire_owned().await;
    let turn = turn.map_err(|_| Refusal::unavailable("stopping"))?;
    let looking = tokio::task::spawn_blocking(move || {
        let shown = look(&broker).map(|it| json(StatusCode::OK, &it));
        drop(turn);
        shown
    });
    match looking.await {
        Ok(shown) => shown,
        // The process is stopping.
        Err(_) => Err(Refusal::unavailable("stopping")),
    }
}

async fn show_broker(State(state): State<AdminState>) -> Result<Response, Refusal> {
    let not_ready = not_ready(&state);
    shown(&state, |it| Ok(broker::broker(it, not_ready))).await
}

async fn show_cluster(State(state): State<AdminState>) -> Result<Response, Refusal> {
    shown(&state, |it| Ok(cluster::cluster(it))).await
}

async fn show_topics(
    State(state): State<AdminState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = Query::of(query.as_deref())?;
    let wanted = topics::Wanted {
        filter: query.filter(),
        unhealthy: query.is_set("unhealthy"),
    };
    shown(&state, move |it| Ok(topics::topics(it, &wanted))).await
}

async fn show_topic(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let Ok(Path(name)) = name else {
        return Err(Refusal::invalid("the topic's name is no UTF-8"));
    };
    topic_name::validate(&name).map_err(Refusal::invalid)?;
    let from = Query::of(query.as_deref())?.number("from")?;
    shown(&state, move |it| topics::topic(it, &name, from)).await
}

async fn show_groups(
    State(state): State<AdminState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let filter = Query::of(query.as_deref())?.filter();
    shown(&state, move |it| Ok(groups::groups(it, &filter))).await
}

async fn show_group(
    State(state): State<AdminState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = Query::of(query.as_deref())?;
    let broker = started(&state)?;
    let told = groups::ask(&broker, query.text("id").into()).await?;
    shown(&state, move |it| Ok(groups::group(it, told))).await
}
