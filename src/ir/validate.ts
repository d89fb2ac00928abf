/** The gate that every imported model passes once: after it, the rest of the code need not doubt a Graph. */
import { GenieError } from "../errors.ts";
import { type Activation, type Graph, type Node, quantRange } from "./graph.ts";
import { consumersOf, isLayer } from "./rewrite.ts";
import { elementsPerImage, inconsistent } from "./shapeChecks.ts";
import { inferShapes } from "./shapes.ts";

/**
 * Checks everything that the types of a Graph leave open: node names unique, values known and in order, shapes
 * consistent, constants as long as their shapes and finite, variances positive, attributes in range.
 *
 * @throws GenieError `invalid-model` or `dynamic-shape`, naming the node and the constant.
 */
export function validate(graph: Graph): void {
  if (graph.inputs.length === 0 || graph.outputs.length === 0) {
    throw new GenieError("invalid-model", `model "${graph.name}" has no input or no output`);
  }
  const names = new Set<string>();
  for (const node of graph.nodes) {
    if (names.has(node.name)) throw new GenieError("invalid-model", `two nodes are called "${node.name}"`);
    names.add(node.name);
  }
  inferShapes(graph);
  checkConstants(graph);
  for (const node of graph.nodes) checkAttributes(graph, node);
}

function checkConstants(graph: Graph): void {
  const consumers = consumersOf(graph);
  for (const [name, { shape, data }] of graph.constants) {
    if (data.length !== elementsPerImage(shape)) {
      throw new GenieError(
        "invalid-model",
        `constant "${name}" has ${data.length} values, its shape [${shape}] asks for ${elementsPerImage(shape)}`,
      );
    }
    const node = consumers.get(name)?.[0];
    const index = node ? data.findIndex((value) => !Number.isFinite(value)) : -1;
    if (node && index >= 0) {
      throw new GenieError(
        "invalid-model",
        `constant "${name}" of node "${node.name}" (${node.op}) holds ${data[index]} at index ${index}; ` +
          "weights must be finite: the training that made them diverged, or the file is damaged",
      );
    }
  }
}

function checkAttributes(graph: Graph, node: Node): void {
  if ("activation" in node && node.activation) checkActivation(node, node.activation);
  if (node.op === "batchNorm") {
    const variance = graph.constants.get(node.inputs[4]!)!.data;
    const index = variance.findIndex((value) => !(value + node.epsilon > 0));
    if (index >= 0 || node.epsilon < 0) {
      throw inconsistent(
        node,
        `variance ${variance[index]} + epsilon ${node.epsilon} has no square root to divide by`,
      );
    }
  }
  if (node.op === "fakeQuantize") {
    const { bits, scale, zeroPoint } = node.params;
    const { qmin, qmax } = quantRange(node.params);
    if (!Number.isInteger(bits) || bits < 2 || bits > 8)
      throw inconsistent(node, `it quantizes to ${bits} bits`);
    if (!scale.every((value) => value > 0 && Number.isFinite(value))) {
      throw inconsistent(node, "its scales must be positive");
    }
    if (zeroPoint.length !== scale.length || zeroPoint.some((value) => value < qmin || value > qmax)) {
      throw inconsistent(node, `its zero-points do not fit its scales or lie outside [${qmin}, ${qmax}]`);
    }
  }
  if (isLayer(node) && graph.constants.get(node.inputs[0]!)) {
    throw inconsistent(node, `it reads the constant "${node.inputs[0]}" instead of an activation`);
  }
}

function checkActivation(node: Node, activation: Activation): void {
  const { kind, ...parameters } = activation;
  const values = Object.values(parameters).filter((value) => typeof value === "number");
  // Only a clip may be open to one side.
  const isAllowed = kind === "clip" ? (value: number) => !Number.isNaN(value) : Number.isFinite;
  if (!values.every(isAllowed)) throw inconsistent(node, `its ${kind} has the parameters ${values}`);
  if (activation.kind === "clip" && activation.min > activation.max) {
    throw inconsistent(node, `it clips to the empty range [${activation.min}, ${activation.max}]`);
  }
}
