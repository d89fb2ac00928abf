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

/** tfjs's kernels that are used: by its engine (Add, Cast, Identity), and by src/kernels/. All others are left out. */
const KERNELS = [
  "Add",
  "Cast",
  "Concat",
  "Identity",
  "MirrorPad",
  "Multiply",
  "PadV2",
  "Reshape",
  "Reverse",
  "Slice",
  "Softmax",
  "StridedSlice",
  "Sub",
  "Sum",
  "Transpose",
];

const configOf = (kernel) => `${kernel[0].toLowerCase()}${kernel.slice(1)}Config`;

const REGISTRATION = `
import { registerKernel } from '@tensorflow/tfjs-core';
${KERNELS.map((kernel) => `import { ${configOf(kernel)} } from './kernels/${kernel}';`).join("\n")}
for (const config of [${KERNELS.map(configOf).join(", ")}]) registerKernel(config);
`;

/**
 * tfjs modules that call `require`, carry the multi-threaded binary's worker or register what nobody uses, and what
 * stands in for them.
 */
const REPLACEMENTS = {
  "tfjs-core/dist/platforms/platform_browser.js": PLATFORM,
  "tfjs-core/dist/platforms/platform_node.js": "export {};",
  "tfjs-core/dist/optimizers/register_optimizers.js": "export function registerOptimizers() {}",
  "tfjs-backend-wasm/dist/register_all_kernels.js": REGISTRATION,
  "tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js": "export default undefined;",
  "tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js":
    "export const wasmWorkerContents = '';",
};

/** Modules that only matter to who imports something of them, whatever their package says. */
const WITHOUT_EFFECTS =
  /tfjs-core\/dist\/((io|optimizers|ops)\/|(train|hash_util|serialization)\.js$)|\/(long|seedrandom)\//;

/** An op is defined by a call, which stays in the bundle unless it is known to do nothing else. */
const DEFINED_OP = /= op\(\{/g;

/** An op of tfjs in the bundle, and the kernels it runs. */
const OP = /tfjs-core\/dist\/ops\//;
const RUN_KERNEL = /\brunKernel\((\w+)/g;
/** What ops run on complex numbers, which we have none of. */
const COMPLEX_KERNELS = ["Complex", "Imag", "Neg", "Real"];

const GLUE = "tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js";

/** Makes tfjs's own ES modules run wherever ES modules run, and leaves out what we do not use. */
export function tfjsForEveryRuntime() {
  const pathOf = (id) => id.replaceAll("\\", "/");
  return {
    name: "tfjs-for-every-runtime",
    load(id) {
      return Object.entries(REPLACEMENTS).find(([end]) => pathOf(id).endsWith(end))?.[1];
    },
    transform(code, id) {
      if (WITHOUT_EFFECTS.test(pathOf(id))) {
        return {
          code: code.replace(DEFINED_OP, "= /* @__PURE__ */ op({"),
          map: null,
          moduleSideEffects: false,
        };
      }
      if (!pathOf(id).endsWith(GLUE)) return undefined;
      // We hand Emscripten the binary as a URL to fetch; what it would do by itself on Node needs CommonJS.
      const detection = /ENVIRONMENT_IS_NODE=typeof process=="object"[^;]*;/;
      if (!detection.test(code)) this.error("tfjs's Emscripten glue no longer looks as expected");
      return { code: code.replace(detection, "ENVIRONMENT_IS_NODE=false;"), map: null };
    },
    renderChunk(_code, chunk) {
      for (const [id, { code }] of Object.entries(chunk.modules)) {
        if (!code || !OP.test(pathOf(id))) continue;
        for (const [, kernel] of code.matchAll(RUN_KERNEL)) {
          if (KERNELS.includes(kernel) || COMPLEX_KERNELS.includes(kernel)) continue;
          this.error(`${id} runs tfjs's kernel ${kernel}: name it in rollup/tfjs.mjs, or do without`);
        }
      }
    },
  };
}
