/** How large a WebAssembly heap will become, from shapes alone: before any work, for the same code that does it. */
import { upToLastBatchNorm } from "../ir/batchNorms.ts";
import { blockGraph, findBlocks } from "../ir/blocks.ts";
import { foldBatchNorm } from "../ir/foldBatchNorm.ts";
import type { Graph } from "../ir/graph.ts";
import { isLayer, outputChannels } from "../ir/rewrite.ts";
import { samplesOf } from "../quantization/biases.ts";
import { windowSize } from "../quantization/patches.ts";
import { LARGEST_WINDOW, windowsOf } from "../quantization/roundBlock.ts";
import { generatorWidths } from "../synthesis/generator.ts";
import { inputLayout, isVector } from "../synthesis/inputLayout.ts";
import type { SynthesisSettings } from "../synthesis/options.ts";
import { bytesPerImage, constantBytes, FLOAT_BYTES, walk } from "./footprint.ts";
import { heapFor } from "./heap.ts";
import { Ledger, type Shadow } from "./ledger.ts";

export type SynthesisSize = Pick<SynthesisSettings, "batchSize" | "mode" | "latents" | "swing">;

/**
 * Bytes of the heap at its highest while one batch is distilled:
 * base + 1.12·(constants + 4·parameters + tape) + scratch, and what the heap grows beyond need (a fifth, at most
 * 96 MiB). The tape is what ops save and every gradient, which live together at the end of the backward pass.
 *
 * @throws GenieError `invalid-model` for inconsistent shapes.
 */
export function synthesisBytes(graph: Graph, { batchSize, mode, latents, swing }: SynthesisSize): number {
  const ledger = new Ledger();
  const body = upToLastBatchNorm(graph);
  ledger.tensor(constantBytes(body));
  const source = createSource(ledger, graph, { batchSize, mode, latents });
  ledger.gradients(() => {
    const normalized = source();
    // Rescaled to the range that the network takes, and the statistics of each image.
    const images = ledger.op([normalized], normalized.bytes, { saves: [normalized] });
    const own = ledger.op([normalized], FLOAT_BYTES, { saves: [normalized] });
    const ends: Shadow[] = [];
    const read = new Set(body.nodes.flatMap(({ inputs }) => inputs));
    const collect = (value: Shadow): Shadow => {
      ends.push(value);
      return value;
    };
    const unread = body.nodes.filter(({ op, output }) => op === "batchNorm" && !read.has(output));
    const taps = new Map(unread.map(({ output }) => [output, collect]));
    walk(ledger, body, new Map([[body.inputs[0]!.name, images]]), {
      batchSize,
      learns: "inputs",
      swing,
      taps,
    });
    return ledger.op([own, ...ends], FLOAT_BYTES);
  });
  return heapFor(ledger.peak, graph);
}

/** A learned parameter with its two moments and its gradient. */
function parameter(ledger: Ledger, elements: number): Shadow {
  ledger.tensor(2 * FLOAT_BYTES * elements);
  return ledger.tensor(FLOAT_BYTES * elements, { learned: true });
}

/** What makes the images, on the ledger: its parameters at once, its images at every call. */
function createSource(
  ledger: Ledger,
  graph: Graph,
  { batchSize, mode, latents }: Omit<SynthesisSize, "swing">,
): () => Shadow {
  const layout = inputLayout(graph);
  const { height, width, channels } = layout;
  const pixels = height * width * channels;
  if (mode === "pixels") {
    const images = parameter(ledger, batchSize * pixels);
    return () => ledger.op([images], images.bytes, { isAlias: true, passesGradient: true });
  }
  const z = parameter(ledger, batchSize * latents);
  const bytes = (elements: number): number => FLOAT_BYTES * batchSize * elements;
  /** A layer with its filter, and the normalization and activation behind it. */
  const stage = (weights: number) => {
    const filter = parameter(ledger, weights);
    return (x: Shadow, elements: number): Shadow => {
      const y = ledger.op([x, filter], bytes(elements), { saves: [x, filter], transient: 2 * filter.bytes });
      return ledger.op([y], y.bytes, { saves: [y] });
    };
  };
  const finish = (x: Shadow): Shadow => {
    // Cropped, then normalized.
    const cropped = ledger.op([x], bytes(pixels));
    return ledger.op([cropped], cropped.bytes, { saves: [cropped] });
  };
  if (isVector(layout)) {
    const [first, last] = [stage(latents * 128), stage(128 * pixels)];
    return () => finish(last(first(z, 128), pixels));
  }
  const widths = generatorWidths(height, width, latents);
  const [rows, columns] = [height, width].map((size) => Math.ceil(size / 2 ** widths.length)) as [
    number,
    number,
  ];
  const features = rows * columns * widths[0]!;
  const linear = stage(latents * features);
  const outputs = [...widths.slice(1), channels];
  const stages = outputs.map((to, index) => stage(9 * widths[index]! * to));
  return () =>
    finish(
      stages.reduce(
        (x, apply, index) => apply(x, rows * columns * 4 ** (index + 1) * outputs[index]!),
        // Its bias is a pass of its own before the normalization.
        ledger.op([linear(z, features)], bytes(features)),
      ),
    );
}

export interface ReconstructionSize {
  /** Images of a batch that one member trains on. */
  batchSize: number;
  /** Images that a member runs at once outside training, and searches activation ranges on. */
  slabSize: number;
}

/**
 * Bytes of one member's heap at its highest while blocks are reconstructed: over blocks, the most of training
 * (constants + 5·filters + tape), of running `slabSize` images through it, of correcting its biases and of the sums that it
 * is rounded by; before them `slabSize` images run through the whole network, for equalization.
 */
