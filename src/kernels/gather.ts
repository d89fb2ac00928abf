/** Elements of one axis picked by known indices. */
import { type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels } from "./heap.ts";

interface Attributes {
  axis: number;
  indices: readonly number[];
  shape: readonly number[];
}

type Call = (
  from: number,
  indices: number,
  to: number,
  ...sizes: [outer: number, size: number, count: number, inner: number]
) => void;

/** Calls a kernel with the indices in its memory and the sizes around the axis. */
function move(call: Call, from: Tensor, to: Tensor, { axis, indices, shape }: Attributes): void {
  const count = (sizes: readonly number[]) => sizes.reduce((product, size) => product * size, 1);
  const [outer, inner] = [count(shape.slice(0, axis)), count(shape.slice(axis + 1))];
  const list = tensor1d(Int32Array.from(indices), "int32");
  call(address(from), address(list), address(to), outer, shape[axis]!, indices.length, inner);
  list.dispose();
}

const op = defineOp<{ x: Tensor }, Attributes>({
  name: "Gather",
  forward: ({ x }, attributes) => {
    const { axis, indices, shape } = attributes;
    const y = emptyTensor(shape.map((size, i) => (i === axis ? indices.length : size)));
    move(kernels().gatherAxis, x, y, attributes);
    return y;
  },
  gradient: {
    backward: ([dy], _saved, attributes) => ({
      x: () => {
        const dx = emptyTensor(attributes.shape);
        move(kernels().gatherAxisGradient, dy!, dx, attributes);
        return dx;
      },
    }),
  },
});

/** y = x with element indices[i] of the axis at i of it. Gradient to x. */
export function gather(x: Tensor, axis: number, indices: readonly number[]): Tensor {
  const along = axis < 0 ? axis + x.rank : axis;
  return op({ x }, { axis: along, indices, shape: x.shape })[0]!;
}
