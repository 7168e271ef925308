use super::*;
use crate::watch::testing::pods;
use futures::stream;
use std::convert::Infallible;

/// The answer to any request: these pieces, one at a time.
fn client(code: u16, retry_after: Option<&'static str>, pieces: Vec<Vec<u8>>) -> Client {
    let service = tower::service_fn(move |_: Request<Body>| {
        let pieces = pieces.clone().into_iter().map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
        let mut response = Response::builder().status(code);
        if let Some(value) = retry_after {
            response = response.header("retry-after", value);
        }
        std::future::ready(response.body(axum::body::Body::from_stream(stream::iter(pieces))))
    });
    Client::new(service, "default")
}

fn target(resource: &Resource) -> Target<'_> {
    Target {
        resource,
        namespace: Some("n"),
        label_selector: "app in (a,b)",
        field_selector: "",
        metadata_only: false,
        as_user: None,
    }
}

fn any() -> Request<Body> {
    target(&pods()).list(None, None).unwrap()
}

async fn lines(limit: usize, pieces: &[&str]) -> Vec<Result<String, String>> {
    let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
    let response = send(&client(200, None, pieces), any()).await.unwrap();
    let mut lines = Lines::new(response, limit);
    let mut all = Vec::new();
    loop {
        match lines.next().await {
            Ok(Some(line)) => all.push(Ok(String::from_utf8(line.to_vec()).unwrap())),
            Ok(None) => return all,
            Err(refusal) => {
                all.push(Err(refusal.message));
                return all;
            }
        }
    }
}

#[test]
fn requests_ask_for_the_most_recent_state_and_escape_what_they_carry() {
    let pods = pods();
    let query = |request: Request<Body>| request.uri().to_string();
    assert_eq!(
        query(target(&pods).list(Some("a+b/c="), Some(500)).unwrap()),
        "/api/v1/namespaces/n/pods?labelSelector=app%20in%20%28a%2Cb%29&limit=500&continue=a%2Bb%2Fc%3D"
    );
    let timeout = Duration::from_secs(250);
    let watch = target(&pods).watch(Some("7"), timeout).unwrap();
    assert_eq!(watch.headers()[header::ACCEPT_ENCODING], "identity");
    assert!(query(watch).ends_with("&watch=true&allowWatchBookmarks=true&timeoutSeconds=250&resourceVersion=7"));
    let streaming = query(target(&pods).watch(None, timeout).unwrap());
    assert!(streaming.ends_with("&timeoutSeconds=250&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"));
}

#[tokio::test(start_paused = true)]
async fn lines_come_whole_however_they_were_cut() {
    assert_eq!(
        lines(100, &["{\"a\"", ":1}\n{}", "\n\n[]\n"]).await,
        [Ok("{\"a\":1}".into()), Ok("{}".into()), Ok("[]".into())]
    );
}