export function reconstructionBytes(graph: Graph, { batchSize, slabSize }: ReconstructionSize): number {
  const folded = foldBatchNorm(graph);
  const peaks = findBlocks(folded).map((block, index) => {
    const part = blockGraph(folded, block);
    const ledger = new Ledger();
    trainBlock(ledger, part, batchSize, index > 0);
    // The unit's own constants and quantizers stay beside those of the run.
    const unit = 4 * constantBytes(part);
    const run = new Ledger();
    run.tensor(unit + constantBytes(part));
    runOnce(run, part, slabSize, true);
    return Math.max(ledger.peak, run.peak, unit + biasBytes(part), unit + feedbackBytes(part));
  });
  const whole = new Ledger();
  whole.tensor(constantBytes(folded));
  runOnce(whole, folded, slabSize, false);
  return heapFor(Math.max(whole.peak, ...peaks), folded);
}

/** Two samples of the widest layer's outputs, and one of them shifted. */
function biasBytes(graph: Graph): number {
  const widest = Math.max(
    0,
    ...graph.nodes.filter(isLayer).map((layer) => {
      const channels = outputChannels(layer, graph.constants.get(layer.inputs[1]!)!);
      return samplesOf(channels) * channels;
    }),
  );
  return 3 * FLOAT_BYTES * widest;
}

/** Windows of a layer's input in the float model and in the quantized one, and the sums of their products. */
function feedbackBytes(graph: Graph): number {
  const layers = graph.nodes.filter(isLayer).filter(({ op }) => op !== "depthwiseConv2d");
  const values = layers.map((layer) => {
    const size = windowSize(layer, graph.constants.get(layer.inputs[1]!)!.shape);
    return size > LARGEST_WINDOW ? 0 : 2 * windowsOf(size) * size + size ** 2;
  });
  return FLOAT_BYTES * Math.max(0, ...values);
}

function trainBlock(ledger: Ledger, graph: Graph, batchSize: number, isQuantizedInput: boolean): void {
  const layers = graph.nodes.filter(isLayer);
  const filters = new Map(
    layers.map((layer): [string, Shadow] => {
      const { length } = graph.constants.get(layer.inputs[1]!)!.data;
      // The frozen base and the first weights, beside logits and moments.
      ledger.tensor(2 * FLOAT_BYTES * length);
      return [layer.inputs[1]!, parameter(ledger, length)];
    }),
  );
  ledger.tensor(constantBytes(graph));
  const step = parameter(ledger, 1);
  const sizes = bytesPerImage(graph);
  const bytesOf = (name: string): number => sizes.get(name)! * batchSize;
  ledger.gradients(() => {
    const soft = [...filters].map(([name, logits]): [string, Shadow] => [
      name,
      ledger.op([logits], logits.bytes, { saves: [logits] }),
    ]);
    const inputs = graph.inputs.map(({ name }): [string, Shadow] => {
      ledger.tensor(2 * bytesOf(name));
      return [name, ledger.tensor(bytesOf(name))];
    });
    const first = graph.inputs[0]?.name;
    const quantize = (value: Shadow): Shadow => ledger.op([value, step], value.bytes, { saves: [value] });
    const taps = new Map(
      layers
        .map(({ inputs: [name] }) => name!)
        .filter((name) => isQuantizedInput || name !== first)
        .map((name) => [name, quantize]),
    );
    const outputs = walk(ledger, graph, new Map([...soft, ...inputs]), {
      batchSize,
      learns: "filters",
      taps,
    });
    const targets = outputs.map(({ bytes }) => ledger.tensor(bytes));
    return ledger.op(outputs, FLOAT_BYTES, { saves: [...outputs, ...targets] });
  });
}

/** Inference on one batch; `isTapped` if values are quantized on the way. */
function runOnce(ledger: Ledger, graph: Graph, batchSize: number, isTapped: boolean): void {
  const sizes = bytesPerImage(graph);
  ledger.scope(() => {
    const inputs = graph.inputs.map(({ name }): [string, Shadow] => [
      name,
      ledger.tensor(sizes.get(name)! * batchSize),
    ]);
    const quantize = (value: Shadow): Shadow => ledger.op([value], value.bytes);
    const names = isTapped ? graph.nodes.filter(isLayer).map(({ inputs: [name] }) => name!) : [];
    walk(ledger, graph, new Map(inputs), {
      batchSize,
      learns: "nothing",
      taps: new Map(names.map((name) => [name, quantize])),
    });
  });
}

/** Bytes of the heap at its highest while `batchSize` images are run: constants and the values alive at once. */
export function predictBytes(graph: Graph, batchSize: number): number {
  const ledger = new Ledger();
  ledger.tensor(constantBytes(graph));
  runOnce(ledger, graph, batchSize, false);
  return heapFor(ledger.peak, graph);
}

/**
 * Bytes of the arrays outside the heaps while `images` images are reconstructed, over all members: the images, and
 * input and output of the widest block, in the float model and in the quantized one.
 */
export function reconstructionArrayBytes(graph: Graph, images: number): number {
  const folded = foldBatchNorm(graph);
  const sizes = bytesPerImage(folded);
  const own = folded.inputs.reduce((sum, { name }) => sum + sizes.get(name)!, 0);
  const widest = Math.max(
    0,
    ...findBlocks(folded).map(({ inputs, outputs }) =>
      [...inputs, ...outputs].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0),
    ),
  );
  // The images once with the caller and once with the members.
  return images * (2 * own + 2 * widest);
}
