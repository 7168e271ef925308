// Says of every Service that it was there, was added, changed or is gone: in the log, and in a chat where the operator set one up.

import { type Action, type Change, type Description, type Event, http, type KubeObject, log, settings } from "#weir";
import { changes } from "./changes.js";

interface Service extends KubeObject {
  spec: { type?: string; clusterIP?: string; ports?: { port: number; protocol: string }[] };
}

/** What the operator may set; checked by weir against the schema below. */
interface Settings {
  webhook?: string;
  post: Change[];
}

/** Which changes there is a word for; of others nothing is said. */
const WORDS: Partial<Record<Change, string>> = {
  initial: "initial", added: "added", updated: "changed", left: "left", deleted: "deleted",
};

export const description: Description = {
  description: "Announces Services that come, change and go: in the log and, where set up, in a chat",
  // The whole object, and the one before, to tell what changed.
  watches: [{ name: "services", apiVersion: "v1", kind: "Service", previous: true }],
  settingsSchema: {
    type: "object",
    additionalProperties: false,
    properties: {
      webhook: { type: "string", description: "where to post, as in grants.http; without it nothing is posted" },
      post: {
        type: "array",
        description: "which changes are posted; those of before weir started are many",
        items: { enum: Object.keys(WORDS) },
        default: ["added", "updated", "left", "deleted"],
      },
    },
  },
};

export function handle(event: Event<Service>): Action[] {
  const word = WORDS[event.change];
  if (word === undefined) return [];
  const service = `${event.key.namespace}/${event.key.name}`;
  const what = whatOf(event);
  // First, so that a chat that does not answer keeps nothing out of the log; quietly, when it is only said again.
  const actions = [log(word, { service, what }, { level: event.attempt === 1 ? "info" : "debug" })];
  const { webhook, post } = settings<Settings>();
  if (webhook && post.includes(event.change)) {
    const headers = { "Content-Type": "application/json" };
    actions.push(http("POST", webhook, { headers, body: { text: `Service ${service} ${word}: ${what}` } }));
  }
  return actions;
}

/** The Service in short, or what changed of it. */
function whatOf({ change, object, previous, finalStateUnknown }: Event<Service>): string {
  if (change === "updated" && previous !== null) return changes(previous, object).join(", ") || "nothing that is left of it";
  const { type, clusterIP, ports = [] } = object.spec;
  const listed = ports.map(({ port, protocol }) => `${port}/${protocol}`);
  const known = [type, clusterIP, ...listed].filter(Boolean).join(" ");
  return finalStateUnknown ? `${known} (when it was last seen)` : known;
}
