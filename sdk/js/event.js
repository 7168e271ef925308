// One call's question. Objects are parsed when they are first looked at.

export class ObjectKey {
  constructor(apiVersion, kind, namespace, name) {
    for (const [what, given] of Object.entries({ apiVersion, kind, name })) {
      if (typeof given !== "string") throw new TypeError(`${what} of an object's key is text, not ${given}`);
    }
    this.apiVersion = apiVersion;
    this.kind = kind;
    this.namespace = namespace || null;
    this.name = name;
  }

  /** Of a key, or of anything like one, or of a whole object. */
  static from({ apiVersion, kind, namespace, name, metadata }) {
    return new ObjectKey(apiVersion, kind, namespace ?? metadata?.namespace, name ?? metadata?.name);
  }

  toString() {
    return `${this.apiVersion}/${this.kind} ${this.namespace ? `${this.namespace}/` : ""}${this.name}`;
  }
}

export class Event {
  #object;
  #previous;

  constructor(said) {
    const { object = "{}", previous = null } = said;
    const asText = (value) => (value === null || typeof value === "string" ? value : JSON.stringify(value));
    this.objectJson = asText(object);
    this.previousJson = asText(previous);
    this.change = said.change;
    this.key = ObjectKey.from(said.key ?? this.object);
    this.watch = said.watch ?? "";
    this.uid = said.uid ?? this.object.metadata?.uid ?? "";
    this.resourceVersion = said.resourceVersion ?? this.object.metadata?.resourceVersion ?? "";
    this.finalStateUnknown = said.finalStateUnknown ?? false;
    this.attempt = said.attempt ?? 1;
    this.extra = said.extra ?? [];
  }

  get object() {
    return (this.#object ??= JSON.parse(this.objectJson));
  }

  get previous() {
    return this.previousJson === null ? null : (this.#previous ??= JSON.parse(this.previousJson));
  }

  get isEnding() {
    return this.change === "left" || this.change === "deleted";
  }
}
