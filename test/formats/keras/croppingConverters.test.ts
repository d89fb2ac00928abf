/** Layers that cut and average, as tfjs-layers computes them. */
import * as tf from "@tensorflow/tfjs-layers";
import { input } from "@tensorflow/tfjs-layers";
import { describe, expect, it } from "vitest";
import { expectSame, load, outputsOf, predict, save } from "../tfjs/tfjsModels.ts";

describe("further Keras layers", () => {
  it("Cropping2D and Average of three are those of tfjs-layers", async () => {
    const x = input({ shape: [6, 7, 3] });
    const cropped = tf.layers
      .cropping2D({
        cropping: [
          [1, 2],
          [0, 3],
        ],
      })
      .apply(x) as tf.SymbolicTensor;
    const others = [0, 1].map(() => tf.layers.activation({ activation: "tanh" }).apply(cropped));
    const y = tf.layers.average().apply([cropped, ...(others as tf.SymbolicTensor[])]);
    const model = tf.model({ inputs: x, outputs: y as tf.SymbolicTensor });
    const graph = await load(await save(model));
    expect(graph.nodes.map(({ op }) => op)).toContain("slice");
    expectSame(outputsOf(graph), predict(model));
  });
});
