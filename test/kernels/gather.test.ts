import { tensor, tensor1d, gather as tfGather } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { gather } from "../../src/kernels/gather.ts";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { onCpu } from "../support/cpuBackend.ts";
import { checkOp, randomInput } from "./gradcheck.ts";

const CASES: [shape: number[], axis: number, indices: number[]][] = [
  [[2, 5], 1, [4, 0, 4]],
  [[1, 1], 1, [0]],
  [[2, 5, 3], 1, [3, 1, 1, 0]],
  [[2, 3, 7, 4], 2, [6, 2]],
  [[2, 3, 5, 17], 3, [16, 1, 16, 16, 2]],
  [[2, 3, 67], 1, [2, 0, 2]],
];

describe.each<Binary>(["baseline", "relaxed"])("gather, %s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  it.each(CASES)("of %j along %i at %j", (shape, axis, indices) => {
    const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    checkOp({
      inputs: [randomInput(shape, 1)],
      run: ([x]) => gather(x!, axis, indices),
      naive: ([x]) =>
        Float64Array.from({ length: outer * indices.length * inner }, (_, i) => {
          const [o, k] = [Math.floor(i / inner / indices.length), Math.floor(i / inner) % indices.length];
          return x![(o * shape[axis]! + indices[k]!) * inner + (i % inner)]!;
        }),
      samples: 40,
    });
  });

  it("is what tfjs picks", async () => {
    const { shape, data } = randomInput([2, 3, 11, 5], 2);
    const expected = await onCpu(() => tfGather(tensor(data, shape), tensor1d([10, 3, 3], "int32"), 2));
    expect(view(gather(tensor(data, shape), 2, [10, 3, 3]))).toEqual(expected);
  });
});
