/** What each of our nodes is in Keras. */
import type {
  Activation,
  BatchNormNode,
  BinaryNode,
  Constant,
  ConvTranspose2dNode,
  LayerNode,
  Node,
  Padding,
  PoolNode,
} from "../../ir/graph.ts";
import { permute } from "../graph/permute.ts";
import { samePadding } from "../keras/windows.ts";
import { writePad, writeSlice, zeroPad } from "./exportBorders.ts";
import { CHANNELS_LAST, type LayersWriter, unsupported } from "./layersWriter.ts";

/** Writes the node's layers, its activation's behind them. */
export function writeNode(node: Node, writer: LayersWriter): void {
  const bare = writeBare(node, writer);
  const activation = "activation" in node ? node.activation : undefined;
  const layer = activation ? writeActivation(node, activation, bare, writer) : bare;
  writer.hold(node.output, layer);
}

/** @returns the layer that gives the node's value before its activation. */
function writeBare(node: Node, writer: LayersWriter): string {
  const read = () => writer.layerOf(node.inputs[0]!, node);
  switch (node.op) {
    case "conv2d":
    case "depthwiseConv2d":
    case "dense":
      return writeWeighted(node, writer);
    case "convTranspose2d":
      return writeConvTranspose(node, writer);
    case "batchNorm":
      return writeBatchNorm(node, writer);
    case "activation":
      return read();
    case "add":
    case "multiply":
    case "subtract":
      return writeBinary(node as BinaryNode & { op: typeof node.op }, writer);
    case "minimum":
    case "maximum":
      if (node.inputs.some((input) => writer.constant(input)))
        throw unsupported(node, "has a constant operand");
      return writer.addLayer(
        node.op === "minimum" ? "Minimum" : "Maximum",
        node.name,
        node.inputs.map((input) => writer.layerOf(input, node)),
        {},
      );
    case "averagePool":
    case "maxPool":
      return writePool(node, writer);
    case "globalAveragePool": {
      const channels = writer.shapeOf(node.output)[3]!;
      const flat = writer.addLayer("GlobalAveragePooling2D", `${node.name}_mean`, [read()], CHANNELS_LAST);
      return writer.addLayer("Reshape", node.name, [flat], { target_shape: [1, 1, channels] });
    }
    case "upsampleNearest":
      return writer.addLayer("UpSampling2D", node.name, [read()], {
        size: node.factors,
        interpolation: "nearest",
        ...CHANNELS_LAST,
      });
    case "pad":
      return writePad(node, writer);
    case "slice":
      return writeSlice(node, writer);
    case "concat": {
      const inputs = node.inputs.map((input) => writer.layerOf(input, node));
      return writer.addLayer("Concatenate", node.name, inputs, { axis: node.axis });
    }
    case "reshape":
      return writer.addLayer("Reshape", node.name, [read()], { target_shape: node.shape.slice(1) });
    case "transpose":
      if (node.permutation[0] !== 0) throw unsupported(node, "moves the batch");
      return writer.addLayer("Permute", node.name, [read()], { dims: node.permutation.slice(1) });
    case "softmax":
      return writer.addLayer("Softmax", node.name, [read()], { axis: node.axis });
    default:
      throw unsupported(node, `(${node.op}) has no layer of Keras`);
  }
}

/** The whole output, which tfjs-layers gives where the kernel is no smaller than the stride, and then its inside. */
function writeConvTranspose(node: ConvTranspose2dNode, writer: LayersWriter): string {
  const [, filterName, biasName] = node.inputs;
  const filter = writer.constant(filterName!)!;
  const bias = biasName === undefined ? undefined : writer.constant(biasName)!;
  const [height, width, channels, outputs] = filter.shape as [number, number, number, number];
  if (node.groups !== 1) throw unsupported(node, `has ${node.groups} groups`);
  if (node.dilations.some((rate) => rate !== 1)) throw unsupported(node, "is transposed and dilated");
  const { top, bottom, left, right } = node.padding;
  const cropping = [
    [top, bottom - node.outputPadding[0]],
    [left, right - node.outputPadding[1]],
  ];
  const isLarge = height >= node.strides[0] && width >= node.strides[1];
  if (!isLarge || cropping.some(([, end]) => end! < 0)) {
    throw unsupported(node, "is a transposed convolution whose kernel does not cover its output");
  }
  // Keras keeps what is written before what is read: [kH, kW, O, C].
  const kernel: Constant = {
    shape: [height, width, outputs, channels],
    data: permute(filter.data, filter.shape, [0, 1, 3, 2]),
  };
  const config = {
    filters: outputs,
    kernel_size: [height, width],
    strides: node.strides,
    padding: "valid",
    activation: "linear",
    use_bias: bias !== undefined,
    ...CHANNELS_LAST,
  };
  const isWhole = cropping.flat().every((count) => count === 0);
  const whole = writer.addLayer(
    "Conv2DTranspose",
    isWhole ? node.name : `${node.name}_whole`,
    [writer.layerOf(node.inputs[0]!, node)],
    config,
    { kernel, ...(bias && { bias }) },
  );
  if (isWhole) return whole;
  return writer.addLayer("Cropping2D", node.name, [whole], { cropping, ...CHANNELS_LAST });
}

