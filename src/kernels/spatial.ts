/** Moves of whole pixels of NHWC images. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels } from "./heap.ts";
import { alias } from "./layout.ts";

type Image = [batch: number, height: number, width: number, channels: number];

const upsampleOp = defineOp<{ x: Tensor }, { shape: Image; factors: [number, number] }>({
  name: "UpsampleNearest",
  forward: ({ x }, { shape: [batch, height, width, channels], factors: [down, across] }) => {
    const y = emptyTensor([batch, height * down, width * across, channels]);
    kernels().upsampleNearest(address(x), address(y), batch * height, width, channels, down, across);
    return y;
  },
  gradient: {
    backward: ([dy], _saved, { shape, factors: [down, across] }) => ({
      x: () => {
        const [batch, height, width, channels] = shape;
        const dx = emptyTensor(shape);
        kernels().upsampleNearestGradient(
          address(dy!),
          address(dx),
          batch * height,
          width,
          channels,
          down,
          across,
        );
        return dx;
      },
    }),
  },
});

/**
 * y[n, h, w, c] = x[n, ⌊h/factorH⌋, ⌊w/factorW⌋, c]: [N, H, W, C] → [N, H·factorH, W·factorW, C]. Gradient to x.
 *
 * @param factors [factorH, factorW], integers ≥ 1.
 */
export function upsampleNearest(x: Tensor, factors: [number, number]): Tensor {
  return upsampleOp({ x }, { shape: x.shape as Image, factors })[0]!;
}

const shiftOp = defineOp<{ x: Tensor }, { shape: Image; shiftH: number; shiftW: number }>({
  name: "ReflectShift",
  forward: ({ x }, { shape, shiftH, shiftW }) => {
    const y = emptyTensor(shape);
    kernels().reflectShift(address(x), address(y), ...shape, shiftH, shiftW);
    return y;
  },
  gradient: {
    backward: ([dy], _saved, { shape, shiftH, shiftW }) => ({
      x: () => {
        const dx = emptyTensor(shape);
        kernels().reflectShiftGradient(address(dy!), address(dx), ...shape, shiftH, shiftW);
        return dx;
      },
    }),
  },
});

/**
 * The swing: x reflect-padded by 1 on each side and cropped back to [H, W] at (offsetY, offsetX), (1, 1) being x
 * itself: y[n, h, w, c] = x[n, ρ(h + offsetY − 1), ρ(w + offsetX − 1), c], with ρ(−1) = 1 and ρ(size) = size − 2.
 * A side of 1 pixel has nothing to reflect: it repeats that pixel. Gradient to x. (GENIE, section 3.2.)
 *
 * @param x [N, H, W, C]
 * @param offsetY 0, 1 or 2
 * @param offsetX 0, 1 or 2
 * @throws GenieError `invalid-option` for another offset.
 */
export function reflectShift(x: Tensor, offsetY: number, offsetX: number): Tensor {
  if (![offsetY, offsetX].every((offset) => [0, 1, 2].includes(offset))) {
    throw new GenieError("invalid-option", `a swing offset is 0, 1 or 2, not (${offsetY}, ${offsetX})`);
  }
  if (offsetY === 1 && offsetX === 1) return alias(x);
  return shiftOp({ x }, { shape: x.shape as Image, shiftH: offsetY - 1, shiftW: offsetX - 1 })[0]!;
}
