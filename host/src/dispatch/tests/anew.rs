//! What a lane concludes when its informers begin anew, as after a restart, about what it was told before. On a paused clock: the ledger is the
//! same, whether it was kept on disk or in memory.

use super::rig::{Rig, manifest, set, watch};
use crate::handler::manifest::Watch;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, api::DeleteParams};
use std::time::Duration;
use weir_devapi::{DevApi, Options};

#[tokio::test(start_paused = true)]
async fn an_api_that_was_set_back_is_believed_once_it_insists() {
    let mut rig = Rig::running().await;
    for value in 0..30 {
        rig.set("a", &value.to_string());
        rig.set("b", &value.to_string());
    }
    rig.quiet().await;
    rig.script.heard();
    // Restored from before `b` was made; `a` has another uid, because the embedded API makes its own.
    let restored = DevApi::new(Options::default());
    set(&restored, "a", "0", "x");
    assert!(restored.resource_version() < rig.api.resource_version());
    rig.begin_anew(restored);
    rig.publish(manifest(vec![watch()]));
    assert_eq!(rig.heard().await, Vec::<String>::new(), "nothing is concluded from one old list");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut told = rig.script.heard();
    told.sort();
    assert_eq!(told, ["added a 0", "deleted a 29 unknown", "deleted b 29 unknown"]);
    rig.end().await;
}

/// Custom resources, with their definition.
const FOO: &str = "{ apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: { name: foos.example.org }, \
    spec: { group: example.org, scope: Namespaced, names: { plural: foos, singular: foo, kind: Foo }, versions: [{ name: v1, served: true, \
    storage: true, schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } } }] } }";

#[tokio::test(start_paused = true)]
async fn objects_of_a_kind_whose_definition_went_while_weir_was_down_are_told_as_deleted() {
    let mut rig = Rig::new();
    let foos = || manifest(vec![Watch { api_version: "example.org/v1".into(), kind: "Foo".into(), ..watch() }]);
    rig.api.apply_yaml(FOO).unwrap();
    let foo = "{ apiVersion: example.org/v1, kind: Foo, metadata: { name: f, namespace: default } }";
    rig.api.apply_yaml(foo).unwrap();
    rig.publish(foos());
    assert_eq!(rig.heard().await, ["initial f -"]);

    let api = rig.api.clone();
    rig.begin_anew(api.clone());
    let definitions = Api::<CustomResourceDefinition>::all(rig.client.clone());
    definitions.delete("foos.example.org", &DeleteParams::default()).await.unwrap();
    rig.publish(foos());
    assert_eq!(rig.heard().await, ["deleted f - unknown"]);
    // What comes back is another one.
    api.apply_yaml(FOO).unwrap();
    api.apply_yaml(foo).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.script.heard(), ["added f -"]);
    rig.end().await;
}
