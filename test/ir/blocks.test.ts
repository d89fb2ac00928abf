import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Block, blockGraph, findBlocks } from "../../src/ir/blocks.ts";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { isLayer } from "../../src/ir/rewrite.ts";
import { validate } from "../../src/ir/validate.ts";
import {
  allNetworks,
  autoencoder,
  classifier,
  convChain,
  convNormRelu,
  GraphBuilder,
  inception,
  invertedResidual,
  mobileNetV1,
  mobileNetV2,
  optionA,
  preActivation,
  residual,
  residualBlock,
  squeezeExcite,
  twoHeads,
  twoInputs,
} from "./builders.ts";
import { evaluate } from "./evaluate.ts";

const prepare = (graph: Graph) => fuseActivations(foldBatchNorm(graph));
const layersOf = (graph: Graph) => findBlocks(prepare(graph)).map((block) => [block.name, block.layers]);

/** Every node once, in order; each block reads what the network is given or a block before it gives. */
function expectPartition(graph: Graph, blocks: Block[]): void {
  const positions = new Map(graph.nodes.map((node, position) => [node.name, position]));
  const all = blocks.flatMap((block) => block.nodes);
  expect(all.toSorted()).toEqual(graph.nodes.map((node) => node.name).toSorted());
  expect(blocks.flatMap((block) => block.layers)).toEqual(
    graph.nodes.filter(isLayer).map((node) => node.name),
  );
  expect(new Set(blocks.map((block) => block.name)).size).toBe(blocks.length);
  const known = new Set(graph.inputs.map(({ name }) => name));
  for (const block of blocks) {
    for (const input of block.inputs) expect(known).toContain(input);
    const order = block.nodes.map((name) => positions.get(name)!);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    for (const output of block.outputs) known.add(output);
  }
  for (const output of graph.outputs) expect(known).toContain(output);
}

/** The same, and each block reads nothing but what the one before gives. */
function expectChain(graph: Graph, blocks: Block[]): void {
  expectPartition(graph, blocks);
  let given = [graph.inputs[0]!.name];
  for (const { inputs, outputs } of blocks) {
    expect(inputs).toEqual(given);
    given = outputs;
  }
  expect(given).toEqual(graph.outputs);
}

