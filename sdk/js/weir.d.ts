/**
 * Write a weir handler in JavaScript or TypeScript. A handler's module exports two things:
 *
 * - `description`: what it watches, reads and wants ({@link Description}), plain data;
 * - `handle`: a function from an {@link Event} to a list of {@link Action}s. It answers at once; it cannot be async. What it throws
 *   carries out nothing: {@link Retry}, {@link RetryLater}, {@link Permanent}, and anything else counts as `Retry`, with its stack
 *   kept with the failure.
 *
 * Both run in a component: no files, network or timers. `Date.now()` is {@link now}. Modules are loaded when the component is built, so
 * what is computed at their top level is computed then, and what `console` says there is not heard. An instance may serve many calls,
 * so what it keeps in memory may still be there, or not: rely on neither.
 */

/** Why the handler is called. */
export type Change =
  | "initial" | "added" | "updated" | "related" | "finalizing" | "left" | "deleted" | "resync" | "requeued";

/** Names one object. `namespace` is null for cluster-scoped kinds. */
export class ObjectKey {
  constructor(apiVersion: string, kind: string, namespace: string | null | undefined, name: string);
  /** Of a key, of anything like one, or of a whole object. */
  static from(like: KeyLike): ObjectKey;
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
  /** `v1/Pod default/web`. */
  toString(): string;
}

/** A key, or a whole object. */
export type KeyLike =
  | { apiVersion: string; kind: string; namespace?: string | null; name: string }
  | { apiVersion: string; kind: string; metadata: { namespace?: string | null; name: string } };

/** What every object has, as the watch hands it over. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
}

/** What weir and most handlers look at; the rest is there too. */
export interface Metadata {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[];
  [more: string]: unknown;
}

/** What happened, to which object, and how that object is now. `T` is what the watch's objects look like. */
export class Event<T = any> {
  /** For tests: `object` and `previous` are values or JSON text; what is left out is taken from the object, or empty. */
  constructor(said: {
    change: Change;
    object?: T | string;
    previous?: T | string | null;
    key?: KeyLike;
    watch?: string;
    uid?: string;
    resourceVersion?: string;
    finalStateUnknown?: boolean;
    attempt?: number;
    extra?: [string, string][];
  });
  readonly change: Change;
  readonly key: ObjectKey;
  /** The name of the watch that matched. */
  readonly watch: string;
  readonly uid: string;
  /** Opaque: compare for equality only. */
  readonly resourceVersion: string;
  /**
   * The object: whole, cut down to the watch's `fields`, or metadata only. Parsed when first looked at; whole numbers beyond 2^53 lose
   * digits, which `objectJson` has.
   */
  readonly object: T;
  /** The state this handler acknowledged last, its own writes included; null without `previous: true` in the watch, or if there is none. */
  readonly previous: T | null;
  /** The two as they came. */
  readonly objectJson: string;
  readonly previousJson: string | null;
  /** With `deleted`: the object may have changed after `object`. */
  readonly finalStateUnknown: boolean;
  /** 1 on the first call, and one more after each failure that counts, until a call ends well. */
  readonly attempt: number;
  /** Names and values that later hosts may add. */
  readonly extra: [string, string][];
  /** Whether this is the last call about the object: it left the selectors, or is gone. */
  readonly isEnding: boolean;
}

/** The contract's own form of what should happen; made by the functions below. */
export type Action =
  | { tag: "annotate" | "label"; val: [string, string | null][] }
  | { tag: "set-status" | "create"; val: string }
  | { tag: "patch"; val: { target: Key | null; uid: string | null; subresource: string | null; format: PatchFormat; body: string } }
  | { tag: "apply"; val: { manifest: string; subresource: string | null; manager: string | null; force: boolean } }
  | {
      tag: "delete";
      val: { target: Key | null; uid: string | null; gracePeriodSeconds: number | null; propagation: Propagation | null };
    }
  | { tag: "emit"; val: { regarding: Key | null; severity: Severity; reason: string; message: string } }
  | { tag: "log"; val: { level: Level; message: string; fields: [string, string][] } }
  | { tag: "http"; val: { method: string; url: string; headers: [string, string][]; body: string; idempotencyKey: string | null } }
  | { tag: "requeue-after-ms"; val: number }
  | { tag: "fail"; val: Failure }
  | { tag: "extension"; val: { name: string; payload: string } };

