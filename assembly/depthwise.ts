/**
 * Operator: depthwise convolution and its gradients, one output channel for each input channel. (A channel
 * multiplier is the caller's business: it repeats the input's channels.)
 *
 * Channels are vectors of four. Where their number is not a multiple of four, pixels and filter are filled up with
 * zeros in scratch, and only stores have a tail.
 */
import { depthwiseRow, Taps, TAPS_BYTES } from "./depthwiseMicrokernel";
import { fill } from "./fill";
import { copyPixels } from "./packing";
import { leavesPixelsOut, Phase, PHASE_BYTES, setPhasePixels, setPhaseTaps } from "./phases";
import {
  forwardWindow, inputGradientWindow, openWindow, paddedBytes, Window, WINDOW_STRUCT_BYTES,
} from "./windows";

/** Channels that pass over a strip together: the cache line of a pixel that they share stays in L1. */
const CHANNEL_BLOCK: i32 = 16;

/** What every call keeps at the beginning of its scratch, in this order: Window, Taps, two Phases. */
const HEADER_BYTES: usize = WINDOW_STRUCT_BYTES + TAPS_BYTES + 2 * PHASE_BYTES;

/** Channels rounded up to whole vectors. */
export function vectorChannels(c: i32): i32 {
  return (c + 3) & ~3;
}

/** The filter with its channels filled up: itself, or a copy at `memory`. */
function filledFilter(filter: usize, taps: i32, c: i32, memory: usize): usize {
  if (vectorChannels(c) == c) return filter;
  copyPixels(filter, memory, taps, c, <usize>vectorChannels(c) * 4);
  return memory;
}

/** Bytes of scratch that `depthwise` needs. `header`: convHeaderBytes() of memory to plan in. */
export function depthwiseScratch(
  header: usize, n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): usize {
  const channels = vectorChannels(c);
  const window = forwardWindow(header, 0, n, h, w, c, channels, kh, kw, sh, sw, dh, dw, top, left, oh, ow);
  return HEADER_BYTES + <usize>(kh * kw * channels) * 4 + paddedBytes(window);
}

/**
 * y[n, oh, ow, c] = Σ x[n, oh·sh + kh·dh − top, ow·sw + kw·dw − left, c] · filter[kh, kw, c], x = 0 outside.
 *
 * @param scratch depthwiseScratch(…) bytes, aligned to 16
 */
export function depthwise(
  x: usize, filter: usize, y: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const channels = vectorChannels(c);
  const window = forwardWindow(scratch, x, n, h, w, c, channels, kh, kw, sh, sw, dh, dw, top, left, oh, ow);
  const taps = changetype<Taps>(scratch + WINDOW_STRUCT_BYTES);
  const filled = filledFilter(filter, kh * kw, c, scratch + HEADER_BYTES);
  window.padded = scratch + HEADER_BYTES + <usize>(kh * kw * channels) * 4;
  const yPixel = <usize>c * 4;
  const yRow = <usize>ow * yPixel;
  const yImage = <usize>oh * yRow;
  taps.rows = kh;
  taps.columns = kw;
  taps.inputColumn = <usize>dw * window.pixelBytes;
  taps.filterRow = <usize>kw * window.pixelBytes;
  taps.filterColumn = window.pixelBytes;
  for (let image = 0; image < n; image += window.stripImages) {
    const images = min(window.stripImages, n - image);
    for (let row = 0; row < oh; row += window.stripRows) {
      const count = min(window.stripRows, oh - row);
      const a = openWindow(window, image, images, row, count);
      taps.inputRow = <usize>dh * window.rowStride;
      eachRow(
        a, window, <usize>sh * window.rowStride, <usize>sw * window.pixelBytes, taps, filled,
        y + <usize>image * yImage + <usize>row * yRow, yImage, yRow, yPixel, images, count, ow, c,
      );
    }
  }
}

/** Bytes of scratch that `depthwiseInputGradient` needs; otherwise as `depthwiseScratch`. */
export function depthwiseInputGradientScratch(
  header: usize, n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): usize {
  const channels = vectorChannels(c);
  const window = inputGradientWindow(header, 0, n, h, w, kh, kw, c, channels, sh, sw, dh, dw, top, left, oh, ow);
  return HEADER_BYTES + <usize>(kh * kw * channels) * 4 + paddedBytes(window);
}

