/** What inputs do to a network's layers: mean and deviation of every channel before its activation. */
import { tensor, tidy } from "@tensorflow/tfjs-core";
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
        <Node extends LayerNode>(op: (node: Node, inputs: Tensors) => Tensors[number]) =>
        (node: Node, inputs: Tensors): Tensors[number] => {
          const { activation, ...bare } = node;
          const y = op(bare as Node, inputs);
          const { mean, std } = statisticsPerImage(reshape(y, [1, -1, y.shape.at(-1)!]));
          found.push({ mean: view(mean).slice(), std: view(std).slice() });
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

type Tensors = Parameters<Ops["dense"]>[1];