/** The contract's own form of a failure; thrown as `Retry`, `RetryLater` or `Permanent`. */
export type Failure =
  | { tag: "retry" | "permanent"; val: string }
  | { tag: "retry-later"; val: { afterMs: number; reason: string } };

/** {@link ObjectKey} as the contract has it. */
export type Key = { apiVersion: string; kind: string; namespace: string | null; name: string };
export type PatchFormat = "json-patch" | "merge" | "strategic";
export type Propagation = "background" | "foreground" | "orphan";
export type Severity = "normal" | "warning";
export type Level = "trace" | "debug" | "info" | "warn" | "error";
/** What an annotation, label or log field may be: written as Kubernetes writes it. */
export type Scalar = string | number | boolean | bigint;
/** A value that becomes JSON, or JSON text. */
export type Json = string | object | number | boolean | null;

/** Sets annotations of the event's own object; null as value removes. Others are left alone. */
export function annotate(values: Record<string, Scalar | null | undefined>): Action;
/** The same for labels. */
export function label(values: Record<string, Scalar | null | undefined>): Action;
/** Merges this object into the `status` of the event's own object. Arrays, so conditions too, are replaced whole. */
export function setStatus(status: object | string): Action;
/** Changes a part of an object, by default the event's own, which is only changed as it was shown. `format` is `merge` by default. */
export function patch(
  body: Json,
  options?: { format?: PatchFormat; target?: KeyLike | null; uid?: string; subresource?: string },
): Action;
/**
 * Server-side apply of an object, or of its JSON or YAML, under the handler's field manager, with `manager` appended after a slash. An
 * apply owns exactly what it names. `force` takes fields over from others, and needs a grant of its own.
 */
export function apply(manifest: object | string, options?: { manager?: string; force?: boolean; subresource?: string }): Action;
/** Creates an object, given whole or as JSON or YAML, unless it exists. Needs a name. */
export function create(manifest: object | string): Action;
/** Deletes an object, by default the event's own; done if it is already gone. */
export function deleteObject(
  target?: KeyLike | null,
  options?: { uid?: string; gracePeriodSeconds?: number; propagation?: Propagation },
): Action;
/** Records a Kubernetes Event, by default about the event's own object. One that repeats is counted, not repeated. */
export function emit(reason: string, message?: string, options?: { severity?: Severity; regarding?: KeyLike | null }): Action;
/** Writes a log line once what comes before it has been done; `console` writes at once. */
export function log(message: string, fields?: Record<string, Scalar>, options?: { level?: Level }): Action;
/**
 * A request that weir sends for the handler, outside the cluster. The URL must be granted; an answer other than 2xx fails the call. A part
 * that the operator keeps secret is written as in the grant: `https://chat.example.org/${env:HOOK}`.
 */
export function http(
  method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS",
  url: string,
  options?: { headers?: Record<string, string>; body?: Json; idempotencyKey?: string },
): Action;
/** Call again for this object after so many milliseconds. The last one of a reply counts. */
export function requeueAfter(ms: number): Action;
/** Carry out the other actions, then count this call as failed. */
export function fail(error: unknown): Action;
/** Something that a later host understands: a name from `features()`, and JSON. */
export function extension(name: string, payload: Json): Action;

