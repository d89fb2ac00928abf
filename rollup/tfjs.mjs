/** What tfjs asks of its host, from the globals that browsers, Deno and Node ≥ 20 share. */
const PLATFORM = `
import '../flags';
import { env } from '../environment';
import { isTypedArrayBrowser } from './is_typed_array_browser';
env().setPlatform('web', {
  fetch: (path, init) => fetch(path, init),
  now: () => performance.now(),
  encode: (text) => new TextEncoder().encode(text),
  decode: (bytes, encoding) => new TextDecoder(encoding).decode(bytes),
  isTypedArray: isTypedArrayBrowser,
  setTimeoutCustom: (callback, delay) => setTimeout(callback, delay),
});
`;

/** tfjs modules that call `require` or carry the multi-threaded binary's worker, and what stands in for them. */
const REPLACEMENTS = {
  "tfjs-core/dist/platforms/platform_browser.js": PLATFORM,
  "tfjs-core/dist/platforms/platform_node.js": "export {};",
  "tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js": "export default undefined;",
  "tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js":
    "export const wasmWorkerContents = '';",
};

const GLUE = "tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js";

/** Makes tfjs's own ES modules run wherever ES modules run. */
export function tfjsForEveryRuntime() {
  const pathOf = (id) => id.replaceAll("\\", "/");
  return {
    name: "tfjs-for-every-runtime",
    load(id) {
      return Object.entries(REPLACEMENTS).find(([end]) => pathOf(id).endsWith(end))?.[1];
    },
    transform(code, id) {
      if (!pathOf(id).endsWith(GLUE)) return undefined;
      // We hand Emscripten the binary as a URL to fetch; what it would do by itself on Node needs CommonJS.
      const detection = /ENVIRONMENT_IS_NODE=typeof process=="object"[^;]*;/;
      if (!detection.test(code)) this.error("tfjs's Emscripten glue no longer looks as expected");
      return { code: code.replace(detection, "ENVIRONMENT_IS_NODE=false;"), map: null };
    },
  };
}