describe("findBlocks", () => {
  it.each(allNetworks())("partitions %s, into a chain if it has one input and one output", (_name, graph) => {
    const expectBlocks = graph.inputs.length + graph.outputs.length > 2 ? expectPartition : expectChain;
    for (const form of [graph, prepare(graph)]) {
      const before = structuredClone(form);
      expectBlocks(form, findBlocks(form));
      expect(form).toEqual(before);
    }
  });

  it("partitions random stacks of stages", () => {
    const stage = fc.constantFrom("conv", "residual", "inverted", "squeeze", "pool", "relu", "inception");
    fc.assert(
      fc.property(fc.array(stage, { maxLength: 6 }), (stages) => {
        const b = new GraphBuilder([-1, 8, 8, 4]);
        let x = "input";
        for (const [i, kind] of stages.entries()) {
          const name = `s${i}`;
          if (kind === "conv") x = convNormRelu(b, name, x, 4);
          else if (kind === "residual") x = residualBlock(b, name, x, 4);
          else if (kind === "inverted") x = invertedResidual(b, name, x, 4, 4, { expansion: 1 + (i % 2) });
          else if (kind === "squeeze") x = squeezeExcite(b, name, x, 4);
          else if (kind === "pool") x = b.maxPool(name, x, 1);
          else if (kind === "relu") x = b.relu(name, x);
          else
            x = b.conv(
              `${name}.mix`,
              b.concat(name, [b.maxPool(`${name}.p`, x, 1), convNormRelu(b, `${name}.c`, x, 2)]),
              4,
            );
        }
        const graph = prepare(b.outputs(classifier(b, x, 4)));
        const blocks = findBlocks(graph);
        expectChain(graph, blocks);
        for (const block of blocks) {
          const part = blockGraph(graph, block);
          validate(part);
          expect(part.inputs.map((input) => input.name)).toEqual(block.inputs);
          expect(part.outputs).toEqual(block.outputs);
          expect(block.layers.length).toBeGreaterThan(0);
        }
      }),
    );
  });

  it("makes a layer with its activation a unit, pooling and reshaping a prefix", () => {
    const blocks = findBlocks(prepare(convChain(2)));
    expect(blocks.map((block) => block.nodes)).toEqual([
      ["stage0.conv"],
      ["stage1.conv"],
      ["pool", "flatten", "fc"],
    ]);
    const unfused = findBlocks(convChain(2));
    expect(unfused[0]!.nodes).toEqual(["stage0.conv", "stage0.bn", "stage0.relu"]);
    expect(unfused[0]!.outputs[0]).toBe("stage0.relu:0");
  });

  it("makes a residual block a unit, named for what its layers share", () => {
    expect(layersOf(residual(2))).toEqual([
      ["stem.conv", ["stem.conv"]],
      ["layer1", ["layer1.conv1", "layer1.conv2"]],
      ["layer2", ["layer2.conv1", "layer2.conv2"]],
      ["fc", ["fc"]],
    ]);
  });

  it("takes slice and pad of a parameter-free shortcut along", () => {
    const [, block] = findBlocks(prepare(optionA()));
    expect(block!.nodes).toEqual([
      "layer1.slice",
      "layer1.pad",
      "layer1.conv1",
      "layer1.conv2",
      "layer1.add",
    ]);
  });

  it("cuts MobileNetV1 into single layers, softmax with the last", () => {
    expect(layersOf(mobileNetV1()).map(([name]) => name)).toEqual([
      "stem.conv",
      "conv_dw_1",
      "conv_pw_1",
      "conv_dw_2",
      "conv_pw_2",
      "fc",
    ]);
    expect(findBlocks(prepare(mobileNetV1())).at(-1)!.nodes).toEqual(["pool", "flatten", "fc", "softmax"]);
  });

  it("keeps inverted residuals whole, with and without expansion, skip and squeeze-excite", () => {
    const expected = ["stem.conv", "block_0", "block_1", "block_2", "head.conv", "fc"];
    expect(layersOf(mobileNetV2()).map(([name]) => name)).toEqual(expected);
    const squeezed = layersOf(mobileNetV2({ squeeze: true }));
    expect(squeezed.map(([name]) => name)).toEqual(expected);
    expect(squeezed[2]![1]).toEqual([
      "block_1_expand",
      "block_1_depthwise",
      "block_1_se_reduce",
      "block_1_se_expand",
      "block_1_project",
    ]);
  });

  it("keeps pre-activation units whole", () => {
    expect(layersOf(preActivation()).map(([name]) => name)).toEqual(["stem", "unit1", "unit2", "fc"]);
    expect(findBlocks(prepare(preActivation())).at(-2)!.nodes).toContain("post.bn");
  });

  it("makes an inception module a unit, the pool before it a prefix", () => {
    const [, mixed] = findBlocks(prepare(inception()));
    expect(mixed).toMatchObject({ name: "mixed", inputs: ["stem.relu:0"], outputs: ["mixed.concat:0"] });
    expect(mixed!.nodes[0]).toBe("stem.pool");
  });

  it("lets x · sigmoid(x) go with the layer before it", () => {
    const b = new GraphBuilder([-1, 4, 4, 2]);
    const x = b.conv("a", "input", 2);
    const swish = b.multiply("swish", x, b.activation("sigmoid", x, { kind: "sigmoid" }));
    const blocks = findBlocks(b.outputs(b.conv("b", swish, 2)));
    expect(blocks.map((block) => block.nodes)).toEqual([["a", "sigmoid", "swish"], ["b"]]);
    expect(blocks[0]!.outputs[0]).toBe("swish:0");
  });

  it("knows dense networks", () => {
    expect(layersOf(autoencoder()).map(([name]) => name)).toEqual([
      "dense0",
      "dense1",
      "dense2",
      "reconstruction",
    ]);
  });

  it("cuts heads off their trunk one by one, and where a second input joins", () => {
    const heads = prepare(twoHeads());
    expect(layersOf(heads)).toEqual([
      ["trunk1.conv", ["trunk1.conv"]],
      ["trunk2.conv", ["trunk2.conv"]],
      ["left.conv", ["left.conv"]],
      ["right.conv", ["right.conv"]],
    ]);
    const trunk = findBlocks(heads)[1]!.outputs;
    expect(
      findBlocks(heads)
        .slice(2)
        .map(({ inputs, outputs }) => [inputs, outputs]),
    ).toEqual([
      [trunk, ["left.relu:0"]],
      [trunk, ["right.relu:0"]],
    ]);
    const inputs = findBlocks(prepare(twoInputs()));
    expect(inputs.slice(0, 2).map(({ layers, inputs }) => [layers, inputs])).toEqual([
      [["left"], ["input"]],
      [["right"], ["other", "left:0"]],
    ]);
  });

  it("gives what blocks behind it read, and an output where it is written", () => {
    const b = new GraphBuilder([-1, 4, 4, 2]);
    const early = b.conv("a", "input", 2);
    const late = b.conv("b", b.conv("c", early, 2), 2);
    const blocks = findBlocks(b.outputs(late, early));
    expect(blocks.map(({ layers, outputs }) => [layers, outputs])).toEqual([
      [["a"], ["a:0"]],
      [["c"], ["c:0"]],
      [["b"], ["b:0"]],
    ]);
  });

  it("carries the skips of a U-Net past, so that no block is the whole network", () => {
    const b = new GraphBuilder([-1, 16, 16, 2]);
    const skips: string[] = [];
    let x = "input";
    for (let level = 0; level < 4; level++) {
      x = b.conv(`down${level}.b`, b.conv(`down${level}.a`, x, 2), 2);
      skips.push(x);
      x = b.maxPool(`pool${level}`, x, 2);
    }
    for (const [level, skip] of [...skips.entries()].reverse()) {
      x = b.concat(`join${level}`, [b.conv(`up${level}`, x, 2), b.maxPool(`meet${level}`, skip, 2)]);
      x = b.conv(`up${level}.b`, b.conv(`up${level}.a`, x, 2), 2);
    }
    const graph = b.outputs(x);
    const blocks = findBlocks(graph);
    expect(Math.max(...blocks.map(({ layers }) => layers.length))).toBeLessThanOrEqual(10);
    expect(blocks.flatMap(({ layers }) => layers)).toEqual(
      graph.nodes.filter(isLayer).map(({ name }) => name),
    );
    expect(blocks.some(({ inputs }) => inputs.length > 1)).toBe(true);
  });

  it("names a block by a path that it alone has, else by its first layer", () => {
    const build = (names: [string, string, string]) => {
      const b = new GraphBuilder([-1, 4, 4, 2]);
      const x = b.conv(names[0], "input", 2);
      const y = b.conv(names[2], b.conv(names[1], x, 2), 2);
      return findBlocks(b.outputs(b.add("sum", x, y))).map((block) => block.name);
    };
    expect(build(["/c/Conv", "/l/l.0/c1/Conv", "/l/l.0/c2/Conv"])).toEqual(["/c/Conv", "/l/l.0"]);
    expect(build(["Conv_0", "Conv_1", "Conv_2"])).toEqual(["Conv_0", "Conv_1"]);
    expect(build(["conv9", "conv10", "conv11"])).toEqual(["conv9", "conv10"]);
    expect(build(["block_10", "block_1_a", "block_1_b"])).toEqual(["block_10", "block_1"]);
    expect(build(["x", "a", "a.proj"])).toEqual(["x", "a"]);
  });

  it("has one block for a network without layers and none for one without nodes", () => {
    const b = new GraphBuilder([-1, 4, 4, 2]);
    expect(findBlocks(b.outputs(b.relu("relu", "input")))).toMatchObject([{ name: "relu", layers: [] }]);
    expect(findBlocks(new GraphBuilder([-1, 2]).outputs("input"))).toEqual([]);
  });
});

describe("blockGraph", () => {
  it("computes, block after block, what the network computes", () => {
    const graph = prepare(optionA());
    const input = Float64Array.from({ length: 192 }, (_, i) => Math.cos(i));
    const whole = evaluate(graph, { input });
    let x: Float64Array = input;
    for (const block of findBlocks(graph)) {
      const part = blockGraph(graph, block);
      expect(part.inputs).toHaveLength(1);
      const [from, to] = [...block.inputs, ...block.outputs] as [string, string];
      x = evaluate(part, { [from]: x }).get(to)!;
      expect(x).toEqual(whole.get(to));
    }
    expect(x).toEqual(whole.get(graph.outputs[0]!));
  });
});
