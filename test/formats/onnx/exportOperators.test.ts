/** Operators beside the usual ones of convolutional networks, written and run in onnxruntime. */
import { describe, it } from "vitest";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import type { Activation, BinaryNode, Graph, QuantizedTensor, ResizeNode } from "../../../src/ir/graph.ts";
import { toFakeQuantized } from "../../../src/ir/quantized.ts";
import { isLayer, outputChannels } from "../../../src/ir/rewrite.ts";
import { GraphBuilder } from "../../ir/builders.ts";
import { drawn, expectComputes } from "./exported.ts";

const IMAGE = [-1, 5, 7, 3];

describe("what the file computes in onnxruntime is what the graph computes", () => {
  it.each<Activation>([
    { kind: "exp" },
    { kind: "abs" },
    { kind: "erf" },
    { kind: "elu", alpha: 0.7 },
    { kind: "selu", alpha: 1.5, gamma: 1.1 },
    { kind: "gelu", approximate: "none" },
    { kind: "gelu", approximate: "tanh" },
    { kind: "silu" },
    { kind: "mish" },
    { kind: "softplus" },
    { kind: "softsign" },
    { kind: "thresholdedRelu", alpha: 0.3 },
  ])("activation %o, fused and alone", async (activation) => {
    const b = new GraphBuilder(IMAGE);
    const graph = b.outputs(b.activation("alone", b.conv("fused", "input", 4, { activation }), activation));
    await expectComputes(exportOnnx(graph), graph, 1e-4);
  });

  it.each<Activation>([{ kind: "log" }, { kind: "sqrt" }, { kind: "reciprocal" }])(
    "activation %o of positive values",
    async (activation) => {
      const b = new GraphBuilder(IMAGE);
      const positive = b.add(
        "raised",
        b.activation("size", "input", { kind: "abs" }),
        b.constant("half", [1], () => 0.5),
      );
      const graph = b.outputs(b.activation("alone", positive, activation));
      await expectComputes(exportOnnx(graph), graph);
    },
  );

  it.each<BinaryNode["op"]>(["subtract", "divide", "power", "minimum", "maximum"])(
    "%s of values and constants, broadcast",
    async (op) => {
      const b = new GraphBuilder(IMAGE);
      const positive = (name: string, x: string) => b.activation(name, x, { kind: "sigmoid" });
      const image = positive("image", "input");
      const mean = b.globalPool("mean", image);
      const both = b.node("both", [image, mean], 3, { op });
      const constant = b.constant("c", [3], () => 0.75);
      const first = b.node("first", [constant, both], 3, { op, activation: { kind: "tanh" } });
      const rows = b.constant("rows", [5, 1, 1], () => 1.25);
      const graph = b.outputs(b.node("second", [positive("again", first), rows], 3, { op }));
      await expectComputes(exportOnnx(graph), graph);
    },
  );

  it.each(["mean", "sum", "max", "min"] as const)("%s over axes of images and of lists", async (kind) => {
    const b = new GraphBuilder(IMAGE);
    const conv = b.conv("conv", "input", 4);
    const channels = b.node("channels", [conv], 1, { op: "reduce", kind, axes: [3] });
    const lists = b.reshape("lists", conv, [-1, 7, 5, 2, 2]);
    const rows = b.node("rows", [lists], 2, { op: "reduce", kind, axes: [1, 3] });
    const graph = b.outputs(channels, rows);
    await expectComputes(exportOnnx(graph), graph);
  });

  it("picks elements of images and of lists by index", async () => {
    const b = new GraphBuilder(IMAGE);
    const conv = b.conv("conv", "input", 4);
    const channels = b.node("channels", [conv], 3, { op: "gather", axis: 3, indices: [3, 0, 3] });
    const columns = b.node("columns", [channels], 3, { op: "gather", axis: 2, indices: [6, 1] });
    const list = b.reshape("list", conv, [-1, 35, 4]);
    const graph = b.outputs(
      columns,
      b.node("rows", [list], 4, { op: "gather", axis: 1, indices: [34, 5, 5] }),
    );
    await expectComputes(exportOnnx(graph), graph);
  });

  const resizings: Pick<ResizeNode, "mode" | "coordinates" | "rounding">[] = [
    { mode: "linear", coordinates: "half_pixel", rounding: "floor" },
    { mode: "linear", coordinates: "pytorch_half_pixel", rounding: "floor" },
    { mode: "linear", coordinates: "align_corners", rounding: "floor" },
    { mode: "linear", coordinates: "asymmetric", rounding: "floor" },
    { mode: "nearest", coordinates: "half_pixel", rounding: "round_prefer_floor" },
    { mode: "nearest", coordinates: "asymmetric", rounding: "floor" },
    { mode: "nearest", coordinates: "asymmetric", rounding: "ceil" },
    { mode: "nearest", coordinates: "align_corners", rounding: "round_prefer_ceil" },
    { mode: "nearest", coordinates: "tf_half_pixel_for_nn", rounding: "floor" },
  ];
  it.each(resizings)("resizes: $mode, $coordinates, $rounding", async (how) => {
    for (const size of [
      [10, 14],
      [8, 3],
      [1, 9],
    ] as [number, number][]) {
      const b = new GraphBuilder(IMAGE);
      const scales: [number, number] = [size[0] / 5, size[1] / 7];
      const graph = b.outputs(b.node("resize", ["input"], 3, { op: "resize", size, scales, ...how }));
      await expectComputes(exportOnnx(graph), graph);
    }
  });

  it("resizes by a scale that gives no whole number of pixels", async () => {
    const b = new GraphBuilder(IMAGE);
    const how = { mode: "linear", coordinates: "half_pixel", rounding: "floor" } as const;
    const graph = b.outputs(
      b.node("resize", ["input"], 3, { op: "resize", size: [7, 9], scales: [1.5, 1.3], ...how }),
    );
    await expectComputes(exportOnnx(graph), graph);
  });

  it.each([
    { kernel: 3, stride: 2, groups: 1 },
    { kernel: 2, stride: 2, groups: 1 },
    { kernel: 3, stride: 1, groups: 3 },
    { kernel: 4, stride: 3, groups: 3 },
  ])("transposed convolution: %o", async (options) => {
    const b = new GraphBuilder([-1, 4, 5, 6]);
    const activation: Activation = { kind: "relu" };
    const up = b.convTranspose("up", "input", 9, { ...options, bias: true, activation });
    const graph = b.outputs(b.conv("behind", up, 2));
    await expectComputes(exportOnnx(graph), graph);
    const weights = asIntegers(graph);
    const quantized = { graph, weights, activations: new Map() };
    await expectComputes(exportOnnx(quantized), toFakeQuantized(quantized));
  });

  it("dense layers over the last axis, their weights integers", async () => {
    const b = new GraphBuilder([-1, 5, 6]);
    const activation: Activation = { kind: "gelu", approximate: "none" };
    const hidden = b.dense("widen", "input", 7, { activation });
    const graph = b.outputs(b.dense("narrow", b.reshape("grid", hidden, [-1, 5, 1, 7]), 3, { bias: false }));
    await expectComputes(exportOnnx(graph), graph, 1e-4);
    const quantized = { graph, weights: asIntegers(graph), activations: new Map() };
    await expectComputes(exportOnnx(quantized), toFakeQuantized(quantized), 1e-4);
  });
});

/** Every layer's weights in 4 bits with a scale for each output channel. */
function asIntegers(graph: Graph): Map<string, QuantizedTensor> {
  return new Map(
    graph.nodes.filter(isLayer).map((layer): [string, QuantizedTensor] => {
      const filter = graph.constants.get(layer.inputs[1]!)!;
      const channels = outputChannels(layer, filter);
      const scale = drawn(channels, 5).map((value) => 0.14 + 0.02 * value);
      const data = Int16Array.from(filter.data, (w, i) =>
        Math.min(Math.max(Math.round(w / scale[i % channels]!), -8), 7),
      );
      const params = { bits: 4, signed: true, perChannel: true, scale, zeroPoint: new Int32Array(channels) };
      return [layer.inputs[1]!, { shape: filter.shape, data, params }];
    }),
  );
}
