/** A node without the names that a builder gives it. */
import type { Node } from "../../ir/graph.ts";

export type NodeSpec = Node extends infer N ? (N extends Node ? Omit<N, "name" | "output"> : never) : never;
