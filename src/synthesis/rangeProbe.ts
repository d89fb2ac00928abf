/** What a network's first layers make of an input, as its first BatchNorms see it. */
import { tensor, tidy } from "@tensorflow/tfjs-core";
import { disposeAll, uploadConstants } from "../engine/feeds.ts";
import { run } from "../engine/run.ts";
import type { AffineStart } from "../ir/affine.ts";
import { view } from "../kernels/heap.ts";
import type { InputLayout } from "./inputLayout.ts";

/** Values that go through the network at once. */
const CHUNK_VALUES = 2 ** 21;

/** More channels of statistics than this add nothing to a handful of unknowns. */
const MAX_EQUATIONS = 512;

/** What the input does to the BatchNorms at the network's start: E channels of statistics altogether. */
export interface Probe {
  layout: InputLayout;
  /** Running means μ and variances σ², [E]. */
  mean: Float64Array;
  variance: Float64Array;
  /** Of L·x + b for images x, all together. */
  respond(images: Float32Array): Response;
  /** Of L·x. */
  respondLinearly(images: Float32Array): Response;
  dispose(): void;
}

/** Mean and mean square over images and positions, of every channel, [E] each. */
export interface Response {
  mean: Float64Array;
  square: Float64Array;
}

/** Needs `initializeKernels`. */
export function createProbe({ graph, norms }: AffineStart, layout: InputLayout): Probe {
  const constants = uploadConstants(graph);
  const stride = layout.height * layout.width * layout.channels;
  const channels = selectChannels(norms);
  /** Calls `visit` with the channel's index and the values at all positions, for some images at a time. */
  const runOn = (images: Float32Array, visit: (values: Float32Array, size: number, norm: number) => void) => {
    const total = images.length / stride;
    const step = Math.max(1, Math.floor(CHUNK_VALUES / stride));
    for (let from = 0; from < total; from += step) {
      const count = Math.min(step, total - from);
      tidy(() => {
        const batch = tensor(images.subarray(from * stride, (from + count) * stride), [
          count,
          ...layout.shape,
        ] as [number]);
        const values = run(graph, new Map([...constants, [graph.inputs[0]!.name, batch]]));
        norms.forEach((norm, index) => {
          visit(view(values.get(norm.input)!), norm.channels, index);
        });
      });
    }
  };
  // The offset at every position: the response to zeros.
  const offsets: Float32Array[] = [];
  runOn(new Float32Array(stride), (values, _, norm) => {
    offsets[norm] = values.slice();
  });
  const average = (images: Float32Array, subtract: boolean): Response => {
    const sums = new Float64Array(channels.length);
    const squares = new Float64Array(channels.length);
    const counts = new Float64Array(channels.length);
    runOn(images, (values, size, norm) => {
      const base = offsets[norm]!;
      channels.forEach((channel, e) => {
        if (channel.norm !== norm) return;
        for (let i = channel.index; i < values.length; i += size) {
          const value = values[i]! - (subtract ? base[i % base.length]! : 0);
          sums[e] = sums[e]! + value;
          squares[e] = squares[e]! + value * value;
        }
        counts[e] = counts[e]! + values.length / size;
      });
    });
    return {
      mean: sums.map((sum, e) => sum / counts[e]!),
      square: squares.map((sum, e) => sum / counts[e]!),
    };
  };
  return {
    layout,
    mean: Float64Array.from(channels, ({ norm, index }) => norms[norm]!.mean[index]!),
    variance: Float64Array.from(channels, ({ norm, index }) => norms[norm]!.std[index]! ** 2),
    respond: (images) => average(images, false),
    respondLinearly: (images) => average(images, true),
    dispose: () => disposeAll(constants.values()),
  };
}

/** The channels of all norms that are alive, evenly thinned out to MAX_EQUATIONS. */
function selectChannels(norms: AffineStart["norms"]): { norm: number; index: number }[] {
  const alive = norms.flatMap(({ std }, norm) => {
    const median = std.toSorted()[std.length >> 1]!;
    return Array.from(std, (value, index) => ({ norm, index, value })).filter(
      // A filter that training switched off has a variance of its own noise.
      ({ value }) => value > 0.01 * median,
    );
  });
  const step = Math.max(1, alive.length / MAX_EQUATIONS);
  return Array.from(
    { length: Math.min(alive.length, MAX_EQUATIONS) },
    (_, i) => alive[Math.floor(i * step)]!,
  );
}
