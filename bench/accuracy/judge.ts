/** onnxruntime's verdict on an exported file. */

import { permute } from "../../src/formats/graph/permute.ts";
import { NCHW } from "../../src/formats/onnx/graphWriter.ts";
import { slice } from "../../src/images.ts";
import { runOnnx } from "../../test/support/onnxruntime.ts";
import type { Labelled } from "./models.ts";

/** Values that onnxruntime is given at once: its heap is bounded. */
const VALUES_AT_ONCE = 2 ** 22;

/** Share of the images whose label has the highest score in the file's first output. */
export async function top1(file: Uint8Array, input: string, { images, labels }: Labelled): Promise<number> {
  const [count, ...shape] = images.shape as [number, ...number[]];
  const stride = shape.reduce((product, size) => product * size, 1);
  const step = Math.max(1, Math.floor(VALUES_AT_ONCE / stride));
  let correct = 0;
  for (let first = 0; first < count; first += step) {
    const size = Math.min(step, count - first);
    const part = slice(images, first, first + size);
    // Files are NCHW; other ranks are as they are.
    const axes = part.shape.length === 4 ? NCHW : part.shape.map((_, axis) => axis);
    const dims = axes.map((axis) => part.shape[axis]!);
    const data = permute(part.data, part.shape, axes);
    const [scores] = Object.values(await runOnnx(file, { [input]: { shape: dims, data } }));
    const classes = scores!.data.length / size;
    for (let image = 0; image < size; image++) {
      const row = scores!.data.subarray(image * classes, (image + 1) * classes);
      const best = row.reduce((top, score, index) => (score > row[top]! ? index : top), 0);
      if (best === labels[first + image]) correct++;
    }
  }
  return correct / count;
}
