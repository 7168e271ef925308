// The contract's two functions, the event, and what a handler may ask, without weir.

import assert from "node:assert/strict";
import { test } from "node:test";
import { annotate, cluster, Event, features, now, Permanent, ReadError, Retry, settings, subject } from "#weir";
import { eventOf, useHost } from "#weir/testing";
import { makeConsole } from "../console.js";
import { serve } from "../handler.js";

const NODE = { apiVersion: "v1", kind: "Node", metadata: { name: "a", uid: "u", resourceVersion: "7" } };
// As the component's runtime hands it over.
const SAID = {
  change: "updated", watch: "nodes", key: { apiVersion: "v1", kind: "Node", namespace: null, name: "a" }, uid: "u", resourceVersion: "7",
  object: JSON.stringify(NODE), previous: null, finalStateUnknown: false, attempt: 2, extra: [],
};

function served(handle) {
  const complaints = [];
  const component = serve({ description: { watches: [] }, handle }, (text) => complaints.push(text));
  const thrown = () => {
    try {
      return component.handle(SAID);
    } catch (failure) {
      return failure;
    }
  };
  return { thrown, complaints, component };
}

test("an event is what the host said, with the object parsed", () => {
  const event = new Event(SAID);
  assert.deepEqual([event.change, `${event.key}`, event.attempt, event.isEnding], ["updated", "v1/Node a", 2, false]);
  assert.deepEqual(event.object, NODE);
  assert.equal(event.object, event.object, "parsed once");
  assert.equal(event.previous, null);
  assert.deepEqual(new Event({ ...SAID, previous: '{"a":1}' }).previous, { a: 1 });
});

test("a test's event takes what it does not say from its object", () => {
  const event = eventOf("deleted", NODE, { previous: { a: 1 } });
  assert.deepEqual([`${event.key}`, event.uid, event.resourceVersion, event.attempt], ["v1/Node a", "u", "7", 1]);
  assert.ok(event.isEnding);
  assert.deepEqual(event.previous, { a: 1 });
});

test("the description is the module's, and an answer is any iterable of actions, or nothing", () => {
  const { component } = served(function* (event) {
    yield annotate({ name: event.key.name });
  });
  assert.equal(component.describe(), '{"watches":[]}');
  assert.deepEqual(component.handle(SAID), [annotate({ name: "a" })]);
  assert.deepEqual(served(() => undefined).thrown(), []);
});

test("a character that was cut in half is replaced, where the component would trap", () => {
  assert.deepEqual(served(() => [annotate({ a: "🌍".slice(0, 1), "🌍": 1 })]).thrown(), [annotate({ a: "\ufffd", "🌍": 1 })]);
  assert.deepEqual(served(() => { throw new Retry("🌍".slice(1)); }).thrown(), { tag: "retry", val: "\ufffd" });
  const lines = [];
  makeConsole({ info: (...line) => lines.push(line) }, () => true).info("🌍".slice(1), { a: "🌍".slice(0, 1) });
  assert.deepEqual(lines, [["\ufffd", [["a", "\ufffd"]]]]);
});

test("what was thrown on purpose is a failure without a stack", () => {
  for (const [error, failure] of [
    [new Retry("later"), { tag: "retry", val: "later" }],
    [new Permanent("never"), { tag: "permanent", val: "never" }],
    [new ReadError("denied", "add this"), { tag: "permanent", val: "add this" }],
    [new ReadError("unavailable", "not yet"), { tag: "retry", val: "not yet" }],
  ]) {
    const { thrown, complaints } = served(() => { throw error; });
    assert.deepEqual(thrown(), failure);
    assert.deepEqual(complaints, []);
  }
});

test("what nobody meant is a retry, and its stack and cause are told", () => {
  const { thrown, complaints } = served(function wrong() { throw new Error("outer", { cause: new TypeError("inner") }); });
  assert.deepEqual(thrown(), { tag: "retry", val: "outer" });
  assert.match(complaints[0], /^Error: outer\n[^]*at .*wrong[^]*caused by: TypeError: inner/);
});

