/**
 * Operator: depthwise convolution with a 3×3 filter, dilation 1, stride 1 or 2 across, and its gradients: nearly all
 * depthwise convolutions that there are. `depthwise.ts` has the others.
 *
 * Micro-kernels walk rows, four channels at a time, through pixels that lie far apart: no prefetcher of the hardware
 * follows. So the image comes in strips that the second-level cache holds, each read in order before it is worked on.
 */
import { spreadByTwo } from "./depthwise3x3InputMicrokernel";
import { sumByOne, sumByTwo } from "./depthwise3x3FilterMicrokernel";
import { slideByOne, slideByTwo } from "./depthwise3x3Microkernel";
import { Window, WINDOW_BYTES } from "./depthwise3x3Window";
import { touch } from "./packing";

/** What a strip reads: a fraction of the second-level cache (0.5 MB and more), which holds its outputs too. */
const STRIP_BYTES: usize = 131072;

const LINE_BYTES: usize = 64;
/** First-level caches of 48 KB have so many sets, each of which holds as many lines as it has ways; of 32 KB, eight. */
const L1_SETS: i32 = 64;
const L1_WAYS: i32 = 12;

/** Bytes of scratch for each function here. */
export const DEPTHWISE_3X3_SCRATCH: usize = WINDOW_BYTES + 32;

/** Whether `depthwise3x3` and `depthwise3x3FilterGradient` can do it. */
export function is3x3(c: i32, kh: i32, kw: i32, sw: i32, dh: i32, dw: i32, w: i32, left: i32, ow: i32): bool {
  if (c < 4 || kh != 3 || kw != 3 || dh != 1 || dw != 1) return false;
  if (sw == 1) return left <= 2;
  return sw == 2 && left <= 1 && 2 * ow - left <= w;
}

/** Whether `depthwise3x3InputGradient` can do it. */
export function is3x3InputGradient(
  c: i32, kh: i32, kw: i32, sh: i32, sw: i32, dh: i32, dw: i32, w: i32, left: i32, ow: i32,
): bool {
  if (c < 4 || kh != 3 || kw != 3 || dh != 1 || dw != 1 || sh != sw) return false;
  if (sw == 1) return left <= 2;
  return sw == 2 && left <= 1 && w - 1 + left <= 2 * ow;
}

/** As `depthwise` of `depthwise.ts`. */
export function depthwise3x3(
  x: usize, filter: usize, y: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, sh: i32, sw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const at = changetype<Window>(scratch);
  setWindow(at, scratch, h, w, oh, ow, c, sh, top, left);
  eachStrip(sw == 1 ? SLIDE_BY_ONE : SLIDE_BY_TWO, at, x, filter, y, n, <usize>sh * at.inputRow);
}

/** As `depthwiseInputGradient` of `depthwise.ts`, of which stride 1 is the convolution with the rotated filter. */
export function depthwise3x3InputGradient(
  dy: usize, filter: usize, dx: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, sh: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const at = changetype<Window>(scratch);
  if (sh == 2) {
    setWindow(at, scratch, oh, ow, h, w, c, 2, top, left);
    eachStrip(SPREAD_BY_TWO, at, dy, filter, dx, n, at.inputRow);
    return;
  }
  setWindow(at, scratch, oh, ow, h, w, c, 1, 2 - top, 2 - left);
  const last = filter + 2 * (at.filterRow + at.filterColumn);
  at.filterRow = -at.filterRow;
  at.filterColumn = -at.filterColumn;
  eachStrip(SLIDE_BY_ONE, at, dy, last, dx, n, at.inputRow);
}

/** Adds one image's gradient by the filter to `sums` [3, 3, C]. */
export function depthwise3x3FilterGradient(
  x: usize, dy: usize, sums: usize, scratch: usize,
  h: i32, w: i32, c: i32, sh: i32, sw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const at = changetype<Window>(scratch);
  setWindow(at, scratch, h, w, oh, ow, c, sh, top, left);
  const kind = sw == 1 ? SUM_BY_ONE : SUM_BY_TWO;
  eachStrip(kind, at, x, sums, dy, 1, <usize>sh * at.inputRow + at.outputRow);
}

// The micro-kernels.
const SLIDE_BY_ONE: i32 = 0;
const SLIDE_BY_TWO: i32 = 1;
const SPREAD_BY_TWO: i32 = 2;
const SUM_BY_ONE: i32 = 3;
const SUM_BY_TWO: i32 = 4;

