// The kit's actions without weir: a test per promise.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  annotate, apply, create, deleteObject, emit, extension, fail, http, label, log, ObjectKey, patch, Permanent, requeueAfter, RetryLater,
  setStatus,
} from "#weir";

const POD = { apiVersion: "v1", kind: "Pod", namespace: "default", name: "p" };

test("values of annotations are written as Kubernetes writes them, and null removes", () => {
  const made = annotate({ a: true, b: 3, c: null, d: "grüß", e: undefined });
  assert.deepEqual(made, { tag: "annotate", val: [["a", "true"], ["b", "3"], ["c", null], ["d", "grüß"], ["e", null]] });
  assert.equal(label({}).tag, "label");
});

test("objects become JSON, and text is left as it is", () => {
  assert.deepEqual(create({ a: "ü" }), { tag: "create", val: '{"a":"ü"}' });
  assert.deepEqual(create("kind: Pod"), { tag: "create", val: "kind: Pod" });
  assert.deepEqual(setStatus({ ready: true }), { tag: "set-status", val: '{"ready":true}' });
  assert.deepEqual(extension("later", null), { tag: "extension", val: { name: "later", payload: "null" } });
  assert.equal(http("POST", "https://a.example/", { body: { text: "x" } }).val.body, '{"text":"x"}');
});

test("each action has every field of the contract, as a missing one would trap", () => {
  const none = { target: null, uid: null, subresource: null };
  assert.deepEqual(patch({}).val, { ...none, format: "merge", body: "{}" });
  assert.deepEqual(apply({}).val, { manifest: "{}", subresource: null, manager: null, force: false });
  assert.deepEqual(deleteObject().val, { target: null, uid: null, gracePeriodSeconds: null, propagation: null });
  assert.deepEqual(emit("A").val, { regarding: null, severity: "normal", reason: "A", message: "" });
  assert.deepEqual(log("a").val, { level: "info", message: "a", fields: [] });
  const asked = { method: "GET", url: "https://a.example/", headers: [], body: "", idempotencyKey: null };
  assert.deepEqual(http("GET", "https://a.example/").val, asked);
});

test("a target is a key, anything like one, or a whole object, and becomes the contract's own", () => {
  const whole = { apiVersion: "v1", kind: "Pod", metadata: { namespace: "default", name: "p", uid: "u" } };
  for (const target of [POD, ObjectKey.from(POD), whole]) assert.deepEqual(deleteObject(target).val.target, POD);
  const node = { apiVersion: "v1", kind: "Node", name: "a" };
  assert.deepEqual(emit("A", "", { regarding: node }).val.regarding, { ...node, namespace: null });
  assert.throws(() => deleteObject({ kind: "Pod", name: "p" }), /apiVersion of an object's key is text, not undefined/);
  assert.equal(`${ObjectKey.from(POD)} ${ObjectKey.from(node)}`, "v1/Pod default/p v1/Node a");
});

test("waits are rounded up and cut to what the contract can name; what is none is refused", () => {
  for (const [ms, expected] of [[0.1, 1], [1500, 1500], [1e12, 2 ** 31 - 1], [0, 0]]) assert.equal(requeueAfter(ms).val, expected);
  // The component's engine would make 0 and 4294967295 of these.
  for (const wrong of [NaN, -1, "1"]) assert.throws(() => requeueAfter(wrong), /a wait is milliseconds/);
});

test("a wrong word or type is refused where it is written", () => {
  const wrong = [
    () => patch({}, { format: "yaml" }), () => emit("A", "", { severity: "bad" }), () => deleteObject(null, { propagation: "up" }),
    () => log("a", {}, { level: "loud" }), () => deleteObject(null, { gracePeriodSeconds: -1 }), () => create(undefined),
    () => http("POST", undefined), () => emit(3),
  ];
  for (const make of wrong) assert.throws(make, TypeError);
});

test("a failure among the actions is what throwing it would be", () => {
  assert.deepEqual(fail(new RetryLater(2000, "not ready")).val, { tag: "retry-later", val: { afterMs: 2000, reason: "not ready" } });
  assert.deepEqual(fail(new Permanent("never")).val, { tag: "permanent", val: "never" });
  assert.deepEqual(fail(new TypeError("oh")).val, { tag: "retry", val: "oh" });
  assert.deepEqual(fail("oh").val, { tag: "retry", val: "oh" });
  assert.deepEqual(fail(new Error("")).val, { tag: "retry", val: "Error" });
});
