/** The inputs of the network: their shapes with the batch open, and the layout that the file gives them. */
import { GenieError, OpenShapeError } from "../../../errors.ts";
import type { GraphProto, ValueInfoProto } from "../onnx_pb.ts";
import type { NamedNode } from "./liveNodes.ts";
import { referencesOf } from "./references.ts";
import { isFloat } from "./tensors.ts";

export interface NetworkInputs {
  /** Names of those that are no batch of float values: what reads them is none of the network's. */
  beyond: string[];
  /** ONNX's shapes with −1 for the batch. */
  inputs: { name: string; shape: number[] }[];
  /** The batch size of the first input, where the file has a number there. */
  fixedBatch: number | undefined;
}

/** Operators that treat every element alike, so that the layout of their operands is that of their result. */
const ELEMENTWISE = new Set([
  "Add",
  "Cast",
  "Clip",
  "DequantizeLinear",
  "Div",
  "Dropout",
  "Identity",
  "Mul",
  "Neg",
  "QuantizeLinear",
  "Relu",
  "Sub",
]);

/**
 * The inputs that `live` nodes read.
 *
 * @param inputShape What the file leaves open about the first of them.
 * @throws GenieError `dynamic-shape`, `invalid-option` for an `inputShape` that does not fit, `invalid-model`.
 */
export function readInputs(
  graph: GraphProto,
  live: readonly NamedNode[],
  inputShape: readonly number[] | undefined,
): NetworkInputs {
  const initialized = new Set(graph.initializer.map(({ name }) => name));
  const read = new Set(live.flatMap(({ proto }) => referencesOf(proto)));
  for (const { name } of graph.output) read.add(name);
  const infos = new Map<string, ValueInfoProto>();
  for (const info of graph.input) {
    if (infos.has(info.name)) {
      throw new GenieError("invalid-model", `two inputs of the model are called "${info.name}"`);
    }
    if (read.has(info.name) && !initialized.has(info.name)) infos.set(info.name, info);
  }
  const beyond = [...infos.values()]
    .filter((info) => infos.size > 1 && !isBatch(info))
    .map(({ name }) => name);
  for (const name of beyond) infos.delete(name);
  const dimensions = [...infos.values()].map(dimensionsOf);
  const inputs = [...infos.keys()].map((name, i) => ({
    name,
    shape: shapeOf(name, dimensions[i], i === 0 ? inputShape : undefined),
  }));
  const batch = dimensions[0]?.[0];
  return { inputs, beyond, fixedBatch: typeof batch === "number" ? batch : undefined };
}

/** Whether an input beside others is what a network takes: numbers of two dimensions at least. */
function isBatch({ type }: ValueInfoProto): boolean {
  if (type?.value.case !== "tensorType") return false;
  const { elemType, shape } = type.value.value;
  return isFloat(elemType) && (shape === undefined || shape.dim.length > 1);
}

/** Sizes, or names where the file leaves them open; undefined if it does not even say how many. */
function dimensionsOf(info: ValueInfoProto): (number | string)[] | undefined {
  const type = info.type?.value;
  if (type?.case !== "tensorType") {
    throw new GenieError("invalid-model", `the model's input "${info.name}" is not a tensor`);
  }
  return type.value.shape?.dim.map(({ value }) =>
    value.case === "dimValue" && value.value > 0n
      ? Number(value.value)
      : (value.case === "dimParam" && value.value) || "?",
  );
}

function shapeOf(
  name: string,
  dimensions: (number | string)[] | undefined,
  given: readonly number[] | undefined,
): number[] {
  const stated = dimensions ?? given?.map(() => "?");
  if (!stated) throw dynamic(name, "its shape is not stated", []);
  if (stated.length < 2 || stated.length > 8) {
    throw new GenieError(
      "invalid-model",
      `the model's input "${name}" has shape [${stated.slice(0, 8).join(", ")}]; a batch of images or features was expected`,
    );
  }
  const sizes = given && given.length === stated.length - 1 ? [-1, ...given] : given;
  if (sizes && sizes.length !== stated.length) throw contradiction(name, stated, given!);
  const shape = stated.slice(1).map((size, i) => {
    const wanted = sizes?.[i + 1] === -1 ? undefined : sizes?.[i + 1];
    if (wanted !== undefined && (!Number.isSafeInteger(wanted) || wanted < 1)) {
      throw contradiction(name, stated, given!);
    }
    if (typeof size === "number" && wanted !== undefined && wanted !== size) {
      throw contradiction(name, stated, given!);
    }
    return typeof size === "number" ? size : wanted;
  });
  if (!shape.every((size) => size !== undefined)) {
    throw dynamic(name, `its shape is [${stated.join(", ")}]`, [undefined, ...shape]);
  }
  return [-1, ...shape];
}

function dynamic(name: string, complaint: string, shape: (number | undefined)[]): OpenShapeError {
  return new OpenShapeError(
    `the model's input "${name}" is open: ${complaint}; say what it is with --input-shape (inputShape), for example 1,3,224,224`,
    shape,
  );
}

function contradiction(name: string, stated: (number | string)[], given: readonly number[]): GenieError {
  return new GenieError(
    "invalid-option",
    `the input shape [${given.join(", ")}] does not fit the model's input "${name}" of shape [${stated.join(", ")}]`,
  );
}

/**
 * The values that are [N, H, W, C] in the file: TensorFlow's exporters transpose them to [N, C, H, W] before the
 * first convolution.
 */
export function channelsLastValues(live: readonly NamedNode[]): Set<string> {
  const found = new Set<string>();
  for (const { proto } of live.toReversed()) {
    const permutation = proto.attribute.find(({ name }) => name === "perm")?.ints;
    const isToFirst = proto.opType === "Transpose" && permutation?.join() === "0,3,1,2";
    const isAlike = ELEMENTWISE.has(proto.opType) && proto.output.some((name) => found.has(name));
    if (isToFirst || isAlike) for (const input of proto.input) found.add(input);
  }
  return found;
}