test("an answer that is none is said, where the component would trap without a word", () => {
  for (const [answer, said] of [
    [Promise.resolve([]), "`handle` answers at once: it cannot be async"],
    [annotate({}), "`handle` answers with a list of actions, not object"],
    [[{ tag: "anotate" }], 'this is no action, as annotate() makes one: {"tag":"anotate"}'],
    [[annotate], "this is no action, as annotate() makes one: undefined"],
  ]) {
    assert.deepEqual(served(() => answer).thrown(), { tag: "retry", val: said });
  }
});

test("a module that is no handler is refused when it is built", () => {
  assert.throws(() => serve({ description: {} }, () => {}), /exports no function `handle`/);
  assert.throws(() => serve({ handle() {} }, () => {}), /exports no object `description`/);
});

test("outside of weir a question says so, and in a test it is answered", (t) => {
  assert.throws(() => settings(), /there is no weir here to ask/);
  const pods = [1, 2, 3, 4, 5].map((n) => ({ apiVersion: "v1", kind: "Pod", metadata: { namespace: "d", name: `p${n}` } }));
  const host = useHost({ settings: { percent: 3 }, now: 5, features: ["http"], subject: { "/a": { b: 1 } }, objects: pods });
  t.after(host.restore);
  assert.deepEqual([settings().percent, now(), features()], [3, 5, ["http"]]);
  assert.deepEqual([subject.get("/a"), subject.get("/b"), subject.getMany(["/b", "/a"])], [{ b: 1 }, null, [null, { b: 1 }]]);
  assert.deepEqual(cluster.get(pods[1]), pods[1]);
  assert.equal(cluster.get(NODE), null);
  const pages = [...cluster.pages({ apiVersion: "v1", kind: "Pod", namespace: "d", limit: 2 })];
  assert.deepEqual(pages.map((page) => page.length), [2, 2, 1]);
  assert.deepEqual([...cluster.list({ apiVersion: "v1", kind: "Pod", limit: 2 })], pods);
  assert.deepEqual(host.queries[2].continueToken, "4");
});

test("a read that is not answered is thrown with its kind", (t) => {
  t.after(useHost({ readError: { kind: "denied", message: "add this" } }).restore);
  for (const read of [() => subject.get("/a"), () => cluster.get(NODE), () => [...cluster.list({ apiVersion: "v1", kind: "Pod" })]]) {
    assert.throws(read, (error) => error instanceof ReadError && error.kind === "denied" && error.message === "add this");
  }
});

test("the console writes a message and fields to the level's function, and none while nobody hears", () => {
  const lines = [];
  const levels = ["trace", "debug", "info", "warn", "error"];
  const log = Object.fromEntries(levels.map((level) => [level, (message, fields) => lines.push([level, message, fields])]));
  let heard = false;
  const console = makeConsole(log, () => heard);
  console.log("while it is built");
  heard = true;
  console.log("pruned %d of %s", 2, "five", [1], { node: "a", of: { b: 1 } });
  console.warn({ only: "fields" });
  console.debug(null, undefined, 3n);
  console.assert(true, "holds");
  console.assert(false, "here");
  console.info("100%", "%s");
  assert.deepEqual(lines, [
    ["info", "pruned 2 of five [1]", [["node", "a"], ["of", '{"b":1}']]],
    ["warn", '{"only":"fields"}', []],
    ["debug", "null undefined 3", []],
    ["error", "an assertion does not hold here", []],
    ["info", "100% %s", []],
  ]);
  console.error("cannot", new Error("oh"));
  const [level, message, [[name, stack]]] = lines.at(-1);
  assert.deepEqual([level, message, name], ["error", "cannot Error: oh", "stack"]);
  assert.match(stack, /^Error: oh\n.*at /);
});
