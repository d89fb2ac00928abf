/** Random numbers for drawing pictures, one after the other: exact arithmetic alone, so equal in every runtime. */
import { wordsOf } from "../../kernels/random.ts";

export interface Draws {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Mean 0 and variance 1, nearly normal: the sum of four uniform draws (Irwin–Hall), |x| ≤ 3.5. */
  normal(): number;
  /** A point of the unit circle, uniform (von Neumann's rejection: no sine is needed). */
  direction(): [number, number];
}

const WORD = 2 ** -32;
const HALF_SPAN = 2;
const SPREAD = Math.sqrt(3);
/** Nearer to the centre than this, rounding would show in the direction. */
const LEAST_SQUARE = 1e-4;

/** Needs `initializeKernels`. */
export function createDraws(seed: number, stream: number): Draws {
  const next = wordsOf(seed, stream);
  const uniform = (): number => next() * WORD;
  const between = (low: number, high: number): number => low + (high - low) * uniform();
  return {
    uniform,
    between,
    normal: () => (uniform() + uniform() + uniform() + uniform() - HALF_SPAN) * SPREAD,
    direction() {
      for (;;) {
        const [x, y] = [between(-1, 1), between(-1, 1)];
        const square = x * x + y * y;
        if (square > 1 || square < LEAST_SQUARE) continue;
        const length = Math.sqrt(square);
        return [x / length, y / length];
      }
    },
  };
}
