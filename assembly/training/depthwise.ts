/**
 * Operator: depthwise convolution and its gradients, one output channel for each input channel. (A channel
 * multiplier is the caller's business: it repeats the input's channels.)
 *
 * Bound by memory, so inputs are read where they are: taps that lie outside are left out at the borders, instead of
 * padding the image first, and the channels of four pixels pass before the next four come.
 */
import { fourPixelsProducts, onePixelProducts } from "./depthwiseFilterMicrokernel";
import { fourPixels, onePixel, Taps, TAPS_BYTES } from "./depthwiseMicrokernel";
import {
  DEPTHWISE_3X3_SCRATCH,
  depthwise3x3,
  depthwise3x3FilterGradient,
  depthwise3x3InputGradient,
  is3x3,
  is3x3InputGradient,
} from "./depthwise3x3";
import { ceilDivide, floorDivide } from "./division";
import { fill } from "./fill";
import { touch } from "./packing";
import { gridSize, leavesPixelsOut, Phase, PHASE_BYTES, setPhasePixels, setPhaseTaps } from "./phases";

/** What a grid of outputs reads along one axis: tap t of output g reads input g·step + origin + t·dilation. */
@unmanaged
class Reach {
  /** Inputs. */
  size: i32;
  origin: i32;
  step: i32;
  taps: i32;
  dilation: i32;
  /** Outputs; those in [inner, innerEnd) read existing inputs only. */
  grid: i32;
  inner: i32;
  innerEnd: i32;
}

const REACH_BYTES: usize = 32;

function setReach(reach: Reach, size: i32, origin: i32, step: i32, taps: i32, dilation: i32, grid: i32): void {
  reach.size = size;
  reach.origin = origin;
  reach.step = step;
  reach.taps = taps;
  reach.dilation = dilation;
  reach.grid = grid;
  reach.inner = min(grid, max(0, ceilDivide(-origin, step)));
  const end = floorDivide(size - 1 - (taps - 1) * dilation - origin, step) + 1;
  reach.innerEnd = min(grid, max(reach.inner, end));
}

/** Leading taps of an output that lie before the input, where its first tap reads `first`. */
function tapsBefore(reach: Reach, first: i32): i32 {
  return first >= 0 ? 0 : min(reach.taps, (reach.dilation - 1 - first) / reach.dilation);
}

/** Taps of an output that exist, after `before` that do not. */
function tapsInside(reach: Reach, first: i32, before: i32): i32 {
  if (first >= reach.size) return 0;
  return max(0, min(reach.taps, (reach.size - 1 - first) / reach.dilation + 1) - before);
}

/** Bytes of scratch that `depthwise` and `depthwiseInputGradient` need. */
export function depthwiseScratch(): usize {
  return max(TAPS_BYTES + 2 * REACH_BYTES + 2 * PHASE_BYTES, DEPTHWISE_3X3_SCRATCH);
}

/**
 * y[n, oh, ow, c] = Σ x[n, oh·sh + kh·dh − top, ow·sw + kw·dw − left, c] · filter[kh, kw, c], x = 0 outside.
 *
 * @param scratch depthwiseScratch() bytes, aligned to 16
 */
export function depthwise(
  x: usize, filter: usize, y: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  if (is3x3(c, kh, kw, sw, dh, dw, w, left, ow)) {
    depthwise3x3(x, filter, y, scratch, n, h, w, c, sh, sw, top, left, oh, ow);
    return;
  }
  eachRow(x, filter, y, scratch, n, h, w, c, kh, kw, sh, sw, dh, dw, top, left, oh, ow, false);
}

/** Bytes of scratch that `depthwiseFilterGradient` needs. */
export function depthwiseFilterGradientScratch(c: i32, kh: i32, kw: i32): usize {
  return depthwiseScratch() + <usize>(kh * kw * c) * 4;
}

/**
 * dFilter[kh, kw, c] = Σ over n, oh, ow of x[n, oh·sh + kh·dh − top, ow·sw + kw·dw − left, c] · dy[n, oh, ow, c].
 *
 * @param scratch depthwiseFilterGradientScratch(…) bytes, aligned to 16
 */
