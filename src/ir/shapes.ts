/** Shape inference: what every value of a graph measures, and what is inconsistent about it. */
import { GenieError } from "../errors.ts";
import type { Graph, Node } from "./graph.ts";
import { BATCH, elementsPerImage, inconsistent, isInteger, type Shape } from "./shapeChecks.ts";
import { outputShape } from "./shapeRules.ts";

/** Elements of one value for one image: 1 GiB of float32, beyond which no 4 GiB heap can run the network. */
const MAX_ELEMENTS = 2 ** 28;

/** Images have 4 dimensions; a few more are met on the way through reshapes, dozens only in hostile files. */
const MAX_RANK = 8;

/**
 * The shape of every value: inputs, constants and node outputs by name, with −1 for the batch.
 *
 * @throws GenieError `invalid-model`, naming the node, where shapes or attributes contradict each other, where a
 * name is unknown, written twice or read before it is written; `dynamic-shape` where an input has an unknown
 * dimension besides the batch.
 */
export function inferShapes(graph: Graph): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const [name, { shape }] of graph.constants) {
    if (shape.length > MAX_RANK || !shape.every((size) => isInteger(size, 0))) {
      throw new GenieError("invalid-model", `constant "${name}" has the impossible shape [${shape}]`);
    }
    shapes.set(name, shape);
  }
  for (const input of graph.inputs) {
    if (shapes.has(input.name)) throw twice(`graph input "${input.name}"`, input.name);
    checkInput(input.name, input.shape);
    shapes.set(input.name, input.shape);
  }
  const writers = new Map(graph.nodes.map((node) => [node.output, node.name]));
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => {
      const shape = shapes.get(name);
      if (shape) return shape;
      const writer = writers.get(name);
      throw new GenieError(
        "invalid-model",
        writer === undefined
          ? `node "${node.name}" reads "${name}", which nothing in the model writes`
          : `node "${node.name}" reads "${name}" before node "${writer}" writes it: a cycle, or nodes out of order`,
      );
    });
    if (shapes.has(node.output)) throw twice(`node "${node.name}"`, node.output);
    const shape = outputShape(graph, node, inputs);
    checkOutput(node, shape);
    shapes.set(node.output, shape);
  }
  for (const output of graph.outputs) {
    if (!shapes.has(output)) {
      throw new GenieError("invalid-model", `nothing in the model writes its output "${output}"`);
    }
  }
  return shapes;
}

function checkInput(name: string, shape: Shape): void {
  if (shape.length < 2 || shape.length > MAX_RANK) {
    throw new GenieError(
      "invalid-model",
      `graph input "${name}" has shape [${shape}]; [N, H, W, C] expected`,
    );
  }
  if (shape[0] !== BATCH || !shape.slice(1).every((size) => isInteger(size, 1))) {
    throw new GenieError(
      "dynamic-shape",
      `graph input "${name}" has shape [${shape}]: every dimension except the batch (−1, first) must be known`,
    );
  }
  if (elementsPerImage(shape) > MAX_ELEMENTS) {
    throw new GenieError("invalid-model", `graph input "${name}" of shape [${shape}] is too large to run`);
  }
}

function checkOutput(node: Node, shape: Shape): void {
  if (shape.length > MAX_RANK || shape.indexOf(BATCH, 1) > 0) {
    throw inconsistent(node, `its output has shape [${shape}]: the batch must stay the first dimension`);
  }
  if (!shape.every((size, i) => (i === 0 && size === BATCH) || isInteger(size, 1))) {
    throw inconsistent(node, `its output would have shape [${shape}]`);
  }
  if (elementsPerImage(shape) > MAX_ELEMENTS) {
    throw inconsistent(node, `its output of shape [${shape}] is too large to run`);
  }
}

function twice(writer: string, value: string): GenieError {
  return new GenieError("invalid-model", `${writer} writes "${value}", a name already taken`);
}
