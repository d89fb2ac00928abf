/** Cutting a network into the units that are reconstructed one after another (genie.md, "Blocks"). */
import { type Segment, shortSegments } from "./cuts.ts";
import type { Graph, Node } from "./graph.ts";
import { borders, isBinary, isLayer, subgraph } from "./rewrite.ts";
import { inferShapes } from "./shapes.ts";

/** One unit of reconstruction: a residual block, or a single layer with what belongs to it. */
export interface Block {
  /** Unique in the graph. */
  name: string;
  /** Names of its nodes, in topological order. */
  nodes: string[];
  /** The values it reads: inputs of the graph, and what blocks before it give. */
  inputs: string[];
  /** The values it gives: what blocks behind it read, and outputs of the graph. */
  outputs: string[];
  /** Names of its nodes with weights, in topological order. */
  layers: string[];
}

/** A stretch of nodes between two cuts, as it grows into a block. */
interface Unit {
  /** Nodes without weights in front of the core: padding, pooling, reshaping. */
  prefix: Node[];
  /** One layer, or all nodes of a fork and its join. */
  core: Node[];
  /** Element-wise nodes behind the core. */
  suffix: Node[];
  /** The value that the network narrows to behind it; absent where none goes on, or several end. */
  output: string | undefined;
}

/**
 * The blocks of a network whose BatchNorms are folded and activations fused, in order: every node is in exactly
 * one. Between two consecutive cuts (places where a single value is alive, beside those that are carried past) lies
 *
 * - a fork and join with at least one layer (residual, inception, squeeze-excite, dense block): one unit;
 * - a layer: a unit of its own, except that an inverted residual without a skip is one unit like those with a
 *   skip: [1×1 with activation →] depthwise with activation → [squeeze-excite →] 1×1 without activation;
 * - something element-wise: goes with the unit before it, unless other nodes came between;
 * - other nodes without weights: go with the unit behind them, at the end of the network with the last.
 *
 * A chain of blocks each reads what the one before gives. Where values are carried past (the skips of a U-Net, a
 * second input, the trunk of several heads), a block reads and gives several.
 */
export function findBlocks(graph: Graph): Block[] {
  const units = mergeInvertedResiduals(graph, gather(shortSegments(graph)));
  const layers = graph.nodes.filter(isLayer).map((node) => node.name);
  return units.map((unit) => {
    const nodes = nodesOf(unit);
    const own = nodes.filter(isLayer).map((node) => node.name);
    const names = nodes.map((node) => node.name);
    return {
      name: blockName(own, layers) ?? nodes[0]!.name,
      nodes: names,
      ...borders(graph, names),
      layers: own,
    };
  });
}

/** The block as a graph of its own. */
export function blockGraph(graph: Graph, block: Block): Graph {
  return subgraph(graph, block.name, block.nodes, inferShapes(graph));
}

/** Segments with layers become units; those without join the unit before or after. */
function gather(all: Segment[]): Unit[] {
  const units: Unit[] = [];
  let waiting: Node[] = [];
  for (const { nodes, output } of all) {
    const last = units.at(-1);
    if (nodes.some(isLayer)) {
      units.push({ prefix: waiting, core: nodes, suffix: [], output });
      waiting = [];
    } else if (last && waiting.length === 0 && nodes.every(isElementwise)) {
      last.suffix.push(...nodes);
      last.output = output;
    } else {
      waiting.push(...nodes);
    }
  }
  const last = units.at(-1);
  if (last) last.suffix.push(...waiting);
  else if (waiting.length > 0) units.push({ prefix: [], core: waiting, suffix: [], output: undefined });
  return units;
}

function mergeInvertedResiduals(graph: Graph, units: Unit[]): Unit[] {
  const merged: Unit[] = [];
  for (let i = 0; i < units.length; ) {
    const parts = units.slice(i, i + invertedResidualLength(graph, units.slice(i, i + 4)));
    const [only] = parts;
    merged.push(
      parts.length === 1
        ? only!
        : { prefix: [], core: parts.flatMap(nodesOf), suffix: [], output: parts.at(-1)!.output },
    );
    i += parts.length;
  }
  return merged;
}

/** How many of the units make up an inverted residual; 1 if they are none. */
function invertedResidualLength(graph: Graph, units: Unit[]): number {
  let next = 0;
  /** Whether the next unit goes on with what the one before it gives. */
  const follows = (): boolean => {
    const before = units[next - 1]?.output;
    return next === 0 || (before !== undefined && nodesOf(units[next]!)[0]!.inputs.includes(before));
  };
  const take = (matches: (unit: Unit) => boolean) => {
    const found = units[next] !== undefined && follows() && matches(units[next]!);
    if (found) next++;
    return found;
  };
  take((unit) => isPointwise(graph, unit) && isActivated(unit));
  if (
    !take((unit) => unit.core.length === 1 && unit.core[0]!.op === "depthwiseConv2d" && isActivated(unit))
  ) {
    return 1;
  }
  take(isGate);
  return take((unit) => isPointwise(graph, unit) && !isActivated(unit)) ? next : 1;
}

function isPointwise(graph: Graph, { core: [node, ...others] }: Unit): boolean {
  if (node?.op !== "conv2d" || others.length > 0) return false;
  const [height, width] = graph.constants.get(node.inputs[1]!)!.shape;
  return height === 1 && width === 1;
}

function isActivated({ core, suffix }: Unit): boolean {
  return [core.at(-1)!, ...suffix].some(
    (node) => node.op === "activation" || node.op === "multiply" || ("activation" in node && node.activation),
  );
}

/** x · gate(x): a fork that ends by scaling its own input, as squeeze-excite does. */
function isGate({ core }: Unit): boolean {
  const end = core.at(-1)!;
  const inner = new Set(core.map((node) => node.output));
  return end.op === "multiply" && end.inputs.some((input) => !inner.has(input));
}

function isElementwise(node: Node): boolean {
  return isBinary(node) || ["batchNorm", "activation", "fakeQuantize"].includes(node.op);
}

function nodesOf({ prefix, core, suffix }: Unit): Node[] {
  return [...prefix, ...core, ...suffix];
}

/**
 * The path that a block's layers share ("layer1.0" of "layer1.0.conv1" and "layer1.0.conv2") if no other layer
 * lies under it, else the first layer's name.
 */
function blockName(own: string[], all: string[]): string | undefined {
  const [first, ...others] = own;
  if (first === undefined || others.length === 0) return first;
  let length = 0;
  while (length < first.length && others.every((name) => name[length] === first[length])) length++;
  const atBoundary = [first, ...others].every(
    (name) => length === name.length || SEPARATOR.test(name[length]!),
  );
  const end = atBoundary ? length : first.slice(0, length).search(LAST_SEPARATOR);
  const path = first.slice(0, Math.max(end, 0));
  const under = all.filter((name) => name.startsWith(path) && SEPARATOR.test(name[path.length] ?? "/"));
  return path.length > 1 && under.length === own.length ? path : first;
}

const SEPARATOR = /[/._:-]/;

/** Where the last separators of a shared prefix begin: "/layer1.0/conv" is cut to "/layer1.0". */
const LAST_SEPARATOR = /[/._:-]+[^/._:-]*$/;
