/**
 * Differentiable tensor surgery and softmax: slices and pads as copies of runs (`grid.ts`), the rest, which is rare,
 * on tfjs's own wasm kernels. The gradients are written out, because tfjs's gradient table does not load unbundled in Node.
 */
import {
  customGrad,
  mirrorPad,
  type Tensor,
  add as tfAdd,
  concat as tfConcat,
  mul as tfMultiply,
  pad as tfPad,
  reshape as tfReshape,
  reverse as tfReverse,
  slice as tfSlice,
  softmax as tfSoftmax,
  stridedSlice as tfStridedSlice,
  sub as tfSubtract,
  sum as tfSum,
  transpose as tfTranspose,
} from "@tensorflow/tfjs-core";
import { gatherGrid, isGrid, scatterGrid } from "./grid.ts";

/** Records `forward` on the tape with its gradient by the one input x. */
function differentiable(x: Tensor, forward: (x: Tensor) => Tensor, gradient: (dy: Tensor) => Tensor): Tensor {
  const op = customGrad((input) => ({ value: forward(input as Tensor), gradFunc: gradient }));
  return op(x);
}

/** The same elements in row-major order; one dimension may be −1. No copy. */
export function reshape(x: Tensor, shape: number[]): Tensor {
  const from = x.shape;
  return differentiable(
    x,
    (input) => tfReshape(input, shape),
    (dy) => tfReshape(dy, from),
  );
}

/** x under another handle, to be disposed of on its own. No copy. tfjs's own `clone` has no gradient here. */
export function alias(x: Tensor): Tensor {
  return reshape(x, x.shape);
}

/** y's axis i is x's axis permutation[i]. */
export function transpose(x: Tensor, permutation: number[]): Tensor {
  const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
  return differentiable(
    x,
    (input) => tfTranspose(input, permutation),
    (dy) => tfTranspose(dy, inverse),
  );
}

/**
 * Every steps[i]-th element of axis i from begin[i] to before end[i]; an end of −1 is the axis's size.
 *
 * @param steps Positive.
 */
export function slice(x: Tensor, begin: number[], end: number[], steps: number[]): Tensor {
  const shape = x.shape;
  const stop = end.map((value, axis) => (value === -1 ? shape[axis]! : value));
  const grid = {
    begin,
    steps,
    counts: stop.map((value, axis) => Math.max(0, Math.ceil((value - begin[axis]!) / steps[axis]!))),
  };
  if (isGrid(grid)) {
    return differentiable(
      x,
      (input) => gatherGrid(input, grid),
      (dy) => scatterGrid(dy, shape, grid),
    );
  }
  const dense = steps.every((step) => step === 1);
  return differentiable(
    x,
    (input) =>
      dense
        ? tfSlice(
            input,
            begin,
            stop.map((value, axis) => value - begin[axis]!),
          )
        : tfStridedSlice(input, begin, stop, steps),
    (dy) => {
      const spread = steps.reduce((value, step, axis) => dilate(value, axis, step), dy);
      return tfPad(
        spread,
        spread.shape.map((size, axis) => [begin[axis]!, shape[axis]! - begin[axis]! - size]),
      );
    },
  );
}

/** Puts step − 1 zeros between neighbours along an axis. */
function dilate(x: Tensor, axis: number, step: number): Tensor {
  if (step === 1) return x;
  const [before, size, after] = aroundAxis(x.shape, axis);
  const spaced = tfPad(tfReshape(x, [before, size, 1, after]), [
    [0, 0],
    [0, 0],
    [0, step - 1],
    [0, 0],
  ]);
  const length = (size - 1) * step + 1;
  const trimmed = tfSlice(
    tfReshape(spaced, [before, size * step, after]),
    [0, 0, 0],
    [before, length, after],
  );
  return tfReshape(
    trimmed,
    x.shape.map((value, i) => (i === axis ? length : value)),
  );
}

/** Elements of the axes in front of, at and behind `axis`. */
function aroundAxis(shape: number[], axis: number): [number, number, number] {
  const count = (sizes: number[]): number => sizes.reduce((product, size) => product * size, 1);
  return [count(shape.slice(0, axis)), shape[axis]!, count(shape.slice(axis + 1))];
}

