// Text on its way out.

/**
 * The same value with every text in it well-formed. JavaScript cuts text in the midst of a character (`"🌍".slice(0, 1)`), and half a
 * character is none to the contract: the component would trap. It becomes U+FFFD.
 */
export function wellFormed(value) {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, wellFormed(each)]));
}
