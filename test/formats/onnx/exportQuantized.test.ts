import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GenieError } from "../../../src/errors.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { importOnnx } from "../../../src/formats/onnx/import.ts";
import { packInt4, unpackInt4 } from "../../../src/formats/onnx/int4.ts";
import { TensorProto_DataType as DataType, ModelProtoSchema } from "../../../src/formats/onnx/onnx_pb.ts";
import { type Graph, type QuantizedGraph, type QuantParams, quantRange } from "../../../src/ir/graph.ts";
import { toFakeQuantized } from "../../../src/ir/quantized.ts";
import { isLayer } from "../../../src/ir/rewrite.ts";
import { classifier, GraphBuilder, twoHeads } from "../../ir/builders.ts";
import { evaluate } from "../../ir/evaluate.ts";
import { OPTIMIZATIONS } from "../../support/onnxruntime.ts";
import {
  drawn,
  expectClose,
  expectComputes,
  feedsFor,
  graphOf,
  initializer,
  operators,
  runExported,
} from "./exported.ts";

const ALL_BITS = [2, 3, 4, 5, 6, 7, 8].flatMap((bits) => [
  { bits, signed: false },
  { bits, signed: true },
]);

interface Bits {
  bits: number;
  signed: boolean;
}

/** Convolutions of each kind, a skip path, a classifier; odd channel counts. Fused activations, no BatchNorm. */
function network(): Graph {
  const b = new GraphBuilder([-1, 6, 5, 3], { name: "quantized" });
  const stem = b.conv("stem", "input", 5, { bias: true, activation: { kind: "relu" } });
  const dw = b.depthwise("dw", stem, { bias: true, multiplier: 1 });
  const wide = b.depthwise("wide", dw, { multiplier: 3, kernel: 1 });
  const grouped = b.conv("grouped", wide, 5, { kernel: 1, groups: 5 });
  return b.outputs(classifier(b, b.add("sum", grouped, stem), 5));
}

/** Weights on the asymmetric grid of their channel (or tensor), zero-point inside it. */
function quantizeWeights(graph: Graph, bits: Bits, perChannel = true): QuantizedGraph["weights"] {
  const { qmin, qmax } = quantRange(bits);
  const weights: QuantizedGraph["weights"] = new Map();
  for (const node of graph.nodes.filter(isLayer)) {
    const { shape, data } = graph.constants.get(node.inputs[1]!)!;
    const last = shape.at(-1)! * (node.op === "depthwiseConv2d" ? shape.at(-2)! : 1);
    const channels = perChannel ? last : 1;
    const scale = drawn(channels, 5).map((value) => (0.4 + 0.1 * value) / (2 ** (bits.bits - 1) - 0.5));
    const zeroPoint = Int32Array.from({ length: channels }, (_, c) => (c % 2 === 0 ? qmin + 1 : qmax - 1));
    const codes = Int16Array.from(data, (w, i) => {
      const c = i % channels;
      return Math.min(Math.max(Math.round(w / scale[c]!) + zeroPoint[c]!, qmin), qmax);
    });
    weights.set(node.inputs[1]!, { shape, data: codes, params: { ...bits, perChannel, scale, zeroPoint } });
  }
  return weights;
}

/** Every layer's input but the first's, on a grid that clips some of its values. */
function quantizeActivations(graph: Graph, bits: Bits, zeroPoint: number): QuantizedGraph["activations"] {
  const layers = graph.nodes.filter(isLayer).slice(1);
  const scale = Float32Array.of(1.37 / 2 ** (bits.bits - 1));
  const params: QuantParams = { ...bits, perChannel: false, scale, zeroPoint: Int32Array.of(zeroPoint) };
  return new Map(layers.map((node) => [node.inputs[0]!, params]));
}

/** A graph that only quantizes its input. */
function quantizer(inputShape: number[], params: QuantParams): Graph {
  return {
    name: "quantizer",
    inputs: [{ name: "x", shape: inputShape }],
    outputs: ["y"],
    nodes: [{ op: "fakeQuantize", name: "quantize", inputs: ["x"], output: "y", params }],
    constants: new Map(),
  };
}

describe("four-bit integers", () => {
  it("go two to a byte, low nibble first, the last alone if odd", () => {
    expect(packInt4([1, 2, 15])).toEqual(Uint8Array.of(0x21, 0x0f));
    expect(packInt4([-8, 7, -1])).toEqual(Uint8Array.of(0x78, 0x0f));
    expect(packInt4([])).toEqual(new Uint8Array(0));
  });

  it("come back", () => {
    for (const signed of [true, false]) {
      const integer = signed ? fc.integer({ min: -8, max: 7 }) : fc.integer({ min: 0, max: 15 });
      fc.assert(
        fc.property(fc.array(integer, { maxLength: 9 }), (values) => {
          expect([...unpackInt4(packInt4(values), values.length, signed)]).toEqual(values);
        }),
      );
    }
  });
});

