/**
 * What newer operator sets changed, by operator: nodes said in that of our files (21).
 *
 * Which versions changed what: https://github.com/onnx/onnx/blob/main/docs/Changelog.md
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { attributeOf } from "../fileBuilder.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from "../onnx_pb.ts";

export type TensorParts = Omit<Exclude<MessageInitShape<typeof TensorProtoSchema>, TensorProto>, "$typeName">;

/** A node on its way to operator set 21. */
export interface Upgrading {
  node: NodeProto;
  /** Turns an attribute, if it is there, into the input at `position`: a constant of its own. */
  toInput(attribute: string, position: number, dataType?: DataType): void;
  drop(...attributes: string[]): void;
  find(attribute: string): AttributeProto | undefined;
  set(attribute: AttributeProto): void;
  /** A new value's name. */
  fresh(role: string): string;
  /** Adds an initializer. @returns its name. */
  constant(role: string, tensor: TensorParts): string;
  /** Nodes that stand in the place of this one; without a call it is the node itself. */
  replace(nodes: NodeProto[]): void;
}

type Upgrade = (upgrading: Upgrading) => void;

/** From before which operator set an operator has to be changed, and how. */
export const UPGRADES: Readonly<Record<string, readonly [before: number, upgrade: Upgrade][]>> = {
  ...ofEach(
    ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"],
    7,
    broadcast,
  ),
  ...ofEach(["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"], 18, axesToInput),
  ...ofEach(["ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"], 18, axesToInput),
  ...ofEach(["ReduceSum", "Squeeze", "Unsqueeze"], 13, axesToInput),
  ...ofEach(["Softmax", "LogSoftmax", "Hardmax"], 13, flattenAround),
  BatchNormalization: [[9, ({ drop }) => drop("is_test", "consumed_inputs", "spatial")]],
  Clip: [
    [
      11,
      ({ toInput }) => {
        toInput("min", 1, DataType.FLOAT);
        toInput("max", 2, DataType.FLOAT);
      },
    ],
  ],
  Concat: [[4, ({ find, set }) => find("axis") ?? set(attributeOf("axis", { int: 1 }))]],
  Dropout: [
    [
      12,
      ({ node, replace }) =>
        replace([nodeOf("Identity", node.name, node.input.slice(0, 1), node.output.slice(0, 1))]),
    ],
  ],
  Gemm: [[7, ({ drop }) => drop("broadcast")]],
  GridSample: [
    [20, ({ find, set }) => renameMode(find("mode"), { bilinear: "linear", bicubic: "cubic" }, set)],
  ],
  Pad: [
    [
      11,
      ({ toInput, find, set }) => {
        const old = find("paddings");
        if (old) set({ ...old, name: "pads" });
        toInput("pads", 1, DataType.INT64);
        toInput("value", 2, DataType.FLOAT);
      },
    ],
  ],
  Reshape: [[5, ({ toInput }) => toInput("shape", 1, DataType.INT64)]],
  Resize: [[11, scaleAsymmetrically]],
  RoiAlign: [
    [
      16,
      ({ find, set }) =>
        find("coordinate_transformation_mode") ??
        set(attributeOf("coordinate_transformation_mode", { string: "output_half_pixel" })),
    ],
  ],
  Scatter: [
    [
      11,
      ({ node }) => {
        node.opType = "ScatterElements";
      },
    ],
  ],
  Slice: [
    [
      10,
      ({ toInput }) => {
        toInput("starts", 1, DataType.INT64);
        toInput("ends", 2, DataType.INT64);
        toInput("axes", 3, DataType.INT64);
      },
    ],
  ],
  Split: [
    [13, ({ toInput }) => toInput("split", 1, DataType.INT64)],
    [
      18,
      ({ node, find, set }) => {
        if (!node.input[1] && !find("num_outputs"))
          set(attributeOf("num_outputs", { int: node.output.length }));
      },
    ],
  ],
  TopK: [[10, ({ toInput }) => toInput("k", 1, DataType.INT64)]],
  Upsample: [
    [
      10,
      (upgrading) => {
        upgrading.toInput("scales", 1, DataType.FLOAT);
        upgrading.node.opType = "Resize";
        scaleAsymmetrically(upgrading);
      },
    ],
  ],
};

