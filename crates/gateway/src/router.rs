//! All routes, and what is around every one of them: request ids, logs, metrics, and typed answers where there is no route.

use std::{any::Any, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use phalanx_api::ErrorCode;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use crate::{extract::quoted, failure::Refused, metrics, openapi, routes::dashboard, state::Shared};

/// Names the request in answers and logs.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The API, and the dashboard if it is wanted.
pub(crate) fn router(routes: Router<Shared>, has_dashboard: bool) -> Router<Shared> {
    let routes = if has_dashboard { routes.merge(dashboard::router()) } else { routes };
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(observe))
}

/// The routes and their description as text.
pub(crate) fn described() -> (Router<Shared>, String) {
    let (routes, document) = openapi::routes();
    // The document is made of literals; a test reads it.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    openapi::complete(&mut document);
    (routes, document.to_string())
}

async fn no_route(request: Request) -> Refused {
    Refused::not_found(format!("there is nothing at {}", quoted(request.uri().path())))
        .hint("GET /openapi.json lists what there is")
}

async fn no_method(request: Request) -> Refused {
    let (method, path) = (request.method(), quoted(request.uri().path()));
    Refused::new(ErrorCode::MethodNotAllowed, format!("{path} takes no {}", quoted(method.as_str())))
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref().cloned());
    Refused::internal(format!("a handler panicked: {}", text.unwrap_or_default())).into_response()
}

/// Gives the request an id and a span, counts it, and logs once why it was refused.
async fn observe(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = format!("{:016x}", rand::random::<u64>());
    let method = request.method().clone();
    // Not the path itself: labels must be few.
    let route = request.extensions().get::<MatchedPath>().map_or("none".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id, %method, route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.in_scope(|| log(status, response.extensions_mut().remove::<Refused>()));
    metrics::answered(&format!("{} {route}", known(&method)), status.as_u16(), began.elapsed());
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Anybody may invent methods.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::POST | Method::PUT | Method::DELETE | Method::HEAD | Method::OPTIONS => method.as_str(),
        _ => "OTHER",
    }
}

fn log(status: StatusCode, refused: Option<Refused>) {
    let Some(Refused { body, cause, .. }) = refused else { return };
    let (status, message, cause) = (status.as_u16(), body.message, cause.as_deref());
    if status >= 500 {
        tracing::warn!(status, cause, "{message}");
    } else {
        tracing::debug!(status, cause, "{message}");
    }
}