function setWindow(
  at: Window, scratch: usize, height: i32, width: i32, outputHeight: i32, outputWidth: i32, c: i32,
  stride: i32, top: i32, left: i32,
): void {
  at.pixel = <usize>c << 2;
  at.inputRow = <usize>width * at.pixel;
  at.height = height;
  at.width = width;
  at.outputRow = <usize>outputWidth * at.pixel;
  at.outputHeight = outputHeight;
  at.outputWidth = outputWidth;
  at.top = top;
  at.left = left;
  at.stride = stride;
  at.filterRow = 3 * at.pixel;
  at.filterColumn = at.pixel;
  at.zeros = scratch + WINDOW_BYTES;
  at.waste = at.zeros + 16;
  v128.store(at.zeros, f32x4.splat(0));
}

/** All rows of all images, or pairs of rows; `bytes` bytes are read for each that is walked. */
function eachStrip(
  kernel: i32, at: Window, input: usize, filter: usize, output: usize, n: i32, bytes: usize,
): void {
  const strip = max(1, <i32>(STRIP_BYTES / max(bytes, 1)));
  const isPairs = kernel == SPREAD_BY_TWO;
  const isSum = kernel >= SUM_BY_ONE;
  const first = isPairs ? at.top >> 1 : 0;
  const rows = isPairs ? ((at.outputHeight - 1 + at.top) >> 1) + 1 : at.outputHeight;
  // Sums are read and written by every walk: theirs are as long as can be.
  const near = isSum ? rows : isPairs ? rowsNear(at, 1, 1, 2) : rowsNear(at, at.stride, 3 - at.stride, 1);
  for (let image = 0; image < n; image++) {
    let read = 0;
    for (let r = first; r < rows; r += strip) {
      const to = min(rows, r + strip);
      const last = isPairs ? to - 1 : (to - 1) * at.stride - at.top + 2;
      const end = max(read, min(at.height, last + 1));
      at.touched = touch(input + <usize>read * at.inputRow, <usize>(end - read) * at.inputRow);
      read = end;
      if (isSum) at.touched = touch(output + <usize>r * at.outputRow, <usize>(to - r) * at.outputRow);
      for (let line: usize = 0; line < at.pixel; line += LINE_BYTES) {
        for (let row = r; row < to; row += near) {
          walkLine(kernel, at, input, filter, output, line, row, min(to, row + near));
        }
      }
    }
    input += <usize>at.height * at.inputRow;
    output += <usize>at.outputHeight * at.outputRow;
  }
}

/** Rows [from, to), or pairs of rows, for the vectors of channels in one cache line of each pixel. */
function walkLine(
  kernel: i32, at: Window, input: usize, filter: usize, output: usize, line: usize, from: i32, to: i32,
): void {
  const end = min(at.pixel, line + LINE_BYTES);
  for (let channel = line; channel < end; channel += 16) {
    // The last vector overlaps the one before if the channels are no multiple of four.
    const offset = min(channel, at.pixel - 16);
    at.repeated = <i32>(channel - offset) >> 2;
    at.input = input + offset;
    at.output = output + offset;
    at.filter = filter + offset;
    walk(kernel, at, from, to);
  }
}

/**
 * How many rows (or pairs) are walked for one vector of channels before the next: a cache line has four, and is to stay
 * near for all of them, whatever the addresses of input and output. Pixels an even number of lines apart share few of
 * the cache's sets.
 *
 * @param step rows of the input from one to the next, each read together with `overlap` more
 * @param written rows of the output
 */
function rowsNear(at: Window, step: i32, overlap: i32, written: i32): i32 {
  let sets = L1_SETS;
  // Half the sets for every factor of two between the pixels' lines.
  for (let bytes = at.pixel; bytes % (2 * LINE_BYTES) == 0 && sets > 1; bytes >>= 1) sets >>= 1;
  const lines = sets * L1_WAYS - overlap * at.width;
  return max(1, lines / (step * at.width + written * at.outputWidth));
}

// @ts-expect-error: decorator
@inline
function walk(kernel: i32, at: Window, from: i32, to: i32): void {
  switch (kernel) {
    case SLIDE_BY_ONE: slideByOne(at, from, to); break;
    case SLIDE_BY_TWO: slideByTwo(at, from, to); break;
    case SPREAD_BY_TWO: spreadByTwo(at, from, to); break;
    case SUM_BY_ONE: sumByOne(at, from, to); break;
    default: sumByTwo(at, from, to);
  }
}
