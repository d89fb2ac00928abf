/** onnxruntime's verdict on an exported file. */
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
    const data = channelsFirst(images.data.subarray(first * stride, (first + size) * stride), shape, size);
    const dims = shape.length === 3 ? [size, shape[2]!, shape[0]!, shape[1]!] : [size, ...shape];
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

/** [N, H, W, C] → [N, C, H, W]; other ranks as they are. */
function channelsFirst(data: Float32Array, shape: readonly number[], count: number): Float32Array {
  if (shape.length !== 3) return data.slice();
  const [height, width, channels] = shape as [number, number, number];
  const pixels = height * width;
  const out = new Float32Array(data.length);
  for (let n = 0; n < count; n++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let c = 0; c < channels; c++) {
        out[(n * channels + c) * pixels + pixel] = data[(n * pixels + pixel) * channels + c]!;
      }
    }
  }
  return out;
}
