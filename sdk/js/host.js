// What the handler may ask: its settings, the time, and other objects. Who answers is connected from outside: weir in a component,
// `#weir/testing` in a test.

import { ReadError } from "./errors.js";
import { ObjectKey } from "./event.js";

/** Who answers, in the contract's own form: `{ host, subject, cluster }`. One at a time, as a handler has one host. */
let answering = null;

/** Lets somebody answer; gives back who did before. */
export function connect(interfaces) {
  const before = answering;
  answering = interfaces;
  return before;
}

function asked() {
  if (answering === null) throw new ReadError("unavailable", "there is no weir here to ask; a test says what it answers with useHost");
  return answering;
}

/** A read that was not answered is thrown by the component's runtime with the contract's error as `payload`. */
function ask(question) {
  try {
    return question(asked());
  } catch (error) {
    const told = error?.payload;
    throw told?.tag ? new ReadError(told.tag, told.val) : error;
  }
}

const parsed = (found) => (found == null ? null : JSON.parse(found));

export const settings = () => JSON.parse(asked().host.settings());

export const now = () => asked().host.nowMs();

export const features = () => asked().host.features();

export const subject = {
  get: (pointer) => parsed(ask(({ subject }) => subject.get(pointer))),
  getMany: (pointers) => ask(({ subject }) => subject.getMany([...pointers])).map(parsed),
};

export const cluster = {
  get: (key) => parsed(ask(({ cluster }) => cluster.get({ ...ObjectKey.from(key) }))),

  *pages({ apiVersion, kind, namespace, labelSelector = "", fieldSelector = "", limit = 0 }) {
    let continueToken = null;
    do {
      const query = { apiVersion, kind, namespace: namespace ?? null, labelSelector, fieldSelector, limit, continueToken };
      const page = ask(({ cluster }) => cluster.listPage(query));
      yield page.items.map(parsed);
      continueToken = page.continueToken ?? null;
    } while (continueToken !== null);
  },

  *list(query) {
    for (const page of cluster.pages(query)) yield* page;
  },
};
