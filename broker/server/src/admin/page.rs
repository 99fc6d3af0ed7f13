//! The page: a document, its style and its script, as they are in `page/`. It asks for what it shows at the paths of [`view`](super::view).

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::AdminState;
use super::routes::headers;

const DOCUMENT: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/", get(document))
        .route("/page.css", get(style))
        .route("/page.js", get(script))
}

async fn document() -> Response {
    (headers("text/html; charset=utf-8"), DOCUMENT).into_response()
}

async fn style() -> Response {
    (headers("text/css; charset=utf-8"), STYLE).into_response()
}

async fn script() -> Response {
    (headers("text/javascript; charset=utf-8"), SCRIPT).into_response()
}
