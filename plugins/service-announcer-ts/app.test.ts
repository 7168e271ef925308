import assert from "node:assert/strict";
import { test } from "node:test";
import { type Change, http, log } from "#weir";
import { eventOf, useHost } from "#weir/testing";
import { handle } from "./app.js";
import { changes } from "./changes.js";

const ALL: Change[] = ["initial", "added", "updated", "left", "deleted"];
const service = (labels?: Record<string, string>, resourceVersion = "1") => ({
  apiVersion: "v1", kind: "Service", metadata: { namespace: "default", name: "web", uid: "u", resourceVersion, labels },
  spec: { type: "ClusterIP", clusterIP: "10.0.0.1", ports: [{ port: 80, protocol: "TCP" }] },
});

test("each change has its word, in the log and in the chat", (t) => {
  const webhook = "https://chat.example.org/${env:HOOK}";
  t.after(useHost({ settings: { webhook, post: ALL } }).restore);
  for (const change of ["initial", "added", "left", "deleted"] as const) {
    const what = "ClusterIP 10.0.0.1 80/TCP";
    const posted = { headers: { "Content-Type": "application/json" }, body: { text: `Service default/web ${change}: ${what}` } };
    assert.deepEqual(handle(eventOf(change, service({}))), [log(change, { service: "default/web", what }), http("POST", webhook, posted)]);
  }
});

test("a label that was added is a change, and said; without a webhook only in the log", (t) => {
  t.after(useHost({ settings: { post: ALL } }).restore);
  const event = eventOf("updated", service({ team: "a" }, "2"), { previous: service() });
  const what = '/metadata/labels: none -> {"team":"a"}';
  assert.deepEqual(handle(event), [log("changed", { service: "default/web", what })]);
  assert.deepEqual(handle(eventOf("resync", service())), []);
});

test("what is tried again is posted again, and logged quietly; what was not asked for is not posted", (t) => {
  t.after(useHost({ settings: { webhook: "https://a.example/", post: ["added"] } }).restore);
  const tags = (change: Change, attempt: number) =>
    handle(eventOf(change, service(), { attempt })).map((it) => (it.tag === "log" ? it.val.level : it.tag));
  assert.deepEqual([tags("added", 1), tags("added", 2), tags("initial", 1)], [["info", "http"], ["debug", "http"], ["info"]]);
});

test("changes are told by pointer, in maps and in lists of one length, and the resourceVersion is none", () => {
  const before = service({ "a/b": "1", gone: "x" });
  const now = service({ "a/b": "2" }, "2");
  now.spec.ports = [{ port: 81, protocol: "TCP" }];
  assert.deepEqual(changes(before, now), [
    '/metadata/labels/a~1b: "1" -> "2"', '/metadata/labels/gone: "x" -> none', "/spec/ports/0/port: 80 -> 81",
  ]);
  now.spec.ports = [];
  assert.equal(changes(before, now).at(-1), '/spec/ports: [{"port":80,"protocol":"TCP"}] -> []');
  assert.deepEqual(changes(before, service({ "a/b": "1", gone: "x" }, "3")), []);
});

test("many changes and long values are cut, and that is said", () => {
  const many = (value: string) => Object.fromEntries([...Array(12).keys()].map((n) => [`l${n}`, value]));
  const told = changes(service(many("a")), service(many("b".repeat(200))));
  assert.equal(told.length, 11);
  assert.equal(told.at(-1), "and 2 more");
  assert.ok(told[0].length < 120, told[0]);
});
