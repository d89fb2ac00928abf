/** The values that a node depends on, those that its subgraphs take from outside included. */
import type { GraphProto, NodeProto } from "../onnx_pb.ts";

/** Subgraphs within subgraphs; more come from hostile files. */
const MAX_DEPTH = 16;

/** Names without "", which stands for an input that is not given. */
export function referencesOf(node: NodeProto, depth = 0): string[] {
  const inner = subgraphsOf(node).flatMap((graph) => capturedBy(graph, depth + 1));
  return [...node.input.filter((name) => name !== ""), ...inner];
}

/** Bodies of If, Loop and Scan. */
export function subgraphsOf(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap(({ g, graphs }) => (g ? [g, ...graphs] : graphs));
}

function capturedBy(graph: GraphProto, depth: number): string[] {
  if (depth > MAX_DEPTH) return [];
  const own = new Set([
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ]);
  const read = [
    ...graph.node.flatMap((node) => referencesOf(node, depth)),
    ...graph.output.map(({ name }) => name),
  ];
  return read.filter((name) => !own.has(name));
}
