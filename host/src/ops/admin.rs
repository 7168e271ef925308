//! The admin port: `/livez`, `/readyz`, `/metrics`, `/status`, and a page for people.
//!
//! It only tells; nothing sent to it changes anything. Bounds: requests carry no body worth reading
//! ([`MAX_BODY`]), and [`MAX_CONCURRENT`] of them are answered at once; more are told to come back.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use prometheus_client::registry::Registry;
use std::{
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

/// Bytes of a request's body that are read at most.
pub const MAX_BODY: usize = 4 << 10;

/// Requests answered at once.
pub const MAX_CONCURRENT: usize = 16;

/// The content type of the OpenMetrics text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin port tells. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    shared: Arc<Shared>,
}

struct Shared {
    ready: AtomicBool,
    /// Locked while metrics are encoded; registration ends before the port opens.
    registry: Mutex<Registry>,
    status: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    places: Semaphore,
}

impl Admin {
    /// Tells `registry` and what `status` answers. Not ready yet.
    pub fn new(registry: Registry, status: impl Fn() -> serde_json::Value + Send + Sync + 'static) -> Admin {
        Admin {
            shared: Arc::new(Shared {
                ready: AtomicBool::new(false),
                registry: Mutex::new(registry),
                status: Box::new(status),
                places: Semaphore::new(MAX_CONCURRENT),
            }),
        }
    }

    /// What `/readyz` says from now on.
    pub fn set_ready(&self, ready: bool) {
        self.shared.ready.store(ready, Ordering::Release);
    }

    /// What `/readyz` says.
    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire)
    }

    /// What `/status` would say now.
    pub fn status(&self) -> serde_json::Value {
        (self.shared.status)()
    }

    /// What `/metrics` would say now, in the OpenMetrics text format.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let registry = self.shared.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }

    /// Answers on `listener` until `stop`.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(stop.cancelled_owned()).await
    }

    fn router(self) -> Router {
        Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/status", get(status))
            .route("/", get(page))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    fn answer(&self, body: impl FnOnce() -> Response) -> Response {
        match self.shared.places.try_acquire() {
            Ok(_place) => body(),
            Err(_) => (StatusCode::TOO_MANY_REQUESTS, "too many requests at once, try again\n").into_response(),
        }
    }
}

/// Whether `address` can be reached only from this machine.
pub fn is_private(address: &SocketAddr) -> bool {
    address.ip().is_loopback()
}

async fn readyz(State(admin): State<Admin>) -> Response {
    if admin.is_ready() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    admin.answer(|| ([(header::CONTENT_TYPE, OPEN_METRICS)], admin.metrics()).into_response())
}

async fn status(State(admin): State<Admin>) -> Response {
    admin.answer(|| Json(admin.status()).into_response())
}

async fn page(State(admin): State<Admin>) -> Response {
    admin.answer(|| Html(render(&admin.status())).into_response())
}

/// The status as a page: nested tables, everything escaped.
fn render(status: &serde_json::Value) -> String {
    let mut page = String::from(
        "<!doctype html><meta charset=utf-8><title>weir</title><style>body{font:14px/1.5 system-ui;margin:2rem}\
         table{border-collapse:collapse}td{border:1px solid #ccc;padding:.1rem .5rem;vertical-align:top}</style><h1>weir</h1>",
    );
    cell(&mut page, status);
    page.push_str("<p><a href=status>status</a> · <a href=metrics>metrics</a></p>");
    page
}

fn cell(page: &mut String, value: &serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            page.push_str("<table>");
            for (name, value) in map {
                page.push_str("<tr><td>");
                escape(page, name);
                page.push_str("<td>");
                cell(page, value);
            }
            page.push_str("</table>");
        }
        serde_json::Value::Array(items) => {
            for item in items {
                cell(page, item);
                page.push_str("<br>");
            }
        }
        serde_json::Value::String(text) => escape(page, text),
        other => {
            let _ = write!(page, "{other}");
        }
    }
}

fn escape(page: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '&' => page.push_str("&amp;"),
            '"' => page.push_str("&quot;"),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt as _;

    fn admin() -> Admin {
        Admin::new(Registry::default(), || serde_json::json!({ "handlers": [{ "name": "<b>" }] }))
    }

    async fn get_path(admin: &Admin, path: &str) -> (StatusCode, String) {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = admin.clone().router().oneshot(request).await.unwrap();
        let code = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_is_alive_before_it_is_ready() {
        let admin = admin();
        assert_eq!(get_path(&admin, "/livez").await.0, StatusCode::OK);
        assert_eq!(get_path(&admin, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        admin.set_ready(true);
        assert_eq!(get_path(&admin, "/readyz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn the_page_escapes_what_it_shows() {
        let (code, body) = get_path(&admin(), "/").await;
        assert_eq!(code, StatusCode::OK);
        assert!(body.contains("&lt;b&gt;") && !body.contains("<b>"), "{body}");
    }

    #[tokio::test]
    async fn metrics_end_as_openmetrics_demands() {
        assert!(get_path(&admin(), "/metrics").await.1.ends_with("# EOF\n"));
    }

    #[tokio::test]
    async fn beyond_its_places_it_says_come_back() {
        let admin = admin();
        let _all = admin.shared.places.try_acquire_many(MAX_CONCURRENT as u32).unwrap();
        assert_eq!(get_path(&admin, "/status").await.0, StatusCode::TOO_MANY_REQUESTS);
    }
}
