/** TFLite's tensors: what they measure, and constants as floats or integers, dequantized where they are quantized. */
import { GenieError } from "../../errors.ts";
import { isPrintable } from "../../printable.ts";
import { halfToFloat } from "../float16.ts";
import type { TensorConstant } from "../tensorflow/network.ts";
import type { Tensor } from "./generated/tflite/tensor.ts";

export interface TensorInfo {
  name: string;
  /** The schema's TensorType. */
  type: number;
  shape: number[];
  /** The shape with −1 for what may vary; empty where the file does not say. */
  signature: number[];
  buffer: number;
  isSparse: boolean;
  quantization: Quantization | undefined;
}

/** value = (code − zeroPoint[i]) · scale[i], where i is the index along `axis` if there are several. */
export interface Quantization {
  scale: number[];
  zeroPoint: number[];
  axis: number;
}

interface TensorType {
  name: string;
  bytes: number;
  isInteger: boolean;
  read: (view: DataView, at: number) => number;
}

/** By the schema's number. */
const TYPES: Readonly<Record<number, TensorType>> = {
  0: { name: "float32", bytes: 4, isInteger: false, read: (view, at) => view.getFloat32(at, true) },
  1: {
    name: "float16",
    bytes: 2,
    isInteger: false,
    read: (view, at) => halfToFloat(view.getUint16(at, true)),
  },
  2: { name: "int32", bytes: 4, isInteger: true, read: (view, at) => view.getInt32(at, true) },
  3: { name: "uint8", bytes: 1, isInteger: true, read: (view, at) => view.getUint8(at) },
  4: { name: "int64", bytes: 8, isInteger: true, read: (view, at) => Number(view.getBigInt64(at, true)) },
  6: { name: "bool", bytes: 1, isInteger: true, read: (view, at) => view.getUint8(at) },
  7: { name: "int16", bytes: 2, isInteger: true, read: (view, at) => view.getInt16(at, true) },
  9: { name: "int8", bytes: 1, isInteger: true, read: (view, at) => view.getInt8(at) },
  10: { name: "float64", bytes: 8, isInteger: false, read: (view, at) => view.getFloat64(at, true) },
};

/** The smallest code of the types that activations are quantized to. */
const LEAST_CODE: Readonly<Record<number, number>> = { 3: 0, 7: -(2 ** 15), 9: -128 };
const STEPS: Readonly<Record<number, number>> = { 3: 255, 7: 2 ** 16 - 1, 9: 255 };

export function tensorInfo(tensor: Tensor): TensorInfo {
  const name = tensor.name();
  if (typeof name === "string" && !isPrintable(name)) {
    throw new GenieError(
      "malformed-file",
      "the TFLite file is damaged: a name in it holds control characters",
    );
  }
  const list = (length: number, read: (i: number) => number | bigint | null) =>
    Array.from({ length }, (_, i) => Number(read(i)));
  const quantization = tensor.quantization();
  const scale = list(quantization?.scaleLength() ?? 0, (i) => quantization!.scale(i));
  const zeroPoint = list(quantization?.zeroPointLength() ?? 0, (i) => quantization!.zeroPoint(i));
  return {
    name: typeof name === "string" ? name : "",
    type: tensor.type(),
    shape: list(tensor.shapeLength(), (i) => tensor.shape(i)),
    signature: list(tensor.shapeSignatureLength(), (i) => tensor.shapeSignature(i)),
    buffer: tensor.buffer(),
    isSparse: tensor.sparsity() !== null,
    quantization:
      scale.length > 0 ? { scale, zeroPoint, axis: quantization!.quantizedDimension() } : undefined,
  };
}

/** Values that a quantized activation can take, [least, most]; undefined for one that is not quantized. */
export function quantizedRange({ type, quantization }: TensorInfo): [number, number] | undefined {
  const least = LEAST_CODE[type];
  if (least === undefined || quantization?.scale.length !== 1) return undefined;
  const [scale, zeroPoint] = [quantization.scale[0]!, quantization.zeroPoint[0] ?? 0];
  return [(least - zeroPoint) * scale, (least + STEPS[type]! - zeroPoint) * scale];
}

/** Whether it holds codes of 8 bits, with one scale or several. */
export function isQuantizedWeight({ type, quantization }: TensorInfo): boolean {
  return quantization !== undefined && (type === 3 || type === 9);
}

/** @throws GenieError `malformed-file` for data that is shorter than the shape asks for; `unsupported-operator`. */
export function decodeTensor(info: TensorInfo, bytes: Uint8Array, shown: string): TensorConstant {
  const { shape, quantization } = info;
  const type = TYPES[info.type];
  if (!type || info.isSparse) {
    const what = info.isSparse ? "sparse" : `of type ${info.type}`;
    throw new GenieError(
      "unsupported-operator",
      `the constant "${shown}" is ${what}, which is not supported`,
    );
  }
  const count = shape.reduce((product, size) => product * size, 1);
  if (!shape.every((size) => size >= 0) || shape.length > 16 || count * type.bytes !== bytes.length) {
    throw new GenieError(
      "malformed-file",
      `the constant "${shown}" of shape [${shape.slice(0, 16)}] (${type.name}) has ${bytes.length} bytes`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isInteger = type.isInteger && !quantization;
  const read = (i: number) => type.read(view, i * type.bytes);
  if (isInteger) {
    const data = new Float64Array(count);
    for (let i = 0; i < count; i++) data[i] = read(i);
    return { shape, data, isInteger };
  }
  const data = new Float32Array(count);
  if (!type.isInteger || !quantization) {
    for (let i = 0; i < count; i++) data[i] = read(i);
    return { shape, data, isInteger: false };
  }
  const { scale, zeroPoint } = quantization;
  const channels = scale.length;
  // Of a bias some converters state the axis of its filter.
  const axis = shape.length === 1 ? 0 : quantization.axis;
  if (channels > 1 && channels !== shape[axis]) {
    throw new GenieError(
      "malformed-file",
      `the constant "${shown}" of shape [${shape}] has ${channels} scales`,
    );
  }
  const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  for (let i = 0; i < count; i++) {
    const channel = channels > 1 ? Math.floor(i / inner) % channels : 0;
    data[i] = (read(i) - (zeroPoint[channel] ?? 0)) * scale[channel]!;
  }
  return { shape, data, isInteger: false };
}
