/** A bias for every layer, so that each can be corrected alone. */
import type { Graph } from "./graph.ts";
import { consumersOf, freshName, isLayer, outputChannels, valueNames } from "./rewrite.ts";

/** The same function, every layer with a bias [O] that nothing else reads: zeros where it had none. */
export function ownBiases(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const taken = valueNames(graph);
  const constants = new Map(graph.constants);
  const nodes = graph.nodes.map((node) => {
    if (!isLayer(node)) return node;
    const [x, filterName, biasName] = node.inputs as [string, string, string?];
    const isOwn = biasName !== undefined && consumers.get(biasName)!.length === 1;
    if (isOwn && !graph.outputs.includes(biasName)) return node;
    const outputs = outputChannels(node, graph.constants.get(filterName)!);
    const own = freshName(taken, `${node.name}/bias`);
    const data =
      biasName === undefined ? new Float32Array(outputs) : graph.constants.get(biasName)!.data.slice();
    constants.set(own, { shape: [outputs], data });
    return { ...node, inputs: [x, filterName, own] };
  });
  return { ...graph, nodes, constants };
}
