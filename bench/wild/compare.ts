/** Two ONNX files on the same plausible inputs, by onnxruntime. */
import * as ort from "onnxruntime-web";
import type { Graph } from "../../src/ir/graph.ts";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

export interface Picture {
  width: number;
  height: number;
  /** RGB bytes. */
  data: Uint8Array;
}

/** What inputs of three channels look like: pictures, in the range that the network expects. */
export interface Looks {
  pictures: readonly Picture[];
  mean: readonly number[];
  std: readonly number[];
}

/** Inputs that the figures are means of. */
const RUNS = 4;

/**
 * Signal to noise 10·log₁₀(Σ a² / Σ (a − b)²) of each output of `b` against those of `a`, in decibels.
 *
 * @param graph Says what the inputs measure where the files leave it open.
 */
export async function compareFiles(
  a: Uint8Array,
  b: Uint8Array,
  graph: Graph,
  looks: Looks,
): Promise<number[]> {
  const options = { executionProviders: ["wasm"], logSeverityLevel: 3 } as const;
  const [first, second] = [
    await ort.InferenceSession.create(a, options),
    await ort.InferenceSession.create(b, options),
  ];
  const signal: number[] = [];
  const noise: number[] = [];
  try {
    for (let run = 0; run < RUNS; run++) {
      const feeds = feedsFor(first, graph, run, looks);
      const wanted = await first.run(feeds);
      const renamed = Object.fromEntries(
        second.inputNames.map((name, i) => [name, feeds[name] ?? feeds[first.inputNames[i]!]!]),
      );
      const got = await second.run(renamed);
      first.outputNames.forEach((name, i) => {
        const x = Array.from(wanted[name]!.data as Float32Array, Number);
        const y = Array.from(got[second.outputNames[i]!]!.data as Float32Array, Number);
        if (x.length !== y.length) throw new Error(`output ${name}: ${x.length} values and ${y.length}`);
        signal[i] = (signal[i] ?? 0) + x.reduce((sum, value) => sum + value * value, 0);
        noise[i] = (noise[i] ?? 0) + x.reduce((sum, value, k) => sum + (value - y[k]!) ** 2, 0);
      });
    }
  } finally {
    await first.release();
    await second.release();
  }
  return signal.map((power, i) => (noise[i] === 0 ? 200 : Math.min(200, 10 * Math.log10(power / noise[i]!))));
}

/** Whether onnxruntime takes a file at all: of operator sets before 7 it knows few operators. */
export async function loads(bytes: Uint8Array): Promise<boolean> {
  try {
    await (
      await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], logSeverityLevel: 3 })
    ).release();
    return true;
  } catch {
    return false;
  }
}

function feedsFor(
  session: ort.InferenceSession,
  graph: Graph,
  run: number,
  looks: Looks,
): Record<string, ort.Tensor> {
  return Object.fromEntries(
    session.inputNames.map((name, index) => {
      const stated = session.inputMetadata[index] as { shape?: readonly (number | string)[] } | undefined;
      const ours = graph.inputs.find((input) => input.name === name)?.shape ?? graph.inputs[0]!.shape;
      const isFirst = ours.length === 4 && !graph.channelsLast;
      const known = isFirst ? [ours[0]!, ours[3]!, ours[1]!, ours[2]!] : ours;
      const shape = (stated?.shape ?? known).map((size, axis) => {
        if (axis === 0) return typeof size === "number" && size > 0 && size < 1000 ? size : 1;
        return typeof size === "number" && size > 0 && size < 2 ** 31 ? size : known[axis]!;
      });
      const picture = ours.length === 4 && ours[3] === 3 && looks.pictures[run % looks.pictures.length];
      const data = picture ? pictured(picture, shape, isFirst, looks) : values(shape, run);
      return [name, new ort.Tensor("float32", data, shape)];
    }),
  );
}

/** A picture cut to the input's size, or as often side by side as it takes, in the range that the network expects. */
function pictured(
  picture: Picture,
  shape: readonly number[],
  isFirst: boolean,
  { mean, std }: Looks,
): Float32Array {
  const [, ...sizes] = shape as [number, number, number, number];
  const [height, width] = (isFirst ? sizes.slice(1) : sizes.slice(0, 2)) as [number, number];
  const out = new Float32Array(3 * height * width);
  const side = Math.min(picture.width, picture.height);
  // Small inputs see the whole of it, large ones its pixels.
  const step = Math.max(1, side / Math.max(height, width));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at =
        (Math.floor(y * step) % picture.height) * picture.width + (Math.floor(x * step) % picture.width);
      for (let c = 0; c < 3; c++) {
        const pixel = (picture.data[3 * at + c]! / 255 - 0.45) / 0.25;
        const place = isFirst ? c * height * width + y * width + x : 3 * (y * width + x) + c;
        out[place] = mean[c % mean.length]! + std[c % std.length]! * pixel;
      }
    }
  }
  return out;
}

/** Smooth fields between 0 and 1, more or less: as pictures are. */
function values(shape: readonly number[], run: number): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const width = shape.at(-1)!;
  let state = run + 1;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const [left, above] = [out[i - 1] ?? 0.5, out[i - width] ?? 0.5];
    out[i] = 0.9 * (i % width === 0 ? above : (left + above) / 2) + 0.1 * 0.5 + 0.3 * (random() - 0.5);
  }
  return out;
}