const STORAGES = ["int8", "int4"] as const;

describe("onnxruntime computes a quantized file as we define it", () => {
  it.each(ALL_BITS)("weights of $bits bits, signed $signed", async (bits) => {
    const graph = network();
    for (const perChannel of [true, false]) {
      const model = { graph, weights: quantizeWeights(graph, bits, perChannel), activations: new Map() };
      await expectComputes(exportOnnx(model), toFakeQuantized(model));
    }
  });

  it.each(ALL_BITS)(
    "one activation of $bits bits, signed $signed, over and beyond its range",
    async (bits) => {
      const { qmin, qmax } = quantRange(bits);
      for (const zeroPoint of [qmin, 0, qmax - 1]) {
        if (zeroPoint < qmin) continue;
        const scale = Float32Array.of(0.0173);
        const graph = quantizer([-1, 4096], {
          ...bits,
          perChannel: false,
          scale,
          zeroPoint: Int32Array.of(zeroPoint),
        });
        const levels = qmax - qmin + 1;
        // From 3 steps below the grid to 3 above it, never on a tie.
        const x = Float32Array.from(
          { length: 4096 },
          (_, i) => (qmin - zeroPoint - 3 + (levels + 6) * ((i + 0.37) / 4096)) * scale[0]!,
        );
        const { y } = await runExported(exportOnnx(graph), graph, { x });
        expectClose(y!, evaluate(graph, { x }).get("y")!, 1e-6);
        expect(new Set(y).size).toBe(levels);
      }
    },
  );

  it.each([3, 4, 8])("an activation a channel of %i bits", async (bits) => {
    const params: QuantParams = {
      bits,
      signed: false,
      perChannel: true,
      scale: Float32Array.of(0.1, 0.02, 0.31),
      zeroPoint: Int32Array.of(0, 7, 3),
    };
    for (const shape of [
      [-1, 4, 5, 3],
      [-1, 3],
    ]) {
      const graph = quantizer(shape, params);
      await expectComputes(exportOnnx(graph), graph);
    }
  });

  // The sums before a rounding differ in their last bits between float32 and float64, and one in some thousand
  // lands on the other side of it: so the fraction that agrees is what is held, over many outputs.
  it.each(ALL_BITS)("weights and activations of $bits bits, signed $signed", async (bits) => {
    const graph = network();
    graph.outputs = ["sum:0"];
    const zeroPoint = bits.signed ? 0 : 1;
    const model = {
      graph,
      weights: quantizeWeights(graph, bits),
      activations: quantizeActivations(graph, bits, zeroPoint),
    };
    const reference = toFakeQuantized(model);
    const feeds = feedsFor(graph, 1);
    const expected = evaluate(reference, feeds).get("sum:0")!;
    for (const optimize of OPTIMIZATIONS) {
      const actual = (await runExported(exportOnnx(model), graph, feeds, optimize))["sum:0"]!;
      const agreeing = expected.filter((value, i) => Math.abs(value - actual[i]!) < 1e-4).length;
      expect(agreeing / expected.length).toBeGreaterThan(0.97);
    }
  });

  it.each(ALL_BITS)("and our importer reads it back so, $bits bits, signed $signed", (bits) => {
    const graph = network();
    const model = {
      graph,
      weights: quantizeWeights(graph, bits),
      activations: quantizeActivations(graph, bits, bits.signed ? 0 : 1),
    };
    const feeds = feedsFor(graph, 1);
    const expected = evaluate(toFakeQuantized(model), feeds).get("fc:0")!;
    for (const weightStorage of STORAGES) {
      const back = importOnnx(exportOnnx(model, { weightStorage }));
      expectClose(evaluate(back, feeds).get("fc:0")!, expected, 1e-7);
    }
  });

  it("a network output that is also quantized stays unquantized, its readers see it quantized", async () => {
    const graph = twoHeads();
    const shared = "trunk2.relu:0";
    graph.outputs.push(shared);
    const activations = quantizeActivations(graph, { bits: 3, signed: false }, 0);
    expect(activations.has(shared)).toBe(true);
    const model = { graph, weights: new Map(), activations: new Map([[shared, activations.get(shared)!]]) };
    await expectComputes(exportOnnx(model), toFakeQuantized(model));
  });

  it("zero-points outside the grid take a wider type", async () => {
    const grids: [Bits, number, DataType][] = [
      [{ bits: 4, signed: false }, -3, DataType.INT8],
      [{ bits: 4, signed: false }, 40, DataType.UINT8],
      [{ bits: 4, signed: true }, 9, DataType.INT8],
      [{ bits: 8, signed: false }, -20, DataType.INT16],
      [{ bits: 8, signed: true }, -1000, DataType.INT16],
    ];
    const b = new GraphBuilder([-1, 3, 3, 2]);
    const graph = b.outputs(b.conv("conv", "input", 3));
    for (const [bits, zeroPoint, type] of grids) {
      const weights = quantizeWeights(graph, bits);
      weights.get("conv/filter")!.params.zeroPoint[1] = zeroPoint;
      const model = { graph, weights, activations: new Map() };
      const bytes = exportOnnx(model, { weightStorage: "int4" });
      expect(initializer(bytes, "conv/filter_quantized").dataType).toBe(type);
      expect(initializer(bytes, "conv/filter_zero_point").dataType).toBe(type);
      await expectComputes(bytes, toFakeQuantized(model));
    }
    const weights = quantizeWeights(graph, { bits: 8, signed: true });
    weights.get("conv/filter")!.params.zeroPoint[0] = 40_000;
    expect(() => exportOnnx({ graph, weights, activations: new Map() })).toThrow(GenieError);
  });
});

