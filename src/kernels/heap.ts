/**
 * Our kernels inside tfjs's own linear memory: no copies between tfjs tensors and ours.
 *
 * `initializeKernels` starts tfjs's single-threaded SIMD backend and instantiates one of our two binaries on
 * its memory. After that `address(tensor)` is a pointer that `kernels()` understands.
 */
import { type BackendWasm, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import {
  backend,
  engine,
  env,
  Identity,
  type KernelFunc,
  ready,
  registerKernel,
  setBackend,
  type Tensor,
  type TensorInfo,
  unregisterKernel,
  util,
} from "@tensorflow/tfjs-core";
import { relaxedSimd, simd } from "wasm-feature-detect";
import type { instantiate } from "../../build/genie.js";
import { GenieError } from "../errors.ts";
import type { Binary } from "./binary.ts";

export type { Binary } from "./binary.ts";

/** Exports of the AssemblyScript module; addresses are byte offsets into tfjs's memory. */
export type Kernels = Awaited<ReturnType<typeof instantiate>>;

const TFJS_URL = new URL(
  "../../node_modules/@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm",
  import.meta.url,
);
const BASELINE_URL = new URL("../../build/genie.wasm", import.meta.url);
const RELAXED_URL = new URL("../../build/genie.relaxed.wasm", import.meta.url);

/** The part of tfjs-backend-wasm's Emscripten module that we use; its own types leave it out. */
interface EmscriptenModule {
  asm: { memory: WebAssembly.Memory };
  _malloc(bytes: number): number;
  _free(address: number): void;
}

interface Heap {
  binary: Binary;
  exports: Kernels;
  backend: BackendWasm;
  module: EmscriptenModule;
  scratch: { address: number; bytes: number };
}

let heap: Heap | undefined;

/**
 * Starts the tfjs wasm backend and our kernels in its memory. Idempotent.
 *
 * @param options.binary Which of the two binaries; default: the one in use, and at first relaxed SIMD where the
 *   engine has it.
 * @throws GenieError `unsupported-runtime` where the engine lacks what the binary needs.
 */
export async function initializeKernels(options: { binary?: Binary } = {}): Promise<Binary> {
  if (heap && (options.binary ?? heap.binary) === heap.binary) return heap.binary;
  const binary = await chooseBinary(options.binary);
  const wasmBackend = await startBackend();
  const module = (wasmBackend as unknown as { wasm: EmscriptenModule }).wasm;
  const { instance } = await WebAssembly.instantiate(await kernelCode(binary), {
    env: { memory: module.asm.memory },
  });
  heap = {
    binary,
    exports: instance.exports as unknown as Kernels,
    backend: wasmBackend,
    module,
    scratch: heap?.scratch ?? { address: 0, bytes: 0 },
  };
  return binary;
}

/**
 * The binary that will run: the one asked for, or relaxed SIMD where the engine has it.
 *
 * @throws GenieError `unsupported-runtime` where the engine lacks what it needs.
 */
export async function chooseBinary(wanted?: Binary): Promise<Binary> {
  if (!(await simd())) {
    throw new GenieError("unsupported-runtime", "this JavaScript engine has no WebAssembly SIMD (128-bit)");
  }
  const hasRelaxed = await detectRelaxedSimd();
  if (wanted === "relaxed" && !hasRelaxed) {
    throw new GenieError("unsupported-runtime", "this JavaScript engine has no WebAssembly relaxed SIMD");
  }
  return wanted ?? (hasRelaxed ? "relaxed" : "baseline");
}

/** A binary's bytes. It imports its memory as `env.memory`. */
export function kernelCode(binary: Binary): Promise<ArrayBuffer> {
  return readAsset(binary === "relaxed" ? RELAXED_URL : BASELINE_URL);
}

/** The kernels of the binary in use. @throws GenieError before `initializeKernels`. */
export function kernels(): Kernels {
  return started().exports;
}

/**
 * Puts other functions in the place of the kernels: ones that time them, say.
 *
 * @returns Puts the former ones back.
 */
export function replaceKernels(replace: (kernels: Kernels) => Kernels): () => void {
  const running = started();
  const former = running.exports;
  running.exports = replace(former);
  return () => {
    running.exports = former;
  };
}

/** Byte address of a tensor's first element. Valid until the tensor is disposed; survives memory growth. */
export function address(tensor: TensorInfo): number {
  return started().backend.getMemoryOffset(tensor.dataId as never);
}

/** A float32 tensor with unspecified content, for a kernel to fill. Owned by the current tidy scope. */
export function emptyTensor(shape: readonly number[]): Tensor {
  const info = started().backend.makeOutput([...shape], "float32");
  if (address(info) === 0 && util.sizeFromShape([...shape]) > 0) {
    throw new GenieError("unsupported-runtime", `out of memory: a tensor of shape [${shape}] does not fit`);
  }
  return engine().makeTensorFromTensorInfo(info);
}

/**
 * Address of at least `bytes` of scratch memory, 16-byte aligned, shared by all kernels: its content does not
 * outlive the kernel call it was asked for.
 */
export function scratch(bytes: number): number {
  const { module, scratch: arena } = started();
  if (arena.bytes < bytes) {
    if (arena.bytes > 0) module._free(arena.address);
    // 16 spare bytes to align; tfjs's malloc aligns to 8.
    arena.address = module._malloc(bytes + 16) >>> 0;
    if (arena.address === 0) {
      throw new GenieError("unsupported-runtime", `out of memory: ${bytes} bytes of scratch do not fit`);
    }
    arena.bytes = bytes;
  }
  return ((arena.address + 15) & ~15) >>> 0;
}

/** Another tensor on the same memory, which is free when both are disposed of. Not recorded on a tape. */
export function share(tensor: Tensor, shape: readonly number[] = tensor.shape): Tensor {
  return engine().makeTensorFromTensorInfo({
    ...sameMemory(tensor, started().backend),
    shape: [...shape],
  });
}

/** Whether another tensor is on the same memory. */
export function isShared({ dataId }: TensorInfo): boolean {
  return started().backend.refCount(dataId) > 1;
}

/** Size of the whole linear memory in bytes; it only ever grows. */
export function heapBytes(): number {
  return started().module.asm.memory.buffer.byteLength;
}

/** A view of a float32 tensor's memory, for reading or writing in place. Invalid after the next allocation. */
export function view(tensor: TensorInfo): Float32Array {
  return new Float32Array(
    started().module.asm.memory.buffer,
    address(tensor),
    util.sizeFromShape([...tensor.shape]),
  );
}

function started(): Heap {
  if (!heap) throw new GenieError("unsupported-runtime", "call initializeKernels() first");
  return heap;
}

async function startBackend(): Promise<BackendWasm> {
  if (!heap) {
    // tfjs's multi-threaded binary has a shared memory that our module cannot import.
    env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    const url = await fetchableUrl(TFJS_URL);
    setWasmPaths(
      {
        "tfjs-backend-wasm.wasm": url,
        "tfjs-backend-wasm-simd.wasm": url,
        "tfjs-backend-wasm-threaded-simd.wasm": url,
      },
      true,
    );
    await setBackend("wasm");
    await ready();
    shareClones();
  }
  return backend() as BackendWasm;
}

/**
 * tfjs-backend-wasm's Identity copies, and tfjs's own ops (reshape, clone) run it: share the data instead, as the
 * other backends do. Who writes to a tensor in place writes to its clones.
 */
function shareClones(): void {
  unregisterKernel(Identity, "wasm");
  const identity = ({ inputs, backend }: { inputs: { x: TensorInfo }; backend: BackendWasm }): TensorInfo =>
    sameMemory(inputs.x, backend);
  registerKernel({
    kernelName: Identity,
    backendName: "wasm",
    kernelFunc: identity as unknown as KernelFunc,
  });
}

/** What a further tensor on the same memory is made from; the memory is counted as held once more. */
function sameMemory({ dataId, shape, dtype }: TensorInfo, backend: BackendWasm): TensorInfo {
  backend.incRef(dataId);
  return { dataId, shape, dtype };
}

/** Node's fetch does not read files, so a file becomes a data: URL, which every fetch reads. */
async function fetchableUrl(url: URL): Promise<string> {
  if (url.protocol !== "file:") return url.href;
  const { readFile } = await import("node:fs/promises");
  return `data:application/wasm;base64,${(await readFile(url)).toString("base64")}`;
}

async function readAsset(url: URL): Promise<ArrayBuffer> {
  const response = await fetch(await fetchableUrl(url));
  if (!response.ok)
    throw new GenieError("unsupported-runtime", `cannot load ${url.href}: HTTP ${response.status}`);
  return response.arrayBuffer();
}

/** Node 20 has relaxed SIMD behind a V8 flag that can be set while running. */
async function detectRelaxedSimd(): Promise<boolean> {
  if (await relaxedSimd()) return true;
  if (typeof process === "undefined" || !process.versions?.node || !process.versions.node.startsWith("20.")) {
    return false;
  }
  const { setFlagsFromString } = await import("node:v8");
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  return relaxedSimd();
}
