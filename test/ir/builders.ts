/** Tiny networks of every shape that the rewrites must understand, with weights from an explicit seed. */
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { Activation, Graph, Node, Padding } from "../../src/ir/graph.ts";
import { ownBiases } from "../../src/ir/ownBiases.ts";

const RELU: Activation = { kind: "relu" };
const RELU6: Activation = { kind: "clip", min: 0, max: 6 };
const NO_PADDING: Padding = { top: 0, bottom: 0, left: 0, right: 0 };

/** The network as reconstruction has it: activations fused, BatchNorms folded, a bias in every layer. */
export function prepared(raw: Graph): Graph {
  return ownBiases(foldBatchNorm(fuseActivations(raw)));
}

interface ConvOptions {
  kernel?: number;
  stride?: number;
  groups?: number;
  bias?: boolean;
  activation?: Activation;
}

/** Writes a graph node by node; each method returns the name of the value it wrote, which is the node's name + ":0". */
export class GraphBuilder {
  readonly graph: Graph;
  readonly #channels = new Map<string, number>();
  #seed: number;

  constructor(inputShape: number[], { name = "tiny", seed = 1 } = {}) {
    this.#seed = seed;
    this.graph = { name, inputs: [], outputs: [], nodes: [], constants: new Map() };
    this.input("input", inputShape);
  }

  input(name: string, shape: number[]): string {
    this.graph.inputs.push({ name, shape });
    this.#channels.set(name, shape.at(-1)!);
    return name;
  }

