/**
 * Operator: convolution and its gradient by the input, without im2col.
 *
 * In NHWC the taps of a filter row are contiguous in the (padded) source, so a tile of four output pixels needs
 * four row pointers and a walk: kH segments of kW·C floats. (The idea of indirect convolution, Dukhan 2019,
 * arXiv 1907.02129, without its buffer of pointers.)
 */
import { fill } from "./fill";
import { Walk, WALK_BYTES } from "./microkernel";
import { packPanels } from "./packing";
import { EDGE_BYTES, multiplyRows, packedBytes, rowTableBytes, setRow } from "./tiles";
import {
  newWindow, openWindow, paddedBytes, planStrips, setAxis, stripPixels, Window, WINDOW_STRUCT_BYTES,
} from "./windows";

const HEADER_BYTES: usize = WINDOW_STRUCT_BYTES + WALK_BYTES + EDGE_BYTES;

/**
 * A walk over tapsH × tapsW pixels of an open window, `depth` channels of each, where pixels next to each other
 * in the walk are `dilationH` rows and `dilationW` columns apart.
 */
export function setTaps(
  walk: Walk, window: Window, tapsH: i32, tapsW: i32, dilationH: i32, dilationW: i32, depth: i32,
): void {
  const pixelBytes = <usize>window.channels * 4;
  walk.outer = tapsH;
  walk.outerStride = <usize>dilationH * window.rowStride;
  walk.step = 4;
  if (dilationW == 1 && depth == window.channels) {
    walk.inner = 1;
    walk.innerStride = 0;
    walk.run = tapsW * depth;
  } else {
    walk.inner = tapsW;
    walk.innerStride = <usize>dilationW * pixelBytes;
    walk.run = depth;
  }
}

/**
 * Row table of images × height × width pixels. Strides in bytes, in A and in C.
 */
function setPixels(
  rows: usize, images: i32, height: i32, width: i32,
  aImage: usize, aRow: usize, aPixel: usize, cImage: usize, cRow: usize, cPixel: usize,
): void {
  let index = 0;
  for (let i = 0; i < images; i++) {
    for (let r = 0; r < height; r++) {
      let a = <usize>i * aImage + <usize>r * aRow;
      let c = <usize>i * cImage + <usize>r * cRow;
      for (let p = 0; p < width; p++) {
        setRow(rows, index++, a, c);
        a += aPixel;
        c += cPixel;
      }
    }
  }
}

/** The window of a forward convolution, planned. */
export function forwardWindow(
  memory: usize, x: usize, n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): Window {
  const window = newWindow(memory, x, c);
  setAxis(window.rows, h, -top, sh, (kh - 1) * dh, oh);
  setAxis(window.columns, w, -left, sw, (kw - 1) * dw, ow);
  planStrips(window, n);
  return window;
}

/**
 * Bytes of scratch that `conv2d` needs.
 *
 * @param header CONV_HEADER_BYTES of memory to plan in
 */
export function conv2dScratch(
  header: usize, n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32, o: i32, groups: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): usize {
  const window = forwardWindow(header, 0, n, h, w, c, kh, kw, sh, sw, dh, dw, top, left, oh, ow);
  const packed = <usize>groups * packedBytes(kh * kw * (c / groups), o / groups);
  return HEADER_BYTES + rowTableBytes(stripPixels(window)) + packed + paddedBytes(window);
}

/** Bytes that the `…Scratch` functions of this file plan in. */
export function convHeaderBytes(): usize {
  return HEADER_BYTES;
}

/**
 * y[n, oh, ow, o] = Σ x[n, oh·sh + kh·dh − top, ow·sw + kw·dw − left, g·C/G + c] · filter[kh, kw, c, o], with g the
 * group of o and x = 0 outside.
 *
 * @param scratch conv2dScratch(…) bytes, aligned to 16
 */
