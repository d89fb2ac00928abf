/** TFJS Layers models, held against tfjs-layers itself on its CPU backend. */
import { input, type LayersModel, layers, model } from "@tensorflow/tfjs-layers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { expectComputes } from "../onnx/exported.ts";
import {
  chain,
  expectLikeTfjs,
  expectSame,
  fillWeights,
  load,
  outputsOf,
  predict,
  save,
} from "./tfjsModels.ts";

/** Two branches of every kind of layer. */
function branches(): LayersModel {
  const x = input({ shape: [9, 7, 3] });
  const wide = layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: "same" }).apply(x);
  const separable = layers
    .separableConv2d({ filters: 6, kernelSize: [3, 2], padding: "same", activation: "tanh" })
    .apply(x);
  const sum = layers.add().apply([wide, separable, wide] as never);
  const six = layers.reLU({ maxValue: 6 }).apply(sum);
  const gate = layers.activation({ activation: "hardSigmoid" }).apply(separable);
  const product = layers.multiply().apply([six, gate] as never);
  const both = layers.concatenate().apply([product, x] as never);
  const padded = layers
    .zeroPadding2d({
      padding: [
        [0, 1],
        [2, 0],
      ] as never,
    })
    .apply(both);
  const large = layers.upSampling2d({ size: [2, 3] }).apply(padded);
  const small = layers.averagePooling2d({ poolSize: [4, 3], strides: [3, 2], padding: "same" }).apply(large);
  const mean = layers.globalAveragePooling2d({}).apply(small);
  const most = layers.globalMaxPooling2d({}).apply(small);
  const features = layers.concatenate().apply([mean, most] as never);
  const scores = layers.dense({ units: 4, useBias: false }).apply(features);
  return model({ inputs: x, outputs: [layers.softmax().apply(scores), mean] as never });
}