  conv(name: string, x: string, channels: number, options: ConvOptions = {}): string {
    const { kernel = 3, stride = 1, groups = 1, bias = false, activation } = options;
    const filter = [kernel, kernel, this.#channels.get(x)! / groups, channels];
    return this.#layer(name, [x, ...this.#weights(name, filter, bias ? channels : 0)], channels, {
      op: "conv2d",
      groups,
      ...spatial(kernel, stride),
      ...(activation && { activation }),
    });
  }

  depthwise(
    name: string,
    x: string,
    {
      kernel = 3,
      stride = 1,
      bias = false,
      activation,
      multiplier = 1,
    }: ConvOptions & { multiplier?: number } = {},
  ): string {
    const channels = this.#channels.get(x)! * multiplier;
    const filter = [kernel, kernel, this.#channels.get(x)!, multiplier];
    return this.#layer(name, [x, ...this.#weights(name, filter, bias ? channels : 0)], channels, {
      op: "depthwiseConv2d",
      ...spatial(kernel, stride),
      ...(activation && { activation }),
    });
  }

  dense(name: string, x: string, features: number, { bias = true, activation }: ConvOptions = {}): string {
    const kernel = [this.#channels.get(x)!, features];
    return this.#layer(name, [x, ...this.#weights(name, kernel, bias ? features : 0)], features, {
      op: "dense",
      ...(activation && { activation }),
    });
  }

  convTranspose(name: string, x: string, channels: number, options: ConvOptions = {}): string {
    const { kernel = 3, stride = 2, groups = 1, bias = false, activation } = options;
    const filter = [kernel, kernel, this.#channels.get(x)! / groups, channels];
    return this.#layer(name, [x, ...this.#weights(name, filter, bias ? channels : 0)], channels, {
      op: "convTranspose2d",
      groups,
      ...spatial(kernel, stride),
      outputPadding: [stride - 1, stride - 1],
      ...(activation && { activation }),
    });
  }

  /** A node of any op, whose output has `channels` along its last axis. */
  node(name: string, inputs: string[], channels: number, rest: NodeRest): string {
    return this.#layer(name, inputs, channels, rest);
  }

  norm(name: string, x: string, activation?: Activation): string {
    const channels = this.#channels.get(x)!;
    const parameters = ["scale", "offset", "mean", "variance"].map((role) => `${name}/${role}`);
    for (const parameter of parameters) {
      // Variances, and scales like them, stay away from zero.
      const isPositive = parameter.endsWith("scale") || parameter.endsWith("variance");
      this.constant(parameter, [channels], isPositive ? () => 0.5 + Math.abs(this.#draw()) : undefined);
    }
    return this.#layer(name, [x, ...parameters], channels, {
      op: "batchNorm",
      epsilon: 1e-3,
      ...(activation && { activation }),
    });
  }

  relu(name: string, x: string): string {
    return this.activation(name, x, RELU);
  }

  activation(name: string, x: string, activation: Activation): string {
    return this.#layer(name, [x], this.#channels.get(x)!, { op: "activation", activation });
  }

  add(name: string, a: string, b: string): string {
    return this.#layer(name, [a, b], this.#channels.get(a)!, { op: "add" });
  }

  multiply(name: string, a: string, b: string): string {
    return this.#layer(name, [a, b], this.#channels.get(a)!, { op: "multiply" });
  }

  concat(name: string, inputs: string[]): string {
    const channels = inputs.reduce((sum, input) => sum + this.#channels.get(input)!, 0);
    return this.#layer(name, inputs, channels, { op: "concat", axis: 3 });
  }

  maxPool(name: string, x: string, kernel: number, stride = kernel): string {
    return this.#layer(name, [x], this.#channels.get(x)!, {
      op: "maxPool",
      kernel: [kernel, kernel],
      strides: [stride, stride],
      dilations: [1, 1],
      padding: NO_PADDING,
      countPadding: false,
    });
  }

  globalPool(name: string, x: string): string {
    return this.#layer(name, [x], this.#channels.get(x)!, { op: "globalAveragePool" });
  }

  reshape(name: string, x: string, shape: number[]): string {
    return this.#layer(name, [x], shape.at(-1)!, { op: "reshape", shape });
  }

  softmax(name: string, x: string, axis = 1): string {
    return this.#layer(name, [x], this.#channels.get(x)!, { op: "softmax", axis });
  }

  upsample(name: string, x: string): string {
    return this.#layer(name, [x], this.#channels.get(x)!, { op: "upsampleNearest", factors: [2, 2] });
  }

  pad(name: string, x: string, before: number[], after: number[]): string {
    const channels = this.#channels.get(x)! + before[3]! + after[3]!;
    return this.#layer(name, [x], channels, { op: "pad", before, after, mode: "constant", value: 0 });
  }

  slice(name: string, x: string, begin: number[], end: number[], steps: number[]): string {
    const channels = Math.ceil((end[3]! - begin[3]!) / steps[3]!);
    return this.#layer(name, [x], channels, { op: "slice", begin, end, steps });
  }

  /** A constant of values in [−1, 1), or of `draw`'s. */
  constant(name: string, shape: number[], draw: () => number = () => this.#draw()): string {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, draw);
    this.graph.constants.set(name, { shape, data });
    this.#channels.set(name, shape.at(-1) ?? 1);
    return name;
  }

  outputs(...names: string[]): Graph {
    this.graph.outputs.push(...names);
    return this.graph;
  }

  #layer(name: string, inputs: string[], channels: number, rest: NodeRest): string {
    const output = `${name}:0`;
    this.graph.nodes.push({ ...rest, name, inputs, output } as Node);
    this.#channels.set(output, channels);
    return output;
  }

  #weights(name: string, shape: number[], biases: number): string[] {
    const filter = this.constant(`${name}/filter`, shape);
    return biases > 0 ? [filter, this.constant(`${name}/bias`, [biases])] : [filter];
  }

  /** A linear congruential generator (Numerical Recipes' constants): plain and the same everywhere. */
  #draw(): number {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed / 2 ** 31 - 1;
  }
}

export type NodeRest = DistributiveOmit<Node, "name" | "inputs" | "output">;

type DistributiveOmit<T, Keys extends PropertyKey> = T extends unknown ? Omit<T, Keys> : never;

function spatial(kernel: number, stride: number) {
  const border = (kernel - 1) >> 1;
  return {
    strides: [stride, stride] as [number, number],
    dilations: [1, 1] as [number, number],
    padding: { top: border, bottom: border, left: border, right: border },
  };
}

/** conv → BatchNorm → ReLU, as exporters write it. */
export function convNormRelu(b: GraphBuilder, name: string, x: string, channels: number, stride = 1): string {
  return b.relu(`${name}.relu`, b.norm(`${name}.bn`, b.conv(`${name}.conv`, x, channels, { stride })));
}

/** `depth` × (conv → BatchNorm → ReLU), then pool → flatten → dense. */
export function convChain(depth = 3): Graph {
  const b = new GraphBuilder([-1, 8, 8, 3], { name: "chain" });
  let x = "input";
  for (let i = 0; i < depth; i++) x = convNormRelu(b, `stage${i}`, x, 4 + i);
  return b.outputs(classifier(b, x, 4 + depth - 1));
}

