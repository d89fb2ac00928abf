/** The zoo's Keras models: accuracy on real data, and the ONNX that we export of them against onnxruntime. */
import { existsSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { readFolderLabels, readImages, readLabels, readModel } from "../../../src/cli/input.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import type { Images } from "../../../src/images.ts";
import { initializeKernels } from "../../../src/kernels/heap.ts";
import { evaluate, predict } from "../../../src/session/evaluate.ts";
import { runExported } from "../onnx/exported.ts";
import { expectSame } from "../tfjs/tfjsModels.ts";

const SHARED = "../shared";
const MODELS = {
  "mlperf-tiny-resnet8.h5": {
    data: "cifar10-images.npy",
    labels: "cifar10-labels.npy",
    count: 500,
    least: 0.73,
  },
  "mlperf-tiny-kws-dscnn": {
    data: "kws01-features.npy",
    labels: "kws01-labels.npy",
    count: 500,
    least: 0.904,
  },
  "imagenet-mobilenet-v1-0.75-224": { data: "imagenet", labels: undefined, count: 30, least: 0.7 },
};

/** What each model's data is normalized by: x · scale + offset. */
function normalized(model: string, { shape, data }: Images): Images {
  if (model === "mlperf-tiny-kws-dscnn") return { shape, data: data.map((q) => (q - 83) * 0.5847029) };
  return { shape, data: model.startsWith("imagenet") ? data.map((q) => q / 127.5 - 1) : data };
}

beforeAll(() => initializeKernels());

describe.each(Object.entries(MODELS))("%s", (name, { data, labels, count, least }) => {
  const [model, images] = [`${SHARED}/zoo/${name}`, `${SHARED}/data/${data}`];
  const isThere = existsSync(model) && existsSync(images);

  it.skipIf(!isThere)(`is right on its data (skipped where ${model} is missing)`, async () => {
    const graph = await readModel(model);
    const batch = normalized(name, await readImages(images, graph, { limit: count, scale: 1 }));
    const truth = labels
      ? await readLabels(`${SHARED}/data/${labels}`, graph, count)
      : await readFolderLabels(images, undefined, graph, count);
    const { top1, top5 } = await evaluate(graph, batch, truth);
    console.info(`${name}: top-1 ${top1}, top-5 ${top5} of ${count}`);
    expect(top1).toBeGreaterThanOrEqual(least);

    const size = batch.data.length / count;
    const one = { shape: [1, ...batch.shape.slice(1)], data: batch.data.slice(0, size) };
    const onnx = await runExported(exportOnnx(graph), graph, { [graph.inputs[0]!.name]: one.data });
    const { data: scores } = await predict(graph, one);
    expectSame([scores], [onnx[graph.outputs[0]!]!], 1e-4);
  });
});
