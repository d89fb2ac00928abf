/**
 * A network as plain, cloneable data: no backend tensors, no closures, no runtime state.
 *
 * Activations are NHWC (`[N, H, W, C]`) or `[N, F]`, always with the batch first. Nodes stand in topological
 * order; every value (input, constant or node output) has one name, unique in the graph.
 */
import type { Tail } from "./tail.ts";

export interface Graph {
  name: string;
  inputs: ValueInfo[];
  outputs: string[];
  nodes: Node[];
  /** Constant values by name; every node input is an earlier node's output, a graph input or one of these. */
  constants: Map<string, Constant>;
  /** Where the file that it was read from has images as [N, H, W, C] too, so that ONNX files keep them so. */
  channelsLast?: boolean;
  /** What the file has behind the outputs and nobody here can run: it is kept, and goes along into files. */
  tail?: Tail;
}

/** `shape` has −1 for the batch; all other dimensions are known. */
export interface ValueInfo {
  name: string;
  shape: number[];
  /** Of an input: what its file says of the values that it takes. Absent where it says nothing. */
  range?: InputRange;
}

/**
 * Mean and standard deviation of an input: one value for each of C channels, or, where the columns of an image mean
 * different things (coefficients of a spectrum, features of a vector), one for each of W·C columns and channels.
 */
export interface InputRange {
  mean: number[];
  std: number[];
}

/** Row-major float data. */
export interface Constant {
  shape: number[];
  data: Float32Array;
}

/** An element-wise function, alone as a node or fused to the end of one. */
export type Activation =
  | { kind: "relu" }
  /** min(max(x, min), max); ReLU6 is {min: 0, max: 6}. */
  | { kind: "clip"; min: number; max: number }
  /** x ≥ 0 ? x : alpha·x */
  | { kind: "leakyRelu"; alpha: number }
  | { kind: "sigmoid" }
  | { kind: "tanh" }
  /** min(max(alpha·x + beta, 0), 1) */
  | { kind: "hardSigmoid"; alpha: number; beta: number }
  /** x · min(max(x/6 + 1/2, 0), 1) */
  | { kind: "hardSwish" }
  | { kind: "exp" | "log" | "sqrt" | "abs" }
  /** 1/x */
  | { kind: "reciprocal" }
  /** The error function, 2/√π · ∫₀ˣ exp(−t²) dt. */
  | { kind: "erf" }
  /** x ≥ 0 ? x : alpha·(eˣ − 1) */
  | { kind: "elu"; alpha: number }
  /** gamma · (x ≥ 0 ? x : alpha·(eˣ − 1)) */
  | { kind: "selu"; alpha: number; gamma: number }
  /** x/2 · (1 + erf(x/√2)), or with "tanh" x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))). */
  | { kind: "gelu"; approximate: "none" | "tanh" }
  /** x · sigmoid(x) */
  | { kind: "silu" }
  /** x · tanh(ln(1 + eˣ)) */
  | { kind: "mish" }
  /** ln(1 + eˣ) */
  | { kind: "softplus" }
  /** x/(1 + |x|) */
  | { kind: "softsign" }
  /** x > alpha ? x : 0 */
  | { kind: "thresholdedRelu"; alpha: number };

