// A weir handler that annotates each node with the number of its images.

import { type Action, annotate, type Description, type Event, type KubeObject } from "#weir";

export const description: Description = {
  description: "Annotates each node with the number of its images",
  watches: [{ name: "nodes", apiVersion: "v1", kind: "Node", fields: ["/status/images"] }],
  wants: { write: [{ apiVersion: "v1", kind: "Node", actions: ["annotate"] }] },
};

/** What this handler looks at. */
interface Node extends KubeObject {
  status?: { images?: { names: string[] }[] };
}

export function handle(event: Event<Node>): Action[] {
  return [annotate({ "example.com/images": event.object.status?.images?.length ?? 0 })];
}
