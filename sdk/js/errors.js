// How a handler says that it could not do its work: by throwing. What is not of these counts as `Retry` with its message.

import { milliseconds } from "./time.js";

export class Retry extends Error {
  name = "Retry";
}

export class RetryLater extends Error {
  name = "RetryLater";

  constructor(afterMs, reason = "", options) {
    super(reason, options);
    this.afterMs = milliseconds(afterMs);
  }
}

export class Permanent extends Error {
  name = "Permanent";
}

export class ReadError extends Error {
  name = "ReadError";

  constructor(kind, reason, options) {
    super(reason, options);
    this.kind = kind;
  }
}

/** The contract's failure for whatever was thrown. */
export function failureOf(thrown) {
  const reason = (thrown instanceof Error ? thrown.message || thrown.name : String(thrown)) || "no reason given";
  if (thrown instanceof Permanent) return { tag: "permanent", val: reason };
  if (thrown instanceof RetryLater) return { tag: "retry-later", val: { afterMs: thrown.afterMs, reason } };
  // What was denied or asked wrongly is so the next time, too; what is not available yet may be.
  if (thrown instanceof ReadError && thrown.kind !== "unavailable") return { tag: "permanent", val: reason };
  return { tag: "retry", val: reason };
}

/** Whether the handler meant to fail so, and its author needs no stack. */
export function isMeant(thrown) {
  return [Retry, RetryLater, Permanent, ReadError].some((kind) => thrown instanceof kind);
}