function writeWeighted(node: Exclude<LayerNode, ConvTranspose2dNode>, writer: LayersWriter): string {
  const [, filterName, biasName] = node.inputs;
  const filter = writer.constant(filterName!)!;
  const bias = biasName === undefined ? undefined : writer.constant(biasName)!;
  const x = writer.layerOf(node.inputs[0]!, node);
  const common = { activation: "linear", use_bias: bias !== undefined };
  const weights = (kernel: string) => ({ [kernel]: filter, ...(bias && { bias }) });
  if (node.op === "dense") {
    return writer.addLayer("Dense", node.name, [x], { units: filter.shape[1], ...common }, weights("kernel"));
  }
  const isDepthwise = node.op === "depthwiseConv2d";
  // tfjs-layers ignores the dilation of depthwise layers, and has no groups.
  if (isDepthwise ? node.dilations.some((rate) => rate !== 1) : node.groups !== 1) {
    throw unsupported(node, isDepthwise ? "is depthwise and dilated" : `has ${node.groups} groups`);
  }
  const [height, width, , outer] = filter.shape;
  const { padding, padded } = padWindows(node, [height!, width!], x, writer);
  const config = {
    kernel_size: [height, width],
    strides: node.strides,
    dilation_rate: node.dilations,
    padding,
    ...CHANNELS_LAST,
    ...common,
  };
  return isDepthwise
    ? writer.addLayer(
        "DepthwiseConv2D",
        node.name,
        [padded],
        { ...config, depth_multiplier: outer },
        weights("depthwise_kernel"),
      )
    : writer.addLayer("Conv2D", node.name, [padded], { ...config, filters: outer }, weights("kernel"));
}

function writeBatchNorm(node: BatchNormNode, writer: LayersWriter): string {
  const names = ["gamma", "beta", "moving_mean", "moving_variance"];
  const weights = Object.fromEntries(
    names.map((name, index): [string, Constant] => [name, writer.constant(node.inputs[index + 1]!)!]),
  );
  const config = { axis: -1, momentum: 0.99, epsilon: node.epsilon, scale: true, center: true };
  return writer.addLayer(
    "BatchNormalization",
    node.name,
    [writer.layerOf(node.inputs[0]!, node)],
    config,
    weights,
  );
}

/** With one factor or addend a channel it is a BatchNormalization of mean 0 and variance 1. */
function writeBinary(
  node: BinaryNode & { op: "add" | "multiply" | "subtract" },
  writer: LayersWriter,
): string {
  const constant = node.inputs.findIndex((input) => writer.constant(input) !== undefined);
  if (constant < 0) {
    const inputs = node.inputs.map((input) => writer.layerOf(input, node));
    if (node.op === "subtract") {
      const [a, b] = node.inputs as [string, string];
      const negative = writeAffine(node, writer, `${node.name}_negative`, b, -1, 0);
      return writer.addLayer("Add", node.name, [writer.layerOf(a, node), negative], {});
    }
    return writer.addLayer(node.op === "add" ? "Add" : "Multiply", node.name, inputs, {});
  }
  const x = node.inputs[1 - constant]!;
  const { shape, data } = writer.constant(node.inputs[constant]!)!;
  const channels = writer.shapeOf(x).at(-1)!;
  const isPerChannel = shape.slice(0, -1).every((size) => size === 1) && [1, channels].includes(data.length);
  if (!isPerChannel) throw unsupported(node, `has a constant of shape [${shape}], not one value a channel`);
  switch (node.op) {
    case "multiply":
      return writeAffine(node, writer, node.name, x, data, 0);
    case "add":
      return writeAffine(node, writer, node.name, x, 1, data);
    case "subtract":
      return constant === 0
        ? writeAffine(node, writer, node.name, x, -1, data)
        : writeAffine(
            node,
            writer,
            node.name,
            x,
            1,
            data.map((value) => -value),
          );
  }
}

/** gain · x + offset, one number or one for each channel. */
function writeAffine(
  node: Node,
  writer: LayersWriter,
  name: string,
  x: string,
  gain: number | Float32Array,
  offset: number | Float32Array,
): string {
  const channels = writer.shapeOf(x).at(-1)!;
  const perChannel = (values: number | Float32Array): Constant => ({
    shape: [channels],
    data: Float32Array.from({ length: channels }, (_, i) =>
      typeof values === "number" ? values : values[i % values.length]!,
    ),
  });
  return writer.addLayer(
    "BatchNormalization",
    name,
    [writer.layerOf(x, node)],
    { axis: -1, momentum: 0.99, epsilon: 0, scale: true, center: true },
    {
      gamma: perChannel(gain),
      beta: perChannel(offset),
      moving_mean: perChannel(0),
      moving_variance: perChannel(1),
    },
  );
}

