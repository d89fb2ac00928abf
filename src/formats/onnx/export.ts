/**
 * A Graph or QuantizedGraph as an ONNX file (opset 21): NCHW, quantization as QuantizeLinear and DequantizeLinear.
 *
 * Format: https://github.com/onnx/onnx/blob/main/docs/IR.md
 */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Graph, QuantizedGraph } from "../../ir/graph.ts";
import { dropImpliedActivations } from "../../ir/impliedActivations.ts";
import { integerBiases } from "../../ir/integerBiases.ts";
import { toFakeQuantized } from "../../ir/quantized.ts";
import { removeDead } from "../../ir/rewrite.ts";
import { inferShapes } from "../../ir/shapes.ts";
import { VERSION } from "../../version.ts";
import { writeNode } from "./exportNodes.ts";
import { GraphWriter, type IntegerConstants, type Layout, NCHW } from "./graphWriter.ts";
import { TensorProto_DataType as DataType, ModelProtoSchema, type ValueInfoProtoSchema } from "./onnx_pb.ts";
import type { WeightStorage } from "./storage.ts";
import { infoOf, namesGiven, openTail, writeTail } from "./tail/writeTail.ts";

/** The first with INT4 and UINT4, and the IR version that came with it. */
const OPSET = 21n;
const IR_VERSION = 10n;

/** The name of the batch dimension in the file. */
const BATCH_NAME = "batch";

export interface ExportOptions {
  /**
   * The integers of weights of up to 4 bits: "int8" (default), which runtimes compute with, or "int4", two to a byte,
   * which onnxruntime 1.30 turns into floats at every call.
   */
  weightStorage?: WeightStorage;
  /** Entries for the file's metadata, beside those we write. */
  metadata?: Readonly<Record<string, string>>;
}

/**
 * The bytes of an ONNX file that computes the model. Inputs and outputs of four dimensions [N, H, W, C] are
 * [N, C, H, W] in the file (where it was not read from one that has them as they are), with a dynamic batch; names of values and nodes are kept. The same model gives the
 * same bytes.
 *
 * A tail goes behind the network as it was; inputs and outputs are then those of the file that it came from, and so is
 * a batch that it fixes.
 *
 * A quantized model's weights are integers, w = (q − zeroPoint) · scale per output channel, as INT8 without zero-points
 * where that holds them (`inBytes`; or INT4 and UINT4 as they are: `weightStorage`). A quantized activation passes through QuantizeLinear and DequantizeLinear, its codes
 * through a Clip between them where its width does not fill its type; an activation function that these imply is left
 * out. Biases behind quantized inputs are INT32, or sums of their own where these do not reach
 * (`integerBiases`): so the file computes the same at every level of optimization. The metadata has the bits of both by name, as JSON.
 *
 * @throws GenieError "invalid-model" if the graph is inconsistent; "unsupported-operator", naming the node, for
 *   what ONNX cannot say.
 */
export function exportOnnx(
  model: Graph | QuantizedGraph,
  { weightStorage = "int8", metadata = {} }: ExportOptions = {},
): Uint8Array {
  const isQuantized = "weights" in model;
  const graph = dropImpliedActivations(removeDead(isQuantized ? toFakeQuantized(model) : model));
  const integers: IntegerConstants = isQuantized
    ? { weights: model.weights, biases: integerBiases(model) }
    : { weights: new Map(), biases: new Map() };
  const shapes = inferShapes(graph);
  const tail = graph.tail && openTail(graph.tail);
  const writer = new GraphWriter(graph, shapes, integers, weightStorage, tail && namesGiven(tail));

  const publicLayout = (name: string): Layout => writer.publicLayout(name);
  for (const { name } of graph.inputs) writer.hold(name, publicLayout(name), name);
  for (const node of graph.nodes) writeNode(node, writer);
  const inputNames = new Set(graph.inputs.map(({ name }) => name));
  const given = graph.tail?.outputs ?? graph.outputs;
  for (const name of graph.outputs) {
    if (inputNames.has(name) || !given.includes(name)) continue;
    const held = writer.read(name, publicLayout(name));
    // A transposition that the file does without has left no tensor of the output's name.
    if (held !== name) writer.file.addNode("Identity", `${name}/Identity`, [held], name);
  }
  if (graph.tail && tail) {
    const reads = graph.tail.reads.map(({ value, channelsFirst }): [string, string] => [
      value,
      writer.read(value, channelsFirst ? "nchw" : "literal"),
    ]);
    writeTail(tail, writer.file, new Map(reads));
  }
  const batch = graph.tail?.batch;
  const describe = (name: string): MessageInitShape<typeof ValueInfoProtoSchema> => {
    const shape = shapes.get(name);
    return shape ? valueInfo(name, shape, publicLayout(name), batch) : infoOf(tail!, name)!;
  };
  const inputs = (graph.tail?.inputs ?? graph.inputs.map(({ name }) => name)).map(describe);
  const outputs = given.map(describe);

  const entries = { ...(isQuantized ? bitsMetadata(model) : {}), ...metadata };
  const file = create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    opsetImport: [{ domain: "", version: OPSET }, ...(tail?.domains ?? [])],
    producerName: "genie-wasm",
    producerVersion: VERSION,
    graph: {
      name: graph.name,
      input: inputs,
      output: outputs,
      node: writer.file.nodes,
      initializer: writer.file.initializers,
    },
    metadataProps: Object.entries(entries).map(([key, value]) => ({ key, value })),
  });
  return toBinary(ModelProtoSchema, file);
}

function valueInfo(
  name: string,
  shape: readonly number[],
  layout: Layout,
  batch: number | undefined,
): MessageInitShape<typeof ValueInfoProtoSchema> {
  const sizes = layout === "nchw" ? NCHW.map((axis) => shape[axis]!) : shape;
  const dim = sizes.map((size) =>
    size === -1 && batch === undefined
      ? { value: { case: "dimParam" as const, value: BATCH_NAME } }
      : { value: { case: "dimValue" as const, value: BigInt(size === -1 ? batch! : size) } },
  );
  return {
    name,
    type: { value: { case: "tensorType", value: { elemType: DataType.FLOAT, shape: { dim } } } },
  };
}

function bitsMetadata({ weights, activations }: QuantizedGraph): Record<string, string> {
  const bits = (entries: Iterable<[string, number]>) => JSON.stringify(Object.fromEntries(entries));
  return {
    "genie-wasm.weight-bits": bits([...weights].map(([name, { params }]) => [name, params.bits])),
    "genie-wasm.activation-bits": bits([...activations].map(([name, params]) => [name, params.bits])),
  };
}
