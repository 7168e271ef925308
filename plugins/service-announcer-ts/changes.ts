// What changed between two states of an object, in words.

/** The most changes that are told of; how many more there are is said. */
const MOST = 10;
/** The most characters of one value that are told. */
const LONGEST = 80;
/** Differs whenever anything does. (weir hands over no managedFields.) */
const IGNORED = "/metadata/resourceVersion";

interface Difference {
  pointer: string;
  before: unknown;
  now: unknown;
}

/** Each value that differs, as `POINTER: BEFORE -> NOW`. */
export function changes(before: object, now: object): string[] {
  const found = [...differences({ pointer: "", before, now })];
  const told = found.slice(0, MOST).map(({ pointer, before, now }) => `${pointer}: ${short(before)} -> ${short(now)}`);
  return found.length > MOST ? [...told, `and ${found.length - MOST} more`] : told;
}

function* differences(found: Difference): Generator<Difference> {
  const { pointer, before, now } = found;
  if (pointer === IGNORED || JSON.stringify(before) === JSON.stringify(now)) return;
  // Lists of one length are compared item by item, as maps are; of others there is no telling which item is which.
  const alike = Array.isArray(before) && Array.isArray(now) ? before.length === now.length : isMap(before) && isMap(now);
  if (!alike) return yield found;
  const [was, is] = [before, now] as Record<string, unknown>[];
  for (const name of Object.keys({ ...was, ...is })) {
    const escaped = name.replaceAll("~", "~0").replaceAll("/", "~1");
    yield* differences({ pointer: `${pointer}/${escaped}`, before: was[name], now: is[name] });
  }
}

function short(value: unknown): string {
  const text = value === undefined ? "none" : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function isMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
