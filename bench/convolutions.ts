/** Convolutions forward and their gradients by input and by filter, for every distinct layer of four networks. */
import { tidy } from "@tensorflow/tfjs-core";
import { conv2d } from "../src/kernels/conv2d.ts";
import { createCeilings, gflops, MULTIPLY_ADD_FLOP } from "./ceilings.ts";
import { randomTensor, valuesOf } from "./data.ts";
import { record } from "./gradient.ts";
import { measure, type Row, ratesOf, type Table } from "./harness.ts";
import { CONVOLUTIONS, type ConvLayer, describe, geometryOf, outputShape } from "./layers.ts";
import { openOneNode } from "./peers/onnxruntime.ts";
import { openPeer, type Peer } from "./peers/peer.ts";
import { conv2dInputGradientTfjs, conv2dTfjs } from "./peers/tfjs.ts";

export const convolutions: Table = {
  name: "convolutions",
  async *rows(settings) {
    const { multiplyAdd } = await createCeilings(settings);
    for (const layer of CONVOLUTIONS.filter((layer) => settings.wants(describe(layer)))) {
      const { input, out, kernel } = layer;
      const geometry = geometryOf(layer);
      const shape = outputShape(layer);
      const x = randomTensor(input, 1);
      const filter = randomTensor([kernel, kernel, input[3], out], 2);
      const dy = randomTensor(shape, 3);
      const onnxruntime = await openPeer("onnxruntime", settings, () =>
        openConv(layer, valuesOf(x), valuesOf(filter)),
      );
      const { backward, dispose } = record(() => conv2d(x, filter, geometry), [x, filter]);
      const times = await measure(
        settings,
        {
          peak: multiplyAdd,
          forward: () => tidy(() => void conv2d(x, filter, geometry)),
          byInput: () => tidy(() => void backward([dy]).x!()),
          byFilter: () => tidy(() => void backward([dy]).filter!()),
          tfjs: conv2dTfjs(x, filter, layer),
          tfjsByInput: conv2dInputGradientTfjs(dy, filter, layer),
        },
        { onnxruntime: onnxruntime?.run },
      );
      await onnxruntime?.dispose();
      dispose();
      for (const tensor of [x, filter, dy]) tensor.dispose();
      // Padding is counted as work, as everybody does.
      const flop = 2 * kernel * kernel * input[3] * shape.reduce((product, size) => product * size, 1);
      const rate = (milliseconds: number): number => gflops(flop, milliseconds);
      const base = {
        row: describe(layer),
        unit: "GFLOP/s",
        ceiling: gflops(MULTIPLY_ADD_FLOP, times.peak),
      };
      yield {
        ...base,
        table: "convolution forward",
        ours: rate(times.forward),
        peers: ratesOf({ tfjs: times.tfjs, onnxruntime: times.onnxruntime }, rate),
      } satisfies Row;
      yield {
        ...base,
        table: "convolution by input",
        ours: rate(times.byInput),
        peers: { tfjs: rate(times.tfjsByInput) },
      };
      yield { ...base, table: "convolution by filter", ours: rate(times.byFilter), peers: {} };
    }
  },
};

/** onnxruntime takes NCHW and OIHW; the values are random either way. */
function openConv(
  { input: [n, h, w, c], out, kernel, stride, padding: { top, bottom, left, right } }: ConvLayer,
  x: Float32Array,
  filter: Float32Array,
): Promise<Peer> {
  return openOneNode({
    opType: "Conv",
    operands: [
      { shape: [n, c, h, w], data: x },
      { shape: [out, c, kernel, kernel], data: filter },
    ],
    attributes: {
      kernel_shape: { ints: [kernel, kernel] },
      strides: { ints: [stride, stride] },
      pads: { ints: [top, left, bottom, right] },
    },
  });
}
