//! The admin port: `/livez`, `/readyz`, `/metrics`, `/status`, and a page for people; and `/orders`, for whoever may give some.
//!
//! Promises: what only tells needs nothing, and shows no object's content; an order is taken only on the unix socket (`socket`), whose file says who may, or with
//! the token, and never from a web page. Bounds: a body has at most [`MAX_BODY`], and [`MAX_CONCURRENT`] requests are answered at once; more are told to come
//! back. Those of connections are in `door`.

mod door;
pub mod socket;

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use prometheus_client::registry::Registry;
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
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

/// The shortest token that is taken, in bytes.
pub const MIN_TOKEN: usize = 16;

/// An order's answer, or why there is none: a status code and what to say.
pub type Answer = Result<serde_json::Value, (u16, String)>;

/// Carries out what the body of an order says.
type Desk = Box<dyn Fn(&[u8]) -> Answer + Send + Sync>;

/// Whether whoever connects may give orders without a token: the socket's file was that.
#[derive(Clone, Copy)]
struct Trusted(bool);

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
    orders: Desk,
    /// SHA-256 of what gives orders over TCP; none: nothing does.
    token: Option<[u8; 32]>,
    places: Semaphore,
}

impl Admin {
    /// Tells `registry` and what `status` answers, and has `orders` carried out; over TCP only with `token`. Not ready yet.
    pub fn new(
        registry: Registry,
        status: impl Fn() -> serde_json::Value + Send + Sync + 'static,
        orders: impl Fn(&[u8]) -> Answer + Send + Sync + 'static,
        token: Option<&str>,
    ) -> Admin {
        Admin {
            shared: Arc::new(Shared {
                ready: AtomicBool::new(false),
                registry: Mutex::new(registry),
                status: Box::new(status),
                orders: Box::new(orders),
                token: token.map(|token| Sha256::digest(token).into()),
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
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        door::serve(listener, self.router(Trusted(false)), stop).await;
    }

    fn router(self, trusted: Trusted) -> Router {
        Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/status", get(status))
            .route("/", get(page))
            .route("/orders", post(orders))
            .layer(Extension(trusted))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    /// Whether a request may give orders.
    fn may_order(&self, Trusted(trusted): Trusted, headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
        let refused = |words: &str| Err((StatusCode::FORBIDDEN, words.to_owned()));
        if headers.contains_key(header::ORIGIN) {
            return refused("orders are not taken from web pages");
        }
        if trusted {
            return Ok(());
        }
        let Some(token) = &self.shared.token else {
            return refused(
                "orders are taken on the socket in the state directory (--state-dir), or here with a token; start weir with --admin-token-file FILE to have one",
            );
        };
        let given = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
        // Of both a hash, so that how long it takes says nothing about the token.
        if given.is_some_and(|given| Sha256::digest(given).as_slice() == token) {
            return Ok(());
        }
        Err((StatusCode::UNAUTHORIZED, "the token is missing or wrong; give the one of --admin-token-file".to_owned()))
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

async fn orders(
    State(admin): State<Admin>,
    Extension(trusted): Extension<Trusted>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err((code, words)) = admin.may_order(trusted, &headers) {
        return refusal(code, &words);
    }
    // It may take locks of lanes and, for a forgotten handler, walk its ledger; still only moments.
    admin.answer(|| match (admin.shared.orders)(&body) {
        Ok(answer) => Json(answer).into_response(),
        Err((code, words)) => refusal(StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST), &words),
    })
}

fn refusal(code: StatusCode, words: &str) -> Response {
    (code, Json(serde_json::json!({ "error": words }))).into_response()
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
        with_token(None)
    }

    fn with_token(token: Option<&str>) -> Admin {
        let status = || serde_json::json!({ "handlers": [{ "name": "<b>" }] });
        let orders = |body: &[u8]| match body {
            b"unknown" => Err((404, "there is none".to_owned())),
            body => Ok(serde_json::json!(body.len())),
        };
        Admin::new(Registry::default(), status, orders, token)
    }

    /// Orders something, with these headers; the code and the words.
    async fn order(admin: &Admin, trusted: bool, headers: &[(&str, &str)], body: &str) -> (StatusCode, String) {
        let request = axum::http::Request::post("/orders");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(axum::body::Body::from(body.to_owned())).unwrap();
        let response = admin.clone().router(Trusted(trusted)).oneshot(request).await.unwrap();
        let code = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn orders_are_taken_on_the_socket_or_with_the_token_and_never_from_a_page() {
        let (none, some) = (admin(), with_token(Some("0123456789abcdef")));
        let right = ("authorization", "Bearer 0123456789abcdef");
        assert_eq!(order(&none, true, &[], "12").await, (StatusCode::OK, "2".to_owned()));
        for (admin, trusted, headers, code, words) in [
            (&none, false, &[][..], 403, "--admin-token-file"),
            (&none, false, &[right], 403, "--admin-token-file"),
            (&some, false, &[], 401, "missing or wrong"),
            (&some, false, &[("authorization", "Bearer 0123456789abcdee")], 401, "missing or wrong"),
            (&some, false, &[("authorization", "0123456789abcdef")], 401, "missing or wrong"),
            (&some, false, &[right], 200, "2"),
            (&some, false, &[right, ("origin", "http://localhost")], 403, "web pages"),
            (&none, true, &[("origin", "null")], 403, "web pages"),
        ] {
            let (got, said) = order(admin, trusted, headers, "12").await;
            assert_eq!(got.as_u16(), code, "{headers:?}: {said}");
            assert!(said.contains(words), "{headers:?}: {said}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_carried_out_says_why_and_what_is_too_large_is_not_read() {
        let (code, words) = order(&admin(), true, &[], "unknown").await;
        assert_eq!((code, words.as_str()), (StatusCode::NOT_FOUND, r#"{"error":"there is none"}"#));
        let large = "x".repeat(MAX_BODY + 1);
        assert_eq!(order(&admin(), true, &[], &large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }

    async fn get_path(admin: &Admin, path: &str) -> (StatusCode, String) {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = admin.clone().router(Trusted(false)).oneshot(request).await.unwrap();
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
