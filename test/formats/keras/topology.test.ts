/** How layers hang together: several values in and out, models inside, what a layer is called with. */
import { input, layers, model, type SymbolicTensor } from "@tensorflow/tfjs-layers";
import { describe, expect, it } from "vitest";
import { chain, expectLikeTfjs, fillWeights, load, type SavedModel, save } from "../tfjs/tfjsModels.ts";

const conv = (filters: number) => layers.conv2d({ filters, kernelSize: 3, padding: "same" });
const apply = (layer: { apply(x: never): unknown }, ...x: SymbolicTensor[]) =>
  layer.apply((x.length === 1 ? x[0] : x) as never) as SymbolicTensor;

describe("several inputs and outputs", () => {
  it("a model of two inputs and two outputs, one of which it reads on", async () => {
    const [x, y] = [input({ shape: [4, 4, 2] }), input({ shape: [4, 4, 3] })];
    const both = apply(layers.concatenate(), apply(conv(3), x), apply(conv(2), y));
    const mean = apply(layers.globalAveragePooling2d({}), both);
    const graph = await expectLikeTfjs(model({ inputs: [x, y], outputs: [mean, both] }));
    expect(graph.inputs.map(({ shape }) => shape.at(-1))).toEqual([2, 3]);
  });

  it("a nested model of two inputs and three outputs, used twice, whose outputs are read crosswise", async () => {
    const [a, b] = [input({ shape: [4, 4, 2] }), input({ shape: [4, 4, 2] })];
    const sum = apply(layers.add(), apply(conv(2), a), b);
    const inner = model({ inputs: [a, b], outputs: [sum, apply(conv(2), sum), a] });
    const x = input({ shape: [4, 4, 2] });
    const [first, second, third] = inner.apply([x, apply(conv(2), x)]) as SymbolicTensor[];
    const again = inner.apply([second!, first!]) as SymbolicTensor[];
    const outputs = [again[1]!, apply(layers.add(), third!, again[2]!)];
    await expectLikeTfjs(model({ inputs: x, outputs }));
  });

  it("several outputs of a model in a model in a model", async () => {
    const a = input({ shape: [4, 4, 2] });
    const innermost = model({ inputs: a, outputs: [apply(conv(2), a), apply(conv(3), a)] });
    const b = input({ shape: [4, 4, 2] });
    const [two, three] = innermost.apply(b) as SymbolicTensor[];
    const inner = model({ inputs: b, outputs: [three!, two!] });
    const x = input({ shape: [4, 4, 2] });
    const [wide, narrow] = inner.apply(x) as SymbolicTensor[];
    await expectLikeTfjs(model({ inputs: x, outputs: [narrow!, apply(conv(1), wide!)] }));
  });
});

describe("layers of steps", () => {
  it("TimeDistributed dense layers are those of tfjs-layers", async () => {
    await expectLikeTfjs(
      chain(
        [5, 3],
        layers.timeDistributed({ layer: layers.dense({ units: 4, activation: "tanh" }) as never }),
        layers.timeDistributed({ layer: layers.activation({ activation: "selu" }) }),
        layers.timeDistributed({ layer: layers.dense({ units: 2 }) }),
      ),
    );
  });

  it("TimeDistributed of another layer is refused by name", async () => {
    const network = chain([5, 4, 4, 1], layers.timeDistributed({ layer: conv(2) }));
    const saved = await save(fillWeights(network));
    await expect(load(saved)).rejects.toThrow(/"time_distributed.*" is a TimeDistributed of "Conv2D"/);
  });
});

/** Dropout behind a nested model, with this as what each of them is called with. */
async function called(change: (nodes: Record<string, unknown>[]) => void): Promise<SavedModel> {
  const x = input({ shape: [4, 4, 2] });
  const inner = chain([4, 4, 2], conv(2));
  inner.name = "inner";
  const y = apply(layers.dropout({ rate: 0.5, name: "drop" }), apply(inner, x));
  const saved = await save(fillWeights(model({ inputs: x, outputs: y })));
  const { config } = saved.json.modelTopology as { config: { layers: Record<string, unknown>[] } };
  change(config.layers);
  return saved;
}

describe("what a layer is called with", () => {
  const keras2 = (keywords: unknown) => (layer: Record<string, unknown>) => {
    const [[[name]]] = layer.inbound_nodes as [[[string]]];
    layer.inbound_nodes = [[[name, 0, 0, keywords]]];
  };
  const keras3 = (kwargs: unknown, rest: unknown[]) => (layer: Record<string, unknown>) => {
    const [[[name]]] = layer.inbound_nodes as [[[string]]];
    const tensor = { class_name: "__keras_tensor__", config: { keras_history: [name, 0, 0] } };
    layer.inbound_nodes = [{ args: [tensor, ...rest], kwargs }];
  };

  it.each([
    ["Keras 2, Dropout", 2, keras2({ training: true }), /layer "drop" \(Dropout\): .*training = true/],
    [
      "Keras 2, a model",
      1,
      keras2({ training: true }),
      /layer "inner" is a model called with training = true/,
    ],
    ["Keras 3, Dropout", 2, keras3({ training: true, mask: null }, []), /"drop".* training = true/],
    ["Keras 3, a model", 1, keras3({ training: true }, []), /"inner".* training = true/],
    ["Keras 3, without a name", 2, keras3({}, [true]), /"drop".* argument 1 = true/],
  ])("in training it is refused: %s", async (_name, index, change, message) => {
    const saved = await called((nodes) => change(nodes[index]!));
    await expect(load(saved)).rejects.toThrow(message);
    await expect(load(saved)).rejects.toMatchObject({ code: "unsupported-operator" });
  });

  it.each([
    ["Keras 2", keras2({ training: false })],
    ["Keras 3", keras3({ training: false, mask: null }, [null])],
  ])("at inference it is read: %s", async (_name, change) => {
    const graph = await load(await called((nodes) => nodes.slice(1).forEach(change)));
    expect(graph.nodes.map(({ op }) => op)).toEqual(["conv2d"]);
  });
});
