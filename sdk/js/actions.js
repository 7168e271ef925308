// What should happen, as plain values in the contract's own form, `{ tag, val }`: they compare, and nothing is carried out before the
// handler has answered. Each function makes one action whole, as a missing field would trap in the component without a word.

import { failureOf } from "./errors.js";
import { ObjectKey } from "./event.js";
import { milliseconds } from "./time.js";

/** Every action there is. */
export const TAGS = [
  "annotate", "label", "set-status", "patch", "apply", "create", "delete", "emit", "log", "http", "requeue-after-ms", "fail",
  "extension",
];

export const annotate = (values) => ({ tag: "annotate", val: marks(values) });

export const label = (values) => ({ tag: "label", val: marks(values) });

export const setStatus = (status) => ({ tag: "set-status", val: json("a status", status) });

export const patch = (body, { format = "merge", target, uid, subresource } = {}) => ({
  tag: "patch",
  val: {
    target: keyOr(target), uid: uid ?? null, subresource: subresource ?? null,
    format: oneOf("format", format, ["merge", "json-patch", "strategic"]), body: json("a patch", body),
  },
});

export const apply = (manifest, { manager, force = false, subresource } = {}) => ({
  tag: "apply",
  val: { manifest: json("a manifest", manifest), subresource: subresource ?? null, manager: manager ?? null, force },
});

export const create = (manifest) => ({ tag: "create", val: json("a manifest", manifest) });

export const deleteObject = (target, { uid, gracePeriodSeconds, propagation } = {}) => ({
  tag: "delete",
  val: {
    target: keyOr(target), uid: uid ?? null,
    gracePeriodSeconds: gracePeriodSeconds == null ? null : whole("gracePeriodSeconds", gracePeriodSeconds),
    propagation: propagation == null ? null : oneOf("propagation", propagation, ["background", "foreground", "orphan"]),
  },
});

export const emit = (reason, message = "", { severity = "normal", regarding } = {}) => ({
  tag: "emit",
  val: {
    regarding: keyOr(regarding), severity: oneOf("severity", severity, ["normal", "warning"]), reason: text("a reason", reason),
    message: String(message),
  },
});

export const log = (message, fields = {}, { level = "info" } = {}) => ({
  tag: "log",
  val: {
    level: oneOf("level", level, ["trace", "debug", "info", "warn", "error"]), message: String(message), fields: pairs(fields),
  },
});

export const http = (method, url, { headers = {}, body = "", idempotencyKey } = {}) => ({
  tag: "http",
  val: {
    method: text("a method", method), url: text("a URL", url), headers: pairs(headers), body: json("a body", body),
    idempotencyKey: idempotencyKey ?? null,
  },
});

export const requeueAfter = (ms) => ({ tag: "requeue-after-ms", val: milliseconds(ms) });

export const fail = (error) => ({ tag: "fail", val: failureOf(error) });

export const extension = (name, payload) => ({
  tag: "extension", val: { name: text("a name", name), payload: json("a payload", payload) },
});

/** Names and values as the contract has them. */
export function pairs(values) {
  return Object.entries(values).map(([name, value]) => [name, String(value)]);
}

function marks(values) {
  return Object.entries(values).map(([name, value]) => [name, value == null ? null : String(value)]);
}

/** JSON text of a value; text is taken to be JSON (or, in a manifest, YAML) already. */
function json(what, value) {
  const made = typeof value === "string" ? value : JSON.stringify(value);
  if (made === undefined) throw new TypeError(`${what} is JSON or text, not ${typeof value}`);
  return made;
}

function keyOr(target) {
  return target == null ? null : { ...ObjectKey.from(target) };
}

function oneOf(what, given, known) {
  if (!known.includes(given)) throw new TypeError(`${what} is one of ${known.join(", ")}, not ${given}`);
  return given;
}

function text(what, given) {
  if (typeof given !== "string") throw new TypeError(`${what} is text, not ${typeof given}`);
  return given;
}

function whole(what, given) {
  if (!Number.isInteger(given) || given < 0) throw new TypeError(`${what} is a whole number, not ${given}`);
  return given;
}
