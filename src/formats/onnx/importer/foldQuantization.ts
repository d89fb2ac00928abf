/** Folding of QuantizeLinear and DequantizeLinear on weights. */
import { quantRange } from "../../../ir/graph.ts";
import { roundToEven } from "../../../ir/roundToEven.ts";
import { TensorProto_DataType as DataType } from "../onnx_pb.ts";
import type { FoldContext, Folder } from "./folder.ts";
import type { Operation } from "./operation.ts";
import { elementCount, type OnnxTensor, typeName } from "./tensors.ts";

export const quantization: Record<string, Folder> = {
  /** y = (x − zeroPoint) · scale */
  DequantizeLinear: ([x, scale, zeroPoint], context) => {
    const channelOf = channels(x!, scale!, context);
    const out = context.create(DataType.FLOAT, x!.shape);
    for (let i = 0; i < out.data.length; i++) {
      const channel = channelOf(i);
      out.data[i] = (x!.data[i]! - (zeroPoint?.data[channel] ?? 0)) * scale!.data[channel]!;
    }
    return [out];
  },
  /** y = clip(round(x / scale) + zeroPoint, qmin, qmax); ties to even. */
  QuantizeLinear: ([x, scale, zeroPoint], context) => {
    const dataType = zeroPoint?.dataType ?? quantizedType(context.operation);
    const { qmin, qmax } = quantRange(gridOf(dataType, context.operation));
    const channelOf = channels(x!, scale!, context);
    const out = context.create(dataType, x!.shape);
    for (let i = 0; i < out.data.length; i++) {
      const channel = channelOf(i);
      const level =
        roundToEven(Math.fround(x!.data[i]! / scale!.data[channel]!)) + (zeroPoint?.data[channel] ?? 0);
      out.data[i] = Math.min(Math.max(level, qmin), qmax);
    }
    return [out];
  },
};

/** The type that QuantizeLinear writes when no zero-point says it. */
export function quantizedType(operation: Operation): DataType {
  const stated = operation.int("output_dtype", DataType.UNDEFINED);
  return (stated === DataType.UNDEFINED ? DataType.UINT8 : stated) as DataType;
}

/** The integer grid of a quantized type. */
export function gridOf(dataType: DataType, operation: Operation): { bits: number; signed: boolean } {
  switch (dataType) {
    case DataType.INT4:
      return { bits: 4, signed: true };
    case DataType.UINT4:
      return { bits: 4, signed: false };
    case DataType.INT8:
      return { bits: 8, signed: true };
    case DataType.UINT8:
      return { bits: 8, signed: false };
    case DataType.INT16:
      return { bits: 16, signed: true };
    case DataType.UINT16:
      return { bits: 16, signed: false };
    default:
      throw operation.unsupported(`it quantizes to ${typeName(dataType)}`);
  }
}

/** Which scale belongs to element i: one for all, or one for each index of `axis`. */
function channels(x: OnnxTensor, scale: OnnxTensor, { operation }: FoldContext): (i: number) => number {
  if (operation.int("block_size", 0) !== 0) throw operation.unsupported("blocked quantization");
  const zeroPoint = operation.optionalConstant(2);
  if (zeroPoint && zeroPoint.data.length !== scale.data.length) {
    throw operation.invalid(
      `${scale.data.length} scales and ${zeroPoint.data.length} zero-points do not match`,
    );
  }
  if (scale.data.length === 1) return () => 0;
  const axis = operation.axis(operation.int("axis", 1), x.shape.length);
  const size = x.shape[axis]!;
  if (scale.data.length !== size)
    throw operation.invalid(`${scale.data.length} scales for an axis of ${size}`);
  const inner = elementCount(x.shape.slice(axis + 1));
  return (i) => Math.floor(i / inner) % size;
}
