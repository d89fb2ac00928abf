/** Inputs drawn from what is known of such inputs in general, and from no model: a prior. */
import { subSeed } from "../../kernels/random.ts";
import type { InputLayout } from "../inputLayout.ts";
import { paintLeaves } from "./deadLeaves.ts";
import { createDraws, type Draws } from "./draws.ts";
import { octaveField } from "./octaves.ts";
import { pixelRange } from "./pixels.ts";

/** Below so many rows or columns there is no picture to speak of. */
const LEAST_SIDE = 8;

/** Whether inputs of this layout are taken for pictures: colours, or square greys. Other greys are spectrograms. */
export function isPicture({ height, width, channels }: InputLayout): boolean {
  const isLargeEnough = Math.min(height, width) >= LEAST_SIDE;
  return isLargeEnough && (channels === 3 || (channels === 1 && height === width));
}

/**
 * `count` inputs [count, H, W, C] of mean 0 and deviation 1, nearly, over all of them: dead leaves, as far as a pixel
 * goes from black to white, or fields with a spectrum of 1/f² for what is no picture (spectrograms, signals, features),
 * their channels correlated by a half.
 *
 * The same seed gives the same bits in every runtime. Needs `initializeKernels`.
 */
export function drawPrior(layout: InputLayout, count: number, seed: number): Float32Array<ArrayBuffer> {
  const { height, width, channels } = layout;
  const size = height * width * channels;
  const out = new Float32Array(count * size);
  const { low, high } = pixelRange(channels);
  for (let n = 0; n < count; n++) {
    const draws = createDraws(subSeed(seed, n), 0);
    const image = out.subarray(n * size, (n + 1) * size);
    if (isPicture(layout)) {
      paintLeaves(image, height, width, channels, draws);
      for (let i = 0; i < size; i++) {
        image[i] = Math.min(Math.max(image[i]!, low[i % channels]!), high[i % channels]!);
      }
    } else {
      fillFields(image, layout, draws);
    }
  }
  return out;
}

function fillFields(image: Float32Array, { height, width, channels }: InputLayout, draws: Draws): void {
  const common = channels === 1 ? undefined : octaveField(height, width, draws);
  const share = Math.sqrt(0.5);
  for (let c = 0; c < channels; c++) {
    const own = octaveField(height, width, draws);
    for (let p = 0; p < own.length; p++) {
      image[p * channels + c] = common ? share * (common[p]! + own[p]!) : own[p]!;
    }
  }
}
