/** How a QuantParams is said in ONNX: the integer type, its QuantizeLinear and DequantizeLinear nodes. */
import { GenieError } from "../../errors.ts";
import { type QuantParams, quantRange } from "../../ir/graph.ts";
import type { Attribute, FileBuilder, IntegerType } from "./fileBuilder.ts";
import type { ActivationStorage } from "./storage.ts";

const RANGES: Record<IntegerType, readonly [least: number, most: number]> = {
  INT4: [-8, 7],
  UINT4: [0, 15],
  INT8: [-128, 127],
  UINT8: [0, 255],
  INT16: [-32768, 32767],
};

/** Types by preference. A grid that is never near zero has its zero-point outside [qmin, qmax]: then a wider one. */
const SIGNED_TYPES: readonly IntegerType[] = ["INT4", "INT8", "INT16"];
const UNSIGNED_TYPES: readonly IntegerType[] = ["UINT4", "UINT8", "INT8", "INT16"];

/**
 * The first ONNX type that holds [qmin, qmax] and every zero-point (which QuantizeLinear wants in that type).
 *
 * @throws GenieError "invalid-model" if none does.
 */
function storageType(params: QuantParams, value: string, storage: ActivationStorage): IntegerType {
  const { qmin, qmax } = quantRange(params);
  const types = params.signed ? SIGNED_TYPES : UNSIGNED_TYPES;
  const candidates = storage === "byte" ? types.slice(1) : types;
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
): void {
  const type = storageType(params, output, "narrowest");
  const quantized = file.freshValue(`${output}_quantized`);
  file.addIntegers(quantized, shape, type, codes);
  const { inputs, attributes } = addScaleAndZeroPoint(file, output, params, type, axis);
  file.addNode("DequantizeLinear", `${output}/DequantizeLinear`, [quantized, ...inputs], output, attributes);
}

/**
 * output = (clip(round(input / scale) + zeroPoint, qmin, qmax) − zeroPoint) · scale, as QuantizeLinear and
 * DequantizeLinear. QuantizeLinear saturates to its type; a grid that does not fill it is clipped before, to the
 * floats that qmin and qmax stand for.
 *
 * @throws GenieError "unsupported-operator" for several scales with such a grid: Clip takes one bound.
 */
export function addQuantizeDequantize(
  file: FileBuilder,
  name: string,
  input: string,
  output: string,
  params: QuantParams,
  axis: number,
  storage: ActivationStorage,
): void {
  const type = storageType(params, input, storage);
  const { qmin, qmax } = quantRange(params);
  const [least, most] = RANGES[type];
  let clipped = input;
  if (qmin !== least || qmax !== most) {
    if (params.scale.length !== 1) {
      throw new GenieError(
        "unsupported-operator",
        `node "${name}" quantizes an activation per channel to ${params.bits} bits, which ONNX cannot say`,
      );
    }
    const bound = (q: number) => Float32Array.of((q - params.zeroPoint[0]!) * params.scale[0]!);
    clipped = file.freshValue(`${input}_clipped`);
    const [low, high] = [file.freshValue(`${input}_min`), file.freshValue(`${input}_max`)];
    file.addFloats(low, [], bound(qmin));
    file.addFloats(high, [], bound(qmax));
    file.addNode("Clip", `${name}/Clip`, [input, low, high], clipped);
  }
  const { inputs, attributes } = addScaleAndZeroPoint(file, input, params, type, axis);
  const quantized = file.freshValue(`${input}_quantized`);
  file.addNode("QuantizeLinear", `${name}/QuantizeLinear`, [clipped, ...inputs], quantized, attributes);
  file.addNode("DequantizeLinear", `${name}/DequantizeLinear`, [quantized, ...inputs], output, attributes);
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
