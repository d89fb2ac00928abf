/** What inputs do to a network's layers: mean and deviation of every channel before its activation. */
import { type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { disposeAll, uploadConstants } from "../engine/feeds.ts";
import { inferenceOps, type Ops } from "../engine/ops.ts";
import { run } from "../engine/run.ts";
import type { Images } from "../images.ts";
import type { Graph, LayerNode } from "../ir/graph.ts";
import { view } from "../kernels/heap.ts";
import { reshape } from "../kernels/layout.ts";
import { statisticsPerImage } from "../kernels/statistics.ts";

/** Mean and standard deviation over images and positions, [C] each. */
export interface Moments {
  mean: Float32Array;
  std: Float32Array;
}

/** The moments of a value [N, …, C]. */
export function momentsOf(value: Tensor): Moments {
  const { mean, std } = statisticsPerImage(reshape(value, [1, -1, value.shape.at(-1)!]));
  return { mean: view(mean).slice(), std: view(std).slice() };
}

/** A network ready to be run on one set of inputs after the other. */
export interface LayerProbe {
  /** The moments of every layer, in the order of the nodes, for inputs [N, …] by their names. */
  moments(inputs: ReadonlyMap<string, Images>): Moments[];
  dispose(): void;
}

/** Needs `initializeKernels`. */
export function createLayerProbe(graph: Graph): LayerProbe {
  const constants = uploadConstants(graph);
  return {
    moments(inputs) {
      const found: Moments[] = [];
      const observed =
        <Node extends LayerNode>(op: (node: Node, inputs: Tensor[]) => Tensor) =>
        (node: Node, inputs: Tensor[]): Tensor => {
          const { activation, ...bare } = node;
          const y = op(bare as Node, inputs);
          found.push(momentsOf(y));
          if (!activation) return y;
          return inferenceOps.activation(
            { op: "activation", name: node.name, inputs: [], output: node.output, activation },
            [y],
          );
        };
      const ops: Ops = {
        ...inferenceOps,
        conv2d: observed(inferenceOps.conv2d),
        depthwiseConv2d: observed(inferenceOps.depthwiseConv2d),
        convTranspose2d: observed(inferenceOps.convTranspose2d),
        dense: observed(inferenceOps.dense),
      };
      tidy(() => {
        const feeds = new Map(constants);
        for (const [name, { shape, data }] of inputs) feeds.set(name, tensor(data, shape as [number]));
        run(graph, feeds, { ops });
      });
      return found;
    },
    dispose: () => disposeAll(constants.values()),
  };
}
