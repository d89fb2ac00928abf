import { memory } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import type { Images } from "../../src/images.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { QuantizedGraph } from "../../src/ir/graph.ts";
import { quantRange } from "../../src/ir/graph.ts";
import { isLayer } from "../../src/ir/rewrite.ts";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import { resolveReconstruction } from "../../src/quantization/options.ts";
import { betaAt, errorWeight } from "../../src/quantization/train.ts";
import { predict } from "../../src/session/evaluate.ts";
import { kerasMobileNetV1, mobileNetV2, residual, twoHeads, twoInputs } from "../ir/builders.ts";
import { reconstruct } from "../support/stages.ts";
import { waves } from "./waves.ts";

const graph = fuseActivations(residual(2));
const [, height, width, channels] = graph.inputs[0]!.shape as [number, number, number, number];
const images = waves(graph, 24);
const quick = {
  weightBits: 3,
  activationBits: 4,
  iterations: 150,
  batchSize: 8,
  seed: 1,
  roundingLearningRate: 1e-2,
};

describe("learning rate of the rounding", () => {
  const rate = (iterations: number): number => resolveReconstruction({ iterations }).roundingLearningRate;

  test("is the published one for the published budget, and up to ten times that for smaller ones", () => {
    expect([rate(20_000), rate(100_000)]).toEqual([1e-3, 1e-3]);
    expect(rate(5000)).toBeCloseTo(4e-3, 12);
    expect([rate(2000), rate(100), rate(0)]).toEqual([1e-2, 1e-2, 1e-2]);
  });
});

describe("schedule of the regularizer", () => {
  const settings = { iterations: 100, warmup: 0.2, beta: [20, 2] as const };
  test("off for the first fifth, then β falls linearly from 20 to 2", () => {
    expect(betaAt(0, settings)).toBeNull();
    expect(betaAt(19, settings)).toBeNull();
    expect(betaAt(20, settings)).toBe(20);
    expect(betaAt(60, settings)).toBeCloseTo(11, 12);
    expect(betaAt(100, settings)).toBeCloseTo(2, 12);
  });

  test("the error is summed over channels and averaged over the rest", () => {
    expect(errorWeight([8, 4, 4, 16])).toBeCloseTo(1 / (8 * 4 * 4), 12);
    expect(errorWeight([8, 10])).toBeCloseTo(1 / 8, 12);
  });
});

