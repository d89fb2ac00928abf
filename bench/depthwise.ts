/** Depthwise convolutions forward and backward, in bytes that must move: their filters are nothing. */
import { tidy } from "@tensorflow/tfjs-core";
import { depthwiseConv2d } from "../src/kernels/depthwise.ts";
import { createCeilings, gigabytes } from "./ceilings.ts";
import { randomTensor, valuesOf } from "./data.ts";
import { record } from "./gradient.ts";
import { measure, type Row, ratesOf, type Table } from "./harness.ts";
import { DEPTHWISE, describe, geometryOf, outputShape } from "./layers.ts";
import { openOneNode } from "./peers/onnxruntime.ts";
import { openPeer } from "./peers/peer.ts";
import { depthwiseTfjs } from "./peers/tfjs.ts";

export const depthwise: Table = {
  name: "depthwise",
  async *rows(settings) {
    const { copy } = await createCeilings(settings);
    for (const layer of DEPTHWISE.filter((layer) => settings.wants(describe(layer)))) {
      const { input, kernel, stride, padding } = layer;
      const [n, h, w, c] = input;
      const geometry = geometryOf(layer);
      const x = randomTensor(input, 1);
      const filter = randomTensor([kernel, kernel, c, 1], 2);
      const dy = randomTensor(outputShape(layer), 3);
      // Each pass touches two of x, dy and dx: every element once.
      const bytes = 4 * (x.size + dy.size);
      const onnxruntime = await openPeer("onnxruntime", settings, () =>
        openOneNode({
          opType: "Conv",
          operands: [
            { shape: [n, c, h, w], data: valuesOf(x) },
            { shape: [c, 1, kernel, kernel], data: valuesOf(filter) },
          ],
          attributes: {
            group: { int: c },
            kernel_shape: { ints: [kernel, kernel] },
            strides: { ints: [stride, stride] },
            pads: { ints: [padding.top, padding.left, padding.bottom, padding.right] },
          },
        }),
      );
      const { backward, dispose } = record(() => depthwiseConv2d(x, filter, geometry), [x, filter]);
      const times = await measure(
        settings,
        {
          copy: copy(bytes),
          forward: () => tidy(() => void depthwiseConv2d(x, filter, geometry)),
          byInput: () => tidy(() => void backward([dy]).x!()),
          byFilter: () => tidy(() => void backward([dy]).filter!()),
          tfjs: depthwiseTfjs(x, filter, layer),
        },
        { onnxruntime: onnxruntime?.run },
      );
      await onnxruntime?.dispose();
      dispose();
      for (const tensor of [x, filter, dy]) tensor.dispose();
      const rate = (milliseconds: number): number => gigabytes(bytes, milliseconds);
      const base = { row: describe(layer), unit: "GB/s", ceiling: rate(times.copy) };
      yield {
        ...base,
        table: "depthwise forward",
        ours: rate(times.forward),
        peers: ratesOf({ tfjs: times.tfjs, onnxruntime: times.onnxruntime }, rate),
      } satisfies Row;
      yield { ...base, table: "depthwise by input", ours: rate(times.byInput), peers: {} };
      yield { ...base, table: "depthwise by filter", ours: rate(times.byFilter), peers: {} };
    }
  },
};