export function conv2d(
  x: usize, filter: usize, y: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32, o: i32, groups: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const window = forwardWindow(scratch, x, n, h, w, c, kh, kw, sh, sw, dh, dw, top, left, oh, ow);
  const walk = changetype<Walk>(scratch + WINDOW_STRUCT_BYTES);
  const edge = scratch + WINDOW_STRUCT_BYTES + WALK_BYTES;
  const rows = edge + EDGE_BYTES;
  const packed = rows + rowTableBytes(stripPixels(window));
  const groupC = c / groups;
  const groupO = o / groups;
  const depth = kh * kw * groupC;
  const groupBytes = packedBytes(depth, groupO);
  window.padded = packed + <usize>groups * groupBytes;
  for (let g = 0; g < groups; g++) {
    packPanels(filter + <usize>g * groupO * 4, <usize>o * 4, 4, depth, groupO, packed + <usize>g * groupBytes);
  }
  const yPixel = <usize>o * 4;
  const yRow = <usize>ow * yPixel;
  const yImage = <usize>oh * yRow;
  for (let image = 0; image < n; image += window.stripImages) {
    const images = min(window.stripImages, n - image);
    for (let row = 0; row < oh; row += window.stripRows) {
      const count = min(window.stripRows, oh - row);
      const a = openWindow(window, image, images, row, count);
      setTaps(walk, window, kh, kw, dh, dw, groupC);
      const aRow = <usize>sh * window.rowStride;
      setPixels(rows, images, count, ow, window.imageStride, aRow, <usize>(sw * c) * 4, yImage, yRow, yPixel);
      const target = y + <usize>image * yImage + <usize>row * yRow;
      for (let g = 0; g < groups; g++) {
        multiplyRows(
          rows, images * count * ow, a + <usize>g * groupC * 4, walk, packed + <usize>g * groupBytes, depth,
          target + <usize>g * groupO * 4, groupO, false, edge,
        );
      }
    }
  }
}

/**
 * Along one axis, an input index i lies at i + before = phase + stride·j in the padded image, and the outputs that
 * read it are j − ⌊k·dilation / stride⌋ for the taps k with k·dilation ≡ phase (mod stride): for each phase a
 * small convolution of stride 1 over the outputs. `firstTap` is the least such k, −1 if there is none.
 */
function firstTap(kernel: i32, stride: i32, dilation: i32, phase: i32): i32 {
  for (let k = 0; k < min(kernel, stride); k++) {
    if ((k * dilation) % stride == phase) return k;
  }
  return -1;
}

/** Taps from one of a phase to the next: stride / gcd(stride, dilation). */
function tapSpacing(stride: i32, dilation: i32): i32 {
  let k = 1;
  while ((k * dilation) % stride != 0) k++;
  return k;
}

/** Taps of a phase. */
function tapCount(kernel: i32, first: i32, spacing: i32): i32 {
  return (kernel - first + spacing - 1) / spacing;
}

