/** ONNX's own tests of every operator that we read, through the importer and the engine. */
import { readdirSync } from "node:fs";
import { tensor } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { disposeAll, uploadConstants } from "../../../src/engine/feeds.ts";
import { run } from "../../../src/engine/run.ts";
import { GenieError } from "../../../src/errors.ts";
import { permute } from "../../../src/formats/graph/permute.ts";
import { supportedOperators } from "../../../src/formats/onnx/import.ts";
import type { OnnxTensor } from "../../../src/formats/onnx/importer/tensors.ts";
import { TensorProto_DataType as DataType } from "../../../src/formats/onnx/onnx_pb.ts";
import type { Graph } from "../../../src/ir/graph.ts";
import { initializeKernels } from "../../../src/kernels/heap.ts";
import { loadModel } from "../../../src/session/load.ts";
import {
  asConstants,
  decode,
  findNodeTests,
  type NodeTest,
  readNodeTest,
  withWeights,
} from "./nodeTestCases.ts";

const NHWC = [0, 2, 3, 1];
const NCHW = [0, 3, 1, 2];

/** Relative and absolute difference to the expected values; the tests' own reference runs in single precision. */
const RTOL = 1e-4;
const ATOL = 1e-6;

/** What half precision cannot hold, we do: values of that type differ by its rounding. */
const RTOL_HALF = 1e-3;

const folder = findNodeTests();
if (!folder) {
  console.warn(
    "ONNX's node tests are skipped: install python3-onnx, or set ONNX_NODE_TESTS to a folder with test_*/model.onnx",
  );
}

const supported = new Set(supportedOperators());
const cases = folder
  ? readdirSync(folder)
      .filter((name) => name.startsWith("test_"))
      .sort()
  : [];

/** How many pass with onnx 1.12 (Debian 12); later versions only add tests. */
const EXPECTED_PASSES = 479;

/** What became of each case, for the report at the end. */
const passed = { ofNetworks: 0, ofConstantsOnly: 0 };
const refused = new Map<string, string[]>();

describe.skipIf(!folder)("ONNX's node tests", () => {
  beforeAll(async () => {
    await initializeKernels();
  });

  afterAll(() => {
    const reasons = [...refused].map(
      ([reason, names]) => `  ${names.length} × ${reason}: ${names.join(", ")}`,
    );
    console.info(
      `${eligible.length} node tests use supported operators only: ${passed.ofNetworks} pass on values of the network, ${passed.ofConstantsOnly} more on constants; refused are:\n${reasons.sort().join("\n")}`,
    );
  });

  const eligible = cases.flatMap((name) => {
    const test = readNodeTest(folder!, name);
    return test?.model.graph?.node.every(({ opType }) => supported.has(opType)) ? [test] : [];
  });

  it.for(eligible)("$name", async (test, context) => {
    const reasons: string[] = [];
    let runs = 0;
    const attempt = async (
      bytes: () => Uint8Array,
      inputs: () => OnnxTensor[],
      outputs: () => OnnxTensor[],
    ) => {
      try {
        await check(await loadModel(bytes()), inputs(), outputs());
        runs++;
      } catch (error) {
        // A refusal by name is no failure; anything else is.
        if (!(error instanceof GenieError)) throw error;
        reasons.push(error.message.replace(/^.*?node "[^"]*" /, "").replace(/; supported are .*/s, ""));
      }
    };
    const decoded = (protos: NodeTest["inputs"]) => () => protos.map(decode);
    // As weights and as values of the network: every way in which an operand can reach a node.
    for (let free = 1; free <= test.inputs.length; free++) {
      const values = test.inputs.slice(0, free);
      if (!values.every(isImageLike)) break;
      await attempt(() => withWeights(test, free), decoded(values), decoded(test.outputs));
    }
    const flat = () => decoded(test.outputs)().map((output) => row(output));
    const zeros = () =>
      flat().map(({ shape }) => ({ dataType: DataType.FLOAT, shape, data: new Float32Array(shape[1]!) }));
    const runsOfNetworks = runs;
    await attempt(() => asConstants(test), zeros, flat);
    if (runsOfNetworks > 0) passed.ofNetworks++;
    else if (runs > 0) passed.ofConstantsOnly++;
    if (runs > 0) return;
    const reason = reasons[0]!;
    refused.set(reason, [...(refused.get(reason) ?? []), test.name]);
    context.skip(reason);
  });

  it("pass in the number that they did", () => {
    expect(passed.ofNetworks + passed.ofConstantsOnly).toBeGreaterThanOrEqual(EXPECTED_PASSES);
  });
});

async function check(graph: Graph, inputs: OnnxTensor[], outputs: OnnxTensor[]): Promise<void> {
  const feeds = uploadConstants(graph);
  graph.inputs.forEach(({ name }, i) => {
    const { shape, data } = inputs[i]!;
    const isImage = shape.length === 4;
    const memory = isImage ? NHWC.map((axis) => shape[axis]!) : shape;
    const values = isImage ? permute(Float32Array.from(data), shape, NHWC) : Float32Array.from(data);
    feeds.set(name, tensor(values, memory as [number]));
  });
  const results = run(graph, feeds);
  graph.outputs.forEach((name, i) => {
    const result = results.get(name)!;
    const expected = outputs[i]!;
    const isImage = result.rank === 4;
    const shape = isImage ? NCHW.map((axis) => result.shape[axis]!) : result.shape;
    const data = result.dataSync() as Float32Array;
    expect(shape).toEqual(expected.shape);
    expectClose(isImage ? permute(data, result.shape, NCHW) : data, expected);
  });
  disposeAll(results.values());
  disposeAll(feeds.values());
}

function expectClose(actual: ArrayLike<number>, { data, dataType }: OnnxTensor): void {
  const rtol = dataType === DataType.FLOAT16 ? RTOL_HALF : RTOL;
  for (let i = 0; i < data.length; i++) {
    const difference = Math.abs(actual[i]! - data[i]!);
    if (!(difference <= ATOL + rtol * Math.abs(data[i]!))) {
      expect.fail(`element ${i} is ${actual[i]}, expected ${data[i]}`);
    }
  }
}

function isImageLike(proto: NodeTest["inputs"][number]): boolean {
  try {
    const { dataType, shape } = decode(proto);
    const isWide = dataType === DataType.FLOAT || dataType === DataType.DOUBLE;
    return isWide && shape.length >= 2 && shape.length <= 4;
  } catch {
    return false;
  }
}

/** A tensor's values as [1, n]. */
function row({ dataType, data }: OnnxTensor): OnnxTensor {
  return { dataType, shape: [1, data.length], data };
}
