// A handler that does what the object's annotation `test.weir.dev/do` says, word by word: one word for each thing that crosses the
// contract, so that its answers show whether this language's kit says what was meant. The same in every language.

import {
  type Action, annotate, apply, cluster, create, deleteObject, type Description, emit, type Event, extension, fail, http,
  type KubeObject, label, log, ObjectKey, patch, Permanent, requeueAfter, RetryLater, setStatus, settings, subject,
} from "#weir";

/** What this handler looks at. */
interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

export const description: Description = {
  description: "Does what an annotation says",
  watches: [
    { name: "objects", apiVersion: "v1", kind: "ConfigMap", fields: ["/metadata/annotations", "/data"], resync: "1500ms" },
  ],
  reads: [{ apiVersion: "v1", kind: "Pod" }],
  settingsSchema: { type: "object", properties: { greeting: { type: "string", default: "grüß Gott" } } },
};

const POD = new ObjectKey("v1", "Pod", "default", "p");
let calls = 0;

export function handle(event: Event<ConfigMap>): Action[] {
  calls += 1;
  const words = event.object.metadata.annotations?.["test.weir.dev/do"] ?? "";
  return words.split(" ").filter(Boolean).flatMap((word) => act(word, event, event.object.data ?? {}));
}

function act(word: string, event: Event<ConfigMap>, data: Record<string, string>): Action[] {
  switch (word) {
    case "event": {
      const { change, watch, key, uid, resourceVersion, attempt, previous } = event;
      return [annotate({ event: [change, watch, key, uid, resourceVersion, attempt, previous !== null].join(" ") })];
    }
    case "count":
      return [annotate({ count: Object.keys(data).length })];
    case "text":
      return [label({ text: data.text })];
    case "calls":
      return [annotate({ calls })];
    case "settings":
      return [annotate({ greeting: settings<{ greeting: string }>().greeting })];
    case "remove":
      return [annotate({ a: null }), label({ b: null })];
    case "status":
      return [setStatus({ ready: true })];
    case "patch":
      return [patch([], { format: "json-patch", target: POD, uid: "u", subresource: "status" }), patch({ data: null })];
    case "apply":
      return [
        apply({ kind: "Pod" }, { manager: "m", force: true }),
        apply({ apiVersion: "v1", kind: "Pod", namespace: "default", name: "p" }),
      ];
    case "create":
      return [create({ one: 1 })];
    case "delete":
      return [deleteObject(POD, { gracePeriodSeconds: 0, propagation: "orphan" }), deleteObject()];
    case "emit":
      return [emit("Reason", "3 ünits", { severity: "warning" }), emit("Other", "", { regarding: POD })];
    case "log":
      console.info("said at once", { who: "me" });
      return [log("said later", { who: "me" }, { level: "warn" })];
    case "http":
      return [http("POST", "https://example.com/", { headers: { a: "b" }, body: "x" })];
    case "requeue":
      return [requeueAfter(1500)];
    case "fail":
      return [fail(new RetryLater(2000, "not ready"))];
    case "extension":
      return [extension("later", {})];
    case "list":
      return [annotate({ listed: [...cluster.list({ apiVersion: "v1", kind: "Pod", limit: 2 })].length })];
    case "get":
      return [annotate({ found: cluster.get(POD) !== null })];
    case "half":
      return [annotate({ half: "🌍".slice(0, 1) })];
    case "pointer":
      return [annotate({ name: subject.get("/metadata/name") }), annotate({ nothing: subject.get("no pointer") })];
    case "retry":
      throw new Error("as any error");
    case "retry-later":
      throw new RetryLater(60_000, "wrapped: later");
    case "permanent":
      throw new Permanent("never: für immer");
    case "garbage":
      for (let at = 0; at < 10; at += 1) new Uint8Array(10_000).fill(at);
      return [];
    default:
      throw new Permanent(`there is no word "${word}"`);
  }
}
