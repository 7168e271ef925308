import assert from "node:assert/strict";
import { test } from "node:test";
import { http, log } from "#weir";
import { eventOf, useHost } from "#weir/testing";
import { handle } from "./app.js";
import { changes } from "./changes.js";

const ALL = ["initial", "added", "updated", "left", "deleted"];
const service = (labels, resourceVersion = "1") => ({
  apiVersion: "v1", kind: "Service", metadata: { namespace: "default", name: "web", uid: "u", resourceVersion, labels },
  spec: { type: "ClusterIP", clusterIP: "10.0.0.1", ports: [{ port: 80, protocol: "TCP" }] },
});

test("each change has its word, in the log and in the chat", (t) => {
  const webhook = "https://chat.example.org/${env:HOOK}";
  t.after(useHost({ settings: { webhook, post: ALL } }).restore);
  for (const [change, word] of [["initial", "initial"], ["added", "added"], ["left", "left"], ["deleted", "deleted"]]) {
    const what = "ClusterIP 10.0.0.1 80/TCP";
    const posted = { headers: { "Content-Type": "application/json" }, body: { text: `Service default/web ${word}: ${what}` } };
    assert.deepEqual(handle(eventOf(change, service({}))), [log(word, { service: "default/web", what }), http("POST", webhook, posted)]);
  }
});

test("a label that was added is a change, and said", (t) => {
  t.after(useHost({ settings: { post: ALL } }).restore);
  const event = eventOf("updated", service({ team: "a" }, "2"), { previous: service(undefined) });
  const what = '/metadata/labels: none -> {"team":"a"}';
  assert.deepEqual(handle(event), [log("changed", { service: "default/web", what })]);
});

test("without a webhook nothing is posted, and neither are changes that were not asked for", (t) => {
  const tags = () => handle(eventOf("initial", service({}))).map((action) => action.tag);
  for (const settings of [{ post: ALL }, { webhook: "https://a.example/", post: ["added"] }]) {
    t.after(useHost({ settings }).restore);
    assert.deepEqual(tags(), ["log"]);
  }
});

test("what is tried again is posted again, and logged quietly", (t) => {
  t.after(useHost({ settings: { webhook: "https://a.example/", post: ALL } }).restore);
  const [said, posted] = handle(eventOf("added", service({}), { attempt: 2 }));
  assert.deepEqual([said.val.level, posted.tag], ["debug", "http"]);
});

test("a change without a word is none, and one without a state before says what is there", (t) => {
  t.after(useHost({ settings: { post: ALL } }).restore);
  assert.deepEqual(handle(eventOf("resync", service({}))), []);
  const [said] = handle(eventOf("updated", service({})));
  assert.deepEqual(said, log("changed", { service: "default/web", what: "ClusterIP 10.0.0.1 80/TCP" }));
  const [gone] = handle(eventOf("deleted", service({}), { finalStateUnknown: true }));
  assert.match(gone.val.fields[1][1], /when it was last seen/);
});

test("changes are told by pointer, in maps and in lists of one length, and the resourceVersion is none", () => {
  const before = service({ "a/b": "1", gone: "x" });
  const now = service({ "a/b": "2" }, "2");
  now.spec.ports[0].port = 81;
  assert.deepEqual(changes(before, now), [
    '/metadata/labels/a~1b: "1" -> "2"', '/metadata/labels/gone: "x" -> none', "/spec/ports/0/port: 80 -> 81",
  ]);
  now.spec.ports = [];
  assert.equal(changes(before, now).at(-1), '/spec/ports: [{"port":80,"protocol":"TCP"}] -> []');
  assert.deepEqual(changes(before, service({ "a/b": "1", gone: "x" }, "3")), []);
});

test("many changes and long values are cut, and that is said", () => {
  const many = (value) => Object.fromEntries([...Array(12).keys()].map((n) => [`l${n}`, value]));
  const told = changes(service(many("a")), service(many("b".repeat(200))));
  assert.equal(told.length, 11);
  assert.equal(told.at(-1), "and 2 more");
  assert.ok(told[0].length < 120, told[0]);
});
