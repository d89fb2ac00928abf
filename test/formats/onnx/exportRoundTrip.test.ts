import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { importOnnx } from "../../../src/formats/onnx/import.ts";
import { fuseActivations } from "../../../src/ir/fuse.ts";
import type { Graph, Node } from "../../../src/ir/graph.ts";
import { inferShapes } from "../../../src/ir/shapes.ts";
import { allNetworks } from "../../ir/builders.ts";
import { runOnnx } from "../../support/onnxruntime.ts";
import { drawn, expectClose, operators } from "./exported.ts";

/**
 * A graph's nodes with activations fused and with values and constants called by what they are, not by name;
 * numbers as ONNX holds them, slices up to the last element they take.
 */
function anonymous(original: Graph): unknown {
  const graph = fuseActivations(original);
  const origins = new Map<string, unknown>(graph.inputs.map(({ name }, index) => [name, `input ${index}`]));
  const shapes = inferShapes(graph);
  const nodes: unknown[] = [];
  for (const { name: _, inputs, output, ...rest } of graph.nodes.map(tighten)) {
    // The importer drops a reshape that changes nothing, as Keras's MobileNetV1 has one.
    if (rest.op === "reshape" && `${shapes.get(inputs[0]!)}` === `${shapes.get(output)}`) {
      origins.set(output, origins.get(inputs[0]!));
      continue;
    }
    origins.set(output, `node ${nodes.length}`);
    nodes.push({ ...rest, inputs: inputs.map((input) => origins.get(input) ?? graph.constants.get(input)) });
  }
  const outputs = graph.outputs.map((output) => origins.get(output));
  return JSON.parse(JSON.stringify({ nodes, outputs }, (_key, value) => toFloat32(value)));
}

function tighten(node: Node): Node {
  if (node.op !== "slice") return node;
  const { begin, end, steps } = node;
  return {
    ...node,
    end: end.map((last, i) => (last === -1 ? -1 : last - ((last - begin[i]! - 1) % steps[i]!))),
  };
}

function toFloat32(value: unknown): unknown {
  return typeof value === "number" ? Math.fround(value) : value;
}

describe("import after export", () => {
  it.each(allNetworks())("%s comes back node by node", (_name, graph) => {
    const back = importOnnx(exportOnnx(graph));
    expect(anonymous(back)).toEqual(anonymous(graph));
    expect(back.inputs).toEqual(graph.inputs);
    expect(back.outputs).toEqual(graph.outputs);
    expect(new Set(back.constants.keys())).toEqual(new Set(graph.constants.keys()));
  });
});

describe("export after import", () => {
  const zoo = "../shared/zoo/cifar10-resnet20.onnx";

  it.skipIf(!existsSync(zoo))(
    "the zoo's ResNet-20 computes the same, without one operator more",
    async () => {
      const original = new Uint8Array(readFileSync(zoo));
      const exported = exportOnnx(importOnnx(original));
      const x = { shape: [4, 3, 32, 32], data: drawn(4 * 3 * 32 * 32) };
      const theirs = await runOnnx(original, { input: x });
      const ours = await runOnnx(exported, { input: x });
      expect(ours.logits!.shape).toEqual(theirs.logits!.shape);
      expectClose(ours.logits!.data, theirs.logits!.data, 1e-6);
      const ops = operators(exported);
      expect(ops.filter((op) => op === "Transpose" || op === "Reshape")).toEqual([]);
      expect(ops.length).toBeLessThanOrEqual(operators(original).length);
    },
  );
});
