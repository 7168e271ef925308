/**
 * Answers what a handler asks, for its tests under `node --test`.
 *
 *     const host = useHost({ settings: { percent: 90 } });
 *     t.after(host.restore);
 *     assert.deepEqual(handle(eventOf("updated", node)), [annotate({ … })]);
 */
import { Change, Event, Query } from "./weir.js";

/** From now on this answers `settings`, `now`, `features`, `subject` and `cluster`. A handler has one host: not for tests side by side. */
export function useHost(filled?: {
  settings?: object;
  /** Milliseconds since the Unix epoch. */
  now?: number;
  features?: string[];
  /** What `subject` finds, by pointer. */
  subject?: Record<string, unknown>;
  /** What `cluster` finds. Selectors are noted and not evaluated: fill in what they would find. */
  objects?: object[];
  /** What every read fails with. */
  readError?: { kind: "denied" | "invalid" | "unavailable"; message: string } | null;
}): {
  /** The pages asked for so far, as the contract has them. */
  queries: (Required<Query> & { continueToken: string | null })[];
  /** Who answered before answers again. */
  restore(): void;
};

/** A first call about an object. Key, uid and resourceVersion are the object's; `more` says otherwise. */
export function eventOf<T extends object>(
  change: Change,
  object: T,
  more?: Partial<ConstructorParameters<typeof Event<T>>[0]>,
): Event<T>;
