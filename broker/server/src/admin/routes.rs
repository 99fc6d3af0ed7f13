//! What each path answers.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use super::{AdminState, Caller, Readiness, page, view};
use crate::metrics::CONTENT_TYPE;
use crate::standing::complaints;

/// What a browser may do with anything that is answered here to the page: load the page's own script and style, ask the paths beside it, and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

pub(super) fn router(state: AdminState) -> Router {
    Router::new()
        .merge(page::routes())
        .merge(view::routes())
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/safe-to-stop", get(safe_to_stop))
        .route("/hand-over", post(hand_over))
        .with_state(state)
}

/// What the page, and what it shows, is answered with: nobody keeps it, or takes it for something else.
pub(super) fn headers(content_type: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ]
}

async fn livez() -> &'static str {
    "ok\n"
}

/// What is wrong with a broker that serves all the same stands below, and changes nothing: clients can still be told who leads.
async fn readyz(State(state): State<AdminState>) -> (StatusCode, String) {
    if let Readiness::NotReady(reason) = &*state.readiness.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"));
    }
    let departure = state.departure.get();
    let complaints = departure.map(|it| complaints(it.broker()));
    let mut said = "ok\n".to_owned();
    for complaint in complaints.into_iter().flatten() {
        said.push_str(&complaint);
        said.push('\n');
    }
    (StatusCode::OK, said)
}

/// What has not started serves nothing that could be missing.
async fn safe_to_stop(State(state): State<AdminState>) -> (StatusCode, String) {
    match state.departure.get() {
        Some(departure) => said(departure.is_safe().await),
        None => said(Ok(())),
    }
}

/// Anybody on this machine could stop the process as well.
async fn hand_over(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> (StatusCode, String) {
    // A browser says from whose page it asks: a page that somebody on this machine looks at is nobody on this machine.
    if !caller.address.is_loopback() || headers.contains_key(header::ORIGIN) {
        let message = "only from this machine\n".to_owned();
        return (StatusCode::FORBIDDEN, message);
    }
    caller.waits.store(true, Ordering::Relaxed);
    let result = match state.departure.get() {
        Some(departure) => departure.when_safe().await,
        None => Ok(()),
    };
    caller.waits.store(false, Ordering::Relaxed);
    said(result)
}

fn said(result: Result<(), String>) -> (StatusCode, String) {
    match result {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
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
