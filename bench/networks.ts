/** Networks with random weights: what a kernel costs does not depend on its values. */
import type { Constant, Graph, Node } from "../src/ir/graph.ts";
import { randomTensor, valuesOf } from "./data.ts";
import { geometryOf, same } from "./layers.ts";

/** Channels and stride of each depthwise-separable layer (Howard et al. 2017, table 1). */
const SEPARABLE: readonly [number, number][] = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  ...Array<[number, number]>(5).fill([512, 1]),
  [1024, 2],
  [1024, 1],
];

/** MobileNetV1 to its last BatchNorm: all of it that distillation runs. Call after `initializeKernels`. */
export function mobileNetV1(width: number, size: number): Graph {
  const nodes: Node[] = [];
  const constants = new Map<string, Constant>();
  let value = "images";
  let channels = 3;
  let height = size;

  const constant = (name: string, shape: number[], data: Float32Array): string => {
    constants.set(name, { shape, data });
    return name;
  };
  const layer = (
    name: string,
    op: "conv2d" | "depthwiseConv2d",
    kernel: number,
    out: number,
    stride: number,
  ) => {
    const fanIn = kernel * kernel * (op === "conv2d" ? channels : 1);
    const shape = [kernel, kernel, channels, op === "conv2d" ? out : 1];
    const normal = randomTensor(shape, nodes.length);
    const filter = valuesOf(normal).map((weight) => weight * Math.sqrt(2 / fanIn));
    normal.dispose();
    const geometry = geometryOf({ stride, padding: same(height, kernel, stride) });
    const inputs = [value, constant(`${name}.filter`, shape, filter)];
    const shared = { name, inputs, output: name, ...geometry };
    nodes.push(op === "conv2d" ? { op, ...shared, groups: 1 } : { op, ...shared });
    const filled = (suffix: string, fill: number) =>
      constant(`${name}.${suffix}`, [out], new Float32Array(out).fill(fill));
    nodes.push({
      op: "batchNorm",
      name: `${name}.norm`,
      inputs: [name, filled("gamma", 1), filled("beta", 0), filled("mean", 0.1), filled("variance", 0.9)],
      output: `${name}.norm`,
      epsilon: 1e-3,
      activation: { kind: "clip", min: 0, max: 6 },
    });
    value = `${name}.norm`;
    channels = out;
    height = Math.ceil(height / stride);
  };

  layer("stem", "conv2d", 3, 32 * width, 2);
  SEPARABLE.forEach(([out, stride], index) => {
    layer(`depthwise${index + 1}`, "depthwiseConv2d", 3, channels, stride);
    layer(`pointwise${index + 1}`, "conv2d", 1, out * width, 1);
  });
  return {
    name: "MobileNetV1",
    inputs: [{ name: "images", shape: [-1, size, size, 3] }],
    outputs: [value],
    nodes,
    constants,
  };
}