/**
 * dx[n, ih, iw, c] = Σ dy[n, oh, ow, c] · filter[kh, kw, c] over all oh·sh + kh·dh − top = ih and
 * ow·sw + kw·dw − left = iw: for each phase a convolution of stride 1 with the rotated filter.
 *
 * @param scratch depthwiseInputGradientScratch(…) bytes, aligned to 16
 */
export function depthwiseInputGradient(
  dy: usize, filter: usize, dx: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const channels = vectorChannels(c);
  const window = inputGradientWindow(scratch, dy, n, h, w, kh, kw, c, channels, sh, sw, dh, dw, top, left, oh, ow);
  const taps = changetype<Taps>(scratch + WINDOW_STRUCT_BYTES);
  const vertical = changetype<Phase>(scratch + WINDOW_STRUCT_BYTES + TAPS_BYTES);
  const horizontal = changetype<Phase>(scratch + WINDOW_STRUCT_BYTES + TAPS_BYTES + PHASE_BYTES);
  const filled = filledFilter(filter, kh * kw, c, scratch + HEADER_BYTES);
  window.padded = scratch + HEADER_BYTES + <usize>(kh * kw * channels) * 4;
  const pixelBytes = window.pixelBytes;
  const xPixel = <usize>c * 4;
  const xRow = <usize>w * xPixel;
  const xImage = <usize>h * xRow;
  if (leavesPixelsOut(kh, sh, dh) || leavesPixelsOut(kw, sw, dw)) fill(dx, 0, n * h * w * c);
  for (let image = 0; image < n; image += window.stripImages) {
    const images = min(window.stripImages, n - image);
    for (let row = 0; row < window.rows.grid; row += window.stripRows) {
      const count = min(window.stripRows, window.rows.grid - row);
      const base = openWindow(window, image, images, row, count);
      for (let phaseH = 0; phaseH < sh; phaseH++) {
        if (!setPhaseTaps(vertical, phaseH, kh, sh, dh)) continue;
        setPhasePixels(vertical, phaseH, sh, dh, h, top, window.rows, row, count);
        for (let phaseW = 0; phaseW < sw; phaseW++) {
          if (!setPhaseTaps(horizontal, phaseW, kw, sw, dw)) continue;
          setPhasePixels(horizontal, phaseW, sw, dw, w, left, window.columns, 0, window.columns.grid);
          taps.rows = vertical.taps;
          taps.columns = horizontal.taps;
          taps.inputRow = <usize>vertical.dilation * window.rowStride;
          taps.inputColumn = <usize>horizontal.dilation * pixelBytes;
          // Rotated: inputs ascend while taps descend.
          taps.filterRow = -(<usize>(vertical.spacing * kw) * pixelBytes);
          taps.filterColumn = -(<usize>horizontal.spacing * pixelBytes);
          const lastH = vertical.tap + (vertical.taps - 1) * vertical.spacing;
          const lastW = horizontal.tap + (horizontal.taps - 1) * horizontal.spacing;
          eachRow(
            base + <usize>vertical.source * window.rowStride + <usize>horizontal.source * pixelBytes,
            window, window.rowStride, pixelBytes, taps, filled + <usize>(lastH * kw + lastW) * pixelBytes,
            dx + <usize>image * xImage + <usize>vertical.target * xRow + <usize>horizontal.target * xPixel,
            xImage, <usize>sh * xRow, <usize>sw * xPixel, images, vertical.count, horizontal.count, c,
          );
        }
      }
    }
  }
}

/** Runs the micro-kernel over images × rows × pixels of an open window. Strides in bytes, in the window and in out. */
function eachRow(
  a: usize, window: Window, aRow: usize, aPixel: usize, taps: Taps, filter: usize,
  out: usize, outImage: usize, outRow: usize, outPixel: usize, images: i32, rows: i32, pixels: i32, c: i32,
): void {
  for (let block = 0; block < c; block += CHANNEL_BLOCK) {
    const end = min(c, block + CHANNEL_BLOCK);
    for (let i = 0; i < images; i++) {
      for (let r = 0; r < rows; r++) {
        const from = a + <usize>i * window.imageStride + <usize>r * aRow;
        const to = out + <usize>i * outImage + <usize>r * outRow;
        for (let channel = block; channel < end; channel += 4) {
          const at = <usize>channel * 4;
          depthwiseRow(from + at, aPixel, taps, filter + at, to + at, outPixel, pixels, min(4, c - channel));
        }
      }
    }
  }
}
