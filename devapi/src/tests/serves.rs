use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{MAPS, api, map};
use crate::{DevApi, Options};

#[tokio::test]
async fn the_api_is_served_on_a_port_until_its_future_is_dropped() {
    let api = api();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn({
        let api = api.clone();
        async move { api.serve(listener).await }
    });
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok"), "{answer}");
    server.abort();
    assert_eq!(stream.read(&mut [0; 1]).await.expect("the end"), 0);
}

#[tokio::test]
async fn requests_are_remembered_up_to_a_limit() {
    let api = DevApi::new(Options { request_log: 2, ..Options::default() });
    api.post(MAPS, map("a", "1")).await;
    api.get(MAPS).await;
    api.merge(&format!("{MAPS}/a?fieldManager=me"), serde_json::json!({ "data": null })).await;
    let requests = api.requests();
    let last = requests.last().expect("a request");
    assert_eq!(requests.len(), 2);
    assert_eq!((last.method.as_str(), last.path.as_str()), ("PATCH", "/api/v1/namespaces/default/configmaps/a"));
    assert_eq!(
        (last.query.as_str(), &last.body[..], last.status),
        ("fieldManager=me", &br#"{"data":null}"#[..], Some(200))
    );
    assert_eq!(last.headers["user-agent"], "tester/1.0");
}

#[tokio::test]
async fn yaml_is_created_or_replaced_document_by_document_with_its_status() {
    let api = api();
    let text = "\
apiVersion: v1
kind: Node
metadata: { name: n }
status:
  images: [{ names: [a], sizeBytes: 5 }]
---
# nothing here
---
apiVersion: v1
kind: List
items:
- { apiVersion: v1, kind: Pod, metadata: { name: p }, status: { phase: Running } }
";
    assert_eq!(api.apply_yaml(text).expect("it loads"), ["node/n", "pod/default/p"]);
    let before = api.resource_version();
    api.apply_yaml(text).expect("it loads again");
    assert_eq!(api.resource_version(), before, "what is the same is not written");
    assert_eq!(api.get("/api/v1/nodes/n").await["status"]["images"][0]["sizeBytes"], 5);
    assert_eq!(api.get("/api/v1/namespaces/default/pods/p").await["status"]["phase"], "Running");
}

#[tokio::test]
async fn a_document_that_cannot_be_loaded_is_named_with_its_line() {
    let api = api();
    let good = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n";
    for (bad, line, says) in [
        ("apiVersion: v1\nkind: [\n", 5, "document 2"),
        ("apiVersion: v1\nkind: Gadget\nmetadata: { name: a }\n", 5, "not served"),
        ("kind: Pod\n", 5, "no apiVersion"),
        ("apiVersion: v1\nkind: Pod\nmetadata: { name: A_B }\n", 5, "RFC 1123"),
    ] {
        let error = api.apply_yaml(&format!("{good}---\n{bad}")).expect_err(bad);
        assert_eq!(error.document, 2, "{error}");
        assert!(error.line >= line && error.to_string().contains(says), "{error}");
    }
    api.get(&format!("{MAPS}/a")).await;
}

#[test]
fn the_kubeconfig_names_the_server() {
    let config = DevApi::kubeconfig("http://127.0.0.1:8001");
    let parsed: serde_json::Value = serde_saphyr::from_str(&config).expect("YAML");
    assert_eq!(parsed["clusters"][0]["cluster"]["server"], "http://127.0.0.1:8001");
    assert_eq!(parsed["current-context"], "weir-dev");
}
