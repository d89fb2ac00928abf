import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/ir/graph.ts";
import { presetFor, presets, SMALL_PIXELS } from "../../src/session/presets.ts";

/** All that a preset asks of a network. */
function withInput(...shape: number[]): Graph {
  return {
    name: "net",
    inputs: [{ name: "x", shape }],
    outputs: [],
    nodes: [],
    constants: new Map(),
  };
}

describe("presetFor", () => {
  test.each([
    ["CIFAR-10", [-1, 32, 32, 3]],
    ["spectrograms", [-1, 49, 10, 1]],
    ["the largest of the small", [-1, 64, SMALL_PIXELS / 64, 3]],
    ["rows of features", [-1, 4 * SMALL_PIXELS]],
  ])("%s are small", (_, shape) => {
    expect(presetFor("fast", withInput(...shape))).toBe(presets.fast.small);
  });

  test.each([
    ["ImageNet", [-1, 224, 224, 3]],
    ["one column more", [-1, 64, SMALL_PIXELS / 64 + 1, 1]],
    ["grey images without an axis for it", [-1, 224, 224]],
    ["long signals", [-1, SMALL_PIXELS + 1, 1]],
  ])("%s are large", (_, shape) => {
    expect(presetFor("balanced", withInput(...shape))).toBe(presets.balanced.large);
  });

  test("networks that images cannot be made for are refused by their input", () => {
    expect(() => presetFor("fast", withInput(-1, 8, 8, 8, 3))).toThrow(/x \[-1,8,8,8,3\]/);
  });

  test.each(["small", "large"] as const)("each costs more than the one before it (%s)", (size) => {
    const [fast, balanced, best] = [presets.fast[size], presets.balanced[size], presets.best[size]];
    for (const [less, more] of [
      [fast, balanced],
      [balanced, best],
    ] as const) {
      expect(more.images * more.synthesisIterations).toBeGreaterThan(less.images * less.synthesisIterations);
      expect(more.reconstructionIterations).toBeGreaterThan(less.reconstructionIterations);
    }
  });
});
