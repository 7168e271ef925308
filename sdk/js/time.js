// Waits, as the contract has them.

/** The longest time that the contract can name, in milliseconds: about 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

/** Whole milliseconds, rounded up so that a positive time never becomes none, and cut to what the contract can name. */
export function milliseconds(ms) {
  if (typeof ms !== "number" || !(ms >= 0)) throw new TypeError(`a wait is milliseconds, not ${ms}`);
  return Math.min(Math.ceil(ms), LONGEST_MS);
}
