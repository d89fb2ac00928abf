/** What an operator of the network becomes: nodes of ours, and the values that it writes. */
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import type { Value } from "../values.ts";

export type Converter = (operation: Operation, graph: NetworkBuilder) => Value | Value[];