describe("networks", () => {
  it("sequential: convolutions, BatchNorm with and without scale and center, pooling, dense layers", async () => {
    const graph = await expectLikeTfjs(
      chain(
        [13, 10, 3],
        layers.conv2d({ filters: 6, kernelSize: 3, strides: 2, padding: "same", useBias: false }),
        layers.batchNormalization({ scale: false }),
        layers.reLU(),
        layers.maxPooling2d({ poolSize: 3, strides: 2, padding: "same" }),
        layers.conv2d({ filters: 5, kernelSize: 2, dilationRate: 2, activation: "sigmoid" }),
        layers.batchNormalization({ center: false, epsilon: 0.1, axis: 3 }),
        layers.leakyReLU({ alpha: 0.2 }),
        layers.flatten(),
        layers.dense({ units: 7, activation: "relu6" }),
        layers.dropout({ rate: 0.5 }),
        layers.gaussianNoise({ stddev: 1 }),
        layers.batchNormalization(),
        layers.dense({ units: 4, activation: "softmax" }),
      ),
    );
    // Activations and names as the rest of the package expects them.
    expect(graph.nodes[1]).toMatchObject({ op: "batchNorm", activation: { kind: "relu" } });
    expect(graph.nodes.every(({ name }) => name.length > 0)).toBe(true);
  });

  it("functional: branches, several outputs; the ONNX that we export of it computes the same", async () => {
    const graph = await expectLikeTfjs(branches());
    await expectComputes(exportOnnx(graph), graph);
  });

  it("a model in a model in a model", async () => {
    const inner = chain([6, 6, 4], layers.conv2d({ filters: 4, kernelSize: 3, padding: "same" }));
    const x = input({ shape: [6, 6, 3] });
    const start = layers.conv2d({ filters: 4, kernelSize: 1 }).apply(x);
    const y = inner.apply(start);
    const middle = model({ inputs: x, outputs: layers.add().apply([y, start] as never) as never });
    const graph = await expectLikeTfjs(
      chain([6, 6, 3], middle, layers.flatten(), layers.dense({ units: 2 })),
    );
    expect(graph.nodes.map(({ op }) => op)).toEqual(["conv2d", "conv2d", "add", "reshape", "dense"]);
  });

  it("a layer that is used twice has its weights once, over the same shape and over another", async () => {
    const x = input({ shape: [6, 4, 3] });
    const conv = layers.conv2d({ filters: 3, kernelSize: 3, padding: "same", activation: "tanh" });
    const norm = layers.batchNormalization();
    const once = norm.apply(conv.apply(x));
    const twice = norm.apply(conv.apply(once));
    const dense = layers.dense({ units: 3 });
    const pixels = dense.apply(twice);
    const features = dense.apply(layers.globalAveragePooling2d({}).apply(once));
    const graph = await expectLikeTfjs(model({ inputs: x, outputs: [pixels, features, once] as never }));
    const kernels = graph.nodes.filter(({ op }) => op === "conv2d").map(({ inputs }) => inputs[1]);
    expect(kernels).toHaveLength(3);
    expect(new Set(kernels).size).toBe(2);
    await expectComputes(exportOnnx(graph), graph);
  });

  it("a model that is used twice, in a model that is used twice", async () => {
    const inner = chain([4, 4, 2], layers.conv2d({ filters: 2, kernelSize: 3, padding: "same" }));
    const x = input({ shape: [4, 4, 2] });
    const block = model({
      inputs: x,
      outputs: layers.add().apply([inner.apply(inner.apply(x)), x] as never) as never,
    });
    const y = input({ shape: [4, 4, 2] });
    const graph = await expectLikeTfjs(
      model({ inputs: y, outputs: block.apply(layers.reLU().apply(block.apply(y))) as never }),
    );
    const filters = graph.nodes.filter(({ op }) => op === "conv2d").map(({ inputs }) => inputs[1]);
    expect(filters).toHaveLength(4);
    expect(new Set(filters).size).toBe(1);
  });

  it("dense layers over pixels and sequences, reshapes, permutations", async () => {
    await expectLikeTfjs(
      chain(
        [4, 5, 3],
        layers.dense({ units: 6, activation: "relu" }),
        layers.reshape({ targetShape: [-1, 6] }),
        layers.dense({ units: 4 }),
        layers.permute({ dims: [2, 1] }),
        layers.permute({ dims: [1, 2] }),
      ),
    );
  });

  it("layers in an order of the file's own", async () => {
    const reference = fillWeights(branches());
    const saved = await save(reference);
    const { config } = saved.json.modelTopology as { config: { layers: unknown[] } };
    config.layers.reverse();
    expectSame(outputsOf(await load(saved)), predict(reference));
  });
});

describe("padding same, as TensorFlow's", () => {
  const size = fc.integer({ min: 1, max: 12 });
  const small = fc.integer({ min: 1, max: 5 });
  it("any size, kernel, stride and dilation", async () => {
    await fc.assert(
      fc.asyncProperty(
        size,
        size,
        small,
        small,
        small,
        fc.boolean(),
        async (height, width, k, l, s, isDilated) => {
          const window = { padding: "same" as const, strides: isDilated ? 1 : s };
          const [strides, dilationRate] = isDilated ? [1, s] : [s, 1];
          await expectLikeTfjs(
            model(
              (() => {
                const x = input({ shape: [height, width, 2] });
                return {
                  inputs: x,
                  outputs: [
                    layers.conv2d({ filters: 2, kernelSize: [k, l], ...window, strides, dilationRate }),
                    // tfjs-layers does not dilate these.
                    layers.depthwiseConv2d({ kernelSize: k, ...window }),
                    layers.maxPooling2d({ poolSize: [k, l], ...window }),
                    layers.averagePooling2d({ poolSize: [k, l], ...window }),
                  ].map((layer) => layer.apply(x)) as never,
                };
              })(),
            ),
          );
        },
      ),
      { numRuns: 40, seed: 1 },
    );
  });
});
