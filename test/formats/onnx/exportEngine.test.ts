import { type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { uploadConstants } from "../../../src/engine/feeds.ts";
import { run } from "../../../src/engine/run.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { foldBatchNorm } from "../../../src/ir/foldBatchNorm.ts";
import { fuseActivations } from "../../../src/ir/fuse.ts";
import type { Graph } from "../../../src/ir/graph.ts";
import { initializeKernels } from "../../../src/kernels/heap.ts";
import { allNetworks } from "../../ir/builders.ts";
import { expectClose, feedsFor, runExported } from "./exported.ts";

const BATCH = 3;

/** All outputs of the graph as our engine computes them. */
function runOurs(graph: Graph, feeds: Record<string, Float32Array>): Record<string, Float32Array> {
  return tidy(() => {
    const tensors = new Map<string, Tensor>(uploadConstants(graph));
    for (const { name, shape } of graph.inputs) {
      tensors.set(name, tensor(feeds[name]!, [BATCH, ...shape.slice(1)] as [number]));
    }
    return Object.fromEntries(
      [...run(graph, tensors)].map(([name, value]) => [name, value.dataSync() as Float32Array]),
    );
  });
}

describe("onnxruntime computes the exported file as our engine computes the graph", () => {
  beforeAll(() => initializeKernels());

  it.each(allNetworks())("%s, as it is and as it is quantized from", async (_name, graph) => {
    const feeds = feedsFor(graph, BATCH);
    for (const variant of [graph, fuseActivations(foldBatchNorm(graph))]) {
      const ours = runOurs(variant, feeds);
      const theirs = await runExported(exportOnnx(variant), variant, feeds, "all");
      expect(Object.keys(ours)).toEqual(graph.outputs);
      for (const [name, data] of Object.entries(ours)) expectClose(theirs[name]!, data, 1e-5);
    }
  });
});
