/** Images stretched to any size, as ONNX's Resize does it. */
import { type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import { type Mixture, mixturesOf, type Resizing } from "../ir/resizing.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels } from "./heap.ts";

interface Attributes {
  resizing: Resizing;
  shape: readonly [batch: number, height: number, width: number, channels: number];
}

type Kernel = "resize" | "resizeGradient";

/** Calls a kernel with the two tables that it wants (`assembly/training/resize.ts`). */
function call(kernel: Kernel, from: Tensor, to: Tensor, { resizing, shape }: Attributes): void {
  const tables = ([0, 1] as const).map((side) => table(mixturesOf(shape[1 + side]!, side, resizing)));
  const [rows, columns] = tables.map(address) as [number, number];
  kernels()[kernel](address(from), address(to), rows, columns, ...shape, ...resizing.size);
  for (const value of tables) value.dispose();
}

/** Four words an output pixel: both indices and the share, as the bits of integers. */
function table(mixtures: readonly Mixture[]): Tensor {
  const words = new Int32Array(4 * mixtures.length);
  const floats = new Float32Array(words.buffer);
  for (const [i, { first, second, share }] of mixtures.entries()) {
    words.set([first, second], 4 * i);
    floats[4 * i + 2] = share;
  }
  return tensor1d(words, "int32");
}

const op = defineOp<{ x: Tensor }, Attributes>({
  name: "Resize",
  forward: ({ x }, attributes) => {
    const [batch, , , channels] = attributes.shape;
    const y = emptyTensor([batch, ...attributes.resizing.size, channels]);
    call("resize", x, y, attributes);
    return y;
  },
  gradient: {
    backward: ([dy], _saved, attributes) => ({
      x: () => {
        const dx = emptyTensor(attributes.shape);
        call("resizeGradient", dy!, dx, attributes);
        return dx;
      },
    }),
  },
});

/** x [N, H, W, C] → [N, size[0], size[1], C]: see `ResizeNode`. Gradient to x. */
export function resize(x: Tensor, resizing: Resizing): Tensor {
  return op({ x }, { resizing, shape: x.shape as [number, number, number, number] })[0]!;
}
