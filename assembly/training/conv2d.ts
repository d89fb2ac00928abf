/**
 * Operator: convolution and its gradient by the input, without im2col.
 *
 * In NHWC the taps of a filter row are contiguous in the (padded) source, so a tile of four output pixels needs
 * four row pointers and a walk: kH segments of kW·C floats. (The idea of indirect convolution, Dukhan 2019,
 * arXiv 1907.02129, without its buffer of pointers.)
 */
import { fill } from "./fill";
import { TILE_COLUMNS, Walk, WALK_BYTES } from "./microkernel";
import { dotBytes, multiplyRowsByDots, packDots, takesDotTiles } from "./narrow";
import { packPanel, packPanels } from "./packing";
import { EDGE_BYTES, multiplyRows, packedBytes, panelBytes, rowTableBytes, setRow } from "./tiles";
import { leavesPixelsOut, Phase, PHASE_BYTES, setPhasePixels, setPhaseTaps } from "./phases";
import {
  forwardWindow, inputGradientWindow, openWindow, paddedBytes, stripPixels, touchWindow, Window, WINDOW_STRUCT_BYTES,
} from "./windows";

/** What every call keeps at the beginning of its scratch, in this order: Window, Walk, edge tile, two Phases. */
const HEADER_BYTES: usize = WINDOW_STRUCT_BYTES + WALK_BYTES + EDGE_BYTES + 2 * PHASE_BYTES;

/**
 * A walk over tapsH × tapsW pixels of an open window, `depth` channels of each, where pixels next to each other
 * in the walk are `dilationH` rows and `dilationW` columns apart.
 */
function setTaps(
  walk: Walk, window: Window, tapsH: i32, tapsW: i32, dilationH: i32, dilationW: i32, depth: i32,
): void {
  walk.outer = tapsH;
  walk.outerStride = <usize>dilationH * window.rowStride;
  walk.step = 4;
  if (dilationW == 1 && depth == window.channels) {
    walk.inner = 1;
    walk.innerStride = 0;
    walk.run = tapsW * depth;
  } else {
    walk.inner = tapsW;
    walk.innerStride = <usize>dilationW * window.pixelBytes;
    walk.run = depth;
  }
}

/** Row table of images × height × width pixels. Strides in bytes, in A and in C. */
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

/**
 * Bytes of scratch that `conv2d` needs.
 *
 * @param header convHeaderBytes() of memory to plan in
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
  const rows = scratch + HEADER_BYTES;
  const packed = rows + rowTableBytes(stripPixels(window));
  const groupC = c / groups;
  const groupO = o / groups;
  const depth = kh * kw * groupC;
  const groupBytes = packedBytes(depth, groupO);
  window.padded = packed + <usize>groups * groupBytes;
  const isNarrow = takesDotTiles(groupO, groupC);
  for (let g = 0; g < groups; g++) {
    const from = filter + <usize>g * groupO * 4;
    if (isNarrow) packDots(from, <usize>o * 4, 4, depth, groupO, packed + <usize>g * groupBytes);
    else packPanels(from, <usize>o * 4, 4, depth, groupO, packed + <usize>g * groupBytes);
  }
  const yPixel = <usize>o * 4;
  const yRow = <usize>ow * yPixel;
  const yImage = <usize>oh * yRow;
  let tableRows = 0;
  for (let image = 0; image < n; image += window.stripImages) {
    const images = min(window.stripImages, n - image);
    for (let row = 0; row < oh; row += window.stripRows) {
      const count = min(window.stripRows, oh - row);
      const a = openWindow(window, image, images, row, count);
      touchWindow(window, a, images, count);
      setTaps(walk, window, kh, kw, dh, dw, groupC);
      // Strips of as many rows have the same table, or the beginning of it.
      if (count != tableRows) {
        const aRow = <usize>sh * window.rowStride;
        setPixels(rows, images, count, ow, window.imageStride, aRow, <usize>(sw * c) * 4, yImage, yRow, yPixel);
        tableRows = count;
      }
      const target = y + <usize>image * yImage + <usize>row * yRow;
      for (let g = 0; g < groups; g++) {
        const panels = packed + <usize>g * groupBytes;
        const from = a + <usize>g * groupC * 4;
        const to = target + <usize>g * groupO * 4;
        if (isNarrow) multiplyRowsByDots(rows, images * count * ow, from, walk, panels, to, groupO);
        else multiplyRows(rows, images * count * ow, from, walk, panels, depth, to, groupO, false, edge);
      }
    }
  }
}

/** Bytes of scratch that `conv2dInputGradient` needs; otherwise as `conv2dScratch`. */
export function conv2dInputGradientScratch(
  header: usize, n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32, o: i32, groups: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): usize {
  const window = inputGradientWindow(header, 0, n, h, w, kh, kw, o, sh, sw, dh, dw, top, left, oh, ow);
  const packed = <usize>groups * packedBytes(kh * kw * (o / groups), c / groups);
  return HEADER_BYTES + rowTableBytes(stripPixels(window)) + packed + paddedBytes(window);
}

