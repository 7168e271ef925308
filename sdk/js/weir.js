// Write a weir handler in JavaScript: a function from one event to a list of actions.
//
//     import { annotate } from "#weir";
//
//     export const description = {
//       description: "Annotates each node with the number of its images",
//       watches: [{ name: "nodes", apiVersion: "v1", kind: "Node", fields: ["/status/images"] }],
//       wants: { write: [{ apiVersion: "v1", kind: "Node", actions: ["annotate"] }] },
//     };
//
//     export function handle(event) {
//       return [annotate({ "example.com/images": event.object.status.images?.length ?? 0 })];
//     }
//
// What is thrown carries out nothing: `Retry`, `RetryLater`, `Permanent`, and anything else is a retry. All of it but `cluster`,
// `subject`, `settings`, `now` and `features` works without weir, so handlers are tested by calling them with an `Event`; for those,
// `#weir/testing` answers. Each name is documented in `weir.d.ts`, where editors find it.

export {
  annotate, apply, create, deleteObject, emit, extension, fail, http, label, log, patch, requeueAfter, setStatus,
} from "./actions.js";
export { Permanent, ReadError, Retry, RetryLater } from "./errors.js";
export { Event, ObjectKey } from "./event.js";
export { cluster, features, now, settings, subject } from "./host.js";
