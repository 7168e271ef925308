// What `weir.d.ts` says, held against what is there. `tsc` checks `usage.ts` where it is installed: `weir build` needs it for TypeScript.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as testing from "#weir/testing";
import * as weir from "#weir";

const here = (file) => new URL(file, import.meta.url);

test("the types name exactly what is exported", () => {
  for (const [file, exported] of [["../weir.d.ts", weir], ["../testing.d.ts", testing]]) {
    const text = readFileSync(here(file), "utf8");
    const named = [...text.matchAll(/^export (?:function|class|const) (\w+)/gm)].map((match) => match[1]);
    assert.deepEqual(named.sort(), Object.keys(exported).sort(), file);
  }
});

test("a handler in TypeScript is checked against them", (t) => {
  // As `weir build` calls it.
  const how = "--noEmit --strict --target es2022 --lib es2023 --module es2022 --moduleResolution bundler usage.ts";
  const ended = spawnSync("tsc", how.split(" "), { cwd: here("."), encoding: "utf8" });
  if (ended.error) return t.skip("there is no tsc on the PATH: npm install typescript@7.0.2");
  assert.equal(ended.status, 0, ended.stdout);
});
