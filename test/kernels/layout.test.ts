import { memory, tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { address, initializeKernels } from "../../src/kernels/heap.ts";
import { concat, pad, reshape, slice, softmax, transpose } from "../../src/kernels/layout.ts";
import { checkOp, randomInput } from "./gradcheck.ts";

/** Elements of a row-major array of `shape`, in the order of `coordinates`. */
function indexOf(coordinates: number[], shape: number[]): number {
  return coordinates.reduce((at, coordinate, axis) => at * shape[axis]! + coordinate, 0);
}

/** Builds an array of `shape` from its coordinates. */
function build(shape: number[], value: (coordinates: number[]) => number): Float64Array {
  const size = shape.reduce((a, b) => a * b, 1);
  return Float64Array.from({ length: size }, (_, index) => {
    const coordinates: number[] = [];
    let rest = index;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      coordinates[axis] = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return value(coordinates);
  });
}

// All of it runs on tfjs's kernels: which of our binaries is loaded makes no difference.
beforeAll(async () => {
  await initializeKernels();
});

describe("reshape", () => {
  it("reorders nothing and copies nothing", () => {
    checkOp({
      inputs: [randomInput([2, 3, 4], 1)],
      run: ([x]) => reshape(x!, [-1, 12]),
      naive: ([x]) => x!,
    });
    const x = tensor([1, 2, 3, 4], [2, 2]);
    const { numDataBuffers } = memory();
    const y = reshape(x, [4]);
    expect(address(y)).toBe(address(x));
    expect(memory().numDataBuffers).toBe(numDataBuffers);
  });
});

describe("transpose", () => {
  it.each([[[0, 3, 1, 2]], [[0, 2, 3, 1]], [[3, 2, 1, 0]], [[1, 0, 2, 3]]])("%j", (permutation) => {
    const shape = [2, 3, 4, 5];
    const outShape = permutation.map((axis) => shape[axis]!);
    checkOp({
      inputs: [randomInput(shape, 1)],
      run: ([x]) => transpose(x!, permutation),
      naive: ([x]) =>
        build(outShape, (at) => {
          const from: number[] = [];
          permutation.forEach((axis, i) => {
            from[axis] = at[i]!;
          });
          return x![indexOf(from, shape)]!;
        }),
    });
  });
});

describe("slice", () => {
  const shape = [2, 7, 6, 3];
  it.each([
    { begin: [0, 1, 2, 0], end: [-1, 6, 5, 2], steps: [1, 1, 1, 1] },
    { begin: [0, 0, 1, 0], end: [-1, 7, 6, 3], steps: [1, 2, 3, 1] },
    { begin: [0, 1, 0, 0], end: [-1, 7, 6, 3], steps: [1, 2, 2, 2] },
    { begin: [1, 3, 0, 1], end: [2, 4, 6, 3], steps: [1, 5, 1, 1] },
  ])("%j", ({ begin, end, steps }) => {
    const stop = end.map((value, axis) => (value === -1 ? shape[axis]! : value));
    const outShape = stop.map((value, axis) => Math.ceil((value - begin[axis]!) / steps[axis]!));
    checkOp({
      inputs: [randomInput(shape, 1)],
      run: ([x]) => slice(x!, begin, end, steps),
      naive: ([x]) =>
        build(outShape, (at) => {
          const from = at.map((coordinate, axis) => begin[axis]! + coordinate * steps[axis]!);
          return x![indexOf(from, shape)]!;
        }),
      samples: 60,
    });
  });
});

describe("pad", () => {
  const shape = [2, 4, 5, 3];
  const before = [0, 2, 1, 0];
  const after = [0, 1, 4, 2];
  const outShape = shape.map((size, axis) => size + before[axis]! + after[axis]!);

  it("fills with a constant", () => {
    checkOp({
      inputs: [randomInput(shape, 1)],
      run: ([x]) => pad(x!, before, after, "constant", 1.5),
      naive: ([x]) =>
        build(outShape, (at) => {
          const from = at.map((coordinate, axis) => coordinate - before[axis]!);
          const inside = from.every((coordinate, axis) => coordinate >= 0 && coordinate < shape[axis]!);
          return inside ? x![indexOf(from, shape)]! : 1.5;
        }),
      samples: 60,
    });
  });

  it("reflects", () => {
    checkOp({
      inputs: [randomInput(shape, 2)],
      run: ([x]) => pad(x!, before, after, "reflect", 0),
      naive: ([x]) =>
        build(outShape, (at) => {
          const from = at.map((coordinate, axis) => {
            const distance = Math.abs(coordinate - before[axis]!);
            return distance < shape[axis]! ? distance : 2 * (shape[axis]! - 1) - distance;
          });
          return x![indexOf(from, shape)]!;
        }),
      samples: 120,
    });
  });
});

describe("concat", () => {
  it.each([1, 3, -1])("along axis %i", (axis) => {
    const along = axis < 0 ? axis + 4 : axis;
    const shapes = [1, 3, 2].map((size) => [2, 2, 3, 2].map((value, i) => (i === along ? size : value)));
    const outShape = [2, 2, 3, 2].map((value, i) => (i === along ? 6 : value));
    checkOp({
      inputs: shapes.map((shape, i) => randomInput(shape, i)),
      run: (tensors) => concat(tensors, axis),
      naive: (arrays) =>
        build(outShape, (at) => {
          const from = [...at];
          let part = 0;
          while (from[along]! >= shapes[part]![along]!) from[along]! -= shapes[part++]![along]!;
          return arrays[part]![indexOf(from, shapes[part]!)]!;
        }),
      samples: 60,
    });
  });
});

describe("softmax", () => {
  it.each([1, 2, -1])("along axis %i", (axis) => {
    const shape = [2, 3, 5];
    const along = axis < 0 ? axis + 3 : axis;
    checkOp({
      inputs: [randomInput(shape, 1, 0, 3)],
      run: ([x]) => softmax(x!, axis),
      naive: ([x]) =>
        build(shape, (at) => {
          let sum = 0;
          for (let k = 0; k < shape[along]!; k++) {
            sum += Math.exp(
              x![
                indexOf(
                  at.map((value, i) => (i === along ? k : value)),
                  shape,
                )
              ]!,
            );
          }
          return Math.exp(x![indexOf(at, shape)]!) / sum;
        }),
      samples: 30,
    });
  });
});
