// Answers what a handler asks, for its tests. Documented in `testing.d.ts`.

import { Event, ObjectKey } from "./event.js";
import { connect } from "./host.js";

export function useHost({ settings = {}, now = 0, features = [], subject = {}, objects = [], readError = null } = {}) {
  const host = { queries: [], restore: () => connect(before) };
  const refuse = () => {
    // As the component's runtime throws a read's error.
    if (readError) throw Object.assign(new Error(readError.message), { payload: { tag: readError.kind, val: readError.message } });
  };
  const found = (pointer) => (pointer in subject ? JSON.stringify(subject[pointer]) : null);
  const before = connect({
    host: { settings: () => JSON.stringify(settings), nowMs: () => now, features: () => features },
    subject: {
      get: (pointer) => (refuse(), found(pointer)),
      getMany: (pointers) => (refuse(), pointers.map(found)),
    },
    cluster: {
      get(key) {
        refuse();
        const object = objects.find((it) => `${ObjectKey.from(it)}` === `${ObjectKey.from(key)}`);
        return object ? JSON.stringify(object) : null;
      },
      listPage(query) {
        host.queries.push(query);
        refuse();
        const fits = ({ apiVersion, kind, namespace }) =>
          apiVersion === query.apiVersion && kind === query.kind && (query.namespace === null || namespace === query.namespace);
        const items = objects.filter((it) => fits(ObjectKey.from(it))).map((it) => JSON.stringify(it));
        const from = Number(query.continueToken ?? 0);
        const until = from + (query.limit || 500);
        return { items: items.slice(from, until), continueToken: until < items.length ? String(until) : null };
      },
    },
  });
  return host;
}

export const eventOf = (change, object, more = {}) => new Event({ change, object, ...more });
