/** What a written file says and computes, in our own layout: for holding exports against plain evaluation. */
import { fromBinary } from "@bufbuild/protobuf";
import { expect } from "vitest";
import { permute } from "../../../src/formats/graph/permute.ts";
import { type GraphProto, ModelProtoSchema, type TensorProto } from "../../../src/formats/onnx/onnx_pb.ts";
import type { Graph } from "../../../src/ir/graph.ts";
import { inferShapes } from "../../../src/ir/shapes.ts";
import { evaluate } from "../../ir/evaluate.ts";
import { type Optimization, runOnnx } from "../../support/onnxruntime.ts";

export function graphOf(bytes: Uint8Array): GraphProto {
  return fromBinary(ModelProtoSchema, bytes).graph!;
}

/** The operators of a file, in order. */
export function operators(bytes: Uint8Array): string[] {
  return graphOf(bytes).node.map((node) => node.opType);
}

export function initializer(bytes: Uint8Array, name: string): TensorProto {
  const found = graphOf(bytes).initializer.find((tensor) => tensor.name === name);
  if (!found) throw new Error(`the file has no initializer "${name}"`);
  return found;
}

/** Values in (−2, 2) that differ from element to element, the same on every run. */
export function drawn(length: number, seed = 1): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 30 - 2;
  });
}

/** One batch for every input of the graph, NHWC, flat. */
export function feedsFor(graph: Graph, batch: number): Record<string, Float32Array> {
  return Object.fromEntries(
    graph.inputs.map(({ name, shape }, index) => [name, drawn(batch * volume(shape), 7 + index)]),
  );
}

/** The outputs that onnxruntime computes from the file, back in our layout: NHWC, flat. */
export async function runExported(
  bytes: Uint8Array,
  graph: Graph,
  feeds: Record<string, Float32Array>,
  optimize: Optimization = "all",
): Promise<Record<string, Float32Array>> {
  const inputs = graph.inputs.map(({ name, shape }) => {
    const data = feeds[name]!;
    const batch = data.length / volume(shape);
    const sizes = [batch, ...shape.slice(1)];
    if (sizes.length !== 4) return [name, { shape: sizes, data }] as const;
    const [n, h, w, c] = sizes as [number, number, number, number];
    return [name, { shape: [n, c, h, w], data: permute(data, sizes, [0, 3, 1, 2]) }] as const;
  });
  const outputs = await runOnnx(bytes, Object.fromEntries(inputs), { optimize });
  const shapes = inferShapes(graph);
  return Object.fromEntries(
    graph.outputs.map((name) => {
      const { shape, data } = outputs[name]!;
      const ours = [shape[0]!, ...shapes.get(name)!.slice(1)];
      if (shape.length === 4) {
        expect(shape).toEqual([ours[0], ours[3], ours[1], ours[2]]);
        return [name, permute(data, shape, [0, 2, 3, 1])];
      }
      expect(shape).toEqual(ours);
      return [name, data];
    }),
  );
}

/** Runs the file in onnxruntime on two images and holds every output against the float64 evaluation of `graph`. */
export async function expectComputes(bytes: Uint8Array, graph: Graph, tolerance = 1e-5): Promise<void> {
  const batch = 2;
  const feeds = feedsFor(graph, batch);
  const outputs = await runExported(bytes, graph, feeds);
  for (let image = 0; image < batch; image++) {
    const one = Object.fromEntries(
      Object.entries(feeds).map(([name, data]) => [name, part(data, image, batch)]),
    );
    const expected = evaluate(graph, one);
    for (const name of graph.outputs) {
      expectClose(part(outputs[name]!, image, batch), expected.get(name)!, tolerance);
    }
  }
}

/** |actual − expected| ≤ tolerance · (1 + largest |expected|), element by element. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const largest = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }
  expect(worst).toBeLessThanOrEqual(tolerance * (1 + largest));
}

function part(data: Float32Array, index: number, count: number): Float32Array {
  const size = data.length / count;
  return data.slice(index * size, (index + 1) * size);
}

/** Elements of one image. */
function volume(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}
