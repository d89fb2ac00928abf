/**
 * Operator: gradient of a convolution by its filter. A row of the product is a filter tap and channel, a column an
 * output channel, and the walk goes over the output pixels of a strip: at each, a tap's channels are contiguous.
 */
import { joinRuns, Walk, WALK_BYTES } from "./microkernel";
import { addOuterProducts, OUTER_BYTES, takesOuterTiles } from "./narrow";
import { packPanels } from "./packing";
import { EDGE_BYTES, multiplyRows, packedBytes, rowTableBytes, setRow } from "./tiles";
import { forwardWindow, openWindow, paddedBytes, stripPixels, Window, WINDOW_STRUCT_BYTES } from "./windows";

/** What a call keeps at the beginning of its scratch: Window, Walk, and a tile of either kind. */
const HEADER_BYTES: usize = WINDOW_STRUCT_BYTES + WALK_BYTES + max(EDGE_BYTES, OUTER_BYTES);

/** Bytes of scratch that `conv2dFilterGradient` needs; otherwise as `conv2dScratch`. */
export function conv2dFilterGradientScratch(
  header: usize, n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32, o: i32, groups: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): usize {
  const window = forwardWindow(header, 0, n, h, w, c, kh, kw, sh, sw, dh, dw, top, left, oh, ow);
  return (
    HEADER_BYTES + rowTableBytes(kh * kw * (c / groups)) +
    packedBytes(stripPixels(window), o / groups) + paddedBytes(window)
  );
}

/**
 * dFilter[kh, kw, c, o] = Σ over n, oh, ow of x[n, oh·sh + kh·dh − top, ow·sw + kw·dw − left, g·C/G + c] · dy[n, oh, ow, o],
 * with g the group of o and x = 0 outside.
 *
 * @param scratch conv2dFilterGradientScratch(…) bytes, aligned to 16
 */
export function conv2dFilterGradient(
  x: usize, dy: usize, dFilter: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32, o: i32, groups: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const window = forwardWindow(scratch, x, n, h, w, c, kh, kw, sh, sw, dh, dw, top, left, oh, ow);
  const walk = changetype<Walk>(scratch + WINDOW_STRUCT_BYTES);
  const edge = scratch + WINDOW_STRUCT_BYTES + WALK_BYTES;
  const rows = scratch + HEADER_BYTES;
  const groupC = c / groups;
  const groupO = o / groups;
  const taps = kh * kw * groupC;
  // Rows of the filter whose inputs are contiguous.
  const piece = dw == 1 && groups == 1 ? kw * c : groupC;
  const packed = rows + rowTableBytes(taps);
  window.padded = packed + packedBytes(stripPixels(window), groupO);
  for (let image = 0; image < n; image += window.stripImages) {
    const images = min(window.stripImages, n - image);
    for (let row = 0; row < oh; row += window.stripRows) {
      const count = min(window.stripRows, oh - row);
      const a = openWindow(window, image, images, row, count);
      walk.outer = images;
      walk.outerStride = window.imageStride;
      walk.inner = count;
      walk.innerStride = <usize>sh * window.rowStride;
      walk.run = ow;
      walk.step = <usize>sw * window.pixelBytes;
      joinRuns(walk);
      const source = dy + (<usize>image * oh + row) * ow * o * 4;
      const accumulate = image > 0 || row > 0;
      if (takesOuterTiles(groupO, piece)) {
        for (let tap = 0; tap < taps; tap += piece) {
          const from = a + tapOffset(window, tap, kw, groupC, dh, dw);
          for (let g = 0; g < groups; g++) {
            addOuterProducts(
              from + <usize>g * groupC * 4, piece, walk, source + <usize>g * groupO * 4, <usize>o * 4,
              dFilter + (<usize>tap * o + <usize>g * groupO) * 4, <usize>o * 4, groupO, accumulate, edge,
            );
          }
        }
      } else {
        // The offsets are the same in every strip.
        for (let tap = accumulate ? taps : 0; tap < taps; tap++) {
          setRow(rows, tap, tapOffset(window, tap, kw, groupC, dh, dw), <usize>tap * o * 4);
        }
        const pixels = images * count * ow;
        for (let g = 0; g < groups; g++) {
          packPanels(source + <usize>g * groupO * 4, <usize>o * 4, 4, pixels, groupO, packed);
          multiplyRows(
            rows, taps, a + <usize>g * groupC * 4, walk, packed, pixels, dFilter + <usize>g * groupO * 4, groupO,
            accumulate, edge,
          );
        }
      }
    }
  }
}

/** Byte offset, in an open window, of row `tap` of the filter as a matrix [kH·kW·C/groups, O]. */
// @ts-expect-error: decorator
@inline
function tapOffset(window: Window, tap: i32, kw: i32, groupC: i32, dh: i32, dw: i32): usize {
  const channel = tap % groupC;
  const pixel = tap / groupC;
  return (
    <usize>((pixel / kw) * dh) * window.rowStride + <usize>((pixel % kw) * dw) * window.pixelBytes + <usize>channel * 4
  );
}
