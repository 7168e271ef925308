// The contract's two functions, made of what the author's module exports. Knows nothing of components, so it is tested without one.

import { TAGS } from "./actions.js";
import { failureOf, isMeant } from "./errors.js";
import { Event } from "./event.js";
import { stackOf } from "./console.js";
import { wellFormed } from "./text.js";

/** `describe` and `handle` of the contract. `complain` is given the stack of an error that nobody meant. */
export function serve(app, complain) {
  if (typeof app.handle !== "function") throw new TypeError("the handler's module exports no function `handle`");
  if (typeof app.description !== "object" || app.description === null) {
    throw new TypeError("the handler's module exports no object `description`, the manifest's spec");
  }
  const described = JSON.stringify(app.description);
  return {
    describe: () => described,
    handle(said) {
      try {
        return wellFormed(actions(app.handle(new Event(said))));
      } catch (thrown) {
        if (!isMeant(thrown)) complain(stackOf(thrown));
        throw wellFormed(failureOf(thrown));
      }
    },
  };
}

/** The answer, if it is one: what is not would trap in the component without a word. */
function actions(answer) {
  if (answer == null) return [];
  if (typeof answer.then === "function") throw new TypeError("`handle` answers at once: it cannot be async");
  if (typeof answer !== "object" || typeof answer[Symbol.iterator] !== "function") {
    throw new TypeError(`\`handle\` answers with a list of actions, not ${typeof answer}`);
  }
  const list = [...answer];
  for (const action of list) {
    if (!TAGS.includes(action?.tag)) throw new TypeError(`this is no action, as annotate() makes one: ${JSON.stringify(action)}`);
  }
  return list;
}
