import { describe, expect, test } from "vitest";
import { GenieError } from "../../src/errors.ts";
import { exportOnnx } from "../../src/formats/onnx/export.ts";
import type { Graph } from "../../src/ir/graph.ts";
import type { ReconstructionOptions } from "../../src/quantization/options.ts";
import type { Reconstruction } from "../../src/quantization/reconstruct.ts";
import { classifier, GraphBuilder } from "../ir/builders.ts";
import { reconstruct } from "../support/stages.ts";
import { waves } from "./waves.ts";

const bits = { weightBits: 4, activationBits: 4, iterations: 2 };

/** A stem, a separable layer and a classifier, with one value of one constant as told. */
function network(constant: string, value: number): Graph {
  const b = new GraphBuilder([-1, 8, 8, 3]);
  const relu = { bias: true, activation: { kind: "relu" } } as const;
  const stem = b.conv("stem", "input", 8, relu);
  const separable = b.conv("pw", b.depthwise("dw", stem, relu), 8, { ...relu, kernel: 1 });
  const graph = b.outputs(classifier(b, separable, 8));
  graph.constants.get(constant)!.data[1] = value;
  return graph;
}

function quantized(graph: Graph, options: ReconstructionOptions) {
  return reconstruct(graph, waves(graph, 8), options);
}

describe("numbers that are none", () => {
  test.each<[string, ReconstructionOptions]>([
    ["learned, rounded by feedback and corrected", bits],
    ["corrected alone", { ...bits, iterations: 0, feedback: false, equalize: false }],
    ["of 8 bits", { ...bits, weightBits: 8, activationBits: 8 }],
  ])("end a run with the block's name where a bias is as large as floats are: %s", async (_, options) => {
    await expect(quantized(network("stem/bias", 3e38), options)).rejects.toMatchObject({
      code: "invalid-model",
      message: expect.stringContaining('"stem"'),
    });
  });

  test("are named by the value that they are met in", async () => {
    const plain = { ...bits, iterations: 0, feedback: false, equalize: false, correctBias: false };
    await expect(quantized(network("pw/bias", 3e38), plain)).rejects.toMatchObject({
      message: expect.stringMatching(/^"[^"]+" cannot be quantized: values reach from \S+ to Infinity/),
    });
  });

  test.each(
    ["stem", "dw", "pw"].flatMap((layer) =>
      [
        [`${layer}/bias`, -3e38],
        [`${layer}/filter`, 1e30],
        [`${layer}/filter`, -3e38],
      ].map(([constant, value]): [string, number] => [constant as string, value as number]),
    ),
  )("do not come of %s at %d: an error of the model or a result of numbers", async (constant, value) => {
    const outcome = await quantized(network(constant, value), bits).catch((error: unknown) => error);
    if (outcome instanceof GenieError) {
      expect(outcome.message).toMatch(/NaN|Infinity/);
      return;
    }
    const { model, blocks } = outcome as Reconstruction;
    for (const { loss } of blocks) expect(loss).toBeLessThan(Number.POSITIVE_INFINITY);
    for (const { data } of model.graph.constants.values()) expect(data.every(Number.isFinite)).toBe(true);
    expect(exportOnnx(model).length).toBeGreaterThan(1000);
  });

  test("are not written, whoever made the model", () => {
    expect(() => exportOnnx(network("pw/bias", Number.NaN))).toThrow(/"pw\/bias" would be written with NaN/);
  });
});
