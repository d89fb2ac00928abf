/** What layers, the nodes with weights, are in ONNX, opset 21. */
import type {
  Conv2dNode,
  ConvTranspose2dNode,
  DenseNode,
  DepthwiseConv2dNode,
  Padding,
} from "../../ir/graph.ts";
import type { Attribute } from "./fileBuilder.ts";
import type { GraphWriter } from "./graphWriter.ts";

/** [kH, kW, C/G, O] → OIHW. */
export function writeConv2d(node: Conv2dNode, writer: GraphWriter): void {
  const [kernelHeight, kernelWidth, channels, outputs] = dimensions(writer.shapeOf(node.inputs[1]!));
  const shape = [outputs, channels, kernelHeight, kernelWidth];
  const filter = writer.constant(node.inputs[1]!, [3, 2, 0, 1], shape, 0);
  writeWindows(node, writer, filter, node.groups, [kernelHeight, kernelWidth]);
}

/** [kH, kW, C, M] → [C·M, 1, kH, kW] in C groups. */
export function writeDepthwiseConv2d(node: DepthwiseConv2dNode, writer: GraphWriter): void {
  const [kernelHeight, kernelWidth, channels, multiplier] = dimensions(writer.shapeOf(node.inputs[1]!));
  const shape = [channels * multiplier, 1, kernelHeight, kernelWidth];
  const filter = writer.constant(node.inputs[1]!, [2, 3, 0, 1], shape, 0);
  writeWindows(node, writer, filter, channels, [kernelHeight, kernelWidth]);
}

function writeWindows(
  node: Conv2dNode | DepthwiseConv2dNode,
  writer: GraphWriter,
  filter: string,
  groups: number,
  kernel: [number, number],
): void {
  const { operands, added } = writer.bias(node);
  const inputs = [writer.read(node.inputs[0]!, "nchw"), filter, ...operands];
  const attributes: Record<string, Attribute> = {
    kernel_shape: { ints: kernel },
    strides: { ints: node.strides },
    pads: { ints: pads(node.padding) },
    dilations: { ints: node.dilations },
    group: { int: groups },
  };
  writer.emit(node, "Conv", inputs, "nchw", attributes, added);
}

/**
 * [kH, kW, C/G, O] → [C, O/G, kH, kW], channel g·C/G + c with what group g gives. Scales go along O, which that has an
 * axis for where there is one group; else the file turns the dequantized weights itself.
 */
export function writeConvTranspose2d(node: ConvTranspose2dNode, writer: GraphWriter): void {
  const { groups, outputPadding } = node;
  const name = node.inputs[1]!;
  const [kernelHeight, kernelWidth, channels, outputs] = dimensions(writer.shapeOf(name));
  const kernel: [number, number] = [kernelHeight, kernelWidth];
  const attributes = {
    kernel_shape: { ints: kernel },
    strides: { ints: node.strides },
    pads: { ints: pads(node.padding) },
    output_padding: { ints: outputPadding },
    dilations: { ints: node.dilations },
    group: { int: groups },
  };
  const x = writer.read(node.inputs[0]!, "nchw");
  const shape = [channels * groups, outputs / groups, ...kernel];
  // [kH, kW, C/G, G, O/G] → [G, C/G, O/G, kH, kW], which is [C, O/G, kH, kW].
  const viewed = [...kernel, channels, groups, outputs / groups];
  const filter =
    groups > 1 && writer.isQuantized(name)
      ? turnedInFile(name, [groups, outputs / groups, channels, ...kernel], shape, writer)
      : writer.constant(name, [3, 2, 4, 0, 1], shape, 1, viewed);
  const { operands, added } = writer.bias(node);
  writer.emit(node, "ConvTranspose", [x, filter, ...operands], "nchw", attributes, added);
}

/** The filter as [O, C/G, kH, kW] in the file, and from there [G, O/G, C/G, …] → [G, C/G, O/G, …] → `shape`. */
function turnedInFile(name: string, grouped: number[], shape: number[], writer: GraphWriter): string {
  const [groups, written, read, ...kernel] = grouped as [number, number, number, number, number];
  const stored = writer.constant(name, [3, 2, 0, 1], [groups * written, read, ...kernel], 0);
  const step = (opType: string, inputs: string[], attributes: Record<string, Attribute> = {}) => {
    const output = writer.file.freshValue(`${name}_grouped`);
    writer.file.addNode(opType, `${output}/${opType}`, inputs, output, attributes);
    return output;
  };
  const split = step("Reshape", [stored, writer.int64s(`${name}_groups`, grouped)]);
  const turned = step("Transpose", [split], { perm: { ints: [0, 2, 1, 3, 4] } });
  return step("Reshape", [turned, writer.int64s(`${name}_shape`, shape)]);
}

/** The kernel stays [I, O]: transB is 0. Only matrices have a Gemm. */
export function writeDense(node: DenseNode, writer: GraphWriter): void {
  const kernel = writer.constant(node.inputs[1]!, [0, 1], writer.shapeOf(node.inputs[1]!), 1);
  const { operands, added } = writer.bias(node);
  const x = writer.read(node.inputs[0]!, "literal");
  if (writer.shapeOf(node.output).length === 2) {
    writer.emit(node, "Gemm", [x, kernel, ...operands], "literal", {}, added);
  } else if (operands.length === 0) {
    writer.emit(node, "MatMul", [x, kernel], "literal", {}, added);
  } else {
    const product = writer.file.freshValue(`${node.output}_product`);
    writer.file.addNode("MatMul", `${node.name}/MatMul`, [x, kernel], product);
    writer.emit(node, "Add", [product, ...operands], "literal");
  }
}

/** ONNX's order: what is before both sides, then what is behind. */
export function pads({ top, left, bottom, right }: Padding): number[] {
  return [top, left, bottom, right];
}

export function dimensions(shape: readonly number[]): [number, number, number, number] {
  return shape as [number, number, number, number];
}