/**
 * before[i] and after[i] more elements along axis i: `value` in mode "constant"; in mode "reflect" x mirrored at
 * its edge elements, which are not repeated (fewer than the axis has).
 */
export function pad(
  x: Tensor,
  before: number[],
  after: number[],
  mode: "constant" | "reflect",
  value: number,
): Tensor {
  const shape = x.shape;
  if (mode === "constant") {
    const amounts = before.map((count, axis) => [count, after[axis]!] as [number, number]);
    const grid = { begin: before, counts: shape, steps: shape.map(() => 1) };
    if (isGrid(grid)) {
      const padded = shape.map((size, axis) => size + before[axis]! + after[axis]!);
      return differentiable(
        x,
        (input) => scatterGrid(input, padded, grid, value),
        (dy) => gatherGrid(dy, grid),
      );
    }
    return differentiable(
      x,
      (input) => tfPad(input, amounts, value),
      (dy) => tfSlice(dy, before, shape),
    );
  }
  return before.reduce((padded, count, axis) => reflectAxis(padded, axis, count, after[axis]!), x);
}

/** Reflect-padding along one axis. */
function reflectAxis(x: Tensor, axis: number, before: number, after: number): Tensor {
  if (before === 0 && after === 0) return x;
  const shape = x.shape;
  const [outer, size, inner] = aroundAxis(shape, axis);
  return differentiable(
    x,
    (input) =>
      tfReshape(
        mirrorPad(
          tfReshape(input, [outer, size, inner]),
          [
            [0, 0],
            [before, after],
            [0, 0],
          ],
          "reflect",
        ),
        shape.map((length, i) => (i === axis ? length + before + after : length)),
      ),
    (dy) => {
      const columns = tfReshape(dy, [outer, before + size + after, inner]);
      const part = (begin: number, length: number): Tensor =>
        tfSlice(columns, [0, begin, 0], [outer, length, inner]);
      const mirrored = (begin: number, length: number, at: number): Tensor =>
        tfPad(tfReverse(part(begin, length), 1), [
          [0, 0],
          [at, size - at - length],
          [0, 0],
        ]);
      let dx = part(before, size);
      if (before > 0) dx = tfAdd(dx, mirrored(0, before, 1));
      if (after > 0) dx = tfAdd(dx, mirrored(before + size, after, size - 1 - after));
      return tfReshape(dx, shape);
    },
  );
}

/** The tensors one after another along `axis`; their other dimensions are equal. */
export function concat(tensors: Tensor[], axis: number): Tensor {
  const along = axis < 0 ? axis + tensors[0]!.rank : axis;
  const shapes = tensors.map(({ shape }) => shape);
  const op = customGrad((...inputs) => ({
    value: tfConcat(inputs.slice(0, shapes.length) as Tensor[], along),
    gradFunc: (dy) => {
      let begin = 0;
      return shapes.map((shape) => {
        const at = shape.map((_, i) => (i === along ? begin : 0));
        begin += shape[along]!;
        return tfSlice(dy, at, shape);
      });
    },
  }));
  return op(...tensors);
}

/** exp(x)/Σ exp(x) along `axis` (negative: from the back). */
export function softmax(x: Tensor, axis: number): Tensor {
  const along = axis < 0 ? axis + x.rank : axis;
  if (along === x.rank - 1) return softmaxOfLast(x);
  // tfjs knows the last axis only.
  const swapped = x.shape.map((_, i) => (i === along ? x.rank - 1 : i === x.rank - 1 ? along : i));
  return transpose(softmaxOfLast(transpose(x, swapped)), swapped);
}

const softmaxOfLast = customGrad((x, save) => {
  const y = tfSoftmax(x as Tensor);
  (save as (tensors: Tensor[]) => void)([y]);
  return {
    value: y,
    gradFunc: (dy, saved) => {
      const [probabilities] = saved as Tensor[];
      const inner = tfSum(tfMultiply(dy, probabilities!), -1, true);
      return tfMultiply(tfSubtract(dy, inner), probabilities!);
    },
  };
});
