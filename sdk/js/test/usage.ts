// Checked by `tsc`, never run: what a handler may say, and after each `@ts-expect-error` what it may not.

import {
  type Action, annotate, apply, cluster, deleteObject, type Description, emit, type Event, fail, type Handle, http, type KubeObject, log,
  ObjectKey, patch, Permanent, requeueAfter, RetryLater, settings,
} from "#weir";
import { eventOf, useHost } from "#weir/testing";

interface Node extends KubeObject {
  status: { images?: { names: string[]; sizeBytes: number }[] };
}

export const description: Description = {
  watches: [{ name: "nodes", apiVersion: "v1", kind: "Node", fields: ["/status/images"], events: ["added", "updated"] }],
  wants: { write: [{ apiVersion: "v1", kind: "Node", actions: ["annotate"] }] },
  // @ts-expect-error: the operator's alone
  grants: {},
};

export function handle(event: Event<Node>): Action[] {
  const bytes = (event.object.status.images ?? []).reduce((sum, image) => sum + image.sizeBytes, 0);
  const was: number | undefined = event.previous?.status.images?.length;
  if (event.change === "finalizing") throw new RetryLater(1000, "not yet");
  // @ts-expect-error: there is no such change
  if (event.change === "modified") throw new Permanent("never");
  // @ts-expect-error: an event is not changed
  event.attempt = 2;
  console.info("looked at", event.key, { bytes, was });
  return [annotate({ "example.com/bytes": bytes, "example.com/gone": null }), requeueAfter(1000), fail(new Error("not ready"))];
}

const handles: Handle<Node> = handle;
handles(eventOf("updated", { apiVersion: "v1", kind: "Node", metadata: { name: "a", uid: "u" }, status: {} }, { attempt: 2 }));

export function* others(): Generator<Action> {
  const { percent } = settings<{ percent: number }>();
  for (const pod of cluster.list<KubeObject>({ apiVersion: "v1", kind: "Pod", fieldSelector: "spec.nodeName=a" })) {
    yield deleteObject(pod, { uid: pod.metadata.uid, gracePeriodSeconds: percent });
  }
  yield emit("Full", "text", { severity: "warning", regarding: new ObjectKey("v1", "Node", null, "a") });
  yield patch([], { format: "json-patch" });
  yield apply({ kind: "ConfigMap" }, { force: true });
  yield http("POST", "https://chat.example.org/${env:HOOK}", { body: { text: "hello" } });
  yield log("said", { to: "all", times: 3 }, { level: "warn" });
  // @ts-expect-error: no such severity
  yield emit("Full", "text", { severity: "bad" });
  // @ts-expect-error: a target is not a name
  yield deleteObject("a");
  // @ts-expect-error: no such format
  yield patch({}, { format: "yaml" });
  // @ts-expect-error: neither text nor a scalar
  yield annotate({ a: {} });
  // @ts-expect-error: that is no action
  yield { tag: "anotate", val: [] };
}

// @ts-expect-error: a component has no timers, whatever a browser has
setTimeout(() => {}, 1);

// @ts-expect-error: it answers at once
const late: Handle = async () => [];

useHost({ settings: { percent: 3 }, objects: [], readError: { kind: "denied", message: "no" } }).restore();