#[tokio::test(start_paused = true)]
async fn half_a_line_at_the_end_is_dropped_and_a_whole_one_is_not() {
    assert_eq!(lines(100, &["{}\n{\"a\":"]).await, [Ok("{}".into())]);
    assert_eq!(lines(100, &["{}\n[1]"]).await, [Ok("{}".into()), Ok("[1]".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_line_beyond_the_limit_is_an_error_and_not_memory() {
    assert_eq!(
        lines(10, &["{}\n", "0123456", "7890123"]).await[1],
        Err("a watch event is longer than 10 bytes".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_beyond_the_limit_is_an_error() {
    let client = client(200, None, vec![br#"{"metadata":{"resourceVersion":"1"},"items":[{},{}]}"#.to_vec()]);
    let page = Page::read(send(&client, any()).await.unwrap(), 100).await.unwrap();
    assert_eq!((page.items().len(), page.resource_version.as_str(), page.token.as_deref()), (2, "1", None));
    let refusal = Page::read(send(&client, any()).await.unwrap(), 10).await.err().unwrap();
    assert_eq!(refusal.message, "the answer is longer than 10 bytes");
}

#[tokio::test(start_paused = true)]
async fn a_list_without_items_is_empty() {
    for body in [
        r#"{"metadata":{"resourceVersion":"1"},"items":null}"#,
        r#"{"metadata":{"resourceVersion":"1","continue":""}}"#,
    ] {
        let client = client(200, None, vec![body.into()]);
        let page = Page::read(send(&client, any()).await.unwrap(), 1000).await.unwrap();
        assert!(page.items().is_empty() && page.token.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_apart_by_code_and_reason() {
    let troubles = [
        (410, "", Trouble::Gone),
        (500, "Expired", Trouble::Gone),
        (403, "Forbidden", Trouble::Forbidden),
        (404, "NotFound", Trouble::Missing),
        (400, "BadRequest", Trouble::Refused),
        (422, "Invalid", Trouble::Refused),
        (429, "TooManyRequests", Trouble::Other),
        (503, "ServiceUnavailable", Trouble::Other),
    ];
    for (code, reason, trouble) in troubles {
        let body = format!(r#"{{"kind":"Status","message":"no","reason":"{reason}","code":{code}}}"#);
        let refusal = send(&client(code, None, vec![body.clone().into()]), any()).await.err().unwrap();
        assert_eq!((refusal.trouble, refusal.message), (trouble, format!("no ({code} {reason})")));
        let event = format!(r#"{{"type":"ERROR","object":{body}}}"#);
        let Line::Refused(refusal) = Line::read(event.as_bytes()).unwrap() else { panic!("{event}") };
        assert_eq!(refusal.trouble, trouble, "also as an event");
    }
}

#[tokio::test(start_paused = true)]
async fn patience_is_read_from_header_or_status_and_has_a_bound() {
    let status = br#"{"message":"no","code":429,"details":{"retryAfterSeconds":9}}"#.to_vec();
    for (header, seconds) in
        [(Some("7"), Some(7)), (Some("99999"), Some(300)), (Some("soon"), Some(9)), (None, Some(9))]
    {
        let refusal = send(&client(429, header, vec![status.clone()]), any()).await.err().unwrap();
        assert_eq!(refusal.retry_after.map(|after| after.as_secs()), seconds, "{header:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_status_is_quoted_and_cut() {
    let refusal = send(&client(502, None, vec![vec![b'x'; 70_000]]), any()).await.err().unwrap();
    assert_eq!(refusal.trouble, Trouble::Other);
    let refusal = send(&client(502, None, vec![vec![b'x'; 60_000]]), any()).await.err().unwrap();
    assert_eq!(refusal.message.len(), MAX_REFUSAL_MESSAGE);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_begins_is_given_up() {
    let service = tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let refusal = send(&Client::new(service, "default"), any()).await.err().unwrap();
    assert_eq!(refusal.message, "no answer within 60 s");
}

#[test]
fn watch_events_of_any_shape_are_read_or_refused_without_a_panic() {
    assert!(matches!(Line::read(br#"{"type":"ADDED","object":{"a":1}}"#), Ok(Line::Upsert(r#"{"a":1}"#))));
    assert!(matches!(Line::read(br#"{"object":{},"type":"DELETED"}"#), Ok(Line::Deleted("{}"))));
    assert!(matches!(Line::read(br#"{"type":"SOMETHING","object":null}"#), Ok(Line::Unknown)));
    let bookmark = br#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5","annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
    let Ok(Line::Bookmark { resource_version, ends_list: true }) = Line::read(bookmark) else {
        panic!("not a bookmark")
    };
    assert_eq!(resource_version, "5");
    for broken in ["", "{}", "[]", r#"{"type":"ADDED"}"#, r#"{"type":1,"object":{}}"#, r#"{"type":"ERROR","object":7}"#]
    {
        assert!(Line::read(broken.as_bytes()).is_err(), "{broken}");
    }
}
