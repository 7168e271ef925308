// The `console` of a component, whose engine has none: a line in the operator's log for each call.
//
// The text before is the message, the entries of a plain object at the end are the line's fields: `console.info("pruned", { node })`. An
// error's stack is a field, too.

import { pairs } from "./actions.js";
import { wellFormed } from "./text.js";

/** Makes a console that writes to the contract's `log`; `isHeard` says whether anybody listens. */
export function makeConsole(log, isHeard) {
  const line = (level) => (...said) => {
    if (isHeard()) log[level](...wellFormed(parts(said)));
  };
  const made = { log: line("info") };
  for (const level of ["trace", "debug", "info", "warn", "error"]) made[level] = line(level);
  made.assert = (holds, ...said) => {
    if (!holds) made.error("an assertion does not hold", ...said);
  };
  return made;
}

/** The message and the fields of what was said. */
export function parts(said) {
  const rest = [...said];
  const fields = isPlain(rest.at(-1)) && rest.length > 1 ? pairs(mapped(rest.pop(), shown)) : [];
  const error = rest.find((value) => value instanceof Error);
  if (error) fields.push(["stack", stackOf(error)]);
  const first = typeof rest[0] === "string" ? [filledIn(rest)] : [];
  return [[...first, ...rest.map(shown)].join(" "), fields];
}

/** How many causes are told: an error can be its own. */
const CAUSES = 10;

/** An error as its author wants to read it, causes and all. */
export function stackOf(error, causes = CAUSES) {
  const stack = error?.stack ?? "";
  // Node's begins with the message, the component's engine's does not.
  const own = stack.startsWith(String(error)) ? stack : `${error}\n${stack}`.trimEnd();
  return error?.cause === undefined || causes === 0 ? own : `${own}\ncaused by: ${stackOf(error.cause, causes - 1)}`;
}

/** Takes the format off the front, and as many values as it has places for. */
function filledIn(rest) {
  return rest.shift().replace(/%[sdifjoO%]/g, (place) => {
    if (place === "%%") return "%";
    if (rest.length === 0) return place;
    const value = rest.shift();
    switch (place) {
      case "%d": return String(Number(value));
      case "%i": return String(Math.trunc(Number(value)));
      case "%f": return String(Number.parseFloat(value));
      default: return shown(value);
    }
  });
}

function shown(value) {
  if (value instanceof Error) return String(value);
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    return String(value);
  }
}

const mapped = (object, change) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));

function isPlain(value) {
  return typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));
}
