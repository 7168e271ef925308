//! A manifest that was edited while weir was down: objects that are new to the watch are `initial`, those it no longer covers are not told as gone, and those it had and
//! has are told only if they changed.

use serde_json::json;
use weir_tests::world::{WATCHED, World, config_map_path};

const ELSEWHERE: &str = "elsewhere";

pub(crate) async fn run(mut world: World) {
    world.keep_state();
    world.watched_namespace().await;
    world.namespace(ELSEWHERE).await;
    for team in ["blue", "green", "red"] {
        world.config_map(team, "one", json!({ "team": team })).await;
    }
    let other = |kind: &str, name: &str| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
    world.create(&format!("/api/v1/namespaces/{ELSEWHERE}/configmaps"), other("ConfigMap", "far")).await;
    world.create(&format!("/api/v1/namespaces/{WATCHED}/serviceaccounts"), other("ServiceAccount", "account")).await;
    world.record("selector", &json!({ "labelSelector": "team in (blue,green)" }));
    world.record("namespace", &json!({}));
    world.record("kind", &json!({}));
    world.record("projection", &json!({ "fields": ["/data"] }));
    world.run().await;
    let three = ["blue initial", "green initial", "red initial"];
    world.expect_told("selector", &three[..2]).await;
    for handler in ["namespace", "kind", "projection"] {
        world.expect_told(handler, &three).await;
    }
    world.stop().await;

    world.merge(&config_map_path("green"), json!({ "data": { "said": "two" } })).await;
    world.record("selector", &json!({ "labelSelector": "team in (green,red)" }));
    world.record("namespace", &json!({ "namespaces": [ELSEWHERE] }));
    world.record("kind", &json!({ "kind": "ServiceAccount", "namespaces": [WATCHED] }));
    world.record("projection", &json!({ "fields": ["/data", "/metadata/labels"] }));
    world.run().await;
    world.expect_told("selector", &["blue initial", "green initial", "green updated", "red initial"]).await;
    world.expect_told("namespace", &[&three[..], &["far initial"]].concat()).await;
    world.expect_told("kind", &[&three[..], &["account initial"]].concat()).await;
    world.expect_told("projection", &[&three[..], &["green updated"]].concat()).await;
    world.stop().await;
}
