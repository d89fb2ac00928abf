/** Attributes of ONNX nodes that nobody read. */
import { describe, expect, it } from "vitest";
import { checkInference } from "../../../src/formats/onnx/importer/dropout.ts";
import { Operation } from "../../../src/formats/onnx/importer/operation.ts";
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type NodeProto,
} from "../../../src/formats/onnx/onnx_pb.ts";

function operation(opType: string, attributes: Record<string, number>, opset = 17): Operation {
  const attribute = Object.entries(attributes).map(
    ([name, value]) => ({ name, type: AttributeType.INT, i: BigInt(value) }) as AttributeProto,
  );
  return new Operation({ opType, attribute, output: ["y"] } as unknown as NodeProto, "node", opset, []);
}

describe("attributes", () => {
  it("that were not read are refused by name", () => {
    const add = operation("Add", { axis: 1 }, 6);
    expect(() => add.requireHeeded()).toThrow(/node "node" \(Add\): its attribute "axis" is not supported/);
    add.int("axis", 0);
    expect(() => add.requireHeeded()).not.toThrow();
  });

  it("that are harmless, or have the value that changes nothing, are not", () => {
    operation("Dropout", { seed: 3 }).requireHeeded();
    operation("BatchNormalization", { spatial: 1 }, 6).requireHeeded();
    expect(() => operation("BatchNormalization", { spatial: 0 }, 6).requireHeeded()).toThrow(/"spatial"/);
  });

  it("of a Dropout before operator set 7 say whether it is in training", () => {
    checkInference(operation("Dropout", { is_test: 1 }, 6));
    expect(() => checkInference(operation("Dropout", { is_test: 0 }, 6))).toThrow(/training mode/);
  });
});
