import {
  type DataId,
  dispose,
  engine,
  type KernelBackend,
  memory,
  type Tensor,
  tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { gradients } from "../../src/engine/gradients.ts";
import { conv2d } from "../../src/kernels/conv2d.ts";
import { add } from "../../src/kernels/elementwise.ts";
import { initializeKernels, view } from "../../src/kernels/heap.ts";
import { concat, reshape, softmax } from "../../src/kernels/layout.ts";
import { squaredError, sumScalars } from "../../src/kernels/loss.ts";
import { batchNormTraining, scaleShift } from "../../src/kernels/normalize.ts";
import { randomInput } from "../kernels/gradcheck.ts";

beforeAll(() => initializeKernels());

const SAME = {
  strides: [1, 1] as [number, number],
  dilations: [1, 1] as [number, number],
  padding: { top: 1, bottom: 1, left: 1, right: 1 },
};
const RELU = { kind: "relu" } as const;

function random(shape: number[], seed: number): Tensor {
  return tensor(randomInput(shape, seed).data, shape);
}

/** Three residual blocks; what each makes is let go of after its last reader, as `run` does. */
function residualLoss(x: Tensor, filters: readonly Tensor[], target: Tensor): Tensor {
  const output = filters.reduce((input, filter) => {
    const y = conv2d(input, filter, SAME);
    const activated = batchNormTraining(y, null, null, 1e-5, RELU);
    const sum = add(activated, input, RELU);
    for (const used of [y, activated, ...(input === x ? [] : [input])]) used.dispose();
    return sum;
  }, x);
  const merged = scaleShift(concat([output, x], 3), null, null, RELU);
  const twice = add(merged, merged);
  return sumScalars([
    { value: squaredError(twice, target, 0.01), weight: 1 },
    { value: squaredError(softmax(reshape(output, [-1, 8]), -1), scalarLike(output), 1), weight: 0.5 },
  ]);
}

function scalarLike(x: Tensor): Tensor {
  return tensor(new Float32Array(x.size).fill(0.125), [x.size / 8, 8]);
}

/** The most bytes of tensors alive at once while `work` runs. */
function peakBytes(work: () => void): number {
  const backend = engine().backend as KernelBackend & { move(id: DataId, ...rest: unknown[]): void };
  const sizes = new Map<DataId, number>();
  let live = 0;
  let peak = 0;
  const { move, disposeData } = backend;
  backend.move = (id, values, shape, ...rest) => {
    const bytes = 4 * (shape as number[]).reduce((product, size) => product * size, 1);
    sizes.set(id, bytes);
    live += bytes;
    peak = Math.max(peak, live);
    move.call(backend, id, values, shape, ...rest);
  };
  backend.disposeData = (id, force) => {
    const isGone = disposeData.call(backend, id, force);
    if (isGone) live -= sizes.get(id) ?? 0;
    return isGone;
  };
  work();
  Object.assign(backend, { move, disposeData });
  return peak;
}

describe("gradients", () => {
  const network = () => {
    const x = random([4, 12, 12, 8], 1);
    const filters = [2, 3, 4].map((seed) => random([3, 3, 8, 8], seed));
    const target = random([4, 12, 12, 16], 5);
    return { x, filters, target, loss: () => residualLoss(x, filters, target) };
  };

  it("are tfjs's, bit for bit, in less memory", () => {
    const { x, filters, target, loss } = network();
    const parameters = [x, ...filters];
    const start = memory().numTensors;
    let theirs: Tensor[] = [];
    const theirPeak = peakBytes(() => {
      theirs = tidy(() => engine().gradients(loss, parameters).grads);
    });
    let ours: Tensor[] = [];
    const ourPeak = peakBytes(() => {
      const { value, gradients: found } = gradients(loss, parameters);
      value.dispose();
      ours = found;
    });
    expect(ours.map((value) => view(value).slice())).toEqual(theirs.map((value) => view(value).slice()));
    expect(ourPeak).toBeLessThan(0.6 * theirPeak);
    dispose([...theirs, ...ours]);
    expect(memory().numTensors).toBe(start);
    dispose([x, ...filters, target]);
  });

  it("are zero for what the loss does not depend on", () => {
    const [a, zero, other] = [tensor([1, 2]), tensor([0, 0]), random([2], 2)];
    const { value, gradients: found } = gradients(() => squaredError(a, zero, 1), [a, other]);
    expect(found.map((gradient) => [...view(gradient)])).toEqual([
      [2, 4],
      [0, 0],
    ]);
    dispose([a, zero, other, value, ...found]);
  });

  it("add up where one tensor is read twice and both gradients are on the same memory", () => {
    const [a, zero] = [tensor([1, -2, 3]), tensor([0, 0, 0])];
    const { value, gradients: found } = gradients(() => squaredError(add(a, a), zero, 1), [a]);
    expect([...view(found[0]!)]).toEqual([8, -16, 24]);
    dispose([a, zero, value, ...found]);
  });

  it("that an op lacks are an error that names it, and leave nothing behind", () => {
    const [x, filter, zero] = [random([1, 5, 5, 2], 1), random([3, 3, 2, 2], 2), random([1, 5, 5, 2], 3)];
    const start = memory().numTensors;
    const frozen = () => squaredError(conv2d(x, filter, SAME, { frozenFilter: true }), zero, 1);
    expect(() => gradients(frozen, [filter])).toThrow(/Conv2DFrozen has no gradient by its filter/i);
    expect(memory().numTensors).toBe(start);
    dispose([x, filter, zero]);
  });

  it("leave nothing behind where the loss throws", () => {
    const x = random([1, 5, 5, 2], 1);
    const start = memory().numTensors;
    const failing = (): Tensor => {
      scaleShift(x, null, null, RELU);
      throw new Error("no loss");
    };
    expect(() => gradients(failing, [x])).toThrow("no loss");
    expect(memory().numTensors).toBe(start);
    x.dispose();
  });
});
