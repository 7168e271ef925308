// Between the contract and the rest of the kit. Imported in a component only, before the author's module: it brings the `console`.

import cluster from "weir:api/cluster@0.1.0";
import host from "weir:api/host@0.1.0";
import log from "weir:api/log@0.1.0";
import subject from "weir:api/subject@0.1.0";
import stderr from "wasi:cli/stderr@0.2.12";
import { makeConsole } from "./console.js";
import { serve } from "./handler.js";
import { connect } from "./host.js";
import { wellFormed } from "./text.js";

/** The most that WASI takes at once. */
const CHUNK = 4096;
/** The most of a stack that is written; weir keeps no more of it. */
const MOST = 16 * CHUNK;

connect({ cluster, host, subject });

let called = false;

// Modules are loaded when the component is built, and nobody listens then.
globalThis.console = makeConsole(log, () => called);

/** What the component exports, made of what the author's module exports. */
export function component(app) {
  const { describe, handle } = serve(app, complain);
  return {
    describe,
    handle(event) {
      called = true;
      return handle(event);
    },
  };
}

/** To stderr: weir attaches it to the call's failure. */
function complain(text) {
  const bytes = utf8(text);
  const out = stderr.getStderr();
  for (let at = 0; at < Math.min(bytes.length, MOST); at += CHUNK) out.blockingWriteAndFlush(bytes.slice(at, at + CHUNK));
  out[Symbol.dispose]();
}

/** The engine has no TextEncoder. */
function utf8(text) {
  return Uint8Array.from(unescape(encodeURIComponent(wellFormed(text))), (unit) => unit.charCodeAt(0));
}
