/** A Graph or QuantizedGraph as a TFJS Layers model: `model.json` and one file of weights. */

import { foldBatchNorm } from "../../ir/foldBatchNorm.ts";
import type { Graph, QuantizedGraph } from "../../ir/graph.ts";
import { toFakeQuantized } from "../../ir/quantized.ts";
import { removeDead } from "../../ir/rewrite.ts";
import { inferShapes } from "../../ir/shapes.ts";
import { VERSION } from "../../version.ts";
import { writeNode } from "./exportNodes.ts";
import { LayersWriter } from "./layersWriter.ts";

/** The files of a TFJS Layers model. */
export interface LayersModel {
  /** `model.json`, which names the other one. */
  model: Uint8Array;
  /** `weights.bin`. */
  weights: Uint8Array;
}

/** What the file of the topology is called everywhere. */
export const MODEL_FILE = "model.json";

/** What `model.json` calls the file of weights. */
export const WEIGHTS_FILE = "weights.bin";

/**
 * The model as tfjs-layers loads it: [N, H, W, C], BatchNorm folded into the layers before it. A quantized model has
 * its dequantized weights, so it computes what its integer weights stand for; the format has no quantized
 * activations, which stay float. The same model gives the same bytes.
 *
 * @throws GenieError `unsupported-operator` naming the node, for what Keras has no layer for.
 */
export function exportLayers(model: Graph | QuantizedGraph): LayersModel {
  const source = "weights" in model ? toFakeQuantized({ ...model, activations: new Map() }) : model;
  const graph = foldBatchNorm(removeDead(source));
  const writer = new LayersWriter(graph, inferShapes(graph));
  for (const { name, shape } of graph.inputs) writer.addInput(name, shape);
  for (const node of graph.nodes) writeNode(node, writer);
  const { layers, manifest, weights } = writer;
  const tensor = (value: string) => [writer.layerOf(value), 0, 0];
  const json = {
    format: "layers-model",
    generatedBy: `genie-wasm ${VERSION}`,
    convertedBy: null,
    modelTopology: {
      keras_version: "tfjs-layers 4.22.0",
      backend: "tensor_flow.js",
      model_config: {
        class_name: "Model",
        config: {
          name: graph.name || "model",
          layers,
          input_layers: graph.inputs.map(({ name }) => tensor(name)),
          output_layers: graph.outputs.map(tensor),
        },
      },
    },
    weightsManifest: [{ paths: [WEIGHTS_FILE], weights: manifest }],
  };
  return { model: new TextEncoder().encode(JSON.stringify(json)), weights };
}
