/**
 * ONNX's backend node tests (`test_*` folders of a model, inputs and expected outputs), found, and rewritten so
 * that they exercise an importer of networks: tests make every operand an input, networks have weights.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { decodeTensor, type OnnxTensor } from "../../../src/formats/onnx/importer/tensors.ts";
import {
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "../../../src/formats/onnx/onnx_pb.ts";

/** Where generated tests are kept between runs. */
const GENERATED = fileURLToPath(new URL("../../../build/onnx-node-tests", import.meta.url));

const SCRIPT = fileURLToPath(new URL("./generateNodeTests.py", import.meta.url));

export interface NodeTest {
  name: string;
  model: ModelProto;
  inputs: TensorProto[];
  outputs: TensorProto[];
}

/**
 * The folder of the tests: what ONNX_NODE_TESTS says, else what Python's onnx package carries, else what its
 * generators write. Undefined where there is none of these.
 */
export function findNodeTests(): string | undefined {
  const stated = process.env.ONNX_NODE_TESTS;
  if (stated) return stated;
  const generated = join(GENERATED, "node");
  if (existsSync(generated)) return generated;
  // Debian's python3-onnx belongs to Debian's own interpreter, which need not be the first on the path.
  for (const python of ["python3", "/usr/bin/python3"]) {
    const found = spawnSync(python, ["-c", "import onnx; print(onnx.__path__[0])"], { encoding: "utf8" });
    if (found.status !== 0) continue;
    const shipped = join(found.stdout.trim(), "backend/test/data/node");
    if (existsSync(shipped)) return shipped;
    if (spawnSync(python, [SCRIPT, GENERATED]).status === 0) return generated;
  }
  return undefined;
}

/** Oldest operator set that we read; tests name the one that their operator came with. */
const OLDEST_OPSET = 7n;

/** Operators that know no axes: their tests on vectors are run as batches of one vector. */
const WITHOUT_AXES = new Set([
  "Abs",
  "Celu",
  "Clip",
  "Elu",
  "Erf",
  "Exp",
  "Gelu",
  "HardSigmoid",
  "HardSwish",
  "LeakyRelu",
  "Log",
  "Max",
  "Mean",
  "Min",
  "Mish",
  "Neg",
  "Reciprocal",
  "Relu",
  "Selu",
  "Shrink",
  "Sigmoid",
  "Softplus",
  "Softsign",
  "Sqrt",
  "Sum",
  "Tanh",
  "ThresholdedRelu",
]);

/**
 * @returns undefined for a test whose operands are not tensors, or not of the types that it declares (the tests of
 *   bfloat16 hold its bits as integers).
 */
export function readNodeTest(folder: string, name: string): NodeTest | undefined {
  const read = (file: string) => readFileSync(join(folder, name, file));
  const data = readdirSync(join(folder, name, "test_data_set_0"));
  const tensors = (prefix: string) =>
    data
      .filter((file) => file.startsWith(prefix))
      .map((_, i) => fromBinary(TensorProtoSchema, read(`test_data_set_0/${prefix}_${i}.pb`)));
  try {
    const model = fromBinary(ModelProtoSchema, read("model.onnx"));
    const test = { name, model, inputs: tensors("input"), outputs: tensors("output") };
    for (const entry of model.opsetImport) {
      if (entry.version < OLDEST_OPSET) entry.version = OLDEST_OPSET;
    }
    if (model.graph!.node.every(({ opType }) => WITHOUT_AXES.has(opType))) vectorsToBatches(test);
    const isAsDeclared = (infos: ValueInfoProto[], values: TensorProto[]) =>
      infos.every(
        ({ type }, i) =>
          type?.value.case === "tensorType" && type.value.value.elemType === values[i]?.dataType,
      );
    const { input, output } = model.graph!;
    return isAsDeclared(input, test.inputs) && isAsDeclared(output, test.outputs) ? test : undefined;
  } catch {
    return undefined;
  }
}

function vectorsToBatches({ model, inputs, outputs }: NodeTest): void {
  for (const tensor of [...inputs, ...outputs]) {
    if (tensor.dims.length === 1) tensor.dims.unshift(1n);
  }
  for (const { type } of [...model.graph!.input, ...model.graph!.output]) {
    if (type?.value.case !== "tensorType") continue;
    const { shape } = type.value.value;
    if (shape?.dim.length === 1) {
      shape.dim.unshift(create(TensorShapeProto_DimensionSchema, { value: { case: "dimValue", value: 1n } }));
    }
  }
}

export function decode(proto: TensorProto): OnnxTensor {
  return decodeTensor(proto, `"${proto.name}"`);
}

/** The test's model with all inputs but the first `free` ones made initializers, as weights are. */
export function withWeights({ model, inputs }: NodeTest, free: number): Uint8Array {
  const bound = fromBinary(ModelProtoSchema, toBinary(ModelProtoSchema, model));
  const graph = bound.graph!;
  // Inputs that the node does not read have an empty name and no declaration.
  graph.initializer.push(
    ...inputs.slice(free).map((tensor, i) => ({ ...tensor, name: graph.input[free + i]!.name })),
  );
  graph.input.splice(free);
  return toBinary(ModelProtoSchema, bound);
}

/**
 * The test's model with all inputs made initializers, and x + (its outputs as one row) for each output: a network
 * with all of the test in its constants. x is [1, n] for an output of n values.
 */
export function asConstants(test: NodeTest): Uint8Array {
  const bound = fromBinary(ModelProtoSchema, withWeights(test, 0));
  const graph = bound.graph!;
  const outputs = graph.output.splice(0);
  outputs.forEach(({ name }, i) => {
    const n = decode(test.outputs[i]!).data.length;
    const float = { name: "to", type: AttributeType.INT, i: BigInt(DataType.FLOAT) };
    graph.initializer.push(
      create(TensorProtoSchema, {
        name: `row${i}`,
        dataType: DataType.INT64,
        dims: [2n],
        int64Data: [1n, BigInt(n)],
      }),
    );
    graph.node.push(
      create(NodeProtoSchema, {
        opType: "Cast",
        input: [name],
        output: [`float${i}`],
        attribute: [float],
      }),
      create(NodeProtoSchema, { opType: "Reshape", input: [`float${i}`, `row${i}`], output: [`flat${i}`] }),
      create(NodeProtoSchema, { opType: "Add", input: [`x${i}`, `flat${i}`], output: [`y${i}`] }),
    );
    graph.input.push(declare(`x${i}`, [1, n]));
    graph.output.push(declare(`y${i}`, [1, n]));
  });
  return toBinary(ModelProtoSchema, bound);
}

function declare(name: string, shape: number[]) {
  const dim = shape.map((size) => ({ value: { case: "dimValue" as const, value: BigInt(size) } }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType: DataType.FLOAT, shape: { dim } } } },
  });
}
