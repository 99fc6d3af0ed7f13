//! What each path answers.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{AdminState, Readiness};
use crate::metrics::CONTENT_TYPE;

const INDEX: &str = concat!(
    "holdfast ",
    env!("CARGO_PKG_VERSION"),
    "\n\n/metrics  metrics, for Prometheus\n/livez    whether the process works\n/readyz   whether \
     clients are served, and if not, why\n"
);

pub(super) fn router(state: AdminState) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(state)
}

async fn index() -> &'static str {
    INDEX
}

async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(state): State<AdminState>) -> (StatusCode, String) {
    match &*state.readiness.borrow() {
        Readiness::Ready => (StatusCode::OK, "ok\n".to_owned()),
        Readiness::NotReady(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// Renders on a thread that may block: it takes time in proportion to the partitions.
async fn metrics(State(state): State<AdminState>) -> Response {
    let Ok(turn) = state.scrape.clone().acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let rendered = tokio::task::spawn_blocking(move || {
        let text = state.metrics.render();
        drop(turn);
        text
    });
    match rendered.await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
