//! Requests to servers of the tests' own, on loopback.

use super::*;
use crate::action::{ActionError, Applied, testing::*};
use crate::contract::Change;
use crate::handler::manifest::{Manifest, Template, limit::Limit};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};
use tokio::net::TcpListener;

const SECRET: &str = "hunter2hunter2";

mod sites;
use sites::{Site, answer, redirect};

fn post(url: &str) -> HttpRequest {
    HttpRequest {
        method: "POST".into(),
        url: url.into(),
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: "{}".into(),
        idempotency_key: None,
    }
}

fn get(url: &str) -> HttpRequest {
    HttpRequest { method: "GET".into(), body: String::new(), ..post(url) }
}

fn granting(urls: &[&str]) -> Manifest {
    let mut manifest = manifest();
    manifest.grants.http = urls.iter().map(|url| HttpGrant::plain(url).unwrap()).collect();
    manifest
}

/// A grant with secrets in it.
fn secret(url: &str, headers: &[(&str, &str)]) -> Manifest {
    let mut manifest = manifest();
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Template::parse(value).unwrap())).collect();
    manifest.grants.http = vec![HttpGrant { url: Template::parse(url).unwrap(), headers, private: false }];
    manifest
}

fn secrets() -> Secrets {
    Secrets::new([("TOKEN".to_owned(), SECRET.to_owned()), ("BAD".to_owned(), "a/../b".to_owned())])
}

/// Names of the tests: `inside.example` leads to loopback, `link.example` to a metadata service.
fn resolve(name: &str) -> Vec<std::net::IpAddr> {
    let addresses: &[&str] = match name {
        "inside.example" => &["127.0.0.1"],
        "link.example" => &["169.254.169.254", "fe80::1"],
        _ => &[],
    };
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

fn executor(manifest: Manifest) -> Executor {
    let mut executor = Script::default().executor(manifest);
    executor.deps.outside = Outside::resolving(secrets(), resolve);
    executor
}

async fn carry_out(manifest: Manifest, request: HttpRequest) -> Result<Applied, ActionError> {
    executor(manifest).carry_out(&node(), vec![Action::Http(request)]).await
}

async fn failed(manifest: Manifest, request: HttpRequest) -> ActionError {
    carry_out(manifest, request).await.unwrap_err()
}

const OUTSIDE: Class = Class::Outside { retry_after: None };

#[tokio::test]
async fn a_granted_request_arrives_as_the_handler_wrote_it() {
    let site = Site::start([answer(204, "")]).await;
    let applied = carry_out(granting(&[&site.at("/hooks/")]), post(&site.at("/hooks/%61?b=c"))).await.unwrap();
    assert!(applied.reached_outside);
    assert_eq!(applied.writes, 0);
    let [seen] = &site.seen()[..] else { panic!() };
    assert_eq!((&*seen.line, &*seen.body), ("POST /hooks/a?b=c", "{}"));
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("host"), site.address.to_string());
    assert!(seen.header("user-agent").starts_with("weir/"));
    assert_eq!(seen.header("connection"), "close");
    assert_eq!(seen.header("idempotency-key").len(), 32);
}

#[tokio::test]
async fn what_is_not_granted_refuses_the_whole_reply_with_the_lines_to_add() {
    let script = Script::default();
    let actions = vec![
        Action::Label(vec![("a".into(), None)]),
        Action::Http(post("https://a.example:443/Hook?token=x")),
        Action::Http(get("https://a.example/${env:HOME}")),
    ];
    let error = script.executor(granting(&["https://b.example/"])).carry_out(&node(), actions).await.unwrap_err();
    assert_eq!(error.class, Class::Permanent);
    assert_eq!(
        error.message,
        "not granted: http POST https://a.example:443/Hook, GET https://a.example/${env:HOME}; a URL with ${…} is admitted only by \
         a grant of that very text; to allow it, add to spec.grants.http in the manifest of h:\n- https://a.example/Hook"
    );
    assert!(!error.before.reached_outside);
    assert_eq!(script.requests(), [], "nothing was sent");
}

