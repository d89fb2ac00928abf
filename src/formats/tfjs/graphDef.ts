/** TensorFlow's GraphDef as the TFJS converter writes it to JSON: nodes, and their attributes as plain values. */
import { GenieError } from "../../errors.ts";
import { isPrintable } from "../../printable.ts";
import type { Budget } from "../budget.ts";
import { type Config, record } from "../keras/topology.ts";

export interface GraphNode {
  name: string;
  op: string;
  inputs: string[];
  attributes: Record<string, unknown>;
  /** Of a placeholder, where it states one. */
  shape: (number | undefined)[] | undefined;
}

/** @throws GenieError `malformed-file`, `limit-exceeded`. */
export function readNodes(topology: Config, budget: Budget): GraphNode[] {
  const { node } = topology;
  if (!Array.isArray(node)) throw malformed("it has no list of nodes");
  budget.spend("nodes", node.length, "the model");
  return node.map((entry) => {
    const { name, op, input = [], attr = {} } = record(entry, "a node of the graph");
    if (typeof name !== "string" || typeof op !== "string") throw malformed("a node has no name or operator");
    if (!Array.isArray(input) || !input.every((item) => typeof item === "string")) {
      throw malformed(`the inputs of node "${name}" are no names`);
    }
    const stated = record(attr, "the attributes of a node");
    const shape = stated.shape === undefined ? undefined : record(stated.shape, 'attribute "shape"').shape;
    return {
      name,
      op,
      inputs: input,
      attributes: Object.fromEntries(
        Object.entries(stated).map(([key, value]) => [key, plain(value, key)] as const),
      ),
      shape: shape === undefined ? undefined : shapeOf(shape),
    };
  });
}

/** An AttrValue: {i: "1"} as 1, {s: base64} as text, {list: {…}} as a list. */
function plain(value: unknown, key: string): unknown {
  const attribute = record(value, `attribute "${key}"`);
  if (attribute.i !== undefined) return integer(attribute.i, key);
  if (attribute.f !== undefined) return attribute.f;
  if (attribute.b !== undefined) return attribute.b;
  if (attribute.s !== undefined) return text(attribute.s, key);
  if (attribute.type !== undefined) return attribute.type;
  if (attribute.list === undefined) return undefined;
  const list = record(attribute.list, `attribute "${key}"`);
  if (Array.isArray(list.i)) return list.i.map((item) => integer(item, key));
  if (Array.isArray(list.f)) return list.f;
  if (Array.isArray(list.s)) return list.s.map((item) => text(item, key));
  return undefined;
}

function integer(value: unknown, key: string): number {
  const number = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw malformed(`attribute "${key}" is no integer`);
  return number;
}

/** Bytes in base64. */
function text(value: unknown, key: string): string {
  if (typeof value !== "string" || !/^[A-Za-z0-9+/_-]*=*$/.test(value)) {
    throw malformed(`attribute "${key}" is no text`);
  }
  let bytes: string;
  try {
    bytes = atob(value.replaceAll("-", "+").replaceAll("_", "/"));
  } catch (cause) {
    throw new GenieError("malformed-file", `model.json is damaged: attribute "${key}" is no text`, { cause });
  }
  if (!isPrintable(bytes)) throw malformed(`attribute "${key}" holds control characters`);
  return bytes;
}

/** A TensorShapeProto, undefined for sizes that it leaves open; undefined where it does not even say how many. */
export function shapeOf(value: unknown): (number | undefined)[] | undefined {
  const { dim = [], unknownRank } = record(value, "a shape");
  if (unknownRank === true) return undefined;
  if (!Array.isArray(dim) || dim.length > 64) throw malformed("a shape is no list of sizes");
  return dim.map((entry) => {
    const size = Number(record(entry, "a size").size);
    return Number.isSafeInteger(size) && size >= 1 ? size : undefined;
  });
}

function malformed(what: string): GenieError {
  return new GenieError("malformed-file", `model.json is damaged: ${what}`);
}