/** What Upsample and the first Resize did with positions. */
const ASYMMETRIC = [
  attributeOf("coordinate_transformation_mode", { string: "asymmetric" }),
  attributeOf("nearest_mode", { string: "floor" }),
];

/** Their scales are the second input, where a region of interest stands now. */
function scaleAsymmetrically({ node, set }: Upgrading): void {
  const [x = "", scales = ""] = node.input;
  node.input = [x, "", scales];
  for (const attribute of ASYMMETRIC) set(attribute);
}

function axesToInput({ toInput }: Upgrading): void {
  toInput("axes", 1, DataType.INT64);
}

/** Before operator set 7 the second operand began at `axis` of the first: axes of 1 behind it said so. */
function broadcast({ node, find, drop, fresh, replace, constant }: Upgrading): void {
  const axis = find("axis");
  drop("broadcast", "consumed_inputs", "axis");
  if (!axis) return;
  // [C] along axis 1 of [N, C, H, W]: with the first operand's rank unknown, its shape tells how many axes follow.
  const [a = "", b = ""] = node.input;
  const [shapeA, shapeB, behind, ones, target, aligned] = [
    "a",
    "b",
    "behind",
    "ones",
    "target",
    "aligned",
  ].map(fresh) as [string, string, string, string, string, string];
  const rankA = fresh("rank_a");
  const rankB = fresh("rank_b");
  const offset = fresh("offset");
  const start = constant("axis", { dims: [1n], dataType: DataType.INT64, int64Data: [axis.i] });
  const one = create(TensorProtoSchema, { dims: [1n], dataType: DataType.INT64, int64Data: [1n] });
  const op = (opType: string, input: string[], output: string, attribute: AttributeProto[] = []) =>
    nodeOf(opType, `${node.name}/${output}`, input, [output], attribute);
  replace([
    op("Shape", [a], shapeA),
    op("Shape", [b], shapeB),
    op("Shape", [shapeA], rankA),
    op("Shape", [shapeB], rankB),
    op("Sub", [rankA, rankB], offset),
    op("Sub", [offset, start], behind),
    op("ConstantOfShape", [behind], ones, [tensorAttribute("value", one)]),
    op("Concat", [shapeB, ones], target, [attributeOf("axis", { int: 0 })]),
    op("Reshape", [b, target], aligned),
    { ...node, input: [a, aligned] },
  ]);
}

/** Before operator set 13, `axis` (1) and all behind it were one axis. */
function flattenAround({ node, find, fresh, replace }: Upgrading): void {
  const axis = Number(find("axis")?.i ?? 1n);
  const [x = ""] = node.input;
  const [shape, flat, normalized] = ["shape", "flat", "normalized"].map(fresh) as [string, string, string];
  const op = (opType: string, input: string[], output: string, attribute: AttributeProto[] = []) =>
    nodeOf(opType, `${node.name}/${output}`, input, [output], attribute);
  replace([
    op("Shape", [x], shape),
    op("Flatten", [x], flat, [attributeOf("axis", { int: axis })]),
    { ...node, input: [flat], output: [normalized], attribute: [attributeOf("axis", { int: -1 })] },
    op("Reshape", [normalized, shape], node.output[0]!),
  ]);
}

function renameMode(
  mode: AttributeProto | undefined,
  names: Readonly<Record<string, string>>,
  set: (attribute: AttributeProto) => void,
): void {
  const old = new TextDecoder().decode(mode?.s);
  const name = Object.hasOwn(names, old) ? names[old] : undefined;
  if (name) set(attributeOf("mode", { string: name }));
}

function ofEach(
  operators: readonly string[],
  before: number,
  upgrade: Upgrade,
): Record<string, [number, Upgrade][]> {
  return Object.fromEntries(operators.map((operator) => [operator, [[before, upgrade]]]));
}

function nodeOf(
  opType: string,
  name: string,
  input: string[],
  output: string[],
  attribute: AttributeProto[] = [],
): NodeProto {
  return create(NodeProtoSchema, { opType, name, input, output, attribute });
}

function tensorAttribute(name: string, t: TensorProto): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t });
}
