import assert from "node:assert/strict";
import { test } from "node:test";

import { annotate } from "#weir";
import { eventOf } from "#weir/testing";
import { handle } from "./app.js";

test("images are counted", () => {
  const status = { images: [{ names: ["a"] }, { names: ["b"] }] };
  const node = { apiVersion: "v1", kind: "Node", metadata: { name: "a", uid: "u" }, status };
  assert.deepEqual(handle(eventOf("updated", node)), [annotate({ "example.com/images": 2 })]);
});