export function depthwiseFilterGradient(
  x: usize, dy: usize, dFilter: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const sums = scratch + depthwiseScratch();
  const isFast = is3x3(c, kh, kw, sw, dh, dw, w, left, ow);
  fill(dFilter, 0, kh * kw * c);
  for (let image = 0; image < n; image++) {
    // Sums by image keep the rounding errors of long sums down.
    fill(sums, 0, kh * kw * c);
    if (isFast) depthwise3x3FilterGradient(x, dy, sums, scratch, h, w, c, sh, sw, top, left, oh, ow);
    else eachRow(x, sums, dy, scratch, 1, h, w, c, kh, kw, sh, sw, dh, dw, top, left, oh, ow, true);
    addTo(dFilter, sums, kh * kw * c);
    x += <usize>(h * w) * c * 4;
    dy += <usize>(oh * ow) * c * 4;
  }
}

/**
 * dx[n, ih, iw, c] = Σ dy[n, oh, ow, c] · filter[kh, kw, c] over all oh·sh + kh·dh − top = ih and
 * ow·sw + kw·dw − left = iw: for each phase a convolution of stride 1 with the rotated filter.
 *
 * @param scratch depthwiseScratch() bytes, aligned to 16
 */
export function depthwiseInputGradient(
  dy: usize, filter: usize, dx: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  if (is3x3InputGradient(c, kh, kw, sh, sw, dh, dw, w, left, ow)) {
    depthwise3x3InputGradient(dy, filter, dx, scratch, n, h, w, c, sh, top, left, oh, ow);
    return;
  }
  const taps = changetype<Taps>(scratch);
  const verticalReach = changetype<Reach>(scratch + TAPS_BYTES);
  const horizontalReach = changetype<Reach>(scratch + TAPS_BYTES + REACH_BYTES);
  const vertical = changetype<Phase>(scratch + TAPS_BYTES + 2 * REACH_BYTES);
  const horizontal = changetype<Phase>(scratch + TAPS_BYTES + 2 * REACH_BYTES + PHASE_BYTES);
  const pixel = <usize>c * 4;
  const row = <usize>ow * pixel;
  if (leavesPixelsOut(kh, sh, dh) || leavesPixelsOut(kw, sw, dw)) fill(dx, 0, n * h * w * c);
  const gridRows = gridSize(h, sh, top);
  const gridColumns = gridSize(w, sw, left);
  for (let image = 0; image < n; image++) {
    const source = dy + <usize>(image * oh) * row;
    const target = dx + <usize>(image * h) * w * pixel;
    for (let r = 0; r < gridRows; r++) {
      const last = r + top / sh;
      touchRows(source, last + 1, min(oh, last + 2), row, taps);
      // All phases of a row while its outputs are near.
      for (let phaseH = 0; phaseH < sh; phaseH++) {
        if (!setPhaseTaps(vertical, phaseH, kh, sh, dh)) continue;
        setPhasePixels(vertical, phaseH, sh, dh, h, top, r, 1);
        if (vertical.count == 0) continue;
        setReach(verticalReach, oh, vertical.source, 1, vertical.taps, vertical.dilation, 1);
        for (let phaseW = 0; phaseW < sw; phaseW++) {
          if (!setPhaseTaps(horizontal, phaseW, kw, sw, dw)) continue;
          setPhasePixels(horizontal, phaseW, sw, dw, w, left, 0, gridColumns);
          setReach(horizontalReach, ow, horizontal.source, 1, horizontal.taps, horizontal.dilation, horizontal.count);
          taps.inputRow = <usize>vertical.dilation * row;
          taps.inputColumn = <usize>horizontal.dilation * pixel;
          // Rotated: inputs ascend while taps descend.
          taps.filterRow = -(<usize>(vertical.spacing * kw) * pixel);
          taps.filterColumn = -(<usize>horizontal.spacing * pixel);
          const lastH = vertical.tap + (vertical.taps - 1) * vertical.spacing;
          const lastW = horizontal.tap + (horizontal.taps - 1) * horizontal.spacing;
          eachPixel(
            source, verticalReach, 0, horizontalReach, taps, filter + <usize>(lastH * kw + lastW) * pixel, pixel, row,
            target + <usize>(vertical.target * w + horizontal.target) * pixel, <usize>sw * pixel,
            false,
          );
        }
      }
    }
  }
}

