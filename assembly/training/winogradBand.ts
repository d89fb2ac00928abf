/** What Winograd's convolution and its gradient by the filter do alike: transformed tiles of the input, row by row. */
import { fill } from "./fill";
import {
  Factors, FACTORS_BYTES, setFactors, TILE_IN, TILE_OUT, transformInputColumns, transformInputRows,
} from "./winogradTransforms";

/** Sizes and places in scratch of one row of tiles. */
@unmanaged
export class InputBand {
  tilesW: i32;
  factors: Factors;
  /** A row of zeros, [W, C]: what lies above and below the image. */
  zeros: usize;
  /** Six rows of a row of tiles, transformed along the height, [6, 4·tilesW + 2, C]. */
  band: usize;
  bandRow: usize;
}

// @ts-expect-error: decorator
@inline
export function align(bytes: usize): usize {
  return (bytes + 15) & ~15;
}

/**
 * Lays out a band of an input of w columns and c channels, for outputs of ow columns, in scratch aligned to 16.
 *
 * @returns the scratch after it
 */
export function planBand(it: InputBand, scratch: usize, w: i32, c: i32, ow: i32): usize {
  it.tilesW = (ow + TILE_OUT - 1) / TILE_OUT;
  it.factors = changetype<Factors>(scratch);
  it.zeros = scratch + FACTORS_BYTES;
  it.bandRow = <usize>((TILE_OUT * it.tilesW + TILE_IN - TILE_OUT) * c) * 4;
  it.band = it.zeros + align(<usize>(w * c) * 4);
  return it.band + <usize>TILE_IN * it.bandRow;
}

/** What of it stays the same throughout a call. */
export function openBand(it: InputBand, w: i32, c: i32): void {
  fill(it.zeros, 0, w * c);
  fill(it.band, 0, <i32>((<usize>TILE_IN * it.bandRow) >> 2));
  setFactors(it.factors);
}

/** A row of the image of h rows at x, or zeros where it has none. */
// @ts-expect-error: decorator
@inline
export function rowOrZeros(zeros: usize, x: usize, index: i32, h: i32, rowBytes: usize): usize {
  return index >= 0 && index < h ? x + <usize>index * rowBytes : zeros;
}

/**
 * Transforms one row of tiles, whose first input row is `top` of the image at x and whose first column is −`left`.
 *
 * @param vector, position, tile bytes in `tiles` from one to the next four channels, position and tile
 */
export function transformIn(
  it: InputBand, x: usize, h: i32, w: i32, c: i32, top: i32, left: i32,
  tiles: usize, vector: usize, position: usize, tile: usize,
): void {
  const pixel = <usize>c * 4;
  const row = <usize>w * pixel;
  // The band's columns before and after the image stay 0 throughout.
  const first = max(0, left);
  const from = <usize>(first - left) * pixel;
  const to = <usize>first * pixel;
  if (from < row && to < it.bandRow) {
    const source = x + from;
    transformInputRows(
      rowOrZeros(it.zeros, source, top, h, row), rowOrZeros(it.zeros, source, top + 1, h, row),
      rowOrZeros(it.zeros, source, top + 2, h, row), rowOrZeros(it.zeros, source, top + 3, h, row),
      rowOrZeros(it.zeros, source, top + 4, h, row), rowOrZeros(it.zeros, source, top + 5, h, row),
      min(row - from, it.bandRow - to), it.factors, it.band + to, it.bandRow,
    );
  }
  let column = it.band;
  for (let count = it.tilesW; count > 0; count--) {
    transformInputColumns(column, it.bandRow, pixel, it.factors, tiles, vector, position);
    column += <usize>TILE_OUT * pixel;
    tiles += tile;
  }
}
