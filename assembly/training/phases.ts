/**
 * The gradient of a convolution by its input, as convolutions of stride 1.
 *
 * Along one axis, an input index i lies at i + before = phase + stride·j in the padded image, and the outputs that
 * read it are j − ⌊k·dilation / stride⌋ for the taps k with k·dilation ≡ phase (mod stride): for each phase, a
 * small convolution of stride 1 over the outputs, and no work on zeros in between.
 */
import { ceilDivide, floorDivide } from "./division";

/** One phase along one axis, within one strip. */
@unmanaged
export class Phase {
  /** First tap of the filter, the number of taps, and the distance from one to the next. */
  tap: i32;
  taps: i32;
  spacing: i32;
  /** Distance, in outputs, of what two taps next to each other read. */
  dilation: i32;
  /** Pixels of the phase within the strip. */
  count: i32;
  /** First output read for the first pixel, through the last tap; may lie outside. */
  source: i32;
  /** Input index of the first pixel. */
  target: i32;
}

export const PHASE_BYTES: usize = 32;

/** Sets the taps of `phase`, or returns false if it has none. */
export function setPhaseTaps(result: Phase, phase: i32, kernel: i32, stride: i32, dilation: i32): bool {
  const spacing = tapSpacing(stride, dilation);
  for (let k = 0; k < min(kernel, spacing); k++) {
    if ((k * dilation) % stride == phase) {
      result.tap = k;
      result.taps = (kernel - k + spacing - 1) / spacing;
      result.spacing = spacing;
      result.dilation = (spacing * dilation) / stride;
      return true;
    }
  }
  return false;
}

/** Number of grid indices j of all phases together; the least is ⌊before / stride⌋. */
export function gridSize(size: i32, stride: i32, before: i32): i32 {
  return (size - 1 + before) / stride - before / stride + 1;
}

/**
 * Sets the pixels of a phase whose taps are set.
 *
 * @param size of the input, `before` which padding lies
 * @param from first grid index of the strip, counted from the least, and how many there are
 */
export function setPhasePixels(
  result: Phase, phase: i32, stride: i32, dilation: i32, size: i32, before: i32, from: i32, count: i32,
): void {
  const first = from + before / stride;
  const low = max(first, ceilDivide(before - phase, stride));
  const high = min(first + count - 1, floorDivide(size - 1 + before - phase, stride));
  const last = result.tap + (result.taps - 1) * result.spacing;
  result.count = max(0, high - low + 1);
  result.source = low - (last * dilation) / stride;
  result.target = phase + stride * low - before;
}

/** Whether some phase has no taps, so that no output reads its pixels. */
export function leavesPixelsOut(kernel: i32, stride: i32, dilation: i32): bool {
  return kernel < stride || tapSpacing(stride, dilation) < stride;
}

/** stride / gcd(stride, dilation) */
function tapSpacing(stride: i32, dilation: i32): i32 {
  let k = 1;
  while ((k * dilation) % stride != 0) k++;
  return k;
}