function writePool(node: PoolNode, writer: LayersWriter): string {
  if (node.dilations.some((rate) => rate !== 1)) throw unsupported(node, "is a dilated pooling");
  const same = isSame(node, node.kernel, writer);
  const padsNothing = Object.values(node.padding).every((size) => size === 0);
  const x = writer.layerOf(node.inputs[0]!, node);
  const isAverage = node.op === "averagePool";
  const isNeutral = isAverage && node.countPadding;
  if (!padsNothing && !isNeutral && !same) {
    throw unsupported(node, "pools with a padding that is neither none nor TensorFlow's same");
  }
  const padded = padsNothing || !isNeutral ? x : zeroPad(node, x, node.padding, writer);
  return writer.addLayer(isAverage ? "AveragePooling2D" : "MaxPooling2D", node.name, [padded], {
    pool_size: node.kernel,
    strides: node.strides,
    padding: !padsNothing && !isNeutral ? "same" : "valid",
    ...CHANNELS_LAST,
  });
}

type Windows = Exclude<Extract<Node, { strides: [number, number] }>, ConvTranspose2dNode>;

/** "same" where it is that, else zeros around the image and "valid". */
function padWindows(
  node: Windows,
  kernel: readonly [number, number],
  x: string,
  writer: LayersWriter,
): { padding: "same" | "valid"; padded: string } {
  if (Object.values(node.padding).every((size) => size === 0)) return { padding: "valid", padded: x };
  if (isSame(node, kernel, writer)) return { padding: "same", padded: x };
  return { padding: "valid", padded: zeroPad(node, x, node.padding, writer) };
}

function isSame(node: Windows, kernel: readonly [number, number], writer: LayersWriter): boolean {
  const size = writer.shapeOf(node.inputs[0]!);
  const wanted = samePadding(size, kernel, node.strides, node.dilations);
  return (Object.keys(wanted) as (keyof Padding)[]).every((side) => wanted[side] === node.padding[side]);
}

function writeActivation(node: Node, activation: Activation, x: string, writer: LayersWriter): string {
  const name = node.op === "activation" ? node.name : `${node.name}_${activation.kind}`;
  switch (activation.kind) {
    case "relu":
    case "sigmoid":
    case "tanh":
    case "mish":
    case "softplus":
    case "softsign":
      return writer.addLayer("Activation", name, [x], { activation: activation.kind });
    case "clip":
      if (activation.min !== 0) throw unsupported(node, `clips to [${activation.min}, ${activation.max}]`);
      return writer.addLayer("ReLU", name, [x], {
        max_value: Number.isFinite(activation.max) ? activation.max : null,
      });
    case "leakyRelu":
      return writer.addLayer("LeakyReLU", name, [x], { alpha: activation.alpha });
    case "hardSigmoid":
      if (Math.abs(activation.alpha - 0.2) > 1e-6 || activation.beta !== 0.5) {
        throw unsupported(node, "is a hard sigmoid with another slope than Keras's 0.2");
      }
      return writer.addLayer("Activation", name, [x], { activation: "hard_sigmoid" });
    case "elu":
      if (activation.alpha !== 1) throw unsupported(node, `is an ELU of ${activation.alpha} and not of 1`);
      return writer.addLayer("ELU", name, [x], { alpha: 1 });
    case "thresholdedRelu":
      return writer.addLayer("ThresholdedReLU", name, [x], { theta: activation.alpha });
    case "selu":
      if (!isKerasSelu(activation)) throw unsupported(node, "is a SELU of other constants than Keras's");
      return writer.addLayer("Activation", name, [x], { activation: "selu" });
    case "silu":
      return writer.addLayer("Activation", name, [x], { activation: "swish" });
    case "gelu":
      // tfjs-layers 4.22 does not find its own "gelu_new" by that name.
      if (activation.approximate === "tanh") throw unsupported(node, "is a GELU by tanh");
      return writer.addLayer("Activation", name, [x], { activation: "gelu" });
    default:
      throw unsupported(node, `applies ${activation.kind}, which tfjs-layers does not have`);
  }
}

/** γ and γ·α of Klambauer et al. (2017), which Keras has built in. */
function isKerasSelu({ alpha, gamma }: { alpha: number; gamma: number }): boolean {
  return Math.abs(gamma - 1.0507009873554805) < 1e-6 && Math.abs(gamma * alpha - 1.7580993408473768) < 1e-6;
}