/** pool → flatten → dense "fc". */
export function classifier(b: GraphBuilder, x: string, channels: number): string {
  return b.dense("fc", b.reshape("flatten", b.globalPool("pool", x), [-1, channels]), 5);
}

/** One residual block: conv-bn-relu-conv-bn, plus `shortcut`, relu. */
export function residualBlock(
  b: GraphBuilder,
  name: string,
  x: string,
  channels: number,
  stride = 1,
  shortcut = x,
): string {
  const inner = b.relu(
    `${name}.relu1`,
    b.norm(`${name}.bn1`, b.conv(`${name}.conv1`, x, channels, { stride })),
  );
  const main = b.norm(`${name}.bn2`, b.conv(`${name}.conv2`, inner, channels));
  return b.relu(`${name}.relu2`, b.add(`${name}.add`, main, shortcut));
}

/** Stem, `blocks` identity residual blocks, classifier. */
export function residual(blocks = 1): Graph {
  const b = new GraphBuilder([-1, 8, 8, 3], { name: "resnet" });
  let x = convNormRelu(b, "stem", "input", 4);
  for (let i = 0; i < blocks; i++) x = residualBlock(b, `layer${i + 1}`, x, 4);
  return b.outputs(classifier(b, x, 4));
}

/** A stride-2 residual block whose shortcut is a slice (every second pixel) padded with zero channels. */
export function optionA(): Graph {
  const b = new GraphBuilder([-1, 8, 8, 3], { name: "option-a" });
  const x = convNormRelu(b, "stem", "input", 4);
  const half = b.slice("layer1.slice", x, [0, 0, 0, 0], [-1, 8, 8, 4], [1, 2, 2, 1]);
  const shortcut = b.pad("layer1.pad", half, [0, 0, 0, 2], [0, 0, 0, 2]);
  return b.outputs(classifier(b, residualBlock(b, "layer1", x, 8, 2, shortcut), 8));
}

/** Stem, then depthwise and pointwise convolutions, each with BatchNorm and ReLU6. */
export function mobileNetV1(depth = 2): Graph {
  const b = new GraphBuilder([-1, 8, 8, 3], { name: "mobilenet-v1" });
  let x = convNormRelu(b, "stem", "input", 4, 2);
  for (let i = 1; i <= depth; i++) {
    const dw = b.norm(`conv_dw_${i}_bn`, b.depthwise(`conv_dw_${i}`, x), RELU6);
    x = b.norm(`conv_pw_${i}_bn`, b.conv(`conv_pw_${i}`, dw, 4 + i, { kernel: 1 }), RELU6);
  }
  return b.outputs(b.softmax("softmax", classifier(b, x, 4 + depth)));
}

/**
 * MobileNetV1 as Keras writes it: zeros padded below and to the right in front of strides of 2, and a 1×1 convolution
 * "preds" as the classifier, with softmax and reshape behind it.
 */
export function kerasMobileNetV1(): Graph {
  const b = new GraphBuilder([-1, 9, 9, 3], { name: "keras-mobilenet-v1" });
  const padded = (name: string, x: string) => b.pad(name, x, [0, 0, 0, 0], [0, 1, 1, 0]);
  let x = b.conv("conv1", padded("conv1_pad", "input"), 4, { stride: 2, kernel: 1 });
  x = b.norm("conv1_bn", x, RELU6);
  for (const [i, stride] of [1, 2].entries()) {
    const input = stride === 2 ? padded(`pad_${i}`, x) : x;
    const dw = b.norm(`conv_dw_${i}_bn`, b.depthwise(`conv_dw_${i}`, input, { stride }), RELU6);
    x = b.norm(`conv_pw_${i}_bn`, b.conv(`conv_pw_${i}`, dw, 6, { kernel: 1 }), RELU6);
  }
  const pooled = b.reshape("reshape_1", b.globalPool("pool", x), [-1, 1, 1, 6]);
  const preds = b.conv("preds", pooled, 5, { kernel: 1, bias: true });
  return b.outputs(b.reshape("reshape_2", b.softmax("softmax", preds, 3), [-1, 5]));
}

