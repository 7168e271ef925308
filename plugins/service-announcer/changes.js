// What changed between two states of an object, in words.

/** The most changes that are told of; how many more there are is said. */
const MOST = 10;
/** The most characters of one value that are told. */
const LONGEST = 80;
/** Differs whenever anything does. (weir hands over no managedFields.) */
const IGNORED = "/metadata/resourceVersion";

/** Each value that differs, as `POINTER: BEFORE -> NOW`. */
export function changes(before, now) {
  const found = [...differences(before, now, "")];
  const told = found.slice(0, MOST).map(([pointer, was, is]) => `${pointer}: ${short(was)} -> ${short(is)}`);
  return found.length > MOST ? [...told, `and ${found.length - MOST} more`] : told;
}

function* differences(before, now, pointer) {
  if (pointer === IGNORED || JSON.stringify(before) === JSON.stringify(now)) return;
  // Lists of one length are compared item by item, as maps are; of others there is no telling which item is which.
  if (isMap(before) && isMap(now) || Array.isArray(before) && Array.isArray(now) && before.length === now.length) {
    for (const name of Object.keys({ ...before, ...now })) {
      yield* differences(before[name], now[name], `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`);
    }
  } else {
    yield [pointer, before, now];
  }
}

function short(value) {
  const text = value === undefined ? "none" : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function isMap(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