/** Thrown: call again with growing waits, up to the handler's retry limit; then the event is a dead letter. */
export class Retry extends Error {}
/** Thrown: call again after so many milliseconds. Counts towards the retry limit too. */
export class RetryLater extends Error {
  constructor(afterMs: number, reason?: string, options?: { cause?: unknown });
  readonly afterMs: number;
}
/** Thrown: trying again cannot help; a dead letter at once. */
export class Permanent extends Error {}
/** Thrown by reads. Left alone, `unavailable` is a retry, and `denied` (the text says what to add) and `invalid` are permanent. */
export class ReadError extends Error {
  constructor(kind: "denied" | "invalid" | "unavailable", reason: string, options?: { cause?: unknown });
  readonly kind: "denied" | "invalid" | "unavailable";
}

/** The handler's settings, checked against its `settingsSchema`, with defaults filled in. */
export function settings<T = any>(): T;
/** Milliseconds since the Unix epoch. Recorded, so that a replay sees the same time. */
export function now(): number;
/** Names of what this host adds to the contract's first version. */
export function features(): string[];

/** More of the event's own object than the event carries. */
export const subject: {
  /** The value at a JSON pointer, or null. */
  get<T = any>(pointer: string): T | null;
  /** The values at several pointers, as one question. */
  getMany(pointers: Iterable<string>): any[];
};

/** Which objects. `limit` is of a page: 0 takes the default, 500, which is also the most. */
export interface Query {
  apiVersion: string;
  kind: string;
  /** Null: all namespaces, which a grant for some of them does not allow; null also for cluster-scoped kinds. */
  namespace?: string | null;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
}

/** Other objects: kinds declared under `reads` and granted. Answered from weir's cache; no request is sent. */
export const cluster: {
  /** One object, or null if there is no such object. */
  get<T = any>(key: KeyLike): T | null;
  /** Page by page; each is asked for when it is needed. */
  pages<T = any>(query: Query): Generator<T[], void, void>;
  /** All of them, one after the other. */
  list<T = any>(query: Query): Generator<T, void, void>;
};

/** What the handler watches, reads and wants: the `spec` of a `Handler`, less what is the operator's alone. */
export interface Description {
  description?: string;
  watches: Watch[];
  /** Kinds that `cluster` may be asked for. */
  reads?: { apiVersion: string; kind: string }[];
  /** What it would like to be granted; a wish, not a right. */
  wants?: { write?: Grant[]; http?: string[] };
  /** JSON Schema of `settings`. */
  settingsSchema?: object;
}

export interface Watch {
  /** Unique in the handler; what `event.watch` says. */
  name: string;
  apiVersion: string;
  kind: string;
  /** Empty: all. */
  namespaces?: string[];
  labelSelector?: string;
  fieldSelector?: string;
  events?: Change[];
  /** JSON pointers to hand over; left out: the whole object; `[]`: metadata only. */
  fields?: string[];
  /** `updated` only if one of these differs. */
  changed?: string[];
  /** CEL, evaluated by weir: `object.status.images.size() > 0`. */
  when?: string;
  /** Hand over the last acknowledged state, too. */
  previous?: boolean;
  /** `30s`, `5m`: call so often though nothing changed. */
  resync?: string;
  finalizer?: boolean;
  [more: string]: unknown;
}

export interface Grant {
  apiVersion: string;
  kind: string;
  actions: ("annotate" | "label" | "set-status" | "patch" | "apply" | "create" | "delete" | "emit")[];
  [more: string]: unknown;
}

/** What a handler's module exports as `handle`. */
export type Handle<T = any> = (event: Event<T>) => Iterable<Action> | null | undefined | void;

declare global {
  /**
   * A line in the operator's log for each call: the text is the message, and the entries of a plain object at the end are the line's fields,
   * `console.info("pruned", { node })`. An error's stack is a field, too.
   */
  // `var`, so that it is the same as the `console` of other typings.
  var console: Console;
  interface Console {
    trace(...said: any[]): void;
    debug(...said: any[]): void;
    log(...said: any[]): void;
    info(...said: any[]): void;
    warn(...said: any[]): void;
    error(...said: any[]): void;
    /** An error if it does not hold. */
    assert(holds?: boolean, ...said: any[]): void;
  }
}