/**
 * Packs the filter of every phase and group, O and C swapped and rotated by 180°, in the order in which
 * `conv2dInputGradient` uses them.
 */
function packRotated(
  filter: usize, packed: usize, isNarrow: bool, vertical: Phase, horizontal: Phase,
  kh: i32, kw: i32, groupC: i32, o: i32, groups: i32, sh: i32, sw: i32, dh: i32, dw: i32,
): void {
  const groupO = o / groups;
  for (let phaseH = 0; phaseH < sh; phaseH++) {
    if (!setPhaseTaps(vertical, phaseH, kh, sh, dh)) continue;
    for (let phaseW = 0; phaseW < sw; phaseW++) {
      if (!setPhaseTaps(horizontal, phaseW, kw, sw, dw)) continue;
      for (let g = 0; g < groups; g++) {
        for (let channel = 0; channel < groupC; channel += TILE_COLUMNS) {
          for (let i = vertical.taps - 1; i >= 0; i--) {
            for (let j = horizontal.taps - 1; j >= 0; j--) {
              const tap = (vertical.tap + i * vertical.spacing) * kw + horizontal.tap + j * horizontal.spacing;
              const from = filter + (<usize>(tap * groupC + channel) * o + <usize>g * groupO) * 4;
              const columns = min(TILE_COLUMNS, groupC - channel);
              if (isNarrow) packDots(from, 4, <usize>o * 4, groupO, columns, packed);
              else packPanel(from, 4, <usize>o * 4, groupO, columns, packed);
              packed += isNarrow ? dotBytes(groupO) : panelBytes(groupO);
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
  const window = inputGradientWindow(scratch, dy, n, h, w, kh, kw, o, sh, sw, dh, dw, top, left, oh, ow);
  const walk = changetype<Walk>(scratch + WINDOW_STRUCT_BYTES);
  const edge = scratch + WINDOW_STRUCT_BYTES + WALK_BYTES;
  const vertical = changetype<Phase>(edge + EDGE_BYTES);
  const horizontal = changetype<Phase>(edge + EDGE_BYTES + PHASE_BYTES);
  const rows = scratch + HEADER_BYTES;
  const packed = rows + rowTableBytes(stripPixels(window));
  const groupC = c / groups;
  const groupO = o / groups;
  const isNarrow = takesDotTiles(groupC, groupO);
  window.padded = packed + <usize>groups * packedBytes(kh * kw * groupO, groupC);
  packRotated(filter, packed, isNarrow, vertical, horizontal, kh, kw, groupC, o, groups, sh, sw, dh, dw);
  if (leavesPixelsOut(kh, sh, dh) || leavesPixelsOut(kw, sw, dw)) fill(dx, 0, n * h * w * c);
  const xPixel = <usize>c * 4;
  const xRow = <usize>w * xPixel;
  const xImage = <usize>h * xRow;
  for (let image = 0; image < n; image += window.stripImages) {
    const images = min(window.stripImages, n - image);
    for (let row = 0; row < window.rows.grid; row += window.stripRows) {
      const count = min(window.stripRows, window.rows.grid - row);
      const base = openWindow(window, image, images, row, count);
      touchWindow(window, base, images, count);
      let panels = packed;
      for (let phaseH = 0; phaseH < sh; phaseH++) {
        if (!setPhaseTaps(vertical, phaseH, kh, sh, dh)) continue;
        setPhasePixels(vertical, phaseH, sh, dh, h, top, row, count);
        for (let phaseW = 0; phaseW < sw; phaseW++) {
          if (!setPhaseTaps(horizontal, phaseW, kw, sw, dw)) continue;
          setPhasePixels(horizontal, phaseW, sw, dw, w, left, 0, window.columns.grid);
          setTaps(walk, window, vertical.taps, horizontal.taps, vertical.dilation, horizontal.dilation, groupO);
          setPixels(
            rows, images, vertical.count, horizontal.count, window.imageStride, window.rowStride, window.pixelBytes,
            xImage, <usize>sh * xRow, <usize>sw * xPixel,
          );
          const depth = vertical.taps * horizontal.taps * groupO;
          const pixels = images * vertical.count * horizontal.count;
          const a =
            base + <usize>(vertical.source - window.rows.origin - row) * window.rowStride +
            <usize>(horizontal.source - window.columns.origin) * window.pixelBytes;
          const target =
            dx + <usize>image * xImage + <usize>vertical.target * xRow + <usize>horizontal.target * xPixel;
          for (let g = 0; g < groups; g++) {
            const from = a + <usize>g * groupO * 4;
            const to = target + <usize>g * groupC * 4;
            if (isNarrow) multiplyRowsByDots(rows, pixels, from, walk, panels, to, groupC);
            else multiplyRows(rows, pixels, from, walk, panels, depth, to, groupC, false, edge);
            panels += isNarrow ? dotBytes(depth) : packedBytes(depth, groupC);
          }
        }
      }
    }
  }
}