/** expand 1×1 (unless `expansion` is 1) → depthwise → linear 1×1, with a skip where the shapes allow. */
export function invertedResidual(
  b: GraphBuilder,
  name: string,
  x: string,
  inputs: number,
  channels: number,
  { stride = 1, expansion = 2, squeeze = false } = {},
): string {
  let y = x;
  if (expansion > 1) {
    y = b.norm(`${name}_expand_bn`, b.conv(`${name}_expand`, y, inputs * expansion, { kernel: 1 }), RELU6);
  }
  y = b.norm(`${name}_depthwise_bn`, b.depthwise(`${name}_depthwise`, y, { stride }), RELU6);
  if (squeeze) y = squeezeExcite(b, `${name}_se`, y, inputs * expansion);
  y = b.norm(`${name}_project_bn`, b.conv(`${name}_project`, y, channels, { kernel: 1 }));
  return stride === 1 && inputs === channels ? b.add(`${name}_add`, y, x) : y;
}

export function mobileNetV2({ squeeze = false } = {}): Graph {
  const b = new GraphBuilder([-1, 8, 8, 3], { name: "mobilenet-v2" });
  let x = convNormRelu(b, "stem", "input", 4);
  x = invertedResidual(b, "block_0", x, 4, 3, { expansion: 1, squeeze });
  x = invertedResidual(b, "block_1", x, 3, 5, { stride: 2, squeeze });
  x = invertedResidual(b, "block_2", x, 5, 5, { squeeze });
  x = convNormRelu(b, "head", x, 6);
  return b.outputs(classifier(b, x, 6));
}

/** x · sigmoid(expand(relu(reduce(mean(x))))). */
export function squeezeExcite(b: GraphBuilder, name: string, x: string, channels: number): string {
  const reduced = b.relu(
    `${name}_relu`,
    b.conv(`${name}_reduce`, b.globalPool(`${name}_pool`, x), 2, { kernel: 1, bias: true }),
  );
  const gate = b.activation(
    `${name}_sigmoid`,
    b.conv(`${name}_expand`, reduced, channels, { kernel: 1, bias: true }),
    { kind: "sigmoid" },
  );
  return b.multiply(`${name}_scale`, x, gate);
}

/** BatchNorm and ReLU in front of each convolution: nothing to fold but one BatchNorm inside the block. */
export function preActivation(): Graph {
  const b = new GraphBuilder([-1, 8, 8, 3], { name: "pre-activation" });
  let x = b.conv("stem", "input", 4);
  for (const name of ["unit1", "unit2"]) {
    const first = b.relu(`${name}.relu1`, b.norm(`${name}.bn1`, x));
    const inner = b.norm(`${name}.bn2`, b.conv(`${name}.conv1`, first, 4));
    x = b.add(`${name}.add`, b.conv(`${name}.conv2`, b.relu(`${name}.relu2`, inner), 4), x);
  }
  return b.outputs(classifier(b, b.relu("post.relu", b.norm("post.bn", x)), 4));
}

/** Two convolutions side by side and a pooled one, concatenated. */
export function inception(): Graph {
  const b = new GraphBuilder([-1, 8, 8, 3], { name: "inception" });
  const x = b.maxPool("stem.pool", convNormRelu(b, "stem", "input", 4), 2);
  const mixed = b.concat("mixed.concat", [
    convNormRelu(b, "mixed.a", x, 2),
    convNormRelu(b, "mixed.b2", convNormRelu(b, "mixed.b1", x, 2), 3),
    b.upsample("mixed.up", b.maxPool("mixed.pool", x, 2)),
  ]);
  return b.outputs(classifier(b, mixed, 9));
}

/** A dense autoencoder with BatchNorm, as MLPerf Tiny's anomaly detection has. */
export function autoencoder(): Graph {
  const b = new GraphBuilder([-1, 6], { name: "autoencoder" });
  let x = "input";
  for (const [i, features] of [5, 3, 5].entries()) {
    x = b.relu(`relu${i}`, b.norm(`bn${i}`, b.dense(`dense${i}`, x, features)));
  }
  return b.outputs(b.dense("reconstruction", x, 6));
}

/** A trunk with two heads. */
export function twoHeads(): Graph {
  const b = new GraphBuilder([-1, 8, 8, 3], { name: "two-heads" });
  const x = convNormRelu(b, "trunk2", convNormRelu(b, "trunk1", "input", 4), 4);
  const left = convNormRelu(b, "left", x, 2);
  return b.outputs(left, convNormRelu(b, "right", x, 3));
}

