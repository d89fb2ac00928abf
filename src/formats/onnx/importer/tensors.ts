/** ONNX's tensors as typed arrays: initializers, constants, and what is computed from them. */
import { GenieError } from "../../../errors.ts";
import { halfToFloat } from "../../float16.ts";
import { unpackInt4 } from "../int4.ts";
import { TensorProto_DataType as DataType, type TensorProto } from "../onnx_pb.ts";
import { isExternal } from "./externalData.ts";

export type TensorData = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array;

/** A tensor whose values the file determines, in ONNX's row-major layout. */
export interface OnnxTensor {
  /** ONNX's element type. All floating-point types are held in single precision, wide integers in double. */
  dataType: DataType;
  shape: number[];
  data: TensorData;
  /**
   * Shape arithmetic meets the batch size N, which is unknown: element i stands for data[i] + batch[i] · N.
   * Absent where no element depends on N.
   */
  batch?: Float64Array;
}

/** The most dimensions a tensor of a file may have. */
const MAX_RANK = 64;

/** A value of `dataType` in memory: how many bytes, and how they are read (little-endian). */
interface Format {
  bytes: number;
  read(view: DataView, offset: number): number;
}

const FORMATS: ReadonlyMap<number, Format> = new Map<number, Format>([
  [DataType.FLOAT, { bytes: 4, read: (view, at) => view.getFloat32(at, true) }],
  [DataType.DOUBLE, { bytes: 8, read: (view, at) => view.getFloat64(at, true) }],
  [DataType.FLOAT16, { bytes: 2, read: (view, at) => halfToFloat(view.getUint16(at, true)) }],
  [DataType.BFLOAT16, { bytes: 2, read: (view, at) => bfloat16(view.getUint16(at, true)) }],
  [DataType.INT8, { bytes: 1, read: (view, at) => view.getInt8(at) }],
  [DataType.UINT8, { bytes: 1, read: (view, at) => view.getUint8(at) }],
  [DataType.BOOL, { bytes: 1, read: (view, at) => view.getUint8(at) }],
  [DataType.INT16, { bytes: 2, read: (view, at) => view.getInt16(at, true) }],
  [DataType.UINT16, { bytes: 2, read: (view, at) => view.getUint16(at, true) }],
  [DataType.INT32, { bytes: 4, read: (view, at) => view.getInt32(at, true) }],
  [DataType.UINT32, { bytes: 4, read: (view, at) => view.getUint32(at, true) }],
  [DataType.INT64, { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) }],
  [DataType.UINT64, { bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) }],
]);

export function isFloat(dataType: DataType): boolean {
  return (
    dataType === DataType.FLOAT ||
    dataType === DataType.DOUBLE ||
    dataType === DataType.FLOAT16 ||
    dataType === DataType.BFLOAT16
  );
}

/** The name the standard gives to an element type. */
export function typeName(dataType: DataType): string {
  return Object.entries(DataType).find(([, value]) => value === dataType)?.[0] ?? `number ${dataType}`;
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Zeros; floats in single precision, all else in double, which holds every integer that a shape can need. */
export function emptyData(dataType: DataType, count: number): Float32Array | Float64Array {
  return isFloat(dataType) ? new Float32Array(count) : new Float64Array(count);
}

export function int64s(values: readonly number[], shape: number[] = [values.length]): OnnxTensor {
  return { dataType: DataType.INT64, shape, data: Float64Array.from(values) };
}

/**
 * Reads one tensor of the file.
 *
 * @param what Names the tensor in errors: `initializer "conv1.weight"`.
 * @throws GenieError `malformed-file` where the data does not fill the shape; or where they were not read from
 *   another file; `unsupported-operator` for types that no network of ours has.
 */
export function decodeTensor(proto: TensorProto, what: string): OnnxTensor {
  if (isExternal(proto)) {
    throw new GenieError(
      "malformed-file",
      `${what} is stored in another file (ONNX external data), and there is no way to read it: give it to the loader`,
    );
  }
  if (proto.dims.length > MAX_RANK) {
    throw new GenieError("malformed-file", `${what} has ${proto.dims.length} dimensions`);
  }
  const shape = proto.dims.map((size) => {
    if (size < 0n || size > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new GenieError("malformed-file", `${what} has the impossible shape [${proto.dims.join(", ")}]`);
    }
    return Number(size);
  });
  const count = elementCount(shape);
  const { dataType } = proto;
  const raw = proto.rawData;
  // Compared before anything is allocated: a hostile file declares more than it holds.
  const mismatch = (held: number, unit: string) =>
    new GenieError(
      "malformed-file",
      `${what} of shape [${shape.join(", ")}] and type ${typeName(dataType)} holds ${held} ${unit}`,
    );
  if (dataType === DataType.INT4 || dataType === DataType.UINT4) {
    const packed = raw.length > 0 ? raw : Uint8Array.from(proto.int32Data);
    if (packed.length !== Math.ceil(count / 2)) throw mismatch(packed.length, "bytes");
    return { dataType, shape, data: unpackInt4(packed, count, dataType === DataType.INT4) };
  }
  const format = FORMATS.get(dataType);
  if (!format) {
    throw new GenieError("unsupported-operator", `${what} has the unsupported type ${typeName(dataType)}`);
  }
  if (raw.length > 0) {
    if (raw.length !== count * format.bytes) throw mismatch(raw.length, "bytes");
    return { dataType, shape, data: readRaw(raw, dataType, count, format) };
  }
  const typed = typedValues(proto);
  if (typed.length !== count) throw mismatch(typed.length, "values");
  const data = allocate(dataType, count);
  const isHalf = dataType === DataType.FLOAT16 || dataType === DataType.BFLOAT16;
  const widen = dataType === DataType.FLOAT16 ? halfToFloat : bfloat16;
  for (let i = 0; i < count; i++) data[i] = isHalf ? widen(Number(typed[i])) : Number(typed[i]);
  return { dataType, shape, data };
}

function readRaw(raw: Uint8Array, dataType: DataType, count: number, format: Format): TensorData {
  // Weights are nearly always of this type: one copy, which also aligns them (`slice` would not copy a Buffer).
  if (dataType === DataType.FLOAT && LITTLE_ENDIAN) return new Float32Array(new Uint8Array(raw).buffer);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const data = allocate(dataType, count);
  for (let i = 0; i < count; i++) data[i] = format.read(view, i * format.bytes);
  return data;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The smallest array for quantized weights; shape arithmetic takes doubles. */
function allocate(dataType: DataType, count: number): TensorData {
  switch (dataType) {
    case DataType.INT8:
      return new Int8Array(count);
    case DataType.UINT8:
      return new Uint8Array(count);
    case DataType.INT16:
      return new Int16Array(count);
    case DataType.UINT16:
      return new Uint16Array(count);
    default:
      return emptyData(dataType, count);
  }
}

function typedValues(proto: TensorProto): ArrayLike<number | bigint> {
  switch (proto.dataType) {
    case DataType.FLOAT:
      return proto.floatData;
    case DataType.DOUBLE:
      return proto.doubleData;
    case DataType.INT64:
      return proto.int64Data;
    case DataType.UINT32:
    case DataType.UINT64:
      return proto.uint64Data;
    default:
      return proto.int32Data;
  }
}

/** The upper half of a single. */
function bfloat16(bits: number): number {
  return new Float32Array(new Uint32Array([(bits & 0xffff) << 16]).buffer)[0]!;
}
