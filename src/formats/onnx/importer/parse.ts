/** From the bytes of a file to ONNX's messages: everything that can be said before a graph is looked at. */
import { fromBinary } from "@bufbuild/protobuf";
import { GenieError } from "../../../errors.ts";
import { isPrintable } from "../../../printable.ts";
import { Budget } from "../../budget.ts";
import { holdsMagic } from "../../magic.ts";
import { type GraphProto, type ModelProto, ModelProtoSchema, type OperatorSetIdProto } from "../onnx_pb.ts";
import { spendFields } from "./fieldCount.ts";

/** ONNX's own operators are versioned together; 22 and 23 changed none of ours but the types they take. */
const MIN_OPSET = 1;
const MAX_OPSET = 23;

/** Files that people give us by mistake, by their first bytes, and what to do with them. */
const OTHER_FORMATS: { magic: string; offset?: number; hint: string }[] = [
  { magic: "PK\x03\x04", hint: "a zip archive, perhaps PyTorch's .pth or .keras; export the model to ONNX" },
  { magic: "\x80\x02", hint: "a Python pickle, perhaps PyTorch's .pth; export the model to ONNX" },
  { magic: "\x89HDF\r\n", hint: "an HDF5 file, perhaps Keras's .h5" },
  { magic: "TFL3", offset: 4, hint: "a TensorFlow Lite model; export the model to ONNX" },
  { magic: "\x1f\x8b", hint: "compressed with gzip; decompress it first" },
  { magic: "{", hint: "JSON, perhaps a model.json of TensorFlow.js" },
  { magic: "version https://git-lfs", hint: "a pointer of Git LFS; fetch the file itself" },
];

export interface ParsedModel {
  graph: GraphProto;
  /** The version of ONNX's operators that it is written for. */
  opset: number;
  /** Versions of other operators. */
  domains: OperatorSetIdProto[];
}

/**
 * @throws GenieError `malformed-file`, also for names that cannot be printed; `unsupported-operator` for an operator set outside 1 to 23.
 */
export function parseModel(bytes: Uint8Array, budget = new Budget()): ParsedModel {
  if (bytes.length === 0) throw new GenieError("malformed-file", "not an ONNX file: it is empty");
  const model = decode(bytes, budget);
  const graph = model?.graph;
  if (!model || !graph || (graph.node.length === 0 && graph.output.length === 0)) {
    const hint = OTHER_FORMATS.find(({ magic, offset = 0 }) => holdsMagic(bytes, magic, offset))?.hint;
    const complaint = hint ?? (isText(bytes) ? "it is text" : "truncated, damaged, or another format");
    throw new GenieError("malformed-file", `not a readable ONNX file: ${complaint}`);
  }
  const isOnnx = ({ domain }: OperatorSetIdProto): boolean => domain === "" || domain === "ai.onnx";
  const version = model.opsetImport.find(isOnnx)?.version;
  if (version === undefined) {
    throw new GenieError("malformed-file", "the ONNX file does not say which operator set it is written for");
  }
  if (version < MIN_OPSET || version > MAX_OPSET) {
    throw new GenieError(
      "unsupported-operator",
      `the model is written for ONNX operator set ${version}; ${MIN_OPSET} to ${MAX_OPSET} are supported`,
    );
  }
  checkNames(graph);
  const domains = model.opsetImport.filter((set) => !isOnnx(set));
  return { graph, opset: Number(version), domains };
}

function checkNames(graph: GraphProto): void {
  const isBad = (name: string) => !isPrintable(name);
  const values = [...graph.input, ...graph.output, ...graph.initializer];
  const dimensions = graph.input.flatMap(({ type }) =>
    type?.value.case === "tensorType" ? (type.value.value.shape?.dim ?? []) : [],
  );
  if (
    isBad(graph.name) ||
    values.some(({ name }) => isBad(name)) ||
    dimensions.some(({ value }) => value.case === "dimParam" && isBad(value.value)) ||
    graph.node.some(
      (node) =>
        [node.name, node.opType, node.domain, ...node.input, ...node.output].some(isBad) ||
        node.attribute.some(({ name }) => isBad(name)),
    )
  ) {
    throw new GenieError("malformed-file", "the ONNX file is damaged: a name in it holds control characters");
  }
}

function decode(bytes: Uint8Array, budget: Budget): ModelProto | undefined {
  try {
    spendFields(bytes, ModelProtoSchema, budget);
    return fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false });
  } catch (error) {
    if (error instanceof GenieError) throw error;
    // Whatever the parser met (a length beyond the end, text that is not UTF-8), the file is not a model.
    return undefined;
  }
}

/** Whether the first bytes are printable ASCII. */
function isText(bytes: Uint8Array): boolean {
  return bytes
    .subarray(0, 64)
    .every((byte) => (byte >= 32 && byte < 127) || byte === 9 || byte === 10 || byte === 13);
}