/** Rows and columns of zeros (or minus infinity, for maxima) around the spatial dimensions. */
export interface Padding {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

interface NodeBase {
  /** Unique in the graph; errors and reports call the node by it. */
  name: string;
  /** Names of the values read, in the operator's order. */
  inputs: string[];
  /** Name of the value written. */
  output: string;
}

/** y[n, oh, ow, o] = Σ x[n, oh·sh + kh·dh − top, ow·sw + kw·dw − left, g·C/G + c] · w[kh, kw, c, o] + bias[o]. */
export interface Conv2dNode extends NodeBase {
  op: "conv2d";
  /** [x [N, H, W, C], filter [kH, kW, C/groups, O], bias [O]?] */
  inputs: string[];
  strides: [number, number];
  dilations: [number, number];
  padding: Padding;
  groups: number;
  activation?: Activation;
}

/** y[n, oh, ow, c·M + m] = Σ x[n, oh·sh + kh·dh − top, ow·sw + kw·dw − left, c] · w[kh, kw, c, m] + bias[c·M + m]. */
export interface DepthwiseConv2dNode extends NodeBase {
  op: "depthwiseConv2d";
  /** [x [N, H, W, C], filter [kH, kW, C, M], bias [C·M]?] */
  inputs: string[];
  strides: [number, number];
  dilations: [number, number];
  padding: Padding;
  activation?: Activation;
}

/**
 * The transpose of a convolution: y[n, i·sh + kh·dh − top, j·sw + kw·dw − left, o] += x[n, i, j, g·C/G + c] · w[kh, kw, c, o],
 * and bias[o] once, with g = ⌊o·G/O⌋: [N, H, W, C] → [N, (H − 1)·sh + (kH − 1)·dh + 1 − top − bottom + outputPadding[0], …, O].
 */
export interface ConvTranspose2dNode extends NodeBase {
  op: "convTranspose2d";
  /** [x [N, H, W, C], filter [kH, kW, C/groups, O], bias [O]?] */
  inputs: string[];
  strides: [number, number];
  dilations: [number, number];
  /** Rows and columns taken off the full output. */
  padding: Padding;
  /** Rows and columns added at the end, fewer than the strides: what a stride of the convolution left out. */
  outputPadding: [number, number];
  groups: number;
  activation?: Activation;
}

/** y = x · kernel + bias over the last axis. */
export interface DenseNode extends NodeBase {
  op: "dense";
  /** [x [N, …, I], kernel [I, O], bias [O]?] */
  inputs: string[];
  activation?: Activation;
}

/** y = scale · (x − mean) / √(variance + epsilon) + offset, per channel (the last axis). */
export interface BatchNormNode extends NodeBase {
  op: "batchNorm";
  /** [x, scale [C], offset [C], mean [C], variance [C]] */
  inputs: string[];
  epsilon: number;
  activation?: Activation;
}

export interface ActivationNode extends NodeBase {
  op: "activation";
  activation: Activation;
}

/** a + b (a · b, a − b, a / b, aᵇ, the lesser, the greater), shapes equal or broadcast as in NumPy. */
export interface BinaryNode extends NodeBase {
  op: "add" | "multiply" | "subtract" | "divide" | "power" | "minimum" | "maximum";
  activation?: Activation;
}

/** [N, …, M, K] × [N, …, K, P] → [N, …, M, P], a product for each index of the axes in front, which broadcast. */
export interface MatMulNode extends NodeBase {
  op: "matMul";
}

/** Over all of `axes`, never the batch, which stay as dimensions of 1. */
export interface ReduceNode extends NodeBase {
  op: "reduce";
  kind: "mean" | "sum" | "max" | "min";
  axes: number[];
}

export interface PoolNode extends NodeBase {
  op: "averagePool" | "maxPool";
  kernel: [number, number];
  strides: [number, number];
  dilations: [number, number];
  padding: Padding;
  /** Average only: whether padding counts in the divisor. */
  countPadding: boolean;
}

/** Mean over H and W, kept as dimensions of 1: [N, H, W, C] → [N, 1, 1, C]. */
export interface GlobalAveragePoolNode extends NodeBase {
  op: "globalAveragePool";
}

/** Every pixel repeated `factors` times down and across. */
export interface UpsampleNode extends NodeBase {
  op: "upsampleNearest";
  factors: [number, number];
}

/**
 * [N, H, W, C] → [N, size[0], size[1], C], each side on its own: pixel i of the output reads the input at a position
 * that `coordinates` gives from i, the side's scale and both lengths (ONNX's coordinate_transformation_mode), positions
 * outside at the edge. "linear" mixes the two pixels around it, "nearest" takes the one that `rounding` says (ONNX's
 * nearest_mode).
 */
export interface ResizeNode extends NodeBase {
  op: "resize";
  mode: "nearest" | "linear";
  size: [number, number];
  /** Output pixels an input pixel, as the model states them: size / input size where it states the size. */
  scales: [number, number];
  coordinates:
    | "half_pixel"
    | "half_pixel_symmetric"
    | "pytorch_half_pixel"
    | "align_corners"
    | "asymmetric"
    | "tf_half_pixel_for_nn";
  rounding: "round_prefer_floor" | "round_prefer_ceil" | "floor" | "ceil";
}

/** Constant border: `before[i]` and `after[i]` values along axis i; the batch is never padded. */
export interface PadNode extends NodeBase {
  op: "pad";
  before: number[];
  after: number[];
  mode: "constant" | "reflect";
  value: number;
}

/** Every `steps[i]`-th element of axis i from `begin[i]` to before `end[i]` (−1 in axis 0: to the end). */
export interface SliceNode extends NodeBase {
  op: "slice";
  begin: number[];
  end: number[];
  steps: number[];
}

/** Element indices[i] of the axis at i; the batch is never picked from. */
export interface GatherNode extends NodeBase {
  op: "gather";
  axis: number;
  /** Each in [0, size of the axis). */
  indices: number[];
}

export interface ConcatNode extends NodeBase {
  op: "concat";
  axis: number;
}

/** Same elements in row-major order; `shape[0]` is −1, the batch. */
export interface ReshapeNode extends NodeBase {
  op: "reshape";
  shape: number[];
}

export interface TransposeNode extends NodeBase {
  op: "transpose";
  permutation: number[];
}

export interface SoftmaxNode extends NodeBase {
  op: "softmax";
  axis: number;
}

/** y = (clip(round(x / scale) + zeroPoint, qmin, qmax) − zeroPoint) · scale; ties to even. */
export interface FakeQuantizeNode extends NodeBase {
  op: "fakeQuantize";
  params: QuantParams;
}

export type Node =
  | Conv2dNode
  | DepthwiseConv2dNode
  | ConvTranspose2dNode
  | DenseNode
  | BatchNormNode
  | ActivationNode
  | BinaryNode
  | MatMulNode
  | ReduceNode
  | PoolNode
  | GlobalAveragePoolNode
  | UpsampleNode
  | ResizeNode
  | PadNode
  | SliceNode
  | GatherNode
  | ConcatNode
  | ReshapeNode
  | TransposeNode
  | SoftmaxNode
  | FakeQuantizeNode;

export type OpName = Node["op"];
/** The type of a node by its op, also where one type serves two ops ("add" and "multiply"). */
export type NodeOf<Op extends OpName, N extends Node = Node> = N extends Node
  ? Op extends N["op"]
    ? N
    : never
  : never;

/** A node with weights that GENIE quantizes. */
export type LayerNode = Conv2dNode | DepthwiseConv2dNode | ConvTranspose2dNode | DenseNode;

/**
 * What a value is quantized to: q = clip(round(v / scale) + zeroPoint, qmin, qmax), where [qmin, qmax] is
 * [−2^(bits−1), 2^(bits−1) − 1] if signed, else [0, 2^bits − 1]. Per tensor (one scale) or per channel along
 * the last axis of the value (for depthwise filters: the last two, C·M channels).
 */
export interface QuantParams {
  bits: number;
  signed: boolean;
  perChannel: boolean;
  scale: Float32Array;
  zeroPoint: Int32Array;
}

/** The integer grid [qmin, qmax] of a bit width. */
export function quantRange({ bits, signed }: Pick<QuantParams, "bits" | "signed">): {
  qmin: number;
  qmax: number;
} {
  return signed ? { qmin: -(2 ** (bits - 1)), qmax: 2 ** (bits - 1) - 1 } : { qmin: 0, qmax: 2 ** bits - 1 };
}

/** Integer weights, one value an element, in the layout of the float constant they replace. */
export interface QuantizedTensor {
  shape: number[];
  data: Int16Array;
  params: QuantParams;
}

/**
 * A Graph with BatchNorm folded, integer weights by constant name, and QuantParams by the name of each
 * activation that is quantized. `graph.constants` holds the dequantized weights, so `graph` alone is the
 * weight-quantized network.
 */
export interface QuantizedGraph {
  graph: Graph;
  weights: Map<string, QuantizedTensor>;
  activations: Map<string, QuantParams>;
}
