/** The range found in networks made by others, beside what their makers fed them. */
import { existsSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import type { InputRange } from "../../src/ir/graph.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { loadModel } from "../../src/session/load.ts";
import { estimateInputRanges } from "../../src/synthesis/estimateRange.ts";

const ZOO = new URL("../../../shared/zoo/", import.meta.url);

const range = async (path: string): Promise<InputRange> =>
  estimateInputRanges(await loadModel(new URL(path, ZOO))).ranges[0]!;

describe.skipIf(!existsSync(ZOO))(
  "range of the zoo's networks (skipped where ../shared/zoo is missing)",
  () => {
    beforeAll(() => initializeKernels());

    test("ResNet-20: normalized, so the published method as it is", async () => {
      expect(await range("cifar10-resnet20.onnx")).toEqual({ mean: [0, 0, 0], std: [1, 1, 1] });
    });

    test("ResNet-8: CIFAR-10 pixels, 0…255", async () => {
      const { mean, std } = await range("mlperf-tiny-resnet8.h5");
      // Of the training set: 125.3, 123.0, 113.9, and 63.0, 62.1, 66.7.
      for (const [c, expected] of [125.3, 123, 113.9].entries()) {
        expect(Math.abs(mean[c]! - expected)).toBeLessThan(3);
      }
      for (const value of std) expect(Math.abs(value / 64 - 1)).toBeLessThan(0.15);
    });

    test("MobileNetV1: ImageNet pixels, −1…1", async () => {
      const { mean, std } = await range("imagenet-mobilenet-v1-0.75-224/model.json");
      // RGB means of ImageNet 0.485, 0.456, 0.406 and spreads of 0.28, in 0…1.
      for (const [c, expected] of [-0.03, -0.088, -0.188].entries()) {
        expect(Math.abs(mean[c]! - expected)).toBeLessThan(0.05);
      }
      for (const value of std) expect(Math.abs(value / 0.55 - 1)).toBeLessThan(0.15);
    });

    test("DS-CNN: the first MFCC far from the others", async () => {
      const { mean, std } = await range("mlperf-tiny-kws-dscnn/model.json");
      expect(mean).toHaveLength(10);
      expect(Math.abs(mean[0]! + 15)).toBeLessThan(3);
      expect(Math.abs(std[0]! - 24)).toBeLessThan(6);
      for (const value of mean.slice(1)) expect(Math.abs(value)).toBeLessThan(2);
      for (const value of std.slice(1)) expect(value).toBeLessThan(6);
    });
  },
);