/** ⌈a / b⌉ and ⌊a / b⌋ for b > 0 and any a. */
function ceilDivide(a: i32, b: i32): i32 {
  return a > 0 ? (a + b - 1) / b : -(-a / b);
}
function floorDivide(a: i32, b: i32): i32 {
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/** The window of dY that the gradient by x reads; grid index j as in `firstTap`, counted from its least. */
function backwardWindow(
  memory: usize, dy: usize, n: i32, h: i32, w: i32, kh: i32, kw: i32, o: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): Window {
  const window = newWindow(memory, dy, o);
  const haloH = ((kh - 1) * dh) / sh;
  const haloW = ((kw - 1) * dw) / sw;
  setAxis(window.rows, oh, top / sh - haloH, 1, haloH, (h - 1 + top) / sh - top / sh + 1);
  setAxis(window.columns, ow, left / sw - haloW, 1, haloW, (w - 1 + left) / sw - left / sw + 1);
  planStrips(window, n);
  return window;
}

/** Bytes of scratch that `conv2dInputGradient` needs; otherwise as `conv2dScratch`. */
export function conv2dInputGradientScratch(
  header: usize, n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32, o: i32, groups: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): usize {
  const window = backwardWindow(header, 0, n, h, w, kh, kw, o, sh, sw, dh, dw, top, left, oh, ow);
  const packed = <usize>groups * packedBytes(kh * kw * (o / groups), c / groups);
  return HEADER_BYTES + rowTableBytes(stripPixels(window)) + packed + paddedBytes(window);
}

/**
 * Packs the filter of every phase and group, O and C swapped and rotated by 180°, in the order in which
 * `conv2dInputGradient` uses them.
 */
function packRotated(
  filter: usize, packed: usize, kh: i32, kw: i32, groupC: i32, o: i32, groups: i32, sh: i32, sw: i32, dh: i32, dw: i32,
): void {
  const groupO = o / groups;
  const spacingH = tapSpacing(sh, dh);
  const spacingW = tapSpacing(sw, dw);
  for (let phaseH = 0; phaseH < sh; phaseH++) {
    for (let phaseW = 0; phaseW < sw; phaseW++) {
      const firstH = firstTap(kh, sh, dh, phaseH);
      const firstW = firstTap(kw, sw, dw, phaseW);
      if (firstH < 0 || firstW < 0) continue;
      const tapsH = tapCount(kh, firstH, spacingH);
      const tapsW = tapCount(kw, firstW, spacingW);
      const depth = tapsH * tapsW * groupO;
      for (let g = 0; g < groups; g++) {
        for (let channel = 0; channel < groupC; channel += 8) {
          for (let i = tapsH - 1; i >= 0; i--) {
            for (let j = tapsW - 1; j >= 0; j--) {
              const tap = (firstH + i * spacingH) * kw + firstW + j * spacingW;
              const from = filter + (<usize>(tap * groupC + channel) * o + <usize>g * groupO) * 4;
              packPanels(from, 4, <usize>o * 4, groupO, min(8, groupC - channel), packed);
              packed += <usize>groupO * 32;
            }
          }
        }
      }
    }
  }
}

/**
 * dx[n, ih, iw, g·C/G + c] = Σ dy[n, oh, ow, o] · filter[kh, kw, c, o] over all oh·sh + kh·dh − top = ih and
 * ow·sw + kw·dw − left = iw, o in group g: for each of sh·sw phases of (ih, iw) a convolution of stride 1.
 *
 * @param scratch conv2dInputGradientScratch(…) bytes, aligned to 16
 */
export function conv2dInputGradient(
  dy: usize, filter: usize, dx: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32, o: i32, groups: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const window = backwardWindow(scratch, dy, n, h, w, kh, kw, o, sh, sw, dh, dw, top, left, oh, ow);
  const walk = changetype<Walk>(scratch + WINDOW_STRUCT_BYTES);
  const edge = scratch + WINDOW_STRUCT_BYTES + WALK_BYTES;
  const rows = edge + EDGE_BYTES;
  const packed = rows + rowTableBytes(stripPixels(window));
  const groupC = c / groups;
  const groupO = o / groups;
  window.padded = packed + <usize>groups * packedBytes(kh * kw * groupO, groupC);
  packRotated(filter, packed, kh, kw, groupC, o, groups, sh, sw, dh, dw);
  const spacingH = tapSpacing(sh, dh);
  const spacingW = tapSpacing(sw, dw);
  const xPixel = <usize>c * 4;
  const xRow = <usize>w * xPixel;
  const xImage = <usize>h * xRow;
  const firstJ = top / sh;
  const firstI = left / sw;
  // Pixels that no output reads belong to a phase without taps.
  if (kh < sh || kw < sw || spacingH < sh || spacingW < sw) fill(dx, 0, n * h * w * c);
  for (let image = 0; image < n; image += window.stripImages) {
    const images = min(window.stripImages, n - image);
    for (let stripRow = 0; stripRow < window.rows.grid; stripRow += window.stripRows) {
      const count = min(window.stripRows, window.rows.grid - stripRow);
      const base = openWindow(window, image, images, stripRow, count);
      let panels = packed;
      for (let phaseH = 0; phaseH < sh; phaseH++) {
        const tapH = firstTap(kh, sh, dh, phaseH);
        if (tapH < 0) continue;
        const tapsH = tapCount(kh, tapH, spacingH);
        const lastH = tapH + (tapsH - 1) * spacingH;
        // Grid rows j of this phase that are rows of x.
        const low = max(stripRow + firstJ, ceilDivide(top - phaseH, sh));
        const high = min(stripRow + firstJ + count - 1, floorDivide(h - 1 + top - phaseH, sh));
        for (let phaseW = 0; phaseW < sw; phaseW++) {
          const tapW = firstTap(kw, sw, dw, phaseW);
          if (tapW < 0) continue;
          const tapsW = tapCount(kw, tapW, spacingW);
          const lastW = tapW + (tapsW - 1) * spacingW;
          const lowW = ceilDivide(left - phaseW, sw);
          const highW = floorDivide(w - 1 + left - phaseW, sw);
          const depth = tapsH * tapsW * groupO;
          const groupBytes = packedBytes(depth, groupC);
          if (low <= high && lowW <= highW) {
            setTaps(walk, window, tapsH, tapsW, (spacingH * dh) / sh, (spacingW * dw) / sw, groupO);
            setPixels(
              rows, images, high - low + 1, highW - lowW + 1, window.imageStride, window.rowStride, <usize>o * 4,
              xImage, <usize>sh * xRow, <usize>sw * xPixel,
            );
            const aRow = low - stripRow - firstJ + window.rows.halo - (lastH * dh) / sh;
            const aColumn = lowW - firstI + window.columns.halo - (lastW * dw) / sw;
            const a = base + <usize>aRow * window.rowStride + <usize>aColumn * o * 4;
            const target =
              dx + <usize>image * xImage + <usize>(phaseH + sh * low - top) * xRow + <usize>(phaseW + sw * lowW - left) * xPixel;
            for (let g = 0; g < groups; g++) {
              multiplyRows(
                rows, images * (high - low + 1) * (highW - lowW + 1), a + <usize>g * groupO * 4, walk,
                panels + <usize>g * groupBytes, depth, target + <usize>g * groupC * 4, groupC, false, edge,
              );
            }
          }
          panels += <usize>groups * groupBytes;
        }
      }
    }
  }
}
