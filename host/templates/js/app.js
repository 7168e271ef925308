// A weir handler that annotates each node with the number of its images.

import { annotate } from "#weir";

export const description = {
  description: "Annotates each node with the number of its images",
  watches: [{ name: "nodes", apiVersion: "v1", kind: "Node", fields: ["/status/images"] }],
  wants: { write: [{ apiVersion: "v1", kind: "Node", actions: ["annotate"] }] },
};

export function handle(event) {
  return [annotate({ "example.com/images": event.object.status?.images?.length ?? 0 })];
}