/** Down by a stride, up again by transposed convolutions, with a skip; one of them in groups. */
export function unet(): Graph {
  const b = new GraphBuilder([-1, 8, 6, 3], { name: "u-net" });
  const wide = convNormRelu(b, "down", "input", 4);
  const narrow = convNormRelu(b, "bottom", b.maxPool("pool", wide, 2), 6);
  const up = b.relu("up.relu", b.norm("up.bn", b.convTranspose("up", narrow, 4)));
  const joined = b.concat("join", [up, wide]);
  const grouped = b.convTranspose("grouped", joined, 6, { stride: 1, groups: 2, bias: true });
  return b.outputs(b.convTranspose("last", grouped, 2, { kernel: 2, bias: true }));
}

/** Self-attention over the pixels of an embedding, normalized before and a dense layer with GELU behind. */
export function transformer(): Graph {
  const b = new GraphBuilder([-1, 8, 4, 3], { name: "transformer" });
  const embedded = b.conv("embed", "input", 6, { kernel: 2, stride: 2, bias: true });
  const tokens = b.reshape("tokens", embedded, [-1, 8, 6]);
  const mean = b.node("mean", [tokens], 1, { op: "reduce", kind: "mean", axes: [2] });
  const centered = b.node("centered", [tokens, mean], 6, { op: "subtract" });
  const squares = b.multiply("squares", centered, centered);
  const variance = b.node("variance", [squares], 1, { op: "reduce", kind: "mean", axes: [2] });
  const raised = b.add(
    "raised",
    variance,
    b.constant("epsilon", [1], () => 1e-3),
  );
  const deviation = b.activation("deviation", raised, { kind: "sqrt" });
  const normal = b.node("normal", [centered, deviation], 6, { op: "divide" });
  const split = (name: string) => b.reshape(`${name}.heads`, b.dense(name, normal, 6), [-1, 8, 2, 3]);
  const [query, key, value] = [split("query"), split("key"), split("value")];
  const ordered = (name: string, x: string, permutation: number[]) =>
    b.node(name, [x], permutation[3] === 1 ? 8 : 3, { op: "transpose", permutation });
  const [queries, keys] = [ordered("queries", query, [0, 2, 1, 3]), ordered("keys", key, [0, 2, 3, 1])];
  const weights = b.softmax("weights", b.node("scores", [queries, keys], 8, { op: "matMul" }), 3);
  const values = ordered("values", value, [0, 2, 1, 3]);
  const mixed = b.node("mixed", [weights, values], 3, { op: "matMul" });
  const back = b.node("back", [mixed], 3, { op: "transpose", permutation: [0, 2, 1, 3] });
  const attended = b.dense("project", b.reshape("merge", back, [-1, 8, 6]), 6);
  const sum = b.add("skip", attended, tokens);
  const hidden = b.activation("gelu", b.dense("widen", sum, 12), { kind: "gelu", approximate: "none" });
  const out = b.add("skip2", b.dense("narrow", hidden, 6), sum);
  const pooled = b.node("pooled", [out], 6, { op: "reduce", kind: "mean", axes: [1] });
  return b.outputs(b.dense("classify", b.reshape("flat", pooled, [-1, 6]), 4));
}

/** Two inputs, added after a convolution each. */
export function twoInputs(): Graph {
  const b = new GraphBuilder([-1, 8, 8, 3], { name: "two-inputs" });
  const other = b.input("other", [-1, 8, 8, 1]);
  const sum = b.add("sum", b.conv("left", "input", 4), b.conv("right", other, 4));
  return b.outputs(classifier(b, convNormRelu(b, "tail", sum, 3), 3));
}

/** Every network above, by name. */
export function allNetworks(): [name: string, graph: Graph][] {
  return [
    convChain(),
    residual(2),
    optionA(),
    mobileNetV1(),
    kerasMobileNetV1(),
    mobileNetV2(),
    { ...mobileNetV2({ squeeze: true }), name: "mobilenet-v3" },
    preActivation(),
    inception(),
    autoencoder(),
    twoHeads(),
    twoInputs(),
    unet(),
    transformer(),
  ].map((graph) => [graph.name, graph]);
}
