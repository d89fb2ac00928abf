/** Networks whose BatchNorms hold the statistics of known data: what training would have left there. */

import type { BatchNormNode, Graph } from "../../src/ir/graph.ts";
import { predict } from "../../src/session/evaluate.ts";

/** Reproducible numbers in [0, 1): Weyl's sequence through a sine. */
export function uniform(i: number): number {
  const value = Math.sin(12.9898 * i) * 43758.5453;
  return value - Math.floor(value);
}

/**
 * Pictures of overlapping discs of random colours: edges and flat areas, not the random fields of the estimate.
 * Their values have `mean[c]` and `std`, exactly, over the whole set.
 */
export function discs(
  count: number,
  height: number,
  width: number,
  mean: number[],
  std: number,
): Float32Array {
  const channels = mean.length;
  const data = new Float32Array(count * height * width * channels);
  let draw = 1;
  for (let n = 0; n < count; n++) {
    for (let disc = 0; disc < 25; disc++) {
      const [y, x] = [uniform(draw++) * height, uniform(draw++) * width];
      const radius = (0.08 + 0.5 * uniform(draw++) ** 2) * Math.max(height, width);
      const grey = uniform(draw++) - 0.5;
      const colour = mean.map(() => grey + 0.35 * (uniform(draw++) - 0.5));
      for (let h = 0; h < height; h++) {
        for (let w = 0; w < width; w++) {
          if ((h - y) ** 2 + (w - x) ** 2 > radius ** 2) continue;
          for (let c = 0; c < channels; c++) {
            data[((n * height + h) * width + w) * channels + c] = colour[c]!;
          }
        }
      }
    }
  }
  standardize(
    data,
    mean,
    mean.map(() => std),
  );
  return data;
}

/** Gives every unit (last axes) of the data exactly this mean and standard deviation. */
export function standardize(data: Float32Array, mean: number[], std: number[]): void {
  const units = mean.length;
  for (let unit = 0; unit < units; unit++) {
    let [sum, squares] = [0, 0];
    for (let i = unit; i < data.length; i += units) {
      sum += data[i]!;
      squares += data[i]! ** 2;
    }
    const m = sum / (data.length / units);
    const s = Math.sqrt(squares / (data.length / units) - m * m);
    for (let i = unit; i < data.length; i += units) {
      data[i] = (std[unit]! * (data[i]! - m)) / s + mean[unit]!;
    }
  }
}

/** Gives every BatchNorm the mean and variance of its input on this data, in place. */
export async function train(graph: Graph, data: Float32Array): Promise<Graph> {
  const shape = graph.inputs[0]!.shape.slice(1);
  const images = { shape: [data.length / shape.reduce((a, b) => a * b, 1), ...shape], data };
  for (const norm of graph.nodes.filter((node): node is BatchNormNode => node.op === "batchNorm")) {
    const [input, , , mean, variance] = norm.inputs as [string, string, string, string, string];
    const values =
      input === graph.inputs[0]!.name ? images : await predict({ ...graph, outputs: [input] }, images);
    const channels = values.shape.at(-1)!;
    for (let c = 0; c < channels; c++) {
      const column = Float64Array.from(values.data.filter((_, i) => i % channels === c));
      const m = column.reduce((a, b) => a + b, 0) / column.length;
      graph.constants.get(mean)!.data[c] = m;
      graph.constants.get(variance)!.data[c] = column.reduce((a, b) => a + (b - m) ** 2, 0) / column.length;
    }
  }
  return graph;
}
