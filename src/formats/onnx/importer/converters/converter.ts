/** What turns one ONNX node into nodes of ours. */
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import type { Value } from "../values.ts";

/**
 * Adds to `graph` what `operation` computes and returns its outputs, or its first one alone.
 *
 * Called where at least one input is not constant.
 *
 * @throws GenieError `invalid-model` or `unsupported-operator`, naming the node.
 */
export type Converter = (operation: Operation, graph: GraphBuilder) => Value | Value[];