describe("the quantized file", () => {
  it.each(ALL_BITS)(
    "stores weights of $bits bits, signed $signed, in INT4 or UINT4 if asked and they fit",
    (bits) => {
      const graph = network();
      const model = { graph, weights: quantizeWeights(graph, bits), activations: new Map() };
      const bytes = exportOnnx(model, { weightStorage: "int4" });
      // Wider ones are INT8 without their zero-points, but for 8 bits that need them.
      const isUnsigned = !bits.signed && (bits.bits <= 4 || bits.bits === 8);
      const name = `${isUnsigned ? "U" : ""}INT${bits.bits <= 4 ? 4 : 8}` as
        | "INT4"
        | "UINT4"
        | "INT8"
        | "UINT8";
      const axes: Record<string, number> = { stem: 0, dw: 0, wide: 0, grouped: 0, fc: 1 };
      const dims: Record<string, bigint[]> = {
        stem: [5n, 3n, 3n, 3n],
        dw: [5n, 1n, 3n, 3n],
        wide: [15n, 1n, 1n, 1n],
        grouped: [5n, 3n, 1n, 1n],
        fc: [5n, 5n],
      };
      const nodes = graphOf(bytes).node;
      for (const layer of Object.keys(axes)) {
        const suffix = `${layer}/filter`;
        const codes = initializer(bytes, `${suffix}_quantized`);
        const count = Number(dims[layer]!.reduce((a, b) => a * b, 1n));
        expect(codes.dims).toEqual(dims[layer]);
        expect(codes.dataType).toBe(DataType[name]);
        expect(codes.rawData.length).toBe(bits.bits <= 4 ? Math.ceil(count / 2) : count);
        const channels = dims[layer]![axes[layer]!]!;
        expect(initializer(bytes, `${suffix}_scale`).dims).toEqual([channels]);
        expect(initializer(bytes, `${suffix}_zero_point`)).toMatchObject({
          dims: [channels],
          dataType: DataType[name],
        });
        const node = nodes.find((each) => each.output[0] === suffix)!;
        expect(node.opType).toBe("DequantizeLinear");
        expect(node.attribute).toMatchObject([{ name: "axis", i: BigInt(axes[layer]!) }]);
      }
      expect(graphOf(bytes).initializer.some((tensor) => tensor.name === "stem/filter")).toBe(false);
    },
  );

  it.each(ALL_BITS)(
    "clips codes of activations of $bits bits, signed $signed, where their type does not",
    (bits) => {
      const graph = network();
      const activations = quantizeActivations(graph, bits, 0);
      const bytes = exportOnnx({ graph, weights: new Map(), activations });
      const count = (op: string) => operators(bytes).filter((each) => each === op).length;
      expect(count("QuantizeLinear")).toBe(activations.size);
      expect(count("DequantizeLinear")).toBe(activations.size);
      expect(count("Clip")).toBe(bits.bits === 8 ? 0 : activations.size);
      expect(initializer(bytes, "stem:0_zero_point").dataType).toBe(DataType.UINT8);
    },
  );

  it("lists the bits in its metadata", () => {
    const graph = network();
    const model = {
      graph,
      weights: quantizeWeights(graph, { bits: 3, signed: true }),
      activations: quantizeActivations(graph, { bits: 5, signed: false }, 0),
    };
    const { metadataProps } = fromBinary(ModelProtoSchema, exportOnnx(model));
    const entry = (key: string) => JSON.parse(metadataProps.find((each) => each.key === key)!.value);
    expect(entry("genie-wasm.weight-bits")).toEqual({
      "stem/filter": 3,
      "dw/filter": 3,
      "wide/filter": 3,
      "grouped/filter": 3,
      "fc/filter": 3,
    });
    expect(entry("genie-wasm.activation-bits")["stem:0"]).toBe(5);
  });

  it("has the same bytes every time", () => {
    const graph = network();
    const bits = { bits: 4, signed: false };
    const once = () =>
      exportOnnx({
        graph,
        weights: quantizeWeights(graph, bits),
        activations: quantizeActivations(graph, bits, 0),
      });
    expect(once()).toEqual(once());
  });
});
