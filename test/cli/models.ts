/** The embedded model, and what can be wrong with a model. */
import { readFile } from "node:fs/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { exportOnnx } from "../../src/formats/onnx/export.ts";
import { type ModelProto, ModelProtoSchema, NodeProtoSchema } from "../../src/formats/onnx/onnx_pb.ts";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import { loadModel } from "../../src/session/load.ts";
import { classifier, GraphBuilder } from "../ir/builders.ts";

const EXAMPLES = new URL("../../examples/fashion-mnist/", import.meta.url);

export const fashionModel = () => readFile(new URL("fashion-resnet.onnx", EXAMPLES));
export const fashionImages = () => readFile(new URL("test-images.npy", EXAMPLES));
export const fashionLabels = () => readFile(new URL("test-labels.npy", EXAMPLES));

async function edited(edit: (model: ModelProto) => void): Promise<Uint8Array> {
  const model = fromBinary(ModelProtoSchema, await fashionModel());
  edit(model);
  return toBinary(ModelProtoSchema, model);
}

/** Two operators that do not exist, in nodes "first" and "second", in front of all layers. */
export const unsupportedModel = () =>
  edited(({ graph }) => {
    const { name } = graph!.input[0]!;
    const layer = graph!.node.find(({ opType, input }) => opType === "Conv" && input[0] === name)!;
    const [first, second] = ["first", "second"].map((own) => `${own}_output`) as [string, string];
    graph!.node.unshift(
      create(NodeProtoSchema, { opType: "Frobnicate", name: "first", input: [name], output: [first] }),
      create(NodeProtoSchema, { opType: "Wibble", name: "second", input: [name], output: [second] }),
      create(NodeProtoSchema, { opType: "Add", name: "both", input: [first, second], output: ["both"] }),
    );
    layer.input[0] = "both";
  });

export const dynamicModel = () =>
  edited(({ graph }) => {
    const { value } = graph!.input[0]!.type!;
    if (value.case !== "tensorType") throw new Error("the input is no tensor");
    for (const [axis, name] of [
      [2, "height"],
      [3, "width"],
    ] as const) {
      value.value.shape!.dim[axis]!.value = { case: "dimParam", value: name };
    }
  });

/** NaN as the first weight of the largest initializer. */
export const nanModel = () =>
  edited(({ graph }) => {
    const weights = graph!.initializer.reduce((a, b) => (a.rawData.length > b.rawData.length ? a : b));
    new DataView(weights.rawData.buffer, weights.rawData.byteOffset).setFloat32(0, Number.NaN, true);
  });

export async function foldedModel(): Promise<Uint8Array> {
  return exportOnnx(foldBatchNorm(await loadModel(await fashionModel())));
}

/** A network that never had a BatchNorm. */
export function plainModel(): Uint8Array {
  const b = new GraphBuilder([-1, 8, 8, 3]);
  const x = b.relu("relu", b.conv("conv", "input", 4, { bias: true }));
  return exportOnnx(b.outputs(classifier(b, x, 4)));
}
