/** Which arithmetic the kernels have on this machine: asked of the kernels themselves, on a memory of their own. */
import { GenieError } from "../errors.ts";
import type { Arithmetic, Binary } from "./binary.ts";
import { type Kernels, kernelCode } from "./heap.ts";

const PAGES = 1;
/** Lanes of a vector. */
const FLOATS = 4;

/**
 * The arithmetic of `binary` here.
 *
 * (1 + 2⁻¹²)² = 1 + 2⁻¹¹ + 2⁻²⁴, whose last term a float does not hold: taking 1 + 2⁻¹¹ away leaves 2⁻²⁴ where the
 * sum alone is rounded, and 0 where the product is too. Adam's first moment, m·β + g·rest, is asked, in every lane.
 *
 * @throws GenieError `unsupported-runtime` if it is neither.
 */
export async function probeArithmetic(binary: Binary): Promise<Arithmetic> {
  if (binary === "baseline") return "baseline";
  const memory = new WebAssembly.Memory({ initial: PAGES });
  const { instance } = await WebAssembly.instantiate(await kernelCode(binary), { env: { memory } });
  const { adamUpdate } = instance.exports as unknown as Kernels;
  const [parameter, moment1, moment2, gradient] = [16, 32, 48, 64] as const;
  const lanes = (at: number): Float32Array => new Float32Array(memory.buffer, at, FLOATS);
  lanes(moment1).fill(1 + 2 ** -12);
  lanes(gradient).fill(-(1 + 2 ** -11));
  adamUpdate(parameter, moment1, moment2, gradient, 0, FLOATS, 1, 1, 1 + 2 ** -12, 1, 1, 1, 1);
  const rests = new Set(lanes(moment1));
  if (rests.size === 1 && rests.has(2 ** -24)) return "relaxed-fma";
  if (rests.size === 1 && rests.has(0)) return "relaxed-mul-add";
  throw new GenieError(
    "unsupported-runtime",
    `relaxed_madd gives ${[...rests].join(", ")} here, which is neither one rounding nor two; use the baseline binary`,
  );
}
