/** TFLite files, written field by field. */
import { Builder } from "flatbuffers";
import { Buffer } from "../../../src/formats/tflite/generated/tflite/buffer.ts";
import { Model } from "../../../src/formats/tflite/generated/tflite/model.ts";
import { Operator } from "../../../src/formats/tflite/generated/tflite/operator.ts";
import { OperatorCode } from "../../../src/formats/tflite/generated/tflite/operator-code.ts";
import { QuantizationParameters } from "../../../src/formats/tflite/generated/tflite/quantization-parameters.ts";
import { SubGraph } from "../../../src/formats/tflite/generated/tflite/sub-graph.ts";
import { Tensor } from "../../../src/formats/tflite/generated/tflite/tensor.ts";
import { operatorName } from "../../../src/formats/tflite/operatorNames.ts";

export interface TensorParts {
  name: string;
  shape: number[];
  /** The schema's TensorType; default: float32. */
  type?: number;
  /** The bytes of a constant. */
  data?: Float32Array | Int32Array | Int8Array | Uint8Array | Uint16Array;
  signature?: number[];
  scale?: number[];
  zeroPoint?: number[];
  axis?: number;
}

/** A field of an operator's options, at its place. */
export type OptionValue = ["byte" | "int" | "float", number] | ["bool", boolean] | ["ints", number[]];

export interface OperatorParts {
  op: string;
  /** Names; "" for an optional one that is not given. */
  inputs: string[];
  outputs: string[];
  options?: OptionValue[];
  custom?: string;
}

export interface ModelParts {
  tensors: TensorParts[];
  inputs: string[];
  outputs: string[];
  operators: OperatorParts[];
}

const CODES = new Map(Array.from({ length: 160 }, (_, code) => [operatorName(code), code]));

export function tfliteModel({ tensors, inputs, outputs, operators }: ModelParts): Uint8Array {
  const builder = new Builder(1024);
  const index = (name: string) => {
    if (name === "") return -1;
    const found = tensors.findIndex((tensor) => tensor.name === name);
    if (found < 0) throw new Error(`there is no tensor ${name}`);
    return found;
  };
  const buffers = [
    new Uint8Array(),
    ...tensors.flatMap(({ data }) =>
      data ? [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)] : [],
    ),
  ];
  let next = 0;
  const tensorOffsets = tensors.map((tensor) => writeTensor(builder, tensor, tensor.data ? ++next : 0));
  const codes = operators.map(({ op, custom }) => writeCode(builder, CODES.get(op) ?? 32, custom));
  const operatorOffsets = operators.map((parts, i) => {
    const options = parts.options ? writeOptions(builder, parts.options) : 0;
    const read = Operator.createInputsVector(builder, parts.inputs.map(index));
    const written = Operator.createOutputsVector(builder, parts.outputs.map(index));
    Operator.startOperator(builder);
    Operator.addOpcodeIndex(builder, i);
    Operator.addInputs(builder, read);
    Operator.addOutputs(builder, written);
    Operator.addBuiltinOptionsType(builder, 1);
    if (options) Operator.addBuiltinOptions(builder, options);
    return Operator.endOperator(builder);
  });
  const subgraph = SubGraph.createSubGraph(
    builder,
    SubGraph.createTensorsVector(builder, tensorOffsets),
    SubGraph.createInputsVector(builder, inputs.map(index)),
    SubGraph.createOutputsVector(builder, outputs.map(index)),
    SubGraph.createOperatorsVector(builder, operatorOffsets),
    builder.createString("main"),
  );
  const bufferOffsets = buffers.map((data) => {
    const vector = Buffer.createDataVector(builder, data);
    return Buffer.createBuffer(builder, vector, 0n, 0n);
  });
  const model = Model.createModel(
    builder,
    3,
    Model.createOperatorCodesVector(builder, codes),
    Model.createSubgraphsVector(builder, [subgraph]),
    0,
    Model.createBuffersVector(builder, bufferOffsets),
    0,
    0,
    0,
  );
  builder.finish(model, "TFL3");
  return builder.asUint8Array().slice();
}

function writeTensor(builder: Builder, tensor: TensorParts, buffer: number): number {
  const name = builder.createString(tensor.name);
  const shape = Tensor.createShapeVector(builder, tensor.shape);
  const signature = tensor.signature ? Tensor.createShapeSignatureVector(builder, tensor.signature) : 0;
  const quantization = tensor.scale ? writeQuantization(builder, tensor) : 0;
  Tensor.startTensor(builder);
  Tensor.addShape(builder, shape);
  Tensor.addType(builder, tensor.type ?? 0);
  Tensor.addBuffer(builder, buffer);
  Tensor.addName(builder, name);
  if (quantization) Tensor.addQuantization(builder, quantization);
  if (signature) Tensor.addShapeSignature(builder, signature);
  return Tensor.endTensor(builder);
}

function writeQuantization(builder: Builder, { scale, zeroPoint, axis }: TensorParts): number {
  const scales = QuantizationParameters.createScaleVector(builder, scale!);
  const points = QuantizationParameters.createZeroPointVector(
    builder,
    (zeroPoint ?? scale!.map(() => 0)).map(BigInt),
  );
  QuantizationParameters.startQuantizationParameters(builder);
  QuantizationParameters.addScale(builder, scales);
  QuantizationParameters.addZeroPoint(builder, points);
  QuantizationParameters.addQuantizedDimension(builder, axis ?? 0);
  return QuantizationParameters.endQuantizationParameters(builder);
}

function writeCode(builder: Builder, code: number, custom: string | undefined): number {
  const name = custom === undefined ? 0 : builder.createString(custom);
  return OperatorCode.createOperatorCode(builder, Math.min(code, 127), name, 1, code);
}

function writeOptions(builder: Builder, options: readonly OptionValue[]): number {
  const lists = options.map(([type, value]) => {
    if (type !== "ints") return 0;
    builder.startVector(4, value.length, 4);
    for (const item of value.toReversed()) builder.addInt32(item);
    return builder.endVector();
  });
  builder.startObject(options.length);
  options.forEach(([type, value], id) => {
    if (type === "byte") builder.addFieldInt8(id, value, 0);
    if (type === "int") builder.addFieldInt32(id, value, 0);
    if (type === "float") builder.addFieldFloat32(id, value, 0);
    if (type === "bool") builder.addFieldInt8(id, Number(value), 0);
    if (type === "ints") builder.addFieldOffset(id, lists[id]!, 0);
  });
  return builder.endObject();
}
