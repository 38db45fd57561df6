//! The dashboard: static files inside the program, which show what the API says.

use axum::{
    Router,
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    extract::quoted,
    failure::{Answer, Refused},
    state::Shared,
};

/// Every file by name.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// The page at `/` and its files at `/dashboard/`.
pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/", get(|| async { file("index.html") })).route("/dashboard/{file}", get(named))
}

async fn named(Path(name): Path<String>) -> Answer<Response> {
    file(&name)
}

fn file(name: &str) -> Answer<Response> {
    let found = FILES.iter().find(|(is, _)| *is == name);
    let (_, bytes) = found.ok_or_else(|| Refused::not_found(format!("the dashboard has no file {}", quoted(name))))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type(name))),
        // The files have no versions in their names, so a new gateway must be asked.
        (header::CACHE_CONTROL, HeaderValue::from_static(if name == "index.html" { "no-store" } else { "no-cache" })),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((headers, *bytes).into_response())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_only_files_that_are_there() {
        let (_, page) = FILES.iter().find(|(name, _)| *name == "index.html").expect("the page");
        let page = std::str::from_utf8(page).expect("text");
        let names: Vec<&str> = page.split("/dashboard/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(!names.is_empty());
        for name in names {
            assert!(FILES.iter().any(|(is, _)| *is == name), "{name}");
        }
    }
}