/** All rows of the forward convolution, or of its gradient by the filter; see `eachPixel`. */
function eachRow(
  x: usize, filter: usize, y: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32, isFilterGradient: bool,
): void {
  const taps = changetype<Taps>(scratch);
  const vertical = changetype<Reach>(scratch + TAPS_BYTES);
  const horizontal = changetype<Reach>(scratch + TAPS_BYTES + REACH_BYTES);
  const pixel = <usize>c * 4;
  const row = <usize>w * pixel;
  setReach(vertical, h, -top, sh, kh, dh, oh);
  setReach(horizontal, w, -left, sw, kw, dw, ow);
  taps.inputRow = <usize>dh * row;
  taps.inputColumn = <usize>dw * pixel;
  taps.filterRow = <usize>kw * pixel;
  taps.filterColumn = pixel;
  for (let image = 0; image < n; image++) {
    for (let r = 0; r < oh; r++) {
      const last = r * sh - top + (kh - 1) * dh;
      touchRows(x, max(0, last + 1), min(h, last + 1 + sh), row, taps);
      if (isFilterGradient) touchRows(y, r + 1, min(oh, r + 2), <usize>ow * pixel, taps);
      eachPixel(x, vertical, r, horizontal, taps, filter, pixel, row, y + <usize>(r * ow) * pixel, pixel, isFilterGradient);
    }
    y += <usize>(oh * ow) * pixel;
    x += <usize>h * row;
  }
}

/** target[i] += values[i] */
function addTo(target: usize, values: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    const at = <usize>i << 2;
    store<f32>(target + at, load<f32>(target + at) + load<f32>(values + at));
  }
}

/**
 * Reads rows [from, to) of an image in order, for the row of outputs after the one that comes now. The micro-kernels
 * jump from row to row and pixel to pixel, which hardware prefetchers do not follow.
 */
function touchRows(source: usize, from: i32, to: i32, row: usize, taps: Taps): void {
  if (from < to) taps.touched = touch(source + <usize>from * row, <usize>(to - from) * row);
}

/**
 * Row `r` of the grid of one image: outputs from the filter, or, if `isFilterGradient`, the filter's gradient from
 * the outputs' gradient.
 *
 * @param taps its strides; rows and columns are set here
 * @param filter weights to read, or sums to add to
 * @param pixel bytes of a pixel of the input, and of its channels; `row` bytes of a row of it
 * @param out outputs to write, or their gradient to read
 */
function eachPixel(
  source: usize, vertical: Reach, r: i32, horizontal: Reach, taps: Taps, filter: usize, pixel: usize, row: usize,
  out: usize, outPixel: usize, isFilterGradient: bool,
): void {
  const first = vertical.origin + r * vertical.step;
  const above = tapsBefore(vertical, first);
  taps.rows = tapsInside(vertical, first, above);
  const a = source + <usize>(first + above * vertical.dilation) * row + <usize>horizontal.origin * pixel;
  const w = filter + <usize>above * taps.filterRow;
  const step = <usize>horizontal.step * pixel;
  const end = horizontal.innerEnd;
  let p = 0;
  for (; p < horizontal.inner; p++) edgePixel(a, horizontal, p, taps, w, pixel, out, outPixel, isFilterGradient);
  taps.columns = horizontal.taps;
  if (pixel >= 16) {
    for (; end - p >= 4; p += 4) {
      const from = a + <usize>p * step;
      const to = out + <usize>p * outPixel;
      if (isFilterGradient) fourPixelsProducts(from, step, taps, w, to, outPixel, pixel);
      else fourPixels(from, step, taps, w, to, outPixel, pixel);
    }
    if (!isFilterGradient && end - p >= 2 && end - horizontal.inner >= 4) {
      // Two or three pixels are made four by computing some again; one alone is cheaper.
      p = end - 4;
      fourPixels(a + <usize>p * step, step, taps, w, out + <usize>p * outPixel, outPixel, pixel);
      p = end;
    }
  }
  for (; p < end; p++) {
    const from = a + <usize>p * step;
    const to = out + <usize>p * outPixel;
    if (isFilterGradient) onePixelProducts(from, taps, w, to, pixel);
    else onePixel(from, taps, w, to, pixel);
  }
  for (; p < horizontal.grid; p++) edgePixel(a, horizontal, p, taps, w, pixel, out, outPixel, isFilterGradient);
}

/** A pixel some of whose taps lie to the left or right of the input. */
function edgePixel(
  a: usize, horizontal: Reach, p: i32, taps: Taps, w: usize, pixel: usize, out: usize, outPixel: usize,
  isFilterGradient: bool,
): void {
  const offset = p * horizontal.step;
  const first = horizontal.origin + offset;
  const before = tapsBefore(horizontal, first);
  taps.columns = tapsInside(horizontal, first, before);
  const from = a + <usize>(offset + before * horizontal.dilation) * pixel;
  const weights = w + <usize>before * taps.filterColumn;
  const to = out + <usize>p * outPixel;
  if (isFilterGradient) onePixelProducts(from, taps, weights, to, pixel);
  else onePixel(from, taps, weights, to, pixel);
}