#[tokio::test]
async fn what_is_no_request_is_refused_before_anything_is_sent() {
    type Edit = fn(&mut HttpRequest);
    let edits: [(Edit, &str); 8] = [
        (|it| it.method = "CONNECT".into(), "the method \"CONNECT\" is none of GET, HEAD"),
        (|it| it.method = "GET / HTTP/1.1\r\nX: y".into(), "is none of"),
        (|it| it.url = "https://a.example/b/../c".into(), "`.` or `..`"),
        (|it| it.url = "https://user@a.example/".into(), "a user before the host"),
        (|it| it.headers = vec![("Host".into(), "b.example".into())], "the header host is weir's to set"),
        (|it| it.headers = vec![("X".into(), "a\r\nY: b".into())], "the value of the header x is none"),
        (|it| it.idempotency_key = Some("a b".into()), "the idempotency key has to be"),
        (|it| it.body = "x".repeat(300 << 10), "limits.httpRequestBytes allows 262144"),
    ];
    for (edit, words) in edits {
        let mut request = post("https://a.example/");
        edit(&mut request);
        let error = failed(granting(&["https://a.example/"]), request).await;
        assert_eq!(error.class, Class::Permanent);
        assert!(error.message.contains(words), "{}", error.message);
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused_unless_the_grant_says_so() {
    let site = Site::start([answer(200, "")]).await;
    let url = format!("http://inside.example:{}/", site.address.port());
    let error = failed(granting(&[&url]), post(&url)).await;
    assert_eq!(error.class, Class::Permanent);
    assert!(
        error.message.contains("inside.example leads to 127.0.0.1, which is a private address"),
        "{}",
        error.message
    );
    assert!(error.message.contains("private: true"), "{}", error.message);
    assert_eq!(site.seen().len(), 0);
    let mut manifest = granting(&[&url]);
    manifest.grants.http[0].private = true;
    carry_out(manifest, post(&url)).await.unwrap();
    assert_eq!(site.seen().len(), 1);
    let mut manifest = granting(&["http://link.example/"]);
    manifest.grants.http[0].private = true;
    let error = failed(manifest, post("http://link.example/")).await;
    assert!(error.message.contains("of a cloud's metadata"), "{}", error.message);
}

#[tokio::test]
async fn a_name_is_looked_up_once_so_what_was_checked_is_what_is_connected_to() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let site = Site::start([answer(200, "")]).await;
    let mut manifest = granting(&[&format!("http://rebinding.example:{}/", site.address.port())]);
    manifest.grants.http[0].private = true;
    let url = manifest.grants.http[0].url.text().to_owned();
    let mut executor = executor(manifest);
    // The second answer would be another one.
    executor.deps.outside = Outside::resolving(secrets(), |_| match ASKED.fetch_add(1, Ordering::Relaxed) {
        0 => vec!["127.0.0.1".parse().unwrap()],
        _ => vec!["169.254.169.254".parse().unwrap()],
    });
    executor.carry_out(&node(), vec![Action::Http(post(&url))]).await.unwrap();
    assert_eq!((site.seen().len(), ASKED.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn requests_that_differ_in_headers_alone_have_keys_of_their_own() {
    let site = Site::start([answer(204, ""), answer(204, ""), answer(204, "")]).await;
    let to = |channel: &str| {
        let mut request = post(&site.at("/"));
        request.headers.push(("x-channel".into(), channel.into()));
        Action::Http(request)
    };
    executor(granting(&[&site.at("/")])).carry_out(&node(), vec![to("a"), to("b"), to("a")]).await.unwrap();
    let keys: std::collections::BTreeSet<_> =
        site.seen().iter().map(|it| it.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn a_redirect_within_the_grants_is_followed_with_body_and_key() {
    let other = Site::start([answer(200, "")]).await;
    let site = Site::start([redirect(307, "/hooks/two"), redirect(308, &other.at("/three"))]).await;
    let mut request = post(&site.at("/hooks/one"));
    request.headers.push(("Authorization".into(), "Basic eA==".into()));
    request.headers.push(("X-Api-Key".into(), "k".into()));
    carry_out(granting(&[&site.at("/hooks/"), &other.at("/")]), request).await.unwrap();
    let seen = [site.seen(), other.seen()].concat();
    let lines: Vec<_> = seen.iter().map(|it| it.line.as_str()).collect();
    assert_eq!(lines, ["POST /hooks/one", "POST /hooks/two", "POST /three"]);
    assert!(seen.iter().all(|it| it.body == "{}" && it.header("idempotency-key") == seen[0].header("idempotency-key")));
    let credentials: Vec<_> = seen.iter().map(|it| it.header("authorization")).collect();
    assert_eq!(credentials, ["Basic eA==", "Basic eA==", ""], "they stay with the origin they were meant for");
    assert_eq!((seen[1].header("x-api-key"), seen[2].header("x-api-key")), ("k", ""));
    assert_eq!(seen[2].header("content-type"), "application/json");
}

#[tokio::test]
async fn a_redirect_outside_the_grants_is_not_followed() {
    let other = Site::start([]).await;
    let site =
        Site::start([redirect(307, &other.at("/x?y")), redirect(307, "/other"), redirect(307, "/hooks/../other")])
            .await;
    let line = format!("\n- {}", other.at("/x"));
    for words in [&*line, "\n- http://127.0.0.1", "redirects badly: its path has `.` or `..`"] {
        let error = failed(granting(&[&site.at("/hooks/")]), post(&site.at("/hooks/one"))).await;
        assert_eq!(error.class, OUTSIDE);
        assert!(error.message.contains(words), "{}", error.message);
        assert!(error.before.reached_outside);
    }
    assert_eq!((site.seen().len(), other.seen().len()), (3, 0));
}

#[tokio::test]
async fn a_redirect_that_would_turn_a_post_into_a_get_is_a_failure_and_a_circle_ends() {
    let site = Site::start([redirect(302, "/"), redirect(303, "/"), redirect(302, "/a"), answer(200, "")]).await;
    let granted = || granting(&[&site.at("/")]);
    for words in ["answered 302 Found", "answered 303 See Other"] {
        let error = failed(granted(), post(&site.at("/"))).await;
        assert!(error.message.contains(words), "{}", error.message);
    }
    carry_out(granted(), get(&site.at("/"))).await.unwrap();
    let circle = Site::start(std::iter::repeat_with(|| redirect(307, "/")).take(9)).await;
    let error = failed(granting(&[&circle.at("/")]), post(&circle.at("/"))).await;
    assert!(error.message.contains("redirects more than 5 times"), "{}", error.message);
    assert_eq!(circle.seen().len(), 6);
}

#[tokio::test]
async fn an_answer_other_than_2xx_is_the_handlers_failure_in_the_servers_words() {
    let mut limited = answer(429, "slow down\u{1b}[2J");
    limited.headers.push(("retry-after".into(), "90000".into()));
    let site = Site::start([answer(500, "oh\nno"), limited, answer(404, "")]).await;
    for (class, words) in [
        (OUTSIDE, "answered 500 Internal Server Error: oh no"),
        (Class::Outside { retry_after: Some(3600) }, "answered 429 Too Many Requests: slow down [2J"),
        (OUTSIDE, "answered 404 Not Found"),
    ] {
        let error = failed(granting(&[&site.at("/")]), post(&site.at("/"))).await;
        assert_eq!(error.message, format!("http on Node a: POST {}: {words}", site.at("/")));
        assert_eq!(error.class, class);
        assert!(error.before.reached_outside);
    }
}

#[tokio::test]
async fn without_a_server_nobody_was_reached() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/");
    for url in [&*url, "http://nowhere.example/"] {
        let error = failed(granting(&[url]), post(url)).await;
        assert_eq!(error.class, OUTSIDE, "{}", error.message);
        assert!(!error.before.reached_outside);
    }
}

/// How often the handler met one of its bounds.
fn met(executor: &Executor, limit: Limit) -> u64 {
    executor.deps.metrics.limits().of("h", limit)
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for_beyond_the_limit() {
    let site = Site::start([]).await;
    let mut manifest = granting(&[&site.at("/")]);
    manifest.limits.http_time = Duration::from_millis(100);
    let executor = executor(manifest);
    let error = executor.carry_out(&node(), vec![Action::Http(post(&site.at("/")))]).await.unwrap_err();
    assert_eq!((error.class, met(&executor, Limit::HttpTime)), (OUTSIDE, 1));
    assert!(error.message.ends_with("no answer within 100 ms (limits.httpTime)"), "{}", error.message);
    assert!(error.before.reached_outside);
}

#[tokio::test]
async fn an_answer_is_read_no_further_than_its_limit() {
    let mut wide = answer(200, "");
    wide.headers.push(("x".into(), "y".repeat(900 << 10)));
    let mut endless = answer(200, "");
    endless.endless = true;
    let site = Site::start([wide, endless]).await;
    let executor = executor(granting(&[&site.at("/")]));
    let ask = async || executor.carry_out(&node(), vec![Action::Http(post(&site.at("/")))]).await;
    let error = ask().await.unwrap_err();
    let words = "the head of the answer has more than 65536 bytes (limits.httpAnswerBytes)";
    assert!(error.message.ends_with(words), "{}", error.message);
    ask().await.unwrap();
    assert_eq!(met(&executor, Limit::HttpAnswerBytes), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_goes_on_keeps_its_place_when_the_request_is_given_up() {
    let asked = Arc::new(AtomicUsize::new(0));
    let mut manifest = granting(&["https://lost.example/"]);
    manifest.limits.http_connections = 2;
    let mut executor = executor(manifest);
    executor.deps.outside = Outside::lost(asked.clone());
    let (limit, node) = (executor.deps.manifest.limits.http_time, node());
    let all = (0..6).map(|_| executor.carry_out(&node, vec![Action::Http(post("https://lost.example/"))]));
    let ended = tokio::time::timeout(limit * 10, futures::future::join_all(all)).await;
    assert!(ended.is_err() && asked.load(std::sync::atomic::Ordering::Relaxed) == 2, "{asked:?}");
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_the_limit_allows() {
    let site = Site::start((0..6).map(|_| answer(200, ""))).await;
    let mut manifest = granting(&[&site.at("/")]);
    manifest.limits.http_connections = 2;
    let (executor, node) = (executor(manifest), node());
    let all = (0..6).map(|_| executor.carry_out(&node, vec![Action::Http(post(&site.at("/")))]));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(site.at_once(), 2);
    assert_eq!(met(&executor, Limit::HttpConnections), 4);
}

#[tokio::test]
async fn a_dry_run_sends_nothing() {
    let site = Site::start([]).await;
    let manifest = Manifest { dry_run: true, ..granting(&[&site.at("/")]) };
    let applied = carry_out(manifest, post(&site.at("/"))).await.unwrap();
    assert!(!applied.reached_outside && site.seen().is_empty());
    let manifest = Manifest { dry_run: true, ..granting(&[]) };
    assert_eq!(failed(manifest, post(&site.at("/"))).await.class, Class::Permanent, "it still has to be granted");
}

#[tokio::test]
async fn the_idempotency_key_is_the_same_for_every_try_and_another_for_every_change() {
    let site = Site::start((0..5).map(|_| answer(200, ""))).await;
    let request = || Action::Http(post(&site.at("/")));
    let executor = executor(granting(&[&site.at("/")]));
    executor.carry_out(&node(), vec![request(), request()]).await.unwrap();
    // Tried again: the object is another version by now.
    let again = Subject { resource_version: "9".into(), change: Change::Requeued, ..node() };
    executor.carry_out(&again, vec![request()]).await.unwrap();
    executor.carry_out(&Subject { counter: 4, ..node() }, vec![request()]).await.unwrap();
    let own = HttpRequest { idempotency_key: Some("mine".into()), ..post(&site.at("/")) };
    executor.carry_out(&node(), vec![Action::Http(own)]).await.unwrap();
    let keys: Vec<_> = site.seen().iter().map(|it| it.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys[0], keys[2]);
    assert!(keys[0] != keys[1] && keys[0] != keys[3], "{keys:?}");
    assert_eq!(keys[4], "mine");
}

#[tokio::test]
async fn secrets_reach_the_server_and_nobody_else() {
    let site = Site::start([
        answer(200, ""),
        answer(403, &format!("no: Bearer {SECRET}")),
        redirect(307, &format!("/{SECRET}")),
    ])
    .await;
    let grant = site.at("/hooks/${env:TOKEN}");
    let manifest = || secret(&grant, &[("authorization", "Bearer ${env:TOKEN}")]);
    let mut request = post(&format!("{grant}/more?x=1"));
    request.url = format!("{grant}/more");
    request.headers.push(("Authorization".into(), "the handler's own".into()));
    carry_out(manifest(), request.clone()).await.unwrap();
    let seen = &site.seen()[0];
    assert_eq!(seen.line, format!("POST /hooks/{SECRET}/more"));
    assert_eq!(seen.header("authorization"), format!("Bearer {SECRET}"));
    for words in ["answered 403 Forbidden", "redirects to a place that is not granted"] {
        let error = failed(manifest(), request.clone()).await;
        assert!(error.message.ends_with(words), "{}", error.message);
        assert!(error.message.contains("${env:TOKEN}"), "{}", error.message);
    }
    let executor = executor(manifest());
    let shown = format!("{executor:?} {:?} {:?} {:?}", executor.deps.outside, secrets(), manifest());
    let written = serde_json::to_string(&manifest()).unwrap();
    assert!(!shown.contains(SECRET) && !written.contains(SECRET));
    assert!(written.contains(r#""authorization":"Bearer ${env:TOKEN}""#), "{written}");
}

#[tokio::test]
async fn a_secret_in_a_file_is_read_anew_for_each_request() {
    let site = Site::start([answer(200, ""), answer(200, "")]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let manifest = secret(&site.at("/"), &[("x-token", &format!("${{file:{}}}", file.path().display()))]);
    for value in ["one\n", "two"] {
        std::fs::write(file.path(), value).unwrap();
        carry_out(manifest.clone(), post(&site.at("/"))).await.unwrap();
    }
    let values: Vec<_> = site.seen().iter().map(|it| it.header("x-token").to_owned()).collect();
    assert_eq!(values, ["one", "two"]);
}

#[tokio::test]
async fn a_secret_that_is_missing_or_fits_nowhere_refuses_the_grant() {
    for (url, header, words) in [
        (
            "https://a.example/",
            "${env:NONE}",
            "grants.http, https://a.example/: ${env:NONE} is not set; set it in weir's environment",
        ),
        ("https://a.example/${env:NONE}", "x", "grants.http, https://a.example/${env:NONE}: ${env:NONE} is not set"),
        ("https://a.example/", "${file:/nowhere/at/all}", "${file:/nowhere/at/all} cannot be read: No such file"),
        ("https://a.example/${env:BAD}", "x", "the value of ${env:BAD} cannot stand there in a URL"),
    ] {
        let manifest = secret(url, &[("x", header)]);
        let wrong = secrets().check(&manifest.grants.http).await.unwrap_err();
        assert!(wrong.contains(words) && !wrong.contains(".."), "{wrong}");
    }
    let manifest = secret("https://a.example/${env:TOKEN}", &[("x", "${env:TOKEN}")]);
    assert_eq!(secrets().check(&manifest.grants.http).await, Ok(()));
}
