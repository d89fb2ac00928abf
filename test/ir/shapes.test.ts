import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GenieError } from "../../src/errors.ts";
import type { Graph, Node } from "../../src/ir/graph.ts";
import { inferShapes } from "../../src/ir/shapes.ts";
import { allNetworks, convChain, GraphBuilder, mobileNetV1, optionA } from "./builders.ts";

function failure(graph: Graph): GenieError {
  try {
    inferShapes(graph);
  } catch (error) {
    return error as GenieError;
  }
  throw new Error("no error");
}

/** The chain with one node changed. */
function altered(name: string, change: object): Graph {
  const graph = convChain();
  return {
    ...graph,
    nodes: graph.nodes.map((node) => (node.name === name ? ({ ...node, ...change } as Node) : node)),
  };
}

describe("inferShapes", () => {
  it("follows a network to its end", () => {
    const shapes = inferShapes(mobileNetV1());
    expect(shapes.get("input")).toEqual([-1, 8, 8, 3]);
    expect(shapes.get("stem.relu:0")).toEqual([-1, 4, 4, 4]);
    expect(shapes.get("conv_pw_2_bn:0")).toEqual([-1, 4, 4, 6]);
    expect(shapes.get("pool:0")).toEqual([-1, 1, 1, 6]);
    expect(shapes.get("softmax:0")).toEqual([-1, 5]);
    expect(shapes.get("fc/filter")).toEqual([6, 5]);
  });

  it("knows slices, padding and broadcast gates", () => {
    const shapes = inferShapes(optionA());
    expect(shapes.get("layer1.slice:0")).toEqual([-1, 4, 4, 4]);
    expect(shapes.get("layer1.pad:0")).toEqual([-1, 4, 4, 8]);
    const b = new GraphBuilder([-1, 3, 5, 2]);
    const gate = b.globalPool("gate", "input");
    const tall = b.constant("tall", [3, 1, 1]);
    b.outputs(b.multiply("a", gate, "input"), b.add("b", "input", tall), b.upsample("up", "input"));
    const broadcast = inferShapes(b.graph);
    expect(broadcast.get("a:0")).toEqual([-1, 3, 5, 2]);
    expect(broadcast.get("b:0")).toEqual([-1, 3, 5, 2]);
    expect(broadcast.get("up:0")).toEqual([-1, 6, 10, 2]);
  });

  it("counts windows as they fall", () => {
    const side = fc.integer({ min: 1, max: 12 });
    const small = fc.integer({ min: 1, max: 3 });
    fc.assert(
      fc.property(
        side,
        small,
        small,
        small,
        fc.integer({ min: 0, max: 2 }),
        (size, kernel, stride, dilation, border) => {
          const b = new GraphBuilder([-1, size, size, 1]);
          const graph = b.outputs(b.conv("conv", "input", 2, { kernel }));
          Object.assign(graph.nodes[0]!, {
            strides: [stride, stride],
            dilations: [dilation, dilation],
            padding: { top: border, bottom: 0, left: border, right: 0 },
          });
          let count = 0;
          for (let start = -border; start + (kernel - 1) * dilation < size; start += stride) count++;
          if (count === 0) expect(failure(graph).code).toBe("invalid-model");
          else expect(inferShapes(graph).get("conv:0")).toEqual([-1, count, count, 2]);
        },
      ),
    );
  });

  it.each(allNetworks())("accepts %s and leaves it as it was", (_name, graph) => {
    const before = structuredClone(graph);
    expect(inferShapes(graph).size).toBe(graph.inputs.length + graph.constants.size + graph.nodes.length);
    expect(graph).toEqual(before);
  });

  it.each<[name: string, graph: Graph, complaint: RegExp]>([
    [
      "a channel mismatch",
      altered("stage1.conv", { inputs: ["input", "stage1.conv/filter"] }),
      /"stage1\.conv".*4 channels.*has 3/,
    ],
    ["groups that do not divide", altered("stage1.conv", { groups: 3 }), /"stage1\.conv".*12 channels/],
    ["a zero stride", altered("stage1.conv", { strides: [0, 1] }), /"stage1\.conv".*strides \[0,1\]/],
    ["a NaN stride", altered("stage1.conv", { strides: [Number.NaN, 1] }), /"stage1\.conv".*strides/],
    [
      "negative padding",
      altered("stage1.conv", { padding: { top: -1, bottom: 0, left: 0, right: 0 } }),
      /padding/,
    ],
    [
      "a kernel larger than the image",
      altered("stage1.conv", { dilations: [9, 9] }),
      /"stage1\.conv".*\[-1,-8,-8,5\]/,
    ],
    [
      "hostile padding",
      altered("stage1.conv", { padding: { top: 2 ** 40, bottom: 0, left: 0, right: 0 } }),
      /too large/,
    ],
    [
      "weights computed by the network",
      altered("fc", { inputs: ["flatten:0", "flatten:0"] }),
      /"fc".*not constant/,
    ],
    [
      "a bias of the wrong length",
      altered("fc", { inputs: ["flatten:0", "fc/filter", "stage0.bn/mean"] }),
      /"fc".*\[4\], not \[5\]/,
    ],
    [
      "BatchNorm of other channels",
      altered("stage1.bn", {
        inputs: [
          "stage1.conv:0",
          ...["scale", "offset", "mean", "variance"].map((role) => `stage0.bn/${role}`),
        ],
      }),
      /"stage1\.bn"/,
    ],
    ["a missing input", altered("stage1.bn", { inputs: ["stage1.conv:0"] }), /"stage1\.bn".*reads 1 values/],
    ["an unknown value", altered("pool", { inputs: ["nowhere"] }), /"pool" reads "nowhere", which nothing/],
    [
      "a cycle",
      altered("stage0.conv", { inputs: ["stage1.relu:0", "stage0.conv/filter"] }),
      /"stage0\.conv" reads "stage1\.relu:0" before/,
    ],
    [
      "a value written twice",
      altered("stage1.relu", { output: "stage0.relu:0" }),
      /"stage1\.relu" writes "stage0\.relu:0"/,
    ],
    ["a dense layer on other features", altered("fc", { inputs: ["input", "fc/filter"] }), /"fc".*features/],
    ["a reshape that loses elements", altered("flatten", { shape: [-1, 5] }), /"flatten".*different number/],
    ["a reshape that swallows the batch", altered("flatten", { shape: [6, -1] }), /"flatten".*batch/],
    ["an unknown output", { ...convChain(), outputs: ["nowhere"] }, /output "nowhere"/],
  ])("rejects %s", (_name, graph, complaint) => {
    const error = failure(graph);
    expect(error.code).toBe("invalid-model");
    expect(error.message).toMatch(complaint);
  });

  it("rejects slices, transposes, axes and shapes that do not fit", () => {
    const rejects = (build: (b: GraphBuilder) => Node | string, complaint: RegExp) => {
      const b = new GraphBuilder([-1, 4, 4, 2]);
      const made = build(b);
      if (typeof made !== "string") b.graph.nodes.push(made);
      expect(failure(b.graph).message).toMatch(complaint);
    };
    const base = { name: "n", inputs: ["input"], output: "n:0" };
    rejects((b) => b.slice("n", "input", [0, 0, 0, 0], [-1, 5, 4, 2], [1, 1, 1, 1]), /slices/);
    rejects((b) => b.slice("n", "input", [0, 3, 0, 0], [-1, 3, 4, 2], [1, 1, 1, 1]), /\[-1,0,4,2\]/);
    rejects((b) => b.slice("n", "input", [0, 0, 0, 0], [1, 4, 4, 2], [1, 1, 1, 1]), /slices the batch/);
    rejects((b) => b.pad("n", "input", [1, 0, 0, 0], [0, 0, 0, 0]), /pads the batch/);
    rejects((b) => {
      const wide = b.maxPool("n", "input", 2);
      Object.assign(b.graph.nodes[0]!, { padding: { top: 2, bottom: 0, left: 0, right: 0 } });
      return wide;
    }, /holds? no pixel/);
    rejects((b) => b.conv("n", "input", 3, { groups: 2 }), /3 output channels do not divide into 2 groups/);
    rejects((b) => b.constant("n", [0, 2, 1, 1, 1, 1, 1, 1, 1]), /constant "n" has the impossible shape/);
    rejects((b) => b.constant("n", [2, 0.5]), /constant "n" has the impossible shape/);
    rejects((b) => b.reshape("n", "input", [-1, 1, 1, 1, 1, 1, 1, 1, 32]), /"n"/);
    rejects((b) => b.input("n", [-1, 2 ** 20, 2 ** 20, 3]), /input "n".*too large/);
    rejects((b) => b.maxPool("n", "input", 5), /\[-1,0,0,2\]/);
    rejects(() => ({ ...base, op: "transpose", permutation: [1, 0, 2, 3] }), /batch/);
    rejects(() => ({ ...base, op: "transpose", permutation: [0, 1, 1, 3] }), /permute/);
    rejects(() => ({ ...base, op: "softmax", axis: 0 }), /axis/);
    rejects(() => ({ ...base, op: "concat", axis: 3, inputs: ["input", "half"] }), /half/);
    rejects((b) => b.concat("n", ["input", b.maxPool("half", "input", 2)]), /differ beside axis 3/);
    rejects((b) => b.add("n", "input", b.constant("odd", [3])), /broadcast/);
    rejects(
      () => ({ ...base, op: "pad", before: [0, 4, 0, 0], after: [0, 0, 0, 0], mode: "reflect", value: 0 }),
      /reflects/,
    );
  });

  it("asks for every dimension but the batch", () => {
    for (const shape of [
      [-1, -1, 8, 3],
      [1, 8, 8, 3],
      [-1, 0, 8, 3],
      [-1, 8.5, 8, 3],
    ]) {
      expect(failure({ ...convChain(), inputs: [{ name: "input", shape }] }).code).toBe("dynamic-shape");
    }
  });
});
