/** How a QuantParams is said in ONNX: the integer type, its QuantizeLinear and DequantizeLinear nodes. */
import { GenieError } from "../../errors.ts";
import { type QuantParams, quantRange } from "../../ir/graph.ts";
import type { IntegerBias } from "../../ir/integerBiases.ts";
import type { Attribute, FileBuilder, IntegerType } from "./fileBuilder.ts";
import type { WeightStorage } from "./storage.ts";

const RANGES: Record<IntegerType, readonly [least: number, most: number]> = {
  INT4: [-8, 7],
  UINT4: [0, 15],
  INT8: [-128, 127],
  UINT8: [0, 255],
  INT16: [-32768, 32767],
  INT32: [-(2 ** 31), 2 ** 31 - 1],
};

/** Types by preference. A grid that is never near zero has its zero-point outside [qmin, qmax]: then a wider one. */
const SIGNED_TYPES: readonly IntegerType[] = ["INT4", "INT8", "INT16"];
const UNSIGNED_TYPES: readonly IntegerType[] = ["UINT4", "UINT8", "INT8", "INT16"];

/**
 * The first ONNX type that holds [qmin, qmax] and every zero-point (which QuantizeLinear wants in that type).
 *
 * @throws GenieError "invalid-model" if none does.
 */
function storageType(params: QuantParams, value: string, isByte: boolean): IntegerType {
  const { qmin, qmax } = quantRange(params);
  const types = params.signed ? SIGNED_TYPES : UNSIGNED_TYPES;
  const candidates = isByte ? types.slice(1) : types;
  const type = candidates.find((candidate) => {
    const [least, most] = RANGES[candidate];
    const holds = (q: number) => q >= least && q <= most;
    return holds(qmin) && holds(qmax) && params.zeroPoint.every(holds);
  });
  if (!type) {
    throw new GenieError("invalid-model", `"${value}" has zero-points that no ONNX type holds`);
  }
  return type;
}

/**
 * Integer weights as an initializer with a DequantizeLinear node: output = (q − zeroPoint) · scale.
 *
 * @param axis The channels' axis in `shape`, if `params` is per channel.
 */
export function addDequantizedWeights(
  file: FileBuilder,
  output: string,
  shape: readonly number[],
  codes: ArrayLike<number>,
  params: QuantParams,
  axis: number,
  storage: WeightStorage,
): void {
  const type = storageType(params, output, storage === "int8");
  const quantized = file.freshValue(`${output}_quantized`);
  file.addIntegers(quantized, shape, type, codes);
  const { inputs, attributes } = addScaleAndZeroPoint(file, output, params, type, axis);
  file.addNode("DequantizeLinear", `${output}/DequantizeLinear`, [quantized, ...inputs], output, attributes);
}

/** A bias as 32-bit integers with a DequantizeLinear node, as integer kernels take it. */
export function addDequantizedBias(file: FileBuilder, output: string, { codes, scale }: IntegerBias): void {
  const quantized = file.freshValue(`${output}_quantized`);
  const step = file.freshValue(`${output}_scale`);
  file.addIntegers(quantized, [codes.length], "INT32", codes);
  file.addFloats(step, [scale.length], scale);
  file.addNode("DequantizeLinear", `${output}/DequantizeLinear`, [quantized, step], output, {
    axis: { int: 0 },
  });
}

/**
 * output = (clip(round(input / scale) + zeroPoint, qmin, qmax) − zeroPoint) · scale, as QuantizeLinear and
 * DequantizeLinear. QuantizeLinear saturates to its type; codes of a grid that does not fill it are clipped behind:
 * there runtimes still see that integers come in and integers go out.
 */
export function addQuantizeDequantize(
  file: FileBuilder,
  name: string,
  input: string,
  output: string,
  params: QuantParams,
  axis: number,
): void {
  const grid = unsignedGrid(params);
  const type = storageType(grid, input, true);
  const { qmin, qmax } = quantRange(grid);
  const [least, most] = RANGES[type];
  const { inputs, attributes } = addScaleAndZeroPoint(file, input, grid, type, axis);
  const quantized = file.freshValue(`${input}_quantized`);
  file.addNode("QuantizeLinear", `${name}/QuantizeLinear`, [input, ...inputs], quantized, attributes);
  let codes = quantized;
  if (qmin !== least || qmax !== most) {
    codes = file.freshValue(`${input}_clipped`);
    const [low, high] = [file.freshValue(`${input}_qmin`), file.freshValue(`${input}_qmax`)];
    file.addIntegers(low, [], type, [qmin]);
    file.addIntegers(high, [], type, [qmax]);
    file.addNode("Clip", `${name}/Clip`, [quantized, low, high], codes);
  }
  file.addNode("DequantizeLinear", `${name}/DequantizeLinear`, [codes, ...inputs], output, attributes);
}

/**
 * The same values counted from 0: bytes without a sign are what runtimes multiply fastest on x86, and onnxruntime 1.30
 * loses the type of signed ones where it moves a quantizer past a Reshape ("output_dtype INT8 does not match").
 */
function unsignedGrid(params: QuantParams): QuantParams {
  if (!params.signed) return params;
  const offset = 2 ** (params.bits - 1);
  return { ...params, signed: false, zeroPoint: params.zeroPoint.map((zero) => zero + offset) };
}

function addScaleAndZeroPoint(
  file: FileBuilder,
  value: string,
  { perChannel, scale, zeroPoint }: QuantParams,
  type: IntegerType,
  axis: number,
): { inputs: [string, string]; attributes: Record<string, Attribute> } {
  const shape = perChannel ? [scale.length] : [];
  const inputs: [string, string] = [
    file.freshValue(`${value}_scale`),
    file.freshValue(`${value}_zero_point`),
  ];
  file.addFloats(inputs[0], shape, scale);
  file.addIntegers(inputs[1], shape, type, zeroPoint);
  return { inputs, attributes: perChannel ? { axis: { int: axis } } : {} };
}
