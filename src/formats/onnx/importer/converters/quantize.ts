/** QuantizeLinear followed by DequantizeLinear, which is one node of ours. */
import { gridOf, quantizedType } from "../foldQuantization.ts";
import type { Operation } from "../operation.ts";
import type { Converter } from "./converter.ts";

export const quantize: Record<string, Converter> = {
  QuantizeLinear: (operation) => {
    const source = operation.activation(0);
    const { scale, zeroPoint } = readScale(operation);
    const dataType = operation.optionalConstant(2)?.dataType ?? quantizedType(operation);
    const axis = operation.axis(operation.int("axis", 1), source.shape.length);
    const perChannel = scale.length > 1;
    if (perChannel && source.order.at(-1) !== axis) {
      throw operation.unsupported(`a scale for each index of axis ${axis} of a value of the network`);
    }
    const params = { ...gridOf(dataType, operation), perChannel, scale, zeroPoint };
    return { kind: "quantized", source, params };
  },
  DequantizeLinear: (operation, graph) => {
    const value = operation.inputs[0];
    if (value?.kind !== "quantized") {
      throw operation.unsupported("what it reads was not written by QuantizeLinear and is not constant");
    }
    const { scale, zeroPoint } = readScale(operation);
    const { source, params } = value;
    const isSame =
      scale.length === params.scale.length &&
      scale.every((size, i) => size === params.scale[i] && zeroPoint[i] === params.zeroPoint[i]);
    if (!isSame)
      throw operation.unsupported("its scale or zero-point is not that of the QuantizeLinear before");
    return graph.add(operation, { op: "fakeQuantize", inputs: [source.name], params }, source.order);
  },
};

function readScale(operation: Operation): { scale: Float32Array; zeroPoint: Int32Array } {
  if (operation.int("block_size", 0) !== 0) throw operation.unsupported("blocked quantization");
  const scale = operation.floatConstant(1).data;
  const zeroPoint = Int32Array.from(operation.optionalConstant(2)?.data ?? scale.map(() => 0));
  if (zeroPoint.length !== scale.length) {
    throw operation.invalid(`${scale.length} scales and ${zeroPoint.length} zero-points do not match`);
  }
  return { scale, zeroPoint };
}