describe.each<Binary>(["baseline", "relaxed"])("reconstruct, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));

  test("learned rounding beats rounding to nearest, block by block and at the output", async () => {
    const settings = { ...quick, feedback: false };
    const trained = await reconstruct(graph, images, settings);
    const nearest = await reconstruct(graph, images, { ...settings, iterations: 0 });
    const float = await predict(graph, images);
    const error = async (model: QuantizedGraph): Promise<number> => {
      const { data } = await predict(model, images);
      return data.reduce((sum, value, i) => sum + (value - float.data[i]!) ** 2, 0);
    };
    expect(await error(trained.model)).toBeLessThan(0.7 * (await error(nearest.model)));
    const total = (losses: number[]): number => losses.reduce((a, b) => a + b, 0);
    expect(total(trained.blocks.map((block) => block.loss))).toBeLessThan(
      total(nearest.blocks.map((block) => block.loss)),
    );
  });

  test("every layer has integer weights inside its grid, every layer input but the first a quantizer", async () => {
    const { model } = await reconstruct(fuseActivations(mobileNetV2()), images3(), {
      ...quick,
      iterations: 2,
    });
    const layers = model.graph.nodes.filter((node) => /conv2d|Conv2d|dense/.test(node.op));
    expect(model.weights.size).toBe(layers.length);
    for (const { data, params } of model.weights.values()) {
      const { qmin, qmax } = quantRange(params);
      expect(Math.min(...data)).toBeGreaterThanOrEqual(qmin);
      expect(Math.max(...data)).toBeLessThanOrEqual(qmax);
      for (const zero of params.zeroPoint) expect(zero >= qmin && zero <= qmax).toBe(true);
      for (const step of params.scale) expect(step).toBeGreaterThan(0);
    }
    const quantizedInputs = new Set(layers.slice(1).map((layer) => layer.inputs[0]!));
    expect(new Set(model.activations.keys())).toEqual(quantizedInputs);
  });

  test("MobileNetV1 of Keras: filters per channel, ReLU6 on unsigned grids, 8 bits at both ends", async () => {
    const mobile = fuseActivations(kerasMobileNetV1());
    const data = Float32Array.from({ length: 16 * 9 * 9 * 3 }, (_, i) => Math.sin(0.7 * i));
    const inputs = { shape: [16, 9, 9, 3], data };
    const { model, blocks } = await reconstruct(mobile, inputs, { ...quick, iterations: 20 });
    expect(blocks.map(({ name }) => name).at(-1)).toBe("preds");
    for (const node of mobile.nodes.filter(isLayer)) {
      const { params } = model.weights.get(node.inputs[1]!)!;
      const isEnd = node.name === "conv1" || node.name === "preds";
      expect([node.name, params.bits]).toEqual([node.name, isEnd ? 8 : 3]);
      const channels = mobile.constants.get(node.inputs[1]!)!.shape.at(-1)!;
      const inner = node.op === "depthwiseConv2d" ? mobile.constants.get(node.inputs[1]!)!.shape[2]! : 1;
      expect(params.scale).toHaveLength(channels * inner);
    }
    for (const params of model.activations.values()) {
      expect(params.signed).toBe(false);
      // No step size reaches beyond what ReLU6 lets through.
      expect(params.scale[0]! * (2 ** params.bits - 1)).toBeLessThan(6.01);
    }
    const probabilities = await predict(model, inputs);
    expect(probabilities.shape).toEqual([16, 5]);
    expect(probabilities.data.subarray(0, 5).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  });

  test("symmetric weights have zero points of 0", async () => {
    const { model } = await reconstruct(graph, images, { ...quick, iterations: 2, symmetricWeights: true });
    for (const { params } of model.weights.values()) {
      expect(params.signed).toBe(true);
      expect([...params.zeroPoint].every((zero) => zero === 0)).toBe(true);
    }
  });

  test("same seed, same bits; nothing leaks", async () => {
    const before = memory().numTensors;
    const a = await reconstruct(graph, images, { ...quick, iterations: 20 });
    const b = await reconstruct(graph, images, { ...quick, iterations: 20 });
    expect([...b.model.weights]).toEqual([...a.model.weights]);
    expect([...b.model.activations]).toEqual([...a.model.activations]);
    expect(memory().numTensors).toBe(before);
  });

  test("frozen step sizes stay at the search's", async () => {
    const frozen = await reconstruct(graph, images, { ...quick, iterations: 20, learnStepSize: false });
    const initial = await reconstruct(graph, images, { ...quick, iterations: 0 });
    for (const [name, { params }] of frozen.model.weights) {
      expect(params.scale).toEqual(initial.model.weights.get(name)!.params.scale);
    }
  });

  test("several outputs and several inputs: all are learned, all answer", async () => {
    const heads = fuseActivations(twoHeads());
    const pictures = waves(heads, 12);
    const { model, blocks } = await reconstruct(heads, pictures, quick);
    expect(blocks.map(({ name }) => name)).toEqual(["trunk1.conv", "trunk2.conv", "left.conv", "right.conv"]);
    const [float, quantized] = [await predict(heads, pictures), await predict(model, pictures)];
    const second = heads.outputs[1]!;
    expect(noise(quantized, float)).toBeLessThan(0.1);
    expect(noise(quantized.others![second]!, float.others![second]!)).toBeLessThan(0.1);

    const pair = fuseActivations(twoInputs());
    const other = waves({ ...pair, inputs: pair.inputs.slice(1) }, 12);
    const given = { ...waves(pair, 12), others: { other } };
    const both = await reconstruct(pair, given, quick);
    expect(noise(await predict(both.model, given), await predict(pair, given))).toBeLessThan(0.1);
    await expect(reconstruct(pair, waves(pair, 12), quick)).rejects.toMatchObject({
      code: "invalid-data",
      message: expect.stringContaining('"other"'),
    });
  });

  test("images of another shape are refused by name", async () => {
    const wrong = {
      shape: [2, height + 1, width, channels],
      data: new Float32Array(2 * (height + 1) * width * channels),
    };
    await expect(reconstruct(graph, wrong, quick)).rejects.toMatchObject({ code: "invalid-data" });
  });
});

/** ‖a − b‖² / ‖b‖² */
function noise(a: Images, b: Images): number {
  const square = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
  return square(a.data.map((value, i) => value - b.data[i]!)) / square(b.data);
}

/** Inputs for the MobileNetV2-like network. */
function images3(): typeof images {
  const [, h, w, c] = mobileNetV2().inputs[0]!.shape as [number, number, number, number];
  const data = Float32Array.from({ length: 8 * h * w * c }, (_, i) => Math.sin(0.7 * i));
  return { shape: [8, h, w, c], data };
}
