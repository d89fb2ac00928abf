/**
 * A Graph or QuantizedGraph as an ONNX file (opset 21): NCHW, quantization as QuantizeLinear and DequantizeLinear.
 *
 * Format: https://github.com/onnx/onnx/blob/main/docs/IR.md
 */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Graph, QuantizedGraph, QuantizedTensor } from "../../ir/graph.ts";
import { toFakeQuantized } from "../../ir/quantized.ts";
import { removeDead } from "../../ir/rewrite.ts";
import { inferShapes } from "../../ir/shapes.ts";
import { VERSION } from "../../version.ts";
import { writeNode } from "./exportNodes.ts";
import { GraphWriter, type Layout, NCHW } from "./graphWriter.ts";
import { TensorProto_DataType as DataType, ModelProtoSchema, type ValueInfoProtoSchema } from "./onnx_pb.ts";
import type { ActivationStorage } from "./storage.ts";

/** The first with INT4 and UINT4, and the IR version that came with it. */
const OPSET = 21n;
const IR_VERSION = 10n;

/** The name of the batch dimension in the file. */
const BATCH_NAME = "batch";

export interface ExportOptions {
  /**
   * The integers of quantized activations: "byte", 8-bit types for every width, runs right everywhere; "narrowest"
   * takes INT4 and UINT4 up to 4 bits, which onnxruntime 1.30 miscomputes unless its optimizations are "basic".
   */
  activationStorage?: ActivationStorage;
  /** Entries for the file's metadata, beside those we write. */
  metadata?: Readonly<Record<string, string>>;
}

/**
 * The bytes of an ONNX file that computes the model. Inputs and outputs of four dimensions [N, H, W, C] are
 * [N, C, H, W] in the file, with a dynamic batch; names of values and nodes are kept. The same model gives the
 * same bytes.
 *
 * A quantized model's weights are integers, w = (q − zeroPoint) · scale per output channel: INT4 or UINT4 up to 4
 * bits, INT8 or UINT8 above. A quantized activation passes through QuantizeLinear and DequantizeLinear, with a
 * Clip before where its width does not fill its type. The metadata has the bits of both by name, as JSON.
 *
 * @throws GenieError "invalid-model" if the graph is inconsistent; "unsupported-operator", naming the node, for
 *   what ONNX cannot say.
 */
export function exportOnnx(
  model: Graph | QuantizedGraph,
  { activationStorage = "byte", metadata = {} }: ExportOptions = {},
): Uint8Array {
  const isQuantized = "weights" in model;
  const graph = removeDead(isQuantized ? toFakeQuantized(model) : model);
  const weights: ReadonlyMap<string, QuantizedTensor> = isQuantized ? model.weights : new Map();
  const shapes = inferShapes(graph);
  const writer = new GraphWriter(graph, shapes, weights, activationStorage);

  const inputs = graph.inputs.map(({ name }) => {
    const layout = publicLayout(shapes.get(name)!);
    writer.hold(name, layout, name);
    return valueInfo(name, shapes.get(name)!, layout);
  });
  for (const node of graph.nodes) writeNode(node, writer);
  const outputs = graph.outputs.map((name) => {
    const layout = publicLayout(shapes.get(name)!);
    const held = writer.read(name, layout);
    // A transposition that the file does without has left no tensor of the output's name.
    if (held !== name) writer.file.addNode("Identity", `${name}/Identity`, [held], name);
    return valueInfo(name, shapes.get(name)!, layout);
  });

  const entries = { ...(isQuantized ? bitsMetadata(model) : {}), ...metadata };
  const file = create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    opsetImport: [{ domain: "", version: OPSET }],
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

/** The layout of the network's own inputs and outputs. */
function publicLayout(shape: readonly number[]): Layout {
  return shape.length === 4 ? "nchw" : "literal";
}

function valueInfo(
  name: string,
  shape: readonly number[],
  layout: Layout,
): MessageInitShape<typeof ValueInfoProtoSchema> {
  const sizes = layout === "nchw" ? NCHW.map((axis) => shape[axis]!) : shape;
  const dim = sizes.map((size) =>
    size === -1
      ? { value: { case: "dimParam" as const, value: BATCH_NAME } }
      : { value: { case: "dimValue" as const, value: BigInt(size) } },
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
