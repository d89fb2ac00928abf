/**
 * onnxruntime-web on one thread: a model of one node. Its operands are initializers, so that a call computes the
 * node and copies only the result out of onnxruntime's memory; optimization is off, or they would be folded.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import * as ort from "onnxruntime-web";
import { type Attribute, FileBuilder } from "../../src/formats/onnx/fileBuilder.ts";
import { ModelProtoSchema, TensorProto_DataType } from "../../src/formats/onnx/onnx_pb.ts";
import type { Peer } from "./peer.ts";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

export interface OneNode {
  opType: string;
  operands: { shape: number[]; data: Float32Array }[];
  attributes: Record<string, Attribute>;
}

export async function openOneNode(node: OneNode): Promise<Peer> {
  const session = await ort.InferenceSession.create(oneNodeModel(node), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "disabled",
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  return {
    run: async () => {
      const { y } = await session.run({});
      y!.dispose();
    },
    dispose: () => session.release(),
  };
}

function oneNodeModel({ opType, operands, attributes }: OneNode): Uint8Array {
  const builder = new FileBuilder([]);
  const names = operands.map((_, index) => `operand${index}`);
  operands.forEach(({ shape, data }, index) => {
    builder.addFloats(names[index]!, shape, data);
  });
  builder.addNode(opType, opType, names, "y", attributes);
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ domain: "", version: 17n }],
      graph: {
        name: opType,
        node: builder.nodes,
        initializer: builder.initializers,
        output: [
          {
            name: "y",
            type: { value: { case: "tensorType", value: { elemType: TensorProto_DataType.FLOAT } } },
          },
        ],
      },
    }),
  );
}
